"""`backward` and `grad`: checks and conversions around the engine's backward pass."""

import weakref
from collections.abc import Iterable

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of, run_backward
from minigrad.ops import arrays
from minigrad.ops.shape import clone
from minigrad.utils.callers import warn
from minigrad.utils.hooks import register

# Infinities and nans are values, as in the forward pass.
_propagate = np.errstate(all="ignore")(run_backward)


def _prepare(name, variables, grad_variables, create_graph):
    """Roots, their gradients at the level the pass needs, and whether a graph of the derivative is wanted."""
    variables = _as_tuple(variables)
    if grad_variables is None:
        grads, create_graph = (None,) * len(variables), bool(create_graph)
    else:
        grads = _as_tuple(grad_variables)
    if len(grads) != len(variables):
        for g in grads:
            if not (g is None or isinstance(g, (Tensor, Variable))):
                raise TypeError(
                    f"{name}: a gradient must be a Tensor, a Variable or None, got a {type(grad_variables).__name__} "
                    f"of {type(g).__name__}; make a tensor of it first"
                )
        raise RuntimeError(
            f"{name}: got {len(variables)} Variables, but {len(grads)} gradients; there must be one for each"
        )
    if create_graph is None:
        create_graph = any(isinstance(g, Variable) and not g.volatile for g in grads)
    return variables, tuple([_gradient(name, v, g, create_graph) for v, g in zip(variables, grads)]), bool(create_graph)


def _as_tuple(value):
    if isinstance(value, (Variable, Tensor, str)) or not isinstance(value, Iterable):
        return (value,)
    return tuple(value)


def _one(array):
    """The gradient of a single element by itself."""
    given = array.copy()
    given.fill(1)
    return given


def _gradient(name, v, g, create_graph):
    if not isinstance(v, Variable):
        raise TypeError(f"{name}: expected Variables, got {type(v).__name__}"
                        + ("; a Tensor has no history" if isinstance(v, Tensor) else ""))  # fmt: skip
    if v.volatile:
        raise RuntimeError(
            f"{name}: the Variable is volatile: nothing was recorded while it was computed, so nothing can be "
            "differentiated. Make the inputs without volatile=True; a .grad is volatile too, and so is what is "
            "computed from it: change a parameter's data, w.data -= lr * w.grad.data"
        )
    if not v.requires_grad:
        raise RuntimeError(
            f"{name}: element of variables does not require grad and does not have a grad_fn: no input "
            "that requires grad led to it. Set requires_grad=True on the Variables whose gradients you want"
        )
    array = array_of(v)
    if g is None:
        if array.size != 1:
            raise RuntimeError(
                f"{name}: grad can be implicitly created only for scalar outputs, this one has size "
                f"{tuple(array.shape)}; give its gradient, or reduce it first, for example with .sum()"
            )
        given = arrays.run(_one, array)
        return _core.variable_from_array(given) if create_graph else given
    if not isinstance(g, (Tensor, Variable)):
        raise TypeError(f"{name}: a gradient must be a Tensor, a Variable or None, got {type(g).__name__}")
    given = array_of(g)
    if given.shape != array.shape:
        raise RuntimeError(
            f"{name}: a gradient must have the size of its Variable, {tuple(array.shape)}, got {tuple(given.shape)}"
        )
    if given.dtype != array.dtype:
        raise RuntimeError(f"{name}: a gradient must have the type of its Variable, {_core.type_name(array)}, got "
                           f"{_core.type_name(given)}")  # fmt: skip
    arrays.check_together(name, array, given, "its gradient", "the Variable")
    if not create_graph:
        return given
    return g if isinstance(g, Variable) else _core.variable_from_array(given)


def _retain(name, retain_graph, create_graph, retain_variables):
    if retain_variables is not None:
        if retain_graph is not None:
            raise ValueError(f"{name}: retain_variables is the old name of retain_graph; give one of them")
        warn(f"{name}: retain_variables is deprecated, use retain_graph")
        return bool(retain_variables)
    return create_graph if retain_graph is None else bool(retain_graph)


def backward(variables, grad_variables=None, retain_graph=None, create_graph=None, retain_variables=None):
    """Add to the leaves' `.grad` the gradient of sum_k <variables[k], grad_variables[k]>.

    variables: a Variable or a sequence. grad_variables: one Tensor, Variable or None for each; None (a one) only for a
    Variable of one element. retain_graph: keep what the nodes saved, for another pass; None follows create_graph.
    create_graph: record a graph of the derivative; None means: if any given gradient is a non-volatile Variable.

    Raises RuntimeError for Variables that are volatile or do not require grad, TypeError for gradients of other kinds.
    """
    variables, grads, create_graph = _prepare("backward", variables, grad_variables, create_graph)
    retain = _retain("backward", retain_graph, create_graph, retain_variables)
    _propagate(variables, grads, retain, create_graph)


def grad(
    outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=None, only_inputs=True, allow_unused=False
):
    """Gradients of sum_k <outputs[k], grad_outputs[k]> with respect to `inputs`, as a tuple of Variables.

    The leaves' `.grad` stays as it is (with only_inputs=False the other leaves accumulate as in `backward`). An input
    that the outputs do not depend on raises RuntimeError, or gives None with allow_unused=True.

    >>> import minigrad as torch
    >>> x = Variable(torch.Tensor([3]), requires_grad=True)
    >>> (dx,) = grad(x * x * x, x, create_graph=True)
    >>> (d2x,) = grad(dx, x)
    >>> dx.data[0], d2x.data[0]
    (27.0, 18.0)
    """
    outputs, grads, create_graph = _prepare("grad", outputs, grad_outputs, create_graph)
    inputs = _as_tuple(inputs)
    for k, v in enumerate(inputs):
        if not isinstance(v, Variable):
            raise TypeError(f"grad: inputs must be Variables, got {type(v).__name__} at position {k}")
        if not v.requires_grad:
            raise RuntimeError(f"grad: input {k} does not require grad; set requires_grad=True before it is used")
    retain = _retain("grad", retain_graph, create_graph, None)
    found = _propagate(outputs, grads, retain, create_graph, inputs, not only_inputs)
    for k, g in enumerate(found):
        if g is None and not allow_unused:
            raise RuntimeError(f"grad: input {k} of size {tuple(array_of(inputs[k]).shape)} is unreachable from the "
                               "outputs; "
                               "pass allow_unused=True to get None for it")  # fmt: skip
    if create_graph:
        return tuple(g if g is None or arrays.is_writable(array_of(g)) else clone(g) for g in found)
    return tuple(None if g is None else _core.variable_from_array(_own(g), True) for g in found)


def _own(array):
    """A gradient may be a view or shared with a saved value; what a caller gets is its own."""
    return arrays.copy(array)


def _retains(variable):
    hooks = variable._backward_hooks
    return hooks is not None and any(isinstance(h, _KeepGrad) for h in hooks.values())


def _retain_grad(variable):
    """A hook that keeps the gradient, and does not keep the Variable alive."""
    if not _retains(variable):
        variable.register_hook(_KeepGrad(variable))


def _explain_no_grad(variable):
    """Say why an inner Variable has no gradient, which the era left to be puzzled out."""
    if not _retains(variable):
        warn(
            f".grad of a Variable that is not a leaf (it is the result of {variable.grad_fn.name()}) is None: backward "
            "keeps the gradients of leaves only. Call .retain_grad() on it before backward, or look at a leaf's .grad"
        )


class _KeepGrad:
    def __init__(self, variable):
        self.owner = weakref.ref(variable)

    def __call__(self, g):
        v = self.owner()
        if v is not None:
            v.grad = g.clone() if v.grad is None else v.grad + g


_core.configure(
    backward=backward, removable_handle=register, retain_grad=_retain_grad, explain_no_grad=_explain_no_grad
)
