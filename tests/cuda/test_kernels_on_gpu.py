"""Which kernels run for arrays on a GPU: off at first, switched on by one call, and what they hand back.

On a card the steps are the card's. Over the stand-in they are those of a device that reads the kernel's table, and lets
the CPU's kernel step what stands there.
"""

import copy
import ctypes
import functools
from types import SimpleNamespace

import numpy as np
import pytest
from test_training_on_gpu import OPTIMIZERS

import minigrad as torch
from minigrad import kernels, nn
from minigrad._core import Variable, array_of
from minigrad.kernels import cuda
from minigrad.kernels._optim import RULES
from minigrad.kernels.cuda import optim
from minigrad.ops import arrays, compiled, devices, recurrent, recurrent_anywhere, update

ONE_CALL_A_GROUP = [name for name in OPTIMIZERS if name != "LBFGS"]


@pytest.fixture
def registry(monkeypatch):
    """The registry as it is at first, and again after the test."""
    found = {np.ndarray: kernels}
    for module in (compiled, recurrent, update):
        assert module.KERNELS == found
        monkeypatch.setattr(module, "KERNELS", found)
    return found


class TableReader:
    """A `Device` over the stand-in: steps each row of a table as the kernel does. `launches` has rule, rows, GPU."""

    def __init__(self, cupy):
        self.xp, self.launches = cupy, []

    def address(self, array):
        return array.data.ptr

    def holds(self, array):
        return array.data.device_id == devices.current()

    def step(self, rule, item, table, rows, chunks):
        self.launches.append((rule, rows, devices.current()))
        _, count, numbers, _ = RULES[rule]
        dtype, next_chunk = np.dtype(f"f{item}"), 0
        for entry in table.reshape(rows, count + 2 + numbers):
            n, first = entry[count : count + 2].tolist()
            assert first == next_chunk
            next_chunk += -(-n // optim.CHUNK)
            memory = [
                np.frombuffer((ctypes.c_char * (n * item)).from_address(a), dtype) if a else None
                for a in entry[:count].tolist()
            ]
            assert kernels.step(rule, [(*memory, *entry[count + 2 :].view(np.float64).tolist())]) == []
        assert chunks == next_chunk


@pytest.fixture
def steps(gpu, real, registry):
    """Lets kernels step what is on a GPU: a list of (rule, rows taken, rows handed back, GPU in use), one a call."""
    calls, device = [], None if real else TableReader(gpu)
    function = cuda.step if real else functools.partial(optim.step, device)

    def step(rule, rows, *numbers):
        left = function(rule, rows, *numbers)
        taken = len(rows) - len(left)
        calls.append((rule, taken, len(left), devices.current()))
        if not real:
            assert device.launches == ([(rule, taken, devices.current())] if taken else [])
            device.launches.clear()
        return left

    registry[gpu.ndarray] = SimpleNamespace(step=step)
    return calls


def trained(parameters, name, gradients):
    """The parameters after some steps, as arrays of the host."""
    optimizer = OPTIMIZERS[name](parameters)
    for of_step in gradients:
        for p, g in zip(parameters, of_step):
            p.grad = Variable(g, volatile=True)
        optimizer.step()
    return [arrays.to_host(array_of(p)) for p in parameters]


SHAPES = [(3, 2), (2,), (40, 50), (1,)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ONE_CALL_A_GROUP)
def test_a_step_of_a_group_is_one_call_and_gives_the_cpus_numbers(name, dtype, steps, rng):
    number = devices.count() - 1  # not the one in use, if there are several
    values = [torch.from_numpy(rng.normal(size=s).astype(dtype)) for s in SHAPES]
    gradients = [[torch.from_numpy(rng.normal(size=s).astype(dtype)) for s in SHAPES] for _ in range(4)]
    found = []
    for place in (lambda t: t.clone(), lambda t: t.cuda(number)):
        parameters = [nn.Parameter(place(t)) for t in values]
        found.append(trained(parameters, name, [[place(g) for g in each] for each in gradients]))
    assert steps == [(name.lower(), 4, 0, number)] * 4
    rounding = 1e-12 if dtype == "float64" else 1e-5
    for here, there, start in zip(*found, values):
        np.testing.assert_allclose(there, here, rtol=rounding, atol=rounding)
        assert not np.array_equal(there, start.numpy())


@pytest.mark.parametrize("name", ONE_CALL_A_GROUP)
def test_what_is_handed_back_is_stepped_by_the_formula(name, steps, rng):
    """A group with a parameter that is not contiguous, and one on the CPU."""
    number = devices.count() - 1
    values = [torch.from_numpy(rng.normal(size=(4, 3))) for _ in range(3)]
    gradients = [[torch.from_numpy(rng.normal(size=(4, 3))) for _ in range(3)] for _ in range(3)]
    places = [lambda t: t.cuda(number), lambda t: t.cuda(number).t().contiguous().t(), lambda t: t.clone()]
    mixed = [nn.Parameter(place(t)) for place, t in zip(places, values)]
    assert [p.is_cuda for p in mixed] == [True, True, False]
    assert not mixed[1].is_contiguous()
    there = trained(mixed, name, [[place(g) for g, place in zip(each, places)] for each in gradients])
    here = trained([nn.Parameter(t.clone()) for t in values], name, gradients)
    assert steps == [(name.lower(), 1, 1, number)] * 3  # the CPU's kernel has taken what is its own
    for a, b in zip(here, there):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)


def test_rows_of_the_cpu_alone_never_reach_the_cards_kernels(steps, rng):
    p = nn.Parameter(torch.from_numpy(rng.normal(size=3)))
    trained([p], "SGD", [[torch.ones(3).double()]])
    update.add_scaled_step([], 0.5)
    assert steps == []


def test_one_call_switches_all_kernels_on_and_off(gpu, registry):
    x = torch.cuda.FloatTensor(2, 2).zero_().array
    assert recurrent.kernels_for(x) is recurrent_anywhere
    assert registry == {np.ndarray: kernels}
    torch.cuda.use_kernels()
    assert registry == {np.ndarray: kernels, gpu.ndarray: cuda}
    assert recurrent.kernels_for(x) is cuda
    torch.cuda.use_kernels(True)
    torch.cuda.use_kernels(False)
    torch.cuda.use_kernels(False)
    assert recurrent.kernels_for(x) is recurrent_anywhere
    assert registry == {np.ndarray: kernels}


def test_switched_on_the_kernels_are_those_of_the_card(gpu, real, registry, monkeypatch):
    """The registry's module is what a step calls, with the arrays' GPU in use."""
    if real:
        return
    seen = []

    def step(rule, rows, *numbers):
        seen.append((rule, devices.current(), numbers))
        return []

    monkeypatch.setattr(cuda, "step", step)
    torch.cuda.use_kernels()
    layer = nn.Linear(2, 2).cuda(devices.count() - 1)
    before = copy.deepcopy(layer)
    for p in layer.parameters():
        p.grad = Variable(p.data * 0 + 1)
    OPTIMIZERS["Adam"](layer.parameters()).step()
    assert seen == [("adam", devices.count() - 1, (0.9, 0.999, 1e-8, 0.0))]
    assert all(a.data.tolist() == b.data.tolist() for a, b in zip(layer.parameters(), before.parameters()))


def test_without_a_gpu_the_switch_says_what_is_missing(registry, real, monkeypatch):
    monkeypatch.setattr(devices, "_found", (None, 0, "CuPy is not installed"))
    with pytest.raises(RuntimeError, match="CuPy is not installed"):
        torch.cuda.use_kernels()
    monkeypatch.setattr(devices, "_cpu_instead", True)
    monkeypatch.setattr(devices, "_noticed", True)
    torch.cuda.use_kernels()
    assert registry == {np.ndarray: kernels}
