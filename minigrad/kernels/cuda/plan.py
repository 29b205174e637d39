"""How a layer's work is laid over a card: a pure function of the sizes, so that it can be tested without one.

The best form keeps the weights of a block's units in shared memory and runs all steps in one cooperative kernel
(`resident`). All its blocks have to be on the card at the same time, one on each multiprocessor, and the weights have
to fit beside at least a small part of the states. Where either fails, each step is a kernel of its own.

The numbers of threads and units here are those of layer.h, the bytes those of tile.h; a test compares them.
"""

from typing import NamedTuple

UNITS, ROW_THREADS, SLICES = 8, 8, 4
THREADS = UNITS * ROW_THREADS * SLICES
COUNTER_STRIDE = 32
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
PLAIN_SHARED = 48 * 1024  # bytes any kernel may use without asking for more
_SMALLEST_CHUNK = 64


class Plan(NamedTuple):
    """What one pass of a layer is launched with."""

    resident: bool
    rows: int  # sequences of a thread: the R of the kernels
    groups: int  # batch groups; each is a row of blocks and, if resident, has a barrier of its own
    blocks: int
    chunk: int  # elements of a sequence that are in shared memory at a time
    shared: int  # bytes

    @property
    def tile(self):
        """Sequences of a tile."""
        return self.rows * ROW_THREADS


def padded(length, item):
    """The distance in shared memory of rows of `length` elements of `item` bytes: an odd number of 16 bytes."""
    lanes = 16 // item
    return (-(-length // lanes) | 1) * lanes


def shared_bytes(outputs, rows, depth, chunk, item, resident):
    """Shared memory of a block: weights, the sequences of a tile, and partial sums of `outputs` a unit."""
    weights = outputs * UNITS * padded(depth if resident else chunk, item)
    partial = SLICES * rows * ROW_THREADS * outputs * UNITS
    return item * (weights + rows * ROW_THREADS * padded(chunk, item) + partial)


def _chunk(outputs, rows, depth, item, resident, limit):
    """The longest chunk that fits into `limit` bytes, at most `depth`; 0 if none does."""
    lanes = 16 // item

    def fits(chunk):
        return shared_bytes(outputs, rows, depth, chunk, item, resident) <= limit

    low, high = 0, -(-depth // lanes)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle * lanes) else (low, middle - 1)
    return low * lanes


def plan(kind, item, backward, hidden, batch, multiprocessors, shared_limit):
    """The Plan of a pass. `item` is 4 or 8; the last two describe the card: blocks it holds, bytes a block may have."""
    depth, outputs = (GATES[kind] * hidden, 1) if backward else (hidden, GATES[kind])
    unit_blocks = -(-hidden // UNITS)
    most_groups = multiprocessors // unit_blocks
    if most_groups:
        share = -(-batch // most_groups)
        wanted = 1 if share <= ROW_THREADS else 2 if share <= 2 * ROW_THREADS else 4
        for rows in (r for r in (4, 2, 1) if r <= wanted):
            chunk = _chunk(outputs, rows, depth, item, True, shared_limit)
            if chunk >= min(depth, _SMALLEST_CHUNK):
                groups = min(-(-batch // (rows * ROW_THREADS)), most_groups)
                shared = shared_bytes(outputs, rows, depth, chunk, item, True)
                return Plan(True, rows, groups, groups * unit_blocks, chunk, shared)
    rows = 1 if batch <= ROW_THREADS else 2 if batch <= 2 * ROW_THREADS else 4
    chunk = _chunk(outputs, rows, depth, item, False, min(PLAIN_SHARED, shared_limit))
    groups = -(-batch // (rows * ROW_THREADS))
    shared = shared_bytes(outputs, rows, depth, chunk, item, False)
    return Plan(False, rows, groups, groups * unit_blocks, chunk, shared)
