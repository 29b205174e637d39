"""The pickler that `save` uses: tensors become geometry on numbered storages, and PyTorch's names are written."""

import contextlib
import inspect
import linecache
import pickle
import re
import types
from collections import OrderedDict

from minigrad import nn
from minigrad._core import Tensor, Variable
from minigrad.nn.parameter import Parameter
from minigrad.serialization.contents import WRITTEN, rebuild_parameter, rebuild_tensor, rebuild_variable
from minigrad.tensor import memory
from minigrad.tensor.storage import is_storage, storage_of


def pickler_class(base, is_own, numbering, sources):
    """A Pickler that writes tensors as geometry on numbered storages, and notes the sources of modules' classes.

    Python's own pickler in C writes only names that it can import; the one in Python can be told to write PyTorch's.
    """

    class Pickler(base):
        def persistent_id(self, obj):
            return numbering.identity(obj) if is_storage(obj) else None

        def reducer_override(self, obj):
            if isinstance(obj, type) and issubclass(obj, nn.Module):
                _note_source(obj, sources)
            elif isinstance(obj, Tensor):
                return rebuild_tensor, _geometry(obj.array)
            elif type(obj) is Parameter:
                return rebuild_parameter, (obj.data, obj.requires_grad, _hooks(obj))
            elif type(obj) is Variable:
                return rebuild_variable, (obj.data, obj.requires_grad, obj.volatile, _hooks(obj))
            return NotImplemented

        if is_own:

            def save_global(self, obj, name=None):
                module, written = WRITTEN.get(obj, (None, None)) if name is None else (None, None)
                if module is None:
                    super().save_global(obj, name)
                else:
                    self.write(pickle.GLOBAL + f"{module}\n{written}\n".encode())
                    self.memoize(obj)

            dispatch = {**base.dispatch, types.FunctionType: save_global}

    return Pickler


def _geometry(array):
    return storage_of(array), int(memory.offset_of(array)), array.shape, memory.strides_of(array), False, OrderedDict()


def _hooks(variable):
    return variable._backward_hooks or OrderedDict()


def source_of(cls):
    """The lines of its file that define `cls`. None if they cannot be had: typed in, made by a program, changed ..."""
    with contextlib.suppress(Exception):  # inspect reads and parses what is in the file now, whatever that is
        try:
            return inspect.getsource(cls)
        except SyntaxError:
            return _lines_of(cls)
    return None


def _lines_of(cls):
    """The lines that define `cls` in a file that does not parse; None if several may be meant.

    Up to Python 3.12 inspect parses the whole file, in which a program that is run may write `x.cuda(async=True)`.
    Later ones know the first line, and what they find, the text as it was written, is what is found here.
    """
    lines = linecache.getlines(inspect.getsourcefile(cls))
    first = [k for k, line in enumerate(lines) if re.match(rf"\s*class\s+{re.escape(cls.__name__)}\b", line)]
    return "".join(inspect.getblock(lines[first[0] :])) if len(first) == 1 else None


def _note_source(cls, sources):
    if not cls.__module__.startswith("minigrad."):
        source = source_of(cls)
        if source is not None:
            sources[f"{cls.__module__}.{cls.__qualname__}"] = source
