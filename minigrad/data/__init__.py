"""Small data sets for the tutorial and the examples."""

import csv
from pathlib import Path

__all__ = ["airline_passengers", "sunspots", "tagged_sentences"]


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


def sunspots():
    """Mean number of sunspots of each year, 1700 to 2008.

    Returns two lists of length 309: the years as ints and the Wolf numbers, 10 times the groups of spots plus the
    spots, as floats. The numbers rise and fall every 9 to 14 years, faster than they fall, to maxima from 46 to 190.

    Source: the international sunspot number, version 1.0, of the observatories of Zurich (until 1980) and Brussels
    (since), as the National Geophysical Data Center of the United States (NOAA) gave it out into the public domain. In
    2015 version 2.0 replaced it, whose numbers are higher by about two thirds.

    >>> years, numbers = sunspots()
    >>> years[0], numbers[0], years[-1], numbers[-1]
    (1700, 5.0, 2008, 2.9)
    """
    with Path(__file__).with_name("sunspots.csv").open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    return [int(row["year"]) for row in rows], [float(row["number"]) for row in rows]


def tagged_sentences():
    """Short English sentences with the part of speech of each word, written for minigrad.

    Returns a list of 124 sentences, each a list of pairs (word, tag). Words are in lower case; the nine tags are those
    of Universal Dependencies that occur: ADJ ADP ADV AUX DET NOUN PART PRON VERB. Many words have several: *can*,
    *saw*, *light*, *watch*, *fly* and others are told apart only by what stands around them.

    >>> tagged_sentences()[5]
    [('he', 'PRON'), ('will', 'AUX'), ('light', 'VERB'), ('the', 'DET'), ('fire', 'NOUN')]
    """
    sentences = {}
    with Path(__file__).with_name("tagged.csv").open(encoding="ascii", newline="") as file:
        for row in csv.DictReader(file):
            sentences.setdefault(row["sentence"], []).append((row["word"], row["tag"]))
    return list(sentences.values())
