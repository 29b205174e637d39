"""Gradients kept from exploding."""

import math

import numpy as np

from minigrad._core import Variable, array_of
from minigrad.ops import arrays, update

__all__ = ["clip_grad_norm"]


def clip_grad_norm(parameters, max_norm, norm_type=2):
    """Scale the gradients of `parameters` in place so that their joint norm is at most max_norm.

        total = (sum |g_i|^p)^(1/p) over all elements of all gradients, p = norm_type ('inf': max |g_i|)
        g <- g * max_norm / (total + 1e-6)   if that factor is below 1

    parameters: an iterable of Variables (those without a gradient are left out), or one. Returns `total`, the norm
    before clipping, as a number. ValueError if norm_type is 0. Pascanu, Mikolov, Bengio (2013), algorithm 1.

    >>> import minigrad as torch
    >>> from minigrad.autograd import Variable
    >>> v = Variable(torch.zeros(2), requires_grad=True)
    >>> (v * Variable(torch.Tensor([3, 4]))).sum().backward()
    >>> clip_grad_norm([v], 1)
    5.0
    """
    alone = isinstance(parameters, Variable) or not hasattr(parameters, "__iter__")
    parameters = [parameters] if alone else list(parameters)
    try:
        grads = [array_of(p.grad) for p in parameters if p.grad is not None]
    except (AttributeError, TypeError):
        odd = next(type(p).__name__ for p in parameters if not isinstance(p, Variable))
        raise TypeError(
            f"clip_grad_norm: parameters must be Variables, as model.parameters() gives them, got {odd}"
        ) from None
    max_norm, p = float(max_norm), float(norm_type)
    if p == 0:
        raise ValueError("clip_grad_norm: norm_type must not be 0: a count of elements does not shrink with them")
    if p == math.inf:
        # NumPy's maximum, because Python's loses a nan that is not the first.
        total = float(np.max([arrays.run(lambda g: float(np.abs(g).max()), g) for g in grads], initial=0.0))
    elif p == 2:
        total = math.sqrt(update.square_sum(grads))
    else:
        powers = [arrays.run(lambda g: float((np.abs(g).astype(np.float64) ** p).sum()), g) for g in grads]
        total = sum(powers) ** (1.0 / p)
    factor = max_norm / (total + 1e-6)
    if factor < 1:
        update.scale(grads, factor)
    return total
