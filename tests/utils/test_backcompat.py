"""The warnings for programs from before 0.2: off, on, where they point, and gone again."""

import warnings

import pytest

import minigrad as torch
from minigrad.autograd import Variable, profiler
from minigrad.utils import backcompat

x = torch.Tensor([[1, 2], [3, 4]])


@pytest.fixture
def switched(request):
    switch = getattr(backcompat, request.param)
    assert switch.enabled is False
    switch.enabled = True
    yield
    switch.enabled = False


def caught_from(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(w.filename == __file__ and w.category is UserWarning for w in caught)
    return [str(w.message) for w in caught]


LEFT = {
    "sum": lambda a: a.sum(0),
    "mean by name": lambda a: torch.mean(a, dim=1),
    "prod": lambda a: a.prod(-1),
    "var": lambda a: a.var(0, True),
    "std": lambda a: torch.std(a, 1),
    "norm": lambda a: a.norm(2, 1),
    "max": lambda a: a.max(1),
    "min": lambda a: torch.min(a, 1),
    "median": lambda a: a.median(1),
    "mode": lambda a: a.mode(),
    "kthvalue": lambda a: torch.kthvalue(a, 1),
}
SAID = {
    "sum of all": lambda a: a.sum(),
    "max of all": lambda a: torch.max(a),
    "max of two": lambda a: torch.max(a, a),
    "keepdim": lambda a: a.sum(0, False),
    "keepdim by name": lambda a: torch.mean(a, 0, keepdim=True),
    "keepdim in the dimension's place": lambda a: a.kthvalue(1, False),
    "norm of all": lambda a: a.norm(2),
}


@pytest.mark.parametrize("switched", ["keepdim_warning"], indirect=True)
@pytest.mark.parametrize("wrap", [lambda t: t, Variable], ids="TV")
def test_keepdim(switched, wrap):
    for name, call in LEFT.items():
        (text,) = caught_from(lambda call=call: call(wrap(x)))
        assert f"{name.split()[0]} is left to choose keepdim" in text
    for call in SAID.values():
        assert caught_from(lambda call=call: call(wrap(x))) == []
    with pytest.raises(TypeError):
        wrap(x).sum(0, False, 3)


@pytest.mark.parametrize("switched", ["keepdim_warning"], indirect=True)
def test_keepdim_keeps_results(switched):
    out = torch.Tensor()
    with pytest.warns(UserWarning, match="sum is left to choose"):
        torch.sum(x, 0, out=out)
    assert out.tolist() == [4, 6]
    assert x.sum() == 10


@pytest.mark.parametrize("switched", ["broadcast_warning"], indirect=True)
@pytest.mark.parametrize("wrap", [lambda t: t, Variable], ids="TV")
def test_broadcast(switched, wrap):
    a, b = wrap(torch.ones(4, 1)), wrap(torch.ones(4))
    for call in (lambda: a + b, lambda: torch.mul(a, b), lambda: a.eq(b), lambda: torch.max(a, b)):
        (text,) = caught_from(call)
        assert "broadcasts sizes (4, 1) and (4,), which have equally many elements" in text
    for call in (lambda: a + a, lambda: a + 1, lambda: a + wrap(torch.ones(1)), lambda: a.mm(a.t())):
        assert caught_from(call) == []
    (text,) = caught_from(lambda: wrap(torch.ones(2, 3)) + wrap(torch.ones(6)))
    assert "Falling back" in text  # with or without the switch


@pytest.mark.parametrize("switched", ["broadcast_warning"], indirect=True)
def test_broadcast_under_a_profile(switched):
    a, b = Variable(torch.ones(2, 1), requires_grad=True), Variable(torch.ones(2))
    with profiler.profile() as prof:
        assert len(caught_from(lambda: a + b)) == 1
    assert [event.name for event in prof.function_events] == ["add"]
    assert len(caught_from(lambda: a + b)) == 1


def test_both_are_off_and_can_be_switched_off():
    for switch in (backcompat.keepdim_warning, backcompat.broadcast_warning):
        assert switch.enabled is False
        before = torch.Tensor.sum, torch.sum
        switch.enabled = True
        switch.enabled = True
        switch.enabled = False
        assert (torch.Tensor.sum, torch.sum) == before
        assert caught_from(lambda: (x.sum(0), torch.ones(4, 1) + torch.ones(4))) == []
        with pytest.raises(TypeError, match="enabled must be True or False, got 1"):
            switch.enabled = 1
