"""Raw draws to uniform numbers, and numbers into arrays: what every distribution needs.

u24 and u53 are uniform in [0, 1): the low 24 bits of one raw draw, or the low 53 bits of two, scaled exactly.
"""

import numbers
import operator

import numpy as np

from .random import Generator, default_generator, get_rng

FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
INT64 = np.dtype(np.int64)
FLOATS = (FLOAT32, FLOAT64)
ALL_TYPES = (*FLOATS, INT64, *map(np.dtype, (np.int32, np.int16, np.int8, np.uint8)))


def check_out(function, out, dtypes):
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{function}: out must be a NumPy array, got {type(out).__name__}")
    if out.dtype not in dtypes:
        expected = ", ".join(map(str, dtypes))
        raise TypeError(f"{function}: out must be one of {expected}, got an array of {out.dtype}")


def check_generator(function, generator):
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"{function}: generator must be a Generator or None, got {type(generator).__name__}")
    return generator


def number(function, name, value):
    if type(value) is float or isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{function}: {name} must be a number, got {type(value).__name__}")


def integer(function, name, value):
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{function}: {name} must be an int, got {type(value).__name__}") from None


def broadcast(function, name, array, shape):
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise RuntimeError(
            f"{function}: {name} must have, or broadcast to, the shape of out, {shape}, got {array.shape}"
        ) from None


def fill_order(out):
    """`out` with its axes in the order in which a generator walks over it: the last one fastest.

    0.3 walked over the indices, today's PyTorch over the memory; where an array is C-contiguous these are the same.
    """
    if out.ndim < 2 or out.flags.c_contiguous or get_rng() == "0.3":
        return out
    return out.transpose(axes_by_stride(out))


def axes_by_stride(out):
    return sorted(range(out.ndim), key=lambda axis: -out.strides[axis])


def store(out, values):
    """Write the flat `values` into `out` in the order of `fill_order`, converted as C converts; returns `out`."""
    target = fill_order(out)
    values = values.reshape(target.shape)
    if values.dtype == target.dtype:
        target[...] = values
    else:
        # A value too large for float32 becomes infinite, without a warning.
        with np.errstate(over="ignore"):
            target[...] = values
    return out


def u24(generator, n):
    """`n` uniform numbers of 24 bits, in float32, which holds them exactly."""
    # By way of int32: processors convert that to float32 several numbers at a time, and uint64 they do not.
    bits = generator.draw32(n).astype(np.int32)
    bits &= np.int32(2**24 - 1)
    u = bits.astype(FLOAT32)
    u *= np.float32(2.0**-24)
    return u


def u53(generator, n):
    """`n` uniform numbers of 53 bits, in float64."""
    bits = generator.draw64(n)
    bits &= np.uint64(2**53 - 1)
    return bits * 2.0**-53
