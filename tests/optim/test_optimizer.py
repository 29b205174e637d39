"""Optimizer: groups, state, saving, errors."""

import copy
import pickle

import pytest

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable

ALL = ["SGD", "Adam", "Adagrad", "Adadelta", "Adamax", "RMSprop", "ASGD", "Rprop", "LBFGS"]


def parameter(*values):
    return nn.Parameter(torch.Tensor(values or [1.0, 2.0]))


def make(name, params, **options):
    return getattr(optim, name)(params, **({"lr": 0.1} | options))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("params", [parameter(), torch.ones(1)])
def test_a_single_tensor_is_refused(name, params):
    with pytest.raises(TypeError, match="iterable of Variables"):
        make(name, params)


@pytest.mark.parametrize("name", ALL)
def test_no_parameters(name):
    with pytest.raises(ValueError, match="params is empty"):
        make(name, iter([]))


def test_refused_parameters():
    p = parameter()
    with pytest.raises(TypeError, match="got FloatTensor at position 1"):
        make("SGD", [p, torch.ones(1)])
    with pytest.raises(ValueError, match="leaf"):
        make("SGD", [p * 2])
    with pytest.raises(ValueError, match="must require grad"):
        make("SGD", [p, Variable(torch.ones(1))])
    with pytest.raises(ValueError, match="second time"):
        make("SGD", [p, p])
    with pytest.raises(ValueError, match="second time"):
        make("SGD", [{"params": [p]}, {"params": p}])
    with pytest.raises(ValueError, match="option lr is required"):
        optim.SGD([p])
    with pytest.raises(TypeError, match="must be a dict"):
        make("SGD", [p]).add_param_group([p])
    with pytest.raises(TypeError, match="got a set"):
        make("SGD", [{"params": {p}}])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": -1}),
        ("SGD", {"momentum": -0.1}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
        ("Adam", {"betas": (1.0, 0.9)}),
        ("Adam", {"betas": 0.9}),
        ("Adam", {"eps": -1}),
        ("Adamax", {"betas": (0.9, -0.1)}),
        ("Adadelta", {"rho": 1.5}),
        ("Rprop", {"etas": (0.5, 0.9)}),
        ("RMSprop", {"weight_decay": -1}),
    ],
)
def test_refused_numbers(name, options):
    (which,) = {"momentum", "betas", "eps", "rho", "etas", "weight_decay", "nesterov", "lr"} & set(options) - {
        "dampening", "momentum" if "nesterov" in options else ""
    }  # fmt: skip
    with pytest.raises(ValueError, match=which):
        make(name, [parameter()], **options)


def test_lr_must_be_a_number():
    with pytest.raises(TypeError, match="lr must be a number, got str"):
        make("SGD", [parameter()], lr="0.1")


def test_groups_take_defaults_and_keep_their_own():
    p, q, r = parameter(), parameter(), parameter()
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 1.0}], lr=0.1, momentum=0.9)
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 1.0]
    assert [g["momentum"] for g in optimizer.param_groups] == [0.9, 0.9]
    optimizer.add_param_group({"params": r, "momentum": 0})
    assert optimizer.param_groups[2]["params"][0] is r
    for v in (p, q, r):
        v.grad = Variable(torch.ones(2), volatile=True)
    optimizer.step()
    assert p.data.tolist() == pytest.approx([0.9, 1.9])
    assert q.data.tolist() == pytest.approx([0.0, 1.0])
    optimizer.param_groups[1]["lr"] = 0.5
    optimizer.step()
    assert q.data.tolist() == pytest.approx([-0.95, 0.05])
    assert r not in optimizer.state


@pytest.mark.parametrize("name", [n for n in ALL if n != "LBFGS"])
def test_parameters_without_gradient_are_skipped(name):
    p, q = parameter(), parameter()
    optimizer = make(name, [p, q])
    q.grad = Variable(torch.ones(2), volatile=True)
    assert optimizer.step() is None
    assert p.data.tolist() == [1, 2]
    assert q.data.tolist() != [1, 2]
    assert optimizer.step(lambda: 17) == 17


def test_zero_grad():
    p, q = parameter(), parameter()
    optimizer = make("SGD", [p, q])
    p.grad = Variable(torch.ones(2), volatile=True)
    kept = p.grad
    optimizer.zero_grad()
    assert p.grad is kept
    assert kept.data.tolist() == [0, 0]
    assert q.grad is None
    p.grad = Variable(torch.ones(2))
    replaced = p.grad
    optimizer.zero_grad()
    assert p.grad is not replaced
    assert p.grad.data.tolist() == [0, 0]


def test_a_step_records_nothing():
    p = parameter()
    p.grad = Variable(torch.ones(2), volatile=True)
    make("SGD", [p]).step()
    assert p.is_leaf
    assert p.requires_grad


# ---------------------------------------------------------------- saving


def train(optimizer, parameters, steps):
    def closure():
        optimizer.zero_grad()
        loss = sum(((p - k) ** 2).sum() for k, p in enumerate(parameters))
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("again", [lambda d: d, lambda d: pickle.loads(pickle.dumps(d))])
def test_training_goes_on_from_a_state_dict(name, again):
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {"max_iter": 3} if name == "LBFGS" else {}
    mine = [parameter(), parameter(3.0)]
    optimizer = make(name, mine, **options)
    train(optimizer, mine, 3)
    state = optimizer.state_dict()
    assert set(state) == {"state", "param_groups"}
    assert state["param_groups"][0]["params"] == [id(p) for p in mine]
    assert set(state["state"]) <= {id(p) for p in mine}
    twins = [nn.Parameter(p.data.clone()) for p in mine]
    other = make(name, twins)
    other.load_state_dict(again(state))
    train(optimizer, mine, 3)
    train(other, twins, 3)
    assert [p.data.tolist() for p in mine] == [p.data.tolist() for p in twins]


def test_loading_copies():
    p = parameter()
    optimizer = make("SGD", [p], momentum=0.9)
    p.grad = Variable(torch.ones(2), volatile=True)
    optimizer.step()
    state = optimizer.state_dict()
    other = make("SGD", [parameter()])
    other.load_state_dict(state)
    (buffer,) = [s["momentum_buffer"] for s in other.state.values()]
    buffer.fill_(7)
    assert optimizer.state[p]["momentum_buffer"].tolist() == [1, 1]


def test_loaded_state_takes_the_parameters_type():
    p = parameter()
    optimizer = make("Adam", [p])
    train(optimizer, [p], 1)
    q = nn.Parameter(torch.DoubleTensor([1, 2]))
    other = make("Adam", [q])
    other.load_state_dict(optimizer.state_dict())
    assert other.state[q]["exp_avg"].type() == "minigrad.DoubleTensor"
    assert other.state[q]["step"] == 1


def test_loading_refuses_other_groups():
    p, q = parameter(), parameter()
    optimizer = make("SGD", [p])
    with pytest.raises(ValueError, match="1 parameter groups, this optimizer has 2"):
        make("SGD", [{"params": p}, {"params": q}]).load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="group 0 has 1 parameters in the state dict and 2"):
        make("SGD", [p, q]).load_state_dict(optimizer.state_dict())


def test_an_optimizer_can_be_copied():
    p = parameter()
    optimizer = make("SGD", [p], momentum=0.9)
    train(optimizer, [p], 2)
    twin = copy.deepcopy(optimizer)
    (q,) = twin.param_groups[0]["params"]
    assert q is not p
    assert twin.state[q]["momentum_buffer"].tolist() == optimizer.state[p]["momentum_buffer"].tolist()


def test_step_must_be_defined():
    optimizer = optim.Optimizer([parameter()], {})
    with pytest.raises(NotImplementedError, match="step"):
        optimizer.step()


def test_a_diverging_run_gives_infinities_without_warnings():
    p = parameter(1e30)
    optimizer = make("SGD", [p], lr=1e30)
    for _ in range(3):
        p.grad = Variable(p.data * 1, volatile=True)
        optimizer.step()
    assert not abs(p.data[0]) < 1e38
