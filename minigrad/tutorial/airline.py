"""One-step-ahead forecasts of the airline series by an LSTM: the model, its training, and its honest comparison.

The series grows, and so do its yearly swings. The logarithm turns growth by a factor into growth by a step, and the
difference of two months takes the trend away: the network sees and predicts

    d(t) = log v(t) - log v(t-1),   scaled to mean 0 and standard deviation 1,

from the twelve values of d before it. Mean and deviation come from the training months only, and a forecast for month
t uses nothing later than month t-1, so that nothing of the test months leaks into training.

The settings below were chosen by training up to 1956 and forecasting 1957 and 1958, before a test month was looked at.
"""

import math
import sys
from typing import NamedTuple

import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable

__all__ = [
    "Data",
    "Forecaster",
    "draw",
    "fit",
    "forecast",
    "plot",
    "prepare",
    "progress_bar",
    "rmse",
    "simple_forecasts",
]

YEAR = 12
TEST_MONTHS = 24


class Data(NamedTuple):
    """The series as the network takes it; the windows of all months before the test, and of the test months."""

    train_inputs: object  # FloatTensor (12, months, 1): time first, as nn.LSTM expects
    train_targets: object  # FloatTensor (months, 1)
    test_inputs: object  # FloatTensor (12, test months, 1)
    before: np.ndarray  # passengers in the month before each test month
    actual: np.ndarray  # passengers in the test months
    mean: float
    std: float


def prepare(passengers, test_months=TEST_MONTHS):
    """Cut the series into `Data`, the last `test_months` of it for the test."""
    values = np.asarray(passengers, dtype=np.float64)
    split = len(values) - test_months
    if test_months < 1 or split < YEAR + 3:
        raise ValueError(
            f"test_months must leave at least {YEAR + 3} of the {len(values)} months for training, got {test_months}"
        )
    changes = np.diff(np.log(values))  # changes[k] leads from month k to month k + 1
    known = changes[: split - 1]
    mean, std = known.mean(), known.std()
    scaled = ((changes - mean) / std).astype(np.float32)
    windows = np.stack([scaled[k : len(scaled) - YEAR + k] for k in range(YEAR)])[:, :, np.newaxis]
    targets = scaled[YEAR:, np.newaxis]
    count = len(targets) - test_months
    return Data(
        train_inputs=torch.from_numpy(windows[:, :count].copy()),
        train_targets=torch.from_numpy(targets[:count].copy()),
        test_inputs=torch.from_numpy(windows[:, count:].copy()),
        before=values[split - 1 : -1],
        actual=values[split:],
        mean=float(mean),
        std=float(std),
    )


class Forecaster(nn.Module):
    """An LSTM reads the changes of twelve months; a linear layer turns its last output into the next change."""

    def __init__(self, hidden_size=32):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden_size)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, changes):
        out, _ = self.lstm(changes)  # (12, months, hidden_size)
        return self.head(out[-1])  # (months, 1)


def fit(model, inputs, targets, epochs=200, lr=0.01, progress=iter, optimizer=None):
    """Train `model` on all windows at once; returns the loss before each step.

    `progress` wraps the range of epochs, for example `progress_bar`. Without an optimizer, a new Adam with the learning
    rate `lr` takes the steps.
    """
    inputs, targets = Variable(inputs), Variable(targets)
    criterion = nn.MSELoss()
    optimizer = optimizer or optim.Adam(model.parameters(), lr=lr)
    losses = []
    for _ in progress(range(epochs)):
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.data[0])
    return losses


def forecast(model, data):
    """The passengers that `model` expects in each test month, from the true months before it."""
    changes = model(Variable(data.test_inputs, volatile=True)).data.cpu().view(-1).numpy()
    return data.before * np.exp(changes.astype(np.float64) * data.std + data.mean)


def simple_forecasts(passengers, test_months=TEST_MONTHS):
    """Three rules without any learning, as pairs of name and forecasts: what a network has to beat."""
    values = np.asarray(passengers, dtype=np.float64)
    test = np.arange(len(values) - test_months, len(values))
    return {
        "same as last month": values[test - 1],
        "same month last year": values[test - YEAR],
        "same growth as a year before": values[test - 1] * values[test - YEAR] / values[test - YEAR - 1],
    }


def rmse(forecasts, actual):
    """Root of the mean squared error, in the unit of the series (thousands of passengers)."""
    return math.sqrt(np.mean((np.asarray(forecasts) - np.asarray(actual)) ** 2))


def progress_bar(steps, description="training"):
    """Iterate over `steps` behind a tqdm bar on stderr, or a percentage in one line where tqdm is not installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return _percentage(steps, description)
    return tqdm(steps, desc=description, unit="epoch")


def _percentage(steps, description):
    shown = None
    try:
        for done, step in enumerate(steps):
            yield step
            percent = 100 * (done + 1) // len(steps)
            if percent != shown:
                print(f"\r{description}: {percent:3d} %", end="", file=sys.stderr, flush=True)
                shown = percent
    finally:  # whatever is said next starts a line, also when the steps were not finished
        print(file=sys.stderr)


def plot(path, months, passengers, values):
    """Save the picture of `draw`; `path` ends in the format. Raises ImportError when matplotlib is not installed."""
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    draw(figure, months, passengers, values)
    figure.savefig(path, dpi=120)


def draw(figure, months, passengers, values):
    """Draw the series, and `values`, forecasts of its last months, into a figure of matplotlib."""
    years = [int(month[:4]) + (int(month[5:]) - 0.5) / YEAR for month in months]
    axes = figure.subplots()
    axes.plot(years, passengers, color="#24292f", linewidth=1.2, label="observed")
    label = f"LSTM, one month ahead (RMSE {rmse(values, passengers[-len(values) :]):.1f})"
    axes.plot(years[-len(values) :], values, "o-", color="#d1570b", markersize=3.5, linewidth=1.2, label=label)
    axes.axvline(years[-len(values)] - 0.5 / YEAR, color="#8c959f", linestyle="--", linewidth=1)
    axes.set(xlabel="year", ylabel="passengers a month, thousands", title="International airline passengers")
    axes.legend(loc="upper left")
    axes.grid(alpha=0.25)
