"""Whole recurrent layers: inference, training with and without a gradient to the input, and the memory it takes.

    python benchmarks/rnn.py [--threads N] [--quick] [--only TEXT] [--write]

Time comes first in all inputs; numbers are float32 unless the case says otherwise. `forward` records nothing; `train`
is forward and the backward pass of out.sum() to the weights, `train with dx` to the input as well. All libraries
compute from the same weights and must agree before they are timed. The memory of training is the peak of a process of
its own, less what it had before the first step.
"""

import importlib.util
import json
import math
import subprocess
import sys
from typing import NamedTuple

import measure

# --memory LIBRARY CASE: this process trains once for another one of the same program, and tells what memory it took.
MEMORY = sys.argv[2:4] if sys.argv[1:2] == ["--memory"] else None
CHOSEN = measure.options(__doc__, sys.argv[4:] if MEMORY else None)

import numpy as np  # noqa: E402, after the number of threads is set
import peers  # noqa: E402


class Case(NamedTuple):
    """One layer stack and the sequence it reads."""

    kind: str
    input_size: int
    hidden_size: int
    layers: int
    steps: int
    batch: int
    bidirectional: bool = False
    form: str = ""  # "packed": sequences of all lengths; "cell": a cell in a loop
    dtype: str = "float32"

    def __str__(self):
        stack = f", {self.layers}" if self.layers > 1 else ""
        both = "bidirectional " if self.bidirectional else ""
        name = f"{both}{self.kind}{'Cell' if self.form == 'cell' else ''}"
        rest = f"{', packed' if self.form == 'packed' else ''}{', float64' if self.dtype == 'float64' else ''}"
        return f"{name}({self.input_size}, {self.hidden_size}{stack}), {self.steps}x{self.batch}{rest}"

    def weights(self):
        """PyTorch's parameters by name, drawn as PyTorch draws them."""
        rng, gates = np.random.default_rng(0), {"RNN": 1, "GRU": 3, "LSTM": 4}[self.kind]
        rows, found = gates * self.hidden_size, {}
        for layer in range(self.layers):
            width = self.hidden_size * (1 + self.bidirectional) if layer else self.input_size
            for suffix in (f"l{layer}", f"l{layer}_reverse")[: 1 + self.bidirectional]:
                sizes = {
                    "weight_ih": (rows, width),
                    "weight_hh": (rows, self.hidden_size),
                    "bias_ih": (rows,),
                    "bias_hh": (rows,),
                }
                for name, size in sizes.items():
                    bound = 1 / math.sqrt(self.hidden_size)
                    found[f"{name}_{suffix}"] = rng.uniform(-bound, bound, size).astype(self.dtype)
        return found

    def input(self):
        return np.random.default_rng(1).standard_normal((self.steps, self.batch, self.input_size), self.dtype)

    def lengths(self):
        """The lengths of packed sequences: evenly from all steps down to one."""
        return np.linspace(self.steps, 1, self.batch).round().astype(int).tolist()


CASES = [
    Case("RNN", 100, 200, 1, 6, 5),
    Case("LSTM", 50, 100, 2, 10, 3),
    Case("GRU", 10, 20, 1, 3, 32),
    Case("LSTM", 1, 4, 1, 12, 1),
    Case("LSTM", 2, 4, 2, 100, 1),
    Case("GRU", 128, 128, 2, 50, 1),
    Case("RNN", 128, 128, 1, 50, 32),
    Case("LSTM", 128, 256, 2, 50, 32),
    Case("LSTM", 200, 200, 2, 35, 20),
    Case("LSTM", 28, 100, 2, 28, 64),
    Case("GRU", 512, 512, 2, 48, 128),
    Case("LSTM", 1024, 1024, 1, 50, 64),
    Case("LSTM", 128, 128, 1, 50, 32, bidirectional=True),
    Case("LSTM", 64, 64, 1, 1000, 1),
    Case("LSTM", 256, 256, 1, 100, 64),
    Case("GRU", 128, 128, 1, 50, 32, form="packed"),
    Case("RNN", 128, 128, 1, 50, 32, form="packed"),
    Case("LSTM", 64, 64, 1, 100, 16, form="cell"),
    Case("GRU", 64, 64, 1, 100, 16, form="cell"),
    Case("RNN", 64, 64, 1, 100, 16, form="cell"),
    Case("LSTM", 128, 128, 1, 50, 32, dtype="float64"),
]
PARTS = {"forward": "forward", "train": "train", "train_input": "train with dx"}


def agree(case, found):
    """Stop unless all libraries computed the same: outputs, and the gradients of all weights."""
    wanted = found["minigrad"]
    for name, got in found.items():
        for part, array in got.items():
            scale = max(1.0, float(np.abs(wanted[part]).max()))
            error = float(np.abs(np.asarray(array) - wanted[part]).max()) / scale
            if not error < 1e-3:
                raise SystemExit(
                    f"{case}: {part} of {name} differs from minigrad's by {error:.1e} of its largest element"
                )


def memory_of(library, number):
    """Peak memory in bytes of two training steps of a case, in this process."""
    case = CASES[int(number)]
    peer = getattr(peers, library)(case, case.weights(), case.input(), CHOSEN.threads)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew
    before = _status("VmRSS")
    for _ in range(2):
        peer.train()
    return _status("VmHWM") - before


def _status(name):
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))


def memory_table():
    """The peak memory of training, for the cases whose states alone are 200,000 numbers or more."""
    table = measure.Table(["minigrad", "torch"])
    for number, case in enumerate(CASES):
        title = f"{case}, peak memory of training"
        numbers = case.steps * case.batch * case.hidden_size * case.layers * (1 + case.bidirectional)
        if numbers < 200_000 or case.form == "cell" or CHOSEN.only not in title:
            continue
        found = []
        for library in ("Minigrad", "Torch"):
            command = [sys.executable, __file__, "--memory", library, str(number), "--threads", str(CHOSEN.threads)]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        ours, theirs = found
        table.row([title, f"{ours / 1e6:.1f} MB", f"{theirs / 1e6:.1f} MB", f"{ours / theirs:.2f}"])
    return table


def main():
    libraries = {"minigrad": peers.Minigrad}
    for name, peer in (("torch", peers.Torch), ("jax", peers.Jax), ("onnxruntime", peers.OnnxRuntime)):
        if all(importlib.util.find_spec(module) for module in peer.needs):
            libraries[name] = peer
    table = measure.Table(libraries)
    for case in CASES:
        titles = {part: f"{case}, {words}" for part, words in PARTS.items()}
        chosen = [part for part, title in titles.items() if CHOSEN.only in title]
        if not chosen:
            continue
        made = {
            name: library(case, case.weights(), case.input(), CHOSEN.threads)
            for name, library in libraries.items()
            if library.takes(case)
        }
        for part in chosen:
            able = {name: peer for name, peer in made.items() if hasattr(peer, part)}
            agree(case, {name: peer.result(part) for name, peer in able.items()})
            table.add(titles[part], measure.compare({n: getattr(p, part) for n, p in able.items()}, CHOSEN.quick))
    measure.report("rnn", table, CHOSEN)
    if "torch" in libraries and sys.platform == "linux":
        memory = memory_table()
        if len(memory.lines) > 2:  # none of the cases chosen has one
            measure.report("rnn_memory", memory, CHOSEN)


if __name__ == "__main__":
    if MEMORY:
        print(json.dumps(memory_of(*MEMORY)))
    else:
        main()
