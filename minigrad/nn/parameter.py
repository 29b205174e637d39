"""Parameter: a Variable that a Module registers as its own when it becomes an attribute; and what layers ask of it."""

import numpy as np

from minigrad._core import Variable, array_of, tensor_from_array, type_name, variable_from_array
from minigrad.ops import arrays
from minigrad.tensor.types import default_tensor_type

__all__ = ["Parameter"]


class Parameter(Variable):
    """Parameter(data=None, requires_grad=True): a Variable to be learned.

    data: a Tensor, kept as it is; None makes the tensor with no elements. Assigned to an attribute of a `Module`, it
    becomes one of the module's parameters; it is never volatile.

    Raises TypeError if data is no Tensor.

    >>> import minigrad as torch
    >>> Parameter(torch.ones(2)).requires_grad
    True
    """

    heading = "Parameter"

    def __init__(self, data=None, requires_grad=True):
        super().__init__(default_tensor_type()() if data is None else data, requires_grad)

    def _copy_of(self, data):
        return type(self)(data, self.requires_grad)

    def __reduce_ex__(self, protocol):
        return _rebuild, (type(self), self.data, self.requires_grad, self._backward_hooks)


def _rebuild(cls, data, requires_grad, hooks):
    p = cls(data, requires_grad)
    p._backward_hooks = hooks
    return p


def check_sizes(name, **sizes):
    """Sizes given to a layer's constructor must be positive ints; name: the layer's."""
    for argument, value in sizes.items():
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"{name}: {argument} must be an int, got {value!r} ({type(value).__name__})")
        if value < 1:
            raise ValueError(f"{name}: {argument} must be at least 1, got {value}")


def other_type(name, argument, array, wanted):
    """What to say of an argument whose type is not that of the weights."""
    methods = {"f": ".float()", "d": ".double()"}
    method = methods.get(wanted.dtype.char, f".type('{type_name(wanted)}')")
    other = methods.get(array.dtype.char)
    return (
        f"{name}: {argument} must have the type of the weights, {type_name(wanted)}, got {type_name(array)}; "
        f"convert it with {method}" + (f", or the module with {other}" if other else "")
    )


def empty(*size):
    """A Parameter of the default type with that size, not initialised."""
    return Parameter(tensor_from_array(default_tensor_type().empty(size)))


def zero_grad(parameters):
    """Set the gradients of `parameters` to 0: in place where nothing was recorded about them, else by a fresh zero."""
    for p in parameters:
        grad = p.grad
        if grad is None:
            continue
        if grad.volatile:
            arrays.fill(array_of(grad), 0)
        else:
            p.grad = variable_from_array(arrays.run(np.zeros_like, array_of(grad)))
