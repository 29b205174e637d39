"""Small public data sets for the tutorial and the examples."""

import csv
from pathlib import Path

__all__ = ["airline_passengers"]


def airline_passengers():
    """International airline passengers a month, in thousands, January 1949 to December 1960.

    Returns two lists of length 144: the months as ``'YYYY-MM'`` and the passengers as ints.
    Steady growth and a yearly pattern that grows with the level make the series the classic example of seasonal
    forecasting.

    Source: G. E. P. Box, G. M. Jenkins and G. C. Reinsel, *Time Series Analysis: Forecasting and Control*,
    3rd edition, Prentice Hall, 1994, series G.

    >>> months, passengers = airline_passengers()
    >>> months[0], passengers[0], months[-1], passengers[-1]
    ('1949-01', 112, '1960-12', 432)
    """
    with Path(__file__).with_name("airline.csv").open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["month"] for row in rows], [int(row["passengers"]) for row in rows]
