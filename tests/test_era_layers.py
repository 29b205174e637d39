"""Layers of one's own, as scripts of 2017 wrote them: what they call on `self`, import from inside `nn`, and put in."""

import io

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable
from minigrad.nn import functional as F
from minigrad.nn._functions.rnn import (
    GRUCell,
    LSTMCell,
    Recurrent,
    RNNReLUCell,
    RNNTanhCell,
    StackedRNN,
    VariableRecurrent,
    variable_recurrent_factory,
)
from minigrad.nn.modules.rnn import RNNCellBase
from minigrad.nn.utils.rnn import pack_padded_sequence
from minigrad.serialization import trusting


def values(*sizes):
    return Variable(torch.randn(*sizes), requires_grad=True)


# ---------------------------------------------------------------- the functions behind layers


def test_a_lookup_by_the_backend():
    table = nn.Embedding(5, 3, padding_idx=2)
    words = Variable(torch.LongTensor([[0, 2], [4, 4]]))
    mask = Variable(torch.ones(5, 1))
    out = table._backend.Embedding.apply(words, table.weight * mask.expand_as(table.weight), 2, None, 2, False, False)
    assert out.data.tolist() == table(words).data.tolist()
    out.sum().backward()
    assert table.weight.grad.data.sum(1).tolist() == [3, 0, 0, 0, 6]
    table.zero_grad()
    table._backend.Embedding.apply(words, table.weight, -1).sum().backward()
    assert table.weight.grad.data.sum(1).tolist() == [3, 0, 3, 0, 6]
    with pytest.raises(AttributeError, match="_backend has no 'Linear' here, only Embedding, GRUCell"):
        table._backend.Linear  # noqa: B018 - it raises


@pytest.mark.parametrize(
    ("cell", "function"),
    [
        (nn.LSTMCell(3, 4), LSTMCell),
        (nn.GRUCell(3, 4), GRUCell),
        (nn.RNNCell(3, 4), RNNTanhCell),
        (nn.RNNCell(3, 4, nonlinearity="relu"), RNNReLUCell),
    ],
)
def test_cells_as_functions(cell, function):
    x, h = values(2, 3), values(2, 4)
    hidden = (h, values(2, 4)) if function is LSTMCell else h
    of_backend = getattr(cell._backend, function.__name__)
    weights = cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh
    expected = cell(x, hidden)
    for got in (function(x, hidden, *weights), of_backend(x, hidden, *weights)):
        for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (got, expected))):
            assert a.data.tolist() == b.data.tolist()


def test_runs_and_stacks_of_a_cell_are_the_layer():
    layer = nn.LSTM(3, 4, 2, bidirectional=True)
    x, hidden = values(5, 2, 3), (values(4, 2, 4), values(4, 2, 4))
    stack = StackedRNN((Recurrent(LSTMCell), Recurrent(LSTMCell, reverse=True)), 2, lstm=True)
    (h, c), out = stack(x, hidden, layer.all_weights)
    expected, (hn, cn) = layer(x, hidden)
    for a, b in ((out, expected), (h, hn), (c, cn)):
        np.testing.assert_allclose(a.data.numpy(), b.data.numpy(), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="weight must have 4 entries, one for each run, got 1"):
        stack(x, hidden, layer.all_weights[:1])


def test_dropout_in_a_stack_stands_between_layers_in_training():
    layer = nn.GRU(3, 4, 2)
    x, hidden = values(5, 2, 3), values(2, 2, 4)
    expected = layer(x, hidden)[0].data.numpy()
    for train in (True, False):
        h, out = StackedRNN((Recurrent(GRUCell),), 2, dropout=0.5, train=train)(x, hidden, layer.all_weights)
        assert h.size() == (2, 2, 4)
        assert np.allclose(out.data.numpy(), expected, rtol=0, atol=1e-6) is not train


@pytest.mark.parametrize("reverse", [False, True])
def test_a_run_over_packed_rows(reverse):
    layer = nn.GRU(3, 4, bidirectional=True)
    packed = pack_padded_sequence(values(4, 2, 3), [4, 2])
    weights = layer.all_weights[int(reverse)]
    run = variable_recurrent_factory(packed.batch_sizes)(GRUCell, reverse)
    last, out = run(packed.data, Variable(torch.zeros(2, 4)), weights)
    outputs, hn = layer(packed)
    expected = outputs.data[:, 4:] if reverse else outputs.data[:, :4]
    np.testing.assert_allclose(out.data.numpy(), expected.data.numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(last.data.numpy(), hn[int(reverse)].data.numpy(), rtol=0, atol=1e-6)
    if not reverse:
        _, same = VariableRecurrent(packed.batch_sizes, GRUCell)(packed.data, Variable(torch.zeros(2, 4)), weights)
        assert same.data.tolist() == out.data.tolist()


def test_the_fused_kernels_of_cuda_can_be_imported_and_say_what_they_were():
    from minigrad.nn._functions.thnn import rnnFusedPointwise as fused

    with pytest.raises(AttributeError, match="LSTMFused ran on CUDA tensors only"):
        fused.LSTMFused  # noqa: B018 - it raises


def test_a_cell_of_ones_own():
    class Cell(RNNCellBase):
        def __init__(self):
            super().__init__()
            self.input_size, self.hidden_size, self.bias = 3, 4, False

        def forward(self, x, hx):
            self.check_forward_input(x)
            self.check_forward_hidden(x, hx[0], "[0]")
            return hx

    cell, x = Cell(), values(2, 3)
    assert str(cell) == "Cell(3, 4, bias=False)"
    cell(x, [values(2, 4)])
    with pytest.raises(RuntimeError, match=r"Cell: input must be 3 long in dimension 1, got size \(2, 4\)"):
        cell(values(2, 4), [values(2, 4)])
    with pytest.raises(RuntimeError, match=r"Cell: hidden\[0\] must be 2 long in dimension 0, got size \(1, 4\)"):
        cell(x, [values(1, 4)])
    with pytest.raises(RuntimeError, match=r"Cell: hidden\[0\] must be 4 long in dimension 1, got size \(2, 3\)"):
        cell(x, [values(2, 3)])


# ---------------------------------------------------------------- weights that are computed in each call


class WeightDrop(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module
        w = module.weight_hh_l0
        del module._parameters["weight_hh_l0"]
        module.register_parameter("raw", nn.Parameter(w.data))

    def forward(self, x):
        self.module.weight_hh_l0 = F.dropout(self.module.raw, 0.5, self.training)
        return self.module(x)[0]


def test_a_dropped_weight_trains_evaluates_trains_and_is_saved_whole():
    net, x = WeightDrop(nn.LSTM(2, 3)), values(4, 1, 2)
    assert net(x).data.tolist() != net(x).data.tolist()
    still = net.eval()(x).data.tolist()
    assert still == net(x).data.tolist()
    net.train()(x).sum().backward()  # what evaluation put in must not stand in the way
    assert net.module.raw.grad is not None
    assert [name for name, _ in net.named_parameters()] == [
        "module.weight_ih_l0",
        "module.bias_ih_l0",
        "module.bias_hh_l0",
        "module.raw",
    ]
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    with trusting():
        assert torch.load(file).eval()(x).data.tolist() == still


def test_outside_of_training_dropout_gives_a_result_not_the_parameter():
    p = nn.Parameter(torch.ones(3))
    for function in (F.dropout, F.alpha_dropout):
        out = function(p, 0.5, False)
        assert type(out) is Variable
        assert out.requires_grad
        assert out.data.numpy() is not None
        assert np.shares_memory(out.data.numpy(), p.data.numpy())


def test_a_buffer_may_have_the_name_of_an_attribute_on_the_same_memory():
    class Memory(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = Variable(torch.zeros(2))
            self.register_buffer("bias", self.bias.data)

    net = Memory()
    net.bias.data.fill_(3)
    assert type(net.bias) is Variable
    assert net.state_dict()["bias"].tolist() == [3, 3]


def test_an_attribute_that_is_none_gives_way():
    net = nn.Module()
    net.weight = net.bias = net.mean = net.inner = None
    net.register_parameter("bias", None)
    net.register_parameter("weight", nn.Parameter(torch.ones(1)))
    net.register_buffer("mean", torch.zeros(1))
    net.add_module("inner", nn.Linear(1, 1))
    assert net.bias is None
    assert sorted(net.state_dict()) == ["inner.bias", "inner.weight", "mean", "weight"]
    assert net.weight.data.tolist() == [1]


# ---------------------------------------------------------------- joining


def test_cat_takes_a_variable_apart():
    h = values(2, 3, 4)
    joined = torch.cat(h[-2:], 1)
    assert joined.data.tolist() == torch.cat([h[0], h[1]], 1).data.tolist()
    joined.sum().backward()
    assert h.grad.data.sum() == 24
    with pytest.raises(TypeError, match="expected a list or tuple of tensors, got FloatTensor"):
        torch.cat(h.data, 1)


# ---------------------------------------------------------------- what an index reads is contiguous


@pytest.mark.parametrize("kind", [lambda t: t, Variable])
def test_what_an_index_reads_can_be_viewed(kind):
    x, i = kind(torch.randn(2, 9, 8)), kind(torch.LongTensor([0, 3, 1]))
    rows = i.view(1, 3, 1).expand(2, 3, 8)
    for read in (x.index_select(1, i), x.index_select(2, i), x[:, i], x[:, [0, 3]], x.gather(1, rows)):
        assert read.is_contiguous()
        assert read.view(-1).size(0) == np.prod(read.size())
