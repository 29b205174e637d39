"""Hooks on leaves, inner Variables and nodes, and `retain_grad`, which is one of them."""

import weakref

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core
from minigrad.autograd import Function, Variable


def double(*values):
    return torch.DoubleTensor(list(values))


def leaf(*values):
    return Variable(double(*values), requires_grad=True)


def numbers(v):
    return v.data.tolist()


def share(a, b):
    return np.shares_memory(_core.array_of(a), _core.array_of(b))


# ---------------------------------------------------------------- hooks


def test_hook_on_a_leaf_runs_once_before_accumulation():
    x = leaf(1, 2)
    seen = []

    def hook(g):
        assert isinstance(g, Variable)
        assert g.volatile
        assert x.grad is None
        seen.append(numbers(g))
        return g * 10

    x.register_hook(hook)
    (x * 2 + x * 3).backward(double(1, 1))
    assert seen == [[5, 5]]
    assert numbers(x.grad) == [50, 50]


def test_hook_on_an_inner_variable_sees_the_sum_and_replaces_it():
    x = leaf(1)
    h = x * 2
    seen = []
    h.register_hook(lambda g: seen.append(numbers(g)))
    h.register_hook(lambda g: g * 10)
    h.register_hook(lambda g: seen.append(numbers(g)))
    (h * 3 + h * 4).backward()
    assert seen == [[7], [70]]
    assert numbers(x.grad) == [140]


def test_hook_does_not_touch_gradients_elsewhere():
    x, y = leaf(1), leaf(1)
    h = x * 1
    h.register_hook(lambda g: g * 10)
    (h + y).backward()
    assert numbers(x.grad) == [10]
    assert numbers(y.grad) == [1]


def test_hooks_can_be_removed_and_used_as_blocks():
    x = leaf(1)
    h = x * 1
    seen = []
    handle = h.register_hook(lambda g: seen.append("a"))
    with h.register_hook(lambda g: seen.append("b")):
        h.backward(retain_graph=True)
    handle.remove()
    handle.remove()
    h.backward()
    assert seen == ["a", "b"]


def test_hook_that_removes_itself_during_the_pass():
    x = leaf(1)
    seen = []
    handle = x.register_hook(lambda g: (seen.append(1), handle.remove())[1])
    x.register_hook(lambda g: seen.append(2))
    x.backward()
    x.backward()
    assert seen == [1, 2, 2]


def test_hook_under_create_graph_is_differentiable():
    x = leaf(3)
    h = x * 1
    h.register_hook(lambda g: g * x)
    (h * h).backward(create_graph=True)  # 2 x * x
    assert numbers(x.grad) == [18]
    g, x.grad = x.grad, None
    g.backward()
    assert numbers(x.grad) == [6 + 18]  # the pass back through h's own history runs the hook again


def test_hook_of_a_second_output():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    x = leaf(1)
    a, b = Two.apply(x)
    b.register_hook(lambda g: g * 10)
    (a + b).backward()
    assert numbers(x.grad) == [32]
    a, b = Two.apply(x)
    b.register_hook(lambda g: pytest.fail("no gradient reaches this output"))
    a.backward()


def test_hook_on_a_root_runs():
    x = leaf(1)
    out = x * 2
    out.register_hook(lambda g: g * 5)
    out.backward()
    assert numbers(x.grad) == [10]


@pytest.mark.parametrize(
    ("make", "hook", "error", "words"),
    [
        (lambda: Variable(double(1)), print, RuntimeError, "doesn't require grad"),
        (lambda: Variable(double(1), volatile=True), print, RuntimeError, "volatile"),
        (lambda: leaf(1), 3, TypeError, "callable, got int"),
    ],
)
def test_register_hook_refuses(make, hook, error, words):
    with pytest.raises(error, match=words):
        make().register_hook(hook)


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        (lambda g: 3, "must return a Variable or None, got int"),
        (lambda g: g.data, "must return a Variable or None, got DoubleTensor"),
        (lambda g: torch.cat([g, g]), r"changed the size of the gradient from \(1,\) to \(2,\)"),
        (lambda g: g.float(), "changed the type of the gradient from minigrad.DoubleTensor to minigrad.FloatTensor"),
    ],
)
@pytest.mark.parametrize("inner", [False, True])
def test_hooks_must_return_what_fits(hook, words, inner):
    x = leaf(1)
    h = x * 1 if inner else x
    h.register_hook(hook)
    with pytest.raises(RuntimeError, match=words):
        h.backward()
    assert x.grad is None


def test_node_hook_sees_and_replaces_gradients_of_inputs():
    x, y = leaf(2), leaf(3)
    out = x * y
    seen = []

    def hook(grad_inputs, grad_outputs):
        seen.append(([numbers(g) for g in grad_inputs], [numbers(g) for g in grad_outputs]))
        return grad_inputs[0] * 10, grad_inputs[1]

    handle = out.grad_fn.register_hook(hook)
    out.backward(double(5), retain_graph=True)
    assert seen == [([[15], [10]], [[5]])]
    assert (numbers(x.grad), numbers(y.grad)) == ([150], [10])
    handle.remove()
    out.grad_fn.register_hook(lambda gi, go: gi[:1])
    with pytest.raises(RuntimeError, match="got 1, but expected 2"):
        out.backward()


# ---------------------------------------------------------------- retain_grad


def test_retain_grad():
    x = leaf(1)
    h = x * 2
    h.retain_grad()
    h.retain_grad()
    out = h * 3
    out.backward(retain_graph=True)
    assert numbers(h.grad) == [3]
    out.backward()
    assert numbers(h.grad) == [6]
    assert numbers(x.grad) == [12]
    assert not share(h.grad, x.grad)
    x.retain_grad()
    (x * 2).backward()
    assert numbers(x.grad) == [14]


def test_retain_grad_needs_a_gradient():
    with pytest.raises(RuntimeError, match="require grad"):
        Variable(double(1)).retain_grad()


def test_retain_grad_does_not_keep_the_variable_alive():
    x = leaf(1)
    h = x * 2
    h.retain_grad()
    watch = weakref.ref(h)
    out = h + 1
    del h
    assert watch() is None
    out.backward()
    assert numbers(x.grad) == [2]
