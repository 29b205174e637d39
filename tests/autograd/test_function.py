"""Function of the new style: everything on the context, and what is refused."""

import weakref

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core
from minigrad.autograd import Function, Variable
from minigrad.autograd.function import StochasticFunction, once_differentiable


def double(*values):
    return torch.DoubleTensor(list(values))


def leaf(*values):
    return Variable(double(*values), requires_grad=True)


def numbers(v):
    return v.data.tolist()


def function(forward, backward=None, name="Made"):
    """A new-style Function of these two."""
    body = {"forward": staticmethod(forward), "backward": staticmethod(backward or (lambda ctx, *grads: grads))}
    return type(name, (Function,), body)


class Mul(Function):
    @staticmethod
    def forward(ctx, a, b):
        assert torch.is_tensor(a)
        assert torch.is_tensor(b)
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        assert isinstance(g, Variable)
        a, b = ctx.saved_variables
        return g * b, g * a


# ---------------------------------------------------------------- forward and backward


def test_new_style():
    a, b = leaf(2, 3), leaf(5, 7)
    out = Mul.apply(a, b)
    assert type(out) is Variable
    assert numbers(out) == [10, 21]
    assert type(out.grad_fn).__name__ == "MulBackward"
    assert out.grad_fn.name() == "MulBackward"
    out.backward(double(1, 10))
    assert (numbers(a.grad), numbers(b.grad)) == ([5, 70], [2, 30])
    assert a.grad.volatile


def test_new_style_is_differentiable_again():
    a, b = leaf(2), leaf(5)
    out = Mul.apply(Mul.apply(a, b), a)  # a^2 b
    (g,) = torch.autograd.grad(out, a, create_graph=True)
    assert numbers(g) == [20]
    (second, mixed) = torch.autograd.grad(g, [a, b])
    assert (numbers(second), numbers(mixed)) == ([10], [4])


def test_other_arguments_pass_as_they_are():
    seen = []

    def forward(ctx, x, number, text, nothing, items):
        seen.extend([number, text, nothing, items])
        assert ctx.needs_input_grad == (True, False, False, False, False)
        return x * number

    Made = function(forward, lambda ctx, g: (g * 3, None, None, None, None))
    marker = object()
    x = leaf(1)
    out = Made.apply(x, 3, "text", None, marker)
    assert seen == [3, "text", None, marker]
    assert len(out.grad_fn.next_functions) == 1
    out.backward()
    assert numbers(x.grad) == [3]


def test_apply_of_a_result_is_the_other_direction():
    class Scaled(Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_variables
            return grad_output * ctx.factor, x.size(0)

    x = Variable(torch.DoubleTensor([1, 2]), requires_grad=True)
    y = Scaled.apply(x, 3)
    grad, size = y.grad_fn.apply(Variable(torch.DoubleTensor([1, 10])))
    assert grad.data.tolist() == [3, 30]
    assert size == 2
    assert Scaled.apply.__doc__.startswith("Run a Function")


def test_needs_input_grad():
    seen = []
    Made = function(lambda ctx, *args: (seen.append(ctx.needs_input_grad), args[0] + args[1])[1], lambda ctx, g: (g, g))
    a, c = leaf(1), Variable(double(2))
    assert Made.apply(a, c).requires_grad
    assert not Made.apply(c, c).requires_grad
    out = Made.apply(a, Variable(double(1), volatile=True))
    assert seen == [(True, False), (False, False), (False, False)]
    assert out.volatile
    assert out.grad_fn is None


def test_gradient_for_an_input_that_needs_none_is_dropped():
    a, c = leaf(1), Variable(double(2))
    Mul.apply(a, c).backward()
    assert numbers(a.grad) == [2]
    assert c.grad is None


def test_trailing_nones_are_trimmed_and_none_means_zero():
    Made = function(lambda ctx, a, b: a + b, lambda ctx, g: (g, None, None, None))
    a, b = leaf(1), leaf(2)
    Made.apply(a, b).backward()
    assert numbers(a.grad) == [1]
    assert numbers(b.grad) == [0]


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (lambda g: (g,), RuntimeError, "returned 1 gradients, expected 2"),
        (lambda g: (g, g, g), RuntimeError, "returned 3 gradients, expected 2"),
        (lambda g: g, RuntimeError, "returned 1 gradients, expected 2"),
        (lambda g: (g, 3), TypeError, "must return Variables or None, got int for argument 1"),
        (lambda g: (g, g.data), TypeError, "must return Variables or None, got a Tensor for argument 1"),
        (lambda g: (g, torch.cat([g, g])), RuntimeError, r"argument 1 must have its size \(1,\), got \(2,\)"),
        (lambda g: (g, g.float()), RuntimeError, "argument 1 must have its type, float64, got minigrad.FloatTensor"),
    ],
)
def test_what_backward_may_return(result, error, words):
    Made = function(lambda ctx, a, b: a + b, lambda ctx, g: result(g))
    a, b = leaf(1), leaf(2)
    with pytest.raises(error, match=f"Made.backward: .*{words}"):
        Made.apply(a, b).backward()
    assert a.grad is None


def test_a_gradient_for_something_that_is_no_variable_is_refused():
    Made = function(lambda ctx, a, k: a * k, lambda ctx, g: (g, g))
    with pytest.raises(RuntimeError, match="returned a gradient for argument 1, which is not a Variable"):
        Made.apply(leaf(1), 2).backward()


def test_forward_must_return_tensors():
    with pytest.raises(TypeError, match=r"Made.forward: must return tensors, got float"):
        function(lambda ctx, a: 1.5).apply(leaf(1))
    with pytest.raises(TypeError, match=r"must return tensors, got Variable"):
        function(lambda ctx, a: Variable(a)).apply(leaf(1))


def test_the_two_styles_are_not_confused():
    class Old(Function):
        def forward(self, x):
            return x * 1

    with pytest.raises(TypeError, match=r"Old.apply: forward and backward must be static methods"):
        Old.apply(leaf(1))
    with pytest.raises(TypeError, match=r"Mul has static methods: call Mul.apply"):
        Mul()(leaf(1), leaf(2))
    with pytest.raises(NotImplementedError, match="forward"):
        Function()(leaf(1))


def test_several_outputs_with_missing_gradients_as_zeros():
    seen = []

    def backward(ctx, a, b, c):
        seen.append([numbers(g) for g in (a, b, c)])
        return a + b.narrow(0, 0, 2) + c

    Made = function(lambda ctx, x: (x * 1, torch.cat([x, x]), x * 3), backward)
    x = leaf(1, 2)
    outs = Made.apply(x)
    assert isinstance(outs, tuple)
    assert [o.output_nr for o in outs] == [0, 1, 2]
    outs[1].backward(double(1, 2, 3, 4))
    assert seen == [[[0, 0], [1, 2, 3, 4], [0, 0]]]
    assert numbers(x.grad) == [1, 2]


def test_a_tuple_of_one_stays_a_tuple():
    outs = function(lambda ctx, x: (x * 1,)).apply(leaf(1))
    assert isinstance(outs, tuple)
    outs[0].backward()


# ---------------------------------------------------------------- saving


def test_save_inputs_outputs_and_none():
    class Made(Function):
        @staticmethod
        def forward(ctx, x):
            out = x.tanh()
            ctx.save_for_backward(x, None, out)
            return out

        @staticmethod
        def backward(ctx, g):
            x, nothing, out = ctx.saved_variables
            assert nothing is None
            assert [torch.is_tensor(t) for t in ctx.saved_tensors] == [True, False, True]
            assert x.requires_grad
            assert out.requires_grad
            return g * (1 - out * out)

    x = leaf(0.3, -0.8)
    h = Made.apply(x)
    (g,) = torch.autograd.grad(h, x, double(1, 1), create_graph=True)
    (second,) = torch.autograd.grad(g, x, double(1, 1))
    t = np.tanh([0.3, -0.8])
    assert np.allclose(numbers(g), 1 - t * t)
    assert np.allclose(numbers(second), -2 * t * (1 - t * t))


def test_saving_twice_and_saving_something_else_is_refused():
    def twice(ctx, x):
        ctx.save_for_backward(x)
        ctx.save_for_backward(x)
        return x * 1

    with pytest.raises(RuntimeError, match="save_for_backward was called a second time"):
        function(twice).apply(leaf(1))

    def other(ctx, x):
        ctx.save_for_backward(x * 2)
        return x * 1

    with pytest.raises(RuntimeError, match="save_for_backward takes inputs and outputs"):
        function(other).apply(leaf(1))


def test_freed_buffers():
    out = Mul.apply(leaf(1), leaf(2))
    out.backward(retain_graph=True)
    out.backward()
    with pytest.raises(RuntimeError, match=r"Mul: .* already been freed. Specify retain_graph=True"):
        out.backward()


def test_saved_values_are_freed():
    a = leaf(1) * 1
    watch = weakref.ref(a)
    out = Mul.apply(a, leaf(2))
    del a
    assert watch() is not None
    out.backward()
    assert watch() is None


@pytest.mark.parametrize("which", ["input", "output"])
def test_saved_value_that_changed_is_noticed(which):
    class Made(Function):
        @staticmethod
        def forward(ctx, x):
            out = x * 1
            ctx.save_for_backward(x if which == "input" else out)
            return out

        @staticmethod
        def backward(ctx, g):
            (_,) = ctx.saved_tensors
            return g

    x = leaf(1) * 1
    out = Made.apply(x)
    (x if which == "input" else out).add_(1)
    with pytest.raises(
        RuntimeError, match=r"modified by an inplace operation: Made saved a value of size \(1,\) at version 0"
    ):
        out.backward()


def test_the_context_is_reachable_from_the_node():
    a, b = leaf(2), leaf(3)
    out = Mul.apply(a, b)
    assert [t.tolist() for t in out.grad_fn.saved_tensors] == [[2], [3]]
    assert out.grad_fn.needs_input_grad == (True, True)
    assert not hasattr(out.grad_fn, "missing")


# ---------------------------------------------------------------- marks


class AddIn(Function):
    @staticmethod
    def forward(ctx, x, y):
        x.add_(y)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 2, g * 3


def test_mark_dirty():
    x, y = leaf(1, 2), leaf(3, 4)
    h = x * 1
    out = AddIn.apply(h, y)
    assert out is h
    assert numbers(h) == [4, 6]
    assert type(h.grad_fn).__name__ == "AddInBackward"
    assert h._version == 1
    h.backward(double(1, 1))
    assert (numbers(x.grad), numbers(y.grad)) == ([2, 2], [3, 3])


def test_mark_dirty_of_a_view_rewrites_its_base():
    x, y = leaf(1, 2), leaf(3)
    base = x * 1
    v = base.narrow(0, 1, 1)
    assert AddIn.apply(v, y) is v
    assert numbers(base) == [1, 5]
    gx, gy = torch.autograd.grad(base, [x, y], double(10, 100))
    assert numbers(gx) == [10, 200]
    assert numbers(gy) == [300]
    assert v.requires_grad


def test_mark_dirty_refuses_leaves_and_strangers():
    for x in (leaf(1), leaf(1).view(1)):
        with pytest.raises(
            RuntimeError, match="a leaf Variable that requires grad has been used in an in-place operation"
        ):
            AddIn.apply(x, leaf(1))

    def stranger(ctx, x):
        out = x * 1
        ctx.mark_dirty(out)
        return out

    with pytest.raises(RuntimeError, match="mark_dirty takes arguments of forward only"):
        function(stranger).apply(leaf(1))


def test_mark_dirty_counts_also_without_gradients():
    x = Variable(double(1))
    assert AddIn.apply(x, Variable(double(2))) is x
    assert x._version == 1
    AddIn.apply(x, Variable(double(2), volatile=True))
    assert x._version == 2
    assert x.volatile

    def silently(ctx, x):
        x.add_(1)
        ctx.mark_dirty(x)
        return x * 1

    y = leaf(2) * 1
    saved = y * y
    function(silently).apply(y)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        saved.backward()


def test_mark_non_differentiable():
    class Largest(Function):
        @staticmethod
        def forward(ctx, x):
            place = torch.LongTensor([int(np.argmax(x.numpy()))])
            ctx.mark_non_differentiable(place)
            ctx.save_for_backward(x, place)
            return place, x * 2

        @staticmethod
        def backward(ctx, g_place, g):
            _x, place = ctx.saved_variables
            assert not place.requires_grad
            assert numbers(g_place) == [0]
            return g * 2

    x = leaf(1, 5, 2)
    place, out = Largest.apply(x)
    assert place.requires_grad is False
    assert place.grad_fn is None
    assert numbers(place) == [1]
    out.backward(double(1, 1, 1))
    assert numbers(x.grad) == [2, 2, 2]


def test_mark_non_differentiable_takes_results_only():
    def forward(ctx, x):
        ctx.mark_non_differentiable(x * 3)
        return x * 1

    with pytest.raises(RuntimeError, match="mark_non_differentiable takes results of forward only"):
        function(forward).apply(leaf(1))


def test_an_input_returned_unchanged_is_a_new_view():
    Reverse = function(lambda ctx, x: x, lambda ctx, g: -g)
    x = leaf(1, 2)
    h = x * 3
    out = Reverse.apply(h)
    assert out is not h
    assert out._base is h
    assert np.shares_memory(_core.array_of(out), _core.array_of(h))
    out.backward(double(1, 1), retain_graph=True)
    assert numbers(x.grad) == [-3, -3]
    x.grad = None
    h.backward(double(1, 1))
    assert numbers(x.grad) == [3, 3]
    assert Reverse.apply(x) is not x
    assert x.is_leaf


def test_a_change_of_an_input_returned_unchanged_reaches_the_input():
    Reverse = function(lambda ctx, x: x, lambda ctx, g: -g)
    x = leaf(1, 2)
    h = x * 1
    out = Reverse.apply(h)
    out.mul_(10)
    assert numbers(h) == [10, 20]
    (g,) = torch.autograd.grad(h, x, double(1, 1))
    assert numbers(g) == [-10, -10]


def test_volatile_with_an_input_returned_unchanged():
    out = function(lambda ctx, x, y: x).apply(Variable(double(1)), Variable(double(1), volatile=True))
    assert out.volatile


def test_mark_shared_storage_is_accepted():
    def forward(ctx, x):
        out = x.view(1, 2)
        ctx.mark_shared_storage((x, out))
        return out

    x = leaf(1, 2)
    function(forward, lambda ctx, g: g.view(2) * 2).apply(x).backward(torch.DoubleTensor([[1, 1]]))
    assert numbers(x.grad) == [2, 2]


# ---------------------------------------------------------------- once_differentiable, removed


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x, y):
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert torch.is_tensor(g)
            _x, y = ctx.saved_tensors
            return g * y, None

    assert Once.backward.__name__ == "backward"
    x, y = leaf(2), leaf(3)
    out = Once.apply(x, y)
    out.backward(retain_graph=True)
    assert (numbers(x.grad), numbers(y.grad)) == ([3], [0])
    (g,) = torch.autograd.grad(out, x, create_graph=True)
    assert numbers(g) == [3]
    assert type(g.grad_fn).__name__ == "Error"
    with pytest.raises(RuntimeError, match="once differentiable: Once"):
        (g * g).backward()


def test_once_differentiable_refuses_also_where_only_the_saved_value_depends():
    """The given gradient is a constant, the derivative still depends on x."""

    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * 2

    x = leaf(3)
    (g,) = torch.autograd.grad(Square.apply(x), x, double(1), create_graph=True)
    with pytest.raises(RuntimeError, match="once differentiable"):
        torch.autograd.grad(g, x)


def test_stochastic_functions_are_gone():
    with pytest.raises(RuntimeError, match=r"removed in 0\.3"):
        StochasticFunction()
    with pytest.raises(RuntimeError, match="removed"):
        leaf(1).reinforce(1)


def test_exception_in_forward_leaves_nothing():
    def forward(ctx, x):
        raise ValueError("on purpose")

    x = leaf(1)
    with pytest.raises(ValueError, match="on purpose"):
        function(forward).apply(x)
    Mul.apply(x, x).backward()
    assert numbers(x.grad) == [2]
