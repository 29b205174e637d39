"""Forecast monthly airline passengers with an LSTM, one month ahead, and compare with forecasts that learn nothing.

    python examples/airline.py [--epochs 200] [--seed 0] [--hidden 32] [--device cpu] [--checkpoint PATH]

The model, its training and its picture are in `minigrad.tutorial.airline`, where the tutorial uses them too.
"""

import common

import minigrad as torch
from minigrad import optim
from minigrad.data import airline_passengers
from minigrad.tutorial import airline

RATE = 0.01


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=200, out="airline-forecast.png")
    parser.add_argument("--hidden", type=common.count, default=32, help="hidden size of the LSTM")
    options = common.parse(parser, argv)

    months, passengers = airline_passengers()
    data = airline.prepare(passengers)
    inputs, targets = (common.placed(tensor, options) for tensor in (data.train_inputs, data.train_targets))
    torch.manual_seed(options.seed)
    model = common.placed(airline.Forecaster(options.hidden), options)  # drawn on the CPU: the same on a GPU
    optimizer = optim.Adam(model.parameters(), lr=RATE)

    def epoch(k):
        return airline.fit(model, inputs, targets, epochs=1, optimizer=optimizer)[0]

    common.train({"model": model, "optimizer": optimizer}, epoch, options, fixed=("hidden",))

    data = data._replace(test_inputs=common.placed(data.test_inputs, options))
    forecasts = {"LSTM": airline.forecast(model, data), **airline.simple_forecasts(passengers)}
    errors = {name: airline.rmse(values, data.actual) for name, values in forecasts.items()}
    print("One month ahead, January 1959 to December 1960; RMSE in thousands of passengers:")
    for name, error in errors.items():
        print(f"  {name:30}{error:6.1f}")
    figure = common.figure(9, 4.5)
    if figure is not None:
        airline.draw(figure, months, passengers, forecasts["LSTM"])
        common.save_figure(figure, options.out)
    return errors


if __name__ == "__main__":
    main()
