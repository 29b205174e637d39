"""Elementwise operations: each forward, and each derivative in one line.

A formula's parameter names say what it needs (see `_core.pyx`): `g` the gradient, an argument, `out` the result. The
lines run on arrays for a first derivative and on Variables when a second one is wanted, so they use only operators and
operations. Forwards are written against NumPy's functions, which hand CuPy arrays to CuPy by themselves; those in
`kernels` are faster for small arrays.
"""

import numpy as np

from minigrad import kernels
from minigrad._core import Operation, Tensor, Variable, array_of
from minigrad.ops.operands import dtype_of
from minigrad.ops.shape import seen_as
from minigrad.ops.table import ALL, SIGNED, S, T, row
from minigrad.utils.callers import warn


def refuse_number(operation, args, error):
    """Explain that a number among the arguments does not fit the type of the integer tensor."""
    dtype = next(array_of(a).dtype for a in args if isinstance(a, (Tensor, Variable)))
    limits = np.iinfo(dtype)
    number = next(a for a in args if isinstance(a, int) and not limits.min <= a <= limits.max)
    raise RuntimeError(
        f"{operation.name}: {number} does not fit elements of {dtype}, which go from {limits.min} to {limits.max}; "
        "convert the tensor first, for example with .long()"
    ) from error


def flat_fallback(operation, args, error):
    """Sizes that do not broadcast but have equal element counts are processed flat, with a warning: the era's rule."""
    if isinstance(error, OverflowError):
        refuse_number(operation, args, error)
    tensors = [a for a in args if isinstance(a, (Tensor, Variable))]
    sizes = [tuple(array_of(a).shape) for a in tensors]
    if not isinstance(error, ValueError) or len(sizes) < 2:
        raise error
    if len({int(np.prod(s)) for s in sizes}) > 1:
        raise RuntimeError(
            f"{operation.name}: sizes {' and '.join(map(str, sizes))} do not broadcast: counted from the last "
            "dimension, each pair must be equal or one of them 1"
        ) from error
    return _flat(operation.name, operation, sizes, args, {})


def _flat(name, function, sizes, args, kwargs):
    warn(
        f"{name}: sizes {' and '.join(map(str, sizes))} do not broadcast, but have the same number of "
        f"elements. Falling back to pointwise operation in the order of the elements; the result has size {sizes[0]}"
    )
    flat = [seen_as(a, sizes[0]) if isinstance(a, (Tensor, Variable)) else a for a in args]
    return function(*flat, **kwargs)


# Operations whose in-place forms take an operand of as many elements as the target in the order of the elements.
_BY_COUNT = frozenset(
    "add sub mul div pow fmod remainder eq ne lt le gt ge max min addcmul addcdiv atan2 lerp masked_fill".split()
)


def fit_target(name, function, target, args, kwargs, result):
    """Another result for an in-place operation whose result is not of its target's size: (2, 1) += (1, 2).

    The operands broadcast, but not to the target. By the era's rule they are then processed flat, if their element
    counts agree; otherwise the result stays as it is, and writing it is refused.
    """
    tensors = [a for a in (target, *args) if isinstance(a, (Tensor, Variable))]
    sizes = [tuple(array_of(a).shape) for a in tensors]
    if name not in _BY_COUNT or len({int(np.prod(s)) for s in sizes}) > 1:
        return result
    return _flat(f"{name}_", function, sizes, (target, *args), kwargs)


# Makes a function silent: infinities and nans are values here, as in the era, not events to warn of.
quiet = np.errstate(all="ignore")


def plain_number(value):
    """Python's number for NumPy's: the latter would widen a float32 array it is multiplied with."""
    return value.item() if isinstance(value, np.generic) else value


# What the operations below compute: their lines in help() and on the reference page.
_DOES = {
    "eq": "1 where a == b, else 0", "ne": "1 where a != b, else 0", "lt": "1 where a < b, else 0",
    "le": "1 where a <= b, else 0", "gt": "1 where a > b, else 0", "ge": "1 where a >= b, else 0",
    "add": "a + b", "sub": "a - b", "mul": "a * b", "div": "a / b (integers: towards 0)", "pow": "a ** b",
    "max": "the larger of a and b", "min": "the smaller of a and b", "remainder": "a - b * floor(a / b), the sign of b",
    "fmod": "a - b * trunc(a / b), the sign of a",
    "neg": "-x", "exp": "e**x", "log": "the natural logarithm of x", "log1p": "log(1 + x), exact near 0",
    "sqrt": "x**0.5", "rsqrt": "x**-0.5", "reciprocal": "1 / x",
    "sin": "the sine of x", "cos": "the cosine of x", "tan": "the tangent of x",
    "asin": "the arc sine of x", "acos": "the arc cosine of x", "atan": "the arc tangent of x",
    "sinh": "(e**x - e**-x) / 2", "cosh": "(e**x + e**-x) / 2", "tanh": "(e**x - e**-x) / (e**x + e**-x)",
    "sigmoid": "1 / (1 + e**-x)", "relu": "x where it is positive, else 0",
    "sign": "-1, 0 or 1 as x is below, at or above 0",
    "floor": "the largest whole number not above x", "ceil": "the smallest whole number not below x",
    "round": "the nearest whole number, halves to the even one", "trunc": "x without its fraction",
    "frac": "the fraction of x, with its sign", "abs": "|x|",
    "erf": "2 / sqrt(pi) times the integral of e**-t**2 from 0 to x",
    "erfinv": "the number whose erf is x; infinite at -1 and 1, nan beyond",
    "lgamma": "log |gamma(x)|; inf at 0 and the negative whole numbers",
    "atan2": "the angle, from -pi to pi, between the x axis and the point (b, a)",
}  # fmt: skip


def _two(name, forward, **options):
    does = _DOES.get(name, "")
    doc = does and f"{name}(a, b): {does}, elementwise; sizes broadcast, and one of the two may be a number."
    return Operation(name, forward, "a b", rescue=flat_fallback, doc=doc, **options)


def pointwise(name, forward, **derivatives):
    return _two(name, forward, derivatives=derivatives, broadcast=True)


def unary(name, forward, x=None):
    does = _DOES.get(name, "")
    doc = does and f"{name}(input): {does}, of each element x; the result has the size of input."
    return Operation(name, forward, "x", derivatives={"x": x} if x else None, doc=doc)


# ---------------------------------------------------------------- masks in formulas

# `g` where the mask holds, 0 elsewhere. The mask is a bool or byte array; it has no derivative.
keep = Operation(
    "keep",
    lambda x, mask: np.where(mask, x, 0),
    "x mask",
    derivatives={"x": lambda g, mask: keep(g, mask)},
    indices="mask",
)


def _compared(function):
    return lambda a, b: function(a, b).view(np.uint8)


def _comparison(name, function):
    return _two(name, _compared(function))


eq, ne = _comparison("eq", np.equal), _comparison("ne", np.not_equal)
lt, le = _comparison("lt", np.less), _comparison("le", np.less_equal)
gt, ge = _comparison("gt", np.greater), _comparison("ge", np.greater_equal)

for _operation in (eq, ne, lt, le, gt, ge):
    row(
        _operation.name,
        _operation,
        [S(T(3, 4, low=-1, high=1), T(3, 4, low=-1, high=1)), S(T(3, 1), T(4)), S(T(2, 3, low=0, high=2), 1)],
        [(S(T(3, 4), T(3, 5)), RuntimeError, "do not broadcast")],
        types=ALL,
        order=0,
        why="a comparison is constant almost everywhere",
        in_place=True,
        pointwise=True,
    )


# ---------------------------------------------------------------- arithmetic

add_pair = pointwise("add", kernels.add, a=lambda g: g, b=lambda g: g)
sub_pair = pointwise("sub", kernels.subtract, a=lambda g: g, b=lambda g: -g)
# Called as an operation rather than by its operator: on arrays that reaches the kernel, which is faster than NumPy's.
mul_pair = pointwise("mul", kernels.multiply, a=lambda g, b: mul_pair(g, b), b=lambda g, a: mul_pair(g, a))


def _divide(a, b):
    dtype = a.dtype if hasattr(a, "dtype") else b.dtype
    if dtype.kind not in "iu":
        return kernels.divide(a, b)
    if np.any(np.equal(b, 0)):
        raise RuntimeError("div: an integer tensor was divided by 0")
    quotient = quiet(np.floor_divide)(a, b)  # towards minus infinity; the era's integer division truncates
    return (quotient + ((quotient < 0) & (np.multiply(quotient, b) != a))).astype(dtype, copy=False)


# The quotient is computed again, so that it may change in place before the backward pass, as in the era.
div_pair = pointwise("div", _divide, a=lambda g, b: g / b, b=lambda g, a, b: -g * (a / b) / b)


def _with_factor(operation):
    """The era's `add(input, [value,] other)`: input + value * other."""

    def function(input, value=None, other=None):
        if other is None or value is None:
            value, other = None, value if other is None else other
            if other is None:
                raise TypeError(f"{operation.name}: takes (input, [value=1,] other), got nothing to {operation.name}: "
                                "other is missing or None")
            return operation(input, other)
        value = plain_number(value)
        if not isinstance(value, (int, float)):
            raise TypeError(
                f"{operation.name}: the factor before the tensor must be a number, got {type(value).__name__}"
            )
        return operation(input, mul_pair(other, value))

    function.__name__ = function.__qualname__ = operation.name
    function.__code__ = function.__code__.replace(co_name=operation.name)  # the name in tracebacks
    function.__doc__ = (
        f"{operation.name}(input, [value=1,] other): input {'+' if operation.name == 'add' else '-'} value * other, "
        "elementwise with broadcasting; other may be a number."
    )
    return function


add, sub = _with_factor(add_pair), _with_factor(sub_pair)
mul, div = mul_pair, div_pair

_PAIRS = [
    S(T(3, 4), T(3, 4)), S(T(3, 4), T(4)), S(T(3, 1), T(1, 4)), S(T(2, 1, 3), T(4, 1)), S(T(1), T(1)),
    S(T(3, 4), 2), S(T(2, 3, low=1), T(3, low=1)),
]  # fmt: skip
_REFUSED_PAIRS = [
    (S(T(3, 4), T(3, 5)), RuntimeError, "do not broadcast"),
    (S(T(3, dtype="float32"), T(3, dtype="float64")), (TypeError, RuntimeError), "Expected object of type"),
    (S(T(3, dtype="int64"), 1.5), TypeError, "whole numbers"),
    (S(T(3), "2"), TypeError, "other must be a Tensor, a Variable or a number, got str"),
    (S(T(3, dtype="uint8"), 300), RuntimeError, "300 does not fit elements of uint8, which go from 0 to 255"),
]
row("add", add, [*_PAIRS, S(T(3, 4), 2, T(3, 4))], _REFUSED_PAIRS, types=ALL, in_place=True, pointwise=True)
row("sub", sub, [*_PAIRS, S(T(3, 4), 2, T(3, 4))], _REFUSED_PAIRS, types=ALL, in_place=True, pointwise=True)
row("mul", mul, _PAIRS, _REFUSED_PAIRS, types=ALL, in_place=True, pointwise=True)


def _torch_div(torch, a, b):
    """PyTorch makes floats of the quotient of integers, unless told to truncate."""
    whole = not any(isinstance(x, torch.Tensor) and x.is_floating_point() for x in (a, b))
    return torch.div(a, b, rounding_mode="trunc" if whole else None)


def _torch_addcdiv(torch, x, value, a, b=None):
    """PyTorch refuses integers."""
    value, a, b = (1, value, a) if b is None else (value, a, b)
    return torch.addcdiv(x, a, b, value=value) if x.is_floating_point() else x + _torch_div(torch, a, b) * value


row(
    "div",
    div,
    [S(T(3, 4), T(3, 4, low=1, high=3)), S(T(3, 1), T(4, low=1, high=3)), S(T(2, 3), 2), S(1, T(2, 3, low=1, high=2))],
    _REFUSED_PAIRS,
    types=ALL,
    in_place=True,
    pointwise=True,
    oracle=_torch_div,
)

neg = row("neg", unary("neg", kernels.negative, lambda g: -g), [S(T(3, 4)), S(T(1))], types=SIGNED, in_place=True,
          pointwise=True)  # fmt: skip


# ---------------------------------------------------------------- powers


def _power_rule(g, a, b):
    """g * b * a**(b-1), and 0 where b is 0 even if a is 0."""
    if isinstance(b, (int, float)):
        return g * 0 if b == 0 else g * (a ** (b - 1) * b)
    return keep(g * b * pow_pair(a, b - 1 + _is_zero(b, g)), b != 0)


def _is_zero(b, g):
    return keep(g * 0 + 1, b == 0)


@quiet
def _power(a, b):
    if isinstance(b, int) and getattr(a, "dtype", np.dtype(float)).kind in "iu" and b < 0:
        raise RuntimeError(
            f"pow: an integer tensor cannot be raised to the negative power {b}; convert it to float first"
        )
    return np.power(a, b)


pow_pair = pointwise("pow", _power, a=_power_rule, b=lambda g, a, out: g * out * _log_of_base(a, g))


def _log_of_base(a, g):
    """log(a), and 0 where a is 0: the derivative of 0**b is 0, and no nan, for b > 0; at b = 0 it is taken as 0."""
    if isinstance(a, (int, float)):
        return np.log(a) if a else 0.0
    return log(a + _is_zero(a, g))


pow = pow_pair

row(
    "pow",
    pow,
    [S(T(3, 4, low=0.5), 2), S(T(3, 4), 3), S(T(3, 4, low=0.5), -1.5), S(T(3), 0), S(2, T(3, 4)),
     S(T(3, 1, low=0.5), T(4)), S(T(2, 3, low=0.5), T(2, 3))],
    in_place=True, pointwise=True,
)  # fmt: skip


# ---------------------------------------------------------------- functions of one argument

exp = unary("exp", kernels.exp, lambda g, out: g * out)
log = unary("log", quiet(np.log), lambda g, x: g / x)
log1p = unary("log1p", quiet(np.log1p), lambda g, x: g / (x + 1))
sqrt = unary("sqrt", quiet(np.sqrt), lambda g, out: g / (out * 2))
rsqrt = unary("rsqrt", quiet(lambda x: 1 / np.sqrt(x)), lambda g, out: g * out**3 * -0.5)
reciprocal = unary("reciprocal", quiet(np.reciprocal), lambda g, out: -g * out * out)
sin = unary("sin", quiet(np.sin), lambda g, x: g * cos(x))
cos = unary("cos", quiet(np.cos), lambda g, x: -g * sin(x))
tan = unary("tan", quiet(np.tan), lambda g, out: g * (out * out + 1))
asin = unary("asin", quiet(np.arcsin), lambda g, x: g * rsqrt(1 - x * x))
acos = unary("acos", quiet(np.arccos), lambda g, x: -g * rsqrt(1 - x * x))
atan = unary("atan", np.arctan, lambda g, x: g / (x * x + 1))
sinh = unary("sinh", quiet(np.sinh), lambda g, x: g * cosh(x))
cosh = unary("cosh", quiet(np.cosh), lambda g, x: g * sinh(x))

for _operation, _low, _high in [
    (exp, -2, 2), (log, 0.3, 3), (log1p, -0.7, 2), (sqrt, 0.3, 3), (rsqrt, 0.3, 3), (reciprocal, 0.3, 3),
    (sin, -3, 3), (cos, -3, 3), (tan, -1, 1), (asin, -0.9, 0.9), (acos, -0.9, 0.9), (atan, -3, 3), (sinh, -2, 2),
    (cosh, -2, 2),
]:  # fmt: skip
    row(
        _operation.name, _operation, [S(T(3, 4, low=_low, high=_high)), S(T(1, low=_low, high=_high))], in_place=True,
        pointwise=True,
    )  # fmt: skip

# tanh and sigmoid are everywhere in recurrent networks, so the pass back through them is one kernel, with a derivative
# of its own.
tanh_backward = Operation(
    "tanh_backward", kernels.tanh_backward, "grad y",
    derivatives={"grad": lambda g, y: tanh_backward(g, y), "y": lambda g, grad, y: g * grad * y * -2},
)  # fmt: skip
sigmoid_backward = Operation(
    "sigmoid_backward", kernels.sigmoid_backward, "grad y",
    derivatives={"grad": lambda g, y: sigmoid_backward(g, y), "y": lambda g, grad, y: g * grad * (y * -2 + 1)},
)  # fmt: skip
relu_backward = Operation(
    "relu_backward", kernels.relu_backward, "grad y", derivatives={"grad": lambda g, y: relu_backward(g, y)}
)
tanh = unary("tanh", kernels.tanh, lambda g, out: tanh_backward(g, out))
sigmoid = unary("sigmoid", kernels.sigmoid, lambda g, out: sigmoid_backward(g, out))
relu = unary("relu", kernels.relu, lambda g, out: relu_backward(g, out))

row("tanh", tanh, [S(T(3, 4)), S(T(1)), S(T(2, 3, 2))], in_place=True, exported=("torch", "functional"), pointwise=True)
row(
    "sigmoid",
    sigmoid,
    [S(T(3, 4)), S(T(1)), S(T(2, 3, 2))],
    in_place=True,
    exported=("torch", "functional"),
    pointwise=True,
)
row(
    "relu", relu, [S(T(3, 4, distinct=True)), S(T(1, distinct=True))], method=False, exported=("functional",),
    oracle="nn.functional.relu", pointwise=True,
)  # fmt: skip


# ---------------------------------------------------------------- pieces that are constant or linear


def _sign(x):
    """1, 0 or -1; 0 of nan too, in the era and today."""
    found = np.sign(x)
    return np.where(found == found, found, 0) if x.dtype.kind == "f" else found


def _step(name, function):
    return unary(name, function, lambda g: g * 0)


sign, floor, ceil = _step("sign", _sign), _step("floor", np.floor), _step("ceil", np.ceil)
round, trunc = _step("round", np.rint), _step("trunc", np.trunc)
frac = unary("frac", quiet(lambda x: x - np.trunc(x)), lambda g: g)
abs = unary("abs", np.abs, lambda g, x: g * sign(x))
for _operation, _types in [(sign, ALL), (floor, None), (ceil, None), (round, None), (trunc, None), (frac, None)]:
    row(
        _operation.name, _operation, [S(T(3, 4, distinct=True)), S(T(1, distinct=True))], in_place=True,
        pointwise=True, **({"types": _types} if _types else {}),
    )  # fmt: skip
row("abs", abs, [S(T(3, 4, distinct=True)), S(T(1, distinct=True))], types=SIGNED, in_place=True, pointwise=True)


def _clip(x, min, max):
    return np.clip(x, min, max)


def _refuse_bound(operation, args, error):
    if isinstance(error, OverflowError):
        refuse_number(operation, args, error)
    raise error


clip = Operation(
    "clamp", _clip, "x", "min max", rescue=_refuse_bound,
    derivatives={"x": lambda g, x, min, max: keep(g, _inside(x, min, max))},
)  # fmt: skip


def _inside(x, min, max):
    """1 strictly between the bounds: the derivative of clamp is 0 at both."""
    above = None if min is None else x > min
    below = None if max is None else x < max
    return below if above is None else above if below is None else above * below


BOUNDS = frozenset((int, float, type(None)))


def bounds(name, **given):
    """The bounds as Python's numbers, where they are not of the types BOUNDS."""
    found = tuple([plain_number(bound) for bound in given.values()])
    for argument, bound in zip(given, found):
        if not isinstance(bound, (int, float, type(None))):
            raise TypeError(f"{name}: {argument} must be a number, got {type(bound).__name__}")
    return found


def clamp(input, min=None, max=None):
    """clamp(input, min=None, max=None): each element moved to the nearest number in [min, max].

    Raises RuntimeError if both bounds are missing, TypeError for a float bound of an integer tensor.
    """
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must be given")
    if type(min) not in BOUNDS or type(max) not in BOUNDS:
        min, max = bounds("clamp", min=min, max=max)
    if isinstance(min, float) or isinstance(max, float):
        if dtype_of(input).kind in "iu":
            raise TypeError(
                f"clamp: bounds of an integer tensor must be whole numbers, got min={min} and max={max}; convert the "
                "tensor first, for example with .float()"
            )
    return clip(input, min, max)


def _torch_clamp(torch, x, min=None, max=None):
    """PyTorch makes 255 of a bound -1 for a ByteTensor."""
    return torch.clamp(x.short(), min, max).byte() if x.dtype == torch.uint8 else torch.clamp(x, min, max)


row(
    "clamp", clamp,
    [S(T(3, 4, distinct=True), -1, 1), S(T(3, 4, distinct=True), min=-1), S(T(3, 4, distinct=True), max=1)],
    [(S(T(3)), RuntimeError, "at least one"), (S(T(3, dtype="int64"), 0.5), TypeError, "must be whole numbers"),
     (S(T(3, dtype="uint8"), max=-2), RuntimeError, "-2 does not fit elements of uint8")],
    types=ALL, in_place=True, pointwise=True, choices={"min": (-1, 0, 1), "max": (0, 1)},
    oracle=_torch_clamp,
)  # fmt: skip


# Who loses gets 0; against a nan, of which every comparison is false, nobody does.
maximum = pointwise(
    "max", np.maximum, a=lambda g, a, b: keep(g, (a <= b) == 0), b=lambda g, a, b: keep(g, (a > b) == 0)
)
minimum = pointwise(
    "min", np.minimum, a=lambda g, a, b: keep(g, (a >= b) == 0), b=lambda g, a, b: keep(g, (a < b) == 0)
)


@quiet
def _remainder(x, divisor):
    if x.dtype.kind in "iu" and np.any(np.equal(divisor, 0)):
        raise RuntimeError("remainder: an integer tensor was divided by 0")
    return np.remainder(x, divisor)


@quiet
def _fmod(x, divisor):
    if x.dtype.kind in "iu" and np.any(np.equal(divisor, 0)):
        raise RuntimeError("fmod: an integer tensor was divided by 0")
    return np.fmod(x, divisor)


remainder = pointwise("remainder", _remainder, a=lambda g: g)
fmod = pointwise("fmod", _fmod, a=lambda g: g)
for _operation in (remainder, fmod):
    row(
        _operation.name, _operation,
        [S(T(3, 4, low=2.2, high=2.8), 2), S(T(3, 4, low=-2.8, high=-2.2), 2),
         S(T(3, low=3.1, high=3.9), T(3, low=2, high=3, grad=False))],
        types=ALL, in_place=True, pointwise=True,
    )  # fmt: skip


# ---------------------------------------------------------------- combinations


def addcmul(input, value, tensor1, tensor2=None):
    """addcmul(input, [value=1,] tensor1, tensor2): input + value * tensor1 * tensor2."""
    if tensor2 is None:
        value, tensor1, tensor2 = 1, value, tensor1
    return add(input, value, mul_pair(tensor1, tensor2))


def addcdiv(input, value, tensor1, tensor2=None):
    """addcdiv(input, [value=1,] tensor1, tensor2): input + value * tensor1 / tensor2."""
    if tensor2 is None:
        value, tensor1, tensor2 = 1, value, tensor1
    return add(input, value, div_pair(tensor1, tensor2))


def lerp(input, end, weight):
    """lerp(input, end, weight): input + weight * (end - input), weight a number."""
    return add(input, weight, sub_pair(end, input))


row(
    "addcmul",
    addcmul,
    [S(T(3, 4), T(3, 4), T(3, 4)), S(T(3, 4), 2, T(4), T(3, 1))],
    types=ALL,
    in_place=True,
    pointwise=True,
)
row(
    "addcdiv", addcdiv, [S(T(3, 4), T(3, 4), T(3, 4, low=1)), S(T(3, 4), 2, T(4), T(3, 1, low=1))],
    types=ALL, in_place=True, pointwise=True, oracle=_torch_addcdiv,
)  # fmt: skip
row(
    "lerp", lerp, [S(T(3, 4), T(3, 4), 0.3), S(T(2, 3), T(3), 2)], in_place=True, pointwise=True,
    choices={"weight": (0, 0.5, 1, -0.25, 3)},
    differs={"infinite": "PyTorch starts from the end for a weight of 0.5 or more"},
)  # fmt: skip


# ---------------------------------------------------------------- types

cast = Operation(
    "cast", lambda x, dtype: x.astype(dtype), "x", "dtype", derivatives={"x": lambda g, x_dtype: cast(g, x_dtype)}
)
