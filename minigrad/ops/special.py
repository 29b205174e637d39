"""Special functions: the error function, the logarithm of the gamma function, the angle of a point.

NumPy has the last one only. The others are compiled (`minigrad/kernels/special.h`), and CuPy's on a GPU.
"""

import math

import numpy as np

from minigrad import kernels
from minigrad._core import Operation
from minigrad.ops import arrays
from minigrad.ops.elementwise import exp, pointwise, quiet, unary
from minigrad.ops.reduction import nonzero_or_one
from minigrad.ops.table import S, T, row


def _compiled(name):
    """A forward that runs the kernel of that name, or CuPy's function for a GPU's array."""
    return arrays.special(name, getattr(kernels, name))


erf = unary("erf", _compiled("erf"), lambda g, x: g * exp(-x * x) * (2 / math.sqrt(math.pi)))
erfinv = unary("erfinv", _compiled("erfinv"), lambda g, out: g * exp(out * out) * (math.sqrt(math.pi) / 2))
lgamma = unary("lgamma", _compiled("lgamma"), lambda g, x: g * digamma(x))


def _no_third(g):
    raise RuntimeError("lgamma: derivatives of a higher order than the second are not defined")


# The derivatives of lgamma; the era had no functions of these names.
digamma = Operation("digamma", _compiled("digamma"), "x", derivatives={"x": lambda g, x: g * trigamma(x)})
trigamma = Operation("trigamma", _compiled("trigamma"), "x", derivatives={"x": _no_third})

# At the origin, which has no angle, the derivative is taken as 0.
atan2 = pointwise(
    "atan2", quiet(np.arctan2),
    a=lambda g, a, b: g * b / nonzero_or_one(a * a + b * b), b=lambda g, a, b: -g * a / nonzero_or_one(a * a + b * b),
)  # fmt: skip

row("erf", erf, [S(T(3, 4)), S(T(1)), S(T(2, 3, 2, low=-4, high=4))], in_place=True, pointwise=True)
row("erfinv", erfinv, [S(T(3, 4, low=-0.95, high=0.95)), S(T(1, low=-0.5, high=0.5))], in_place=True, pointwise=True)
_TRIGAMMA = "PyTorch's trigamma has ten right digits"
row(
    "lgamma", lgamma,
    [S(T(3, 4, low=0.3, high=4)).unlike_torch(_TRIGAMMA, agrees=1),
     S(T(1, 5, low=0.3, high=4)).unlike_torch(_TRIGAMMA, agrees=1),
     S(T(5, low=-2.8, high=-2.2)).unlike_torch(_TRIGAMMA, agrees=1)],
    in_place=True, pointwise=True,
)  # fmt: skip
row(
    "atan2", atan2,
    [S(T(3, 4), T(3, 4, low=0.5)), S(T(3, 1, low=0.5), T(1, 4)), S(T(2, 3, low=-2, high=-0.5), T(3)),
     S(T(1, low=1), T(1)), S(T(4, low=0.5), 2)],
    [(S(T(3, 4), T(3, 5)), RuntimeError, "do not broadcast"),
     (S(T(3, dtype="float32"), T(3, dtype="float64")), (TypeError, RuntimeError), "Expected object of type"),
     (S(T(3), "2"), TypeError, "other must be a Tensor, a Variable or a number, got str")],
    in_place=True, pointwise=True,
    oracle=lambda torch, a, b: torch.atan2(a, b if isinstance(b, torch.Tensor) else torch.full_like(a, b)),
)  # fmt: skip
