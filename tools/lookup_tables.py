"""Compute minigrad/kernels/lookup_tables.h, the tables of tanh and sigmoid that lookup.h reads.

    python tools/lookup_tables.py > minigrad/kernels/lookup_tables.h

A function is cut into as many intervals as a register of AVX-512 has lanes, and is a polynomial in each: the one whose
greatest relative error is least, found by Lawson's method (repeated least squares, in which a point weighs more the
further it was missed). Coefficients are rounded to float32 one after the other, and those that are left are fitted to
what that did. The point that the polynomial is developed around is a float32 near the middle of the interval where the
function is almost one too (Gal's method), so that the constant coefficient is as good as exact. The greatest errors go
to standard error.
"""

import itertools
import sys
import textwrap

import numpy as np

INTERVALS = 16
DEGREE = 6
TANH_ONE = 10  # as far as tanh is looked up; it rounds to 1 from 9.02 on
WIDTH = 0.875  # of an interval of sigmoid


def sigmoid_of_minus(x):
    return 1 / (1 + np.exp(np.asarray(x, np.longdouble)))


def tanh(x):
    return np.tanh(np.asarray(x, np.longdouble))


def centre(function, middle, reach):
    """The float32 within `reach` of `middle` where the function's value is nearest to a float32."""
    step = np.spacing(np.float32(middle))
    most = int(min(20000, reach / step))
    candidates = np.float32(middle) + np.arange(-most, most + 1).astype(np.float32) * step
    values = function(candidates)
    rounded = values.astype(np.float32)
    return candidates[np.argmin(np.abs(values - rounded) / np.spacing(rounded))]


def fit(function, begin, end, around, known):
    """Coefficients of function(around + t) in powers of t, the first of which are `known`; and the relative error."""
    x = (begin + end) / 2 + (end - begin) / 2 * np.cos(np.pi * (np.arange(400) + 0.5) / 400)
    value, t = function(x), x.astype(np.longdouble) - np.longdouble(around)
    terms = (t ** np.arange(DEGREE + 1)[:, None] / value).T
    coefficients = list(known)
    while len(coefficients) <= DEGREE:
        rest = (1 - terms[:, : len(coefficients)] @ np.array(coefficients, np.longdouble)).astype(float)
        free = terms[:, len(coefficients) :].astype(float)
        scale = np.abs(free).max(0)
        weights, least = np.full(len(x), 1 / len(x)), np.inf
        for _ in range(300):
            root = np.sqrt(weights)
            found = np.linalg.lstsq(free / scale * root[:, None], rest * root, rcond=None)[0]
            error = np.abs(free / scale @ found - rest)
            if error.max() < least:
                least, best = error.max(), found[0] / scale[0]
            weights = weights * (error + 1e-3 * error.max())
            weights /= weights.sum()
        coefficients.append(np.float32(best))
    return coefficients, float(np.abs(1 - terms @ np.array(coefficients, np.longdouble)).max())


def table(function, intervals):
    """One column for each interval, (begin, end, known coefficients): its centre and its coefficients."""
    columns, worst = [], 0.0
    for begin, end, known in intervals:
        around = np.float32(0)
        if begin > 0:
            around = centre(function, (begin + end) / 2, (end - begin) / 20)
            known = [np.float32(function(around))]
        coefficients, error = fit(function, begin, end, around, known)
        columns.append([around, *coefficients])
        worst = max(worst, error)
    print(f"{function.__name__}: relative error {worst:.1e}", file=sys.stderr)
    return np.array(columns).T


def tanh_intervals():
    """The octaves of |x| + 1 in equal parts, up to where tanh rounds to 1."""
    parts = INTERVALS // 4
    edges = [2.0**octave * (1 + part / parts) - 1 for octave in range(4) for part in range(parts)]
    pairs = [(a, min(b, TANH_ONE)) for a, b in itertools.pairwise(edges) if a < TANH_ONE]
    return [(a, b, [np.float32(0), np.float32(1)]) for a, b in pairs]


def sigmoid_intervals():
    """Those of which k times the width is the middle, but for the first."""
    middles = [k * WIDTH for k in range(INTERVALS)]
    return [(max(0, x - WIDTH / 2), x + WIDTH / 2, [np.float32(0.5)]) for x in middles]


def tanh_table():
    """An interval's place is where its octave and part are in the last bits of exponent and mantissa of |x| + 1."""
    found = table(tanh, tanh_intervals())
    unused = np.zeros((len(found), INTERVALS - found.shape[1]), np.float32)
    return np.roll(np.hstack([found, unused]), 127 * INTERVALS // 4 % INTERVALS, axis=1)


def declaration(name, columns):
    rows = [", ".join(f"{x}f" for x in row) for row in columns]
    lines = [textwrap.fill(f"{{{row}}},", 118, initial_indent="    ", subsequent_indent="     ") for row in rows]
    size = f"[{len(rows)}][{len(columns[0])}]"
    return "\n".join([f"static const float {name}{size} __attribute__((aligned(64), unused)) = {{", *lines, "};"])


def main():
    print("/* Made by tools/lookup_tables.py. The first row of a table has the points around which the polynomials are")
    print(" * developed, the others have their coefficients, the constant ones first. */")
    print(f"#define MG_TABLE_DEGREE {DEGREE}")
    print(f"#define MG_SIGMOID_WIDTH {WIDTH}f")
    print(declaration("mg_tanh_table", tanh_table()))
    print(declaration("mg_sigmoid_table", table(sigmoid_of_minus, sigmoid_intervals())))


if __name__ == "__main__":
    main()
