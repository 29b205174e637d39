"""Where NumPy's and CuPy's arrays differ: each difference in one function, which takes arrays of either.

The operations are written once, against NumPy's functions. NumPy hands CuPy's arrays to CuPy's function of the same
name (NEP 13 and 18), and so the same lines run on a GPU. That fails, or would mean something else, in these places:

- functions that NumPy does not hand on (`as_strided`, `ascontiguousarray`), or that CuPy lacks (`maximum.accumulate`,
  views of windows);
- an index array or a mask must lie where the indexed array lies: `beside` brings one that was made on the host there;
- where a place is named twice in an assignment, NumPy keeps the last value, CuPy any: `write_at`;
- CuPy adds at named places with atomic instructions, which know few types: `add_at`;
- the special functions, which NumPy has not: `special`;
- LAPACK's complaints (a singular matrix) are errors of NumPy's, and switched off in CuPy: `strict_algebra`;
- the address, the owner and the device of memory.

CuPy does not convert to or from NumPy by itself, so what is forgotten here is an error, never a silent detour.
"""

import contextlib

import numpy as np

from minigrad.ops import devices

_NOTHING = contextlib.nullcontext()  # one serves all: it can be entered again, and inside of itself

# ---------------------------------------------------------------- where an array is


def device_of(array):
    """The number of the GPU that holds the array; None for the CPU."""
    return None if isinstance(array, np.ndarray) else int(array.device.id)


def type_of(array):
    """What gradients of the array must be like: (dtype, number of the GPU)."""
    return array.dtype, device_of(array)


def zeros(size, dtype, number):
    """Zeros in the memory of the GPU with this number, or of the CPU (None)."""
    if number is None:
        return np.zeros(size, dtype)
    with devices.use(number):
        return devices.cupy().zeros(size, dtype)


def library_of(array):
    """The module whose functions make arrays like this one: numpy or cupy."""
    return np if isinstance(array, np.ndarray) else devices.cupy()


def near(array):
    """A context manager in which new arrays come to lie where `array` does."""
    return _NOTHING if isinstance(array, np.ndarray) else array.device


def run(function, array, *rest):
    """function(array, *rest) with the array's GPU in use."""
    if isinstance(array, np.ndarray):
        return function(array, *rest)
    with array.device:
        return function(array, *rest)


def place_name(array):
    """Where the array is, for a message."""
    return "the CPU" if isinstance(array, np.ndarray) else f"GPU {device_of(array)}"


def check_together(name, first, other, what, first_is="the input"):
    """Refuse arrays of which one lies elsewhere than the other. what, first_is: their roles in the call."""
    if type(first) is not type(other) or device_of(first) != device_of(other):
        raise RuntimeError(
            f"{name}: expected all arguments in one place, got {first_is} on {place_name(first)} and {what} on "
            f"{place_name(other)}; use .cuda() or .cpu()"
        )


def address_of(array):
    """Address of the first element in the memory of its device."""
    return array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else int(array.data.ptr)


def is_writable(array):
    """Whether elements can be assigned: not in a read-only array, nor where several of them share one place."""
    if isinstance(array, np.ndarray):
        return array.flags.writeable
    return array.size <= 1 or all(stride or size == 1 for size, stride in zip(array.shape, array.strides))


def refuse_write(name):
    """Refuse to change an array that is not writable."""
    raise RuntimeError(
        f"{name}: the target's memory cannot be written: it is expanded, so that several elements share one place, or "
        "it belongs to a read-only array; change a clone() of it"
    ) from None


def check_writable(name, array):
    """Refuse an array that is not writable, for what does not find out by itself."""
    if not is_writable(array):
        refuse_write(name)


# ---------------------------------------------------------------- from the host to a GPU, and back


def to_host(array):
    """The numbers as a NumPy array: the array itself if it is one, else a copy."""
    return array if isinstance(array, np.ndarray) else array.get()


def to_gpu(array, number, non_blocking=False):
    """A copy in the memory of that GPU, of an array that lies anywhere.

    non_blocking: do not wait for a copy from pinned memory, which must not change before it is made.
    """
    with devices.use(number):
        if isinstance(array, np.ndarray):
            return devices.cupy().array(array, order="C", blocking=not non_blocking)
        return array.copy(order="C")


def assign(target, source, non_blocking=False):
    """target[...] = source, which may lie elsewhere and be of another type; their shapes are equal."""
    if isinstance(target, np.ndarray):
        target[...] = to_host(source)
    else:
        number = device_of(target)
        source = source if device_of(source) == number else to_gpu(source, number, non_blocking)
        run(lambda target: target.__setitem__(..., source.astype(target.dtype, copy=False)), target)


def fill(array, value):
    """Every element of the array set to the number value."""
    if isinstance(array, np.ndarray):
        array.fill(value)
    else:
        run(lambda array: array.fill(value), array)


def beside(array, like):
    """The host's array where `like` lies; for index arrays and masks that were worked out on the host."""
    return array if isinstance(like, np.ndarray) else to_gpu(array, device_of(like))


def copy(array):
    """A copy with memory of its own, where the array lies."""
    if isinstance(array, np.ndarray):
        return array.copy()
    with array.device:
        return array.copy()


def eye(n, array):
    """The identity matrix (n, n) of the array's type, where it lies; CuPy refuses NumPy's with `like`."""
    with near(array):
        return library_of(array).eye(n, dtype=array.dtype)


def in_order(array):
    """The array in the order of its dimensions: itself, or a copy."""
    return np.ascontiguousarray(array) if isinstance(array, np.ndarray) else library_of(array).ascontiguousarray(array)


def column_major(array):
    """The array in Fortran's order: itself, or a copy."""
    return np.asfortranarray(array) if isinstance(array, np.ndarray) else library_of(array).asfortranarray(array)


# ---------------------------------------------------------------- views


def as_strided(array, size, strides):
    """A view of that size with those strides (in bytes) from the array's first element on."""
    if isinstance(array, np.ndarray):
        return np.lib.stride_tricks.as_strided(array, size, strides)
    reach = sum((n - 1) * s for n, s in zip(size, strides)) + array.itemsize
    return memory_view(array.data.ptr, reach, array, size, array.dtype, strides)


def memory_view(address, length, owner, size, dtype, strides=None):
    """An array of a GPU's memory: `length` bytes from `address`, which `owner` keeps alive.

    CuPy's own `as_strided` forgets whose memory it shows; here `owner_behind` finds it again.
    """
    cupy = devices.cupy()
    memory = cupy.cuda.UnownedMemory(int(address), int(length), owner, int(owner.device.id))
    return cupy.ndarray(size, dtype, cupy.cuda.MemoryPointer(memory, 0), strides)


def owner_behind(array):
    """What keeps the memory of a GPU's array alive, if that is not the array itself: the next link to its owner."""
    if array.base is not None:
        return array.base
    return getattr(array.data.mem, "_owner", None)


def windows(array, dim, size, step):
    """A view of the windows of `size` elements along dim, one each `step` elements; a new last dimension is inside."""
    count = (array.shape[dim] - size) // step + 1
    shape = (*array.shape[:dim], count, *array.shape[dim + 1 :], size)
    strides = (*array.strides[:dim], array.strides[dim] * step, *array.strides[dim + 1 :], array.strides[dim])
    return as_strided(array, shape, strides)


# ---------------------------------------------------------------- places that index arrays name

# Types that a GPU adds atomically, as which it adds others: unsigned sums have the bits of signed ones.
_ADDED_AS = {np.dtype(np.int64): np.uint64}
_ADDED_IN_INT32 = {np.dtype(t) for t in (np.int16, np.int8, np.uint8)}


def add_at(x, where, source):
    """x (changed) with source added at the places `where`; a place named twice gets both."""
    if isinstance(x, np.ndarray):
        np.add.at(x, where, source)
        return x
    source = source.astype(x.dtype, copy=False)
    if x.dtype in _ADDED_IN_INT32:
        wide = x.astype(np.int32)
        wide.scatter_add(where, source.astype(np.int32))
        x[...] = wide  # the low bits, as NumPy's integers wrap around
    elif x.dtype in _ADDED_AS:
        x.view(_ADDED_AS[x.dtype]).scatter_add(where, source.view(_ADDED_AS[x.dtype]))
    else:
        x.scatter_add(where, source)
    return x


def last_named(size, where, like):
    """For each named place (in the shape of x[where], x of `size`) the number of the last naming of it, from 0 on."""
    marks = np.zeros_like(like, shape=size, dtype=np.uint64)
    shape = marks[where].shape
    numbers = np.arange(int(np.prod(shape)), dtype=np.uint64, like=like).reshape(shape)
    if isinstance(marks, np.ndarray):
        marks[where] = numbers
    else:
        marks.scatter_max(where, numbers)
    return marks[where].view(np.int64)


def write_at(x, where, value):
    """x (changed) with value at the places `where`; where a place is named twice, the last value stays."""
    if not isinstance(x, np.ndarray) and getattr(value, "size", 1) > 1:
        last = last_named(x.shape, where, x)  # every naming of a place writes the value of the last one
        value = np.broadcast_to(value, last.shape).reshape(-1)[last]
    x[where] = value
    return x


# ---------------------------------------------------------------- functions that the two have differently


def running_maximum(x):
    """The largest of the elements up to each one, along the last dimension."""
    if isinstance(x, np.ndarray):
        return np.maximum.accumulate(x, axis=-1)
    out, step = x.copy(), 1
    while step < out.shape[-1]:  # each pass doubles how far back it looks
        out = np.concatenate((out[..., :step], np.maximum(out[..., step:], out[..., :-step])), axis=-1)
        step *= 2
    return out


def repeated_numbers(lengths):
    """0 as often as lengths[0] says, then 1 as often as lengths[1] says, and so on."""
    if isinstance(lengths, np.ndarray):
        return np.repeat(np.arange(lengths.size), lengths)
    ends = np.cumsum(lengths)
    return np.searchsorted(ends, np.arange(int(ends[-1]), like=lengths), side="right")


def histogram(x, bins, low, high):
    """How many elements fall into each of `bins` equal intervals from low to high; ValueError if none can be made."""
    if not isinstance(x, np.ndarray):  # NumPy refuses bounds that CuPy takes
        np.histogram_bin_edges(np.empty(0, x.dtype), bins, (low, high))
    return np.histogram(x, bins, (low, high))[0]


# The names in cupyx.scipy.special and what comes before x there. Its `polygamma` takes no plain number as the order;
# trigamma(x) is the zeta function at 2, x.
_SPECIAL = {
    "erf": ("erf",), "erfinv": ("erfinv",), "lgamma": ("gammaln",), "digamma": ("digamma",), "trigamma": ("zeta", 2.0),
}  # fmt: skip


def special(name, kernel):
    """The special function of that name, of float32 and float64: the kernel on the CPU, CuPy's on a GPU."""

    def function(x):
        if isinstance(x, np.ndarray):
            return kernel(x)
        if x.dtype not in (np.float32, np.float64):  # CuPy would answer in another type
            raise TypeError(f"expected an array of float32 or float64, got one of {x.dtype}")
        devices.cupy()
        import cupyx.scipy.special

        theirs, *before = _SPECIAL[name]
        found = getattr(cupyx.scipy.special, theirs)(*before, x)
        return np.where(x == -np.inf, np.inf, found).astype(x.dtype, copy=False) if name == "lgamma" else found

    return function


def strict_algebra(x):
    """A context manager in which NumPy's linear algebra of x complains of matrices that it cannot solve."""
    if isinstance(x, np.ndarray):
        return _NOTHING
    devices.cupy()
    import cupyx

    return cupyx.errstate(linalg="raise")
