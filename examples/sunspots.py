"""Forecast the yearly number of sunspots, one year and eleven years ahead, with an LSTM beside classical forecasts.

    python examples/sunspots.py [--epochs 75] [--networks 5] [--hidden 32] [--seed 0] [--device cpu] [--checkpoint PATH]

The number rises and falls in cycles of about eleven years whose length and height nobody can foretell. An LSTM reads
the 22 years before and says the next; fed back as if it had been observed, its forecast brings the year after that,
and so on for eleven years. The forecast is the mean of a few networks that differ in their initial weights only.

The baselines: the last year again; the same year of the last cycle, eleven years before; and the linear
autoregression of nine years that time-series books fit to this series,

    v(t) = a_0 + a_1 v(t-1) + ... + a_9 v(t-9),   by least squares, on v and on sqrt(v).

All learn from 1700 to 1964 and forecast 1965 to 2008. The LSTM's settings were chosen by training up to 1920 and
forecasting 1921 to 1964, before a test year was looked at.
"""

import common
import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.data import sunspots
from minigrad.nn import functional as F

TEST, WINDOW, AHEAD, ORDER = 44, 22, 11, 9  # years of the test, read, forecast, of the autoregression
RATE = 0.01
COLOURS = {
    "LSTM": "#0969da",
    "autoregression": "#cf222e",
    "autoregression of roots": "#bf8700",
    "eleven years before": "#8c959f",
    "last year": "#d0d7de",
}


class Forecaster(nn.Module):
    """An LSTM reads the years before; a linear layer turns its last output into the next year."""

    def __init__(self, hidden_size):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden_size)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, years):
        outputs, _ = self.lstm(years)  # (WINDOW, batch, hidden_size)
        return self.head(self.dropout(outputs[-1]))  # (batch, 1)


class Scale:
    """To mean 0 and standard deviation 1, as they are in the years before the test; and back."""

    def __init__(self, known):
        self.mean, self.std = known.mean(), known.std()

    def to(self, numbers):
        return (numbers - self.mean) / self.std

    def back(self, scaled):
        return scaled * self.std + self.mean


def windows(numbers, length):
    """(length, windows): every stretch of `length` years that is followed by one more, side by side."""
    return np.stack([numbers[k : len(numbers) - length + k] for k in range(length)])


def paths(numbers, test, window, step):
    """Forecasts of the next AHEAD years, made at the start of each of the last `test` years: (test, AHEAD).

    step(years): the year that follows each column of years (window, columns). It is asked again with its own answers.
    """
    years = windows(numbers, window)[:, -test:]
    found = []
    for _ in range(AHEAD):
        found.append(step(years))
        years = np.concatenate([years[1:], found[-1][np.newaxis]])
    return np.stack(found, 1)


def classical(numbers, test):
    """The baselines: their paths by name."""
    split = len(numbers) - test
    before = windows(numbers, AHEAD)[:, -test:].T  # the last eleven years known, the earliest first
    found = {"last year": before[:, -1:].repeat(AHEAD, 1), "eleven years before": before}
    for name, there, back in (
        ("autoregression", lambda v: v, lambda v: v),
        ("autoregression of roots", np.sqrt, lambda v: v.clip(0) ** 2),
    ):
        years = there(numbers)
        known = np.vstack([np.ones(split - ORDER), windows(years[:split], ORDER)])
        weights = np.linalg.lstsq(known.T, years[ORDER:split], rcond=None)[0]
        found[name] = back(paths(years, test, ORDER, lambda v, w=weights: w[0] + w[1:] @ v))
    return found


def errors(forecasts, numbers):
    """Root mean squared errors 1 to AHEAD years ahead, over all test years that were forecast so far ahead."""
    test = len(forecasts)
    actual = numbers[-test:]
    return [float(np.mean((forecasts[: test - k, k] - actual[k:]) ** 2) ** 0.5) for k in range(AHEAD)]


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=75, out="sunspots.png")
    parser.add_argument("--hidden", type=common.count, default=32, help="hidden size of each LSTM")
    parser.add_argument("--networks", type=common.count, default=5, help="networks whose forecasts are averaged")
    options = common.parse(parser, argv)

    years, numbers = sunspots()
    numbers = np.array(numbers)
    scale = Scale(numbers[:-TEST])
    known = scale.to(numbers[:-TEST]).astype(np.float32)
    inputs, targets = (
        Variable(common.placed(torch.from_numpy(array), options))
        for array in (windows(known, WINDOW)[:, :, np.newaxis], known[WINDOW:, np.newaxis].copy())
    )

    torch.manual_seed(options.seed)
    networks = [common.placed(Forecaster(options.hidden), options) for _ in range(options.networks)]
    parts = dict(enumerate(networks))
    for k, network in enumerate(networks):
        parts[k, "optimizer"] = optim.Adam(network.parameters(), lr=RATE)

    def epoch(number):
        losses = []
        for k, network in enumerate(networks):
            optimizer = parts[k, "optimizer"]
            optimizer.zero_grad()
            loss = F.mse_loss(network(inputs), targets)
            loss.backward()
            nn.utils.clip_grad_norm(network.parameters(), 1)
            optimizer.step()
            losses.append(loss.data[0])
        return losses

    common.train(parts, epoch, options, fixed=("hidden", "networks"))

    def step(network):
        def next_year(columns):
            scaled = torch.from_numpy(scale.to(columns)[:, :, np.newaxis].astype(np.float32))
            said = network(Variable(common.placed(scaled, options), volatile=True))
            return scale.back(said.data.cpu().numpy()[:, 0].astype(np.float64))

        return next_year

    for network in networks:
        network.eval()
    each = [paths(numbers, TEST, WINDOW, step(network)) for network in networks]
    forecasts = {"LSTM": np.mean(each, 0), **classical(numbers, TEST)}
    found = {name: errors(values, numbers) for name, values in forecasts.items()}
    single = np.array([errors(values, numbers) for values in each])
    print(
        f"Forecasts for {years[-TEST]} to {years[-1]}; root mean squared error in sunspots, 1, 2, 5 and 11 years ahead:"
    )
    shown = [0, 1, 4, 10]
    for name, values in found.items():
        print(f"  {name:26}" + "".join(f"{values[k]:7.1f}" for k in shown))
    for name, values in (("best", single.min(0)), ("worst", single.max(0))):
        print(f"  {f'the {name} of single LSTMs':26}" + "".join(f"{values[k]:7.1f}" for k in shown))
    draw(options, np.array(years), numbers, forecasts, found)
    return found


def draw(options, years, numbers, forecasts, found):
    """The test years, forecast one year ahead and in four paths of eleven years; and the error by years ahead."""
    figure = common.figure(13, 4.4)
    if figure is None:
        return
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1.2, 0.9])
    shown = slice(-TEST - 2 * AHEAD, None)
    for axes, title in ((left, "One year ahead"), (middle, "Eleven years, from four starts")):
        axes.plot(years[shown], numbers[shown], color="#24292f", linewidth=1.2, label="observed")
        axes.axvline(years[-TEST] - 0.5, color="#8c959f", linestyle="--", linewidth=1)
        axes.set(xlabel="year", ylabel="sunspots", title=title)
    for name in ("autoregression", "LSTM"):
        colour = COLOURS[name]
        left.plot(years[-TEST:], forecasts[name][:, 0], "o-", color=colour, markersize=3, linewidth=1, label=name)
        for start in range(0, TEST - AHEAD + 1, AHEAD):
            begin = len(years) - TEST + start  # drawn from the last year known
            middle.plot(
                years[begin - 1 : begin + AHEAD],
                [numbers[begin - 1], *forecasts[name][start]],
                color=colour,
                linewidth=1.2,
                label=None if start else name,
            )
            middle.plot(years[begin - 1], numbers[begin - 1], "o", color="#24292f", markersize=4)
    for name, values in found.items():
        right.plot(range(1, AHEAD + 1), values, "o-", color=COLOURS[name], markersize=3, label=name)
    right.set(xlabel="years ahead", ylabel="root mean squared error", title="Error", ylim=(0, 140))
    for axes in (left, middle, right):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.25)
    common.save_figure(figure, options.out)


if __name__ == "__main__":
    main()
