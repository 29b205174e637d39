"""The fused recurrent operations: a whole layer in one direction, or one step of a cell, is a single node of the graph.

The value and the first derivative come from the compiled kernels, which run the loop over time in C and make one
product for all steps at once of everything that does not depend on the step before. The specification, and every higher
derivative, is the readable text in `recurrent_reference.py`: each operation here names the function there that it is.

A layer takes x as (seq, batch, input_size), or, with batch_sizes, as packed rows (sum of batch_sizes, input_size); its
initial and final states are (1, batch, hidden_size), one slice of the state of a stack. Weights are laid out as in the
cells of the reference; the biases may be None. Arrays that have no kernels (`kernels_for`) run the reference.
"""

import numpy as np

from minigrad import kernels
from minigrad._core import Operation, array_of, like
from minigrad.ops import arrays, recurrent_anywhere
from minigrad.ops.recurrent_reference import CELLS, lstm_cell, over_time, stacked
from minigrad.ops.shape import _cat, index, reshape, size_of
from minigrad.ops.table import S, T, no_oracle, row

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
_WEIGHTS = "w_ih w_hh b_ih b_hh"


# Kind of array -> module with the `layer_forward` and `layer_backward` of `minigrad.kernels` for arrays of that kind.
# Kernels for another kind of memory are entered here, and serve every layer and cell from then on.
KERNELS = {np.ndarray: kernels}


def kernels_for(x):
    """The module with the kernels for the array x, or with what takes their place."""
    return KERNELS.get(type(x), recurrent_anywhere)


# ---------------------------------------------------------------- one layer in one direction


def _layer_forward(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, save=True):
    plain = x.ndim == 3
    rows = x.reshape(-1, x.shape[2]) if plain else x
    h, hn, cn, saved = kernels_for(x).layer_forward(
        kind, rows, h0[0], None if c0 is None else c0[0], w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, save
    )
    return h.reshape(x.shape[0], x.shape[1], -1) if plain else h, hn[None], None if cn is None else cn[None], saved


def _layer_backward(kind, saved, d_out, d_hn, d_cn, x, needs):
    """Gradients of (x, h0, c0, *weights). A gradient of None stands for zeros."""
    d_x, d_h0, d_c0, *rest = kernels_for(x).layer_backward(
        kind,
        saved,
        None if d_out is None else d_out.reshape(-1, d_out.shape[-1]),
        None if d_hn is None else d_hn[0],
        None if d_cn is None else d_cn[0],
        needs,
    )
    return (
        None if d_x is None else d_x.reshape(x.shape),
        None if d_h0 is None else d_h0[None],
        None if d_c0 is None else d_c0[None],
        *rest,
    )


def layer_reference(kind, x, hidden, w_ih, w_hh, b_ih, b_hh, batch_sizes=None, reverse=False):
    """The readable layer: (output, hidden), hidden as in the fused ones: (1, batch, hidden_size), a pair for LSTM."""
    cell = CELLS[kind]

    def step(x, hidden):
        return cell(x, hidden, w_ih, w_hh, b_ih, b_hh)

    sizes = None if batch_sizes is None else [int(b) for b in batch_sizes]
    if kind == "LSTM":
        start = tuple(reshape(h, size_of(h)[1:]) for h in hidden)
        output, last = over_time(step, x, start, sizes, reverse)
        return output, tuple(reshape(h, (1, *size_of(h))) for h in last)
    output, last = over_time(step, x, reshape(hidden, size_of(hidden)[1:]), sizes, reverse)
    return output, reshape(last, (1, *size_of(last)))


# The formulas name every argument, also those the kernels need not see again: what a node keeps is what they name, and
# the reference needs them all. They name the result because the kernels read it again, so that a change of it in place
# is noticed.


def _layer_doc(kind):
    return f"A whole layer in one direction, all steps in one operation. Its step: {CELLS[kind].__doc__}"


def _one_state_layer(kind):
    def forward(x, h0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse):
        output, hn, _, saved = _layer_forward(kind, x, h0, None, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse)
        return output, hn, saved

    def inference(x, h0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse):
        return _layer_forward(kind, x, h0, None, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, False)[:2]

    def joint(g, x, h0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, out0, workspace, needs):
        needs = (needs[0], needs[1], False, *needs[2:])
        d_x, d_h0, _, *rest = _layer_backward(kind, workspace, g[0], g[1], None, x, needs)
        return d_x, d_h0, *rest

    def reference(x, h0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse):
        return layer_reference(kind, x, h0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse)

    return Operation(
        f"{kind.lower()}_layer", forward, f"x h0 {_WEIGHTS}", "batch_sizes reverse",
        outputs=2, joint=joint, inference=inference, reference=reference, doc=_layer_doc(kind),
    )  # fmt: skip


def _lstm_forward(x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse):
    return _layer_forward("LSTM", x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse)


def _lstm_inference(x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse):
    return _layer_forward("LSTM", x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, False)[:3]


def _lstm_joint(g, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, out0, workspace, needs):
    return _layer_backward("LSTM", workspace, g[0], g[1], g[2], x, needs)


def _lstm_reference(x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse):
    output, (hn, cn) = layer_reference("LSTM", x, (h0, c0), w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse)
    return output, hn, cn


rnn_tanh_layer, rnn_relu_layer, gru_layer = (_one_state_layer(kind) for kind in ("RNN_TANH", "RNN_RELU", "GRU"))
lstm_layer = Operation(
    "lstm_layer", _lstm_forward, f"x h0 c0 {_WEIGHTS}", "batch_sizes reverse",
    outputs=3, joint=_lstm_joint, inference=_lstm_inference, reference=_lstm_reference, doc=_layer_doc("LSTM"),
)  # fmt: skip
LAYERS = {"RNN_TANH": rnn_tanh_layer, "RNN_RELU": rnn_relu_layer, "LSTM": lstm_layer, "GRU": gru_layer}


# ---------------------------------------------------------------- one step


def _one_state_step(kind):
    def forward(x, h, w_ih, w_hh, b_ih, b_hh):
        out, _, _, saved = kernels_for(x).layer_forward(kind, x, h, None, w_ih, w_hh, b_ih, b_hh)
        return out, saved

    def joint(g, x, h, w_ih, w_hh, b_ih, b_hh, out, workspace, needs):
        needs = (needs[0], needs[1], False, *needs[2:])
        d_x, d_h, _, *rest = kernels_for(x).layer_backward(kind, workspace, g, None, None, needs)
        return d_x, d_h, *rest

    return Operation(f"{kind.lower()}_step", forward, f"x h {_WEIGHTS}", joint=joint, reference=CELLS[kind],
                     doc=CELLS[kind].__doc__)  # fmt: skip


def _lstm_step_forward(x, h, c, w_ih, w_hh, b_ih, b_hh):
    out, _, cn, saved = kernels_for(x).layer_forward("LSTM", x, h, c, w_ih, w_hh, b_ih, b_hh)
    return out, cn, saved


def _lstm_step_joint(g, x, h, c, w_ih, w_hh, b_ih, b_hh, out0, workspace, needs):
    return kernels_for(x).layer_backward("LSTM", workspace, g[0], None, g[1], needs)


rnn_tanh_step, rnn_relu_step, gru_step = (_one_state_step(kind) for kind in ("RNN_TANH", "RNN_RELU", "GRU"))
lstm_step = Operation(
    "lstm_step", _lstm_step_forward, f"x h c {_WEIGHTS}", outputs=2, joint=_lstm_step_joint,
    reference=lambda x, h, c, *weights: lstm_cell(x, (h, c), *weights), doc=lstm_cell.__doc__,
)  # fmt: skip
STEPS = {"RNN_TANH": rnn_tanh_step, "RNN_RELU": rnn_relu_step, "LSTM": lstm_step, "GRU": gru_step}


def recurrent_step(kind, x, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a cell, as the function of CELLS[kind] but fused: the new hidden state, a pair (h, c) for LSTM."""
    if kind == "LSTM":
        return lstm_step(x, *hidden, w_ih, w_hh, b_ih, b_hh)
    return STEPS[kind](x, hidden, w_ih, w_hh, b_ih, b_hh)


# ---------------------------------------------------------------- layers and directions


def zero_state(x, batch, hidden_size):
    """Zeros (1, batch, hidden_size) of x's type, at its level."""
    array, size = array_of(x), (1, batch, hidden_size)
    return like(x, arrays.zeros(size, *arrays.type_of(array)))


def split_state(hidden, count):
    """The state of a stack, (count, batch, hidden_size) or a pair of such, as a list with one slice for each run."""
    if isinstance(hidden, tuple):
        return list(zip(*(split_state(h, count) for h in hidden)))
    return [hidden] if count == 1 else [index(hidden, slice(k, k + 1)) for k in range(count)]


def join_states(states):
    """The inverse of `split_state`."""
    if isinstance(states[0], tuple):
        return tuple([join_states(parts) for parts in zip(*states)])
    return states[0] if len(states) == 1 else _cat(*states, 0)


def _run(kind, weights, batch_sizes, reverse):
    """A layer in one direction as `stacked` wants it: run(x, hidden) -> (output, hidden)."""

    def run(x, hidden):
        if kind == "LSTM":
            output, hn, cn = lstm_layer(x, *hidden, *weights, batch_sizes, reverse)
            return output, (hn, cn)
        return LAYERS[kind](x, hidden, *weights, batch_sizes, reverse)

    return run


def recurrent(kind, x, hidden, weights, directions=1, batch_sizes=None, between=None):
    """A stack of recurrent layers: (output, hidden).

    kind: one of CELLS. x: (seq, batch, input_size), or packed rows (sum of batch_sizes, input_size). weights: for each
    layer and direction a tuple (w_ih, w_hh, b_ih, b_hh), layer 0 in its directions first. hidden: the initial state,
    (layers * directions, batch, hidden_size), a tuple of two such for LSTM; None stands for zeros. directions: 1, or 2
    for a second run through each layer in reverse. batch_sizes: list of ints, for packed rows. between: function
    applied to the output of every layer except the last, for dropout.

    output: x's layout with hidden_size * directions features, those of the forward direction first. hidden: the final
    state, in the layout of the initial one.
    """
    runs = len(weights)
    if hidden is None:
        batch = size_of(x)[1] if batch_sizes is None else int(batch_sizes[0])
        zeros = zero_state(x, batch, size_of(weights[0][1])[1])
        states = [(zeros, zeros) if kind == "LSTM" else zeros] * runs
    else:
        states = split_state(hidden, runs)
    if batch_sizes is not None:
        batch_sizes = np.asarray(batch_sizes, np.int64)
    layers = [
        [_run(kind, weights[k + d], batch_sizes, d == 1) for d in range(directions)] for k in range(0, runs, directions)
    ]
    output, states = stacked(layers, x, states, between)
    return output, join_states(states)


# ---------------------------------------------------------------- the table's rows

_REFUSED_WIDTH = "must have shape"


def _layer_samples(kind):
    wide = GATES[kind] * 3
    states = [T(1, 2, 3)] * (2 if kind == "LSTM" else 1)
    weights = [T(wide, 2), T(wide, 3)]
    biases = [T(wide), T(wide)]
    return [
        S(T(3, 2, 2), *states, *weights, *biases, None, False),
        S(T(3, 2, 2), *states, *weights, None, None, None, True),
        S(T(4, 2), *states, *weights, *biases, np.array([2, 1, 1]), False),
        S(T(4, 2), *states, *weights, *biases, np.array([2, 1, 1]), True),
    ], [(S(T(3, 2, 5), *states, *weights, *biases, None, False), ValueError, _REFUSED_WIDTH)]


def _step_samples(kind):
    wide = GATES[kind] * 3
    states = [T(2, 3)] * (2 if kind == "LSTM" else 1)
    weights = [T(wide, 2), T(wide, 3)]
    return [
        S(T(2, 2), *states, *weights, T(wide), T(wide)),
        S(T(2, 2), *states, *weights, None, None),
    ], [(S(T(2, 5), *states, *weights, None, None), ValueError, _REFUSED_WIDTH)]


def _torch_step(kind):
    def peer(torch, x, *rest):
        step = getattr(torch, f"{kind.lower()}_cell")
        return step(x, rest[:2], *rest[2:]) if kind == "LSTM" else step(x, *rest)

    return peer


for _kind in CELLS:
    row(
        LAYERS[_kind].name, LAYERS[_kind], *_layer_samples(_kind), method=False, exported=(),
        oracle=no_oracle("its layers are modules, and compared as such"),
    )  # fmt: skip
    row(
        STEPS[_kind].name, STEPS[_kind], *_step_samples(_kind), method=False, exported=(), oracle=_torch_step(_kind)
    )  # fmt: skip
