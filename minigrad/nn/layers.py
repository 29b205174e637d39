"""Linear, bilinear and embedding layers, dropout, and distances.

The initial numbers are drawn in the order and by the recipe of PyTorch, so that the same seed gives the same weights.
"""

import math

from minigrad._core import array_of
from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.parameter import check_sizes, empty, other_type
from minigrad.ops.linear import linear

__all__ = [
    "AlphaDropout",
    "Bilinear",
    "CosineSimilarity",
    "Dropout",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "EmbeddingBag",
    "Linear",
    "PairwiseDistance",
]


class _Affine(Module):
    """What the layers with a weight and a bias share: both uniform(-1/sqrt(n), 1/sqrt(n)), n = weight.size(1)."""

    def _add_bias(self, bias):
        if bias:
            self.bias = empty(self.out_features)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check_type(self, argument, value):
        """Refuse an argument whose type is the reason why the computation has failed."""
        array, weight = array_of(value), array_of(self.weight)
        if array.dtype != weight.dtype:
            raise RuntimeError(other_type(type(self).__name__, argument, array, weight)) from None

    def reset_parameters(self):
        """Draw weight, then bias, anew."""
        bound = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-bound, bound)
        if self.bias is not None:
            self.bias.data.uniform_(-bound, bound)


class Linear(_Affine):
    """Linear(in_features, out_features, bias=True): y = x W^T + b.

    Input: (*, in_features), output: (*, out_features). `weight` W: out_features x in_features, `bias` b: out_features
    (None without); both start uniform in +-1/sqrt(in_features).

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> nn.Linear(20, 30)(Variable(torch.randn(128, 20))).size()
    minigrad.Size([128, 30])
    """

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        check_sizes("Linear", in_features=in_features, out_features=out_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = empty(out_features, in_features)
        self._add_bias(bias)

    def forward(self, input):
        try:
            return linear(input, self.weight, self.bias)
        except RuntimeError:
            size = tuple(array_of(input).shape)
            if size[-1:] != (self.in_features,):
                raise RuntimeError(
                    f"Linear: input must have in_features={self.in_features} as its last size, got {size}"
                ) from None
            self._check_type("input", input)
            raise

    def __repr__(self):
        return f"{type(self).__name__}(in_features={self.in_features}, out_features={self.out_features})"


class Bilinear(_Affine):
    """Bilinear(in1_features, in2_features, out_features, bias=True): y_k = x1^T W_k x2 + b_k.

    Inputs: N x in1_features and N x in2_features, output: N x out_features. `weight` W: out x in1 x in2, `bias` b: out;
    both start uniform in +-1/sqrt(in1_features).
    """

    def __init__(self, in1_features, in2_features, out_features, bias=True):
        super().__init__()
        check_sizes("Bilinear", in1_features=in1_features, in2_features=in2_features, out_features=out_features)
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        self.weight = empty(out_features, in1_features, in2_features)
        self._add_bias(bias)

    def forward(self, input1, input2):
        try:
            return F.bilinear(input1, input2, self.weight, self.bias)
        except RuntimeError:
            self._check_type("input1", input1)
            self._check_type("input2", input2)
            raise

    def __repr__(self):
        return (
            f"{type(self).__name__}(in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features})"
        )


class Embedding(Module):
    """Embedding(num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2, scale_grad_by_freq=False,
    sparse=False): a table of vectors, looked up by number.

    Input: a LongTensor, (N) or (N, W), of numbers below num_embeddings; output: input's size and embedding_dim.
    `weight`: num_embeddings x embedding_dim, starts normal (0, 1); row padding_idx starts at 0 and gets no gradient.
    max_norm: rows that are looked up are first scaled, in place, to a norm_type-norm of at most max_norm.
    scale_grad_by_freq: a row's gradient is divided by how often it occurs in the input. sparse: accepted; gradients
    are dense here.
    """

    def __init__(
        self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2, scale_grad_by_freq=False,
        sparse=False,
    ):  # fmt: skip
        super().__init__()
        check_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx must be below num_embeddings={num_embeddings} (or count from the end), "
                    f"got {padding_idx}"
                )
            padding_idx %= num_embeddings
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.weight = empty(num_embeddings, embedding_dim)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the table anew; row padding_idx is 0."""
        self.weight.data.normal_(0, 1)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx].fill_(0)

    def forward(self, input):
        return F._looked_up(
            "Embedding", input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def __repr__(self):
        options = [str(self.num_embeddings), str(self.embedding_dim)]
        for name, usual in (("padding_idx", None), ("max_norm", None), ("norm_type", 2)):
            value = getattr(self, name)
            if value != usual:
                options.append(f"{name}={value}")
        options += [f"{name}=True" for name in ("scale_grad_by_freq", "sparse") if getattr(self, name)]
        return f"{type(self).__name__}({', '.join(options)})"


class EmbeddingBag(Module):
    """EmbeddingBag(num_embeddings, embedding_dim, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode='mean'):
    sums ('sum') or means ('mean') of bags of embeddings, without the embeddings in between.

    Called (input, offsets=None): a 2-D LongTensor (bags, size of a bag), or a 1-D one with offsets, where each bag
    starts. Output: bags x embedding_dim; an empty bag gives 0. `weight` starts normal (0, 1).

    Raises ValueError if offsets are missing for 1-D input, given for 2-D, do not start at 0, decrease or are too large.
    """

    def __init__(
        self, num_embeddings, embedding_dim, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean"
    ):
        super().__init__()
        check_sizes("EmbeddingBag", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if mode not in ("mean", "sum"):
            raise ValueError(f"EmbeddingBag: mode must be 'mean' or 'sum', got {mode!r}")
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type, self.scale_grad_by_freq = max_norm, norm_type, scale_grad_by_freq
        self.mode = mode
        self.weight = empty(num_embeddings, embedding_dim)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw the table anew."""
        self.weight.data.normal_(0, 1)

    def forward(self, input, offsets=None):
        return F.embedding_bag(
            self.weight, input, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode
        )

    def __repr__(self):
        options = [str(self.num_embeddings), str(self.embedding_dim)]
        if self.max_norm is not None:
            options.append(f"max_norm={self.max_norm}")
        if self.norm_type != 2:
            options.append(f"norm_type={self.norm_type}")
        if self.scale_grad_by_freq:
            options.append("scale_grad_by_freq=True")
        return f"{type(self).__name__}({', '.join(options)}, mode={self.mode})"


class _Dropout(Module):
    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        F._check_probability(type(self).__name__, p)
        self.p, self.inplace = p, inplace

    def __repr__(self):
        return f"{type(self).__name__}(p={self.p}{', inplace' if self.inplace else ''})"


class Dropout(_Dropout):
    """Dropout(p=0.5, inplace=False): in training, each element is 0 with probability p, else scaled by 1/(1-p).

    Input: (*), any size; output: the same size. The identity in evaluation mode.
    Raises ValueError unless 0 <= p <= 1. Hinton et al. (2012).
    """

    def forward(self, input):
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Dropout2d(p=0.5, inplace=False): `Dropout` of whole channels of input N x C x H x W. Tompson et al. (2015)."""

    def forward(self, input):
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Dropout3d(p=0.5, inplace=False): `Dropout` of whole channels of input N x C x D x H x W."""

    def forward(self, input):
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_Dropout):
    """AlphaDropout(p=0.5): dropout that keeps mean 0 and variance 1, for networks of SELU.

    Input: (*), any size; output: the same size.
    In training, each element is -alpha' = -1.7581 with probability p, and the result is scaled and shifted back.
    Raises ValueError unless 0 <= p <= 1. Klambauer, Unterthiner, Mayr, Hochreiter (2017).
    """

    def __init__(self, p=0.5):
        super().__init__(p)

    def forward(self, input):
        return F.alpha_dropout(input, self.p, self.training)


class PairwiseDistance(Module):
    """PairwiseDistance(p=2, eps=1e-6): (sum_k (|x1_k - x2_k| + eps)^p)^(1/p) of two (N, D) inputs, an (N, 1) output."""

    def __init__(self, p=2, eps=1e-6):
        super().__init__()
        self.norm, self.eps = p, eps

    def forward(self, x1, x2):
        return F.pairwise_distance(x1, x2, self.norm, self.eps)


class CosineSimilarity(Module):
    """CosineSimilarity(dim=1, eps=1e-8): x1 . x2 / max(|x1| |x2|, eps) along dim.

    Called (x1, x2), both (*, D, *) with D at dim; output: (*, *), without that dimension.
    """

    def __init__(self, dim=1, eps=1e-8):
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1, x2):
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
