"""The forecast of the airline series: no peeking, honest comparison, and the command line over it."""

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from minigrad.data import airline_passengers
from minigrad.tutorial import airline

ROOT = Path(__file__).parents[2]
PASSENGERS = airline_passengers()[1]

spec = importlib.util.spec_from_file_location("airline_example", ROOT / "examples" / "airline.py")
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)


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
def test_the_lstm_beats_both_naive_forecasts(seed):
    result = airline.experiment(seed=seed)
    errors = result.errors
    # The naive errors follow from the public figures alone.
    assert errors["same as last month"] == pytest.approx(51.78, abs=0.01)
    assert errors["same month last year"] == pytest.approx(49.99, abs=0.01)
    assert errors["LSTM"] < 0.6 * min(errors["same as last month"], errors["same month last year"])
    assert result.losses[-1] < 0.1 * result.losses[0]


def test_same_seed_same_forecast():
    first, again, other = (airline.experiment(epochs=3, seed=seed).forecasts["LSTM"] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_command_line_prints_errors_and_saves_the_plot(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "forecast.png"
    assert example.main(["--epochs", "2", "--hidden", "3", "--seed", "1", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "LSTM" in shown.out
    assert "same as last month              51.8" in shown.out
    assert "100%" in shown.err or "100 %" in shown.err
    assert out.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr(airline, "progress_bar", iter)
    out = tmp_path / "forecast.png"
    assert example.main(["--epochs", "1", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert 'pip install "minigrad-rnn[examples]"' in shown.err
    assert "LSTM" in shown.out
    assert not out.exists()


def test_progress_without_tqdm_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert list(airline.progress_bar(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == "\rtraining:  33 %\rtraining:  66 %\rtraining: 100 %\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "0"], "expected a whole number of at least 1, got 0"),
        (["--hidden", "many"], "--hidden"),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--out", "no/such/folder/x.png"], "--out: there is no folder"),
    ],
)
def test_bad_arguments_are_refused(argv, message, capsys):
    with pytest.raises(SystemExit) as caught:
        example.main(argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
