"""Samplers: the order in which a `DataLoader` visits a dataset, as an iterable of indices (or of lists of them).

Whatever is random is drawn from the package's generator when the iteration begins, so `manual_seed` repeats it.
"""

import operator

import numpy as np

from minigrad._core import Tensor, Variable
from minigrad.tensor.sampling import multinomial, randperm
from minigrad.tensor.types import DoubleTensor
from minigrad.utils import missing

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


def positive(owner, name, value):
    """`value` as an int; TypeError if it is none, ValueError below 1."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{owner}: {name} must be an int, got {value!r} ({type(value).__name__})")
    if operator.index(value) < 1:
        raise ValueError(f"{owner}: {name} must be at least 1, got {value}")
    return operator.index(value)


def flag(owner, name, value):
    """`value` as a bool; TypeError for anything but True, False, 1 and 0 (an object is true too, but was not meant)."""
    if not isinstance(value, (bool, int, np.bool_)) or value not in (0, 1):
        raise TypeError(f"{owner}: {name} must be True or False, got {value!r} ({type(value).__name__})")
    return bool(value)


def _permutation(n):
    return randperm(n).tolist() if n else []


class Sampler:
    """Base of all samplers: a subclass defines ``__iter__``, which gives indices, and ``__len__``, how many."""

    def __init__(self, data_source):
        pass

    def __iter__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self)")

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self)")


class SequentialSampler(Sampler):
    """SequentialSampler(data_source): 0, 1, ..., len(data_source) - 1."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """RandomSampler(data_source): each index once, in the order of ``randperm(len(data_source))``."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(_permutation(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class SubsetRandomSampler(Sampler):
    """SubsetRandomSampler(indices): each of `indices` (a sequence) once, in random order.

    >>> sorted(SubsetRandomSampler([3, 5, 8]))
    [3, 5, 8]
    """

    def __init__(self, indices):
        self.indices = indices

    def __iter__(self):
        return (self.indices[k] for k in _permutation(len(self.indices)))

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """WeightedRandomSampler(weights, num_samples, replacement=True): num_samples indices, index k by weights[k].

    weights: numbers that are not negative (a sequence or a Tensor); they need not sum to 1. replacement: whether an
    index may come more than once.

    Raises TypeError and ValueError for a num_samples that is no int or below 1, and ValueError, without replacement, if
    fewer than num_samples weights are above 0.
    """

    def __init__(self, weights, num_samples, replacement=True):
        name = type(self).__name__
        if isinstance(weights, Variable):
            raise TypeError(f"{name}: weights must be numbers or a Tensor, got a Variable; take its .data")
        self.weights = weights.double() if isinstance(weights, Tensor) else DoubleTensor(list(weights))
        self.num_samples = positive(name, "num_samples", num_samples)
        self.replacement = flag(name, "replacement", replacement)
        array = self.weights.array
        if array.ndim != 1 or not (array >= 0).all() or not 0 < array.sum() < float("inf"):
            raise ValueError(f"{name}: weights must be a row of numbers >= 0, at least one of them > 0, got {weights}")
        if not replacement and (array > 0).sum() < num_samples:
            raise ValueError(
                f"{name}: without replacement num_samples must be at most {int((array > 0).sum())}, the number of "
                f"weights above 0, got {num_samples}"
            )

    def __iter__(self):
        return iter(multinomial(self.weights, self.num_samples, self.replacement).tolist())

    def __len__(self):
        return self.num_samples


class BatchSampler(Sampler):
    """BatchSampler(sampler, batch_size, drop_last): lists of batch_size indices of `sampler`.

    drop_last: whether the last list is left out when it is shorter. ``len`` counts the lists.

    Raises TypeError and ValueError for a batch_size that is no int or below 1, TypeError for a drop_last that is no
    bool.

    >>> list(BatchSampler(SequentialSampler(range(5)), 2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        self.sampler = sampler
        self.batch_size = positive(type(self).__name__, "batch_size", batch_size)
        self.drop_last = flag(type(self).__name__, "drop_last", drop_last)

    def __iter__(self):
        batch = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self):
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


__getattr__ = missing.attribute_error(__name__)
