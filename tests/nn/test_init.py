"""Initial values: distributions by their moments and bounds, structure by definition, errors."""

import math

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable
from minigrad.nn import init


@pytest.fixture(params=["Tensor", "Variable", "leaf that requires grad"])
def wrap(request):
    torch.manual_seed(1)
    return {
        "Tensor": lambda t: t,
        "Variable": Variable,
        "leaf that requires grad": lambda t: Variable(t, requires_grad=True),
    }[request.param]


def values(t):
    return (t.data if isinstance(t, Variable) else t).numpy()


def made(function, wrap, size, *args, **kwargs):
    t = wrap(torch.zeros(*size))
    assert function(t, *args, **kwargs) is t
    return values(t)


def check_uniform(x, low, high):
    assert low <= x.min() < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < x.max() <= high
    assert abs(x.mean() - (low + high) / 2) < 5 * (high - low) / math.sqrt(12 * x.size)


def check_normal(x, mean, std):
    assert abs(x.mean() - mean) < 5 * std / math.sqrt(x.size)
    assert abs(x.std() / std - 1) < 5 / math.sqrt(2 * x.size)
    assert abs(x - mean).max() > 1.8 * std  # uniform numbers end at sqrt(3) of their standard deviation


def test_uniform_normal_constant(wrap):
    check_uniform(made(init.uniform, wrap, (60, 50)), 0, 1)
    check_uniform(made(init.uniform, wrap, (60, 50), -3, 2), -3, 2)
    check_normal(made(init.normal, wrap, (60, 50)), 0, 1)
    check_normal(made(init.normal, wrap, (60, 50), 2, 0.1), 2, 0.1)
    assert (made(init.constant, wrap, (2, 3), 0.5) == 0.5).all()


@pytest.mark.parametrize("size", [(4, 4), (2, 5), (5, 2)])
def test_eye(wrap, size):
    t = wrap(torch.ones(*size))
    assert init.eye(t) is t
    assert values(t).tolist() == np.eye(*size).tolist()


@pytest.mark.parametrize("size", [(3, 4, 3), (4, 3, 3, 5), (2, 2, 3, 3, 3)])
def test_dirac_passes_channels_on(wrap, size):
    t = wrap(torch.ones(*size))
    init.dirac(t)
    expected = np.zeros(size)
    for k in range(min(size[:2])):
        expected[(k, k, *(n // 2 for n in size[2:]))] = 1
    assert values(t).tolist() == expected.tolist()


@pytest.mark.parametrize("size", [(60, 40), (30, 20, 3, 2)])
def test_fans(wrap, size):
    field = math.prod(size[2:])
    fan_in, fan_out = size[1] * field, size[0] * field
    std = 2 * math.sqrt(2 / (fan_in + fan_out))
    check_uniform(made(init.xavier_uniform, wrap, size, gain=2), -std * math.sqrt(3), std * math.sqrt(3))
    check_normal(made(init.xavier_normal, wrap, size, gain=2), 0, std)
    for a, mode, fan in [(0, "fan_in", fan_in), (0.3, "fan_out", fan_out)]:
        std = math.sqrt(2 / (1 + a * a) / fan)
        check_uniform(made(init.kaiming_uniform, wrap, size, a, mode), -std * math.sqrt(3), std * math.sqrt(3))
        check_normal(made(init.kaiming_normal, wrap, size, a=a, mode=mode), 0, std)


@pytest.mark.parametrize("size", [(4, 4), (3, 6), (6, 3), (3, 2, 3), (6, 2, 1)])
def test_orthogonal(wrap, size):
    q = made(init.orthogonal, wrap, size, gain=3).reshape(size[0], -1)
    short = q if q.shape[0] <= q.shape[1] else q.T
    np.testing.assert_allclose(short @ short.T, 9 * np.eye(len(short)), atol=1e-5)


@pytest.mark.parametrize(("rows", "sparsity"), [(10, 0.33), (7, 0.5), (5, 0.0), (5, 1.0)])
def test_sparse(wrap, rows, sparsity):
    x = made(init.sparse, wrap, (rows, 30), sparsity, std=0.1)
    zeros = (x == 0).sum(0)
    assert (zeros == math.ceil(rows * sparsity)).all()
    if 0 < sparsity < 1:
        assert len({tuple(c) for c in (x == 0).T}) > 1
        check_normal(x[x != 0], 0, 0.1)


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1),
        ("sigmoid", None, 1),
        ("conv2d", None, 1),
        ("conv_transpose1d", None, 1),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / (1 + 1e-4))),
        ("leaky_relu", 1, 1.0),
        ("leaky_relu", 0, math.sqrt(2)),
    ],
)
def test_gain(name, param, gain):
    assert init.calculate_gain(name, param) == pytest.approx(gain, rel=1e-15)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: init.calculate_gain("conv4d"), "nonlinearity must be"),
        (lambda t: init.calculate_gain("leaky_relu", True), "negative slope, must be a number, got True"),
        (lambda t: init.calculate_gain("leaky_relu", "0.1"), "got '0.1'"),
        (lambda t: init.eye(t), "2 dimensions, got 1"),
        (lambda t: init.dirac(t), "3 to 5 dimensions, got 1"),
        (lambda t: init.xavier_uniform(t), "at least 2 dimensions"),
        (lambda t: init.xavier_normal(t), "at least 2 dimensions"),
        (lambda t: init.kaiming_uniform(t), "at least 2 dimensions"),
        (lambda t: init.kaiming_normal(t.view(2, 2), mode="fan"), "mode must be 'fan_in' or 'fan_out', got 'fan'"),
        (lambda t: init.orthogonal(t), "at least 2 dimensions"),
        (lambda t: init.sparse(t, 0.1), "2 dimensions, got 1"),
        (lambda t: init.sparse(t.view(2, 2), 1.1), r"must be in \[0, 1\], got 1.1"),
    ],
)
def test_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call(torch.ones(4))


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match="uniform: tensor must be a Tensor or a Variable, got list"):
        init.uniform([1, 2])
