"""The one table of operations.

A row says what an operation is called, on which levels it works, for which types, how often it can be differentiated,
and carries sample calls and calls that must be refused. Methods, functions, the reference page and the tests are made
from it: an exported operation without a row, or a row without samples, fails the tests.

A sample is a call with `T(...)` in place of tensors; `Sample.build` draws the numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minigrad._core import Operation

FLOATING = ("float32", "float64")
INTEGRAL = ("int64", "int32", "int16", "int8", "uint8")
SIGNED = ("float32", "float64", "int64", "int32", "int16")
ALL = FLOATING + INTEGRAL


class T:
    """A tensor in a sample: its size and how its numbers are drawn.

    dtype None stands for the type under test; low, high: range of the numbers; distinct: no two are closer than a
    finite difference could see (for max, sort, relu at 0 ...); values: these very numbers. fixed: the call means
    nothing with these numbers in another order, or with others.
    """

    def __init__(self, *size, low=-2.0, high=2.0, dtype=None, distinct=False, values=None, grad=True, fixed=False):
        self.size, self.low, self.high, self.dtype = size, low, high, dtype
        self.distinct, self.values, self.grad, self.fixed = distinct, values, grad and dtype is None, fixed

    def build(self, rng: np.random.Generator, dtype: str) -> np.ndarray:
        kind = np.dtype(self.dtype or dtype)
        if self.values is not None:
            return np.array(np.abs(self.values) if kind.kind == "u" else self.values).astype(kind)
        count = int(np.prod(self.size))
        if kind.kind in "iu":
            low = max(0, int(self.low)) if kind.kind == "u" else int(self.low)
            return rng.integers(low, max(int(self.high), low + 1), size=self.size, endpoint=self.dtype is None).astype(
                kind
            )
        if self.distinct:  # evenly spaced and shuffled; 0.37 keeps them off 0 and off halves
            numbers = (np.arange(count) + 0.37) / count * (self.high - self.low) + self.low
            return rng.permutation(numbers).reshape(self.size).astype(kind)
        return rng.uniform(self.low, self.high, self.size).astype(kind)

    def __repr__(self):
        return f"T{self.size if len(self.size) != 1 else f'({self.size[0]})'}"


@dataclass(frozen=True)
class Sample:
    """One call: arguments (T for tensors) and keyword arguments."""

    args: tuple
    kwargs: dict = field(default_factory=dict)
    differs: str = ""
    agrees: int = -1

    def unlike_torch(self, why: str, agrees: int = -1) -> Sample:
        """This call where today's PyTorch answers otherwise, and why. agrees: 0 if its values are the same, 1 if its
        first derivatives are too."""
        return replace(self, differs=why, agrees=agrees)

    def build(self, rng, wrap: Callable[[np.ndarray, T], Any], dtype="float64") -> tuple[list, dict]:
        """The call's arguments with every T replaced by `wrap(numbers, T)`; lists of T stay lists."""

        def make(a):
            if isinstance(a, T):
                return wrap(a.build(rng, dtype), a)
            if isinstance(a, (list, tuple)) and any(isinstance(e, T) for e in a):
                return type(a)(make(e) for e in a)
            return a

        return [make(a) for a in self.args], {k: make(v) for k, v in self.kwargs.items()}

    def __repr__(self):
        return ", ".join([repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()])


def S(*args, **kwargs) -> Sample:
    """Short for a Sample in a row."""
    return Sample(args, kwargs)


@dataclass(frozen=True)
class Refusal:
    """A call that must be refused: with which exception, and words that its message must contain."""

    sample: Sample
    error: type[Exception] | tuple[type[Exception], ...]
    words: str


@dataclass(frozen=True)
class Row:
    """name; function(input, ...); samples; errors; types; order of differentiation (why: the reason if below 2).

    levels: "TV" for Tensors and Variables. contiguous: refuses other memory layouts. method: installed on both classes.
    in_place: also as `name_`. exported: where the function is found ("torch", "functional" or both). pointwise: works
    element by element, on tensors of any sizes that broadcast. choices: other values of arguments that are numbers, by
    name. checks: for a function that is no Operation itself, the Operations that see its input first and refuse types
    that it is not made for.

    oracle: the same thing in today's PyTorch: None (of the same name), a dotted name, an expression of (torch, *args),
    or `no_oracle(why)`. differs: on which kind of numbers ("nan", "infinite", "zero", "ties", "huge", "extreme",
    "wrapping", "out of domain"; "order of ties" of indices only; "one element") it answers otherwise, and why.
    """

    name: str
    function: Callable
    samples: tuple[Sample, ...]
    errors: tuple[Refusal, ...] = ()
    types: tuple[str, ...] = FLOATING
    order: int = 2
    why: str = ""
    levels: str = "TV"
    method: bool = True
    in_place: bool = False
    exported: tuple[str, ...] = ("torch",)
    contiguous: bool = False
    pointwise: bool = False
    choices: dict[str, tuple] = field(default_factory=dict)
    checks: tuple[Operation, ...] = ()
    oracle: Callable | str | NoOracle | None = None
    differs: dict[str, str] = field(default_factory=dict)
    module: str = ""  # of the row: its subject

    @property
    def doc(self) -> str:
        """What the operation computes: the function's docstring, or an Operation's own line."""
        return (self.function.doc if isinstance(self.function, Operation) else self.function.__doc__) or ""


@dataclass(frozen=True)
class NoOracle:
    """A row that today's PyTorch has nothing equal to, and why."""

    why: str


def no_oracle(why: str) -> NoOracle:
    return NoOracle(why)


table: dict[str, Row] = {}


def row(name, function, samples, errors=(), **options):
    """Enter an operation into the table and return its function."""
    if name in table:
        raise ValueError(f"the table has two rows for {name!r}")
    options["module"] = sys._getframe(1).f_globals["__name__"]
    entry = Row(name, function, tuple(samples), tuple(Refusal(*e) for e in errors), **options)
    if entry.order < 2 and not entry.why:
        raise ValueError(f"row {name!r} is differentiable {entry.order} times only and does not say why")
    table[name] = entry
    return function
