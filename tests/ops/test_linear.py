"""Matrix products and factorisations: the era's signatures and values by hand, beyond the table's samples."""

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable
from minigrad.ops import linear, matrix

A = torch.FloatTensor([[1, 2], [3, 4]])
B = torch.FloatTensor([[5, 6], [7, 8]])
M = torch.FloatTensor([[1, 1], [1, 1]])


def test_products_by_hand():
    assert A.mm(B).tolist() == [[19, 22], [43, 50]]
    assert (A @ B).tolist() == [[19, 22], [43, 50]]
    assert A.mv(torch.FloatTensor([1, -1])).tolist() == [-1, -1]
    assert torch.ger(torch.FloatTensor([1, 2]), torch.FloatTensor([3, 4])).tolist() == [[3, 4], [6, 8]]
    assert torch.LongTensor([[1, 2]]).mm(torch.LongTensor([[3], [4]])).tolist() == [[11]]
    assert torch.bmm(torch.stack([A, B]), torch.stack([B, A])).tolist()[1] == [[23, 34], [31, 46]]


def test_dot_is_a_number_of_tensors_and_flattens():
    assert A.dot(B) == 5 + 12 + 21 + 32
    assert type(A.dot(B)) is float
    assert torch.ByteTensor([20, 20]).dot(torch.ByteTensor([20, 20])) == 800
    assert type(torch.LongTensor([2]).dot(torch.LongTensor([3]))) is int
    assert Variable(A).dot(Variable(B)).size() == (1,)
    v = Variable(A, requires_grad=True)
    v.dot(Variable(torch.FloatTensor([1, 2, 3, 4]))).backward()
    assert v.grad.data.tolist() == [[1, 2], [3, 4]]


def test_matmul_by_dimensions():
    v = torch.FloatTensor([1, 2])
    assert v.matmul(v) == 5
    assert v.matmul(A).tolist() == [7, 10]
    assert A.matmul(v).tolist() == [5, 11]
    batch = torch.stack([A, B, A])
    assert batch.matmul(v).size() == (3, 2)
    assert v.matmul(batch).size() == (3, 2)
    assert batch.unsqueeze(1).matmul(batch.unsqueeze(0)).size() == (3, 3, 2, 2)
    assert np.array_equal(batch.matmul(A).numpy(), np.matmul(batch.numpy(), A.numpy()))


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.addmm(2, M, 3, A, B),
        lambda: M.addmm(2, 3, A, B),
        lambda: torch.addmm(M, A, B, beta=2, alpha=3),
        lambda: M.clone().addmm_(2, 3, A, B),
    ],
)
def test_factors_come_before_the_tensors(call):
    assert call().tolist() == [[2 + 57, 2 + 66], [2 + 129, 2 + 150]]


def test_a_single_factor_is_beta():
    assert M.addmm(2, A, B).tolist() == [[21, 24], [45, 52]]
    assert torch.addmv(3, torch.ones(2), A, torch.ones(2)).tolist() == [6, 10]
    assert torch.addr(torch.zeros(2, 2), torch.ones(2), torch.ones(2)).tolist() == [[1, 1], [1, 1]]
    assert torch.addbmm(M, torch.stack([A, A]), torch.stack([B, B])).tolist() == [[39, 45], [87, 101]]
    assert torch.baddbmm(1, M, 2, torch.stack([A]), torch.stack([B])).tolist() == [[[39, 45], [87, 101]]]
    with pytest.raises(
        TypeError, match=r"takes \(\[beta,\] input, \[alpha,\] mat1, mat2\), got 3 tensors and 3 numbers"
    ):
        torch.addmm(1, M, 2, 3, A, B)


def test_linear_is_one_operation():
    x = Variable(torch.randn(2, 3, 4))
    w, b = Variable(torch.randn(5, 4), requires_grad=True), Variable(torch.randn(5), requires_grad=True)
    y = linear.linear(x, w, b)
    assert np.allclose(y.data.numpy(), x.data.numpy() @ w.data.numpy().T + b.data.numpy(), atol=1e-5)
    assert [f[0].variable for f in y.grad_fn.next_functions if f[0] is not None] == [w, b]
    y.backward(torch.ones(2, 3, 5))
    assert np.allclose(b.grad.data.numpy(), 6)
    assert np.allclose(w.grad.data.numpy(), np.tile(x.data.numpy().sum((0, 1)), (5, 1)), atol=1e-5)


def test_cross_takes_the_first_dimension_of_size_3():
    x, y = torch.FloatTensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), torch.FloatTensor([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert torch.cross(x, y, 1).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert torch.cross(x, y).tolist() == torch.cross(x, y, 0).tolist()
    assert torch.cross(torch.FloatTensor([1, 0, 0]), torch.FloatTensor([0, 1, 0])).tolist() == [0, 0, 1]


def test_diagonals():
    assert torch.FloatTensor([1, 2]).diag(1).tolist() == [[0, 1, 0], [0, 0, 2], [0, 0, 0]]
    assert A.diag().tolist() == [1, 4]
    assert A.diag(-1).tolist() == [3]
    assert A.trace() == 5
    assert type(torch.LongTensor([[1]]).trace()) is int
    assert A.tril().tolist() == [[1, 0], [3, 4]]
    assert A.triu(1).tolist() == [[0, 2], [0, 0]]
    assert A.clone().triu_().tolist() == [[1, 2], [0, 4]]


def test_inverse_is_column_major():
    found = torch.inverse(A)
    assert not found.is_contiguous()
    assert np.allclose(found.numpy() @ A.numpy(), np.eye(2), atol=1e-6)


def test_gesv_returns_solution_and_factors():
    a = torch.DoubleTensor([[0, 2, 1], [4, 1, 3], [2, 5, 7]])
    b = torch.DoubleTensor([[1], [2], [3]])
    x, lu = torch.gesv(b, a)
    assert np.allclose(a.numpy() @ x.numpy(), b.numpy())
    factors = np.tril(lu.numpy(), -1) + np.eye(3), np.triu(lu.numpy())
    rows = factors[0] @ factors[1]
    assert sorted(map(tuple, np.round(rows, 9))) == sorted(map(tuple, a.numpy()))
    assert np.abs(np.tril(lu.numpy(), -1)).max() <= 1


def test_potrf_reads_one_triangle_and_sends_the_gradient_there():
    a = Variable(torch.DoubleTensor([[4, 2], [2, 5]]), requires_grad=True)
    u = a.potrf()
    assert u.data.tolist() == [[2, 1], [0, 2]]
    u.sum().backward()
    assert a.grad.data.numpy()[1, 0] == 0
    assert Variable(a.data).potrf(False).data.tolist() == [[2, 0], [1, 2]]


def test_qr_of_a_wide_matrix_has_no_derivative():
    a = Variable(torch.randn(2, 3).double(), requires_grad=True)
    q, r = a.qr()
    assert np.allclose(q.data.numpy() @ r.data.numpy(), a.data.numpy())
    with pytest.raises(RuntimeError, match="at least as many rows as columns"):
        r.sum().backward()


def test_a_factorisation_is_differentiable_when_one_result_is_used():
    values = [[1.0, 2], [0.5, -1], [2, 0.3]]
    for k in (0, 1):
        a = Variable(torch.DoubleTensor(values), requires_grad=True)
        torch.autograd.gradcheck(lambda x, k=k: x.qr()[k], (a,))
    assert matrix.qr(torch.DoubleTensor(values))[0].size() == (3, 2)
