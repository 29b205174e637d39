"""The table of operations, row by row: every test here runs for every operation and every sample."""

import inspect
import warnings

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops import arrays
from minigrad.ops.table import table
from minigrad.testing import check_gradients

ROWS = list(table.values())
CASES = [pytest.param(r, s, id=f"{r.name}-{k}") for r in ROWS for k, s in enumerate(r.samples)]
DIFFERENTIABLE = [pytest.param(*c.values, id=c.id) for c in CASES if c.values[0].order > 0]
REFUSALS = [pytest.param(r, e, id=f"{r.name}-{k}") for r in ROWS for k, e in enumerate(r.errors)]


def strided(array):
    """The same numbers in every second element of a larger memory."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {"contiguous": np.ascontiguousarray, "fortran": np.asfortranarray, "strided": strided, "read-only": read_only}


def variables(sample, rng, place, layout=np.ascontiguousarray, dtype="float64"):
    """The sample's arguments as Variables; those that can carry gradients require them."""
    made = []

    def wrap(array, spec):
        v = _core.variable_from_array(place(layout(array)))
        v.requires_grad = spec.grad and array.dtype.kind == "f"
        made.append(v)
        return v

    args, kwargs = sample.build(rng, wrap, dtype)
    return args, kwargs, made


def tensors(sample, rng, place, dtype="float64"):
    return sample.build(rng, lambda array, spec: _core.tensor_from_array(place(array)), dtype)


def numbers(value):
    """What a tensor holds, as an array of the host."""
    return arrays.to_host(array_of(value))


def outputs(result):
    return list(result) if isinstance(result, tuple) else [result]


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_row_is_complete(row):
    assert row.samples, "a row without samples proves nothing"
    assert len(row.doc.split()) >= 4, "the docstring must say what the operation computes"
    assert row.order in (0, 1, 2)
    if row.method:
        assert callable(getattr(Variable, row.name))
    if row.in_place:
        assert callable(getattr(Variable, f"{row.name}_"))
    for place in row.exported:
        module = torch if place == "torch" else __import__("minigrad.nn.functional", fromlist=["functional"])
        assert hasattr(module, row.name), f"{row.name} is not in {place}"


def test_every_exported_function_has_a_row():
    written_in = {n: getattr(inspect.unwrap(f), "__module__", "") for n, f in vars(torch).items()}
    exported = {n for n, m in written_in.items() if m.startswith("minigrad.ops") and m != "minigrad.ops.threads"}
    assert exported, "functions of the table must be found by where they are written"
    assert exported <= set(table), f"exported without a row: {sorted(exported - set(table))}"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("row", "sample"), DIFFERENTIABLE)
def test_gradients(row, sample, layout, rng, place):
    args, kwargs, made = variables(sample, rng, place, LAYOUTS[layout])
    before = [numbers(v).copy() for v in made]
    places = [k for k, v in enumerate(made) if v.requires_grad]
    assert places, "a differentiable operation's sample has no argument to differentiate"

    def function(*values):
        swap = {id(v): new for v, new in zip(made, values)}

        def exchange(a):
            if isinstance(a, (list, tuple)):
                return type(a)(exchange(x) for x in a)
            return swap.get(id(a), a) if isinstance(a, Variable) else a

        result = row.function(*map(exchange, args), **{k: exchange(v) for k, v in kwargs.items()})
        return tuple(r for r in outputs(result) if isinstance(r, Variable) and array_of(r).dtype.kind == "f")

    if row.contiguous and not all(array_of(v).flags.c_contiguous for v in made):
        with pytest.raises(RuntimeError, match="contiguous"):
            function(*made)
        return
    quietly(check_gradients, function, made, order=row.order, rng=rng)
    for v, kept in zip(made, before):
        assert np.array_equal(numbers(v), kept), "an input was changed"


@pytest.mark.parametrize(("row", "sample"), CASES)
def test_levels_and_types(row, sample, rng, place):
    """Tensors and Variables give the same numbers, in every type of the row, without changing their inputs."""
    for dtype in row.types:
        state = rng.bit_generator.state
        args, kwargs, _ = variables(sample, rng, place, dtype=dtype)
        of_variables = outputs(quietly(row.function, *args, **kwargs))
        assert all(isinstance(v, Variable) or not isinstance(v, Tensor) for v in of_variables)
        if "T" not in row.levels:
            continue
        rng.bit_generator.state = state
        args, kwargs = tensors(sample, rng, place, dtype)
        of_tensors = outputs(quietly(row.function, *args, **kwargs))
        assert len(of_tensors) == len(of_variables)
        for t, v in zip(of_tensors, of_variables):
            array = numbers(v) if isinstance(v, Variable) else np.asarray(v)
            if isinstance(t, Tensor):
                assert t.array.dtype == array.dtype
            else:
                assert array.size == 1, "a Python number stands for one element"
            # Not bit for bit: the order in which NumPy adds depends on where the array lies in memory.
            # A Variable's integer keeps its type and wraps around where a Tensor's Python number does not.
            t = numbers(t) if isinstance(t, Tensor) else np.asarray(t).astype(array.dtype).reshape(array.shape)
            rounding = 8 * np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0
            np.testing.assert_allclose(t, array, rtol=rounding, atol=rounding)


@pytest.mark.parametrize(("row", "sample"), [c for c in CASES if c.values[0].in_place])
def test_in_place_twin(row, sample, rng, place):
    """`name_` gives the value and the gradients of `name`, or refuses because the result has another size."""
    args, kwargs, made = variables(sample, rng, place)
    if not isinstance(args[0], Variable):
        return
    expected = quietly(row.function, *args, **kwargs)
    target = args[0] * 1
    if array_of(expected).shape != array_of(target).shape:
        with pytest.raises(RuntimeError, match="cannot change the size"):
            quietly(getattr(target, f"{row.name}_"), *args[1:], **kwargs)
        return
    got = quietly(getattr(target, f"{row.name}_"), *args[1:], **kwargs)
    assert got is target
    assert target._version == 1
    assert np.array_equal(numbers(target), numbers(expected).astype(array_of(target).dtype))
    if row.order and expected.requires_grad:
        leaves = [v for v in made if v.requires_grad]
        weight = _core.tensor_from_array(place(rng.standard_normal(array_of(expected).shape)))
        wanted = torch.autograd.grad(expected, leaves, weight, allow_unused=True)
        found = torch.autograd.grad(target, leaves, weight, allow_unused=True)
        for w, f in zip(wanted, found):
            assert (w is None) == (f is None)
            assert w is None or np.allclose(numbers(w), numbers(f), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("level", ["Tensor", "Variable"])
@pytest.mark.parametrize(("row", "refusal"), REFUSALS)
def test_refusals(row, refusal, level, rng, place):
    if level == "Tensor" and "T" not in row.levels:
        return
    build = tensors if level == "Tensor" else variables
    args, kwargs = build(refusal.sample, rng, place)[:2]
    with pytest.raises(refusal.error) as caught:
        quietly(row.function, *args, **kwargs)
    assert refusal.words in str(caught.value)


@pytest.mark.parametrize("row", [r for r in ROWS if r.order > 0], ids=lambda r: r.name)
def test_volatile_records_nothing(row, rng, place):
    args, kwargs, made = variables(row.samples[0], rng, place)
    for v in made:
        if v.requires_grad:
            v.volatile = True
    for out in outputs(quietly(row.function, *args, **kwargs)):
        if isinstance(out, Variable):
            assert out.volatile
            assert out.grad_fn is None


def test_signatures_are_readable():
    """Functions of the table can be inspected: the reference page is made from them."""
    for row in ROWS:
        if inspect.isfunction(row.function):
            assert inspect.signature(row.function).parameters
