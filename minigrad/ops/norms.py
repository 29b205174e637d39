"""Norms, distances, and scaling to a norm."""

import math

import numpy as np

from minigrad._core import Operation, like
from minigrad.ops import moving
from minigrad.ops.elementwise import abs, keep, mul_pair, plain_number, sign, sub_pair
from minigrad.ops.indexing import raw
from minigrad.ops.reduction import (
    APART,
    FRACTIONS,
    NUMBER_AS_KEEPDIM,
    expand_back,
    floating_only,
    nonzero_or_one,
    refuse_empty,
    size_after,
    whole,
    widened,
)
from minigrad.ops.shape import broadcast_to, clone, flag, permute_dims, reshape, size_of, wrap_dim
from minigrad.ops.table import S, T, row


@widened
def _p_norm(x, dim, keepdim, p):
    floating_only(x, "norm")
    if p in (math.inf, -math.inf):
        refuse_empty(x, "norm")
    size = np.abs(x)
    with np.errstate(all="ignore"):
        if p == 0:
            found = (x != 0).sum(axis=dim, keepdims=True).astype(x.dtype)
        elif p == math.inf:
            found = size.max(axis=dim, keepdims=True)
        elif p == -math.inf:
            found = size.min(axis=dim, keepdims=True)
        elif p == 1:
            found = size.sum(axis=dim, keepdims=True)
        elif p == 2:
            found = np.sqrt((x * x).sum(axis=dim, keepdims=True))
        else:
            found = (size**p).sum(axis=dim, keepdims=True) ** (1 / p)
    return found.reshape(size_after(x.shape, dim, keepdim))


def _norm_rule(g, x, out, p, dim):
    """d|x| / dx_i = sign(x_i) (|x_i| / |x|)^(p-1), and 0 at 0."""
    size = size_of(x)
    g, out = expand_back(g, size, dim), expand_back(out, size, dim)
    if p == 0:
        return x * 0
    if p == 1:
        return broadcast_to(g, size) * sign(x)
    if p == 2:
        return keep(g / nonzero_or_one(out), out != 0) * x
    if p in (math.inf, -math.inf):  # shared by tied elements: the limit of large p
        tied = np.abs(raw(x)) == raw(out)
        share = tied / tied.sum(axis=dim, keepdims=True)
        return g * sign(x) * like(x, share.astype(raw(x).dtype))
    return g * sign(x) * nonzero_or_one(abs(x)) ** (p - 1) * nonzero_or_one(out) ** (1 - p)


p_norm = Operation("norm", _p_norm, "x", "dim keepdim p", derivatives={"x": _norm_rule})


def _number(name, value):
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    return value


def norm(input, p=2, dim=None, keepdim=False):
    """norm(input, p=2), norm(input, p, dim, keepdim=False): (sum |x|^p)^(1/p).

    p: any number; 0 counts the elements that are not 0, inf is the largest |x|, -inf the smallest. The derivative at 0
    is taken as 0. Floating types only.
    """
    p = _number("norm: p", p)
    if dim is None:
        return whole(p_norm, input, None, False, p)
    return p_norm(input, wrap_dim(dim, len(size_of(input)), "norm: dim"), flag(keepdim, "norm: keepdim"), p)


def dist(input, other, p=2):
    """dist(input, other, p=2): norm of input - other (broadcast)."""
    return norm(sub_pair(input, other), p)


_WIDE_POWERS = {"huge": "a full norm of a FloatTensor adds the powers in double precision, and overflows later"}
row(
    "norm", norm,
    [S(T(3, 4)), S(APART, 1), S(T(3, 4), 2, 1), S(T(3, 4), 2, 0, True), S(APART, 3, -1), S(APART, 1.5),
     S(APART, 0.5, 1),
     S(APART, -1, 0), S(APART, 0, 1), S(APART, math.inf), S(APART, math.inf, 1), S(APART, -math.inf, 0, True),
     S(T(4), 2, 0),
     S(T(1, distinct=True)), S(T(2, 2, values=[[0, 0], [3, 4]], fixed=True), 2, 0)],
    [(S(T(3, 4), 2, 2), RuntimeError, "dim must be"), NUMBER_AS_KEEPDIM,
     (S(T(3), "2"), TypeError, "p must be a number, got str"),
     (S(T(0), math.inf), RuntimeError, "norm: a tensor with no elements"), FRACTIONS],
    choices={"p": (0, 0.5, 1, 1.5, 2, 3, math.inf, -math.inf, -2)},
    differs=_WIDE_POWERS,
)  # fmt: skip
row(
    "dist", dist,
    [S(T(3, 4), T(3, 4)), S(APART, T(4, low=-1.95, high=2.11, distinct=True), 3), S(T(1), T(1), 1)],
    [(S(T(3, 4), T(3, 5)), RuntimeError, "do not broadcast")],
    differs=_WIDE_POWERS,
)  # fmt: skip


@moving.at_home
def renorm(input, p, dim, maxnorm):
    """renorm(input, p, dim, maxnorm): input with its slices along dim scaled down to a p-norm of at most maxnorm.

    out[i] = input[i] * maxnorm / (norm(input[i], p) + 1e-7) where that norm is above maxnorm, else input[i]; i counts
    along dim. p: a positive number, inf included. Raises RuntimeError for other p, a negative maxnorm, or an input with
    fewer than 2 dimensions.
    """
    p, maxnorm, size = _number("renorm: p", p), _number("renorm: maxnorm", maxnorm), size_of(input)
    if not p > 0:
        raise RuntimeError(f"renorm: p must be positive, got {p}")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: maxnorm must not be negative, got {maxnorm}")
    if len(size) < 2:
        raise RuntimeError(f"renorm: input must have at least 2 dimensions, got size {size}")
    dim = wrap_dim(dim, len(size), "renorm: dim")
    others = tuple(d for d in range(len(size)) if d != dim)
    # Copied, because the in-place form overwrites what the norm's derivative needs.
    slices = reshape(clone(permute_dims(input, (dim, *others))), (size[dim], -1))
    lengths = p_norm(slices, 1, True, p)
    above = raw(lengths) > maxnorm
    one = like(input, (~above).astype(raw(input).dtype))
    factor = one + keep(maxnorm / (lengths + 1e-7), like(input, above.view(np.uint8)))
    return mul_pair(input, reshape(factor, tuple(s if d == dim else 1 for d, s in enumerate(size))))


row(
    "renorm", renorm,
    [S(APART, 2, 0, 1.5), S(APART, 1, 1, 2), S(T(2, 3, 4, distinct=True), 3, -2, 2.5), S(APART, 0.5, 0, 9),
     S(APART, math.inf, 0, 1), S(APART, 2, 0, 100), S(T(1, 1, distinct=True), 2, 0, 0.1),
     S(APART, p=2, dim=0, maxnorm=1), S(T(3, 4, distinct=True, low=0.5, high=1), 2, 1, 0)],
    [(S(T(3), 2, 0, 1), RuntimeError, "at least 2 dimensions, got size (3,)"),
     (S(T(3, 4), 0, 0, 1), RuntimeError, "p must be positive, got 0"),
     (S(T(3, 4), 2, 0, -1), RuntimeError, "maxnorm must not be negative, got -1"),
     (S(T(3, 4), 2, 2, 1), RuntimeError, "dim must be from -2 to 1"),
     (S(T(3, 4), "2", 0, 1), TypeError, "p must be a number, got str"),
     (S(T(3, 4), 2, 0, None), TypeError, "maxnorm must be a number, got NoneType")],
    in_place=True,
)  # fmt: skip
