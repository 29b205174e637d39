"""Loading by worker processes: the same batches in the same order, and nothing left behind."""

import contextlib
import gc
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import minigrad as torch
from minigrad.utils.data import DataLoader, Dataset, Sampler
from minigrad.utils.data import workers as workers_module

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="asks /proc about processes")


def state(pid):
    """The letter that /proc gives a process's state by, or None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def children(pid):
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@pytest.fixture(autouse=True)
def no_process_left():
    """Every test here ends with all its workers gone: ended, and waited for, so no zombies either."""
    yield
    gc.collect()
    assert multiprocessing.active_children() == []
    assert [child for child in children(os.getpid()) if state(child) == "Z"] == []


@pytest.fixture
def spawned():
    """Make spawn the program's start method for a while."""
    multiprocessing.set_start_method("spawn", force=True)
    yield
    multiprocessing.set_start_method(None, force=True)


class Rows(Dataset):
    """Item k is k and its row; `error` is raised at item `at`, and `act` is called there."""

    def __init__(self, n=20, at=None, error=None, act=None):
        self.data = torch.arange(n).view(n, 1)
        self.at, self.error, self.act = at, error, act

    def __len__(self):
        return len(self.data)

    def __getitem__(self, k):
        if k == self.at:
            if self.act:
                self.act()
            if self.error:
                raise self.error
        return k, self.data[k]


class Draws(Dataset):
    """What a dataset may draw from, in the process where it runs."""

    def __len__(self):
        return 6

    def __getitem__(self, k):
        mine = float(torch.rand(1)[0])
        return os.getpid(), mine, random.random(), np.random.rand()  # noqa: NPY002


class NeedsTwo(Exception):
    """Its pickle cannot be read: it is made again from one argument."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def flat(lists):
    return list(itertools.chain(*lists))


def indices(loader):
    return [batch[0].tolist() for batch in loader]


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_same_batches_as_without_workers(workers):
    dataset = Rows(23)
    torch.manual_seed(1)
    expected = list(DataLoader(dataset, 4, shuffle=True))
    torch.manual_seed(1)
    loaded = list(DataLoader(dataset, 4, shuffle=True, num_workers=workers))
    assert [b[0].tolist() for b in loaded] == [b[0].tolist() for b in expected]
    for (_, x), (_, y) in zip(loaded, expected, strict=True):
        assert x.type() == "minigrad.FloatTensor"
        assert x.array.tolist() == y.array.tolist()
        x.array[0] = 5  # a batch is the loop's to change


def test_order_is_kept_when_workers_are_unequally_fast():
    dataset = Rows(12, at=0, act=lambda: time.sleep(0.2))
    assert flat(indices(DataLoader(dataset, 1, num_workers=4))) == list(range(12))


def test_loading_goes_on_behind_the_loop():
    told, tell = multiprocessing.Pipe(duplex=False)
    batches = iter(DataLoader(Rows(8, at=3, act=lambda: tell.send("here")), 1, num_workers=2))
    assert told.poll(10)  # item 3 was loaded, and none was asked for
    assert flat(indices(batches)) == list(range(8))
    told.close()
    tell.close()


def test_large_orders_and_large_batches_do_not_block_each_other():
    # Both are far beyond what a pipe holds.
    order = list(range(20000)) * 2
    loader = DataLoader(range(20000), batch_sampler=[order] * 6, num_workers=2, collate_fn=np.array)
    assert [batch.shape for batch in loader] == [(40000,)] * 6


def test_nothing_to_load():
    assert list(DataLoader([], 4, shuffle=True, num_workers=2)) == []
    assert next(iter(DataLoader(Rows(), 128, False, num_workers=4)))[0].tolist() == list(range(20))
    assert list(DataLoader(["a", "b", "c"], 2, num_workers=1)) == [["a", "b"], ["c"]]


def test_seeds():
    def epoch():
        return [[column.tolist() for column in batch] for batch in DataLoader(Draws(), 1, num_workers=2)]

    torch.manual_seed(9)
    first, second = epoch(), epoch()
    torch.manual_seed(9)
    again = epoch()
    numbers = lambda batches: [batch[1:] for batch in batches]
    assert numbers(again) == numbers(first)
    for source in (1, 2, 3):  # minigrad, random, numpy.random
        drawn = [batch[source][0] for batch in first + second]
        assert len(set(drawn)) == 12


def test_the_loops_own_random_numbers_are_left_alone():
    random.seed(1)
    expected = random.random()
    random.seed(1)
    list(DataLoader(Draws(), 1, num_workers=2))
    assert random.random() == expected


def test_an_error_passes_with_the_workers_traceback_and_iteration_goes_on():
    loader = DataLoader(Rows(8, at=2, error=KeyError("no such word")), 2, num_workers=2)
    batches = iter(loader)
    assert next(batches)[0].tolist() == [0, 1]
    with pytest.raises(KeyError, match="no such word") as caught:
        next(batches)
    assert isinstance(caught.value.__cause__, workers_module.WorkerTraceback)
    assert "in __getitem__" in str(caught.value.__cause__)
    assert next(batches)[0].tolist() == [4, 5]
    assert next(batches)[0].tolist() == [6, 7]
    with pytest.raises(StopIteration):
        next(batches)


def test_an_error_does_not_keep_the_workers():
    gc.disable()
    try:
        with contextlib.suppress(KeyError):
            list(DataLoader(Rows(at=2, error=KeyError()), 2, num_workers=2))
        assert multiprocessing.active_children() == []
    finally:
        gc.enable()


def test_an_error_that_cannot_be_pickled_is_named():
    with pytest.raises(RuntimeError, match="NeedsTwo: a b"):
        list(DataLoader(Rows(4, at=2, error=NeedsTwo("a", "b")), 2, num_workers=1))


def test_a_batch_that_cannot_be_pickled_is_an_error_in_its_place():
    batches = iter(DataLoader(range(3), 1, num_workers=1, collate_fn=lambda b: (lambda: b) if b[0] == 1 else b))
    assert next(batches) == [0]
    with pytest.raises(RuntimeError, match="the batch cannot be sent"):
        next(batches)
    assert next(batches) == [2]


def test_stop_iteration_in_a_dataset_does_not_shorten_the_loop():
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(DataLoader(Rows(at=2, error=StopIteration()), 2, num_workers=1))


def test_an_error_of_the_sampler_comes_in_its_turn():
    class Broken(Sampler):
        def __init__(self):
            pass

        def __iter__(self):
            yield from range(3)
            raise OSError("index file is gone")

    for workers in (0, 1, 2):
        batches = iter(DataLoader(Rows(), sampler=Broken(), num_workers=workers))
        assert [next(batches)[0].tolist() for _ in range(3)] == [[0], [1], [2]]
        with pytest.raises(OSError, match="index file is gone"):
            next(batches)
        with pytest.raises(StopIteration):
            next(batches)


@pytest.mark.parametrize(
    ("act", "how"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed by SIGKILL.*memory"),
        (lambda: os._exit(3), "exit code 3"),
        (lambda: sys.exit(4), "exit code 4"),
    ],
)
def test_a_worker_that_dies_is_an_error(act, how):
    batches = iter(DataLoader(Rows(8, at=3, act=act), 2, num_workers=2))
    assert next(batches)[0].tolist() == [0, 1]
    with pytest.raises(RuntimeError, match=rf"worker 1 \(process \d+\) died before its batch was ready: {how}"):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)


def test_leaving_early_ends_the_workers():
    for _ in DataLoader(Rows(1000), 2, num_workers=3):
        break
    assert multiprocessing.active_children() == []
    batches = iter(DataLoader(Rows(1000), 2, num_workers=2))
    next(batches)
    del batches
    assert multiprocessing.active_children() == []


def test_a_cycle_that_holds_an_iterator_ends_its_workers_when_collected():
    batches = iter(DataLoader(Rows(1000), 2, num_workers=1))
    next(batches)
    batches.me = batches
    del batches
    gc.collect()
    assert multiprocessing.active_children() == []


def test_workers_that_do_not_listen_are_killed(monkeypatch):
    monkeypatch.setattr(workers_module, "_GRACE", 0.1)

    def hang():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)

    batches = iter(DataLoader(Rows(at=1, act=hang), 1, num_workers=2))
    assert next(batches)[0].tolist() == [0]
    del batches
    assert multiprocessing.active_children() == []


def test_two_loaders_at_once():
    a, b = DataLoader(Rows(6), 2, num_workers=2), DataLoader(Rows(8), 2, num_workers=2)
    assert [x[0].tolist() + y[0].tolist() for x, y in zip(a, b)][2] == [4, 5, 4, 5]


def test_a_forked_copy_of_the_program_leaves_the_workers_alone():
    batches = iter(DataLoader(Rows(200), 2, num_workers=1))
    next(batches)
    child = multiprocessing.get_context("fork").Process(target=batches._ahead.close)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert len(indices(batches)) == 99


# ---------------------------------------------------------------- started anew


def test_spawned_workers(spawned):
    torch.manual_seed(2)
    expected = indices(DataLoader(Rows(6), 2, True))
    torch.manual_seed(2)
    assert indices(DataLoader(Rows(6), 2, True, num_workers=1)) == expected


def test_spawned_workers_need_a_dataset_that_can_be_pickled(spawned):
    with pytest.raises(RuntimeError, match="start method 'spawn' the dataset and collate_fn must be picklable"):
        iter(DataLoader(Rows(), 2, num_workers=1, collate_fn=lambda batch: batch))


# ---------------------------------------------------------------- whole programs

PROGRAM = """
    import os, sys, time
    import multiprocessing
    import minigrad as torch
    from minigrad.utils.data import DataLoader

    class Slow:
        def __len__(self):
            return 100

        def __getitem__(self, k):
            if k == 5:
                time.sleep(1000)
            return os.getpid()
"""


def start(text, **options):
    program = textwrap.dedent(PROGRAM) + textwrap.dedent(text)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        **options,
    )


def gone(pid, seconds=20):
    """Whether the process ends within that time; as a zombie too, since its parent may be gone."""
    for _ in range(int(seconds * 100)):
        if state(pid) in (None, "Z"):
            return True
        time.sleep(0.01)
    return False


LOOP = """
    batches = iter(DataLoader(Slow(), num_workers=2))
    print(*sorted({int(next(batches)[0]) for _ in range(4)}), flush=True)
    next(batches), next(batches)
"""


def test_ctrl_c_ends_the_program_and_its_workers():
    with start(LOOP) as program:
        pids = list(map(int, program.stdout.readline().split()))
        assert len(pids) == 2
        os.killpg(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=30)
    assert all(map(gone, pids))
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_workers_end_when_the_program_is_killed():
    text = "batches = iter(DataLoader(range(100), num_workers=2)); print(next(batches), flush=True); time.sleep(1000)"
    with start(text) as program:
        program.stdout.readline()
        pids = children(program.pid)
        program.kill()
        program.communicate(timeout=30)
    assert len(pids) == 2
    assert all(map(gone, pids))


def test_the_end_of_the_program_ends_the_workers():
    with start("batches = iter(DataLoader(Slow(), num_workers=2)); print(int(next(batches)[0]))") as program:
        out, errors = program.communicate(timeout=30)
    assert program.returncode == 0
    assert errors == ""
    assert gone(int(out))
