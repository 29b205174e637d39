"""Every row of the table against today's PyTorch: values, first and second derivatives in float64 to 1e-12.

A row's `oracle` says what to compare with: None stands for PyTorch's function of the same name, a string for one of its
names ("nn.functional.relu"), a callable for an expression of (torch, *args), and `no_oracle("why")` for nothing. A
single call where PyTorch answers otherwise says so itself (`unlike_torch`), and here it must indeed.
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
ALIKE = [c for c in CASES if not c.values[1].differs]
UNLIKE = [c for c in CASES if c.values[1].differs]


def peer(row):
    """The row's function in PyTorch."""
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
    return list(result) if isinstance(result, (tuple, list)) else [result]


class Comparison:
    """One call on both sides, compared order by order: `compare(0)` the values, then the derivatives."""

    def __init__(self, row, sample, rng):
        self.rng, self.leaves, self.their_leaves = rng, [], []
        dtype = "float64" if "float64" in row.types else row.types[0]
        state = rng.bit_generator.state
        args, kwargs = sample.build(rng, self.wrap, dtype)
        rng.bit_generator.state = state
        their_args, their_kwargs = sample.build(rng, self.wrap_theirs, dtype)
        self.outs = flat(row.function(*args, **kwargs))
        # What PyTorch returns beyond (embedding_bag: how it went about it) has no place in the comparison.
        self.expected = flat(peer(row)(*their_args, **their_kwargs))[: len(self.outs)]
        assert len(self.expected) == len(self.outs)

    def wrap(self, array, spec):
        v = _core.variable_from_array(array)
        if spec.grad and array.dtype.kind == "f":
            v.requires_grad = True
            self.leaves.append(v)
        return v

    def wrap_theirs(self, array, spec):
        t = torch.from_numpy(array)
        if spec.grad and array.dtype.kind == "f":
            t.requires_grad_(True)
            self.their_leaves.append(t)
        return t

    def compare(self, order):
        if order == 0:
            self.values()
        else:
            self.derivatives(order)

    def values(self):
        for o, e in zip(self.outs, self.expected):
            if not isinstance(o, Variable):
                assert type(o) is type(e)
                assert o == e
                continue
            assert array_of(o).shape == (tuple(e.shape) or (1,))
            same(array_of(o), e, 1e-13)

    def derivatives(self, order):
        """The outputs give way to the gradients of the leaves, for random gradients from above."""
        live = [(o, e) for o, e in zip(self.outs, self.expected) if needs(o) or needs(e)]
        mine = [o for o, _ in live if needs(o)]
        theirs = [e for _, e in live if needs(e)]
        if not live or not self.leaves:
            self.outs = self.expected = []
            return
        above = [self.rng.standard_normal(array_of(o).shape if o is not None else tuple(e.shape)) for o, e in live]
        pairs = [(w, o, e) for w, (o, e) in zip(above, live)]
        self.outs = minigrad.autograd.grad(
            mine, self.leaves,
            [Variable(_core.tensor_from_array(w)) for w, o, _ in pairs if needs(o)],
            create_graph=True, allow_unused=True,
        ) if mine else [None] * len(self.leaves)  # fmt: skip
        self.expected = torch.autograd.grad(
            theirs, self.their_leaves,
            [torch.from_numpy(w).reshape(e.shape) for w, _, e in pairs if needs(e)],
            create_graph=True, allow_unused=True,
        ) if theirs else [None] * len(self.leaves)  # fmt: skip
        for g, e, leaf in zip(self.outs, self.expected, self.leaves):
            size = array_of(leaf).shape
            same(np.zeros(size) if g is None else array_of(g), torch.zeros(size) if e is None else e, 1e-12)


def needs(value):
    return getattr(value, "requires_grad", False)


def same(mine, theirs, atol):
    theirs = theirs.detach().numpy(force=True)
    assert mine.size == theirs.size
    np.testing.assert_allclose(mine, theirs.reshape(mine.shape), rtol=1e-12, atol=atol)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("row", "sample"), ALIKE)
def test_same_as_torch(row, sample, rng):
    comparison = Comparison(row, sample, rng)
    for order in range(row.order + 1):
        comparison.compare(order)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("row", "sample"), UNLIKE)
def test_differs_from_torch_where_said(row, sample, rng):
    """The same up to the order named, and then not: a difference that PyTorch gives up must not stay in the table."""
    comparison = Comparison(row, sample, rng)
    for order in range(sample.agrees + 1):
        comparison.compare(order)
    with pytest.raises((AssertionError, RuntimeError)):
        comparison.compare(sample.agrees + 1)
