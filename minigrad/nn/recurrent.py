"""Recurrent layers and cells: RNN, LSTM, GRU, their cells, and any cell of your own made into a layer.

The modules hold parameters and options, check what comes in (`recurrent_checks`) and leave the computing to
`minigrad.ops.recurrent`; the equations, line by line, are in `minigrad.ops.recurrent_reference`.
"""

import math
from numbers import Real

from minigrad._core import array_of
from minigrad.nn import functional
from minigrad.nn import recurrent_checks as checks
from minigrad.nn.module import Module
from minigrad.nn.parameter import check_sizes, empty
from minigrad.nn.utils.rnn import PackedSequence
from minigrad.ops.recurrent import CELLS, GATES, join_states, recurrent, recurrent_step, split_state, zero_state
from minigrad.ops.recurrent_reference import each, over_time, stacked
from minigrad.ops.shape import clone, reshape, seen_as, size_of, transpose

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase", "RNNFromCell"]


def _initialise(module):
    """uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)) in the order of registration."""
    bound = 1.0 / math.sqrt(module.hidden_size)
    for p in module.parameters():
        p.data.uniform_(-bound, bound)


def _named(module, names):
    own = module._parameters
    try:
        return [own[name] for name in names]
    except KeyError:  # weight_norm makes a weight a plain attribute
        return [getattr(module, name) for name in names]


# ---------------------------------------------------------------- layers


class _Layers(Module):
    """What layers of any cell share: options, the conventions of input, state and output, dropout.

    A subclass computes, in `_run(x, states, batch_sizes)`, the output of time-major (or packed) x from the initial
    states, None or a tuple of `states` tensors; and names a weight, in `_weight()`, whose type the input must have.
    """

    states = 1  # tensors in the hidden state: 2 for (h, c)

    def __init__(self, input_size, hidden_size, num_layers, batch_first, dropout, bidirectional):
        super().__init__()
        name = type(self).__name__
        check_sizes(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if isinstance(dropout, bool) or not isinstance(dropout, Real) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout must be a probability from 0 to 1, got {dropout!r}")
        if dropout and num_layers == 1:
            checks.warn(
                f"{name}: dropout={dropout} has no effect with num_layers=1: it is applied between layers, to the "
                "output of "
                "each but the last"
            )
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.dropout, self.bidirectional = bool(batch_first), dropout, bool(bidirectional)

    def _directions(self):
        return 2 if self.bidirectional else 1

    def forward(self, input, hx=None, *more):
        """(output, hidden) of `input` from the initial state `hx`; see the class."""
        name, weight = type(self).__name__, self._weight()
        if more:
            checks.refuse_more(name, more, self.states)
        packed = isinstance(input, PackedSequence)
        if packed:
            x, batch_sizes = input
            checks.check_packed(name, x, batch_sizes, self.input_size, weight)
        else:
            x, batch_sizes = input, None
            checks.check_input(name, x, self.input_size, self.batch_first, weight)
            if self.batch_first:
                x = transpose(x, 0, 1)
        if hx is not None:
            batch = batch_sizes[0] if packed else array_of(x).shape[1]
            given = checks.check_states(name, hx, self.states)
            hx = tuple([
                checks.check_layer_state(
                    name, argument, h, self.num_layers, self._directions(), batch, self.hidden_size, weight
                )
                for argument, h in zip(checks.state_names(self.states), given)
            ])  # fmt: skip
            hx = hx if self.states > 1 else hx[0]
        output, hidden = self._run(x, hx, batch_sizes)
        if packed:
            output = PackedSequence(output, batch_sizes)
        elif self.batch_first:
            output = transpose(output, 0, 1)
        return output, hidden

    def _between(self):
        """Dropout between layers, or None where it would do nothing."""
        if not self.dropout or not self.training or self.num_layers == 1:
            return None
        return lambda x: functional.dropout(x, float(self.dropout), True)

    def __repr__(self):
        options = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0, "bidirectional": False}
        changed = [f", {o}={getattr(self, o)}" for o, usual in options.items() if getattr(self, o, usual) != usual]
        return f"{type(self).__name__}({self.input_size}, {self.hidden_size}{''.join(changed)})"


class RNNBase(_Layers):
    """RNNBase(mode, input_size, hidden_size, ...): base of RNN, LSTM and GRU; mode is RNN_TANH, RNN_RELU, LSTM or
    GRU."""

    def __init__(self, mode, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
                 bidirectional=False):  # fmt: skip
        name = type(self).__name__
        if mode not in CELLS:
            raise ValueError(f"{name}: mode must be one of {', '.join(CELLS)}, got {mode!r}")
        hint = ": bias is the fourth, batch_first the fifth and dropout the sixth; write dropout=... for dropout"
        bias = checks.check_bias(name, bias, hint)
        super().__init__(input_size, hidden_size, num_layers, batch_first, dropout, bidirectional)
        self.mode, self.bias = mode, bias
        self._all_weights = []
        for sizes in self._sizes():
            for weight, (_, size) in sizes.items():
                self.register_parameter(weight, empty(*size))
            self._all_weights.append(list(sizes))
        self.reset_parameters()

    def _sizes(self):
        """For each layer and direction {name: (size in symbols, size)}."""
        for layer in range(self.num_layers):
            width, symbol = self.input_size, "input_size"
            if layer:
                width, symbol = self.hidden_size * self._directions(), "hidden_size * num_directions"
            sizes = checks.weight_sizes(GATES[self.mode], width, self.hidden_size, self.bias, symbol)
            for suffix in ("", "_reverse")[: self._directions()]:
                yield {f"{kind}_l{layer}{suffix}": size for kind, size in sizes.items()}

    def reset_parameters(self):
        """Draw all parameters anew: uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)), in the order of
        registration."""
        _initialise(self)

    def flatten_parameters(self):
        """Does nothing: it arranged the memory of the weights for cuDNN, which is not used here."""

    @property
    def all_weights(self):
        """For each layer and direction the list [w_ih, w_hh] or [w_ih, w_hh, b_ih, b_hh]."""
        return [_named(self, names) for names in self._all_weights]

    def _weight(self):
        name = self._all_weights[0][0]
        weight = self._parameters.get(name)
        return getattr(self, name) if weight is None else weight

    def _run(self, x, hx, batch_sizes):
        weights = []
        for names in self._all_weights:
            weights += _named(self, names)
            if not self.bias:
                weights += (None, None)
        try:
            return recurrent(self.mode, x, hx, weights, self._directions(), batch_sizes, self._between())
        except (TypeError, ValueError, RuntimeError):
            for sizes in self._sizes():
                checks.check_weights(self, sizes)
            raise


_ARGUMENTS = """
    input_size: features of x_t. hidden_size: features of h_t. num_layers: layers on top of each other. bias: with b_ih
    and b_hh. batch_first: input and output are (batch, seq, features). dropout: probability with which an element of
    every layer's output but the last is dropped while training. bidirectional: a second run in reverse, in each layer.

    Called as layer(input, hx=None). input: (seq, batch, input_size), or a PackedSequence. hx: the initial state,
    {state}, *never* batch-first, layer-major and then by direction; zeros if left out. Returns
    (output, hidden): output, (seq, batch, hidden_size * num_directions), holds h_t of the last layer for every t,
    forward features first (packed if input is); hidden is the state after the last step, laid out as hx; in the reverse
    direction that is the state at t = 0.

    Parameters of layer k: weight_ih_l[k], ({gates}hidden_size, input_size) or, above layer 0,
    ({gates}hidden_size, hidden_size * num_directions); weight_hh_l[k], ({gates}hidden_size, hidden_size); bias_ih_l[k],
    bias_hh_l[k], ({gates}hidden_size); then the same with suffix _reverse. Initially
    uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)).

    Raises RuntimeError for input and states whose kind, type or size does not fit, ValueError and TypeError for
    options. The readable form of the computation is in minigrad/ops/recurrent_reference.py.
"""
_ONE = "(num_layers * num_directions, batch, hidden_size)"
_TWO = "a pair (h_0, c_0) of (num_layers * num_directions, batch, hidden_size) each"


class RNN(RNNBase):
    __doc__ = f"""RNN(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
    bidirectional=False, nonlinearity='tanh'): layers of simple recurrent cells (Elman, 1990).

        h_t = tanh(W_ih x_t + b_ih + W_hh h_[t-1] + b_hh)

    nonlinearity (by keyword only): 'tanh', or 'relu' in its place. {_ARGUMENTS.format(state=_ONE, gates="").lstrip()}
    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> output, hidden = nn.RNN(100, 200)(Variable(torch.randn(6, 5, 100)))
    >>> tuple(output.size()), tuple(hidden.size())
    ((6, 5, 200), (1, 5, 200))
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
                 bidirectional=False, *, nonlinearity="tanh"):  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        mode = "RNN_TANH" if nonlinearity == "tanh" else "RNN_RELU"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)


class LSTM(RNNBase):
    __doc__ = f"""LSTM(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
    bidirectional=False): layers of long short-term memory (Hochreiter and Schmidhuber, 1997).

        i, f, g, o = the four blocks of  W_ih x_t + b_ih + W_hh h_[t-1] + b_hh
        c_t = sigmoid(f) * c_[t-1] + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(c_t)
    {_ARGUMENTS.format(state=_TWO, gates="4 * ")}
    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> output, (h, c) = nn.LSTM(50, 100, num_layers=2)(Variable(torch.randn(10, 3, 50)))
    >>> tuple(output.size()), tuple(h.size()), tuple(c.size())
    ((10, 3, 100), (2, 3, 100), (2, 3, 100))
    """

    states = 2

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
                 bidirectional=False):  # fmt: skip
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)


class GRU(RNNBase):
    __doc__ = f"""GRU(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
    bidirectional=False): layers of gated recurrent units (Cho et al., 2014).

        r = sigmoid(W_ir x_t + b_ir + W_hr h_[t-1] + b_hr)
        z = sigmoid(W_iz x_t + b_iz + W_hz h_[t-1] + b_hz)
        n = tanh(W_in x_t + b_in + r * (W_hn h_[t-1] + b_hn))
        h_t = (1 - z) * n + z * h_[t-1]

    The weights hold the blocks r, z, n in that order.
    {_ARGUMENTS.format(state=_ONE, gates="3 * ")}
    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> output, hidden = nn.GRU(10, 20, bidirectional=True)(Variable(torch.randn(3, 32, 10)))
    >>> tuple(output.size()), tuple(hidden.size())
    ((3, 32, 40), (2, 32, 20))
    """

    def __init__(self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0,
                 bidirectional=False):  # fmt: skip
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)


class RNNFromCell(_Layers):
    """RNNFromCell(cell, input_size, hidden_size, num_layers=1, batch_first=False, dropout=0, bidirectional=False): a
    cell of your own as a full recurrent layer.

    cell: called as cell(input_size, hidden_size) once for each layer and direction; the class of your Module, or a
    function that makes one. The Module computes one step, hidden = module(x_t, hidden), with x_t (batch, input_size)
    and hidden (batch, hidden_size). A cell whose hidden state is a tuple of n such tensors, its output first, says so
    by a class attribute, `states = n`; the state of the layer is then a tuple of n as well.

    The other arguments, input, state and output are those of LSTM and GRU; the cells are the children cell_l[k] and
    cell_l[k]_reverse.

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> class Leaky(nn.Module):
    ...     def __init__(self, input_size, hidden_size):
    ...         super().__init__()
    ...         self.fc = nn.Linear(input_size, hidden_size)
    ...
    ...     def forward(self, x, h):
    ...         return 0.9 * h + 0.1 * self.fc(x).tanh()
    >>> layer = nn.RNNFromCell(Leaky, 4, 3, num_layers=2, bidirectional=True)
    >>> output, hidden = layer(Variable(torch.randn(5, 2, 4)))
    >>> tuple(output.size()), tuple(hidden.size())
    ((5, 2, 6), (4, 2, 3))
    """

    def __init__(self, cell, input_size, hidden_size, num_layers=1, batch_first=False, dropout=0, bidirectional=False):
        super().__init__(input_size, hidden_size, num_layers, batch_first, dropout, bidirectional)
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * self._directions()
            for suffix in ("", "_reverse")[: self._directions()]:
                made = cell(width, hidden_size)
                if not isinstance(made, Module):
                    raise TypeError(
                        f"RNNFromCell: cell must make a Module when called as cell(input_size, hidden_size), got "
                        f"{type(made).__name__}; pass the class of the cell, not a cell"
                    )
                self.add_module(f"cell_l{layer}{suffix}", made)
        self.states = getattr(made, "states", 1)

    def _weight(self):
        return next(self.parameters(), None)

    def _run(self, x, hx, batch_sizes):
        cells = list(self._modules.values())
        if hx is None:
            batch = size_of(x)[1] if batch_sizes is None else batch_sizes[0]
            zeros = zero_state(x, batch, self.hidden_size)
            states = [zeros if self.states == 1 else (zeros,) * self.states] * len(cells)
        else:
            states = split_state(hx, len(cells))
        directions = self._directions()
        layers = [
            [self._through_time(cells[k + d], batch_sizes, d == 1) for d in range(directions)]
            for k in range(0, len(cells), directions)
        ]
        output, states = stacked(layers, x, states, self._between())
        return output, join_states(states)

    def _through_time(self, cell, batch_sizes, reverse):
        def run(x, hidden):
            hidden = each(lambda h: seen_as(h, size_of(h)[1:]), hidden)
            output, hidden = over_time(cell, x, hidden, batch_sizes, reverse)
            # Copied, because the cell may have saved its last state, and whoever gets the final one may change it.
            return output, each(lambda h: reshape(clone(h), (1, *size_of(h))), hidden)

        return run

    def __repr__(self):
        return f"{super().__repr__()[:-1]}, cell={self.cell_l0!r})"


# ---------------------------------------------------------------- cells


class RNNCellBase(Module):
    """A base for cells of one's own: checks of what comes in, for cells with input_size and hidden_size."""

    def check_forward_input(self, input):
        """RuntimeError unless the input's dimension 1 is input_size."""
        self._check_size("input", input, 1, self.input_size)

    def check_forward_hidden(self, input, hx, hidden_label=""):
        """RuntimeError unless the state has the input's batch and is hidden_size wide."""
        self._check_size(f"hidden{hidden_label}", hx, 0, size_of(input)[0])
        self._check_size(f"hidden{hidden_label}", hx, 1, self.hidden_size)

    def _check_size(self, what, x, dim, expected):
        if size_of(x)[dim] != expected:
            raise RuntimeError(
                f"{type(self).__name__}: {what} must be {expected} long in dimension {dim}, got size {size_of(x)}"
            )

    def __repr__(self):
        options = {"bias": True, "nonlinearity": "tanh"}
        changed = [f", {o}={getattr(self, o)}" for o, usual in options.items() if getattr(self, o, usual) != usual]
        return f"{type(self).__name__}({self.input_size}, {self.hidden_size}{''.join(changed)})"


class _Cell(RNNCellBase):
    """What the three cells share: parameters, checks."""

    states = 1

    def __init__(self, gates, input_size, hidden_size, bias):
        super().__init__()
        name = type(self).__name__
        check_sizes(name, input_size=input_size, hidden_size=hidden_size)
        self.bias = checks.check_bias(name, bias, ": input_size, hidden_size, bias")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih = empty(gates * hidden_size, input_size)
        self.weight_hh = empty(gates * hidden_size, hidden_size)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, empty(gates * hidden_size) if self.bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw all parameters anew: uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)), in the order of
        registration."""
        _initialise(self)

    def _step(self, kind, input, hx):
        name = type(self).__name__
        w_ih, w_hh, b_ih, b_hh = _named(self, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
        try:
            checks.check_cell_input(name, input, self.input_size, w_ih)
            batch = array_of(input).shape[0]
            states = tuple([
                checks.check_cell_state(name, argument, h, batch, self.hidden_size, w_ih)
                for argument, h in zip(checks.state_names(self.states), checks.check_states(name, hx, self.states))
            ])  # fmt: skip
            return recurrent_step(kind, input, states if self.states > 1 else states[0], w_ih, w_hh, b_ih, b_hh)
        except (TypeError, ValueError, RuntimeError):
            sizes = checks.weight_sizes(GATES[kind], self.input_size, self.hidden_size, self.bias)
            checks.check_weights(self, sizes)
            raise


class RNNCell(_Cell):
    """RNNCell(input_size, hidden_size, bias=True, nonlinearity='tanh'): one step of a simple recurrent network.

        h' = tanh(W_ih x + b_ih + W_hh h + b_hh)          nonlinearity 'relu': relu in place of tanh

    Called as cell(input, hx): input (batch, input_size), hx (batch, hidden_size), which is required; returns h'.
    Parameters: weight_ih (hidden_size, input_size), weight_hh (hidden_size, hidden_size), bias_ih and bias_hh
    (hidden_size), initially uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)); without bias, both biases are None.

    Raises RuntimeError for an input or state whose kind, type or size does not fit, and, when called, for an unknown
    nonlinearity.

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> cell, h = nn.RNNCell(10, 20), Variable(torch.zeros(3, 20))
    >>> for x in Variable(torch.randn(6, 3, 10)):
    ...     h = cell(x, h)
    >>> tuple(h.size())
    (3, 20)
    """

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh"):
        super().__init__(1, input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx):
        """The new hidden state."""
        kind = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}.get(self.nonlinearity)
        if kind is None:
            raise RuntimeError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {self.nonlinearity!r}")
        return self._step(kind, input, hx)


class LSTMCell(_Cell):
    """LSTMCell(input_size, hidden_size, bias=True): one step of long short-term memory.

        i, f, g, o = the four blocks of  W_ih x + b_ih + W_hh h + b_hh
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    Called as cell(input, (h, c)): input (batch, input_size), h and c (batch, hidden_size), which are required; returns
    (h', c'). Parameters: weight_ih (4 * hidden_size, input_size), weight_hh (4 * hidden_size, hidden_size), bias_ih,
    bias_hh (4 * hidden_size), initially uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)); without bias, both biases
    are None.

    Raises RuntimeError for an input or state whose kind, type or size does not fit.

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> zeros = Variable(torch.zeros(3, 20))
    >>> h, c = nn.LSTMCell(10, 20)(Variable(torch.randn(3, 10)), (zeros, zeros))
    >>> tuple(h.size()), tuple(c.size())
    ((3, 20), (3, 20))
    """

    states = 2

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__(4, input_size, hidden_size, bias)

    def forward(self, input, hx, *more):
        """The new pair (h, c) from the old one, hx; what is given beyond it is refused."""
        if more:
            checks.refuse_more(type(self).__name__, more, 2)
        return self._step("LSTM", input, hx)


class GRUCell(_Cell):
    """GRUCell(input_size, hidden_size, bias=True): one step of a gated recurrent unit.

        r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
        h' = (1 - z) * n + z * h

    Called as cell(input, hx): input (batch, input_size), hx (batch, hidden_size), which is required; returns h'.
    Parameters, with the blocks r, z, n in that order: weight_ih (3 * hidden_size, input_size), weight_hh
    (3 * hidden_size, hidden_size), bias_ih, bias_hh (3 * hidden_size), initially
    uniform(-1/sqrt(hidden_size), 1/sqrt(hidden_size)); without bias, both biases are None.

    Raises RuntimeError for an input or state whose kind, type or size does not fit.

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> h = nn.GRUCell(10, 20)(Variable(torch.randn(3, 10)), Variable(torch.zeros(3, 20)))
    >>> tuple(h.size())
    (3, 20)
    """

    def __init__(self, input_size, hidden_size, bias=True):
        super().__init__(3, input_size, hidden_size, bias)

    def forward(self, input, hx):
        """The new hidden state."""
        return self._step("GRU", input, hx)
