"""The profiler: what it lists, when, how it nests, and what it refuses."""

import json
import threading

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core, nn
from minigrad.autograd import Function, Variable, profiler


@pytest.fixture(autouse=True)
def none_is_open():
    yield
    assert _core.watch_events(None) is None


def leaf(*size):
    return Variable(torch.ones(*size), requires_grad=True)


def names(events):
    return [event.name for event in events]


def test_forward_and_backward_by_name():
    x, y = leaf(3), leaf(3)
    with profiler.profile() as prof:
        torch.tanh(x * y).sum().backward()
    assert names(prof.function_events) == [
        "mul", "tanh", "sum", "SumBackward", "TanhBackward", "MulBackward1", "AccumulateGrad", "AccumulateGrad",
    ]  # fmt: skip
    assert x.grad is not None


def test_nodes_are_called_as_grad_fn_prints():
    x = leaf(3)
    with profiler.profile() as prof:
        out = x * 2
        out.backward(torch.ones(3))
    assert type(out.grad_fn).__name__ in names(prof.function_events)


def test_operations_on_tensors_are_not_listed():
    with profiler.profile() as prof:
        torch.ones(2) * 3
    assert prof.function_events == []
    assert "Name" in str(prof)


def test_intervals_are_of_the_profile_and_in_order():
    x = leaf(100)
    with profiler.profile() as prof:
        for _ in range(5):
            x = x * 1.5
    starts = [event.cpu_interval.start for event in prof.function_events]
    assert starts == sorted(starts)
    assert starts[0] >= 0
    for event, following in zip(prof.function_events, prof.function_events[1:]):
        assert event.cpu_interval.end <= following.cpu_interval.start
    event = prof.function_events[0]
    assert event.count == 1
    assert event.key == event.name == "mul"
    assert event.cpu_time == event.cpu_time_total == event.cpu_interval.elapsed_us() > 0
    assert event.cuda_time == event.cuda_time_total == 0
    assert [event.id for event in prof.function_events] == list(range(5))


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_variables
        return grad * x * x * 3


def contains(outer, inner):
    a, b = outer.cpu_interval, inner.cpu_interval
    return a.start <= b.start and b.end <= a.end


def test_what_a_function_does_is_nested_in_it():
    x = leaf(2)
    with profiler.profile() as prof:
        Cube.apply(x).sum().backward()
    by_name = {event.name: event for event in prof.function_events}
    assert {"Cube", "CubeBackward"} <= set(by_name)
    inner = [event for event in prof.function_events if event.name == "mul"]
    assert len(inner) == 3  # of backward: forward works on tensors
    assert all(contains(by_name["CubeBackward"], event) for event in inner)
    assert not contains(by_name["Cube"], inner[0])


def test_backward_inside_of_backward_is_nested():
    x = leaf(1)
    x.register_hook(lambda g: None)

    class Inner(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            z = leaf(1)
            torch.exp(z).backward()
            return grad * 2

    with profiler.profile() as prof:
        Inner.apply(x).backward()
    by_name = {event.name: event for event in prof.function_events}
    assert contains(by_name["InnerBackward"], by_name["ExpBackward"])


def test_second_derivatives_list_the_operations_of_the_backward():
    x = leaf(1)
    with profiler.profile() as prof:
        torch.autograd.grad(x * x, x, create_graph=True)
    node = next(event for event in prof.function_events if event.name == "MulBackward1")
    assert any(event.name == "mul" and contains(node, event) for event in prof.function_events)


def test_a_recurrent_layer_is_one_operation():
    layer, x = nn.LSTM(3, 4), Variable(torch.ones(5, 2, 3))
    with profiler.profile() as prof:
        layer(x)[0].sum().backward()
    assert any("lstm" in name for name in names(prof.function_events))
    assert any(name.startswith("Lstm") and name.endswith("Backward") for name in names(prof.function_events))


def test_threads_are_told_apart():
    x, barrier = leaf(10), threading.Barrier(2)

    def work():
        barrier.wait(10)
        for _ in range(20):
            (x * 2).sum()
        barrier.wait(10)

    with profiler.profile() as prof:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert {event.thread for event in prof.function_events} == {0, 1}
    for thread in (0, 1):
        assert names(e for e in prof.function_events if e.thread == thread) == ["mul", "sum"] * 20


def test_an_operation_that_raises_is_listed_and_the_profile_goes_on():
    x = leaf(2, 3)
    with profiler.profile() as prof:
        with pytest.raises(RuntimeError):
            torch.mm(x, x)
        x * 2
    assert names(prof.function_events) == ["mm", "mul"]


def test_a_backward_that_raises_is_listed():
    x = leaf(2)
    loss = torch.exp(x).sum()
    loss.backward()
    with profiler.profile() as prof, pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    assert "ExpBackward" in names(prof.function_events)


def test_the_profile_ends_with_an_error_and_what_came_before_is_kept():
    prof = profiler.profile()

    def fail():
        with prof:
            leaf(1) * 2
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(prof.function_events) == ["mul"]
    leaf(1) * 3
    assert len(prof.function_events) == 1


def test_a_gradient_becomes_the_leafs_own_with_and_without_a_profile():
    def gradient():
        x = leaf(3)
        (x * 2).sum().backward()
        x.grad.data[0] = 7
        return x.grad.data.tolist()

    plain = gradient()
    with profiler.profile():
        assert gradient() == plain


# ---------------------------------------------------------------- results


@pytest.fixture
def made():
    x = leaf(4)
    with profiler.profile() as prof:
        for _ in range(3):
            torch.tanh(x * 2)
    return prof


def test_key_averages_and_total(made):
    averages = made.key_averages()
    assert [(a.key, a.count) for a in averages] == [("mul", 3), ("tanh", 3)]
    total = sum(event.cpu_time_total for event in made.function_events if event.key == "mul")
    assert averages[0].cpu_time_total == pytest.approx(total)
    assert averages[0].cpu_time == pytest.approx(total / 3)
    everything = made.total_average()
    assert (everything.key, everything.count) == ("Total", 6)
    assert everything.cpu_time_total == pytest.approx(sum(event.cpu_time for event in made.function_events))
    assert "count=6" in repr(everything)
    assert "name=mul" in repr(made.function_events[0])


def test_table(made):
    lines = made.table().splitlines()
    assert lines[1].split() == "Name CPU time CUDA time Calls CPU total CUDA total".split()
    assert [line.split()[0] for line in lines[3:]] == ["mul", "tanh"] * 3
    assert len({len(line) for line in lines}) == 1
    cells = lines[3].split()
    assert cells[1].endswith("us")
    assert cells[2:4] == ["0.000us", "1"]
    assert str(made) == made.table() == str(made.function_events)
    by_time = [float(line.split()[1][:-2]) for line in made.table(sort_by="cpu_time").splitlines()[3:]]
    assert by_time == sorted(by_time)
    counted = made.key_averages().table(sort_by="cpu_time_total")
    assert "3" in counted.splitlines()[3].split()
    with pytest.raises(ValueError, match="sort_by must be one of key, count, cpu_time"):
        made.table("speed")


def test_chrome_trace(made, tmp_path):
    path = tmp_path / "trace.json"
    made.export_chrome_trace(path)
    trace = json.loads(path.read_text())
    assert [entry["name"] for entry in trace] == names(made.function_events)
    for entry, event in zip(trace, made.function_events):
        assert entry["ph"] == "X"
        assert entry["ts"] == event.cpu_interval.start
        assert entry["dur"] == pytest.approx(event.cpu_time)
        assert entry["tid"] == event.thread
        assert {"pid", "args"} <= set(entry)


# ---------------------------------------------------------------- refusals


def test_a_profile_is_used_once(made):
    with pytest.raises(RuntimeError, match="used before"):
        made.__enter__()
    with profiler.profile() as prof:
        with pytest.raises(RuntimeError, match="used before"):
            prof.__enter__()
        leaf(1) * 2
    assert names(prof.function_events) == ["mul"]


def test_profiles_do_not_nest():
    with profiler.profile() as outer:
        inner = profiler.profile()
        with pytest.raises(RuntimeError, match="another profile is open"):
            inner.__enter__()
        leaf(1) * 2
    assert names(outer.function_events) == ["mul"]
    with inner:
        pass
    assert inner.function_events == []


def test_not_enabled():
    with profiler.profile(enabled=False) as prof:
        leaf(1) * 2
        with profiler.profile(enabled=False):
            pass
    assert prof.function_events is None
    with prof:  # the era let such a one be used again
        pass
    assert "unfinished" in repr(prof)
    with pytest.raises(RuntimeError, match="enabled=False"):
        prof.table()


@pytest.mark.parametrize("method", ["table", "key_averages", "total_average"])
def test_nothing_to_see_before_the_end(method):
    with profiler.profile() as prof, pytest.raises(RuntimeError, match=f"{method}: the profile has not ended"):
        getattr(prof, method)()


def test_gpu_options_need_a_gpu():
    with pytest.raises(RuntimeError, match="cuda: tensors live on the CPU only"):
        profiler.profile(use_cuda=True).__enter__()
    with pytest.raises(RuntimeError, match="cuda: tensors live on the CPU only"):
        profiler.emit_nvtx().__enter__()
    with profiler.emit_nvtx(enabled=False):
        pass


def test_a_number_of_numpys_is_one_call():
    x = leaf(2)
    with profiler.profile() as prof:
        x * np.float32(2)
        x + 1
    assert names(prof.function_events) == ["mul", "add"]
