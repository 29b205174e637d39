"""The GPU, by the era's names: devices, streams, random numbers, memory, and the types of its tensors.

CuPy does the work, if it is installed (`python -m pip install cupy-cuda12x`, or 13x) and finds a GPU; it is
imported when the GPU is first asked for. Otherwise `is_available()` is False, and everything that would put a value on
a GPU raises a RuntimeError that says what is missing. After `use_cpu` (`python -m minigrad run --cpu`) it gives one
notice instead, and the caller goes on with the value as it is.
"""

from minigrad.cuda.random import (
    get_rng_state,
    get_rng_state_all,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from minigrad.cuda.streams import Event, Stream, current_stream, default_stream, stream
from minigrad.ops import compiled, devices
from minigrad.ops.devices import is_available, require, use_cpu
from minigrad.tensor import storage, types
from minigrad.utils import missing

globals().update(types.cuda_classes, **storage.cuda_classes)

# ---------------------------------------------------------------- devices


def device_count():
    """Number of usable GPUs; 0 where there is none."""
    return devices.count()


def _number(name, device):
    """The number of a GPU that is there; None after `use_cpu`."""
    return devices.checked(name, device) if devices.require() else None


class device:
    """Context manager that makes the GPU of this number the one in use; nothing for a negative one."""

    def __init__(self, idx):
        self.idx = idx
        self._number = None if idx is None or idx < 0 else _number("device", idx)
        self._used = None

    def __enter__(self):
        if self._number is not None:
            self._used = devices.use(self._number)
            self._used.__enter__()
        return self

    def __exit__(self, *exception):
        if self._used is not None:
            self._used.__exit__(*exception)
            self._used = None


class device_of(device):
    """Context manager that makes the GPU on which a tensor, Variable or storage lives the one in use; nothing for the
    CPU."""

    def __init__(self, obj):
        super().__init__(obj.get_device() if getattr(obj, "is_cuda", False) else -1)


def set_device(device):
    """Make the GPU of this number the one in use; nothing for a negative one. `with device(i):` is the better way."""
    if device >= 0 and (number := _number("set_device", device)) is not None:
        devices.use(number).use()


def current_device():
    """Number of the GPU in use."""
    return devices.current() if devices.require() else 0


def synchronize():
    """Wait until the GPU in use has done all its work: work is queued, and a call returns before it is done."""
    if devices.require():
        devices.use(devices.current()).synchronize()


def get_device_name(device=None):
    """Name of the GPU of this number (None: the one in use)."""
    if (number := _number("get_device_name", device)) is None:
        return "CPU"
    name = devices.cupy().cuda.runtime.getDeviceProperties(number)["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


def get_device_capability(device=None):
    """Generation (major, minor) of the GPU of this number (None: the one in use)."""
    if (number := _number("get_device_capability", device)) is None:
        return (0, 0)
    found = devices.cupy().cuda.runtime.getDeviceProperties(number)
    return int(found["major"]), int(found["minor"])


def use_kernels(on=True):
    """Let minigrad's CUDA kernels run recurrent layers and optimisers' steps from now on, or no longer.

    They are off at first, since no card has run them yet. After `use_cpu` nothing is done.
    """
    if devices.require():
        compiled.use_cuda(on)


# ---------------------------------------------------------------- memory


def empty_cache():
    """Give the memory that CuPy keeps for later arrays back to the GPU in use. Nothing without a GPU."""
    if devices.is_available():
        devices.cupy().get_default_memory_pool().free_all_blocks()
        devices.cupy().get_default_pinned_memory_pool().free_all_blocks()


def _pool(device, what):
    if not devices.is_available():
        return 0
    with devices.use(devices.checked(what, device)):
        return int(getattr(devices.cupy().get_default_memory_pool(), what)())


def memory_allocated(device=None):
    """Bytes of a GPU's memory that arrays occupy, as CuPy's pool counts them; 0 without a GPU."""
    return _pool(device, "used_bytes")


def memory_cached(device=None):
    """Bytes of a GPU's memory that CuPy's pool holds, for arrays that are there and for later ones; 0 without a GPU."""
    return _pool(device, "total_bytes")


__getattr__ = missing.attribute_error(__name__)
