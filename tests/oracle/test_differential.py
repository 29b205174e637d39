"""Every operation of the table against today's PyTorch on random sizes, types, layouts, numbers and arguments.

What varies follows from the row. A pointwise operation gets any sizes that broadcast; an operation along a dimension
any size and dimension; of every other sample, sizes that are equal stay equal while they change. Flags flip, numbers
are those of `choices`, and all of them come as Python's or NumPy's. The tensors hold numbers as the sample says, or
with ties, infinities, nan, zeros, huge ones, integers that wrap around; kinds on which the eras answer differently are
named in the row (`differs`).

What must hold: the same result, in the type of the operands (uint8 for an answer, int64 for indices) and, where
derivatives exist, the same derivatives; a call is refused on both sides or on neither; no argument changes; a result
shares memory with an argument where PyTorch's does; NumPy warns of nothing.

10 calls an operation; 200 with MINIGRAD_NIGHTLY=1. MINIGRAD_TEST_SEED repeats a run.
"""

import inspect
import os
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import SEED
from hypothesis import HealthCheck, assume, given, note, seed, settings
from hypothesis import strategies as st
from test_operations_torch import flat, needs, peer

import minigrad
from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops.table import NoOracle, T, table

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

EXAMPLES = 200 if os.environ.get("MINIGRAD_NIGHTLY") == "1" else 10
ROWS = [r for r in table.values() if not isinstance(r.oracle, NoOracle)]

KINDS = ("plain", "plain", "ties", "zero", "nan", "infinite", "huge", "out of domain")
WHOLE_KINDS = ("plain", "wrapping", "zero")
SPECIAL = {
    "zero": [0.0, -0.0],
    "nan": [np.nan],
    "infinite": [np.inf, -np.inf],
    "huge": [1e17, -1e17, 1e-17],  # the product of two is finite: what overflows in a sum depends on its order
    "extreme": [1e30, -1e30, 1e-30],
    "out of domain": [-1.0, -3.5, 2.5, 0.5, 100.0, -100.0],
}


# ---------------------------------------------------------------- what to call


@dataclass
class Call:
    """One call, with specs (T) in place of tensors, and what the numbers and layouts of these are."""

    args: list
    kwargs: dict
    dtype: str
    kind: str
    layouts: list
    numbers: int

    def arrays(self):
        rng, made = np.random.default_rng(self.numbers), []
        for k, spec in enumerate(specs(self.args, self.kwargs)):
            made.append(lay_out(drawn(spec, rng, self.dtype, self.kind), self.layouts[k]))
        return made


def specs(args, kwargs):
    """The tensors' specs in the order of the arguments."""
    found = []
    for a in [*args, *kwargs.values()]:
        found += [e for e in a if isinstance(e, T)] if isinstance(a, (list, tuple)) else [a] if isinstance(a, T) else []
    return found


def exchanged(args, kwargs, values):
    """The arguments with each spec replaced by the next of values."""
    values = iter(values)

    def exchange(a):
        if isinstance(a, (list, tuple)) and any(isinstance(e, T) for e in a):
            return type(a)(exchange(e) for e in a)
        return next(values) if isinstance(a, T) else a

    return [exchange(a) for a in args], {k: exchange(v) for k, v in kwargs.items()}


def sized(spec, size):
    """The spec at another size."""
    return T(*size, low=spec.low, high=spec.high, dtype=spec.dtype, distinct=spec.distinct, grad=spec.grad)


def drawn(spec, rng, dtype, kind):
    """Numbers for the spec."""
    if spec.values is not None:
        array = spec.build(rng, dtype)
        return array if spec.fixed else rng.permutation(array.reshape(-1)).reshape(array.shape)
    array = spec.build(rng, dtype)
    if spec.dtype is not None:
        return rng.integers(0, 2, array.shape).astype(array.dtype) if spec.dtype == "uint8" else array
    some = rng.random(array.shape) < 0.3
    if array.dtype.kind in "iu":
        if kind == "wrapping":
            limits = np.iinfo(array.dtype)
            ends = rng.choice([limits.min, limits.max], array.shape)
            anywhere = rng.integers(limits.min, limits.max, array.shape, endpoint=True, dtype=array.dtype)
            return np.where(some, ends, anywhere).astype(array.dtype)
        return np.where(some, 0, array) if kind == "zero" else array
    if kind == "ties":
        return np.clip(np.round(array * 2) / 2, spec.low, spec.high).astype(array.dtype)
    return (
        np.where(some, rng.choice(SPECIAL[kind], array.shape), array).astype(array.dtype) if kind != "plain" else array
    )


def lay_out(array, layout):
    """The same numbers elsewhere in memory; an expanded array has those of its first row everywhere."""
    if layout == "transposed":
        return np.asfortranarray(array)
    if layout == "expanded":
        return np.broadcast_to(array[:1], array.shape)
    if layout == "sliced":
        wide = np.zeros((*(2 * s for s in array.shape[:-1]), array.shape[-1] + 3), array.dtype)
        inside = wide[(*(slice(1, None, 2) for _ in array.shape[:-1]), slice(2, -1))]
        inside[...] = array
        return inside
    return array


def as_torch(array):
    """A tensor of PyTorch with the numbers and the layout of the array, in memory of its own."""
    if 0 in array.strides and array.size > 1:
        return (
            torch.from_numpy(array[:1].copy()).expand(array.shape)
            if array.strides[0] == 0
            else torch.from_numpy(array.copy())
        )
    made = torch.empty_strided(
        array.shape, [s // array.itemsize for s in array.strides], dtype=torch.from_numpy(array.copy()).dtype
    )
    return made.copy_(torch.from_numpy(array.copy()))


def named(row, args):
    """The names of a call's positional arguments, as far as the signature tells them."""
    try:
        parameters = inspect.signature(row.function).parameters.values()
    except (TypeError, ValueError):
        return [None] * len(args)
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    return (names + [None] * len(args))[: len(args)]


def takes_sizes(row):
    """Whether sizes come as numbers: f(x, *sizes)."""
    try:
        parameters = list(inspect.signature(row.function).parameters.values())
    except (TypeError, ValueError):
        return False
    return (
        any(p.kind is p.VAR_POSITIONAL for p in parameters)
        and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL
    )


def is_whole(a):
    return isinstance(a, int) and not isinstance(a, bool)


@st.composite
def calls(draw, row):
    sample = draw(st.sampled_from([s for s in row.samples if s.agrees >= 0 or not s.differs]))
    args, kwargs = list(sample.args), dict(sample.kwargs)
    names = named(row, args)
    tensors = specs(args, kwargs)
    numbers = [(n, a) for n, a in [*zip(names, args), *kwargs.items()] if is_whole(a) and n != "dim"]
    along = "dim" in [*names, *kwargs] and len(tensors) == 1 and not numbers
    least = 2 if "one element" in row.differs else 1
    freely = row.pointwise and not any(t.fixed for t in tensors)

    if freely:
        base = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
        sizes = []
        for _ in tensors:
            kept = draw(st.integers(0 if len(tensors) > 1 else len(base), len(base)))
            size = [s if draw(st.booleans()) or len(tensors) == 1 else 1 for s in base[len(base) - kept :]]
            sizes.append(size or [1])
    elif along and tensors[0].values is None:
        sizes = [draw(st.lists(st.integers(least, 5), min_size=1, max_size=4))]
    elif takes_sizes(row) or row.contiguous:
        sizes = [t.size if t.values is None else None for t in tensors]
    else:  # what is equal stays equal; where indices or numbers refer to a size it may only grow
        pinned = {s for t in tensors if t.values is not None for s in np.shape(t.values)}
        largest = max((s for t in tensors for s in t.size), default=1)
        only_grow = bool(numbers) or any(t.values is not None for t in tensors)
        to = {1: 1}
        for s in dict.fromkeys(s for t in tensors for s in t.size):
            if s not in pinned and s != 1:
                to[s] = draw(st.integers(largest, largest + 3) if only_grow else st.integers(least, 5))
        sizes = [None if t.values is not None else [to.get(s, s) for s in t.size] for t in tensors]
    tensors = [t if size is None else sized(t, size) for t, size in zip(tensors, sizes)]
    args, kwargs = exchanged(args, kwargs, tensors)

    dims = len(tensors[0].size) if tensors else 1

    def number(name, a):
        if name in row.choices and not any(t.fixed for t in tensors) and draw(st.booleans()):
            a = draw(st.sampled_from(row.choices[name]))
        elif name == "dim" and is_whole(a) and along:
            return draw(st.integers(-dims, dims - 1))
        elif isinstance(a, bool):
            return draw(st.booleans())
        if isinstance(a, float) and draw(st.booleans()):
            return np.float64(a)
        return np.int64(a) if is_whole(a) and name in row.choices and draw(st.booleans()) else a

    args = [a if isinstance(a, (T, list, tuple, type(None), np.ndarray)) else number(n, a) for n, a in zip(names, args)]
    kwargs = {n: a if isinstance(a, (T, list, tuple, type(None))) else number(n, a) for n, a in kwargs.items()}
    dtype = draw(st.sampled_from(row.types))
    kinds = KINDS if np.dtype(dtype).kind == "f" else WHOLE_KINDS
    if row.pointwise and "huge" in kinds:
        kinds = (*kinds, "extreme")
    kind = draw(st.sampled_from([k for k in kinds if k not in row.differs]))
    layouts = []
    for t in tensors:
        known = ["plain", "transposed", "sliced", "expanded"][: 3 if t.values is not None else 4]
        layouts.append("plain" if t.fixed or row.contiguous else draw(st.sampled_from(known)))
    return Call(args, kwargs, dtype, kind, layouts, draw(st.integers(0, 2**32 - 1)))


# ---------------------------------------------------------------- calling both


def call_mine(row, call, arrays):
    variables = [_core.variable_from_array(a) for a in arrays]
    for v, spec in zip(variables, specs(call.args, call.kwargs)):
        v.requires_grad = spec.grad and array_of(v).dtype.kind == "f" and row.order > 0
    args, kwargs = exchanged(call.args, call.kwargs, variables)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", RuntimeWarning)
        return flat(row.function(*args, **kwargs)), variables


def plain_number(a):
    return a.item() if isinstance(a, np.generic) else a


def call_torch(row, call, arrays, wide=False):
    """wide: in double precision, or int64, from which a narrower integer type follows by wrapping around."""
    tensors = []
    for array, spec in zip(arrays, specs(call.args, call.kwargs)):
        t = as_torch(array)
        if wide and spec.dtype is None:
            t = t.double() if t.is_floating_point() else t.long()
        tensors.append(t.requires_grad_(spec.grad and t.is_floating_point() and row.order > 0))
    args, kwargs = exchanged(
        [plain_number(a) for a in call.args], {k: plain_number(v) for k, v in call.kwargs.items()}, tensors
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return flat(peer(row)(*args, **kwargs)), tensors


REFUSED = (RuntimeError, TypeError, ValueError, IndexError, AssertionError, ZeroDivisionError)
UNSUPPORTED = ("not implemented for", "not support", "Expected floating", "expected scalar type")


def check(row, call):
    arrays = call.arrays()
    kept = [a.copy() for a in arrays]
    outs, error = None, None
    try:
        outs, variables = call_mine(row, call, arrays)
    except REFUSED as refusal:
        if isinstance(refusal, RuntimeWarning):
            raise
        error = refusal
    for a, k in zip(arrays, kept):
        assert np.array_equal(a, k, equal_nan=a.dtype.kind == "f"), "an argument was changed"

    def theirs():
        try:
            return call_torch(row, call, arrays)
        except REFUSED as refusal:
            if call.dtype in ("float32", "float64") or not any(words in str(refusal) for words in UNSUPPORTED):
                raise
            return call_torch(row, call, arrays, wide=True)

    try:
        expected, tensors = theirs()
    except REFUSED as refusal:
        if error is None:
            pytest.fail(f"PyTorch refuses: {refusal}")
        assume(False)
    assert error is None, f"refused, but not by PyTorch: {type(error).__name__}: {error}"
    expected = expected[: len(outs)]
    assert len(outs) == len(expected)
    reference = expected
    if call.dtype == "float32":
        reference = call_torch(row, call, arrays, wide=True)[0][: len(outs)]
    largest = max((np.max(np.abs(a[np.isfinite(a)]), initial=0) for a in arrays if a.dtype.kind == "f"), default=0)
    largest = float(largest) ** (2 if call.kind == "huge" else 1)
    for k, (o, e, r) in enumerate(zip(outs, expected, reference)):
        compare_values(row, call, k, o, e, r, largest)
        if isinstance(o, Variable):
            mine_shares = [np.may_share_memory(array_of(o), a) for a in arrays]
            theirs_shares = [e.untyped_storage().data_ptr() == t.untyped_storage().data_ptr() for t in tensors]
            assert any(mine_shares) == any(theirs_shares), (
                "shares memory with an argument" if any(mine_shares) else "a copy"
            )
    if call.kind == "plain" and call.dtype == "float64" and "expanded" not in call.layouts:
        compare_derivatives(row, outs, expected, variables, tensors)


def compare_values(row, call, position, mine, theirs, reference, largest):
    if not isinstance(mine, (Tensor, Variable)):
        assert mine == theirs
        return
    array = array_of(mine)
    theirs, reference = theirs.detach(), reference.detach()
    assert array.shape == (tuple(theirs.shape) or (1,))
    if theirs.dtype == torch.bool:
        assert array.dtype == np.uint8
    elif array.dtype != call.dtype:
        assert array.dtype == np.int64
        assert theirs.dtype == torch.int64
    theirs = theirs.numpy().astype(array.dtype).reshape(array.shape)
    if array.dtype.kind != "f":
        tied = call.kind != "plain" or "expanded" in call.layouts or np.dtype(call.dtype).kind != "f"
        if "order of ties" in row.differs and position > 0 and tied:
            return
        np.testing.assert_array_equal(array, theirs)
        return
    reference = reference.numpy().reshape(array.shape)
    with np.errstate(all="ignore"):
        finite = np.isfinite(array) & np.isfinite(theirs)
        np.testing.assert_array_equal(array[~finite], theirs[~finite])
        scale = max(np.max(np.abs(reference[finite]), initial=0), largest)
        if array.dtype == np.float64:
            np.testing.assert_allclose(array[finite], theirs[finite], rtol=1e-12, atol=1e-13 * scale)
        else:  # as near to the result in double precision as PyTorch's is, and a few roundings
            rounding = np.finfo(np.float32).eps * (8 * scale + 8 * np.abs(reference[finite])) / 2 + 1e-44
            away = np.max(np.abs(theirs[finite] - reference[finite]), initial=0)
            assert np.all(np.abs(array[finite] - reference[finite]) <= 4 * away + rounding)


def compare_derivatives(row, outs, expected, variables, tensors):
    """All orders up to the one in which the row's samples agree, for random gradients from above."""
    agreed = min([row.order, *(s.agrees for s in row.samples if s.differs and s.agrees >= 0)])
    rng = np.random.default_rng(0)
    leaves = [v for v in variables if v.requires_grad]
    their_leaves = [t for t in tensors if t.requires_grad]
    for _ in range(agreed):
        live = [(o, e) for o, e in zip(outs, expected) if needs(o) or needs(e)]
        if not live or not leaves:
            return
        above = [rng.standard_normal(array_of(o).shape if o is not None else tuple(e.shape)) for o, e in live]
        mine = [(o, Variable(_core.tensor_from_array(w))) for (o, _), w in zip(live, above) if needs(o)]
        theirs = [(e, torch.from_numpy(w).reshape(e.shape)) for (_, e), w in zip(live, above) if needs(e)]
        outs = expected = [None] * len(leaves)
        if mine:
            outs = minigrad.autograd.grad(
                [o for o, _ in mine], leaves, [w for _, w in mine], create_graph=True, allow_unused=True
            )
        if theirs:
            expected = torch.autograd.grad(
                [e for e, _ in theirs], their_leaves, [w for _, w in theirs], create_graph=True, allow_unused=True
            )
        for g, e, leaf in zip(outs, expected, leaves):
            size = array_of(leaf).shape
            found = np.zeros(size) if g is None else array_of(g)
            wanted = np.zeros(size) if e is None else e.detach().numpy(force=True).reshape(size)
            scale = np.max(np.abs(wanted), initial=1)
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-11 * scale)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_as_torch_does(row):
    @seed(SEED)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, print_blob=True,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(calls(row))
    def run(call):
        note(f"MINIGRAD_TEST_SEED={SEED}")
        check(row, call)

    run()
