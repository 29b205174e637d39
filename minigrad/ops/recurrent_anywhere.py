"""`layer_forward` and `layer_backward` for arrays that have no kernels: the readable reference, and its own graph.

The two functions have the signatures and the meaning of those in `minigrad.kernels` (rows packed, time-major), so that
`recurrent` calls them, the compiled ones, or others that somebody writes for another kind of memory, in the same way.
Forward runs the reference on Variables and keeps what they recorded; backward is a pass through that.
"""

import numpy as np

from minigrad import _core
from minigrad.ops.recurrent_reference import CELLS, over_time


def layer_forward(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes=None, reverse=False, save=True):
    """One layer in one direction: (h, hn, cn, saved), as `minigrad.kernels.layer_forward`."""
    _check_sizes(x, h0, w_ih, w_hh)
    values = [_variable(a, save) for a in (x, h0, c0, w_ih, w_hh, b_ih, b_hh)]
    rows, h, c, *weights = values
    batch = h0.shape[0]
    sizes = [batch] * (x.shape[0] // batch) if batch_sizes is None else [int(b) for b in batch_sizes]
    start = h if c is None else (h, c)
    output, last = over_time(lambda x, hidden: CELLS[kind](x, hidden, *weights), rows, start, sizes, reverse)
    last = (last,) if c is None else last
    found = [_core.array_of(output), *(_core.array_of(v).copy() for v in last)]
    return found[0], found[1], found[2] if len(found) > 2 else None, (values, (output, *last)) if save else None


def layer_backward(kind, saved, d_h, d_hn, d_cn, needs):
    """The gradients of (x, h0, c0, w_ih, w_hh, b_ih, b_hh), as `minigrad.kernels.layer_backward`."""
    values, outputs = saved
    pairs = [(out, g) for out, g in zip(outputs, (d_h, d_hn, d_cn)) if g is not None]
    wanted = [k for k, (v, need) in enumerate(zip(values, needs)) if need and v is not None]
    found = _core.run_backward(
        tuple([out for out, _ in pairs]), tuple([g for _, g in pairs]), True, False,
        tuple([values[k] for k in wanted]), False,
    )  # fmt: skip
    result = [None] * len(values)
    for k, g in zip(wanted, found):
        result[k] = np.zeros_like(_core.array_of(values[k])) if g is None else g
    return tuple(result)


def _variable(array, save):
    if array is None:
        return None
    made = _core.variable_from_array(array, not save)
    if save:
        made.requires_grad = True
    return made


def _check_sizes(x, h0, w_ih, w_hh):
    """The sizes that the cells do not look at themselves."""
    for name, array, wanted in (("x", x, (x.shape[0], w_ih.shape[1])), ("h0", h0, (h0.shape[0], w_hh.shape[1]))):
        if array.ndim != 2 or array.shape != wanted:
            raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
