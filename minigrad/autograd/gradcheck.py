"""Proof of gradients by finite differences.

`gradcheck(func, inputs)` compares the derivative that backward computes with central differences

    d f / d x_i  ~  (f(x + eps e_i) - f(x - eps e_i)) / (2 eps)

and `gradgradcheck` does the same for the derivative itself. Both want double precision: in float32 the rounding of f
alone, about 1e-7 |f| / eps, is far above the tolerance.

This module can be called: it is the function of the same name, so that both of the era's imports work.
"""

import sys
import types

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.autograd.engine import grad as _grad
from minigrad.ops import arrays
from minigrad.utils.callers import warn


def iter_tensors(x, only_requiring_grad=False):
    """The tensors in x: a Tensor, a Variable (its data), or any nesting of sequences of them."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, Variable):
        if x.requires_grad or not only_requiring_grad:
            yield x.data
    elif not isinstance(x, str):
        for part in x:
            yield from iter_tensors(part, only_requiring_grad)


def zero_gradients(x):
    """Detach and zero the gradients of the Variables in x."""
    if isinstance(x, Variable):
        if x.grad is not None:
            x.grad = _core.variable_from_array(arrays.run(np.zeros_like, array_of(x.grad)), True)
    elif not isinstance(x, (Tensor, str)):
        for part in x:
            zero_gradients(part)


def contiguous(input):
    """x, or each tensor in the sequence, with contiguous memory."""
    if isinstance(input, (Tensor, Variable)):
        return input.contiguous()
    return type(input)(contiguous(part) for part in input)


def make_jacobian(input, num_out):
    """Zero matrices (elements x num_out) for the tensors in input that require grad; None where none does.

    They lie in the CPU's memory, wherever the tensors are.
    """
    if isinstance(input, Tensor):
        return _core.tensor_from_array(np.zeros((input.array.size, num_out), input.array.dtype))
    if isinstance(input, Variable):
        return make_jacobian(input.data, num_out) if input.requires_grad else None
    made = [j for j in (make_jacobian(part, num_out) for part in input) if j is not None]
    return type(input)(made) if made else None


def get_numerical_jacobian(fn, input, target, eps=1e-3):
    """Central differences of fn(input) for each tensor in target that requires grad.

    Returns what `make_jacobian(target, outputs)` returns, filled: entry (i, k) is d out_k / d x_i.
    """
    tensors = list(iter_tensors(target, True))
    count = int(array_of(fn(input)).size)
    jacobian = make_jacobian(target, count)
    for x, j in zip(tensors, iter_tensors(jacobian) if jacobian is not None else ()):
        array = x.array
        for i, place in enumerate(np.ndindex(array.shape)):
            kept = array[place].item()
            below, above = [_moved(array, place, moved, fn, input) for moved in (kept - eps, kept + eps)]
            _set(array, place, kept)
            j.array[i] = (above - below) / (2 * eps)
    return jacobian


def _set(array, place, value):
    with arrays.near(array):
        array[place] = value


def _moved(array, place, value, fn, input):
    """fn(input), flat, with one element of an input's array changed."""
    _set(array, place, value)
    return arrays.to_host(array_of(fn(input))).astype(np.float64).reshape(-1)


def get_analytical_jacobian(input, output):
    """The same matrix from backward, one pass an output element.

    Returns (jacobian, reentrant: bit-equal when run again, correct_sizes: every gradient has its input's size).
    """
    inputs = [v for v in _variables(input) if v.requires_grad]
    shape, dtype = array_of(output).shape, array_of(output).dtype
    jacobian, again = make_jacobian(input, int(np.prod(shape))), make_jacobian(input, int(np.prod(shape)))
    correct = True
    for k in range(int(np.prod(shape))):
        seed = np.zeros(shape, dtype)
        seed.reshape(-1)[k] = 1
        seed = arrays.beside(seed, array_of(output))
        for matrix in (jacobian, again):
            found = _grad(output, inputs, _core.tensor_from_array(seed), retain_graph=True, allow_unused=True)
            for g, j, v in zip(found, iter_tensors(matrix), inputs):
                if g is None:
                    j.array[:, k] = 0
                elif array_of(g).shape != array_of(v).shape:
                    correct = False
                else:
                    j.array[:, k] = arrays.to_host(array_of(g)).reshape(-1)
    pairs = zip(iter_tensors(jacobian), iter_tensors(again)) if jacobian is not None else ()
    return jacobian, all(np.array_equal(a.array, b.array, equal_nan=True) for a, b in pairs), correct


def _variables(x):
    if isinstance(x, Variable):
        yield x
    elif not isinstance(x, (Tensor, str)):
        for part in x:
            yield from _variables(part)


def gradcheck(func, inputs, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True):
    """Whether func's gradients agree with finite differences: |a - n| <= atol + rtol |n| for every entry.

    func: takes `inputs` (a Variable or a sequence) and returns a Variable or a tuple of them; inputs that require grad
    must be DoubleTensors (a warning is given otherwise). eps: half width of the difference. Raises RuntimeError on
    disagreement, or returns False with raise_exception=False; returns True otherwise.

    >>> import minigrad as torch
    >>> x = Variable(torch.DoubleTensor([0.5, -1.5]), requires_grad=True)
    >>> gradcheck(lambda x: x * x, [x])
    True
    """
    inputs = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    single = [
        k
        for k, v in enumerate(inputs)
        if isinstance(v, Variable) and v.requires_grad and array_of(v).dtype != np.float64
    ]
    if single:
        warn(
            f"gradcheck: input {single[0]} is a {_core.type_name(array_of(inputs[single[0]]))}; in single precision "
            "the rounding "
            f"error of finite differences (about 1e-7 / eps = {1e-7 / eps:.0e}) exceeds the tolerance. Use .double()"
        )
    if not any(isinstance(v, Variable) and v.requires_grad for v in inputs):
        raise RuntimeError("gradcheck: none of the inputs requires grad, so there is nothing to check")
    output = func(*inputs)
    outputs = (output,) if isinstance(output, Variable) else tuple(output)

    def fail(text):
        if raise_exception:
            raise RuntimeError(f"gradcheck: {text}")
        return False

    for number, out in enumerate(outputs):
        if not isinstance(out, Variable):
            raise TypeError(f"gradcheck: func must return Variables, got {type(out).__name__}")
        if not out.requires_grad:
            continue

        def one(given, number=number):
            result = func(*given)
            return result if isinstance(result, Variable) else tuple(result)[number]

        numerical = get_numerical_jacobian(one, inputs, inputs, eps)
        analytical, reentrant, correct = get_analytical_jacobian(inputs, out)
        needing = [k for k, v in enumerate(inputs) if isinstance(v, Variable) and v.requires_grad]
        for k, a, n in zip(needing, iter_tensors(analytical), iter_tensors(numerical)):
            if not np.allclose(a.array, n.array, rtol=rtol, atol=atol):
                difference = np.abs(a.array - n.array)
                difference[np.isnan(difference)] = np.inf
                worst = np.unravel_index(np.argmax(difference), difference.shape)
                return fail(
                    f"the gradient of output {number} with respect to input {k} is wrong: element {worst[0]} of the "
                    "input, element "
                    f"{worst[1]} of the output: backward gives {a.array[worst]:.9g}, finite differences "
                    f"{n.array[worst]:.9g}" + (" (an input is in single precision: use .double())" if single else "")
                )
        if not correct:
            return fail("backward returned a gradient whose size is not its input's")
        if not reentrant:
            return fail("backward is not reentrant: run twice on the same graph, it gave different gradients")

    wanted = [v for v in inputs if isinstance(v, Variable) and v.requires_grad]
    live = [o for o in outputs if o.requires_grad]
    zeros = [_core.tensor_from_array(arrays.run(np.zeros_like, array_of(o))) for o in live]
    for k, g in enumerate(_grad(live, wanted, zeros, retain_graph=True, allow_unused=True)):
        if g is not None and np.any(arrays.to_host(array_of(g))):
            return fail(f"backward is not multiplied by grad_output: for a zero gradient, input {k} got a non-zero one")
    return True


def gradgradcheck(func, inputs, grad_outputs=None, eps=1e-6, atol=1e-5, rtol=1e-3):
    """gradcheck of the derivative: of (inputs, grad_outputs) -> gradients of func's outputs weighted by grad_outputs.

    grad_outputs: same kind of sequence as inputs; None draws random ones. Returns True or raises RuntimeError.
    """
    inputs = (inputs,) if isinstance(inputs, Variable) else tuple(inputs)
    if grad_outputs is None:
        output = func(*inputs)
        outputs = (output,) if isinstance(output, Variable) else tuple(output)
        rng = np.random.default_rng(0)
        grad_outputs = tuple(
            Variable(
                _core.tensor_from_array(
                    arrays.beside(rng.standard_normal(array_of(o).shape).astype(array_of(o).dtype), array_of(o))
                ),
                requires_grad=True,
            )
            for o in outputs
        )
    grad_outputs = (grad_outputs,) if isinstance(grad_outputs, Variable) else tuple(grad_outputs)
    count = len(grad_outputs)

    def derivative(*args):
        given, weights = args[:-count], args[-count:]
        out = func(*given)
        out = (out,) if isinstance(out, Variable) else tuple(out)
        wanted = tuple(v for v in given if isinstance(v, Variable) and v.requires_grad)
        live = [(o, w) for o, w in zip(out, weights) if o.requires_grad]
        found = _grad([o for o, _ in live], wanted, [w for _, w in live], create_graph=True, allow_unused=True)
        return tuple(
            g if g is not None else _core.variable_from_array(arrays.run(np.zeros_like, array_of(v)))
            for g, v in zip(found, wanted)
        )

    return gradcheck(derivative, inputs + grad_outputs, eps, atol, rtol)


class _CallableModule(types.ModuleType):
    __call__ = staticmethod(gradcheck)


sys.modules[__name__].__class__ = _CallableModule
