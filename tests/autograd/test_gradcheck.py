"""gradcheck and gradgradcheck: they accept what is right and find what is wrong."""

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Function, Variable, gradcheck, gradgradcheck


def leaf(*values):
    return Variable(torch.DoubleTensor(list(values)), requires_grad=True)


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


def product(backward):
    return made(lambda x, y: x * y, backward)


RIGHT = product(lambda saved, g: (g * saved[1], g * saved[0]))


def test_right_gradients_pass():
    x, y = leaf(0.5, -1.5), leaf(2, 3)
    assert gradcheck(RIGHT, [x, y]) is True
    assert gradcheck(RIGHT, (x, y)) is True
    assert gradgradcheck(RIGHT, [x, y]) is True
    assert gradcheck(lambda x: x.tanh(), x) is True
    assert gradcheck(lambda x: (x * 2, x.tanh(), Variable(torch.ones(2))), [x]) is True
    assert gradcheck(lambda x, c: x * c, [x, Variable(y.data)]) is True
    assert x.data.tolist() == [0.5, -1.5]
    assert x.grad is None


class State:
    calls = 0


def unsteady(saved, g):
    State.calls += 1
    return g * saved[1] * (1 + 1e-9 * State.calls), g * saved[0]


WRONG = {
    "factor": (
        product(lambda saved, g: (g * saved[1] * 1.01, g * saved[0])),
        r"input 0 is wrong: element . of the input.* finite differences",
    ),
    "missing term": (made(lambda x, y: x * x + y, lambda s, g: (g * s[0], g)), "input 0 is wrong"),
    "second input": (product(lambda saved, g: (g * saved[1], g * saved[0] + 0.1)), "input 1 is wrong"),
    "no gradient": (product(lambda saved, g: (g * saved[1], None)), "input 1 is wrong"),
    "sign": (product(lambda saved, g: (-g * saved[1], g * saved[0])), "input 0 is wrong"),
    "off the diagonal": (
        product(lambda saved, g: (g * saved[1] + g.narrow(0, 0, 1).expand(2), g * saved[0])),
        "input 0 is wrong",
    ),
    "not reentrant": (product(unsteady), "not reentrant"),
    "not a number": (product(lambda saved, g: (g * saved[1] * float("nan"), g * saved[0])), "wrong"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_are_found(name):
    function, words = WRONG[name]
    with pytest.raises(RuntimeError, match=f"gradcheck: .*{words}"):
        gradcheck(function, [leaf(0.5, -1.5), leaf(2, 3)])
    assert gradcheck(function, [leaf(0.5, -1.5), leaf(2, 3)], raise_exception=False) is False


def test_wrong_size_is_refused():
    function = made(lambda x: x * 1, lambda saved, g: torch.cat([g, g]))
    with pytest.raises(RuntimeError, match=r"must have its size \(2,\), got \(4,\)"):
        gradcheck(function, [leaf(1, 2)])


def test_gradient_that_ignores_grad_output():
    function = made(lambda x: x * 3, lambda saved, g: Variable(torch.DoubleTensor([3]), volatile=True))
    with pytest.raises(RuntimeError, match="not multiplied by grad_output"):
        gradcheck(function, [leaf(1)])
    assert gradcheck(function, [leaf(1)], raise_exception=False) is False


def test_the_second_of_two_outputs_is_checked():
    function = made(lambda x: (x * 2, x * 3), lambda saved, a, b: a * 2 + b * 4)
    with pytest.raises(RuntimeError, match="gradient of output 1 with respect to input 0"):
        gradcheck(function, [leaf(1, 2)])


def test_wrong_second_derivative_is_found():
    """The first derivative is right, but its graph leaves out how it depends on x."""

    def backward(saved, g):
        (x,) = saved
        return g * Variable(x.data) * 2

    function = made(lambda x: x * x, backward)
    x = leaf(0.5, 2)
    assert gradcheck(function, [x])
    with pytest.raises(RuntimeError, match="input 0 is wrong"):
        gradgradcheck(function, [x])


def test_wrong_dependence_on_grad_output_is_found():
    def backward(saved, g):
        return g * saved[0] * 2 + (g - Variable(g.data)) * 0.5

    function = made(lambda x: x * x, backward)
    assert gradcheck(function, [leaf(0.5, 2)])
    with pytest.raises(RuntimeError, match="input 1 is wrong"):
        gradgradcheck(function, [leaf(0.5, 2)])


def test_gradgradcheck_with_given_grad_outputs():
    x, y, g = leaf(0.5, -1.5), leaf(2, 3), leaf(0.3, 0.7)
    assert gradgradcheck(RIGHT, [x, y], [g])
    assert gradgradcheck(RIGHT, (x, y), (g,))
    assert gradgradcheck(lambda x: (x * x, x.tanh()), (x,))
    with pytest.raises(RuntimeError, match="wrong"):
        gradgradcheck(made(lambda x: x * x, lambda s, g: g * Variable(s[0].data) * 2), [x], [g])


def test_single_precision_is_warned_of():
    x = Variable(torch.FloatTensor([0.5, 1.5]), requires_grad=True)
    with pytest.warns(UserWarning, match="input 0 is a minigrad.FloatTensor; in single precision") as caught:
        gradcheck(lambda x: x * x, [x], raise_exception=False)
    assert caught[0].filename == __file__


def test_tolerances_and_step_are_used():
    function = made(lambda x: x * 3, lambda saved, g: g * 3.001)
    assert not gradcheck(function, [leaf(1)], rtol=1e-5, raise_exception=False)
    assert gradcheck(function, [leaf(1)], rtol=1e-3)
    assert gradcheck(function, [leaf(1)], rtol=0, atol=1e-2)
    cube = made(lambda x: x * x * x, lambda s, g: g * s[0] * s[0] * 3)
    assert gradcheck(cube, [leaf(1)], rtol=1e-7, atol=0, eps=1e-5)
    assert not gradcheck(cube, [leaf(1)], rtol=1e-7, atol=0, eps=0.1, raise_exception=False)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: gradcheck(lambda x: x, [Variable(torch.ones(1).double())]),
            RuntimeError,
            "none of the inputs requires grad",
        ),
        (lambda: gradcheck(lambda x: x.data, [leaf(1)]), TypeError, "func must return Variables, got"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_it_is_a_module_and_a_function():
    import minigrad.autograd.gradcheck as module
    from minigrad.autograd.gradcheck import get_numerical_jacobian
    from minigrad.autograd.gradcheck import gradcheck as function

    assert gradcheck is module
    assert gradcheck.get_numerical_jacobian is get_numerical_jacobian
    assert function(RIGHT, [leaf(1), leaf(2)])
    assert torch.autograd.gradcheck(RIGHT, [leaf(1), leaf(2)])
    assert torch.autograd.gradcheck.gradgradcheck is gradgradcheck


# ---------------------------------------------------------------- helpers


def test_numerical_jacobian():
    x, c = leaf(1, 2), leaf(3, 5)
    c.requires_grad = False
    jacobian = gradcheck.get_numerical_jacobian(lambda given: given[0] * given[1], (x, c), (x, c))
    assert isinstance(jacobian, tuple)
    assert len(jacobian) == 1
    assert np.allclose(jacobian[0].array, [[3, 0], [0, 5]])
    assert x.data.tolist() == [1, 2]
    alone = gradcheck.get_numerical_jacobian(lambda v: v * v, x, x, eps=1e-6)
    assert np.allclose(alone.array, [[2, 0], [0, 4]])


def test_analytical_jacobian():
    x = leaf(1, 2)
    jacobian, reentrant, sizes = gradcheck.get_analytical_jacobian((x,), x.narrow(0, 0, 1) * x)
    assert (reentrant, sizes) == (True, True)
    assert np.allclose(jacobian[0].array, [[2, 2], [0, 1]])
    out = product(unsteady)(x, x)
    assert gradcheck.get_analytical_jacobian((x,), out)[1] is False


def test_make_jacobian():
    x, c = leaf(1, 2), Variable(torch.DoubleTensor([1]))
    assert gradcheck.make_jacobian(x, 3).size() == (2, 3)
    assert gradcheck.make_jacobian(x.data, 3).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert gradcheck.make_jacobian(c, 3) is None
    nested = gradcheck.make_jacobian([x, c, (x,)], 1)
    assert [type(j) for j in nested] == [torch.DoubleTensor, tuple]
    assert gradcheck.make_jacobian([c], 1) is None


def test_iter_tensors():
    x, c, t = leaf(1), Variable(torch.DoubleTensor([2])), torch.DoubleTensor([3])
    found = list(gradcheck.iter_tensors([x, (c, [t])]))
    assert len(found) == 3
    assert found[0] is x.data
    assert found[1] is c.data
    assert found[2] is t
    (only,) = gradcheck.iter_tensors([x, c], True)
    assert only is x.data


def test_zero_gradients_and_contiguous():
    x, y = leaf(1, 2), leaf(3)
    x.grad = Variable(torch.DoubleTensor([5, 6]))
    gradcheck.zero_gradients([x, (y,)])
    assert x.grad.data.tolist() == [0, 0]
    assert y.grad is None
    m = Variable(torch.DoubleTensor([[1, 2], [3, 4]])).t()
    assert [v.is_contiguous() for v in gradcheck.contiguous((m, m.data))] == [True, True]
    assert gradcheck.contiguous([m])[0].data.tolist() == [[1, 3], [2, 4]]
