"""A cell and a derivative of your own: written, proven by finite differences, then trained beside the built-in LSTM.

    python examples/own_cell.py [--hidden 16] [--length 40] [--epochs 20] [--checkpoint PATH]

Two cells go through `nn.RNNFromCell`, which makes full layers of them:

- an LSTM with peepholes, whose gates see the memory (Gers, Schraudolph and Schmidhuber, "Learning Precise Timing with
  LSTM Recurrent Networks", JMLR 3, 2002);
- an LSTM with layer normalisation (Ba, Kiros and Hinton, "Layer Normalization", 2016), where the normalisation is an
  autograd Function with a hand-written derivative.

The task is theirs: to tell the time between two events. A spike comes, and after a pause another one; at the second one
the network says how long the pause was, as a share of the longest. The baseline says the mean pause each time.
"""

import common
import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Function, Variable, gradcheck
from minigrad.nn import functional as F
from minigrad.testing import check_gradients

STEPS, BATCH, TEST, RATE = 25, 32, 512, 0.01  # steps an epoch, sequences a step, sequences of the test, learning rate


class Normalise(Function):
    """y = (x - mean(x)) / sqrt(var(x) + eps) along the last dimension.

    With y and the gradient g from above, s = sqrt(var(x) + eps), and means along the last dimension:

        dL/dx = (g - mean(g) - y mean(g y)) / s
    """

    @staticmethod
    def forward(ctx, x, eps=1e-5):
        centred = x - x.mean(-1, keepdim=True)
        s = (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt()
        ctx.save_for_backward(x)
        ctx.eps = eps
        return centred / s

    @staticmethod
    def backward(ctx, grad):
        # Computed anew from x, as Variables: so this derivative can be differentiated once more.
        (x,) = ctx.saved_variables
        centred = x - x.mean(-1, keepdim=True)
        s = (centred.pow(2).mean(-1, keepdim=True) + ctx.eps).sqrt()
        y = centred / s
        return (grad - grad.mean(-1, keepdim=True) - y * (grad * y).mean(-1, keepdim=True)) / s, None


class Wrong(Normalise):
    """The derivative with its last term forgotten: the mistake that a check of gradients is there to find."""

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_variables
        centred = x - x.mean(-1, keepdim=True)
        s = (centred.pow(2).mean(-1, keepdim=True) + ctx.eps).sqrt()
        return (grad - grad.mean(-1, keepdim=True)) / s, None


class PeepholeLSTMCell(nn.Module):
    """i, f = sigmoid(W [x, h] + b + p * c),  c' = f c + i tanh(W [x, h] + b),  o = sigmoid(W [x, h] + b + p * c'),
    h' = o tanh(c'), with a vector p for each gate."""

    states = 2  # h and c: RNNFromCell keeps a tuple

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.linear = nn.Linear(input_size + hidden_size, 4 * hidden_size)
        self.peepholes = nn.Parameter(torch.zeros(3, hidden_size))
        self.linear.bias.data[hidden_size : 2 * hidden_size] = 1  # the forget gate starts open

    def forward(self, x, state):
        h, c = state
        i, f, g, o = self.linear(torch.cat([x, h], 1)).chunk(4, 1)
        i = F.sigmoid(i + self.peepholes[0] * c)
        f = F.sigmoid(f + self.peepholes[1] * c)
        c = f * c + i * F.tanh(g)
        o = F.sigmoid(o + self.peepholes[2] * c)
        return o * F.tanh(c), c


class NormLSTMCell(nn.Module):
    """The LSTM whose gates and output see normalised values: N(z) = gain * (z - mean) / deviation + bias.

    i, f, g, o = N(W x) + N(U h),  c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(N(c'))
    """

    states = 2

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.weight_x = nn.Linear(input_size, 4 * hidden_size, bias=False)
        self.weight_h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.gain_x = nn.Parameter(torch.ones(4 * hidden_size))
        self.gain_h = nn.Parameter(torch.ones(4 * hidden_size))
        self.gain_c = nn.Parameter(torch.ones(hidden_size))
        # Random, so that the memory is never constant: near a constant vector the normalisation multiplies the gradient
        # by up to 1 / sqrt(eps), at every step, and overflows.
        self.bias = nn.Parameter(torch.randn(4 * hidden_size))
        self.bias_c = nn.Parameter(torch.zeros(hidden_size))
        self.bias.data[hidden_size : 2 * hidden_size] += 1

    def forward(self, x, state):
        h, c = state
        z = (
            Normalise.apply(self.weight_x(x)) * self.gain_x
            + Normalise.apply(self.weight_h(h)) * self.gain_h
            + self.bias
        )
        i, f, g, o = z.chunk(4, 1)
        c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
        return F.sigmoid(o) * F.tanh(Normalise.apply(c) * self.gain_c + self.bias_c), c


LAYERS = {
    "LSTM": lambda hidden: nn.LSTM(1, hidden),
    "peephole LSTM": lambda hidden: nn.RNNFromCell(PeepholeLSTMCell, 1, hidden),
    "normalised LSTM": lambda hidden: nn.RNNFromCell(NormLSTMCell, 1, hidden),
}
COLOURS = {"LSTM": "#8c959f", "peephole LSTM": "#0969da", "normalised LSTM": "#1a7f37"}


class Timer(nn.Module):
    """A layer reads the spikes; a linear layer says from its last output how long the pause was."""

    def __init__(self, layer, hidden_size):
        super().__init__()
        self.layer = layer
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x):
        return self.head(self.layer(x)[0][-1])


def batch(rng, length, size):
    """Spikes (length, size, 1), the second one always last, and the pauses (size, 1) as shares of `length`."""
    pause = rng.integers(1, length, size)
    x = np.zeros((length, size, 1), np.float32)
    x[-1] = 1
    x[length - 1 - pause, np.arange(size)] = 1
    return x, (pause / length).astype(np.float32)[:, np.newaxis]


def inputs(rng, *sizes):
    return [Variable(torch.from_numpy(rng.standard_normal(size)), requires_grad=True) for size in sizes]


def prove(rng):
    """Compare every derivative written here with finite differences; what was proven, as lines of text."""
    (x,) = inputs(rng, (3, 5))
    gradcheck(Normalise.apply, (x,))  # every entry of the Jacobian
    check_gradients(Normalise.apply, [x], order=2, rng=rng)  # the derivative's own derivative, too
    yield "Normalise: first and second derivative agree with finite differences"
    try:
        gradcheck(Wrong.apply, (x,))
    except RuntimeError:
        yield "Wrong: refused, as it must be"
    else:
        raise RuntimeError("gradcheck accepted a derivative that is wrong")
    for cell in (PeepholeLSTMCell(4, 3).double(), NormLSTMCell(4, 3).double()):
        given = inputs(rng, (2, 4), (2, 3), (2, 3))
        for parameter in cell.parameters():  # zeros and ones would hide mistakes
            parameter.data.add_(torch.from_numpy(0.3 * rng.standard_normal(tuple(parameter.size()))))
        names = [name for name, _ in cell.named_parameters()]

        def step(x, h, c, *parameters, cell=cell, names=names):
            for name, value in zip(names, parameters):
                module, _, last = name.rpartition(".")
                (getattr(cell, module) if module else cell)._parameters[last] = value
            return cell(x, (h, c))

        weights = [Variable(p.data, requires_grad=True) for p in cell.parameters()]
        check_gradients(step, [*given, *weights], order=2, rng=rng)
        yield f"{type(cell).__name__}: both derivatives agree, by {len(given)} inputs and {len(names)} parameters"


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=20, out="own-cell.png")
    parser.add_argument("--hidden", type=common.count, default=16, help="hidden size of each network")
    parser.add_argument("--length", type=common.count, default=40, help="steps of a sequence, the longest pause")
    options = common.parse(parser, argv)
    if options.length < 2:
        parser.error(f"--length: expected at least 2, got {options.length}")
    for line in prove(common.generator(options, 3)):
        print(line)

    def variables(size, *numbers):
        made = batch(common.generator(options, *numbers), options.length, size)
        return [Variable(common.placed(torch.from_numpy(array), options)) for array in made]

    networks, parts = {}, {}
    for name, layer in LAYERS.items():
        torch.manual_seed(options.seed)
        networks[name] = parts[name] = common.placed(Timer(layer(options.hidden), options.hidden), options)
        parts[f"{name} optimizer"] = optim.Adam(networks[name].parameters(), lr=RATE)

    def epoch(k):
        losses = dict.fromkeys(networks, 0.0)
        for step in range(STEPS):
            x, target = variables(BATCH, 0, k, step)
            for name, network in networks.items():
                optimizer = parts[f"{name} optimizer"]
                optimizer.zero_grad()
                loss = F.mse_loss(network(x), target)
                loss.backward()
                nn.utils.clip_grad_norm(network.parameters(), 1)
                optimizer.step()
                losses[name] += loss.data[0] / STEPS
        return losses

    history = common.train(parts, epoch, options, fixed=("hidden", "length"))

    x, target = variables(TEST, 1)
    x.volatile = target.volatile = True
    errors = {name: options.length * F.mse_loss(n(x), target).data[0] ** 0.5 for name, n in networks.items()}
    errors["the mean pause"] = options.length * target.data.std()
    print(
        f"Telling the time between two events; root mean squared error in steps, pauses of 1 to {options.length - 1}:"
    )
    for name, error in errors.items():
        print(f"  {name:18}{error:7.2f}")
    draw(options, history, errors["the mean pause"])
    return errors


def draw(options, history, baseline):
    figure = common.figure(7, 4.2)
    if figure is None:
        return
    axes, steps = figure.subplots(), [STEPS * (k + 1) for k in range(len(history))]
    for name, colour in COLOURS.items():
        axes.plot(steps, [options.length * h[name] ** 0.5 for h in history], color=colour, label=name)
    axes.axhline(baseline, color="#cf222e", linestyle="--", linewidth=1, label="the mean pause")
    axes.set(xlabel="training step", ylabel="error, steps", yscale="log", title="Telling the time between two events")
    axes.legend()
    axes.grid(alpha=0.25)
    common.save_figure(figure, options.out)


if __name__ == "__main__":
    main()
