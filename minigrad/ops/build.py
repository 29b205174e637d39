"""How the compiled modules were built, and what they compute with on this machine."""

import ctypes

import numpy as np

from minigrad import _build, kernels

# One function of OpenBLAS, under the names that NumPy's own copies and the distributions' give it.
_OPENBLAS_THREADS = [f"{prefix}openblas_get_num_threads{suffix}" for prefix in ("scipy_", "") for suffix in ("64_", "")]


def facts():
    """What `python -m minigrad info` shows of the build and the kernels: {name: text}, in the order to show it."""
    chosen = kernels.instruction_set()
    available = ", ".join(kernels.available_instruction_sets())
    return {
        "build": f"{'debug' if _build.debug else 'release'}, {_build.compiler}, Cython {_build.cython}, "
        f"NumPy {_build.numpy}, Python {_build.python}",
        "kernels": f"{chosen} instructions (available: {available}; MINIGRAD_ISA chooses another), "
        f"{_threads(kernels.get_num_threads())}",
        "BLAS": blas(),
    }


def blas():
    """NumPy's matrix library and how many threads it uses."""
    found = np.show_config(mode="dicts")["Build Dependencies"].get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')}".strip() + f", {_threads(blas_threads())}"


def _threads(count):
    return "an unknown number of threads" if count is None else f"{count} thread{'s' * (count != 1)}"


def blas_threads():
    """Threads of the OpenBLAS behind NumPy, or None where another library does the products."""
    try:
        # A symbol is looked for in what the library was linked with too.
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
    except (AttributeError, OSError):
        return None
    for name in _OPENBLAS_THREADS:
        if hasattr(library, name):
            return int(getattr(library, name)())
    return None
