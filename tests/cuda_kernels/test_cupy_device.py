"""How the layer is launched through CuPy, with a stand-in for CuPy that records: no GPU test.

What is shown is the plumbing: which kernels are launched with what, that a graph is captured once for each shape and
stream, and that nothing but our own kernels is captured. Whether CuPy and a card do with it what they should is not.
"""

import threading
import types

import numpy as np
import pytest

from minigrad.kernels.cuda import device as device_module
from minigrad.kernels.cuda import layer
from minigrad.kernels.cuda.layer import FIELDS
from minigrad.kernels.cuda.plan import THREADS, plan
from minigrad.kernels.cuda.source import Configuration


class Recording:
    """CuPy as far as CupyDevice uses it; `log` has what happened, in order."""

    def __init__(self, multiprocessors=132, shared=232448, cooperative=1):
        self.log, self.capturing, self.streams = [], None, []
        attributes = {"count": multiprocessors, "shared": shared, "cooperative": cooperative}
        runtime = types.SimpleNamespace(
            cudaDevAttrMultiProcessorCount="count",
            cudaDevAttrMaxSharedMemoryPerBlockOptin="shared",
            cudaDevAttrCooperativeLaunch="cooperative",
            deviceGetAttribute=lambda name, number: attributes[name],
        )
        self.stream = types.SimpleNamespace(ptr=1)
        owner = self

        class Place:
            def set(self, table, stream):
                assert owner.capturing is None
                owner.log.append(("set", table.copy(), stream.ptr))

        class Graph:
            def __init__(self, launches):
                self.launches = launches

            def launch(self, stream):
                owner.log.append(("graph", self.launches, stream.ptr))

        class Stream:
            def __init__(self, non_blocking):
                assert non_blocking
                owner.streams.append(self)

            def __enter__(self):
                return self

            def __exit__(self, *exception):
                pass

            def begin_capture(self):
                owner.capturing = []

            def end_capture(self):
                found, owner.capturing = owner.capturing, None
                return Graph(found)

        class RawKernel:
            def __init__(self, code, name, options, enable_cooperative_groups):
                assert f"{name}(const mg_layer *layer" in code
                assert not any("ftz" in option for option in options), "CuPy adds it, and twice is an error"
                self.cooperative, self.max_dynamic_shared_size_bytes, self.loaded = (
                    enable_cooperative_groups,
                    None,
                    False,
                )

            @property
            def attributes(self):
                assert owner.capturing is None, "a module must not be loaded while capturing"
                self.loaded = True
                return {}

            def __call__(self, grid, block, arguments, shared_mem):
                launch = grid, block, tuple(int(a) for a in arguments[1:]), shared_mem
                if owner.capturing is None:
                    owner.log.append(("launch", self, launch))
                else:
                    assert self.loaded
                    owner.capturing.append(launch)

        self.cuda = types.SimpleNamespace(runtime=runtime, Stream=Stream, get_current_stream=lambda: self.stream)
        self.RawKernel, self.Place = RawKernel, Place

    def empty(self, size, dtype):
        assert (size, dtype) == (len(FIELDS), np.int64)
        return self.Place()

    def asarray(self, table):
        return table.copy()


TABLE = np.arange(len(FIELDS))


def configured(hidden, cupy, backward=False):
    card = device_module.CupyDevice(cupy, 0)
    chosen = plan("LSTM", 4, backward, hidden, 32, card.multiprocessors, card.shared_limit)
    return card, Configuration("LSTM", 4, backward, chosen.rows, chosen.resident), chosen


def test_a_resident_kernel_is_one_cooperative_launch_of_all_steps():
    cupy = Recording()
    card, configuration, chosen = configured(512, cupy)
    card.run(configuration, chosen, TABLE, 50)
    ((what, kernel, launch),) = cupy.log
    assert what == "launch"
    assert kernel.cooperative
    assert kernel.max_dynamic_shared_size_bytes == 232448
    assert launch == ((chosen.blocks,), (THREADS,), (0, 50), chosen.shared)
    card.run(configuration, chosen, TABLE, 9)
    assert cupy.log[1][1] is kernel


@pytest.mark.parametrize("cupy", [Recording(108, 166912), Recording(cooperative=0)], ids=["A100", "no cooperation"])
def test_steps_are_captured_once_and_launched_with_another_table(cupy):
    card, configuration, chosen = configured(1024, cupy)
    assert not chosen.resident
    card.run(configuration, chosen, TABLE, 3)
    card.run(configuration, chosen, TABLE + 5, 3)
    steps = [((chosen.blocks,), (THREADS,), (i, i + 1), chosen.shared) for i in range(3)]
    assert [entry[0] for entry in cupy.log] == ["set", "graph", "set", "graph"]
    assert [entry[2] for entry in cupy.log] == [1] * 4
    assert np.array_equal(cupy.log[2][1], TABLE + 5)
    assert cupy.log[1][1] == steps
    assert cupy.log[3][1] is cupy.log[1][1]
    assert len(cupy.streams) == 1


def test_each_shape_and_stream_has_a_graph_of_its_own_and_few_are_kept():
    cupy = Recording(108, 166912)
    card, configuration, chosen = configured(1024, cupy)
    card.run(configuration, chosen, TABLE, 3)
    cupy.stream.ptr = 2
    card.run(configuration, chosen, TABLE, 3)
    assert len(cupy.streams) == 2
    for steps in range(4, 60):
        card.run(configuration, chosen, TABLE, steps)
    assert len(card._graphs) == device_module._MOST_GRAPHS
    made = len(cupy.streams)
    card.run(configuration, chosen, TABLE, 59)
    assert len(cupy.streams) == made


def test_setting_the_table_and_launching_are_not_torn_apart_by_another_thread():
    cupy = Recording(108, 166912)
    card, configuration, chosen = configured(1024, cupy)
    workers = [
        threading.Thread(target=lambda: [card.run(configuration, chosen, TABLE, 2) for _ in range(50)])
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [entry[0] for entry in cupy.log] == ["set", "graph"] * 200


def test_so_many_steps_that_a_counter_would_overflow_are_launched_one_by_one(monkeypatch):
    chosen = []
    card = types.SimpleNamespace(
        xp=np, multiprocessors=132, shared_limit=232448, address=lambda a: a.ctypes.data,
        run=lambda configuration, plan, table, iterations: chosen.append(plan.resident),
    )  # fmt: skip
    numbers = {"batch": 1, "hidden": 1024, "initial": 1}
    for steps in (2**25 - 1, 2**25):
        layer._run(card, "LSTM", False, {}, dict(numbers, steps=steps), 4)
    layer._run(card, "LSTM", True, {}, dict(numbers, steps=2**25 - 1), 4)
    assert chosen == [True, False, False]
