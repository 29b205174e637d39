"""Module: registration, attribute rules, state, hooks, text."""

import copy
import pickle
from collections import OrderedDict

import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.register_buffer("seen", torch.zeros(1))
        self.scale = nn.Parameter(torch.ones(1))
        self.last = nn.Linear(3, 1)

    def forward(self, x):
        return self.last(self.first(x).tanh()) * self.scale


def names(net):
    return [name for name, _ in net.named_parameters()]


# ---------------------------------------------------------------- Parameter


def test_parameter_is_a_variable_that_requires_grad():
    t = torch.ones(2)
    p = nn.Parameter(t)
    assert isinstance(p, Variable)
    assert p.data is t
    assert p.requires_grad
    assert not p.volatile
    assert not nn.Parameter(t, requires_grad=False).requires_grad
    assert nn.Parameter().dim() == 0


@pytest.mark.parametrize("data", [[1.0, 2.0], 3, Variable(torch.ones(2))])
def test_parameter_takes_tensors_only(data):
    with pytest.raises(TypeError, match="data must be a Tensor"):
        nn.Parameter(data)


def test_parameter_prints_its_heading():
    assert repr(nn.Parameter(torch.ones(1))).startswith("Parameter containing:\n")


@pytest.mark.parametrize("again", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_parameter_survives_copies(again, requires_grad):
    p = nn.Parameter(torch.ones(2), requires_grad)
    q = again(p)
    assert type(q) is nn.Parameter
    assert q.requires_grad is requires_grad
    assert q.data.tolist() == [1, 1]
    q.data[0] = 5
    assert p.data[0] == 1


def test_deepcopy_keeps_shared_parameters_shared():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight
    assert twin[0].weight is not net[0].weight


# ---------------------------------------------------------------- registration and attributes


def test_named_parameters_own_first_in_order():
    assert names(Net()) == ["scale", "first.weight", "first.bias", "last.weight", "last.bias"]


def test_each_parameter_once_but_every_name_in_the_state():
    net = Net()
    net.again = net.first
    assert names(net) == ["scale", "first.weight", "first.bias", "last.weight", "last.bias"]
    assert "again.weight" in net.state_dict()
    assert [n for n, _ in net.named_children()] == ["first", "last"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "last"]


def test_replacing_keeps_the_place():
    net = Net()
    net.first = nn.Linear(2, 5)
    assert [n for n, _ in net.named_children()] == ["first", "last"]
    net.scale = nn.Parameter(torch.zeros(1))
    assert names(net)[0] == "scale"


def test_a_name_changes_its_kind():
    net = Net()
    net.extra = 5
    net.extra = nn.Parameter(torch.ones(1))
    assert "extra" in names(net)
    net.extra = nn.Linear(1, 1)
    assert "extra" not in net._parameters
    assert "extra.weight" in names(net)
    del net.extra
    assert not hasattr(net, "extra")


def test_none_is_allowed_in_every_slot():
    net = Net()
    net.scale = None
    net.first = None
    net.seen = None
    assert net.scale is None
    assert list(net.state_dict()) == ["last.weight", "last.bias"]
    assert names(net) == ["last.weight", "last.bias"]


@pytest.mark.parametrize("value", [Variable(torch.ones(1)), torch.ones(1), 3.0])
def test_wrong_kind_in_a_parameter_slot(value):
    with pytest.raises(TypeError, match=r"parameter 'scale' of Net.*Parameter or None"):
        Net().scale = value


def test_wrong_kind_in_module_and_buffer_slots():
    with pytest.raises(TypeError, match="child module 'first' of Net"):
        Net().first = torch.ones(1)
    with pytest.raises(TypeError, match="buffer 'seen' must be a Tensor or None, got Variable"):
        Net().seen = Variable(torch.ones(1))


def test_registration_errors():
    net = Net()
    for register, value in [
        (net.register_parameter, nn.Parameter(torch.ones(1))),
        (net.register_buffer, torch.ones(1)),
        (net.add_module, nn.Linear(1, 1)),
    ]:
        with pytest.raises(KeyError, match="'forward' already exists"):
            register("forward", value)
    with pytest.raises(KeyError, match="'scale' already exists"):
        net.register_buffer("scale", torch.ones(1))
    with pytest.raises(TypeError, match="Tensor or None"):
        net.register_buffer("b", 3)
    with pytest.raises(TypeError, match="Parameter or None"):
        net.register_parameter("p", torch.ones(1))
    with pytest.raises(TypeError, match="not a Module subclass"):
        net.add_module("m", 3)


def test_a_parameter_with_history_is_refused():
    p = nn.Parameter(torch.ones(1), requires_grad=False)
    p += Variable(torch.ones(1), requires_grad=True)
    with pytest.raises(ValueError, match="non-leaf Variable"):
        Net().register_parameter("p", p)


class Forgetful(nn.Module):
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize("value", [lambda: nn.Parameter(torch.ones(1)), lambda: nn.Linear(1, 1)])
def test_before_init(value):
    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Forgetful(value())


def test_missing_attribute_names_the_class():
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'nothing'"):
        _ = Net().nothing


def test_dir_lists_what_is_registered():
    listed = dir(Net())
    for name in ("first", "scale", "seen", "forward", "training"):
        assert name in listed
    assert "0" not in dir(nn.Sequential(nn.ReLU()))


# ---------------------------------------------------------------- state


def test_state_dict_holds_the_very_tensors():
    net = Net()
    state = net.state_dict()
    assert isinstance(state, OrderedDict)
    assert list(state) == ["scale", "seen", "first.weight", "first.bias", "last.weight", "last.bias"]
    assert state["first.weight"] is net.first.weight.data
    assert state["seen"] is net.seen
    assert net.state_dict(keep_vars=True)["scale"] is net.scale
    assert next(iter(net.state_dict(prefix="a."))) == "a.scale"


def test_load_state_dict_copies():
    net, other = Net(), Net()
    mine = net.first.weight.data
    net.load_state_dict(other.state_dict())
    assert net.first.weight.data is mine
    assert mine.tolist() == other.first.weight.data.tolist()
    net.load_state_dict(other.state_dict(keep_vars=True))
    state = other.double().state_dict()
    net.load_state_dict(state)
    assert net.first.weight.data.type() == "minigrad.FloatTensor"


def test_load_state_dict_errors_change_nothing():
    net = Net()
    before = {k: v.tolist() for k, v in net.state_dict().items()}
    full = Net().state_dict()
    with pytest.raises(KeyError, match="unexpected key 'extra'"):
        net.load_state_dict({**full, "extra": torch.ones(1)})
    with pytest.raises(KeyError, match=r"missing keys in state_dict: 'last\.bias'"):
        net.load_state_dict({k: v for k, v in full.items() if k != "last.bias"})
    with pytest.raises(RuntimeError, match=r"first.weight: its size in the model is \(3, 2\).*\(2, 3\)"):
        net.load_state_dict({**full, "first.weight": torch.ones(2, 3)})
    with pytest.raises(TypeError, match="must be a Tensor, got list"):
        net.load_state_dict({**full, "scale": [1.0]})
    assert before == {k: v.tolist() for k, v in net.state_dict().items()}


@pytest.mark.parametrize(
    ("load", "error", "words"),
    [
        (lambda net: net.load_state_dict("net.pt"), TypeError, r"must be a dict .*, got str; read .*load\(path"),
        (lambda net: net.load_state_dict(Net()), TypeError, r"must be a dict .*, got Net; give its \.state_dict\(\)"),
        (
            lambda net: net.load_state_dict(nn.DataParallel(Net()).state_dict()),
            KeyError,
            r"unexpected key 'module\..*; 'module\.' begins the names of a model that was saved inside of DataParallel",
        ),
        (
            lambda net: nn.DataParallel(net).load_state_dict(Net().state_dict()),
            KeyError,
            r"unexpected key .*; load them into the model inside of this one, its \.module",
        ),
    ],
)
def test_load_state_dict_says_what_it_was_given(load, error, words):
    with pytest.raises(error, match=words):
        load(Net())


def test_load_state_dict_not_strict():
    net = Net()
    net.load_state_dict({"scale": torch.Tensor([7]), "extra": torch.ones(1)}, strict=False)
    assert net.scale.data[0] == 7


def test_module_pickles():
    net = Net()
    twin = pickle.loads(pickle.dumps(net))
    assert names(twin) == names(net)
    assert twin.first.weight.data.tolist() == net.first.weight.data.tolist()


# ---------------------------------------------------------------- modes, apply, gradients, types


def test_train_and_eval_reach_everything():
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()))
    assert net.eval() is net
    assert [m.training for m in net.modules()] == [False] * 4
    assert net.train() is net
    assert [m.training for m in net.modules()] == [True] * 4


def test_apply_children_first():
    seen = []
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_zero_grad():
    net = Net()
    net.zero_grad()
    assert net.scale.grad is None
    net.scale.grad = Variable(torch.ones(1), volatile=True)
    net.last.bias.grad = Variable(torch.ones(1))
    in_place, replaced = net.scale.grad, net.last.bias.grad
    net.zero_grad()
    assert net.scale.grad is in_place
    assert in_place.data[0] == 0
    assert net.last.bias.grad is not replaced
    assert net.last.bias.grad.data[0] == 0
    assert replaced.data[0] == 1


def test_types_reach_data_gradients_and_buffers():
    net = Net()
    net.scale.grad = Variable(torch.ones(1))
    weight = net.first.weight
    assert net.double() is net
    assert net.first.weight is weight
    kinds = {t.type() for t in net.state_dict().values()} | {net.scale.grad.data.type()}
    assert kinds == {"minigrad.DoubleTensor"}
    assert net.float().seen.type() == "minigrad.FloatTensor"
    assert net.type("minigrad.DoubleTensor").seen.type() == "minigrad.DoubleTensor"
    assert net.cpu() is net


# ---------------------------------------------------------------- hooks


def test_forward_hooks():
    net, calls = nn.Tanh(), []
    x = Variable(torch.ones(2))
    before = net.register_forward_pre_hook(lambda m, inp: calls.append(("pre", m, inp)))
    after = net.register_forward_hook(lambda m, inp, out: calls.append(("post", m, inp, out)))
    y = net(x)
    assert [(c[0], c[1]) for c in calls] == [("pre", net), ("post", net)]
    assert calls[0][2][0] is x
    assert calls[1][3] is y
    before.remove()
    after.remove()
    net(x)
    assert len(calls) == 2


def test_forward_hooks_must_return_none():
    def greedy(*args):
        return 1

    for register in ("register_forward_hook", "register_forward_pre_hook"):
        net = nn.Tanh()
        getattr(net, register)(greedy)
        with pytest.raises(RuntimeError, match="'greedy' didn't return None"):
            net(Variable(torch.ones(2)))


def test_a_handle_is_a_context_manager():
    net, calls = nn.Tanh(), []
    with net.register_forward_hook(lambda *a: calls.append(1)):
        net(Variable(torch.ones(1)))
    net(Variable(torch.ones(1)))
    assert calls == [1]


@pytest.mark.parametrize("wrap", [lambda y: y, lambda y: (y, 1), lambda y: {"n": 1, "y": [y]}])
def test_backward_hook_finds_the_first_variable(wrap):
    class Wrapped(nn.Module):
        def forward(self, x):
            y = x * 3
            out = wrap(y)
            return {"y": y} if isinstance(out, dict) else out

    net, seen = Wrapped(), []
    net.register_backward_hook(lambda m, gi, go: seen.append((m, gi, go)))
    x = Variable(torch.ones(2), requires_grad=True)
    out = net(x)
    y = out["y"] if isinstance(out, dict) else out[0] if isinstance(out, tuple) else out
    y.backward(torch.Tensor([1, 2]))
    assert len(seen) == 1
    module, grad_input, grad_output = seen[0]
    assert module is net
    assert grad_output[0].data.tolist() == [1, 2]
    assert grad_input[0].data.tolist() == [3, 6]


def test_backward_hook_replaces_gradients():
    net = nn.Tanh()
    net.register_backward_hook(lambda m, gi, go: tuple(g * 2 for g in gi))
    x = Variable(torch.zeros(2), requires_grad=True)
    net(x).backward(torch.ones(2))
    assert x.grad.data.tolist() == [2, 2]


def test_backward_hook_wrong_length():
    net = nn.Tanh()
    net.register_backward_hook(lambda m, gi, go: gi * 2)
    x = Variable(torch.zeros(2), requires_grad=True)
    with pytest.raises(RuntimeError, match="got 2, but expected 1"):
        net(x).backward(torch.ones(2))


# ---------------------------------------------------------------- text


def test_text_nests():
    net = nn.Sequential(OrderedDict(one=nn.Linear(4, 5), two=nn.Sequential(nn.Tanh())))
    assert repr(net) == (
        "Sequential(\n  (one): Linear(in_features=4, out_features=5)\n  (two): Sequential(\n    (0): Tanh()\n  )\n)"
    )


def test_text_without_children():
    assert repr(nn.MSELoss()) == "MSELoss(\n)"


def test_forward_must_be_defined():
    with pytest.raises(NotImplementedError, match="Module must define forward"):
        nn.Module()(1)
