"""The distributions: 0.3's recipes, sound statistics, the bounds of the types, and errors."""

import itertools
import math

import numpy as np
import pytest

from minigrad.tensor import random
from minigrad.tensor.discrete import bernoulli, geometric, multinomial, random_, randperm
from minigrad.tensor.distributions import cauchy, exponential, log_normal, normal, uniform
from minigrad.tensor.random import Generator, default_generator, fork_rng, manual_seed

F32, F64 = np.float32, np.float64
WEIGHTS = np.arange(1, 21, dtype=F32) % 7
MEANS = np.arange(40, dtype=F32).reshape(8, 5) / 8


@pytest.fixture(autouse=True)
def _restore():
    with fork_rng():
        yield
    random.set_rng("modern")


@pytest.fixture
def era():
    random.set_rng("0.3")


# ---- the recipes of 0.3, against its formulas written out one element at a time --------------------------


class Reference:
    """0.3's scalar functions over a list of raw draws."""

    def __init__(self, seed):
        self.raw = iter(Generator().manual_seed(seed).draw32(50000).tolist())
        self.spare = None

    def u53(self):
        return ((next(self.raw) << 32 | next(self.raw)) % 2**53) / 2**53

    def normal(self):
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        x, y = self.u53(), self.u53()
        rho = math.sqrt(-2 * math.log(1 - y))
        self.spare = rho * math.sin(2 * math.pi * x)
        return rho * math.cos(2 * math.pi * x)

    def multinomial(self, weights, n, replacement):
        weights = [float(weight) for weight in weights]
        chosen = []
        for _ in range(n):
            mass = self.u53() * sum(weights)
            chosen.append(next(i for i, total in enumerate(itertools.accumulate(weights)) if total >= mass))
            if not replacement:
                weights[chosen[-1]] = 0.0
        return chosen


@pytest.mark.parametrize("dtype", [F32, F64])
def test_03_normal_goes_by_pairs_whatever_the_size(era, dtype):
    manual_seed(0)
    got = [normal(np.empty(n, dtype), 1.0, 2.0) for n in (16, 5, 40, 3)]
    reference = Reference(0)
    expected = [1.0 + 2.0 * reference.normal() for _ in range(64)]
    assert expected[0] == pytest.approx(1 + 2 * 1.5410, abs=1e-4)
    np.testing.assert_allclose(np.concatenate(got), expected, rtol=0, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_03_bernoulli_counts_equality_and_always_uses_53_bits(era, dtype):
    reference = Reference(5)
    u = np.array([reference.u53() for _ in range(100)])
    assert bernoulli(np.empty(100, dtype), u[50], Generator().manual_seed(5))[50] == 1
    got = bernoulli(np.empty(100, dtype), np.full(100, 0.5, dtype), Generator().manual_seed(5))
    assert (got == (u <= 0.5)).all()
    random.set_rng("modern")
    assert bernoulli(np.empty(100, dtype), u[50], Generator().manual_seed(5))[50] == 0


def test_03_geometric(era):
    reference = Reference(6)
    expected = [int(math.log(1 - reference.u53()) / math.log(0.7)) + 1 for _ in range(200)]
    assert geometric(np.empty(200, np.int64), 0.7, Generator().manual_seed(6)).tolist() == expected


def test_03_random_takes_one_raw_draw_below_a_range_of_two_to_the_32(era):
    raw = Generator().manual_seed(7).draw32(10).tolist()
    got = random_(np.empty(10, np.int64), 10, 10 + 2**31, Generator().manual_seed(7))
    assert got.tolist() == [10 + value % 2**31 for value in raw]
    wide = random_(np.empty(5, np.int64), 0, 2**33, Generator().manual_seed(7))
    assert wide.tolist() == [(a << 32 | b) % 2**33 for a, b in zip(raw[::2], raw[1::2], strict=True)]


@pytest.mark.parametrize("replacement", [False, True])
def test_03_multinomial(era, replacement):
    reference = Reference(8)
    expected = [reference.multinomial(row, 4, replacement) for row in MEANS]
    assert multinomial(MEANS, 4, replacement, Generator().manual_seed(8)).tolist() == expected


def test_03_multinomial_cumulates_in_float64(era):
    """In float32 the sum would stay at 2**24, and no category but the first could ever be drawn."""
    ones = 2**20
    weights = np.concatenate([[2**24], np.ones(ones)], dtype=F32)
    others = np.count_nonzero(multinomial(weights, 2000, replacement=True, generator=Generator().manual_seed(1)))
    chance = ones / (2**24 + ones)
    assert abs(others - 2000 * chance) < 4 * math.sqrt(2000 * chance * (1 - chance))


def test_03_fills_in_the_order_of_the_indices(era):
    out = uniform(np.empty((4, 6)).T, generator=Generator().manual_seed(9))
    assert (out.reshape(-1) == uniform(np.empty(24), generator=Generator().manual_seed(9))).all()


# ---- statistics: fixed seeds, bounds from the sampling error ---------------------------------------------

N = 40000

CONTINUOUS = {
    "uniform": (lambda out: uniform(out, -2.0, 3.0), lambda x: (x + 2) / 5),
    "normal": (lambda out: normal(out, 1.0, 2.0), lambda x: 0.5 * (1 + math.erf((x - 1) / 2 / math.sqrt(2)))),
    "exponential": (lambda out: exponential(out, 0.5), lambda x: 1 - math.exp(-x / 2)),
    "cauchy": (lambda out: cauchy(out, 1.0, 3.0), lambda x: 0.5 + math.atan((x - 1) / 3) / math.pi),
    "log_normal": (
        lambda out: log_normal(out, 0.5, 0.7),
        lambda x: 0.5 * (1 + math.erf((math.log(x) - 0.5) / 0.7 / math.sqrt(2))),
    ),
}


@pytest.mark.parametrize("recipe", ["modern", "0.3"])
@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_kolmogorov_smirnov(name, dtype, recipe):
    """The greatest distance between the two distribution functions exceeds 1.95 / sqrt(N) once in 1000 samples."""
    random.set_rng(recipe)
    manual_seed(2024)
    draw, cdf = CONTINUOUS[name]
    expected = np.array([cdf(x) for x in np.sort(draw(np.empty(N, dtype))).tolist()])
    steps = np.arange(N + 1) / N
    distance = max(np.abs(expected - steps[1:]).max(), np.abs(expected - steps[:-1]).max())
    assert distance < 1.95 / math.sqrt(N)


@pytest.mark.parametrize("recipe", ["modern", "0.3"])
@pytest.mark.parametrize("size", [7, 50])
def test_normal_numbers_are_uncorrelated_within_a_call(size, recipe):
    random.set_rng(recipe)
    manual_seed(7)
    rows = np.stack([normal(np.empty(size)).copy() for _ in range(4000)])
    # A correlation coefficient of independent columns has the standard error 1 / sqrt(4000); 5 of them for 1225 pairs.
    assert np.abs(np.corrcoef(rows.T) - np.eye(size)).max() < 5 / math.sqrt(4000)
    # So have the squares: cos and sin of one pair share the radius and must still be independent.
    assert np.abs(np.corrcoef(rows.T**2) - np.eye(size)).max() < 5 / math.sqrt(4000)


def chi_square(counts, probabilities):
    expected = np.asarray(probabilities) * counts.sum()
    return ((counts - expected) ** 2 / expected).sum()


def limit(cells):
    """The 99.9 % point of chi square with cells - 1 degrees of freedom (Wilson and Hilferty)."""
    k = cells - 1
    return k * (1 - 2 / (9 * k) + 3.09 * math.sqrt(2 / (9 * k))) ** 3


@pytest.mark.parametrize("recipe", ["modern", "0.3"])
@pytest.mark.parametrize("dtype", [F32, F64, np.int64, np.int32, np.int16, np.int8, np.uint8])
def test_discrete_distributions_by_chi_square(dtype, recipe):
    random.set_rng(recipe)
    manual_seed(31)
    out = np.empty(N, dtype)
    ones = int(bernoulli(out, 0.3).sum(dtype=np.int64))
    assert abs(ones - 0.3 * N) < 3.3 * math.sqrt(0.21 * N)
    low, high = (-3, 8) if np.dtype(dtype).kind != "u" else (3, 14)
    counts = np.bincount(random_(out, low, high).astype(np.int64) - low, minlength=11)
    assert len(counts) == 11
    assert chi_square(counts, np.full(11, 1 / 11)) < limit(11)
    # 0.3 takes p for the probability of failure.
    failure = 0.3 if recipe == "0.3" else 0.7
    trials = geometric(out, 0.3).astype(np.int64)
    assert trials.min() == 1
    counts = np.bincount(np.minimum(trials, 6) - 1, minlength=6)
    chances = [(1 - failure) * failure**k for k in range(5)]
    assert chi_square(counts, [*chances, failure**5]) < limit(6)


@pytest.mark.parametrize("recipe", ["modern", "0.3"])
@pytest.mark.parametrize("dtype", [F32, F64])
def test_multinomial_by_chi_square(dtype, recipe):
    random.set_rng(recipe)
    manual_seed(17)
    weights = np.array([0.0, 3.0, 1.0, 0.0, 2.0, 4.0], dtype)
    counts = np.bincount(multinomial(weights, N, replacement=True), minlength=6)
    assert not counts[[0, 3]].any()
    positive = [1, 2, 4, 5]
    assert chi_square(counts[positive], weights[positive] / 10) < limit(4)
    # Without replacement: every ordered pair (i, j) has the probability w_i / 10 * w_j / (10 - w_i).
    pairs = multinomial(np.tile(weights, (5000, 1)), 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    counts = np.bincount(pairs[:, 0] * 6 + pairs[:, 1], minlength=36)
    keys = [(i, j) for i in positive for j in positive if i != j]
    chances = [weights[i] / 10 * weights[j] / (10 - weights[i]) for i, j in keys]
    assert counts.sum() == sum(counts[i * 6 + j] for i, j in keys)
    assert chi_square(np.array([counts[i * 6 + j] for i, j in keys]), chances) < limit(12)


@pytest.mark.parametrize("recipe", ["modern", "0.3"])
def test_multinomial_without_replacement_can_exhaust_the_categories(recipe):
    random.set_rng(recipe)
    weights = np.array([1.0, 1e-30, 0.0, 1e-200, 5.0])
    for seed in range(20):
        assert sorted(multinomial(weights, 4, generator=Generator().manual_seed(seed))) == [0, 1, 3, 4]


def test_randperm_is_a_uniform_permutation():
    manual_seed(23)
    assert sorted(randperm(1000)) == list(range(1000))
    codes = [tuple(randperm(4)) for _ in range(6000)]
    counts = np.unique(codes, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert chi_square(counts, np.full(24, 1 / 24)) < limit(24)


# ---- bounds of the types ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [F32, F64])
def test_uniform_never_yields_high(dtype):
    """Next to 1 there is one number in the interval, so rounding would carry half of the values up to high."""
    low, high = dtype(1), np.nextafter(dtype(1), dtype(2))
    assert (uniform(np.empty(1000, dtype), low, high) == low).all()
    assert (uniform(np.empty(10, dtype), 2.5, 2.5) == 2.5).all()


@pytest.mark.parametrize("recipe", ["modern", "0.3"])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16, np.int8, np.uint8])
def test_random_covers_the_whole_integer_type(dtype, recipe):
    random.set_rng(recipe)
    manual_seed(3)
    info = np.iinfo(dtype)
    values = random_(np.empty(4000, dtype), info.min, min(info.max + 1, 2**63 - 1)).astype(float)
    # The mean of n draws from a range r has the standard error r / sqrt(12 n).
    span = float(info.max) - info.min
    assert abs(values.mean() - (float(info.max) + info.min) / 2) < 4 * span / math.sqrt(12 * 4000)
    assert values.min() < info.min + span / 100
    assert values.max() > info.max - span / 100
    assert random_(np.empty(4000, dtype)).min() >= 0


def test_random_moves_bounds_that_float32_does_not_have_inwards():
    low, high = 2**24 + 1, 2**24 + 7
    values = random_(np.empty(1000, F32), low, high)
    assert values.min() >= low
    assert values.max() < high


def test_values_too_large_for_the_type_become_infinite_without_a_warning():
    assert np.isinf(log_normal(np.empty(50, F32), 300.0, 1.0)).all()
    assert np.isinf(normal(np.empty(50, F32), 0.0, 3e38)).any()
    assert geometric(np.empty(50, np.int8), 1e-9).tolist() == [127] * 50


def test_nothing_is_drawn_for_an_empty_array():
    g = Generator()
    before = g.get_state()
    for draw in (uniform, normal, exponential, cauchy, log_normal, bernoulli, random_):
        assert draw(np.empty((0, 3)), generator=g).shape == (0, 3)
    assert (g.get_state() == before).all()


@pytest.mark.parametrize("draw", [uniform, normal, exponential, cauchy, log_normal, bernoulli, random_])
def test_the_array_itself_is_filled_and_returned(draw):
    backing = np.full((6, 8), -7.0)
    view = backing[::2, 1::3]
    assert draw(view) is view
    assert (backing[1::2] == -7).all()
    assert (backing[:, 0] == -7).all()
    assert not (view == -7).any()


# ---- errors ----------------------------------------------------------------------------------------------


def f32(n=4):
    return np.empty(n, F32)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: uniform([1.0]), TypeError, "uniform: out must be a NumPy array, got list"),
        (lambda: uniform(np.empty(3, np.int64)), TypeError, "float32, float64, got an array of int64"),
        (lambda: uniform(f32(), "0"), TypeError, "uniform: low must be a number, got str"),
        (lambda: uniform(f32(), generator=3), TypeError, "uniform: generator must be a Generator or None, got int"),
        (lambda: uniform(f32(), 2, 1), RuntimeError, "low must not be greater than high, got low=2, high=1"),
        (lambda: uniform(f32(), 0, 1e39), RuntimeError, "finite in float32, got low=0, high=1e[+]39"),
        (lambda: uniform(f32(), -3e38, 3e38), RuntimeError, "high - low must be finite in float32"),
        (lambda: uniform(f32(), math.nan, 1), RuntimeError, "low=nan"),
        (lambda: normal(np.empty(3, np.int32)), TypeError, "normal: out must be one of float32, float64"),
        (lambda: normal(f32(), 0, -1), RuntimeError, "normal: std must not be negative, got -1"),
        (lambda: normal(f32(), 0, math.nan), RuntimeError, "normal: std must not be negative, got nan"),
        (lambda: normal(f32(2), 0, np.array([1, -2], F32)), RuntimeError, "std must not be negative, got -2"),
        (lambda: normal(f32(), np.zeros(4)), TypeError, "mean must be of the type of out, float32, got .* float64"),
        (lambda: normal(f32(), np.zeros(3, F32)), RuntimeError, r"mean must .*shape of out, \(4,\), got \(3,\)"),
        (lambda: normal(f32(), None), TypeError, "normal: mean must be a number, got NoneType"),
        (lambda: exponential(f32(), 0), RuntimeError, "exponential: rate must be greater than 0, got 0"),
        (lambda: cauchy(f32(), 0, -1), RuntimeError, "cauchy: sigma must be greater than 0, got -1"),
        (lambda: log_normal(f32(), 0, 0), RuntimeError, "log_normal: std must be greater than 0, got 0"),
        (lambda: geometric(f32(), 1), RuntimeError, "geometric: p must be between 0 and 1, both excluded, got 1"),
        (lambda: geometric(f32(), 0), RuntimeError, "geometric: p must be between 0 and 1, both excluded, got 0"),
        (lambda: bernoulli(f32(), 1.5), RuntimeError, "bernoulli: p must be between 0 and 1, got 1.5"),
        (lambda: bernoulli(f32(), math.nan), RuntimeError, "bernoulli: p must be between 0 and 1, got nan"),
        (lambda: bernoulli(f32(2), np.array([0.5, -0.5])), RuntimeError, "between 0 and 1 everywhere, got -0.5"),
        (lambda: bernoulli(f32(2), np.array([0, 1])), TypeError, "p must be of float32 or float64, got .* int64"),
        (lambda: bernoulli(f32(2), np.zeros(3)), RuntimeError, r"p must .*shape of out, \(2,\), got \(3,\)"),
        (lambda: bernoulli(np.empty(2, bool)), TypeError, "uint8, got an array of bool"),
        (lambda: random_(f32(), 5, 5), RuntimeError, "random_: low must be less than high, got low=5, high=5"),
        (lambda: random_(f32(), high=-1), RuntimeError, "got low=0, high=-1"),
        (lambda: random_(f32(), 5), TypeError, "low=5 needs a high"),
        (lambda: random_(f32(), 0.5, 3), TypeError, "random_: low must be an int, got float"),
        (lambda: random_(np.empty(3, np.uint8), 0, 257), RuntimeError, "fit in uint8 .*got low=0, high=257"),
        (lambda: random_(np.empty(3, np.uint8), -1, 5), RuntimeError, "fit in uint8 .*got low=-1, high=5"),
        (lambda: random_(np.empty(3, np.int64), 0, 2**63), RuntimeError, "high in int64"),
        (lambda: random_(f32(), 2**30 + 1, 2**30 + 3), RuntimeError, "no float32 number lies between"),
        (lambda: randperm(0), RuntimeError, "randperm: n must be at least 1, got 0"),
        (lambda: randperm(2.0), TypeError, "randperm: n must be an int, got float"),
        (lambda: multinomial([0.5, 0.5], 1), TypeError, "weights must be an array of float32 or float64, got list"),
        (lambda: multinomial(np.array([1, 2]), 1), TypeError, "float32 or float64, got an array of int64"),
        (lambda: multinomial(WEIGHTS, 1.0), TypeError, "multinomial: n must be an int, got float"),
        (lambda: multinomial(WEIGHTS, 0), RuntimeError, "multinomial: n must be at least 1, got 0"),
        (lambda: multinomial(f32(0), 1), RuntimeError, r"not empty, got \(0,\)"),
        (lambda: multinomial(np.ones((2, 2, 2)), 1), RuntimeError, r"\(rows, categories\), not empty, got \(2, 2, 2\)"),
        (lambda: multinomial(-WEIGHTS, 1), RuntimeError, "finite and not negative, got -1"),
        (lambda: multinomial(WEIGHTS * F32(np.nan), 1), RuntimeError, "finite and not negative, got nan"),
        (lambda: multinomial(np.array([1, np.inf]), 1), RuntimeError, "finite and not negative, got inf"),
        (lambda: multinomial(np.full(9, 1e38, F32), 1), RuntimeError, "finite sum in float32, got inf"),
        (lambda: multinomial(np.array([[1.0, 2], [0, 0]]), 1), RuntimeError, "positive element in every row"),
        (lambda: multinomial(WEIGHTS, 19), RuntimeError, "number of positive weights, 18, .*got n=19"),
        (lambda: multinomial(MEANS, 5), RuntimeError, "number of positive weights, 4, .*got n=5"),
    ],
)
def test_errors_name_the_argument_and_draw_nothing(call, error, text):
    before = default_generator.get_state()
    with pytest.raises(error, match=text):
        call()
    assert (default_generator.get_state() == before).all()
