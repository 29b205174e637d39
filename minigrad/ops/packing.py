"""Sequences of different lengths: from a padded block to the rows that exist, and back.

Both are selections by one index pair for each existing row, and each is the other's derivative: no row occurs twice.
"""

import numpy as np

from minigrad._core import Operation

# x[where], where = two index arrays for the first two dimensions, in which no pair occurs twice.
pack_rows = Operation(
    "pack_rows", lambda x, where: x[where], "x", "where",
    derivatives={"x": lambda g, where, x_size: unpack_rows(g, where, x_size, 0)},
)  # fmt: skip


def _unpack(x, where, size, value):
    out = np.full_like(x, value, shape=size)
    out[where] = x
    return out


# A block of that size filled with `value`, in which row k of x is at place k of `where`.
unpack_rows = Operation(
    "unpack_rows", _unpack, "x", "where size value", derivatives={"x": lambda g, where: pack_rows(g, where)}
)
