"""What the recurrent modules refuse, and the three mismatches that run with a warning: each by its words."""

import re
import warnings

import numpy as np
import pytest

import minigrad as torch
from minigrad._core import array_of
from minigrad.autograd import Variable
from minigrad.nn.module import Module
from minigrad.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell, RNNFromCell
from minigrad.nn.utils.rnn import PackedSequence


def V(*size):
    return Variable(torch.randn(*size))


def said(error, text, function, *args):
    with pytest.raises(error) as caught:
        function(*args)
    assert text in str(caught.value), str(caught.value)


# ---------------------------------------------------------------- input of layers


@pytest.mark.parametrize(
    ("layer", "x", "text"),
    [
        (RNN(100, 200), lambda: V(5, 100),
         "RNN: input must have 3 dimensions (seq, batch, input_size=100), got (5, 100)"),
        (RNN(100, 200), lambda: V(5, 100), "input.unsqueeze(1)"),
        (RNN(100, 200, batch_first=True), lambda: V(5, 100),
         "RNN: input must have 3 dimensions (batch, seq, input_size=100), got (5, 100)"),
        (RNN(100, 200, batch_first=True), lambda: V(5, 100), "input.unsqueeze(0)"),
        (LSTM(4, 3), lambda: V(7), "LSTM: input must have 3 dimensions (seq, batch, input_size=4), got (7,)"),
        (LSTM(4, 3), lambda: V(2, 2, 2, 4), "got (2, 2, 2, 4)"),
        (GRU(4, 3), lambda: V(6, 5, 7),
         "GRU: the last dimension of input must be input_size=4, got 7: expected (seq, batch, input_size=4), got (6, "
         "5, 7)"),
        (GRU(4, 3, batch_first=True), lambda: V(6, 5, 7), "expected (batch, seq, input_size=4), got (6, 5, 7)"),
        (LSTM(4, 3), lambda: torch.randn(6, 5, 4),
         "LSTM: input must be a Variable or a PackedSequence, got minigrad.FloatTensor, a Tensor; wrap it: "
         "Variable(input)"),
        (LSTM(4, 3), lambda: np.zeros((6, 5, 4), np.float32),
         "got ndarray; wrap it: Variable(minigrad.from_numpy(input))"),
        (LSTM(4, 3), lambda: None, "LSTM: input must be a Variable or a PackedSequence, got NoneType"),
        (LSTM(4, 3), lambda: [V(5, 4)], "got a list of 1"),
        (LSTM(4, 3), lambda: Variable(torch.randn(6, 5, 4).double()),
         "LSTM: input must have the type of the weights, minigrad.FloatTensor, got minigrad.DoubleTensor; convert it "
         "with "
         ".float(), or the module with .double()"),
        (LSTM(4, 3).double(), lambda: V(6, 5, 4),
         "type of the weights, minigrad.DoubleTensor, got minigrad.FloatTensor; convert it with .double(), or the "
         "module with "
         ".float()"),
        (LSTM(4, 3), lambda: Variable(torch.randn(6, 5, 4).long()),
         "got minigrad.LongTensor; convert it with .float()"),
        (LSTM(4, 3).half(), lambda: Variable(torch.randn(6, 5, 4).half()), "only Float and Double tensors"),
        (RNNFromCell(GRUCell, 4, 3), lambda: V(5, 4), "RNNFromCell: input must have 3 dimensions"),
    ],
)  # fmt: skip
def test_input(layer, x, text):
    said(RuntimeError, text, layer, x())


@pytest.mark.parametrize(
    ("data", "sizes", "text"),
    [
        (lambda: V(3, 2, 4), [3, 2, 1],
         "GRU: the data of a PackedSequence must have 2 dimensions (sum of lengths, input_size=4), got (3, 2, 4)"),
        (lambda: V(6, 5), [3, 2, 1], "the last dimension of the data of a PackedSequence must be input_size=4, got 5"),
        (lambda: V(6, 4), [3, 2], "GRU: the batch_sizes of a PackedSequence must add up to its 6 rows, got 5"),
        (lambda: V(6, 4), [2, 3, 1], "must be positive and never increase, got [2, 3, 1]"),
        (lambda: V(6, 4), [4, 2, 0], "must be positive and never increase, got [4, 2, 0]"),
        (lambda: torch.randn(6, 4), [3, 2, 1],
         "the data of a PackedSequence must be a Variable, got minigrad.FloatTensor"),
        (lambda: Variable(torch.randn(6, 4).double()), [3, 2, 1], "got minigrad.DoubleTensor"),
    ],
)  # fmt: skip
def test_packed_input(data, sizes, text):
    said(RuntimeError, text, GRU(4, 3), PackedSequence(data(), sizes))


# ---------------------------------------------------------------- states of layers

SYMBOLS = "(num_layers * num_directions, batch, hidden_size)"


@pytest.mark.parametrize(
    ("layer", "hx", "text"),
    [
        (GRU(4, 3), lambda: V(1, 5, 7),
         f"GRU: the last dimension of hx must be hidden_size=3: expected {SYMBOLS} = (1, 5, 3), got (1, 5, 7)"),
        (GRU(4, 3), lambda: V(5, 3), f"GRU: hx must have 3 dimensions {SYMBOLS} = (1, 5, 3), got (5, 3)"),
        (GRU(4, 3, 2, batch_first=True), lambda: V(5, 2, 3),
         f"GRU: hx has batch and layers swapped: expected {SYMBOLS} = (2, 5, 3), got (5, 2, 3). Hidden states are "
         "never "
         "batch-first, whatever batch_first is; use hx.transpose(0, 1)"),
        (GRU(4, 3, batch_first=True), lambda: V(5, 1, 3), "batch and layers swapped"),
        (GRU(4, 3, 2, bidirectional=True), lambda: V(2, 5, 3),
         f"GRU: hx must have a slice for each of 2 layers times 2 directions: expected {SYMBOLS} = (4, 5, 3), got (2, "
         "5, 3)"),
        (GRU(4, 3), lambda: V(1, 4, 3),
         f"GRU: hx must have the batch of the input, 5: expected {SYMBOLS} = (1, 5, 3), got (1, 4, 3)"),
        (GRU(4, 3), lambda: (V(1, 5, 3), V(1, 5, 3)),
         "GRU: hx must be one Variable, the hidden state, got a tuple of 2; only an LSTM has a pair"),
        (GRU(4, 3), lambda: torch.randn(1, 5, 3), "GRU: hx must be a Variable, got minigrad.FloatTensor, a Tensor"),
        (GRU(4, 3), lambda: Variable(torch.randn(1, 5, 3).double()),
         "GRU: hx must have the type of the weights, minigrad.FloatTensor, got minigrad.DoubleTensor"),
        (LSTM(4, 3), lambda: V(1, 5, 3),
         "LSTM: hx must be a pair (h_0, c_0), got one Variable of size (1, 5, 3); an LSTM has a cell state"),
        (LSTM(4, 3), lambda: (V(1, 5, 3),), "LSTM: hx must be a pair (h_0, c_0), got a tuple of 1"),
        (LSTM(4, 3), lambda: 0, "LSTM: hx must be a pair (h_0, c_0), got one int"),
        (LSTM(4, 3), lambda: (V(1, 5, 3), V(1, 5, 2)), "LSTM: the last dimension of c_0 must be hidden_size=3"),
        (LSTM(4, 3), lambda: (V(1, 2, 3), V(1, 5, 3)), "LSTM: h_0 must have the batch of the input, 5"),
        (LSTM(4, 3, 2), lambda: (V(2, 5, 3), V(5, 2, 3)), "LSTM: c_0 has batch and layers swapped"),
        (LSTM(4, 3), lambda: (V(1, 5, 3), None), "LSTM: c_0 must be a Variable, got NoneType"),
    ],
)  # fmt: skip
def test_state(layer, hx, text):
    x = V(5, 6, 4) if layer.batch_first else V(6, 5, 4)
    said(RuntimeError, text, layer, x, hx())


def test_packed_with_a_state_of_another_batch():
    packed = PackedSequence(V(6, 4), [3, 2, 1])
    said(RuntimeError, "must have the batch of the input, 3", GRU(4, 3), packed, V(1, 2, 3))


def test_state_of_an_own_cell_with_three_tensors():
    class Three(Module):
        states = 3

        def __init__(self, input_size, hidden_size):
            super().__init__()

        def forward(self, x, hidden):
            return hidden

    layer = RNNFromCell(Three, 4, 3)
    said(RuntimeError, "hx must be a tuple of 3 Variables, got one Variable", layer, V(6, 5, 4), V(1, 5, 3))
    said(
        RuntimeError, "hx[1] must have the batch of the input", layer, V(6, 5, 4), (V(1, 5, 3), V(1, 2, 3), V(1, 5, 3))
    )


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("cell", "x", "hx", "text"),
    [
        (RNNCell(4, 3), lambda: V(6, 5, 4), lambda: V(5, 3),
         "RNNCell: input must have 2 dimensions (batch, input_size=4), got (6, 5, 4); a cell takes one step"),
        (RNNCell(4, 3), lambda: V(4), lambda: V(1, 3), "(batch, input_size=4), got (4,)"),
        (GRUCell(4, 3), lambda: V(5, 3), lambda: V(5, 3),
         "GRUCell: the last dimension of input must be input_size=4, got 3: expected (batch, input_size=4), got (5, "
         "3)"),
        (GRUCell(4, 3), lambda: V(5, 4), lambda: V(5, 4),
         "GRUCell: the last dimension of hx must be hidden_size=3: expected (batch, hidden_size) = (5, 3), got (5, 4)"),
        (GRUCell(4, 3), lambda: V(5, 4), lambda: V(1, 5, 3), "got (1, 5, 3); a cell has no layers: take one, hx[0]"),
        (GRUCell(4, 3), lambda: V(5, 4), lambda: V(4, 3), "GRUCell: hx must have the batch of the input, 5"),
        (GRUCell(4, 3), lambda: V(5, 4), lambda: (V(5, 3), V(5, 3)), "GRUCell: hx must be one Variable"),
        (GRUCell(4, 3), lambda: V(5, 4), lambda: None, "GRUCell: hx must be a Variable, got NoneType"),
        (LSTMCell(4, 3), lambda: V(5, 4), lambda: V(5, 3),
         "LSTMCell: hx must be a pair (h_0, c_0), got one Variable of size (5, 3)"),
        (LSTMCell(4, 3), lambda: V(5, 4), lambda: (V(5, 3), V(2, 3)),
         "LSTMCell: c_0 must have the batch of the input, 5"),
        (LSTMCell(4, 3), lambda: torch.randn(5, 4), lambda: (V(5, 3), V(5, 3)),
         "LSTMCell: input must be a Variable, got"),
        (LSTMCell(4, 3), lambda: V(5, 4), lambda: (V(5, 3), Variable(torch.randn(5, 3).double())),
         "LSTMCell: c_0 must have the type of the weights"),
        (RNNCell(4, 3, nonlinearity="sigmoid"), lambda: V(5, 4), lambda: V(5, 3),
         "RNNCell: nonlinearity must be 'tanh' or 'relu', got 'sigmoid'"),
    ],
)  # fmt: skip
def test_cell(cell, x, hx, text):
    said(RuntimeError, text, cell, x(), hx())


@pytest.mark.parametrize("cell", [RNNCell, LSTMCell, GRUCell])
def test_cell_needs_a_state(cell):
    said(TypeError, "hx", cell(4, 3), V(5, 4))


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda: RNN(4, 3, nonlinearity="elu"), ValueError, "RNN: nonlinearity must be 'tanh' or 'relu', got 'elu'"),
        (lambda: RNNBase("MGU", 4, 3), ValueError, "mode must be one of RNN_TANH, RNN_RELU, LSTM, GRU, got 'MGU'"),
        (lambda: LSTM(0, 3), ValueError, "LSTM: input_size must be at least 1, got 0"),
        (lambda: LSTM(4, -3), ValueError, "LSTM: hidden_size must be at least 1, got -3"),
        (lambda: LSTM(4, 3, 0), ValueError, "LSTM: num_layers must be at least 1, got 0"),
        (lambda: LSTM(4, 3.0), TypeError, "LSTM: hidden_size must be an int, got 3.0 (float)"),
        (lambda: LSTM(4, 3, True), TypeError, "LSTM: num_layers must be an int, got True (bool)"),
        (lambda: GRU(4, 3, 2, dropout=1.5), ValueError, "GRU: dropout must be a probability from 0 to 1, got 1.5"),
        (lambda: GRU(4, 3, 2, dropout="0.5"), ValueError, "GRU: dropout must be a probability from 0 to 1, got '0.5'"),
        (lambda: GRU(4, 3, 2, dropout=True), ValueError, "GRU: dropout must be a probability from 0 to 1, got True"),
        (lambda: GRU(4, 3, bias=None), TypeError, "GRU: bias must be True or False, got None (NoneType)"),
        (lambda: GRUCell(4, "3"), TypeError, "GRUCell: hidden_size must be an int, got '3' (str)"),
        (lambda: LSTMCell(4, 3, "no"), TypeError, "LSTMCell: bias must be True or False"),
        (lambda: RNNFromCell(lambda i, h: None, 4, 3), TypeError,
         "RNNFromCell: cell must make a Module when called as cell(input_size, hidden_size), got NoneType"),
    ],
)  # fmt: skip
def test_options(build, error, text):
    said(error, text, build)


def test_nonlinearity_is_by_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        RNN(4, 3, 1, True, False, 0, False, "relu")


# ---------------------------------------------------------------- what runs with a warning


def warned(text, function, *args):
    """The result of the call, which must give one warning, with that text, at the line of the call in this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*args)
    assert [w.category for w in caught] == [UserWarning] * len(caught)
    assert len(caught) == 1, [str(w.message) for w in caught]
    assert text in str(caught[0].message), str(caught[0].message)
    assert caught[0].filename == __file__
    return result


def same(found, wanted):
    np.testing.assert_array_equal(array_of(found), array_of(wanted))


@pytest.mark.parametrize("batch_first", [False, True])
def test_state_of_batch_1_spreads_over_the_batch(batch_first):
    layer = GRU(4, 3, 2, batch_first=batch_first)
    x, h = V(6, 5, 4), Variable(torch.randn(2, 1, 3), requires_grad=True)
    batch = 6 if batch_first else 5
    output, last = warned(
        f"GRU: hx has batch 1, but the input has batch {batch}: expected {SYMBOLS} = (2, {batch}, 3), got (2, 1, 3). "
        "The one "
        f"state is used for all {batch} sequences",
        layer, x, h,
    )  # fmt: skip
    wide = Variable(h.data.expand(2, batch, 3).contiguous(), requires_grad=True)
    wanted, last_wanted = layer(x, wide)
    same(output, wanted)
    same(last, last_wanted)
    ones = torch.ones(*output.size())
    output.backward(ones)
    wanted.backward(ones)
    np.testing.assert_allclose(array_of(h.grad)[:, 0], array_of(wide.grad).sum(1), rtol=1e-5, atol=1e-6)


def test_both_states_of_an_lstm_spread():
    layer, x, h, c = LSTM(4, 3), V(6, 5, 4), V(1, 1, 3), V(1, 5, 3)
    output, _ = warned("LSTM: h_0 has batch 1", layer, x, (h, c))
    same(output, layer(x, (h.expand(1, 5, 3), c))[0])


def test_state_of_batch_1_spreads_over_a_packed_batch():
    layer, packed, h = GRU(4, 3), PackedSequence(V(6, 4), [3, 2, 1]), V(1, 1, 3)
    output, _ = warned("hx has batch 1, but the input has batch 3", layer, packed, h)
    same(output.data, layer(packed, h.expand(1, 3, 3))[0].data)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_surplus_layers_of_a_state_are_ignored(bidirectional):
    layer, x = GRU(4, 3, 2, bidirectional=bidirectional), V(6, 5, 4)
    runs = 4 if bidirectional else 2
    h = V(runs + 2, 5, 3)
    output, last = warned(
        f"GRU: hx has {runs + 2} slices, but there are 2 layers times {runs // 2} directions: expected {SYMBOLS} = "
        f"({runs}, 5, 3), got ({runs + 2}, 5, 3). The first {runs} are used, the others ignored",
        layer, x, h,
    )  # fmt: skip
    assert tuple(last.size()) == (runs, 5, 3)
    same(output, layer(x, h[:runs])[0])


def test_surplus_layers_and_batch_1_together_warn_twice():
    layer, x, h = GRU(4, 3), V(6, 5, 4), V(3, 1, 3)
    with pytest.warns(UserWarning, match="batch 1|slices") as caught:
        output, _ = layer(x, h)
    assert len(caught) == 2
    same(output, layer(x, h[:1].expand(1, 5, 3))[0])


@pytest.mark.parametrize(("number", "meaning"), [(0.5, True), (0, False), (1, True), (0.0, False)])
def test_number_for_bias(number, meaning):
    for build in (GRU, LSTM, RNN):
        layer = warned(
            f"{build.__name__}: bias must be True or False, got {number!r}, which counts as bias={meaning}. Arguments "
            "without "
            "a name are taken in order: bias is the fourth, batch_first the fifth and dropout the sixth; write "
            "dropout=...",
            build, 4, 3, 2, number,
        )  # fmt: skip
        assert layer.bias is meaning
        assert len(layer.all_weights[0]) == (4 if meaning else 2)
    cell = warned(f"GRUCell: bias must be True or False, got {number!r}", GRUCell, 4, 3, number)
    assert (cell.bias_ih is not None) is meaning


def test_dropout_with_one_layer_warns_once():
    layer = warned("LSTM: dropout=0.5 has no effect with num_layers=1", lambda: LSTM(4, 3, dropout=0.5))
    x = V(6, 5, 4)
    same(layer(x)[0], layer(x)[0])


@pytest.mark.parametrize("cell", [RNNCell, LSTMCell, GRUCell])
def test_state_of_batch_1_spreads_in_a_cell(cell):
    step, x, h, wide = cell(4, 3), V(5, 4), V(1, 3), V(5, 3)
    name = "h_0" if cell is LSTMCell else "hx"
    found = warned(
        f"{cell.__name__}: {name} has batch 1, but the input has batch 5: expected (batch, hidden_size) = (5, 3), got "
        "(1, 3)",
        step, x, (h, wide) if cell is LSTMCell else h,
    )  # fmt: skip
    wanted = step(x, (h.expand(5, 3), wide) if cell is LSTMCell else h.expand(5, 3))
    if cell is LSTMCell:
        found, wanted = found[0], wanted[0]
    same(found, wanted)


def test_what_fits_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GRU(4, 3, 2, True, True, 0.5, True)(V(2, 6, 4), V(4, 2, 3))
        LSTM(4, 3)(V(6, 1, 4), (V(1, 1, 3), V(1, 1, 3)))
        LSTMCell(4, 3)(V(1, 4), (V(1, 3), V(1, 3)))


def test_messages_follow_the_name_under_which_the_package_is_used(monkeypatch):
    from minigrad import _core

    monkeypatch.setattr(_core, "package", "torch")
    with pytest.raises(RuntimeError, match=re.escape("weights, torch.FloatTensor, got torch.DoubleTensor")):
        GRU(4, 3)(Variable(torch.randn(6, 5, 4).double()))


# ---------------------------------------------------------------- weights that were replaced


@pytest.mark.parametrize("kind", [LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell])
def test_weights_that_were_replaced_are_named(kind):
    name = kind.__name__

    def refused(weight, change, words):
        layer = kind(3, 4)
        change(layer, f"{weight}{suffix}")
        with pytest.raises(RuntimeError) as caught:
            layer(*args)
        assert str(caught.value).startswith(f"{name}: {weight}{suffix} must {words}"), str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    def resize(layer, weight):
        getattr(layer, weight).data = torch.randn(4, 2)

    def remove(layer, weight):
        setattr(layer, weight, None)

    cell = name.endswith("Cell")
    suffix, gates = "" if cell else "_l0", {"L": 4, "G": 3, "R": 1}[name[0]]
    many = f"{gates} * hidden_size" if gates > 1 else "hidden_size"
    h = Variable(torch.zeros(2, 4))
    args = [V(2, 3), (h, h) if name == "LSTMCell" else h] if cell else [V(5, 2, 3)]
    refused("weight_ih", resize, f"have size ({many}, input_size) = ({gates * 4}, 3), got (4, 2)")
    refused("weight_hh", resize, f"have size ({many}, hidden_size) = ({gates * 4}, 4), got (4, 2)")
    refused("bias_ih", resize, f"have size ({many},) = ({gates * 4},), got (4, 2)")
    refused("weight_ih", remove, "be a Variable of size")
    refused("weight_hh", remove, "be a Variable of size")
    layer = kind(3, 4)
    getattr(layer, f"weight_hh{suffix}").data = getattr(layer, f"weight_hh{suffix}").data.double()
    with pytest.raises(RuntimeError, match=f"{name}: the weights must have one type, got .*Float.* weight_hh{suffix}"):
        layer(*args)


def test_weights_above_the_first_layer_are_named():
    layer = GRU(3, 4, 2, bidirectional=True)
    layer.weight_ih_l1_reverse.data = torch.randn(12, 4)
    wanted = "(3 * hidden_size, hidden_size * num_directions) = (12, 8), got (12, 4)"
    with pytest.raises(RuntimeError, match=re.escape(f"GRU: weight_ih_l1_reverse must have size {wanted}")):
        layer(V(5, 2, 3))
