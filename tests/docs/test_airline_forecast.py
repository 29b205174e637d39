"""The forecast of the airline series: no peeking, honest comparison, and the example over it."""

import importlib
import math
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as torch
from minigrad import optim
from minigrad.data import airline_passengers
from minigrad.tutorial import airline

ROOT = Path(__file__).parents[2]
PASSENGERS = airline_passengers()[1]


@pytest.fixture
def example(monkeypatch):
    """The program examples/airline.py as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    return importlib.import_module("airline")


def test_windows_hold_the_twelve_changes_before_their_target():
    data = airline.prepare(PASSENGERS)
    changes = (np.diff(np.log(PASSENGERS)) - data.mean) / data.std
    inputs = np.concatenate([data.train_inputs.numpy(), data.test_inputs.numpy()], axis=1)
    assert inputs.shape == (12, 131, 1)
    for k in range(131):
        np.testing.assert_allclose(inputs[:, k, 0], changes[k : k + 12], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(data.train_targets.numpy()[:, 0], changes[12:119], rtol=1e-5, atol=1e-6)
    assert data.before.tolist() == PASSENGERS[119:143]
    assert data.actual.tolist() == PASSENGERS[120:]


def test_training_sees_nothing_of_the_test_months():
    other = PASSENGERS[:120] + [7 * value + 11 for value in PASSENGERS[120:]]
    data, changed = airline.prepare(PASSENGERS), airline.prepare(other)
    assert (data.mean, data.std) == (changed.mean, changed.std)
    np.testing.assert_array_equal(data.train_inputs.numpy(), changed.train_inputs.numpy())
    np.testing.assert_array_equal(data.train_targets.numpy(), changed.train_targets.numpy())


def test_a_forecast_uses_nothing_from_its_own_month_on():
    model = airline.Forecaster(4)
    before = airline.forecast(model, airline.prepare(PASSENGERS))
    for month in (120, 131, 143):
        other = PASSENGERS[:month] + [3 * value for value in PASSENGERS[month:]]
        after = airline.forecast(model, airline.prepare(other))
        np.testing.assert_array_equal(after[: month - 119], before[: month - 119])


def test_simple_forecasts_by_hand():
    simple = airline.simple_forecasts([100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200, 210, 220, 231, 999], 2)
    assert {name: values.tolist() for name, values in simple.items()} == {
        "same as last month": [220, 231],
        "same month last year": [110, 120],
        "same growth as a year before": [pytest.approx(242), pytest.approx(252)],
    }


def test_rmse_by_hand():
    assert airline.rmse([1, 2, 3], [1, 4, 7]) == pytest.approx(math.sqrt(20 / 3))


@pytest.mark.parametrize("test_months", [0, 130, 144])
def test_prepare_refuses_a_split_without_room(test_months):
    with pytest.raises(ValueError, match=f"test_months must leave .* 144 months for training, got {test_months}"):
        airline.prepare(PASSENGERS, test_months)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_lstm_beats_both_naive_forecasts(example, seed, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "forecast.png"
    errors = example.main(["--seed", str(seed), "--out", str(out)])
    # The naive errors follow from the public figures alone.
    assert errors["same as last month"] == pytest.approx(51.78, abs=0.01)
    assert errors["same month last year"] == pytest.approx(49.99, abs=0.01)
    assert errors["LSTM"] < 0.6 * min(errors["same as last month"], errors["same month last year"])
    shown = capsys.readouterr()
    assert "same as last month              51.8" in shown.out
    assert "100%" in shown.err or "100 %" in shown.err
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_loss_falls_and_fitting_goes_on_with_an_optimizer():
    data = airline.prepare(PASSENGERS)
    whole, pieces = [], []
    for losses, epochs in ((whole, [200]), (pieces, [150, 1, 49])):
        torch.manual_seed(0)
        model = airline.Forecaster(32)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        for count in epochs:
            losses += airline.fit(model, data.train_inputs, data.train_targets, count, optimizer=optimizer)
    assert pieces == whole
    assert whole[-1] < 0.1 * whole[0]


def test_same_seed_same_forecast(example, tmp_path):
    found = [example.main(["--epochs", "3", "--seed", s, "--out", str(tmp_path / "f.png")]) for s in "556"]
    assert found[0] == found[1]
    assert found[0]["LSTM"] != found[2]["LSTM"]


def test_progress_without_tqdm_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(airline.progress_bar(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == "\rtraining:  33 %\rtraining:  66 %\rtraining: 100 %\n"
    steps = iter(airline.progress_bar(range(3)))
    next(steps), next(steps)
    steps.close()
    assert capsys.readouterr().err == "\rtraining:  33 %\n", "what is said next starts a line"
