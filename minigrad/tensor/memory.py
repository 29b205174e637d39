"""The memory behind an array: who owns it, how much there is, and who else may see it.

A tensor is one array, and NumPy's chain of bases says whose memory an array looks at. Storages, `set_` and `resize_`
are made from that chain alone: tensors carry nothing beyond `.array`.

`memory_of(array)` is the identity of a memory: the array that owns it, or a `Span` where a storage view began.
`flat(array)` shows all of that memory as one 1-D array; `lay_out` cuts a tensor's array from it.

Memory never moves under a tensor. What has to grow is copied to larger memory and sees that from then on; other tensors
keep the old memory and their values, and no longer share with it. Memory that NumPy, another library or another process
sees as well is never given up that way: growing is refused instead.
"""

import math
import sys
import weakref

import numpy as np

from minigrad.ops import arrays, devices

NO_ELEMENTS = (0,)  # shape of the array behind the tensor with no dimension: the only empty one


class Span:
    """A stretch of memory that NumPy can look at: `length` elements of `dtype` from `address`, kept alive by `base`.

    own_identity: the stretch counts as a memory of its own (a storage view), not as part of its base.
    """

    __slots__ = ("__array_interface__", "__weakref__", "base", "own_identity", "start")

    def __init__(self, base, address, length, dtype, own_identity=False, start=0):
        self.base, self.own_identity, self.start = base, own_identity, start
        self.__array_interface__ = {
            "version": 3, "shape": (length,), "typestr": np.dtype(dtype).str,
            "data": (address, isinstance(base, np.ndarray) and not base.flags.writeable),
        }  # fmt: skip

    @property
    def device(self):
        """The GPU whose memory it is."""
        return self.base.device

    def as_array(self):
        """The elements as a 1-D array, which keeps this Span."""
        if isinstance(self.base, np.ndarray):
            return np.asarray(self)
        size, dtype = self.__array_interface__["shape"], np.dtype(self.__array_interface__["typestr"])
        address = self.__array_interface__["data"][0]
        return arrays.memory_view(address, size[0] * dtype.itemsize, self, size, dtype)

    def __reduce__(self):
        (length,) = self.__array_interface__["shape"]
        return view_span, (handle(self.base), self.start, length)


class Segment:
    """Memory that processes share: an open file, mapped, that belongs to `arena` (multiprocessing.heap.Arena).

    On its way to another process, as an argument or through a queue or a pipe, it stays the same memory. In any other
    pickle, and in a deep copy, it becomes an array of its own.
    """

    __slots__ = ("__array_interface__", "__weakref__", "_flat", "arena")

    def __init__(self, arena, length, dtype):
        self.arena = arena
        address = address_of(np.frombuffer(arena.buffer, np.uint8))
        self.__array_interface__ = {
            "version": 3, "shape": (length,), "typestr": np.dtype(dtype).str, "data": (address, False),
        }  # fmt: skip
        self._flat = None
        _register()

    def flat(self):
        """All of it as an array; the same one as long as somebody holds it."""
        found = None if self._flat is None else self._flat()
        if found is None:
            found = np.asarray(self)
            self._flat = weakref.ref(found)
        return found

    def __reduce__(self):
        return np.array, (self.flat(),)


def _register():
    # Only here: most programs never load multiprocessing.
    from multiprocessing.reduction import ForkingPickler

    ForkingPickler.register(Segment, _send)


def _send(segment):
    (length,) = segment.__array_interface__["shape"]
    return Segment, (segment.arena, length, segment.__array_interface__["typestr"])


def view_span(whole, start, length):
    """A Span with an identity of its own: `length` elements of the flat array `whole` (or its handle), from `start`."""
    whole = from_handle(whole)
    parent = memory_of(whole)
    if isinstance(parent, Span):
        whole, start = parent.base, parent.start + start
    return Span(whole, address_of(whole) + start * whole.itemsize, length, whole.dtype, True, start)


address_of = arrays.address_of


def _chain(array):
    link = array
    while link is not None:
        yield link
        link = arrays.owner_behind(link) if devices.is_gpu_array(link) else getattr(link, "base", None)


def _is_array(link):
    return isinstance(link, np.ndarray) or devices.is_gpu_array(link)


def memory_of(array):
    """The identity of the memory that `array` looks at: the array that owns it, or the Span of a storage view."""
    owner = array
    for link in _chain(array):
        if _is_array(link):
            owner = link
        elif isinstance(link, Span) and link.own_identity:
            return link
    return owner


def owner_of(array):
    """The last array of the chain of bases, storage views or not."""
    owner = array
    for link in _chain(array):
        if _is_array(link):
            owner = link
    return owner


_flats = weakref.WeakValueDictionary()  # id of a memory -> its flat array, which keeps the memory, and so its id, alive


def flat(array):
    """All memory behind `array` as a 1-D array of its type; the same object as long as somebody holds it."""
    memory = memory_of(array)
    if not isinstance(memory, Span) and _is_flat(memory, array.dtype):
        return memory
    found = _flats.get(id(memory))
    if found is None or found.dtype != array.dtype:
        found = (memory if isinstance(memory, Span) else _whole(memory, array)).as_array()
        _flats[id(memory)] = found
    return found


def _is_flat(array, dtype):
    plain = type(array) is np.ndarray or devices.is_gpu_array(array)
    return plain and array.ndim == 1 and array.dtype == dtype and array.flags.c_contiguous


def _whole(owner, array):
    """The Span from the first to the last byte of `owner`, in elements of `array`."""
    low = high = address_of(owner)
    for size, step in zip(owner.shape, owner.strides):
        low, high = low + min(0, (size - 1) * step), high + max(0, (size - 1) * step)
    low += (address_of(array) - low) % array.itemsize
    length = (high + owner.itemsize - low) // array.itemsize if owner.size else 0
    return Span(owner, low, length, array.dtype)


def handle(array):
    """What stands for the memory in a pickle or a deep copy: one object for each memory, so that sharing is kept."""
    memory = memory_of(array)
    if isinstance(memory, Span):
        return memory
    return memory.base if isinstance(memory.base, Segment) else flat(array)


def from_handle(memory):
    """The flat array of a handle."""
    if isinstance(memory, Segment):
        return memory.flat()
    return memory.as_array() if isinstance(memory, Span) else memory


def offset_of(array):
    """Where the first element lies in `flat(array)`."""
    return (address_of(array) - address_of(flat(array))) // array.itemsize if array.size else 0


def strides_of(array):
    """Steps in memory along each dimension, in elements."""
    return tuple(s // array.itemsize for s in array.strides)


def contiguous_strides(size):
    return tuple(math.prod(size[k + 1 :]) for k in range(len(size)))


def lay_out(whole, offset, size, stride=None):
    """The array of `size` whose first element is whole[offset]; its strides (contiguous if None) are in elements."""
    if not size or size == NO_ELEMENTS:
        return whole[:0]
    if stride is None or tuple(stride) == contiguous_strides(size):
        return whole[offset : offset + math.prod(size)].reshape(size)
    return arrays.as_strided(whole[offset:], size, [s * whole.itemsize for s in stride])


def reach(offset, size, stride):
    """How many elements of memory a tensor of that geometry needs."""
    return offset + 1 + sum((n - 1) * s for n, s in zip(size, stride)) if size else 0


# ---------------------------------------------------------------- memory that others see

_exported = {}  # id of an owner -> weak reference to it


def export(array):
    """Note that NumPy or another library sees this memory too, so that it must never be given up by growing."""
    owner = owner_of(array)
    key = id(owner)
    if key not in _exported:
        _exported[key] = weakref.ref(owner, lambda _: _exported.pop(key, None))
    return array


def is_shared(array):
    """Whether the memory is shared with other processes."""
    if not isinstance(array, np.ndarray):
        return True  # every process could open a GPU's memory, or so the era put it
    return isinstance(owner_of(array).base, Segment)


def device_number(name, array):
    """The number of the GPU that holds the array; RuntimeError for the CPU's memory."""
    if isinstance(array, np.ndarray):
        raise RuntimeError(f"{name}: it is in the CPU's memory; only what is on a GPU has a device number")
    return arrays.device_of(array)


def is_pinned(array):
    """Whether the array lies in memory that CuPy has pinned."""
    if not isinstance(array, np.ndarray) or "cupy" not in sys.modules or not devices.is_available():
        return False
    pinned = devices.cupy().cuda.PinnedMemoryPointer
    return any(isinstance(getattr(link, "obj", link), pinned) for link in _chain(array))


def pinned(name, array):
    """A copy of a NumPy array in pinned memory; after `use_cpu` the array itself."""
    if not isinstance(array, np.ndarray):
        raise RuntimeError(f"{name}: only the CPU's memory can be pinned, this lies on GPU {arrays.device_of(array)}")
    if not devices.require() or is_pinned(array):
        return array
    import cupyx

    made = cupyx.empty_pinned(array.shape, array.dtype)
    made[...] = array
    return made


def shared_copy(whole):
    """A copy of a flat array in memory that other processes can share. RuntimeError if the system has none to give."""
    from multiprocessing.heap import Arena

    try:
        segment = Segment(Arena(max(whole.nbytes, 1)), whole.size, whole.dtype)
    except OSError as error:
        raise RuntimeError(
            f"share_memory_: there is no shared memory of {whole.nbytes} bytes to be had: {error}"
        ) from error
    found = segment.flat()
    found[:] = whole
    return found


def grown(name, whole, length):
    """A copy of the flat array `whole` with `length` elements; refused where others rely on the memory."""
    if isinstance(memory_of(whole), Span):
        raise RuntimeError(f"{name}: a storage view cannot grow from {whole.size} to {length} elements; it shows "
                           f"part of "
                           "another storage")  # fmt: skip
    if id(owner_of(whole)) in _exported:
        raise RuntimeError(f"{name}: this memory of {whole.size} elements is shared with NumPy (or another library) "
                           f"and cannot grow "
                           f"to {length}; .clone() gives a tensor with memory of its own")  # fmt: skip
    if isinstance(whole, np.ndarray) and is_shared(whole):
        raise RuntimeError(f"{name}: this memory of {whole.size} elements is shared between processes and cannot "
                           f"grow to {length}; "
                           ".clone() gives a tensor with memory of its own")  # fmt: skip
    with arrays.near(whole):
        new = np.empty_like(whole, shape=(length,))
        kept = min(length, whole.size)
        new[:kept] = whole[:kept]
    return new


def resized(name, array, size):
    """The array of `size` on the memory of `array`, from the same element on; on a copy where it must grow."""
    if array.shape == (size or NO_ELEMENTS):
        return array
    whole, offset = flat(array), offset_of(array)
    need = offset + math.prod(size) if size else 0
    return lay_out(grown(name, whole, need) if need > whole.size else whole, offset, size)
