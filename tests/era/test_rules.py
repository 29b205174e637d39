"""The ten rules in which PyTorch 0.3 differs from today's, one class each, written from its documentation."""

import copy
import operator
import pickle

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable
from minigrad.nn import functional as F

INTEGERS = ("Long", "Int", "Short", "Char", "Byte")


def tensor(*numbers, kind="Float"):
    return getattr(torch, f"{kind}Tensor")(list(numbers))


class TestTensorsAndVariablesAreUnrelated:
    def test_classes(self):
        v = Variable(torch.ones(2))
        assert not isinstance(v, torch.FloatTensor)
        assert not isinstance(v, torch.Tensor)
        assert not isinstance(v.data, Variable)
        assert type(v.data) is torch.FloatTensor
        assert torch.is_tensor(v.data)
        assert not torch.is_tensor(v)

    def test_data_is_the_tensor_itself(self):
        t = torch.ones(2)
        v = Variable(t)
        assert v.data is t
        assert v.data is v.data

    def test_tensors_record_nothing(self):
        t = torch.ones(2)
        assert not hasattr(t * 2, "grad_fn")
        with pytest.raises(RuntimeError, match="Variable"):
            _ = t.data

    def test_they_do_not_mix(self):
        t, v = torch.ones(2), Variable(torch.ones(2))
        for f in (operator.add, operator.mul, torch.max, torch.dot, torch.lt):
            for pair in ((t, v), (v, t)):
                with pytest.raises(TypeError, match="Tensor and a Variable do not mix"):
                    f(*pair)

    def test_a_variable_of_a_variable_is_refused(self):
        with pytest.raises(TypeError, match="already a Variable"):
            Variable(Variable(torch.ones(1)))


class TestThereAreNoTensorsWithoutDimensions:
    @pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "norm", "max", "min", "median", "trace"])
    def test_a_full_reduction(self, name):
        t = torch.rand(3, 3)
        number = getattr(t, name)()
        assert type(number) is float
        v = getattr(Variable(t), name)()
        assert isinstance(v, Variable)
        assert v.size() == (1,)
        assert v.data[0] == pytest.approx(number, rel=1e-6)

    def test_a_full_index(self):
        t = torch.arange(0, 6).view(2, 3)
        assert type(t[1, 2]) is float
        assert type(t.long()[1][2]) is int
        assert Variable(t)[1, 2].size() == (1,)
        assert [type(x) for x in t[0]] == [float] * 3
        assert [x.size() for x in Variable(t)[0]] == [(1,)] * 3

    @pytest.mark.parametrize("keepdim", [False, True])
    def test_reducing_the_only_dimension(self, keepdim):
        assert torch.ones(4).sum(0, keepdim).size() == (1,)
        assert Variable(torch.ones(4)).mean(0, keepdim).size() == (1,)
        values, indices = torch.ones(4).max(0, keepdim)
        assert values.size() == indices.size() == (1,)

    def test_squeezing_ones(self):
        assert torch.ones(1, 1, 1).squeeze().size() == (1,)
        assert torch.ones(1).squeeze(0).size() == (1,)
        assert Variable(torch.ones(1, 1)).squeeze().size() == (1,)

    def test_a_loss(self):
        loss = nn.MSELoss()(Variable(torch.ones(3)), Variable(torch.zeros(3)))
        assert loss.size() == (1,)
        assert loss.data[0] == 1.0
        assert type(loss.data[0]) is float


class TestTheOnlyEmptyTensorHasNoDimensions:
    def test_facts(self):
        for t in (torch.FloatTensor(), torch.FloatTensor([]), torch.randn(())):
            assert t.size() == ()
            assert t.dim() == 0
            assert t.numel() == 0
            assert len(t) == 0
            assert not bool(t)
            assert t.tolist() == []

    @pytest.mark.parametrize("call", [
        lambda t: t[1:1],
        lambda t: t[:, 2:1],
        lambda t: t[3:],
    ])  # fmt: skip
    def test_an_empty_slice(self, call):
        with pytest.raises(ValueError, match="empty"):
            call(torch.ones(3, 3))

    def test_an_array_without_elements(self):
        with pytest.raises(RuntimeError, match="0"):
            torch.FloatTensor(np.zeros((0, 2), np.float32))
        with pytest.raises(RuntimeError, match="0"):
            torch.from_numpy(np.zeros((0, 2)))

    def test_it_broadcasts_with_nothing(self):
        with pytest.raises(RuntimeError):
            torch.FloatTensor() + torch.ones(3)


class TestKeepdim:
    def test_is_false_everywhere(self):
        t = torch.rand(2, 3)
        for name in ("sum", "mean", "prod", "var", "std"):
            assert getattr(t, name)(1).size() == (2,)
            assert getattr(t, name)(1, keepdim=True).size() == (2, 1)
        assert t.norm(2, 1).size() == (2,)
        assert t.norm(2, 1, True).size() == (2, 1)
        for name in ("max", "min", "median", "mode"):
            assert getattr(t, name)(1)[0].size() == (2,)
            assert getattr(t, name)(1, keepdim=True)[1].size() == (2, 1)
        assert t.kthvalue(2, 1)[0].size() == (2,)
        assert t.kthvalue(2, 1, True)[0].size() == (2, 1)

    def test_the_warnings_only_warn(self):
        from minigrad.utils.backcompat import broadcast_warning, keepdim_warning

        assert keepdim_warning.enabled is False
        assert broadcast_warning.enabled is False
        keepdim_warning.enabled = broadcast_warning.enabled = True
        try:
            with pytest.warns(UserWarning, match="keepdim"):
                assert torch.ones(2, 3).sum(1).size() == (2,)
            with pytest.warns(UserWarning, match="broadcast"):
                assert (torch.ones(4, 1) + torch.ones(4)).size() == (4, 4)
        finally:
            keepdim_warning.enabled = broadcast_warning.enabled = False


class TestSameTypeOrError:
    @pytest.mark.parametrize("f", [operator.add, operator.mul, torch.max, torch.lt, torch.dot])
    def test_tensors(self, f):
        with pytest.raises(TypeError, match=r"FloatTensor.*DoubleTensor"):
            f(torch.ones(2), torch.ones(2).double())

    @pytest.mark.parametrize("f", [operator.add, operator.mul, torch.max, torch.lt, torch.dot])
    def test_variables(self, f):
        with pytest.raises(RuntimeError, match=r"Expected object of type .*FloatTensor but found type .*DoubleTensor"):
            f(Variable(torch.ones(2)), Variable(torch.ones(2).double()))

    @pytest.mark.parametrize("kind", INTEGERS)
    def test_an_integer_tensor_takes_ints_only(self, kind):
        t = tensor(1, 2, kind=kind)
        assert (t + 1).tolist() == [2, 3]
        assert type(t + 1) is type(t)
        for f in (operator.add, operator.mul, operator.sub, lambda a, b: a.fill_(b), lambda a, b: a.add_(b)):
            with pytest.raises(TypeError, match=r"float|whole"):
                f(t, 1.5)

    @pytest.mark.parametrize("kind", ["Float", "Double"])
    def test_a_floating_tensor_takes_any_number(self, kind):
        t = tensor(1, 2, kind=kind)
        assert type(t + 1) is type(t)
        assert type(t * 0.5) is type(t)
        assert type(2 ** t) is type(t)

    def test_what_converts(self):
        t = torch.zeros(2)
        t.copy_(tensor(1, 2, kind="Long"))
        assert t.tolist() == [1, 2]
        t[0:2] = tensor(3, 4, kind="Double")
        assert t.tolist() == [3, 4]
        assert t.type("torch.LongTensor").tolist() == [3, 4]
        assert t.type(torch.ByteTensor).tolist() == [3, 4]
        assert t.type_as(tensor(1, kind="Int")).tolist() == [3, 4]


class TestComparisonsGiveBytes:
    @pytest.mark.parametrize("name", ["eq", "ne", "lt", "le", "gt", "ge"])
    def test_types_and_values(self, name):
        a, b = torch.randn(3, 2), torch.randn(3, 2)
        b[0] = a[0]
        compare = getattr(operator, name)
        mask = compare(a, b)
        assert type(mask) is torch.ByteTensor
        assert mask.tolist() == compare(a.numpy(), b.numpy()).astype(int).tolist()
        variable = compare(Variable(a, requires_grad=True), Variable(b))
        assert type(variable.data) is torch.ByteTensor
        assert not variable.requires_grad
        assert variable.grad_fn is None
        assert variable.data.tolist() == mask.tolist()

    def test_arithmetic_on_masks_is_that_of_bytes(self):
        a, b = tensor(1, 1, 0, kind="Byte"), tensor(1, 0, 0, kind="Byte")
        assert (a + b).tolist() == [2, 1, 0]
        assert (1 - a).tolist() == [0, 0, 1]
        assert (b - a).tolist() == [0, 255, 0]
        assert (~a).tolist() == [0, 0, 1]
        assert (a & b).tolist() == [1, 0, 0]
        assert (a | b).tolist() == [1, 1, 0]
        assert (a ^ b).tolist() == [0, 1, 0]
        assert tensor(*[1] * 300, kind="Byte").sum() == 300

    def test_only_masks_are_inverted(self):
        for kind in ("Float", "Long", "Int"):
            with pytest.raises(RuntimeError, match="ByteTensor"):
                ~tensor(1, 0, kind=kind)

    def test_masks_are_bytes(self):
        t = torch.arange(0, 4)
        assert t[tensor(1, 0, 0, 1, kind="Byte")].tolist() == [0, 3]
        assert t[t > 1].tolist() == [2, 3]
        for kind in ("Float", "Int"):
            with pytest.raises((TypeError, RuntimeError, IndexError)):
                t.masked_select(tensor(1, 0, 0, 1, kind=kind))

    def test_there_is_no_bool_type(self):
        assert not hasattr(torch, "BoolTensor")
        assert type(torch.from_numpy(np.ones(2, np.uint8))) is torch.ByteTensor


class TestIntegerDivision:
    @pytest.mark.parametrize("kind", ["Long", "Int", "Short", "Char"])
    def test_truncates(self, kind):
        a, b = tensor(7, -7, 7, -7, kind=kind), tensor(2, 2, -2, -2, kind=kind)
        assert (a / b).tolist() == [3, -3, -3, 3]
        assert a.div(2).tolist() == [3, -3, 3, -3]
        assert type(a / b) is type(a)
        a /= 2
        assert a.tolist() == [3, -3, 3, -3]

    def test_there_is_no_floor_division(self):
        for t in (tensor(7, kind="Long"), torch.ones(1), Variable(torch.ones(1))):
            with pytest.raises(TypeError):
                t // 2


class TestVolatileIsTheOnlyWayToRecordNothing:
    def test_one_volatile_input_is_enough(self):
        w = Variable(torch.ones(2), requires_grad=True)
        out = (w * Variable(torch.ones(2), volatile=True)).sum()
        assert out.volatile
        assert not out.requires_grad
        assert out.grad_fn is None

    def test_backward_from_it(self):
        with pytest.raises(RuntimeError, match="volatile"):
            Variable(torch.ones(1), volatile=True).backward()

    def test_names_that_came_later(self):
        assert not callable(torch.tensor)  # a module, as in the era
        for name in ("no_grad", "enable_grad", "set_grad_enabled", "device", "dtype", "float32", "where"):
            assert not hasattr(torch, name)
        for name in ("requires_grad_", "item", "numpy", "dtype", "device"):
            assert not hasattr(Variable(torch.ones(1)), name)
        assert not hasattr(torch.ones(1), "item")


class TestGradients:
    def test_the_graph_of_the_derivative_is_recorded_on_demand(self):
        x = Variable(torch.ones(2), requires_grad=True)
        (x ** 3).sum().backward()
        assert x.grad.volatile
        assert not x.grad.requires_grad
        x = Variable(torch.ones(2), requires_grad=True)
        (x ** 3).sum().backward(create_graph=True)
        assert not x.grad.volatile
        assert x.grad.requires_grad
        x = Variable(torch.ones(2), requires_grad=True)
        (x ** 3).backward(Variable(torch.ones(2)))  # a gradient that is not volatile asks for it too
        assert x.grad.requires_grad


class TestSizeAverage:
    @pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss])
    def test_and_reduce(self, loss, rng):
        x, y = (Variable(torch.from_numpy(rng.normal(size=(4, 3)))) for _ in range(2))
        single = loss(x, y, reduce=False)
        assert single.size() == (4, 3)
        assert loss(x, y).data[0] == pytest.approx(single.data.mean(), rel=1e-12)
        assert loss(x, y, size_average=False).data[0] == pytest.approx(single.data.sum(), rel=1e-12)
        with pytest.raises(TypeError):
            loss(x, y, reduction="sum")


class TestCopies:
    """Of section 2: what copies share."""

    def test_copy_shares_the_storage(self):
        t = torch.zeros(3)
        copy.copy(t)[0] = 5
        assert t[0] == 5

    @pytest.mark.parametrize("again", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x, 2))])
    def test_deepcopy_and_pickle_keep_what_is_shared(self, again):
        t = torch.zeros(4)
        a, b = again([t, t[1:3]])
        b.fill_(7)
        assert a.tolist() == [0, 7, 7, 0]
        assert t.tolist() == [0, 0, 0, 0]
