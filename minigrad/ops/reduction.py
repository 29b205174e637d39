"""Reductions: sums, products, means, spread, running sums and products.

A full reduction is computed in double precision (int64 for integer types), as in the era: of a Tensor it is a Python
number, of a Variable it has size (1,) and the Variable's type. Along a dimension, a 1-D input gives size (1,) too:
there is no 0-d.

Norms are in `norms`; reductions that return elements of the input, and sorting, in `ordering`.
"""

import math

import numpy as np

from minigrad import kernels
from minigrad._core import Operation, Tensor, Variable, like
from minigrad.ops import arrays
from minigrad.ops.elementwise import keep, quiet
from minigrad.ops.indexing import raw
from minigrad.ops.shape import broadcast_to, flag, index, reshape, seen_as, size_of, wrap_dim
from minigrad.ops.shape import cat as join
from minigrad.ops.table import ALL, S, T, row
from minigrad.utils.callers import warn

# ---------------------------------------------------------------- sizes


def size_after(size, dim, keepdim):
    """Size of the result of reducing dimension dim (None: all of them)."""
    if dim is None:
        return (1,)
    middle = (1,) if keepdim or len(size) == 1 else ()
    return (*size[:dim], *middle, *size[dim + 1 :])


def expand_back(g, size, dim):
    """A reduced value (or its gradient) with the reduced dimension back, at size 1."""
    return g if dim is None else reshape(g, size_after(size, dim, True))


def along(dim, *slices):
    """Index tuple of a slice along dim."""
    return (slice(None),) * dim + (slice(*slices),)


def _count(size, dim):
    return math.prod(size) if dim is None else size[dim]


def floating_only(x, name):
    if x.dtype.kind != "f":
        raise TypeError(
            f"{name}: defined for floating types only, got {x.dtype}; convert the tensor first, for example with "
            f".float()"
        )


def refuse_empty(x, name):
    """For what has no value then, and would end in NumPy's words."""
    if x.size == 0:
        raise RuntimeError(f"{name}: a tensor with no elements has none")


def wide_type(x):
    """The type in which full reductions of x are computed."""
    return np.float64 if x.dtype.kind == "f" else np.int64


def widened(forward):
    """A forward(x, dim, ...) whose full reductions are computed in the wide type and rounded once, to x's type."""

    def function(x, dim, *parameters):
        if dim is not None:
            return forward(x, dim, *parameters)
        return forward(x.astype(wide_type(x), copy=False), None, *parameters).astype(x.dtype, copy=False)

    return quiet(function)


def whole(operation, input, *parameters):
    """The full reduction: of a Tensor a number, in the wide type."""
    if not isinstance(input, Tensor):
        return operation(input, *parameters)
    return arrays.run(_number, input.array, operation, parameters)


def _number(x, operation, parameters):
    return operation.forward(x.astype(wide_type(x), copy=False), *parameters).item()


def _reduced(operation, input, dim, *parameters):
    if dim is None:
        return whole(operation, input, None, *parameters)
    *parameters, keepdim = parameters
    dim = wrap_dim(dim, len(size_of(input)), f"{operation.name}: dim")
    return operation(input, dim, *parameters, flag(keepdim, f"{operation.name}: keepdim"))


nonzero_or_one = Operation(  # a divisor that is never 0
    "nonzero_or_one", lambda x: np.where(x == 0, 1, x), "x", derivatives={"x": lambda g, x: keep(g, x != 0)}
)


# ---------------------------------------------------------------- sums and products


def _accumulate(name, function):
    """Sum or product in x's own type; integer types smaller than int64 warn where the true result does not fit."""

    @quiet
    def forward(x, dim, keepdim):
        narrow = x.dtype.kind in "iu" and x.itemsize < 8
        total = function(x, axis=dim, keepdims=True, dtype=wide_type(x) if narrow or dim is None else x.dtype)
        if narrow:
            kept = total.astype(x.dtype)
            if np.any(kept != total):
                warn(
                    f"{name}: the result does not fit {x.dtype} and wraps around; convert the tensor first, for "
                    f"example with .long()"
                )
            total = kept
        return total.astype(x.dtype, copy=False).reshape(size_after(x.shape, dim, keepdim))

    return forward


_slow_sum = _accumulate("sum", np.sum)


def _sum(x, dim, keepdim):
    found = kernels.total(x) if dim is None else None
    return _slow_sum(x, dim, keepdim) if found is None else found


def _filled(x, size):
    found = kernels.filled(x, tuple(size))
    return np.broadcast_to(x, size) if found is None else found


# The derivative of a full sum is laid out, not a view of one number: kernels take contiguous gradients only.
filled = Operation("filled", _filled, "x", "size", derivatives={"x": lambda g: total(g, None, False)})
total = Operation(
    "sum", _sum, "x", "dim keepdim",
    derivatives={"x": lambda g, x_size, dim:
                 filled(g, x_size) if dim is None else broadcast_to(expand_back(g, x_size, dim), x_size)},
)  # fmt: skip


def sum(input, dim=None, keepdim=False):
    """sum(input), sum(input, dim, keepdim=False): sum of all elements, or along dim; integers give integers."""
    return _reduced(total, input, dim, keepdim)


@widened
def _mean(x, dim, keepdim):
    floating_only(x, "mean")
    with np.errstate(all="ignore"):
        return np.true_divide(x.sum(axis=dim, keepdims=True), _count(x.shape, dim)).reshape(
            size_after(x.shape, dim, keepdim)
        )


average = Operation(
    "mean", _mean, "x", "dim keepdim",
    derivatives={"x": lambda g, x_size, dim: broadcast_to(expand_back(g, x_size, dim) / _count(x_size, dim), x_size)},
)  # fmt: skip


def mean(input, dim=None, keepdim=False):
    """mean(input), mean(input, dim, keepdim=False): sum / count. Floating types only."""
    return _reduced(average, input, dim, keepdim)


def _product_rule(g, x, out, dim):
    """The product of the others: out / x, and where a factor is 0, products from the left times products from the
    right."""
    size = size_of(x)
    if not np.any(raw(x) == 0):
        return expand_back(g, size, dim) * expand_back(out, size, dim) / x
    if dim is None:
        return reshape(_product_rule(g, seen_as(x, (math.prod(size),)), out, 0), size)
    return expand_back(g, size, dim) * (_exclusive(x, dim) * flip(_exclusive(flip(x, dim), dim), dim))


def _exclusive(x, dim):
    """Products of the elements before each one along dim."""
    size = size_of(x)
    ones = like(x, np.ones_like(raw(x), shape=size_after(size, dim, True)))
    if size[dim] == 1:
        return ones
    before = index(x, along(dim, 0, size[dim] - 1))
    return join_two(ones, running_product(before, dim), dim)


def join_two(a, b, dim):
    """The two joined along dim, on any level."""
    return np.concatenate((a, b), dim) if not isinstance(a, (Tensor, Variable)) else join((a, b), dim)


product = Operation("prod", _accumulate("prod", np.prod), "x", "dim keepdim", derivatives={"x": _product_rule})


def prod(input, dim=None, keepdim=False):
    """prod(input), prod(input, dim, keepdim=False): product of all elements, or along dim; integers give integers."""
    return _reduced(product, input, dim, False if keepdim is None else keepdim)


_WHOLE_AND_ALONG = [
    S(T(3, 4)), S(T(3, 4), 0), S(T(2, 3, 4), -2), S(T(3, 4), 1, True), S(T(4), 0), S(T(1)), S(T(2, 1), 1),
    S(T(3, 4), dim=-1, keepdim=True),
]  # fmt: skip
NO_SUCH_DIM = (S(T(3, 4), 2), RuntimeError, "dim must be from -2 to 1 for 2 dimensions, got 2")
BOOL_DIM = (S(T(3, 4), True), TypeError, "dim must be an int, got bool")
NUMBER_AS_KEEPDIM = (S(T(3, 4), dim=0, keepdim=1), TypeError, "keepdim must be True or False, got 1 (int)")
APART = T(3, 4, distinct=True)
FRACTIONS = (S(T(3, dtype="int64")), TypeError, "floating types only")
row(
    "sum",
    sum,
    _WHOLE_AND_ALONG,
    [NO_SUCH_DIM, BOOL_DIM, NUMBER_AS_KEEPDIM],
    types=ALL,
)
row("mean", mean, _WHOLE_AND_ALONG, [NO_SUCH_DIM, NUMBER_AS_KEEPDIM, FRACTIONS])
row(
    "prod", prod,
    [S(T(3, 4, low=-1.9, high=1.9)), S(T(3, 4, low=-1.9, high=1.9), 0), S(T(2, 3, 4, low=-1.9, high=1.9), -2, True),
     S(T(4), 0),
     S(T(1)), S(T(2, 3, values=[[1.5, 0, 2], [3, 1.25, 0.5]])), S(T(2, 3, values=[[1.5, 0, 0], [3, 0, 0.5]]), 1),
     S(T(2, 3, values=[[1.5, 0, 2], [3, 4, 0.5]]), 0), S(T(3, values=[0, 0, 2]))],
    [NO_SUCH_DIM, NUMBER_AS_KEEPDIM], types=ALL,
)  # fmt: skip


# ---------------------------------------------------------------- spread


@widened
def _variance(x, dim, unbiased, keepdim):
    floating_only(x, "var")
    with np.errstate(all="ignore"):
        from_mean = x - x.mean(axis=dim, keepdims=True)
        square = (from_mean * from_mean).sum(axis=dim, keepdims=True)
        return (square / (_count(x.shape, dim) - unbiased)).reshape(size_after(x.shape, dim, keepdim))


def _freedom(size, dim, unbiased):
    return (_count(size, dim) - unbiased) or math.nan


variance = Operation(
    "var", _variance, "x", "dim unbiased keepdim",
    derivatives={"x": lambda g, x, dim, unbiased: expand_back(g, size_of(x), dim) * (x - average(x, dim, True))
                 * (2 / _freedom(size_of(x), dim, unbiased))},
)  # fmt: skip


def _deviation_rule(g, x, out, dim, unbiased):
    size = size_of(x)
    ratio = expand_back(keep(g / nonzero_or_one(out), out != 0), size, dim)
    return ratio * (x - average(x, dim, True)) * (1 / _freedom(size, dim, unbiased))


deviation = Operation(
    "std", widened(lambda *args: np.sqrt(_variance(*args))), "x", "dim unbiased keepdim",
    derivatives={"x": _deviation_rule},
)  # fmt: skip


def _spread(operation, input, dim, unbiased, keepdim):
    if isinstance(dim, bool):  # f(unbiased)
        dim, unbiased = None, dim
    return _reduced(operation, input, dim, bool(unbiased), keepdim)


def var(input, dim=None, unbiased=True, keepdim=False):
    """var(input, unbiased=True), var(input, dim, unbiased=True, keepdim=False): mean squared distance from the mean.

    unbiased: divide by n - 1 instead of n. Floating types only.
    """
    return _spread(variance, input, dim, unbiased, keepdim)


def std(input, dim=None, unbiased=True, keepdim=False):
    """std(input, unbiased=True), std(input, dim, unbiased=True, keepdim=False): square root of the variance.

    unbiased: divide by n - 1 instead of n. The derivative at 0 is taken as 0. Floating types only.
    """
    return _spread(deviation, input, dim, unbiased, keepdim)


for _function in (var, std):
    row(
        _function.__name__, _function,
        [S(T(3, 4)), S(T(3, 4), False), S(T(3, 4), unbiased=False), S(T(3, 4), 0), S(T(2, 3, 4), -2, False),
         S(T(3, 4), 1, True, True),
         S(T(4), 0)], [NO_SUCH_DIM, NUMBER_AS_KEEPDIM, FRACTIONS],
        differs={"one element": "its unbiased variance is nan, and so is the derivative; PyTorch's is 0 now"},
    )  # fmt: skip


# ---------------------------------------------------------------- running sums and products

flip = Operation(
    "flip", lambda x, dim: np.flip(x, dim).copy(), "x", "dim", derivatives={"x": lambda g, dim: flip(g, dim)}
)
running_sum = Operation(
    "cumsum", quiet(lambda x, dim: np.cumsum(x, axis=dim, dtype=x.dtype)), "x", "dim",
    derivatives={"x": lambda g, dim: _from_behind(g, dim)},
)  # fmt: skip


def _from_behind(g, dim):
    return flip(running_sum(flip(g, dim), dim), dim)


@quiet
def _recurrence(start, factor, dim):
    """s[0] = start[0], s[k] = start[k] + factor[k] * s[k-1] along dim (factor[0] is not used)."""
    out = start.copy()
    o, f = np.moveaxis(out, dim, 0), np.moveaxis(factor, dim, 0)
    for k in range(1, out.shape[dim]):
        o[k] += f[k] * o[k - 1]
    return out


def _shifted(x, dim):
    """x moved one place on along dim, a 0 in front."""
    size = size_of(x)
    nothing = like(x, np.zeros_like(raw(x), shape=size_after(size, dim, True)))
    if size[dim] == 1:
        return nothing
    return join_two(nothing, index(x, along(dim, 0, size[dim] - 1)), dim)


def _recurrence_adjoint(g, factor, dim):
    """The same recurrence from behind, with each factor one place earlier."""
    return flip(recurrence(flip(g, dim), _shifted(flip(factor, dim), dim), dim), dim)


recurrence = Operation(
    "recurrence", _recurrence, "start factor", "dim",
    derivatives={"start": _recurrence_adjoint,
                 "factor": lambda g, factor, out, dim: _recurrence_adjoint(g, factor, dim) * _shifted(out, dim)},
)  # fmt: skip


def _running_product_rule(g, x, out, dim):
    """Without zeros, sums of g * out from behind over x. A recurrence otherwise: c[k] = x[k] c[k-1]."""
    if not np.any(raw(x) == 0):
        return _from_behind(g * out, dim) / x
    return _recurrence_adjoint(g, x, dim) * _exclusive(x, dim)


running_product = Operation(
    "cumprod",
    quiet(lambda x, dim: np.cumprod(x, axis=dim, dtype=x.dtype)),
    "x",
    "dim",
    derivatives={"x": _running_product_rule},
)


def cumsum(input, dim):
    """cumsum(input, dim): out[k] = input[0] + ... + input[k] along dim."""
    return running_sum(input, wrap_dim(dim, len(size_of(input)), "cumsum: dim"))


def cumprod(input, dim):
    """cumprod(input, dim): out[k] = input[0] * ... * input[k] along dim."""
    return running_product(input, wrap_dim(dim, len(size_of(input)), "cumprod: dim"))


_RUNNING = [S(T(3, 4), 0), S(T(2, 3, 4), -2), S(T(4), 0), S(T(1), 0), S(T(3, 1), 1)]
row("cumsum", cumsum, _RUNNING, [NO_SUCH_DIM], types=ALL)
row(
    "cumprod", cumprod,
    [*_RUNNING, S(T(2, 4, values=[[1.5, 0, 2, 3], [0, 1.25, 0, 2]]), 1),
     S(T(3, 2, values=[[1.5, 2], [0, 0], [2, 3]]), 0)],
    [NO_SUCH_DIM], types=ALL,
)  # fmt: skip


# ---------------------------------------------------------------- answers without a derivative


def _bytes_only(name, function):
    def forward(x):
        if x.dtype != np.uint8:
            raise TypeError(f"{name}: defined for ByteTensors only (comparisons give them), got {x.dtype}")
        return function(x != 0).reshape(1).view(np.uint8)

    return Operation(name, forward, "x")


_all, _any = _bytes_only("all", np.all), _bytes_only("any", np.any)


def _answer(found):
    return bool(found.array[0]) if isinstance(found, Tensor) else found


def all(input):
    """all(input): whether every element of the ByteTensor is not 0; True without elements."""
    return _answer(_all(input))


def any(input):
    """any(input): whether some element of the ByteTensor is not 0; False without elements."""
    return _answer(_any(input))


_equal = Operation("equal", lambda a, b: np.full_like(a, bool(np.array_equal(a, b)), np.uint8, shape=(1,)), "a b")


def equal(input, other):
    """equal(input, other): True if both have the same size and the same elements."""
    if not isinstance(other, (Tensor, Variable)):
        raise TypeError(f"equal: other must be a tensor, got {type(other).__name__}")
    return bool(raw(_equal(input, other))[0])


def _histogram(x, bins, low, high):
    floating_only(x, "histc")
    refuse_empty(x, "histc")
    if low == high:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - 1, high + 1
    try:
        return arrays.histogram(x, bins, low, high).astype(x.dtype)
    except ValueError as error:
        raise RuntimeError(f"histc: no {bins} intervals can be told apart between {low} and {high}") from error


_histc = Operation("histc", _histogram, "x", "bins min max")


def histc(input, bins=100, min=0, max=0):
    """histc(input, bins=100, min=0, max=0): how many elements fall into each of `bins` equal intervals from min to max.

    Equal bounds stand for the range of the data. Elements outside are not counted.
    """
    if bins < 1:
        raise RuntimeError(f"histc: bins must be positive, got {bins}")
    if max < min:
        raise RuntimeError(f"histc: max must not be smaller than min, got min={min} and max={max}")
    return _histc(input, bins, min, max)


_NO_DERIVATIVE = {"order": 0, "why": "its result is an answer or a count"}
for _function in (all, any):
    row(
        _function.__name__, _function,
        [S(T(3, 4, low=0, high=1)), S(T(1, values=[1])), S(T(2, 2, values=[[0, 0], [0, 0]]))],
        [(S(T(3, dtype="float32")), TypeError, "ByteTensors only")], types=("uint8",), **_NO_DERIVATIVE,
    )  # fmt: skip
row(
    "equal", equal, [S(T(3, 4), T(3, 4)), S(T(2, values=[1, 2]), T(2, values=[1, 2])), S(T(2, 3), T(3, 2))],
    [(S(T(3), 1), TypeError, "must be a tensor"),
     (S(T(3, dtype="float32"), T(3, dtype="float64")), (TypeError, RuntimeError), "Expected object of type")],
    types=ALL, **_NO_DERIVATIVE,
)  # fmt: skip
row(
    "histc", histc, [S(T(3, 4)), S(T(20), 5), S(T(20), 4, -1, 1), S(T(3, values=[2, 2, 2]), 3),
                     S(T(20), bins=3, min=0, max=2)],
    [(S(T(3), 0), RuntimeError, "bins must be positive"), (S(T(3), 2, 1, 0), RuntimeError, "max must not be smaller"),
     (S(T(0)), RuntimeError, "histc: a tensor with no elements"),
     (S(T(1, values=[1e30])), RuntimeError, "no 100 intervals can be told apart"),
     (S(T(2, values=[1, math.nan])), RuntimeError, "between nan and nan")],
    differs={"huge": "PyTorch counts into intervals of no width"},
    **_NO_DERIVATIVE,
)  # fmt: skip
