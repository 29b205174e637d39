"""A language model over characters: it reads Python's own standard library, and then writes Python.

    python examples/char_model.py [--text FILE] [--epochs 7] [--hidden 192] [--temperature 0.7] [--checkpoint PATH]

An LSTM says after each character how probable every next character is. It learns from the first nine tenths of each
file and is measured on the rest, in bits per character: what an ideal compressor that uses it would need,

    -1/N sum_i log2 p(c_i | all characters before it).

The baseline counts: an n-gram model, whose estimates for long contexts fall back on shorter ones (Witten and Bell,
"The Zero-Frequency Problem", IEEE Transactions on Information Theory 37, 1991).
"""

import math
import sysconfig
from collections import Counter
from pathlib import Path

import common
import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.nn import functional as F

FILES = "argparse ast calendar configparser csv datetime difflib heapq random shutil statistics textwrap".split()
BATCH, STEPS, LONGEST = 32, 50, 6  # lines of text side by side, characters a step, characters of the longest n-gram
RATE = 0.005


class CharModel(nn.Module):
    """Scores of the next character, from an embedding of each character, an LSTM and a linear layer."""

    def __init__(self, characters, hidden_size, embedding_size=64):
        super().__init__()
        self.embedding = nn.Embedding(characters, embedding_size)
        self.lstm = nn.LSTM(embedding_size, hidden_size)
        self.head = nn.Linear(hidden_size, characters)

    def forward(self, x, state=None):
        outputs, state = self.lstm(self.embedding(x), state)  # (steps, batch, hidden_size)
        return self.head(outputs.view(-1, outputs.size(2))), state


def texts(path=None):
    """Training text and test text: the first nine tenths and the last tenth of each file."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = [path] if path else [p for p in (folder / f"{name}.py" for name in FILES) if p.is_file()]
    train, test = [], []
    for file in paths:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            common.fail(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}")
        cut = len(text) * 9 // 10
        train.append(text[:cut])
        test.append(text[cut:])
    train, test = "".join(train), "".join(test)
    if len(train) <= BATCH * (STEPS + 1) or not test:
        common.fail(f"--text: at least {BATCH * (STEPS + 2) * 10 // 9} characters are needed, got {len(train + test)}")
    return train, test


def ngram_bits(train, test, longest=LONGEST):
    """Bits per character on `test` of the n-gram models of 1 to `longest` characters, counted on `train`.

    With T(h) kinds of characters seen after the context h, N(h) times in all, and h' the context without its first:

        p(c | h) = (count(hc) + T(h) p(c | h')) / (N(h) + T(h))
    """
    p = [1 / len(set(train) | set(test))] * len(test)
    found = []
    for n in range(longest):
        counts, times, kinds = Counter(train[i : i + n + 1] for i in range(len(train) - n)), Counter(), Counter()
        for gram, seen in counts.items():
            times[gram[:-1]] += seen
            kinds[gram[:-1]] += 1
        for i in range(n, len(test)):
            context = test[i - n : i]
            if context in times:
                seen, new = times[context], kinds[context]
                p[i] = (counts[test[i - n : i + 1]] + new * p[i]) / (seen + new)
        found.append(-sum(map(math.log2, p)) / len(test))
    return found


def columns(numbers, batch):
    """(characters, batch): the text cut into `batch` lines that are read side by side."""
    return np.ascontiguousarray(numbers[: len(numbers) // batch * batch].reshape(batch, -1).T)


def windows(text, steps):
    """Pairs of input (steps, batch) and target (steps * batch), the characters that follow the input."""
    for start in range(0, len(text) - 1, steps):
        x, y = text[start : start + steps], text[start + 1 : start + steps + 1]
        yield np.ascontiguousarray(x[: len(y)]), y.reshape(-1)


def bits(model, numbers, options):
    """Bits per character of `model` on a text, all of it read from left to right."""
    total, state = 0.0, None
    for x, y in windows(columns(numbers, 1), 1000):
        x, y = (Variable(common.placed(torch.from_numpy(a), options), volatile=True) for a in (x, y))
        scores, state = model(x, state)
        total += F.cross_entropy(scores, y).data[0] * len(y)
    return total / (len(numbers) - 1) / math.log(2)


def sample(model, characters, start, length, temperature, options):
    """Go on writing after `start`: each character drawn with probability softmax(scores / temperature)."""
    index = {c: k for k, c in enumerate(characters)}
    x = torch.LongTensor([[index[c]] for c in start])
    written, state = start, None
    for _ in range(length):
        scores, state = model(Variable(common.placed(x, options), volatile=True), state)
        p = F.softmax(scores[-1:].double() / temperature, dim=1).data.cpu()
        x = torch.multinomial(p, 1)
        written += characters[x[0, 0]]
    return written


def positive(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=7, out="char-model.png")
    parser.add_argument("--text", type=Path, metavar="FILE", help="learn from this file instead of Python's library")
    parser.add_argument("--hidden", type=common.count, default=192, help="hidden size of the LSTM")
    parser.add_argument("--temperature", type=positive, default=0.7, help="below 1 more careful, above 1 more daring")
    parser.add_argument("--sample", type=common.count, default=400, metavar="N", help="characters to write")
    options = common.parse(parser, argv)
    train, test = texts(options.text)
    characters = sorted(set(train) | set(test))
    index = {c: k for k, c in enumerate(characters)}
    train_numbers, test_numbers = (np.array([index[c] for c in text]) for text in (train, test))
    text = columns(train_numbers, BATCH)

    torch.manual_seed(options.seed)
    model = common.placed(CharModel(len(characters), options.hidden), options)
    optimizer = optim.Adam(model.parameters(), lr=RATE)

    def epoch(k):
        for group in optimizer.param_groups:  # from RATE down to nearly 0, along half a cosine
            group["lr"] = RATE * (1 + math.cos(math.pi * k / options.epochs)) / 2
        state, total, seen = None, 0.0, 0
        for x, y in windows(text, STEPS):
            x, y = (Variable(common.placed(torch.from_numpy(a), options)) for a in (x, y))
            scores, state = model(x, state)
            state = tuple(part.detach() for part in state)  # the gradient ends here, the memory goes on
            optimizer.zero_grad()
            loss = F.cross_entropy(scores, y)
            loss.backward()
            nn.utils.clip_grad_norm(model.parameters(), 1)
            optimizer.step()
            total, seen = total + loss.data[0] * len(y), seen + len(y)
        return {"train": total / seen / math.log(2), "test": bits(model, test_numbers, options)}

    fixed = ("text", "hidden", "epochs")  # epochs: the learning rate follows from it
    history = common.train({"model": model, "optimizer": optimizer}, epoch, options, fixed)

    grams = ngram_bits(train, test)
    best = min(range(LONGEST), key=grams.__getitem__)
    errors = {"LSTM": history[-1]["test"], **{f"{n + 1}-gram": value for n, value in enumerate(grams)}}
    print(f"Learned from {len(train)} characters; bits per character on {len(test)} others:")
    for name, value in errors.items():
        print(f"  {name:8}{value:6.3f}{'   the best of the n-grams' if name == f'{best + 1}-gram' else ''}")
    print(f"\nWritten at temperature {options.temperature:g}:\n")
    start = "\ndef " if set("\ndef ") <= set(characters) else test[0]
    print(sample(model, characters, start, options.sample, options.temperature, options).strip("\n"), end="\n\n")
    draw(options, history, best + 1, grams[best])
    return errors


def draw(options, history, n, baseline):
    figure = common.figure(7, 4.2)
    if figure is None:
        return
    axes, epochs = figure.subplots(), range(1, len(history) + 1)
    axes.plot(epochs, [h["train"] for h in history], "o-", color="#8c959f", label="LSTM, text it learns from")
    axes.plot(epochs, [h["test"] for h in history], "o-", color="#0969da", label="LSTM, new text")
    axes.axhline(baseline, color="#cf222e", linestyle="--", linewidth=1, label=f"{n}-gram, new text")
    axes.set(xlabel="epoch", ylabel="bits per character", title="Reading Python" if not options.text else "Reading")
    axes.legend()
    axes.grid(alpha=0.25)
    common.save_figure(figure, options.out)


if __name__ == "__main__":
    main()
