"""What a saved file may hold, and how each of it is made again from the checked arguments in the pickle.

`NAMES` is the list of what plain `load` finds by name: nothing else can be referred to. What may be called is in
`CALLS`; the functions there look at their arguments first, since a file may say anything.
"""

import _compat_pickle
import argparse
import collections
import importlib
import math
import pickle
import re
import sys

import numpy as np

from minigrad import nn
from minigrad._core import Tensor, Variable, tensor_from_array
from minigrad.nn.parameter import Parameter
from minigrad.nn.utils.rnn import PackedSequence
from minigrad.nn.utils.weight_norm import WeightNorm
from minigrad.serialization.unpickler import Policy, add_items, check_key, foreign
from minigrad.tensor import memory
from minigrad.tensor.random import Generator
from minigrad.tensor.storage import is_storage, storage_classes
from minigrad.tensor.types import Size, tensor_classes


def refuse(text):
    return pickle.UnpicklingError(f"load: {text}")


def _check(condition, text):
    if not condition:
        raise refuse(text)


def _is_count(value):
    return type(value) is int and value >= 0


# ---------------------------------------------------------------- tensors


def rebuild_tensor(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None):
    """The Tensor of that geometry on a storage; a Variable if it requires grad, which only PyTorch's tensors do.

    Size () with an element is PyTorch's tensor without dimensions: here it has size (1,).
    """
    _check(is_storage(storage), f"a tensor must lie on a storage, got {type(storage).__name__}")
    for name, value in (("size", size), ("stride", stride)):
        _check(
            isinstance(value, tuple) and len(value) <= 64 and all(map(_is_count, value)),
            f"the {name} of a tensor must be at most 64 ints >= 0, got {str(value)[:80]}",
        )
    _check(
        _is_count(offset) and len(size) == len(stride), f"damaged geometry: size {size}, stride {stride}, from {offset}"
    )
    _check(
        type(requires_grad) is bool and not hooks and not metadata, "a tensor with hooks or metadata is not supported"
    )
    held = len(storage)
    if 0 in size or (not size and offset >= held):
        if size not in ((), (0,)):
            raise RuntimeError(
                f"load: a tensor of size {size} has no elements; here tensors have no dimensions of size 0"
            )
        tensor = tensor_from_array(storage.array[:0])
    else:
        reach = memory.reach(offset, size, stride) if size else offset + 1
        _check(
            reach <= held and math.prod(size) * storage.element_size() < 2**63,
            f"a tensor of size {size}, stride {stride} from element {offset} on leaves its storage of {held} elements",
        )
        size, stride = (size, stride) if size else ((1,), (1,))
        tensor = tensor_from_array(memory.lay_out(storage.array, offset, size, stride))
    return Variable(tensor, True) if requires_grad else tensor


def _with_hooks(variable, hooks):
    if hooks:
        _check(isinstance(hooks, dict) and all(map(callable, hooks.values())), "damaged hooks of a Variable")
        variable._backward_hooks = hooks
    return variable


def rebuild_variable(data, requires_grad, volatile, hooks=None):
    """A Variable with these flags."""
    _check(isinstance(data, Tensor), f"a Variable must hold a Tensor, got {type(data).__name__}")
    _check_flags(requires_grad, volatile)
    return _with_hooks(Variable(data, requires_grad, volatile), hooks)


def _check_flags(requires_grad, volatile):
    _check(
        type(requires_grad) is type(volatile) is bool and not (requires_grad and volatile),
        f"the flags of a Variable must be bools, at most one of them True, got {requires_grad!r} and {volatile!r}",
    )


def rebuild_parameter(data, requires_grad=True, hooks=None):
    """A Parameter."""
    return rebuild_parameter_class(Parameter, data, requires_grad, hooks)


def rebuild_parameter_class(cls, data, requires_grad, hooks=None):
    """A Parameter of a subclass."""
    _check(isinstance(cls, type) and issubclass(cls, Parameter), "damaged: a Parameter's class that is none")
    _check(isinstance(data, Tensor), f"a Parameter must hold a Tensor, got {type(data).__name__}")
    _check(type(requires_grad) is bool, "the flag of a Parameter must be a bool")
    return _with_hooks(cls(data, requires_grad), hooks)


def _era_variable(data):
    """What 0.3 wrote for a Variable: its class, called with the data; the flags follow as a state."""
    return rebuild_variable(data, False, False)


def _set_era_state(variable, state):
    _check(isinstance(state, tuple) and len(state) == 3, "damaged state of a Variable")
    requires_grad, volatile, hooks = state
    _check_flags(requires_grad, volatile)
    variable.volatile = volatile
    variable.requires_grad = requires_grad
    _with_hooks(variable, hooks)


# ---------------------------------------------------------------- NumPy

_DTYPE = re.compile(r"[<>|=]?([?biufcSU])\d*")


def _make_dtype(text, align=False, copy=False):
    _check(
        isinstance(text, str) and _DTYPE.fullmatch(text) is not None,
        f"NumPy arrays of numbers, bools and strings can be loaded, this one has dtype {text!r}",
    )
    # A copy, because the byte order follows as a state.
    return np.dtype(text, False, True)


def _set_dtype(dtype, state):
    _check(
        isinstance(state, tuple)
        and len(state) == 8
        and state[0] == 3
        and state[1] in ("<", ">", "|", "=")
        and state[2:5] == (None, None, None)
        and state[5:7] in ((-1, -1), (dtype.itemsize, dtype.alignment))
        and state[7] == dtype.flags,
        f"NumPy arrays of dtype {dtype} with such a state cannot be loaded",
    )
    dtype.__setstate__(state)


def _make_array(cls, shape, kind):
    _check(cls is np.ndarray, "damaged NumPy array")
    return np.empty((0,), np.int8)


def _check_bytes(shape, dtype, data):
    _check(isinstance(dtype, np.dtype) and not dtype.hasobject, "NumPy arrays of objects cannot be loaded")
    _check(
        isinstance(shape, tuple) and len(shape) <= 64 and all(map(_is_count, shape)), "damaged shape of a NumPy array"
    )
    _check(
        isinstance(data, (bytes, bytearray)) and len(data) == math.prod(shape) * dtype.itemsize,
        f"damaged NumPy array: shape {shape} of {dtype} does not fit its data",
    )


def _set_array(array, state):
    _check(isinstance(state, tuple) and len(state) == 5 and state[0] == 1, "damaged NumPy array")
    _, shape, dtype, fortran, data = state
    _check(not isinstance(data, list), "NumPy arrays of objects cannot be loaded")
    _check_bytes(shape, dtype, data)
    array.__setstate__((1, shape, dtype, bool(fortran), bytes(data)))


def _array_from_buffer(data, dtype, shape, order):
    _check_bytes(shape, dtype, data)
    _check(order in ("C", "F"), "damaged NumPy array")
    return np.frombuffer(bytearray(data), dtype).reshape(shape, order=order)


def _make_scalar(dtype, data):
    _check_bytes((), dtype, data)
    return np.frombuffer(data, dtype)[0]


# ---------------------------------------------------------------- Python


def _encode(text, encoding):
    """How protocol 2 writes bytes."""
    _check(isinstance(text, str) and encoding in ("latin1", "latin-1"), "damaged bytes")
    return text.encode("latin-1")


def _pairs_into(made):
    def make(items=()):
        pairs = items.items() if isinstance(items, dict) else items
        _check(
            isinstance(items, (dict, list, tuple)) and all(isinstance(p, (tuple, list)) and len(p) == 2 for p in pairs),
            "damaged dict",
        )
        return add_items(made(), pairs)

    return make


def _make_defaultdict(factory=None):
    _check(factory is None or any(factory is f for f in _FACTORIES), "a defaultdict whose factory is not a plain type")
    return collections.defaultdict(factory)


def _make_deque(items=(), maxlen=None):
    _check(isinstance(items, (list, tuple)) and (maxlen is None or _is_count(maxlen)), "damaged deque")
    return collections.deque(items, maxlen)


def _make_set(cls):
    def make(items=()):
        _check(isinstance(items, (list, tuple, set)), "damaged set")
        return cls(map(check_key, items))

    return make


def _of_numbers(cls, kinds):
    def make(*args):
        _check(all(isinstance(a, kinds) for a in args), f"damaged {cls.__name__}")
        return cls(*args)

    return make


def _make_bytearray(*args):
    if len(args) == 2:
        return bytearray(_encode(*args))
    _check(all(isinstance(a, bytes) for a in args), "damaged bytearray")
    return bytearray(*args)


def _make_bytes():
    return b""


# ---------------------------------------------------------------- the lists

_FACTORIES = (list, dict, set, int, float, str, bool, tuple, collections.OrderedDict)

CALLS = {
    rebuild_tensor: rebuild_tensor,
    rebuild_variable: rebuild_variable,
    rebuild_parameter: rebuild_parameter,
    rebuild_parameter_class: rebuild_parameter_class,
    Variable: _era_variable,
    Parameter: rebuild_parameter,
    Size: _of_numbers(Size, tuple),
    Generator: Generator,
    np.dtype: _make_dtype,
    _make_array: _make_array,
    _make_scalar: _make_scalar,
    _array_from_buffer: _array_from_buffer,
    _encode: _encode,
    collections.OrderedDict: _pairs_into(collections.OrderedDict),
    collections.Counter: _pairs_into(collections.Counter),
    collections.defaultdict: _make_defaultdict,
    collections.deque: _make_deque,
    dict: _pairs_into(dict),
    set: _make_set(set),
    frozenset: _make_set(frozenset),
    complex: _of_numbers(complex, (int, float)),
    range: _of_numbers(range, int),
    slice: _of_numbers(slice, (int, type(None))),
    bytes: _make_bytes,
    bytearray: _make_bytearray,
}

_CALLS_BY_ID = {id(function): maker for function, maker in CALLS.items()}

# Where PyTorch has the same thing, its name is written, so that PyTorch can read the file.
WRITTEN = {
    rebuild_tensor: ("torch._utils", "_rebuild_tensor_v2"),
    rebuild_parameter: ("torch._utils", "_rebuild_parameter"),
    rebuild_variable: ("minigrad.autograd", "Variable"),
    Size: ("torch", "Size"),
    **{cls: ("torch", kind) for kind, cls in storage_classes.items()},
}

NAMES = {
    **{name: made for made, name in WRITTEN.items()},
    **{(f.__module__, f.__qualname__): f for f in WRITTEN},
    **{("torch.cuda", kind): cls for kind, cls in storage_classes.items()},
    **{("minigrad", kind): cls for kind, cls in tensor_classes.items()},
    ("torch", "BoolStorage"): storage_classes["ByteStorage"],
    ("torch._utils", "_rebuild_tensor"): rebuild_tensor,
    ("torch.autograd.variable", "Variable"): Variable,
    ("torch.nn.parameter", "Parameter"): Parameter,
    ("minigrad.nn.parameter", "Parameter"): Parameter,
    ("minigrad.nn.parameter", "_rebuild"): rebuild_parameter_class,
    ("minigrad.nn.utils.rnn", "PackedSequence"): PackedSequence,
    ("minigrad.nn.utils.weight_norm", "WeightNorm"): WeightNorm,
    ("minigrad.tensor.random", "Generator"): Generator,
    ("_codecs", "encode"): _encode,
    ("argparse", "Namespace"): argparse.Namespace,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    **{
        ("collections", name): getattr(collections, name) for name in ("OrderedDict", "Counter", "defaultdict", "deque")
    },
    **{
        ("builtins", cls.__name__): cls
        for cls in (*_FACTORIES[:-1], frozenset, complex, range, slice, bytes, bytearray)
    },
    **{
        (f"numpy.{core}.{module}", name): made
        for core in ("core", "_core")
        for module, name, made in (
            ("multiarray", "_reconstruct", _make_array),
            ("multiarray", "scalar", _make_scalar),
            ("numeric", "_frombuffer", _array_from_buffer),
        )
    },
}

_MISSING = {
    "BFloat16Storage": "bfloat16", "ComplexFloatStorage": "complex64", "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8", "QUInt8Storage": "quint8", "QInt32Storage": "qint32",
}  # fmt: skip


class PlainPolicy(Policy):
    """Allows `NAMES`, minigrad's own modules, and the classes and functions in `trust`; anything if trust is True."""

    lists = (list, collections.deque)

    def __init__(self, trust=()):
        self.anything = trust is True
        self.trusted = {}
        self.found = {}  # the classes of modules met, by name
        for item in () if trust is True else trust:
            if not callable(item) or not hasattr(item, "__qualname__"):
                raise TypeError(f"load: trust must be True, False or a list of classes, got {item!r} in it")
            # A class is saved as __main__'s by the program that defines it, and imported from it by others.
            for module in (item.__module__, "__main__"):
                self.trusted[module, item.__qualname__] = item

    def find(self, module, name):
        found = self._find(module, name)
        if isinstance(found, type) and issubclass(found, nn.Module):
            self.found[f"{module}.{name}"] = found
        return found

    def _find(self, module, name):
        if (module, name) in NAMES:
            return NAMES[module, name]
        # Protocol 2 writes the names that Python 2 knew, __builtin__.xrange for range.
        old = _compat_pickle.IMPORT_MAPPING.get(module, module), name
        old = _compat_pickle.NAME_MAPPING.get((module, name), old)
        if old in NAMES:
            return NAMES[old]
        if (module, name) in self.trusted:
            return self.trusted[module, name]
        own = getattr(sys.modules.get(module), name, None) if module.startswith("minigrad.nn.") else None
        if isinstance(own, type) and issubclass(own, nn.Module) and own.__module__ == module:
            return own
        if module in ("torch", "torch.cuda") and name in _MISSING:
            raise refuse(
                f"the file holds tensors of {_MISSING[name]}, which no tensor type here can hold; convert them in "
                "PyTorch before saving, with .float() say"
            )
        if self.anything:
            return self._import(*old)
        if module.partition(".")[0] == "torch":
            raise refuse(
                f"the file refers to PyTorch's {module}.{name}; of PyTorch's files tensors, parameters and dicts of "
                "them can be loaded: save model.state_dict()"
            )
        raise refuse(
            f"the file holds a {module}.{name}, and making it runs code that plain load does not run. If you know "
            "where the file comes from, define or import that class and name it, load(f, trust=[TheClass]), or allow "
            "everything, load(f, trust=True)"
        )

    @staticmethod
    def _import(module, name):
        try:
            found = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise refuse(
                f"the file holds a {module}.{name}, which this program does not have ({error}): a saved object needs "
                "its class. Define or import the class where it was when the object was saved"
            ) from error
        return found

    def _is_trusted(self, obj):
        return self.anything or any(obj is item for item in self.trusted.values())

    def call(self, function, args):
        maker = _CALLS_BY_ID.get(id(function))
        if maker is not None:
            return maker(*args)
        if not callable(function):
            raise refuse(f"damaged: a call of a {type(function).__name__}")
        if self._is_trusted(function):
            return foreign(function, *args)
        raise refuse(f"the file calls {getattr(function, '__qualname__', function)!r}, which plain load does not allow")

    def new(self, cls, args, kwargs):
        if not isinstance(cls, type):
            raise refuse(f"damaged: an object of class {type(cls).__name__}")
        if cls is PackedSequence:
            return cls(*args)
        if not self._is_trusted(cls) and (args or kwargs or not self._is_own(cls)):
            raise refuse(f"the file makes a {cls.__qualname__}, which plain load does not allow")
        return foreign(cls.__new__, cls, *args, **kwargs)

    @staticmethod
    def _is_own(cls):
        # A WeightNorm is the hook of a module with weight_norm: two attributes, and it writes to that module only.
        plain = cls in (argparse.Namespace, WeightNorm)
        return plain or (issubclass(cls, nn.Module) and cls.__module__.startswith("minigrad.nn."))

    def build(self, obj, state):
        cls = type(obj)
        if isinstance(obj, np.dtype):
            _set_dtype(obj, state)
        elif cls is np.ndarray:
            _set_array(obj, state)
        elif cls is Generator:
            obj.set_state(state)
        elif cls in (Variable, Parameter):
            _set_era_state(obj, state)
        elif cls in (collections.OrderedDict, collections.defaultdict) or self._is_own(cls) or self._is_trusted(cls):
            foreign(_set_state, obj, state)
        else:
            raise refuse(f"the file sets the state of a {cls.__qualname__}, which plain load does not allow")


def _set_state(obj, state):
    set_state = getattr(type(obj), "__setstate__", None)
    if set_state is not None:
        set_state(obj, state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        _check(
            part is None or (isinstance(part, dict) and all(type(k) is str for k in part)), "damaged state of an object"
        )
    if attributes:
        obj.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)
