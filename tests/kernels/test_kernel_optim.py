"""The compiled steps against the formulas of `ops.update`, on every instruction set, and what they leave to those."""

import math

import numpy as np
import pytest

from minigrad import kernels
from minigrad.ops import update

TYPES = {"float32": 3e-6, "float64": 1e-14}

# Of each algorithm: how many arrays, the numbers of a row, and the shared numbers in all cases that run other code.
CASES = [
    ("sgd", 3, (0.0,), (0.05, 0.9, False, 0.0)),
    ("sgd", 3, (0.2,), (0.05, 0.9, False, 0.1)),
    ("sgd", 3, (0.0,), (0.05, 0.9, True, 0.1)),
    ("sgd", 2, (0.0,), (0.05, 0.0, False, 0.0)),
    ("sgd", 2, (0.0,), (0.05, 0.0, False, 0.1)),
    ("adam", 4, (0.05,), (0.9, 0.99, 1e-8, 0.0)),
    ("adam", 4, (0.05,), (0.9, 0.99, 0.1, 0.1)),
    ("adamax", 4, (0.05,), (0.9, 0.99, 1e-8, 0.0)),
    ("adamax", 4, (0.05,), (0.9, 0.5, 0.1, 0.1)),
    ("adagrad", 3, (0.05,), (0.0,)),
    ("adagrad", 3, (0.05,), (0.1,)),
    ("adadelta", 4, (), (1.0, 0.9, 1e-6, 0.0)),
    ("adadelta", 4, (), (0.5, 0.6, 1e-2, 0.1)),
    ("rmsprop", 3, (), (0.01, 0.9, 1e-8, 0.0, 0.0)),
    ("rmsprop", 3, (), (0.01, 0.9, 1e-2, 0.0, 0.1)),
    ("rmsprop centered", 4, (), (0.01, 0.9, 1e-2, 0.0, 0.1)),
    ("rmsprop momentum", 4, (), (0.01, 0.9, 1e-2, 0.8, 0.1)),
    ("rmsprop centered momentum", 5, (), (0.01, 0.9, 1e-2, 0.8, 0.1)),
    ("asgd", 3, (0.05, 1.0), (0.01, 0.0)),
    ("asgd", 3, (0.05, 0.25), (0.01, 0.1)),
    ("rprop", 4, (), (0.5, 1.2, 1e-6, 50.0)),
    ("rprop", 4, (), (0.5, 1.2, 0.4, 0.7)),
    ("add_scaled", 2, (), (-0.3,)),
]


@pytest.fixture(params=kernels.available_instruction_sets(), autouse=True)
def instruction_set(request):
    before = kernels.instruction_set()
    kernels.use_instruction_set(request.param)
    yield request.param
    kernels.use_instruction_set(before)


def row_of(rng, case, dtype, shape):
    """A row for the step: the parameter, the gradient, and states of a kind that the algorithm may have."""
    name, count, own, _ = case
    arrays = [rng.normal(size=shape) for _ in range(count)]
    for k in range(2, count):
        if name.split()[0] in ("adagrad", "adadelta") or (k == 3 and name in ("adam", "adamax", "rprop")):
            arrays[k] = np.abs(arrays[k]) + 0.1
    if name.startswith("rmsprop"):
        arrays[2] = np.abs(arrays[2]) + 0.1
        if "centered" in name:
            # Away from a variance of 0, whose root makes 1e-8 of a rounding error of 1e-16. The last one is negative.
            arrays[3] = np.sqrt(arrays[2]) * rng.uniform(-0.8, 0.8, shape)
            arrays[3].flat[-1:] = 10
    arrays = [a.astype(dtype) for a in arrays]
    if name == "sgd" and count == 2:
        arrays.append(None)
    if name.startswith("rmsprop"):
        if "centered" not in name:
            arrays.insert(3, None)
        if "momentum" not in name:
            arrays.append(None)
    return (*arrays, *own)


def copied(row):
    return tuple(a.copy() if isinstance(a, np.ndarray) else a for a in row)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[2]} {case[3]}")
def test_step_is_the_formula(rng, case, dtype):
    name, numbers = case[0].split()[0], case[3]
    rows = [row_of(rng, case, dtype, shape) for shape in [(1,), (17,), (3, 5, 7), (40000,)]]
    before, wanted = [copied(row) for row in rows], [copied(row) for row in rows]
    assert kernels.step(name, rows, *numbers) == []
    for row, old, expected in zip(rows, before, wanted):
        getattr(update, name)(*expected, *numbers)
        for k, (a, b) in enumerate(zip(row, expected)):
            if isinstance(a, np.ndarray):
                assert a.dtype == dtype
                np.testing.assert_allclose(a, b, rtol=10 * TYPES[dtype], atol=TYPES[dtype], err_msg=f"array {k}")
        if row[0].size > 1:  # where the gradient turned, Rprop leaves an element alone
            assert not np.array_equal(row[0], old[0])
        changed = name == "sgd" and numbers[3] != 0
        assert np.array_equal(row[1], old[1]) is not changed, "only SGD's decay changes the gradient"


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[2]} {case[3]}")
def test_infinities_nans_and_zeros_are_the_formulas(rng, case, dtype):
    name, numbers = case[0].split()[0], case[3]
    # With fused multiply-add a - b * b is finite even where b * b alone overflows: squares must be finite there.
    large = 1e18 if "centered" in case[0] else 1e30
    special = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 1e-30, large])
    row = row_of(rng, case, dtype, (9,))
    row[0][...] = 1
    row[1][...] = special.astype(dtype)
    rows = [row, copied(row)]
    rows[1][0][...], rows[1][1][...] = special[::-1].astype(dtype), 1
    wanted = [copied(r) for r in rows]
    assert kernels.step(name, rows, *numbers) == []
    for found, expected in zip(rows, wanted):
        with np.errstate(all="ignore"):
            getattr(update, name)(*expected, *numbers)
        for a, b in zip(found, expected):
            if isinstance(a, np.ndarray):
                np.testing.assert_allclose(a, b, rtol=10 * TYPES[dtype], atol=TYPES[dtype])


def test_what_is_not_the_frequent_case_comes_back_untouched():
    def plain():
        return np.ones((2, 3), np.float32)

    fixed = plain()
    fixed.flags.writeable = False
    shared, swapped = np.ones(9, np.float32), plain().astype(">f4")
    good = (plain(), plain(), None, 0.0)
    others = [
        (np.ones((2, 6), np.float32)[:, ::2], plain(), None, 0.0),
        (plain(), np.ones((3, 2), np.float32).T, None, 0.0),
        (plain(), np.ones((2, 3)), None, 0.0),
        (plain(), np.ones((3, 2), np.float32), None, 0.0),
        (plain(), plain(), np.ones(6, np.float32), 0.0),
        (plain(), None, None, 0.0),
        (plain().astype(np.float16), plain().astype(np.float16), None, 0.0),
        (swapped, swapped.copy(), None, 0.0),
        (fixed, plain(), None, 0.0),
        (shared[:6], shared[3:], None, 0.0),
        (shared, shared, None, 0.0),
    ]
    kept = [copied(row) for row in others]
    left = kernels.step("sgd", [others[0], good, *others[1:]], 0.5, 0.0, False, 0.25)
    assert [id(row) for row in left] == [id(row) for row in others]
    for row, old in zip(others, kept):
        for a, b in zip(row[:3], old):
            assert a is b is None or np.array_equal(a, b)
    assert np.all(good[0] == 1 - 0.5 * 1.25)
    assert np.all(good[1] == 1.25)


def test_rows_of_another_length_are_refused():
    a = np.ones(3)
    with pytest.raises(ValueError, match="adam: a row must hold 4 arrays and 1 numbers, got 4 values"):
        kernels.step("adam", [(a, a, a, a)], 0.9, 0.9, 0.1, 0.0)
    for rows in ([(a, a, a, a)], []):
        with pytest.raises(ValueError, match="rprop: takes 4 numbers, got 5"):
            kernels.step("rprop", rows, 0.9, 0.9, 0.1, 0.0, 1.0)
    with pytest.raises(KeyError):
        kernels.step("adamw", [], 1.0)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamax", "adagrad", "adadelta", "rmsprop", "asgd", "rprop"])
def test_a_step_does_what_the_kernel_leaves(rng, name):
    """Parameters that are contiguous and ones that are not, in one call."""
    case = next(c for c in CASES if c[0] == name)
    whole = row_of(rng, case, "float64", (6, 4))
    turned = tuple(np.asfortranarray(a) if isinstance(a, np.ndarray) else a for a in whole)
    getattr(update, f"{name}_step")([turned, whole], *case[3])
    for a, b in zip(whole, turned):
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n", [0, 1, 15, 16, 1000])
def test_squares_and_scale(rng, dtype, n):
    x = rng.normal(size=n).astype(dtype)
    assert kernels.squares(x) == pytest.approx(math.fsum(float(v) ** 2 for v in x), rel=1e-13)
    wanted = x * np.array(0.3, dtype)
    assert kernels.scale(x, 0.3) is True
    np.testing.assert_array_equal(x, wanted)


def test_squares_and_scale_of_other_arrays(rng):
    wide = np.full((4, 6), 3e30, np.float32)
    assert kernels.squares(wide) == pytest.approx(24 * 9e60)
    assert kernels.squares(wide[:, ::2]) is None
    assert kernels.scale(wide[:, ::2], 0.5) is False
    fixed = np.ones(3)
    fixed.flags.writeable = False
    assert kernels.scale(fixed, 0.5) is False
    assert update.square_sum([wide, wide[:, ::2], wide.T]) == pytest.approx(60 * 9e60)
    update.scale([wide[:, ::2], wide], 0.5)
    assert np.all(wide[:, ::2] == np.float32(3e30) / 4)
    assert np.all(wide[:, 1::2] == np.float32(3e30) / 2)
