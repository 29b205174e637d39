"""The airline series against the published totals."""

from minigrad.data import airline_passengers

YEARS = {
    1949: 1520,
    1950: 1676,
    1951: 2042,
    1952: 2364,
    1953: 2700,
    1954: 2867,
    1955: 3408,
    1956: 3939,
    1957: 4421,
    1958: 4572,
    1959: 5140,
    1960: 5714,
}


def test_months_run_from_1949_to_1960_without_a_gap():
    months, passengers = airline_passengers()
    assert months == [f"{year}-{month:02d}" for year in YEARS for month in range(1, 13)]
    assert len(passengers) == 144
    assert all(type(value) is int for value in passengers)


def test_totals_are_the_published_ones():
    _, passengers = airline_passengers()
    assert [sum(passengers[12 * k : 12 * k + 12]) for k in range(12)] == list(YEARS.values())
    assert sum(passengers) == 40363


def test_extremes_stand_where_they_stand_in_the_published_table():
    months, passengers = airline_passengers()
    assert (months[passengers.index(min(passengers))], min(passengers)) == ("1949-11", 104)
    assert (months[passengers.index(max(passengers))], max(passengers)) == ("1960-07", 622)


def test_every_call_returns_lists_of_its_own():
    airline_passengers()[1].clear()
    assert len(airline_passengers()[1]) == 144
