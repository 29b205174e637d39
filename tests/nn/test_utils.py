"""clip_grad_norm, parameters as a vector, weight normalisation."""

import math

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable, gradcheck, gradgradcheck
from minigrad.nn.utils import (
    clip_grad_norm,
    parameters_to_vector,
    remove_weight_norm,
    vector_to_parameters,
    weight_norm,
)
from minigrad.nn.utils.weight_norm import _norm


def with_gradients(*grads):
    parameters = [nn.Parameter(torch.zeros(*np.shape(g))) for g in grads]
    for p, g in zip(parameters, grads):
        p.grad = Variable(torch.Tensor(g), volatile=True)
    return [*parameters, nn.Parameter(torch.zeros(2))]  # the last one has no gradient


GRADS = [[1.0, -2.0], [[3.0, 0.5], [-4.0, 1.5]]]
FLAT = np.array([1, -2, 3, 0.5, -4, 1.5])


@pytest.mark.parametrize("p", [0.5, 1.5, 2, 4, "inf", math.inf])
def test_clip_returns_the_norm_before_and_scales(p):
    parameters = with_gradients(*GRADS)
    total = (abs(FLAT) ** float(p)).sum() ** (1 / float(p)) if float(p) < math.inf else 4.0
    got = clip_grad_norm((q for q in parameters), total / 2, p)
    assert isinstance(got, float)
    assert got == pytest.approx(total, rel=1e-6)
    after = np.concatenate([q.grad.data.numpy().ravel() for q in parameters[:2]])
    np.testing.assert_allclose(after, FLAT * (total / 2) / (total + 1e-6), rtol=1e-6)
    assert parameters[2].grad is None


def test_clip_leaves_short_gradients_alone():
    parameters = with_gradients(*GRADS)
    assert clip_grad_norm(parameters, 100) == pytest.approx(np.linalg.norm(FLAT))
    assert parameters[0].grad.data.tolist() == GRADS[0]
    assert clip_grad_norm(parameters[2:], 1) == 0


def test_clip_survives_exploding_gradients():
    (p, _) = with_gradients([1e30, -1e30])
    assert clip_grad_norm([p], 1) == pytest.approx(math.sqrt(2) * 1e30, rel=1e-6)
    np.testing.assert_allclose(p.grad.data.numpy(), [math.sqrt(0.5), -math.sqrt(0.5)], rtol=1e-6)


@pytest.mark.parametrize("p", [1, 2, "inf"])
def test_clip_tells_of_a_nan_wherever_it_is(p):
    for grads in ([[1.0], [math.nan], [2.0]], [[math.nan], [1.0]]):
        assert math.isnan(clip_grad_norm(with_gradients(*grads), 1, p))


def test_clip_refuses_to_count():
    with pytest.raises(ValueError, match="norm_type must not be 0"):
        clip_grad_norm(with_gradients([1.0]), 1, 0)


def test_clip_takes_one_variable():
    (p, _) = with_gradients([3.0, 4.0])
    assert clip_grad_norm(p, 1) == 5
    np.testing.assert_allclose(p.grad.data.numpy(), [0.6, 0.8], rtol=1e-6)


# ---------------------------------------------------------------- vectors


def test_parameters_to_vector_and_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = parameters_to_vector(net.parameters())
    assert vector.size() == (13,)
    expected = np.concatenate([p.data.numpy().ravel() for p in net.parameters()])
    assert vector.data.tolist() == expected.tolist()
    (vector * vector).sum().backward()
    np.testing.assert_allclose(net[0].bias.grad.data.numpy(), 2 * net[0].bias.data.numpy(), rtol=1e-6)
    new = Variable(torch.arange(0, 13))
    vector_to_parameters(new, net.parameters())
    assert net[0].weight.data.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert net[1].bias.data.tolist() == [12]
    new.data[12] = 7
    assert net[1].bias.data.tolist() == [7]


def test_vector_to_parameters_refuses():
    net = nn.Linear(2, 3)
    with pytest.raises(TypeError, match="vec must be a Variable, got FloatTensor"):
        vector_to_parameters(torch.zeros(9), net.parameters())
    with pytest.raises(ValueError, match=r"each of the 9 elements.*\(8,\)"):
        vector_to_parameters(Variable(torch.zeros(8)), net.parameters())


# ---------------------------------------------------------------- weight normalisation


@pytest.mark.parametrize(("dim", "size"), [(0, (3, 1)), (1, (1, 2)), (-1, (1, 2)), (None, (1,))])
def test_weight_norm_changes_no_value(dim, size):
    layer = nn.Linear(2, 3)
    weight, x = layer.weight.data.clone(), Variable(torch.randn(4, 2))
    before = layer(x).data.numpy()
    assert weight_norm(layer, dim=dim) is layer
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight_g", "weight_v"]
    assert layer.weight_g.size() == size
    assert layer.weight_v.data.tolist() == weight.tolist()
    np.testing.assert_allclose(layer(x).data.numpy(), before, rtol=1e-5, atol=1e-6)
    layer.weight_g.data.mul_(2)
    np.testing.assert_allclose((layer(x) - layer.bias).data.numpy(), 2 * (before - layer.bias.data.numpy()), rtol=1e-4)
    assert remove_weight_norm(layer) is layer
    assert sorted(n for n, _ in layer.named_parameters()) == ["bias", "weight"]
    np.testing.assert_allclose(layer.weight.data.numpy(), 2 * weight.numpy(), rtol=1e-5)
    assert not layer._forward_pre_hooks


def test_weight_norm_refuses():
    layer = weight_norm(nn.Linear(2, 3))
    with pytest.raises(ValueError, match="normalised already"):
        weight_norm(layer)
    with pytest.raises(ValueError, match="Linear has no parameter 'nothing'; it has bias, weight_g, weight_v"):
        weight_norm(layer, "nothing")
    with pytest.raises(RuntimeError, match="weight_norm: dim must be from -2 to 1 for 2 dimensions, got 2"):
        weight_norm(nn.Linear(2, 3), dim=2)
    with pytest.raises(ValueError, match="'bias' of Linear is not normalised"):
        remove_weight_norm(layer, "bias")


def test_weight_norm_of_two_names():
    cell = weight_norm(weight_norm(nn.Bilinear(2, 3, 4), "weight"), "bias", dim=None)
    x, y = Variable(torch.randn(5, 2)), Variable(torch.randn(5, 3))
    cell(x, y).sum().backward()
    assert all(p.grad is not None for p in cell.parameters())
    remove_weight_norm(cell, "weight")
    assert "weight" in cell._parameters
    assert "bias" not in cell._parameters


@pytest.mark.parametrize("dim", [0, 1, 2, None])
def test_weight_norm_gradients_to_second_order(dim, rng):
    v = Variable(torch.from_numpy(rng.normal(size=(2, 3, 2))), requires_grad=True)
    g = Variable(torch.from_numpy(_norm(v, dim).data.numpy() * 1.7), requires_grad=True)

    def weight(g, v):
        return v * (g / _norm(v, dim))

    assert gradcheck(weight, (g, v))
    grads = (Variable(torch.from_numpy(rng.normal(size=(2, 3, 2))), requires_grad=True),)
    assert gradgradcheck(weight, (g, v), grads)
