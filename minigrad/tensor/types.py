"""The era's tensor types: FloatTensor, DoubleTensor, ... , each one array with a type.

A Tensor holds its array in `.array` and never records history. What a type can do beyond construction is installed from
the table of operations (`minigrad.ops.table`) and from `minigrad.tensor.methods`, on Tensors and Variables alike.
"""

import numpy as np

from minigrad import _core


class Size(tuple):
    """The size of a tensor: a tuple of ints; slices, sums and multiples of a Size are Sizes.

    Raises TypeError for anything but ints.

    >>> Size([2, 3])[1:]
    minigrad.Size([3])
    """

    __slots__ = ()

    def __new__(cls, values=()):
        values = tuple(values)
        for v in values:
            if isinstance(v, bool) or not isinstance(v, (int, np.integer)):
                raise TypeError(f"Size: each size must be an int, got {v!r} ({type(v).__name__})")
        return super().__new__(cls, map(int, values))

    def __getitem__(self, index):
        got = super().__getitem__(index)
        return Size(got) if isinstance(index, slice) else got

    def __add__(self, other):
        return Size(super().__add__(tuple(other)))

    def __mul__(self, count):
        return Size(super().__mul__(count))

    __rmul__ = __mul__

    def __reduce__(self):
        return Size, (tuple(self),)

    def __repr__(self):
        return f"{_core.package}.Size([{', '.join(map(str, self))}])"


_NO_ELEMENTS = (0,)    # shape of the array behind the tensor with no dimension: the only empty one


class _Tensor(_core.Tensor):
    """Constructor and identity of a tensor type.

    `X()` no elements; `X(2, 3)` or `X(Size)` uninitialised; `X([1, 2])` the numbers of a (nested) list or tuple, copied;
    `X(tensor)` of the same type: a view of the same memory; `X(ndarray)`: shares memory if the dtypes are equal, else a
    converted copy.

    Raises RuntimeError for ragged sequences and elements of the wrong kind, TypeError for anything else.
    """

    __slots__ = ()
    kind: str
    dtype: np.dtype
    is_cuda = False
    is_sparse = False

    def __init__(self, *args, **kwargs):
        if kwargs:
            raise TypeError(f"{self.kind}: takes positional arguments only, got {', '.join(kwargs)}")
        self.array = self._construct(args)

    @classmethod
    def _construct(cls, args):
        if not args:
            return np.empty(_NO_ELEMENTS, cls.dtype)
        first = args[0]
        if len(args) == 1:
            if isinstance(first, Size):
                return np.empty(_checked_size(cls, first) or _NO_ELEMENTS, cls.dtype)
            if isinstance(first, (list, tuple, range)):
                return cls._from_sequence(first)
            if isinstance(first, _core.Tensor):
                if type(first) is not cls:
                    raise TypeError(f"{cls.kind}: a tensor argument must be of the same type, got {first.kind}; convert it "
                                    f"with .type('{_core.package}.{cls.kind}')")  # fmt: skip
                return first.array[...]
            if isinstance(first, np.ndarray):
                return _checked_array(first if first.dtype == cls.dtype else first.astype(cls.dtype))
            if isinstance(first, _core.Variable):
                raise TypeError(f"{cls.kind}: expected numbers, sizes or a tensor, got a Variable; take its .data")
        return np.empty(_checked_size(cls, args), cls.dtype)

    @classmethod
    def _from_sequence(cls, sequence):
        size, level = [], sequence
        while isinstance(level, (list, tuple, range)):
            size.append(len(level))
            if not len(level):
                if len(size) == 1:
                    return np.empty(_NO_ELEMENTS, cls.dtype)
                raise RuntimeError(f"{cls.kind}: an inner list is empty; tensors have no dimensions of size 0")
            level = level[0]
        try:
            raw = np.array(sequence)
        except ValueError as error:
            raise RuntimeError(f"{cls.kind}: the nested lists are ragged: expected size {tuple(size)}") from error
        if raw.dtype.kind not in "biuf":
            raise RuntimeError(f"{cls.kind}: expected numbers in the list, got {_first_odd(sequence)}")
        if raw.dtype.kind == "f" and cls.dtype.kind in "iu":
            raise RuntimeError(f"{cls.kind}: takes whole numbers, got a float in the list; use a FloatTensor and .long()")
        return raw.astype(cls.dtype)

    @classmethod
    def storage_type(cls):
        raise NotImplementedError(f"{cls.kind}: storages are not there yet")

    def is_signed(self):
        """False for ByteTensor and CharTensor (the era's answer), True for the others."""
        return self.kind not in ("ByteTensor", "CharTensor")

    @property
    def data(self):
        raise RuntimeError("a Tensor has no .data: that is a Variable's tensor. This already is the tensor")

    def __reduce__(self):
        return _rebuild, (type(self), self.array)

    def __copy__(self):
        return _core.tensor_from_array(self.array[...])

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = _core.tensor_from_array(self.array.copy())
        return memo[id(self)]

    def __array__(self, dtype=None, copy=None):
        array = np.asarray(self.array) if dtype is None else self.array.astype(dtype, copy=False)
        return array.copy() if copy and array is self.array else array

    def __array_wrap__(self, array, context=None, return_scalar=False):
        if array.dtype == bool:
            array = array.view(np.uint8)
        return array.item() if array.ndim == 0 else _core.tensor_from_array(array)


def _rebuild(cls, array):
    t = cls.__new__(cls)
    t.array = array
    return t


def _checked_size(cls, args):
    for a in args:
        if isinstance(a, bool) or not isinstance(a, (int, np.integer)):
            raise TypeError(f"{cls.kind}: expected sizes (ints), one list of numbers, a tensor of this type or an ndarray; got "
                            f"({', '.join(type(a).__name__ for a in args)})")  # fmt: skip
        if a < 1:
            raise RuntimeError(f"{cls.kind}: sizes must be positive, got {tuple(args)}; a tensor has no dimension of size 0")
    return tuple(int(a) for a in args)


def _checked_array(array):
    if array.size == 0 and array.shape != _NO_ELEMENTS:
        raise RuntimeError(f"an array of shape {array.shape} has no elements; tensors have no dimensions of size 0")
    if any(s < 0 for s in array.strides):
        raise RuntimeError("an array with a negative stride (a reversed slice, say) cannot be a tensor; copy it: array.copy()")
    return array.reshape(1) if array.ndim == 0 else array


def _first_odd(sequence):
    for s in sequence:
        if isinstance(s, (list, tuple)):
            found = _first_odd(s)
            if found:
                return found
        elif isinstance(s, (_core.Tensor, _core.Variable)):
            return f"a {type(s).__name__}; join tensors with {_core.package}.stack or {_core.package}.cat"
        elif not isinstance(s, (int, float, np.generic)):
            return f"{s!r} ({type(s).__name__})"
    return None


def _define(kind, dtype):
    body = {"__slots__": (), "kind": kind, "dtype": np.dtype(dtype), "__doc__": _Tensor.__doc__, "__module__": "minigrad"}
    cls = type(kind, (_Tensor,), body)
    _core.register_tensor_class(np.ndarray, [dtype], cls)
    return cls


FloatTensor = _define("FloatTensor", np.float32)
DoubleTensor = _define("DoubleTensor", np.float64)
HalfTensor = _define("HalfTensor", np.float16)
LongTensor = _define("LongTensor", np.int64)
IntTensor = _define("IntTensor", np.int32)
ShortTensor = _define("ShortTensor", np.int16)
CharTensor = _define("CharTensor", np.int8)
ByteTensor = _define("ByteTensor", np.uint8)
_core.register_tensor_class(np.ndarray, [np.longlong], LongTensor)    # another name of int64 on most machines

tensor_classes = {
    c.kind: c
    for c in (FloatTensor, DoubleTensor, HalfTensor, LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor)
}

_default = FloatTensor


def default_tensor_type():
    """The class that `torch.Tensor` names and that creation functions use."""
    return _default


def set_default_tensor_type(name):
    """Choose the default type by its name, such as 'torch.DoubleTensor' (TypeError if it is not a floating type)."""
    global _default
    cls = class_by_name(name)
    if cls.dtype.kind != "f":
        raise TypeError(f"set_default_tensor_type: expected a floating type, got {name}")
    _default = cls


def class_by_name(name):
    """The tensor class of a name: 'torch.FloatTensor', 'minigrad.FloatTensor', or the class itself."""
    if isinstance(name, type) and issubclass(name, _core.Tensor):
        return name
    if isinstance(name, str):
        parts = name.split(".")
        if parts[0] in ("torch", "minigrad") and parts[-1] in tensor_classes and len(parts) == 2:
            return tensor_classes[parts[-1]]
        if parts[0] in ("torch", "minigrad") and parts[1:2] == ["cuda"]:
            raise RuntimeError(f"{name}: CUDA tensors need a GPU and CuPy, and there is none here")
    names = ", ".join(f"{_core.package}.{n}" for n in tensor_classes)
    raise TypeError(f"expected a tensor type ({names}), got {name!r}")
