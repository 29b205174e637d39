"""Views by stride: the operations that the engine records itself when views and their bases change in place."""

import numpy as np

from minigrad._core import Operation
from minigrad.ops import arrays


def geometry(base, view):
    """Where `view` lies in the memory of `base`, in elements: (base sizes, base strides, sizes, strides, offset)."""
    item = base.itemsize
    offset = arrays.address_of(view) - arrays.address_of(base)
    return (
        tuple(base.shape), tuple(s // item for s in base.strides),
        tuple(view.shape), tuple(s // item for s in view.strides), offset // item,
    )  # fmt: skip


def _laid_out(x, base_size, base_stride):
    """Zero-filled flat memory in which a tensor of base_size with base_stride would lie, and that tensor with x in it.

    `start` is where its first element lies: negative strides put it behind the others.
    """
    reach = [(s - 1) * t for s, t in zip(base_size, base_stride)]
    start = -sum(r for r in reach if r < 0)
    flat = np.zeros_like(x, shape=(start + sum(r for r in reach if r > 0) + 1,))
    whole = _strided(flat, base_size, base_stride, start)
    whole[...] = x
    return flat, whole, start


def _strided(flat, size, stride, offset):
    return arrays.as_strided(flat[offset:], size, tuple(s * flat.itemsize for s in stride))


def _as_strided(x, base_size, base_stride, size, stride, offset):
    flat, _, start = _laid_out(x, base_size, base_stride)
    return _strided(flat, size, stride, start + offset).copy()


def _add_strided(x, base_size, base_stride, size, stride, offset):
    """The transpose of as_strided: x added up where its elements came from; several may have come from one place."""
    flat, whole, start = _laid_out(np.zeros_like(x, shape=base_size), base_size, base_stride)
    places = start + offset
    for k, (n, t) in enumerate(zip(size, stride)):
        places = places + np.arange(n, like=x).reshape((n,) + (1,) * (len(size) - k - 1)) * t
    arrays.add_at(flat, places, x)
    return whole.copy()


def _write_view(base, value, base_size, base_stride, size, stride, offset):
    flat, whole, start = _laid_out(base, base_size, base_stride)
    _strided(flat, size, stride, start + offset)[...] = value
    return whole.copy()


def _zeros(x):
    return x * 0


_GEOMETRY = "base_size base_stride size stride offset"
as_strided = Operation(
    "as_strided", _as_strided, "x", _GEOMETRY,
    derivatives={"x": lambda g, base_size, base_stride, size, stride, offset:
                 add_strided(g, base_size, base_stride, size, stride, offset)},
)  # fmt: skip
add_strided = Operation(
    "add_strided", _add_strided, "x", _GEOMETRY,
    derivatives={"x": lambda g, base_size, base_stride, size, stride, offset:
                 as_strided(g, base_size, base_stride, size, stride, offset)},
)  # fmt: skip
write_view = Operation(
    "write_view", _write_view, "base value", _GEOMETRY,
    derivatives={
        "base": lambda g, base_size, base_stride, size, stride, offset:
            write_view(g, _zeros(as_strided(g, base_size, base_stride, size, stride, offset)),
                       base_size, base_stride, size, stride, offset),
        "value": lambda g, base_size, base_stride, size, stride, offset:
            as_strided(g, base_size, base_stride, size, stride, offset),
    },
)  # fmt: skip
