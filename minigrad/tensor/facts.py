"""Questions about objects (is it a tensor, what is its type called)."""

from minigrad import _core
from minigrad._core import Tensor, array_of
from minigrad.tensor.storage import is_storage
from minigrad.utils.era_names import era_name


def is_tensor(obj):
    """Whether obj is a Tensor (a Variable is not)."""
    return isinstance(obj, Tensor)


def typename(obj):
    """Name of an object's type with its module ('torch.FloatTensor' of a tensor or storage), or of a class itself.

    >>> typename([])
    'list'
    """
    if is_tensor(obj) or is_storage(obj):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    era = era_name(named) if _core.package == "torch" else None
    if era is not None:
        return era
    module = getattr(named, "__module__", None)
    return named.__qualname__ if module in (None, "builtins") else f"{module}.{named.__qualname__}"


def numel(input):
    """numel(input): number of elements of a Tensor or Variable."""
    return int(array_of(input).size)
