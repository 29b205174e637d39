"""Tensors from sizes and ranges."""

import math

import numpy as np

from minigrad import _core
from minigrad.ops import arrays
from minigrad.ops.elementwise import quiet
from minigrad.tensor import results, types
from minigrad.tensor.memory_methods import checked_sizes
from minigrad.utils.callers import warn


def _sizes(name, sizes):
    return checked_sizes(name, sizes) or (0,)


def _into(name, out, array):
    """`array` as a tensor, or written into the tensor `out` (resized as needed)."""
    if out is None:
        return _core.tensor_from_array(array)
    results.write(name, out, array)
    return out


def checked_out(name, out):
    """Refuse what is no Tensor to write to."""
    if out is not None and not isinstance(out, _core.Tensor):
        raise TypeError(f"{name}: out must be a Tensor, got {type(out).__name__}")
    return out


def _type(name, out):
    """Class of a created tensor: that of `out`, or the default type."""
    return types.default_tensor_type() if checked_out(name, out) is None else type(out)


@quiet
def _from_host(name, out, array):
    """A tensor of numbers that were worked out on the host."""
    cls = _type(name, out)
    return _into(name, out, cls.placed(array.astype(cls.dtype)))


def zeros(*sizes, out=None):
    """zeros(*sizes): a tensor of the default type filled with 0."""
    cls = _type("zeros", out)
    return _into("zeros", out, cls.library().zeros(_sizes("zeros", sizes), cls.dtype))


def ones(*sizes, out=None):
    """ones(*sizes): a tensor of the default type filled with 1."""
    cls = _type("ones", out)
    return _into("ones", out, cls.library().ones(_sizes("ones", sizes), cls.dtype))


def zeros_like(input, out=None):
    """zeros_like(input): zeros of the type and size of input (a Tensor for a Tensor, a Variable for a Variable)."""
    return _like("zeros_like", lambda x: np.zeros_like(x, order="C"), input, out)


def ones_like(input, out=None):
    """ones_like(input): ones of the type and size of input (a Tensor for a Tensor, a Variable for a Variable)."""
    return _like("ones_like", lambda x: np.ones_like(x, order="C"), input, out)


def _like(name, make, input, out):
    made = _core.like(input, arrays.run(make, _core.array_of(input)))
    return made if out is None else results.into(name, out, made)


def eye(n, m=None, out=None):
    """eye(n, m=n): the n x m matrix with ones on its diagonal."""
    n, m = _sizes("eye", (n, n if m is None else m))
    cls = _type("eye", out)
    return _into("eye", out, cls.library().eye(n, m, dtype=cls.dtype))


def arange(start=0, end=None, step=1, out=None):
    """arange(start=0, end, step=1): start, start + step, ... below end, of the default (floating) type."""
    if end is None:
        start, end = 0, start
    return _progression("arange", start, end, step, math.ceil, out)


def range(start, end, step=1, out=None):
    """range(start, end, step=1): as arange, but end is included. Deprecated in favour of arange: UserWarning."""
    warn(
        f"{_core.package}.range includes its end; it is deprecated in favour of {_core.package}.arange, which does not"
    )
    return _progression("range", start, end, step, lambda count: math.floor(count) + 1, out)


def _progression(name, start, end, step, count, out):
    for argument, value in (("start", start), ("end", end), ("step", step)):
        if not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{name}: {argument} must be a number, got {type(value).__name__}")
    if step == 0:
        raise RuntimeError(f"{name}: step must not be 0")
    if not math.isfinite((end - start) / step):
        raise RuntimeError(f"{name}: start, end and step must be finite, got {start}, {end} and {step}")
    n = count((end - start) / step)
    if n < 1:
        raise RuntimeError(
            f"{name}: no number lies from {start} to {end} in steps of {step}; a tensor cannot be empty here"
        )
    return _from_host(name, out, start + step * np.arange(n, dtype=np.float64))


def linspace(start, end, steps=100, out=None):
    """linspace(start, end, steps=100): evenly spaced numbers, both ends included; steps=1 only if they are equal."""
    return _from_host("linspace", out, _spaced("linspace", start, end, steps))


def logspace(start, end, steps=100, out=None):
    """logspace(start, end, steps=100): 10 to the power of linspace(start, end, steps)."""
    return _from_host("logspace", out, quiet(np.power)(10.0, _spaced("logspace", start, end, steps)))


@quiet
def _spaced(name, start, end, steps):
    (steps,) = _sizes(name, (steps,))
    if steps == 0:
        raise RuntimeError(f"{name}: steps must be at least 1, got 0; a tensor cannot be empty here")
    if steps == 1 and start != end:
        raise RuntimeError(f"{name}: steps=1 leaves no room for both start={start} and end={end}")
    return np.linspace(float(start), float(end), steps)
