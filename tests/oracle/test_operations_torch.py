"""Every row of the table against today's PyTorch: values, first and second derivatives in float64 to 1e-12.

A row's `oracle` says what to compare with: None stands for PyTorch's function of the same name, a string for one of its
names ("nn.functional.relu"), a callable for an expression of (torch, *args), and `no_oracle("why")` for nothing.
"""

import numpy as np
import pytest

import minigrad
from minigrad import _core
from minigrad._core import Variable, array_of
from minigrad.ops.table import NoOracle, table

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

CASES = [
    pytest.param(r, s, id=f"{r.name}-{k}")
    for r in table.values()
    if not isinstance(r.oracle, NoOracle)
    for k, s in enumerate(r.samples)
]


def peer(row):
    if callable(row.oracle):
        return lambda *args, **kwargs: row.oracle(torch, *args, **kwargs)
    if row.oracle:
        found = torch
        for part in row.oracle.split("."):
            found = getattr(found, part)
        return found
    for place in (torch, torch.Tensor, torch.nn.functional):
        if hasattr(place, row.name):
            return getattr(place, row.name)
    raise AssertionError(f"PyTorch has no {row.name}: give the row an oracle")


def flat(result):
    return [r for r in (result if isinstance(result, (tuple, list)) else (result,))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("row", "sample"), CASES)
def test_same_as_torch(row, sample, rng):
    mine, theirs = [], []

    def wrap(array, spec):
        v = _core.variable_from_array(array)
        v.requires_grad = spec.grad and array.dtype.kind == "f"
        mine.append(v)
        return v

    state = rng.bit_generator.state
    args, kwargs = sample.build(rng, wrap)
    rng.bit_generator.state = state

    def wrap_theirs(array, spec):
        t = torch.from_numpy(array)
        t.requires_grad_(spec.grad and array.dtype.kind == "f")
        theirs.append(t)
        return t

    their_args, their_kwargs = sample.build(rng, wrap_theirs)
    outs = [o for o in flat(row.function(*args, **kwargs)) if isinstance(o, Variable)]
    expected = [e for e in flat(peer(row)(*their_args, **their_kwargs)) if isinstance(e, torch.Tensor)]
    assert len(outs) == len(expected)
    for o, e in zip(outs, expected):
        e = e.detach().numpy(force=True)
        assert array_of(o).shape == (e.shape or (1,))
        np.testing.assert_allclose(array_of(o), e.reshape(array_of(o).shape), rtol=1e-12, atol=1e-13)
    live = [(o, e) for o, e in zip(outs, expected) if e.requires_grad]
    assert all(o.requires_grad for o, _ in live)
    if row.order == 0 or not live:
        return

    weights = [rng.standard_normal(array_of(o).shape) for o, _ in live]
    leaves = [v for v in mine if v.requires_grad]
    their_leaves = [t for t in theirs if t.requires_grad]
    first = minigrad.autograd.grad(
        [o for o, _ in live], leaves, [Variable(_core.tensor_from_array(w)) for w in weights],
        create_graph=row.order > 1, allow_unused=True,
    )  # fmt: skip
    their_first = torch.autograd.grad(
        [e for _, e in live], their_leaves, [torch.from_numpy(w).reshape(e.shape) for w, (_, e) in zip(weights, live)],
        create_graph=True, allow_unused=True,
    )  # fmt: skip
    compare(first, their_first)
    if row.order < 2:
        return
    pairs = [(g, t) for g, t in zip(first, their_first) if g is not None and g.requires_grad and t is not None and t.requires_grad]
    if not pairs:
        return
    upstream = [rng.standard_normal(array_of(g).shape) for g, _ in pairs]
    second = minigrad.autograd.grad(
        [g for g, _ in pairs], leaves, [_core.tensor_from_array(u) for u in upstream], allow_unused=True
    )
    their_second = torch.autograd.grad(
        [t for _, t in pairs], their_leaves, [torch.from_numpy(u).reshape(t.shape) for u, (_, t) in zip(upstream, pairs)],
        allow_unused=True,
    )  # fmt: skip
    compare(second, their_second)


def compare(found, expected):
    for g, e in zip(found, expected):
        mine = 0.0 if g is None else array_of(g)
        theirs = 0.0 if e is None else e.detach().numpy(force=True)
        np.testing.assert_allclose(mine, np.reshape(theirs, np.shape(mine)) if g is not None else theirs, rtol=1e-12, atol=1e-12)
