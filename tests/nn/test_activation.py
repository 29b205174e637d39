"""Activations: values by their equations, in-place forms, the softmax dimension, text."""

import inspect

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn, ops
from minigrad.autograd import Variable
from minigrad.nn import functional as F

X = np.linspace(-3, 3, 24).reshape(2, 3, 4)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    e = np.exp(x)
    return e / e.sum(axis, keepdims=True)


EQUATIONS = {
    "Threshold (0.5, 2)": (lambda: nn.Threshold(0.5, 2), lambda x: np.where(x > 0.5, x, 2)),
    "ReLU()": (nn.ReLU, lambda x: np.maximum(x, 0)),
    "ReLU6()": (nn.ReLU6, lambda x: np.clip(x, 0, 6)),
    "Hardtanh(min_val=-1, max_val=1)": (nn.Hardtanh, lambda x: np.clip(x, -1, 1)),
    "RReLU(0.125, 0.3333333333333333)": (
        lambda: nn.RReLU().eval(),
        lambda x: np.where(x > 0, x, x * (1 / 8 + 1 / 3) / 2),
    ),
    "Sigmoid()": (nn.Sigmoid, sigmoid),
    "Tanh()": (nn.Tanh, np.tanh),
    "ELU(alpha=1.0)": (nn.ELU, lambda x: np.where(x > 0, x, np.expm1(x))),
    "SELU": (
        nn.SELU,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    ),
    "GLU (dim=-1)": (nn.GLU, lambda x: x[..., :2] * sigmoid(x[..., 2:])),
    "Hardshrink(0.5)": (nn.Hardshrink, lambda x: np.where(abs(x) > 0.5, x, 0)),
    "LeakyReLU(0.01)": (nn.LeakyReLU, lambda x: np.where(x > 0, x, 0.01 * x)),
    "LogSigmoid()": (nn.LogSigmoid, lambda x: np.log(sigmoid(x))),
    "Softplus(beta=1, threshold=20)": (nn.Softplus, lambda x: np.log1p(np.exp(x))),
    "Softshrink(0.5)": (nn.Softshrink, lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0)),
    "PReLU(1)": (nn.PReLU, lambda x: np.where(x > 0, x, 0.25 * x)),
    "Softsign()": (nn.Softsign, lambda x: x / (1 + abs(x))),
    "Tanhshrink()": (nn.Tanhshrink, lambda x: x - np.tanh(x)),
    "Softmin()": (lambda: nn.Softmin(dim=1), lambda x: softmax(-x, 1)),
    "Softmax()": (lambda: nn.Softmax(dim=2), lambda x: softmax(x, 2)),
    "LogSoftmax()": (lambda: nn.LogSoftmax(dim=0), lambda x: np.log(softmax(x, 0))),
}


@pytest.mark.parametrize("text", EQUATIONS)
def test_equation_and_text(text):
    make, equation = EQUATIONS[text]
    layer = make()
    assert repr(layer) == text
    y = layer.double()(Variable(torch.from_numpy(X.copy())))
    np.testing.assert_allclose(y.data.numpy(), equation(X), rtol=1e-6, atol=1e-9)


IN_PLACE = {
    "Threshold (0.5, 2, inplace)": lambda i: nn.Threshold(0.5, 2, i),
    "ReLU(inplace)": nn.ReLU,
    "ReLU6(inplace)": nn.ReLU6,
    "Hardtanh(min_val=-2, max_val=1, inplace)": lambda i: nn.Hardtanh(-2, 1, i),
    "RReLU(0.125, 0.25, inplace)": lambda i: nn.RReLU(1 / 8, 1 / 4, i).eval(),
    "ELU(alpha=0.5, inplace)": lambda i: nn.ELU(0.5, i),
    "SELU (inplace)": nn.SELU,
    "LeakyReLU(0.1, inplace)": lambda i: nn.LeakyReLU(0.1, i),
}


@pytest.mark.parametrize("text", IN_PLACE)
@pytest.mark.parametrize("view", [False, True])
def test_in_place(text, view):
    make = IN_PLACE[text]
    layer = make(True)
    assert repr(layer) == text
    results = []
    for inplace in (False, True):
        x = Variable(torch.from_numpy(X.copy()), requires_grad=True)
        z = x * 2
        target = z[0] if view else z
        y = make(inplace)(target)
        if inplace:
            assert y is target
        (y * y).sum().backward()
        results.append((y.data.tolist(), x.grad.data.tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("twin", "args"),
    [
        (F.relu_, ()),
        (F.threshold_, (0.5, 2)),
        (F.hardtanh_, ()),
        (F.elu_, ()),
        (F.leaky_relu_, (0.1,)),
        (F.rrelu_, ()),
    ],
)
def test_functions_with_an_underscore(twin, args):
    x = Variable(torch.from_numpy(X.copy()))
    plain = getattr(F, twin.__name__[:-1])(x, *args).data.tolist()
    assert twin(x, *args) is x
    assert x.data.tolist() == plain


def test_rrelu_draws_slopes_in_training():
    torch.manual_seed(0)
    x = Variable(-torch.ones(2000), requires_grad=True)
    y = nn.RReLU()(x)
    slopes = -y.data.numpy()
    assert slopes.min() >= 1 / 8
    assert slopes.max() <= 1 / 3
    assert abs(slopes.mean() - 11 / 48) < 0.01
    y.sum().backward()
    np.testing.assert_allclose(x.grad.data.numpy(), slopes)
    assert F.rrelu(Variable(torch.ones(3)), training=True).data.tolist() == [1, 1, 1]


def test_prelu_channels():
    layer = nn.PReLU(3, init=0.5)
    assert layer.weight.data.tolist() == [0.5] * 3
    assert nn.PReLU(3).weight.size() == (3,)
    with pytest.raises(RuntimeError, match="one a channel"):
        layer(Variable(torch.zeros(2, 4)))


def test_hardtanh_bounds():
    with pytest.raises(AssertionError, match="max_val must be above min_val"):
        nn.Hardtanh(1, 1)
    with pytest.warns(UserWarning, match="min_value is deprecated"):
        assert nn.Hardtanh(min_value=-3).min_val == -3


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize(("size", "dim"), [((4,), 0), ((3, 4), 1), ((2, 3, 4), 0), ((2, 3, 2, 2), 1)])
def test_softmax_without_dim_warns_and_chooses(name, size, dim):
    x = Variable(torch.randn(*size))
    function = getattr(F, name)
    with pytest.warns(UserWarning, match=f"{name}: implicit dimension choice.*dim={dim}") as caught:
        y = function(x)
    assert caught[0].filename == __file__
    assert y.data.tolist() == function(x, dim).data.tolist()


@pytest.mark.parametrize("layer", [nn.Softmax, nn.LogSoftmax, nn.Softmin])
def test_softmax_layers_warn_at_the_callers_line(layer):
    with pytest.warns(UserWarning, match="implicit dimension") as caught:
        layer()(Variable(torch.randn(2, 3)))
    assert caught[0].filename == __file__


def test_softmax2d():
    x = Variable(torch.randn(2, 3, 4, 5))
    np.testing.assert_allclose(nn.Softmax2d()(x).data.numpy().sum(1), np.ones((2, 4, 5)), rtol=1e-5)
    with pytest.raises(AssertionError, match="4 dimensions"):
        nn.Softmax2d()(Variable(torch.randn(2, 3)))


def test_functional_has_every_function_of_the_table():
    missing = [r.name for r in ops.table.values() if "functional" in r.exported and r.name not in F.__all__]
    assert missing == []
    assert all(callable(getattr(F, name)) for name in F.__all__)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("threshold", "input threshold value inplace"),
        ("hardtanh", "input min_val max_val inplace"),
        ("rrelu", "input lower upper training inplace"),
        ("dropout", "input p training inplace"),
        ("alpha_dropout", "input p training"),
        ("softplus", "input beta threshold"),
        ("embedding", "input embedding_matrix max_norm norm_type scale_grad_by_freq sparse"),
        ("embedding_bag", "embedding_matrix indices offsets max_norm norm_type scale_grad_by_freq mode"),
        ("linear", "input weight bias"),
        ("bilinear", "input1 input2 weight bias"),
        ("mse_loss", "input target size_average reduce"),
        ("cross_entropy", "input target weight size_average ignore_index reduce"),
        ("poisson_nll_loss", "input target log_input full size_average eps"),
        ("binary_cross_entropy", "input target weight size_average"),
        ("multi_margin_loss", "input target p margin weight size_average"),
        ("triplet_margin_loss", "anchor positive negative margin p eps swap"),
        ("normalize", "input p dim eps"),
        ("cosine_similarity", "x1 x2 dim eps"),
    ],
)
def test_order_of_arguments(name, arguments):
    assert list(inspect.signature(getattr(F, name)).parameters) == arguments.split()


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout", "dropout2d", "dropout3d", "rrelu"])
def test_training_is_off_in_functions(name):
    assert inspect.signature(getattr(F, name)).parameters["training"].default is False
