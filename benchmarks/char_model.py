"""Training the character model of examples/char_model.py, beside PyTorch: same text, weights, steps, threads.

    python benchmarks/char_model.py [--threads N] [--quick] [--only TEXT] [--write]

A step is all that training does: cut the next window from the text, embedding, LSTM, linear layer, cross entropy,
backward, clip the gradients to norm 1, Adam. Before anything is timed, both must come to the same loss and gradients in
the first step. (In later ones Adam makes a full step of what is rounding error where a gradient is nearly zero.)
"""

import sys
from pathlib import Path

import measure

CHOSEN = measure.options(__doc__)

import numpy as np  # noqa: E402, after the number of threads is set

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import char_model  # noqa: E402

CASES = [(64, 16), (192, 32), (512, 64)]  # hidden size, batch


def minigrad_step(text, characters, hidden_size):
    """The initial weights by name, a function that does a step and returns the loss, and the parameters by name."""
    import minigrad as torch
    from minigrad import nn, optim
    from minigrad.autograd import Variable
    from minigrad.nn import functional as F

    torch.manual_seed(0)
    torch.set_num_threads(CHOSEN.threads)
    model = char_model.CharModel(characters, hidden_size)
    weights = {name: p.data.numpy().copy() for name, p in model.named_parameters()}
    optimizer = optim.Adam(model.parameters(), lr=char_model.RATE)
    state, windows = None, endless(text)

    def step():
        nonlocal state
        x, y = (Variable(torch.from_numpy(a)) for a in next(windows))
        scores, state = model(x, state)
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        loss = F.cross_entropy(scores, y)
        loss.backward()
        nn.utils.clip_grad_norm(model.parameters(), 1)
        optimizer.step()
        return loss.data[0]

    return weights, step, dict(model.named_parameters())


def torch_step(text, weights, hidden_size):
    """The step and the parameters in today's PyTorch, as its users write it."""
    import torch
    from torch import nn

    torch.set_num_threads(CHOSEN.threads)
    characters, width = weights["embedding.weight"].shape
    model = nn.ModuleDict(
        {"embedding": nn.Embedding(characters, width), "lstm": nn.LSTM(width, hidden_size),
         "head": nn.Linear(hidden_size, characters)}
    )  # fmt: skip
    model.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
    optimizer = torch.optim.Adam(model.parameters(), lr=char_model.RATE)
    state, windows = None, endless(text)

    def step():
        nonlocal state
        x, y = (torch.from_numpy(a) for a in next(windows))
        outputs, state = model["lstm"](model["embedding"](x), state)
        state = tuple(part.detach() for part in state)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model["head"](outputs.view(-1, hidden_size)), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        return loss.item()

    return step, dict(model.named_parameters())


def endless(text):
    while True:
        yield from char_model.windows(text, char_model.STEPS)


def main():
    train, _ = char_model.texts()
    characters = sorted(set(train))
    index = {c: k for k, c in enumerate(characters)}
    numbers = np.array([index[c] for c in train])
    table = measure.Table(["minigrad", "torch"])
    for hidden_size, batch in CASES:
        title = f"LSTM({hidden_size}), {char_model.STEPS}x{batch}"
        if CHOSEN.only not in title:
            continue
        text = char_model.columns(numbers, batch)
        weights, ours, parameters = minigrad_step(text, len(characters), hidden_size)
        theirs, others = torch_step(text, weights, hidden_size)
        found = {"loss": (np.array(ours()), np.array(theirs()))}
        found.update({name: (p.grad.data.numpy(), others[name].grad.numpy()) for name, p in parameters.items()})
        for name, (a, b) in found.items():
            error = float(np.abs(a - b).max() / np.abs(b).max())
            if not error < 1e-4:
                raise SystemExit(f"{title}: {name} differs from PyTorch's by {error:.1e} of its largest element")
        runs = {"minigrad": ours, "torch": theirs}
        table.add(title, measure.compare(runs, CHOSEN.quick))
    measure.report("char_model", table, CHOSEN)


if __name__ == "__main__":
    main()
