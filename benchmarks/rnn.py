"""Whole recurrent layers: inference, and training without a gradient to the input.

    python benchmarks/rnn.py [--threads N] [--quick] [--only TEXT] [--write]

Everything is float32, time first. `forward` records nothing; `train` is forward and the backward pass of out.sum() to
the weights. All libraries compute from the same weights and must agree before they are timed.
"""

import importlib.util
import math
from typing import NamedTuple

import measure

CHOSEN = measure.options(__doc__)

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

    def __str__(self):
        stack = f", {self.layers}" if self.layers > 1 else ""
        both = "bidirectional " if self.bidirectional else ""
        return f"{both}{self.kind}({self.input_size}, {self.hidden_size}{stack}), {self.steps}x{self.batch}"

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
                    found[f"{name}_{suffix}"] = rng.uniform(-bound, bound, size).astype(np.float32)
        return found

    def input(self):
        return np.random.default_rng(1).standard_normal((self.steps, self.batch, self.input_size), np.float32)


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
]


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


def main():
    libraries = {"minigrad": peers.Minigrad}
    for name, peer in (("torch", peers.Torch), ("jax", peers.Jax), ("onnxruntime", peers.OnnxRuntime)):
        if all(importlib.util.find_spec(module) for module in peer.needs):
            libraries[name] = peer
    table = measure.Table(libraries)
    for case in CASES:
        made = {
            name: library(case, case.weights(), case.input(), CHOSEN.threads) for name, library in libraries.items()
        }
        for part in ("forward", "train"):
            title = f"{case}, {part}"
            if CHOSEN.only not in title:
                continue
            runs = {name: getattr(peer, part) for name, peer in made.items() if hasattr(peer, part)}
            agree(case, {name: peer.result(part) for name, peer in made.items() if hasattr(peer, part)})
            table.add(title, measure.compare(runs, CHOSEN.quick))
    measure.report("rnn", table, CHOSEN)


if __name__ == "__main__":
    main()
