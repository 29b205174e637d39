"""The fused recurrent operations: a stack of layers in one or both directions, or one step of a cell, is a single node.

The value and the first derivative come from the compiled kernels, which run the loop over time in C and make one
product for all steps at once of everything that does not depend on the step before. The specification, and every higher
derivative, is the readable text in `recurrent_reference.py`: each operation here names the function there that it is.

A stack takes x as (seq, batch, input_size), or, with batch_sizes, as packed rows (sum of batch_sizes, input_size); its
initial and final states are (runs, batch, hidden_size), one slice for each layer and direction, None standing for
zeros. Weights are laid out as in the cells of the reference; the biases may be None. Arrays that have no kernels
(`kernels_for`) run the reference, layer by layer.
"""

import functools
from types import SimpleNamespace

import numpy as np

from minigrad._core import Operation, array_of, like
from minigrad.ops import arrays, recurrent_anywhere, recurrent_layers
from minigrad.ops.compiled import KERNELS
from minigrad.ops.recurrent_reference import CELLS, each, lstm_cell, over_time, stacked
from minigrad.ops.shape import _cat, index, reshape, seen_as, size_of
from minigrad.ops.table import S, T, no_oracle, row

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
_WEIGHTS, _BIASES = "w_ih w_hh b_ih b_hh", "b_ih b_hh"


def kernels_for(x):
    """The module with the kernels for the array x, or with what takes their place."""
    return KERNELS.get(type(x), recurrent_anywhere)


def _stack_forward(kind, x, *args):
    module = kernels_for(x)
    if hasattr(module, "stack_forward"):
        return module.stack_forward(kind, x, *args)
    return recurrent_layers.stack_forward(module, kind, x, *args)


def _stack_backward(x, *args):
    module = kernels_for(x)
    if hasattr(module, "stack_backward"):
        return module.stack_backward(*args)
    return recurrent_layers.stack_backward(module, *args)


# ---------------------------------------------------------------- states


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
    return states[0] if len(states) == 1 else each(lambda *parts: _cat(*parts, 0), *states)


# ---------------------------------------------------------------- the readable stack


def layer_reference(kind, x, hidden, w_ih, w_hh, b_ih, b_hh, batch_sizes=None, reverse=False):
    """The readable layer: (output, hidden), hidden as in the fused ones: (1, batch, hidden_size), a pair for LSTM."""
    cell = CELLS[kind]

    def step(x, hidden):
        return cell(x, hidden, w_ih, w_hh, b_ih, b_hh)

    sizes = None if batch_sizes is None else [int(b) for b in batch_sizes]
    hidden = each(lambda h: seen_as(h, size_of(h)[1:]), hidden)
    output, last = over_time(step, x, hidden, sizes, reverse)
    return output, each(lambda h: reshape(h, (1, *size_of(h))), last)


def stack_reference(kind, x, hidden, weights, batch_sizes=None, directions=1):
    """The readable stack, (output, hidden), with the arguments of `recurrent`."""
    runs = len(weights) // 4
    if hidden is None:
        batch = size_of(x)[1] if batch_sizes is None else int(batch_sizes[0])
        zeros = zero_state(x, batch, size_of(weights[1])[1])
        states = [(zeros, zeros) if kind == "LSTM" else zeros] * runs
    else:
        states = split_state(hidden, runs)

    def run(k):
        own, reverse = weights[4 * k : 4 * k + 4], k % directions == 1
        return lambda x, hidden: layer_reference(kind, x, hidden, *own, batch_sizes, reverse)

    layers = [[run(k + d) for d in range(directions)] for k in range(0, runs, directions)]
    output, states = stacked(layers, x, states)
    return output, join_states(states)


# ---------------------------------------------------------------- the fused stack

# A node can keep so many weights: those of four runs, each a layer in one direction.
MOST_RUNS = 4


class _Joint:
    """The derivative of a stack, a formula whose parameters depend on the number of runs.

    They name every argument, also those the kernels need not see again: what a node keeps is what they name, and the
    reference needs them all. They name the output because the kernels read it again, so that a change of it in place is
    noticed.
    """

    def __init__(self, kind, names):
        self.pair = kind == "LSTM"
        names = ("g", *names, "out0", "workspace", "needs")
        self.__code__ = SimpleNamespace(co_varnames=names, co_argcount=len(names))

    def __call__(self, g, *values):
        saved, needs = values[-2:]
        if self.pair:
            return _stack_backward(values[0], saved, g[0], g[1], g[2], needs)
        found = _stack_backward(values[0], saved, g[0], g[1], None, (needs[0], needs[1], False, *needs[2:]))
        return found[:2] + found[3:]


@functools.cache
def stack_operation(kind, runs):
    """The operation of a stack with so many runs, at most MOST_RUNS:
    (x, h0, [c0 for LSTM,] *weights, batch_sizes, directions) -> (output, hn[, cn])."""
    states = 2 if kind == "LSTM" else 1
    weights = [f"{name}_{k}" for k in range(runs) for name in ("w_ih", "w_hh", "b_ih", "b_hh")]
    arguments, parameters = ["x", "h0", "c0"][: 1 + states] + weights, ["batch_sizes", "directions"]
    optional = [name for name in arguments if name[0] in "hcb"]  # states and biases

    if states == 2:

        def forward(x, h0, c0, *rest):
            return _stack_forward(kind, x, h0, c0, rest[:-2], rest[-2], rest[-1])

        def inference(x, h0, c0, *rest):
            return _stack_forward(kind, x, h0, c0, rest[:-2], rest[-2], rest[-1], False)[:3]

        def reference(x, h0, c0, *rest):
            hidden = None if h0 is None else (h0, c0)
            output, (hn, cn) = stack_reference(kind, x, hidden, rest[:-2], rest[-2], rest[-1])
            return output, hn, cn

    else:

        def forward(x, h0, *rest):
            output, hn, _, saved = _stack_forward(kind, x, h0, None, rest[:-2], rest[-2], rest[-1])
            return output, hn, saved

        def inference(x, h0, *rest):
            return _stack_forward(kind, x, h0, None, rest[:-2], rest[-2], rest[-1], False)[:2]

        def reference(x, h0, *rest):
            return stack_reference(kind, x, h0, rest[:-2], rest[-2], rest[-1])

    return Operation(
        f"{kind.lower()}_layer", forward, " ".join(arguments), " ".join(parameters), outputs=1 + states,
        joint=_Joint(kind, (*arguments, *parameters)), optional=" ".join(optional), inference=inference,
        reference=reference,
        doc=f"Layers on top of each other, all steps in one operation. A layer's step: {CELLS[kind].__doc__}",
    )  # fmt: skip


LAYERS = {kind: stack_operation(kind, 1) for kind in CELLS}


def _stack_fused(kind, x, hidden, weights, batch_sizes, directions):
    operation = stack_operation(kind, len(weights) // 4)
    if kind == "LSTM":
        h0, c0 = (None, None) if hidden is None else hidden
        output, hn, cn = operation(x, h0, c0, *weights, batch_sizes, directions)
        return output, (hn, cn)
    return operation(x, hidden, *weights, batch_sizes, directions)


def recurrent(kind, x, hidden, weights, directions=1, batch_sizes=None, between=None):
    """A stack of recurrent layers: (output, hidden).

    kind: one of CELLS. x: (seq, batch, input_size), or packed rows (sum of batch_sizes, input_size). weights: w_ih,
    w_hh, b_ih and b_hh of each layer and direction, one after another, layer 0 in its directions first. hidden: the
    initial state, (layers * directions, batch, hidden_size), a tuple of two such for LSTM; None stands for zeros.
    directions: 1, or 2 for a second run through each layer in reverse. batch_sizes: list of ints, for packed rows.
    between: function applied to the output of every layer except the last, for dropout.

    output: x's layout with hidden_size * directions features, those of the forward direction first. hidden: the final
    state, in the layout of the initial one.
    """
    runs = len(weights) // 4
    at_once = directions if between is not None else MOST_RUNS
    if batch_sizes is not None:
        batch_sizes = np.asarray(batch_sizes, np.int64)
    if runs <= at_once:
        return _stack_fused(kind, x, hidden, weights, batch_sizes, directions)
    states = []
    for first in range(0, runs, at_once):
        here = slice(first, min(first + at_once, runs))
        state = None if hidden is None else each(lambda h, here=here: index(h, here), hidden)
        if first and between is not None:
            x = between(x)
        x, state = _stack_fused(kind, x, state, weights[4 * here.start : 4 * here.stop], batch_sizes, directions)
        states.append(state)
    return x, join_states(states)


# ---------------------------------------------------------------- one step


def _one_state_step(kind):
    def forward(x, h, w_ih, w_hh, b_ih, b_hh):
        out, _, _, saved = kernels_for(x).layer_forward(kind, x, h, None, w_ih, w_hh, b_ih, b_hh)
        return out, saved

    def joint(g, x, h, w_ih, w_hh, b_ih, b_hh, out, workspace, needs):
        needs = (needs[0], needs[1], False, *needs[2:])
        d_x, d_h, _, *rest = kernels_for(x).layer_backward(kind, workspace, g, None, None, needs)
        return d_x, d_h, *rest

    return Operation(f"{kind.lower()}_step", forward, f"x h {_WEIGHTS}", joint=joint, optional=_BIASES,
                     reference=CELLS[kind], doc=CELLS[kind].__doc__)  # fmt: skip


def _lstm_step_forward(x, h, c, w_ih, w_hh, b_ih, b_hh):
    out, _, cn, saved = kernels_for(x).layer_forward("LSTM", x, h, c, w_ih, w_hh, b_ih, b_hh)
    return out, cn, saved


def _lstm_step_joint(g, x, h, c, w_ih, w_hh, b_ih, b_hh, out0, workspace, needs):
    return kernels_for(x).layer_backward("LSTM", workspace, g[0], None, g[1], needs)


rnn_tanh_step, rnn_relu_step, gru_step = (_one_state_step(kind) for kind in ("RNN_TANH", "RNN_RELU", "GRU"))
lstm_step = Operation(
    "lstm_step", _lstm_step_forward, f"x h c {_WEIGHTS}", outputs=2, joint=_lstm_step_joint, optional=_BIASES,
    reference=lambda x, h, c, *weights: lstm_cell(x, (h, c), *weights), doc=lstm_cell.__doc__,
)  # fmt: skip
STEPS = {"RNN_TANH": rnn_tanh_step, "RNN_RELU": rnn_relu_step, "LSTM": lstm_step, "GRU": gru_step}


def recurrent_step(kind, x, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """One step of a cell, as the function of CELLS[kind] but fused: the new hidden state, a pair (h, c) for LSTM."""
    if kind == "LSTM":
        return lstm_step(x, *hidden, w_ih, w_hh, b_ih, b_hh)
    return STEPS[kind](x, hidden, w_ih, w_hh, b_ih, b_hh)


# ---------------------------------------------------------------- the table's rows

_REFUSED_WIDTH = "must have shape"


def _weights(kind):
    """w_ih, w_hh, b_ih, b_hh of a cell with 2 features and 3 units, and the same weights for one without biases.

    relu has a kink at 0, which finite differences must not meet. Of its units one never fires here and two always do:
    beside the biases the products with the small weights are small; without them the weights of a unit have one sign,
    as its inputs do (`_range`)."""
    wide = GATES[kind] * 3
    if kind != "RNN_RELU":
        return [T(wide, 2), T(wide, 3), T(wide), T(wide)], [T(wide, 2), T(wide, 3)]
    small = {"low": -0.1, "high": 0.1}
    return (
        [T(3, 2, **small), T(3, 3, **small), T(3, values=[3.1, -3.2, 2.9]), T(3, low=-0.3, high=0.3)],
        [T(3, 2, values=[[0.3, 0.7], [-0.6, -0.2], [0.9, 0.4]]),
         T(3, 3, values=[[0.5, 0.1, 0.2], [-0.3, -0.8, -0.4], [0.7, 0.6, 0.15]])],
    )  # fmt: skip


def _range(kind):
    return {"low": 0.5} if kind == "RNN_RELU" else {}


def _layer_samples(kind):
    states = [T(1, 2, 3)] * (2 if kind == "LSTM" else 1)
    weights, alone = _weights(kind)
    return [
        S(T(3, 2, 2), *states, *weights, None, 1),
        S(T(3, 2, 2, **_range(kind)), *[None] * len(states), *alone, None, None, None, 1),
        S(T(4, 2), *states, *weights, np.array([2, 1, 1]), 1),
    ], [(S(T(3, 2, 5), *states, *weights, None, 1), ValueError, _REFUSED_WIDTH)]


def _step_samples(kind):
    states = [T(2, 3, **_range(kind))] * (2 if kind == "LSTM" else 1)
    weights, alone = _weights(kind)
    return [
        S(T(2, 2), *states, *weights),
        S(T(2, 2, **_range(kind)), *states, *alone, None, None),
    ], [(S(T(2, 5), *states, *alone, None, None), ValueError, _REFUSED_WIDTH)]


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
