"""Random tensors: the generator's draws at the level of Tensors and Variables.

Numbers are drawn on the host. For a GPU they come from that GPU's generator (`minigrad.tensor.random`) and are copied:
the same seed gives the same numbers there as on the CPU.
"""

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops import arrays, devices
from minigrad.tensor import discrete, distributions, random, results
from minigrad.tensor.creation import _into, _sizes, _type, checked_out


def _fresh(name, sizes, out, draw, generator):
    cls = _type(name, out)
    host = np.empty(_sizes(name, sizes), cls.dtype)
    if generator is None and cls.is_cuda:
        generator = random.of_gpu(devices.current())
    return _into(name, out, cls.placed(draw(host, 0.0, 1.0, generator)))


def _draw_for(array, draw, *parameters, generator=None):
    """`draw(*parameters, generator)`, an array of the host, where `array` lies."""
    return arrays.beside(draw(*map(_host, parameters), random.near(array, generator)), array)


def _host(parameter):
    """A parameter of a distribution on the host: a number as it is, a tensor's array copied."""
    if isinstance(parameter, (Tensor, Variable)):
        parameter = array_of(parameter)
    return arrays.to_host(parameter) if hasattr(parameter, "__cuda_array_interface__") else parameter


def rand(*sizes, out=None, generator=None):
    """rand(*sizes): uniform numbers from [0, 1), of the default type."""
    return _fresh("rand", sizes, out, distributions.uniform, generator)


def randn(*sizes, out=None, generator=None):
    """randn(*sizes): standard normal numbers, of the default type."""
    return _fresh("randn", sizes, out, distributions.normal, generator)


def randperm(n, out=None, generator=None):
    """randperm(n): a random permutation of 0, ..., n - 1 as a LongTensor."""
    if checked_out("randperm", out) is None:
        return _into("randperm", out, discrete.randperm(n, generator))
    return _into("randperm", out, discrete.randperm(n, random.near(out.array, generator)))


def normal(means=0.0, std=1.0, mean=None, out=None, generator=None):
    """normal(means, std=1): normal numbers, one for each element of means and/or std (tensors; one may be a number)."""
    means = means if mean is None else mean
    tensors = [array_of(a) for a in (means, std) if isinstance(a, (Tensor, Variable))]
    if not tensors:
        raise TypeError("normal: means or std must be a tensor; for numbers use tensor.normal_(mean, std)")
    if len(tensors) == 2 and tensors[0].size != tensors[1].size:
        raise RuntimeError(
            f"normal: means and std must have equally many elements, got {tensors[0].shape} and {tensors[1].shape}"
        )
    shape = tensors[0].shape
    values = [array_of(a).reshape(shape) if isinstance(a, (Tensor, Variable)) else a for a in (means, std)]
    host = np.empty(shape, tensors[0].dtype)
    made = _draw_for(tensors[0], distributions.normal, host, *values, generator=generator)
    made = _core.like(means if isinstance(means, (Tensor, Variable)) else std, made)
    return made if out is None else results.into("normal", out, made)


def bernoulli(p, out=None, generator=None):
    """bernoulli(p): 1 with probability p[k] at element k, else 0, of the type of p."""
    array = array_of(p)
    made = _draw_for(array, discrete.bernoulli, np.empty(array.shape, array.dtype), array, generator=generator)
    made = _core.like(p, made)
    return made if out is None else results.into("bernoulli", out, made)


def multinomial(input, num_samples=1, replacement=False, out=None, generator=None):
    """multinomial(input, num_samples, replacement=False): LongTensor of category numbers drawn with weights input.

    input: (categories) or (rows, categories), not negative; the result has size (num_samples) or (rows, num_samples).
    """
    array = array_of(input)
    made = _draw_for(array, discrete.multinomial, array, num_samples, replacement, generator=generator)
    made = _core.like(input, made)
    return made if out is None else results.into("multinomial", out, made)


# ---------------------------------------------------------------- in place


def _filled(name, fill):
    """The method `name` that fills a tensor; on a Variable it is recorded like any in-place change."""

    def method(self, *args, generator=None, **kwargs):
        if isinstance(self, Tensor):
            if not arrays.is_writable(self.array):  # before anything is drawn
                arrays.refuse_write(f"{name}_")
            if isinstance(self.array, np.ndarray):
                fill(self.array, *args, generator=generator, **kwargs)
            else:
                arrays.assign(self.array, drawn(self.array, args, generator, kwargs))
            return self
        return _core.call_in_place(
            name, lambda v: _core.like(v, drawn(array_of(v), args, generator, kwargs)), self, (), {}
        )

    def drawn(array, args, generator, kwargs):
        if isinstance(array, np.ndarray):
            return fill(np.empty_like(array), *args, generator=generator, **kwargs)
        host = np.empty(array.shape, array.dtype)
        return arrays.beside(fill(host, *args, generator=random.near(array, generator), **kwargs), array)

    method.__name__ = fill.__qualname__ = f"{name}_"
    method.__doc__ = fill.__doc__
    return method


def _uniform(out, a=0.0, b=1.0, generator=None, **renamed):
    """uniform_(a=0, b=1): filled with uniform numbers from [a, b)."""
    a, b = renamed.pop("from", a), renamed.pop("to", b)
    if renamed:
        raise TypeError(f"uniform_() got an unexpected keyword argument {next(iter(renamed))!r}; takes a and b")
    return distributions.uniform(out, a, b, generator)


def _normal(out, mean=0.0, std=1.0, generator=None):
    """normal_(mean=0, std=1): filled with normal numbers."""
    return distributions.normal(out, mean, std, generator)


def _random(out, *bounds, generator=None):
    """random_(), random_(to), random_(from, to): whole numbers from `from` (0) to `to` - 1."""
    if len(bounds) > 2:
        raise TypeError(f"random_: takes (), (to) or (from, to), got {len(bounds)} bounds")
    low, high = (None, bounds[0]) if len(bounds) == 1 else bounds or (None, None)
    return discrete.random_(out, low, high, generator)


def _bernoulli(out, p=0.5, generator=None):
    """bernoulli_(p=0.5): 1 with probability p (a number or a tensor), else 0."""
    return discrete.bernoulli(out, _host(p), generator)


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
