"""Handwritten digits, read row by row: a plain recurrent network, an LSTM and a GRU side by side.

    python examples/digits.py [--hidden 64] [--epochs 30] [--seed 0] [--device cpu] [--checkpoint PATH]

The 1797 images of 8 by 8 pixels that come with scikit-learn are sequences here: eight steps, one row of eight pixels at
each. After the last row the network says which digit it was. The images are cut into five parts; five times a network
learns from four parts and is asked about the fifth, so that every image is read once by a network that has not seen it.

The baselines see all 64 pixels at once, in the same five parts: the nearest of the ten mean images, and logistic
regression.
"""

import math

import common
import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.nn import functional as F

FOLDS, BATCH, RATE = 5, 32, 0.005
KINDS = ("RNN", "LSTM", "GRU")
COLOURS = {"RNN": "#cf222e", "LSTM": "#0969da", "GRU": "#1a7f37"}


class Reader(nn.Module):
    """Scores of the ten digits, from a recurrent layer's output after the last row."""

    def __init__(self, kind, hidden_size):
        super().__init__()
        self.layer = getattr(nn, kind)(8, hidden_size)
        self.head = nn.Linear(hidden_size, 10)

    def forward(self, rows):
        """rows: (8, batch, 8), the rows in order from the top; returns (batch, 10)."""
        return self.head(self.layer(rows)[0][-1])


def images():
    """Images (1797, 8, 8) with pixels from 0 to 1, and the digits (1797) that they show."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        common.fail(
            "scikit-learn, whose images are read, is missing; install it with  python -m pip install scikit-learn"
        )
    bunch = load_digits()
    return (bunch.images / 16).astype(np.float32), bunch.target.astype(np.int64)


def baselines(pixels, digits, folds):
    """How each baseline reads each image, learned from the other four parts: {name: (1797)}."""
    from sklearn.linear_model import LogisticRegression

    flat = pixels.reshape(len(pixels), -1)
    found = {name: np.empty_like(digits) for name in ("logistic regression", "nearest mean image")}
    for train, test in folds:
        model = LogisticRegression(max_iter=1000).fit(flat[train], digits[train])
        found["logistic regression"][test] = model.predict(flat[test])
        means = np.stack([flat[train][digits[train] == digit].mean(0) for digit in range(10)])
        distances = ((flat[test][:, np.newaxis] - means) ** 2).sum(2)
        found["nearest mean image"][test] = distances.argmin(1)
    return found


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=30, out="digits.png")
    parser.add_argument("--hidden", type=common.count, default=64, help="hidden size of each network")
    options = common.parse(parser, argv)
    pixels, digits = images()
    parts = np.array_split(common.generator(options, 1).permutation(len(digits)), FOLDS)
    folds = [(np.concatenate(parts[:k] + parts[k + 1 :]), parts[k]) for k in range(FOLDS)]

    def rows(chosen):
        turned = np.ascontiguousarray(pixels[chosen].transpose(1, 0, 2))  # time first: row, image, column
        return common.placed(torch.from_numpy(turned), options)

    states = {}
    for kind in KINDS:
        torch.manual_seed(options.seed)
        for k in range(FOLDS):
            states[kind, k] = common.placed(Reader(kind, options.hidden), options)
            states[kind, k, "optimizer"] = optim.Adam(states[kind, k].parameters(), lr=RATE)

    def read(kind):
        """How the networks of one kind read each image, each image by the one that has not seen it."""
        found = np.empty_like(digits)
        for k, (_, test) in enumerate(folds):
            scores = states[kind, k](Variable(rows(test), volatile=True)).data
            found[test] = scores.max(1)[1].cpu().numpy()
        return found

    def epoch(number):
        for k, (train, _) in enumerate(folds):
            order = common.generator(options, 0, number, k).permutation(train)
            for start in range(0, len(order), BATCH):
                chosen = order[start : start + BATCH]
                x, y = Variable(rows(chosen)), Variable(common.placed(torch.from_numpy(digits[chosen]), options))
                for kind in KINDS:
                    optimizer = states[kind, k, "optimizer"]
                    for group in optimizer.param_groups:  # from RATE down to nearly 0, along half a cosine
                        group["lr"] = RATE * (1 + math.cos(math.pi * number / options.epochs)) / 2
                    optimizer.zero_grad()
                    F.cross_entropy(states[kind, k](x), y).backward()
                    nn.utils.clip_grad_norm(states[kind, k].parameters(), 1)
                    optimizer.step()
        return {kind: float((read(kind) == digits).mean()) for kind in KINDS}

    fixed = ("hidden", "epochs")  # epochs: the learning rate follows from it
    history = common.train(states, epoch, options, fixed)

    found = {**{kind: read(kind) for kind in KINDS}, **baselines(pixels, digits, folds)}
    shares = {name: float((values == digits).mean()) for name, values in found.items()}
    print(f"Read rightly, of {len(digits)} digits that the network has not seen:")
    for name, share in shares.items():
        print(f"  {name:22}{100 * share:6.2f} %{(found[name] != digits).sum():5d} wrong")
    draw(options, history, shares, pixels, digits, found["GRU"])
    return shares


def draw(options, history, shares, pixels, digits, read):
    """Accuracy after each epoch; beside it images that the GRU misread."""
    figure = common.figure(11, 4.4)
    if figure is None:
        return
    left, right = figure.subfigures(1, 2, width_ratios=[1.4, 1])
    axes = left.subplots()
    for kind, colour in COLOURS.items():
        axes.plot(range(1, len(history) + 1), [100 * h[kind] for h in history], color=colour, label=kind)
    for name, style in (("logistic regression", "--"), ("nearest mean image", ":")):
        axes.axhline(100 * shares[name], color="#8c959f", linestyle=style, linewidth=1.2, label=name)
    axes.set(xlabel="epoch", ylabel="read rightly, %", title="Digits not seen in training", ylim=(80, 100))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.25)
    wrong = np.flatnonzero(read != digits)[:12]
    right.suptitle("Misread by the GRU")
    for axes, k in zip(right.subplots(3, 4).flat, [*wrong, *[None] * (12 - len(wrong))]):
        axes.axis("off")
        if k is not None:
            axes.imshow(pixels[k], cmap="gray_r", vmin=0, vmax=1)
            axes.set_title(f"{digits[k]}, read as {read[k]}", fontsize=9)
    common.save_figure(figure, options.out)


if __name__ == "__main__":
    main()
