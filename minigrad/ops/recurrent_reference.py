"""Recurrent networks, readable: cell x loop x stack.

A recurrent network is three ideas, and each is a function here that knows nothing of the other two:

- a *cell* is one step: `hidden = cell(x, hidden)`;
- a *loop* (`over_time`) takes a cell through a sequence, forwards or in reverse, also through sequences of different
  lengths packed into one batch;
- a *stack* (`stacked`) feeds the output of one layer to the next, and runs the directions of a layer side by side.

Loop and stack take any cell, your own too: `hidden` is one tensor, or a tuple of tensors whose first is the output.

Notation. x_t is the input at time t = 0 ... T-1, a matrix with one row per sequence of the batch, (batch, input_size).
h_t is the state *after* step t, (batch, hidden_size); h_{-1} is the initial state. In the reverse direction time runs
from T-1 down to 0: there h_t follows from h_{t+1}, the initial state is h_T, and the final state is h_0. Because
samples are rows, the textbook's W x is written x W^T. W_ih takes input to hidden, W_hh hidden to hidden; each has a
bias. One of the two would do, but the era's parameters have both, and both are kept. * is the elementwise product.

These few lines are the specification of the fast layers in `recurrent.py`: tests hold the two together, and where a
second derivative is wanted it is these lines that are differentiated.
"""

from minigrad.ops.elementwise import relu, sigmoid, tanh
from minigrad.ops.linear import linear
from minigrad.ops.shape import cat, chunk, narrow, size_of, stack, unbind

# ---------------------------------------------------------------- cells: one step


def rnn_tanh_cell(x, h, w_ih, w_hh, b_ih=None, b_hh=None):
    """The simple recurrent cell (Elman, 1990).

        h_t = tanh(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh)

    x: (batch, input_size). h: (batch, hidden_size). w_ih: (hidden_size, input_size). w_hh: (hidden_size, hidden_size).
    b_ih, b_hh: (hidden_size,) or None. Returns the new h.

    >>> import minigrad as torch
    >>> from minigrad.autograd import Variable
    >>> one = Variable(torch.ones(1, 1))
    >>> h = rnn_tanh_cell(one, one, one * 0.25, one * 0.25)     # tanh(0.5)
    >>> round(h.data[0][0], 4)
    0.4621
    """
    return tanh(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh))


def rnn_relu_cell(x, h, w_ih, w_hh, b_ih=None, b_hh=None):
    """The simple recurrent cell with relu(a) = max(a, 0) in place of tanh.

        h_t = relu(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh)

    Sizes are those of `rnn_tanh_cell`.
    """
    return relu(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh))


def lstm_cell(x, hidden, w_ih, w_hh, b_ih=None, b_hh=None):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

        i, f, g, o = the four column blocks of  x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(c_t)

    hidden: (h, c), both (batch, hidden_size). w_ih: (4 hidden_size, input_size). w_hh: (4 hidden_size, hidden_size).
    b_ih, b_hh: (4 hidden_size,) or None. Returns the new (h, c).

    >>> import minigrad as torch
    >>> from minigrad.autograd import Variable
    >>> x, h, c = Variable(torch.zeros(1, 2)), Variable(torch.zeros(1, 1)), Variable(torch.ones(1, 1))
    >>> h, c = lstm_cell(x, (h, c), Variable(torch.ones(4, 2)), Variable(torch.ones(4, 1)))
    >>> c.data[0][0]                # all gates are sigmoid(0): half of c stays, nothing is added
    0.5
    """
    h, c = hidden
    i, f, g, o = chunk(linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh), 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def gru_cell(x, h, w_ih, w_hh, b_ih=None, b_hh=None):
    """The gated recurrent unit (Cho et al., 2014), with the reset gate applied after the product with W_hh.

        a_r, a_z, a_n = the three column blocks of  x_t W_ih^T + b_ih
        b_r, b_z, b_n = the three column blocks of  h_{t-1} W_hh^T + b_hh
        r = sigmoid(a_r + b_r)
        z = sigmoid(a_z + b_z)
        n = tanh(a_n + r * b_n)
        h_t = (1 - z) * n + z * h_{t-1}

    h: (batch, hidden_size). w_ih: (3 hidden_size, input_size). w_hh: (3 hidden_size, hidden_size).
    b_ih, b_hh: (3 hidden_size,) or None. Returns the new h.

    >>> import minigrad as torch
    >>> from minigrad.autograd import Variable
    >>> x, h = Variable(torch.zeros(1, 2)), Variable(torch.ones(1, 1))
    >>> h = gru_cell(x, h, Variable(torch.ones(3, 2)), Variable(torch.zeros(3, 1)))
    >>> h.data[0][0]                # z = sigmoid(0), n = tanh(0): half of h stays
    0.5
    """
    a_r, a_z, a_n = chunk(linear(x, w_ih, b_ih), 3, 1)
    b_r, b_z, b_n = chunk(linear(h, w_hh, b_hh), 3, 1)
    r = sigmoid(a_r + b_r)
    z = sigmoid(a_z + b_z)
    n = tanh(a_n + r * b_n)
    return (1 - z) * n + z * h


CELLS = {"RNN_TANH": rnn_tanh_cell, "RNN_RELU": rnn_relu_cell, "LSTM": lstm_cell, "GRU": gru_cell}


# ---------------------------------------------------------------- the loop: a cell through time


def each(function, *hiddens):
    """`function` applied to each tensor of a hidden state (of several, to those in the same place)."""
    if isinstance(hiddens[0], (tuple, list)):
        return tuple(function(*parts) for parts in zip(*hiddens))
    return function(*hiddens)


def output_of(hidden):
    """What a hidden state shows to the outside: h of (h, c)."""
    return hidden[0] if isinstance(hidden, (tuple, list)) else hidden


def count_rows(x):
    return size_of(x)[0]


def take_rows(hidden, start, end):
    return each(lambda h: narrow(h, 0, start, end - start), hidden)


def forwards(cell, steps, hidden):
    """h_t = cell(x_t, h_{t-1}) for t = 0 ... T-1: (list of outputs, final hidden state).

    steps: list of the x_t. A step may have fewer rows than the step before it: the sequences in its last rows have
    ended. Their rows of the state are set aside and joined again at the end, so that the final hidden state holds every
    sequence's own last state.
    """
    outputs, ended = [], []
    for x in steps:
        alive, before = count_rows(x), count_rows(output_of(hidden))
        if alive < before:
            ended.append(take_rows(hidden, alive, before))
            hidden = take_rows(hidden, 0, alive)
        hidden = cell(x, hidden)
        outputs.append(output_of(hidden))
    if ended:
        hidden = each(lambda *parts: cat(parts, 0), hidden, *reversed(ended))
    return outputs, hidden


def backwards(cell, steps, hidden):
    """h_t = cell(x_t, h_{t+1}) for t = T-1 ... 0: (list of outputs in the order of time, final hidden state).

    It starts with the rows of the sequences that are alive at the last step, the longest ones. A step with more rows
    than the step after it is where further sequences end, that is, where they begin when read in reverse: their rows of
    the initial state join in.
    """
    initial, outputs = hidden, []
    alive = count_rows(steps[-1])
    hidden = take_rows(initial, 0, alive)
    for x in reversed(steps):
        before, alive = alive, count_rows(x)
        if alive > before:
            hidden = each(lambda *parts: cat(parts, 0), hidden, take_rows(initial, before, alive))
        hidden = cell(x, hidden)
        outputs.append(output_of(hidden))
    outputs.reverse()
    return outputs, hidden


def over_time(cell, x, hidden, batch_sizes=None, reverse=False):
    """A cell through a whole sequence: (outputs of all steps, final hidden state).

    cell: function (x_t, hidden) -> hidden. x: (seq, batch, input_size); or, with batch_sizes, packed rows
    (sum of batch_sizes, input_size), in which batch_sizes[t] rows belong to step t. batch_sizes never increase: the
    sequences are ordered from the longest to the shortest. hidden: the initial state, (batch, ...) or a tuple of such.
    reverse: run from the last step to the first. The outputs are laid out like x.

    >>> import minigrad as torch
    >>> from minigrad.autograd import Variable
    >>> add_up = lambda x, h: x + h
    >>> x = Variable(torch.Tensor([[1], [10], [2], [3]]))         # packed: the sequences 1, 2, 3 and 10
    >>> rows, last = over_time(add_up, x, Variable(torch.zeros(2, 1)), batch_sizes=[2, 1, 1])
    >>> rows.data.view(-1).tolist(), last.data.view(-1).tolist()
    ([1.0, 10.0, 3.0, 6.0], [6.0, 10.0])
    >>> rows, last = over_time(add_up, x, Variable(torch.zeros(2, 1)), batch_sizes=[2, 1, 1], reverse=True)
    >>> rows.data.view(-1).tolist(), last.data.view(-1).tolist()
    ([6.0, 10.0, 5.0, 3.0], [6.0, 10.0])
    """
    if batch_sizes is None:
        steps = unbind(x, 0)
    else:
        starts = [sum(batch_sizes[:t]) for t in range(len(batch_sizes))]
        steps = [narrow(x, 0, start, size) for start, size in zip(starts, batch_sizes)]
    outputs, hidden = (backwards if reverse else forwards)(cell, steps, hidden)
    return (stack(outputs, 0) if batch_sizes is None else cat(outputs, 0)), hidden


# ---------------------------------------------------------------- the stack: layers and directions


def stacked(layers, x, hidden, between=None):
    """Layers on top of each other: (output of the last layer, list of final hidden states).

    layers: for each layer a list of its directions, each a function run(x, hidden) -> (output, hidden), `over_time` of
    some cell, say. The directions of a layer read the same input; their outputs are joined along the last dimension.
    hidden: the initial states, one for each run: layer 0 in its directions, then layer 1, and so on; the final ones
    come back in the same order. between: applied to the output of every layer except the last (dropout).
    """
    states, initial = [], iter(hidden)
    for k, directions in enumerate(layers):
        if k and between is not None:
            x = between(x)
        outputs = []
        for run in directions:
            output, state = run(x, next(initial))
            outputs.append(output)
            states.append(state)
        x = outputs[0] if len(outputs) == 1 else cat(outputs, len(size_of(outputs[0])) - 1)
    return x, states
