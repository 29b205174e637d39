"""autograd.grad: every option."""

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core
from minigrad.autograd import Variable, grad


def double(*values):
    return torch.DoubleTensor(list(values))


def leaf(*values):
    return Variable(double(*values), requires_grad=True)


def numbers(v):
    return v.data.tolist()


def test_returns_a_tuple_and_leaves_grad_alone():
    x, y = leaf(2), leaf(3)
    found = grad(x * y, [x, y])
    assert isinstance(found, tuple)
    assert [numbers(g) for g in found] == [[3], [2]]
    assert all(g.volatile and g.is_leaf for g in found)
    assert x.grad is None
    assert y.grad is None
    x.grad = kept = Variable(double(7))
    grad(x * y, (y,))
    assert x.grad is kept
    assert numbers(kept) == [7]


def test_single_variable_for_outputs_and_inputs():
    x = leaf(2)
    (g,) = grad(x * x, x)
    assert numbers(g) == [4]


def test_inputs_in_any_order_and_the_same_one_twice():
    x, y = leaf(2), leaf(3)
    h = x * y
    found = grad(h * h, [y, x, h, x, h])
    assert [numbers(g) for g in found] == [[24], [36], [12], [36], [12]]
    arrays = [_core.array_of(g) for g in found]
    assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])


def test_inner_variables_as_inputs():
    x = leaf(0.5)
    a = x * 2
    b = a.tanh()
    out = b * b * a
    ga, gb = grad(out, [a, b], retain_graph=True)
    t = np.tanh(1.0)
    assert np.isclose(numbers(gb)[0], 2 * t)
    assert np.isclose(numbers(ga)[0], 2 * t * (1 - t * t) + t * t)
    (g,) = grad(out, b, retain_graph=True)
    assert np.isclose(numbers(g)[0], 2 * t)
    (g,) = grad(a, x)
    assert numbers(g) == [2]


def test_an_output_as_input():
    x = leaf(2, 3)
    y = x * 2
    (g,) = grad(y, y, double(5, 6))
    assert numbers(g) == [5, 6]
    (g,) = grad(x, x, double(5, 6))
    assert numbers(g) == [5, 6]


def test_several_outputs_are_summed():
    x = leaf(2)
    (g,) = grad([x * x, x * 3], x, [double(10), None])
    assert numbers(g) == [43]
    (g,) = grad((x * x, x * 3), x)
    assert numbers(g) == [7]


def test_result_shares_memory_with_nothing():
    x, seed = leaf(1, 2), double(3, 4)
    (g,) = grad(x + 0, x, seed)
    g.data.mul_(0)
    assert seed.tolist() == [3, 4]
    w = leaf(5, 6)
    (g,) = grad(x * w, x, double(1, 1))
    assert not np.shares_memory(_core.array_of(g), _core.array_of(w))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("function", [lambda x: x.mean(), lambda x: x.sum(), lambda x: x.mean(1).sum()])
def test_result_can_be_changed_in_place(function, create_graph):
    x, scale = leaf([[1, 2], [3, 4]]), leaf([5])
    (g,) = grad(function(x) * scale, x, create_graph=create_graph)
    before = g.data.clone()
    g.mul_(3)
    assert g.data.tolist() == (before * 3).tolist()
    if create_graph:
        assert grad(g.sum(), scale)[0].data[0] == pytest.approx((before * 3).sum() / 5)


def test_only_inputs_false_accumulates_in_the_other_leaves():
    x, y, z = leaf(2), leaf(3), leaf(5)
    h = x * y
    found = grad(h * z, [x, h], only_inputs=False)
    assert [numbers(g) for g in found] == [[15], [5]]
    assert x.grad is None
    assert numbers(y.grad) == [10]
    assert numbers(z.grad) == [6]


def test_unused_inputs():
    x, y = leaf(2), leaf(3)
    h = y * 2
    for unused in (y, h):
        with pytest.raises(RuntimeError, match=r"input 1 of size \(1,\) is unreachable"):
            grad(x * x, [x, unused])
        g, none = grad(x * x, [x, unused], allow_unused=True)
        assert numbers(g) == [4]
        assert none is None


def test_create_graph():
    x = leaf(3)
    (g,) = grad(x * x * x, x, create_graph=True)
    assert g.requires_grad
    (g2,) = grad(g, x, create_graph=True)
    (g3,) = grad(g2, x)
    assert [numbers(v) for v in (g, g2, g3)] == [[27], [18], [6]]
    assert g3.volatile
    assert x.grad is None


@pytest.mark.parametrize(
    ("seed", "create_graph", "recorded"),
    [
        (lambda: None, None, False),
        (lambda: double(1), None, False),
        (lambda: Variable(double(1), volatile=True), None, False),
        (lambda: Variable(double(1)), None, True),
        (lambda: leaf(1), None, True),
        (lambda: None, True, True),
        (lambda: double(1), True, True),
        (lambda: leaf(1), False, False),
        (lambda: Variable(double(1)), False, False),
    ],
)
def test_whether_a_graph_is_recorded(seed, create_graph, recorded):
    x = leaf(3)
    out = x * x
    (g,) = grad(out, x, seed(), create_graph=create_graph)
    assert g.requires_grad == recorded
    assert g.volatile == (not recorded)
    assert numbers(g) == [6]
    if recorded:  # retain_graph follows
        grad(out, x)
    with pytest.raises(RuntimeError, match="retain_graph"):
        grad(out, x)


def test_gradient_of_grad_outputs():
    x, w = leaf(3), leaf(5)
    (g,) = grad(x * x, x, w)
    (gw,) = grad(g, w)
    assert numbers(gw) == [6]


def test_retain_graph():
    x = leaf(2)
    out = x * x
    grad(out, x, retain_graph=True)
    grad(out, x, create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="Specify retain_graph=True"):
        grad(out, x)


def test_grad_frees_only_what_it_ran():
    x, y = leaf(2), leaf(3)
    h = y * y
    out = x * h
    grad(out, h)
    (g,) = grad(h, y)
    assert numbers(g) == [6]


def test_hooks_run_where_the_pass_goes_on_and_not_where_grad_stops():
    x = leaf(2)
    h = x * 3
    seen = []
    h.register_hook(lambda g: seen.append("h"))
    x.register_hook(lambda g: seen.append("x"))
    out = h * h
    grad(out, h, retain_graph=True)
    assert seen == []
    (g,) = grad(out, x, retain_graph=True)
    assert seen == ["h"]
    assert numbers(g) == [36]
    grad(out, h, only_inputs=False)
    assert seen == ["h", "h", "x"]


def test_a_hook_replaces_the_gradient_on_the_way():
    x = leaf(2)
    h = x * 3
    h.register_hook(lambda g: g * 10)
    gx, gh = grad(h * h, [x, h])
    assert numbers(gx) == [360]
    assert numbers(gh) == [12]  # captured before the hook: what belongs to h itself


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: grad(x * x, Variable(double(1))), RuntimeError, "input 0 does not require grad"),
        (lambda x: grad(x * x, [x, Variable(double(1), volatile=True)]), RuntimeError, "input 1 does not require grad"),
        (lambda x: grad(x * x, [x, 3]), TypeError, "inputs must be Variables, got int at position 1"),
        (lambda x: grad(x * x, x.data), TypeError, "inputs must be Variables, got DoubleTensor at position 0"),
        (lambda x: grad(Variable(double(1)), x), RuntimeError, "does not require grad"),
        (lambda x: grad(Variable(double(1), volatile=True), x), RuntimeError, "volatile"),
        (lambda x: grad(x.data, x), TypeError, "expected Variables, got DoubleTensor"),
        (lambda x: grad(torch.cat([x, x]), x), RuntimeError, "only for scalar outputs"),
        (lambda x: grad(x * x, x, double(1, 2)), RuntimeError, r"size of its Variable, \(1,\), got \(2,\)"),
        (lambda x: grad(x * x, x, 1.0), TypeError, "must be a Tensor, a Variable or None, got float"),
        (lambda x: grad([x * x, x], x, [None]), RuntimeError, "got 2 Variables, but 1 gradients"),
        (lambda x: grad(x * x, x, torch.ones(1)), RuntimeError, "must have the type of its Variable"),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(leaf(2))
