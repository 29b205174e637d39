"""Proof of gradients for your own operations, cells and layers, by random directions.

Where `autograd.gradcheck` compares every entry of the Jacobian (two evaluations an input element), `check_gradients`
compares the derivative along random directions: the cost does not grow with the size of the input, and a wrong gradient
escapes a random direction with probability 0. With order 2 the gradient itself is checked the same way, as a function
of the inputs and of the gradients that come from above.

    phi(t) = <w, f(x + t d)>,    phi'(0) = <df/dx^T w, d>,    with random w and d
"""

from __future__ import annotations

import numpy as np

from minigrad import _core
from minigrad._core import Variable, array_of
from minigrad.autograd import grad
from minigrad.ops import arrays


def check_gradients(function, inputs, order=2, rng=None, eps=1e-6, rtol=1e-6, atol=1e-8, directions=2):
    """Compare the gradients of function(*inputs) with finite differences along random directions, up to `order`.

    function: takes Variables, returns a Variable or a tuple (outputs that do not require grad are ignored).
    inputs: sequence of arguments; those that are Variables requiring grad are checked, in double precision.
    rng: numpy.random.Generator of directions and upstream gradients. Raises AssertionError naming the argument, the
    order and both numbers; also if no output depends on a checked input.

    >>> import minigrad as torch
    >>> x = Variable(torch.DoubleTensor([0.3, -0.7]), requires_grad=True)
    >>> check_gradients(lambda x: (x * x).tanh(), [x])
    """
    rng = np.random.default_rng() if rng is None else rng
    inputs = list(inputs)
    checked = [k for k, v in enumerate(inputs) if isinstance(v, Variable) and v.requires_grad]
    if not checked:
        raise AssertionError("check_gradients: no input requires grad")
    for k in checked:
        if array_of(inputs[k]).dtype != np.float64:
            raise AssertionError(
                f"check_gradients: input {k} must be a DoubleTensor, is a {_core.type_name(array_of(inputs[k]))}"
            )
    _check(function, inputs, checked, order, 1, rng, eps, rtol, atol, directions)


def _check(function, inputs, checked, order, level, rng, eps, rtol, atol, directions):
    starts = [arrays.to_host(array_of(inputs[k])).copy() for k in checked]

    def evaluate(values):
        given = list(inputs)
        for k, v in zip(checked, values):
            given[k] = v
        out = function(*given)
        return [o for o in (out if isinstance(out, tuple) else (out,)) if isinstance(o, Variable)]

    def variables(values):
        made = []
        for k, value in zip(checked, values):
            # the memory layout of the caller's input is part of what is proven
            array = arrays.run(np.empty_like, array_of(inputs[k])) if value.ndim else value
            arrays.assign(array, value)
            v = _core.variable_from_array(array)
            v.requires_grad = True
            made.append(v)
        return made

    outputs = evaluate([inputs[k] for k in checked])
    live = [j for j, o in enumerate(outputs) if o.requires_grad]
    if not live:
        raise AssertionError(f"check_gradients: order {level}: no output depends on the checked inputs")
    weights = [rng.standard_normal(array_of(outputs[j]).shape) for j in live]
    found = grad(
        [outputs[j] for j in live], [inputs[k] for k in checked],
        [_core.tensor_from_array(arrays.beside(w, array_of(outputs[j]))) for w, j in zip(weights, live)],
        allow_unused=True,
    )  # fmt: skip
    gradients = [np.zeros(a.shape) if g is None else arrays.to_host(array_of(g)) for g, a in zip(found, starts)]
    for g, a, k in zip(gradients, starts, checked):
        if g.shape != a.shape:
            raise AssertionError(
                f"order {level}: the gradient of argument {k} has size {g.shape}, the argument {a.shape}"
            )

    def phi(values):
        outs = evaluate(variables(values))
        return sum(float(np.sum(w * arrays.to_host(array_of(outs[j])))) for w, j in zip(weights, live))

    for number, k in enumerate(checked):
        for _ in range(directions):
            d = rng.standard_normal(starts[number].shape)
            moved = [a.copy() for a in starts]

            def difference(step, moved=moved, number=number, d=d):
                moved[number] = starts[number] + step * d
                above = phi(moved)
                moved[number] = starts[number] - step * d
                return (above - phi(moved)) / (2 * step)

            numeric = (4 * difference(eps * 50) - difference(eps * 100)) / 3  # Richardson: the eps**2 error cancels
            exact = float(np.sum(gradients[number] * d))
            scale = float(np.sum(np.abs(gradients[number] * d))) + abs(numeric)
            if not abs(numeric - exact) <= atol + rtol * scale:
                raise AssertionError(
                    f"order {level}: argument {k}: the derivative along a random direction is {exact:.10g} by "
                    "backward, "
                    f"{numeric:.10g} by finite differences"
                )
    if level >= order:
        return

    count = len(checked)

    def derivative(*args):
        values, upstream = args[:count], args[count:]
        outs = evaluate(values)
        got = grad([outs[j] for j in live], values, upstream, create_graph=True, allow_unused=True)
        return tuple(g for g in got if g is not None and g.requires_grad)

    next_inputs = variables(starts)
    for w, j in zip(weights, live):
        v = _core.variable_from_array(arrays.beside(w.copy(), array_of(outputs[j])))
        v.requires_grad = True
        next_inputs.append(v)
    _check(derivative, next_inputs, list(range(len(next_inputs))), order, level + 1, rng, eps, rtol, atol, directions)
