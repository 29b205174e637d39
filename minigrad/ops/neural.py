"""Activations, softmax, dropout and embedding.

Functions of one argument with a kink say in their formula which side an element is on (`keep`); the mask has no
derivative. The other side is `mask == 0`: of nan every comparison is false, and it must be on one of the two.
"""

import math

import numpy as np

from minigrad import kernels
from minigrad._core import Operation, array_of, like, type_name
from minigrad.ops import arrays, moving
from minigrad.ops.elementwise import BOUNDS, abs, bounds, clip, exp, keep, neg, plain_number, quiet, sigmoid, tanh
from minigrad.ops.indexing import add_at, check_bounds, check_index, raw, rows
from minigrad.ops.reduction import along, average, refuse_empty, total
from minigrad.ops.shape import index, seen_as, size_of, wrap_dim
from minigrad.ops.table import S, T, row

_FUNCTIONAL = {"method": False, "exported": ("functional",)}


def _activation(name, forward, rule, parameters=""):
    return Operation(name, quiet(forward), "x", parameters, derivatives={"x": rule})


# ---------------------------------------------------------------- softmax


# Along the last dimension of arrays on the CPU these are kernels. The formulas in NumPy's functions do the rest.


def _softmax(x, dim):
    out = kernels.softmax(x, dim)
    return _slow_softmax(x, dim) if out is None else out


@quiet
def _slow_softmax(x, dim):
    refuse_empty(x, "softmax")
    out = np.exp(x - x.max(axis=dim, keepdims=True))
    out /= out.sum(axis=dim, keepdims=True)
    return out


def _log_softmax(x, dim):
    out = kernels.log_softmax(x, dim)
    return _slow_log_softmax(x, dim) if out is None else out


@quiet
def _slow_log_softmax(x, dim):
    refuse_empty(x, "log_softmax")
    out = x - x.max(axis=dim, keepdims=True)
    out -= np.log(np.exp(out).sum(axis=dim, keepdims=True))
    return out


def _softmax_slope(g, out, dim):
    found = kernels.softmax_backward(g, out, dim)
    return out * (g - (g * out).sum(axis=dim, keepdims=True)) if found is None else found


def _log_softmax_slope(g, out, dim):
    found = kernels.log_softmax_backward(g, out, dim)
    return g - np.exp(out) * g.sum(axis=dim, keepdims=True) if found is None else found


_softmax_op = Operation(
    "softmax", _softmax, "x", "dim", derivatives={"x": lambda g, out, dim: _softmax_slope_op(g, out, dim)}
)
_log_softmax_op = Operation(
    "log_softmax", _log_softmax, "x", "dim", derivatives={"x": lambda g, out, dim: _log_softmax_slope_op(g, out, dim)}
)
# How they pass a gradient x back; y is their result. The first is linear in x, and its own transpose.
_softmax_slope_op = Operation(
    "softmax_slope", _softmax_slope, "x y", "dim",
    derivatives={"x": lambda g, y, dim: _softmax_slope_op(g, y, dim),
                 "y": lambda g, x, y, dim: g * (x - total(x * y, dim, True)) - x * total(g * y, dim, True)},
)  # fmt: skip
_log_softmax_slope_op = Operation(
    "log_softmax_slope", _log_softmax_slope, "x y", "dim",
    derivatives={"x": lambda g, y, dim: g - total(g * exp(y), dim, True),
                 "y": lambda g, x, y, dim: -g * exp(y) * total(x, dim, True)},
)  # fmt: skip


def softmax(input, dim):
    """softmax(input, dim): exp(x_i) / sum_j exp(x_j) along dim. The largest element is subtracted first: nothing
    overflows."""
    return _softmax_op(input, wrap_dim(dim, len(size_of(input)), "softmax: dim"))


def log_softmax(input, dim):
    """log_softmax(input, dim): x_i - log sum_j exp(x_j) along dim, computed without overflow."""
    return _log_softmax_op(input, wrap_dim(dim, len(size_of(input)), "log_softmax: dim"))


def softmin(input, dim):
    """softmin(input, dim): softmax of -input along dim."""
    return _softmax_op(neg(input), wrap_dim(dim, len(size_of(input)), "softmin: dim"))


for _function, _operation in ((softmax, _softmax_op), (log_softmax, _log_softmax_op), (softmin, _softmax_op)):
    row(
        _function.__name__, _function,
        [S(T(3, 4), 1), S(T(3, 4), 0), S(T(2, 3, 4), -2), S(T(4), 0), S(T(1), 0), S(T(3, 1), dim=1)],
        [(S(T(3, 4), 2), RuntimeError, f"{_function.__name__}: dim must be from -2 to 1"),
         (S(T(3, 4), None), TypeError, f"{_function.__name__}: dim must be an int"),
         (S(T(0), 0), RuntimeError, "softmax: a tensor with no elements")],
        oracle=f"nn.functional.{_function.__name__}", checks=(_operation,), **_FUNCTIONAL,
    )  # fmt: skip


# ---------------------------------------------------------------- activations


def _log_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


logsigmoid_op = _activation("logsigmoid", _log_sigmoid, lambda g, x: g * sigmoid(-x))


def logsigmoid(input):
    """logsigmoid(input): log(1 / (1 + exp(-x))), computed without overflow."""
    return logsigmoid_op(input)


def _softplus(x, beta, threshold):
    scaled = x * beta
    return np.where(scaled > threshold, x, (np.maximum(scaled, 0) + np.log1p(np.exp(-np.abs(scaled)))) / beta)


def _softplus_rule(g, x, beta, threshold):
    scaled = x * beta
    straight = scaled > threshold
    return keep(g, straight) + keep(g * sigmoid(scaled), straight == 0)


softplus_op = _activation("softplus", _softplus, _softplus_rule, "beta threshold")


def softplus(input, beta=1, threshold=20):
    """softplus(input, beta=1, threshold=20): log(1 + exp(beta x)) / beta, and x where beta x > threshold."""
    return softplus_op(input, plain_number(beta), plain_number(threshold))


_threshold = _activation(
    "threshold", lambda x, threshold, value: np.where(x > threshold, x, value).astype(x.dtype, copy=False),
    lambda g, x, threshold: keep(g, x > threshold), "threshold value",
)  # fmt: skip


def threshold(input, threshold, value):
    """threshold(input, threshold, value): x where x > threshold, else value."""
    return _threshold(input, plain_number(threshold), plain_number(value))


def _leaky_rule(g, x, slope):
    above = x > 0
    return keep(g, above) + keep(g * slope, above == 0)


_leaky_relu = _activation("leaky_relu", lambda x, slope: np.where(x > 0, x, x * slope), _leaky_rule, "slope")


def leaky_relu(input, negative_slope=0.01):
    """leaky_relu(input, negative_slope=0.01): x where x > 0, else negative_slope * x."""
    return _leaky_relu(input, plain_number(negative_slope))


def _exponential_unit(x, alpha, scale):
    return np.where(x > 0, x * scale, np.expm1(np.minimum(x, 0)) * (alpha * scale))


def _exponential_rule(g, x, alpha, scale):
    """exp(x) where x <= 0, and not the value + 1, of which far out nothing is left: the value rounds to -1 there."""
    below = x <= 0
    return keep(g * scale, below == 0) + keep(g * exp(keep(x, below)) * (alpha * scale), below)


# scale * (x where x > 0, else alpha * (exp(x) - 1))
_elu, _selu = (_activation(name, _exponential_unit, _exponential_rule, "alpha scale") for name in ("elu", "selu"))


def elu(input, alpha=1.0):
    """elu(input, alpha=1.0): x where x > 0, else alpha * (exp(x) - 1)."""
    return _elu(input, plain_number(alpha), 1)


def selu(input):
    """selu(input): scale * elu(x, alpha) with the two constants of self-normalising networks (Klambauer et al.
    2017)."""
    return _selu(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


# clamp, of floating types only
_hardtanh = Operation("hardtanh", clip.forward, "x", "min max", derivatives=clip.formulas)


def hardtanh(input, min_val=-1, max_val=1):
    """hardtanh(input, min_val=-1, max_val=1): x moved into [min_val, max_val]; derivative 0 at both bounds."""
    if type(min_val) not in BOUNDS or type(max_val) not in BOUNDS:
        min_val, max_val = bounds("hardtanh", min_val=min_val, max_val=max_val)
    return _hardtanh(input, min_val, max_val)


def relu6(input):
    """relu6(input): min(max(x, 0), 6)."""
    return _hardtanh(input, 0, 6)


sloped = Operation(    # a slope of its own for each negative element
    "prelu", quiet(lambda x, slope: np.where(x > 0, x, x * slope)), "x slope", broadcast=True,
    derivatives={"x": _leaky_rule, "slope": lambda g, x: keep(g * x, x <= 0)},
)  # fmt: skip


def prelu(input, weight):
    """prelu(input, weight): x where x > 0, else weight * x; weight has one element, or one a channel (dimension 1)."""
    size, count = size_of(input), math.prod(size_of(weight))
    if count != 1:
        if len(size) < 2 or size[1] != count:
            raise RuntimeError(
                f"prelu: weight must have 1 element or one a channel (dimension 1 of size {size}), got {count}"
            )
        weight = seen_as(weight, (count,) + (1,) * (len(size) - 2))
    return sloped(input, weight)


def glu(input, dim=-1):
    """glu(input, dim=-1): a * sigmoid(b), a and b the halves of input along dim."""
    size = size_of(input)
    dim = wrap_dim(dim, len(size), "glu: dim")
    if size[dim] % 2:
        raise RuntimeError(f"glu: dimension {dim} must have an even size to be halved, got {size[dim]} (input {size})")
    half = size[dim] // 2
    return index(input, along(dim, 0, half)) * sigmoid(index(input, along(dim, half, size[dim])))


_hardshrink = _activation(
    "hardshrink",
    lambda x, bound: np.where(np.abs(x) > bound, x, 0),
    lambda g, x, bound: keep(g, abs(x) > bound),
    "bound",
)
_softshrink = _activation(
    "softshrink", lambda x, bound: np.sign(x) * np.maximum(np.abs(x) - bound, 0),
    lambda g, x, bound: keep(g, abs(x) > bound), "bound",
)  # fmt: skip
_softsign = _activation("softsign", lambda x: x / (1 + np.abs(x)), lambda g, x: g / (abs(x) + 1) ** 2)


def hardshrink(input, lambd=0.5):
    """hardshrink(input, lambd=0.5): x where |x| > lambd, else 0."""
    return _hardshrink(input, plain_number(lambd))


def softshrink(input, lambd=0.5):
    """softshrink(input, lambd=0.5): x moved by lambd towards 0, and 0 where |x| <= lambd."""
    return _softshrink(input, plain_number(lambd))


def tanhshrink(input):
    """tanhshrink(input): x - tanh(x)."""
    return input - tanh(input)


def softsign(input):
    """softsign(input): x / (1 + |x|)."""
    return _softsign(input)


_KINKED, _ONE = T(3, 4, distinct=True), T(1, distinct=True)
row("logsigmoid", logsigmoid, [S(T(3, 4)), S(T(1)), S(T(2, low=-90, high=-80)), S(T(2, low=80, high=90))],
    oracle="nn.functional.logsigmoid", checks=(logsigmoid_op,), pointwise=True, **_FUNCTIONAL)  # fmt: skip
row(
    "softplus", softplus, [S(T(3, 4)), S(T(3, 4), 2), S(T(3, 4), 2, 1.9), S(T(1)), S(T(2, low=-90, high=-80)),
                           S(T(2, low=80, high=90))],
    oracle="nn.functional.softplus", checks=(softplus_op,), pointwise=True, **_FUNCTIONAL,
)  # fmt: skip
row(
    "threshold", threshold, [S(_KINKED, 0.1, 3), S(_KINKED, threshold=-0.3, value=-1), S(_ONE, 0, 0)], in_place=True,
    differs={"nan": "nan > threshold is false, so the era gave `value`; PyTorch keeps nan now"},
    oracle="nn.functional.threshold", checks=(_threshold,), pointwise=True, **_FUNCTIONAL,
)  # fmt: skip
row(
    "leaky_relu",
    leaky_relu,
    [S(_KINKED), S(_KINKED, 0.3), S(_ONE)],
    in_place=True,
    oracle="nn.functional.leaky_relu",
    checks=(_leaky_relu,),
    pointwise=True,
    **_FUNCTIONAL,
)
row(
    "elu", elu, [S(_KINKED), S(_KINKED, 0.7), S(_ONE)], in_place=True,
    oracle="nn.functional.elu", checks=(_elu,), pointwise=True, **_FUNCTIONAL,
)  # fmt: skip
row("selu", selu, [S(_KINKED), S(_ONE)], in_place=True, oracle="nn.functional.selu", checks=(_selu,), pointwise=True,
    **_FUNCTIONAL)  # fmt: skip
row(
    "hardtanh",
    hardtanh,
    [S(_KINKED), S(_KINKED, -0.3, 0.6), S(_ONE)],
    in_place=True,
    oracle="nn.functional.hardtanh",
    checks=(_hardtanh,),
    pointwise=True,
    **_FUNCTIONAL,
)
row(
    "relu6", relu6, [S(T(3, 4, low=-2, high=9, distinct=True)), S(_ONE)],
    oracle="nn.functional.relu6", checks=(_hardtanh,), pointwise=True, **_FUNCTIONAL,
)  # fmt: skip
row(
    "prelu", prelu, [S(_KINKED, T(1)), S(_KINKED, T(4)), S(T(2, 3, 2, distinct=True), T(3)), S(_ONE, T(1))],
    [(S(T(3, 4), T(3)), RuntimeError, "1 element or one a channel")], oracle="nn.functional.prelu",
    checks=(sloped,), **_FUNCTIONAL,
)  # fmt: skip
row(
    "glu", glu, [S(T(3, 4)), S(T(4, 3), 0), S(T(2), -1)], [(S(T(3, 3)), RuntimeError, "even size")],
    oracle="nn.functional.glu",
    **_FUNCTIONAL,
)  # fmt: skip
row(
    "hardshrink", hardshrink, [S(_KINKED), S(_KINKED, 0.3), S(_ONE)], oracle="nn.functional.hardshrink",
    differs={"nan": "|nan| > lambd is false, so the era gave 0; PyTorch keeps nan now"}, checks=(_hardshrink,),
    pointwise=True, **_FUNCTIONAL,
)  # fmt: skip
row(
    "softshrink", softshrink, [S(_KINKED), S(_KINKED, 0.3), S(_ONE)],
    oracle="nn.functional.softshrink", checks=(_softshrink,), pointwise=True, **_FUNCTIONAL,
)  # fmt: skip
row("tanhshrink", tanhshrink, [S(T(3, 4)), S(T(1))], oracle="nn.functional.tanhshrink", pointwise=True, **_FUNCTIONAL)
row("softsign", softsign, [S(_KINKED), S(_ONE)], oracle="nn.functional.softsign", checks=(_softsign,), pointwise=True,
    **_FUNCTIONAL)  # fmt: skip


# ---------------------------------------------------------------- dropout

# The mask, an array, holds 0 where an element is dropped and 1 / (1 - p) elsewhere; drawing it is the caller's.
dropped = Operation(
    "dropout", quiet(lambda x, mask: x * mask), "x", "mask", derivatives={"x": lambda g, mask: dropped(g, mask)}
)


# ---------------------------------------------------------------- embedding


def _shares(where, padding_idx, by_frequency, count, kind):
    """What part of its gradient each looked-up row passes on, as a column; None if all of it."""
    if padding_idx is None and not by_frequency:
        return None
    part = np.ones_like(kind, shape=where.shape)
    if by_frequency:
        part /= np.bincount(where.reshape(-1), minlength=count)[where]
    if padding_idx is not None:
        part[where == padding_idx] = 0
    return part[..., None]


def _embedding_rule(g, indices, padding_idx, by_frequency, weight_size):
    part = _shares(raw(indices), padding_idx, by_frequency, weight_size[0], raw(g))
    return _spread(g if part is None else g * like(g, part), indices, weight_size)


def _look_up(weight, indices, padding_idx, by_frequency):
    out = kernels.take_rows(weight, indices)
    if out is None:
        check_bounds("embedding", indices, weight.shape[0], f"a table of {weight.shape[0]} rows")
        out = np.take(weight, indices, axis=0)
    return out


def _spread_rows(x, indices, size):
    out = kernels.spread_rows(x, indices, size[0])
    return add_at(np.zeros_like(x, shape=size), indices, x) if out is None else out


_embedding = Operation(
    "embedding", _look_up, "weight indices", "padding_idx by_frequency", indices="indices",
    derivatives={"weight": _embedding_rule},
)  # fmt: skip
_spread = Operation(    # a gradient of looked-up rows, added up in a table
    "embedding_spread", _spread_rows, "x indices", "size", indices="indices",
    derivatives={"x": lambda g, indices: _embedding(g, indices, None, False)},
)  # fmt: skip


def embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False):
    """embedding(weight, indices, padding_idx=None, scale_grad_by_freq=False): row indices[i] of weight for each i.

    weight: (rows, features); indices: LongTensor of any size (*); result (*, features). A row's gradient is the sum
    over the places where it was looked up. padding_idx: this row gets no gradient. scale_grad_by_freq: divide a row's
    gradient by how often it was looked up.
    """
    size = size_of(weight)
    check_index("embedding", indices, "indices")
    if len(size) != 2:
        raise RuntimeError(f"embedding: weight must have 2 dimensions (rows, features), got size {size}")
    if padding_idx is not None:
        if not -size[0] <= padding_idx < size[0]:
            raise RuntimeError(f"embedding: padding_idx must be from {-size[0]} to {size[0] - 1}, got {padding_idx}")
        padding_idx %= size[0]
    return _embedding(weight, indices, padding_idx, bool(scale_grad_by_freq))


def bag_starts(indices, offsets, mode):
    """Where each bag of 1-D indices starts, an array; None for 2-D indices, whose rows are the bags.

    Raises ValueError for a mode, sizes or offsets that make no bags.
    """
    if mode not in ("mean", "sum"):
        raise ValueError(f"embedding_bag: mode must be 'mean' or 'sum', got {mode!r}")
    size = size_of(indices)
    if len(size) == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: offsets must not be given for 2-D input: each row is a bag")
        return None
    if len(size) != 1:
        raise ValueError(f"embedding_bag: input must have 1 or 2 dimensions, got size {size}")
    if offsets is None:
        raise ValueError("embedding_bag: 1-D input needs offsets, the position where each bag starts")
    starts = array_of(offsets)
    if starts.ndim != 1 or starts.dtype != np.int64 or not starts.size:
        raise ValueError(
            f"embedding_bag: offsets must be a 1-D LongTensor, got {type_name(starts)} of size {starts.shape}"
        )
    if starts[0] != 0:
        raise ValueError(f"embedding_bag: offsets must start at 0, the first bag with the first index, got {starts[0]}")
    if (np.diff(starts) < 0).any():
        raise ValueError(f"embedding_bag: offsets must not decrease, got {starts.tolist()}")
    if starts[-1] > size[0]:
        raise ValueError(f"embedding_bag: offsets must be at most {size[0]}, the number of indices, got {starts[-1]}")
    return starts


def bags_of(vectors, starts, mode):
    """The mean or the sum of the vectors in each bag, 0 for an empty one; starts: what `bag_starts` returned."""
    if starts is None:
        return (average if mode == "mean" else total)(vectors, 1, False)
    count, width = size_of(vectors)
    lengths = np.diff(starts, append=count)
    out = rows.spread(vectors, like(vectors, arrays.repeated_numbers(lengths)), 0, (starts.size, width))
    if mode == "sum":
        return out
    return out * like(vectors, (1 / np.maximum(lengths, 1)).astype(raw(vectors).dtype)[:, None])


@moving.at_home
def embedding_bag(weight, indices, offsets=None, mode="mean", scale_grad_by_freq=False):
    """embedding_bag(weight, indices, offsets=None, mode="mean"): mean (or "sum") of the rows of weight each bag names.

    indices: 2-D, a bag a row; or 1-D, with offsets (LongTensor) saying where each bag starts; bags may be empty there
    (zeros). Raises ValueError for offsets that do not start at 0, do not grow, or pass the end.
    """
    starts = bag_starts(indices, offsets, mode)
    return bags_of(embedding(weight, indices, None, scale_grad_by_freq), starts, mode)


_BAGS = T(2, 3, values=[[0, 2, 2], [4, 0, 2]], dtype="int64")
row(
    "embedding", embedding,
    [S(T(5, 3), _BAGS), S(T(5, 3), T(4, values=[1, 1, 0, 4], dtype="int64")),
     S(T(1, 1), T(1, values=[0], dtype="int64"))],
    [(S(T(4, 3), _BAGS), RuntimeError, "index 4 is out of range for a table of 4 rows"),
     (S(T(5, 3), T(2)), (TypeError, RuntimeError), "indices must be a LongTensor"),
     (S(T(5), _BAGS), RuntimeError, "2 dimensions"),
     (S(T(5, 3), _BAGS, 5), RuntimeError, "padding_idx must be from -5 to 4")], **_FUNCTIONAL,
)  # fmt: skip
row(
    "embedding_bag", embedding_bag,
    [S(T(5, 3), _BAGS), S(T(5, 3), _BAGS, mode="sum"),
     S(T(5, 3), T(4, values=[1, 1, 0, 4], dtype="int64"), T(3, values=[0, 1, 1], dtype="int64", fixed=True)),
     S(T(1, 1), T(1, values=[0], dtype="int64"), T(1, values=[0], dtype="int64", fixed=True))],
    [(S(T(5, 3), _BAGS, mode="max"), ValueError, "mode must be 'mean' or 'sum'"),
     (S(T(5, 3), _BAGS, T(1, values=[0], dtype="int64")), ValueError, "offsets must not be given for 2-D input"),
     (S(T(5, 3), T(1, values=[0], dtype="int64")), ValueError, "1-D input needs offsets"),
     (S(T(5, 3), T(2, values=[0, 1], dtype="int64"), T(1, values=[1], dtype="int64")), ValueError, "must start at 0")],
    oracle=lambda torch, weight, *args, **kwargs: torch.nn.functional.embedding_bag(
        *args[:1], weight, *args[1:], **{"mode": "mean", **kwargs}
    ), **_FUNCTIONAL,
)  # fmt: skip
