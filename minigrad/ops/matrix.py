"""Matrices: diagonals, triangles, inverse and factorisations, each with the formula of its derivative.

The formulas are made of products and triangles, so every one can be differentiated again.
"""

import numpy as np

from minigrad._core import Operation, Tensor
from minigrad.ops import arrays
from minigrad.ops.elementwise import quiet
from minigrad.ops.linear import mm_op, refuse_dims, transposed
from minigrad.ops.reduction import wide_type
from minigrad.ops.shape import broadcast_to, seen_as, size_of
from minigrad.ops.table import ALL, S, T, row

# ---------------------------------------------------------------- diagonals and triangles


def _diagonal_span(size, k):
    count = min(size[0] + min(k, 0), size[1] - max(k, 0))
    if count < 1:
        raise RuntimeError(f"diag: a matrix of size {size} has no diagonal {k}")
    first = max(-k, 0)
    return first, count


def _placed_diagonal(x, k, size):
    out = np.zeros_like(x, shape=size)
    first, count = _diagonal_span(size, k)
    rows_ = np.arange(first, first + count, like=x)
    out[rows_, rows_ + k] = x
    return out


def _diagonal(x, k):
    _diagonal_span(x.shape, k)
    return np.diagonal(x, k).copy()


diagonal_of = Operation(
    "diag", _diagonal, "x", "k", derivatives={"x": lambda g, k, x_size: placed_diagonal(g, k, x_size)}
)
placed_diagonal = Operation("diag", _placed_diagonal, "x", "k size", derivatives={"x": lambda g, k: diagonal_of(g, k)})


def diag(input, diagonal=0):
    """diag(input, diagonal=0): diagonal k of a matrix, or the matrix with the vector input on its diagonal k.

    k > 0: above the main diagonal; k < 0: below.
    """
    size = size_of(input)
    if len(size) == 2:
        return diagonal_of(input, diagonal)
    if len(size) != 1:
        raise RuntimeError(f"diag: input must have 1 or 2 dimensions, got size {size}")
    return placed_diagonal(input, diagonal, (size[0] + abs(diagonal),) * 2)


def _triangle(name, function):
    def forward(x, k):
        refuse_dims(name, (x, 2))
        return function(x, k)

    operation = Operation(name, forward, "x", "k", derivatives={"x": lambda g, k: operation(g, k)})
    return operation


lower, upper = _triangle("tril", np.tril), _triangle("triu", np.triu)


def tril(input, k=0, *, diagonal=None):
    """tril(input, k=0): the matrix with zeros above diagonal k, which may also be given as diagonal=."""
    return lower(input, k if diagonal is None else diagonal)


def triu(input, k=0, *, diagonal=None):
    """triu(input, k=0): the matrix with zeros below diagonal k, which may also be given as diagonal=."""
    return upper(input, k if diagonal is None else diagonal)


@quiet
def _trace(x):
    refuse_dims("trace", (x, 2))
    return np.trace(x, dtype=wide_type(x)).astype(x.dtype).reshape(1)


_trace_op = Operation(
    "trace", _trace, "x",
    derivatives={"x": lambda g, x_size: placed_diagonal(broadcast_to(g, (min(x_size),)), 0, x_size)},
)  # fmt: skip


def trace(input):
    """trace(input): sum of the matrix's main diagonal; a Number of a Tensor."""
    if isinstance(input, Tensor):
        return arrays.run(lambda x: _trace(x.astype(wide_type(x))).item(), input.array)
    return _trace_op(input)


row(
    "diag", diag,
    [S(T(3, 4)), S(T(3, 4), 1), S(T(4, 3), -2), S(T(3)), S(T(2), -1), S(T(2), 2), S(T(1)), S(T(3, 3), diagonal=1)],
    [(S(T(2, 3, 4)), RuntimeError, "1 or 2 dimensions"), (S(T(2, 3), 3), RuntimeError, "no diagonal 3")], types=ALL,
)  # fmt: skip


def _torch_triangle(name):
    return lambda torch, x, k=0, diagonal=None: getattr(torch, name)(x, k if diagonal is None else diagonal)


for _function in (tril, triu):
    row(
        _function.__name__, _function, [S(T(3, 4)), S(T(4, 3), 1), S(T(3, 3), -1), S(T(1, 1)), S(T(3, 3), diagonal=1)],
        [(S(T(3)), RuntimeError, "must have 2 dimensions")], types=ALL, in_place=True,
        oracle=_torch_triangle(_function.__name__),
    )  # fmt: skip
row(
    "trace", trace, [S(T(3, 3)), S(T(2, 4)), S(T(1, 1))], [(S(T(3)), RuntimeError, "must have 2 dimensions")], types=ALL
)


# ---------------------------------------------------------------- factorisations


def _square(name, x):
    if x.ndim != 2 or x.shape[0] != x.shape[1]:
        raise RuntimeError(f"{name}: expected a square matrix, got size {x.shape}")


def _inverse(x):
    _square("inverse", x)
    try:
        with arrays.strict_algebra(x):
            return arrays.column_major(np.linalg.inv(x))  # as LAPACK left it in the era
    except np.linalg.LinAlgError as error:
        raise RuntimeError("inverse: the matrix is singular") from error


def _inverse_rule(g, out):
    turned = transposed(out)
    return -mm_op(mm_op(turned, g), turned)


_inverse_op = Operation("inverse", _inverse, "x", derivatives={"x": _inverse_rule})


def inverse(input):
    """inverse(input): the inverse of a square matrix. Raises RuntimeError if it is singular."""
    return _inverse_op(input)


def _solve(b, a):
    _square("gesv", a)
    if b.ndim != 2 or b.shape[0] != a.shape[0]:
        raise RuntimeError(
            f"gesv: the right sides must have size ({a.shape[0]}, k) for a matrix of size {a.shape}, got {b.shape}"
        )
    try:
        with arrays.strict_algebra(a):
            return np.linalg.solve(a, b)
    except np.linalg.LinAlgError as error:
        raise RuntimeError("gesv: the matrix is singular") from error


solve = Operation(
    "solve", _solve, "b a",
    derivatives={"b": lambda g, a: solve(g, transposed(a)),
                 "a": lambda g, a, out: -mm_op(solve(g, transposed(a)), transposed(out))},
)  # fmt: skip


def _lu(a):
    """L (below the diagonal; its own diagonal is 1) and U of a row permutation of a, by Gaussian elimination with
    pivots."""
    lu = a.copy()
    for k in range(lu.shape[0] - 1):
        pivot = k + int(np.argmax(np.abs(lu[k:, k])))
        if pivot != k:
            lu[[k, pivot]] = lu[[pivot, k]]
        lu[k + 1 :, k] /= lu[k, k]
        lu[k + 1 :, k + 1 :] -= lu[k + 1 :, k : k + 1] * lu[k, k + 1 :]
    return lu


_gesv = Operation(
    "gesv", lambda b, a: (_solve(b, a), _lu(a)), "b a", outputs=2, constant_outputs=(1,),
    derivatives={"b": lambda g, a: solve(g[0], transposed(a)),
                 "a": lambda g, a, out0: -mm_op(solve(g[0], transposed(a)), transposed(out0))},
)  # fmt: skip


def gesv(input, A):
    """gesv(input, A): (X, LU) with A X = input, and the LU factors of A in one matrix.

    input: (n, k), or (n) for one column; A: (n, n). Only X is differentiable. Raises RuntimeError if A is singular.
    """
    return _gesv(seen_as(input, (size_of(input)[0], 1)) if len(size_of(input)) == 1 else input, A)


def _potrf(x, upper):
    _square("potrf", x)
    try:
        with arrays.strict_algebra(x):
            factor = np.linalg.cholesky(x.T if upper else x)  # reads the lower triangle only
    except np.linalg.LinAlgError as error:
        raise RuntimeError("potrf: the matrix is not positive definite") from error
    return factor.T.copy() if upper else factor


def _potrf_rule(g, out, upper):
    """With A = L L^T: S = L^-T P L^-1 where P is the lower triangle of L^T dL with half its diagonal; dA = S + S^T.

    Only one triangle of A was read, so the gradient goes there: twice what is off the diagonal.
    """
    factor, grad = (transposed(out), transposed(g)) if upper else (out, g)
    inverted = _inverse_op(factor)
    p = lower(mm_op(transposed(factor), lower(grad, 0)), 0)
    p = p - placed_diagonal(diagonal_of(p, 0) * 0.5, 0, size_of(p))
    s = mm_op(mm_op(transposed(inverted), p), inverted)
    both = s + transposed(s)
    folded = lower(both, 0) - placed_diagonal(diagonal_of(both, 0) * 0.5, 0, size_of(both))
    return transposed(folded) if upper else folded


_potrf_op = Operation("potrf", _potrf, "x", "upper", derivatives={"x": _potrf_rule})


def potrf(input, upper=True):
    """potrf(input, upper=True): Cholesky factor of a symmetric positive definite matrix.

    upper: U with U^T U = input; otherwise L with L L^T = input. Only that triangle of input is read (and gets the
    gradient).
    """
    return _potrf_op(input, bool(upper))


def _qr(x):
    refuse_dims("qr", (x, 2))
    return tuple(np.linalg.qr(x))


def _qr_rule(g, out0, out1):
    """dA = (dQ + Q sym(R dR^T - dQ^T Q)) R^-T, where sym mirrors the lower triangle."""
    q, r = out0, out1
    if size_of(r)[0] != size_of(r)[1]:
        raise RuntimeError(
            f"qr: the derivative is defined for at least as many rows as columns, got R of size {size_of(r)}"
        )
    dq = q * 0 if g[0] is None else g[0]
    dr = r * 0 if g[1] is None else upper(g[1], 0)
    m = mm_op(r, transposed(dr)) - mm_op(transposed(dq), q)
    mirrored = lower(m, 0) + transposed(lower(m, -1))
    return mm_op(dq + mm_op(q, mirrored), transposed(_inverse_op(r)))


_qr_op = Operation("qr", _qr, "x", outputs=2, derivatives={"x": _qr_rule})


def qr(input):
    """qr(input): (Q, R) with Q R = input, Q with orthonormal columns, R upper triangular.

    (m, n) -> (m, k), (k, n), k = min(m, n).

    Differentiable for m >= n and full rank.
    """
    return _qr_op(input)


def _torch_potrf(torch, x, upper=True):
    """PyTorch shares the gradient out between the triangles; here it goes to the one that is read."""
    half = x.triu() if upper else x.tril()
    factor = torch.linalg.cholesky(half + half.mT - torch.diag(half.diagonal()))
    return factor.mT if upper else factor


_WELL = T(3, 3, values=[[2, 0.5, -1], [0.3, 1.5, 0.7], [-0.6, 0.2, 3]], fixed=True)
_POSITIVE = T(3, 3, values=[[4, 1, 0.5], [1, 3, -0.7], [0.5, -0.7, 2]], fixed=True)
_NOT_SQUARE = (S(T(2, 3)), RuntimeError, "square matrix, got size (2, 3)")
row(
    "inverse", inverse, [S(_WELL), S(T(1, 1, values=[[2.5]]))],
    [_NOT_SQUARE, (S(T(2, 2, values=[[1, 2], [2, 4]])), RuntimeError, "singular")],
)  # fmt: skip
row(
    "gesv", gesv, [S(T(3, 2), _WELL), S(T(3, 1), _WELL), S(T(1, 1), T(1, 1, values=[[2.5]])), S(T(3), _WELL)],
    [(S(T(3, 2), T(3, 2)), RuntimeError, "square matrix"),
     (S(T(2, 2), _WELL), RuntimeError, "right sides must have size (3, k)"),
     (S(T(2, 1), T(2, 2, values=[[1, 2], [2, 4]])), RuntimeError, "singular")],
    oracle=lambda torch, b, a: (
        torch.linalg.solve(a, b if b.dim() == 2 else b[:, None]), torch.linalg.lu_factor(a.detach())[0]
    ),
)  # fmt: skip
row(
    "potrf", potrf, [S(_POSITIVE), S(_POSITIVE, False), S(T(1, 1, values=[[2.5]]))],
    [_NOT_SQUARE, (S(T(2, 2, values=[[1, 2], [2, 1]])), RuntimeError, "not positive definite")],
    oracle=_torch_potrf,
)  # fmt: skip
row(
    "qr", qr, [S(_WELL), S(T(4, 2, values=[[1, 2], [0.5, -1], [2, 0.3], [-1, 1]])), S(T(1, 1, values=[[2.5]]))],
    [(S(T(3)), RuntimeError, "must have 2 dimensions")],
)  # fmt: skip
