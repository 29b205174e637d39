"""The pickler that `save` uses: tensors become geometry on numbered storages, and PyTorch's names are written."""

import inspect
import pickle
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
    try:
        return inspect.getsource(cls)
    except (OSError, TypeError):  # typed in, or made by a program
        return None


def _note_source(cls, sources):
    if not cls.__module__.startswith("minigrad."):
        source = source_of(cls)
        if source is not None:
            sources[f"{cls.__module__}.{cls.__qualname__}"] = source
