"""Timing minigrad beside its peers, the same way for every benchmark.

All libraries take turns, round by round in a shuffled order, so that whatever else the machine does meets all of them.
The time shown is the median over the rounds; a ratio is the median of the rounds' own ratios, minigrad's time divided
by the peer's: below 1 minigrad is faster.

Import this module first: it sets the number of threads, which must happen before NumPy is imported.
"""

import argparse
import os
import platform
import random
import statistics
import sys
import time
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
THREAD_VARIABLES = (
    "MINIGRAD_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def options(description, argv=None):
    """Parse the command line and confine the process to the threads asked for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads, and cores, each library may use (1)")
    parser.add_argument("--quick", action="store_true", help="few rounds: whether it works, not how fast")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the cases whose name contains TEXT")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name} too")
    chosen = parser.parse_args(argv)
    if chosen.threads < 1:
        parser.error(f"--threads must be at least 1, got {chosen.threads}")
    for name in THREAD_VARIABLES:
        os.environ[name] = str(chosen.threads)
    if hasattr(os, "sched_setaffinity"):  # XLA and others have pools of their own
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])
    return chosen


def seconds(run, calls):
    """Seconds per call of `run`, called `calls` times."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def on_several_cores():
    return not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) > 1


def settle():
    """Wait until no other thread of this process computes: helpers go on looking for work after their library's turn,
    some for many milliseconds, on cores that the next library is to have. What a thread takes of another core is booked
    when that core's clock ticks, every 10 milliseconds or less."""
    pause = 0.012 if on_several_cores() else 0.001
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(pause)
        if time.process_time() - before < 0.2 * pause:
            return


def warm_up(run, duration):
    """Call `run` once, and on until `duration` seconds are over: what it needs is in the caches again, its helpers are
    awake, and the processor's clock has come out of its rest."""
    end = time.perf_counter() + duration
    run()
    while time.perf_counter() < end:
        run()


def compare(runs, quick=False):
    """Time the functions {name: run} in turns. Returns {name: [seconds per call, one a round]}."""
    share = 0.002 if quick else 0.02  # seconds a round should last for each library
    calls = {}
    for name, run in runs.items():
        settle()
        run()
        once = min(seconds(run, 1) for _ in range(3))
        calls[name] = max(1, int(share / max(once, 1e-9)))
    order, times = list(runs), {name: [] for name in runs}
    longest = sum(calls[name] * seconds(runs[name], 1) for name in runs)
    rounds = 5 if quick else max(7, min(51, int(6 / longest)))
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            settle()
            if on_several_cores():  # after a longer pause
                warm_up(runs[name], share / 2)
            elif calls[name] > 1:
                warm_up(runs[name], 0)
            times[name].append(seconds(runs[name], calls[name]))
    return times


class Table:
    """A markdown table: a row for each case, and for each peer its median and minigrad's ratio to it."""

    def __init__(self, peers):
        self.peers = [name for name in peers if name != "minigrad"]
        heads = [f"{peer} | minigrad / {peer}" for peer in self.peers]
        self.lines = [f"| case | minigrad | {' | '.join(heads)} |", "|---" * (2 + 2 * len(self.peers)) + "|"]

    def add(self, case, times):
        """Enter what `compare` returned."""
        cells = [case, duration(statistics.median(times["minigrad"]))]
        for peer in self.peers:
            if peer in times:
                ratios = [ours / theirs for ours, theirs in zip(times["minigrad"], times[peer])]
                cells += [duration(statistics.median(times[peer])), f"{statistics.median(ratios):.2f}"]
            else:
                cells += ["", ""]
        self.row(cells)

    def row(self, cells):
        self.lines.append(f"| {' | '.join(cells)} |")
        print(self.lines[-1], file=sys.stderr, flush=True)

    def __str__(self):
        return "\n".join(self.lines)


def duration(value):
    """Seconds as text of three digits with a unit: 1.23 µs, 45.6 ms."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size or unit == "µs":
            return f"{value / size:.3g} {unit}"


def machine(threads):
    """The processor, its matrix product rate, and the versions that were measured, as lines of text."""
    import importlib.metadata

    from minigrad.ops import build

    names = ["numpy", "torch", "jax", "onnxruntime"]
    versions = [f"{n} {importlib.metadata.version(n)}" for n in names if _installed(n)]
    facts = build.facts()
    lines = [
        f"{_processor()}; {threads} thread{'s' * (threads != 1)}; float32 matrix product {sgemm_rate():.0f} Gflop/s.",
        f"Python {platform.python_version()}, {', '.join(versions)}; minigrad: {facts['build']}, "
        f"{facts['kernels'].split()[0]} instructions.",
    ]
    steering = [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith(("OPENBLAS_", "MKL_", "ONEDNN_"))]
    others = [s for s in steering if not s.startswith(THREAD_VARIABLES)]
    return [*lines, *([f"Environment: {', '.join(others)}."] if others else [])]


def sgemm_rate(size=1024):
    """Gflop/s of NumPy's product of two large float32 matrices, the best of several."""
    import numpy as np

    a = np.ones((size, size), np.float32)
    out = np.empty_like(a)
    best = min(seconds(lambda: np.matmul(a, a, out=out), 1) for _ in range(7))
    return 2 * size**3 / best / 1e9


def _installed(name):
    import importlib.util

    return importlib.util.find_spec(name) is not None


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def report(name, table, chosen):
    """Print the table and where it was measured; with --write put both between the marks `name` of the page."""
    text = "\n".join([str(table), "", *machine(chosen.threads)])
    print(text)
    if chosen.write:
        page = PAGE.read_text(encoding="utf-8")
        begin, end = f"<!-- {name} -->\n", f"<!-- end {name} -->"
        before, rest = page.split(begin)
        PAGE.write_text(f"{before}{begin}{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")
