"""Probability distributions whose parameters are Tensors or Variables: what a policy gradient needs.

`sample` draws (from `manual_seed`'s generator) and records nothing; `log_prob` is differentiable in the parameters. So
the gradient of an expected reward is that of ``-log_prob(action) * reward`` (Williams, 1992):

>>> import minigrad as torch
>>> from minigrad.autograd import Variable
>>> _ = torch.manual_seed(0)
>>> probs = Variable(torch.Tensor([0.2, 0.3, 0.5]), requires_grad=True)
>>> policy = Categorical(probs)
>>> action = policy.sample()
>>> loss = -policy.log_prob(action) * 2.0
>>> loss.backward()
>>> probs.grad.size()
minigrad.Size([3])
"""

import math
from numbers import Real

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.tensor import sampling
from minigrad.tensor.types import default_tensor_type

__all__ = ["Bernoulli", "Categorical", "Distribution", "Normal"]


class Distribution:
    """Base of the distributions: `sample()`, `sample_n(n)` and `log_prob(value)`."""

    def sample(self):
        """One sample, or one for each set of parameters; of the parameters' level, without a history."""
        raise NotImplementedError(f"{type(self).__name__} must define sample")

    def sample_n(self, n):
        """n samples: as `sample`, with a dimension of n before the others."""
        raise NotImplementedError(f"{type(self).__name__} must define sample_n")

    def log_prob(self, value):
        """Logarithm of the probability, or of the density, at `value`, which may come from `sample` or `sample_n`."""
        raise NotImplementedError(f"{type(self).__name__} must define log_prob")


def _check_parameter(name, argument, value):
    if not isinstance(value, (Tensor, Variable)):
        raise TypeError(f"{name}: {argument} must be a Tensor or a Variable, got {type(value).__name__}")
    if array_of(value).dtype.kind != "f":
        raise TypeError(f"{name}: {argument} must be of a floating type, got {_core.type_name(array_of(value))}")


def _check_value(name, value):
    if not isinstance(value, (Tensor, Variable)):
        raise TypeError(f"{name}.log_prob: value must be a Tensor or a Variable, got {type(value).__name__}")


def _check_count(name, n):
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"{name}.sample_n: n must be an int, got {type(n).__name__}")
    if n < 1:
        raise ValueError(f"{name}.sample_n: n must be at least 1, got {n}")
    return int(n)


def _n_times(n, value):
    return value.expand(n, *value.size())


class Bernoulli(Distribution):
    """Bernoulli(probs): 1 with probability probs[k] at element k, else 0.

    log_prob(x) = log(p) where x = 1, log(1 - p) where x = 0. Raises ValueError for probabilities outside [0, 1] and for
    values other than 0 and 1.
    """

    def __init__(self, probs):
        _check_parameter("Bernoulli", "probs", probs)
        array = array_of(probs)
        if not np.all((array >= 0) & (array <= 1)):
            raise ValueError("Bernoulli: probs must be in [0, 1]")
        self.probs = probs

    def sample(self):
        return sampling.bernoulli(self.probs)

    def sample_n(self, n):
        return sampling.bernoulli(_n_times(_check_count("Bernoulli", n), self.probs))

    def log_prob(self, value):
        _check_value("Bernoulli", value)
        if not np.isin(array_of(value), (0, 1)).all():
            raise ValueError("Bernoulli.log_prob: value must be 0 or 1 everywhere")
        value = value.type_as(self.probs)
        # The probability of what came, and only then the logarithm: that of the other may be -inf.
        return (value * self.probs + (1 - value) * (1 - self.probs)).log()


class Categorical(Distribution):
    """Categorical(probs): k with probability probs[k] / sum(probs), as a LongTensor (or Variable of one).

    probs: (categories), or (rows, categories) for a distribution a row (ValueError otherwise). A sample has size (1) or
    (rows), n samples (n) or (n, rows); log_prob(k) = log(probs[k] / sum(probs)) takes any of them.
    """

    def __init__(self, probs):
        _check_parameter("Categorical", "probs", probs)
        if probs.dim() not in (1, 2):
            raise ValueError(f"Categorical: probs must have 1 or 2 dimensions, got size {tuple(probs.size())}")
        self.probs = probs

    def sample(self):
        drawn = sampling.multinomial(self.probs, 1, True)
        return drawn if self.probs.dim() == 1 else drawn.squeeze(-1)

    def sample_n(self, n):
        drawn = sampling.multinomial(self.probs, _check_count("Categorical", n), True)
        return drawn if self.probs.dim() == 1 else drawn.t()

    def log_prob(self, value):
        _check_value("Categorical", value)
        p = self.probs / self.probs.sum(-1, True)
        if p.dim() == 1:
            if value.dim() != 1:
                raise ValueError(f"Categorical.log_prob: value must have size (n), got {tuple(value.size())}")
            return p.gather(-1, value).log()
        rows = p.size(0)
        if value.dim() not in (1, 2) or value.size(-1) != rows:
            raise ValueError(
                f"Categorical.log_prob: value must have size (rows) or (n, rows) with rows = {rows}, got "
                f"{tuple(value.size())}"
            )
        if value.dim() == 2:
            p = _n_times(value.size(0), p)
        return p.gather(-1, value.unsqueeze(-1)).squeeze(-1).log()


class Normal(Distribution):
    """Normal(mean, std): density exp(-(x - mean)^2 / (2 std^2)) / (std sqrt(2 pi)).

    mean, std: numbers, Tensors or Variables; of two tensors equally large ones of the same level. With two numbers a
    sample is a Tensor of size (1), n samples one of size (n, 1). ValueError if std is negative somewhere, in log_prob
    if it is the number 0.
    """

    def __init__(self, mean, std):
        kinds = {}
        for argument, value in (("mean", mean), ("std", std)):
            if not isinstance(value, Real) or isinstance(value, bool):
                _check_parameter("Normal", argument, value)
                kinds[argument] = value
        if len(kinds) == 2:
            if isinstance(mean, Variable) != isinstance(std, Variable):
                raise TypeError("Normal: mean and std must both be Tensors or both be Variables; wrap the Tensor, "
                                "Variable(tensor)")  # fmt: skip
            if mean.size() != std.size():
                raise ValueError(
                    f"Normal: mean and std must have the same size, got {tuple(mean.size())} and {tuple(std.size())}"
                )
        if np.any(array_of(std) < 0 if "std" in kinds else std < 0):
            raise ValueError("Normal: std must not be negative")
        self.mean = mean
        self.std = std

    def _parameters(self):
        if isinstance(self.mean, Real) and isinstance(self.std, Real):
            return default_tensor_type()([self.mean]), self.std
        return self.mean, self.std

    def sample(self):
        return sampling.normal(*self._parameters())

    def sample_n(self, n):
        n = _check_count("Normal", n)
        return sampling.normal(*(a if isinstance(a, Real) else _n_times(n, a) for a in self._parameters()))

    def log_prob(self, value):
        _check_value("Normal", value)
        if isinstance(self.std, Real) and self.std == 0:
            raise ValueError("Normal.log_prob: std is 0, and a single number has no density")
        log_std = math.log(self.std) if isinstance(self.std, Real) else self.std.log()
        return -((value - self.mean) ** 2) / (2 * self.std**2) - log_std - math.log(math.sqrt(2 * math.pi))
