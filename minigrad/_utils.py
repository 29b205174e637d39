"""The era's small helpers that its programs took from `torch._utils`."""

import importlib
import operator

from minigrad import _core
from minigrad.tensor import memory


def _accumulate(iterable, fn=operator.add):
    """Running totals: the first element, fn of the first two, of these and the third ...

    >>> list(_accumulate([1, 2, 3, 4]))
    [1, 3, 6, 10]
    """
    total = None
    for k, element in enumerate(iterable):
        total = element if k == 0 else fn(total, element)
        yield total


def _import_dotted_name(name):
    """The object of a dotted name, such as collections.OrderedDict."""
    first, *rest = name.split(".")
    found = importlib.import_module(first)
    for part in rest:
        found = getattr(found, part)
    return found


def _rebuild_tensor(storage, storage_offset, size, stride):
    """The tensor of that geometry on a storage's memory."""
    return _core.tensor_from_array(memory.lay_out(storage.array, storage_offset, tuple(size), tuple(stride)))


def _range(*args):
    """Python's range."""
    return range(*args)
