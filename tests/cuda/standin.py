"""A stand-in for CuPy: its arrays, devices and streams in the memory of the host, over NumPy.

It is no GPU, and no test that uses it is a test of one. It serves to find every place where the package would leave a
GPU's array without noticing, or ask CuPy for what it has not. Where CuPy refuses, it refuses:

- an array does not become a NumPy array by itself, and does not mix with one;
- functions of NumPy reach it only if CuPy has them, with CuPy's parameters (`FUNCTIONS`, `METHODS`, `UFUNCS`; another
  test compares these with CuPy itself, where that is installed);
- memory is that of a device (there are two), and work on it is refused unless that device is the one in use.

It is stricter than CuPy where that would be slow (an index array of the host) or undefined: where an assignment names a
place twice, the *first* value stays here, and eigenvectors and singular vectors have other signs than NumPy's.
Out-of-range indices wrap around, as in CuPy.
"""

import contextlib
import inspect
import sys
import types

import numpy as np
from standin_devices import (
    DEVICES,
    CUDARuntimeError,
    Device,
    Event,
    Memory,
    MemoryPointer,
    MemoryPool,
    PinnedMemoryPointer,
    Stream,
    UnownedMemory,
    devices_in_use,
    get_current_stream,
    get_elapsed_time,
    state,
)

from minigrad import kernels

# What the package uses of CuPy, with CuPy's parameters.
FUNCTIONS = {
    name: inspect.signature(eval(f"lambda {parameters}: None"))
    for name, parameters in {
        "all": "a, axis=None, out=None, keepdims=False",
        "any": "a, axis=None, out=None, keepdims=False",
        "arange": "start, stop=None, step=1, dtype=None",
        "argmax": "a, axis=None, dtype=None, out=None, keepdims=False",
        "argmin": "a, axis=None, dtype=None, out=None, keepdims=False",
        "argsort": "a, axis=-1, kind=None",
        "argwhere": "a",
        "array": "obj, dtype=None, copy=True, order='K', subok=False, ndmin=0, *, blocking=False",
        "array_equal": "a1, a2, equal_nan=False",
        "asarray": "a, dtype=None, order=None, *, copy=None, blocking=False",
        "ascontiguousarray": "a, dtype=None",
        "asfortranarray": "a, dtype=None",
        "bincount": "x, weights=None, minlength=None",
        "broadcast_to": "array, shape",
        "clip": "a, a_min, a_max, out=None",
        "concatenate": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
        "count_nonzero": "a, axis=None",
        "cumprod": "a, axis=None, dtype=None, out=None",
        "cumsum": "a, axis=None, dtype=None, out=None",
        "diagonal": "a, offset=0, axis1=0, axis2=1",
        "diff": "a, n=1, axis=-1, prepend=None, append=None",
        "dot": "a, b, out=None",
        "empty": "shape, dtype=float, order='C'",
        "empty_like": "prototype, dtype=None, order='K', subok=None, shape=None",
        "eye": "N, M=None, k=0, dtype=float, order='C'",
        "flip": "a, axis=None",
        "full_like": "a, fill_value, dtype=None, order='K', subok=None, shape=None",
        "histogram": "x, bins=10, range=None, density=False, weights=None",
        "linalg.cholesky": "a",
        "linalg.eig": "a",
        "linalg.eigh": "a, UPLO='L'",
        "linalg.eigvals": "a",
        "linalg.eigvalsh": "a, UPLO='L'",
        "linalg.inv": "a",
        "linalg.norm": "x, ord=None, axis=None, keepdims=False",
        "linalg.qr": "a, mode='reduced'",
        "linalg.solve": "a, b",
        "linalg.svd": "a, full_matrices=True, compute_uv=True",
        "max": "a, axis=None, out=None, keepdims=False",
        "min": "a, axis=None, out=None, keepdims=False",
        "moveaxis": "a, source, destination",
        "ndim": "a",
        "nonzero": "a",
        "ones": "shape, dtype=float, order='C'",
        "ones_like": "a, dtype=None, order='K', subok=None, shape=None",
        "prod": "a, axis=None, dtype=None, out=None, keepdims=False",
        "roll": "a, shift, axis=None",
        "searchsorted": "a, v, side='left', sorter=None",
        "sort": "a, axis=-1, kind=None",
        "stack": "tup, axis=0, out=None, *, dtype=None, casting='same_kind'",
        "sum": "a, axis=None, dtype=None, out=None, keepdims=False",
        "take": "a, indices, axis=None, out=None",
        "take_along_axis": "a, indices, axis",
        "trace": "a, offset=0, axis1=0, axis2=1, dtype=None, out=None",
        "transpose": "a, axes=None",
        "tril": "m, k=0",
        "triu": "m, k=0",
        "unique": "ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True",
        "unravel_index": "indices, dims, order='C'",
        "where": "condition, x=None, y=None",
        "zeros": "shape, dtype=float, order='C'",
        "zeros_like": "a, dtype=None, order='K', subok=None, shape=None",
    }.items()
}
UFUNCS = frozenset(
    """absolute add arccos arcsin arctan arctan2 bitwise_and bitwise_or bitwise_xor ceil cos cosh divide equal exp expm1
    floor floor_divide fmod greater greater_equal invert isfinite isinf isnan left_shift less less_equal log log1p
    logical_and logical_not logical_or matmul maximum minimum multiply negative not_equal power reciprocal remainder
    right_shift rint sign sin sinh sqrt square subtract tan tanh true_divide trunc""".split()
)
# Of cupyx.scipy.special: the types that its functions take and give.
SPECIAL = {
    "digamma": "l->d e->d f->f d->d F->F D->D", "erf": "e->d f->f d->d", "erfinv": "f->f d->d",
    "gammaln": "l->d e->d f->f d->d", "zeta": "ff->f dd->d",
}  # fmt: skip
METHODS = {
    "all": "axis=None, out=None, keepdims=False", "any": "axis=None, out=None, keepdims=False",
    "argmax": "axis=None, out=None, dtype=None, keepdims=False", "max": "axis=None, out=None, keepdims=False",
    "min": "axis=None, out=None, keepdims=False", "mean": "axis=None, dtype=None, out=None, keepdims=False",
    "sum": "axis=None, dtype=None, out=None, keepdims=False",
}  # fmt: skip
VIEWS = {"broadcast_to", "diagonal", "moveaxis", "ndim", "transpose"}  # no work for the GPU


_scalars = (bool, int, float, complex, np.generic)


class Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous


def _wrap(result, *sources):
    """NumPy's result as an array here: a view of a source where it is one, else in memory of its own."""
    if isinstance(result, (tuple, list)):
        return type(result)(_wrap(r, *sources) for r in result) if type(result) in (tuple, list) else tuple(
            _wrap(r, *sources) for r in result)  # fmt: skip
    if not isinstance(result, (np.ndarray, np.generic, bool, int, float)):
        return result
    result = np.asarray(result)
    low, high = np.lib.array_utils.byte_bounds(result)
    for source in sources:
        memory = source.data.mem
        if result.size and memory.ptr <= low and high <= memory.ptr + memory.size:
            return ndarray._view(result, source)
    return ndarray._new(result)


def _same_device(arrays):
    for array in arrays:
        if array.data.device_id != devices_in_use()[-1]:
            raise ValueError(
                f"Array device must be same as the current device: array device = {array.data.device_id} while "
                f"current = {devices_in_use()[-1]}"
            )


def _open(value, sources):
    """A value for NumPy: the memory behind an array (noted in `sources`), everything else as it is, but no ndarray."""
    if isinstance(value, ndarray):
        sources.append(value)
        return value._host
    if isinstance(value, np.ndarray) and not isinstance(value, np.generic) and value.ndim:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (tuple, list)):
        return type(value)(_open(v, sources) for v in value)
    return value


class ndarray:
    """An array in the memory of a device."""

    __module__ = "cupy"
    __slots__ = ("__weakref__", "_host", "base", "data")
    __array_priority__ = 100

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        made = np.empty(shape, dtype, order)
        self.base, self.data = None, memptr
        if memptr is None:
            self.data = MemoryPointer(Memory(made.nbytes, devices_in_use()[-1]), 0)
        offset = self.data.ptr - self.data.mem.ptr
        self._host = np.ndarray(made.shape, made.dtype, self.data.mem._bytes, offset, strides or made.strides)

    @classmethod
    def _new(cls, values):
        strides = np.empty_like(values, subok=False).strides
        made = cls(values.shape, values.dtype)
        made._host = np.ndarray(values.shape, values.dtype, made.data.mem._bytes, 0, strides)
        made._host[...] = values
        return made

    @classmethod
    def _view(cls, host, source):
        made = cls.__new__(cls)
        made.base = source if source.base is None else source.base
        memory = source.data.mem
        made.data = MemoryPointer(memory, host.__array_interface__["data"][0] - memory.ptr)
        made._host = np.lib.stride_tricks.as_strided(host, writeable=True) if not host.flags.writeable else host
        if not made._host.flags.writeable:  # a broadcast view can be written in CuPy
            made._host = np.ndarray(host.shape, host.dtype, memory._bytes, made.data.ptr - memory.ptr, host.strides)
        return made

    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    dtype = property(lambda self: self._host.dtype)
    size = property(lambda self: self._host.size)
    ndim = property(lambda self: self._host.ndim)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    flags = property(lambda self: Flags(self._host.flags))
    device = property(lambda self: Device(self.data.device_id))
    T = property(lambda self: _wrap(self._host.T, self))
    real = property(lambda self: _wrap(self._host.real, self))
    imag = property(lambda self: _wrap(self._host.imag, self))

    # ------------------------------------------------ what NumPy hands on

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
                        "array explicitly.")  # fmt: skip

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if ufunc.__name__ not in UFUNCS or method not in ("__call__", "at"):
            return NotImplemented
        if set(kwargs) - {"dtype", "casting"}:
            raise TypeError(f"Wrong arguments {kwargs}")
        sources = []
        opened = [_open(x, sources) for x in inputs]
        if method == "at":
            raise TypeError("the package adds with scatter_add, which says which types it takes")
        for x in opened:
            if not isinstance(x, (np.ndarray, *_scalars)):
                return NotImplemented
        if out is not None:
            kwargs["out"] = _open(out[0], sources)
        _same_device(sources)
        with np.errstate(all="ignore"):
            result = ufunc(*opened, **kwargs)
        return out[0] if out is not None else _wrap(result)

    def __array_function__(self, func, types, args, kwargs):
        module = func.__module__.partition(".")[2]
        name = f"{module}.{func.__name__}" if module else func.__name__
        if name not in FUNCTIONS:
            return NotImplemented
        return call(name, args, kwargs)

    # ------------------------------------------------ methods

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        _same_device([self])
        if subok is not None:
            raise TypeError("subok is not supported yet")
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        with np.errstate(all="ignore"):
            return ndarray._new(self._host.astype(dtype, order=order))

    def copy(self, order="C"):
        if devices_in_use()[-1] == self.data.device_id or order == "C":
            return ndarray._new(self._host.copy(order))
        raise AssertionError("not needed")

    def fill(self, value):
        _same_device([self])
        self._host.fill(value)

    def get(self, stream=None, order="C", out=None, blocking=True):
        return self._host.copy(order)

    def item(self, *args):
        return self._host.item(*args)

    def ravel(self, order="C"):
        return _wrap(self._host.ravel(order), self)

    def reshape(self, *shape, order="C"):
        result = self._host.reshape(*shape, order=order)
        made = _wrap(result, self)
        if made.base is None:
            _same_device([self])
        return made

    def scatter_add(self, slices, value):
        self._scatter(np.add, slices, value, "int32 float16 float32 float64 uint32 uint64")

    def scatter_max(self, slices, value):
        self._scatter(np.maximum, slices, value, "int32 float32 float64 uint32 uint64")

    def _scatter(self, function, slices, value, supported):
        if self.dtype.name not in supported.split():
            raise TypeError(f"scatter only supports {supported} as data type")
        sources = [self]
        where, value = self._places(slices, sources), _open(value, sources)
        _same_device(sources)
        function.at(self._host, where, np.asarray(value).astype(self.dtype))

    def tolist(self):
        return self._host.tolist()

    def transpose(self, *axes):
        return _wrap(self._host.transpose(*axes), self)

    def view(self, dtype=None):
        return ndarray._view(self._host.view(self.dtype if dtype is None else dtype), self)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return _from_pickle, (self.get(),)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[k] for k in range(len(self)))

    def __bool__(self):
        return bool(self._host)

    def __int__(self):
        return int(self._host)

    def __float__(self):
        return float(self._host)

    def __format__(self, spec):
        return format(self._host, spec)

    def __repr__(self):
        return repr(self._host)

    # ------------------------------------------------ places

    def _places(self, slices, sources):
        """The index for NumPy: out-of-range numbers wrap around, index arrays of the host are refused."""
        opened, axis = [], 0
        entries = slices if isinstance(slices, tuple) else (slices,)
        used = sum(1 if not isinstance(e, ndarray) or e.dtype != bool else e.ndim
                   for e in entries if e is not None and e is not Ellipsis)  # fmt: skip
        for entry in entries:
            if isinstance(entry, np.ndarray):
                raise TypeError("an index array of the host: CuPy would copy it each time")
            entry = _open(entry, sources)
            if entry is Ellipsis:
                axis += self.ndim - used
            elif isinstance(entry, np.ndarray) and entry.dtype == bool:
                axis += entry.ndim
            elif entry is not None:
                if isinstance(entry, np.ndarray):
                    entry = entry % self.shape[axis]
                axis += 1
            opened.append(entry)
        return tuple(opened)

    def __getitem__(self, slices):
        sources = [self]
        where = self._places(slices, sources)
        if len(sources) > 1:
            _same_device(sources)
        return _wrap(self._host[where], self)

    def __setitem__(self, slices, value):
        sources = [self]
        where = self._places(slices, sources)
        if isinstance(value, np.ndarray):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        value = _open(value, sources)
        _same_device(sources)
        target, named = self._host, any(isinstance(w, np.ndarray) and w.dtype != bool for w in where)
        with np.errstate(all="ignore"):
            if not named:
                target[where] = value
                return
            numbers = np.arange(target.size).reshape(target.shape)[where]
            value = np.broadcast_to(np.asarray(value), numbers.shape).reshape(-1)[::-1]
            flat = numbers.reshape(-1)[::-1]  # backwards: of two values for one place, the first stays
            target[np.unravel_index(flat, target.shape)] = value

    # ------------------------------------------------ other libraries

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3,
                "strides": None if self.flags.c_contiguous else self.strides, "stream": 1}  # fmt: skip

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return self

    def __dlpack_device__(self):
        return 2, self.data.device_id


def _operator(name, function, reflected=False, in_place=False):
    def method(self, other=None):
        operands = (self,) if other is None else (other, self) if reflected else (self, other)
        if not all(isinstance(x, (ndarray, *_scalars, np.ndarray)) for x in operands):
            return NotImplemented
        found = ndarray.__array_ufunc__(self, function, "__call__", *operands, **({"out": (self,)} if in_place else {}))
        return found

    method.__name__ = name
    setattr(ndarray, name, method)


for _name, _function in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "lshift": np.left_shift, "rshift": np.right_shift, "matmul": np.matmul,
}.items():  # fmt: skip
    _operator(f"__{_name}__", _function)
    _operator(f"__r{_name}__", _function, reflected=True)
    if _name != "matmul":
        _operator(f"__i{_name}__", _function, in_place=True)
for _name, _function in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
    "neg": np.negative, "abs": np.absolute, "invert": np.invert,
}.items():  # fmt: skip
    _operator(f"__{_name}__", _function)
ndarray.__hash__ = None


def _method(name, parameters):
    signature = inspect.signature(eval(f"lambda {parameters}: None"))

    def method(self, *args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        _same_device([self])
        with np.errstate(all="ignore"):
            return _wrap(np.asarray(getattr(self._host, name)(*bound.args, **bound.kwargs)))

    setattr(ndarray, name, method)


for _name, _parameters in METHODS.items():
    _method(_name, _parameters)


# ---------------------------------------------------------------- functions

_linalg_raises = []


def call(name, args, kwargs):
    """CuPy's function of that name."""
    bound = FUNCTIONS[name].bind(*args, **kwargs)
    if kwargs.get("subok") is not None:
        raise TypeError("subok is not supported yet")
    sources = []
    args, kwargs = _open(bound.args, sources), {k: _open(v, sources) for k, v in bound.kwargs.items()}
    if name not in VIEWS:
        _same_device(sources)
    function = np.linalg if name.startswith("linalg.") else np
    function = getattr(function, name.rpartition(".")[2])
    with np.errstate(all="ignore"):
        try:
            result = function(*args, **kwargs)
        except np.linalg.LinAlgError:
            if _linalg_raises:
                raise
            return _wrap(np.full_like(args[0], np.nan))
    if name in ("linalg.eig", "linalg.eigh"):
        result = (result[0], -result[1])
    elif name == "linalg.svd":
        result = (-result[0], result[1], -result[2])
    if name in ("linalg.eig", "linalg.eigvals"):  # complex numbers even where all are real
        wide = np.result_type(args[0], np.complex64)
        result = tuple(r.astype(wide) for r in result) if isinstance(result, tuple) else result.astype(wide)
    if "out" in bound.arguments and bound.arguments["out"] is not None:
        return bound.arguments["out"]
    return _wrap(result, *sources)


def _special(name):
    """A function of cupyx.scipy.special, by the package's own kernels; infinite where CuPy's is."""

    def function(*args):
        x = args[-1]
        _same_device([x])
        if len(args) != len(SPECIAL[name].partition("->")[0]):
            raise TypeError(f"Wrong number of arguments for {name!r}")
        if x.dtype not in (np.float32, np.float64):
            raise AssertionError("the package takes these two types only")
        if name == "zeta":
            assert args[0] == 2.0
        values = getattr(kernels, {"gammaln": "lgamma", "zeta": "trigamma"}.get(name, name))(x._host)
        return ndarray._new(np.where(x._host == -np.inf, -np.inf, values) if name == "gammaln" else values)

    return function


def _array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        return obj.astype(dtype or obj.dtype, copy=copy)
    if hasattr(obj, "__cuda_array_interface__"):
        seen = obj.__cuda_array_interface__
        kind, count = np.dtype(seen["typestr"]), int(np.prod(seen["shape"]))
        strides = seen["strides"]
        length = kind.itemsize * count if strides is None else kind.itemsize + sum(
            (n - 1) * s for n, s in zip(seen["shape"], strides))  # fmt: skip
        memory = UnownedMemory(seen["data"][0], length, obj, devices_in_use()[-1])
        return ndarray(seen["shape"], kind, MemoryPointer(memory, 0), strides)
    return ndarray._new(np.array(obj, dtype, order=order))


def _asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return _array(a, dtype, False)


def _contiguous(order):
    def function(a, dtype=None):
        _same_device([a])
        flags = a._host.flags
        return a if (flags.c_contiguous if order == "C" else flags.f_contiguous) else ndarray._new(a._host.copy(order))

    return function


def _from_pickle(host):
    return ndarray._new(host)


def _empty_pinned(shape, dtype=float, order="C"):
    memory = PinnedMemoryPointer(max(int(np.prod(shape)), 1) * np.dtype(dtype).itemsize)
    return np.ndarray(shape, dtype, memory, order=order)


@contextlib.contextmanager
def _errstate(*, divide=None, over=None, under=None, invalid=None, linalg=None, fallback_mode=None):
    if linalg == "raise":
        _linalg_raises.append(True)
    try:
        yield
    finally:
        if linalg == "raise":
            _linalg_raises.pop()


def _bound(name):
    def function(*args, **kwargs):
        return call(name, args, kwargs)

    function.__name__ = name
    return function


def modules():
    """The modules cupy, cupyx and cupyx.scipy.special, as the package sees them."""
    cupy, cupyx = types.ModuleType("cupy"), types.ModuleType("cupyx")
    special = types.ModuleType("cupyx.scipy.special")
    cupyx.scipy = types.ModuleType("cupyx.scipy")
    cupyx.scipy.special = special
    for name in SPECIAL:
        setattr(special, name, _special(name))
    for name in FUNCTIONS:
        if "." not in name:
            setattr(cupy, name, _bound(name))
    pool = MemoryPool()
    cupy.ndarray, cupy.array, cupy.asarray = ndarray, _array, _asarray
    cupy.ascontiguousarray, cupy.asfortranarray = _contiguous("C"), _contiguous("F")
    cupy.from_dlpack = lambda array, *, device=None, copy=None: array.__dlpack__().view()
    cupy.get_default_memory_pool = cupy.get_default_pinned_memory_pool = lambda: pool
    properties = {"name": b"stand-in for a GPU", "major": 9, "minor": 0}
    cupy.cuda = types.SimpleNamespace(
        Device=Device, Event=Event, MemoryPointer=MemoryPointer, PinnedMemoryPointer=PinnedMemoryPointer, Stream=Stream,
        UnownedMemory=UnownedMemory, get_current_stream=get_current_stream, get_elapsed_time=get_elapsed_time,
        runtime=types.SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError, getDeviceCount=lambda: DEVICES, getDevice=lambda: devices_in_use()[-1],
            getDeviceProperties=lambda number: properties,
        ),
    )  # fmt: skip
    cupyx.errstate, cupyx.empty_pinned = _errstate, _empty_pinned
    return cupy, cupyx


def install(monkeypatch):
    """Let the package find the stand-in where it looks for CuPy, until the test is over."""
    from minigrad.ops import devices
    from minigrad.tensor import random

    cupy, cupyx = modules()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    for module in (cupyx, cupyx.scipy, cupyx.scipy.special):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(devices, "_found", None)
    monkeypatch.setattr(devices, "_cpu_instead", False)
    monkeypatch.setattr(random, "_of_gpus", {})
    monkeypatch.setattr(random, "_seed_of_gpus", None)
    monkeypatch.setattr(state, "devices", [0], raising=False)
    monkeypatch.setattr(state, "streams", [], raising=False)
    assert devices.is_available()
    return cupy
