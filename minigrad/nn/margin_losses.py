"""Losses composed of elementary operations: hinges, rankings, embeddings and the Poisson likelihood.

size_average=True divides the sum by the number of elements (of samples, where a loss is one number a sample). The
result has size 1. Targets may require grad where the equation has a derivative for them.
"""

import math

import numpy as np

from minigrad._core import array_of, like
from minigrad.ops.elementwise import keep
from minigrad.ops.indexing import gather, index_select

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "poisson_nll_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
]


def _size(x):
    return tuple(array_of(x).shape)


def _same_size(name, input, target):
    if _size(input) != _size(target):
        raise ValueError(f"{name}: input and target must have the same size, got {_size(input)} and {_size(target)}")


def beside(input, weight):
    """A weight given as a Tensor, at the level of input."""
    return weight if weight is None or type(weight) is type(input) else like(input, array_of(weight))


def _averaged(losses, size_average):
    return losses.mean() if size_average else losses.sum()


def _signs(name, target):
    """Masks of target's 1s and -1s."""
    ones, minus_ones = array_of(target) == 1, array_of(target) == -1
    if not (ones | minus_ones).all():
        raise ValueError(f"{name}: target must consist of 1 and -1")
    return like(target, ones.view(np.uint8)), like(target, minus_ones.view(np.uint8))


def hinge_embedding_loss(input, target, margin=1.0, size_average=True):
    """hinge_embedding_loss(input, target, margin=1.0, size_average=True): mean of l(x, y) over all elements,

        l(x, 1) = x,   l(x, -1) = max(0, margin - x)

    with x a distance. Raises ValueError for other targets, or sizes that differ.
    """
    _same_size("hinge_embedding_loss", input, target)
    similar, dissimilar = _signs("hinge_embedding_loss", target)
    return _averaged(keep(input, similar) + keep((margin - input).clamp(min=0), dissimilar), size_average)


def margin_ranking_loss(input1, input2, target, margin=0, size_average=True):
    """margin_ranking_loss(input1, input2, target, margin=0, size_average=True): mean of max(0, -y (x1 - x2) + margin).

    target y: 1 where x1 should be ranked higher, -1 where x2 should.
    """
    return _averaged((margin - target * (input1 - input2)).clamp(min=0), size_average)


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=True):
    """cosine_embedding_loss(input1, input2, target, margin=0, size_average=True): mean over samples of l(x1, x2, y),

        l(x1, x2, 1) = 1 - cos(x1, x2),   l(x1, x2, -1) = max(0, cos(x1, x2) - margin)

    input1, input2: N x D. target: N. Raises ValueError for other targets or sizes.
    """
    name = "cosine_embedding_loss"
    size = _size(input1)
    if len(size) != 2 or _size(input2) != size or _size(target) != size[:1]:
        raise ValueError(
            f"{name}: expected input1 and input2 of one size N x D and target of size N, got {size}, {_size(input2)} and "
            f"{_size(target)}"
        )
    similar, dissimilar = _signs(name, target)
    eps = 1e-12
    squares = ((input1 * input1).sum(1) + eps) * ((input2 * input2).sum(1) + eps)
    cosine = (input1 * input2).sum(1) / squares.sqrt()
    return _averaged(keep(1 - cosine, similar) + keep((cosine - margin).clamp(min=0), dissimilar), size_average)


def soft_margin_loss(input, target, size_average=True):
    """soft_margin_loss(input, target, size_average=True): mean of log(1 + exp(-y x)), y = 1 or -1."""
    _same_size("soft_margin_loss", input, target)
    z = -(target * input)
    # log(1 + e^z) = max(z, 0) + log(1 + e^-|z|), without overflow
    return _averaged(z.clamp(min=0) + (-z.abs()).exp().log1p(), size_average)


def _samples(name, input, target, target_dims):
    size = _size(input)
    if len(size) not in (1, 2):
        raise ValueError(f"{name}: input must have size N x C or C, got {size}")
    rows = size if len(size) == 2 else (1, *size)
    wanted = rows[:1] if target_dims == 1 else size
    if _size(target) != wanted:
        raise ValueError(f"{name}: target must have size {wanted} for input of size {size}, got {_size(target)}")
    return rows, input.contiguous().view(*rows)


def multilabel_margin_loss(input, target, size_average=True):
    """multilabel_margin_loss(input, target, size_average=True): a hinge for each pair of a target and a non-target class,

        l(x, y) = sum over targets j and all classes i that are no target of max(0, 1 - (x_j - x_i)) / C

    averaged over samples. input: N x C (or C). target: a LongTensor of that size; the classes of a sample, ended by the
    first -1. Raises ValueError for other sizes or classes outside 0 ... C-1.
    """
    name = "multilabel_margin_loss"
    (n, c), x = _samples(name, input, target, 2)
    classes = array_of(target).reshape(n, c)
    listed = np.cumprod(classes >= 0, axis=1).astype(bool)
    if (classes < -1).any() or (classes[listed] >= c).any():
        raise ValueError(f"{name}: target must hold classes from 0 to {c - 1}, ended by -1")
    sample, place = np.nonzero(listed)
    label = classes[sample, place]
    others = np.ones((n, c), np.uint8)
    others[sample, label] = 0
    if not len(sample):
        return _averaged(input * 0, False)
    chosen = index_select(x.view(-1), 0, like(target, sample * c + label)).view(-1, 1)
    rows = index_select(x, 0, like(target, sample))
    total = keep((1 - (chosen - rows)).clamp(min=0), like(target, others[sample])).sum() / c
    return total / n if size_average else total


def multi_margin_loss(input, target, p=1, margin=1, weight=None, size_average=True):
    """multi_margin_loss(input, target, p=1, margin=1, weight=None, size_average=True): a hinge for each wrong class,

        l(x, y) = sum over i != y of weight_y max(0, margin - x_y + x_i)^p / C

    averaged over samples. input: N x C (or C). target: N classes (or 1), a LongTensor. weight: C numbers.
    Raises ValueError unless p is 1 or 2, or for other sizes or classes.
    """
    name = "multi_margin_loss"
    if p not in (1, 2):
        raise ValueError(f"{name}: p must be 1 or 2, got {p}")
    (n, c), x = _samples(name, input, target, 1)
    classes = array_of(target)
    if (classes < 0).any() or (classes >= c).any():
        raise ValueError(f"{name}: target must hold classes from 0 to {c - 1}")
    if weight is not None and _size(weight) != (c,):
        raise ValueError(f"{name}: weight must have one number for each of the {c} classes, got size {_size(weight)}")
    others = np.ones((n, c), np.uint8)
    others[np.arange(n), classes] = 0
    hinge = (margin - gather(x, 1, target.view(-1, 1)) + x).clamp(min=0)
    if p == 2:
        hinge = hinge * hinge
    if weight is not None:
        hinge = hinge * index_select(beside(input, weight), 0, target).view(-1, 1)
    total = keep(hinge, like(target, others)).sum() / c
    return total / n if size_average else total


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False):
    """triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False): mean over samples of

        max(0, margin + d(anchor, positive) - d(anchor, negative)),   d the `pairwise_distance` with p and eps

    All three: N x D. swap: the negative is compared with whichever of anchor and positive is nearer (Balntas et al. 2016).
    Raises AssertionError for other sizes, or a margin that is not positive.
    """
    name = "triplet_margin_loss"
    sizes = [_size(x) for x in (anchor, positive, negative)]
    if len(sizes[0]) != 2 or len(set(sizes)) != 1:
        raise AssertionError(f"{name}: anchor, positive and negative must have one size N x D, got {sizes}")
    if not margin > 0:
        raise AssertionError(f"{name}: margin must be positive, got {margin}")
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.min(pairwise_distance(positive, negative, p, eps))
    return (margin + near - far).clamp(min=0).mean()


def poisson_nll_loss(input, target, log_input=True, full=False, size_average=True, eps=1e-8):
    """poisson_nll_loss(input, target, log_input=True, full=False, size_average=True, eps=1e-8): mean of

        exp(x) - y x   if log_input (x is the logarithm of the rate),   x - y log(x + eps)   otherwise

    full: plus Stirling's y log y - y + log(2 pi y) / 2 where y > 1, for log y!.
    """
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        large = like(target, (array_of(target) > 1).view(np.uint8))
        y = target.clamp(min=1)
        loss = loss + keep(y * y.log() - y + (y * (2 * math.pi)).log() * 0.5, large)
    return _averaged(loss, size_average)


# ---------------------------------------------------------------- distances


def pairwise_distance(x1, x2, p=2, eps=1e-6):
    """pairwise_distance(x1, x2, p=2, eps=1e-6): (sum over features of (|x1 - x2| + eps)^p)^(1/p), of size N x 1.

    x1, x2: N x D. Raises AssertionError for other sizes.
    """
    if len(_size(x1)) != 2 or _size(x1) != _size(x2):
        raise AssertionError(f"pairwise_distance: x1 and x2 must have one size N x D, got {_size(x1)} and {_size(x2)}")
    return (((x1 - x2).abs() + eps) ** p).sum(1, True) ** (1.0 / p)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """cosine_similarity(x1, x2, dim=1, eps=1e-8): x1.x2 / max(|x1| |x2|, eps) along dim, which is dropped."""
    norms = x1.norm(2, dim) * x2.norm(2, dim)
    return ((x1 * x2).sum(dim) / norms.clamp(min=eps)).squeeze()


def normalize(input, p=2, dim=1, eps=1e-12):
    """normalize(input, p=2, dim=1, eps=1e-12): x / max(|x|_p, eps), the norm taken along dim."""
    return input / input.norm(p, dim, True).clamp(min=eps)
