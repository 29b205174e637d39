"""The random engine: PyTorch's numbers (recorded in tests/golden/random.npz), state, errors, and sound statistics."""

import copy
import itertools
import math
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from minigrad.tensor import random
from minigrad.tensor.discrete import bernoulli, geometric, multinomial, random_, randperm
from minigrad.tensor.distributions import cauchy, exponential, log_normal, normal, uniform
from minigrad.tensor.random import Generator, default_generator, fork_rng, manual_seed

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "random.npz")
F32, F64 = np.float32, np.float64
SHAPES = {"1": (1,), "5": (5,), "15": (15,), "16": (16,), "17": (17,), "100": (100,), "3x5": (3, 5)}
INTEGERS = {"uint8": 200, "int8": 100, "int16": 30000, "int32": 2**30, "int64": 2**40}
WEIGHTS = np.arange(1, 21, dtype=F32) % 7
MEANS = np.arange(40, dtype=F32).reshape(8, 5) / 8
STDS = MEANS[::-1] / 4


@pytest.fixture(autouse=True)
def _restore():
    with fork_rng():
        yield
    random.set_rng("modern")


@pytest.fixture
def era():
    random.set_rng("0.3")


# ---- the same numbers as PyTorch -------------------------------------------------------------------------


def draws():
    """Name and function of every draw that tests/golden/make_random.py records."""
    table = {}
    for suffix, dtype in (("", F32), ("64", F64)):
        empty = lambda *shape, d=dtype: np.empty(shape, d)
        for name, shape in SHAPES.items():
            table[f"rand{suffix}_{name}"] = lambda s=shape, e=empty: uniform(e(*s))
            table[f"randn{suffix}_{name}"] = lambda s=shape, e=empty: normal(e(*s))
        table |= {
            f"uniform{suffix}": lambda e=empty: uniform(e(50), -0.3, 0.7),
            f"normal{suffix}": lambda e=empty: normal(e(50), 1.5, 0.7),
            f"normal_small{suffix}": lambda e=empty: normal(e(7), 1.5, 0.7),
            f"normal_means{suffix}": lambda e=empty, d=dtype: normal(e(8, 5), MEANS.astype(d), 0.5),
            f"normal_stds{suffix}": lambda e=empty, d=dtype: normal(e(8, 5), 0.5, STDS.astype(d)),
            f"normal_means_stds{suffix}": lambda e=empty, d=dtype: normal(e(8, 5), MEANS.astype(d), STDS.astype(d)),
            f"exponential{suffix}": lambda e=empty: exponential(e(50), 2.5),
            f"cauchy{suffix}": lambda e=empty: cauchy(e(50), 0.5, 2.0),
            f"log_normal{suffix}": lambda e=empty: log_normal(e(50), 0.5, 0.3),
            f"bernoulli_p{suffix}": lambda e=empty, d=dtype: bernoulli(e(50), np.arange(50, dtype=d) / d(49)),
            f"random{suffix}": lambda e=empty: random_(e(50)),
            f"random_to{suffix}": lambda e=empty: random_(e(50), high=10),
            f"random_wide{suffix}": lambda e=empty: random_(e(50), -5, 2**28 - 5),
            f"multinomial{suffix}": lambda d=dtype: multinomial(WEIGHTS.astype(d), 30, replacement=True),
            f"multinomial_without{suffix}": lambda d=dtype: multinomial(WEIGHTS.astype(d), 12),
            f"multinomial_one{suffix}": lambda d=dtype: multinomial(WEIGHTS.astype(d), 1),
            f"multinomial_rows{suffix}": lambda d=dtype: multinomial(1 + MEANS.astype(d), 9, replacement=True),
            f"multinomial_columns{suffix}": lambda d=dtype: multinomial(1 + MEANS.astype(d).T, 3),
            f"uniform_transposed{suffix}": lambda e=empty: uniform(e(4, 6).T),
            f"bernoulli_transposed{suffix}": lambda d=dtype: bernoulli(np.empty((5, 8), F32).T, MEANS.astype(d) / 5),
            f"normal_strided{suffix}": lambda e=empty: normal(e(3, 4, 8).transpose(2, 0, 1)[:, :, ::2]),
        }
    for name, high in INTEGERS.items():
        table[f"random_{name}"] = lambda d=name: random_(np.empty(50, d))
        table[f"random_range_{name}"] = lambda d=name, h=high: random_(np.empty(50, d), h // 3, h)
        table[f"geometric_{name}"] = lambda d=name: geometric(np.empty(50, d), 0.3)
    table["bernoulli"] = lambda: bernoulli(np.empty(100, F32), 0.3)
    table["bernoulli_uint8"] = lambda: bernoulli(np.empty(100, np.uint8), 0.3)
    for n in (1, 5, 100):
        table[f"randperm_{n}"] = lambda n=n: randperm(n)
    table["mixed"] = mixed
    lstm = [(80, 10), (80, 20), (80,), (80,)] * 2 + [(80, 40), (80, 20), (80,), (80,)] * 2
    rnn = [(20, 10), (20, 20), (20,), (20,), (20, 20), (20, 20), (20,), (20,)]
    table["lstm"] = lambda: parameters(20, lstm)
    table["gru"] = lambda: parameters(20, [(60, 10), (60, 20), (60,), (60,)])
    table["rnn"] = lambda: parameters(20, rnn)
    table["rnn64"] = lambda: parameters(5, [(5, 4), (5, 5), (5,), (5,)], F64)
    table["linear"] = lambda: parameters(30, [(7, 30), (7,)])
    return table


def mixed():
    """Odd numbers of normal values leave one in the generator, which later calls must take."""
    empty = np.empty
    pieces = [normal(empty(5, F32)), uniform(empty(3, F32)), normal(empty(2, F32)), normal(empty(17, F32))]
    pieces += [normal(empty(1, F32)), randperm(4), normal(empty(3)), log_normal(empty(3, F32)), uniform(empty(2))]
    return np.concatenate([*pieces, normal(empty(15, F32))], dtype=F64)


def parameters(fan, shapes, dtype=F32):
    """The initial weights of a layer, in the order of its parameters."""
    bound = 1 / math.sqrt(fan)
    return np.concatenate([uniform(np.empty(shape, dtype), -bound, bound).reshape(-1) for shape in shapes])


def tolerance(name, dtype):
    """0 where only exact arithmetic and one rounding are involved, else a few roundings of log, sin, cos, tan, exp.

    PyTorch evaluates those for blocks of float32 with polynomials of its own, which bears on the sixth decimal.
    """
    if name.startswith(("randn", "normal", "mixed")):
        return 1e-6 if dtype == F32 or name == "mixed" else 1e-14
    if name.startswith(("exponential", "log_normal", "cauchy")):
        return 4 * np.finfo(dtype).eps
    return 0.0


@pytest.mark.parametrize("name", draws())
def test_same_numbers_as_pytorch(name):
    recorded = {key: value for key, value in GOLDEN.items() if key.partition("/")[2] == name}
    assert len(recorded) == 3
    for key, expected in recorded.items():
        manual_seed(int(key.partition("/")[0]))
        got = draws()[name]()
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        bound = tolerance(name, got.dtype)
        np.testing.assert_allclose(got, expected, rtol=bound, atol=bound, err_msg=key)


def test_every_recorded_draw_is_compared():
    assert {key.partition("/")[2] for key in GOLDEN if key != "torch_version"} == set(draws())


@pytest.mark.parametrize(("n", "spent"), [(1, 4), (5, 12), (16, 16), (17, 33), (32, 32), (47, 63)])
def test_number_of_raw_draws_that_normal_takes(n, spent):
    """16 and more take one raw draw each, and 16 again for an incomplete block; fewer take four for each pair."""
    g = Generator().manual_seed(3)
    normal(np.empty(n, F32), generator=g)
    assert g.draw32(1)[0] == Generator().manual_seed(3).draw32(spent + 1)[-1]


# ---- the engine ------------------------------------------------------------------------------------------


def test_published_check_of_mt19937():
    """The C++ standard ([rand.predef]): the 10000th output from seed 5489 is 4123659995."""
    assert Generator().manual_seed(5489).draw32(10000)[-1] == 4123659995


def test_first_outputs_of_seed_0():
    """The authors' init_genrand(0)."""
    assert Generator().manual_seed(0).draw32(3).tolist() == [2357136044, 2546248239, 3071714933]


def test_draw64_puts_the_first_draw_high():
    high, low = Generator().manual_seed(9).draw32(2).tolist()
    assert Generator().manual_seed(9).draw64(1).tolist() == [high << 32 | low]


def test_in_bulk_or_one_by_one_the_stream_is_the_same():
    a, b = Generator().manual_seed(4), Generator().manual_seed(4)
    assert a.draw32(1500).tolist() == [int(b.draw32(1)[0]) for _ in range(1500)]


def test_manual_seed_returns_the_generator_and_forgets_the_spare():
    g = Generator()
    first = normal(np.empty(3), generator=g.manual_seed(8)).copy()
    assert g.spare is not None
    assert g.manual_seed(8) is g
    assert g.spare is None
    assert (normal(np.empty(3), generator=g) == first).all()
    assert manual_seed(1) is default_generator


def test_only_the_low_32_bits_of_the_seed_reach_the_engine():
    values = [Generator().manual_seed(seed).draw32(5).tolist() for seed in (7, 7 + 2**32, 7 - 2**32, np.int64(7))]
    assert values[1:] == values[:1] * 3
    assert Generator().manual_seed(8).draw32(5).tolist() != values[0]


@pytest.mark.parametrize(("seed", "initial"), [(0, 0), (-1, 2**64 - 1), (-(2**63), 2**63), (2**64 - 1, 2**64 - 1)])
def test_initial_seed(seed, initial):
    assert manual_seed(seed).initial_seed() == initial == random.initial_seed()


def test_seed_is_fresh():
    g = Generator()
    seeds = {g.seed() for _ in range(4)}
    assert len(seeds) == 4
    assert g.initial_seed() in seeds
    assert g.draw32(9).tolist() == Generator().manual_seed(g.initial_seed()).draw32(9).tolist()


def test_a_new_generator_starts_from_a_fixed_seed_today_and_from_a_fresh_one_in_03():
    assert Generator().initial_seed() == Generator().initial_seed() == 67280421310721
    random.set_rng("0.3")
    assert Generator().initial_seed() != Generator().initial_seed()


@pytest.mark.parametrize("seed", [1.0, "1", None, True, np.bool_(True), [1]])
def test_manual_seed_refuses_other_types(seed):
    before = default_generator.get_state()
    with pytest.raises(TypeError, match="manual_seed: seed must be an int, got "):
        manual_seed(seed)
    assert (default_generator.get_state() == before).all()


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_manual_seed_refuses_more_than_64_bits(seed):
    with pytest.raises(RuntimeError, match=f"64 bits.*got {seed}"):
        manual_seed(seed)


@pytest.mark.parametrize("draw", [lambda g: g.draw32(3), lambda g: normal(np.empty(3), generator=g)])
def test_threads_share_a_generator_without_losing_a_number(draw):
    shared, alone = Generator().manual_seed(6), Generator().manual_seed(6)
    got = []

    def work():
        for _ in range(200):
            got.extend(draw(shared).tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(value for _ in range(800) for value in draw(alone).tolist())


def test_normal_takes_the_spare_and_its_draws_as_one_step():
    g = Generator().manual_seed(6)
    g.spare = 0.25
    out = np.empty(4)
    thread = threading.Thread(target=normal, args=(out,), kwargs={"generator": g})
    with g.lock:
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        assert g.spare == 0.25
    thread.join()
    assert out[0] == 0.25
    assert g.spare is not None


# ---- state -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 3, 623, 624, 625])
@pytest.mark.parametrize("spare", [False, True])
def test_a_restored_state_replays_exactly(before, spare):
    g = Generator().manual_seed(11)
    g.draw32(before)
    if spare:
        normal(np.empty(5), generator=g)
    state = g.get_state()
    play = lambda g: [
        normal(np.empty(3), generator=g),
        uniform(np.empty(700), generator=g),
        normal(np.empty(1), generator=g),
    ]
    first = play(g)
    other = Generator().manual_seed(12)
    other.spare = 0.5
    for again in (g, other):
        again.set_state(state)
        assert again.initial_seed() == 11
        assert all((a == b).all() for a, b in zip(play(again), first, strict=True))


def test_state_is_an_array_of_uint8_of_its_own():
    g = Generator().manual_seed(1)
    state = g.get_state()
    assert state.dtype == np.uint8
    assert state.shape == (2536,)
    state[:] = 0
    assert (g.get_state() == Generator().manual_seed(1).get_state()).all()


def test_state_tells_the_spare_apart_from_none():
    g = Generator()
    without = g.get_state()
    g.spare = 0.0
    assert (g.get_state() != without).any()
    copied = Generator()
    copied.set_state(g.get_state())
    assert copied.spare == 0.0


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copies_are_equal_and_independent(duplicate):
    g = Generator().manual_seed(5)
    normal(np.empty(3), generator=g)
    twin = duplicate(g)
    assert twin is not g
    assert (twin.get_state() == g.get_state()).all()
    expected = normal(np.empty(9), generator=g).copy()
    assert (normal(np.empty(9), generator=twin) == expected).all()


def test_rng_state_of_the_default_generator():
    manual_seed(3)
    normal(np.empty(7))
    state = random.get_rng_state()
    first = normal(np.empty(7)).copy()
    random.set_rng_state(state)
    assert (normal(np.empty(7)) == first).all()


def damaged(at, value):
    state = Generator().manual_seed(0).get_state()
    state[at] = value
    return state


@pytest.mark.parametrize(
    ("state", "error", "text"),
    [
        (b"1234", TypeError, "array of uint8, got bytes"),
        (np.zeros(2536), TypeError, "array of uint8, got an array of float64"),
        (np.zeros(2536, np.int8), TypeError, "got an array of int8"),
        (np.zeros(5056, np.uint8), RuntimeError, r"shape \(2536,\), got \(5056,\)"),
        (np.zeros((1, 2536), np.uint8), RuntimeError, r"got \(1, 2536\)"),
        (np.zeros(0, np.uint8), RuntimeError, r"got \(0,\)"),
        (damaged(0, 65), RuntimeError, "must begin with b'minigrad mt19937', got b'Ainigrad mt19937'"),
        (damaged(16, 9), RuntimeError, "version 1, got 9"),
        (damaged(17, 2), RuntimeError, r"spare flag 2 \(0 or 1\)"),
        (damaged(18, 1), RuntimeError, r"reserved 1 \(0\)"),
        (damaged(22, 1), RuntimeError, "position 66160"),
        (damaged(slice(32, 40), 255), RuntimeError, "spare nan"),
        (damaged(slice(40, None), 0), RuntimeError, "engine all zero"),
    ],
)
def test_set_state_refuses_anything_else_and_changes_nothing(state, error, text):
    g = Generator().manual_seed(2)
    before = g.get_state()
    with pytest.raises(error, match=f"set_state: state .*{text}"):
        g.set_state(state)
    assert (g.get_state() == before).all()


def test_fork_rng_restores_on_the_way_out_even_after_an_error():
    manual_seed(1)
    normal(np.empty(3))
    before = default_generator.get_state()
    with fork_rng(devices=[0, 1]):
        manual_seed(2)
        assert default_generator.initial_seed() == 2
    assert (default_generator.get_state() == before).all()
    with pytest.raises(TypeError, match="out must be"), fork_rng():
        uniform(np.full(int(uniform(np.empty(1))[0]), None))
    assert (default_generator.get_state() == before).all()


def test_fork_rng_disabled_does_nothing():
    with fork_rng(enabled=False):
        manual_seed(77)
    assert default_generator.initial_seed() == 77


@pytest.mark.parametrize(("devices", "error"), [(3, TypeError), (["0"], TypeError), ([0, -1], ValueError)])
def test_fork_rng_refuses_what_are_no_devices(devices, error):
    with pytest.raises(error, match="fork_rng: devices must be "), fork_rng(devices):
        pytest.fail("the body must not run")


def test_set_rng():
    assert random.get_rng() == "modern"
    random.set_rng("0.3")
    assert random.get_rng() == "0.3"
    with pytest.raises(ValueError, match=r"'modern' or '0.3', got 'new'"):
        random.set_rng("new")
    assert random.get_rng() == "0.3"


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
