"""Gradients of slices: added up slice by slice, without an array of the whole size for each."""

import pytest

import minigrad as torch
from minigrad.autograd import Variable, gradgradcheck
from minigrad.autograd.gradcheck import gradcheck


def sliced(x, how):
    """A sum in which slices of x occur in all the ways that their gradients can meet."""
    first, second = x[1], x[0:2]
    if how == "slices only":
        return (first * first).sum() + (second * 3).sum()
    if how == "whole first":
        return (x * x).sum() + first.sum() * 2
    if how == "whole last":
        return first.sum() * 2 + (x * x).sum()
    return (x[1, 0:1] * 5).sum() + first.sum() + (x.t()[0] * x.t()[1]).sum()


@pytest.mark.parametrize("leaf_first", [True, False])
@pytest.mark.parametrize("how", ["slices only", "whole first", "whole last", "slices of views"])
def test_gradients_of_slices_add_up(how, leaf_first, rng):
    x = Variable(torch.from_numpy(rng.uniform(0.5, 1, (3, 2))), requires_grad=True)
    make = (lambda x: sliced(x, how)) if leaf_first else (lambda x: sliced(x * 2, how))
    assert gradcheck(make, [x])
    assert gradgradcheck(lambda x: make(x) * make(x), [x], [Variable(torch.ones(1).double())])


def test_a_gradient_given_from_outside_stays_as_it_is():
    x = Variable(torch.zeros(3), requires_grad=True)
    y = x * 1
    given, other = torch.ones(3), torch.ones(1)
    torch.autograd.backward([y, y[1:2]], [given, other])
    assert x.grad.data.tolist() == [1, 2, 1]
    assert given.tolist() == [1, 1, 1]


def test_hooks_see_the_whole_gradient_of_a_slice():
    seen = []
    x = Variable(torch.zeros(3), requires_grad=True)
    y = x[1:]
    y.grad_fn.register_hook(lambda grad_inputs, grad_outputs: seen.append(grad_inputs[0].data.tolist()))
    y.sum().backward()
    assert seen == [[0, 1, 1]]
    assert x.grad.data.tolist() == [0, 1, 1]
