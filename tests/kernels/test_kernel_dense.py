"""The dense kernels against NumPy's formulas, on every instruction set; what is not theirs is declined, not guessed."""

import math

import numpy as np
import pytest

from minigrad import kernels

TYPES = {"float32": 2e-5, "float64": 1e-13}


@pytest.fixture(params=kernels.available_instruction_sets(), autouse=True)
def instruction_set(request):
    before = kernels.instruction_set()
    kernels.use_instruction_set(request.param)
    yield request.param
    kernels.use_instruction_set(before)


def close(found, wanted, dtype):
    assert found.dtype == dtype
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(found, wanted, rtol=TYPES[dtype], atol=TYPES[dtype] * scale)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("lead", [(1,), (7,), (2, 3), (4, 1, 5)])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 17), (33, 4), (100, 65), (300, 36)])
def test_linear_and_its_derivatives(rng, dtype, lead, inputs, outputs):
    x = rng.normal(size=(*lead, inputs)).astype(dtype)
    w, b = rng.normal(size=(outputs, inputs)).astype(dtype), rng.normal(size=outputs).astype(dtype)
    g = rng.normal(size=(*lead, outputs)).astype(dtype)
    wide = [a.astype(np.float64) for a in (x, w, b, g)]
    close(kernels.linear(x, w, b), wide[0] @ wide[1].T + wide[2], dtype)
    close(kernels.linear(x, w), wide[0] @ wide[1].T, dtype)
    close(kernels.linear_input(g, w), wide[3] @ wide[1], dtype)
    flat = wide[3].reshape(-1, outputs), wide[0].reshape(-1, inputs)
    close(kernels.linear_weight(g, x), flat[0].T @ flat[1], dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("rows", "depth", "width"),
    # The last three leave a few columns to a panel of their own, which is then summed along its depth or across rows.
    [(1, 1, 1), (5, 100, 200), (33, 7, 1), (64, 65, 66), (100, 64, 1), (149, 300, 36), (50, 520, 103)],
)
def test_matmul_takes_transposes(rng, dtype, rows, depth, width):
    a, b = rng.normal(size=(rows, depth)).astype(dtype), rng.normal(size=(depth, width)).astype(dtype)
    wanted = a.astype(np.float64) @ b.astype(np.float64)
    for left in (a, np.asfortranarray(a)):
        for right in (b, np.asfortranarray(b)):
            close(kernels.matmul(left, right), wanted, dtype)


def test_products_without_elements_are_declined():
    for rows in (0, 2):  # no features, no outputs, neither
        for inputs, outputs in ((0, 3), (3, 0), (0, 0)):
            x, w, g = np.ones((rows, inputs)), np.ones((outputs, inputs)), np.ones((rows, outputs))
            assert kernels.linear(x, w) is None
            assert outputs or kernels.linear_input(g, w) is None
            assert outputs or kernels.linear_weight(g, x) is None
            assert kernels.matmul(x, w.T) is None
    nothing = kernels.linear(np.ones((0, 2)), np.ones((3, 2)))
    assert nothing.shape == (0, 3)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 1000])
def test_squared_error(rng, dtype, n):
    a, b, g = (rng.normal(size=s).astype(dtype) for s in (n, n, 1))
    apart = a.astype(np.float64) - b
    close(kernels.squared_error(a, b, True), np.array([np.mean(apart**2)]), dtype)
    close(kernels.squared_error(a, b, False), np.array([np.sum(apart**2)]), dtype)
    close(kernels.scaled_difference(a, b, g, 0.3), apart * g * 0.3, dtype)


def test_other_operands_are_declined():
    f, d, i = np.ones((2, 3), np.float32), np.ones((2, 3)), np.ones((2, 3), np.int64)
    cut = np.ones((2, 6), np.float32)[:, ::2]
    for a, b in ((f, d), (i, i), (cut, f), (f, cut), (f, [1.0]), (None, f), (np.float32(1), f)):
        assert kernels.linear(a, b) is None
        assert kernels.linear_input(a, b) is None
        assert kernels.squared_error(a, b, True) is None
        assert kernels.scaled_difference(a, b, f[:1, 0].copy(), 1.0) is None
    assert kernels.matmul(cut, np.ones((3, 2), np.float32)) is None
    assert kernels.matmul(f, f) is None
    assert kernels.linear(f, np.ones((4, 2), np.float32)) is None
    assert kernels.linear(f, np.ones((4, 3), np.float32), np.ones(5, np.float32)) is None


def test_infinities_and_nans_pass():
    a = np.array([1.0, math.inf, math.nan], np.float32)
    b = np.zeros(3, np.float32)
    assert math.isnan(kernels.squared_error(a, b, False)[0])
    found = kernels.scaled_difference(a, b, np.ones(1, np.float32), 2.0)
    assert found[0] == 2
    assert math.isinf(found[1])
    assert math.isnan(found[2])


# ---------------------------------------------------------------- sums


def added_in_order(x):
    """The sum as dense_loops.h makes it: sixteen partial sums in blocks of 4096."""
    total = 0.0
    for start in range(0, len(x), 4096):
        part = x[start : start + 4096].astype(np.float64)
        whole, block = len(part) // 16 * 16, 0.0
        sums = np.cumsum(np.vstack([np.zeros((1, 16)), part[:whole].reshape(-1, 16)]), axis=0)[-1]
        for value in (*part[whole:], *sums):
            block += value
        total += block
    return total


@pytest.mark.parametrize("n", [1, 15, 16, 17, 4095, 4096, 4097, 100_003])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_total(n, dtype, rng):
    x = rng.uniform(-1, 1, n).astype(dtype)
    found = kernels.total(x)
    assert found.shape == (1,)
    assert found.dtype == dtype
    assert found[0] == dtype(added_in_order(x))
    # An element is part of at most 256 + 16 + 16 sums of its block and of 25 of blocks, each rounded once.
    lost = 313 * 2.0**-53 * float(np.abs(x).sum(dtype=np.float64))
    assert abs(float(found[0]) - math.fsum(x.tolist())) <= np.finfo(dtype).eps * abs(float(found[0])) + lost


@pytest.mark.parametrize("n", [1, 15, 16, 17, 4095, 4096, 4097, 100_003])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_total_loses_no_more_than_random_rounding(n, dtype):
    """Of numbers that are always the same: random ones are beyond this bound now and then."""
    x = np.random.default_rng(0).uniform(-1, 1, n).astype(dtype)
    exact = math.fsum(x.tolist())
    assert abs(float(kernels.total(x)[0]) - exact) <= np.finfo(dtype).eps * abs(exact) + 1e-15 * n**0.5


def test_a_total_keeps_infinities_and_nans():
    for value in (np.inf, -np.inf, np.nan):
        x = np.ones(100, np.float32)
        x[37] = value
        np.testing.assert_equal(kernels.total(x)[0], np.float32(value))
    assert kernels.total(np.full(10, 3e38, np.float32))[0] == np.inf


@pytest.mark.parametrize("size", [(1,), (3, 5), (2, 3, 700)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_filled(size, dtype):
    out = kernels.filled(np.array([2.5], dtype), size)
    assert (out.shape, out.dtype) == (size, dtype)
    assert (out == 2.5).all()


def test_other_arrays_are_left_to_numpy():
    assert kernels.total(np.ones((3, 2)).T) is None
    assert kernels.total(np.ones(3, np.int64)) is None
    assert kernels.filled(np.ones(2), (3,)) is None
    assert kernels.filled(np.ones(1, np.int64), (3,)) is None
