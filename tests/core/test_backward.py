"""The backward pass: accumulation, what is computed and for whom, and what it leaves behind. Hooks: `test_hooks`."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core
from minigrad.autograd import Function, Variable, backward


def double(*values):
    return torch.DoubleTensor(list(values))


def leaf(*values):
    return Variable(double(*values), requires_grad=True)


def numbers(v):
    return v.data.tolist()


def share(a, b):
    return np.shares_memory(_core.array_of(a), _core.array_of(b))


def counted(**formulas):
    """An operation a + b + c whose formulas count their calls."""
    calls = dict.fromkeys("abc", 0)

    def formula(name):
        def run(g):
            calls[name] += 1
            return g

        return run

    derivatives = {name: formula(name) for name in "abc"}
    return _core.Operation("counted", lambda a, b, c: a + b + c, "a b c", derivatives=derivatives), calls


# ---------------------------------------------------------------- accumulation


def test_first_gradient_is_a_volatile_leaf_of_its_own():
    x = leaf(1, 2)
    (x * 3).backward(double(1, 10))
    assert numbers(x.grad) == [3, 30]
    assert x.grad.volatile
    assert x.grad.is_leaf
    assert x.grad.requires_grad is False


@pytest.mark.parametrize(
    "program",
    [
        lambda x, w: x,
        lambda x, w: x + 0,
        lambda x, w: x + w,
        lambda x, w: w + x,
        lambda x, w: x * w,
        lambda x, w: x.view(2, 1).view(2),
        lambda x, w: x + x,
        lambda x, w: (x * 1) + x,
        lambda x, w: x.expand(1, 2).view(2),
        lambda x, w: torch.cat([x, w]).narrow(0, 0, 2) * w,
    ],
)
def test_grad_shares_memory_with_nothing(program):
    seed, given = double(3, 4), []
    x, w = leaf(1, 2), leaf(5, 6)
    seen = []
    inner = program(x, w)
    inner.register_hook(given.append)
    x.register_hook(lambda g: seen.append(g) or None)
    out = inner * 1
    out.backward(seed, retain_graph=True)
    others = [seed, x.data, w.data, inner, out, *given, *seen] + ([w.grad] if w.grad is not None else [])
    for other in others:
        assert not share(x.grad, other)
    first = numbers(x.grad)
    kept = [numbers(Variable(t) if torch.is_tensor(t) else t) for t in others if w.grad is not t]
    x.grad.data.mul_(100)
    assert [numbers(Variable(t) if torch.is_tensor(t) else t) for t in others if w.grad is not t] == kept
    x.grad = None
    out.backward(seed)
    assert numbers(x.grad) == first


def test_the_seed_gradient_given_to_a_leaf_is_copied():
    x, seed = leaf(1, 2), double(3, 4)
    x.backward(seed)
    x.backward(seed)
    assert numbers(x.grad) == [6, 8]
    assert seed.tolist() == [3, 4]


def test_volatile_grad_is_added_to_in_place():
    x = leaf(1, 2)
    (x * 3).backward(double(1, 1))
    first, data = x.grad, x.grad.data
    version = first._version
    (x * 4).backward(double(1, 1))
    assert x.grad is first
    assert x.grad.data is data
    assert numbers(x.grad) == [7, 7]
    assert first._version == version + 1


def test_other_grad_is_replaced_by_a_new_variable():
    x, given = leaf(1, 2), Variable(double(10, 20))
    x.grad = given
    (x * 3).backward(double(1, 1))
    assert x.grad is not given
    assert numbers(x.grad) == [13, 23]
    assert numbers(given) == [10, 20]


def test_create_graph_accumulates_a_differentiable_sum():
    x = leaf(3)
    (x * x * x).backward(create_graph=True)
    assert not x.grad.volatile
    assert type(x.grad.grad_fn).__name__ == "Identity"
    assert numbers(x.grad) == [27]
    first = x.grad
    (x * x).backward(create_graph=True)
    assert x.grad is not first
    assert numbers(x.grad) == [33]
    assert numbers(first) == [27]
    total = x.grad
    x.grad = None
    total.backward()
    assert numbers(x.grad) == [6 * 3 + 2]


def test_create_graph_into_a_volatile_grad_adds_in_place():
    x = leaf(3)
    (x * x).backward()
    first = x.grad
    (x * x).backward(create_graph=True)
    assert x.grad is first
    assert numbers(first) == [12]


def test_leaves_that_do_not_require_grad_get_none():
    x, c = leaf(1), Variable(double(2))
    (x * c).backward()
    assert c.grad is None
    assert numbers(x.grad) == [2]


def test_several_roots_and_one_root_twice():
    x = leaf(1, 2)
    y, z = x * 2, x * 3
    backward([y, z, y, x], [double(1, 1), double(1, 10), double(100, 100), double(1000, 1000)])
    assert numbers(x.grad) == [1205, 1232]


# ---------------------------------------------------------------- shapes of graphs


def test_diamond():
    x = leaf(2)
    a = x * 3
    b, c = a * a, a.tanh()
    (b * c).backward()
    t = np.tanh(6.0)
    assert np.isclose(numbers(x.grad)[0], 3 * (12 * t + 36 * (1 - t * t)))


def test_wide_fan_out_sums_once():
    x = leaf(1)
    h = x * 1
    out = h * 0
    for k in range(50):
        out = out + h * k
    out.backward()
    assert numbers(x.grad) == [sum(range(50))]


def test_random_graphs_agree_with_hand_made_sums(rng):
    """A graph of sums and products of earlier nodes, differentiated forwards by hand."""
    for _ in range(30):
        start = rng.uniform(-1, 1, 3)
        leaves = [leaf(v) for v in start]
        values = list(leaves)
        tangents = [np.eye(3)[k] for k in range(3)]
        for _ in range(25):
            i, j = rng.integers(len(values), size=2)
            a, b = values[i], values[j]
            if rng.random() < 0.5:
                values.append(a + b)
                tangents.append(tangents[i] + tangents[j])
            else:
                values.append(a * b * 0.5)
                tangents.append(0.5 * (tangents[i] * float(b) + tangents[j] * float(a)))
        values[-1].backward()
        found = [0.0 if v.grad is None else numbers(v.grad)[0] for v in leaves]
        assert np.allclose(found, tangents[-1], rtol=1e-12, atol=1e-12)


def test_cat_of_one_hundred():
    """More inputs than a machine word has bits."""
    leaves = [leaf(k) if k % 3 else Variable(double(k)) for k in range(100)]
    out = torch.cat(leaves)
    out.backward(torch.DoubleTensor(list(range(100))))
    for k, v in enumerate(leaves):
        assert (v.grad is None) if k % 3 == 0 else numbers(v.grad) == [k]
    wanted = [leaves[1], leaves[98]]
    found = torch.autograd.grad(torch.cat([v * 2 for v in leaves]), wanted, torch.DoubleTensor(list(range(100))))
    assert [numbers(g) for g in found] == [[2], [196]]


# ---------------------------------------------------------------- only what is needed


def test_formulas_run_only_for_those_who_need_them():
    operation, calls = counted()
    a, b, c = leaf(1), Variable(double(2)), leaf(3)
    out = operation(a, b, c)
    assert calls == {"a": 0, "b": 0, "c": 0}
    out.backward(retain_graph=True)
    assert calls == {"a": 1, "b": 0, "c": 1}
    torch.autograd.grad(out, c, retain_graph=True)
    assert calls == {"a": 1, "b": 0, "c": 2}
    torch.autograd.grad(out, a, only_inputs=False, retain_graph=True)
    assert calls == {"a": 2, "b": 0, "c": 3}


def test_grad_does_not_visit_branches_that_lead_elsewhere():
    operation, calls = counted()
    x, y = leaf(1), leaf(2)
    branch = operation(y, y, y)
    out = x * 3 + branch
    (g,) = torch.autograd.grad(out, x)
    assert numbers(g) == [3]
    assert calls == {"a": 0, "b": 0, "c": 0}


def test_a_node_keeps_only_what_its_formulas_name():
    a, b = leaf(1), Variable(double(2))
    watch = weakref.ref(b)
    out = b * 3 + a
    del b
    assert watch() is None
    kept = a * 1
    product = kept * Variable(double(5))  # the formula of the first argument names the second only
    watch = weakref.ref(kept)
    del kept
    assert watch() is None
    product.backward()
    out.backward()
    assert numbers(a.grad) == [6]


def test_missing_gradients_of_outputs_are_none_for_formulas():
    seen = []

    def joint(g, a):
        seen.append(tuple(None if x is None else float(x[0]) for x in g))
        return [sum(x * k for k, x in enumerate(g, 1) if x is not None)]

    operation = _core.Operation("three", lambda a: (a * 1, a * 2, a * 3), "a", joint=joint, outputs=3)
    for roots, expected, total in [
        ((2,), (None, None, 1.0), 3),
        ((1,), (None, 1.0, None), 2),
        ((0, 2), (1.0, None, 1.0), 4),
    ]:
        x = leaf(1)
        outs = operation(x)
        assert [o.output_nr for o in outs] == [0, 1, 2]
        backward([outs[k] for k in roots], [double(1)] * len(roots))
        assert seen.pop() == expected
        assert numbers(x.grad) == [total]
        outs = operation(x)
        backward([outs[k] * 1 for k in roots for _ in range(2)], [double(1)] * 2 * len(roots))  # each summed from two
        assert seen.pop() == tuple(None if e is None else 2 * e for e in expected)


def fused(calls):
    """a * b and a * b * b as one operation with a reference; its own formula is for first derivatives only."""

    def joint(g, a, b, needs):
        calls.append(needs)
        g0, g1 = (0 * a if x is None else x for x in g)
        return [(g0 * b + g1 * b * b) if needs[0] else None, (g0 * a + g1 * 2 * a * b) if needs[1] else None]

    return _core.Operation(
        "fused",
        lambda a, b: (a * b, a * b * b),
        "a b",
        joint=joint,
        outputs=2,
        reference=lambda a, b: (a * b, a * b * b),
    )


def test_a_fused_operation_takes_first_derivatives_from_its_own_formula():
    calls = []
    a, b = leaf(2), leaf(3)
    backward(fused(calls)(a, b), [double(1), double(10)])
    assert (numbers(a.grad), numbers(b.grad)) == ([93], [122])
    c = Variable(double(2))
    fused(calls)(c, b)[1].backward()
    assert calls == [(True, True), (False, True)]


def test_a_fused_operation_takes_higher_derivatives_from_its_reference():
    calls = []
    a = leaf(2)
    b = a * a  # one input computed from the other: partial derivatives are wanted
    _, second = fused(calls)(a, b)  # a^5
    (g,) = torch.autograd.grad(second, a, create_graph=True)
    (h,) = torch.autograd.grad(g, a)
    assert (numbers(g), numbers(h)) == ([80], [160])
    assert calls == []
    b = a * a
    first, _ = fused(calls)(a, b)  # a^3, and no gradient for the other output
    (g,) = torch.autograd.grad(first, [a], create_graph=True)
    (h,) = torch.autograd.grad(g, a)
    assert (numbers(g), numbers(h)) == ([12], [12])


def test_constant_outputs_require_no_grad():
    operation = _core.Operation(
        "with_index", lambda a: (a * 2, a * 0), "a", joint=lambda g: [g[0] * 2], outputs=2, constant_outputs=(1,)
    )
    value, index = operation(leaf(1))
    assert value.requires_grad
    assert index.requires_grad is False
    assert index.grad_fn is None


# ---------------------------------------------------------------- retain_graph, create_graph, errors


def test_buffers_are_freed_unless_retained():
    x = leaf(2)
    out = x * x
    out.backward(retain_graph=True)
    out.backward()
    assert numbers(x.grad) == [8]
    with pytest.raises(RuntimeError, match=r"mul: trying to backward .* freed\. Specify retain_graph=True"):
        out.backward()
    assert numbers(x.grad) == [8]


def test_what_kept_numbers_and_sizes_only_can_run_again():
    x = leaf(1, 2)
    out = (x.view(2, 1).expand(2, 3) + 1) * 2
    for _ in range(3):
        out.backward(torch.ones(2, 3).double())
    assert numbers(x.grad) == [18, 18]


def test_freeing_lets_go_of_saved_values():
    x = leaf(2)
    inner = x * 3
    watch = weakref.ref(inner)
    out = inner * inner
    del inner
    assert watch() is not None
    out.backward()
    assert watch() is None


def test_retain_graph_follows_create_graph():
    x = leaf(2)
    out = x * x
    out.backward(create_graph=True)
    out.backward()
    assert numbers(x.grad) == [8]
    out = x * x
    out.backward(create_graph=True, retain_graph=False)
    with pytest.raises(RuntimeError, match="retain_graph"):
        out.backward()


def test_retain_variables_is_the_old_name():
    x = leaf(2)
    out = x * x
    with pytest.warns(UserWarning, match="retain_variables is deprecated") as caught:
        out.backward(retain_variables=True)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="retain_variables is deprecated") as caught:
        backward(out, retain_variables=True)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="retain_variables is the old name"):
        out.backward(retain_graph=True, retain_variables=True)


def test_create_graph_by_default_if_a_given_gradient_is_a_variable_that_is_not_volatile():
    x = leaf(3)
    (x * x).backward(Variable(double(1)))
    assert x.grad.requires_grad
    x.grad = None
    (x * x).backward(Variable(double(1), volatile=True))
    assert x.grad.volatile
    x.grad = None
    (x * x).backward(Variable(double(1)), create_graph=False)
    assert x.grad.volatile
    x.grad = None
    (x * x).backward(double(1), create_graph=True)
    assert x.grad.requires_grad


def test_gradient_of_the_given_gradient():
    x, w = leaf(3), leaf(5)
    (x * x).backward(w)
    x.grad.backward()
    assert numbers(w.grad) == [6]


def test_higher_derivatives_through_a_recorded_backward():
    x = leaf(0.5)
    y = x.tanh()
    for _ in range(3):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
    t = np.tanh(0.5)
    assert np.isclose(numbers(y)[0], (1 - t * t) * (6 * t * t - 2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: (x * 2).backward(), RuntimeError, r"only for scalar outputs, this one has size \(2,\)"),
        (lambda x: (x * 2).backward(None), RuntimeError, "only for scalar outputs"),
        (lambda x: (x * 2).backward(double(1)), RuntimeError, r"size of its Variable, \(2,\), got \(1,\)"),
        (lambda x: (x * 2).backward(torch.ones(2)), RuntimeError, "minigrad.DoubleTensor, got minigrad.FloatTensor"),
        (lambda x: (x * 2).backward([1, 2]), (RuntimeError, TypeError), "gradient"),
        (lambda x: (x * 2).backward(1.0), TypeError, "a gradient must be a Tensor, a Variable or None, got float"),
        (lambda x: backward([x * 2], [1.0]), TypeError, "a gradient must be a Tensor, a Variable or None, got float"),
        (lambda x: backward([x * 2], [double(1, 1)] * 2), RuntimeError, "got 1 Variables, but 2 gradients"),
        (lambda x: backward([x * 2, x * 3]), RuntimeError, "only for scalar outputs"),
        (lambda x: backward([x.data]), TypeError, "expected Variables, got DoubleTensor; a Tensor has no history"),
        (lambda x: backward(x.data), TypeError, "expected Variables, got DoubleTensor"),
        (lambda x: backward(3), TypeError, "expected Variables, got int"),
        (lambda x: Variable(x.data).backward(double(1, 1)), RuntimeError, "does not require grad"),
        (lambda x: Variable(x.data, volatile=True).backward(double(1, 1)), RuntimeError, "is volatile"),
    ],
)
def test_errors(call, error, words):
    x = leaf(1, 2)
    with pytest.raises(error, match=words):
        call(x)
    assert x.grad is None


def test_leaf_moved_into_the_graph_is_refused():
    x, w = leaf(1), leaf(2)
    out = x * 3
    x.requires_grad = False
    x.add_(w)
    with pytest.raises(RuntimeError, match="moved into the graph"):
        out.backward()


# ---------------------------------------------------------------- re-entrance and exceptions


def test_backward_inside_a_hook():
    x, y = leaf(2), leaf(3)
    h = x * 1

    def hook(g):
        (y * y).backward()
        inner = leaf(5)
        (inner * inner * inner).backward()
        return g * inner.grad

    h.register_hook(hook)
    (h * 4).backward()
    assert numbers(y.grad) == [6]
    assert numbers(x.grad) == [4 * 75]


def test_backward_inside_a_functions_backward():
    class Recomputed(Function):
        """Saves its input only; backward computes the value again and differentiates it."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            x = Variable(x, requires_grad=True)
            y = x * x * x
            y.backward(g.data)
            return x.grad

    x = leaf(2)
    h = Recomputed.apply(Recomputed.apply(x))
    h.backward()
    assert numbers(x.grad) == [9 * 2.0**8]


def test_deeply_nested_backward():
    depth = 30

    def nested(level):
        v = leaf(2)
        h = v * 1
        if level < depth:
            h.register_hook(lambda g: g + nested(level + 1))
        (h * 1).backward()
        return v.grad

    assert numbers(nested(0)) == [depth + 1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("place", ["hook", "leaf hook", "Function", "formula", "node hook"])
def test_the_engine_is_usable_after_an_exception(error, place):
    def fail(*args):
        raise error("on purpose")

    class Failing(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            fail()

    x, y = leaf(1), leaf(2)
    h = x * y
    if place == "hook":
        h.register_hook(fail)
    elif place == "leaf hook":
        x.register_hook(fail)
    elif place == "node hook":
        h.grad_fn.register_hook(fail)
    elif place == "formula":
        h = _core.Operation("failing", lambda a: a * 1, "a", derivatives={"a": lambda g: fail()})(h)
    else:
        h = Failing.apply(h)
    with pytest.raises(error, match="on purpose"):
        (h + h).backward()
    watch = weakref.ref(h)
    del h
    gc.collect()
    assert watch() is None
    a, b = leaf(3), leaf(4)
    (a * b + a).backward()
    assert (numbers(a.grad), numbers(b.grad)) == ([5], [3])


def test_no_leaf_accumulates_when_the_pass_fails_inside():
    x, y = leaf(1), leaf(2)
    h = y * 1

    def fail(g):
        raise ValueError

    h.register_hook(fail)
    out = h + x
    with pytest.raises(ValueError):
        out.backward()
    assert x.grad is None
    assert y.grad is None


# ---------------------------------------------------------------- garbage collection


def collected(make):
    """Whether what make() returns weakly goes away, at the latest by garbage collection."""
    watch = make()
    gc.collect()
    return watch() is None


def test_graphs_go_away_without_the_garbage_collector():
    gc.disable()
    try:
        x = leaf(1)
        h = x * 2
        watch = weakref.ref(h)
        out = (h * h).tanh() + h
        out.backward()
        del h, out
        assert watch() is None
    finally:
        gc.enable()


def test_cycle_through_a_hook():
    def make():
        x = leaf(1)
        h = x * 2
        h.register_hook(lambda g: h * g)  # the hook holds h, h holds its node, the node the hook
        return weakref.ref(h)

    assert collected(make)


def test_cycle_through_a_node_hook_and_a_leaf_hook():
    def node():
        h = leaf(1) * 2
        h.grad_fn.register_hook(lambda i, o: h and None)
        return weakref.ref(h)

    def of_leaf():
        x = leaf(1)
        x.register_hook(lambda g: x * g)
        return weakref.ref(x)

    assert collected(node)
    assert collected(of_leaf)


def test_cycle_through_a_differentiable_grad():
    def make():
        x = leaf(1, 2)
        (x * x).backward(double(1, 1), create_graph=True)
        assert x.grad.requires_grad
        return weakref.ref(x)

    assert collected(make)


def test_cycle_through_a_value_saved_before_it_was_changed():
    def make():
        w = leaf(1, 2)
        x = w * 1
        x.add_(x * w)
        return weakref.ref(x)

    assert collected(make)


def test_cycle_through_a_long_chain():
    def make():
        x = leaf(1)
        h = x
        for _ in range(20000):
            h = h * x
        h.register_hook(lambda g: h)
        return weakref.ref(h)

    assert collected(make)


def test_cycle_of_a_function_that_keeps_its_own_result():
    class Keeping(Function):
        @staticmethod
        def forward(ctx, x):
            out = x.tanh()
            ctx.save_for_backward(x, out)
            return out

        @staticmethod
        def backward(ctx, g):
            _x, out = ctx.saved_variables
            return g * (1 - out * out)

    gc.disable()
    try:
        h = Keeping.apply(leaf(1) * 2)
        watch = weakref.ref(h.grad_fn)
        del h
        assert watch() is None  # no cycle at all
    finally:
        gc.enable()


def test_infinities_pass_back_without_numpys_warnings():
    x = Variable(torch.DoubleTensor([0.0, 1.0]), requires_grad=True)
    x.log().sum().backward()
    assert x.grad.data.tolist() == [float("inf"), 1.0]
    (g,) = torch.autograd.grad((x / x).sum(), x)
    assert g.data[0] != g.data[0], "0 / 0 is nan"
