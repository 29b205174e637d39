"""Which GPU there is: CuPy, imported on the first need of it, and one clear line where something is missing.

CuPy is optional, and takes time to import, so nothing here happens before somebody asks for the GPU. From
then on the engine knows CuPy's arrays: `on_found` lets the tensor types register themselves with them.

What a GPU is called, everywhere in the package: an int from 0 on; None is the CPU.
"""

import importlib
import sys

from minigrad import _core

_found = None  # (cupy or None, number of GPUs, what is missing) once looked for
_callbacks = []  # called with cupy when it is found
_cpu_instead = _noticed = False


def on_found(callback):
    """Call `callback(cupy)` as soon as a GPU and CuPy are found."""
    _callbacks.append(callback)
    return callback


def _look():
    global _found
    if _found is None:
        _found = _search()
        if _found[0] is not None:
            for callback in _callbacks:
                callback(_found[0])
    return _found


_INSTALL = "python -m pip install cupy-cuda12x (or cupy-cuda13x, by the version that nvidia-smi shows)"


def _search():
    try:
        cupy = importlib.import_module("cupy")
        importlib.import_module("cupyx")
    except ModuleNotFoundError as error:
        if error.name == "cupy":
            return None, 0, f"CuPy is not installed: {_INSTALL}"
        return None, 0, f"CuPy cannot be imported ({error}): {_INSTALL}"
    except Exception as error:  # a broken installation answers with errors of every kind
        return None, 0, f"CuPy cannot be imported ({type(error).__name__}: {str(error).strip()}): {_INSTALL}"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        return None, 0, _no_answer(error)
    return (cupy, count, "") if count else (None, 0, "CuPy is installed, but no GPU was found")


def _no_answer(error):
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "cudaErrorNoDevice" in text:
        return "CuPy and the driver are installed, but no GPU was found (CUDA_VISIBLE_DEVICES may hide it)"
    if "cudaErrorInsufficientDriver" in text:
        return "CuPy is installed, but NVIDIA's driver is missing or older than CuPy's CUDA (see nvidia-smi)"
    return f"CuPy is installed, but the GPU does not answer ({text})"


def is_available():
    """Whether tensors can live on a GPU: CuPy can be imported and finds one. Never raises; looked for once.

    After `use_cpu` it is False.
    """
    return not _cpu_instead and _look()[0] is not None


def count():
    """Number of GPUs that can be used."""
    return 0 if _cpu_instead else _look()[1]


def missing():
    """What is missing for a GPU, as a sentence; empty if nothing is."""
    return _look()[2]


def use_cpu():
    """Let what asks for a GPU stay on the CPU, for the rest of this process."""
    global _cpu_instead
    _cpu_instead = True


def require():
    """Whether to go to the GPU: True where there is one; False, the first time with a notice, after `use_cpu`.

    Raises RuntimeError that says what is missing otherwise.
    """
    global _noticed
    if _cpu_instead:
        if not _noticed:
            _noticed = True
            print("minigrad run --cpu: the program asks for a GPU; it continues on the CPU", file=sys.stderr)
        return False
    cupy()
    return True


def cupy():
    """The module cupy. Raises RuntimeError that says what is missing where no GPU can be used."""
    found, _, what = _look()
    if found is None:
        raise RuntimeError(
            f"cuda: tensors live on the CPU only: {what}. To run a program that asks for a GPU on the CPU: "
            "python -m minigrad run --cpu program.py; in your own code, guard it: "
            f"if {_core.package}.cuda.is_available()"
        )
    return found


def is_gpu_array(value):
    """Whether value is an array in a GPU's memory."""
    return _found is not None and _found[0] is not None and isinstance(value, _found[0].ndarray)


def current():
    """Number of the GPU in use (in this thread)."""
    return int(cupy().cuda.runtime.getDevice())


def checked(name, number):
    """A GPU's number: None is the one in use. Raises TypeError or RuntimeError for what is no GPU here."""
    cupy()
    if number is None:
        return current()
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{name}: the GPU's number must be an int or None, got {number!r} ({type(number).__name__})")
    number = number.__index__()
    if not 0 <= number < count():
        raise RuntimeError(f"{name}: GPU {number} is not here; there are {count()}, numbered from 0")
    return number


def use(number):
    """A context manager in which the GPU of this number is the one in use."""
    return cupy().cuda.Device(number)
