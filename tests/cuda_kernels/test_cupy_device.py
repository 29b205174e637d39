"""How the layer is launched through CuPy, with a stand-in for CuPy that records: no GPU test.

What is shown is the plumbing: which kernels are launched with what, that a graph is captured once for each shape and
stream, and that nothing but our own kernels is captured. Whether CuPy and a card do with it what they should is not.
"""

import threading
import types

import numpy as np
import pytest

from minigrad.kernels.cuda import device as device_module
from minigrad.kernels.cuda import layer, optim
from minigrad.kernels.cuda.layer import FIELDS
from minigrad.kernels.cuda.plan import THREADS, plan
from minigrad.kernels.cuda.source import Configuration, step_source


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
            def __init__(self, code, name, options, enable_cooperative_groups=False):
                assert f"\n{name}(const mg_" in code
                assert not any("ftz" in option for option in options), "CuPy adds it, and twice is an error"
                self.cooperative, self.max_dynamic_shared_size_bytes = enable_cooperative_groups, None
                self.code, self.loaded, self.tables = code, False, []

            @property
            def attributes(self):
                assert owner.capturing is None, "a module must not be loaded while capturing"
                self.loaded = True
                return {}

            def __call__(self, grid, block, arguments, shared_mem=0):
                assert all(type(a) is np.int64 for a in arguments[1:]), "a Python int may become 32 bits"
                launch = grid, block, tuple(int(a) for a in arguments[1:]), shared_mem
                self.tables.append(arguments[0])
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


class OnCard(np.ndarray):
    """An array with what is asked of CuPy's beyond NumPy's."""

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self.ctypes.data, device_id=self.number)


def on_card(values, number=0, dtype=np.float32):
    array = np.array(values, dtype).view(OnCard)
    array.number = number
    return array


def test_a_step_is_one_launch_with_a_table_of_its_own():
    cupy = Recording()
    cupy.ndarray = OnCard
    card = device_module.CupyDevice(cupy, 1)
    rows = [
        (on_card(np.ones(n), 1), on_card(np.ones(n), 1), on_card(np.ones(n), 1) if n > 5 else None, n / 100)
        for n in (5, 3000, 7)
    ]
    far = (on_card([1.0]), on_card([1.0]), None, 0.0)
    numbers = 0.5, 0.25, True, 0.125
    assert optim.step(card, "sgd", [rows[0], far, *rows[1:]], *numbers) == [far]
    assert optim.step(card, "sgd", rows[:2], *numbers) == []
    (what, kernel, launch), (_, again, second) = cupy.log
    assert what == "launch"
    assert kernel is again
    assert kernel.code == step_source("sgd", 4)
    assert not kernel.cooperative
    assert launch == ((5,), (256,), (3,), 0)  # 1, 3 and 1 chunks
    assert second == ((4,), (256,), (2,), 0)
    table, other = kernel.tables
    assert not np.shares_memory(table, other)  # the first may be read when the second is written
    assert len(table) == 10 * 3
    for row, packed, first in zip(rows, table.reshape(3, 10), (0, 1, 4)):
        addresses = [0 if a is None else a.ctypes.data for a in row[:3]]
        assert packed[:5].tolist() == [*addresses, row[0].size, first]
        assert packed[5:].view(np.float64).tolist() == [row[3], *numbers]


def test_each_algorithm_and_type_is_a_kernel_of_its_own():
    cupy = Recording()
    cupy.ndarray = OnCard
    card = device_module.CupyDevice(cupy, 0)

    def pair(dtype):
        return on_card([1.0], dtype=dtype), on_card([1.0], dtype=dtype)

    rows = [pair(np.float64), pair(np.float32), pair(np.float64)]
    assert optim.step(card, "add_scaled", rows, 0.5) == []
    assert optim.step(card, "adagrad", [(*pair(np.float32), pair(np.float32)[0], 0.1)], 0.5) == []
    codes = [kernel.code for _, kernel, _ in cupy.log]
    assert codes == [step_source("add_scaled", 4), step_source("add_scaled", 8), step_source("adagrad", 4)]
    assert [launch for _, _, launch in cupy.log] == [((n,), (256,), (n,), 0) for n in (1, 2, 1)]
