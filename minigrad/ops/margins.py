"""Distances, similarities and the losses made of them: margins between scores, and a few more compositions.

Results have size (1,): the mean, or with size_average=False the sum.
"""

import math

import numpy as np

from minigrad._core import like
from minigrad.ops import moving
from minigrad.ops.elementwise import abs, clip, exp, keep, log, minimum, pow, sqrt
from minigrad.ops.indexing import check_bounds, check_index, elements, raw
from minigrad.ops.losses import (
    DIFFERENT_COUNTS,
    EPS,
    FUNCTIONAL,
    binary_cross_entropy_with_logits,
    constant_weight,
    matched,
)
from minigrad.ops.neural import softplus
from minigrad.ops.norms import norm
from minigrad.ops.reduction import average, floating_only, total
from minigrad.ops.shape import index, seen_as, size_of, wrap_dim
from minigrad.ops.table import S, T, row

# ---------------------------------------------------------------- distances and similarities


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """cosine_similarity(x1, x2, dim=1, eps=1e-8): x1 . x2 / max(|x1| |x2|, eps) along dim, which is dropped."""
    dim = wrap_dim(dim, len(size_of(x1)), "cosine_similarity: dim")
    lengths = norm(x1, 2, dim) * norm(x2, 2, dim)
    return total(x1 * x2, dim, False) / clip(lengths, eps, None)


def pairwise_distance(x1, x2, p=2, eps=1e-6):
    """pairwise_distance(x1, x2, p=2, eps=1e-6): (sum_k (|x1_k - x2_k| + eps)^p)^(1/p), (N, D), (N, D) -> (N, 1)."""
    if size_of(x1) != size_of(x2) or len(size_of(x1)) != 2:
        raise AssertionError(
            f"pairwise_distance: both inputs must have one size (N, D), got {size_of(x1)} and {size_of(x2)}"
        )
    apart = abs(x1 - x2) + eps
    return pow(total(pow(apart, p), 1, True), 1 / p)


def normalize(input, p=2, dim=1, eps=1e-12):
    """normalize(input, p=2, dim=1, eps=1e-12): input / max(|input|_p, eps) along dim."""
    dim = wrap_dim(dim, len(size_of(input)), "normalize: dim")
    return input / clip(norm(input, p, dim, True), eps, None)


def _torch_distance(torch, x1, x2, p=2, eps=1e-6):
    """The definition: PyTorch's own adds eps before the absolute value, and drops the dimension."""
    return (x1 - x2).abs().add(eps).pow(p).sum(1, keepdim=True).pow(1 / p)


_ROWS, _OTHERS = T(3, 4, distinct=True), T(3, 4, low=3, high=5)
_APART = T(3, 4, low=-2.15, high=1.85, distinct=True)  # from _ROWS by thirds and 0.15: never by 0 or 0.4, the margins
# Cosines above 0.5, one of them wanted, and one below -0.5, not wanted: far from the margins 0 and 0.2.
_POSITIVE = T(3, 4, low=0.5, high=2)
_BESIDE = T(3, 4, values=[[0.7, 1.9, 1.1, 0.6], [1.3, 0.5, 1.8, 0.9], [-0.8, -1.7, -0.6, -1.2]])
_ABOVE, _BELOW = T(3, 4, low=2.5, high=4.5), T(3, 4, low=-4, high=-2.5)
row(
    "cosine_similarity", cosine_similarity,
    [S(_ROWS, _OTHERS), S(_ROWS, _OTHERS, 0), S(T(2, 3, 4), T(2, 3, 4), -1), S(T(3), T(3), 0)],
    [(S(_ROWS, _OTHERS, 2), RuntimeError, "dim must be")], oracle="nn.functional.cosine_similarity", **FUNCTIONAL,
    differs={"huge": "PyTorch divides by the lengths before it multiplies, and rounds and overflows elsewhere"},
)  # fmt: skip
row(
    "pairwise_distance", pairwise_distance,
    [S(_ROWS, _OTHERS), S(_ROWS, _OTHERS, 3), S(_ROWS, _OTHERS, 1, 0.1), S(T(1, 1), T(1, 1, low=3, high=4))],
    [(S(_ROWS, T(3, 5)), AssertionError, "one size (N, D)"), (S(T(3), T(3)), AssertionError, "one size (N, D)")],
    oracle=_torch_distance, **FUNCTIONAL,
)  # fmt: skip
row(
    "normalize", normalize, [S(_ROWS), S(_ROWS, 1, 0), S(T(2, 3, 4), 3, -1), S(T(3, low=1), 2, 0)],
    [(S(_ROWS, 2, 2), RuntimeError, "normalize: dim must be")], oracle="nn.functional.normalize", **FUNCTIONAL,
)  # fmt: skip


# ---------------------------------------------------------------- margins


def _overall(losses, size_average):
    return (average if size_average else total)(losses, None, False)


def _hinge(x):
    """max(0, x) with the derivative 1 at 0, so that scores that begin equal are told apart; clamp has 0 there."""
    return keep(x, (x < 0) == 0)  # what is not below 0, nan included


def _one_size(name, *tensors):
    sizes = [size_of(t) for t in tensors]
    if len(set(sizes)) > 1:
        raise RuntimeError(f"{name}: all arguments must have one size, got {', '.join(map(str, sizes))}")


def hinge_embedding_loss(input, target, margin=1.0, size_average=True):
    """hinge_embedding_loss(input, target, margin=1.0, size_average=True): mean of x where t = 1, max(0, margin - x)
    where t = -1.

    Its derivative where x = margin and t = -1 is -1, as it is below the margin.
    """
    _one_size("hinge_embedding_loss", input, target)
    losses = keep(input, target != -1) + keep(_hinge(margin - input), target != 1)
    return _overall(losses, size_average)


def margin_ranking_loss(input1, input2, target, margin=0, size_average=True):
    """margin_ranking_loss(x1, x2, target, margin=0, size_average=True): mean of max(0, -t (x1 - x2) + margin); t is 1
    or -1.

    Where that is max(0, 0), as for equal scores without a margin, the derivative is that of -t (x1 - x2).
    """
    return _overall(_hinge(margin - target * (input1 - input2)), size_average)


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=True):
    """cosine_embedding_loss(x1, x2, target, margin=0, size_average=True): over samples, the mean of 1 - cos where t =
    1, max(0, cos - margin) where t = -1.

    x1, x2: (N, D); target: (N), of 1 and -1.
    """
    _one_size("cosine_embedding_loss", input1, input2)
    if len(size_of(input1)) != 2:
        raise RuntimeError(f"cosine_embedding_loss: both inputs must have size (N, D), got {size_of(input1)}")
    if size_of(target) != size_of(input1)[:1]:
        raise RuntimeError(
            f"cosine_embedding_loss: target must have one element a sample, size {size_of(input1)[:1]}, got "
            f"{size_of(target)}"
        )
    squares = (total(input1 * input1, 1, False) + EPS) * (total(input2 * input2, 1, False) + EPS)
    cosine = total(input1 * input2, 1, False) / sqrt(squares)
    losses = keep(1 - cosine, target == 1) + keep(clip(cosine - margin, 0, None), target == -1)
    return _overall(losses, size_average)


def soft_margin_loss(input, target, size_average=True):
    """soft_margin_loss(input, target, size_average=True): mean of log(1 + exp(-t x)); t is 1 or -1."""
    target = matched("soft_margin_loss", input, target)
    return _overall(softplus(-(input * target), 1, math.inf), size_average)


def _samples(name, input, dimensions=(1, 2)):
    size = size_of(input)
    if len(size) not in dimensions:
        raise RuntimeError(f"{name}: input must have size (N, C) or (C), got {size}")
    return seen_as(input, (1, size[0])) if len(size) == 1 else input


@moving.at_home
def multilabel_margin_loss(input, target, size_average=True):
    """multilabel_margin_loss(input, target, size_average=True): mean over samples of
    sum over target classes j and other classes i of max(0, 1 - x_j + x_i) / C.

    input: (N, C) or (C); target: LongTensor of its size, in each row the target classes, ended by -1.
    """
    name = "multilabel_margin_loss"
    where = raw(check_index(name, target, "target"))
    if where.shape != size_of(input):
        raise RuntimeError(f"{name}: target must have the input's size {size_of(input)}, got {tuple(where.shape)}")
    input = _samples(name, input)
    floating_only(raw(input), name)
    count, classes = size_of(input)
    where = where.reshape(count, classes)
    given = np.cumprod((where >= 0).astype(np.int64), axis=1).astype(bool)
    chosen = np.where(given, where, 0)
    check_bounds(f"{name}: target", chosen, classes, f"{classes} classes")
    target_class = np.zeros_like(given)
    row_of, column = np.nonzero(given)
    target_class[row_of, chosen[row_of, column]] = True
    picked = elements.read(input, like(input, chosen), 1)
    pairs = index(input, (slice(None), None)) - index(picked, (slice(None), slice(None), None)) + 1
    counted = given[:, :, None] & ~target_class[:, None, :]
    losses = keep(clip(pairs, 0, None), like(input, counted.view(np.uint8)))
    return total(losses, None, False) / (classes * (count if size_average else 1))


def multilabel_soft_margin_loss(input, target, weight=None, size_average=True):
    """multilabel_soft_margin_loss(input, target, weight=None, size_average=True): binary_cross_entropy of
    sigmoid(input).

    Computed without forming the sigmoid, so that large inputs do not overflow.
    """
    target = matched("multilabel_soft_margin_loss", input, target, ValueError)
    return binary_cross_entropy_with_logits(input, target, weight, size_average)


@moving.at_home
def multi_margin_loss(input, target, p=1, margin=1, weight=None, size_average=True):
    """multi_margin_loss(input, target, p=1, margin=1, weight=None, size_average=True): mean over samples of
    sum over i != y of w_y max(0, margin - x_y + x_i)^p / C.

    input: (N, C) or (C); target: LongTensor of classes y, (N). p: 1 or 2, else ValueError. weight: one number a class.
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p!r}")
    target = check_index(name, target, "target")
    where = raw(target)
    input = _samples(name, input)
    floating_only(raw(input), name)
    count, classes = size_of(input)
    if where.shape != (count,):
        raise RuntimeError(f"{name}: target must have one class a sample, size ({count},), got {tuple(where.shape)}")
    check_bounds(f"{name}: target", where, classes, f"{classes} classes")
    weight = constant_weight(name, weight, input)
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"{name}: weight must have one element a class, size ({classes},), got {tuple(weight.shape)}"
        )
    picked = elements.read(input, seen_as(target, (count, 1)), 1)
    others = np.ones_like(where, np.uint8, shape=(count, classes))
    others[np.arange(count, like=where), where] = 0
    losses = keep(clip(input - picked + margin, 0, None), like(input, others))
    if p == 2:
        losses = losses * losses
    if weight is not None:
        losses = losses * like(input, weight[where].reshape(count, 1))
    return total(losses, None, False) / (classes * (count if size_average else 1))


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False):
    """triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False): mean of
    max(0, margin + d(anchor, positive) - d(anchor, negative)), d the pairwise distance.

    swap: take d(positive, negative) for the second distance where it is smaller. All (N, D). Raises AssertionError for
    sizes that differ or a negative margin.
    """
    sizes = [size_of(t) for t in (anchor, positive, negative)]
    if len(set(sizes)) > 1 or len(sizes[0]) != 2:
        raise AssertionError(
            f"triplet_margin_loss: anchor, positive and negative must have one size (N, D), got {sizes}"
        )
    if margin <= 0:
        raise AssertionError(f"triplet_margin_loss: margin must be positive, got {margin}")
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return average(clip(near - far + margin, 0, None), None, False)


def poisson_nll_loss(input, target, log_input=True, full=False, size_average=True, eps=1e-8):
    """poisson_nll_loss(input, target, log_input=True, full=False, size_average=True, eps=1e-8): mean of exp(x) - t x.

    log_input=False: x - t log(x + eps). full: add Stirling's approximation of log t!, t log t - t + log(2 pi t) / 2,
    where t > 1.
    """
    target = matched("poisson_nll_loss", input, target)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        counts = clip(target, 1, None)  # so that the logarithms are finite where they are not kept
        losses = losses + keep(target * log(counts) - target + log(counts * (2 * math.pi)) * 0.5, target > 1)
    return _overall(losses, size_average)


_CHANCES = T(3, 4, low=0.1, high=0.9)
_LABELS, _WEIGHTS = T(3, values=[1, 0, 3], dtype="int64"), T(4, low=0.5, high=2, grad=False)
_SCORES = T(3, 4, high=2.2, distinct=True)  # no two differ by a margin, where the losses have a kink
_SIGNS = T(3, 4, values=[[1, -1, -1, 1], [1, 1, -1, -1], [-1, 1, 1, -1]], grad=False)
_SIDES = T(3, values=[1, -1, -1], grad=False)
_AVERAGES = ({}, {"size_average": False})
row(
    "hinge_embedding_loss", hinge_embedding_loss, [S(_ROWS, _SIGNS, **o) for o in _AVERAGES] + [S(_ROWS, _SIGNS, 0.3)],
    [(S(T(3), T(4)), RuntimeError, "one size")], oracle="nn.functional.hinge_embedding_loss", **FUNCTIONAL,
)  # fmt: skip
row(
    "margin_ranking_loss", margin_ranking_loss,
    [S(_ROWS, _APART, _SIGNS, **o) for o in _AVERAGES] + [S(_ROWS, _APART, _SIGNS, 0.4)],
    [(S(T(3), T(4), T(3)), RuntimeError, "do not broadcast")], oracle="nn.functional.margin_ranking_loss", **FUNCTIONAL,
)  # fmt: skip
row(
    "cosine_embedding_loss", cosine_embedding_loss,
    [S(_POSITIVE, _BESIDE, _SIDES, **o) for o in _AVERAGES] + [S(_POSITIVE, _BESIDE, _SIDES, 0.2)],
    [(S(_ROWS, T(3, 5), _SIDES), RuntimeError, "one size"),
     (S(_ROWS, T(3, 4), T(4)), RuntimeError, "one element a sample"),
     (S(T(3), T(3), T(3)), RuntimeError, "must have size (N, D), got (3,)")],
    oracle="nn.functional.cosine_embedding_loss", **FUNCTIONAL,
)  # fmt: skip
row(
    "soft_margin_loss", soft_margin_loss, [S(_ROWS, _SIGNS, **o) for o in _AVERAGES], [DIFFERENT_COUNTS],
    oracle="nn.functional.soft_margin_loss", **FUNCTIONAL,
    differs=dict.fromkeys(("huge", "out of domain"), "PyTorch forms exp(-t x), which overflows; here nothing does"),
)  # fmt: skip


def _once(sample):
    return sample.unlike_torch("PyTorch has no second derivative of it", agrees=1)


_NAN_LOST = "PyTorch adds only what is above 0, and so loses a nan; here it shows"
_LISTS = T(2, 4, values=[[3, 0, -1, 1], [2, -1, 0, 1]], dtype="int64")
row(
    "multilabel_margin_loss", multilabel_margin_loss,
    [_once(s) for s in
     [S(T(2, 4, high=2.2, distinct=True), _LISTS), S(T(2, 4, high=2.2, distinct=True), _LISTS, size_average=False),
      S(T(3, high=2.2, distinct=True), T(3, values=[1, -1, -1], dtype="int64"))]],
    [(S(T(2, 3), _LISTS), RuntimeError, "the input's size (2, 3)"),
     (S(T(1, 2), T(1, 2, values=[[2, -1]], dtype="int64")), RuntimeError, "out of range for 2 classes")],
    oracle="nn.functional.multilabel_margin_loss", differs={"nan": _NAN_LOST, "infinite": _NAN_LOST}, **FUNCTIONAL,
)  # fmt: skip
row(
    "multilabel_soft_margin_loss", multilabel_soft_margin_loss,
    [S(T(3, 4), _CHANCES, **o) for o in _AVERAGES] + [S(T(3, 4), _CHANCES, _WEIGHTS)],
    [(S(T(3, 4), T(3)), ValueError, "same number")],
    # PyTorch's own of this name takes the mean over the classes before the sum over the samples.
    oracle="nn.functional.binary_cross_entropy_with_logits",
    differs={"infinite": "as of binary_cross_entropy_with_logits"}, **FUNCTIONAL,
)  # fmt: skip
row(
    "multi_margin_loss", multi_margin_loss,
    [_once(s) for s in
     [S(_SCORES, _LABELS), S(_SCORES, _LABELS, size_average=False), S(_SCORES, _LABELS, 2),
      S(_SCORES, _LABELS, 1, 0.3, _WEIGHTS), S(_SCORES, _LABELS, 2, 0.8, _WEIGHTS, False),
      S(T(4, high=2.2, distinct=True), T(1, values=[2], dtype="int64"))]],
    [(S(T(3, 4), _LABELS, 3), ValueError, "p must be 1 or 2"),
     (S(T(2, 4), _LABELS), RuntimeError, "one class a sample"),
     (S(T(3, 2), _LABELS), RuntimeError, "out of range for 2 classes")],
    oracle="nn.functional.multi_margin_loss", differs={"nan": _NAN_LOST, "infinite": _NAN_LOST}, **FUNCTIONAL,
)  # fmt: skip


def _torch_triplet(torch, anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False):
    """The definition, over the distance as defined here."""
    near, far = _torch_distance(torch, anchor, positive, p, eps), _torch_distance(torch, anchor, negative, p, eps)
    if swap:
        far = torch.minimum(far, _torch_distance(torch, positive, negative, p, eps))
    return (margin + near - far).clamp(min=0).mean()


row(
    "triplet_margin_loss", triplet_margin_loss,
    # no two rows meet in any element: |x|^p has a kink at 0
    [S(_ROWS, _ABOVE, _BELOW), S(_ROWS, _ABOVE, _BELOW, 3.0, swap=True), S(_ROWS, _ABOVE, _BELOW, p=3)],
    [(S(_ROWS, T(3, 5), T(3, 4)), AssertionError, "one size (N, D)"),
     (S(_ROWS, _ROWS, _ROWS, 0), AssertionError, "positive")],
    oracle=_torch_triplet, **FUNCTIONAL,
)  # fmt: skip
row(
    "poisson_nll_loss", poisson_nll_loss,
    [S(T(3, 4), T(3, 4, low=1.5, high=4)), S(T(3, 4), T(3, 4, low=1.5, high=4), full=True, size_average=False),
     S(T(3, 4, low=0.5, high=3), T(3, 4, low=0.1, high=0.9), False, True)], [DIFFERENT_COUNTS],
    oracle="nn.functional.poisson_nll_loss", **FUNCTIONAL,
)  # fmt: skip
