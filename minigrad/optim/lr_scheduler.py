"""Learning rates that change over the epochs.

A scheduler's `step()` is called at the *start* of an epoch (the habit up to PyTorch 1.0): making one already sets the
rates of epoch 0, and the first `step()` is epoch 0 again. Rates are closed formulas of ``base_lrs``, the rates the
groups started with, so that `step(epoch)` may go anywhere.
"""

import math
import numbers
from bisect import bisect_right

from minigrad._core import Tensor, Variable
from minigrad.optim.optimizer import Optimizer
from minigrad.utils import missing

__all__ = ["CosineAnnealingLR", "ExponentialLR", "LambdaLR", "MultiStepLR", "ReduceLROnPlateau", "StepLR"]


def _check_optimizer(scheduler, optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(scheduler).__name__}: optimizer must be an Optimizer, got {type(optimizer).__name__}")


class _LRScheduler:
    """Base: a subclass gives `get_lr()`, the rates at epoch ``last_epoch``, one a parameter group.

    Raises TypeError if optimizer is no Optimizer; KeyError when resuming (last_epoch other than -1) and a group has no
    ``initial_lr``.
    """

    def __init__(self, optimizer, last_epoch=-1):
        _check_optimizer(self, optimizer)
        self.optimizer = optimizer
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: parameter group {k} has no 'initial_lr', which resuming at "
                    f"last_epoch={last_epoch} needs; load the optimizer's state dict first, or set it"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.step(last_epoch + 1)
        self.last_epoch = last_epoch

    def get_lr(self):
        raise NotImplementedError(f"{type(self).__name__} does not implement get_lr()")

    def step(self, epoch=None):
        """Set the rates of `epoch`, by default the one after ``last_epoch``."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        for group, lr in zip(self.optimizer.param_groups, self.get_lr()):
            group["lr"] = lr


class LambdaLR(_LRScheduler):
    """LambdaLR(optimizer, lr_lambda, last_epoch=-1): lr = base_lr * lr_lambda(epoch).

    lr_lambda: a function, or a list of them, one a parameter group (ValueError if their numbers differ).
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        _check_optimizer(self, optimizer)
        groups = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"LambdaLR: expected {groups} functions, one a parameter group, got {len(self.lr_lambdas)}"
            )
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"LambdaLR: lr_lambda must be a function of the epoch, got {type(f).__name__}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs)]


class StepLR(_LRScheduler):
    """StepLR(optimizer, step_size, gamma=0.1, last_epoch=-1): lr = base_lr * gamma^floor(epoch / step_size).

    Raises ValueError unless step_size is positive.
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        if isinstance(step_size, bool) or not isinstance(step_size, numbers.Real) or not step_size > 0:
            raise ValueError(f"StepLR: step_size must be a positive number of epochs, got {step_size!r}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(_LRScheduler):
    """MultiStepLR(optimizer, milestones, gamma=0.1, last_epoch=-1): lr = base_lr * gamma^(milestones reached).

    Raises ValueError unless the milestones increase.
    """

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        if list(milestones) != sorted(milestones):
            raise ValueError(f"MultiStepLR: milestones must be a list of increasing epochs, got {milestones}")
        self.milestones, self.gamma = milestones, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * self.gamma ** bisect_right(self.milestones, self.last_epoch) for base in self.base_lrs]


class ExponentialLR(_LRScheduler):
    """ExponentialLR(optimizer, gamma, last_epoch=-1): lr = base_lr * gamma^epoch."""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class CosineAnnealingLR(_LRScheduler):
    """CosineAnnealingLR(optimizer, T_max, eta_min=0, last_epoch=-1): half a cosine from base_lr down to eta_min.

    lr = eta_min + (base_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2; after T_max epochs it rises again.

    Raises ValueError unless T_max is positive.
    """

    def __init__(self, optimizer, T_max, eta_min=0, last_epoch=-1):
        if not T_max > 0:
            raise ValueError(f"CosineAnnealingLR: T_max must be a positive number of epochs, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class ReduceLROnPlateau:
    """ReduceLROnPlateau(optimizer, mode='min', factor=0.1, patience=10, verbose=False, threshold=1e-4,
    threshold_mode='rel', cooldown=0, min_lr=0, eps=1e-8): lr <- max(lr * factor, min_lr) when a metric stops improving.

    `step(metric)` is called once an epoch. The metric is better than the best so far if, in mode 'min', it is below
    best * (1 - threshold) ('rel') or best - threshold ('abs'); in mode 'max' if it is above best * (1 + threshold) or
    best + threshold. After more than `patience` epochs in a row without, the rates are reduced, and the following
    `cooldown` epochs do not count. A reduction of eps or less is not made. min_lr: a number, or a list, one a group.

    Raises ValueError if factor >= 1, a mode is unknown, or min_lr has the wrong length.
    """

    def __init__(
        self, optimizer, mode="min", factor=0.1, patience=10, verbose=False, threshold=1e-4, threshold_mode="rel",
        cooldown=0, min_lr=0, eps=1e-8,
    ):  # fmt: skip
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: threshold_mode must be 'rel' or 'abs', got {threshold_mode!r}")
        _check_optimizer(self, optimizer)
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(
                f"ReduceLROnPlateau: min_lr must have {groups} entries, one a group, got {len(self.min_lrs)}"
            )
        self.optimizer, self.factor, self.patience, self.verbose = optimizer, factor, patience, verbose
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.last_epoch = -1
        self._reset()

    def _reset(self):
        """Forget the best metric and the epochs counted."""
        self.best = float("inf") if self.mode == "min" else -float("inf")
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    @property
    def in_cooldown(self):
        return self.cooldown_counter > 0

    def is_better(self, a, best):
        """Whether metric `a` improves on `best` by more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        bar = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return sign * a > sign * bar

    def step(self, metrics, epoch=None):
        """Count an epoch that ended with the metric `metrics` (a number, or a Tensor or Variable of one element)."""
        current = float(metrics) if isinstance(metrics, (Tensor, Variable)) else metrics
        self.last_epoch = epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr(epoch)
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _reduce_lr(self, epoch):
        for k, (group, smallest) in enumerate(zip(self.optimizer.param_groups, self.min_lrs)):
            old = float(group["lr"])
            new = max(old * self.factor, smallest)
            if old - new > self.eps:
                group["lr"] = new
                if self.verbose:
                    print(f"Epoch {epoch:5d}: reducing learning rate of group {k} to {new:.4e}.")


__getattr__ = missing.attribute_error(__name__)
