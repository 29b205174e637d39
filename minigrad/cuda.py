"""The GPU: whether one can be used, and one clear line where none can.

Everything that would put a value on a GPU calls `require`. Where tensors live on the CPU only, that raises; after
`use_cpu` (`python -m minigrad run --cpu`) it gives one notice instead, and the caller goes on with the value as it is.
"""

import importlib.util
import sys

import numpy as np

from minigrad import _core
from minigrad.utils import missing

__path__ = ()  # the era's submodules (cuda.nccl, cuda.nvtx) can be imported: they are absent

_cpu_instead = False
_noticed = False


def is_available():
    """Whether tensors can live on a GPU. They cannot yet: the CuPy backend is not there."""
    return False


def device_count():
    """Number of usable GPUs."""
    return 0


def require():
    """Raise RuntimeError that says what is missing; after `use_cpu`, return instead, the first time with a notice."""
    global _noticed
    if _cpu_instead:
        if not _noticed:
            _noticed = True
            print("minigrad run --cpu: the program asks for a GPU; it continues on the CPU", file=sys.stderr)
        return
    have = "CuPy is installed, but minigrad's GPU kernels are not there yet" if importlib.util.find_spec("cupy") else (
        "CuPy is not installed, and minigrad's GPU kernels are not there yet")  # fmt: skip
    raise RuntimeError(
        f"cuda: tensors live on the CPU only: {have}. To run a program that asks for a GPU on the CPU: "
        f"python -m minigrad run --cpu program.py; in your own code, guard it: if {_core.package}.cuda.is_available()"
    )


def use_cpu():
    """Let what asks for a GPU stay on the CPU for the rest of this process.

    `.cuda()` returns the value itself, the types of `cuda` make tensors of the CPU, `set_device` and its like do
    nothing. `is_available()` stays False.
    """
    global _cpu_instead
    _cpu_instead = True


# ---------------------------------------------------------------- devices


class device:
    """Context manager that chooses the GPU of this number; nothing for a negative one."""

    def __init__(self, idx):
        self.idx = idx
        if idx is not None and idx >= 0:
            require()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


class device_of(device):
    """Context manager that chooses the GPU on which a value lives; nothing for one on the CPU."""

    def __init__(self, obj):
        super().__init__(-1)


def set_device(device):
    """Choose the GPU of this number; nothing for a negative one."""
    if device >= 0:
        require()


def current_device():
    """Number of the GPU in use."""
    require()
    return 0


def synchronize():
    """Wait for the GPU."""
    require()


def empty_cache():
    """Give unused memory back: nothing to do without a GPU."""


def get_device_name(device):
    """Name of the GPU of this number."""
    require()
    return "CPU"


def get_device_capability(device):
    """Generation (major, minor) of the GPU of this number."""
    require()
    return (0, 0)


class Stream:
    """A queue of a GPU's work. After `use_cpu` there is nothing to wait for."""

    def __init__(self, *args, **kwargs):
        require()

    def wait_event(self, event):
        """Let the queue wait for the event."""

    def wait_stream(self, stream):
        """Let the queue wait for another."""

    def record_event(self, event=None):
        """An event at this place of the queue."""
        return Event() if event is None else event

    def query(self):
        """Whether all its work is done."""
        return True

    def synchronize(self):
        """Wait until all its work is done."""


class Event:
    """A place in a queue of a GPU's work."""

    def __init__(self, *args, **kwargs):
        require()

    def record(self, stream=None):
        """Put it at this place of the queue."""

    def wait(self, stream=None):
        """Let the queue wait for it."""

    def query(self):
        """Whether it has been reached."""
        return True

    def synchronize(self):
        """Wait until it is reached."""


class stream:
    """Context manager that chooses the queue for a GPU's work."""

    def __init__(self, stream):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def current_stream():
    """The queue in use."""
    return Stream()


# ---------------------------------------------------------------- random numbers


def manual_seed(seed):
    """Nothing without a GPU (the era's behaviour)."""


manual_seed_all = manual_seed


def seed():
    """Nothing without a GPU."""


seed_all = seed

# ---------------------------------------------------------------- types


class _Type(type):
    """The class of a GPU tensor type. Naming it is harmless, making a tensor of it needs a GPU."""

    def __call__(cls, *args, **kwargs):
        return cls.on_cpu()(*args, **kwargs)

    def on_cpu(cls):
        """The CPU's type of the same name, where `use_cpu` put it in this one's place; otherwise RuntimeError."""
        require()
        return type(_core.tensor_from_array(np.empty(0, cls.dtype)))

    def __repr__(cls):
        return f"<class '{_core.package}.cuda.{cls.__name__}'>"


def _type(kind, dtype):
    doc = f"{kind} on the GPU; after `use_cpu`, the CPU's."
    return _Type(kind, (), {"__doc__": doc, "__module__": __name__, "dtype": np.dtype(dtype), "is_cuda": True})


FloatTensor = _type("FloatTensor", np.float32)
DoubleTensor = _type("DoubleTensor", np.float64)
HalfTensor = _type("HalfTensor", np.float16)
LongTensor = _type("LongTensor", np.int64)
IntTensor = _type("IntTensor", np.int32)
ShortTensor = _type("ShortTensor", np.int16)
CharTensor = _type("CharTensor", np.int8)
ByteTensor = _type("ByteTensor", np.uint8)

tensor_types = {
    c.__name__: c
    for c in (FloatTensor, DoubleTensor, HalfTensor, LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor)
}

__getattr__ = missing.attribute_error(__name__)
