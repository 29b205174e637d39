"""What layers do, as functions: activations, dropout, linear maps, embeddings and losses.

The operations themselves are in `minigrad.ops`; here are the era's signatures, its defaults and its in-place forms.
``inplace=True`` writes the result over the input and returns the input.
"""

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of, like, tensor_from_array, type_name
from minigrad.nn.batchnorm import batch_norm
from minigrad.nn.parameter import Parameter
from minigrad.ops import arrays, elementwise, margins, moving, neural, operands
from minigrad.ops.elementwise import sigmoid, tanh
from minigrad.ops.linear import bilinear, linear
from minigrad.ops.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from minigrad.ops.margins import (
    cosine_embedding_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    normalize,
    pairwise_distance,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
)
from minigrad.ops.neural import glu, hardshrink, logsigmoid, prelu, softplus, softshrink, softsign, tanhshrink
from minigrad.ops.reduction import floating_only
from minigrad.ops.shape import clone, squeeze
from minigrad.utils import missing
from minigrad.utils.callers import warn

__all__ = [
    "alpha_dropout",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "glu",
    "hardshrink",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "kl_div",
    "l1_loss",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "logsigmoid",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "pairwise_distance",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "sigmoid",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
]


def _size(x):
    return tuple(array_of(x).shape)


# ---------------------------------------------------------------- activations


def _run(function, inplace, input, *parameters):
    if inplace:
        # The derivative may want the input as it was before.
        return _core.call_in_place(function.__name__, lambda x: function(clone(x), *parameters), input, (), {})
    return function(input, *parameters)


def relu(input, inplace=False):
    """relu(input, inplace=False): max(x, 0)."""
    return elementwise.relu.in_place(input) if inplace else elementwise.relu(input)


def threshold(input, threshold, value, inplace=False):
    """threshold(input, threshold, value, inplace=False): x where x > threshold, else value."""
    return _run(neural.threshold, inplace, input, threshold, value)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """hardtanh(input, min_val=-1, max_val=1, inplace=False): x moved to the nearest number in [min_val, max_val]."""
    return _run(neural.hardtanh, inplace, input, min_val, max_val)


def relu6(input, inplace=False):
    """relu6(input, inplace=False): min(max(x, 0), 6)."""
    return hardtanh(input, 0, 6, inplace)


def elu(input, alpha=1.0, inplace=False):
    """elu(input, alpha=1.0, inplace=False): x where x > 0, else alpha (exp(x) - 1)."""
    return _run(neural.elu, inplace, input, alpha)


def selu(input, inplace=False):
    """selu(input, inplace=False): 1.0507 elu(x, 1.6733), which drives activations to mean 0 and variance 1."""
    return _run(neural.selu, inplace, input)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """leaky_relu(input, negative_slope=0.01, inplace=False): x where x > 0, else negative_slope x."""
    return _run(neural.leaky_relu, inplace, input, negative_slope)


@moving.at_home
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """rrelu(input, lower=1/8, upper=1/3, training=False, inplace=False): x where x > 0, else a x.

    a is drawn for each element from uniform(lower, upper) in training and is their mean otherwise.
    """
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    floating_only(array_of(input), "rrelu")
    positive = elementwise.gt(input, 0)
    slopes = tensor_from_array(np.empty_like(array_of(input), order="C")).uniform_(lower, upper).array
    slopes[array_of(positive) != 0] = 1
    return _scaled(input, slopes, inplace)


def relu_(input):
    """relu_(input): relu in place."""
    return relu(input, True)


def threshold_(input, threshold, value):
    """threshold_(input, threshold, value): threshold in place."""
    return _run(neural.threshold, True, input, threshold, value)


def hardtanh_(input, min_val=-1.0, max_val=1.0):
    """hardtanh_(input, min_val=-1, max_val=1): hardtanh in place."""
    return hardtanh(input, min_val, max_val, True)


def elu_(input, alpha=1.0):
    """elu_(input, alpha=1.0): elu in place."""
    return elu(input, alpha, True)


def leaky_relu_(input, negative_slope=0.01):
    """leaky_relu_(input, negative_slope=0.01): leaky_relu in place."""
    return leaky_relu(input, negative_slope, True)


def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    """rrelu_(input, lower=1/8, upper=1/3, training=False): rrelu in place."""
    return rrelu(input, lower, upper, training, True)


# ---------------------------------------------------------------- softmax


def _softmax_dim(name, input, dim):
    if dim is not None:
        return dim
    ndim = len(_size(input))
    dim = 0 if ndim in (1, 3) else 1
    warn(
        f"{name}: implicit dimension choice has been deprecated; dim={dim} is taken for input of {ndim} dimensions. "
        "Say which dimension adds up to 1: dim=1 for one row a sample"
    )
    return dim


def softmax(input, dim=None):
    """softmax(input, dim=None): exp(x) / sum(exp(x)) along dim.

    Without dim: a UserWarning, then dim 0 for 1-D and 3-D input and 1 otherwise.
    """
    return neural.softmax(input, _softmax_dim("softmax", input, dim))


def softmin(input, dim=None):
    """softmin(input, dim=None): softmax(-x) along dim; without dim as in `softmax`."""
    return neural.softmin(input, _softmax_dim("softmin", input, dim))


def log_softmax(input, dim=None):
    """log_softmax(input, dim=None): x - log(sum(exp(x))) along dim, stably; without dim as in `softmax`."""
    return neural.log_softmax(input, _softmax_dim("log_softmax", input, dim))


# ---------------------------------------------------------------- dropout


def _check_probability(name, p):
    if not isinstance(p, (int, float)) or not 0 <= p <= 1:
        raise ValueError(f"{name}: p, the probability of an element to be zeroed, must be in [0, 1], got {p!r}")
    if isinstance(p, bool):
        warn(
            f"{name}: p, the probability of an element to be zeroed, is {p}, which counts as {int(p)}. Whether to drop "
            "at all is another argument: training=self.training"
        )


def _scaled(input, mask, inplace):
    return neural.dropped.in_place(input, mask) if inplace else neural.dropped(input, mask)


def _kept(array, size, p):
    """1 / (1-p) with probability 1-p, else 0, in an array of that size and the type of `array`."""
    return arrays.run(_drawn, array, size, p)


def _drawn(array, size, p):
    floating_only(array, "dropout")
    noise = tensor_from_array(np.empty_like(array, shape=size, order="C")).bernoulli_(1 - p).array
    if p < 1:
        noise /= 1 - p
    return noise


def _as_result(input):
    """The input; of a Parameter an alias, since a result may stand where no Parameter may."""
    if not isinstance(input, (Tensor, Variable, np.ndarray)):
        operands.refuse(input)
    return input[:] if isinstance(input, Parameter) else input


def dropout(input, p=0.5, training=False, inplace=False):
    """dropout(input, p=0.5, training=False, inplace=False): each element is 0 with probability p, else scaled by
    1/(1-p).

    The identity unless training, which is False here. Raises ValueError unless 0 <= p <= 1.
    """
    _check_probability("dropout", p)
    if not training or p == 0:
        return _as_result(input)
    array = array_of(input)
    return _scaled(input, _kept(array, array.shape, p), inplace)


def dropout2d(input, p=0.5, training=False, inplace=False):
    """dropout2d(input, p=0.5, training=False, inplace=False): `dropout` of whole channels, dimensions 0 and 1 of
    input.
    """
    return _channel_dropout("dropout2d", input, p, training, inplace)


def dropout3d(input, p=0.5, training=False, inplace=False):
    """dropout3d(input, p=0.5, training=False, inplace=False): `dropout` of whole channels, dimensions 0 and 1 of
    input.
    """
    return _channel_dropout("dropout3d", input, p, training, inplace)


def _channel_dropout(name, input, p, training, inplace):
    _check_probability(name, p)
    size = _size(input)
    if len(size) < 2:
        raise ValueError(f"{name}: input must have at least 2 dimensions (N, C), got {size}")
    if not training or p == 0:
        return _as_result(input)
    return _scaled(input, _kept(array_of(input), size[:2] + (1,) * (len(size) - 2), p), inplace)


_ALPHA = -1.7580993408473766  # what selu tends to for large negative numbers


@moving.at_home
def alpha_dropout(input, p=0.5, training=False):
    """alpha_dropout(input, p=0.5, training=False): dropout that keeps mean 0 and variance 1, for networks of selu.

        a (x where kept, alpha where not) + b,   alpha = -1.7581,   a = ((1-p) (1 + p alpha^2))^(-1/2),   b = -a p alpha

    Raises ValueError unless 0 <= p <= 1.
    """
    _check_probability("alpha_dropout", p)
    if not training or p == 0:
        return _as_result(input)
    if p == 1:
        return input * 0
    floating_only(array_of(input), "alpha_dropout")
    dropped = tensor_from_array(np.empty_like(array_of(input), order="C")).bernoulli_(p).array
    a = ((1 - p) * (1 + p * _ALPHA**2)) ** -0.5
    return input * like(input, (1 - dropped) * a) + like(input, dropped * (_ALPHA * a) - a * _ALPHA * p)


# ---------------------------------------------------------------- embeddings


def _largest_unsigned(indices):
    """The largest index, where a negative one counts as huge."""
    return int(indices.view(np.uint64).max())


def _renormalise(table, indices, max_norm, norm_type):
    """Scale the rows of the table at `indices` that are longer than max_norm down to it, in place; whether there were
    any."""
    rows = np.unique(indices)
    norms = np.linalg.norm(table[rows], ord=norm_type, axis=1)
    long = norms > max_norm
    table[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None].astype(table.dtype)
    return bool(long.any())


def _looked_up(name, input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq):
    if not isinstance(input, (Tensor, Variable)):
        raise TypeError(f"{name}: input must be a Variable of a LongTensor, got {type(input).__name__}")
    indices = array_of(input)
    if indices.dtype != np.int64:
        raise TypeError(
            f"{name}: input must be a LongTensor of indices, got {type_name(indices)}; convert it with .long()"
        )
    if indices.ndim > 2:
        raise ValueError(f"{name}: input must have at most 2 dimensions, got size {_size(input)}")
    rows = _size(weight)[0]
    if indices.size and arrays.run(_largest_unsigned, indices) >= rows:
        low, high = arrays.run(lambda indices: (int(indices.min()), int(indices.max())), indices)
        raise RuntimeError(
            f"{name}: input must hold indices from 0 to {rows - 1}, one for each row of the table, got "
            f"{low if low < 0 else high}"
        )
    if max_norm is not None:
        arrays.check_together(name, array_of(weight), indices, "the indices", "the table")
        changed = arrays.run(_renormalise, array_of(weight), indices, max_norm, norm_type)
        if changed and isinstance(weight, Variable):  # what was computed from it before must not read it again
            _core.mark_changed(weight)
    return neural.embedding(weight, input, padding_idx, scale_grad_by_freq)


def embedding(input, embedding_matrix, max_norm=None, norm_type=2, scale_grad_by_freq=False, sparse=False):
    """embedding(input, embedding_matrix, max_norm=None, norm_type=2, scale_grad_by_freq=False, sparse=False):
    row input[i] of the matrix for each i.

    input: a LongTensor of at most 2 dimensions. max_norm: the rows looked up are first scaled, in place, to a
    norm_type-norm of at most max_norm. scale_grad_by_freq: a row's gradient is divided by how often it was looked up.
    sparse: accepted; gradients are dense here.

    Raises TypeError unless input is a LongTensor, RuntimeError for an index outside the matrix.
    """
    return _looked_up("embedding", input, embedding_matrix, None, max_norm, norm_type, scale_grad_by_freq)


@moving.at_home
def embedding_bag(
    embedding_matrix, indices, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean"
):
    """embedding_bag(embedding_matrix, indices, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False,
    mode='mean'): the sum or mean of the matrix's rows in each bag of indices; 0 for an empty bag.

    indices: (bags, size of a bag), or 1-D with offsets, where each bag starts. Raises ValueError if offsets are missing
    for 1-D indices, given for 2-D, or do not start at 0 and increase within the indices.
    """
    starts = neural.bag_starts(indices, offsets, mode)
    vectors = _looked_up("embedding_bag", indices, embedding_matrix, None, max_norm, norm_type, scale_grad_by_freq)
    return neural.bags_of(vectors, starts, mode)


# ---------------------------------------------------------------- distances


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """cosine_similarity(x1, x2, dim=1, eps=1e-8): x1 . x2 / max(|x1| |x2|, eps) along dim, without dimensions of size
    1.
    """
    return squeeze(margins.cosine_similarity(x1, x2, dim, eps))


__getattr__ = missing.attribute_error(__name__)
