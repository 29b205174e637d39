"""The era's tensor types: FloatTensor, DoubleTensor, ... , each one array with a type.

A Tensor holds its array in `.array` and never records history. What a type can do beyond construction is installed from
the table of operations (`minigrad.ops.table`) and from `minigrad.tensor.methods`, on Tensors and Variables alike.
"""

import numpy as np

from minigrad import _core
from minigrad.ops import bits, devices, elementwise
from minigrad.tensor import memory, storage
from minigrad.tensor.memory import NO_ELEMENTS


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


def size_of_shape(shape):
    """The Size of an array's shape; the shape (0,) stands for no dimension."""
    return tuple.__new__(Size, () if shape == NO_ELEMENTS else shape)


class _Printed(type):
    """Prints a class by the package's name of the moment: torch.FloatTensor while an era script runs."""

    def __repr__(cls):
        return f"<class '{_core.package}.{cls.kind}'>"


class _Tensor(_core.Tensor, metaclass=_Printed):
    """Constructor and identity of a tensor type.

    `X()` no elements; `X(2, 3)` or `X(Size)` uninitialised; `X([1, 2])` the numbers of a (nested) list or tuple,
    copied; `X(tensor)` of the same type: a view of the same memory; `X(storage)` of the same type: a 1-D view of it;
    `X(ndarray)`: shares memory if the dtypes are equal, else a converted copy.

    Raises RuntimeError for ragged sequences and elements of the wrong kind, TypeError for anything else.
    """

    __slots__ = ()
    kind: str
    dtype: np.dtype
    is_cuda = False
    is_sparse = False
    __array_priority__ = 1000  # NumPy scalars leave the operators to us: np.float64(2) * t keeps the type of t

    def __init__(self, *args, **kwargs):
        if kwargs:
            raise TypeError(f"{self.kind}: takes positional arguments only, got {', '.join(kwargs)}")
        self.array = self._construct(args)

    @classmethod
    def _construct(cls, args):
        if not args:
            return cls.empty(NO_ELEMENTS)
        first = args[0]
        if len(args) == 1:
            if isinstance(first, Size):
                return cls.empty(_checked_size(cls, first) or NO_ELEMENTS)
            if isinstance(first, (list, tuple, range)):
                return cls._from_sequence(first)
            if isinstance(first, _core.Tensor):
                if type(first) is not cls:
                    raise TypeError(f"{cls.kind}: a tensor argument must be of the same type, got {first.kind}; "
                                    f"convert it "
                                    f"with .type('{_core.package}.{cls.kind}')")  # fmt: skip
                return first.array[...]
            if isinstance(first, np.ndarray):
                return cls._of_ndarray(first)
            if storage.is_storage(first):
                if type(first) is not cls.storage_type():
                    raise TypeError(
                        f"{cls.kind}: a storage argument must be a {cls.storage_type().kind}, got a {first.kind}"
                    )
                return first.array[...]
            if isinstance(first, _core.Variable):
                raise TypeError(f"{cls.kind}: expected numbers, sizes or a tensor, got a Variable; take its .data")
            if hasattr(first, "__cuda_array_interface__"):
                return cls._of_gpu_array(first)
        return cls.empty(_checked_size(cls, args))

    @classmethod
    def library(cls):
        """The module whose arrays tensors of this type hold: numpy or cupy."""
        return np

    @classmethod
    def empty(cls, size):
        """An array of this type with that size, not initialised."""
        return cls.library().empty(size, cls.dtype)

    @classmethod
    def placed(cls, array):
        """The host's array where tensors of this type lie."""
        return array

    @classmethod
    def _of_ndarray(cls, array):
        return shared_array(cls.kind, array) if array.dtype == cls.dtype else converted_array(cls, array)

    @classmethod
    def _of_gpu_array(cls, array):
        raise TypeError(
            f"{cls.kind}: the {type(array).__name__} lies in a GPU's memory; a {_core.package}.cuda.{cls.kind} can "
            "share it"
        )

    @classmethod
    def _from_sequence(cls, sequence):
        size, level = [], sequence
        while isinstance(level, (list, tuple, range)):
            size.append(len(level))
            if not len(level):
                if len(size) == 1:
                    return cls.empty(NO_ELEMENTS)
                raise RuntimeError(f"{cls.kind}: an inner list is empty; tensors have no dimensions of size 0")
            level = level[0]
        try:
            raw = np.array(sequence)
        except (TypeError, ValueError) as error:
            raise RuntimeError(
                f"{cls.kind}: {_first_odd(sequence) or f'the nested lists are ragged: expected size {tuple(size)}'}"
            ) from error
        too_large = cls.dtype.kind in "iu" and raw.dtype in ("uint64", "float64") and _exceeds_int64(sequence)
        if raw.dtype.kind not in "biuf" or too_large:
            raise RuntimeError(
                f"{cls.kind}: {_first_odd(sequence) or f'numbers too large for int64 in a list of size {tuple(size)}'}"
            )
        if raw.dtype.kind == "f" and cls.dtype.kind in "iu":
            raise RuntimeError(
                f"{cls.kind}: takes whole numbers, got a float in the list; use a FloatTensor and .long()"
            )
        return cls.placed(raw.astype(cls.dtype))

    @classmethod
    def storage_type(cls):
        """The class of this type's storages."""
        classes = storage.cuda_classes if cls.is_cuda else storage.storage_classes
        return classes[cls.__name__.replace("Tensor", "Storage")]

    @property
    def data(self):
        raise RuntimeError("a Tensor has no .data: that is a Variable's tensor. This already is the tensor")

    def __reduce__(self):
        array = self.array
        size = array.shape if array.size else ()
        place = (memory.offset_of(array), size, memory.strides_of(array)) if size else (0, (), ())
        return _rebuild, (type(self), memory.handle(array), *place)

    def __copy__(self):
        return _core.tensor_from_array(self.array[...])

    # Variables have none of these in-place operators; there Python makes `x %= y` of `x = x % y`.
    def __imod__(self, other):
        return _core.call_in_place("remainder", elementwise.remainder, self, (other,), {})

    def __iand__(self, other):
        return _core.call_in_place("bitand", bits.bitand, self, (other,), {})

    def __ior__(self, other):
        return _core.call_in_place("bitor", bits.bitor, self, (other,), {})

    def __ixor__(self, other):
        return _core.call_in_place("bitxor", bits.bitxor, self, (other,), {})

    def __ilshift__(self, other):
        return _core.call_in_place("lshift", bits.lshift, self, (other,), {})

    def __irshift__(self, other):
        return _core.call_in_place("rshift", bits.rshift, self, (other,), {})


class _CudaTensor(_Tensor):
    """A tensor type in the memory of a GPU: new tensors lie on the one in use (`torch.cuda.device`).

    The constructor takes what that of the CPU's type takes. NumPy arrays are copied; an array in a GPU's memory, of any
    library that offers `__cuda_array_interface__`, shares its memory if the dtypes are equal.

    Raises RuntimeError where there is no GPU; after `python -m minigrad run --cpu` it makes a tensor of the CPU's type.
    """

    __slots__ = ()
    is_cuda = True

    def __new__(cls, *args, **kwargs):
        if not devices.require():
            return tensor_classes[cls.__name__](*args, **kwargs)
        return super().__new__(cls)

    @classmethod
    def library(cls):
        return devices.cupy()

    @classmethod
    def placed(cls, array):
        return devices.cupy().array(array)

    @classmethod
    def _of_ndarray(cls, array):
        return cls.placed(converted_array(cls, array))

    @classmethod
    def _of_gpu_array(cls, array):
        return gpu_array(cls.kind, array).astype(cls.dtype, copy=False)


def gpu_array(name, array):
    """A view, by CuPy, of another library's array in a GPU's memory; from now on that memory must not move."""
    _check_shape(name, found := devices.cupy().asarray(array))
    if found.dtype == bool:
        raise TypeError(f"{name}: there is no bool tensor; convert the array first: array.astype('uint8')")
    if any(s < 0 for s in found.strides):
        raise RuntimeError(f"{name}: an array with a negative stride cannot be a tensor; copy it: array.copy()")
    return memory.export(found[...].reshape(found.shape or (1,)))


def _rebuild(cls, handle, offset, size, stride):
    t = cls.__new__(cls)
    t.array = memory.lay_out(memory.from_handle(handle), offset, size, stride)
    return t


def _checked_size(cls, args):
    for a in args:
        if isinstance(a, bool) or not isinstance(a, (int, np.integer)):
            raise TypeError(f"{cls.kind}: expected sizes (ints), one list of numbers, a tensor of this type or an "
                            f"ndarray; got "
                            f"({', '.join(type(a).__name__ for a in args)})")  # fmt: skip
        if a < 1 and tuple(args) != NO_ELEMENTS:
            raise RuntimeError(
                f"{cls.kind}: sizes must be positive, got {tuple(args)}; a tensor has no dimension of size 0"
            )
    return tuple(int(a) for a in args)


def shared_array(name, array):
    """A view of a caller's NumPy array that a tensor can hold; from now on that memory must not move.

    Raises RuntimeError for arrays that no tensor can look at, TypeError for arrays in another machine's byte order.
    """
    _check_shape(name, array)
    if any(s < 0 for s in array.strides):
        raise RuntimeError(
            f"{name}: an array with a negative stride (a reversed slice, say) cannot be a tensor; copy it: array.copy()"
        )
    if any(s % array.itemsize for s in array.strides) or not array.flags.aligned:
        raise RuntimeError(f"{name}: the array's elements do not lie at multiples of their size in memory (a field "
                           f"of a structured "
                           "array, say); copy it: array.copy()")  # fmt: skip
    if not array.dtype.isnative:
        raise TypeError(f"{name}: the array is in another machine's byte order ({array.dtype.str}); convert it: "
                        "array.astype(array.dtype.newbyteorder('='))")  # fmt: skip
    return memory.export(np.asarray(array)[...].reshape(array.shape or (1,)))


def converted_array(cls, array):
    """The numbers of a NumPy array of another dtype, as this type's."""
    _check_shape(cls.kind, array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{cls.kind}: expected an array of numbers, got dtype {array.dtype}")
    return array.astype(cls.dtype, order="C", subok=False).reshape(array.shape or (1,))


def _check_shape(name, array):
    if array.size == 0 and array.shape != NO_ELEMENTS:
        raise RuntimeError(
            f"{name}: an array of shape {array.shape} has no elements; tensors have no dimensions of size 0"
        )


def _first_odd(sequence):
    """A sentence about the first thing in nested lists that is no number, or None."""
    for s in sequence:
        if isinstance(s, (list, tuple, range)):
            found = _first_odd(s)
            if found:
                return found
        elif isinstance(s, (_core.Tensor, _core.Variable)):
            return (f"expected numbers in the list, got a {type(s).__name__} of size "
                    f"{tuple(_core.array_of(s).shape)}; join tensors with "
                    f"{_core.package}.stack or {_core.package}.cat")  # fmt: skip
        elif not isinstance(s, (int, float, np.generic, np.ndarray)):
            return f"expected numbers in the list, got {s!r} ({type(s).__name__})"
    return None


def _exceeds_int64(sequence):
    """Whether one of nested whole numbers is beyond int64. NumPy takes it for uint64, or them all for floats."""
    numbers = np.array(sequence, dtype=object).reshape(-1)
    return all(isinstance(n, (int, np.integer)) for n in numbers) and max(numbers) > np.iinfo(np.int64).max


def _define(kind, dtype):
    body = {
        "__slots__": (),
        "kind": kind,
        "dtype": np.dtype(dtype),
        "__doc__": _Tensor.__doc__,
        "__module__": "minigrad",
    }
    cls = _Printed(kind, (_Tensor,), body)
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
_core.register_tensor_class(np.ndarray, [np.longlong], LongTensor)  # another name of int64 on most machines

# The types of a GPU, by the names of the CPU's. A name is harmless; making a tensor needs a GPU.
cuda_classes = {
    kind: _Printed(kind, (_CudaTensor,), {
        "__slots__": (), "kind": f"cuda.{kind}", "dtype": np.dtype(dtype), "__doc__": _CudaTensor.__doc__,
        "__module__": "minigrad.cuda",
    })
    for kind, dtype in (
        ("FloatTensor", np.float32), ("DoubleTensor", np.float64), ("HalfTensor", np.float16), ("LongTensor", np.int64),
        ("IntTensor", np.int32), ("ShortTensor", np.int16), ("CharTensor", np.int8), ("ByteTensor", np.uint8),
    )
}  # fmt: skip


@devices.on_found
def _register(cupy):
    for cls in cuda_classes.values():
        _core.register_tensor_class(cupy.ndarray, [cls.dtype], cls)
    _core.register_tensor_class(cupy.ndarray, [np.longlong], cuda_classes["LongTensor"])


tensor_classes = {
    c.kind: c
    for c in (FloatTensor, DoubleTensor, HalfTensor, LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor)
}

every_class = (*tensor_classes.values(), *cuda_classes.values())
_by_place = {(c.dtype, c.is_cuda): c for c in every_class}
_default = FloatTensor


def class_of(array):
    """The tensor class of an array's dtype and place."""
    return _by_place[array.dtype, not isinstance(array, np.ndarray)]


def default_tensor_type():
    """The class that `torch.Tensor` names and that creation functions use."""
    return _default


def set_default_tensor_type(name):
    """Choose the default type by its name, such as 'torch.DoubleTensor'.

    A type of integers serves for `Tensor(...)`, `zeros` and the like; what needs fractions, random numbers and the
    parameters of modules, then refuses to be made.
    """
    global _default
    _default = class_by_name(name)


def class_by_name(name):
    """The tensor class of a name: 'torch.FloatTensor', 'minigrad.cuda.FloatTensor', or the class itself."""
    found = name if name in every_class else None
    if isinstance(name, str):
        package, _, kind = name.partition(".")
        if package in ("torch", "minigrad"):
            found = next((c for c in every_class if c.kind == kind), None)
    if found is not None:
        return found if not found.is_cuda or devices.require() else tensor_classes[found.__name__]
    names = ", ".join(f"{_core.package}.{n}" for n in tensor_classes)
    raise TypeError(f"expected a tensor type ({names}), got {name!r}")
