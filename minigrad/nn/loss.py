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
    """L1Loss(size_average=True, reduce=True): `functional.l1_loss`, mean of abs(input - target)."""

    def forward(self, input, target):
        _constant_target(self, target)
        return F.l1_loss(input, target, size_average=self.size_average, reduce=self.reduce)


class MSELoss(_PairLoss):
    """MSELoss(size_average=True, reduce=True): `functional.mse_loss`, mean of (input - target)^2."""

    def forward(self, input, target):
        _constant_target(self, target)
        return F.mse_loss(input, target, size_average=self.size_average, reduce=self.reduce)


class SmoothL1Loss(_PairLoss):
    """SmoothL1Loss(size_average=True, reduce=True): `functional.smooth_l1_loss`, squares near 0."""

    def forward(self, input, target):
        _constant_target(self, target)
        return F.smooth_l1_loss(input, target, size_average=self.size_average, reduce=self.reduce)


class KLDivLoss(_PairLoss):
    """KLDivLoss(size_average=True, reduce=True): `functional.kl_div`; input holds log-probabilities."""

    def forward(self, input, target):
        _constant_target(self, target)
        return F.kl_div(input, target, size_average=self.size_average, reduce=self.reduce)


class NLLLoss(_WeightedLoss):
    """NLLLoss(weight=None, size_average=True, ignore_index=-100, reduce=True): `functional.nll_loss`."""

    def __init__(self, weight=None, size_average=True, ignore_index=-100, reduce=True):
        super().__init__(weight, size_average)
        self.ignore_index, self.reduce = ignore_index, reduce

    def forward(self, input, target):
        _constant_target(self, target)
        return F.nll_loss(input, target, self.weight, self.size_average, self.ignore_index, self.reduce)


class NLLLoss2d(NLLLoss):
    """NLLLoss2d: `NLLLoss` under its name for input of size N x C x H x W."""


class CrossEntropyLoss(_WeightedLoss):
    """CrossEntropyLoss(weight=None, size_average=True, ignore_index=-100, reduce=True): `functional.cross_entropy`."""

    def __init__(self, weight=None, size_average=True, ignore_index=-100, reduce=True):
        super().__init__(weight, size_average)
        self.ignore_index, self.reduce = ignore_index, reduce

    def forward(self, input, target):
        _constant_target(self, target)
        return F.cross_entropy(input, target, self.weight, self.size_average, self.ignore_index, self.reduce)


class PoissonNLLLoss(_Loss):
    """PoissonNLLLoss(log_input=True, full=False, size_average=True, eps=1e-8): `functional.poisson_nll_loss`."""

    def __init__(self, log_input=True, full=False, size_average=True, eps=1e-8):
        super().__init__(size_average)
        self.log_input, self.full, self.eps = log_input, full, eps

    def forward(self, log_input, target):
        _constant_target(self, target)
        return F.poisson_nll_loss(log_input, target, self.log_input, self.full, self.size_average, self.eps)


class BCELoss(_WeightedLoss):
    """BCELoss(weight=None, size_average=True): `functional.binary_cross_entropy`; input holds probabilities."""

    def forward(self, input, target):
        _constant_target(self, target)
        return F.binary_cross_entropy(input, target, self.weight, self.size_average)


class BCEWithLogitsLoss(_WeightedLoss):
    """BCEWithLogitsLoss(weight=None, size_average=True): `functional.binary_cross_entropy_with_logits`."""

    def forward(self, input, target):
        return F.binary_cross_entropy_with_logits(input, target, self.weight, self.size_average)


class HingeEmbeddingLoss(_Loss):
    """HingeEmbeddingLoss(margin=1.0, size_average=True): `functional.hinge_embedding_loss`."""

    def __init__(self, margin=1.0, size_average=True):
        super().__init__(size_average)
        self.margin = margin

    def forward(self, input, target):
        return F.hinge_embedding_loss(input, target, self.margin, self.size_average)


class MarginRankingLoss(_Loss):
    """MarginRankingLoss(margin=0, size_average=True): `functional.margin_ranking_loss`. Called (x1, x2, target)."""

    def __init__(self, margin=0, size_average=True):
        super().__init__(size_average)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.margin_ranking_loss(input1, input2, target, self.margin, self.size_average)


class CosineEmbeddingLoss(_Loss):
    """CosineEmbeddingLoss(margin=0, size_average=True): `functional.cosine_embedding_loss`. Called (x1, x2, y)."""

    def __init__(self, margin=0, size_average=True):
        super().__init__(size_average)
        self.margin = margin

    def forward(self, input1, input2, target):
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.size_average)


class SoftMarginLoss(_Loss):
    """SoftMarginLoss(size_average=True): `functional.soft_margin_loss`."""

    def forward(self, input, target):
        _constant_target(self, target)
        return F.soft_margin_loss(input, target, self.size_average)


class MultiLabelMarginLoss(_Loss):
    """MultiLabelMarginLoss(size_average=True): `functional.multilabel_margin_loss`."""

    def forward(self, input, target):
        _constant_target(self, target)
        return F.multilabel_margin_loss(input, target, self.size_average)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """MultiLabelSoftMarginLoss(weight=None, size_average=True): `functional.multilabel_soft_margin_loss`."""

    def forward(self, input, target):
        return F.multilabel_soft_margin_loss(input, target, self.weight, self.size_average)


class MultiMarginLoss(_WeightedLoss):
    """MultiMarginLoss(p=1, margin=1, weight=None, size_average=True): `functional.multi_margin_loss`.

    Raises ValueError unless p is 1 or 2.
    """

    def __init__(self, p=1, margin=1, weight=None, size_average=True):
        super().__init__(weight, size_average)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: p must be 1 or 2, got {p}")
        self.p, self.margin = p, margin

    def forward(self, input, target):
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.size_average)


class TripletMarginLoss(Module):
    """TripletMarginLoss(margin=1.0, p=2, eps=1e-6, swap=False): `functional.triplet_margin_loss`.

    Called (anchor, positive, negative), each N x D.
    """

    def __init__(self, margin=1.0, p=2, eps=1e-6, swap=False):
        super().__init__()
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor, positive, negative):
        return F.triplet_margin_loss(anchor, positive, negative, self.margin, self.p, self.eps, self.swap)
