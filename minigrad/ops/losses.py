"""Losses. Results have size (1,), or the size of the single losses with reduce=False.

Each is one operation: these stand in every training loop. Sizes of input and target that differ but hold equally many
elements are compared in order, with a warning: the era's rule. Losses made of other operations are in `margins`.
"""

import math

import numpy as np

from minigrad import kernels
from minigrad._core import Operation, Tensor, Variable, like
from minigrad.ops import arrays
from minigrad.ops.elementwise import clip, keep, log, quiet, sigmoid, sign
from minigrad.ops.indexing import check_bounds, check_index, raw
from minigrad.ops.neural import log_softmax
from minigrad.ops.reduction import refuse_empty
from minigrad.ops.shape import seen_as, size_of
from minigrad.ops.table import S, T, row
from minigrad.utils.callers import warn

FUNCTIONAL = {"method": False, "exported": ("functional",)}


def matched(name, input, target, error=RuntimeError):
    """The target in the input's size."""
    mine, its = size_of(input), size_of(target)
    if mine == its:
        return target
    if math.prod(mine) != math.prod(its):
        # from None: the kernel's own word on sizes, when that led here, says less
        raise error(
            f"{name}: input and target must have the same number of elements, got sizes {mine} and {its}"
        ) from None
    warn(
        f"{name}: the target's size {its} differs from the input's {mine}; their elements are compared in order. "
        f"Give both the same size, for example with target.view_as(input)"
    )
    return seen_as(target, mine)


def _together(losses, size_average, reduce):
    if not reduce:
        return losses
    return (losses.mean() if size_average else losses.sum()).reshape(1)


def _share(g, x, size_average, reduce):
    """The gradient of each single loss."""
    return g / math.prod(size_of(x)) if reduce and size_average else g


def constant_weight(name, weight, x):
    """A weight as an array of x's type."""
    if weight is None:
        return None
    if not isinstance(weight, (Tensor, Variable)):
        raise TypeError(f"{name}: weight must be a tensor, got {type(weight).__name__}")
    if raw(weight).dtype != raw(x).dtype:
        error = RuntimeError if isinstance(x, Variable) else TypeError
        raise error(
            f"{name}: Expected object of type {raw(x).dtype} but found type {raw(weight).dtype} for argument 'weight'"
        )
    arrays.check_together(name, raw(x), raw(weight), "the weight")
    return raw(weight)


# ---------------------------------------------------------------- regression


def _single_losses(name, loss, slope, target_slope=None):
    """An operation over single losses loss(x, target), with their slopes."""
    derivatives = {
        "x": lambda g, x, target, size_average, reduce: _share(g, x, size_average, reduce) * slope(x, target)
    }
    if target_slope is not None:
        derivatives["target"] = lambda g, x, target, size_average, reduce: (
            _share(g, x, size_average, reduce) * target_slope(x, target))  # fmt: skip
    return Operation(
        name, quiet(lambda x, target, size_average, reduce: _together(loss(x, target), size_average, reduce)),
        "x target", "size_average reduce", derivatives=derivatives,
    )  # fmt: skip


def _squares(x, target, size_average, reduce):
    found = kernels.squared_error(x, target, size_average) if reduce else None
    return _slow_squares(x, target, size_average, reduce) if found is None else found


@quiet  # which takes longer than the kernel
def _slow_squares(x, target, size_average, reduce):
    if x.shape != target.shape:
        raise ValueError("sizes differ")
    apart = x - target
    return _together(apart * apart, size_average, reduce)


def _scaled_difference(a, b, grad, factor):
    out = kernels.scaled_difference(a, b, grad, factor)
    return (a - b) * (grad * factor) if out is None else out


# (a - b) * grad * factor: how the squared error passes a gradient back; its own derivatives are what it is made of.
_difference = Operation(
    "scaled_difference", _scaled_difference, "a b grad", "factor", broadcast=True,
    derivatives={"a": lambda g, grad, factor: g * (grad * factor), "b": lambda g, grad, factor: -g * (grad * factor),
                 "grad": lambda g, a, b, factor: g * ((a - b) * factor)},
)  # fmt: skip


def _match_sizes(operation, args, error):
    """Sizes are compared where the kernel does it anyway; only what it refuses is looked at here."""
    input, target = args[:2]
    if size_of(input) == size_of(target):
        raise error
    return operation(input, matched(operation.name, input, target), *args[2:])


def _square_slope(g, a, b, size_average, reduce):
    return _difference(a, b, g, 2 / math.prod(size_of(a)) if reduce and size_average else 2.0)


_mse = Operation(
    "mse_loss", _squares, "x target", "size_average reduce",
    derivatives={
        "x": lambda g, x, target, size_average, reduce: _square_slope(g, x, target, size_average, reduce),
        "target": lambda g, x, target, size_average, reduce: _square_slope(g, target, x, size_average, reduce),
    },
    rescue=_match_sizes,
)  # fmt: skip
_l1 = _single_losses("l1_loss", lambda x, t: np.abs(x - t), lambda x, t: sign(x - t), lambda x, t: sign(t - x))


def _smooth(x, target):
    apart = np.abs(x - target)
    return np.where(apart < 1, apart * apart * 0.5, apart - 0.5)


_smooth_l1 = _single_losses("smooth_l1_loss", _smooth, lambda x, t: clip(x - t, -1, 1), lambda x, t: clip(t - x, -1, 1))


def _divergence(x, target):
    return np.where(target > 0, target * (np.log(target) - x), 0)


_kl_div = _single_losses("kl_div", _divergence, lambda x, t: -keep(t, t > 0))


def mse_loss(input, target, size_average=True, reduce=True):
    """mse_loss(input, target, size_average=True, reduce=True): mean of (input - target)^2.

    size_average=False: the sum; reduce=False: the single losses.
    """
    return _mse(input, target, size_average, reduce)


def l1_loss(input, target, size_average=True, reduce=True):
    """l1_loss(input, target, size_average=True, reduce=True): mean of |input - target|.

    size_average=False: the sum; reduce=False: the single losses.
    """
    return _l1(input, matched("l1_loss", input, target), size_average, reduce)


def smooth_l1_loss(input, target, size_average=True, reduce=True):
    """smooth_l1_loss(input, target, size_average=True, reduce=True): mean of d^2 / 2 where |d| < 1, else |d| - 1/2.

    d = input - target. size_average=False: the sum; reduce=False: the single losses.
    """
    return _smooth_l1(input, matched("smooth_l1_loss", input, target), size_average, reduce)


def kl_div(input, target, size_average=True, reduce=True):
    """kl_div(input, target, size_average=True, reduce=True): mean of t * (log(t) - input), 0 where the target t <= 0.

    input: logarithms of probabilities; target: probabilities. The mean is over elements, not samples.
    size_average=False: the sum; reduce=False: the single losses.
    """
    return _kl_div(input, matched("kl_div", input, target), size_average, reduce)


_REDUCTIONS = [{}, {"size_average": False}, {"reduce": False}, {"size_average": False, "reduce": False}]
DIFFERENT_COUNTS = (S(T(3, 4), T(3)), RuntimeError, "same number of elements, got sizes (3, 4) and (3,)")
_TYPES = (S(T(3, dtype="float32"), T(3, dtype="float64")), (TypeError, RuntimeError), "Expected object of type")
for _function, _operation in ((mse_loss, _mse), (l1_loss, _l1), (smooth_l1_loss, _smooth_l1)):
    row(
        _function.__name__, _function, [S(T(3, 4, distinct=True), T(3, 4, low=3, high=5), **o) for o in _REDUCTIONS]
        + [S(T(1, low=1), T(1, low=-2, high=0)), S(T(2, 3, low=0.1, high=0.4), T(2, 3, low=-0.4, high=-0.1))],
        [DIFFERENT_COUNTS, _TYPES],
        oracle=f"nn.functional.{_function.__name__}", checks=(_operation,), **FUNCTIONAL,
    )  # fmt: skip
row(
    "kl_div", kl_div,
    [S(T(3, 4), T(3, 4, low=0.1, high=0.9, grad=False), **o) for o in _REDUCTIONS]
    + [S(T(2), T(2, values=[0, 0.5], grad=False))],
    [DIFFERENT_COUNTS, _TYPES], oracle="nn.functional.kl_div", checks=(_kl_div,), **FUNCTIONAL,
    differs=dict.fromkeys(("nan", "out of domain", "infinite", "huge"),
                          "0 for every target not above 0; PyTorch takes its logarithm unless it is 0"),
)  # fmt: skip


# ---------------------------------------------------------------- classification


# The frequent case of each function is a kernel. NumPy's functions do the others, and say which target is no class.


def _class_shares(name, where, weight, ignore_index, classes, kind):
    """For flat targets: a class that exists for each, its weight (0 where ignored), and the sum of the weights."""
    counted = None if ignore_index is None else where != ignore_index
    if counted is not None:
        where = np.where(counted, where, 0)
    check_bounds(f"{name}: target", where, classes, f"{classes} classes")
    part = np.ones_like(kind, shape=where.shape) if weight is None else weight[where]
    if counted is not None:
        part = np.where(counted, part, 0)
    return where, part, part.sum()


def _flat_classes(x):
    """x, (N, C) or (N, C, H, W), with a row of classes for each target."""
    return x if x.ndim == 2 else np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def _classes_back(flat, size):
    if len(size) == 2:
        return flat
    return arrays.in_order(np.moveaxis(flat.reshape(size[0], *size[2:], size[1]), -1, 1))


def _each(where):
    return np.arange(where.size, like=where)


def _summed(losses, part_sum, size_average, reduce):
    if not reduce:
        return losses
    whole = losses.sum()
    return (whole / part_sum if size_average and part_sum != 0 else whole).reshape(1)


def _slopes(g, part, part_sum, size_average, reduce):
    """Gradient of each target's loss, times its weight."""
    return g * (part / part_sum if reduce and size_average and part_sum != 0 else part)


def _nll_forward(x, target, weight, size_average, ignore_index, reduce):
    flat, where = _flat_classes(x), target.reshape(-1)
    out = kernels.nll(flat, where, weight, ignore_index, size_average, reduce)
    if out is None:
        out = _slow_nll(flat, where, weight, size_average, ignore_index, reduce)
    return out if reduce else out.reshape(target.shape)


@quiet
def _slow_nll(flat, where, weight, size_average, ignore_index, reduce):
    where, part, part_sum = _class_shares("nll_loss", where, weight, ignore_index, flat.shape[1], flat)
    losses = np.where(part != 0, -flat[_each(where), where] * part, 0)
    return _summed(losses, part_sum, size_average, reduce)


def _nll_spread(g, target, weight, size_average, ignore_index, reduce, size):
    g, where = g.reshape(-1), target.reshape(-1)
    flat = kernels.nll_backward(g, where, weight, ignore_index, size_average and reduce, size[1])
    if flat is None:
        flat = np.zeros_like(g, shape=(where.size, size[1]))
        where, part, part_sum = _class_shares("nll_loss", where, weight, ignore_index, size[1], flat)
        flat[_each(where), where] = -_slopes(g, part, part_sum, size_average, reduce)
    return _classes_back(flat, size)


_NLL = "weight size_average ignore_index reduce"
nll = Operation(
    "nll_loss", _nll_forward, "x target", _NLL, indices="target",
    derivatives={"x": lambda g, target, weight, size_average, ignore_index, reduce, x_size:
                 nll_spread(g, target, weight, size_average, ignore_index, reduce, x_size)},
)  # fmt: skip
nll_spread = Operation(
    "nll_loss_spread", _nll_spread, "x target", f"{_NLL} size", indices="target",
    derivatives={"x": lambda g, target, weight, size_average, ignore_index, reduce:
                 nll(g, target, weight, size_average, ignore_index, reduce)},
)  # fmt: skip


def _cross_entropy_forward(x, target, weight, size_average, ignore_index, reduce):
    """The loss; and for the way back the rows of scores, each row's max and sum of exp(x - max), and the targets."""
    flat, where = _flat_classes(x), target.reshape(-1)
    found = kernels.cross_entropy(flat, where, weight, ignore_index, size_average, reduce)
    if found is None:
        found = _slow_cross_entropy(flat, where, weight, size_average, ignore_index, reduce)
    out, kept = found
    return (out if reduce else out.reshape(target.shape)), (flat, kept, where)


@quiet
def _slow_cross_entropy(flat, where, weight, size_average, ignore_index, reduce):
    where, part, part_sum = _class_shares("cross_entropy", where, weight, ignore_index, flat.shape[1], flat)
    most = flat.max(axis=1)
    sums = np.exp(flat - most[:, None]).sum(axis=1)
    losses = np.where(part != 0, (np.log(sums) - (flat[_each(where), where] - most)) * part, 0)
    return _summed(losses, part_sum, size_average, reduce), np.concatenate([most[:, None], sums[:, None]], axis=1)


def _cross_entropy_backward(g, x, target, weight, size_average, ignore_index, reduce, workspace, x_size):
    """(softmax(x) - one_hot(target)) times each target's gradient. (The names before workspace are for the
    reference.)"""
    (flat, kept, where), g = workspace, g.reshape(-1)
    out = kernels.cross_entropy_backward(g, flat, kept, where, weight, ignore_index, size_average and reduce)
    if out is None:
        where, part, part_sum = _class_shares("cross_entropy", where, weight, ignore_index, flat.shape[1], flat)
        slopes = _slopes(g, part, part_sum, size_average, reduce)
        out = np.exp(flat - kept[:, :1]) * (slopes / kept[:, 1])[:, None]
        out[_each(where), where] -= slopes
    return _classes_back(out, x_size), None


fused_cross_entropy = Operation(
    "cross_entropy", _cross_entropy_forward, "x target", _NLL, indices="target", joint=_cross_entropy_backward,
    reference=lambda x, target, weight, size_average, ignore_index, reduce:
        nll(log_softmax(x, 1), target, weight, size_average, ignore_index, reduce),
)  # fmt: skip


def _classified(operation, input, target, weight, size_average, ignore_index, reduce):
    name, size = operation.name, size_of(input)
    if len(size) not in (2, 4):
        raise ValueError(f"{name}: input must have 2 dimensions (N, C) or 4 (N, C, H, W), got size {size}")
    where = raw(check_index(name, target, "target"))
    wanted = size[:1] + size[2:]
    if where.shape != wanted:
        hint = "; a class number for each sample is wanted, not a one-hot row" if where.shape == size else ""
        if where.shape == (*size[:1], 1, *size[2:]):
            hint = "; target.squeeze(1) has it"
        raise RuntimeError(
            f"{name}: for an input of size {size}, target must have size {wanted}, got {tuple(where.shape)}{hint}"
        )
    weight = constant_weight(name, weight, input)
    if weight is not None and weight.shape != size[1:2]:
        raise RuntimeError(f"{name}: weight must have one element a class, size {size[1:2]}, got {tuple(weight.shape)}")
    return operation(input, target, weight, size_average, ignore_index, reduce)


def nll_loss(input, target, weight=None, size_average=True, ignore_index=-100, reduce=True):
    """nll_loss(input, target, weight=None, size_average=True, ignore_index=-100, reduce=True): mean of
    -input[n][target[n]].

    input: logarithms of probabilities, (N, C) or (N, C, H, W); target: LongTensor of classes, (N) or (N, H, W). weight:
    one number a class; the mean is weighted by it. Targets equal to ignore_index count for nothing. size_average=False:
    the sum; reduce=False: the single losses.
    """
    return _classified(nll, input, target, weight, size_average, ignore_index, reduce)


def cross_entropy(input, target, weight=None, size_average=True, ignore_index=-100, reduce=True):
    """cross_entropy(input, target, ...): nll_loss(log_softmax(input, 1), target, ...), as one operation.

    input: scores, (N, C) or (N, C, H, W); the other arguments are those of nll_loss.
    """
    return _classified(fused_cross_entropy, input, target, weight, size_average, ignore_index, reduce)


_LABELS, _WEIGHTS = T(3, values=[1, 0, 3], dtype="int64"), T(4, low=0.5, high=2, grad=False)
_MAP = T(2, 1, 3, values=[[[1, 0, 2]], [[2, 2, 0]]], dtype="int64")


def _torch_nll(torch, x, *args, **kwargs):
    """PyTorch's second derivative refuses an input of four dimensions in another memory layout."""
    return torch.nn.functional.nll_loss(x.contiguous(), *args, **kwargs)


for _function, _operation, _peer in (
    (nll_loss, nll, _torch_nll), (cross_entropy, fused_cross_entropy, "nn.functional.cross_entropy"),
):  # fmt: skip
    row(
        _function.__name__, _function,
        [S(T(3, 4), _LABELS, **o) for o in _REDUCTIONS] + [S(T(3, 4), _LABELS, _WEIGHTS, **o) for o in _REDUCTIONS]
        + [S(T(3, 4), _LABELS, ignore_index=0), S(T(3, 4), _LABELS, _WEIGHTS, True, 3), S(T(2, 3, 1, 3), _MAP),
           S(T(2, 3, 1, 3), _MAP, reduce=False), S(T(1, 1), T(1, values=[0], dtype="int64")),
           S(T(1, 2), T(1, values=[-100], dtype="int64")).unlike_torch(
               "without a target that counts, PyTorch divides 0 by 0")],
        [(S(T(3), _LABELS), ValueError, "2 dimensions (N, C) or 4"),
         (S(T(2, 4), _LABELS), RuntimeError, "target must have size (2,)"),
         (S(T(3, 3), _LABELS), RuntimeError, "index 3 is out of range for 3 classes"),
         (S(T(3, 4), T(3)), (TypeError, RuntimeError), "target must be a LongTensor"),
         (S(T(3, 4), T(3, 4, dtype="int64")), RuntimeError, "not a one-hot row"),
         (S(T(3, 4), _LABELS, T(3)), RuntimeError, "one element a class"),
         (S(T(3, 4), _LABELS, [1]), TypeError, "weight must be")],
        differs={"zero": "where the weights add up to 0, PyTorch divides by them"},
        oracle=_peer, checks=(_operation,), **FUNCTIONAL,
    )  # fmt: skip


# ---------------------------------------------------------------- two classes

EPS = 1e-12  # keeps the logarithms finite, as the era did


def _weighted(losses, weight, size_average):
    return _together(losses if weight is None else losses * weight, size_average, True)


def _weighted_share(g, x, weight, size_average):
    g = _share(g, x, size_average, True)
    return g if weight is None else g * like(g, weight)


@quiet
def _bce_forward(x, target, weight, size_average):
    return _weighted(-(target * np.log(x + EPS) + (1 - target) * np.log(1 - x + EPS)), weight, size_average)


_bce = Operation(
    "binary_cross_entropy", _bce_forward, "x target", "weight size_average",
    derivatives={
        "x": lambda g, x, target, weight, size_average:
            _weighted_share(g, x, weight, size_average) * (x - target) / ((1 - x + EPS) * (x + EPS)),
        "target": lambda g, x, target, weight, size_average:
            _weighted_share(g, x, weight, size_average) * (log(1 - x + EPS) - log(x + EPS)),
    },
)  # fmt: skip


@quiet
def _bce_with_logits_forward(x, target, weight, size_average):
    # x ((x > 0) - t), not max(x, 0) - x t: infinite x then give an infinite loss, and no nan.
    return _weighted(x * ((x > 0) - target) + np.log1p(np.exp(-np.abs(x))), weight, size_average)


_bce_with_logits = Operation(
    "binary_cross_entropy_with_logits", _bce_with_logits_forward, "x target", "weight size_average",
    derivatives={
        "x": lambda g, x, target, weight, size_average:
            _weighted_share(g, x, weight, size_average) * (sigmoid(x) - target),
        "target": lambda g, x, target, weight, size_average: -_weighted_share(g, x, weight, size_average) * x,
    },
)  # fmt: skip


def _element_weight(name, weight, input):
    weight = constant_weight(name, weight, input)
    if weight is None:
        return None
    try:
        return np.broadcast_to(weight, size_of(input))
    except ValueError as error:
        raise RuntimeError(
            f"{name}: a weight of size {weight.shape} does not broadcast to the input's size {size_of(input)}"
        ) from error


def binary_cross_entropy(input, target, weight=None, size_average=True):
    """binary_cross_entropy(input, target, weight=None, size_average=True): mean of -w (t log x + (1 - t) log(1 - x)).

    input: probabilities; weight broadcasts. size_average=False: the sum. Raises ValueError if the element counts
    differ, RuntimeError for an input outside [0, 1].
    """
    target = matched("binary_cross_entropy", input, target, ValueError)
    refuse_empty(raw(input), "binary_cross_entropy")
    low, high = arrays.run(lambda x: (float(x.min()), float(x.max())), raw(input))
    if low < 0 or high > 1:
        raise RuntimeError(f"binary_cross_entropy: input must hold probabilities, from 0 to 1, got {low:.4g} to "
                           f"{high:.4g}; apply a sigmoid first, or use the loss of logits")  # fmt: skip
    return _bce(input, target, _element_weight("binary_cross_entropy", weight, input), size_average)


def binary_cross_entropy_with_logits(input, target, weight=None, size_average=True):
    """binary_cross_entropy_with_logits(input, target, weight=None, size_average=True): that of sigmoid(input), stable.

    The mean of w (max(x, 0) - x t + log(1 + exp(-|x|))). Raises ValueError if the sizes differ.
    """
    name = "binary_cross_entropy_with_logits"
    if size_of(input) != size_of(target):
        raise ValueError(f"{name}: input and target must have one size, got {size_of(input)} and {size_of(target)}")
    return _bce_with_logits(input, target, _element_weight(name, weight, input), size_average)


def _torch_bce(torch, x, target, weight=None, size_average=True):
    """The definition: PyTorch's own keeps the logarithms above -100 instead of adding EPS to what they are of."""

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(context, x, target):
            context.save_for_backward(x, target)
            return -(target * torch.log(x + EPS) + (1 - target) * torch.log(1 - x + EPS))

        @staticmethod
        def backward(context, g):  # 0 where x = target, in the era and today: not what the value says, by EPS
            x, target = context.saved_tensors
            return g * (x - target) / ((1 - x + EPS) * (x + EPS)), g * (torch.log(1 - x + EPS) - torch.log(x + EPS))

    if x.min() < 0 or x.max() > 1:
        raise RuntimeError("not a probability")
    losses = Loss.apply(x, target)
    losses = losses if weight is None else losses * weight
    return losses.mean() if size_average else losses.sum()


_NO_TARGET = "with an infinite target, the loss is infinite or nan by the order of the terms"
_CHANCES, _TARGETS = T(3, 4, low=0.1, high=0.9), T(3, 4, low=0.1, high=0.9)
for _function, _operation, _input, _error, _refused, _peer in (
    (binary_cross_entropy, _bce, _CHANCES, "same number of elements",
     [(S(T(0), T(0)), RuntimeError, "binary_cross_entropy: a tensor with no elements")], _torch_bce),
    (binary_cross_entropy_with_logits, _bce_with_logits, T(3, 4), "one size", [],
     "nn.functional.binary_cross_entropy_with_logits"),
):  # fmt: skip
    row(
        _function.__name__, _function,
        [S(_input, _TARGETS), S(_input, _TARGETS, None, False), S(_input, _TARGETS, T(3, 4, low=0.5, grad=False)),
         S(_input, _TARGETS, _WEIGHTS, size_average=False), S(T(1, low=0.2, high=0.8), T(1, low=0.2, high=0.8))],
        [(S(_input, T(3)), ValueError, _error), (S(_input, _TARGETS, T(3)), RuntimeError, "does not broadcast"),
         (S(_input, _TARGETS, 2), TypeError, "weight must be a tensor"), *_refused],
        oracle=_peer, differs={"infinite": _NO_TARGET}, checks=(_operation,), **FUNCTIONAL,
    )  # fmt: skip
