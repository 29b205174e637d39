"""The recurrent kernels on several threads: the same numbers, whatever happens around them."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from minigrad import kernels

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
EVERYTHING = (True,) * 7
SIZES = np.repeat([41, 40, 33, 17, 2], [5, 3, 3, 3, 2])


@pytest.fixture(autouse=True)
def restore():
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


def make(kind, hidden=150, features=70, sizes=SIZES, dtype=np.float32, seed=0):
    """Work that is large enough to be shared by three threads, and whose every part is odd."""
    rng = np.random.default_rng(seed)
    wide, batch, rows = GATES[kind] * hidden, int(sizes[0]), int(np.sum(sizes))
    shapes = ((rows, features), (batch, hidden), (batch, hidden), (wide, features), (wide, hidden), (wide,), (wide,))
    scales = (1, 1, 1, features**-0.5, hidden**-0.5, 1, 1)
    arguments = [(rng.normal(size=s) * scale).astype(dtype) for s, scale in zip(shapes, scales)]
    if kind != "LSTM":
        arguments[2] = None
    d = [rng.normal(size=s).astype(dtype) for s in ((rows, hidden), (batch, hidden), (batch, hidden))]
    return arguments, d if kind == "LSTM" else [*d[:2], None]


def run(kind, arguments, d, sizes=SIZES, reverse=False):
    *states, saved = kernels.layer_forward(kind, *arguments, sizes, reverse)
    return [a for a in (*states, *kernels.layer_backward(kind, saved, *d, EVERYTHING)) if a is not None]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reverse", [False, True])
def test_threads_change_nothing_but_the_rounding(kind, dtype, reverse):
    eps = np.finfo(dtype).eps
    shapes = ((SIZES, 200, 70), (np.full(9, 37), 201, 3), (np.array([300]), 190, 333), (np.full(60, 40), 65, 33))
    for sizes, hidden, features in shapes:
        arguments, d = make(kind, hidden, features, sizes, dtype)
        kernels.set_num_threads(1)
        alone = run(kind, arguments, d, sizes, reverse)
        for count in (2, 3, 7):
            kernels.set_num_threads(count)
            shared = run(kind, arguments, d, sizes, reverse)
            for a, b in zip(alone, shared, strict=True):
                assert abs(a - b).max() <= 200 * eps * max(1, abs(a).max())
            for _ in range(5):
                assert same(run(kind, arguments, d, sizes, reverse), shared)


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_gradients_of_shared_work_agree_with_finite_differences(kind, count):
    kernels.set_num_threads(count)
    arguments, d = make(kind, 220, dtype=np.float64)
    rng = np.random.default_rng(1)

    def value(given):
        return sum(np.vdot(g, r) for g, r in zip(d, kernels.layer_forward(kind, *given, SIZES)) if g is not None)

    *_, saved = kernels.layer_forward(kind, *arguments, SIZES)
    for k, gradient in enumerate(kernels.layer_backward(kind, saved, *d, EVERYTHING)):
        if arguments[k] is None:
            continue
        direction = rng.normal(size=arguments[k].shape) / np.sqrt(arguments[k].size)
        values = []
        for step in (1e-5, -1e-5):
            moved = list(arguments)
            moved[k] = arguments[k] + step * direction
            values.append(value(moved))
        numerical = (values[0] - values[1]) / 2e-5
        # relu has corners, of which so large a layer crosses a few.
        bound = 2e-4 if kind == "RNN_RELU" else 1e-6
        assert abs(numerical - np.vdot(gradient, direction)) < bound * (1 + abs(numerical)), k


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("hidden", [5, 150])
def test_without_saving_the_states_are_the_same(kind, reverse, hidden):
    arguments, _ = make(kind, hidden)
    for sizes in (SIZES, np.array([3, 2, 1])):
        rows, batch = int(sizes.sum()), int(sizes[0])
        some = [arguments[0][:rows], *[None if a is None else a[:batch] for a in arguments[1:3]], *arguments[3:]]
        copies = [None if a is None else a.copy() for a in some]
        for count in (1, 2):
            kernels.set_num_threads(count)
            *states, saved = kernels.layer_forward(kind, *some, sizes, reverse)
            *without, nothing = kernels.layer_forward(kind, *some, sizes, reverse, save=False)
            assert saved is not None
            assert nothing is None
            assert same([a for a in states if a is not None], [a for a in without if a is not None])
        for a, b in zip(some, copies):
            assert (a is None and b is None) or np.array_equal(a, b)


def test_several_callers_at_once():
    work = [(kind, *make(kind)) for kind in kernels.KINDS]
    kernels.set_num_threads(3)
    expected = [run(*w) for w in work]
    wrong, finished = [], []

    def repeat(index):
        for _ in range(20):
            if not same(run(*work[index]), expected[index]):
                wrong.append(index)
        finished.append(index)

    callers = [threading.Thread(target=repeat, args=(i,), daemon=True) for i in range(len(work))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(120)
    assert sorted(finished) == list(range(len(work)))
    assert not wrong


def test_the_number_may_change_while_others_compute():
    arguments, d = make("LSTM", dtype=np.float64)
    kernels.set_num_threads(1)
    expected = run("LSTM", arguments, d)
    stop = threading.Event()

    def change():
        count = 0
        while not stop.is_set():
            count = count % 5 + 1
            kernels.set_num_threads(count)
            time.sleep(0.0002)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(30):
            for a, b in zip(run("LSTM", arguments, d), expected, strict=True):
                assert abs(a - b).max() <= 1e-12 * max(1, abs(b).max())
    finally:
        stop.set()
        changer.join()


def test_large_results_are_not_overwritten_by_later_calls():
    kernels.set_num_threads(2)
    arguments, d = make("GRU")
    kept = [run("GRU", arguments, d) for _ in range(4)]
    copies = [[a.copy() for a in results] for results in kept]
    h = kernels.layer_forward("GRU", *arguments, SIZES)[0]
    view, copy = h[3:], h[3:].copy()
    del h
    for seed in range(10):
        run("GRU", *make("GRU", seed=seed))
    assert np.array_equal(view, copy)
    for a, b in zip(kept, copies):
        assert same(a, b)


def test_memory_given_back_is_used_again():
    arguments, _ = make("RNN_TANH", 300)

    def address():
        return kernels.layer_forward("RNN_TANH", *arguments, SIZES)[0].__array_interface__["data"][0]

    assert address() == address()
    assert address() % 64 == 0


def test_number_of_threads_is_checked():
    for wrong in (0, -1, -(10**30)):
        with pytest.raises(ValueError, match="n must be at least 1"):
            kernels.set_num_threads(wrong)
    for wrong in (1.0, "2", None, True):
        with pytest.raises(TypeError, match="n must be an int"):
            kernels.set_num_threads(wrong)
    kernels.set_num_threads(np.int64(2))
    assert kernels.get_num_threads() == 2
    kernels.set_num_threads(10**30)
    assert kernels.get_num_threads() >= 2


def program(text, **environment):
    """Run a program that has `kernels`, `np` and, as `work`, layers to run; returns what it did."""
    start = "import os, sys, threading, time\nimport numpy as np\nfrom minigrad import kernels\n"
    start += "from test_kernel_threads import make, run, same\n"
    inherited = {k: v for k, v in os.environ.items() if k not in ("MINIGRAD_NUM_THREADS", "OMP_NUM_THREADS")}
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-c", start + text],
        env={**inherited, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_first_number_of_threads():
    show = "print(kernels.get_num_threads())"
    assert program(show, MINIGRAD_NUM_THREADS="3", OMP_NUM_THREADS="5").stdout == "3\n"
    assert program(show, OMP_NUM_THREADS="5,2").stdout == "5\n"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for nothing in ({}, {"MINIGRAD_NUM_THREADS": ""}, {"OMP_NUM_THREADS": "many"}):
        assert program(show, **nothing).stdout == f"{usable}\n"
    for wrong in ("0", "-1", "two", "1.5"):
        refused = program(show, MINIGRAD_NUM_THREADS=wrong)
        assert refused.returncode != 0
        assert "MINIGRAD_NUM_THREADS must be a positive integer" in refused.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads where the system lists them")
def test_threads_are_started_when_wanted_and_sleep_when_idle():
    result = program("""
def started():
    return len(os.listdir("/proc/self/task"))
before = started()
arguments, d = make("LSTM")
kernels.set_num_threads(1)
run("LSTM", arguments, d)
assert started() == before
small, d_small = make("LSTM", 8, 8)
kernels.set_num_threads(3)
run("LSTM", small, d_small)
assert started() == before, "small work is not shared"
run("LSTM", arguments, d)
assert started() == before + 2
used = time.process_time()
time.sleep(0.5)
assert time.process_time() - used < 0.05, "idle threads compute"
""")
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_makes_its_own_threads():
    # One child of an idle parent, and several of one that is computing, in another thread, at the time of the fork.
    result = program(
        """
import warnings
warnings.simplefilter("ignore")
kernels.set_num_threads(3)
arguments, d = make("LSTM")
expected = run("LSTM", arguments, d)

def child():
    number = os.fork()
    if number == 0:
        right = False
        try:
            right = all(same(run("LSTM", arguments, d), expected) for _ in range(3))
            if os.path.isdir("/proc/self/task"):
                right = right and len(os.listdir("/proc/self/task")) == 3
        finally:
            os._exit(0 if right else 1)
    assert os.waitpid(number, 0)[1] == 0

child()
assert same(run("LSTM", arguments, d), expected)
stop = threading.Event()
def busy():
    while not stop.is_set():
        assert same(run("LSTM", arguments, d), expected)
other = threading.Thread(target=busy)
other.start()
for _ in range(10):
    child()
stop.set()
other.join()
""",
        MINIGRAD_ISA=kernels.instruction_set(),
    )
    assert result.returncode == 0, result.stderr


def test_the_interpreter_ends_while_threads_work():
    result = program("""
kernels.set_num_threads(3)
arguments, d = make("LSTM")
run("LSTM", arguments, d)
def forever():
    while True:
        run("LSTM", arguments, d)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
print("end")
""")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "end\n"
