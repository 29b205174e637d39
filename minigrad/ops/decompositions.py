"""Eigenvalues and singular values, with the formulas of their derivatives.

Eigenvectors and singular vectors are determined up to their signs only, so a derivative is that of the branch that
LAPACK chose; it exists where the values are distinct.
"""

import numpy as np

from minigrad._core import Operation, like
from minigrad.ops import arrays
from minigrad.ops.elementwise import keep
from minigrad.ops.indexing import raw
from minigrad.ops.linear import mm_op, transposed
from minigrad.ops.matrix import diagonal_of, lower, placed_diagonal, upper
from minigrad.ops.shape import index, reshape, size_of
from minigrad.ops.table import S, T, row


def _matrix(name, x, square=True):
    if x.ndim != 2 or (square and x.shape[0] != x.shape[1]):
        raise RuntimeError(f"{name}: expected a {'square ' * square}matrix, got size {x.shape}")
    if not np.all(np.isfinite(x)):
        raise RuntimeError(f"{name}: the matrix must not contain infinities or nan")


def _found(name, function, x, *args, **kwargs):
    try:
        with arrays.strict_algebra(x):
            return function(x, *args, **kwargs)
    except np.linalg.LinAlgError as error:
        raise RuntimeError(f"{name}: the iteration did not converge") from error


# ---------------------------------------------------------------- eigenvalues of any matrix


def _eig(a, eigenvectors):
    _matrix("eig", a)
    if not eigenvectors:
        values = _found("eig", np.linalg.eigvals, a)
        vectors = np.empty_like(a, shape=(0,))
    else:
        values, found = _found("eig", np.linalg.eig, a)
        # The second of a conjugate pair has the negative imaginary part; its column holds that of the first.
        vectors = arrays.column_major(np.where(values.imag < 0, -found.imag, found.real))
    return np.stack((values.real, values.imag), 1).astype(a.dtype, copy=False), vectors.astype(a.dtype, copy=False)


def _no_rule(g):
    raise RuntimeError("eig: has no derivative; symeig has one, for symmetric matrices")


_eig_op = Operation("eig", _eig, "a", "eigenvectors", outputs=2, derivatives={"a": _no_rule})


def eig(input, eigenvectors=False):
    """eig(input, eigenvectors=False): (e, v), the eigenvalues and eigenvectors of a square matrix.

    e: (n, 2), a real and an imaginary part in each row. v: (n, n) in LAPACK's packed form, or empty if not asked for:
    column j is the eigenvector of a real e[j]; of a conjugate pair e[j], e[j+1] the first has the eigenvector v[:, j] +
    i v[:, j+1], the second its conjugate. Raises RuntimeError for infinities and nan.
    """
    return _eig_op(input, bool(eigenvectors))


# ---------------------------------------------------------------- eigenvalues of a symmetric matrix


def _symeig(x, is_upper, eigenvectors):
    _matrix("symeig", x)
    values, vectors = _found("symeig", np.linalg.eigh, x, "U" if is_upper else "L")
    return values, arrays.column_major(vectors)


def _symeig_values(x, is_upper, eigenvectors):
    if eigenvectors:
        return _symeig(x, is_upper, True)
    _matrix("symeig", x)
    return _found("symeig", np.linalg.eigvalsh, x, "U" if is_upper else "L"), np.zeros_like(x)


def _inverse_gaps(values):
    """1 / (values[j] - values[i]) at i, j; 0 on the diagonal."""
    n = size_of(values)[0]
    one = arrays.eye(n, raw(values))
    gaps = reshape(values, (1, n)) - reshape(values, (n, 1))
    return keep(1 / (gaps + like(values, one)), like(values, (one == 0).view(np.uint8)))


def _symeig_rule(g, out0, out1, is_upper):
    """dA = V (diag(dw) + F * V^T dV) V^T, F the inverse gaps; all of it in the triangle that was read.

    Giles, An extended collection of matrix derivative results (2008), section 3.1.
    """
    inner = placed_diagonal(g[0], 0, size_of(out1)) if g[0] is not None else 0
    if g[1] is not None:
        inner = _inverse_gaps(out0) * mm_op(transposed(out1), g[1]) + inner
    whole = mm_op(mm_op(out1, inner), transposed(out1))
    both = whole + transposed(whole)
    folded = upper(both, 0) if is_upper else lower(both, 0)
    return folded - placed_diagonal(diagonal_of(both, 0) * 0.5, 0, size_of(both))


_symeig_op = Operation(
    "symeig", _symeig, "x", "is_upper eigenvectors", outputs=2, inference=_symeig_values,
    derivatives={"x": _symeig_rule},
)  # fmt: skip


def symeig(input, eigenvectors=False, upper=True):
    """symeig(input, eigenvectors=False, upper=True): (e, V), eigenvalues, ascending, and eigenvectors of a symmetric
    matrix.

    input: (n, n), of which only the upper (lower) triangle is read, and gets the gradient. e: (n); V: (n, n) with the
    eigenvectors as columns, zeros if not asked for: V diag(e) V^T = input. Differentiable where the eigenvalues are
    distinct. Raises RuntimeError for infinities and nan.
    """
    values, vectors = _symeig_op(input, bool(upper), bool(eigenvectors))
    return values, vectors if eigenvectors else like(input, arrays.run(np.zeros_like, raw(input)))


# ---------------------------------------------------------------- singular values


def _svd(x, some):
    _matrix("svd", x, square=False)
    u, s, turned = _found("svd", np.linalg.svd, x, full_matrices=not some)
    return u, s, turned.T


def _svd_rule(g, out0, out1, out2):
    """dA = U (diag(ds) + (F * (K - K^T)) S + S (F * (L - L^T))) V^T + (I - U U^T) dU S^-1 V^T + U S^-1 dV^T (I - V V^T)

    with K = U^T dU, L = V^T dV and F[i][j] = 1 / (s[j]^2 - s[i]^2), 0 on the diagonal. Townsend, Differentiating the
    singular value decomposition (2016).
    """
    k = size_of(out1)[0]
    u, du = _first_columns(out0, g[0], k)
    v, dv = _first_columns(out2, g[2], k)
    below, beside = reshape(out1, (k, 1)), reshape(out1, (1, k))
    inner = placed_diagonal(g[1], 0, (k, k)) if g[1] is not None else 0
    gaps = None if du is None and dv is None else _inverse_gaps(out1 * out1)
    if du is not None:
        turn = mm_op(transposed(u), du)
        inner = gaps * (turn - transposed(turn)) * beside + inner
    if dv is not None:
        turn = mm_op(transposed(v), dv)
        inner = gaps * (turn - transposed(turn)) * below + inner
    left = mm_op(u, inner)
    if du is not None and size_of(u)[0] > k:
        left = left + (du - mm_op(u, mm_op(transposed(u), du))) / beside
    whole = mm_op(left, transposed(v))
    if dv is not None and size_of(v)[0] > k:
        whole = whole + mm_op(u, transposed((dv - mm_op(v, mm_op(transposed(v), dv))) / beside))
    return whole


def _first_columns(vectors, g, k):
    """The singular vectors and their gradient, without those beyond the k that are determined."""
    if size_of(vectors)[1] == k:
        return vectors, g
    if g is not None:
        raise RuntimeError(
            "svd: with some=False the vectors beyond the singular values are not determined, so they have no "
            "derivative; use some=True"
        )
    return index(vectors, (slice(None), slice(0, k))), None


_svd_op = Operation("svd", _svd, "x", "some", outputs=3, derivatives={"x": _svd_rule})


def svd(input, some=True):
    """svd(input, some=True): (U, S, V) with U diag(S) V^T = input, S descending, U and V with orthonormal columns.

    input: (m, n); U: (m, k), S: (k), V: (n, k), k = min(m, n). some=False: U (m, m) and V (n, n). Differentiable where
    the singular values are distinct and, unless the matrix is square, not 0; with some=False only S is, unless it is
    square. Raises RuntimeError for infinities and nan.
    """
    return _svd_op(input, bool(some))


# ---------------------------------------------------------------- rows


def _same_signs(torch, theirs, mine):
    """Their vectors with the signs that NumPy's LAPACK chose: both are right."""
    return theirs * torch.sign((theirs.detach() * torch.from_numpy(np.ascontiguousarray(mine))).sum(0))


def _torch_eig(torch, a, eigenvectors=False):
    values, vectors = torch.linalg.eig(a)
    e = torch.view_as_real(values)
    if not eigenvectors:
        return e, a.new_empty(0)
    # Each vector has a factor to choose; of a conjugate pair the first counts.
    mine = torch.from_numpy(np.linalg.eig(a.detach().numpy())[1]).to(vectors.dtype)
    factor = (vectors.conj() * mine).sum(0)
    vectors = vectors * (factor / factor.abs())
    return e, torch.where(values.imag < 0, -vectors.imag, vectors.real)


def _torch_symeig(torch, x, eigenvectors=False, upper=True):
    half = x.triu() if upper else x.tril()
    symmetric = half + half.mT - torch.diag(half.diagonal())
    if not eigenvectors:
        return torch.linalg.eigvalsh(symmetric), torch.zeros_like(x)
    values, vectors = torch.linalg.eigh(symmetric)
    return values, _same_signs(torch, vectors, np.linalg.eigh(x.detach().numpy(), "U" if upper else "L")[1])


def _torch_svd(torch, x, some=True):
    u, s, vh = torch.linalg.svd(x, full_matrices=not some)
    mine = np.linalg.svd(x.detach().numpy(), full_matrices=not some)
    return _same_signs(torch, u, mine[0]), s, _same_signs(torch, vh.mT, mine[2].T)


_TURNING = T(3, 3, values=[[2, 0.5, -1], [-1.3, 1.5, 0.7], [0.6, 0.2, 3]], fixed=True)
_REAL = T(3, 3, values=[[4, 1, 0.5], [0.2, 2, -0.7], [0.5, 0.3, -1]], fixed=True)
_SYMMETRIC = T(3, 3, values=[[4, 1, 0.5], [1, 3, -0.7], [0.5, -0.7, 2]], fixed=True)
_TALL = T(4, 2, values=[[1, 2], [0.5, -1], [2, 0.3], [-1, 1]], fixed=True)
_WIDE = T(2, 3, values=[[1, 2, 0.5], [-1, 2, 0.3]], fixed=True)
_ONE = T(1, 1, values=[[2.5]], fixed=True)
_NOT_SQUARE = (S(T(2, 3)), RuntimeError, "square matrix, got size (2, 3)")
_NOT_FINITE = (S(T(2, 2, values=[[1, np.inf], [0, 1]])), RuntimeError, "must not contain infinities or nan")
row(
    "eig", eig, [S(_TURNING), S(_TURNING, True), S(_REAL, True), S(_ONE, True), S(_REAL, eigenvectors=True)],
    [_NOT_SQUARE, _NOT_FINITE], order=0, why="eigenvalues that meet and turn complex have none", oracle=_torch_eig,
)  # fmt: skip
row(
    "symeig", symeig,
    [S(_SYMMETRIC), S(_SYMMETRIC, True), S(_SYMMETRIC, True, False), S(_ONE, True), S(_REAL, eigenvectors=True),
     S(_REAL, upper=False)],
    [_NOT_SQUARE, _NOT_FINITE], oracle=_torch_symeig,
)  # fmt: skip
row(
    "svd", svd, [S(_REAL), S(_TALL), S(_WIDE), S(_ONE), S(_REAL, some=False)],
    [(S(T(3)), RuntimeError, "expected a matrix, got size (3,)"), _NOT_FINITE], oracle=_torch_svd,
)  # fmt: skip
