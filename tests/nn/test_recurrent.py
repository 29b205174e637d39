"""Recurrent modules: values, derivatives, options, parameters."""

import copy
import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest

import minigrad as torch
from minigrad import kernels
from minigrad._core import Variable, array_of, tensor_from_array, variable_from_array
from minigrad.autograd import grad
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell, RNNFromCell
from minigrad.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from minigrad.ops.linear import linear
from minigrad.ops.recurrent import CELLS, join_states, layer_reference, split_state
from minigrad.ops.recurrent_reference import rnn_relu_cell, stacked
from minigrad.testing import check_gradients

KINDS = list(CELLS)
LENGTHS = [3, 2, 2, 1]
GRID = list(itertools.product(KINDS, (1, 2), (1, 2), (True, False), (True, False)))


def make(kind, *args, **options):
    """The layer of that kind in double precision."""
    if kind in ("LSTM", "GRU"):
        return {"LSTM": LSTM, "GRU": GRU}[kind](*args, **options).double()
    return RNN(*args, nonlinearity=kind[4:].lower(), **options).double()


def leaf(array, requires_grad=True):
    v = variable_from_array(array)
    v.requires_grad = requires_grad
    return v


def stirred(module, rng):
    """The module with distinct parameters that are not small: biases too."""
    for p in module.parameters():
        array_of(p)[...] = rng.uniform(-0.8, 0.8, array_of(p).shape)
    return module


def sample(module, rng, lengths=None, batch=3, steps=4):
    """(input array, batch_sizes or None, list of initial state arrays), all distinct and not zero."""
    sizes = None
    if lengths is None:
        size = (batch, steps, module.input_size) if module.batch_first else (steps, batch, module.input_size)
    else:
        batch = len(lengths)
        sizes = [sum(n > t for n in lengths) for t in range(lengths[0])]
        size = (sum(lengths), module.input_size)
    runs = module.num_layers * (2 if module.bidirectional else 1)
    states = [rng.uniform(-1, 1, (runs, batch, module.hidden_size)) for _ in range(module.states)]
    return rng.uniform(-1, 1, size), sizes, states


def call(module, x, sizes, states):
    """The module's outputs as a flat list: output, then the states."""
    hx = None if states is None else tuple(states) if module.states > 1 else states[0]
    output, hidden = module(x if sizes is None else PackedSequence(x, sizes), hx)
    assert (sizes is not None) == isinstance(output, PackedSequence)
    if sizes is not None:
        assert output.batch_sizes == sizes
        output = output.data
    return [output, *(hidden if module.states > 1 else (hidden,))]


def readable(module, x, sizes, states, cells=CELLS):
    """What `call` gives, from the readable reference."""
    directions = 2 if module.bidirectional else 1

    def run(names, reverse):
        weights = [getattr(module, n) for n in names] + ([] if module.bias else [None, None])
        return lambda x, hidden: layer_reference(module.mode, x, hidden, *weights, sizes, reverse)

    names = module._all_weights
    layers = [[run(names[k + d], d == 1) for d in range(directions)] for k in range(0, len(names), directions)]
    flip = module.batch_first and sizes is None
    hidden = split_state(tuple(states) if module.states > 1 else states[0], len(names))
    output, last = stacked(layers, x.transpose(0, 1) if flip else x, hidden)
    last = join_states(last)
    return [output.transpose(0, 1) if flip else output, *(last if module.states > 1 else (last,))]


def everything(function, leaves, seed):
    """Values, gradients, and gradients of the gradients along random directions."""
    rng = np.random.default_rng(seed)
    outputs = function()
    upstream = [rng.uniform(-1, 1, array_of(o).shape) for o in outputs]
    first = grad(outputs, leaves, [tensor_from_array(g) for g in upstream])
    outputs, upstream = function(), [leaf(g) for g in upstream]
    recorded = grad(outputs, leaves, upstream, create_graph=True)
    directions = [tensor_from_array(rng.uniform(-1, 1, array_of(g).shape)) for g in recorded]
    second = grad(recorded, leaves + upstream, directions, allow_unused=True)
    return [[None if v is None else array_of(v) for v in vs] for vs in (outputs, first, second)]


# ---------------------------------------------------------------- values and derivatives


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("kind", "layers", "directions", "bias", "packed"), GRID)
def test_layers_equal_the_readable_reference(kind, layers, directions, bias, packed, batch_first, rng):
    module = make(kind, 3, 2, layers, bias, batch_first, bidirectional=directions == 2)
    stirred(module, rng)
    x, sizes, states = sample(module, rng, LENGTHS if packed else None)
    kept = [x.copy(), *(s.copy() for s in states)]
    x, states = leaf(x), [leaf(s) for s in states]
    leaves = [x, *states, *module.parameters()]
    found = everything(lambda: call(module, x, sizes, states), leaves, 3)
    wanted = everything(lambda: readable(module, x, sizes, states), leaves, 3)
    for f, w, bound in zip(found, wanted, (1e-14, 1e-12, 1e-11)):
        for a, b in zip(f, w):
            assert (a is None) == (b is None)
            assert a is None or np.abs(a - b).max() <= bound
    for v, before in zip([x, *states], kept):
        assert np.array_equal(array_of(v), before), "an input was changed"


def clearance(module, x, sizes, states, monkeypatch):
    """How close a relu of the module comes to its kink, where a finite difference would be wrong."""
    closest = [np.inf]

    def recording(x, h, w_ih, w_hh, b_ih=None, b_hh=None):
        a = linear(x, w_ih, b_ih) + linear(h, w_hh, b_hh)
        closest[0] = min(closest[0], np.abs(array_of(a)).min())
        return rnn_relu_cell(x, h, w_ih, w_hh, b_ih, b_hh)

    with monkeypatch.context() as patch:
        patch.setitem(CELLS, "RNN_RELU", recording)
        readable(module, variable_from_array(x), sizes, [variable_from_array(s) for s in states])
    return closest[0]


@pytest.mark.parametrize(("kind", "layers", "directions", "bias", "packed"), GRID)
def test_derivatives_by_finite_differences(kind, layers, directions, bias, packed, rng, monkeypatch):
    """Of every input, state, weight and bias, to second order."""
    module = make(kind, 2, 2, layers, bias, bidirectional=directions == 2)
    for _ in range(200):
        stirred(module, rng)
        x, sizes, states = sample(module, rng, [3, 1] if packed else None, batch=2, steps=3)
        if kind != "RNN_RELU" or clearance(module, x, sizes, states, monkeypatch) > 5e-3:
            break
    else:
        pytest.fail("no sample keeps clear of the kink of relu")
    names = [name for name, _ in module.named_parameters()]
    values = [array_of(p) for p in module.parameters()]

    def function(x, *rest):
        states, weights = rest[: module.states], rest[module.states :]
        twin = copy.copy(module)
        twin.__dict__["_parameters"] = dict(zip(names, weights))
        return tuple(call(twin, x, sizes, states))

    check_gradients(function, [leaf(x), *(leaf(s) for s in states), *(leaf(w) for w in values)], rng=rng, directions=1)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_cells(kind, bias, batch, rng):
    """A cell is one step of its layer, with the same derivatives, to second order by finite differences."""
    if kind in ("LSTM", "GRU"):
        cell = {"LSTM": LSTMCell, "GRU": GRUCell}[kind](3, 2, bias).double()
    else:
        cell = RNNCell(3, 2, bias, kind[4:].lower()).double()
    stirred(cell, rng)
    layer = make(kind, 3, 2, 1, bias)
    for (_, theirs), (_, mine) in zip(layer.named_parameters(), cell.named_parameters()):
        array_of(theirs)[...] = array_of(mine)
    x, states = leaf(rng.uniform(-1, 1, (batch, 3))), [leaf(rng.uniform(-1, 1, (batch, 2))) for _ in range(cell.states)]
    out = cell(x, tuple(states) if cell.states > 1 else states[0])
    out = list(out) if cell.states > 1 else [out]
    wanted = call(layer, x.unsqueeze(0), None, [s.unsqueeze(0) for s in states])[1:]
    for f, w in zip(out, wanted):
        np.testing.assert_allclose(array_of(f), array_of(w)[0], rtol=0, atol=1e-15)

    names = [name for name, _ in cell.named_parameters()]

    def function(x, *rest):
        twin = copy.copy(cell)
        twin.__dict__["_parameters"] = {**dict.fromkeys(cell._parameters), **dict(zip(names, rest[cell.states :]))}
        return twin(x, tuple(rest[: cell.states]) if cell.states > 1 else rest[0])

    check_gradients(function, [x, *states, *(leaf(array_of(p)) for p in cell.parameters())], rng=rng)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_in_a_loop_is_a_layer(kind, rng):
    layer = stirred(make(kind, 3, 2), rng)
    if kind in ("LSTM", "GRU"):
        cell = {"LSTM": LSTMCell, "GRU": GRUCell}[kind](3, 2).double()
    else:
        cell = RNNCell(3, 2, nonlinearity=kind[4:].lower()).double()
    for name, p in cell.named_parameters():
        p.data = getattr(layer, f"{name}_l0").data
    x, _, states = sample(layer, rng)
    x, states = variable_from_array(x), [variable_from_array(s) for s in states]
    output, *_ = call(layer, x, None, states)
    hidden = tuple(s[0] for s in states) if cell.states > 1 else states[0][0]
    for t in range(4):
        hidden = cell(x[t], hidden)
        h = hidden[0] if cell.states > 1 else hidden
        np.testing.assert_allclose(array_of(h), array_of(output)[t], rtol=0, atol=1e-15)


@pytest.mark.parametrize(("kind", "layers", "directions", "bias", "packed"), GRID)
def test_no_state_is_a_state_of_zeros(kind, layers, directions, bias, packed, rng):
    module = stirred(make(kind, 3, 2, layers, bias, bidirectional=directions == 2), rng)
    x, sizes, states = sample(module, rng, LENGTHS if packed else None)
    x = variable_from_array(x)
    zeros = [variable_from_array(np.zeros_like(s)) for s in states]
    for a, b in zip(call(module, x, sizes, None), call(module, x, sizes, zeros)):
        np.testing.assert_array_equal(array_of(a), array_of(b))


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_sample_equals_its_sequence_run_alone(kind, layers, directions, rng):
    module = stirred(make(kind, 3, 2, layers, batch_first=True, bidirectional=directions == 2), rng)
    padded = rng.uniform(-1, 1, (4, 3, 3))
    _, _, states = sample(module, rng, LENGTHS)
    packed = pack_padded_sequence(variable_from_array(padded), LENGTHS, batch_first=True)
    hx = [variable_from_array(s) for s in states]
    output, *last = call(module, packed.data, packed.batch_sizes, hx)
    output, lengths = pad_packed_sequence(PackedSequence(output, packed.batch_sizes), batch_first=True)
    assert lengths == LENGTHS
    for k, n in enumerate(LENGTHS):
        alone = call(
            module,
            variable_from_array(padded[k : k + 1, :n]),
            None,
            [variable_from_array(s[:, k : k + 1].copy()) for s in states],
        )
        np.testing.assert_allclose(array_of(output)[k, :n], array_of(alone[0])[0], rtol=0, atol=1e-14)
        assert not array_of(output)[k, n:].any()
        for mine, theirs in zip(last, alone[1:]):
            np.testing.assert_allclose(array_of(mine)[:, k], array_of(theirs)[:, 0], rtol=0, atol=1e-14)


def test_batch_first_is_a_transposed_view_of_the_same(rng):
    module = stirred(LSTM(3, 2, 2, bidirectional=True).double(), rng)
    x, _, states = sample(module, rng)
    states = [variable_from_array(s) for s in states]
    plain = call(module, variable_from_array(x), None, states)
    module.batch_first = True
    turned = call(module, variable_from_array(x.swapaxes(0, 1).copy()), None, states)
    np.testing.assert_array_equal(array_of(turned[0]), array_of(plain[0]).swapaxes(0, 1))
    for a, b in zip(turned[1:], plain[1:]):
        np.testing.assert_array_equal(array_of(a), array_of(b))


@pytest.mark.parametrize("kind", KINDS)
def test_layout_of_memory_does_not_matter(kind, rng):
    module = stirred(make(kind, 3, 2, 2, bidirectional=True), rng)
    x, _, states = sample(module, rng)
    wanted = call(module, variable_from_array(x), None, [variable_from_array(s) for s in states])

    def odd(a):
        wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan)
        wide[..., ::2] = a
        wide.flags.writeable = False
        return wide[..., ::2]

    for layout in (odd, np.asfortranarray, lambda a: a[::-1].copy()[::-1]):
        found = call(module, variable_from_array(layout(x)), None, [variable_from_array(layout(s)) for s in states])
        for a, b in zip(found, wanted):
            np.testing.assert_array_equal(array_of(a), array_of(b))


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (1, 2, 3, 1), (4, 1, 1, 2)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_sizes_of_one(kind, size, rng):
    steps, batch, features, hidden = size
    module = stirred(make(kind, features, hidden, 2, bidirectional=True), rng)
    x, sizes, states = sample(module, rng, batch=batch, steps=steps)
    x, states = leaf(x), [leaf(s) for s in states]
    leaves = [x, *states, *module.parameters()]
    found = everything(lambda: call(module, x, sizes, states), leaves, 3)
    wanted = everything(lambda: readable(module, x, sizes, states), leaves, 3)
    for f, w in zip(found, wanted):
        for a, b in zip(f, w):
            assert (a is None) == (b is None)
            assert a is None or np.abs(a - b).max() <= 1e-12


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_volatile_input_records_nothing(kind, packed, rng):
    module = stirred(make(kind, 3, 2, 2, bidirectional=True), rng)
    x, sizes, states = sample(module, rng, LENGTHS if packed else None)
    wanted = call(module, variable_from_array(x), sizes, [variable_from_array(s) for s in states])
    for hx in (None, [variable_from_array(s) for s in states]):
        for out in call(module, Variable(tensor_from_array(x), volatile=True), sizes, hx):
            assert out.volatile
            assert out.grad_fn is None
    for a, b in zip(call(module, Variable(tensor_from_array(x), volatile=True), sizes, hx), wanted):
        np.testing.assert_array_equal(array_of(a), array_of(b))


def test_gradient_of_an_input_that_does_not_need_one_is_not_computed(rng, monkeypatch):
    asked = []
    compute = kernels.stack_backward

    def recording(saved, d_output, d_hn, d_cn, needs):
        asked.append(needs)
        return compute(saved, d_output, d_hn, d_cn, needs)

    monkeypatch.setattr(kernels, "stack_backward", recording)
    module = stirred(GRU(3, 2, 2).double(), rng)
    x = variable_from_array(rng.uniform(-1, 1, (4, 2, 3)))
    output, _ = module(x)
    output.backward(tensor_from_array(np.ones((4, 2, 2))))
    assert asked == [(False, False, False, *(True,) * 8)]
    assert x.grad is None
    assert all(p.grad is not None for p in module.parameters())


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_between_layers_while_training(kind, rng):
    module = stirred(make(kind, 3, 50, 2, dropout=0.4, bidirectional=True), rng)
    plain = make(kind, 3, 50, 2, bidirectional=True)
    plain.load_state_dict(module.state_dict())
    x = variable_from_array(rng.uniform(-1, 1, (4, 2, 3)))
    wanted, last = plain(x)
    output, hidden = module.eval()(x)
    np.testing.assert_array_equal(array_of(output), array_of(wanted))
    torch.manual_seed(3)
    dropped, hidden = module.train()(x)
    assert not np.allclose(array_of(dropped), array_of(wanted))
    h, before = (hidden[0], last[0]) if module.states > 1 else (hidden, last)
    np.testing.assert_array_equal(array_of(h)[:2], array_of(before)[:2])  # the first layer saw no dropout
    torch.manual_seed(3)
    np.testing.assert_array_equal(array_of(module(x)[0]), array_of(dropped))
    assert not np.array_equal(array_of(module(x)[0]), array_of(dropped))


def test_dropped_layer_outputs_are_scaled(rng):
    """A second layer that adds up its input shows which features came through, and their factor."""

    class Adds(Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()

        def forward(self, x, h):
            return x

    module = RNNFromCell(Adds, 400, 400, num_layers=2, dropout=0.25)
    x = variable_from_array(rng.uniform(1, 2, (5, 1, 400)))
    output, _ = module(x)
    factor = array_of(output) / array_of(x)
    assert np.all((factor == 0) | (np.abs(factor - 4 / 3) < 1e-12))
    assert 0.2 < np.mean(factor == 0) < 0.3
    assert len({tuple(row) for row in (factor[:, 0] == 0)}) == 5, "each step has a mask of its own"


# ---------------------------------------------------------------- parameters, copies, printing


def test_names_sizes_and_order_of_parameters():
    module = LSTM(5, 3, 2, bidirectional=True)
    wanted = []
    for layer, width in ((0, 5), (1, 6)):
        for suffix in ("", "_reverse"):
            wanted += [
                (f"weight_ih_l{layer}{suffix}", (12, width)),
                (f"weight_hh_l{layer}{suffix}", (12, 3)),
                (f"bias_ih_l{layer}{suffix}", (12,)),
                (f"bias_hh_l{layer}{suffix}", (12,)),
            ]
    assert [(n, tuple(p.size())) for n, p in module.named_parameters()] == wanted
    assert list(module.state_dict()) == [n for n, _ in wanted]
    weights = module.all_weights
    assert [len(w) for w in weights] == [4] * 4
    assert weights[3][0] is module.weight_ih_l1_reverse
    assert [len(w) for w in GRU(5, 3, bias=False).all_weights] == [2]
    assert tuple(GRU(5, 3).weight_ih_l0.size()) == (9, 5)
    assert tuple(RNN(5, 3).weight_hh_l0.size()) == (3, 3)
    assert module.flatten_parameters() is None


def test_cells_without_bias_register_none():
    cell = GRUCell(2, 3, bias=False)
    assert cell.bias_ih is None
    assert cell.bias_hh is None
    assert [n for n, _ in cell.named_parameters()] == ["weight_ih", "weight_hh"]
    assert list(LSTMCell(2, 3)._parameters) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


@pytest.mark.parametrize("seed", [0, 42, 4294967433])
@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("lstm", lambda: LSTM(10, 20, 2, bidirectional=True)),
        ("gru", lambda: GRU(10, 20)),
        ("rnn", lambda: RNN(10, 20, 2)),
    ],
)
def test_same_seed_same_weights_as_pytorch(name, build, seed):
    golden = np.load(Path(__file__).parents[1] / "golden" / "random.npz")[f"{seed}/{name}"]
    torch.manual_seed(seed)
    drawn = np.concatenate([array_of(p).ravel() for p in build().parameters()])
    np.testing.assert_array_equal(drawn, golden)
    assert np.abs(drawn).max() <= np.float32(1 / np.sqrt(20))


def test_default_type_decides_the_type_of_parameters():
    torch.set_default_tensor_type("torch.DoubleTensor")
    try:
        module, cell = LSTM(2, 3), GRUCell(2, 3)
    finally:
        torch.set_default_tensor_type("torch.FloatTensor")
    assert {p.data.type() for m in (module, cell) for p in m.parameters()} == {"minigrad.DoubleTensor"}


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent(twin, rng):
    module = stirred(LSTM(3, 2, 2, bidirectional=True, batch_first=True).double(), rng)
    other = twin(module)
    x = variable_from_array(rng.uniform(-1, 1, (2, 4, 3)))
    np.testing.assert_array_equal(array_of(module(x)[0]), array_of(other(x)[0]))
    assert repr(module) == repr(other)
    array_of(other.weight_hh_l0)[...] = 0
    assert not np.array_equal(array_of(module(x)[0]), array_of(other(x)[0]))
    assert array_of(module.weight_hh_l0).all()


def test_weights_may_be_replaced(rng):
    """Parameter surgery: new data, and a weight that is computed (weight normalisation does that)."""
    module = stirred(GRU(3, 2).double(), rng)
    x = variable_from_array(rng.uniform(-1, 1, (4, 2, 3)))
    wanted = array_of(module(x)[0])
    module.weight_ih_l0.data = tensor_from_array(array_of(module.weight_ih_l0) * 2)
    doubled = array_of(module(x)[0])
    assert not np.allclose(doubled, wanted)
    computed = module.weight_ih_l0 * 0.5
    del module._parameters["weight_ih_l0"]
    module.weight_ih_l0 = computed
    np.testing.assert_allclose(array_of(module(x)[0]), wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: LSTM(10, 20), "LSTM(10, 20)"),
        (lambda: LSTM(10, 20, num_layers=2), "LSTM(10, 20, num_layers=2)"),
        (lambda: GRU(10, 20, 3, False, True, 0.5, True),
         "GRU(10, 20, num_layers=3, bias=False, batch_first=True, dropout=0.5, bidirectional=True)"),
        (lambda: RNN(10, 20, nonlinearity="relu"), "RNN(10, 20)"),
        (lambda: RNNBase("GRU", 1, 2), "RNNBase(1, 2)"),
        (lambda: RNNCell(1, 2), "RNNCell(1, 2)"),
        (lambda: RNNCell(1, 2, False, "relu"), "RNNCell(1, 2, bias=False, nonlinearity=relu)"),
        (lambda: LSTMCell(1, 2), "LSTMCell(1, 2)"),
        (lambda: GRUCell(1, 2, bias=False), "GRUCell(1, 2, bias=False)"),
        (lambda: RNNFromCell(GRUCell, 1, 2, 2), "RNNFromCell(1, 2, num_layers=2, cell=GRUCell(1, 2))"),
    ],
)  # fmt: skip
def test_printing(build, text):
    assert repr(build()) == text


# ---------------------------------------------------------------- cells of one's own


class Leaky(Module):
    """A student's cell: h' = keep * h + (1 - keep) * tanh(W x + U h), keep learned."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = RNNCell(input_size, hidden_size)
        self.keep = Parameter(torch.rand(hidden_size))

    def forward(self, x, h):
        return self.keep * h + (1 - self.keep) * self.inner(x, h)


class Momentum(Module):
    """A student's cell with two states."""

    states = 2

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.inner = GRUCell(input_size, hidden_size)

    def forward(self, x, hidden):
        h, v = hidden
        v = 0.5 * v + self.inner(x, h) - h
        return h + v, v


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", [Leaky, Momentum])
def test_own_cell_as_a_layer(cell, layers, directions, packed, rng):
    """Its derivatives by finite differences, and each packed sample as if it were alone."""
    module = RNNFromCell(cell, 2, 2, layers, bidirectional=directions == 2).double()
    stirred(module, rng)
    x, sizes, states = sample(module, rng, [3, 1] if packed else None, batch=2, steps=3)
    inputs = [leaf(x), *(leaf(s) for s in states)]
    check_gradients(lambda x, *states: tuple(call(module, x, sizes, states)), inputs, rng=rng, directions=1)
    output, *last = call(module, inputs[0], sizes, inputs[1:])
    assert tuple(array_of(last[0]).shape) == (layers * directions, 2, 2)
    if packed:
        first = variable_from_array(x[[0, 2, 3]][:, None])  # the longer sequence, by itself
        alone = call(module, first, None, [variable_from_array(s[:, :1].copy()) for s in states])
        np.testing.assert_allclose(array_of(output)[[0, 2, 3]], array_of(alone[0])[:, 0], rtol=0, atol=1e-14)
        for mine, theirs in zip(last, alone[1:]):
            np.testing.assert_allclose(array_of(mine)[:, :1], array_of(theirs), rtol=0, atol=1e-14)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_known_cell_as_a_layer_is_the_known_layer(kind, bidirectional, rng):
    layer = stirred(make(kind, 3, 2, 2, batch_first=True, bidirectional=bidirectional), rng)
    own = RNNFromCell({"LSTM": LSTMCell, "GRU": GRUCell}[kind], 3, 2, 2, batch_first=True, bidirectional=bidirectional)
    own.double()
    for p, q in zip(own.parameters(), layer.parameters()):
        array_of(p)[...] = array_of(q)
    x, _, states = sample(layer, rng)
    for hx in (None, [variable_from_array(s) for s in states]):
        for a, b in zip(call(own, variable_from_array(x), None, hx), call(layer, variable_from_array(x), None, hx)):
            np.testing.assert_allclose(array_of(a), array_of(b), rtol=0, atol=1e-14)
    assert next(own.named_parameters())[0] == "cell_l0.weight_ih"


@pytest.mark.parametrize("cell", [RNNCell, GRUCell, LSTMCell])
def test_final_state_of_own_cells_can_be_changed(cell, rng):
    """It shares no memory with what the graph keeps."""
    module = stirred(RNNFromCell(cell, 2, 3).double(), rng)
    x = leaf(rng.uniform(-1, 1, (4, 2, 2)))

    def gradients(change):
        output, hidden = module(x)
        if change:
            (hidden[0] if isinstance(hidden, tuple) else hidden).zero_()
        return [array_of(g) for g in grad(output.sum(), [x, *module.parameters()])]

    for wanted, found in zip(gradients(False), gradients(True)):
        assert np.array_equal(wanted, found)


def test_own_cell_trains(rng):
    """All parameters of all cells get gradients, and a step along them lowers the loss."""
    module = RNNFromCell(Leaky, 2, 3, 2).double()
    x, target = variable_from_array(rng.uniform(-1, 1, (5, 2, 2))), variable_from_array(rng.uniform(-1, 1, (5, 2, 3)))

    def loss():
        difference = module(x)[0] - target
        return difference * difference

    before = loss()
    before.backward(tensor_from_array(np.ones((5, 2, 3))))
    assert all(array_of(p.grad).any() for p in module.parameters())
    for p in module.parameters():
        array_of(p)[...] -= 0.01 * array_of(p.grad)
    assert array_of(loss()).sum() < array_of(before).sum()
