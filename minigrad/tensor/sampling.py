"""Random tensors: the generator's draws at the level of Tensors and Variables."""

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.tensor import discrete, distributions, results
from minigrad.tensor.creation import _dtype, _into, _sizes, checked_out


def _fresh(name, sizes, out):
    return np.empty(_sizes(name, sizes), _dtype(name, out))


def rand(*sizes, out=None, generator=None):
    """rand(*sizes): uniform numbers from [0, 1), of the default type."""
    return _into("rand", out, distributions.uniform(_fresh("rand", sizes, out), 0.0, 1.0, generator))


def randn(*sizes, out=None, generator=None):
    """randn(*sizes): standard normal numbers, of the default type."""
    return _into("randn", out, distributions.normal(_fresh("randn", sizes, out), 0.0, 1.0, generator))


def randperm(n, out=None, generator=None):
    """randperm(n): a random permutation of 0, ..., n - 1 as a LongTensor."""
    return _into("randperm", checked_out("randperm", out), discrete.randperm(n, generator))


def normal(means=0.0, std=1.0, mean=None, out=None, generator=None):
    """normal(means, std=1): normal numbers, one for each element of means and/or std (tensors; one may be a number)."""
    means = means if mean is None else mean
    arrays = [array_of(a) for a in (means, std) if isinstance(a, (Tensor, Variable))]
    if not arrays:
        raise TypeError("normal: means or std must be a tensor; for numbers use tensor.normal_(mean, std)")
    if len(arrays) == 2 and arrays[0].size != arrays[1].size:
        raise RuntimeError(
            f"normal: means and std must have equally many elements, got {arrays[0].shape} and {arrays[1].shape}"
        )
    shape = arrays[0].shape
    values = [array_of(a).reshape(shape) if isinstance(a, (Tensor, Variable)) else a for a in (means, std)]
    made = distributions.normal(np.empty(shape, arrays[0].dtype), *values, generator)
    made = _core.like(means if isinstance(means, (Tensor, Variable)) else std, made)
    return made if out is None else results.into("normal", out, made)


def bernoulli(p, out=None, generator=None):
    """bernoulli(p): 1 with probability p[k] at element k, else 0, of the type of p."""
    made = discrete.bernoulli(np.empty(array_of(p).shape, array_of(p).dtype), array_of(p), generator)
    made = _core.like(p, made)
    return made if out is None else results.into("bernoulli", out, made)


def multinomial(input, num_samples=1, replacement=False, out=None, generator=None):
    """multinomial(input, num_samples, replacement=False): LongTensor of category numbers drawn with weights input.

    input: (categories) or (rows, categories), not negative; the result has size (num_samples) or (rows, num_samples).
    """
    made = discrete.multinomial(array_of(input), num_samples, replacement, generator)
    made = _core.like(input, made)
    return made if out is None else results.into("multinomial", out, made)


# ---------------------------------------------------------------- in place


def _filled(name, fill):
    """The method `name` that fills a tensor; on a Variable it is recorded like any in-place change."""

    def method(self, *args, generator=None, **kwargs):
        if isinstance(self, Tensor):
            fill(self.array, *args, generator=generator, **kwargs)
            return self
        return _core.call_in_place(
            name,
            lambda v: _core.like(v, fill(np.empty_like(array_of(v)), *args, generator=generator, **kwargs)),
            self,
            (),
            {},
        )

    method.__name__ = f"{name}_"
    method.__doc__ = fill.__doc__
    return method


def _uniform(out, a=0.0, b=1.0, generator=None, **renamed):
    """uniform_(a=0, b=1): filled with uniform numbers from [a, b)."""
    a, b = renamed.pop("from", a), renamed.pop("to", b)
    return distributions.uniform(out, a, b, generator)


def _normal(out, mean=0.0, std=1.0, generator=None):
    """normal_(mean=0, std=1): filled with normal numbers."""
    return distributions.normal(out, mean, std, generator)


def _random(out, *bounds, generator=None):
    """random_(), random_(to), random_(from, to): whole numbers from `from` (0) to `to` - 1."""
    low, high = (None, bounds[0]) if len(bounds) == 1 else bounds or (None, None)
    return discrete.random_(out, low, high, generator)


def _bernoulli(out, p=0.5, generator=None):
    """bernoulli_(p=0.5): 1 with probability p (a number or a tensor), else 0."""
    return discrete.bernoulli(out, array_of(p) if isinstance(p, (Tensor, Variable)) else p, generator)


def _exponential(out, lambd=1.0, generator=None):
    """exponential_(lambd=1): density lambd * exp(-lambd x)."""
    return distributions.exponential(out, lambd, generator)


def _geometric(out, p, generator=None):
    """geometric_(p): number of trials up to the first success of probability p."""
    return discrete.geometric(out, p, generator)


def _cauchy(out, median=0.0, sigma=1.0, generator=None):
    """cauchy_(median=0, sigma=1): density sigma / (pi ((x - median)^2 + sigma^2))."""
    return distributions.cauchy(out, median, sigma, generator)


def _log_normal(out, mean=1.0, std=2.0, generator=None):
    """log_normal_(mean=1, std=2): exp of normal numbers."""
    return distributions.log_normal(out, mean, std, generator)


def install():
    """Give Tensors and Variables their random methods."""
    fills = {
        "uniform": _uniform, "normal": _normal, "random": _random, "bernoulli": _bernoulli, "exponential": _exponential,
        "geometric": _geometric, "cauchy": _cauchy, "log_normal": _log_normal,
    }  # fmt: skip
    for cls in (Tensor, Variable):
        for name, fill in fills.items():
            _core.install(cls, f"{name}_", _filled(name, fill))
        _core.install(cls, "multinomial", multinomial)
        _core.install(cls, "bernoulli", bernoulli)
