"""Tensors from sizes, ranges, NumPy arrays and random numbers."""

import math

import numpy as np

from minigrad import _core
from minigrad.tensor import types
from minigrad.tensor.types import Size, _checked_array


def _sizes(name, sizes):
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    for s in sizes:
        if isinstance(s, bool) or not isinstance(s, (int, np.integer)):
            raise TypeError(f"{name}: sizes must be ints, got {s!r} ({type(s).__name__}) in {tuple(sizes)}")
        if s < 1:
            raise RuntimeError(f"{name}: sizes must be positive, got {tuple(sizes)}; a tensor has no dimension of size 0")
    return tuple(int(s) for s in sizes) or (0,)


def _into(name, out, array):
    """`array` as a tensor of the default type, or copied into `out` (resized as needed)."""
    if out is None:
        return _core.tensor_from_array(array)
    if not isinstance(out, _core.Tensor):
        raise TypeError(f"{name}: out must be a Tensor, got {type(out).__name__}")
    if out.array.shape != array.shape:
        out.array = np.empty(array.shape, out.array.dtype)
    out.array[...] = array
    return out


def _dtype(out):
    return types.default_tensor_type().dtype if out is None else out.array.dtype


def zeros(*sizes, out=None):
    """zeros(*sizes): a tensor of the default type filled with 0."""
    return _into("zeros", out, np.zeros(_sizes("zeros", sizes), _dtype(out)))


def ones(*sizes, out=None):
    """ones(*sizes): a tensor of the default type filled with 1."""
    return _into("ones", out, np.ones(_sizes("ones", sizes), _dtype(out)))


def zeros_like(input):
    """zeros_like(input): zeros of the type and size of input (a Tensor for a Tensor, a Variable for a Variable)."""
    return _core.like(input, np.zeros_like(_core.array_of(input), order="C", subok=False))


def ones_like(input):
    """ones_like(input): ones of the type and size of input (a Tensor for a Tensor, a Variable for a Variable)."""
    return _core.like(input, np.ones_like(_core.array_of(input), order="C", subok=False))


def eye(n, m=None, out=None):
    """eye(n, m=n): the n x m matrix with ones on its diagonal."""
    n, m = _sizes("eye", (n, n if m is None else m))
    return _into("eye", out, np.eye(n, m, dtype=_dtype(out)))


def arange(start, end=None, step=1, out=None):
    """arange(start=0, end, step=1): start, start + step, ... below end, of the default (floating) type."""
    if end is None:
        start, end = 0, start
    return _progression("arange", start, end, step, math.ceil, out)


def range(start, end, step=1, out=None):
    """range(start, end, step=1): as arange, but end is included. Deprecated in favour of arange: UserWarning."""
    import warnings

    warnings.warn(
        f"{_core.package}.range includes its end; it is deprecated in favour of {_core.package}.arange, which does not",
        UserWarning,
        stacklevel=2,
    )
    return _progression("range", start, end, step, lambda count: math.floor(count) + 1, out)


def _progression(name, start, end, step, count, out):
    for argument, value in (("start", start), ("end", end), ("step", step)):
        if not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{name}: {argument} must be a number, got {type(value).__name__}")
    if step == 0:
        raise RuntimeError(f"{name}: step must not be 0")
    n = count((end - start) / step)
    if n < 1:
        raise RuntimeError(f"{name}: no number lies from {start} to {end} in steps of {step}; a tensor cannot be empty here")
    return _into(name, out, (start + step * np.arange(n, dtype=np.float64)).astype(_dtype(out)))


def linspace(start, end, steps=100, out=None):
    """linspace(start, end, steps=100): evenly spaced numbers, both ends included (RuntimeError for steps=1 unless equal)."""
    return _into("linspace", out, _spaced("linspace", start, end, steps).astype(_dtype(out)))


def logspace(start, end, steps=100, out=None):
    """logspace(start, end, steps=100): 10 to the power of linspace(start, end, steps)."""
    return _into("logspace", out, (10.0 ** _spaced("logspace", start, end, steps)).astype(_dtype(out)))


def _spaced(name, start, end, steps):
    (steps,) = _sizes(name, (steps,))
    if steps == 1 and start != end:
        raise RuntimeError(f"{name}: steps=1 leaves no room for both start={start} and end={end}")
    return np.linspace(float(start), float(end), steps)


def from_numpy(array):
    """from_numpy(array): a tensor that shares the array's memory, its type chosen by dtype.

    Raises TypeError for anything but an ndarray of float64/32/16, int64/32/16/8 or uint8, and RuntimeError for arrays with
    a dimension of size 0 or a negative stride.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    if array.dtype == bool:
        raise TypeError("from_numpy: there is no bool tensor; convert the array first: array.astype('uint8')")
    return _core.tensor_from_array(_checked_array(array))


def as_size(sequence):
    """A Size of a shape; the shape (0,) of the tensor with no elements is no dimension."""
    return Size(() if tuple(sequence) == (0,) else sequence)
