"""All parameters as one vector, and back."""

import math

from minigrad._core import Variable, array_of
from minigrad.ops.shape import cat, reshape

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters):
    """The elements of all `parameters`, an iterable of Variables, as one 1-D Variable; gradients pass through."""
    return cat([reshape(p, (-1,)) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Make consecutive slices of the 1-D Variable `vec` the data of `parameters`; they share its memory.

    Raises TypeError unless vec is a Variable, ValueError if it has too few or too many elements.
    """
    if not isinstance(vec, Variable):
        raise TypeError(f"vector_to_parameters: vec must be a Variable, got {type(vec).__name__}")
    parameters = list(parameters)
    sizes = [tuple(array_of(p).shape) for p in parameters]
    count = sum(map(math.prod, sizes))
    if array_of(vec).shape != (count,):
        raise ValueError(
            f"vector_to_parameters: vec must have one element for each of the {count} elements of the parameters, got "
            f"size {tuple(array_of(vec).shape)}"
        )
    start = 0
    for p, size in zip(parameters, sizes):
        end = start + math.prod(size)
        p.data = vec.data[start:end].view(*size)
        start = end
