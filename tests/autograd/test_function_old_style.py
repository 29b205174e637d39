"""Functions of the old style, whose object is its own context, and those of nested arguments."""

import gc
import weakref

import pytest

import minigrad as torch
from minigrad.autograd import Function, Variable
from minigrad.autograd.function import InplaceFunction, NestedIOFunction


def double(*values):
    return torch.DoubleTensor(list(values))


def leaf(*values):
    return Variable(double(*values), requires_grad=True)


def numbers(v):
    return v.data.tolist()


# ---------------------------------------------------------------- old style


class Scale(Function):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x, y):
        assert torch.is_tensor(x)
        self.save_for_backward(x, y)
        return x * y * self.factor

    def backward(self, g):
        assert torch.is_tensor(g)
        x, y = self.saved_tensors
        return g * y * self.factor, g * x * self.factor


def test_old_style():
    x, y = leaf(2), leaf(3)
    f = Scale(10)
    out = f(x, y)
    assert numbers(out) == [60]
    assert out.grad_fn is f
    assert type(out.grad_fn) is Scale
    assert f.name() == "Scale"
    assert [k.variable for k, _ in f.next_functions] == [x, y]
    assert (out * 1).grad_fn.next_functions == ((f, 0),)
    assert f.needs_input_grad == (True, True)
    seen = []
    f.register_hook(lambda gi, go: seen.append((numbers(gi[0]), numbers(go[0]))))
    out.backward(double(2))
    assert seen == [([60], [2])]
    assert (numbers(x.grad), numbers(y.grad)) == ([60], [40])
    with pytest.raises(RuntimeError, match="retain_graph"):
        out.backward()


def test_old_style_called_twice_keeps_both_graphs_apart():
    x, y = leaf(2), leaf(3)
    f = Scale(10)
    first, second = f(x, y), f(y, y)
    first.backward()
    assert (numbers(x.grad), numbers(y.grad)) == ([30], [20])
    second.backward()
    assert numbers(y.grad) == [20 + 60]


def test_old_style_takes_variables_only():
    for odd in (3, double(1), None):
        with pytest.raises(TypeError, match="Scale: all arguments must be Variables"):
            Scale(1)(leaf(1), odd)


def test_old_style_is_not_twice_differentiable():
    x, y = leaf(2), leaf(3)
    g, _ = torch.autograd.grad(Scale(10)(x, y), [x, y], create_graph=True)
    assert numbers(g) == [30]
    assert type(g.grad_fn).__name__ == "Error"
    with pytest.raises(RuntimeError, match="differentiate twice a function that is once differentiable: Scale"):
        g.backward()


def test_old_style_missing_gradients_arrive_as_zeros():
    class Two(Function):
        def forward(self, x):
            return x * 2, torch.cat([x, x])

        def backward(self, a, b):
            assert torch.is_tensor(a)
            assert torch.is_tensor(b)
            seen.append((a.tolist(), b.tolist()))
            return a * 2

    seen = []
    x = leaf(1)
    a, _ = Two()(x)
    a.backward()
    assert seen == [([1], [0, 0])]
    assert numbers(x.grad) == [2]


def test_old_style_in_place():
    class AddOne(InplaceFunction):
        def forward(self, x):
            if self.inplace:
                self.mark_dirty(x)
                return x.add_(1)
            return x + 1

        def backward(self, g):
            return g * 5

    x = leaf(1)
    for inplace in (False, True):
        x.grad = None
        h = x * 1
        f = AddOne(inplace)
        out = f(h)
        assert (out is h) == inplace
        assert out.grad_fn is f
        out.backward()
        assert numbers(out) == [2]
        assert numbers(x.grad) == [5]
    assert InplaceFunction().inplace is False


def test_old_style_volatile():
    out = Scale(1)(leaf(1), Variable(double(1), volatile=True))
    assert out.volatile
    assert out.grad_fn is None


def test_old_style_goes_away_without_a_collection():
    gc.disable()
    try:
        f = Scale(1)
        out = f(leaf(1) * 1, leaf(2) * 1)
        watch = weakref.ref(f)
        del f, out
        assert watch() is None
    finally:
        gc.enable()


# ---------------------------------------------------------------- nested


class Marking(Function):
    """Marks its argument as changed, or its result as constant, or nothing."""

    what = None

    def forward(self, x):
        if self.what == "dirty":
            self.mark_dirty(x)
            return x.mul_(3)
        out = x * 3
        if self.what == "constant":
            self.mark_non_differentiable(out)
        return out

    def backward(self, g):
        return g * 3


@pytest.mark.parametrize("what", ["dirty", "constant"])
def test_what_a_call_without_a_graph_marked_is_forgotten(what):
    f, x = Marking(), leaf(2)
    f.what = what
    f(Variable(double(1)))
    f.what = None
    f(x).backward()
    assert numbers(x.grad) == [3]


class Weighted(NestedIOFunction):
    """(x, [y, None, (z,)]) -> (x * 2, [y * z])."""

    def forward_extended(self, x, rest):
        y, nothing, (z,) = rest
        assert nothing is None
        assert isinstance(rest, list)
        self.save_for_backward(y, z)
        return x * 2, [y * z]

    def backward_extended(self, gx, grads):
        (g,) = grads
        y, z = self.saved_tensors
        return gx * 2, [g * z, None, (g * y,)]


def test_nested():
    x, y, z = leaf(1), leaf(2), leaf(3)
    a, rest = Weighted()(x, [y, None, (z,)])
    assert isinstance(rest, list)
    (b,) = rest
    assert (numbers(a), numbers(b)) == ([2], [6])
    torch.autograd.backward([a, b], [double(1), double(10)])
    assert [numbers(v.grad) for v in (x, y, z)] == [[2], [30], [20]]
    f = Weighted()
    first, second = f(x, [y, None, (z,)]), f(x, [z, None, (z,)])
    x.grad = y.grad = z.grad = None
    first[1][0].backward()
    assert numbers(y.grad) == [3]
    second[1][0].backward()
    assert numbers(z.grad) == [2 + 6]


def test_each_call_keeps_its_own_nesting():
    class Sum(NestedIOFunction):
        def forward_extended(self, parts):
            return sum(parts)

        def backward_extended(self, g):
            return [g] * len(self._nesting["arguments"][0])

    f, x, y = Sum(), leaf(1), leaf(2)
    first, second = f([x, y]), f([x])
    first.backward()
    second.backward()
    assert (numbers(x.grad), numbers(y.grad)) == ([2], [1])


def test_nested_results_may_be_one_and_gradients_none():
    class First(NestedIOFunction):
        def forward_extended(self, pair):
            return pair[0] * 3

        def backward_extended(self, g):
            return [g * 3]

    x, y = leaf(1), leaf(2)
    out = First()([x, y])
    assert isinstance(out, Variable)
    out.backward()
    assert (numbers(x.grad), numbers(y.grad)) == ([3], [0])
    with pytest.raises(TypeError, match="First: expected Variables, None and lists or tuples of them, got int"):
        First()([x, 3])
    for name in ("forward_extended", "backward_extended"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(NestedIOFunction(), name)()
