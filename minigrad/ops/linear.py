"""Matrix products, and the layers that are matrix products.

A derivative of a product is a product again, with one factor transposed.
"""

import numpy as np

from minigrad import kernels
from minigrad._core import Operation, Tensor, Variable, array_of
from minigrad.ops import arrays, operands
from minigrad.ops.elementwise import add, mul, quiet
from minigrad.ops.reduction import total
from minigrad.ops.shape import (
    permute_dims,
    reshape,
    seen_as,
    size_of,
    sum_to_size,
    swap_last,
    unsqueeze,
    wrap_dim,
)
from minigrad.ops.table import ALL, S, T, row

_matmul, _inner = quiet(np.matmul), quiet(np.dot)
_ORDINALS = ("first", "second", "third")


def transposed(x):
    return permute_dims(x, (1, 0))


def refuse_dims(name, *wanted):
    """Refuse operands (array, number of dimensions it must have) of other dimensions."""
    for k, (x, ndim) in enumerate(wanted):
        if x.ndim != ndim:
            raise RuntimeError(
                f"{name}: the {_ORDINALS[k]} operand must have {ndim} dimension{'s' * (ndim != 1)}, got size {x.shape}"
            )


def _refuse_inner(name, a, b):
    raise RuntimeError(
        f"{name}: sizes {a.shape} and {b.shape} do not fit: columns of the first ({a.shape[-1]}) must equal rows of "
        f"the second ({b.shape[-2] if b.ndim > 1 else b.shape[0]})"
    )


def _require_tensors(name, *operands):
    for k, x in enumerate(operands):
        if not isinstance(x, (Tensor, Variable)):
            raise TypeError(f"{name}: the {_ORDINALS[k]} operand must be a tensor, got {type(x).__name__}")


# ---------------------------------------------------------------- products


def _mm(a, b):
    if a.ndim != 2 or b.ndim != 2:
        refuse_dims("mm", (a, 2), (b, 2))
    if a.shape[1] != b.shape[0]:
        _refuse_inner("mm", a, b)
    out = kernels.matmul(a, b)
    return _matmul(a, b) if out is None else out


mm_op = Operation(
    "mm", _mm, "a b",
    derivatives={"a": lambda g, b: mm_op(g, transposed(b)), "b": lambda g, a: mm_op(transposed(a), g)},
)  # fmt: skip


def _bmm(a, b):
    if a.ndim != 3 or b.ndim != 3:
        refuse_dims("bmm", (a, 3), (b, 3))
    if a.shape[0] != b.shape[0]:
        raise RuntimeError(f"bmm: sizes {a.shape} and {b.shape} do not fit: batch sizes (dimension 0) must be equal")
    if a.shape[2] != b.shape[1]:
        _refuse_inner("bmm", a, b)
    return _matmul(a, b)


_bmm_op = Operation(
    "bmm", _bmm, "a b",
    derivatives={"a": lambda g, b: _bmm_op(g, swap_last(b)), "b": lambda g, a: _bmm_op(swap_last(a), g)},
)  # fmt: skip


def _batched(a, b):
    if a.shape[-1] != b.shape[-2]:
        _refuse_inner("matmul", a, b)
    try:
        return _matmul(a, b)
    except ValueError as error:
        raise RuntimeError(
            f"matmul: sizes {a.shape} and {b.shape} do not fit: batch dimensions {a.shape[:-2]} and {b.shape[:-2]} "
            f"do not broadcast"
        ) from error


# Matrices in batches of any number of dimensions, which broadcast.
_batched_op = Operation(
    "matmul", _batched, "a b",
    derivatives={"a": lambda g, b, a_size: sum_to_size(_batched_op(g, swap_last(b)), a_size),
                 "b": lambda g, a, b_size: sum_to_size(_batched_op(swap_last(a), g), b_size)},
)  # fmt: skip


def _mv(a, b):
    refuse_dims("mv", (a, 2), (b, 1))
    if a.shape[1] != b.shape[0]:
        _refuse_inner("mv", a, b)
    return _matmul(a, b)


_mv_op = Operation(
    "mv", _mv, "a b", derivatives={"a": lambda g, b: _ger_op(g, b), "b": lambda g, a: _mv_op(transposed(a), g)}
)


def _ger(a, b):
    refuse_dims("ger", (a, 1), (b, 1))
    return kernels.multiply(a[:, None], b)


_ger_op = Operation(
    "ger", _ger, "a b", derivatives={"a": lambda g, b: _mv_op(g, b), "b": lambda g, a: _mv_op(transposed(g), a)}
)


def _dot(a, b):
    if a.size != b.size:
        raise RuntimeError(
            f"dot: both operands must have the same number of elements, got sizes {a.shape} and {b.shape}"
        )
    return _inner(a.reshape(-1), b.reshape(-1)).reshape(1)


_dot_op = Operation(
    "dot", _dot, "a b", number=True,
    derivatives={"a": lambda g, b, a_size: reshape(g * b, a_size), "b": lambda g, a, b_size: reshape(g * a, b_size)},
)  # fmt: skip


def mm(input, mat2):
    """mm(input, mat2): matrix product, (n, k) x (k, m) -> (n, m). out[i][j] = sum over k of input[i][k] mat2[k][j].

    Raises RuntimeError unless both have 2 dimensions and the inner ones are equal. No broadcasting; see matmul.
    """
    return mm_op(input, mat2)


def bmm(input, mat2):
    """bmm(input, mat2): a batch of matrix products, (b, n, k) x (b, k, m) -> (b, n, m). No broadcasting; see matmul."""
    return _bmm_op(input, mat2)


def mv(input, vec):
    """mv(input, vec): matrix times vector, (n, k) x (k) -> (n)."""
    return _mv_op(input, vec)


def ger(input, vec2):
    """ger(input, vec2): outer product of vectors, (n) x (m) -> (n, m). out[i][j] = input[i] vec2[j]."""
    return _ger_op(input, vec2)


def dot(input, other):
    """dot(input, other): sum of the products of corresponding elements; a Number of Tensors.

    Operands of more dimensions are read as vectors; they need the same number of elements.
    """
    if type(input) is type(other) and isinstance(input, Tensor) and input.array.dtype.kind in "iu":
        # a Number does not overflow
        return arrays.run(lambda a, b: _dot(a.astype(np.int64), b.astype(np.int64)).item(), input.array, other.array)
    return _dot_op(input, other)


def matmul(input, other):
    """matmul(input, other), input @ other: matrix product by the operands' dimensions.

    1-D x 1-D: dot. 2-D x 2-D: mm. 2-D x 1-D: mv. A 1-D operand gains a dimension (in front on the left, behind on the
    right) that the result loses again. More dimensions are batches, which broadcast: (j, 1, n, k) x (b, k, m) -> (j, b,
    n, m).
    """
    _require_tensors("matmul", input, other)
    left, right = size_of(input), size_of(other)
    if len(left) == 1 and len(right) == 1:
        return dot(input, other)
    if len(left) == 2 and len(right) == 2:
        return mm_op(input, other)
    if len(left) == 2 and len(right) == 1:
        return _mv_op(input, other)
    if len(left) == 1:
        out = matmul(unsqueeze(input, 0), other)
        size = size_of(out)
        return reshape(out, size[:-2] + size[-1:])
    if len(right) == 1:
        out = matmul(input, unsqueeze(other, 1))
        return reshape(out, size_of(out)[:-1])
    if len(right) == 2:  # one product of all rows is faster than one for each matrix
        if left[-1] != right[0]:
            _refuse_inner("matmul", array_of(input), array_of(other))
        return reshape(mm_op(seen_as(input, (-1, left[-1])), other), (*left[:-1], right[-1]))
    return _batched_op(input, other)


_MISFIT = "columns of the first (4) must equal rows of the second (5)"
row(
    "mm", mm, [S(T(3, 4), T(4, 2)), S(T(1, 1), T(1, 1)), S(T(2, 1), T(1, 3))],
    [(S(T(3, 4), T(5, 6)), RuntimeError, f"mm: sizes (3, 4) and (5, 6) do not fit: {_MISFIT}"),
     (S(T(3, 4), T(4)), RuntimeError, "the second operand must have 2 dimensions, got size (4,)"),
     (S(T(2, 3, 4), T(4, 2)), RuntimeError, "the first operand must have 2 dimensions"),
     (S(T(3, 4, dtype="float32"), T(4, 2, dtype="float64")), (TypeError, RuntimeError), "Expected object of type")],
     types=ALL,
)  # fmt: skip
row(
    "bmm", bmm, [S(T(2, 3, 4), T(2, 4, 2)), S(T(1, 1, 1), T(1, 1, 1))],
    [(S(T(2, 3, 4), T(2, 5, 6)), RuntimeError, _MISFIT), (S(T(2, 3, 4), T(3, 4, 2)), RuntimeError, "batch sizes"),
     (S(T(3, 4), T(4, 2)), RuntimeError, "must have 3 dimensions")], types=ALL,
)  # fmt: skip
row(
    "mv", mv, [S(T(3, 4), T(4)), S(T(1, 1), T(1))],
    [(S(T(3, 4), T(5)), RuntimeError, _MISFIT), (S(T(4), T(4)), RuntimeError, "must have 2 dimensions")], types=ALL,
)  # fmt: skip
row(
    "ger", ger, [S(T(3), T(4)), S(T(1), T(1))],
    [(S(T(3, 1), T(4)), RuntimeError, "must have 1 dimension, got size (3, 1)")],
    types=ALL, oracle="outer",
)  # fmt: skip
row(
    "dot", dot, [S(T(4), T(4)), S(T(1), T(1)), S(T(2, 3), T(3, 2)), S(T(1, 4), T(4))],
    [(S(T(3), T(4)), RuntimeError, "the same number of elements, got sizes (3,) and (4,)")], types=ALL,
    oracle=lambda torch, a, b: torch.dot(a.reshape(-1), b.reshape(-1)),
)  # fmt: skip
row(
    "matmul", matmul,
    [S(T(4), T(4)), S(T(3, 4), T(4)), S(T(4), T(4, 2)), S(T(3, 4), T(4, 2)), S(T(2, 3, 4), T(4, 2)),
     S(T(2, 3, 4), T(4)),
     S(T(4), T(2, 4, 3)), S(T(2, 3, 4), T(2, 4, 2)), S(T(2, 1, 3, 4), T(5, 4, 2)), S(T(3, 4), T(2, 4, 2))],
    [(S(T(3, 4), T(5, 6)), RuntimeError, _MISFIT), (S(T(2, 3, 4), T(5, 6)), RuntimeError, _MISFIT),
     (S(T(2, 3, 4), T(3, 4, 2)), RuntimeError, "batch dimensions (2,) and (3,) do not broadcast"),
     (S(T(3, 4), 2), TypeError, "the second operand must be a tensor, got int")], types=ALL,
)  # fmt: skip


# ---------------------------------------------------------------- products with an addend


def _in_order(name, names, args, named):
    """The arguments with the tensors that were given by name where they belong."""
    unknown = [n for n in named if n not in names]
    if unknown:
        raise TypeError(f"{name}: unexpected keyword argument {unknown[0]!r}; the tensors are {', '.join(names)}")
    given = [named[n] for n in names if n in named]
    return (*given[:1], *args, *given[1:]) if "input" in named else (*args, *given)


def _with_addend(name, product, of_product, shapes):
    """The era's `addmm(input, [beta=1, [alpha=1,]] a, b)`; the function form puts alpha after input."""

    names = ("input", *shapes.split(", "))

    def function(*args, beta=1, alpha=1, **named):
        if named:
            args = _in_order(name, names, args, named)
        tensors = [a for a in args if isinstance(a, (Tensor, Variable))]
        factors = [a for a in args if not isinstance(a, (Tensor, Variable))]
        for f in factors:
            if isinstance(f, bool) or not isinstance(f, (int, float)):
                place = sum(isinstance(a, bool) or not isinstance(a, (int, float)) for a in args[: args.index(f)])
                wanted = "a Tensor, a Variable or, before it, a factor (a number)"
                raise TypeError(operands.message(name, names[min(place, 2)], f, wanted))
        if len(tensors) != 3 or len(factors) > 2:
            raise TypeError(
                f"{name}: takes ([beta,] input, [alpha,] {shapes}), got {len(tensors)} tensors and {len(factors)} "
                f"numbers"
            )
        beta, alpha = (*factors, *(beta, alpha)[len(factors) :])
        input, result = tensors[0], of_product(tensors[1], tensors[2])
        wanted, got = size_of(result), size_of(input)
        try:
            fits = np.broadcast_shapes(wanted, got) == wanted
        except ValueError:
            fits = False
        if not fits:
            raise RuntimeError(f"{name}: input of size {got} does not broadcast to the product's size {wanted}")
        return add(input if beta == 1 else mul(input, beta), result if alpha == 1 else mul(result, alpha))

    function.__name__ = name
    function.__doc__ = (
        f"{name}([beta=1,] input, [alpha=1,] {shapes}): beta * input + alpha * {product}.\n\n"
        f"input is broadcast to the product's size. As a method: input.{name}([beta, [alpha,]] {shapes}); a single "
        f"factor is beta."
    )
    return function


addmm = _with_addend("addmm", "mm(mat1, mat2)", mm, "mat1, mat2")
addmv = _with_addend("addmv", "mv(mat, vec)", mv, "mat, vec")
addr = _with_addend("addr", "ger(vec1, vec2)", ger, "vec1, vec2")
baddbmm = _with_addend("baddbmm", "bmm(batch1, batch2)", bmm, "batch1, batch2")
addbmm = _with_addend(
    "addbmm", "(sum over the batch of bmm(batch1, batch2))", lambda a, b: total(bmm(a, b), 0, False), "batch1, batch2"
)


def _torch_with_addend(name):
    def peer(torch, *args, beta=1, alpha=1):
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        factors = [a for a in args if not isinstance(a, torch.Tensor)]
        beta, alpha = (*factors, *(beta, alpha)[len(factors) :])
        return getattr(torch, name)(*tensors, beta=beta, alpha=alpha)

    return peer


for _function, _sizes, _operands in [
    (addmm, [(3, 2), (2,), (1, 1)], (T(3, 4), T(4, 2))),
    (addmv, [(3,), (1,)], (T(3, 4), T(4))),
    (addr, [(3, 4), (4,), (3, 1)], (T(3), T(4))),
    (baddbmm, [(2, 3, 2), (3, 2), (2, 1, 1)], (T(2, 3, 4), T(2, 4, 2))),
    (addbmm, [(3, 2), (2,)], (T(2, 3, 4), T(2, 4, 2))),
]:
    row(
        _function.__name__, _function,
        [*(S(T(*_size), *_operands) for _size in _sizes), S(T(*_sizes[0]), 2, *_operands),
         S(T(*_sizes[0]), 2, 3, *_operands),
         S(2, T(*_sizes[0]), 3, *_operands), S(T(*_sizes[0]), *_operands, beta=2, alpha=3)],
        [(S(T(7), *_operands), RuntimeError, "input of size (7,) does not broadcast"),
         (S(T(*_sizes[0]), *_operands[:1]), TypeError, "got 2 tensors and 0 numbers"),
         (S(T(*_sizes[0]), "2", *_operands), TypeError, "a factor (a number), got str"),
         (S(T(1, dtype="int64"), 0.5, *(T(*o.size, dtype="int64") for o in _operands)), (TypeError, RuntimeError),
          "whole numbers")],
        types=ALL, in_place=True, oracle=_torch_with_addend(_function.__name__),
    )  # fmt: skip


# ---------------------------------------------------------------- layers


def _linear(x, weight, bias):
    out = kernels.linear(x, weight, bias)
    if out is not None:
        return out
    if weight.ndim != 2 or x.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"linear: input of size {x.shape} does not fit weight of size {weight.shape}: the input's last size "
            f"must be in_features={weight.shape[-1]}, got {x.shape[-1]}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"linear: bias must have size {weight.shape[:1]} (out_features), got {bias.shape}")
    out = _matmul(x, weight.T)
    if bias is not None:
        kernels.accumulate(out, bias)
    return out


def _linear_input(g, weight):
    out = kernels.linear_input(g, weight)
    return _matmul(g, weight) if out is None else out


def _linear_weight(g, x):
    out = kernels.linear_weight(g, x)
    return _matmul(g.reshape(-1, g.shape[-1]).T, x.reshape(-1, x.shape[-1])) if out is None else out


# Three products that are one another's derivatives: of the layer, of its input and of its weight, whatever dimensions
# lead.
_linear_op = Operation(
    "linear", _linear, "x weight bias", optional="bias",
    derivatives={"x": lambda g, weight: _linear_input_op(g, weight), "weight": lambda g, x: _linear_weight_op(g, x),
                 "bias": lambda g, bias_size: sum_to_size(g, bias_size)},
)  # fmt: skip
_linear_input_op = Operation(
    "linear_input", _linear_input, "grad weight",
    derivatives={"grad": lambda g, weight: _linear_op(g, weight, None),
                 "weight": lambda g, grad: _linear_weight_op(grad, g)},
)  # fmt: skip
_linear_weight_op = Operation(
    "linear_weight", _linear_weight, "grad x",
    derivatives={"grad": lambda g, x: _linear_op(x, g, None), "x": lambda g, grad: _linear_input_op(grad, g)},
)  # fmt: skip


def linear(input, weight, bias=None):
    """linear(input, weight, bias=None): y = x W^T + b, (*, in_features) -> (*, out_features).

    weight: (out_features, in_features); bias: (out_features). One operation, whatever dimensions lead.
    """
    return _linear_op(input, weight, bias)


def bilinear(input1, input2, weight, bias=None):
    """bilinear(input1, input2, weight, bias=None): y_o = x1^T W_o x2 + b_o, (*, in1), (*, in2) -> (*, out).

    weight: (out, in1, in2); bias: (out).
    """
    left, right, size = size_of(input1), size_of(input2), size_of(weight)
    if len(size) != 3 or left[:-1] != right[:-1] or (left[-1], right[-1]) != size[1:]:
        raise RuntimeError(
            f"bilinear: inputs of sizes {left} and {right} do not fit weight of size {size}: expected "
            "(*, in1), (*, in2) and (out, in1, in2)"
        )
    out, in1, in2 = size
    x1, x2 = seen_as(input1, (-1, in1)), seen_as(input2, (-1, in2))
    half = reshape(mm_op(x1, seen_as(permute_dims(weight, (1, 0, 2)), (in1, out * in2))), (-1, out, in2))
    y = total(half * unsqueeze(x2, 1), 2, False)
    return reshape(y if bias is None else add(y, bias), (*left[:-1], out))


row(
    "linear", linear,
    [S(T(3, 4), T(2, 4), T(2)), S(T(3, 4), T(2, 4)), S(T(2, 3, 4), T(5, 4), T(5)), S(T(4), T(2, 4), T(2)),
     S(T(1, 1), T(1, 1), T(1)),
     S(T(2, 3, 4), T(2, 4), None)],
    [(S(T(3, 5), T(2, 4)), RuntimeError, "in_features=4, got 5"),
     (S(T(3, 4), T(2, 4), T(3)), RuntimeError, "bias must have size (2,)")],
    method=False, exported=("functional",), oracle="nn.functional.linear",
)  # fmt: skip
row(
    "bilinear", bilinear,
    [S(T(3, 2), T(3, 4), T(5, 2, 4), T(5)), S(T(3, 2), T(3, 4), T(5, 2, 4)),
     S(T(2, 3, 2), T(2, 3, 4), T(1, 2, 4), T(1))],
    [(S(T(3, 2), T(3, 4), T(5, 4, 2)), RuntimeError, "do not fit weight of size (5, 4, 2)")], method=False,
    exported=("functional",),
    oracle="nn.functional.bilinear",
)  # fmt: skip


def _rolled(x, shift, dim):
    return np.roll(x, shift, dim)


roll = Operation("roll", _rolled, "x", "shift dim", derivatives={"x": lambda g, shift, dim: roll(g, -shift, dim)})


def cross(input, other, dim=-1):
    """cross(input, other, dim=-1): cross products of the vectors along dim, which must have size 3; -1: the first such
    one.

    out_0 = a_1 b_2 - a_2 b_1, and so on in a circle.
    """
    _require_tensors("cross", input, other)
    size = size_of(input)
    if size != size_of(other):
        raise RuntimeError(f"cross: both operands must have one size, got {size} and {size_of(other)}")
    if dim == -1:
        if 3 not in size:
            raise RuntimeError(f"cross: no dimension of size 3 in {size}")
        dim = size.index(3)
    dim = wrap_dim(dim, len(size), "cross: dim")
    if size[dim] != 3:
        raise RuntimeError(f"cross: dimension {dim} must have size 3, got {size[dim]}")
    return roll(input, -1, dim) * roll(other, -2, dim) - roll(input, -2, dim) * roll(other, -1, dim)


row(
    "cross", cross, [S(T(2, 3), T(2, 3)), S(T(3), T(3)), S(T(3, 3), T(3, 3), 1), S(T(3, 2, 3), T(3, 2, 3), -1)],
    [(S(T(2, 4), T(2, 4)), RuntimeError, "no dimension of size 3"),
     (S(T(3, 2), T(3, 2), 1), RuntimeError, "dimension 1 must have size 3"),
     (S(T(3), T(2, 3)), RuntimeError, "one size")],
    types=ALL, oracle=lambda torch, a, b, dim=-1: torch.cross(a, b, dim=tuple(a.shape).index(3) if dim == -1 else dim),
)  # fmt: skip
