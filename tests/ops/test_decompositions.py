"""Eigenvalues, singular values and linear systems: the era's shapes, and the identities that define them."""

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable

TURN = [[2, 0.5, -1], [-1.3, 1.5, 0.7], [0.6, 0.2, 3]]
SYMMETRIC = [[4, 1, 0.5], [1, 3, -0.7], [0.5, -0.7, 2]]
KINDS = pytest.mark.parametrize(("kind", "rtol"), [(torch.FloatTensor, 1e-5), (torch.DoubleTensor, 1e-12)])


def close(a, b, rtol):
    return np.allclose(a, b, rtol=rtol, atol=rtol)


@KINDS
def test_eig_packs_conjugate_pairs(kind, rtol):
    a = kind(TURN)
    e, v = torch.eig(a, eigenvectors=True)
    assert type(e) is type(v) is kind
    assert e.size() == (3, 2)
    values, packed, j = e.numpy()[:, 0] + 1j * e.numpy()[:, 1], v.numpy(), 0
    assert (values.imag != 0).sum() == 2
    while j < 3:
        pair = values[j].imag != 0
        vector = packed[:, j] + 1j * packed[:, j + 1] if pair else packed[:, j]
        assert close(a.numpy() @ vector, values[j] * vector, rtol)
        if pair:
            assert values[j].imag > 0
            assert values[j + 1] == values[j].conj()
        j += 1 + pair
    without = a.eig()
    assert close(np.sort(without[0].numpy(), 0), np.sort(e.numpy(), 0), rtol)
    assert without[1].size() == ()
    assert not v.is_contiguous()


@KINDS
def test_symeig_reads_one_triangle(kind, rtol):
    a = kind(SYMMETRIC)
    for upper in (True, False):
        half = kind((np.triu if upper else np.tril)(np.array(SYMMETRIC)).tolist())
        e, v = half.symeig(True, upper)
        assert close(v.numpy() @ np.diag(e.numpy()) @ v.numpy().T, a.numpy(), rtol)
        assert sorted(e.tolist()) == e.tolist()
        values, nothing = torch.symeig(half, upper=upper)
        assert close(values.numpy(), e.numpy(), rtol)
        assert nothing.tolist() == torch.zeros(3, 3).tolist()


@pytest.mark.parametrize("size", [(4, 2), (2, 4), (3, 3)])
def test_svd_shapes(size):
    a = torch.randn(*size).double()
    m, n = size
    k = min(size)
    u, s, v = a.svd()
    assert [x.size() for x in (u, s, v)] == [(m, k), (k,), (n, k)]
    assert np.allclose(u.numpy() * s.numpy() @ v.numpy().T, a.numpy())
    u, s, v = torch.svd(a, some=False)
    assert [x.size() for x in (u, s, v)] == [(m, m), (k,), (n, n)]
    assert np.allclose(u.numpy()[:, :k] * s.numpy() @ v.numpy()[:, :k].T, a.numpy())


def test_of_full_vectors_only_the_singular_values_have_a_derivative():
    a = Variable(torch.DoubleTensor([[1, 2], [0.5, -1], [2, 0.3]]), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: x.svd(False)[1], (a,))
    with pytest.raises(RuntimeError, match="use some=True"):
        a.svd(False)[0].sum().backward()


def test_what_has_no_derivative_says_so():
    a = Variable(torch.DoubleTensor(TURN), requires_grad=True)
    with pytest.raises(RuntimeError, match="eig: has no derivative"):
        a.eig()[0].sum().backward()
    with pytest.raises(RuntimeError, match="gels: has no derivative"):
        a.gels(a)[0].sum().backward()


@KINDS
@pytest.mark.parametrize("upper", [True, False])
def test_systems_with_a_cholesky_factor(upper, kind, rtol):
    a, b = kind(SYMMETRIC), kind([[1, 2], [3, 4], [5, 7]])
    factor = a.potrf(upper)
    x = torch.potrs(b, factor, upper=upper)
    assert close(a.numpy() @ x.numpy(), b.numpy(), 10 * rtol)
    inverse = factor.potri(upper)
    assert close(inverse.numpy() @ a.numpy(), np.eye(3), 10 * rtol)
    assert np.array_equal(inverse.numpy(), inverse.numpy().T)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_trtrs_reads_what_it_is_told(upper, transpose, unit):
    a, b = torch.DoubleTensor(TURN), torch.DoubleTensor([[1, 2], [3, 4], [5, 7]])
    x, copy = b.trtrs(a, upper, transpose, unit)
    used = (np.triu if upper else np.tril)(a.numpy())
    if unit:
        np.fill_diagonal(used, 1)
    assert np.allclose((used.T if transpose else used) @ x.numpy(), b.numpy())
    assert copy.tolist() == a.tolist()
    assert copy.data_ptr() != a.data_ptr()


def test_gels_keeps_the_residuals_below_the_solution():
    a = torch.DoubleTensor([[1, 1, 1], [2, 3, 4], [3, 5, 2], [4, 2, 5], [5, 4, 3]])
    b = torch.DoubleTensor([[-10, -3], [12, 14], [14, 12], [16, 16], [18, 16]])
    x, packed = torch.gels(b, a)
    assert x.size() == (5, 2)
    assert packed.size() == a.size()
    expected, squares = np.linalg.lstsq(a.numpy(), b.numpy())[:2]
    assert np.allclose(x.numpy()[:3], expected)
    assert np.allclose((x.numpy()[3:] ** 2).sum(0), squares)
    assert np.allclose(np.abs(np.triu(packed.numpy()[:3])), np.abs(np.linalg.qr(a.numpy())[1]))


def test_gels_of_a_wide_matrix_is_the_shortest_solution():
    a, b = torch.DoubleTensor([[1, 2, 0.5], [-1, 2, 0.3]]), torch.DoubleTensor([1, 2])
    x, packed = b.gels(a)
    assert x.size() == (3, 1)
    assert packed.size() == (2, 3)
    assert np.allclose(x.numpy()[:, 0], np.linalg.pinv(a.numpy()) @ b.numpy())


def test_a_vector_is_one_column():
    a, b = torch.DoubleTensor(SYMMETRIC), torch.DoubleTensor([1, 2, 3])
    for x in (b.gesv(a)[0], b.trtrs(a)[0], b.potrs(a.potrf()), b.gels(a)[0]):
        assert x.size() == (3, 1)
