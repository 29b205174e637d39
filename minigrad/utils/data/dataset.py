"""Dataset: items by number. Two ready-made ones: rows of two tensors, and several datasets one after the other."""

import operator
from bisect import bisect_right
from itertools import accumulate

from minigrad._core import Tensor, Variable

__all__ = ["ConcatDataset", "Dataset", "TensorDataset"]


class Dataset:
    """Base of all datasets: a subclass defines ``__len__`` and ``__getitem__(index)`` for 0 <= index < len.

    ``a + b`` is a `ConcatDataset` of both.
    """

    def __getitem__(self, index):
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index)")

    def __len__(self):
        raise NotImplementedError(f"{type(self).__name__} must define __len__(self)")

    def __add__(self, other):
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """TensorDataset(data_tensor, target_tensor): item k is the pair (data_tensor[k], target_tensor[k]).

    data_tensor, target_tensor: Tensors of (N, *) and (N, *). Row k of a 1-D tensor is a Python number.

    Raises TypeError for anything but Tensors, AssertionError if they do not have equally many rows.

    >>> import minigrad as torch
    >>> TensorDataset(torch.ones(3, 2), torch.LongTensor([5, 6, 7]))[2][1]
    7
    """

    def __init__(self, data_tensor, target_tensor):
        for name, tensor in (("data_tensor", data_tensor), ("target_tensor", target_tensor)):
            if not isinstance(tensor, Tensor):
                hint = "; take its .data" if isinstance(tensor, Variable) else ""
                raise TypeError(f"TensorDataset: {name} must be a Tensor, got {type(tensor).__name__}{hint}")
        if len(data_tensor) != len(target_tensor):
            raise AssertionError(
                "TensorDataset: data_tensor and target_tensor must have equally many rows, got sizes "
                f"{tuple(data_tensor.size())} and {tuple(target_tensor.size())}"
            )
        self.data_tensor = data_tensor
        self.target_tensor = target_tensor

    def __getitem__(self, index):
        return self.data_tensor[index], self.target_tensor[index]

    def __len__(self):
        return len(self.data_tensor)


class ConcatDataset(Dataset):
    """ConcatDataset(datasets): the items of all datasets, one dataset after the other. Their lengths must not change.

    Raises AssertionError if there are none; the item access raises IndexError outside -len ... len - 1.
    """

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: datasets must hold at least one dataset, got none")
        #: Number of items up to and including each dataset.
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        k, n = operator.index(index), len(self)
        if not -n <= k < n:
            raise IndexError(f"ConcatDataset: index must be from {-n} to {n - 1}, got {k}")
        k %= n
        which = bisect_right(self.cumulative_sizes, k)
        return self.datasets[which][k - (self.cumulative_sizes[which - 1] if which else 0)]
