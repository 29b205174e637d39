"""The table of operations in a GPU's memory: every sample, its value and its derivatives, equal to the CPU's."""

import warnings

import numpy as np
import pytest
from determined import determined

from minigrad import _core
from minigrad._core import Variable, array_of
from minigrad.autograd import grad
from minigrad.ops import arrays, devices
from minigrad.ops.table import table

ROWS = list(table.values())
CASES = [pytest.param(r, s, id=f"{r.name}-{k}") for r in ROWS for k, s in enumerate(r.samples)]
REFUSALS = [pytest.param(r, e, id=f"{r.name}-{k}") for r in ROWS for k, e in enumerate(r.errors)]


def on_gpu(array):
    """The array on the last GPU, though the first is in use: work must be done where the arrays are."""
    return arrays.to_gpu(array, devices.count() - 1)


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def listed(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def weighted(outputs, rng):
    """For each output, a random gradient from above, where the output lies."""
    return [_core.tensor_from_array(arrays.beside(rng.standard_normal(array_of(o).shape).astype(array_of(o).dtype),
                                                  array_of(o))) for o in outputs]  # fmt: skip


def lesson(row, sample, seed, place, dtype):
    """Value, first and second derivatives of a sample, as arrays of the host."""
    rng, made = np.random.default_rng(seed), []

    def wrap(array, spec):
        v = _core.variable_from_array(place(array))
        v.requires_grad = spec.grad and array.dtype.kind == "f" and row.order > 0
        made.append(v)
        return v

    args, kwargs = sample.build(rng, wrap, dtype)
    outputs = determined(row.name, listed(row.function(*args, **kwargs)))
    found = list(outputs)
    live = [o for o in outputs if isinstance(o, Variable) and o.requires_grad]
    leaves = [v for v in made if v.requires_grad]
    if live:
        first = grad(live, leaves, [Variable(w) for w in weighted(live, rng)], create_graph=True, allow_unused=True)
        found += first
        again = [g for g in first if g is not None and g.requires_grad]
        if again and row.order > 1:
            found += grad(again, leaves, weighted(again, rng), allow_unused=True)
    return [arrays.to_host(array_of(o)) if isinstance(o, Variable) else o for o in found]


def check_equal(here, there, rtol, atol):
    assert len(here) == len(there)
    for a, b in zip(here, there):
        assert (a is None) == (b is None)
        if a is not None:
            assert getattr(a, "dtype", type(a)) == getattr(b, "dtype", type(b))
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(b, a, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("row", "sample"), CASES)
def test_same_numbers(row, sample, gpu, real):
    for dtype in row.types:
        rtol = {"float64": 1e-10, "float32": 2e-4}.get(dtype, 0) if real else {"float32": 2e-5}.get(dtype, 1e-12)
        here, there = (quietly(lesson, row, sample, 5, place, dtype) for place in (lambda array: array, on_gpu))
        check_equal(here, there, rtol, rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["erf", "erfinv", "lgamma"])
def test_special_functions_far_out(name, dtype, gpu):
    """CuPy's gammaln has another limit."""
    x, function = np.array([-np.inf, np.inf, np.nan, 0, -0.5], dtype), table[name].function
    here, there = (function(_core.tensor_from_array(a)).array for a in (x, on_gpu(x)))
    assert here.dtype == there.dtype
    np.testing.assert_allclose(arrays.to_host(there), here, rtol=1e-6)


@pytest.mark.parametrize("name", ["erf", "erfinv", "lgamma"])
def test_special_functions_of_other_types_are_refused(name, gpu):
    for place in (lambda array: array, on_gpu):
        for dtype in (np.int64, np.float16):
            with pytest.raises(TypeError, match=f"{name}: not defined for"):
                table[name].function(_core.tensor_from_array(place(np.ones(2, dtype))))


@pytest.mark.parametrize(("row", "sample"), CASES)
def test_tensors_give_the_same(row, sample, gpu, real):
    if "T" not in row.levels:
        return
    for dtype in row.types:
        found = []
        for place in (lambda array: array, on_gpu):

            def wrap(array, spec, place=place):
                return _core.tensor_from_array(place(array))

            args, kwargs = sample.build(np.random.default_rng(6), wrap, dtype)
            result = determined(row.name, listed(quietly(row.function, *args, **kwargs)))
            found.append([arrays.to_host(o.array) if isinstance(o, _core.Tensor) else o for o in result])
        rtol = 2e-4 if dtype == "float32" else 1e-10
        check_equal(*found, rtol, rtol)


@pytest.mark.parametrize(("row", "refusal"), REFUSALS)
def test_same_refusals(row, refusal, gpu):
    def wrap(array, spec):
        return _core.variable_from_array(on_gpu(array))

    args, kwargs = refusal.sample.build(np.random.default_rng(7), wrap)
    with pytest.raises(refusal.error) as caught:
        quietly(row.function, *args, **kwargs)
    assert refusal.words in str(caught.value)


@pytest.mark.parametrize(("row", "sample"), [c for c in CASES if c.values[0].in_place])
def test_in_place_twin(row, sample, gpu):
    def build(wrap):
        return sample.build(np.random.default_rng(8), lambda array, spec: wrap(on_gpu(array)))

    args, kwargs = build(_core.variable_from_array)
    if not isinstance(args[0], Variable):
        return
    expected = array_of(quietly(row.function, *args, **kwargs))
    args, kwargs = build(_core.tensor_from_array)
    if expected.shape != args[0].array.shape:
        return
    assert quietly(getattr(args[0], f"{row.name}_"), *args[1:], **kwargs) is args[0]
    np.testing.assert_allclose(
        arrays.to_host(args[0].array), arrays.to_host(expected).astype(args[0].array.dtype), rtol=1e-12
    )


@pytest.mark.parametrize("change", ["zero_", "normal_"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_zeros_for_what_was_overwritten_lie_where_the_leaf_does(change, create_graph, gpu):
    for leaf_place, place in ((on_gpu, on_gpu), (np.copy, on_gpu)):
        x = _core.variable_from_array(leaf_place(np.ones((2, 3))))
        x.requires_grad = True
        y = (x if leaf_place is place else x.cuda(devices.count() - 1)) * 2
        v = y.t()
        getattr(y, change)()
        (found,) = grad(v.sum(), x, create_graph=create_graph)
        assert type(array_of(found)) is type(array_of(x))
        assert not arrays.to_host(array_of(found)).any()


@pytest.mark.parametrize("level", [_core.tensor_from_array, _core.variable_from_array])
def test_vectors_are_compared_up_to_what_is_open_and_no_further(level, rng):
    a = rng.normal(size=(4, 4))

    def settled(name, *outputs):
        found = determined(name, [level(np.ascontiguousarray(o)) for o in outputs])
        return [o if isinstance(o, np.ndarray) else array_of(o) for o in found]

    def agree(name, first, second):
        return all(np.allclose(x, y, rtol=0, atol=1e-12) for x, y in zip(settled(name, *first), settled(name, *second)))

    signs = np.array([1, -1, -1, 1])
    values, vectors = np.linalg.eigh(a + a.T)
    assert agree("symeig", (values, vectors), (values, vectors * signs))
    assert not agree("symeig", (values, vectors), (values, vectors + 1e-6))
    assert not agree("symeig", (values, vectors), (values + 1e-6, vectors))
    u, s, vt = np.linalg.svd(a)
    assert agree("svd", (u, s, vt.T), (u * signs, s, vt.T * signs))
    assert not agree("svd", (u, s, vt.T), (u * signs, s, vt.T))
    assert not agree("svd", (u, s, vt.T), (u, s, vt.T + 1e-6))
    turning = np.array([[2, 0.5, -1], [-1.3, 1.5, 0.7], [0.6, 0.2, 3]])
    values, vectors = np.linalg.eig(turning)
    (pair,) = np.flatnonzero(values.imag > 0)

    def packed(values, vectors):
        return np.stack([values.real, values.imag], 1), np.where(values.imag < 0, -vectors.imag, vectors.real)

    (real,) = np.flatnonzero(values.imag == 0)
    order = [real, pair, pair + 1] if real == 2 else [pair, pair + 1, real]
    factors = np.exp(1j * np.where(values.imag > 0, 1, -1) * (values.imag != 0)) * np.where(values.imag == 0, -1, 1)
    assert agree("eig", packed(values, vectors), packed(values[order], (vectors * factors)[:, order]))
    assert not agree("eig", packed(values, vectors), packed(values, vectors + 1e-6))
    assert not agree("eig", packed(values, vectors), packed(values + 1e-6j * np.sign(values.imag), vectors))
    assert settled("eig", packed(values, vectors)[0], np.empty(0))[1].size == 0
