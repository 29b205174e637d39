"""Losses as modules. Equations, sizes and errors are those of the functions of `minigrad.nn.functional`.

``size_average=True`` divides the sum over all elements (samples, where a loss is one number a sample) by their count;
where there is ``reduce``, ``reduce=False`` gives one value each and ignores size_average.
"""

from minigrad._core import Tensor, Variable
from minigrad.nn import functional as F
from minigrad.nn.module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "HingeEmbeddingLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
]


def _constant_target(loss, target):
    """A gradient for the target is defined for some losses only; elsewhere asking for it is a mistake."""
    if isinstance(target, Variable) and target.requires_grad:
        raise AssertionError(
            f"{type(loss).__name__}: no gradient is defined for the target, but it requires grad; use target.detach()"
        )


class _Loss(Module):
    """Base of losses with the option size_average."""

    def __init__(self, size_average=True):
        super().__init__()
        self.size_average = size_average


class _WeightedLoss(_Loss):
    """Base of losses with a weight (a Tensor, kept as a buffer, or None)."""

    def __init__(self, weight=None, size_average=True):
        super().__init__(size_average)
        if isinstance(weight, Variable):
            raise TypeError(f"{type(self).__name__}: weight must be a Tensor or None, got a Variable; take its .data")
        if weight is not None and not isinstance(weight, Tensor):
            raise TypeError(f"{type(self).__name__}: weight must be a Tensor or None, got {type(weight).__name__}")
        self.register_buffer("weight", weight)


class _PairLoss(_Loss):
    """Base of elementwise losses with the options size_average and reduce."""

    def __init__(self, size_average=True, reduce=True):
        super().__init__(size_average)
        self.reduce = reduce


class L1Loss(_PairLoss):
    """L1Loss(size_average=True, reduce=True): the mean of |input - target|.

    input, target: (*), of one size. Output: (1); with reduce=False (*). Function: `functional.l1_loss`.
    """

    def forward(self, input, target):
        _constant_target(self, target)
        return F.l1_loss(input, target, size_average=self.size_average, reduce=self.reduce)


class MSELoss(_PairLoss):
    """MSELoss(size_average=True, reduce=True): the mean of (input - target)^2.

    input, target: (*), of one size. Output: (1); with reduce=False (*). size_average=False: the sum. Targets of another
    size with as many elements are compared in order, with a warning. AssertionError for a target that requires grad.

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> nn.MSELoss()(Variable(torch.Tensor([1, 2])), Variable(torch.Tensor([1, 4]))).data[0]
    2.0
    """

    def forward(self, input, target):
        _constant_target(self, target)
        return F.mse_loss(input, target, size_average=self.size_average, reduce=self.reduce)


class SmoothL1Loss(_PairLoss):
    """SmoothL1Loss(size_average=True, reduce=True): the mean of d^2 / 2 where |d| < 1, else |d| - 1/2, d = input -
    target.

    input, target: (*), of one size. Output: (1); with reduce=False (*). Girshick (2015), as Huber (1964) with bound 1.
    """

    def forward(self, input, target):
        _constant_target(self, target)
        return F.smooth_l1_loss(input, target, size_average=self.size_average, reduce=self.reduce)


class KLDivLoss(_PairLoss):
    """KLDivLoss(size_average=True, reduce=True): the mean of target (log(target) - input), 0 where target <= 0.

    input: (*), *logarithms* of probabilities; target: probabilities, of the same size. Output: (1); with reduce=False
    (*). The mean is over all elements; for the divergence of distributions take size_average=False and divide by their
    number.
    """

    def forward(self, input, target):
        _constant_target(self, target)
        return F.kl_div(input, target, size_average=self.size_average, reduce=self.reduce)


class NLLLoss(_WeightedLoss):
    """NLLLoss(weight=None, size_average=True, ignore_index=-100, reduce=True): minus the log-probability of the target.

        loss_n = -weight[t_n] input[n, t_n],    loss = sum_n loss_n / sum_n weight[t_n]

    over the samples whose target t_n is not ignore_index. input: (N, C), log-probabilities, for example of
    LogSoftmax, or (N, C, H, W); target: LongTensor (N), or (N, H, W), of classes 0 to C - 1; weight: Tensor (C).
    Output: (1); with size_average=False the sum; with reduce=False (N). ValueError for an input of another number of
    dimensions.

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> logp = Variable(torch.Tensor([[-1, -2], [-3, -4]]))
    >>> nn.NLLLoss()(logp, Variable(torch.LongTensor([1, 0]))).data[0]
    2.5
    """

    def __init__(self, weight=None, size_average=True, ignore_index=-100, reduce=True):
        super().__init__(weight, size_average)
        self.ignore_index, self.reduce = ignore_index, reduce

    def forward(self, input, target):
        _constant_target(self, target)
        return F.nll_loss(input, target, self.weight, self.size_average, self.ignore_index, self.reduce)


class NLLLoss2d(NLLLoss):
    """NLLLoss2d: `NLLLoss` under its name for input of size (N, C, H, W) and target (N, H, W)."""


class CrossEntropyLoss(_WeightedLoss):
    """CrossEntropyLoss(weight=None, size_average=True, ignore_index=-100, reduce=True): NLLLoss of LogSoftmax.

        loss_n = weight[t_n] (log(sum_c exp(input[n, c])) - input[n, t_n]),    loss = sum_n loss_n / sum_n weight[t_n]

    input: (N, C), scores of any sign, or (N, C, H, W); target: LongTensor (N), or (N, H, W), of classes 0 to C - 1;
    weight: Tensor (C). Samples whose target is ignore_index count for nothing. Output: (1); with size_average=False the
    sum; with reduce=False (N).

    >>> import minigrad as torch
    >>> from minigrad import nn
    >>> from minigrad.autograd import Variable
    >>> scores = Variable(torch.zeros(3, 4))
    >>> round(nn.CrossEntropyLoss()(scores, Variable(torch.LongTensor([0, 1, 2]))).data[0], 4)    # log(4)
    1.3863
    """

    def __init__(self, weight=None, size_average=True, ignore_index=-100, reduce=True):
        super().__init__(weight, size_average)
        self.ignore_index, self.reduce = ignore_index, reduce

    def forward(self, input, target):
        _constant_target(self, target)
        return F.cross_entropy(input, target, self.weight, self.size_average, self.ignore_index, self.reduce)


class PoissonNLLLoss(_Loss):
    """PoissonNLLLoss(log_input=True, full=False, size_average=True, eps=1e-8): of counts with a Poisson distribution.

        exp(x) - t x        log_input=False:   x - t log(x + eps)

    full adds Stirling's t log(t) - t + log(2 pi t) / 2 where t > 1. input, target: (*), of one size. Output: (1).
    """

    def __init__(self, log_input=True, full=False, size_average=True, eps=1e-8):
        super().__init__(size_average)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input, target):
        _constant_target(self, target)
        return F.poisson_nll_loss(log_input, target, self.log_input, self.full, self.size_average, self.eps)


class BCELoss(_WeightedLoss):
    """BCELoss(weight=None, size_average=True): binary cross-entropy of probabilities.

        the mean of  -weight (t log(x) + (1 - t) log(1 - x))

    input: (*), in [0, 1], for example of Sigmoid; target: of the same size; weight: Tensor that broadcasts to it.
    Output: (1). Another size with as many elements warns; ValueError for another number of elements, RuntimeError for
    an input outside [0, 1]. BCEWithLogitsLoss does not lose digits near 0 and 1.
    """

    def forward(self, input, target):
        _constant_target(self, target)
        return F.binary_cross_entropy(input, target, self.weight, self.size_average)


class BCEWithLogitsLoss(_WeightedLoss):
    """BCEWithLogitsLoss(weight=None, size_average=True): binary cross-entropy of Sigmoid, in one stable form.

        the mean of  weight (max(x, 0) - x t + log(1 + exp(-|x|)))

    input: (*), any real numbers; target: of the same size, in [0, 1]; weight: Tensor that broadcasts to it. Output:
    (1). ValueError if the sizes differ.
    """

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.size_average)


class HingeEmbeddingLoss(_Loss):
    """HingeEmbeddingLoss(margin=1.0, size_average=True): the mean of x where t = 1, max(0, margin - x) where t = -1.

    input x: (*), distances; target t: of the same size, 1 or -1. Output: (1).
    """

    def __init__(self, margin=1.0, size_average=True):
        super().__init__(size_average)
        self.margin = margin

    def forward(self, input, target):
        return F.hinge_embedding_loss(input, target, self.margin, self.size_average)


class MarginRankingLoss(_Loss):
    """MarginRankingLoss(margin=0, size_average=True): the mean of max(0, -t (x1 - x2) + margin).

    Called (x1, x2, t), all (*) of one size; t is 1 where x1 should be larger, -1 where x2 should. Output: (1).
    """

    def __init__(self, margin=0, size_average=True):
        super().__init__(size_average)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.margin_ranking_loss(input1, input2, target, self.margin, self.size_average)


class CosineEmbeddingLoss(_Loss):
    """CosineEmbeddingLoss(margin=0, size_average=True): over samples, the mean of 1 - cos(x1, x2) where t = 1, and
    max(0, cos(x1, x2) - margin) where t = -1.

    Called (x1, x2, t): x1, x2: (N, D); t: (N), 1 or -1. Output: (1).
    """

    def __init__(self, margin=0, size_average=True):
        super().__init__(size_average)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.size_average)


class SoftMarginLoss(_Loss):
    """SoftMarginLoss(size_average=True): the mean of log(1 + exp(-t x)).

    input x: (*); target t: of the same size, 1 or -1. Output: (1).
    """

    def forward(self, input, target):
        _constant_target(self, target)
        return F.soft_margin_loss(input, target, self.size_average)


class MultiLabelMarginLoss(_Loss):
    """MultiLabelMarginLoss(size_average=True): hinge loss between each target class and every other one.

        loss_n = sum over targets j, other classes i of  max(0, 1 - x[n, j] + x[n, i]) / C

    input x: (N, C) or (C); target: LongTensor of the same size, whose rows list classes and end at the first -1.
    Output: (1), the mean over samples; size_average=False: the sum.
    """

    def forward(self, input, target):
        _constant_target(self, target)
        return F.multilabel_margin_loss(input, target, self.size_average)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """MultiLabelSoftMarginLoss(weight=None, size_average=True): BCELoss of Sigmoid, without forming it.

    input: (N, C); target: (N, C), in [0, 1]; weight: Tensor (C). Output: (1).
    """

    def forward(self, input, target):
        return F.multilabel_soft_margin_loss(input, target, self.weight, self.size_average)


class MultiMarginLoss(_WeightedLoss):
    """MultiMarginLoss(p=1, margin=1, weight=None, size_average=True): multi-class hinge loss.

        loss_n = sum over classes i other than t_n of  weight[t_n] max(0, margin - x[n, t_n] + x[n, i])^p / C

    input x: (N, C); target t: LongTensor (N); weight: Tensor (C). Output: (1), the mean over samples;
    size_average=False: the sum. Raises ValueError unless p is 1 or 2.
    """

    def __init__(self, p=1, margin=1, weight=None, size_average=True):
        super().__init__(weight, size_average)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        self.p, self.margin = p, margin

    def forward(self, input, target):
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.size_average)


class TripletMarginLoss(Module):
    """TripletMarginLoss(margin=1.0, p=2, eps=1e-6, swap=False): the mean of max(0, margin + d(a, p) - d(a, n)).

    Called (anchor, positive, negative), each (N, D); d is the p-distance of `functional.pairwise_distance`. Output:
    (1). swap: the smaller of d(a, n) and d(p, n) in place of d(a, n), Balntas et al. (2016). AssertionError for sizes
    that differ or a margin not above 0.
    """

    def __init__(self, margin=1.0, p=2, eps=1e-6, swap=False):
        super().__init__()
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap)
