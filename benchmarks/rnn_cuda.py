"""Recurrent layers on a CUDA card, beside PyTorch's cuDNN on the same card.

    python benchmarks/rnn_cuda.py [--tf32] [--quick] [--only TEXT] [--write]

First the building blocks: what a step of cuDNN takes, what the barrier of a resident kernel takes, and what a kernel
takes that is launched from a graph. Then whole layers, float32, time first: `forward` records nothing; `train` is
forward and the backward pass of out.sum() to the weights, without a gradient of the input.

Both sides compute from the same weights and must agree before they are timed. Without --tf32 everything is exact
float32 on both sides. With it cuDNN may round the factors of all its products to TF32, and so may our products outside
of the loop; our recurrent products never do. Times are the card's, by CUDA events on one stream, in turns; medians.
"""

import argparse
import importlib.util
import math
import os
import random
import statistics
import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "performance-gpu.md"
GATES = {"RNN_TANH": 1, "GRU": 3, "LSTM": 4}
MARK = "rnn-cuda"


class Case(NamedTuple):
    """One layer stack and the sequence it reads."""

    kind: str
    input_size: int
    hidden_size: int
    layers: int
    steps: int
    batch: int

    def __str__(self):
        stack = f", {self.layers}" if self.layers > 1 else ""
        return f"{self.kind}({self.input_size}, {self.hidden_size}{stack}), {self.steps}x{self.batch}"

    def weights(self):
        """For each layer (w_ih, w_hh, b_ih, b_hh), drawn as PyTorch draws them."""
        rng, bound, wide = (
            np.random.default_rng(0),
            1 / math.sqrt(self.hidden_size),
            GATES[self.kind] * self.hidden_size,
        )
        shapes = [
            ((wide, self.hidden_size if k else self.input_size), (wide, self.hidden_size), wide, wide)
            for k in range(self.layers)
        ]
        return [[rng.uniform(-bound, bound, s).astype(np.float32) for s in layer] for layer in shapes]

    def input(self):
        return np.random.default_rng(1).standard_normal((self.steps, self.batch, self.input_size), np.float32)


CASES = [
    Case("RNN_TANH", 100, 200, 1, 6, 5),
    Case("LSTM", 50, 100, 2, 10, 3),
    Case("GRU", 10, 20, 1, 3, 32),
    *(Case(kind, h, h, 1, t, b) for kind, h, b, t in product(GATES, (128, 256, 512, 1024), (32, 64, 128), (50, 100))),
]


class Ours:
    """The kernels of minigrad.kernels.cuda, one call a layer and pass."""

    def __init__(self, case):
        import cupy

        from minigrad.kernels import cuda

        self.case, self.cupy, self.cuda = case, cupy, cuda
        self.weights = [[cupy.asarray(w) for w in layer] for layer in case.weights()]
        self.x = cupy.asarray(case.input()).reshape(-1, case.input_size)
        self.zeros = cupy.zeros((case.batch, case.hidden_size), np.float32)
        self.ones = cupy.ones((case.steps * case.batch, case.hidden_size), np.float32)

    def _run(self, save):
        kept, x, c0 = [], self.x, self.zeros if self.case.kind == "LSTM" else None
        for layer in self.weights:
            x, _, _, saved = self.cuda.layer_forward(self.case.kind, x, self.zeros, c0, *layer, save=save)
            kept.append(saved)
        return x, kept

    def forward(self):
        return [self._run(False)[0]]

    def train(self):
        output, kept = self._run(True)
        upstream, found = self.ones, []
        for k in reversed(range(self.case.layers)):
            needs = (k > 0, False, False, True, True, True, True)
            upstream, _, _, *gradients = self.cuda.layer_backward(self.case.kind, kept[k], upstream, None, None, needs)
            found = gradients + found
        return [output, *found]


class CuDNN:
    """torch.nn's layers, which are cuDNN's."""

    def __init__(self, case):
        import torch

        self.torch, kind = torch, case.kind.split("_")[0]
        self.layer = getattr(torch.nn, kind)(case.input_size, case.hidden_size, case.layers).cuda()
        with torch.no_grad():
            for to, value in zip(self.layer.parameters(), (w for layer in case.weights() for w in layer)):
                to.copy_(torch.from_numpy(value))
        self.x = torch.from_numpy(case.input()).cuda()

    def forward(self):
        with self.torch.no_grad():
            return [self.layer(self.x)[0].flatten(0, 1)]

    def train(self):
        for parameter in self.layer.parameters():
            parameter.grad = None
        output, _ = self.layer(self.x)
        output.sum().backward()
        return [output.detach().flatten(0, 1), *(p.grad for p in self.layer.parameters())]


def agree(case, ours, theirs, tolerance):
    """Stop unless both computed the same: outputs, and the gradients of all weights."""
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        a, b = a.get(), b.cpu().numpy()
        error = float(np.abs(a - b).max()) / max(1.0, float(np.abs(b).max()))
        if not error < tolerance:
            raise SystemExit(f"{case}: result {k} differs from cuDNN's by {error:.1e} of its largest element")


def seconds(cupy, run, calls):
    """Seconds per call on the card, of `run` called `calls` times."""
    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for _ in range(calls):
        run()
    end.record()
    end.synchronize()
    return cupy.cuda.get_elapsed_time(start, end) / 1e3 / calls


def compare(cupy, runs, quick):
    """Time the functions {name: run} in turns. Returns {name: [seconds per call, one a round]}."""
    for run in runs.values():
        for _ in range(3):
            run()
    calls = {n: max(1, int((0.002 if quick else 0.02) / seconds(cupy, run, 1))) for n, run in runs.items()}
    times, order = {name: [] for name in runs}, list(runs)
    for _ in range(3 if quick else 15):
        random.shuffle(order)
        for name in order:
            times[name].append(seconds(cupy, runs[name], calls[name]))
    return times


def microseconds(times):
    return f"{statistics.median(times) * 1e6:.3g}"


def blocks_source():
    """CUDA C++ of two kernels: `barriers`, the barrier n times over, and `nothing`."""
    from minigrad.kernels.cuda import source

    return (
        "#define MG_ELEMENT float\n#define MG_VALUE float\n#define MG_NAME(name) mg_##name\n"
        + source.expanded("device.h")
        + 'extern "C" __global__ void barriers(unsigned *counter, int n)\n'
        "{ for (int i = 1; i <= n; i++) mg_barrier(counter, i * gridDim.x); }\n"
        'extern "C" __global__ void nothing(int n) {}\n'
    )


def building_blocks(cupy, quick):
    """Lines of text: the barrier, a kernel of a graph, a step of cuDNN."""
    from minigrad.kernels.cuda import plan, source

    text = blocks_source()
    barriers = cupy.RawKernel(text, "barriers", source.OPTIONS, enable_cooperative_groups=True)
    nothing = cupy.RawKernel(text, "nothing", source.OPTIONS)
    multiprocessors = cupy.cuda.Device().attributes["MultiProcessorCount"]
    lines, many = [], 1000
    for blocks in sorted({b for b in (8, 32, 64, 128, multiprocessors) if b <= multiprocessors}):

        def run(n, blocks=blocks):
            barriers((blocks,), (plan.THREADS,), (cupy.zeros(1, np.uint32), np.int32(n)))

        times = compare(cupy, {"many": lambda run=run: run(many), "one": lambda run=run: run(1)}, quick)
        each = [(a - b) / (many - 1) for a, b in zip(times["many"], times["one"])]
        lines.append(f"A barrier of {blocks} blocks: {microseconds(each)} µs.")
    nothing((1,), (plan.THREADS,), (np.int32(0),))
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        for _ in range(many):
            nothing((multiprocessors,), (plan.THREADS,), (np.int32(0),))
        graph = stream.end_capture()
    times = compare(cupy, {"graph": lambda: graph.launch(cupy.cuda.get_current_stream())}, quick)["graph"]
    lines.append(f"An empty kernel launched from a graph: {microseconds([t / many for t in times])} µs.")
    for kind, hidden in product(GATES, (128, 256, 512, 1024)):
        longer, shorter = (CuDNN(Case(kind, hidden, hidden, 1, t, 32)) for t in (100, 50))
        for part in ("forward", "train"):
            times = compare(cupy, {"longer": getattr(longer, part), "shorter": getattr(shorter, part)}, quick)
            each = [(a - b) / 50 for a, b in zip(times["longer"], times["shorter"])]
            lines.append(f"A step of cuDNN, {kind}({hidden}, {hidden}), batch 32, {part}: {microseconds(each)} µs.")
    return lines


def unavailable():
    """Why nothing can be measured here, or None."""
    for name, package in (("cupy", "cupy-cuda12x"), ("torch", "torch")):
        if importlib.util.find_spec(name) is None:
            return f"{package} is not installed"
    import cupy
    import torch

    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return f"CuPy finds no CUDA device ({error})"
    if found == 0:
        return "CuPy finds no CUDA device"
    return None if torch.cuda.is_available() else "this PyTorch finds no CUDA device"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tf32", action="store_true", help="allow TF32 in cuDNN and in our products outside the loop")
    parser.add_argument("--quick", action="store_true", help="few rounds: whether it works, not how fast")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the cases whose name contains TEXT")
    parser.add_argument("--write", action="store_true", help=f"put the result into {PAGE.name} too")
    chosen = parser.parse_args(argv)
    os.environ["CUPY_TF32"] = "1" if chosen.tf32 else "0"  # read when CuPy makes its first product
    reason = unavailable()
    if reason:
        return f"rnn_cuda: nothing measured: {reason}"
    import cupy
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = chosen.tf32
    lines = [] if chosen.only else building_blocks(cupy, chosen.quick)
    lines += ["", "| case | minigrad, µs | cuDNN, µs | minigrad / cuDNN |", "|---|---|---|---|"]
    for case in CASES:
        parts = [part for part in ("forward", "train") if chosen.only in f"{case}, {part}"]
        ours, theirs = (Ours(case), CuDNN(case)) if parts else (None, None)
        for part in parts:
            runs = {"minigrad": getattr(ours, part), "cuDNN": getattr(theirs, part)}
            agree(f"{case}, {part}", runs["minigrad"](), runs["cuDNN"](), 2e-2 if chosen.tf32 else 1e-3)
            times = compare(cupy, runs, chosen.quick)
            ratio = statistics.median(a / b for a, b in zip(times["minigrad"], times["cuDNN"]))
            medians = f"{microseconds(times['minigrad'])} | {microseconds(times['cuDNN'])}"
            lines.append(f"| {case}, {part} | {medians} | {ratio:.2f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    allowed = "allowed, except in our recurrent products" if chosen.tf32 else "off on both sides"
    versions = f"cupy {cupy.__version__}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}"
    lines += ["", f"{name}; TF32 {allowed}; {versions}."]
    text = "\n".join(lines)
    print(text)
    if chosen.write:
        page, begin, end = PAGE.read_text(encoding="utf-8"), f"<!-- {MARK} -->\n", f"<!-- end {MARK} -->"
        before, rest = page.split(begin)
        PAGE.write_text(f"{before}{begin}{text}\n{end}{rest.split(end)[1]}", encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main())
