"""The GPU: whether one can be used, and one clear line where none can."""

import importlib.util


def is_available():
    """Whether tensors can live on a GPU. They cannot yet: the CuPy backend is not there."""
    return False


def device_count():
    """Number of usable GPUs."""
    return 0


def require():
    """Raise RuntimeError that says what is missing."""
    have = "CuPy is installed, but minigrad's GPU kernels are not there yet" if importlib.util.find_spec("cupy") else (
        "CuPy is not installed, and minigrad's GPU kernels are not there yet")  # fmt: skip
    raise RuntimeError(f"cuda: tensors live on the CPU only: {have}")


def manual_seed(seed):
    """Nothing without a GPU (the era's behaviour)."""


manual_seed_all = manual_seed
