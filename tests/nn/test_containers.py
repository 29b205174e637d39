"""Sequential, ModuleList, ParameterList."""

from collections import OrderedDict

import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable


def test_sequential_applies_in_order():
    net = nn.Sequential(nn.Threshold(0, -1), nn.Tanh())
    x = Variable(torch.Tensor([-2, 2]))
    assert net(x).data.tolist() == nn.Tanh()(nn.Threshold(0, -1)(x)).data.tolist()
    assert len(net) == 2
    assert net[0] is net._modules["0"]
    assert net[-1] is net._modules["1"]


def test_sequential_takes_names():
    net = nn.Sequential(OrderedDict([("a", nn.Tanh()), ("b", nn.ReLU())]))
    assert net.a is net[0]
    net.add_module("c", nn.Sigmoid())
    assert [n for n, _ in net.named_children()] == ["a", "b", "c"]


@pytest.mark.parametrize("index", [2, -3])
def test_sequential_index_out_of_range(index):
    with pytest.raises(IndexError, match=f"index {index} is out of range"):
        nn.Sequential(nn.Tanh(), nn.ReLU())[index]


def test_sequential_wrong_kinds():
    with pytest.raises(TypeError, match="must be an int"):
        nn.Sequential(nn.Tanh())["0"]
    with pytest.raises(TypeError, match="not a Module subclass"):
        nn.Sequential(nn.Tanh(), torch.tanh)


def entries(kind, count):
    if kind is nn.ModuleList:
        return [nn.Linear(1, 1) for _ in range(count)]
    return [nn.Parameter(torch.ones(1)) for _ in range(count)]


@pytest.mark.parametrize("kind", [nn.ModuleList, nn.ParameterList])
def test_lists_behave_like_lists(kind):
    made = entries(kind, 5)
    got = kind(made[:2])
    assert got.append(made[2]) is got
    got.extend([made[3]])
    got += [made[4]]
    assert len(got) == 5
    assert all(a is b for a, b in zip(got, made))
    assert got[-1] is made[4]
    assert all(a is b for a, b in zip(got[1:3], made[1:3]))
    (new,) = entries(kind, 1)
    got[1] = new
    assert got[1] is new
    assert len(list(got.parameters())) == (10 if kind is nn.ModuleList else 5)
    assert len(kind()) == 0


@pytest.mark.parametrize("kind", [nn.ModuleList, nn.ParameterList])
def test_lists_refuse(kind):
    got = kind(entries(kind, 1))
    for wrong in (entries(kind, 1)[0], tuple(entries(kind, 1))):
        with pytest.raises(TypeError, match="extend takes a list"):
            got.extend(wrong)
        with pytest.raises(TypeError, match="extend takes a list"):
            got += wrong
    with pytest.raises(TypeError):
        got.append(torch.ones(1))
    with pytest.raises(IndexError):
        got[1]
    assert len(got) == 1


def test_parameter_list_names():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.ParameterList([nn.Parameter(torch.ones(k + 1)) for k in range(2)])

    assert [n for n, _ in Net().named_parameters()] == ["weights.0", "weights.1"]
