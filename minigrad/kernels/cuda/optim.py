"""Steps of optimisers on a card: all rows of a call in one launch, or in two if they are of both float types.

A row is taken or handed back on the conditions of the CPU's kernel (../_optim.pyx); its arrays must also be in the
memory of the device in use. Blocks of a launch run in any order, so if any rows of a call overlap one another, all are
launched one by one, in theirs.
"""

import struct
from itertools import pairwise

import numpy as np

from .._optim import RULES

# As in optim.cu. A chunk of four elements a thread is a guess: short enough that small models occupy the whole card.
THREADS, CHUNK = 256, 1024
_TYPES = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


def _addresses(device, arrays, optional):
    """The addresses of the arrays of a row, 0 for one that is left out; None if they are not of the frequent case."""
    first, found = arrays[0], []
    if type(first) is not device.xp.ndarray or first.dtype not in _TYPES:
        return None
    dtype, shape = first.dtype, first.shape
    for k, array in enumerate(arrays):
        if array is None and k >= optional:
            found.append(0)
            continue
        if type(array) is not device.xp.ndarray or array.dtype != dtype or array.shape != shape:
            return None
        if not array.flags.c_contiguous or not device.holds(array):
            return None
        found.append(device.address(array))
        if found[-1] % dtype.itemsize:
            return None
    return found


def _disjoint(spans):
    """Whether no two of some (first, end) overlap."""
    return all(a[1] <= b[0] for a, b in pairwise(sorted(spans)))


def _launch(device, rule, item, entries, numbers):
    """One launch for (row, addresses) of arrays that do not overlap."""
    _, arrays, count, _ = RULES[rule]
    layout, packed, chunks = struct.Struct(f"{arrays}Q2q{count}d"), [], 0
    for row, addresses in entries:
        n = row[0].size
        packed.append(layout.pack(*addresses, n, chunks, *row[arrays:], *numbers))
        chunks += -(-n // CHUNK)
    device.step(rule, item, np.frombuffer(b"".join(packed), np.int64), len(entries), chunks)


def step(device, rule, rows, *numbers):
    """As step of minigrad.kernels, for arrays of `device`."""
    _, arrays, count, optional = RULES[rule]
    own = count - len(numbers)
    if own < 0:
        raise ValueError(f"{rule}: takes {count} numbers, got {len(numbers)}")
    left, taken, occupied = [], {4: [], 8: []}, {4: [], 8: []}
    for row in rows:
        if len(row) != arrays + own:
            raise ValueError(f"{rule}: a row must hold {arrays} arrays and {own} numbers, got {len(row)} values")
        addresses = _addresses(device, row[:arrays], optional)
        spans = [(a, a + row[0].nbytes) for a in addresses or () if a]
        if addresses is None or not _disjoint(spans):
            left.append(row)
        elif row[0].size:
            taken[row[0].itemsize].append((row, addresses))
            occupied[row[0].itemsize] += spans
    for item, entries in taken.items():
        for together in [entries] if _disjoint(occupied[item]) else [[entry] for entry in entries]:
            if together:
                _launch(device, rule, item, together, numbers)
    return left
