"""In-place changes and views: versions, refusals, and gradients equal to those of the same program out of place."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import minigrad as torch
from minigrad import _core
from minigrad.autograd import Function, Variable
from minigrad.ops.shape import sum_to_size
from minigrad.ops.strided import as_strided
from minigrad.testing import check_gradients


def double(values):
    return torch.from_numpy(np.array(values, dtype=np.float64))


def leaf(values):
    return Variable(double(values), requires_grad=True)


def numbers(v):
    return v.data.tolist()


def gradients(out, leaves):
    """Gradients of sum_k (k + 1) out_k, so that no two elements weigh the same."""
    weight = torch.from_numpy(np.arange(1.0, _core.array_of(out).size + 1).reshape(_core.array_of(out).shape))
    return [
        None if g is None else _core.array_of(g) for g in torch.autograd.grad(out, leaves, weight, allow_unused=True)
    ]


# ---------------------------------------------------------------- versions


def test_every_change_raises_the_version_that_views_share():
    x = Variable(double([[1, 2], [3, 4]]))
    v, w = x.t(), x.view(4).narrow(0, 1, 2)
    assert [t._version for t in (x, v, w)] == [0, 0, 0]
    x.add_(1)
    v.mul_(2)
    w += 1
    x -= 1
    w.detach().tanh_()
    assert [t._version for t in (x, v, w, x.detach(), v.narrow(0, 0, 1))] == [5] * 5
    assert (x * 1)._version == 0
    assert Variable(x.data)._version == 0


def test_in_place_returns_its_target_and_keeps_its_memory():
    x = leaf([1, 2]) * 1
    pointer = x.data.data_ptr()
    assert x.mul_(3) is x
    assert x.data.data_ptr() == pointer
    assert numbers(x) == [3, 6]


@pytest.mark.parametrize(
    ("program", "name", "what", "version"),
    [
        (lambda x, w: x * w, "mul", "its argument 'a'", 1),
        (lambda x, w: w * x, "mul", "its argument 'b'", 1),
        (lambda x, w: w * x.narrow(0, 0, 2), "mul", "its argument 'b'", 1),
        (lambda x, w: w * x.detach(), "mul", "its argument 'b'", 1),
    ],
)
@pytest.mark.parametrize("create_graph", [False, True])
def test_changed_argument_is_noticed(program, name, what, version, create_graph):
    x, w = leaf([1, 2]) * 1, leaf([3, 4])
    out = program(x, w)
    x.add_(1)
    with pytest.raises(
        RuntimeError, match="one of the variables needed for gradient computation has been modified by an inplace"
    ) as e:
        out.backward(double([1, 1]), create_graph=create_graph)
    assert f"{name} saved {what} of size (2,) at version 0, it is at version {version} now" in str(e.value)
    assert w.grad is None


F = torch.nn.functional


@pytest.mark.parametrize(
    ("program", "sizes", "which"),
    [
        (torch.matmul, [(2, 3, 4), (4, 5)], 0),
        (torch.matmul, [(2, 3, 4), (4,)], 0),
        (torch.matmul, [(2, 3, 4), (4,)], 1),
        (F.bilinear, [(2, 3), (2, 4), (5, 3, 4)], 0),
        (F.bilinear, [(2, 3), (2, 4), (5, 3, 4)], 1),
        (F.bilinear, [(2, 3), (2, 4), (1, 3, 4)], 2),
        (F.prelu, [(2, 3), (3,)], 1),
        (F.multi_margin_loss, [(3, 4), "index"], 1),
        (lambda x, index: F.multi_margin_loss(x[0], index[:1]), [(3, 4), "index"], 1),
        (torch.Tensor.__mul__, [(2, 2), (4,)], 0),
        (torch.Tensor.__mul__, [(2, 2), (4,)], 1),
        (lambda x, y: F.mse_loss(x, y.detach()), [(2, 2), (4,)], 1),
        (lambda x, mask: x.masked_scatter(mask, x * 2), [(3, 1), "mask"], 1),
    ],
)
@pytest.mark.filterwarnings("ignore:.*element")
def test_changed_operand_is_noticed_by_what_saved_another_shape_of_it(program, sizes, which, rng):
    others = {"index": torch.LongTensor([1, 2, 3]), "mask": torch.ByteTensor([1, 0, 1])}
    operands = [Variable(others[s].clone()) if s in others else leaf(rng.normal(size=s)) * 1 for s in sizes]
    out = program(*operands)
    operands[which].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.backward(torch.from_numpy(np.ones(out.size())))


def test_changed_result_is_noticed():
    x = leaf([1, 2])
    out = x.tanh()
    out.mul_(2).add_(1)
    with pytest.raises(
        RuntimeError, match=r"tanh saved its result of size \(2,\) at version 0, it is at version 2 now"
    ):
        out.backward(double([1, 1]))


def test_changed_base_is_noticed_by_what_saved_a_view_and_the_other_way_round():
    w = leaf([[5, 6]])
    for change in (lambda x, v: x.add_(1), lambda x, v: v.add_(1)):
        for saved in (lambda x, v: x, lambda x, v: v):
            x = leaf([[1, 2]]) * 1
            v = x.view(1, 2)
            out = saved(x, v) * w
            change(x, v)
            with pytest.raises(RuntimeError, match="modified by an inplace"):
                out.backward(double([[1, 1]]))


def test_value_that_no_formula_needs_may_change():
    start = leaf([1, 2])
    x = start * 1
    out = x + 3
    other = x * Variable(double([5, 6]))
    x.mul_(2)
    out.backward(double([1, 1]))
    other.backward(double([1, 1]))
    assert numbers(start.grad) == [1 + 5, 1 + 6]


@pytest.mark.parametrize("program", [lambda x, w: x / w, lambda x, w: 1.5 / w, lambda x, w: (x + 0).div_(w)])
def test_a_quotient_may_change(program):
    x, w = leaf([1, 2]), leaf([4, 5])
    wanted = gradients(program(x, w) * 3, [x, w])
    out = program(x, w)
    out.mul_(3)
    for g, expected in zip(gradients(out, [x, w]), wanted):
        assert (g is None) == (expected is None)
        assert g is None or np.array_equal(g, expected)


def test_a_result_changed_in_place_by_an_operation_that_needs_its_result():
    x = leaf([0.5, -1])
    y = x * 2
    y.tanh_()
    y.backward(double([1, 1]), retain_graph=True)
    assert np.allclose(numbers(x.grad), 2 * (1 - np.tanh([1, -2]) ** 2))
    y.add_(1)
    with pytest.raises(RuntimeError, match=r"tanh saved its result .* at version 1, it is at version 2"):
        y.backward(double([1, 1]))


def test_operation_that_overwrites_the_argument_its_formula_needs_keeps_a_copy():
    x, w = leaf([1, 2]), leaf([3, 4])
    y = x * 1
    y.mul_(w)
    y.backward(double([1, 1]))
    assert w.grad.data.tolist() == [1, 2]
    assert x.grad.data.tolist() == [3, 4]


def test_the_copy_carries_the_history_for_a_second_derivative(rng):
    def changed(x, w):
        y = x * x
        y.mul_(w)
        y.sin_()
        z = y * w
        z.view(4, 3)[1:3].pow_(2)
        return z

    x = leaf(rng.normal(size=(3, 4)))
    w = leaf(rng.normal(size=(3, 4)))
    check_gradients(changed, [x, w], rng=rng)


# ---------------------------------------------------------------- leaves, sizes, memory that cannot be written

LEAF = "a leaf Variable that requires grad has been used in an in-place operation"


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.add_(1),
        lambda x: x.mul_(Variable(double([1, 2]))),
        lambda x: x.mul_(Variable(double([1, 2]), volatile=True)),
        lambda x: x.view(2, 1).add_(1),
        lambda x: x.narrow(0, 0, 1).tanh_(),
        lambda x: x.view(2, 1).t().sub_(1),
        lambda x: x.__iadd__(x),
    ],
)
def test_leaf_that_requires_grad_is_refused_and_unchanged(change):
    x = leaf([1, 2])
    with pytest.raises(RuntimeError, match=LEAF):
        change(x)
    assert numbers(x) == [1, 2]
    assert (x._version, x.requires_grad, x.volatile) == (0, True, False)


def test_leaf_that_does_not_require_grad_joins_the_graph():
    x, w = Variable(double([1, 2])), leaf([3, 4])
    x.add_(w)
    assert x.requires_grad
    assert not x.is_leaf
    x.backward(double([1, 10]))
    assert numbers(w.grad) == [1, 10]


def test_size_of_the_target_cannot_change():
    x = Variable(double([1, 2]))
    with pytest.raises(RuntimeError, match=r"add_: an in-place .* size \(2,\), the result has \(3, 2\)"):
        x.add_(Variable(double([[1, 2]] * 3)))
    t = double([1, 2])
    with pytest.raises(RuntimeError, match=r"add_: an in-place"):
        t.add_(double([[1, 2]] * 3))
    assert numbers(x) == [1, 2]
    assert x._version == 0


def test_expanded_views_are_refused():
    for x in (Variable(double([[1], [2]])), leaf([[1], [2]]) * 1):
        v = x.expand(2, 3)
        with pytest.raises(RuntimeError, match="cannot be written: it is expanded"):
            v.add_(1)
        assert numbers(x) == [[1], [2]]
        assert x._version == 0
    with pytest.raises(RuntimeError, match="cannot be written: it is expanded"):
        double([[1], [2]]).expand(2, 3).add_(1)


@pytest.mark.parametrize("sizes", [(2, 3), (-1, 3), (1, 2, 3)])
@pytest.mark.parametrize("layout", [lambda v: v * 1, lambda v: v.narrow(0, 0, 2), lambda v: v.t().clone().t()])
def test_an_expansion_that_repeats_nothing_can_be_written(sizes, layout):
    x = leaf([[1, 2, 3], [4, 5, 6]])
    base = layout(x * 1)
    v = base.expand(*sizes)
    v.mul_(3)
    v.data.add_(1)
    assert numbers(base) == [[4, 7, 10], [13, 16, 19]]
    assert base._version == v._version == 1
    assert gradients(base, x)[0].tolist() == [[3, 6, 9], [12, 15, 18]]


def test_read_only_memory_is_refused():
    array = np.ones(2)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="cannot be written"):
        Variable(torch.from_numpy(array)).add_(1)


# ---------------------------------------------------------------- volatile


@pytest.mark.parametrize("requires", [False, True])
def test_volatile_operand_makes_the_target_volatile(requires):
    x = Variable(double([1, 2]), requires_grad=requires)
    x = x * 1
    x.add_(Variable(double([1, 1]), volatile=True))
    assert (x.volatile, x.requires_grad, x.grad_fn, x._version) == (True, False, None, 1)
    assert numbers(x) == [2, 3]


@pytest.mark.parametrize("requires", [False, True])
def test_volatile_operand_makes_the_base_of_a_view_volatile(requires):
    x = Variable(double([1, 2, 3]), requires_grad=requires) * 1
    older = x.narrow(0, 1, 2)
    v = x.narrow(0, 0, 2)
    v.add_(Variable(double([1, 1]), volatile=True))
    for t in (x, v):
        assert (t.volatile, t.requires_grad, t.grad_fn) == (True, False, None)
    assert (x * 2).volatile
    assert (v * 2).volatile
    with pytest.raises(RuntimeError, match="is_volatile is False"):
        older * 2
    assert x.narrow(0, 1, 2).volatile


def test_view_of_a_base_that_became_volatile_itself():
    x = Variable(double([1, 2])) * 1
    v = x.view(2)
    x.add_(Variable(double([1, 1]), volatile=True))
    with pytest.raises(RuntimeError, match="is_volatile is False"):
        v.add_(1)


# ---------------------------------------------------------------- views made before the base required grad


@pytest.mark.parametrize("use", [lambda v: v * 2, lambda v: v.add_(1), lambda v: v.t(), lambda v: Same.apply(v)])
@pytest.mark.parametrize("through", ["base", "sibling"])
def test_view_made_before_its_base_required_grad_is_refused(use, through):
    x, w = Variable(double([[1, 2], [3, 4]])), leaf([[1, 1], [1, 1]])
    v = x.t()
    (x if through == "base" else x.view(2, 2)).add_(w)
    with pytest.raises(RuntimeError, match="requires_grad is False"):
        use(v)
    again = x.t()
    assert again.requires_grad
    assert (again * 2).requires_grad


def test_view_and_base_without_grad_stay_usable():
    x = Variable(double([1, 2]))
    v = x.view(2, 1)
    x.add_(1)
    v.mul_(2)
    assert numbers(v * 1) == [[4], [6]]
    assert not v.requires_grad


class Same(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g


# ---------------------------------------------------------------- histories


def test_a_view_knows_its_base_and_never_a_view():
    x = leaf([[1, 2], [3, 4]]) * 1
    v = x.t()
    w = v.narrow(0, 0, 1)
    assert v._base is x
    assert w._base is x
    assert x._base is None
    assert (x * 1)._base is None
    assert x.view(4)._base is x


def test_writing_to_a_view_rewrites_the_history_of_its_base():
    x, w = leaf([1, 2, 3]), leaf([10, 20])
    y = x * 2
    old = y.grad_fn
    v = y.narrow(0, 1, 2)
    v.mul_(w)
    assert y.grad_fn is not old
    assert numbers(y) == [2, 40, 120]
    assert v.requires_grad
    assert y.requires_grad


def test_gradient_outside_the_view_passes_through():
    x, w = leaf([1, 2, 3]), leaf([10, 20])
    y = x * 2
    y.narrow(0, 1, 2).add_(w)
    gx, gw = gradients(y, [x, w])
    assert gx.tolist() == [2, 4, 6]
    assert gw.tolist() == [2, 3]


def test_overwritten_part_gets_no_gradient():
    x, w = leaf([1, 2, 3]), leaf([10, 20])
    y = x * 2
    v = y.narrow(0, 1, 2)
    v.mul_(0).add_(w)
    gx, gw = gradients(y, [x, w])
    assert gx.tolist() == [2, 0, 0]
    assert gw.tolist() == [2, 3]
    gx, gw = gradients(v, [x, w])
    assert gx.tolist() == [0, 0, 0]
    assert gw.tolist() == [1, 2]


def test_base_without_grad_follows_its_view():
    x, w = Variable(double([1, 2, 3])), leaf([10, 20])
    v = x.narrow(0, 1, 2)
    v.add_(w)
    assert x.requires_grad
    assert v.requires_grad
    assert gradients(x, [w])[0].tolist() == [2, 3]


def test_older_sibling_views_are_derived_anew():
    x = leaf([[1, 2], [3, 4]])
    y = x * 1
    rows, columns = y.narrow(0, 0, 1), y.t()
    rows.mul_(10)
    assert type(columns.grad_fn).__name__ == "AsStridedBackward"
    assert columns.grad_fn is columns.grad_fn
    assert numbers(columns) == [[10, 3], [20, 4]]
    assert gradients(columns, [x])[0].tolist() == [[10, 30], [2, 4]]
    assert gradients(columns * 2 + y.t(), [x])[0].tolist() == [[30, 90], [6, 12]]


LAYOUTS = {
    "contiguous": lambda x: x * 1,
    "Fortran": lambda x: _laid_out(x, np.empty(_core.array_of(x).shape, order="F")),
    "every second": lambda x: _laid_out(x, np.empty((*_core.array_of(x).shape[:-1], 8))[..., ::2]),
    "backwards": lambda x: _laid_out(x, np.empty(_core.array_of(x).shape)[::-1]),
}


def _laid_out(x, memory):
    """A Variable with the value and history of x in `memory`, and no view of anything."""
    memory[...] = 0
    return _core.variable_from_array(memory).add_(x)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_siblings_of_bases_in_any_layout(layout, rng):
    x, w = leaf(rng.standard_normal((3, 4))), leaf(rng.standard_normal((2, 2)))
    y = LAYOUTS[layout](x)
    assert np.array_equal(_core.array_of(y), _core.array_of(x))
    part = y.t().narrow(0, 1, 2).narrow(1, 1, 2)  # y[1:3, 1:3] transposed
    column = y.narrow(1, 2, 1)
    part.add_(w)
    out = x.data.numpy().copy()
    out[1:3, 1:3] += w.data.numpy().T
    assert np.allclose(_core.array_of(y), out)
    assert np.allclose(_core.array_of(column), out[:, 2:3])
    gx, gw = gradients(column, [x, w])
    wanted = np.zeros((3, 4))
    wanted[:, 2] = [1, 2, 3]
    assert np.allclose(gx, wanted)
    assert np.allclose(gw, [[0, 0], [2, 3]])
    weight = np.arange(1.0, 13).reshape(3, 4)
    gx, gw = gradients(y, [x, w])
    assert np.allclose(gx, weight)
    assert np.allclose(gw, weight[1:3, 1:3].T)


def test_gradient_to_overlapping_views_adds_up():
    """as_strided may show an element several times."""
    x = leaf([1, 2, 3, 4])
    windows = as_strided(x, (4,), (1,), (3, 2), (1, 1), 0)
    assert numbers(windows) == [[1, 2], [2, 3], [3, 4]]
    assert gradients(windows, [x])[0].tolist() == [1, 5, 9, 6]


def test_detached_and_undetached_halves():
    x = leaf([1, 2])
    y = x * 3
    cut = y.detach()
    cut.mul_(2)
    assert numbers(y) == [6, 12]
    assert gradients(y, [x])[0].tolist() == [3, 6]
    assert not cut.requires_grad


def test_hooks_stay_with_the_value_they_were_registered_for():
    x = leaf([1, 2])
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(("before", numbers(g))))
    y.mul_(10)
    y.register_hook(lambda g: seen.append(("after", numbers(g))))
    y.backward(double([1, 1]))
    assert seen == [("after", [1, 1]), ("before", [10, 10])]


def test_hooks_of_a_view_whose_base_changed():
    x = leaf([1, 2])
    y = x * 1
    v = y.view(2)
    seen = []
    v.register_hook(lambda g: seen.append(("before", numbers(g))))
    early = v * 3
    y.mul_(10)
    v.register_hook(lambda g: seen.append(("after", numbers(g))))
    (v + early).backward(double([1, 1]))
    assert sorted(seen) == [("after", [1, 1]), ("before", [3, 3])]


def test_accumulated_program():
    """The state of a recurrence written into rows of one memory."""
    w = leaf([0.5, -0.3])
    states = Variable(double(np.zeros((4, 2))))
    h = Variable(double([1, 1]))
    for k in range(4):
        h = (h * w).tanh()
        states.narrow(0, k, 1).add_(h)
    first = gradients(states, [w])[0]
    h, rows = Variable(double([1, 1])), []
    for _ in range(4):
        h = (h * w).tanh()
        rows.append(h)
    assert np.allclose(first, gradients(torch.stack(rows), [w])[0], rtol=1e-13)


def test_second_derivative_through_in_place_changes():
    x = leaf([0.3, 0.7, -0.2])
    y = x * x
    y.narrow(0, 1, 2).mul_(3)
    z = y * y  # x^4, 9 x^4, 9 x^4
    (g,) = torch.autograd.grad(z, x, double([1, 1, 1]), create_graph=True)
    (h,) = torch.autograd.grad(g, x, double([1, 1, 1]))
    assert np.allclose(numbers(h), 12 * np.array([1, 9, 9]) * np.array([0.3, 0.7, -0.2]) ** 2)


def test_second_derivative_of_an_operation_that_kept_its_result_in_place():
    x = leaf([0.3, 0.7])
    y = x * 1
    y.tanh_()
    (g,) = torch.autograd.grad(y, x, double([1, 1]), create_graph=True)
    (h,) = torch.autograd.grad(g, x, double([1, 1]))
    t = np.tanh([0.3, 0.7])
    assert np.allclose(numbers(h), -2 * t * (1 - t * t))


# ---------------------------------------------------------------- random programs
#
# A program works on one memory of 3 x 4 numbers and up to five views of it. The twin keeps the memory as an
# out-of-place value: a view is the list of places it shows, and a change builds a new memory from single elements.
# Places, not strides, so the two have nothing in common.

SIZE = (3, 4)

VIEWS = {
    "t": lambda v, a, b: v.t() if v.dim() == 2 else v.narrow(0, 0, v.size(0)),
    "narrow": lambda v, a, b: v.narrow(
        a % v.dim(), b % v.size(a % v.dim()), 1 + (a + b) % (v.size(a % v.dim()) - b % v.size(a % v.dim()))
    ),
    "flat": lambda v, a, b: v.view(v.numel()) if v.is_contiguous() else v.unsqueeze(0),
    "unsqueeze": lambda v, a, b: v.unsqueeze(a % (v.dim() + 1)),
    "squeeze": lambda v, a, b: v.squeeze(),
}
CHANGES = {
    "scale": (lambda v, w: v.mul_(0.7), lambda v, w: v * 0.7),
    "add number": (lambda v, w: v.add_(0.25), lambda v, w: v + 0.25),
    "tanh": (lambda v, w: v.tanh_(), lambda v, w: v.tanh()),
    "sigmoid": (lambda v, w: v.sigmoid_(), lambda v, w: v.sigmoid()),
    "add leaf": (lambda v, w: v.add_(w.expand(*v.size())), lambda v, w: v + w.expand(*v.size())),
    "sub leaf": (lambda v, w: v.sub_(w), lambda v, w: v - w),
    "divide": (lambda v, w: v.div_(2), lambda v, w: v / 2),
    "square by copy": (lambda v, w: v.add_(v * v.clone() - v.clone()), lambda v, w: v * v),
    "overwrite": (lambda v, w: v.mul_(0).add_(w), lambda v, w: v * 0 + w),
    "zero": (lambda v, w: v.zero_(), lambda v, w: v * 0),
    "fill": (lambda v, w: v.fill_(0.5), lambda v, w: v * 0 + 0.5),
    "draw": (lambda v, w: v.bernoulli_(1), lambda v, w: v * 0 + 1),
    "compare": (lambda v, w: v.gt_(-100), lambda v, w: v * 0 + 1),
    "copy constant": (lambda v, w: v.copy_(Variable(double([0.3]))), lambda v, w: v * 0 + 0.3),
    "copy leaf": (lambda v, w: v.copy_(w), lambda v, w: v * 0 + w),
    "copy product": (lambda v, w: v.copy_(v.clone() * w), lambda v, w: v * w),
    "assign": (lambda v, w: assign(v, w.expand(*v.size())), lambda v, w: v * 0 + w),
}


def assign(v, value):
    v[...] = value


step = st.one_of(
    st.tuples(st.just("view"), st.sampled_from(sorted(VIEWS)), st.integers(0, 5), st.integers(0, 7), st.integers(0, 7)),
    st.tuples(st.just("change"), st.sampled_from(sorted(CHANGES)), st.integers(0, 5)),
    st.tuples(st.just("use"), st.integers(0, 5)),
)


def run_in_place(program, start, w, requires):
    """Returns the memory at the end plus everything used on the way."""
    base = start * 1 if requires else start
    views, used = [base], []
    for what, *rest in program:
        if what == "view":
            name, which, a, b = rest
            if len(views) < 6:
                views.append(VIEWS[name](views[which % len(views)], a, b))
        elif what == "change":
            name, which = rest
            CHANGES[name][0](views[which % len(views)], w)
        else:
            used.append(views[rest[0] % len(views)] + 0)
    return [base + 0, *[v + 0 for v in views[1:]], *used]


def run_out_of_place(program, start, w):
    places = [np.arange(12).reshape(SIZE)]
    memory = start.view(12) * 1
    used = []

    def show(where):
        flat = torch.cat([memory.narrow(0, int(p), 1) for p in where.reshape(-1)])
        return flat.view(*where.shape)

    for what, *rest in program:
        if what == "view":
            name, which, a, b = rest
            if len(places) < 6:
                shown = torch.from_numpy(places[which % len(places)])
                places.append(VIEWS[name](shown, a, b).numpy())
        elif what == "change":
            name, which = rest
            where = places[which % len(places)]
            new = CHANGES[name][1](show(where), w).view(where.size)
            parts = [memory.narrow(0, k, 1) for k in range(12)]
            for k, p in enumerate(where.reshape(-1)):
                parts[int(p)] = new.narrow(0, k, 1)
            memory = torch.cat(parts)
        else:
            used.append(show(places[rest[0] % len(places)]))
    return [memory.view(*SIZE), *[show(p) for p in places[1:]], *used]


def total(values, seed):
    """One number: all values weighted at random."""
    rng = np.random.default_rng(seed)
    parts = []
    for v in values:
        weight = Variable(torch.from_numpy(rng.standard_normal(_core.array_of(v).shape)))
        parts.append((v * weight).view(v.numel()))
    return sum_to_size(torch.cat(parts), (1,))


def unless_overwritten(function, *args, **kwargs):
    """The result, or None where a saved value was overwritten: that is said, never computed with."""
    try:
        return function(*args, **kwargs)
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
        return None


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.lists(step, max_size=14), st.booleans(), st.integers(0, 1000))
@example(
    [("view", "t", 0, 0, 0), ("view", "narrow", 1, 1, 2), ("change", "tanh", 2), ("use", 1), ("change", "add leaf", 0)],
    True,
    1,
)
@example([("change", "tanh", 0), ("view", "flat", 0, 0, 0), ("change", "overwrite", 1), ("use", 0)], True, 2)
@example([("view", "narrow", 0, 0, 1), ("change", "zero", 0), ("use", 1), ("change", "add leaf", 1)], True, 3)
def test_random_programs_agree_with_their_twin_out_of_place(program, requires, seed):
    rng = np.random.default_rng(seed)
    numbers_x, numbers_w = rng.uniform(-1, 1, SIZE), rng.uniform(-1, 1, 1)
    x, w = Variable(double(numbers_x), requires_grad=requires), leaf(numbers_w)
    try:
        changed = run_in_place(program, x if requires else Variable(double(numbers_x)), w, requires)
    except RuntimeError as error:
        # A view made before the first change with a leaf, where nothing required grad before.
        if requires or "requires_grad is False" not in str(error):
            raise
        return
    x2, w2 = Variable(double(numbers_x), requires_grad=requires), leaf(numbers_w)
    twin = run_out_of_place(program, x2, w2)
    assert len(changed) == len(twin)
    for a, b in zip(changed, twin):
        assert np.allclose(
            _core.array_of(a), _core.array_of(b).reshape(_core.array_of(a).shape), rtol=1e-13, atol=1e-13
        )
    out, out2 = total(changed, seed), total(twin, seed)
    assert out.requires_grad == out2.requires_grad
    if not out.requires_grad:
        return
    leaves, leaves2 = ([x, w], [x2, w2]) if requires else ([w], [w2])
    found = unless_overwritten(torch.autograd.grad, out, leaves, allow_unused=True)
    if found is None:
        return
    wanted = torch.autograd.grad(out2, leaves2, allow_unused=True)
    for f, g in zip(found, wanted):
        f, g = (0.0 if t is None else _core.array_of(t) for t in (f, g))
        assert np.allclose(f, g, rtol=1e-11, atol=1e-11)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(step, min_size=2, max_size=10), st.integers(0, 1000))
def test_random_programs_agree_with_finite_differences(program, seed):
    rng = np.random.default_rng(seed)
    at_x, at_w = rng.uniform(-1, 1, SIZE), rng.uniform(-1, 1, 1)

    def value(vx, vw):
        x, w = leaf(vx), leaf(vw)
        return total(run_in_place(program, x, w, True), seed), x, w

    out, x, w = value(at_x, at_w)
    found = unless_overwritten(torch.autograd.grad, out, [x, w], allow_unused=True)
    if found is None:
        return
    gx, gw = found
    dx, dw, eps = rng.standard_normal(SIZE), rng.standard_normal(1), 1e-5
    above, below = (float(value(at_x + s * eps * dx, at_w + s * eps * dw)[0]) for s in (1, -1))
    exact = sum(0.0 if g is None else float((_core.array_of(g) * d).sum()) for g, d in ((gx, dx), (gw, dw)))
    assert abs((above - below) / (2 * eps) - exact) < 1e-6 * (1 + abs(exact))
