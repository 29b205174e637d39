"""Reductions and ordering: the era's rules and values by hand, beyond the table's samples."""

import math

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable, gradcheck, gradgradcheck

NAN = math.nan


def variable(values, requires_grad=True):
    return Variable(torch.DoubleTensor(values), requires_grad=requires_grad)


def gradient(function, values):
    v = variable(values)
    out = function(v)
    out.backward(torch.ones(*out.size()).double())
    return v.grad.data.tolist()


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "norm", "max", "min", "median"])
def test_a_full_reduction_is_a_number_of_a_tensor_and_size_1_of_a_variable(name):
    t = torch.FloatTensor([[1, 2], [3, 4]])
    assert type(getattr(t, name)()) is float
    assert getattr(Variable(t), name)().size() == (1,)
    assert type(getattr(torch, name)(t)) is float


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std"])
def test_reducing_one_dimension_gives_size_1_whatever_keepdim(name):
    t = torch.FloatTensor([1, 2, 3])
    assert getattr(t, name)(0).size() == (1,)
    assert getattr(t, name)(0, keepdim=True).size() == (1,)
    assert t.norm(2, 0).size() == (1,)
    assert [p.size() for p in t.max(0)] == [(1,), (1,)]


def test_integers_stay_integers():
    assert torch.LongTensor([1, 2]).sum() == 3
    assert type(torch.ByteTensor([1, 2]).sum()) is int
    assert torch.LongTensor([[1, 2], [3, 4]]).prod(0).tolist() == [3, 8]
    assert type(torch.IntTensor([[1, 2]]).sum(1)) is torch.IntTensor
    with pytest.raises(AttributeError, match=r"a LongTensor has no 'mean'.*\.float\(\)"):
        torch.LongTensor([1, 2]).mean()
    with pytest.raises(TypeError, match=r"mean: not defined for minigrad.LongTensor.*\.float\(\)"):
        torch.mean(torch.LongTensor([1, 2]))


def test_a_tensors_number_does_not_overflow_and_a_byte_variables_sum_warns():
    mask = torch.ones(300).byte()
    assert mask.sum() == 300
    with pytest.warns(UserWarning, match="does not fit uint8"):
        assert Variable(mask).sum().data[0] == 300 - 256
    assert Variable(mask).long().sum().data[0] == 300


def test_a_tensors_number_is_computed_in_double_precision():
    t = torch.FloatTensor([0.1, 0.2])
    assert t.sum() == float(np.float32(0.1)) + float(np.float32(0.2))
    assert t.sum() != float(np.float32(0.1) + np.float32(0.2))
    many = torch.ones(1000) * 0.1
    for name in ("sum", "mean", "norm"):
        rounded = np.float32(getattr(many, name)())
        assert getattr(Variable(many), name)().data.numpy()[0] == rounded  # a Variable's is rounded once


def test_positional_order_of_var_and_std():
    t = torch.FloatTensor([[1, 3], [2, 6]])
    assert t.var(1, False).tolist() == [1, 4]
    assert t.var(1, True, True).tolist() == [[2], [8]]
    assert t.std(False) == pytest.approx(math.sqrt(3.5))
    assert t.var(dim=1, unbiased=False, keepdim=True).size() == (2, 1)
    assert math.isnan(torch.FloatTensor([1]).var())


@pytest.mark.parametrize(
    ("p", "value"),
    [(0, 2), (1, 7), (2, 5), (3, 91 ** (1 / 3)), (0.5, (math.sqrt(3) + 2) ** 2), (math.inf, 4), (-math.inf, 0)],
)
def test_norms_by_hand(p, value):
    assert torch.FloatTensor([3, 0, -4]).norm(p) == pytest.approx(value)


def test_the_derivative_of_a_norm_at_0_is_0():
    for p in (0, 0.5, 1, 1.5, 2, 3, math.inf):
        assert gradient(lambda v, p=p: v.norm(p), [0.0, 0.0]) == [0, 0]
    assert gradient(lambda v: v.std(), [2.0, 2.0]) == [0, 0]
    assert gradient(lambda v: v.norm(2, 1), [[0, 0], [0, 4]]) == [[0, 0], [0, 1]]
    assert gradient(lambda v: v.norm(math.inf), [2.0, -2.0, 1.0]) == [0.5, -0.5, 0]


# ---------------------------------------------------------------- products with zeros


@pytest.mark.parametrize(
    ("values", "expected"),
    [([2.0, 3, 4], [12, 8, 6]), ([0.0, 3, 4], [12, 0, 0]), ([0.0, 3, 0], [0, 0, 0]), ([5.0], [1])],
)
def test_the_derivative_of_a_product_is_the_product_of_the_others(values, expected):
    assert gradient(lambda v: v.prod(), values) == expected
    assert gradient(lambda v: v.prod(0), values) == expected


@pytest.mark.parametrize("values", [[0.0, 3, 4], [0.0, 3, 0], [0.0, 0, 0], [0.0]])
def test_products_with_zeros_to_second_order(values):
    gradcheck(lambda v: v.prod(), (variable(values),))
    gradgradcheck(lambda v: v.prod(), (variable(values),), (variable([0.7]),))
    gradgradcheck(lambda v: v.cumprod(0), (variable(values),), (variable(np.arange(1.0, len(values) + 1).tolist()),))


def test_running_sums_and_products():
    t = torch.FloatTensor([[1, 2, 3], [4, 5, 6]])
    assert t.cumsum(1).tolist() == [[1, 3, 6], [4, 9, 15]]
    assert t.cumprod(0).tolist() == [[1, 2, 3], [4, 10, 18]]
    assert gradient(lambda v: v.cumsum(0), [1.0, 2, 3]) == [3, 2, 1]


# ---------------------------------------------------------------- order


def test_max_and_min_in_their_three_forms():
    t = torch.FloatTensor([[1, 5, 2], [7, 0, 7]])
    assert t.max() == 7
    values, where = t.max(1)
    assert values.tolist() == [5, 7]
    assert where.tolist() == [1, 0]
    assert type(where) is torch.LongTensor
    assert torch.max(t, 0, True)[0].tolist() == [[7, 5, 7]]
    assert t.min(1)[1].tolist() == [0, 1]
    assert torch.max(t, torch.FloatTensor([[3, 3, 3], [3, 3, 3]])).tolist() == [[3, 5, 3], [7, 3, 7]]


def test_nan_wins_and_the_first_index_counts():
    t = torch.FloatTensor([1, NAN, 3, NAN])
    assert t.max(0)[1][0] == 1
    assert t.min(0)[1][0] == 1
    assert math.isnan(t.max())


def test_ties():
    assert gradient(lambda v: v.max(), [3.0, 1, 3]) == [1, 0, 1]
    assert gradient(lambda v: v.min(), [1.0, 1, 3]) == [1, 1, 0]
    assert gradient(lambda v: v.median(), [1.0, 2, 2, 9]) == [0, 1, 1, 0]
    assert gradient(lambda v: v.max(0)[0], [3.0, 1, 3]) == [1, 0, 0]


def test_order_statistics_by_hand():
    t = torch.FloatTensor([4, 1, 3, 1])
    assert t.median() == 1
    assert [p[0] for p in t.median(0)] == [1, 3]
    assert [p[0] for p in t.mode()] == [1, 3]
    assert [p[0] for p in torch.FloatTensor([2, 2, 5, 5, 9]).mode(0)] == [2, 1]
    assert [p[0] for p in t.kthvalue(3)] == [3, 2]
    assert [p.tolist() for p in t.sort()] == [[1, 1, 3, 4], [1, 3, 2, 0]]
    assert [p.tolist() for p in t.sort(0, True)] == [[4, 3, 1, 1], [0, 2, 1, 3]]
    assert [p.tolist() for p in t.topk(2)] == [[4, 3], [0, 2]]
    assert [p.tolist() for p in t.topk(2, largest=False)] == [[1, 1], [1, 3]]


@pytest.mark.parametrize("k", [1, 2])
def test_topk_takes_a_nan_for_the_greatest(k):
    nan, inf = float("nan"), float("inf")
    t = torch.FloatTensor([[3, nan, 1], [nan, inf, nan], [nan, nan, nan]])
    smallest, where = t.topk(k, largest=False)
    assert [p[0] for p in smallest[:2].tolist()] == [1, inf]
    assert [p[0] for p in where[:2].tolist()] == [2, 1]
    greatest, where = t.topk(k)
    assert [p[0] for p in where.tolist()][:2] in ([1, 0], [1, 2])
    assert all(p[0] != p[0] for p in [*greatest.tolist(), smallest[2].tolist()])


def test_a_bool_cannot_stand_for_a_dimension():
    t = torch.FloatTensor([[1, 2, 3], [6, 5, 4]])
    assert t.kthvalue(3, False)[0].tolist() == [3, 6]
    assert t.kthvalue(3, True)[0].tolist() == [[3], [6]]
    assert t.mode(True)[0].size() == (2, 1)
    with pytest.raises(TypeError, match="dim must be an int, got bool"):
        t.topk(2, True)
    with pytest.raises(TypeError, match="dim must be an int, got bool"):
        t.sort(True)


def test_the_top_index_is_a_python_int():
    topv, topi = torch.FloatTensor([[0.1, 0.7, 0.2]]).topk(1)
    assert topi[0][0] == 1
    assert type(topi[0][0]) is int
    assert topv.size() == (1, 1)


def test_indices_of_a_variable_never_require_grad():
    v = variable([[1.0, 2], [4, 3]])
    values, where = v.max(1)
    assert values.requires_grad
    assert not where.requires_grad
    assert where.data.tolist() == [1, 0]
    (v.max(1)[0] * values).sum().backward()
    assert v.grad.data.tolist() == [[0, 4], [8, 0]]


def test_the_tensor_with_no_elements():
    assert torch.FloatTensor([]).sum() == 0
    assert math.isnan(torch.FloatTensor([]).mean())
    with pytest.raises(RuntimeError, match="max: a tensor with no elements"):
        torch.FloatTensor([]).max()
    assert torch.ByteTensor([]).all() is True
    assert torch.ByteTensor([]).any() is False


# ---------------------------------------------------------------- answers


def test_answers():
    assert torch.ByteTensor([1, 0]).any() is True
    assert torch.ByteTensor([1, 0]).all() is False
    assert Variable(torch.ByteTensor([1, 1])).all().data.tolist() == [1]
    assert torch.equal(torch.ones(2), torch.ones(2)) is True
    assert torch.ones(2).equal(torch.ones(1)) is False
    assert torch.FloatTensor([1, 2, 1]).histc(4, 0, 3).tolist() == [0, 2, 1, 0]
    assert torch.FloatTensor([1, 2, 1]).histc(2).tolist() == [2, 1]
    assert torch.dist(torch.ones(2, 2), torch.zeros(2, 2)) == 2.0
