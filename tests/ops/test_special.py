"""Special functions and renorm: their forms, values by hand, and what happens at the edges of their domains."""

import math

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable, grad

INF = math.inf


@pytest.mark.parametrize("kind", [torch.FloatTensor, torch.DoubleTensor])
@pytest.mark.parametrize("wrap", [lambda t: t, Variable])
@pytest.mark.parametrize("name", ["erf", "erfinv", "lgamma"])
def test_all_forms_agree(name, wrap, kind):
    x, out = wrap(kind([[0.25, 0.5], [0.75, 0.125]])), wrap(kind([0]))
    expected = getattr(x, name)()
    assert torch.equal(getattr(torch, name)(x), expected)
    assert getattr(torch, name)(x, out=out) is out
    assert torch.equal(out, expected)
    assert getattr(x, f"{name}_")() is x
    assert torch.equal(x, expected)


def test_values_by_hand():
    x = [0.0, 0.5, -1.5, 3.0]
    assert torch.DoubleTensor(x).erf().tolist() == pytest.approx([math.erf(v) for v in x], rel=1e-15)
    assert torch.DoubleTensor(x[1:]).lgamma().tolist() == pytest.approx([math.lgamma(v) for v in x[1:]], rel=1e-14)
    assert torch.DoubleTensor([0.5, -2]).erf().erfinv().tolist() == pytest.approx([0.5, -2], rel=1e-13)
    assert torch.FloatTensor([1, -1]).erfinv().tolist() == [INF, -INF]
    assert math.isnan(torch.FloatTensor([1.5]).erfinv()[0])
    assert torch.FloatTensor([0, -3]).lgamma().tolist() == [INF, INF]
    points = torch.DoubleTensor([0.0, -0.0, 1]), torch.DoubleTensor([-1.0, -1, 0])
    assert torch.atan2(*points).tolist() == [math.pi, -math.pi, math.pi / 2]


def test_floating_types_only():
    for name in ("erf", "erfinv", "lgamma", "renorm", "atan2"):
        with pytest.raises(AttributeError, match="FloatTensor and DoubleTensor"):
            getattr(torch.LongTensor([1]), name)
    with pytest.raises(TypeError, match="erf: not defined for"):
        torch.erf(torch.LongTensor([1]))


def test_the_third_derivative_of_lgamma_is_refused_not_forgotten():
    x = Variable(torch.DoubleTensor([1.5]), requires_grad=True)
    (first,) = grad(x.lgamma(), x, create_graph=True)
    (second,) = grad(first, x, create_graph=True)
    assert second.data[0] == pytest.approx(math.pi**2 / 2 - 4, rel=1e-14)
    with pytest.raises(RuntimeError, match="higher order than the second"):
        grad(second, x)


def test_renorm_by_hand():
    t = torch.DoubleTensor([[3, 4], [0.3, 0.4], [0, 0]])
    scale = 1 / (5 + 1e-7)
    assert torch.renorm(t, 2, 0, 1).tolist() == [[3 * scale, 4 * scale], [0.3, 0.4], [0, 0]]
    assert t.tolist()[0] == [3, 4]
    assert t.renorm_(p=1, dim=-1, maxnorm=3.3).tolist()[1][0] == pytest.approx(0.3)
    assert abs(t.numpy()[:, 1]).sum() == pytest.approx(3.3, rel=1e-6)


def test_renorm_in_place_keeps_what_its_derivative_needs():
    x = Variable(torch.DoubleTensor([[3.0, 4], [0.3, 0.4]]), requires_grad=True)
    weight = torch.DoubleTensor([[1.0, -2], [3, 0.5]])
    (expected,) = grad(x.renorm(2, 0, 1), x, weight)
    (found,) = grad((x * 1).renorm_(2, 0, 1), x, weight)
    assert np.allclose(found.data.numpy(), expected.data.numpy(), rtol=1e-14)
