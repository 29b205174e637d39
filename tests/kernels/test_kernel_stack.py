"""Whole stacks of recurrent layers: what the kernels make of them against layer after layer, run after run."""

import numpy as np
import pytest

from minigrad import kernels

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
SIZES = [(6, 6, 6), (9, 5, 5, 2), (1,)]
SHAPES = [(1, 1), (1, 2), (2, 1), (3, 1), (2, 2)]


@pytest.fixture
def two_threads():
    before = kernels.get_num_threads()
    kernels.set_num_threads(2)
    yield
    kernels.set_num_threads(before)


def make(rng, kind, layers, directions, sizes, hidden=20, features=3, bias=True):
    """x as rows, the states, the weights of all runs."""
    wide, runs = GATES[kind] * hidden, layers * directions
    scale, weights = 1 / np.sqrt(hidden), []
    for k in range(runs):
        width = features if k < directions else directions * hidden
        weights += [rng.normal(size=(wide, width)) * scale, rng.normal(size=(wide, hidden)) * scale]
        weights += [rng.normal(size=wide) if bias else None for _ in range(2)]
    states = [rng.normal(size=(runs, sizes[0], hidden)) if kind == "LSTM" or s == 0 else None for s in range(2)]
    return rng.normal(size=(sum(sizes), features)), *states, tuple(weights)


def layer_by_layer(kind, x, h0, c0, weights, sizes, directions, d_output, d_hn, d_cn):
    """(output, hn, cn, gradients) from `layer_forward` and `layer_backward`, joined and split by hand."""
    runs, saved, hn, cn, hidden = len(weights) // 4, [], [], [], h0.shape[2]
    for k in range(0, runs, directions):
        outputs = []
        for r in range(k, k + directions):
            h, *last, kept = kernels.layer_forward(
                kind, x, h0[r], None if c0 is None else c0[r], *weights[4 * r : 4 * r + 4], sizes, r > k
            )
            outputs.append(h)
            hn.append(last[0])
            cn.append(last[1])
            saved.append(kept)
        x = np.concatenate(outputs, 1)
    d_h0, d_c0, d_weights = [None] * runs, [None] * runs, [None] * (4 * runs)
    d_x = d_output
    for k in range(runs - directions, -1, -directions):
        total = 0
        for r in range(k, k + directions):
            part = np.ascontiguousarray(d_x[:, (r - k) * hidden : (r - k + 1) * hidden])
            found = kernels.layer_backward(
                kind, saved[r], part, d_hn[r], None if d_cn is None else d_cn[r], (True,) * 7
            )
            total = total + found[0]
            d_h0[r], d_c0[r], d_weights[4 * r : 4 * r + 4] = found[1], found[2], found[3:]
        d_x = total
    stacked = [np.stack(hn), None if c0 is None else np.stack(cn)]
    return [x, *stacked], [d_x, np.stack(d_h0), None if c0 is None else np.stack(d_c0), *d_weights]


def assert_close(found, wanted, bound):
    assert len(found) == len(wanted)
    for f, w in zip(found, wanted):
        assert (f is None) == (w is None)
        assert f is None or (f.shape == w.shape and np.abs(f - w).max(initial=0) < bound)


def upstream(rng, kind, output, hn):
    return (
        rng.normal(size=output.shape),
        rng.normal(size=hn.shape),
        rng.normal(size=hn.shape) if kind == "LSTM" else None,
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("layers", "directions"), SHAPES)
@pytest.mark.parametrize("kind", kernels.KINDS)
def test_a_stack_is_its_layers(kind, layers, directions, sizes, bias):
    rng = np.random.default_rng(1)
    x, h0, c0, weights = make(rng, kind, layers, directions, sizes, bias=bias)
    sizes = np.array(sizes)
    *found, saved = kernels.stack_forward(kind, x, h0, c0, weights, sizes, directions)
    d = upstream(rng, kind, found[0], found[1])
    wanted, gradients = layer_by_layer(kind, x, h0, c0, weights, sizes, directions, *d)
    assert_close(found, wanted, 1e-13)
    everything = (True,) * (3 + len(weights))
    assert_close(kernels.stack_backward(saved, *d, everything), gradients, 1e-11)
    *kept_nothing, none = kernels.stack_forward(kind, x, h0, c0, weights, sizes, directions, False)
    assert none is None
    for a, b in zip(kept_nothing, found):
        assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("kind", kernels.KINDS)
def test_steps_of_one_size_as_a_cube_or_as_rows(kind):
    rng = np.random.default_rng(2)
    x, h0, c0, weights = make(rng, kind, 2, 2, (4, 4, 4))
    *rows, saved_rows = kernels.stack_forward(kind, x, h0, c0, weights, np.full(3, 4), 2)
    *cube, saved = kernels.stack_forward(kind, x.reshape(3, 4, -1), h0, c0, weights, None, 2)
    assert cube[0].shape == (3, 4, 40)
    d = upstream(rng, kind, *cube[:2])
    found = kernels.stack_backward(saved, *d, (True,) * (3 + len(weights)))
    wanted = kernels.stack_backward(saved_rows, d[0].reshape(12, -1), *d[1:], (True,) * (3 + len(weights)))
    for a, b in zip([*cube, *found], [*rows, *wanted]):
        assert (a is None and b is None) or np.array_equal(a.reshape(b.shape), b)


@pytest.mark.parametrize("kind", kernels.KINDS)
def test_what_is_not_needed_is_none_and_the_rest_is_the_same(kind):
    rng = np.random.default_rng(3)
    x, h0, c0, weights = make(rng, kind, 2, 2, (5, 5, 2))
    *found, saved = kernels.stack_forward(kind, x, h0, c0, weights, np.array([5, 5, 2]), 2)
    d = upstream(rng, kind, *found[:2])
    count = 3 + len(weights)
    everything = kernels.stack_backward(saved, *d, (True,) * count)
    for chosen in [(), *[(k,) for k in range(count)], (0, 12), (3, 18), tuple(range(11, 19))]:
        needs = tuple(k in chosen for k in range(count))
        for needed, got, want in zip(needs, kernels.stack_backward(saved, *d, needs), everything):
            assert got is None if not needed or want is None else np.array_equal(got, want)


@pytest.mark.parametrize("missing", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("kind", kernels.KINDS)
def test_missing_upstream_gradients_are_zeros(kind, missing):
    rng = np.random.default_rng(4)
    x, h0, c0, weights = make(rng, kind, 2, 2, (5, 5, 2))
    *found, saved = kernels.stack_forward(kind, x, h0, c0, weights, np.array([5, 5, 2]), 2)
    d = upstream(rng, kind, *found[:2])
    some = [None if k in missing else g for k, g in enumerate(d)]
    zeros = [np.zeros_like(g) if k in missing and g is not None else g for k, g in enumerate(d)]
    needs = (True,) * (3 + len(weights))
    for a, b in zip(kernels.stack_backward(saved, *some, needs), kernels.stack_backward(saved, *zeros, needs)):
        assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize(
    ("sizes", "hidden"),
    [((32,) * 12, 150), ((40, 33, 30, 30, 8, 2), 150), ((40,) * 30, 65)],
    ids=["even", "uneven", "deep"],
)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("kind", kernels.KINDS)
def test_two_threads_agree_with_one_and_repeat_their_bits(kind, directions, sizes, hidden, two_threads):
    rng = np.random.default_rng(5)
    x, h0, c0, weights = make(rng, kind, 2, directions, sizes, hidden=hidden, features=60)
    results = []
    for threads in (2, 2, 1):
        kernels.set_num_threads(threads)
        *found, saved = kernels.stack_forward(kind, x, h0, c0, weights, np.array(sizes), directions)
        d = upstream(np.random.default_rng(6), kind, *found[:2])
        results.append([*found, *kernels.stack_backward(saved, *d, (True,) * (3 + len(weights)))])
    for first, second, alone in zip(*results):
        assert (first is None) == (alone is None)
        if first is not None:
            assert np.array_equal(first, second)
            assert np.abs(first - alone).max() < 1e-10 * max(1, np.abs(alone).max())


def sequences(arrays, sizes, chosen):
    """Of arrays of rows, what belongs to the sequences in the slice `chosen`; and their sizes."""
    starts = np.cumsum(sizes) - sizes
    rows = np.concatenate([start + np.arange(size)[chosen] for start, size in zip(starts, sizes)])
    counts = [len(range(size)[chosen]) for size in sizes]
    return [a[rows] for a in arrays], np.array([c for c in counts if c])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("sizes", [np.full(40, 40), np.linspace(60, 3, 50).astype(int)], ids=["even", "uneven"])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("kind", kernels.KINDS)
def test_a_long_run_in_parts_is_its_sequences(kind, directions, sizes, threads, two_threads):
    """1500 rows are too many for one part of the steps (a megabyte of gates), those of five sequences are not."""
    kernels.set_num_threads(threads)
    rng = np.random.default_rng(9)
    x, h0, c0, weights = make(rng, kind, 3, directions, sizes.tolist(), hidden=131)
    needs = (True,) * (3 + len(weights))
    *found, saved = kernels.stack_forward(kind, x, h0, c0, weights, sizes, directions)
    d = upstream(rng, kind, *found[:2])
    gradients = kernels.stack_backward(saved, *d, needs)
    *kept_nothing, _ = kernels.stack_forward(kind, x, h0, c0, weights, sizes, directions, False)
    total = [0] * len(weights)
    for first in range(0, int(sizes[0]), 5):
        chosen = slice(first, first + 5)
        (x_few, output, again, d_output, d_x), few = sequences(
            (x, found[0], kept_nothing[0], d[0], gradients[0]), sizes, chosen
        )
        states = [None if a is None else np.ascontiguousarray(a[:, chosen]) for a in (h0, c0, *d[1:])]
        *wanted, saved = kernels.stack_forward(kind, x_few, *states[:2], weights, few, directions)
        last = [None if a is None else a[:, chosen] for a in (*found[1:], *kept_nothing[1:])]
        assert_close([output, *last[:2]], wanted, 1e-12)
        assert_close([again, *last[2:]], wanted, 1e-12)
        wanted = kernels.stack_backward(saved, d_output, *states[2:], needs)
        assert_close([d_x, *(None if a is None else a[:, chosen] for a in gradients[1:3])], wanted[:3], 1e-11)
        total = [t + w for t, w in zip(total, wanted[3:])]
    assert_close(gradients[3:], total, 1e-9)
    assert all(np.abs(t).max() > 1e-3 for t in total)


def test_results_share_no_memory():
    rng = np.random.default_rng(7)
    x, h0, c0, weights = make(rng, "LSTM", 2, 2, (4, 4))
    *found, saved = kernels.stack_forward("LSTM", x, h0, c0, weights, np.array([4, 4]), 2)
    d = upstream(rng, "LSTM", *found[:2])
    arrays = [x, h0, c0, *weights, *d, *found, *kernels.stack_backward(saved, *d, (True,) * 19)]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[:i])


def test_wrong_arguments_are_refused_by_name():
    rng = np.random.default_rng(8)
    x, h0, c0, weights = make(rng, "LSTM", 1, 2, (3, 3))
    cube, good = x.reshape(2, 3, 3), (h0, c0, weights)
    kernels.stack_forward("LSTM", cube, *good, None, 2)
    for arguments, error, name in (
        (("LSTM", x, *good, None, 2), ValueError, "x must have 3 dimensions"),
        (("LSTM", cube, *good, np.array([3, 3]), 2), ValueError, "x must have 2 dimensions"),
        (("LSTM", cube[..., :2], *good, None, 2), ValueError, "w_ih"),
        (("LSTM", cube[:0], *good, None, 2), ValueError, "x must have seq"),
        (("LSTM", cube, *good, None, 3), ValueError, "directions"),
        (("LSTM", cube, h0, c0, weights[:-1], None, 2), ValueError, "weights"),
        (("LSTM", cube, h0, c0, weights[:4], None, 2), ValueError, "weights"),
        (("LSTM", cube, h0, c0, (), None, 2), ValueError, "weights"),
        (("LSTM", cube, h0, c0, list(weights), None, 2), TypeError, "weights"),
        (("LSTM", cube, h0, None, weights, None, 2), ValueError, "c0"),
        (("LSTM", cube, None, c0, weights, None, 2), TypeError, "h0"),
        (("LSTM", cube, h0[:1], c0, weights, None, 2), ValueError, "h0"),
        (("LSTM", cube, h0, c0[:, :2], weights, None, 2), ValueError, "c0"),
        (("GRU", cube, h0, c0, weights, None, 2), ValueError, "w_hh"),
        (("LSTM", cube.astype(np.float32), *good, None, 2), TypeError, "w_hh"),
    ):
        with pytest.raises(error, match=name):
            kernels.stack_forward(*arguments)
    output, hn, _, saved = kernels.stack_forward("LSTM", cube, *good, None, 2)
    needs = (True,) * 11
    with pytest.raises(ValueError, match="needs"):
        kernels.stack_backward(saved, None, None, None, needs[:-1])
    for wrong in (output[..., :-1], output.reshape(6, -1)):
        with pytest.raises(ValueError, match="d_output"):
            kernels.stack_backward(saved, wrong, None, None, needs)
    with pytest.raises(ValueError, match="d_hn"):
        kernels.stack_backward(saved, output, hn[0], None, needs)
    with pytest.raises(TypeError, match="saved"):
        kernels.stack_backward(None, output, None, None, needs)
