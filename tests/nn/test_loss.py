"""Losses as modules: options passed on, weights kept as buffers, targets that must be constant.

The equations and gradients of the functions behind them are proven with the table of operations.
"""

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable
from minigrad.nn import functional as F


def V(array, **flags):
    return Variable(torch.from_numpy(np.array(array)), **flags)


RNG = np.random.default_rng(7)
A, B, C = RNG.normal(size=(3, 5, 4))
P, Q = RNG.uniform(0.1, 0.9, size=(2, 5, 4))
SIGNS = np.where(RNG.uniform(size=(5, 4)) < 0.5, -1.0, 1.0)
CLASSES = np.array([0, 3, 1, 1, 2])
LISTS = np.array([[0, 2, -1, 1], [3, -1, 0, 0], [-1, 0, 0, 0], [1, 2, 3, 0], [2, -1, -1, -1]])
WEIGHT = np.array([0.5, 1.0, 2.0, 0.25])


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def bce(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def multi_label():
    out = np.zeros(5)
    for n in range(5):
        targets = []
        for j in LISTS[n]:
            if j < 0:
                break
            targets.append(j)
        out[n] = sum(max(0, 1 - A[n, j] + A[n, i]) for j in targets for i in range(4) if i not in targets) / 4
    return out


def multi_margin(p, margin, weight):
    out = np.zeros(5)
    for n, y in enumerate(CLASSES):
        out[n] = sum(weight[y] * max(0, margin - A[n, y] + A[n, i]) ** p for i in range(4) if i != y) / 4
    return out


def distance(x, y, p=2, eps=1e-6):
    return ((abs(x - y) + eps) ** p).sum(1) ** (1 / p)


COSINE = (A * B).sum(1) / np.linalg.norm(A, axis=1) / np.linalg.norm(B, axis=1)
SMOOTH = np.where(abs(A - B) < 1, (A - B) ** 2 / 2, abs(A - B) - 0.5)

# name: constructor, arguments, the single losses
SINGLES = {
    "L1Loss": (nn.L1Loss, (A, B), abs(A - B)),
    "MSELoss": (nn.MSELoss, (A, B), (A - B) ** 2),
    "SmoothL1Loss": (nn.SmoothL1Loss, (A, B), SMOOTH),
    "KLDivLoss": (nn.KLDivLoss, (np.log(P), Q), Q * (np.log(Q) - np.log(P))),
    "PoissonNLLLoss": (nn.PoissonNLLLoss, (A, Q), np.exp(A) - Q * A),
    "PoissonNLLLoss plain": (lambda **o: nn.PoissonNLLLoss(False, **o), (P, Q), P - Q * np.log(P + 1e-8)),
    "PoissonNLLLoss full": (
        lambda **o: nn.PoissonNLLLoss(True, True, **o),
        (A, 4 * Q),
        np.exp(A) - 4 * Q * A
        + np.where(4 * Q > 1, 4 * Q * np.log(4 * Q) - 4 * Q + 0.5 * np.log(2 * np.pi * 4 * Q), 0),
    ),
    "BCELoss": (nn.BCELoss, (P, Q), bce(P, Q)),
    "BCELoss weight": (lambda **o: nn.BCELoss(torch.from_numpy(WEIGHT), **o), (P, Q), bce(P, Q) * WEIGHT),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss, (A, Q), bce(sigmoid(A), Q)),
    "BCEWithLogitsLoss weight": (
        lambda **o: nn.BCEWithLogitsLoss(torch.from_numpy(WEIGHT), **o), (A, Q), bce(sigmoid(A), Q) * WEIGHT,
    ),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss, (A, Q), bce(sigmoid(A), Q)),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss, (A, SIGNS), np.where(SIGNS == 1, A, np.maximum(0, 1 - A))),
    "MarginRankingLoss": (
        lambda **o: nn.MarginRankingLoss(0.3, **o), (A, B, SIGNS), np.maximum(0, -SIGNS * (A - B) + 0.3),
    ),
    "SoftMarginLoss": (nn.SoftMarginLoss, (A, SIGNS), np.log1p(np.exp(-SIGNS * A))),
    "CosineEmbeddingLoss": (
        lambda **o: nn.CosineEmbeddingLoss(0.1, **o),
        (A, B, SIGNS[:, 0]),
        np.where(SIGNS[:, 0] == 1, 1 - COSINE, np.maximum(0, COSINE - 0.1)),
    ),
    "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss, (A, LISTS), multi_label()),
    "MultiMarginLoss": (nn.MultiMarginLoss, (A, CLASSES), multi_margin(1, 1, np.ones(4))),
    "MultiMarginLoss squared": (
        lambda **o: nn.MultiMarginLoss(2, 0.7, torch.from_numpy(WEIGHT), **o),
        (A, CLASSES),
        multi_margin(2, 0.7, WEIGHT),
    ),
    "NLLLoss": (nn.NLLLoss, (A, CLASSES), -A[np.arange(5), CLASSES]),
    "CrossEntropyLoss": (nn.CrossEntropyLoss, (A, CLASSES), -np.log(softmax(A))[np.arange(5), CLASSES]),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLES)
@pytest.mark.parametrize("size_average", [True, False])
def test_value(name, size_average):
    make, arguments, singles = SINGLES[name]
    loss = make(size_average=size_average)
    got = loss(*map(V, arguments))
    assert got.size() == (1,)
    expected = singles.mean() if size_average else singles.sum()
    np.testing.assert_allclose(got.data[0], expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["L1Loss", "MSELoss", "SmoothL1Loss", "KLDivLoss", "NLLLoss", "CrossEntropyLoss"])
def test_reduce_false_gives_each_loss(name):
    make, arguments, singles = SINGLES[name]
    got = make(reduce=False, size_average=False)(*map(V, arguments))
    np.testing.assert_allclose(got.data.numpy(), singles, rtol=1e-9)


@pytest.mark.parametrize(
    ("loss", "prepare"), [(nn.NLLLoss, lambda x: x), (nn.CrossEntropyLoss, lambda x: np.log(softmax(x)))]
)
def test_weights_and_ignored_classes(loss, prepare):
    weight = torch.from_numpy(WEIGHT)
    layer = loss(weight, ignore_index=3)
    kept = CLASSES != 3
    w = WEIGHT[CLASSES] * kept
    each = -prepare(A)[np.arange(5), CLASSES] * w
    np.testing.assert_allclose(layer(V(A), V(CLASSES)).data[0], each.sum() / w.sum(), rtol=1e-9)
    assert layer.state_dict()["weight"] is weight


def test_nll_over_an_image():
    x, t = RNG.normal(size=(2, 3, 4, 5)), RNG.integers(0, 3, size=(2, 4, 5))
    expected = -np.take_along_axis(x, t[:, None], 1).mean()
    np.testing.assert_allclose(nn.NLLLoss2d()(V(x), V(t)).data[0], expected, rtol=1e-9)


def test_triplet_margin_loss():
    near, far, other = distance(A, B), distance(A, C), distance(B, C)
    got = nn.TripletMarginLoss(2.0)(V(A), V(B), V(C))
    np.testing.assert_allclose(got.data[0], np.maximum(0, 2 + near - far).mean(), rtol=1e-9)
    got = nn.TripletMarginLoss(2.0, swap=True)(V(A), V(B), V(C))
    np.testing.assert_allclose(got.data[0], np.maximum(0, 2 + near - np.minimum(far, other)).mean(), rtol=1e-9)


def test_a_kept_weight_moves_with_the_module():
    layer = nn.BCELoss(torch.Tensor([1, 2]))
    assert layer.double().weight.type() == "minigrad.DoubleTensor"
    assert nn.BCELoss().weight is None
    assert list(nn.BCELoss().state_dict()) == []


CONSTANT = ["L1Loss", "MSELoss", "SmoothL1Loss", "KLDivLoss", "PoissonNLLLoss", "BCELoss", "SoftMarginLoss"]
FREE = ["BCEWithLogitsLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "MultiLabelSoftMarginLoss"]


@pytest.mark.parametrize("name", CONSTANT)
def test_target_must_not_require_grad(name):
    make, arguments, _ = SINGLES[name]
    *inputs, target = arguments
    with pytest.raises(AssertionError, match=f"{name}: no gradient is defined for the target"):
        make()(*map(V, inputs), V(target, requires_grad=True))


@pytest.mark.parametrize("name", FREE)
def test_target_may_require_grad(name):
    make, arguments, _ = SINGLES[name]
    *inputs, target = arguments
    target = V(target, requires_grad=True)
    make()(*(V(x, requires_grad=True) for x in inputs), target).backward()
    if name == "HingeEmbeddingLoss":  # its target only says which of two losses an element has
        assert target.grad is None
    else:
        assert np.any(target.grad.data.numpy() != 0)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.NLLLoss([1, 2]), TypeError, "weight must be a Tensor or None, got list"),
        (lambda: nn.BCELoss(Variable(torch.ones(2))), TypeError, "got a Variable; take its .data"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "p must be 1 or 2"),
        (lambda: nn.NLLLoss()(V(A[0]), V(CLASSES)), ValueError, "2 dimensions"),
        (lambda: nn.BCELoss()(V(P), V(Q[0])), ValueError, "same number of elements"),
        (lambda: nn.BCEWithLogitsLoss()(V(A), V(Q.reshape(4, 5))), ValueError, "one size"),
        (lambda: nn.TripletMarginLoss()(V(A), V(A), V(A[:2])), AssertionError, "one size"),
    ],
)
def test_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_bce_warns_about_sizes():
    with pytest.warns(UserWarning, match="size"):
        got = nn.BCELoss()(V(P), V(Q.reshape(4, 5)))
    np.testing.assert_allclose(got.data[0], bce(P, Q).mean(), rtol=1e-9)


def test_a_module_and_its_function_agree():
    for function, layer in [
        (F.mse_loss, nn.MSELoss()),
        (F.l1_loss, nn.L1Loss()),
        (F.smooth_l1_loss, nn.SmoothL1Loss()),
    ]:
        assert function(V(A), V(B)).data[0] == layer(V(A), V(B)).data[0]


def test_paths_of_the_era():
    from minigrad.nn.modules.loss import _Loss, _WeightedLoss
    from minigrad.nn.modules.module import Module

    assert Module is nn.Module
    assert issubclass(nn.MSELoss, _Loss)
    assert issubclass(nn.NLLLoss, _WeightedLoss)
    assert nn.modules.Linear is nn.Linear
