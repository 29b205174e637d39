"""What one operation costs: small tensors, where the engine and not the arithmetic takes the time.

    python benchmarks/engine.py [--threads N] [--quick] [--only TEXT] [--write]

Everything runs in float32, the sizes are those of course material: a batch of 5, 200 units. "with grad" records a node
and lets go of it again.
"""

import importlib.util
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measure

# --deep LIBRARY LENGTH: this process measures one deep graph for another one of the same program.
DEEP = sys.argv[2:4] if sys.argv[1:2] == ["--deep"] else None
CHOSEN = measure.options(__doc__, sys.argv[4:] if DEEP else None)

import numpy as np  # noqa: E402, after the number of threads is set


class Minigrad:
    """minigrad the way the cases need it."""

    name = "minigrad"

    def __init__(self):
        import minigrad
        from minigrad import nn, optim
        from minigrad.autograd import Variable

        self.tensor, self.Variable, self.nn, self.optim = minigrad.from_numpy, Variable, nn, optim

    def variable(self, array, requires_grad=False):
        return self.Variable(self.tensor(array.copy()), requires_grad=requires_grad)


class Torch:
    """PyTorch the way the cases need it."""

    name = "torch"

    def __init__(self):
        import torch

        torch.set_num_threads(CHOSEN.threads)
        self.tensor, self.nn, self.optim = torch.from_numpy, torch.nn, torch.optim

    def variable(self, array, requires_grad=False):
        return self.tensor(array.copy()).requires_grad_(requires_grad)


def numbers(*size):
    return np.random.default_rng(0).uniform(-1, 1, size).astype(np.float32)


# ---------------------------------------------------------------- cases: library -> a function that runs once


def add(size, grad):
    def make(library):
        a, b = library.variable(numbers(*size), grad), library.variable(numbers(*size))
        return lambda: a + b

    return make


def tanh(size, grad):
    def make(library):
        a = library.variable(numbers(*size), grad)
        return a.tanh

    return make


def chain(length, size):
    def make(library):
        x, b = library.variable(numbers(*size), True), library.variable(numbers(*size))
        one = library.tensor(np.ones(size, np.float32))

        def run():
            x.grad = None
            y = x
            for k in range(length):
                y = y + b if k % 3 == 0 else y * b if k % 3 == 1 else y.tanh()
            y.backward(one)

        return run

    return make


def rnn_loop(backward):
    def make(library):
        cell = library.nn.RNNCell(100, 200)
        x = [library.variable(numbers(5, 100)) for _ in range(6)]
        start, one = library.variable(np.zeros((5, 200), np.float32)), library.tensor(np.ones((5, 200), np.float32))
        parameters = list(cell.parameters())

        def run():
            h = start
            for step in x:
                h = cell(step, h)
            if backward:
                for p in parameters:
                    p.grad = None
                h.backward(one)

        return run

    return make


def regression(library):
    x = np.linspace(-1, 1, 60, dtype=np.float32).reshape(60, 1)
    inputs, targets = library.variable(x), library.variable(3 * x + 1)
    model, loss = library.nn.Linear(1, 1), library.nn.MSELoss()
    optimizer = library.optim.SGD(model.parameters(), lr=0.01)

    def run():
        optimizer.zero_grad()
        loss(model(inputs), targets).backward()
        optimizer.step()

    return run


CASES = {
    "a + b, 1 element": add((1,), False),
    "a + b, 1 element, with grad": add((1,), True),
    "a + b, 5x200": add((5, 200), False),
    "a + b, 5x200, with grad": add((5, 200), True),
    "tanh, 5x200": tanh((5, 200), False),
    "tanh, 5x200, with grad": tanh((5, 200), True),
    "200 operations (add, mul, tanh) on 5x200, forward and backward": chain(200, (5, 200)),
    "6 steps of RNNCell(100, 200), batch 5, forward": rnn_loop(False),
    "6 steps of RNNCell(100, 200), batch 5, forward and backward": rnn_loop(True),
    "linear regression, one SGD step on 60 samples": regression,
}


# ---------------------------------------------------------------- a deep graph


def deep(library, length):
    """A chain of `length` additions: seconds to record it, to go back through it, to drop it unused; peak memory."""
    x, b = library.variable(numbers(1), True), library.variable(numbers(1))

    def record(length):
        y = x
        for _ in range(length):
            y = y + b
        return y

    record(1000).backward()
    x.grad = None
    low = peak_memory()
    times = [time.perf_counter()]
    y = record(length)
    times.append(time.perf_counter())
    y.backward()
    times.append(time.perf_counter())
    high = peak_memory()
    del y
    y = record(length)
    times.append(time.perf_counter())
    del y
    times.append(time.perf_counter())
    assert float(x.grad.data[0]) == 1
    return {
        "record": times[1] - times[0],
        "backward": times[2] - times[1],
        "release": times[4] - times[3],
        "memory": high - low,
    }


def peak_memory():
    """The most bytes that this process ever held."""
    try:  # not ru_maxrss first: on Linux it starts with the parent's
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def deep_in_a_process(name, length):
    """`deep` where nothing else has used memory."""
    command = [sys.executable, __file__, "--deep", name, str(length), "--threads", str(CHOSEN.threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def add_deep(table, libraries):
    length, rounds = (100_000, 1) if CHOSEN.quick else (1_000_000, 3)
    found = {library.name: [] for library in libraries}
    for _ in range(rounds):
        for name in found:
            found[name].append(deep_in_a_process(name, length))
    for part in ("record", "backward", "release"):
        table.add(f"{length:,} additions: {part}", {name: [r[part] for r in runs] for name, runs in found.items()})
    peaks = {name: statistics.median(r["memory"] for r in runs) for name, runs in found.items()}
    cells = [f"{length:,} additions: peak memory", f"{peaks.pop('minigrad') / 1e6:.0f} MB"]
    ours = statistics.median(r["memory"] for r in found["minigrad"])
    for peak in peaks.values():
        cells += [f"{peak / 1e6:.0f} MB", f"{ours / peak:.2f}"]
    table.row(cells)


def main():
    libraries = [Minigrad(), *([Torch()] if importlib.util.find_spec("torch") else [])]
    table = measure.Table([library.name for library in libraries])
    for name, make in CASES.items():
        if CHOSEN.only in name:
            table.add(name, measure.compare({library.name: make(library) for library in libraries}, CHOSEN.quick))
    if CHOSEN.only in "additions: record backward release peak memory":
        add_deep(table, libraries)
    measure.report("engine", table, CHOSEN)


if __name__ == "__main__":
    if DEEP:
        print(json.dumps(deep({"minigrad": Minigrad, "torch": Torch}[DEEP[0]](), int(DEEP[1]))))
    else:
        main()
