"""Operations that return elements of their input in some order: extremes, order statistics, sorting.

Those along a dimension return values with their indices: the indices are found on arrays and the values are picked by
them, so the derivative is that of picking. The full forms give the whole gradient to every tied element.
"""

import numpy as np

from minigrad._core import Operation, Tensor, Variable
from minigrad.ops import arrays
from minigrad.ops.elementwise import keep, maximum, minimum
from minigrad.ops.indexing import elements
from minigrad.ops.reduction import APART, BOOL_DIM, NO_SUCH_DIM, NUMBER_AS_KEEPDIM, along, refuse_empty, size_after
from minigrad.ops.shape import broadcast_to, flag, reshape, size_of, whole_number, wrap_dim
from minigrad.ops.table import ALL, S, T, row

# ---------------------------------------------------------------- full extremes


def _to_tied(g, x, out):
    return keep(broadcast_to(g, size_of(x)), x == out)


def _extreme(name, function):
    def forward(x):
        refuse_empty(x, name)
        return function(x).reshape(1)

    return Operation(name, forward, "x", derivatives={"x": _to_tied}, number=True)


largest, smallest = _extreme("max", np.max), _extreme("min", np.min)
middle = _extreme("median", lambda x: np.sort(x, axis=None)[(x.size - 1) // 2 :][:1])


# ---------------------------------------------------------------- values with their indices


def _choice(name, choose, parameters=""):
    """An operation that returns elements of x along dim and their indices, which `choose(x, dim, ...)` finds."""

    def forward(x, dim, keepdim, *rest):
        refuse_empty(x, name)
        where = choose(x, dim, *rest)
        size = where.shape if where.shape[dim] != 1 else size_after(x.shape, dim, keepdim)
        values = np.take_along_axis(x, where, dim)
        return values.reshape(size), arrays.in_order(where).reshape(size)  # a slice of all indices otherwise

    def rule(g, x_size, dim, out1):
        size, found = list(x_size), size_of(out1)
        size[dim] = found[dim] if len(found) == len(x_size) else 1
        return elements.spread(reshape(g[0], tuple(size)), reshape(out1, tuple(size)), dim, x_size)

    return Operation(
        name, forward, "x", f"dim keepdim {parameters}", outputs=2, constant_outputs=(1,), derivatives={"x": rule}
    )


def _argsort(x, dim, descending=False):
    """Indices that sort x along dim; equal elements stay in order."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.argsort(np.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(backwards, dim)


def _choose_mode(x, dim):
    """Index of the last of the most frequent values (the smallest of equally frequent ones)."""
    x = np.moveaxis(x, dim, -1)
    ordered, count = np.sort(x, axis=-1), x.shape[-1]
    place = np.arange(count, like=x)
    new = np.ones_like(ordered, dtype=bool)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    length = place - arrays.running_maximum(np.where(new, place, 0))
    best = np.take_along_axis(ordered, np.argmax(length, axis=-1, keepdims=True), -1)
    last = count - 1 - np.argmax(np.flip(x == best, -1), axis=-1, keepdims=True)
    return np.moveaxis(last, -1, dim)


def _choose_top(x, dim, k, highest):
    """A nan is greater than every number, as it is to _argsort and to argmax, but argmin prefers it."""
    if k == 1:
        where = (np.argmax if highest else np.argmin)(x, axis=dim, keepdims=True)
        if highest or x.dtype.kind != "f" or not np.isnan(np.take_along_axis(x, where, dim)).any():
            return where
    return _argsort(x, dim, highest)[along(dim, k)]


max_along = _choice("max", lambda x, dim: np.argmax(x, axis=dim, keepdims=True))
min_along = _choice("min", lambda x, dim: np.argmin(x, axis=dim, keepdims=True))
median_along = _choice(
    "median", lambda x, dim: _argsort(x, dim)[along(dim, (x.shape[dim] - 1) // 2, (x.shape[dim] + 1) // 2)]
)
mode_along = _choice("mode", _choose_mode)
kth_along = _choice("kthvalue", lambda x, dim, k: _argsort(x, dim)[along(dim, k - 1, k)], "k")
sort_along = _choice("sort", _argsort, "descending")
top_along = _choice("topk", _choose_top, "k largest")


def _extremes(name, elementwise, whole, along, input, dim, keepdim, other):
    if isinstance(dim, (Tensor, Variable)):
        dim, other = None, dim
    if other is not None:
        if dim is not None:
            raise TypeError(f"{name}: takes another tensor or a dim, not both")
        return elementwise(input, other)
    if dim is None:
        return whole(input)
    return along(input, wrap_dim(dim, len(size_of(input)), f"{name}: dim"), flag(keepdim, f"{name}: keepdim"))


def max(input, dim=None, keepdim=False, other=None):
    """max(input): largest element. max(input, dim, keepdim=False): (values, indices) along dim. max(input, other):
    elementwise.

    nan counts as largest; of equal elements along dim, the first is taken. The full maximum passes its gradient to
    every element that equals it, the elementwise one to `other` where the two are equal.
    """
    return _extremes("max", maximum, largest, max_along, input, dim, keepdim, other)


def min(input, dim=None, keepdim=False, other=None):
    """min(input): smallest element. min(input, dim, keepdim=False): (values, indices) along dim. min(input, other):
    elementwise.

    nan counts as smallest; of equal elements along dim, the first is taken. The full minimum passes its gradient to
    every element that equals it, the elementwise one to `other` where the two are equal.
    """
    return _extremes("min", minimum, smallest, min_along, input, dim, keepdim, other)


def _dim_and_flag(name, input, dim, keepdim):
    """The dimension, and keepdim; a bool in the dimension's place is keepdim."""
    if isinstance(dim, bool):
        dim, keepdim = -1, dim
    return wrap_dim(dim, len(size_of(input)), f"{name}: dim"), flag(keepdim, f"{name}: keepdim")


def median(input, dim=None, keepdim=False):
    """median(input): middle element, the lower of two. median(input, dim=-1, keepdim=False): (values, indices) along
    dim."""
    if dim is None and not keepdim:
        return middle(input)
    return median_along(input, *_dim_and_flag("median", input, -1 if dim is None else dim, keepdim))


def mode(input, dim=-1, keepdim=False):
    """mode(input, dim=-1, keepdim=False): (values, indices) of the most frequent value along dim.

    Of equally frequent values the smallest counts; the index is that of its last occurrence.
    """
    return mode_along(input, *_dim_and_flag("mode", input, dim, keepdim))


def _checked_k(name, input, k, dim):
    count, k = size_of(input)[dim], whole_number(k, f"{name}: k")
    if not 1 <= k <= count:
        raise RuntimeError(f"{name}: k must be from 1 to {count}, the size of dimension {dim}, got {k}")
    return k


def kthvalue(input, k, dim=-1, keepdim=False):
    """kthvalue(input, k, dim=-1, keepdim=False): (values, indices) of the k-th smallest element along dim, k from 1."""
    dim, keepdim = _dim_and_flag("kthvalue", input, dim, keepdim)
    return kth_along(input, dim, keepdim, _checked_k("kthvalue", input, k, dim))


def sort(input, dim=-1, descending=False):
    """sort(input, dim=-1, descending=False): (values, indices) in order along dim; equal elements stay in their
    order."""
    return sort_along(input, wrap_dim(dim, len(size_of(input)), "sort: dim"), True, bool(descending))


def topk(input, k, dim=-1, largest=True, sorted=True):
    """topk(input, k, dim=-1, largest=True, sorted=True): (values, indices) of the k largest (smallest) elements along
    dim.

    They come in order whether `sorted` or not.
    """
    dim = wrap_dim(dim, len(size_of(input)), "topk: dim")
    return top_along(input, dim, True, _checked_k("topk", input, k, dim), bool(largest))


_NONE = (S(T(0)), RuntimeError, "no elements")
_PAIRED = [
    S(APART), S(APART, 0), S(APART, -1, True), S(T(2, 3, 4, distinct=True), 1), S(T(4, distinct=True), 0),
    S(T(1, distinct=True)),
    S(T(1, distinct=True), 0), S(T(3, 1, distinct=True), 1),
]  # fmt: skip
for _function in (max, min):
    row(
        _function.__name__, _function,
        [*_PAIRED, S(APART, dim=1, keepdim=True),
         S(APART, T(3, 4, low=-1.93, high=2.11, distinct=True)),
         S(APART, T(4, low=-1.95, high=2.11, distinct=True)),
         S(T(2, 2, distinct=True), other=T(2, 1, low=-1.93, high=2.11, distinct=True))],
        [NO_SUCH_DIM, BOOL_DIM, NUMBER_AS_KEEPDIM, _NONE, (S(T(3, 4), T(3, 5)), RuntimeError, "do not broadcast"),
         (S(T(3, 4), 1, other=T(3, 4)), TypeError, "not both")], types=ALL,
    )  # fmt: skip


def _torch_choice(name, numbers=0):
    """A bool in the dimension's place is keepdim. (Of an expanded vector PyTorch's median reads what lies behind.)"""

    def peer(torch, x, *args, **kwargs):
        given, rest = args[:numbers], args[numbers:]
        if rest and isinstance(rest[0], bool):
            rest = (-1, rest[0])
        if not rest and name == "median" and kwargs.get("keepdim") is False:
            kwargs = {}  # of all elements; PyTorch takes keepdim with a dim only
        if not rest and kwargs.get("keepdim"):
            rest = (-1,)
        return getattr(torch, name)(x.contiguous(), *given, *rest, **kwargs)

    return peer


_ANY_OF_TIES = "PyTorch does not say which of equal elements it takes"
row(
    "median", median, [*_PAIRED, S(APART, True), S(APART, keepdim=True)],
    [NO_SUCH_DIM, NUMBER_AS_KEEPDIM, _NONE],
    types=ALL, oracle=_torch_choice("median"),
    differs={"order of ties": _ANY_OF_TIES, "nan": "PyTorch answers nan now; the era did not say, and here nan is the "
             "largest number"},
)  # fmt: skip
row(
    "mode", mode,
    [S(APART), S(APART, 0), S(APART, -1, True), S(T(4, distinct=True), 0), S(T(1, distinct=True)), S(APART, False)],
    [NO_SUCH_DIM, _NONE], types=ALL, oracle=_torch_choice("mode"),
    differs={"order of ties": _ANY_OF_TIES, "nan": "no nan equals another, so each counts once"},
)  # fmt: skip
row(
    "kthvalue", kthvalue,
    [S(APART, 2), S(APART, 3, 0), S(APART, 1, -1, True), S(T(4, distinct=True), 4, 0), S(APART, 2, True),
     S(T(1, distinct=True), 1)],
    [(S(T(3, 4), 5), RuntimeError, "k must be from 1 to 4"), (S(T(3, 4), 0), RuntimeError, "k must be from 1 to 4"),
     (S(T(3, 4), 1.0), TypeError, "k must be an int"), (S(T(3, 4), 1, 2), RuntimeError, "dim must be")], types=ALL,
    oracle=_torch_choice("kthvalue", 1), differs={"order of ties": _ANY_OF_TIES},
)  # fmt: skip
row(
    "sort", sort,
    [S(APART), S(APART, 0), S(APART, 1, True), S(APART, descending=True), S(T(4, distinct=True), -1),
     S(T(1, distinct=True)),
     S(T(3, 1, distinct=True), 1)], [NO_SUCH_DIM, BOOL_DIM, _NONE], types=ALL,
)  # fmt: skip
row(
    "topk", topk,
    [S(APART, 2), S(APART, 1), S(APART, 3, 0), S(APART, 2, -1, False), S(APART, 1, 0, largest=False),
     S(APART, 4, 1, True, False),
     S(T(4, distinct=True), 2), S(T(1, distinct=True), 1)],
    [(S(T(3, 4), 5), RuntimeError, "k must be from 1 to 4"),
     (S(T(3, 4), 4, True), TypeError, "dim must be an int, got bool")],
    types=ALL, oracle=lambda torch, x, k, dim=-1, largest=True, sorted=True: torch.topk(x, k, dim, largest, True),
    differs={"order of ties": _ANY_OF_TIES},
)  # fmt: skip
