"""Recurrent cells as functions, and a cell made into a run over time, in the era's order of arguments and results.

A cell is called as cell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None), one step of RNNTanhCell and so on; a run as
run(input, hidden, weight) -> (last hidden state, outputs of all steps), with the weights as a tuple that is handed to
the cell. The mathematics is in `minigrad.ops.recurrent_reference`.
"""

from minigrad.nn.functional import dropout as _dropout
from minigrad.ops.recurrent import join_states, recurrent_step
from minigrad.ops.recurrent_reference import over_time, stacked
from minigrad.ops.shape import index, size_of

__all__ = [
    "GRUCell",
    "LSTMCell",
    "RNNReLUCell",
    "RNNTanhCell",
    "Recurrent",
    "StackedRNN",
    "VariableRecurrent",
    "variable_recurrent_factory",
]


def RNNReLUCell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """relu(W_ih x + b_ih + W_hh h + b_hh)."""
    return recurrent_step("RNN_RELU", input, hidden, w_ih, w_hh, b_ih, b_hh)


def RNNTanhCell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    return recurrent_step("RNN_TANH", input, hidden, w_ih, w_hh, b_ih, b_hh)


def LSTMCell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """The new pair (h, c) of long short-term memory; hidden is the pair before."""
    return recurrent_step("LSTM", input, hidden, w_ih, w_hh, b_ih, b_hh)


def GRUCell(input, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """The new state of a gated recurrent unit."""
    return recurrent_step("GRU", input, hidden, w_ih, w_hh, b_ih, b_hh)


def _run(inner, batch_sizes, reverse):
    def run(input, hidden, weight):
        outputs, last = over_time(lambda x, h: inner(x, h, *weight), input, hidden, batch_sizes, reverse)
        return last, outputs

    return run


def Recurrent(inner, reverse=False):
    """The cell `inner` over an input (seq, batch, ...), from the last step to the first if reverse."""
    return _run(inner, None, reverse)


def VariableRecurrent(batch_sizes, inner):
    """The cell `inner` over packed rows, of which batch_sizes[t] belong to step t."""
    return _run(inner, list(batch_sizes), False)


def variable_recurrent_factory(batch_sizes):
    """A function like Recurrent, for packed rows, of which batch_sizes[t] belong to step t."""
    return lambda inner, reverse=False: _run(inner, list(batch_sizes), reverse)


def StackedRNN(inners, num_layers, lstm=False, dropout=0, train=True):
    """num_layers layers, each with the runs `inners` as its directions, one on the other.

    Called as stack(input, hidden, weight): hidden (layers * directions, batch, size), or a pair of such for lstm;
    weight: a tuple of weights for each run, layer 0 in its directions first. Dropout stands between layers.
    """
    count = num_layers * len(inners)

    def directions(layer, weight):
        def run(inner, own):
            return lambda x, h: inner(x, h, own)[::-1]

        return [run(inner, weight[layer * len(inners) + k]) for k, inner in enumerate(inners)]

    def run(input, hidden, weight):
        if len(weight) != count:
            raise ValueError(f"StackedRNN: weight must have {count} entries, one for each run, got {len(weight)}")
        states = [[index(h, k) for k in range(count)] for h in (hidden if lstm else (hidden,))]
        layers = [directions(k, weight) for k in range(num_layers)]
        between = (lambda x: _dropout(x, dropout, train)) if dropout else None
        output, last = stacked(layers, input, list(zip(*states)) if lstm else states[0], between)
        return _joined(last, lstm), output

    return run


def _joined(states, lstm):
    if lstm:
        return tuple(_joined(parts, False) for parts in zip(*states))
    return join_states([s.view(1, *size_of(s)) for s in states])
