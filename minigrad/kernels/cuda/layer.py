"""One recurrent layer in one direction on a card: arguments checked, products made, the kernels launched.

Nothing here knows which card, or whether it is one: a `Device` brings the array library and runs kernels. That of CuPy
is in device.py; the tests have one that emulates a card on the host.
"""

import operator
from typing import Any, NamedTuple, Protocol

import numpy as np

from .plan import COUNTER_STRIDE, GATES, plan
from .source import Configuration

KINDS = tuple(GATES)

# The table of layer.h, field by field.
FIELDS = (
    "steps", "batch", "hidden", "reverse", "initial", "groups", "blocks", "chunk", "batch_sizes", "offsets", "arrived",
    "w_hh", "b_ih", "b_hh", "h0", "c0", "gx", "gates", "b_n", "h", "c", "hn", "cn", "d_h", "d_b", "d_n", "d_h0", "d_c0",
)  # fmt: skip


class Device(Protocol):
    """A card as this module sees it."""

    xp: Any  # array library with NumPy's functions
    multiprocessors: int
    shared_limit: int  # bytes of shared memory a block may have

    def address(self, array):
        """The address of an array's first element."""

    def holds(self, array):
        """Whether the array is in the memory of this card."""

    def run(self, configuration, plan, table, iterations):
        """Run the kernel for iterations 0 ... iterations - 1: in one launch if plan.resident, else one by one.

        `table` is an int64 NumPy array. The arrays it points to are held by the caller until this returns; work that
        is then still under way is ordered before anything else that uses their memory.
        """

    def step(self, rule, item, table, rows, chunks):
        """Step the rows of the table, which optim.cu describes, in one launch: so many rows, of so many chunks in all.

        `rule` names the algorithm; elements have `item` bytes. Table and arrays are as for `run`.
        """


class SavedSequence(NamedTuple):
    """What backward needs of one layer's forward pass. Opaque, and read only."""

    kind: str
    reverse: bool
    sizes: Any  # batch sizes as a host array; None if they are all equal
    steps: dict  # the table's entries for them: device arrays
    x: Any
    arrays: dict  # the table's other arrays
    w_ih: Any
    biased: tuple  # whether there was a b_ih, a b_hh


def _array(xp, value, name, dtype):
    if not isinstance(value, xp.ndarray):
        raise TypeError(f"{name} must be a {xp.__name__}.ndarray, got {type(value).__name__}")
    if value.dtype != dtype:
        raise TypeError(f"{name} must have dtype {dtype}, got {value.dtype}")
    return xp.ascontiguousarray(value)


def _shaped(xp, value, name, dtype, shape, symbols):
    array = _array(xp, value, name, dtype)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {symbols} = {shape}, got {array.shape}")
    return array


def _sizes(batch_sizes, batch, rows):
    """Batch sizes as an int64 NumPy array, checked; None if all are equal, and the number of steps."""
    if batch_sizes is None:
        steps = rows // batch if batch else 0
        if steps == 0 or rows != steps * batch:
            raise ValueError(
                f"x must have seq * batch rows, a multiple of h0's batch {batch} and at least one step, got {rows} rows"
            )
        return None, steps
    if not isinstance(batch_sizes, np.ndarray):
        raise TypeError(f"batch_sizes must be a numpy.ndarray, got {type(batch_sizes).__name__}")
    if batch_sizes.dtype != np.int64:
        raise TypeError(f"batch_sizes must have dtype int64, got {batch_sizes.dtype}")
    if batch_sizes.ndim != 1 or batch_sizes.size == 0:
        raise ValueError(f"batch_sizes must have shape (seq >= 1,), got {batch_sizes.shape}")
    before = batch
    for t, size in enumerate(batch_sizes.tolist()):
        if size < 0 or size > before or (t == 0 and size != batch):
            raise ValueError(
                f"batch_sizes must start with h0's batch {batch} and never increase, got {size} at step {t}"
            )
        before = size
    if batch_sizes.sum() != rows:
        raise ValueError(f"batch_sizes must sum to the {rows} rows of x, got a sum of {batch_sizes.sum()}")
    if batch_sizes[-1] == batch:
        return None, batch_sizes.size
    return batch_sizes.copy(), batch_sizes.size


def _run(device, kind, backward, arrays, numbers, item):
    """Plan and run one pass over the arrays and numbers of the table."""
    hidden, batch = numbers["hidden"], numbers["batch"]
    chosen = plan(kind, item, backward, hidden, batch, device.multiprocessors, device.shared_limit)
    iterations = numbers["steps"] + (numbers["initial"] if backward else 0)
    # A counter of the barrier has 32 bits, and each of a group's blocks arrives once an iteration.
    if chosen.resident and iterations * (chosen.blocks // chosen.groups) >= 2**32:
        chosen = plan(kind, item, backward, hidden, batch, 0, device.shared_limit)
    counters = device.xp.zeros(chosen.groups * COUNTER_STRIDE, np.uint32) if chosen.resident else None
    values = dict(numbers, groups=chosen.groups, blocks=chosen.blocks, chunk=chosen.chunk)
    arrays = dict(arrays, arrived=counters)
    for name, array in arrays.items():
        values[name] = 0 if array is None else device.address(array)
    table = np.array([values.get(name, 0) for name in FIELDS], np.uint64).view(np.int64)
    device.run(Configuration(kind, item, backward, chosen.rows, chosen.resident), chosen, table, iterations)


def layer_forward(device, kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes=None, reverse=False, save=True):
    """As layer_forward of minigrad.kernels, for arrays of `device`; batch_sizes is a NumPy array there, too."""
    xp = device.xp
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    if not isinstance(x, xp.ndarray):
        raise TypeError(f"x must be a {xp.__name__}.ndarray, got {type(x).__name__}")
    dtype = x.dtype
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"x must have dtype float32 or float64, got {dtype}")
    if x.ndim != 2:
        raise ValueError(f"x must have 2 dimensions (rows, features), got shape {x.shape}")
    rows, features = x.shape
    h0 = _array(xp, h0, "h0", dtype)
    if h0.ndim != 2 or h0.shape[1] < 1:
        raise ValueError(f"h0 must have shape (batch, hidden_size >= 1), got {h0.shape}")
    batch, hidden = h0.shape
    gates = GATES[kind]
    wide, lstm = gates * hidden, kind == "LSTM"
    if lstm:
        if c0 is None:
            raise ValueError(f"c0 must have shape (batch, hidden_size) = ({batch}, {hidden}) for LSTM, got None")
        c0 = _shaped(xp, c0, "c0", dtype, (batch, hidden), "(batch, hidden_size)")
    elif c0 is not None:
        raise ValueError(f"c0 must be None for {kind}, which has no cell state")
    x = xp.ascontiguousarray(x)
    w_ih = _shaped(xp, w_ih, "w_ih", dtype, (wide, features), f"({gates} * hidden_size, input_size)")
    w_hh = _shaped(xp, w_hh, "w_hh", dtype, (wide, hidden), f"({gates} * hidden_size, hidden_size)")
    symbols = f"({gates} * hidden_size,)"
    b_ih = None if b_ih is None else _shaped(xp, b_ih, "b_ih", dtype, (wide,), symbols)
    b_hh = None if b_hh is None else _shaped(xp, b_hh, "b_hh", dtype, (wide,), symbols)
    sizes, steps = _sizes(batch_sizes, batch, rows)
    reverse, save = operator.truth(reverse), operator.truth(save)

    lengths = {"batch_sizes": None, "offsets": None}
    if sizes is not None:
        offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        lengths = {"batch_sizes": xp.asarray(sizes), "offsets": xp.asarray(offsets)}
    # What a unit of a row needs of gx is read by the thread that then writes there, so gx may become gates, or h.
    gx = xp.matmul(x, w_ih.T)
    gated = gates > 1
    arrays = {
        "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh, "h0": h0, "c0": c0, "gx": gx,
        "gates": gx if gated and save else None,
        "b_n": xp.empty((rows, hidden), dtype) if kind == "GRU" and save else None,
        "h": xp.empty((rows, hidden), dtype) if gated else gx,
        "c": xp.empty((rows, hidden), dtype) if lstm and save else None,
        "hn": xp.empty((batch, hidden), dtype), "cn": c0.copy() if lstm else None,
    }  # fmt: skip
    if rows:
        numbers = {"steps": steps, "batch": batch, "hidden": hidden, "reverse": int(reverse), "initial": 0}
        _run(device, kind, False, {**lengths, **arrays}, numbers, dtype.itemsize)
    saved = None
    if save:
        kept = {name: arrays[name] for name in ("w_hh", "h0", "c0", "gates", "b_n", "h", "c")}
        saved = SavedSequence(kind, reverse, sizes, lengths, x, kept, w_ih, (b_ih is not None, b_hh is not None))
    return arrays["h"], arrays["hn"], arrays["cn"], saved


def _previous_rows(sizes, reverse):
    """For each row the row of [h; h0] with the state before its step; `sizes` are uneven batch sizes."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    rows = int(offsets[-1])
    neighbours = []
    for t, size in enumerate(sizes):
        n = t + 1 if reverse else t - 1
        alive = min(size, sizes[n]) if 0 <= n < len(sizes) else 0
        neighbours += [offsets[n] + np.arange(alive), rows + np.arange(alive, size)] if alive else [
            rows + np.arange(size)
        ]  # fmt: skip
    return np.concatenate(neighbours).astype(np.int64)


def _previous_states(xp, saved):
    """The state before each row's step, (rows, hidden_size)."""
    h, h0 = saved.arrays["h"], saved.arrays["h0"]
    if saved.sizes is not None:
        return xp.concatenate([h, h0])[xp.asarray(_previous_rows(saved.sizes, saved.reverse))]
    batch = len(h0)
    return xp.concatenate([h[batch:], h0]) if saved.reverse else xp.concatenate([h0, h[: len(h) - batch]])


def layer_backward(device, kind, saved, d_h, d_hn, d_cn, needs):
    """As layer_backward of minigrad.kernels, for arrays of `device`."""
    xp = device.xp
    if not isinstance(saved, SavedSequence):
        raise TypeError(f"saved must be what layer_forward returned, got {type(saved).__name__}")
    if kind != saved.kind:
        raise ValueError(f"kind must be {saved.kind} as in the forward pass, got {kind!r}")
    need_x, need_h0, need_c0, need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs
    a, x, dtype = saved.arrays, saved.x, saved.x.dtype
    rows, (batch, hidden) = len(x), a["h0"].shape
    lstm, gru = kind == "LSTM", kind == "GRU"
    if d_h is not None:
        d_h = _shaped(xp, d_h, "d_h", dtype, (rows, hidden), "(rows, hidden_size)")

    def running(upstream, name):
        if upstream is None:
            return xp.zeros((batch, hidden), dtype)
        return _shaped(xp, upstream, name, dtype, (batch, hidden), "(batch, hidden_size)").copy()

    if d_cn is not None and not lstm:
        raise ValueError(f"d_cn must be None for {kind}, which has no cell state")
    d_h0, d_c0 = running(d_hn, "d_hn"), running(d_cn, "d_cn") if lstm else None
    d_b = xp.empty((rows, GATES[kind] * hidden), dtype)
    d_n = xp.empty((rows, hidden), dtype) if gru else None
    if rows:
        steps = rows // batch if saved.sizes is None else len(saved.sizes)
        # The product that makes d_h0 comes after the last step; d_c0 needs no product.
        numbers = {
            "steps": steps, "batch": batch, "hidden": hidden, "reverse": int(saved.reverse), "initial": int(need_h0),
        }  # fmt: skip
        arrays = {**saved.steps, **a, "d_h": d_h, "d_b": d_b, "d_n": d_n, "d_h0": d_h0, "d_c0": d_c0}
        _run(device, kind, True, arrays, numbers, dtype.itemsize)

    # What needs the gradient of the recurrent side comes first, so that it can be turned into that of the input side,
    # which differs in the n part of GRU alone, where it lies.
    d_x = d_w_ih = d_w_hh = d_b_ih = d_b_hh = None
    biased_ih, biased_hh = saved.biased
    if need_w_hh:
        d_w_hh = xp.matmul(d_b.T, _previous_states(xp, saved))
    if need_b_hh and biased_hh:
        d_b_hh = d_b.sum(0)
    if gru:
        d_b[:, 2 * hidden :] = d_n
    if need_x:
        d_x = xp.matmul(d_b, saved.w_ih)
    if need_w_ih:
        d_w_ih = xp.matmul(d_b.T, x)
    if need_b_ih and biased_ih:
        d_b_ih = d_b_hh.copy() if d_b_hh is not None and not gru else d_b.sum(0)
    return d_x, d_h0 if need_h0 else None, d_c0 if need_c0 else None, d_w_ih, d_w_hh, d_b_ih, d_b_hh
