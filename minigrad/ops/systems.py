"""Systems of linear equations: triangular ones, those whose Cholesky factor is known, least squares.

Everything triangular is one operation, `solve_triangular`, whose derivatives are triangular systems again.
"""

import numpy as np

from minigrad._core import Operation, Tensor, Variable, like
from minigrad.ops import arrays, moving
from minigrad.ops.elementwise import quiet
from minigrad.ops.indexing import raw
from minigrad.ops.linear import mm_op, refuse_dims, transposed
from minigrad.ops.matrix import lower, upper
from minigrad.ops.shape import seen_as, size_of
from minigrad.ops.table import S, T, row


def _triangle(a, is_upper, unit):
    """The triangle that counts: without its diagonal if that is taken as ones."""
    return upper(a, int(unit)) if is_upper else lower(a, -int(unit))


@quiet
def _substitute(b, a, is_upper, transpose, unit):
    """Row after row, from the end of the triangle that has one unknown."""
    if transpose:
        a, is_upper = a.T, not is_upper
    x, n = np.empty_like(b, order="C"), len(b)
    for i in reversed(range(n)) if is_upper else range(n):
        known = slice(i + 1, n) if is_upper else slice(0, i)
        x[i] = b[i] - a[i, known] @ x[known]
        if not unit:
            x[i] /= a[i, i]
    return x


def _matrix_rule(g, a, out, is_upper, transpose, unit):
    """With A X = B: dA = -A^-T dX X^T; its transpose where A^T X = B. Only one triangle of A was read."""
    db = solve_triangular(g, a, is_upper, not transpose, unit)
    da = mm_op(out, transposed(db)) if transpose else mm_op(db, transposed(out))
    return -_triangle(da, is_upper, unit)


solve_triangular = Operation(
    "solve_triangular", _substitute, "b a", "is_upper transpose unit",
    derivatives={"b": lambda g, a, is_upper, transpose, unit: solve_triangular(g, a, is_upper, not transpose, unit),
                 "a": _matrix_rule},
)  # fmt: skip


def _system(name, b, a, square=True):
    """The right sides as a matrix, after a look at the sizes; a vector is one column."""
    for argument, x in (("the right sides", b), ("the matrix", a)):
        if not isinstance(x, (Tensor, Variable)):
            raise TypeError(f"{name}: {argument} must be a tensor, got {type(x).__name__}")
    size, of_b = size_of(a), size_of(b)
    if len(size) != 2 or (square and size[0] != size[1]):
        raise RuntimeError(f"{name}: expected a {'square ' * square}matrix, got size {size}")
    if len(of_b) not in (1, 2) or of_b[0] != size[0]:
        raise RuntimeError(
            f"{name}: the right sides must have size ({size[0]}, k) or ({size[0]},) for a matrix of size {size}, got "
            f"{of_b}"
        )
    return seen_as(b, (size[0], 1)) if len(of_b) == 1 else b


def _refuse_singular(name, a):
    if arrays.run(lambda a: np.any(np.diagonal(a) == 0), raw(a)):
        raise RuntimeError(f"{name}: the triangular matrix is singular: it has a 0 on its diagonal")


def trtrs(input, A, upper=True, transpose=False, unitriangular=False):
    """trtrs(input, A, upper=True, transpose=False, unitriangular=False): (X, a copy of A) with A X = input, A
    triangular.

    input: (n, k), or (n) for one column; A: (n, n), of which only the upper (lower) triangle is read. transpose: A^T X
    = input. unitriangular: the diagonal of A is taken as ones. Only X is differentiable. Raises RuntimeError if A is
    singular.
    """
    b = _system("trtrs", input, A)
    if not unitriangular:
        _refuse_singular("trtrs", A)
    x = solve_triangular(b, A, bool(upper), bool(transpose), bool(unitriangular))
    return x, like(A, arrays.copy(raw(A)))


def potrs(input, u, upper=True):
    """potrs(input, u, upper=True): X with A X = input, where u is the Cholesky factor of A, as potrf gives it.

    upper: A = u^T u; otherwise A = u u^T. input: (n, k), or (n) for one column; u: (n, n), of which one triangle is
    read. Raises RuntimeError if u has a 0 on its diagonal.
    """
    b, upper = _system("potrs", input, u), bool(upper)
    _refuse_singular("potrs", u)
    return solve_triangular(solve_triangular(b, u, upper, upper, False), u, upper, not upper, False)


@moving.at_home
def potri(input, upper=True):
    """potri(input, upper=True): inverse of the matrix whose Cholesky factor is input, as potrf gives it.

    upper: (u^T u)^-1, otherwise (u u^T)^-1, for u = input, of which one triangle is read. Raises RuntimeError if it has
    a 0 on its diagonal.
    """
    size, upper = size_of(input), bool(upper)
    if len(size) != 2 or size[0] != size[1]:
        raise RuntimeError(f"potri: expected a square matrix, got size {size}")
    _refuse_singular("potri", input)
    one = like(input, arrays.eye(size[0], raw(input)))
    inverted = solve_triangular(one, input, upper, False, False)
    return mm_op(inverted, transposed(inverted)) if upper else mm_op(transposed(inverted), inverted)


@quiet
def _gels(b, a):
    refuse_dims("gels", (b, 2), (a, 2))
    m, n = a.shape
    q, r = np.linalg.qr(a if m >= n else a.T, mode="complete" if m >= n else "reduced")
    packed = np.linalg.qr(a if m >= n else a.T, mode="raw")[0]
    k = min(m, n)
    if np.any(np.diagonal(r) == 0):
        raise RuntimeError(f"gels: the matrix of size {a.shape} must have full rank, which is {k}")
    if m >= n:
        turned = q.T @ b
        return np.concatenate((_substitute(turned[:n], r[:n], True, False, False), turned[n:])), packed.T.copy()
    return q @ _substitute(b, r, True, True, False), packed.copy()


def _no_rule(g):
    raise RuntimeError("gels: has no derivative; solve the normal equations with gesv, which has one")


_gels_op = Operation("gels", _gels, "b a", outputs=2, derivatives={"b": _no_rule, "a": _no_rule})


def gels(input, A):
    """gels(input, A): (X, QR) with the X for which |A X - input| is least, or |X| where there are many solutions.

    A: (m, n) of full rank; input: (m, k), or (m) for one column. X: (max(m, n), k); its first n rows are the solution,
    and in each column the squares of the rest add up to the least |A x - b|^2. QR: (m, n), the factorisation of A in
    LAPACK's packed form (if m < n, LQ). Raises RuntimeError if the rank is not full.
    """
    return _gels_op(_system("gels", input, A, square=False), A)


def _torch_trtrs(torch, b, a, upper=True, transpose=False, unitriangular=False):
    b = b if b.dim() == 2 else b[:, None]
    used = a.mT if transpose else a
    x = torch.linalg.solve_triangular(used, b, upper=upper != transpose, unitriangular=unitriangular)
    return x, a.detach().clone()


def _torch_gels(torch, b, a):
    m, n = a.shape
    b = b if b.dim() == 2 else b[:, None]
    packed, tau = torch.geqrf(a if m >= n else a.mT)
    r = packed[: min(m, n)].triu()
    if m >= n:
        turned = torch.ormqr(packed, tau, b, True, True)
        return torch.cat([torch.linalg.solve_triangular(r, turned[:n], upper=True), turned[n:]]), packed
    y = torch.linalg.solve_triangular(r.mT, b, upper=False)
    return torch.ormqr(packed, tau, torch.cat([y, y.new_zeros(n - m, y.shape[1])])), packed.mT


_A = T(3, 3, values=[[2, 0.5, -1], [0.3, 1.5, 0.7], [-0.6, 0.2, 3]], fixed=True)
_TALL = T(4, 2, values=[[1, 2], [0.5, -1], [2, 0.3], [-1, 1]], fixed=True)
_WIDE = T(2, 3, values=[[1, 2, 0.5], [-1, 2, 0.3]], fixed=True)
_ONE = T(1, 1, values=[[2.5]])
_SINGULAR = T(2, 2, values=[[1, 2], [3, 0]], fixed=True)
_MISFITS = [
    (S(T(3, 2), T(3, 2)), RuntimeError, "square matrix, got size (3, 2)"),
    (S(T(2, 2), _A), RuntimeError, "right sides must have size (3, k)"),
    (S(T(3, 2, 2), _A), RuntimeError, "got (3, 2, 2)"),
    (S(T(2), _SINGULAR), RuntimeError, "has a 0 on its diagonal"),
    (S(T(3, 2), 2), TypeError, "the matrix must be a tensor, got int"),
]
row(
    "trtrs", trtrs,
    [S(T(3, 2), _A), S(T(3, 2), _A, False), S(T(3, 2), _A, True, True), S(T(3, 1), _A, False, True),
     S(T(3, 2), _A, True, False, True), S(T(3, 2), _A, upper=False, transpose=True, unitriangular=True), S(T(3), _A),
     S(T(1, 1), _ONE)],
    _MISFITS, oracle=_torch_trtrs,
)  # fmt: skip
row(
    "potrs", potrs, [S(T(3, 2), _A), S(T(3, 2), _A, False), S(T(3), _A), S(T(1, 1), _ONE), S(T(3, 1), _A, upper=False)],
    _MISFITS,
    oracle=lambda torch, b, u, upper=True: torch.cholesky_solve(
        b if b.dim() == 2 else b[:, None], u.triu() if upper else u.tril(), upper
    ),
)  # fmt: skip
row(
    "potri", potri, [S(_A), S(_A, False), S(_ONE), S(_A, upper=False)],
    [(S(T(2, 3)), RuntimeError, "square matrix, got size (2, 3)"),
     (S(_SINGULAR), RuntimeError, "has a 0 on its diagonal")],
    oracle=lambda torch, u, upper=True: torch.cholesky_inverse(u.triu() if upper else u.tril(), upper),
)  # fmt: skip
row(
    "gels", gels, [S(T(4, 2), _TALL), S(T(4), _TALL), S(T(3, 2), _A), S(T(2, 3), _WIDE), S(T(1, 1), _ONE)],
    [(S(T(3, 2), T(4, 2)), RuntimeError, "right sides must have size (4, k)"),
     (S(T(2, 1), T(2)), RuntimeError, "expected a matrix, got size (2,)"),
     (S(T(3, 1), T(3, 2, values=[[0, 1], [0, 2], [0, 1]])), RuntimeError, "must have full rank, which is 2")],
    order=0, why="the era had no derivative of it, and nobody has needed one here", oracle=_torch_gels,
    differs={"infinite": "LAPACK reflects the columns one after another: what is inf - inf there may be inf here"},
)  # fmt: skip
