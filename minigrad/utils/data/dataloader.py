"""DataLoader: batches of a dataset, in a sampler's order, loaded here or by worker processes."""

from collections.abc import Mapping, Sequence
from itertools import compress

import numpy as np

from minigrad._core import Tensor, Variable, tensor_from_array
from minigrad.ops.shape import stack
from minigrad.tensor.types import DoubleTensor, LongTensor
from minigrad.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, flag
from minigrad.utils.data.workers import WorkerIterator, fetch

__all__ = ["DataLoader", "DataLoaderIter", "default_collate"]


def default_collate(batch):
    """One batch of a list of items, by the type of the first.

    Tensors and NumPy arrays are stacked along a new first dimension; ints become a LongTensor, floats a DoubleTensor,
    NumPy numbers the tensor of their dtype; strings stay a list; a mapping becomes a dict of batches, a sequence (a
    pair, say) a list of batches, one for each place.

    Raises TypeError for anything else, arrays of strings and objects included; RuntimeError for items that differ in
    size, length or keys; ValueError for an empty list.

    >>> default_collate([(1, "a"), (2, "b")])[1]
    ['a', 'b']
    """
    if not len(batch):
        raise ValueError("default_collate: a batch must hold at least one item, got none")
    first = batch[0]
    if isinstance(first, Tensor):
        _check_alike(batch, Tensor, "size", lambda item: tuple(item.size()))
        return stack(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, np.ndarray | np.generic):
        return _collate_numpy(batch)
    if isinstance(first, int):
        return LongTensor(list(batch))
    if isinstance(first, float):
        return DoubleTensor(list(batch))
    if isinstance(first, Mapping):
        _check_alike(batch, Mapping, "keys", lambda item: sorted(map(repr, item)))
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, Sequence):
        _check_alike(batch, Sequence, "length", len)
        return [default_collate(list(samples)) for samples in zip(*batch)]
    hint = "; take its .data" if isinstance(first, Variable) else "; pass collate_fn for other items"
    raise TypeError(
        "default_collate: the items of a batch must be tensors, numbers, strings, dicts or lists, found "
        f"{type(first)}{hint}"
    )


def _check_alike(batch, kind, what, measure):
    for item in batch:
        if not isinstance(item, kind):
            raise TypeError(
                f"default_collate: the items of a batch must be of one type, got {type(batch[0]).__name__} and "
                f"{type(item).__name__}"
            )
        if measure(item) != measure(batch[0]):
            raise RuntimeError(
                f"default_collate: the items of a batch must have the same {what}, got {measure(batch[0])} and "
                f"{measure(item)}: pad them in the dataset, or pass collate_fn"
            )


def _collate_numpy(batch):
    dtype = batch[0].dtype
    if dtype.kind not in "iuf":
        raise TypeError(f"default_collate: arrays in a batch must hold numbers, got one of dtype {dtype}")
    _check_alike(batch, (np.ndarray, np.generic), "dtype and shape", lambda item: (str(item.dtype), item.shape))
    if not batch[0].size:
        raise RuntimeError(
            f"default_collate: an array in a batch has no elements, its shape is {batch[0].shape}; tensors have no "
            "dimensions of size 0"
        )
    return tensor_from_array(np.stack(batch))


class DataLoader:
    """DataLoader(dataset, batch_size=1, ...): iterating over it gives the dataset in batches, anew each time.

    dataset: anything with ``len`` and an item for each index from 0 on: a `Dataset`, a list, a Tensor (its rows).
    batch_size: items a batch. shuffle: a new random order each time. sampler: the order, an iterable of indices.
    batch_sampler: an iterable of lists of indices, instead of batch_size, shuffle, sampler and drop_last.
    num_workers: number of processes that load ahead, 0 for none. collate_fn: makes a batch of a list of items.
    pin_memory: accepted; it would speed up copies to a GPU. drop_last: leave out a last batch that is smaller.

    The order of the batches does not depend on the workers. An exception raised by the dataset passes through, with
    the worker's traceback as its cause, and the iteration can go on after it. Random orders come from the package's
    generator: `manual_seed` repeats them, and the random numbers that a dataset draws inside workers too (minigrad's,
    `random`'s and NumPy's), as long as num_workers is the same. Workers are forked where that is safe, so that every
    dataset will do; where they are started anew (macOS, Windows, or after ``multiprocessing.set_start_method``),
    dataset and collate_fn must be picklable and the program's main part must stand under
    ``if __name__ == '__main__':``.

    Raises ValueError for options that exclude each other and for numbers out of range, TypeError for wrong types.

    >>> loader = DataLoader(range(5), batch_size=2)
    >>> [batch.tolist() for batch in loader], len(loader)
    ([[0, 1], [2, 3], [4]], 3)
    """

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=False,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=default_collate,
        pin_memory=False,
        drop_last=False,
    ):
        if not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader: dataset must have items by index (__getitem__), got {type(dataset).__name__}")
        if isinstance(num_workers, bool) or not hasattr(num_workers, "__index__"):
            kind = type(num_workers).__name__
            raise TypeError(f"DataLoader: num_workers must be an int, got {num_workers!r} ({kind})")
        if num_workers < 0:
            raise ValueError(f"DataLoader: num_workers must not be negative, got {num_workers}; 0 means no processes")
        if not callable(collate_fn):
            raise TypeError(f"DataLoader: collate_fn must be callable, got {type(collate_fn).__name__}")
        shuffle = flag("DataLoader", "shuffle", shuffle)
        drop_last = flag("DataLoader", "drop_last", drop_last)
        pin_memory = flag("DataLoader", "pin_memory", pin_memory)
        if batch_sampler is not None:
            given = (batch_size != 1, shuffle, sampler is not None, drop_last)
            if any(given):
                also = compress(("batch_size", "shuffle", "sampler", "drop_last"), given)
                raise ValueError(
                    "DataLoader: batch_sampler is mutually exclusive with batch_size, shuffle, sampler and drop_last; "
                    f"got also {', '.join(also)}"
                )
        elif sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler is mutually exclusive with shuffle: the sampler decides the order")
        else:
            if sampler is None:
                if not hasattr(dataset, "__len__"):
                    raise TypeError(f"DataLoader: dataset must have a length (__len__), got {type(dataset).__name__}")
                sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler

    def __iter__(self):
        return DataLoaderIter(self)

    def __len__(self):
        return len(self.batch_sampler)


class DataLoaderIter:
    """One pass over a `DataLoader`: ``next(it)``, or the era's ``it.next()``; ``len(it)`` is the loader's.

    Its workers end with the last batch, or when the pass is given up: the loop left, Ctrl-C, the program's end.
    """

    def __init__(self, loader):
        self._loader = loader
        self._batches = iter(loader.batch_sampler)
        self._ahead = None
        if loader.num_workers:
            self._ahead = WorkerIterator(loader.dataset, loader.collate_fn, loader.num_workers, self._batches)

    def __iter__(self):
        return self

    def __next__(self):
        if self._ahead is not None:
            return next(self._ahead)
        return fetch(self._loader.dataset, next(self._batches), self._loader.collate_fn)

    next = __next__

    def __len__(self):
        return len(self._loader)
