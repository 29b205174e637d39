"""Every way to change a tensor in place refuses memory where several elements share one place."""

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable

ROUTES = {
    "element": lambda t: t.__setitem__((0, 0), 5), "row": lambda t: t.__setitem__(0, 5.0),
    "slice": lambda t: t.__setitem__(slice(None), torch.ones(2, 3)), "mask": lambda t: t.__setitem__(t > 0, 2),
    "list": lambda t: t.__setitem__([0, 1], 2), "list of values": lambda t: t.__setitem__([0, 1], torch.ones(2, 3)),
    "uniform_": lambda t: t.uniform_(), "normal_": lambda t: t.normal_(), "random_": lambda t: t.random_(),
    "bernoulli_": lambda t: t.bernoulli_(), "exponential_": lambda t: t.exponential_(),
    "geometric_": lambda t: t.geometric_(0.5), "cauchy_": lambda t: t.cauchy_(),
    "log_normal_": lambda t: t.log_normal_(),
    "fill_": lambda t: t.fill_(3), "zero_": lambda t: t.zero_(), "copy_": lambda t: t.copy_(torch.ones(2, 3)),
    "add_": lambda t: t.add_(1), "+=": lambda t: t.__iadd__(1), "clamp_": lambda t: t.clamp_(0, 1),
    "masked_fill_": lambda t: t.masked_fill_(t > 0, 2),
    "index_fill_": lambda t: t.index_fill_(0, torch.LongTensor([0]), 2),
    "apply_": lambda t: t.apply_(lambda x: x), "map_": lambda t: t.map_(torch.ones(2, 3), lambda x, y: y),
    "out=": lambda t: torch.add(torch.ones(2, 3), 1, out=t), "rand(out=)": lambda t: torch.rand(2, 3, out=t),
    "init": lambda t: nn.init.xavier_normal(t), "constant": lambda t: nn.init.constant(t, 1),
    "relu_": lambda t: nn.functional.relu_(t), "eye": lambda t: nn.init.eye(t),
    "eye(out=)": lambda t: torch.eye(2, 3, out=t),
}  # fmt: skip


@pytest.mark.parametrize("make", [lambda: torch.ones(1, 3).expand(2, 3), lambda: torch.ones(2, 1).expand(2, 3)])
@pytest.mark.parametrize("route", ROUTES)
def test_expanded_tensors(route, make):
    t = make()
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match=r"memory cannot be written: it is expanded.*change a clone") as caught:
        ROUTES[route](t)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert t.tolist() == [[1] * 3] * 2
    if route.endswith("_"):
        assert torch.equal(torch.get_rng_state(), state), "nothing is drawn for a tensor that cannot take it"
    ROUTES[route](t.clone())


def test_data_of_expanded_variables():
    v = Variable(torch.ones(1, 3)).expand(2, 3)
    for change in (lambda: v.data.normal_(), lambda: v.data.__setitem__((0, 0), 1), lambda: v.__setitem__((0, 0), 1),
                   lambda: v.normal_(), lambda: v.fill_(1)):  # fmt: skip
        with pytest.raises(RuntimeError, match="memory cannot be written: it is expanded"):
            change()


@pytest.mark.parametrize("algorithm", ["SGD", "Adam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "ASGD", "Rprop"])
def test_parameters_of_optimisers(algorithm):
    p = nn.Parameter(torch.ones(1, 3).expand(2, 3))
    p.grad = Variable(torch.ones(2, 3))
    words = f"^{algorithm.lower()}: the target's memory cannot be written: it is expanded"
    with pytest.raises(RuntimeError, match=words):
        getattr(optim, algorithm)([p], lr=0.1).step()


def test_other_memory_can_be_written():
    t = torch.ones(1, 3).expand(2, 3)
    t.set_(torch.ones(2, 3))
    t[0, 0] = 5
    assert t[0, 0] == 5
    single = torch.ones(1, 3).expand(1, 3)
    assert single.clone().fill_(2).sum() == 6


def test_a_wrong_value_is_not_blamed_on_the_memory():
    t = torch.from_numpy(np.ones(3, "f"))
    with pytest.raises(TypeError):
        t[0] = "a"
