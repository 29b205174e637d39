"""Long memory: where a plain recurrent network fails and gated cells succeed, and the gradients that say why.

    python examples/adding_problem.py [--task adding|copy] [--length 100] [--hidden 32] [--epochs 40] [--seed 0]

The adding problem (Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997): each of the
`length` steps shows a number of [0, 1] and a mark; two steps are marked, and after the last step the network says the
sum of the two marked numbers. Who knows nothing says 1, and is wrong by 1/6 in the mean square.

The copy problem (Arjovsky, Shah and Bengio, "Unitary Evolution Recurrent Neural Networks", ICML 2016): three symbols
out of eight, then `length` blanks and a signal, then the symbols must be said again. Who knows nothing pays log 8 nats
a symbol.

IRNN is the plain network with relu, started at the identity (Le, Jaitly and Hinton, "A Simple Way to Initialize
Recurrent Networks of Rectified Linear Units", 2015).
"""

import math

import common
import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.nn import functional as F

STEPS, BATCH, TEST = 50, 64, 512  # steps an epoch, sequences a step, sequences of the test
SYMBOLS, COPIED = 8, 3
KINDS = {"RNN": 0.003, "IRNN": 0.001, "LSTM": 0.01, "GRU": 0.01}  # learning rates
COLOURS = {"RNN": "#cf222e", "IRNN": "#bf8700", "LSTM": "#0969da", "GRU": "#1a7f37"}


class Adding:
    """Sequences (length, batch, 2) of numbers and marks, and the sums (batch, 1) of the marked numbers."""

    inputs, outputs, unit, baseline = 2, 1, "mean squared error", 1 / 6
    keeping = {"LSTM": 1}  # initial biases of the gates that keep the state

    def batch(self, rng, length, size):
        values, marks = rng.random((length, size), np.float32), np.zeros((length, size), np.float32)
        column = np.arange(size)
        marks[rng.integers(0, length // 2, size), column] = 1
        marks[rng.integers(length // 2, length, size), column] = 1
        return np.stack([values, marks], 2), (values * marks).sum(0)[:, np.newaxis]

    def said(self, head, outputs):
        return head(outputs[-1])

    def loss(self, said, target):
        return F.mse_loss(said, target)


class Copying:
    """One-hot sequences (length + 6, batch, 10): symbols, blanks, a signal, blanks; and the symbols (3 * batch)."""

    inputs, outputs, unit, baseline = SYMBOLS + 2, SYMBOLS, "nats a symbol", math.log(SYMBOLS)
    keeping = {"LSTM": 4, "GRU": 4}

    def batch(self, rng, length, size):
        symbols = rng.integers(0, SYMBOLS, (COPIED, size))
        shown = np.full((length + 2 * COPIED, size), SYMBOLS)
        shown[:COPIED] = symbols
        shown[length + COPIED - 1] = SYMBOLS + 1
        return np.eye(SYMBOLS + 2, dtype=np.float32)[shown], symbols.reshape(-1)

    def said(self, head, outputs):
        return torch.cat([head(outputs[k]) for k in range(-COPIED, 0)])

    def loss(self, said, target):
        return F.cross_entropy(said, target)


TASKS = {"adding": Adding(), "copy": Copying()}


class Network(nn.Module):
    """A recurrent layer, and a linear layer that reads its outputs where the task wants an answer."""

    def __init__(self, kind, task, hidden_size):
        super().__init__()
        self.kind, self.task = kind, task
        if kind == "IRNN":
            self.layer = nn.RNN(task.inputs, hidden_size, nonlinearity="relu")
            nn.init.eye(self.layer.weight_hh_l0)
            nn.init.normal(self.layer.weight_ih_l0, std=0.03)
            nn.init.constant(self.layer.bias_ih_l0, 0)
            nn.init.constant(self.layer.bias_hh_l0, 0)
        else:
            self.layer = getattr(nn, kind)(task.inputs, hidden_size)
        if kind in task.keeping:  # the second of the gates decides how much of the state is kept
            self.layer.bias_ih_l0.data[hidden_size : 2 * hidden_size] = task.keeping[kind]
        self.head = nn.Linear(hidden_size, task.outputs)

    def forward(self, x):
        return self.task.said(self.head, self.layer(x)[0])

    def gradients(self, x, target):
        """How much the loss depends on the state after each step: the norms of dL/d(state), averaged over the batch.

        The cell goes step by step here, so that every state is a Variable of its own that a hook can be hung on; the
        state of the LSTM is the pair (h, c).
        """
        layer, size = self.layer, self.layer.hidden_size
        options = {"nonlinearity": "relu"} if self.kind == "IRNN" else {}
        cell = getattr(nn, "RNNCell" if self.kind == "IRNN" else f"{self.kind}Cell")(layer.input_size, size, **options)
        for name, parameter in cell.named_parameters():
            parameter.data = getattr(layer, f"{name}_l0").data
        zero = Variable(x.data.new(x.size(1), size).zero_())
        state, outputs, squares = (zero, zero) if self.kind == "LSTM" else zero, [], []
        for step in x:
            state = cell(step, state)
            parts = state if isinstance(state, tuple) else (state,)
            squares.append(torch.zeros(x.size(1)))
            for part in parts:
                part.register_hook(adding_to(squares[-1]))
            outputs.append(parts[0])
        # The sum over the batch, so that the gradient of one sequence does not depend on how many there are.
        loss = self.task.loss(self.task.said(self.head, outputs), target) * x.size(1)
        loss.backward()
        self.zero_grad()
        return [float(square.sqrt().mean()) for square in squares]


def adding_to(squares):
    """A hook that adds the squared norm of each sequence's gradient to `squares`."""

    def hook(grad):  # returns nothing, so that the gradient goes on unchanged
        squares.add_(grad.data.cpu().pow(2).sum(1))

    return hook


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=40, out="adding-problem.png")
    parser.add_argument("--task", choices=list(TASKS), default="adding", help="what to remember")
    parser.add_argument("--length", type=common.count, help="how long to remember (default: 100, copy 40)")
    parser.add_argument("--hidden", type=common.count, default=32, help="hidden size of each network")
    options = common.parse(parser, argv)
    options.length = options.length or {"adding": 100, "copy": 40}[options.task]
    if options.length < 2:
        parser.error(f"--length: expected at least 2, got {options.length}")
    task = TASKS[options.task]

    def variables(size, *numbers):
        made = task.batch(common.generator(options, *numbers), options.length, size)
        return [Variable(common.placed(torch.from_numpy(array), options)) for array in made]

    networks, parts = {}, {}
    for kind, rate in KINDS.items():
        torch.manual_seed(options.seed)
        networks[kind] = common.placed(Network(kind, task, options.hidden), options)
        parts[kind] = networks[kind]
        parts[f"{kind} optimizer"] = optim.Adam(networks[kind].parameters(), lr=rate)
    few = variables(BATCH, 2)
    before = {kind: network.gradients(*few) for kind, network in networks.items()}

    def epoch(k):
        losses = dict.fromkeys(KINDS, 0.0)
        for step in range(STEPS):
            x, target = variables(BATCH, 0, k, step)  # all networks see the same sequences
            for kind, network in networks.items():
                optimizer = parts[f"{kind} optimizer"]
                optimizer.zero_grad()
                loss = task.loss(network(x), target)
                loss.backward()
                nn.utils.clip_grad_norm(network.parameters(), 1)
                optimizer.step()
                losses[kind] += loss.data[0] / STEPS
        return losses

    history = common.train(parts, epoch, options, fixed=("task", "length", "hidden"))

    x, target = variables(TEST, 1)
    x.volatile = target.volatile = True
    errors = {kind: task.loss(network(x), target).data[0] for kind, network in networks.items()}
    print(f"The {options.task} problem over {options.length} steps; {task.unit} on new sequences:")
    for name, error in (*errors.items(), ("knowing nothing", task.baseline)):
        print(f"  {name:18}{error:8.4f}")
    draw(
        options, task, history, {"at the start": before, "trained": {k: n.gradients(*few) for k, n in networks.items()}}
    )
    return errors


def draw(options, task, history, gradients):
    """Losses while learning, and beside them how much of the gradient reaches each time step."""
    figure = common.figure(13, 4.2)
    if figure is None:
        return
    left, *right = figure.subplots(1, 3)
    for kind, colour in COLOURS.items():
        steps = [STEPS * (k + 1) for k in range(len(history))]
        left.plot(steps, [losses[kind] for losses in history], color=colour, label=kind)
    left.axhline(task.baseline, color="#8c959f", linestyle="--", linewidth=1, label="knowing nothing")
    left.set(xlabel="training step", ylabel=task.unit, yscale="log", title=f"The {options.task} problem")
    for axes, (when, norms) in zip(right, gradients.items()):
        for kind, colour in COLOURS.items():
            values = np.array(norms[kind])
            axes.plot(np.arange(1, len(values) + 1), np.where(values > 0, values, np.nan), color=colour, label=kind)
        axes.set(xlabel="time step t", ylabel="norm of dL / d(state at t)", yscale="log", title=f"Gradient, {when}")
    low = min(axes.get_ylim()[0] for axes in right)
    for axes in (left, *right):
        axes.grid(alpha=0.25)
    right[-1].legend(*left.get_legend_handles_labels(), fontsize=9, loc="lower right")
    for axes in right:
        axes.set_ylim(max(low, 1e-20), max(a.get_ylim()[1] for a in right))
    common.save_figure(figure, options.out)


if __name__ == "__main__":
    main()
