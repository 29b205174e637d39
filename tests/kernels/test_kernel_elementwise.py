"""The elementwise kernels against NumPy, and their elementary functions against twice the precision."""

import os

import numpy as np
import pytest

from minigrad import kernels

# One float32 in so many is tried; set to 1 to try them all (a quarter of an hour for each instruction set).
STRIDE = int(os.environ.get("MINIGRAD_SWEEP_STRIDE", "8191"))

BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
}
BACKWARD = {
    "tanh_backward": lambda g, y: g * (1 - y * y),
    "sigmoid_backward": lambda g, y: g * y * (1 - y),
    "relu_backward": lambda g, y: np.where(y > 0, g, 0),
}
UNARY = {
    "negative": np.negative,
    "exp": np.exp,
    "tanh": np.tanh,
    "sigmoid": lambda x: np.where(x < 0, np.exp(-abs(x)), 1) / (1 + np.exp(-abs(x))),
    "relu": lambda x: np.maximum(x, 0),
}
SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, -3e38, 1e-38, 0.5, 88.8, -104.0]
)
SIZES = (0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 100, 1000)


@pytest.fixture(params=kernels.available_instruction_sets())
def instruction_set(request):
    before = kernels.instruction_set()
    kernels.use_instruction_set(request.param)
    yield request.param
    kernels.use_instruction_set(before)


def same(got, want):
    """Equal in type, shape and every bit but those of nan."""
    assert type(got) is type(want)
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert np.array_equal(got, want, equal_nan=True)
    assert np.array_equal(np.signbit(got) | np.isnan(got), np.signbit(want) | np.isnan(want))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_is_numpys_to_the_bit(name, dtype, instruction_set):
    rng = np.random.default_rng(1)
    function, expected = getattr(kernels, name), BINARY[name]
    with np.errstate(all="ignore"):
        for size in SIZES:
            a, b = rng.normal(size=(2, size)).astype(dtype)
            same(function(a, b), expected(a, b))
        a, b = (x.astype(dtype).reshape(len(SPECIAL), -1) for x in np.meshgrid(SPECIAL, SPECIAL))
        same(function(a, b), expected(a, b))
        for number in (2, -3, 0, 0.1, -0.0, 1e-50, 1e300, float("inf"), float("nan"), 2**53, 2**53 + 1, 2**100, True):
            same(function(a, number), expected(a, number))
            same(function(number, b), expected(number, b))


@pytest.mark.parametrize("name", [*UNARY, *BACKWARD])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_agree_with_their_formulas(name, dtype, instruction_set):
    rng = np.random.default_rng(2)
    function, expected = getattr(kernels, name), {**UNARY, **BACKWARD}[name]
    for size in SIZES:
        operands = [3 * rng.normal(size=size) for _ in range(1 if name in UNARY else 2)]
        if name in BACKWARD:
            operands[1] = np.tanh(operands[1])
        given = [a.astype(dtype) for a in operands]
        got, want = function(*given), expected(*[a.astype(np.float64) for a in given])
        assert got.dtype == dtype
        assert got.shape == want.shape
        assert np.all(
            abs(got - want) <= 4 * np.finfo(dtype).eps * (abs(want) + (abs(operands[0]) if name in BACKWARD else 0))
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype, instruction_set):
    def check(function, arguments, expected):
        given = [np.array(a, dtype) for a in arguments]
        same(function(*given), np.array(expected, dtype))

    inf, nan = np.inf, np.nan
    check(kernels.exp, [[inf, -inf, nan, 0.0, -0.0, 1e30, -1e30]], [inf, 0, nan, 1, 1, inf, 0])
    check(kernels.tanh, [[inf, -inf, nan, 0.0, -0.0, 1e30, -1e30]], [1, -1, nan, 0.0, -0.0, 1, -1])
    check(kernels.sigmoid, [[inf, -inf, nan, 0.0, -0.0, 1e30, -1e30]], [1, 0, nan, 0.5, 0.5, 1, 0])
    check(kernels.relu, [[inf, -inf, nan, 0.0, -0.0, 2, -2]], [inf, 0, nan, 0, 0, 2, 0])
    check(kernels.relu_backward, [[5, 5, 5, inf, nan], [2, 0, -0.0, 0, 0]], [5, 0, 0, 0, 0])
    smallest = np.finfo(dtype).smallest_subnormal
    check(kernels.tanh, [[smallest, -smallest, 3 * smallest]], [smallest, -smallest, 3 * smallest])


def ulps(got, want):
    """Distance from the wider `want` in units in the last place of `got`'s type; inf if only one is nan or inf."""
    with np.errstate(all="ignore"):
        rounded = want.astype(got.dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(got.dtype).max)).astype(want.dtype)
        error = np.abs(got.astype(want.dtype) - want) / unit
    agree = np.isnan(rounded) & np.isnan(got) | np.isinf(rounded) & (rounded == got)
    return np.where(agree, 0, np.where(np.isnan(error), np.inf, error))


@pytest.mark.parametrize(("name", "bound"), [("exp", 1.5), ("tanh", 1.5), ("sigmoid", 2.0)])
def test_float32_functions_are_accurate_everywhere(name, bound, instruction_set):
    chunk = STRIDE << 20
    for start in range(0, 1 << 32, chunk):
        x = np.arange(start, min(start + chunk, 1 << 32), STRIDE, np.uint64).astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            error = ulps(getattr(kernels, name)(x), UNARY[name](wide))
        assert error.max() <= bound, x[error.argmax()]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no type wider than float64 to compare with")
@pytest.mark.parametrize(("name", "bound"), [("exp", 1.5), ("tanh", 2.0), ("sigmoid", 2.0)])
def test_float64_functions_are_accurate(name, bound, instruction_set):
    rng = np.random.default_rng(3)
    for reach in (745, 40, 2, 0.5, 0.1, 1e-5, 1e-300):
        x = rng.uniform(-reach, reach, 20000)
        x = x[x < 709]
        with np.errstate(all="ignore"):
            error = ulps(getattr(kernels, name)(x), UNARY[name](x.astype(np.longdouble)))
        assert error.max() <= bound, x[error.argmax()]


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_element_does_not_depend_on_its_neighbours(name, instruction_set, dtype):
    """Some share a vector with others that are found in another way: far out, infinite, not a number."""
    rng = np.random.default_rng(4)
    x = (rng.standard_normal(400) * rng.choice([0.01, 1, 10, 100], 400)).astype(dtype)
    x[::37], x[5::41], x[9::43] = np.nan, np.inf, -np.inf
    function = getattr(kernels, name)
    with np.errstate(all="ignore"):
        same(function(x), np.concatenate([function(x[i : i + 1]) for i in range(len(x))]))


def operands():
    """Everything that is not of the frequent case."""
    a = np.linspace(-2, 2, 12, dtype=np.float32)
    yield a.reshape(3, 4), a[:4]
    yield a[::2], a[1::2]
    yield a[:6], a[:6].astype(np.float64)
    yield a[:6].astype(np.float16), a[6:].astype(np.float16)
    yield a.astype(">f4"), a
    yield np.arange(4), np.arange(1, 5)
    yield np.float32(2), np.float32(3)
    yield np.array(2.0, np.float32), np.array(3.0, np.float32)
    yield np.asfortranarray(a.reshape(3, 4)), a.reshape(3, 4)
    yield a.reshape(3, 4).T, a.reshape(3, 4).T
    yield 2.0, 3.0
    yield np.frombuffer(b"\0" + a.tobytes(), np.float32, offset=1), a


@pytest.mark.parametrize("pair", list(operands()))
def test_everything_else_is_numpys(pair):
    with np.errstate(all="ignore"):
        for name, expected in BINARY.items():
            same(getattr(kernels, name)(*pair), expected(*pair))
        for name, expected in BACKWARD.items():
            got, want = np.asarray(getattr(kernels, name)(*pair)), np.asarray(expected(*pair))
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-3 if got.dtype == np.float16 else 1e-6)
        for name, expected in UNARY.items():
            got, want = getattr(kernels, name)(pair[0]), expected(pair[0])
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=1e-2 if got.dtype == np.float16 else 1e-6)


def test_shapes_that_do_not_broadcast_are_refused():
    for name in (*BINARY, *BACKWARD):
        with pytest.raises(ValueError, match="broadcast"):
            getattr(kernels, name)(np.ones(3, np.float32), np.ones(4, np.float32))


def test_other_arrays_are_handed_to_their_own_library():
    class Foreign:
        """An array of another library, which knows only NumPy's protocols."""

        def __init__(self, value):
            self.value = value

        def __array_ufunc__(self, ufunc, method, *inputs, out=None):
            result = getattr(ufunc, method)(*[i.value if isinstance(i, Foreign) else i for i in inputs])
            if out is not None:
                out[0].value = result
                return out[0]
            return Foreign(result)

        def __array_function__(self, function, types, args, kwargs):
            return Foreign(function(*[a.value if isinstance(a, Foreign) else a for a in args], **kwargs))

        __add__, __radd__ = (lambda self, other: np.add(self, other),) * 2
        __sub__, __rsub__ = (
            (lambda self, other: np.subtract(self, other)),
            (lambda self, other: np.subtract(other, self)),
        )
        __mul__, __rmul__ = (lambda self, other: np.multiply(self, other),) * 2
        __truediv__, __rtruediv__ = (lambda self, other: np.divide(self, other)), (lambda s, o: np.divide(o, s))
        __lt__, __gt__ = (lambda self, other: np.less(self, other)), (lambda self, other: np.greater(self, other))

    a, b = np.random.default_rng(4).normal(size=(2, 5))
    for name, expected in {**BINARY, **BACKWARD}.items():
        got = getattr(kernels, name)(Foreign(a), Foreign(b))
        assert type(got) is Foreign
        np.testing.assert_allclose(got.value, expected(a, b), rtol=1e-13)
    for name, expected in UNARY.items():
        got = getattr(kernels, name)(Foreign(a))
        assert type(got) is Foreign
        np.testing.assert_allclose(got.value, expected(a), rtol=1e-13)
    total = Foreign(a.copy())
    kernels.accumulate(total, Foreign(b))
    assert np.array_equal(total.value, a + b)


def test_subclasses_keep_their_behaviour():
    a = np.ma.masked_array(np.ones(3, np.float32), mask=[0, 1, 0])
    assert np.array_equal(kernels.add(a, a).mask, a.mask)
    assert np.array_equal(kernels.exp(a).mask, a.mask)


def test_floating_point_exceptions_are_silent():
    # Warnings are errors here, so that silence is what is tested.
    for shape in ((4,), ()):
        zero, large = np.zeros(shape, np.float32), np.full(shape, 3e38, np.float32)
        assert np.isnan(kernels.divide(zero, zero)).all()
        assert np.isinf(kernels.divide(large, zero)).all()
        assert np.isinf(kernels.divide(1.0, zero)).all()
        assert np.isinf(kernels.multiply(large, large)).all()
        assert np.isinf(kernels.exp(large)).all()
        assert np.isnan(kernels.subtract(kernels.exp(large), kernels.exp(large))).all()


def test_inputs_are_not_modified_and_results_are_new():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 3, 5))
    a.flags.writeable = b.flags.writeable = False
    for name in (*BINARY, *BACKWARD):
        assert not np.shares_memory(getattr(kernels, name)(a, b), a)
    for name in UNARY:
        result = getattr(kernels, name)(a)
        assert not np.shares_memory(result, a)
        assert result.flags.writeable


def test_accumulate(instruction_set):
    rng = np.random.default_rng(6)
    for dtype in (np.float32, np.float64):
        for size in (*SIZES, 100000):
            a, b = rng.normal(size=(2, size)).astype(dtype)
            want = a + b
            assert kernels.accumulate(a, b) is None
            assert np.array_equal(a, want)
        kernels.accumulate(a, a)
        assert np.array_equal(a, 2 * want)
    a = np.arange(12.0).reshape(3, 4)
    kernels.accumulate(a, np.ones(4))
    kernels.accumulate(a[:, ::2], np.ones((3, 2), np.float32))
    kernels.accumulate(a, 1)
    assert np.array_equal(a, np.arange(12.0).reshape(3, 4) + np.array([3, 2, 3, 2]))


def test_accumulate_of_overlapping_arrays_adds_the_old_values():
    for shift in (1, 4, 15, 16, 17):
        for forward in (True, False):
            base = np.arange(200, dtype=np.float32)
            to, what = (base[shift:], base[:-shift]) if forward else (base[:-shift], base[shift:])
            want = to + what
            kernels.accumulate(to, what)
            assert np.array_equal(to, want)


def test_accumulate_refuses_what_numpy_refuses():
    fixed = np.ones(3, np.float32)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        kernels.accumulate(fixed, np.ones(3, np.float32))
    with pytest.raises(ValueError, match="broadcast"):
        kernels.accumulate(np.ones(3, np.float32), np.ones(4, np.float32))
    with pytest.raises(ValueError, match="broadcast"):
        kernels.accumulate(np.ones(3, np.float32), np.ones((2, 3), np.float32))
    with pytest.raises(TypeError):
        kernels.accumulate(np.ones(3, np.int64), np.ones(3))


def test_large_arrays_run_beside_other_threads():
    a = np.random.default_rng(7).normal(size=100003).astype(np.float32)
    assert np.array_equal(kernels.add(a, a), 2 * a)
    assert np.array_equal(kernels.tanh(a)[:100], kernels.tanh(a[:100]))
