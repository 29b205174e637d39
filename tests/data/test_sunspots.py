"""The yearly sunspot numbers against published maxima and minima, and against the years of other printings."""

import hashlib
from pathlib import Path

import minigrad.data
from minigrad.data import sunspots

# The highest year of each cycle from 1 (1755 to 1766) to 23, and the lowest between that and the next.
MAXIMA = (
    "1761 85.9, 1769 106.1, 1778 154.4, 1787 132.0, 1804 47.5, 1816 45.8, 1830 70.9, 1837 138.3, 1848 124.7, "
    "1860 95.8, 1870 139.0, 1883 63.7, 1893 85.1, 1905 63.5, 1917 103.9, 1928 77.8, 1937 114.4, 1947 151.6, "
    "1957 190.2, 1968 105.9, 1979 155.4, 1989 157.6, 2000 119.6"
)
MINIMA = (
    "1766 11.4, 1775 7.0, 1784 10.2, 1798 4.1, 1810 0.0, 1823 1.8, 1833 8.5, 1843 10.7, 1856 4.3, 1867 7.3, 1878 3.4, "
    "1889 6.3, 1901 2.7, 1913 1.4, 1923 5.8, 1933 5.7, 1944 9.6, 1954 4.4, 1964 10.2, 1976 12.6, 1986 13.4, 1996 8.6"
)


def table(text):
    return [(int(year), float(number)) for year, number in (entry.split() for entry in text.split(", "))]


def test_years_run_from_1700_to_2008_without_a_gap():
    years, numbers = sunspots()
    assert years == list(range(1700, 2009))
    assert len(numbers) == 309
    assert all(type(number) is float and 0 <= number <= 190.2 for number in numbers)


def test_maxima_and_minima_of_the_cycles_are_the_published_ones():
    years, numbers = sunspots()
    at = dict(zip(years, numbers))
    maxima, minima = table(MAXIMA), table(MINIMA)
    assert len(maxima) == len(minima) + 1 == 23
    for (high, most), (low, least), (after, _) in zip(maxima, minima, maxima[1:]):
        assert (at[high], at[low]) == (most, least)
        assert least == min(at[year] for year in range(high, after + 1))
    bounds = [1755, *(low for low, _ in minima), 2008]
    for (high, most), start, end in zip(maxima, bounds, bounds[1:]):
        assert (most, high) == max((at[year], year) for year in range(start, end + 1))


def test_the_sums_and_the_file_are_those_that_were_compared_with_other_printings():
    _, numbers = sunspots()
    tenths = [round(10 * number) for number in numbers]
    assert [sum(tenths[k : k + 100]) for k in (0, 100, 200)] == [45693, 42555, 60545]
    assert sum(tenths[300:]) == 4941
    text = Path(minigrad.data.__file__).with_name("sunspots.csv").read_text(encoding="ascii")
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "68f78f30cd226c7fea6718fc3a2f1ae39c14bc15e97560f8a2d017aa0e16b500"
    )


def test_every_call_returns_lists_of_its_own():
    sunspots()[1].clear()
    assert len(sunspots()[1]) == 309
