"""The fused recurrent operations against their readable reference: values, first and second derivatives."""

import numpy as np
import pytest

from minigrad import kernels
from minigrad._core import array_of, tensor_from_array, variable_from_array
from minigrad.autograd import grad
from minigrad.ops import recurrent as fused
from minigrad.ops.recurrent import (
    CELLS,
    GATES,
    LAYERS,
    STEPS,
    recurrent,
    recurrent_step,
    stack_operation,
    stack_reference,
)

SIZES = [None, [3, 2, 2, 1], [2], [1, 1, 1]]


def variables(arrays):
    made = []
    for a in arrays:
        v = None if a is None else variable_from_array(a)
        if v is not None:
            v.requires_grad = True
        made.append(v)
    return made


def arguments(kind, rng, x_size, state_size, bias=True):
    """Distinct non-zero x, states, weights and biases."""
    inputs, hidden = x_size[-1], state_size[-1]
    wide = GATES[kind] * hidden
    sizes = [x_size] + [state_size] * (2 if kind == "LSTM" else 1) + [(wide, inputs), (wide, hidden)]
    biases = [rng.uniform(-1, 1, wide) if bias else None for _ in range(2)]
    return [rng.uniform(-1, 1, size) for size in sizes] + biases


def derivatives(function, arrays, seed):
    """Outputs, gradients, and the gradients of the gradients along a random direction, of inputs and upstream alike."""
    rng = np.random.default_rng(seed)
    values = variables(arrays)
    inputs = [v for v in values if v is not None]
    outputs = function(*values)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    upstream = [rng.uniform(-1, 1, array_of(o).shape) for o in outputs]
    first = grad(outputs, inputs, [tensor_from_array(g) for g in upstream])
    outputs = function(*values)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    upstream = variables(upstream)
    recorded = grad(outputs, inputs, upstream, create_graph=True)
    directions = [tensor_from_array(rng.uniform(-1, 1, array_of(g).shape)) for g in recorded]
    second = grad(recorded, inputs + upstream, directions, allow_unused=True)
    return [[None if v is None else array_of(v) for v in vs] for vs in (outputs, first, recorded, second)]


def assert_same(found, wanted, bound):
    assert len(found) == len(wanted)
    for f, w in zip(found, wanted):
        assert (f is None) == (w is None)
        if f is not None:
            np.testing.assert_allclose(f, w, rtol=0, atol=bound)


def stack_arguments(kind, rng, layers, directions, sizes, bias=True):
    """x, states and all weights of a stack with 3 features and hidden size 2."""
    batch, found = 2 if sizes is None else sizes[0], []
    for layer in range(layers):
        for _ in range(directions):
            x_size = (
                (4, 2, 2 * directions if layer else 3)
                if sizes is None
                else (sum(sizes), 2 * directions if layer else 3)
            )
            found.append(arguments(kind, rng, x_size, (layers * directions, batch, 2), bias))
    return found[0][:-4] + [w for run in found for w in run[-4:]]


@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_stack_equals_reference(kind, bias, sizes, layers, directions, rng):
    arrays = stack_arguments(kind, rng, layers, directions, sizes, bias)
    kept = [None if a is None else a.copy() for a in arrays]
    steps = None if sizes is None else np.array(sizes)
    operation = stack_operation(kind, layers * directions)

    def reference(x, *rest):
        if kind != "LSTM":
            return stack_reference(kind, x, rest[0], rest[1:], sizes, directions)
        output, hidden = stack_reference(kind, x, rest[:2], rest[2:], sizes, directions)
        return output, *hidden

    found = derivatives(lambda *v: operation(*v, steps, directions), arrays, 7)
    wanted = derivatives(reference, arrays, 7)
    for f, w, bound in zip(found, wanted, (1e-14, 1e-13, 1e-13, 1e-12)):
        assert_same(f, w, bound)
    for a, before in zip(arrays, kept):
        assert a is None or np.array_equal(a, before), "an input was changed"


@pytest.mark.parametrize("sizes", [None, [3, 2, 2, 1]], ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_no_initial_state_is_zeros(kind, sizes, rng):
    states = 2 if kind == "LSTM" else 1
    arrays = stack_arguments(kind, rng, 2, 2, sizes)
    steps = None if sizes is None else np.array(sizes)
    zeros = [np.zeros_like(a) for a in arrays[1 : 1 + states]]
    left_out = derivatives(
        lambda x, *w: stack_operation(kind, 4)(x, *[None] * states, *w, steps, 2), arrays[:1] + arrays[1 + states :], 7
    )
    given = derivatives(lambda *v: stack_operation(kind, 4)(*v, steps, 2), arrays[:1] + zeros + arrays[1 + states :], 7)
    np.testing.assert_array_equal(left_out[0][0], given[0][0])
    for f, w in zip(left_out[1], given[1][:1] + given[1][1 + states :]):
        np.testing.assert_array_equal(f, w)


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_deep_stacks_are_cut(kind, directions, rng):
    """More layers than one node can keep: the same values and gradients, with and without an initial state."""
    layers = 5
    x, *states, weights = (lambda a: [*a[: 3 if kind == "LSTM" else 2], a[3 if kind == "LSTM" else 2 :]])(
        stack_arguments(kind, rng, layers, directions, None)
    )

    def run(function):
        def outputs(x, *rest):
            hidden = rest[: len(states)] if kind == "LSTM" else rest[0]
            output, last = function(kind, x, hidden, rest[len(states) :])
            return [output, *(last if kind == "LSTM" else [last])]

        values = variables([x, *states, *weights])
        found = outputs(*values)
        return [array_of(o) for o in found] + [
            array_of(g) for g in grad(found[0].sum() + found[1].sum(), values[:1] + values[-4:])
        ]

    fused_ = run(lambda kind, x, hidden, w: recurrent(kind, x, hidden, w, directions))
    wanted = run(lambda kind, x, hidden, w: stack_reference(kind, x, hidden, w, None, directions))
    assert_same(fused_, wanted, 1e-13)
    values = variables([x, *weights])
    output, _ = recurrent(kind, values[0], None, values[1:], directions)
    wanted, _ = stack_reference(kind, values[0], None, values[1:], None, directions)
    np.testing.assert_allclose(array_of(output), array_of(wanted), rtol=0, atol=1e-14)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 3), (3, 1)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", CELLS)
def test_step_equals_reference(kind, bias, sizes, rng):
    batch, features = sizes
    arrays = arguments(kind, rng, (batch, features), (batch, 3), bias)

    def reference(x, *rest):
        return CELLS[kind](x, rest[:2], *rest[2:]) if kind == "LSTM" else CELLS[kind](x, *rest)

    found, wanted = (derivatives(f, arrays, 7) for f in (STEPS[kind], reference))
    for f, w, bound in zip(found, wanted, (1e-14, 1e-13, 1e-13, 1e-12)):
        assert_same(f, w, bound)


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (1, 3, 1, 2), (3, 1, 2, 1), (2, 2, 1, 1)], ids=str)
@pytest.mark.parametrize("kind", CELLS)
def test_sizes_of_one(kind, sizes, rng):
    steps, batch, features, hidden = sizes
    arrays = arguments(kind, rng, (steps, batch, features), (1, batch, hidden))
    found = derivatives(lambda *v: LAYERS[kind](*v, None, 1), arrays, 7)
    wanted = derivatives(lambda *v: LAYERS[kind].reference(*v, None, 1), arrays, 7)
    for f, w in zip(found, wanted):
        assert_same(f, w, 1e-12)


@pytest.mark.parametrize("argument", range(7))
def test_only_what_is_needed_is_computed(argument, rng):
    """A gradient for one argument alone is the one that comes with all the others."""
    arrays = arguments("LSTM", rng, (4, 2, 3), (1, 2, 2))
    everything = derivatives(lambda *v: LAYERS["LSTM"](*v, None, 1), arrays, 7)[1][argument]
    values = [variable_from_array(a) for a in arrays]
    values[argument].requires_grad = True
    outputs = LAYERS["LSTM"](*values, None, 1)
    seeded = np.random.default_rng(7)
    upstream = [tensor_from_array(seeded.uniform(-1, 1, array_of(o).shape)) for o in outputs]
    (alone,) = grad(outputs, [values[argument]], upstream)
    np.testing.assert_array_equal(array_of(alone), everything)


@pytest.mark.parametrize("kind", CELLS)
def test_step_asks_the_kernel_for_what_is_needed(kind, rng, monkeypatch):
    asked = []
    compute = kernels.layer_backward

    def recording(kind, saved, d_h, d_hn, d_cn, needs):
        asked.append(needs)
        return compute(kind, saved, d_h, d_hn, d_cn, needs)

    monkeypatch.setattr(kernels, "layer_backward", recording)
    values = [variable_from_array(a) for a in arguments(kind, rng, (2, 3), (2, 2))]
    values[1].requires_grad = values[-1].requires_grad = True
    outputs = STEPS[kind](*values)
    h = outputs[0] if kind == "LSTM" else outputs
    grad(h, [values[1], values[-1]], tensor_from_array(np.ones((2, 2))))
    assert asked == [(False, True, False, False, False, False, True)]


@pytest.mark.parametrize("used", [(0,), (1,), (2,), (1, 2)])
def test_outputs_that_are_not_used(used, rng):
    """Some outputs only: their gradient is that with zeros for the others."""
    arrays = arguments("LSTM", rng, (4, 2, 3), (1, 2, 2))
    values = variables(arrays)
    outputs = LAYERS["LSTM"](*values, None, 1)
    upstream = [rng.uniform(-1, 1, array_of(o).shape) * (k in used) for k, o in enumerate(outputs)]
    some = grad([outputs[k] for k in used], values, [tensor_from_array(upstream[k]) for k in used], retain_graph=True)
    every = grad(outputs, values, [tensor_from_array(g) for g in upstream])
    for s, e in zip(some, every):
        np.testing.assert_allclose(array_of(s), array_of(e), rtol=0, atol=1e-15)


@pytest.mark.parametrize("kind", CELLS)
def test_output_changed_in_place_before_backward_is_noticed(kind, rng):
    values = variables(arguments(kind, rng, (4, 2, 3), (1, 2, 2)))
    output, *_ = LAYERS[kind](*values, None, 1)
    loss = output * 1
    output *= 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        grad(loss, values[:1], tensor_from_array(np.ones((4, 2, 2))))


@pytest.mark.parametrize("kind", CELLS)
def test_final_state_has_memory_of_its_own(kind, rng):
    """Changing a final state in place, as truncated backpropagation does, leaves output and gradients alone."""
    arrays = arguments(kind, rng, (4, 2, 3), (1, 2, 2))
    values = variables(arrays)
    output, *states = LAYERS[kind](*values, None, 1)
    wanted = array_of(output).copy()
    upstream = tensor_from_array(rng.uniform(-1, 1, (4, 2, 2)))
    before = [
        array_of(g) for g in grad(output, values, upstream, retain_graph=True, allow_unused=True) if g is not None
    ]
    for s in states:
        array_of(s)[...] = 100.0
    after = [array_of(g) for g in grad(output, values, upstream, allow_unused=True) if g is not None]
    np.testing.assert_array_equal(array_of(output), wanted)
    for b, a in zip(before, after):
        np.testing.assert_array_equal(b, a)


@pytest.mark.parametrize("sizes", [None, [3, 2, 1]], ids=str)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("kind", CELLS)
def test_arrays_without_kernels_take_the_reference(kind, directions, sizes, rng, monkeypatch):
    """What CuPy arrays will take: the whole stack and the step, without kernels, give the same."""
    weights = []
    for layer in range(2):
        for _ in range(directions):
            width = 3 if layer == 0 else 2 * directions
            states = 2 if kind == "LSTM" else 1
            weights += variables(arguments(kind, rng, (1, width), (1, 1, 2))[1 + states :])
    batch = 2 if sizes is None else 3
    x = variable_from_array(rng.uniform(-1, 1, (4, 2, 3) if sizes is None else (6, 3)))
    h = variable_from_array(rng.uniform(-1, 1, (2 * directions, batch, 2)))
    hidden = (h, h * 0.5) if kind == "LSTM" else h

    def run(hidden):
        output, last = recurrent(kind, x, hidden, weights, directions, sizes)
        return [output, *(last if kind == "LSTM" else (last,))]

    def step():
        first = variable_from_array(array_of(x).reshape(-1, 3)[:2])
        state = variable_from_array(array_of(h)[0, :2])
        out = recurrent_step(kind, first, (state, state * 0.5) if kind == "LSTM" else state, *weights[:4])
        return list(out) if kind == "LSTM" else [out]

    wanted = [w for w in weights if w is not None]

    def found():
        outputs = run(hidden) + run(None) + step()
        gradients = [grad(out.sum(), wanted, retain_graph=True, allow_unused=True) for out in outputs]
        return outputs, [g for of_one in gradients for g in of_one]

    with_kernels = found()
    monkeypatch.setattr(fused, "KERNELS", {})
    without = found()
    for a, b in zip(with_kernels[0] + with_kernels[1], without[0] + without[1]):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(array_of(a), array_of(b), rtol=0, atol=1e-13)
    assert any(g is not None for g in without[1])
