"""BatchNorm1d: statistics, gradients to second order, first numbers, errors."""

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable, gradcheck, gradgradcheck
from minigrad.nn import functional as F

SIZES = [(6, 3), (4, 3, 5)]


def layer_and_input(size, rng, **options):
    layer = nn.BatchNorm1d(3, **options).double()
    if layer.affine:
        layer.weight.data.copy_(torch.DoubleTensor([0.5, 2, -1]))
        layer.bias.data.copy_(torch.DoubleTensor([1, 0, 3]))
    return layer, rng.normal(2, 3, size)


def shaped(x, ndim):
    return np.reshape(x, (1, 3) + (1,) * (ndim - 2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("affine", [True, False])
def test_training_uses_the_batch_and_moves_the_buffers(size, affine, rng):
    layer, x = layer_and_input(size, rng, momentum=0.2, eps=0.1, affine=affine)
    axes = (0, 2)[: len(size) - 1]
    mean, var = x.mean(axes), x.var(axes)
    expected = (x - shaped(mean, len(size))) / np.sqrt(shaped(var, len(size)) + 0.1)
    if affine:
        expected = expected * shaped([0.5, 2, -1], len(size)) + shaped([1, 0, 3], len(size))
    np.testing.assert_allclose(layer(Variable(torch.from_numpy(x))).data.numpy(), expected, rtol=1e-9, atol=1e-12)
    count = x.size // 3
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.2 * mean, rtol=1e-9)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.8 + 0.2 * var * count / (count - 1), rtol=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_evaluation_uses_the_buffers(size, rng):
    layer, x = layer_and_input(size, rng)
    layer.running_mean.copy_(torch.DoubleTensor([1, 2, 3]))
    layer.running_var.copy_(torch.DoubleTensor([4, 5, 6]))
    layer.eval()
    n = len(size)
    expected = (x - shaped([1, 2, 3], n)) / np.sqrt(shaped([4, 5, 6], n) + 1e-5)
    expected = expected * shaped([0.5, 2, -1], n) + shaped([1, 0, 3], n)
    np.testing.assert_allclose(layer(Variable(torch.from_numpy(x))).data.numpy(), expected, rtol=1e-9, atol=1e-12)
    assert layer.running_mean.tolist() == [1, 2, 3]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_to_second_order(size, training, rng):
    mean, var = torch.DoubleTensor([0.5, 0, 1]), torch.DoubleTensor([2, 3, 4])
    inputs = tuple(
        Variable(torch.from_numpy(rng.normal(size=s)), requires_grad=True) for s in (size, (3,), (3,))
    )  # fmt: skip

    def normalised(x, weight, bias):
        return F.batch_norm(x, mean.clone(), var.clone(), weight, bias, training, 0.1, 0.1)

    assert gradcheck(normalised, inputs)
    grads = (Variable(torch.from_numpy(rng.normal(size=size)), requires_grad=True),)
    assert gradgradcheck(normalised, inputs, grads)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("order", [(0, 2, 1), (2, 0, 1), (1, 2, 0)])
def test_input_need_not_be_contiguous(training, order, rng):
    """Features of a sequence, batch x length x features, are normalised as they are turned: x.transpose(1, 2)."""
    layer, x = layer_and_input((4, 3, 5), rng)
    layer.train(training)
    turned = Variable(torch.from_numpy(np.ascontiguousarray(x.transpose(np.argsort(order)))), requires_grad=True)
    plain = Variable(torch.from_numpy(x), requires_grad=True)
    factors = Variable(torch.from_numpy(rng.normal(size=x.shape)))
    expected = layer(plain)
    (expected * factors).sum().backward()
    found = layer(turned.permute(*order))
    (found * factors).sum().backward()
    np.testing.assert_allclose(found.data.numpy(), expected.data.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(turned.grad.permute(*order).data.numpy(), plain.grad.data.numpy(), rtol=0, atol=1e-12)


def test_a_graph_of_evaluation_outlives_the_buffers():
    layer = nn.BatchNorm1d(2).eval()
    x = Variable(torch.ones(3, 2), requires_grad=True)
    y = layer(x)
    layer.running_var.fill_(100)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data.numpy(), 1, rtol=1e-4)


def test_first_numbers_follow_the_recipe():
    assert nn.BatchNorm1d(3).weight.data.tolist() == [1, 1, 1]
    torch.set_rng("0.3")
    try:
        torch.manual_seed(0)
        weight = nn.BatchNorm1d(3).weight.data.tolist()
        torch.manual_seed(0)
        assert weight == torch.rand(3).tolist()
    finally:
        torch.set_rng("modern")


def test_state():
    assert list(nn.BatchNorm1d(3).state_dict()) == ["weight", "bias", "running_mean", "running_var"]
    assert list(nn.BatchNorm1d(3, affine=False).state_dict()) == ["running_mean", "running_var"]


@pytest.mark.parametrize("size", [(4, 2), (3,), (4, 3, 2, 2)])
def test_sizes_refused(size):
    with pytest.raises(ValueError, match=r"input must be \(N, num_features=3\) or \(N, num_features=3, L\)"):
        nn.BatchNorm1d(3)(Variable(torch.ones(*size)))


def test_the_function_refuses_what_it_cannot_compute_with():
    x, mean = Variable(torch.ones(4, 3)), torch.zeros(3)
    with pytest.raises(ValueError, match=r"input must have at least 2 dimensions \(N, C\), got size \(3,\)"):
        F.batch_norm(Variable(torch.ones(3)), mean, mean)
    with pytest.raises(ValueError, match="running_mean and running_var must be given unless training"):
        F.batch_norm(x, mean, None)
    F.batch_norm(x, None, None, training=True)


def test_one_value_a_feature_has_no_variance():
    x = Variable(torch.ones(1, 3))
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm1d(3)(x)
    nn.BatchNorm1d(3).eval()(x)
    for wrong, error in ((0, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="num_features"):
            nn.BatchNorm1d(wrong)
