"""The recurrent kernels against the equations, taken one step at a time, and against their finite differences."""

import itertools
import threading

import numpy as np
import pytest

from minigrad import kernels

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
NAMES = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh")
EVERYTHING = (True,) * 7


@pytest.fixture(params=kernels.available_instruction_sets())
def instruction_set(request):
    before = kernels.instruction_set()
    kernels.use_instruction_set(request.param)
    yield request.param
    kernels.use_instruction_set(before)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse):
    """(h of all rows, hn, cn), from the equations, one step at a time."""
    h = h0.copy()
    c = None if c0 is None else c0.copy()
    starts = np.concatenate([[0], np.cumsum(batch_sizes)])
    rows = np.empty((starts[-1], h0.shape[1]), x.dtype)
    steps = range(len(batch_sizes))
    for t in reversed(steps) if reverse else steps:
        n = batch_sizes[t]
        here = slice(starts[t], starts[t] + n)
        a = x[here] @ w_ih.T + (0 if b_ih is None else b_ih)
        b = h[:n] @ w_hh.T + (0 if b_hh is None else b_hh)
        if kind == "LSTM":
            i, f, g, o = np.split(a + b, 4, axis=1)
            c[:n] = sigmoid(f) * c[:n] + sigmoid(i) * np.tanh(g)
            h[:n] = sigmoid(o) * np.tanh(c[:n])
        elif kind == "GRU":
            (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3, axis=1), np.split(b, 3, axis=1)
            z = sigmoid(a_z + b_z)
            h[:n] = (1 - z) * np.tanh(a_n + sigmoid(a_r + b_r) * b_n) + z * h[:n]
        else:
            h[:n] = np.tanh(a + b) if kind == "RNN_TANH" else np.maximum(a + b, 0)
        rows[here] = h[:n]
    return rows, h, c


def make(rng, kind, batch_sizes, hidden, features=3, bias=True, dtype=np.float64):
    """Arguments (x, h0, c0, w_ih, w_hh, b_ih, b_hh), all distinct and none zero."""
    wide, batch, rows = GATES[kind] * hidden, int(batch_sizes[0]), int(np.sum(batch_sizes))
    scale = 1 / np.sqrt(hidden)
    arguments = [
        rng.normal(size=(rows, features)),
        rng.normal(size=(batch, hidden)),
        rng.normal(size=(batch, hidden)) if kind == "LSTM" else None,
        rng.normal(size=(wide, features)),
        rng.normal(size=(wide, hidden)) * scale,
        rng.normal(size=wide) if bias else None,
        rng.normal(size=wide) if bias else None,
    ]
    return [None if a is None else a.astype(dtype) for a in arguments]


def uneven(rng, batch, steps):
    sizes = np.sort(rng.integers(1, batch + 1, size=steps))[::-1].astype(np.int64)
    sizes[0] = batch
    return sizes


def upstream(rng, arguments, kind):
    x, h0 = arguments[0], arguments[1]
    d_h = rng.normal(size=(len(x), h0.shape[1])).astype(x.dtype)
    d_hn = rng.normal(size=h0.shape).astype(x.dtype)
    return d_h, d_hn, rng.normal(size=h0.shape).astype(x.dtype) if kind == "LSTM" else None


def difference(a, b):
    assert a.shape == b.shape
    return np.max(np.abs(a - b), initial=0)


def shapes():
    """Every batch with every hidden size in both directions, with lengths 1 to 5 and with and without biases."""
    for batch, hidden, reverse in itertools.product(range(1, 10), (1, 4, 7, 16, 17, 24, 28, 33), (False, True)):
        yield batch, hidden, 1 + (batch + hidden + 2 * reverse) % 5, reverse, (batch + reverse) % 3 != 0
    for batch, steps, reverse in (
        (1, 5, False),
        (2, 3, True),
        (5, 1, False),
        (8, 1, True),
        (9, 2, True),
        (30, 4, False),
    ):
        yield batch, 100, steps, reverse, True


def check_layer(kind, rng, sizes, hidden, reverse, bias):
    """The layer against the equations, and its gradients against their finite differences, in float64."""
    case = f"steps {sizes.tolist()}, hidden {hidden}, reverse {reverse}, bias {bias}"
    arguments = make(rng, kind, sizes, hidden, bias=bias)
    h, hn, cn, saved = kernels.layer_forward(kind, *arguments, sizes, reverse)
    expected = reference(kind, *arguments, sizes, reverse)
    for got, want in zip((h, hn, cn), expected):
        assert (got is None) == (want is None)
        assert want is None or difference(got, want) < 1e-12 * max(1, abs(want).max()), case

    d = upstream(rng, arguments, kind)
    gradients = kernels.layer_backward(kind, saved, *d, EVERYTHING)
    for k, name in enumerate(NAMES):
        if arguments[k] is None:
            assert gradients[k] is None
            continue
        direction = rng.normal(size=arguments[k].shape)
        values = []
        for step in (1e-6, -1e-6):
            moved = list(arguments)
            moved[k] = arguments[k] + step * direction
            values.append(
                sum(np.vdot(g, r) for g, r in zip(d, reference(kind, *moved, sizes, reverse)) if g is not None)
            )
        numerical = (values[0] - values[1]) / 2e-6
        analytical = np.vdot(gradients[k], direction)
        # A step across the corner of relu, which the seed avoids, would show as an error of the order of 1.
        assert abs(numerical - analytical) < 1e-6 * (1 + abs(numerical)), f"{name}: {case}"


def check_float32(kind, rng, sizes, hidden, reverse, bias):
    """The layer and its gradients in float32 against those in float64."""
    wide = make(rng, kind, sizes, hidden, bias=bias)
    narrow = [None if a is None else a.astype(np.float32) for a in wide]
    wide = [None if a is None else a.astype(np.float64) for a in narrow]
    d = upstream(rng, narrow, kind)
    results = []
    for arguments, g in ((wide, [None if a is None else a.astype(np.float64) for a in d]), (narrow, d)):
        *states, saved = kernels.layer_forward(kind, *arguments, sizes, reverse)
        results.append([*states, *kernels.layer_backward(kind, saved, *g, EVERYTHING)])
    for want, got in zip(*results):
        assert (want is None) == (got is None)
        if want is not None:
            assert got.dtype == np.float32
            assert difference(got, want) <= 2e-5 * max(1, abs(want).max()), (sizes.tolist(), hidden)


@pytest.mark.parametrize("kind", kernels.KINDS)
def test_layer_agrees_with_the_equations_and_their_finite_differences(kind, instruction_set):
    rng = np.random.default_rng(1)
    for batch, hidden, steps, reverse, bias in shapes():
        check_layer(kind, rng, uneven(rng, batch, steps), hidden, reverse, bias)


@pytest.mark.parametrize("kind", kernels.KINDS)
def test_float32_agrees_with_float64_to_rounding(kind, instruction_set):
    rng = np.random.default_rng(2)
    for batch, hidden, steps, reverse, bias in shapes():
        check_float32(kind, rng, uneven(rng, batch, steps), hidden, reverse, bias)


@pytest.mark.parametrize(("kind", "hidden"), [("RNN_TANH", 1545), ("LSTM", 775), ("GRU", 895)])
def test_weights_larger_than_the_second_level_cache(kind, hidden, instruction_set):
    """Their panels are fetched ahead, in tiles compiled apart; W_hh has 9 MiB of float32."""
    rng = np.random.default_rng(17)
    check_layer(kind, rng, np.array([27, 14, 5]), hidden, False, True)
    check_float32(kind, rng, np.array([27, 27, 9, 1]), hidden, True, True)


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_loop_alone_agrees_with_the_layer(kind, reverse, instruction_set):
    rng = np.random.default_rng(3)
    sizes = np.array([7, 7, 4, 2, 1])
    arguments = make(rng, kind, sizes, 20)
    x, h0, c0, w_ih, w_hh, b_ih, b_hh = arguments
    *expected, saved = kernels.layer_forward(kind, *arguments, sizes, reverse)
    gx = x @ w_ih.T + b_ih
    before = gx.copy()
    *states, saved_loop = kernels.forward(kind, gx, h0, c0, w_hh, b_hh, sizes, reverse)
    assert np.array_equal(gx, before)
    for got, want in zip(states, expected):
        assert (got is None and want is None) or difference(got, want) < 1e-13

    d = upstream(rng, arguments, kind)
    gradients = kernels.layer_backward(kind, saved, *d, EVERYTHING)
    d_a, d_b, d_h0, d_c0, previous = kernels.backward(kind, saved_loop, *d)
    assert (d_a is d_b) == (kind != "GRU")
    composed = (d_a @ w_ih, d_h0, d_c0, d_a.T @ x, d_b.T @ previous, d_a.sum(0), d_b.sum(0))
    for got, want in zip(composed, gradients):
        assert (got is None and want is None) or difference(got, want) < 1e-12


@pytest.mark.parametrize("kind", kernels.KINDS)
def test_equal_batch_sizes_may_be_left_out(kind):
    rng = np.random.default_rng(4)
    sizes = np.full(4, 3)
    arguments = make(rng, kind, sizes, 9)
    d = upstream(rng, arguments, kind)
    results = []
    for given in (sizes, None):
        *states, saved = kernels.layer_forward(kind, *arguments, given)
        results.append([*states, *kernels.layer_backward(kind, saved, *d, EVERYTHING)])
    for a, b in zip(*results):
        assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_missing_upstream_gradients_are_zeros(kind, reverse):
    rng = np.random.default_rng(5)
    sizes = np.array([5, 3, 3, 1])
    arguments = make(rng, kind, sizes, 11)
    *_, saved = kernels.layer_forward(kind, *arguments, sizes, reverse)
    d = upstream(rng, arguments, kind)
    for present in itertools.product((True, False), repeat=3):
        some = [g if p else None for g, p in zip(d, present)]
        filled = [g if p or g is None else np.zeros_like(g) for g, p in zip(d, present)]
        for a, b in zip(
            kernels.layer_backward(kind, saved, *some, EVERYTHING),
            kernels.layer_backward(kind, saved, *filled, EVERYTHING),
        ):
            assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("sizes", [(3,), (4, 4, 4), (5, 3, 1)])
def test_what_is_not_needed_is_none_and_the_rest_is_the_same(kind, reverse, sizes):
    rng = np.random.default_rng(6)
    sizes = np.array(sizes)
    arguments = make(rng, kind, sizes, 6)
    *_, saved = kernels.layer_forward(kind, *arguments, sizes, reverse)
    d = upstream(rng, arguments, kind)
    everything = kernels.layer_backward(kind, saved, *d, EVERYTHING)
    for needs in itertools.product((False, True), repeat=7):
        for needed, got, want in zip(needs, kernels.layer_backward(kind, saved, *d, needs), everything):
            if not needed or want is None:
                assert got is None
            else:
                assert np.array_equal(got, want)


def test_gradients_share_no_memory():
    rng = np.random.default_rng(7)
    for kind in kernels.KINDS:
        arguments = make(rng, kind, [4], 5)
        h, hn, cn, saved = kernels.layer_forward(kind, *arguments)
        d = upstream(rng, arguments, kind)
        arrays = [h, hn, cn, *arguments, *d, *kernels.layer_backward(kind, saved, *d, EVERYTHING)]
        for a, b in itertools.combinations([a for a in arrays if a is not None], 2):
            assert not np.shares_memory(a, b)


@pytest.mark.parametrize("kind", kernels.KINDS)
def test_inputs_may_be_read_only_or_strided_and_are_not_modified(kind):
    rng = np.random.default_rng(8)
    sizes = np.array([6, 5, 2])
    arguments = make(rng, kind, sizes, 10, dtype=np.float32)
    d = upstream(rng, arguments, kind)

    def strided(a):
        if a is None:
            return None
        out = np.zeros(tuple(2 * n for n in a.shape), a.dtype)[tuple(slice(None, None, 2) for _ in a.shape)]
        out[...] = a
        return out

    def frozen(a):
        if a is None:
            return None
        a = a.copy()
        a.flags.writeable = False
        return a

    def swapped(a):
        return None if a is None else a.astype(a.dtype.newbyteorder())

    results = []
    for change in (lambda a: a, strided, frozen, swapped):
        given, g = [change(a) for a in arguments], [change(a) for a in d]
        copies = [None if a is None else a.copy() for a in (*given, *g)]
        *states, saved = kernels.layer_forward(kind, *given, change(sizes))
        results.append([*states, *kernels.layer_backward(kind, saved, *g, EVERYTHING)])
        for a, b in zip((*given, *g), copies):
            assert (a is None and b is None) or np.array_equal(a, b)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            assert (a is None and b is None) or np.array_equal(a, b)


def test_saved_serves_more_than_one_backward():
    rng = np.random.default_rng(9)
    for kind in kernels.KINDS:
        arguments = make(rng, kind, [3, 3], 8)
        *_, saved = kernels.layer_forward(kind, *arguments, np.array([3, 3]))
        d = upstream(rng, arguments, kind)
        first, second = (kernels.layer_backward(kind, saved, *d, EVERYTHING) for _ in range(2))
        for a, b in zip(first, second):
            assert (a is None and b is None) or np.array_equal(a, b)


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("rows", [2, 40])
def test_nan_and_inf_reach_only_their_own_sequence(kind, bad, rows, instruction_set):
    rng = np.random.default_rng(10)
    arguments = make(rng, kind, [rows] * 3, 12, dtype=np.float32)
    clean, *_ = kernels.layer_forward(kind, *arguments)
    arguments[0][rows + 1] = bad
    h, *_, saved = kernels.layer_forward(kind, *arguments)
    others = np.ones((3, rows), bool)
    others[1:, 1] = False
    assert np.array_equal(h.reshape(3, rows, 12)[others], clean.reshape(3, rows, 12)[others])
    if np.isnan(bad):
        assert np.isnan(h.reshape(3, rows, 12)[1:, 1]).all()
    d_x = kernels.layer_backward(kind, saved, np.ones_like(h), None, None, (True,) + (False,) * 6)[0]
    assert np.isfinite(d_x.reshape(3, rows, 3)[:, 0]).all()


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
@pytest.mark.parametrize("sizes", [[9, 9, 9], [9, 5, 2], [9]], ids=str)
@pytest.mark.parametrize("hidden", [17, 20, 36])
def test_no_initial_state_is_zeros(kind, bad, sizes, hidden, instruction_set):
    """Nothing is multiplied by such a state, but zero times infinity is still no number."""
    rng = np.random.default_rng(13)
    x, h0, c0, *weights = make(rng, kind, sizes, hidden)
    if bad is not None:
        weights[1][hidden - 1, 2] = bad
    directions = (*weights, *(w[::-1].copy() for w in weights))
    zeros = [None if state is None else np.zeros((2, *state.shape)) for state in (h0, c0)]
    d_output = rng.normal(size=(sum(sizes), 2 * hidden))
    found = []
    for states in ((None, None), zeros):
        *results, saved = kernels.stack_forward(kind, x, *states, directions, np.array(sizes), 2)
        found.append((results, kernels.stack_backward(saved, d_output, None, None, (True, False, False) + (True,) * 8)))
        assert all(
            a is None or np.array_equal(a, b, equal_nan=True)
            for a, b in zip(kernels.stack_forward(kind, x, *states, directions, np.array(sizes), 2, False), results)
        )
    (nothing, d_nothing), (given, d_given) = found
    assert np.isnan(nothing[0]).any() == (bad is not None)
    for a, b in zip(nothing, given):
        assert (a is None and b is None) or np.array_equal(a, b, equal_nan=True)
    for a, b in zip(d_nothing, d_given):
        assert (a is None and b is None) or np.array_equal(a, b, equal_nan=True)


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_an_infinite_gradient_times_no_state_is_not_a_number(kind, reverse):
    rng = np.random.default_rng(14)
    x, h0, c0, *weights = make(rng, kind, [4] * 3, 6)
    first = 2 if reverse else 0  # the step that has no state before it
    directions = (*weights, *weights)
    d_output = np.ones((3, 4, 12))
    d_output[first, 1, 6 * reverse + 2] = np.inf
    zeros = [None if state is None else np.zeros((2, *state.shape)) for state in (h0, c0)]
    found = []
    for states in ((None, None), zeros):
        *_, saved = kernels.stack_forward(kind, x.reshape(3, 4, -1), *states, directions, None, 2)
        needs = (False,) * 3 + (True,) * 8
        found.append(kernels.stack_backward(saved, d_output, None, None, needs)[4 + 4 * reverse])
    assert np.isnan(found[1]).any()
    assert np.array_equal(np.isnan(found[0]), np.isnan(found[1]))


def test_relu_has_derivative_zero_at_zero(instruction_set):
    zeros = np.zeros((3, 4), np.float32)
    h, _, _, saved = kernels.layer_forward(
        "RNN_RELU", zeros, zeros, None, np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32), None, None
    )
    gradients = kernels.layer_backward("RNN_RELU", saved, np.ones_like(h), None, None, EVERYTHING)
    assert all(g is None or not g.any() for g in gradients)


def test_large_products_are_cut_without_losing_a_part(instruction_set):
    rng = np.random.default_rng(11)
    # More rows than one block of rows, a depth beyond one panel, widths beside every multiple of a vector.
    # The last has rows, of the input and of the gates, that share few sets of the cache and are copied first.
    for rows, features, hidden in ((1300, 5, 3), (700, 1100, 9), (3, 1537, 2), (13, 4096, 2048)):
        arguments = make(rng, "RNN_TANH", [rows], hidden, features=features)
        arguments[3] /= np.sqrt(features)
        h, _, _, saved = kernels.layer_forward("RNN_TANH", *arguments)
        want, _, _ = reference("RNN_TANH", *arguments, [rows], False)
        assert difference(h, want) < 1e-12
        d_h = rng.normal(size=h.shape)
        d_a = d_h * (1 - want**2)
        d_x, _, _, d_w_ih, d_w_hh, d_b, _ = kernels.layer_backward("RNN_TANH", saved, d_h, None, None, EVERYTHING)
        x, h0, _, w_ih, *_ = arguments
        for got, expected in ((d_x, d_a @ w_ih), (d_w_ih, d_a.T @ x), (d_w_hh, d_a.T @ h0), (d_b, d_a.sum(0))):
            assert difference(got, expected) < 1e-11


@pytest.mark.parametrize("kind", kernels.KINDS)
def test_empty_batch_and_no_features(kind, instruction_set):
    rng = np.random.default_rng(12)
    arguments = make(rng, kind, [0, 0], 4)
    h, hn, _, saved = kernels.layer_forward(kind, *arguments, np.zeros(2, np.int64))
    assert h.shape == (0, 4)
    assert hn.shape == (0, 4)
    gradients = kernels.layer_backward(kind, saved, None, None, None, EVERYTHING)
    assert gradients[4].shape == (GATES[kind] * 4, 4)
    assert not gradients[4].any()

    for batch in (2, 20):
        arguments = make(rng, kind, [batch, batch], 4, features=0)
        h, *_, saved = kernels.layer_forward(kind, *arguments)
        want, *_ = reference(kind, *arguments, [batch, batch], False)
        assert difference(h, want) < 1e-13
        assert kernels.layer_backward(kind, saved, h, None, None, EVERYTHING)[3].shape == (GATES[kind] * 4, 0)


def wrong_arguments():
    def change(name, value):
        return lambda arguments: {**arguments, name: value}

    f32 = np.float32
    yield "kind", ValueError, change("kind", "LSTMP")
    yield "kind", ValueError, change("kind", None)
    yield "kind", ValueError, change("kind", [])
    for name in ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh"):
        yield name, TypeError, change(name, [[1.0, 2.0]])
        yield name, TypeError, change(name, np.ones((2, 2), np.int64))
        yield name, TypeError, change(name, np.ones((2, 2), np.complex128))
        yield name, TypeError, change(name, np.ones((2, 2), object))
        yield name, ValueError, change(name, np.ones((), f32))
        yield name, ValueError, change(name, np.ones((2, 2, 2), f32))
    for name in ("h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh"):
        yield name, TypeError, change(name, np.ones((2, 2), np.float64))
    for name in ("h0", "c0", "w_ih", "w_hh"):
        yield name, (TypeError, ValueError), change(name, None)
        yield ".*", ValueError, change(name, np.ones((3, 7), f32))
        yield ".*", ValueError, change(name, np.ones((0, 5), f32))
        yield ".*", ValueError, change(name, np.ones((3, 0), f32))
    yield "b_ih", ValueError, change("b_ih", np.ones(19, f32))
    yield "b_hh", ValueError, change("b_hh", np.ones(21, f32))
    yield "x", ValueError, change("x", np.ones((7, 2), f32))
    yield "x", ValueError, change("x", np.ones((0, 2), f32))
    yield "x|w_ih", ValueError, change("x", np.ones((6, 3), f32))
    yield "batch_sizes", TypeError, change("batch_sizes", [3, 3])
    yield "batch_sizes", TypeError, change("batch_sizes", np.array([3, 3], np.int32))
    for sizes in ([3, 2], [3, 4], [2, 4], [6], [], [3, 3, -1, 1], [3, 3, 0, 1], [[3, 3]], 3):
        yield "batch_sizes", ValueError, change("batch_sizes", np.array(sizes, np.int64))


@pytest.mark.parametrize(("name", "error", "change"), list(wrong_arguments()))
def test_wrong_arguments_are_refused_by_name(name, error, change):
    good = dict(zip(NAMES, make(np.random.default_rng(13), "LSTM", [3, 3], 5, features=2, dtype=np.float32)))
    good = {"kind": "LSTM", **good, "batch_sizes": None, "reverse": False}
    kernels.layer_forward(**good)
    with pytest.raises(error, match=name):
        kernels.layer_forward(**change(good))


def test_wrong_gx_and_wrong_upstream_are_refused():
    rng = np.random.default_rng(14)
    x, h0, c0, _, w_hh, _, b_hh = arguments = make(rng, "LSTM", [3, 3], 5)
    for gx in (x, np.ones((6, 21)), np.ones((6, 20), np.float32), np.ones(6)):
        with pytest.raises((TypeError, ValueError), match=r"gx|h0"):
            kernels.forward("LSTM", gx, h0, c0, w_hh, b_hh)
    *_, loop = kernels.forward("LSTM", np.ones((6, 20)), h0, c0, w_hh, b_hh)
    *_, saved = kernels.layer_forward("LSTM", *arguments)
    with pytest.raises(ValueError, match="layer_forward"):
        kernels.layer_backward("LSTM", loop, None, None, None, EVERYTHING)
    for index, name in enumerate(("d_h", "d_hn", "d_cn")):
        for wrong, error in ((np.ones((5, 5)), ValueError), (np.ones((6, 5), np.float32), TypeError), (1.0, TypeError)):
            given = [None, None, None]
            given[index] = wrong
            with pytest.raises(error, match=name):
                kernels.layer_backward("LSTM", saved, *given, EVERYTHING)
            with pytest.raises(error, match=name):
                kernels.backward("LSTM", loop, *given)
    with pytest.raises(ValueError, match="kind"):
        kernels.layer_backward("GRU", saved, None, None, None, EVERYTHING)
    for needs in ((True,) * 6, (True,) * 8):
        with pytest.raises(ValueError, match="needs"):
            kernels.layer_backward("LSTM", saved, None, None, None, needs)
    with pytest.raises(TypeError, match="saved"):
        kernels.layer_backward("LSTM", None, None, None, None, EVERYTHING)
    with pytest.raises(TypeError):
        kernels.SavedSequence()

    *_, of_gru = kernels.layer_forward("GRU", *make(rng, "GRU", [3, 3], 5))
    with pytest.raises(ValueError, match="d_cn"):
        kernels.layer_backward("GRU", of_gru, None, None, np.ones((3, 5)), EVERYTHING)
    with pytest.raises(ValueError, match="c0"):
        kernels.layer_forward("GRU", x, h0, c0, np.ones((15, 3)), np.ones((15, 5)), None, None)


def test_saved_keeps_its_arrays_alive():
    rng = np.random.default_rng(15)
    arguments = make(rng, "LSTM", [4, 4], 30)
    d = upstream(rng, arguments, "LSTM")
    *_, saved = kernels.layer_forward("LSTM", *[None if a is None else a.copy() for a in arguments])
    rubbish = [np.full_like(a, np.nan) for a in arguments for _ in range(20)]
    *_, again = kernels.layer_forward("LSTM", *arguments)
    for a, b in zip(
        kernels.layer_backward("LSTM", saved, *d, EVERYTHING), kernels.layer_backward("LSTM", again, *d, EVERYTHING)
    ):
        assert np.array_equal(a, b)
    del rubbish


def test_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(16)
    work = [(kind, make(rng, kind, [6] * 5, 24)) for kind in kernels.KINDS]

    def run(kind, arguments):
        h, *_, saved = kernels.layer_forward(kind, *arguments)
        return h, *kernels.layer_backward(kind, saved, h, None, None, EVERYTHING)

    expected = [run(*w) for w in work]
    wrong = []

    def repeat(index):
        for _ in range(50):
            for a, b in zip(run(*work[index]), expected[index]):
                if not (a is None and b is None) and not np.array_equal(a, b):
                    wrong.append(index)

    threads = [threading.Thread(target=repeat, args=(i,)) for i in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
