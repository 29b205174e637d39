"""Variable: construction, flags, the rules for assigning data and grad, what it shares and what it refuses."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core
from minigrad.autograd import Function, Variable


def double(*values):
    return torch.DoubleTensor(list(values))


def leaf(*values):
    return Variable(double(*values), requires_grad=True)


# ---------------------------------------------------------------- construction


def test_defaults():
    data = double(1, 2)
    v = Variable(data)
    assert v.data is data
    assert v.data is v.data
    assert v.requires_grad is False
    assert v.volatile is False
    assert v.grad is None
    assert v.grad_fn is None
    assert v.is_leaf is True
    assert v.output_nr == 0
    assert v.name is None
    assert v._base is None
    assert v._version == 0
    assert v._backward_hooks is None
    assert v.is_cuda is False
    assert isinstance(v.shape, torch.Size)
    assert v.shape == (2,)
    assert not torch.is_tensor(v)
    assert not isinstance(v, type(data))


@pytest.mark.parametrize(
    ("args", "kwargs", "flags"),
    [
        ((), {"requires_grad": True}, (True, False)),
        ((True,), {}, (True, False)),
        ((), {"volatile": True}, (False, True)),
        ((False, True), {}, (False, True)),
        ((False, False), {}, (False, False)),
        ((True,), {"volatile": False}, (True, False)),
    ],
)
def test_flags(args, kwargs, flags):
    v = Variable(double(1), *args, **kwargs)
    assert (v.requires_grad, v.volatile) == flags


def test_name():
    assert Variable(double(1), name="weight").name == "weight"
    with pytest.raises(AttributeError):
        Variable(double(1)).name = "other"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "got NoneType"),
        (1.5, r"got float; make a tensor of it first: Variable\(minigrad.Tensor\(\[1.5\]\)\)"),
        ([1.0, 2.0], r"got list; make a tensor of it first: Variable\(minigrad.Tensor\(\[1.0, 2.0\]\)\)"),
        (np.ones(2), r"got ndarray; wrap the array first: Variable\(minigrad.from_numpy\(array\)\)"),
        (Variable(torch.ones(1)), "got Variable; it is already a Variable"),
    ],
)
def test_data_must_be_a_tensor(data, words):
    with pytest.raises(TypeError, match=words):
        Variable(data)


def test_both_flags_exclude_each_other():
    with pytest.raises(RuntimeError, match="volatile=True and requires_grad=True exclude"):
        Variable(double(1), requires_grad=True, volatile=True)


@pytest.mark.parametrize(("args", "kwargs"), [((False, False, None), {}), ((), {"requires": True})])
def test_other_arguments_are_refused(args, kwargs):
    with pytest.raises(TypeError, match="Variable takes"):
        Variable(double(1), *args, **kwargs)


# ---------------------------------------------------------------- data


def test_data_shares_memory_and_records_nothing():
    v = leaf(1, 2)
    v.data.add_(1)
    assert v.data.tolist() == [2, 3]
    assert v._version == 0
    assert v.is_leaf
    assert v.requires_grad


def test_data_of_a_result_is_the_same_object_each_time():
    out = leaf(1, 2) * 2
    assert out.data is out.data


def test_data_is_assignable_and_may_change_type():
    v = leaf(1, 2)
    other = torch.FloatTensor([5, 6, 7])
    v.data = other
    assert v.data is other
    assert v.requires_grad
    (v * v).backward(torch.ones(3))
    assert v.grad.data.tolist() == [10, 12, 14]


@pytest.mark.parametrize("value", [None, 3, np.ones(2), Variable(torch.ones(2))])
def test_data_must_stay_a_tensor(value):
    with pytest.raises(TypeError, match=r"Variable\.data must be a Tensor"):
        leaf(1).data = value


def test_saved_values_are_those_of_the_forward_pass_when_data_is_replaced():
    a, b = leaf(2), leaf(3)
    out = a * b
    b.data = double(100)
    out.backward()
    assert a.grad.data.tolist() == [3]


@pytest.mark.parametrize("inner", [False, True])
def test_saved_values_under_create_graph_when_data_is_replaced(inner):
    """The numbers of the forward pass, and still a way back to the Variable."""
    a, b = leaf(2), leaf(3)
    h = b * 1 if inner else b
    out = a * h
    h.data = double(100)
    (g,) = torch.autograd.grad(out, a, create_graph=True)
    assert g.data.tolist() == [3]
    (mixed,) = torch.autograd.grad(g, b)
    assert mixed.data.tolist() == [1]


def test_data_of_a_view_replaced_makes_it_a_variable_of_its_own():
    x = leaf(1, 2, 3) * 1
    v = x.narrow(0, 0, 2)
    v.data = double(7, 8)
    v.mul_(2)
    assert v._base is None
    assert x.data.tolist() == [1, 2, 3]


def test_view_of_a_base_whose_data_was_replaced_is_never_followed_out_of_its_memory():
    x = Variable(double(1, 2, 3))
    v = x.narrow(0, 1, 2)
    x.data = double(4, 5, 6)
    with pytest.raises(RuntimeError, match=r"base's \.data was replaced"):
        v.add_(leaf(1, 1))


# ---------------------------------------------------------------- grad


def test_grad_assignment():
    v, g = leaf(1, 2), Variable(double(3, 4))
    v.grad = g
    assert v.grad is g
    v.grad = None
    assert v.grad is None


@pytest.mark.parametrize(
    ("grad", "error", "words"),
    [
        (double(1, 2), TypeError, "must be a Variable or None"),
        (1.0, TypeError, "must be a Variable or None, got float"),
        (Variable(torch.ones(2)), RuntimeError, "type minigrad.DoubleTensor, got minigrad.FloatTensor"),
        (Variable(double(1)), RuntimeError, r"size \(2,\), got \(1,\)"),
        (Variable(torch.DoubleTensor([[1, 2]])), RuntimeError, r"size \(2,\), got \(1, 2\)"),
    ],
)
def test_grad_must_fit(grad, error, words):
    v = leaf(1, 2)
    with pytest.raises(error, match=words):
        v.grad = grad
    assert v.grad is None


def test_grad_cannot_be_the_variable_itself():
    v = leaf(1)
    with pytest.raises(RuntimeError, match="its own gradient"):
        v.grad = v


# ---------------------------------------------------------------- requires_grad, volatile


def test_requires_grad_is_settable_on_leaves_with_bools_only():
    v = Variable(double(1))
    v.requires_grad = True
    assert (v * 2).requires_grad
    v.requires_grad = False
    assert not (v * 2).requires_grad
    for odd in (1, None, "yes"):
        with pytest.raises(RuntimeError, match="requires_grad must be True or False"):
            v.requires_grad = odd
    out = leaf(1) * 2
    for flag in (True, False):
        with pytest.raises(RuntimeError, match="leaf Variables only; this one is the result of MulBackward0"):
            out.requires_grad = flag


def test_requires_grad_of_a_volatile_variable_is_refused():
    v = Variable(double(1), volatile=True)
    with pytest.raises(RuntimeError, match="volatile"):
        v.requires_grad = True


def test_volatile_is_settable_on_leaves_only():
    v = leaf(1)
    v.volatile = True
    assert (v.volatile, v.requires_grad) == (True, False)
    v.volatile = False
    assert not v.volatile
    out = leaf(1) * 2
    with pytest.raises(RuntimeError, match="leaf Variables only"):
        out.volatile = True
    with pytest.raises(RuntimeError, match="volatile must be True or False"):
        v.volatile = 1


def test_one_volatile_input_makes_every_output_volatile():
    a, b = leaf(1, 2), Variable(double(3, 4), volatile=True)
    for out in (a * b, b * a, a + b, torch.cat([a, b])):
        assert out.volatile
        assert out.requires_grad is False
        assert out.grad_fn is None
        with pytest.raises(RuntimeError, match="volatile"):
            out.backward(torch.ones_like(out.data))
    later = (a * b).tanh() * a
    assert later.volatile
    assert b.narrow(0, 0, 1).volatile


def test_volatile_result_saves_nothing():
    a, b = leaf(1, 2), Variable(double(3, 4), volatile=True)
    watch = weakref.ref(b)
    out = a * b
    del b
    assert watch() is None
    assert out.volatile


@pytest.mark.parametrize("name", ["grad_fn", "is_leaf", "output_nr", "name", "_base", "_version", "shape", "is_cuda"])
def test_read_only(name):
    with pytest.raises(AttributeError):
        setattr(leaf(1), name, None)


# ---------------------------------------------------------------- detach


def test_detach_shares_data_and_version_and_keeps_volatile():
    x = leaf(1, 2) * 1
    d = x.detach()
    assert (d.requires_grad, d.is_leaf, d.volatile, d._base) == (False, True, False, None)
    assert d.data.data_ptr() == x.data.data_ptr()
    x.add_(1)
    assert d.data.tolist() == [2, 3]
    assert d._version == x._version == 1
    d.add_(1)
    assert x._version == 2
    assert Variable(double(1), volatile=True).detach().volatile


def test_change_through_detach_is_noticed_by_saved_values():
    x = leaf(1, 2) * 1
    out = x * x
    x.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward(double(1, 1))


def test_detach_in_place():
    x = leaf(1, 2)
    y = x * 2
    assert y.detach_() is y
    assert (y.is_leaf, y.requires_grad, y.grad_fn) == (True, False, None)
    y.requires_grad = True
    (y * 3).backward(double(1, 1))
    assert x.grad is None
    assert y.grad.data.tolist() == [3, 3]
    assert leaf(1).detach_().requires_grad is False


def test_detach_in_place_of_a_view_is_refused():
    with pytest.raises(RuntimeError, match="views"):
        (leaf(1, 2) * 1).narrow(0, 0, 1).detach_()


# ---------------------------------------------------------------- levels, numbers, identity


def test_tensor_and_variable_do_not_mix():
    v, t = leaf(1, 2), double(3, 4)
    for call in (lambda: v + t, lambda: t + v, lambda: v.mul(t), lambda: t.mul_(v)):
        with pytest.raises(TypeError, match="do not mix"):
            call()


@pytest.mark.parametrize("left", [True, False])
def test_numpy_array_and_variable_do_not_mix(left):
    v, a = leaf(1, 2), np.ones(2)
    with pytest.raises(TypeError, match=r"NumPy array does not mix .*from_numpy"):
        _ = a * v if left else v * a


@pytest.mark.parametrize("number", [np.float64(3), np.float32(3), np.int64(3)])
def test_numpy_numbers_are_numbers_on_either_side(number):
    v = leaf(1, 2)
    for out in (number * v, v * number):
        assert isinstance(out, Variable)
        assert out.data.tolist() == [3, 6]
        assert out.requires_grad


def test_types_must_agree():
    with pytest.raises(
        RuntimeError, match=r"Expected object of type minigrad.DoubleTensor but found type minigrad.FloatTensor"
    ):
        leaf(1) + Variable(torch.ones(1))


def test_reflected_operators():
    v = leaf(2, 4)
    for out, wanted, grad in [
        (1 - v, [-1, -3], [-1, -1]),
        (8 / v, [4, 2], [-2, -0.5]),
        (1 + v, [3, 5], [1, 1]),
        (3 * v, [6, 12], [3, 3]),
    ]:
        v.grad = None
        assert out.data.tolist() == wanted
        out.backward(double(1, 1))
        assert v.grad.data.tolist() == grad


def test_power_in_place_is_not_defined_and_division_makes_a_new_variable():
    v = leaf(2, 4) * 1
    with pytest.raises(NotImplementedError):
        v **= 2
    w = v
    w /= 2
    assert w is not v
    assert v.data.tolist() == [2, 4]
    assert v._version == 0


def test_hash_by_identity_and_comparison_by_element():
    a, b = Variable(double(1, 2)), Variable(double(1, 3))
    assert hash(a) == hash(a) != hash(b)
    assert len({a, b, a}) == 2
    for out, wanted in [(a == b, [1, 0]), (a != b, [0, 1]), (a < b, [0, 1]), (a >= 2, [0, 1])]:
        assert isinstance(out.data, torch.ByteTensor)
        assert out.data.tolist() == wanted
        assert out.requires_grad is False


def test_numbers_and_truth():
    v = leaf(2.5)
    assert (int(v), float(v), bool(v), bool(leaf(0))) == (2, 2.5, True, False)
    with pytest.raises(TypeError):
        float(leaf(1, 2))
    with pytest.raises(RuntimeError):
        bool(leaf(1, 2))
    assert len(leaf(1, 2, 3)) == 3


# ---------------------------------------------------------------- copies


def test_deepcopy_copies_data_and_flags_but_not_grad():
    v = leaf(1, 2)
    (v * 3).backward(double(1, 1))
    w = copy.deepcopy(v)
    assert w.requires_grad
    assert w.grad is None
    w.data.add_(1)
    assert v.data.tolist() == [1, 2]
    assert copy.deepcopy(Variable(double(1), volatile=True)).volatile
    twice = copy.deepcopy([v, v])
    assert twice[0] is twice[1]
    with pytest.raises(RuntimeError, match="only leaf Variables"):
        copy.deepcopy(v * 2)


def double_it(grad):
    return grad * 2


@pytest.mark.parametrize("protocol", [0, 1, 2, pickle.HIGHEST_PROTOCOL])
def test_pickle_keeps_data_flags_and_hooks(protocol):
    v = leaf(1, 2)
    v.register_hook(double_it)
    w = pickle.loads(pickle.dumps(v, protocol))
    assert w.data.tolist() == [1, 2]
    assert type(w.data) is torch.DoubleTensor
    assert (w.requires_grad, w.volatile) == (True, False)
    (w * 3).backward(double(1, 1))
    assert w.grad.data.tolist() == [6, 6]
    assert pickle.loads(pickle.dumps(Variable(double(1), volatile=True), protocol)).volatile
    result = pickle.loads(pickle.dumps(v * 2, protocol))  # a result comes back as a leaf
    assert (result.is_leaf, result.requires_grad) == (True, True)


def test_weak_reference():
    v = leaf(1)
    watch = weakref.ref(v)
    assert watch() is v
    del v
    assert watch() is None


def test_subclass():
    class Named(Variable):
        def __init__(self, data, title):
            super().__init__(data, requires_grad=True)
            self.title = title

        def describe(self):
            return f"{self.title}{list(self.size())}"

    w = Named(double(1, 2), "w")
    assert w.describe() == "w[2]"
    out = w * w
    assert type(out) is Variable
    out.backward(double(1, 1))
    assert w.grad.data.tolist() == [2, 4]
    w.data.add_(1)
    assert w.data.tolist() == [2, 3]


# ---------------------------------------------------------------- the graph as Python sees it


def name_of(v):
    return type(v.grad_fn).__name__


def test_nodes_are_named_after_their_operations():
    a, b = leaf(1, 2), leaf(3, 4)
    assert name_of(a + 1) == "AddBackward0"
    assert name_of(1 + a) == "AddBackward0"
    assert name_of(a + b) == "AddBackward1"
    assert name_of(a * 2) == "MulBackward0"
    assert name_of(a * b) == "MulBackward1"
    assert name_of(a.expand(3, 2)) == "ExpandBackward"
    assert name_of(a.tanh()) == "TanhBackward"
    out = a + b
    assert out.grad_fn.name() == "AddBackward1"
    assert repr(out.grad_fn).startswith("<AddBackward1 object at ")
    assert out.grad_fn is out.grad_fn
    assert type((a + b).grad_fn) is type(out.grad_fn)


def test_named_nodes_still_work_and_go_away():
    x = leaf(1, 2)
    for _ in range(300):  # more than the nodes kept for reuse
        y = (x * 2).tanh()
        assert name_of(y) == "TanhBackward"
        assert type(y.grad_fn.next_functions[0][0]).__name__ == "MulBackward0"
        x.grad = None
        y.backward(double(1, 1))
        assert np.allclose(x.grad.data.numpy(), 2 * (1 - np.tanh([2, 4]) ** 2))
    plain = x * x  # a node in reused memory has its own type again
    assert name_of(plain) == "MulBackward1"
    gc.collect()
    kinds = [type(o).__name__ for o in gc.get_objects()]
    assert kinds.count("TanhBackward") == 1


def test_next_functions():
    a, b = leaf(1, 2), Variable(double(3, 4))
    five = a + 5
    ((accumulate, number),) = five.grad_fn.next_functions
    assert type(accumulate).__name__ == "AccumulateGrad"
    assert accumulate.variable is a
    assert accumulate.next_functions == ()
    assert number == 0
    assert five.grad_fn.next_functions[0][0] is accumulate
    assert (five * a).grad_fn.next_functions == ((five.grad_fn, 0), (accumulate, 0))
    assert (b * a).grad_fn.next_functions == ((None, 0), (accumulate, 0))


def test_next_functions_number_the_outputs():
    class Pair(Function):
        @staticmethod
        def forward(ctx, x, factor, y):
            return x * factor, y * factor

        @staticmethod
        def backward(ctx, gx, gy):
            return gx, None, gy

    a, b = leaf(1), leaf(2)
    x, y = Pair.apply(a, 3, b)
    assert (x.output_nr, y.output_nr) == (0, 1)
    assert name_of(x) == "PairBackward"
    assert x.grad_fn is y.grad_fn
    assert [k for _, k in (y * x).grad_fn.next_functions] == [1, 0]
    assert [f.variable for f, _ in x.grad_fn.next_functions] == [a, b]


def test_backward_hooks_are_assignable():
    seen = []
    for make in (lambda: leaf(1), lambda: leaf(1) * 1):
        v = make()
        v._backward_hooks = OrderedDict([(0, lambda g: seen.append("old"))])
        v._backward_hooks = OrderedDict([(0, lambda g: seen.append("new"))])
        (v * 2).backward(double(1))
        assert seen == ["new"]
        v._backward_hooks = None
        (v * 2).backward(double(1))
        assert seen == ["new"]
        seen.clear()


def test_dir_lists_what_exists():
    v = leaf(1)
    for name in dir(v):
        getattr(v, name)


def test_values_at_the_engine_door():
    v = leaf(1, 2)
    assert _core.array_of(v) is v.data.array
    with pytest.raises(TypeError, match="expected a Tensor or a Variable, got int"):
        _core.array_of(3)


def test_grad_of_an_inner_variable_says_why_it_is_none():
    x = Variable(torch.ones(2), requires_grad=True)
    y = x * 2
    y.sum().backward()
    with pytest.warns(UserWarning, match=r"not a leaf \(it is the result of MulBackward0\).*retain_grad\(\)") as caught:
        assert y.grad is None
    assert caught[0].filename == __file__
    z = x * 2
    z.retain_grad()
    assert z.grad is None, "kept, but there was no backward yet: nothing to explain"
    z.sum().backward()
    assert z.grad.data.tolist() == [1, 1]
