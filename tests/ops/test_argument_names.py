"""Arguments by the names that the era's documentation gives them, and names that are refused."""

import pytest

import minigrad as torch
from minigrad.autograd import Variable

A, B, I = torch.FloatTensor([[1, 2], [3, 4]]), torch.FloatTensor([[2, 2], [2, 3]]), torch.LongTensor([[0, 1]])


@pytest.mark.parametrize("wrap", [lambda t: t, Variable])
@pytest.mark.parametrize(
    ("named", "plain"),
    [
        (lambda a, b, i: torch.add(a, value=2, other=b), lambda a, b, i: a + b * 2),
        (lambda a, b, i: torch.sub(a, other=b), lambda a, b, i: a - b),
        (lambda a, b, i: a.add(other=b), lambda a, b, i: a + b),
        (lambda a, b, i: torch.mul(a, value=3), lambda a, b, i: a * 3),
        (lambda a, b, i: torch.mul(a, other=b), lambda a, b, i: a * b),
        (lambda a, b, i: torch.div(a, value=2), lambda a, b, i: a / 2),
        (lambda a, b, i: torch.fmod(a, divisor=2), lambda a, b, i: a.fmod(2)),
        (lambda a, b, i: torch.remainder(a, divisor=b), lambda a, b, i: a % b),
        (lambda a, b, i: torch.pow(a, exponent=2), lambda a, b, i: a**2),
        (lambda a, b, i: torch.addmm(a, mat2=b, mat1=a), lambda a, b, i: a + a.mm(b)),
        (
            lambda a, b, i: torch.addmm(beta=2, input=a, alpha=3, mat1=a, mat2=b),
            lambda a, b, i: a * 2 + a.mm(b) * 3,
        ),
        (lambda a, b, i: a.narrow(dimension=1, start=0, length=1), lambda a, b, i: a[:, :1]),
        (lambda a, b, i: a.select(dim=0, index=1), lambda a, b, i: a[1]),
        (lambda a, b, i: torch.stack(sequence=[a, b]), lambda a, b, i: torch.stack([a, b])),
        (lambda a, b, i: torch.tril(a, diagonal=-1), lambda a, b, i: a.tril(-1)),
        (lambda a, b, i: a.triu(diagonal=1), lambda a, b, i: a.triu(k=1)),
        (lambda a, b, i: a.clone().scatter_(0, i, src=b), lambda a, b, i: a.clone().scatter_(0, i, b)),
        (lambda a, b, i: a.clone().scatter_(0, i, value=9), lambda a, b, i: a.clone().scatter_(0, i, 9)),
        (lambda a, b, i: a.median(keepdim=True)[0], lambda a, b, i: a.median(-1, True)[0]),
        (lambda a, b, i: a.clone().copy_(b, **{"async": True}), lambda a, b, i: b),
        (lambda a, b, i: a.clone().copy_(b, True), lambda a, b, i: b),
    ],
)
def test_names_of_the_documentation(named, plain, wrap):
    operands = wrap(A), wrap(B), wrap(I)
    assert torch.equal(named(*operands), plain(*operands))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: torch.add(A), "got nothing to add"),
        (lambda: torch.mul(A, divisor=2), "got 'divisor' by name"),
        (lambda: torch.mul(A, 2, value=2), "got 'value' by name"),
        (lambda: torch.pow(A), "got nothing by name"),
        (lambda: torch.addmm(A, A, vec=A), "unexpected keyword argument 'vec'; the tensors are input, mat1, mat2"),
        (lambda: A.clone().scatter_(0, I), "either src or value, got neither"),
        (lambda: A.clone().scatter_(0, I, B, value=1), "either src or value, got both"),
        (lambda: A.clone().copy_(B, blocking=True), "unexpected keyword argument 'blocking'"),
    ],
)
def test_refused_names(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_grad_by_its_private_name():
    v = Variable(torch.ones(2), requires_grad=True)
    assert v._grad is None
    v.sum().backward()
    assert v._grad is v.grad
    v._grad = None
    assert v.grad is None
    with pytest.raises(RuntimeError, match="must have the Variable's size"):
        v._grad = Variable(torch.ones(3))


def test_cross_of_integers():
    x, y = torch.LongTensor([1, 0, 0]), torch.LongTensor([0, 1, 0])
    assert torch.cross(x, y).tolist() == [0, 0, 1]
    assert torch.cross(x, y).type() == x.type()


@pytest.mark.parametrize("wrap", [lambda t: t, Variable])
@pytest.mark.parametrize(
    "name",
    ["add", "sub_", "float", "long", "uniform_", "normal_", "random_", "bernoulli_", "exponential_", "geometric_",
     "cauchy_", "log_normal_"],
)  # fmt: skip
def test_an_unknown_name_is_refused_by_the_method(name, wrap):
    method = name.removesuffix("_")
    with pytest.raises(TypeError, match=rf"^{method}_?\(\) got an unexpected keyword argument 'stddev'"):
        getattr(wrap(A.clone()), name)(stddev=1)
