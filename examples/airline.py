"""Forecast monthly airline passengers with an LSTM, one month ahead, and compare with forecasts that learn nothing.

    python examples/airline.py [--epochs 200] [--seed 0] [--hidden 32] [--device cpu] [--out airline-forecast.png]

The model and its training are in `minigrad.tutorial.airline`, where the tutorial uses them too.
"""

import argparse
import sys
from pathlib import Path

import minigrad as torch
from minigrad.tutorial import airline


def count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return value


def arguments(argv):
    parser = argparse.ArgumentParser(description="Forecast monthly airline passengers with an LSTM.")
    parser.add_argument("--epochs", type=count, default=200, help="passes over the training months (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the initial weights (default: 0)")
    parser.add_argument("--hidden", type=count, default=32, help="hidden size of the LSTM (default: 32)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to train (default: cpu)")
    parser.add_argument(
        "--out", type=Path, default=Path("airline-forecast.png"), help="picture to write (png, svg, pdf)"
    )
    options = parser.parse_args(argv)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no GPU that minigrad can use was found")
    if not options.out.resolve().parent.is_dir():
        parser.error(f"--out: there is no folder {options.out.resolve().parent}")
    return options


def main(argv=None):
    options = arguments(argv)
    result = airline.experiment(options.epochs, options.seed, options.hidden, options.device, airline.progress_bar)
    print("One month ahead, January 1959 to December 1960; RMSE in thousands of passengers:")
    for name, error in result.errors.items():
        print(f"  {name:30}{error:6.1f}")
    try:
        airline.plot(options.out, result.months, result.passengers, result.forecasts["LSTM"])
    except ImportError:
        print('No plot: matplotlib is missing; install it with  pip install "minigrad-rnn[examples]"', file=sys.stderr)
        return 0
    print(f"Plot saved to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
