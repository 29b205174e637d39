"""Writes nn.json: what PyTorch 2.13 computes where its definitions and PyTorch 0.3's agree.

    python tests/golden/make_nn.py

- initial: first weights of layers under one seed (float32, as bits).
- paths: parameters of a small tanh network after 1, 10 and 100 steps of each optimizer (float64), and how far they
  move when the start moves by 1e-13 of itself: some paths amplify rounding. Where a default changed since 0.3, the
  value of 0.3 is given explicitly.
"""

import json
import math
import pathlib

import numpy as np
import torch

SEED = 137
LAYERS = {
    "Linear(5, 3)": lambda: torch.nn.Linear(5, 3),
    "Linear(100, 40)": lambda: torch.nn.Linear(100, 40),
    "Linear(7, 2, bias=False)": lambda: torch.nn.Linear(7, 2, bias=False),
    "Bilinear(3, 4, 5)": lambda: torch.nn.Bilinear(3, 4, 5),
    "Embedding(10, 3)": lambda: torch.nn.Embedding(10, 3),
    "Embedding(2, 3, padding_idx=1)": lambda: torch.nn.Embedding(2, 3, padding_idx=1),
    "EmbeddingBag(5, 4)": lambda: torch.nn.EmbeddingBag(5, 4),
    "PReLU(3)": lambda: torch.nn.PReLU(3),
    "BatchNorm1d(3)": lambda: torch.nn.BatchNorm1d(3),
}
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.01}),
    ("Adadelta", {"lr": 1.0, "weight_decay": 0.01}),
    ("Adamax", {"lr": 0.02, "weight_decay": 0.01}),
    ("RMSprop", {"lr": 0.01, "eps": 0.02, "weight_decay": 0.01}),
    ("RMSprop", {"lr": 0.01, "eps": 0.02, "momentum": 0.5}),
    ("RMSprop", {"lr": 0.01, "eps": 0.02, "momentum": 0.5, "centered": True}),
    ("ASGD", {"lr": 0.1, "t0": 20, "weight_decay": 0.01}),
    ("Rprop", {"lr": 0.01}),
    ("LBFGS", {"lr": 0.5, "max_iter": 4, "tolerance_grad": 0.0, "history_size": 5}),
]
STEPS = (1, 10, 100)


def network():
    """The numbers of the problem: two weights, two biases, inputs and targets."""
    rng = np.random.default_rng(0)
    w1, b1, w2, b2 = rng.normal(size=(6, 3)), rng.normal(size=6), rng.normal(size=(2, 6)), rng.normal(size=2)
    return [w1, b1, w2, b2], rng.normal(size=(8, 3)), rng.normal(size=(8, 2))


def path(name, options, shift=0.0):
    start, x, y = network()
    parameters = [torch.nn.Parameter(torch.tensor(p * (1 + shift))) for p in start]
    w1, b1, w2, b2 = parameters
    x, y = torch.tensor(x), torch.tensor(y)
    optimizer = getattr(torch.optim, name)(parameters, **options)

    def closure():
        optimizer.zero_grad()
        out = torch.tanh(x @ w1.t() + b1) @ w2.t() + b2
        loss = ((out - y) ** 2).mean()
        loss.backward()
        return loss

    seen = {}
    for k in range(1, STEPS[-1] + 1):
        loss = optimizer.step(closure)
        if k in STEPS:
            seen[k] = {"loss": loss.item(), "parameters": [p.tolist() for p in parameters]}
    assert math.isfinite(loss.item())
    return seen


def path_and_spread(name, options):
    seen, shifted = path(name, options), path(name, options, 1e-13)
    for k, entry in seen.items():
        pairs = zip(entry["parameters"], shifted[k]["parameters"])
        entry["spread"] = max(float(np.abs(np.subtract(p, q)).max()) for p, q in pairs)
    # A point that rounding alone moves far is no evidence.
    return {k: entry for k, entry in seen.items() if entry["spread"] < 1e-8}


def initial(make):
    torch.manual_seed(SEED)
    return {name: p.detach().numpy().view(np.int32).tolist() for name, p in make().named_parameters()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    initial_values = {text: initial(make) for text, make in LAYERS.items()}
    torch.set_default_dtype(torch.float64)  # ASGD keeps its step size in the default type
    start, x, y = network()
    result = {
        "torch": torch.__version__,
        "seed": SEED,
        "initial": initial_values,
        "network": {"parameters": [p.tolist() for p in start], "x": x.tolist(), "y": y.tolist()},
        "paths": [{"optimizer": n, "options": o, "after": path_and_spread(n, o)} for n, o in OPTIMIZERS],
    }
    pathlib.Path(__file__).with_name("nn.json").write_text(json.dumps(result) + "\n")
