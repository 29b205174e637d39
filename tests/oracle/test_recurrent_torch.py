"""Recurrent layers and cells against today's PyTorch, in double precision with the same weights."""

import itertools

import numpy as np
import pytest

from minigrad._core import array_of, tensor_from_array, variable_from_array
from minigrad.autograd import grad
from minigrad.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from minigrad.nn.utils.rnn import PackedSequence

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

BOUND = 1e-12
LENGTHS = [4, 2, 2, 1]
KINDS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU")
GRID = list(
    itertools.product(KINDS, (1, 2, 3), (1, 2), (True, False), ("plain", "batch_first", "packed"), (True, False))
)


def both(kind, *args, **options):
    """(our layer, PyTorch's) in double precision, with the same distinct weights and biases."""
    if kind in ("LSTM", "GRU"):
        ours, theirs = {"LSTM": LSTM, "GRU": GRU}[kind], getattr(torch.nn, kind)
    else:
        ours, theirs, options = RNN, torch.nn.RNN, {**options, "nonlinearity": kind[4:].lower()}
    return with_equal_weights(ours(*args, **options), theirs(*args, **options))


def with_equal_weights(mine, other):
    mine, other = mine.double(), other.double()
    names = [name for name, _ in mine.named_parameters()]
    assert names == [name for name, _ in other.named_parameters()]
    rng = np.random.default_rng(len(names))
    for (_, p), (_, q) in zip(mine.named_parameters(), other.named_parameters()):
        values = rng.uniform(-0.7, 0.7, tuple(q.shape))
        array_of(p)[...] = values
        q.data.copy_(torch.from_numpy(values))
    return mine, other


def leaves(arrays):
    ours = [variable_from_array(a.copy()) for a in arrays]
    for v in ours:
        v.requires_grad = True
    return ours, [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]


def compare(found, wanted, what):
    assert len(found) == len(wanted)
    for k, (f, w) in enumerate(zip(found, wanted)):
        f, w = array_of(f), w.detach().numpy()
        assert f.shape == w.shape, f"{what} {k}"
        assert np.abs(f - w).max() <= BOUND, f"{what} {k} differs by {np.abs(f - w).max():.2e}"


def compare_all(ours, theirs, our_leaves, their_leaves, rng):
    """Values, gradients, and the gradients of the gradients along random directions."""
    compare(ours, theirs, "value")
    upstream = [rng.uniform(-1, 1, array_of(o).shape) for o in ours]
    found = grad(ours, our_leaves, [tensor_from_array(g) for g in upstream], retain_graph=True)
    their_upstream = [torch.from_numpy(g) for g in upstream]
    compare(found, torch.autograd.grad(theirs, their_leaves, their_upstream, retain_graph=True), "gradient")
    directions = [rng.uniform(-1, 1, array_of(v).shape) for v in our_leaves]
    our_upstream, their_upstream = leaves(upstream)
    found = grad(ours, our_leaves, our_upstream, create_graph=True)
    wanted = torch.autograd.grad(theirs, their_leaves, their_upstream, create_graph=True)
    second = grad(found, our_leaves + our_upstream, [tensor_from_array(d) for d in directions], allow_unused=True)
    directions = [torch.from_numpy(d) for d in directions]
    their_second = torch.autograd.grad(wanted, their_leaves + their_upstream, directions, allow_unused=True)
    for k, (f, w) in enumerate(zip(second, their_second)):
        f = np.zeros(1) if f is None else array_of(f)
        w = np.zeros(1) if w is None else w.numpy()
        difference = np.abs(f - w).max()
        assert difference <= BOUND * max(1, np.abs(w).max()), f"second derivative {k} differs by {difference:.2e}"


@pytest.mark.parametrize(("kind", "layers", "directions", "bias", "layout", "state"), GRID)
def test_layers(kind, layers, directions, bias, layout, state, rng):
    batch_first = layout == "batch_first"
    mine, other = both(kind, 3, 2, num_layers=layers, bias=bias, batch_first=batch_first, bidirectional=directions == 2)
    batch = len(LENGTHS)
    size = (sum(LENGTHS), 3) if layout == "packed" else (batch, 5, 3) if batch_first else (5, batch, 3)
    arrays = [rng.uniform(-1, 1, size)]
    if state:
        arrays += [rng.uniform(-1, 1, (layers * directions, batch, 2)) for _ in range(mine.states)]
    (x, *hx), (their_x, *their_hx) = leaves(arrays)
    our_leaves, their_leaves = [x, *hx, *mine.parameters()], [their_x, *their_hx, *other.parameters()]
    if layout == "packed":
        sizes = [sum(n > t for n in LENGTHS) for t in range(LENGTHS[0])]
        x = PackedSequence(x, sizes)
        their_x = torch.nn.utils.rnn.PackedSequence(their_x, torch.tensor(sizes))
    pair = mine.states == 2
    output, last = mine(x, (tuple(hx) if pair else hx[0]) if state else None)
    their_output, their_last = other(their_x, (tuple(their_hx) if pair else their_hx[0]) if state else None)
    if layout == "packed":
        output, their_output = output.data, their_output.data
    ours, theirs = [output, *(last if pair else [last])], [their_output, *(their_last if pair else [their_last])]
    compare_all(ours, theirs, our_leaves, their_leaves, rng)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_cells(kind, bias, batch, rng):
    if kind in ("LSTM", "GRU"):
        made = {"LSTM": LSTMCell, "GRU": GRUCell}[kind](3, 2, bias), getattr(torch.nn, f"{kind}Cell")(3, 2, bias)
    else:
        made = RNNCell(3, 2, bias, kind[4:].lower()), torch.nn.RNNCell(3, 2, bias, kind[4:].lower())
    mine, other = with_equal_weights(*made)
    pair = mine.states == 2
    (x, *hx), (their_x, *their_hx) = leaves([rng.uniform(-1, 1, (batch, n)) for n in (3, 2, 2)[: 1 + mine.states]])
    out, their_out = mine(x, tuple(hx) if pair else hx[0]), other(their_x, tuple(their_hx) if pair else their_hx[0])
    ours, theirs = list(out) if pair else [out], list(their_out) if pair else [their_out]
    compare_all(ours, theirs, [x, *hx, *mine.parameters()], [their_x, *their_hx, *other.parameters()], rng)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_module_in_single_precision(kind, rng):
    """Seeded alike, the two start from bit-equal weights, and their outputs agree to single precision."""
    import minigrad

    options = {"nonlinearity": kind[4:].lower()} if kind.startswith("RNN") else {}
    ours, theirs = (RNN, torch.nn.RNN) if options else ({"LSTM": LSTM, "GRU": GRU}[kind], getattr(torch.nn, kind))
    minigrad.manual_seed(11)
    mine = ours(50, 100, 2, bidirectional=True, **options)
    torch.manual_seed(11)
    other = theirs(50, 100, 2, bidirectional=True, **options)
    for p, q in zip(mine.parameters(), other.parameters()):
        assert np.array_equal(array_of(p), q.detach().numpy())
    x = rng.standard_normal((10, 3, 50)).astype(np.float32)
    output, _ = mine(variable_from_array(x))
    wanted, _ = other(torch.from_numpy(x))
    assert np.abs(array_of(output) - wanted.detach().numpy()).max() <= 2e-6
