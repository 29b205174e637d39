"""Modules, losses, recurrent layers and optimisers on a GPU: the same numbers as on the CPU."""

import copy
import warnings

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn, optim
from minigrad._core import Variable, array_of
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.utils import clip_grad_norm
from minigrad.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from minigrad.ops import arrays, devices

L = torch.LongTensor


def numbers(*size, low=-1.0, high=1.0, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).uniform(low, high, size))


X, Y = numbers(4, 3), numbers(4, 3, seed=1)
CHANCES, SIGNS = numbers(4, 3, low=0.1, high=0.9, seed=2), torch.DoubleTensor([[1, -1, 1], [-1, 1, 1]] * 2)
CLASSES = L([0, 2, 1, 1])
MODULES = {
    **{name: (getattr(nn, name)(), (X,)) for name in
       "ReLU ReLU6 RReLU Hardtanh Sigmoid Tanh ELU SELU Hardshrink LeakyReLU LogSigmoid Softplus Softshrink Softsign "
       "Tanhshrink Dropout AlphaDropout".split()},
    "Threshold": (nn.Threshold(0.1, 0.5), (X,)), "GLU": (nn.GLU(0), (X,)), "PReLU": (nn.PReLU(3), (X,)),
    "Softmax": (nn.Softmax(1), (X,)), "LogSoftmax": (nn.LogSoftmax(1), (X,)), "Softmin": (nn.Softmin(1), (X,)),
    "Softmax2d": (nn.Softmax2d(), (numbers(2, 3, 2, 2),)), "Dropout2d": (nn.Dropout2d(), (numbers(2, 3, 2, 2),)),
    "Dropout3d": (nn.Dropout3d(), (numbers(2, 3, 2, 2, 1),)),
    "Linear": (nn.Linear(3, 5), (X,)), "Bilinear": (nn.Bilinear(3, 3, 2), (X, Y)),
    "BatchNorm1d": (nn.BatchNorm1d(3), (X,)), "Embedding": (nn.Embedding(5, 3, padding_idx=1), (L([[0, 1], [4, 0]]),)),
    "Embedding, max_norm": (nn.Embedding(5, 3, max_norm=0.5), (L([[0, 1], [4, 0]]),)),
    "Embedding, by frequency": (nn.Embedding(5, 3, scale_grad_by_freq=True), (L([[0, 1], [4, 0]]),)),
    "EmbeddingBag": (nn.EmbeddingBag(5, 3), (L([0, 1, 4, 0]), L([0, 2, 2]))),
    "PairwiseDistance": (nn.PairwiseDistance(), (X, Y)), "CosineSimilarity": (nn.CosineSimilarity(), (X, Y)),
    "L1Loss": (nn.L1Loss(), (X, Y)), "MSELoss": (nn.MSELoss(), (X, Y)), "SmoothL1Loss": (nn.SmoothL1Loss(), (X, Y)),
    "KLDivLoss": (nn.KLDivLoss(), (X, CHANCES)), "NLLLoss": (nn.NLLLoss(numbers(3, low=0.5)), (X, CLASSES)),
    "CrossEntropyLoss": (nn.CrossEntropyLoss(numbers(3, low=0.5), ignore_index=2), (X, CLASSES)),
    "PoissonNLLLoss": (nn.PoissonNLLLoss(full=True), (X, numbers(4, 3, low=1.1, high=3))),
    "BCELoss": (nn.BCELoss(numbers(3, low=0.5)), (CHANCES, numbers(4, 3, low=0, seed=4))),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(), (X, CHANCES)), "SoftMarginLoss": (nn.SoftMarginLoss(), (X, SIGNS)),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss(), (X, SIGNS)),
    "MarginRankingLoss": (nn.MarginRankingLoss(0.1), (X, Y, SIGNS)),
    "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss(), (X, Y, torch.DoubleTensor([1, -1, 1, -1]))),
    "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss(), (X, L([[0, 2, -1], [1, -1, 0], [2, 1, 0], [-1, 0, 0]]))),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss(), (X, CHANCES)),
    "MultiMarginLoss": (nn.MultiMarginLoss(p=2, weight=numbers(3, low=0.5)), (X, CLASSES)),
    "TripletMarginLoss": (nn.TripletMarginLoss(swap=True), (X, Y, numbers(4, 3, seed=5))),
    "RNNCell": (nn.RNNCell(3, 2), (X, numbers(4, 2))), "GRUCell": (nn.GRUCell(3, 2), (X, numbers(4, 2))),
    "LSTMCell": (nn.LSTMCell(3, 2), (X, (numbers(4, 2), numbers(4, 2, seed=1)))),
    **{f"{kind}{'' if layers == 1 else ', stacked'}": (
        getattr(nn, kind)(3, 2, layers, bidirectional=layers == 2, dropout=0.3 * (layers - 1)), (numbers(5, 4, 3),))
       for kind in ("RNN", "LSTM", "GRU") for layers in (1, 2)},
    "RNN, relu": (nn.RNN(3, 2, nonlinearity="relu"), (numbers(5, 4, 3), numbers(1, 4, 2))),
    "LSTM, states": (nn.LSTM(3, 2, batch_first=True), (numbers(4, 5, 3), (numbers(1, 4, 2), numbers(1, 4, 2, seed=1)))),
}  # fmt: skip


def moved(value, place, constant=False):
    """Inputs as Variables in the given place; of constant ones, no gradient is wanted."""
    if isinstance(value, tuple):
        return tuple(moved(v, place, constant) for v in value)
    v = place(value)
    return Variable(v, requires_grad=array_of(v).dtype.kind == "f" and not constant)


CONSTANT_TARGET = (nn.L1Loss, nn.MSELoss, nn.SmoothL1Loss, nn.PoissonNLLLoss, nn.BCELoss, nn.KLDivLoss,
                   nn.SoftMarginLoss)  # fmt: skip


def flat(values):
    for v in values:
        if isinstance(v, (tuple, list)):
            yield from flat(v)
        elif v is not None:
            yield v


def host(values):
    return [arrays.to_host(array_of(v)) for v in flat(values)]


def lesson(module, inputs, place):
    """Outputs and gradients, as arrays of the host, and where the outputs lie."""
    torch.manual_seed(3)
    given = moved(inputs, place)
    if isinstance(module, CONSTANT_TARGET):
        given = (given[0], *moved(inputs[1:], place, constant=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = list(flat([module(*given)]))
    for v in flat([out]):
        assert v.is_cuda == given[0].is_cuda
    live = [o for o in out if o.requires_grad]
    torch.autograd.backward(live, [o.data * 0 + 0.7 for o in live])
    leaves = [*module.parameters(), *(v for v in flat(given) if v.requires_grad)]
    return host([out, [p.grad for p in leaves], list(module._buffers.values())])


@pytest.fixture(params=["formulas", "kernels"])
def switched(request, gpu, real):
    """Without minigrad's CUDA kernels and with them, which only a card can run; True for what it can run."""
    if request.param == "formulas" or not real:
        yield request.param == "formulas"
        return
    torch.cuda.use_kernels()
    yield True
    torch.cuda.use_kernels(False)


@pytest.mark.parametrize("dtype", ["double", "float"])
@pytest.mark.parametrize("name", MODULES)
def test_modules(name, dtype, switched, real):
    module, inputs = MODULES[name]
    if not switched or (dtype == "float" and not real):
        return
    tolerance = 1e-10 if dtype == "double" else 2e-4

    def cast(t):
        return t if t.type().endswith("LongTensor") else getattr(t, dtype)()

    here, there = (getattr(copy.deepcopy(module), dtype)() for _ in range(2))
    number = devices.count() - 1  # not the one in use, if there are several
    assert there.cuda(number) is there
    assert all(p.is_cuda for p in there.parameters())
    for a, b in zip(lesson(here, inputs, cast), lesson(there, inputs, lambda t: cast(t).cuda(number))):
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
    assert not any(p.is_cuda for p in there.cpu().parameters())


def test_every_module_is_here():
    kinds = {type(m).__name__ for m, _ in MODULES.values()}
    containers = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "Container", "DataParallel"}
    public = {n for n in dir(nn) if isinstance(getattr(nn, n), type) and issubclass(getattr(nn, n), nn.Module)}
    bases = {"RNNBase", "RNNCellBase"}  # what they are bases of is there, and the second has no forward
    assert public - containers - bases - {"NLLLoss2d", "RNNFromCell"} <= kinds


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("order", [1, 2])
def test_packed_sequences(kind, order, switched):
    if not switched:
        return
    found = []
    module = getattr(nn, kind)(3, 2, 2, bidirectional=True).double()
    for place in (lambda t: t, lambda t: t.cuda(devices.count() - 1)):
        layer = copy.deepcopy(module)
        layer = layer.cuda(devices.count() - 1) if found else layer
        x = Variable(place(numbers(5, 4, 3)), requires_grad=True)
        out, hidden = layer(pack_padded_sequence(x, [5, 3, 3, 1]))
        padded, lengths = pad_packed_sequence(out)
        assert lengths == [5, 3, 3, 1]
        total = (padded * padded).sum() + sum(h.sum() for h in flat([hidden]))
        wanted = [x, *layer.parameters()]
        first = torch.autograd.grad(total, wanted, create_graph=order == 2)
        if order == 2:
            first = torch.autograd.grad(sum((g * g).sum() for g in first), wanted)
        found.append(host([padded, hidden, first]))
    for a, b in zip(*found):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-11)


OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, 0.1, 0.9, weight_decay=0.01, nesterov=True), "Adam": lambda p: optim.Adam(p, 0.1),
    "Adamax": lambda p: optim.Adamax(p, 0.1), "Adagrad": lambda p: optim.Adagrad(p, 0.1, 0.01, 0.01),
    "Adadelta": lambda p: optim.Adadelta(p), "ASGD": lambda p: optim.ASGD(p, 0.1, t0=2),
    "Rprop": lambda p: optim.Rprop(p),
    "RMSprop": lambda p: optim.RMSprop(p, 0.1, momentum=0.9, centered=True),
    "LBFGS": lambda p: optim.LBFGS(p, max_iter=4),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, switched):
    if not switched:
        return
    module, found = nn.Linear(3, 2).double(), []
    for on_gpu in (False, True):
        layer = copy.deepcopy(module)
        number = devices.count() - 1
        layer = layer.cuda(number) if on_gpu else layer
        x, y = (Variable(t.cuda(number) if on_gpu else t) for t in (X, numbers(4, 2, seed=7)))
        optimizer = OPTIMIZERS[name](layer.parameters())

        def closure(layer=layer, optimizer=optimizer, x=x, y=y):
            optimizer.zero_grad()
            loss = F.mse_loss(layer(x), y)
            loss.backward()
            clip_grad_norm(layer.parameters(), 0.5)
            return loss

        losses = [float(optimizer.step(closure)) for _ in range(5)]
        found.append([np.array(losses), *host(list(layer.parameters()))])
        other = OPTIMIZERS[name](layer.cpu().parameters() if on_gpu else layer.parameters())
        other.load_state_dict(optimizer.state_dict())  # the state goes where the parameters are
        for state in other.state.values():
            assert not any(v.is_cuda for v in state.values() if torch.is_tensor(v))
    for a, b in zip(*found):
        np.testing.assert_allclose(b, a, rtol=1e-10)


@pytest.mark.parametrize("name", ["uniform", "normal", "constant", "eye", "xavier_uniform", "xavier_normal",
                                  "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse", "dirac"])  # fmt: skip
def test_initial_values(name, gpu):
    extra = {"constant": (3,), "sparse": (0.5,)}.get(name, ())
    size = (4, 3, 2) if name == "dirac" else (4, 3)
    torch.manual_seed(1)
    here = getattr(init, name)(torch.DoubleTensor(*size), *extra)
    torch.manual_seed(1)
    there = getattr(init, name)(torch.cuda.DoubleTensor(*size), *extra)
    assert there.is_cuda
    if name == "sparse":  # which rows are zero is drawn by the default generator
        assert (there.cpu() == 0).sum() == (here == 0).sum()
    else:
        np.testing.assert_allclose(there.cpu().numpy(), here.numpy(), rtol=1e-12)


def test_own_functions(gpu):
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x)
            return x * 0.5, y * 1

        @staticmethod
        def backward(ctx, g, unused):
            return g * 0.5, None

    x, y = (Variable(t.cuda(), requires_grad=True) for t in (X, Y))
    half, _ = Half.apply(x, y)
    half.sum().backward()
    assert x.grad.is_cuda
    assert y.grad.is_cuda
    assert x.grad.data.cpu().tolist() == [[0.5] * 3] * 4
    assert torch.autograd.gradcheck(lambda x: Half.apply(x, x)[0], [x])


def test_gradients_pass_from_one_memory_to_the_other(gpu):
    x = Variable(X, requires_grad=True)
    there = x.cuda()
    assert there.is_cuda
    assert there.grad_fn is not None
    (there * there).cpu().sum().backward()
    np.testing.assert_allclose(x.grad.data.numpy(), 2 * X.numpy())
    torch.autograd.gradcheck(lambda x: x.cuda() * x.cuda(), [x])
    torch.autograd.gradgradcheck(lambda x: (x.cuda() * x.cuda()).cpu(), [x])
