"""Softmax, classification losses and tables of rows against formulas in double precision, on every instruction set."""

import math

import numpy as np
import pytest

from minigrad import kernels

TYPES = {"float32": 2e-6, "float64": 1e-14}
SIZES = [(1, 1), (3, 2), (5, 7), (4, 16), (2, 33), (3, 98), (1, 1000)]


@pytest.fixture(params=kernels.available_instruction_sets(), autouse=True)
def instruction_set(request):
    before = kernels.instruction_set()
    kernels.use_instruction_set(request.param)
    yield request.param
    kernels.use_instruction_set(before)


def close(found, wanted, dtype):
    assert found.dtype == dtype
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(found, wanted, rtol=10 * TYPES[dtype], atol=TYPES[dtype] * scale)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [*SIZES, (2, 3, 5), (4,)])
def test_softmax(rng, dtype, size):
    x, g = rng.normal(0, 4, size).astype(dtype), rng.normal(size=size).astype(dtype)
    wide, slope, last = x.astype(np.float64), g.astype(np.float64), len(size) - 1
    p = softmax(wide)
    close(kernels.softmax(x, last), p, dtype)
    close(kernels.log_softmax(x, last), wide - wide.max(-1, keepdims=True)
          - np.log(np.exp(wide - wide.max(-1, keepdims=True)).sum(-1, keepdims=True)), dtype)  # fmt: skip
    y = p.astype(dtype)
    wide_y = y.astype(np.float64)
    close(kernels.softmax_backward(g, y, last), wide_y * (slope - (slope * wide_y).sum(-1, keepdims=True)), dtype)
    y = np.log(p).astype(dtype)
    wanted = slope - np.exp(y.astype(np.float64)) * slope.sum(-1, keepdims=True)
    close(kernels.log_softmax_backward(g, y, last), wanted, dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_softmax_of_extremes(dtype):
    x = np.zeros((5, 20), dtype)
    x[0] = 1e4
    x[1, 3], x[1, 4:] = -1e4, 1e4
    x[2, :19] = -math.inf
    x[3, 18] = math.nan
    x[4] = -math.inf
    for function in (kernels.softmax, kernels.log_softmax):
        found = function(x, 1)
        assert np.isnan(found[3:]).all()
        assert not np.isnan(found[:3]).any()
    p = kernels.softmax(x, 1)
    np.testing.assert_allclose(p[:3].sum(1), 1, rtol=1e-6)
    assert p[2, 19] == 1
    np.testing.assert_allclose(p[1, 4:], 1 / 16, rtol=1e-6)


def shares(target, weight, ignored, columns):
    w = np.ones(columns) if weight is None else weight.astype(np.float64)
    return np.array([0.0 if t == ignored else w[t] for t in target])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [None, -100, 0])
@pytest.mark.parametrize(("average", "reduce"), [(True, True), (False, True), (True, False)])
def test_losses(rng, dtype, size, weighted, ignored, average, reduce):
    rows, columns = size
    x = rng.normal(0, 3, size).astype(dtype)
    target = rng.integers(0, columns, rows)
    if ignored == -100:
        target[::3] = -100
    weight = rng.uniform(0.5, 2, columns).astype(dtype) if weighted else None
    part, wide = shares(target, weight, ignored, columns), x.astype(np.float64)
    safe = np.where(target == -100, 0, target)
    total = part.sum()
    each = part / total if average and reduce and total else part
    g = rng.normal(size=1 if reduce else rows).astype(dtype)
    one_hot = np.eye(columns)[safe]
    for name, scores in (("nll", wide), ("cross_entropy", np.log(softmax(wide)))):
        losses = -scores[np.arange(rows), safe] * part
        wanted = losses if not reduce else np.array([losses.sum() / (total if average and total else 1)])
        found = getattr(kernels, name)(x, target, weight, ignored, average, reduce)
        if name == "nll":
            close(found, wanted, dtype)
            back, slope = kernels.nll_backward(g, target, weight, ignored, average and reduce, columns), -one_hot
        else:
            found, kept = found
            close(found, wanted, dtype)
            back = kernels.cross_entropy_backward(g, x, kept, target, weight, ignored, average and reduce)
            slope = softmax(wide) - one_hot
        close(back, slope * (g * each)[:, None], dtype)


def test_a_class_without_weight_counts_for_nothing():
    x = np.array([[math.inf, 1.0], [0.5, 0.25]])
    weight, target = np.array([0.0, 2.0]), np.array([0, 1])
    assert kernels.nll(x, target, weight, None, True, True).tolist() == [-0.25]
    loss, kept = kernels.cross_entropy(x, target, weight, None, False, False)
    assert loss[0] == 0
    found = kernels.cross_entropy_backward(np.ones(2), x, kept, target, weight, None, False)
    assert found[0].tolist() == [0, 0]
    assert kernels.nll(x, np.array([0, 0]), weight, None, True, True).tolist() == [0]


def test_scores_far_from_zero_keep_their_digits():
    x = np.array([[1e6, 1e6 + 1.0, 1e6 - 2.0]], np.float32)
    target = np.array([2])
    loss, kept = kernels.cross_entropy(x, target, None, None, True, True)
    assert loss[0] == pytest.approx(math.log(math.e**-1 + 1 + math.e**-3) + 3, rel=1e-6)
    back = kernels.cross_entropy_backward(np.ones(1, np.float32), x, kept, target, None, None, True)
    np.testing.assert_allclose(back[0] + [0, 0, 1], softmax(np.array([0.0, 1, -2])), rtol=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("lead", [(1,), (9,), (3, 4), (2, 1, 3), (0,)])
@pytest.mark.parametrize("columns", [1, 3, 16, 65])
def test_rows_of_a_table(rng, dtype, lead, columns):
    table, index = rng.normal(size=(5, columns)).astype(dtype), rng.integers(0, 5, lead)
    g = rng.normal(size=(*lead, columns)).astype(dtype)
    np.testing.assert_array_equal(kernels.take_rows(table, index), table[index])
    wanted = np.zeros((5, columns))
    np.add.at(wanted, index, g.astype(np.float64))
    close(kernels.spread_rows(g, index, 5), wanted, dtype)


def test_other_operands_are_declined():
    x, target = np.ones((2, 3), np.float32), np.array([0, 2])
    cut = np.ones((2, 6), np.float32)[:, ::2]
    one, kept = np.ones(1, np.float32), np.ones((2, 2), np.float32)
    for other in (cut, x.T, x.astype(np.float16), x.astype(np.int64), None, [[1.0]]):
        assert kernels.softmax(other, 1) is None
        assert kernels.log_softmax_backward(other, other, 1) is None
        assert kernels.nll(other, target, None, None, True, True) is None
        assert kernels.cross_entropy(other, target, None, None, True, True) is None
        assert kernels.cross_entropy_backward(one, other, kept, target, None, None, True) is None
        assert kernels.take_rows(other, target) is None
        assert kernels.spread_rows(other, target, 3) is None
    assert kernels.softmax(x, 0) is None
    assert kernels.softmax(x[:0], 1) is None
    assert kernels.softmax_backward(x, x.astype(np.float64), 1) is None
    assert kernels.softmax_backward(x, x[:1], 1) is None
    for wrong in (np.array([0, 3]), np.array([-1, 0]), target.astype(np.int32), np.array([0]), target[::-1], [0, 2]):
        assert kernels.nll(x, wrong, None, None, True, True) is None
        assert kernels.cross_entropy(x, wrong, None, None, True, True) is None
        assert kernels.cross_entropy_backward(one, x, kept, wrong, None, None, True) is None
    for wrong in (np.array([0, 3]), np.array([-1, 0]), target.astype(np.int32), [0, 2]):
        assert kernels.nll_backward(one, wrong, None, None, True, 3) is None
        assert kernels.take_rows(np.ones((3, 2)), wrong) is None
        assert kernels.spread_rows(x, wrong, 3) is None
    for weight in (np.ones(3), np.ones(2, np.float32), [1, 1, 1]):
        assert kernels.nll(x, target, weight, None, True, True) is None
    assert kernels.nll_backward(np.ones(3, np.float32), target, None, None, True, 3) is None
    assert kernels.cross_entropy_backward(one, x, kept[:1], target, None, None, True) is None
    assert kernels.cross_entropy_backward(one, x, kept.astype(np.float64), target, None, None, True) is None
    assert kernels.spread_rows(x, np.array([0]), 3) is None
