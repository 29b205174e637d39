"""The readable recurrent layers against the equations in plain NumPy, one sequence at a time."""

import numpy as np
import pytest

from minigrad._core import array_of, variable_from_array
from minigrad.ops.recurrent import CELLS, GATES
from minigrad.ops.recurrent_reference import each, over_time, stacked
from minigrad.testing import check_gradients

LENGTHS = [[4, 2, 1], [3, 3, 3], [2], [5, 1], [1, 1]]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def numpy_cell(kind, x, h, c, w_ih, w_hh, b_ih, b_hh):
    """One step for one sample: vectors in, vectors out, the equations gate by gate."""
    n = len(h)
    a, r = w_ih @ x + b_ih, w_hh @ h + b_hh
    if kind == "RNN_TANH":
        return np.tanh(a + r), None
    if kind == "RNN_RELU":
        return np.where(a + r > 0, a + r, 0), None
    if kind == "LSTM":
        i, f, o = (sigmoid(a[k * n : (k + 1) * n] + r[k * n : (k + 1) * n]) for k in (0, 1, 3))
        c = f * c + i * np.tanh(a[2 * n : 3 * n] + r[2 * n : 3 * n])
        return o * np.tanh(c), c
    reset, update = (sigmoid(a[k * n : (k + 1) * n] + r[k * n : (k + 1) * n]) for k in (0, 1))
    new = np.tanh(a[2 * n :] + reset * r[2 * n :])
    return (1 - update) * new + update * h, None


def numpy_sequence(kind, sequence, h, c, weights, reverse):
    """The states of one sequence in the order of time, and its final state."""
    states = []
    for x in sequence[::-1] if reverse else sequence:
        h, c = numpy_cell(kind, x, h, c, *weights)
        states.append(h)
    return states[::-1] if reverse else states, h, c


def weights_of(kind, rng, inputs=2, hidden=3):
    wide = GATES[kind] * hidden
    return [rng.uniform(-1, 1, size) for size in ((wide, inputs), (wide, hidden), (wide,), (wide,))]


def as_step(kind, weights):
    made = [variable_from_array(w) for w in weights]
    return lambda x, hidden: CELLS[kind](x, hidden, *made)


def packed(sequences):
    """Rows and batch sizes of sequences that are ordered by decreasing length."""
    sizes = [sum(len(s) > t for s in sequences) for t in range(len(sequences[0]))]
    return np.array([sequences[k][t] for t, size in enumerate(sizes) for k in range(size)]), sizes


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_packed_loop_runs_each_sequence_by_itself(kind, lengths, reverse, rng):
    weights = weights_of(kind, rng)
    sequences = [rng.uniform(-1, 1, (n, 2)) for n in lengths]
    h0, c0 = rng.uniform(-1, 1, (2, len(lengths), 3))
    rows, sizes = packed(sequences)
    start = (variable_from_array(h0), variable_from_array(c0)) if kind == "LSTM" else variable_from_array(h0)
    output, hidden = over_time(as_step(kind, weights), variable_from_array(rows), start, sizes, reverse)
    wanted = [numpy_sequence(kind, s, h0[k], c0[k], weights, reverse) for k, s in enumerate(sequences)]
    np.testing.assert_allclose(array_of(output), packed([states for states, _, _ in wanted])[0], rtol=0, atol=1e-14)
    hn = hidden[0] if kind == "LSTM" else hidden
    np.testing.assert_allclose(array_of(hn), [h for _, h, _ in wanted], rtol=0, atol=1e-14)
    if kind == "LSTM":
        np.testing.assert_allclose(array_of(hidden[1]), [c for _, _, c in wanted], rtol=0, atol=1e-14)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", CELLS)
def test_plain_loop_is_the_packed_one_with_equal_lengths(kind, reverse, rng):
    step = as_step(kind, weights_of(kind, rng))
    x, (h0, c0) = rng.uniform(-1, 1, (4, 2, 2)), rng.uniform(-1, 1, (2, 2, 3))
    start = (variable_from_array(h0), variable_from_array(c0)) if kind == "LSTM" else variable_from_array(h0)
    plain, last = over_time(step, variable_from_array(x), start, reverse=reverse)
    rows, last_packed = over_time(step, variable_from_array(x.reshape(8, 2)), start, [2] * 4, reverse)
    assert array_of(plain).shape == (4, 2, 3)
    np.testing.assert_array_equal(array_of(plain).reshape(8, 3), array_of(rows))
    each(lambda a, b: np.testing.assert_array_equal(array_of(a), array_of(b)), last, last_packed)


@pytest.mark.parametrize("kind", CELLS)
def test_cell_without_biases_has_zero_biases(kind, rng):
    w_ih, w_hh, b_ih, b_hh = (variable_from_array(w) for w in weights_of(kind, rng))
    x, h = variable_from_array(rng.uniform(-1, 1, (2, 2))), variable_from_array(rng.uniform(-1, 1, (2, 3)))
    hidden = (h, h * 0.5) if kind == "LSTM" else h
    found = CELLS[kind](x, hidden, w_ih, w_hh)
    wanted = CELLS[kind](x, hidden, w_ih, w_hh, b_ih * 0, b_hh * 0)
    each(lambda a, b: np.testing.assert_array_equal(array_of(a), array_of(b)), found, wanted)


def test_any_function_is_a_cell(rng):
    """Through loop and stack: a state of three tensors that count, remember and delay."""

    def cell(x, hidden):
        total, last, _ = hidden
        return total + x, x, last

    x = rng.uniform(-1, 1, (5, 2, 1))
    zeros = variable_from_array(np.zeros((2, 1)))

    def run(x, hidden):
        return over_time(cell, x, hidden)

    output, states = stacked([[run], [run]], variable_from_array(x), [(zeros,) * 3] * 2)
    first = np.cumsum(x, 0)
    np.testing.assert_allclose(array_of(output), np.cumsum(first, 0), rtol=0, atol=1e-15)
    np.testing.assert_allclose(array_of(states[0][0]), first[-1], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(array_of(states[0][1]), x[-1])
    np.testing.assert_array_equal(array_of(states[0][2]), x[-2])
    np.testing.assert_allclose(array_of(states[1][1]), first[-1], rtol=0, atol=1e-15)


def test_stack_joins_directions_and_treats_what_is_between_layers():
    seen = []

    def between(x):
        seen.append(array_of(x).copy())
        return x * 10

    def run(factor):
        return lambda x, hidden: (x * factor, hidden)

    x = variable_from_array(np.ones((2, 1, 1)))
    output, states = stacked([[run(2), run(3)], [run(5), run(7)], [run(1)]], x, "abcde", between)
    np.testing.assert_array_equal(array_of(output)[0, 0], [1000, 1500, 1400, 2100])
    assert states == list("abcde")
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[0][0, 0], [2, 3])
    np.testing.assert_array_equal(seen[1][0, 0], [100, 150, 140, 210])


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_reach_every_row_of_an_initial_state(reverse, rng):
    """Finite differences to second order through setting aside and joining rows."""
    rows, sizes = packed([rng.uniform(-1, 1, (n, 2)) for n in (3, 2, 1)])
    arrays = [rows, rng.uniform(-1, 1, (3, 3)), rng.uniform(-1, 1, (3, 3)), *weights_of("LSTM", rng)]
    inputs = [variable_from_array(a) for a in arrays]
    for v in inputs:
        v.requires_grad = True

    def function(x, h, c, *weights):
        output, (h, c) = over_time(lambda x, hidden: CELLS["LSTM"](x, hidden, *weights), x, (h, c), sizes, reverse)
        return output, h, c

    check_gradients(function, inputs, rng=rng)
