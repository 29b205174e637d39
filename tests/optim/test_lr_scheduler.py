"""Learning rate schedules: rates as closed formulas, called at the start of an epoch."""

import math

import pytest

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.optim import lr_scheduler


def optimizer(*rates):
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in rates or (0.1, 1.0)]
    return optim.SGD(groups, lr=5)


def rates(opt):
    return [g["lr"] for g in opt.param_groups]


SCHEDULES = {
    "step": (lambda o, **k: lr_scheduler.StepLR(o, 3, **k), lambda e: 0.1 ** (e // 3)),
    "milestones": (
        lambda o, **k: lr_scheduler.MultiStepLR(o, [2, 5, 9], gamma=0.5, **k),
        lambda e: 0.5 ** ((e >= 2) + (e >= 5) + (e >= 9)),
    ),
    "exponential": (lambda o, **k: lr_scheduler.ExponentialLR(o, 0.9, **k), lambda e: 0.9**e),
    "lambda": (lambda o, **k: lr_scheduler.LambdaLR(o, lambda e: 1 / (1 + e), **k), lambda e: 1 / (1 + e)),
    "cosine": (lambda o, **k: lr_scheduler.CosineAnnealingLR(o, 8, **k), lambda e: math.cos(math.pi * e / 16) ** 2),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_closed_formula(name):
    make, factor = SCHEDULES[name]
    opt = optimizer()
    scheduler = make(opt)
    assert rates(opt) == pytest.approx([0.1 * factor(0), factor(0)])
    assert scheduler.last_epoch == -1
    for epoch in range(12):
        scheduler.step()
        assert scheduler.last_epoch == epoch
        assert rates(opt) == pytest.approx([0.1 * factor(epoch), factor(epoch)])
    scheduler.step(4)
    assert rates(opt) == pytest.approx([0.1 * factor(4), factor(4)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_resuming(name):
    make, factor = SCHEDULES[name]
    opt = optimizer()
    make(opt)
    again = make(opt, last_epoch=6)
    assert rates(opt) == pytest.approx([0.1 * factor(7), factor(7)])
    again.step()
    assert again.last_epoch == 7
    with pytest.raises(KeyError, match="initial_lr"):
        make(optimizer(), last_epoch=6)


def test_the_cosine_ends_at_eta_min():
    opt = optimizer()
    scheduler = lr_scheduler.CosineAnnealingLR(opt, T_max=4, eta_min=0.02)
    for epoch, wanted in [(0, [0.1, 1.0]), (2, [0.06, 0.51]), (4, [0.02, 0.02]), (6, [0.06, 0.51])]:
        scheduler.step(epoch)
        assert rates(opt) == pytest.approx(wanted)
    with pytest.raises(ValueError, match="CosineAnnealingLR: T_max must be a positive number of epochs, got 0"):
        lr_scheduler.CosineAnnealingLR(opt, 0)


def test_one_lambda_a_group():
    opt = optimizer()
    scheduler = lr_scheduler.LambdaLR(opt, [lambda e: e, lambda e: 2 * e])
    scheduler.step(3)
    assert rates(opt) == pytest.approx([0.3, 6.0])
    with pytest.raises(ValueError, match="expected 2 functions"):
        lr_scheduler.LambdaLR(opt, [lambda e: e])


def test_refused():
    with pytest.raises(ValueError, match="increasing"):
        lr_scheduler.MultiStepLR(optimizer(), [5, 2])
    for make in (
        lambda o: lr_scheduler.StepLR(o, 1),
        lambda o: lr_scheduler.LambdaLR(o, lambda e: 1),
        lr_scheduler.ReduceLROnPlateau,
    ):
        with pytest.raises(TypeError, match="must be an Optimizer, got list"):
            make([])
    for options, word in [
        ({"factor": 1.0}, "factor"),
        ({"mode": "least"}, "mode"),
        ({"threshold_mode": "x"}, "threshold_mode"),
        ({"min_lr": [0.1]}, "min_lr must have 2"),
    ]:
        with pytest.raises(ValueError, match=word):
            lr_scheduler.ReduceLROnPlateau(optimizer(), **options)


def plateau(metrics, **options):
    opt = optimizer(1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, **options)
    seen = []
    for m in metrics:
        scheduler.step(m)
        seen.append(opt.param_groups[0]["lr"])
    return seen


def test_plateau_reduces_when_patience_is_exceeded():
    assert plateau([1, 1, 1, 1, 1, 1], patience=1) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert plateau([5, 4, 3, 2, 1, 0.5], patience=0) == [1] * 6


def test_plateau_cooldown_does_not_count():
    # reduced at epoch 1; epochs 2 and 3 cool down; epoch 4 is the first bad one that counts
    assert plateau([1] * 6, patience=0, cooldown=2) == [1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_plateau_thresholds():
    # 0.95 improves on 1 by less than 10 percent, by more than 0.04
    assert plateau([1, 0.95], patience=0, threshold=0.1) == [1, 0.5]
    assert plateau([1, 0.95], patience=0, threshold=0.04, threshold_mode="abs") == [1, 1]
    assert plateau([1, 1.05], patience=0, mode="max", threshold=0.1) == [1, 0.5]
    assert plateau([1, 1.05], patience=0, mode="max", threshold=0.04, threshold_mode="abs") == [1, 1]


def test_plateau_stops_at_min_lr_and_eps():
    assert plateau([1] * 4, patience=0, min_lr=0.4) == [1, 0.5, 0.4, 0.4]
    assert plateau([1] * 3, patience=0, eps=0.6) == [1, 1, 1]
    assert plateau([1] * 3, patience=0, min_lr=[0.4]) == [1, 0.5, 0.4]


def test_plateau_takes_variables_and_says_what_it_does(capsys):
    values = [Variable(torch.ones(1)), torch.ones(1)]
    assert plateau(values, patience=0, verbose=True) == [1, 0.5]
    assert capsys.readouterr().out == "Epoch     1: reducing learning rate of group 0 to 5.0000e-01.\n"
