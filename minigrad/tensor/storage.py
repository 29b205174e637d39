"""Storages: FloatStorage, DoubleStorage, ... , the flat memory that tensors look at.

A Storage holds a 1-D array that shows a whole memory (`minigrad.tensor.memory` finds it). Tensors do not hold storages;
`tensor.storage()` makes one on demand, and `_cdata` tells whether two of them are the same memory.
"""

import operator

import numpy as np

from minigrad import _core
from minigrad.ops import arrays, devices
from minigrad.ops.masking import check_async
from minigrad.tensor import memory, printing


class _Storage:
    """Flat memory of one type.

    `X()` nothing; `X(n)` n elements, not initialised; `X([1, 2])` these numbers; `X(storage, offset=0, n=rest)` a view
    of part of another storage of the same type.

    Raises RuntimeError for elements of the wrong kind and views that leave their storage, TypeError for anything else.
    """

    __slots__ = ("__weakref__", "array")
    kind: str
    dtype: np.dtype
    is_cuda = False
    is_sparse = False

    def __init__(self, *args):
        first = args[0] if args else 0
        if isinstance(first, _Storage):
            self.array = self._view_of(first, *args[1:]).as_array()
        elif len(args) > 1:
            raise TypeError(f"{self.kind}: expected a length, a list of numbers or (storage, offset, length), got "
                            f"({', '.join(type(a).__name__ for a in args)})")  # fmt: skip
        elif isinstance(first, (int, np.integer)) and not isinstance(first, bool):
            if first < 0:
                raise RuntimeError(f"{self.kind}: length must not be negative, got {first}")
            self.array = self.library().empty(int(first), self.dtype)
        elif isinstance(first, (list, tuple, range)):
            numbers = np.empty(len(first), self.dtype)
            for k, value in enumerate(first):
                numbers[k] = self._number(value)
            self.array = self.placed(numbers)
        else:
            raise TypeError(
                f"{self.kind}: expected a length, a list of numbers or a {self.kind}, got {type(first).__name__}"
            )

    def _view_of(self, storage, offset=0, length=None):
        if type(storage) is not type(self):
            raise TypeError(f"{self.kind}: a view must be of a {self.kind}, got a {storage.kind}")
        offset = operator.index(offset)
        length = len(storage) - offset if length is None else operator.index(length)
        if offset < 0 or length < 0 or offset + length > len(storage):
            raise RuntimeError(
                f"{self.kind}: a view of {length} elements from {offset} leaves the storage of {len(storage)} elements"
            )
        return memory.view_span(storage.array, offset, length)

    @classmethod
    def library(cls):
        """The module whose arrays storages of this type hold: numpy or cupy."""
        return np

    @classmethod
    def placed(cls, array):
        """The host's array where storages of this type lie."""
        return array

    @classmethod
    def _of(cls, array):
        """The storage around the flat array itself."""
        made = cls.__new__(cls)
        made.array = array
        return made

    @classmethod
    def _number(cls, value):
        if isinstance(value, np.generic):
            value = value.item()
        if not isinstance(value, (int, float)):
            raise RuntimeError(f"{cls.kind}: expected a number, got {value!r} ({type(value).__name__})")
        if isinstance(value, float) and cls.dtype.kind in "iu":
            raise RuntimeError(f"{cls.kind}: takes whole numbers only, got {value}")
        return value

    # ------------------------------------------------ information

    def size(self):
        """size(): number of elements."""
        return self.array.size

    __len__ = size

    def element_size(self):
        """element_size(): bytes of one element."""
        return self.array.itemsize

    def data_ptr(self):
        """data_ptr(): address of the first element."""
        return memory.address_of(self.array)

    @property
    def _cdata(self):
        """Identity of the memory: equal for all storages of one memory, another number for a view."""
        return id(memory.memory_of(self.array))

    def _root_storage(self):
        """(the storage that this one is a view of, offset in it); (self, 0) where it is no view."""
        span = memory.memory_of(self.array)
        return (self._of(span.base), span.start) if isinstance(span, memory.Span) else (self, 0)

    def is_shared(self):
        """is_shared(): whether the memory is one that other processes can share."""
        return memory.is_shared(self.array)

    def is_pinned(self):
        """is_pinned(): whether the memory is pinned: the GPU's driver can copy from it while the program runs on."""
        return memory.is_pinned(self.array)

    def get_device(self):
        """get_device(): the GPU's number; RuntimeError for a storage in the CPU's memory."""
        return memory.device_number(f"{self.kind}.get_device", self.array)

    def tolist(self):
        """tolist(): the numbers as a list."""
        return self.array.tolist()

    def __iter__(self):
        return iter(self.tolist())

    def __repr__(self):
        return printing.format_storage(arrays.to_host(self.array), f"{_core.package}.{self.kind}",
                                       arrays.device_of(self.array))  # fmt: skip

    def __sizeof__(self):
        return object.__sizeof__(self) + self.array.nbytes

    # ------------------------------------------------ elements

    def _place(self, index):
        if isinstance(index, slice):
            if index.step not in (None, 1):
                raise RuntimeError(f"{self.kind}: slices of a storage have step 1, got {index.step}")
            start, stop, _ = index.indices(len(self))
            return start, max(stop - start, 0)
        try:
            k = operator.index(index)
        except TypeError:
            raise TypeError(f"{self.kind}: expected an int or a slice as index, got {type(index).__name__}") from None
        if not -len(self) <= k < len(self):
            raise IndexError(f"{self.kind}: index {k} is out of range for {len(self)} elements")
        return k, None

    def __getitem__(self, index):
        start, length = self._place(index)
        if length is None:
            return self.array[start].item()
        return self._of(memory.view_span(self.array, start, length).as_array())

    def __setitem__(self, index, value):
        start, length = self._place(index)
        with arrays.near(self.array):
            self.array[start if length is None else slice(start, start + length)] = self._number(value)

    def fill_(self, value):
        """fill_(value): every element set to the number value."""
        with arrays.near(self.array):
            self.array[...] = self._number(value)
        return self

    def copy_(self, source, non_blocking=False, **kwargs):
        """copy_(source): the elements of a storage of any type and the same length, converted.

        non_blocking (once called async) matters between the CPU and a GPU only.
        """
        non_blocking = check_async(f"{self.kind}.copy_", kwargs, non_blocking)
        if not isinstance(source, _Storage):
            raise TypeError(f"{self.kind}.copy_: source must be a storage, got {type(source).__name__}")
        if len(source) != len(self):
            raise RuntimeError(f"{self.kind}.copy_: source must have {len(self)} elements, got {len(source)}")
        arrays.assign(self.array, source.array, non_blocking)
        return self

    # ------------------------------------------------ memory

    def resize_(self, length):
        """resize_(length): this many elements, the first ones kept.

        The storage moves to memory of its own; tensors and storages that looked at the old memory keep it. Raises
        RuntimeError for a view and for memory shared with NumPy or another process.
        """
        if isinstance(length, bool) or not isinstance(length, (int, np.integer)):
            raise TypeError(f"{self.kind}.resize_: length must be an int, got {type(length).__name__}")
        if length < 0:
            raise RuntimeError(f"{self.kind}.resize_: length must not be negative, got {length}")
        if length != len(self):
            self.array = memory.grown(f"{self.kind}.resize_", self.array, int(length))
        return self

    def share_memory_(self):
        """share_memory_(): moved to memory that other processes can share. Returns self."""
        if not self.is_shared():
            self.array = memory.shared_copy(self.array)
        return self

    def pin_memory(self):
        """pin_memory(): a copy in pinned memory, which only a GPU's driver can give (RuntimeError without one)."""
        return self._of(memory.pinned(f"{self.kind}.pin_memory", self.array))

    def new(self, *args):
        """new(*args): a storage of the same type, from any arguments of its constructor."""
        with arrays.near(self.array):
            return type(self)(*args)

    def clone(self):
        """clone(): a copy with memory of its own."""
        return self._of(arrays.copy(self.array))

    def cpu(self):
        """cpu(): this storage in the CPU's memory: itself if it is there, else a copy."""
        return self if not self.is_cuda else _by_place[self.dtype, False]._of(arrays.to_host(self.array))

    def cuda(self, device=None, non_blocking=False, **kwargs):
        """cuda(device=None): this storage in the memory of the GPU: itself if it is there, else a copy."""
        non_blocking = check_async(f"{self.kind}.cuda", kwargs, non_blocking)
        if not devices.require():
            return self
        device = devices.checked(f"{self.kind}.cuda", device)
        if device == arrays.device_of(self.array):
            return self
        return _by_place[self.dtype, True]._of(arrays.to_gpu(self.array, device, non_blocking))

    def type(self, new_type=None, non_blocking=False, **kwargs):
        """type(new_type=None): the type's name; or this storage converted to `new_type`."""
        check_async(f"{self.kind}.type", kwargs)
        if new_type is None:
            return f"{_core.package}.{self.kind}"
        cls = class_by_name(new_type)
        if cls is type(self):
            return self
        here = self if cls.is_cuda == self.is_cuda else self.cuda() if cls.is_cuda else self.cpu()
        return cls._of(arrays.run(lambda array: array.astype(cls.dtype), here.array))

    @classmethod
    def from_buffer(cls, buffer, byte_order="native", offset=0, count=-1):
        """from_buffer(buffer, byte_order, offset=0, count=-1): the numbers in a buffer of bytes, copied.

        byte_order: 'native', 'little' or 'big'. offset: in bytes. count: elements, -1 for all.
        """
        orders = {"native": "=", "little": "<", "big": ">"}
        if byte_order not in orders:
            raise ValueError(
                f"{cls.kind}.from_buffer: byte_order must be 'native', 'little' or 'big', got {byte_order!r}"
            )
        size = memoryview(buffer).nbytes
        if not 0 <= offset <= size:
            raise ValueError(
                f"{cls.kind}.from_buffer: offset must be from 0 to the buffer's {size} bytes, got {offset}"
            )
        if count < 0 and (size - offset) % cls.dtype.itemsize:
            raise ValueError(f"{cls.kind}.from_buffer: the {size - offset} bytes from offset on are no whole number "
                             f"of elements of "
                             f"{cls.dtype.itemsize} bytes")  # fmt: skip
        if count * cls.dtype.itemsize > size - offset:
            raise ValueError(f"{cls.kind}.from_buffer: {count} elements need {count * cls.dtype.itemsize} bytes, the "
                             f"buffer has "
                             f"{size - offset} from offset on")  # fmt: skip
        if count == 0 or offset == size:
            return cls(0)
        numbers = np.frombuffer(buffer, cls.dtype.newbyteorder(orders[byte_order]), count, offset)
        return cls._of(cls.placed(numbers.astype(cls.dtype)))

    def __copy__(self):
        return self._of(self.array)

    def __reduce__(self):
        return _rebuild, (type(self), memory.handle(self.array))


def _rebuild(cls, handle):
    return cls._of(memory.from_handle(handle))


def _conversion(name, kind):
    def convert(self):
        return self.type(_by_place[storage_classes[kind].dtype, self.is_cuda])

    convert.__name__, convert.__doc__ = name, f"{name}(): converted to {kind} (itself, if it is one)."
    return convert


_KINDS = {
    "Float": np.float32, "Double": np.float64, "Half": np.float16, "Long": np.int64, "Int": np.int32, "Short": np.int16,
    "Char": np.int8, "Byte": np.uint8,
}  # fmt: skip
storage_classes = {}
for _kind, _dtype in _KINDS.items():
    setattr(_Storage, _kind.lower(), _conversion(_kind.lower(), f"{_kind}Storage"))
    storage_classes[f"{_kind}Storage"] = type(f"{_kind}Storage", (_Storage,), {
        "__slots__": (), "kind": f"{_kind}Storage", "dtype": np.dtype(_dtype), "__doc__": _Storage.__doc__,
        "__module__": "minigrad",
    })  # fmt: skip


class _CudaStorage(_Storage):
    """Flat memory of one type on a GPU, the one in use when it is made. The constructor takes what the CPU's takes."""

    __slots__ = ()
    is_cuda = True

    def __new__(cls, *args):
        return super().__new__(cls) if devices.require() else storage_classes[cls.__name__](*args)

    @classmethod
    def library(cls):
        return devices.cupy()

    @classmethod
    def placed(cls, array):
        return devices.cupy().array(array)


cuda_classes = {
    kind: type(kind, (_CudaStorage,), {
        "__slots__": (), "kind": f"cuda.{kind}", "dtype": cls.dtype, "__doc__": _CudaStorage.__doc__,
        "__module__": "minigrad.cuda",
    })
    for kind, cls in storage_classes.items()
}  # fmt: skip
every_class = (*storage_classes.values(), *cuda_classes.values())
_by_place = {(cls.dtype, cls.is_cuda): cls for cls in every_class}


def storage_of(array):
    """The storage of the memory behind `array`."""
    return _by_place[array.dtype, not isinstance(array, np.ndarray)]._of(memory.flat(array))


def is_storage(obj):
    """Whether obj is a storage."""
    return isinstance(obj, _Storage)


def class_by_name(name):
    """The storage class of a name such as 'torch.FloatStorage', or the class itself."""
    package, _, kind = name.partition(".") if isinstance(name, str) else ("", "", "")
    for cls in every_class:
        if cls is name or (package in ("torch", "minigrad") and cls.kind == kind):
            return cls if not cls.is_cuda or devices.require() else storage_classes[cls.__name__]
    names = ", ".join(f"{_core.package}.{n}" for n in storage_classes)
    raise TypeError(f"expected a storage type ({names}), got {name!r}")
