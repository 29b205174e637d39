"""check_gradients: it accepts what is right and finds planted errors of first and of second order."""

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Function, Variable
from minigrad.testing import check_gradients


def leaf(values):
    return Variable(torch.from_numpy(np.array(values, dtype=np.float64)), requires_grad=True)


def made(forward, backward):
    class Made(Function):
        @staticmethod
        def forward(ctx, *args):
            ctx.save_for_backward(*args)
            return forward(*args)

        @staticmethod
        def backward(ctx, *grads):
            return backward(ctx.saved_variables, *grads)

    return Made.apply


@pytest.fixture
def x(rng):
    return leaf(rng.uniform(0.5, 1.5, (3, 4)))


@pytest.fixture
def y(rng):
    return leaf(rng.uniform(0.5, 1.5, (3, 4)))


def product(backward):
    return made(lambda x, y: x * y, backward)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_gradients_pass(x, y, rng, order):
    kept = x.data.clone().numpy().copy()
    check_gradients(lambda x, y: (x * y).tanh() + x, [x, y], order=order, rng=rng)
    check_gradients(lambda x, c: (x * c, x.tanh(), 3), [x, Variable(y.data)], order=order, rng=rng)
    check_gradients(product(lambda s, g: (g * s[1], g * s[0])), [x, y], order=order, rng=rng)
    assert np.array_equal(x.data.numpy(), kept)
    assert x.grad is None


FIRST = {
    "factor": (product(lambda s, g: (g * s[1] * 1.0005, g * s[0])), "argument 0"),
    "missing term": (made(lambda x, y: x * x + y, lambda s, g: (g * s[0], g)), "argument 0"),
    "second argument": (product(lambda s, g: (g * s[1], g * s[0] * 0.999)), "argument 1"),
    "no gradient": (product(lambda s, g: (g * s[1], None)), "argument 1"),
    "ignores the gradient from above": (made(lambda x, y: x + y, lambda s, g: (g * 0 + 1, g)), "argument 0"),
    "transposed": (product(lambda s, g: (g * s[1].view(4, 3).t().contiguous().view(3, 4), g * s[0])), "argument 0"),
    "one element": (product(lambda s, g: (g * s[1], g * s[0] * corner())), "argument 1"),
    "not a number": (product(lambda s, g: (g * s[1] * float("nan"), g * s[0])), "argument 0"),
}


def corner():
    factor = np.ones((3, 4))
    factor[2, 3] = 0.5
    return Variable(torch.from_numpy(factor))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", FIRST)
def test_errors_of_first_order_are_found(name, order, x, y, rng):
    function, words = FIRST[name]
    with pytest.raises(AssertionError, match=f"order 1: {words}: the derivative along a random direction"):
        check_gradients(function, [x, y], order=order, rng=rng)


SECOND = {
    "input cut off": made(lambda x: x * x, lambda s, g: g * Variable(s[0].data) * 2),
    "gradient from above cut off": made(lambda x: x * x, lambda s, g: Variable(g.data) * s[0] * 2),
    "wrong dependence on the gradient": made(
        lambda x: x * x, lambda s, g: g * s[0] * 2 + (g - Variable(g.data)) * 0.01
    ),
    "wrong dependence on the input": made(
        lambda x: x * x, lambda s, g: g * s[0] * 2 + g * (s[0] - Variable(s[0].data)) * 0.01
    ),
    "everything cut off": made(lambda x: x * x, lambda s, g: Variable(g.data * s[0].data * 2)),
}


@pytest.mark.parametrize("name", SECOND)
def test_errors_of_second_order_are_found(name, x, rng):
    check_gradients(SECOND[name], [x], order=1, rng=rng)
    with pytest.raises(AssertionError, match="order 2"):
        check_gradients(SECOND[name], [x], order=2, rng=rng)


def test_the_second_output_is_checked(x, rng):
    function = made(lambda x: (x * 2, x * 3), lambda s, a, b: a * 2 + b * 3.01)
    with pytest.raises(AssertionError, match="order 1: argument 0"):
        check_gradients(function, [x], order=1, rng=rng)


def test_the_layout_of_the_input_is_kept(rng):
    seen = []

    def function(x):
        seen.append(x.is_contiguous())
        return x * 2

    x = Variable(leaf(rng.standard_normal((3, 4))).data.t(), requires_grad=True)
    check_gradients(function, [x], order=2, rng=rng)
    assert not any(seen)


def test_without_a_generator_directions_are_drawn_anew(x):
    check_gradients(lambda x: x.tanh(), [x])


@pytest.mark.parametrize(
    ("function", "make", "words"),
    [
        (lambda x: x * 2, lambda: Variable(torch.ones(2).double()), "no input requires grad"),
        (
            lambda x: x * 2,
            lambda: Variable(torch.ones(2), requires_grad=True),
            "input 0 must be a DoubleTensor, is a minigrad.FloatTensor",
        ),
        (lambda x: Variable(x.data * 2), lambda: leaf([1, 2]), "no output depends on the checked inputs"),
    ],
)
def test_what_cannot_be_checked_is_said(function, make, words):
    with pytest.raises(AssertionError, match=words):
        check_gradients(function, [make()])
