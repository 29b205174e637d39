"""The random engine: PyTorch's numbers (recorded in tests/golden/random.npz), seeds, state, threads."""

import copy
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
        (b"1234", TypeError, "must be a ByteTensor, got bytes"),
        (np.zeros(2536), TypeError, "must be a ByteTensor, got an array of float64"),
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


def test_states_are_byte_tensors_under_every_name():
    import minigrad as torch

    g = torch.Generator()
    assert type(g.get_state()) is type(torch.get_rng_state()) is torch.ByteTensor
    state = torch.get_rng_state()
    first = torch.randn(3)
    torch.random.set_rng_state(state)
    assert torch.equal(torch.randn(3), first)
    assert torch.random.manual_seed is torch.manual_seed
    seed = torch.initial_seed()
    with torch.random.fork_rng():
        torch.manual_seed(5)
    assert torch.random.initial_seed() == seed
