"""`stack_forward` and `stack_backward` out of one layer at a time, for kernels that run a layer in one direction only.

`layers` is a module with the `layer_forward` and `layer_backward` of `minigrad.kernels`; the rest of the arguments and
the results are those of the stack functions there.
"""

import numpy as np

from minigrad.ops import arrays


def stack_forward(layers, kind, x, h0, c0, weights, batch_sizes, directions, save=True):
    """A stack of layers: (output, hn, cn, saved)."""
    plain, runs = x.ndim == 3, len(weights) // 4
    rows = x.reshape(-1, x.shape[2]) if plain else x
    batch = x.shape[1] if plain else int(batch_sizes[0])
    if h0 is None:
        h0 = np.zeros_like(x, shape=(runs, batch, weights[1].shape[1]))
        c0 = h0 if kind == "LSTM" else None
        given = False
    else:
        given = True
    last_h, last_c, kept = [], [], []
    for first in range(0, runs, directions):
        outputs = []
        for k in range(first, first + directions):
            c = None if c0 is None else c0[k]
            own = weights[4 * k : 4 * k + 4]
            h, hn, cn, saved = layers.layer_forward(kind, rows, h0[k], c, *own, batch_sizes, k > first, save)
            outputs.append(h)
            last_h.append(hn)
            last_c.append(cn)
            kept.append(saved)
        rows = outputs[0] if directions == 1 else np.concatenate(outputs, axis=1)
    output = rows.reshape(x.shape[0], x.shape[1], -1) if plain else rows
    saved = (kept, kind, x.shape, given, directions) if save else None
    return output, _joined(last_h), None if c0 is None else _joined(last_c), saved


def stack_backward(layers, saved, d_out, d_hn, d_cn, needs):
    """The gradients of (x, h0, c0, *weights)."""
    kept, kind, size, given, directions = saved
    runs = len(kept)
    d_rows = None if d_out is None else d_out.reshape(-1, d_out.shape[-1])
    d_h0, d_c0, d_weights = [None] * runs, [None] * runs, [None] * (4 * runs)
    for first in range(runs - directions, -1, -directions):
        d_below = None
        for k in range(first, first + directions):
            d_own = d_rows
            if d_rows is not None and directions == 2:
                half = d_rows.shape[1] // 2
                d_own = arrays.in_order(d_rows[:, (k - first) * half : (k - first + 1) * half])
            wanted = (first > 0 or needs[0], needs[1] and given, needs[2] and given, *needs[3 + 4 * k : 7 + 4 * k])
            d_x, d_h0[k], d_c0[k], *own = layers.layer_backward(
                kind, kept[k], d_own, None if d_hn is None else d_hn[k], None if d_cn is None else d_cn[k], wanted
            )
            d_weights[4 * k : 4 * k + 4] = own
            d_below = d_x if d_below is None else d_below + d_x
        d_rows = d_below
    return (
        None if d_rows is None else d_rows.reshape(size),
        _joined(d_h0) if needs[1] and given else None,
        _joined(d_c0) if needs[2] and given else None,
        *d_weights,
    )


def _joined(states):
    return np.concatenate([s[None] for s in states], axis=0)
