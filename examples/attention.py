"""Sequence to sequence with attention: dates as people write them, into the form of ISO 8601, letter by letter.

    python examples/attention.py [--epochs 10] [--hidden 64] [--seed 0] [--device cpu] [--checkpoint PATH]

    "Tuesday, 3 March 1987", "Mar 3, 1987", "3.3.1987", "03/03/1987"  ->  "1987-03-03"

A bidirectional GRU reads the letters; a GRU cell writes. Before each letter it looks back at what was read: every place
gets a score, and the mean of the encoder's outputs, weighted with softmax(scores), is what the letter is chosen from
(Bahdanau, Cho and Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", ICLR 2015):

    score_j = v . tanh(W s + U e_j),    s the state of the writer, e_j the encoder's output at place j

Beside it learns the same network without attention, which has to keep everything in one vector, the encoder's
last state.
"""

import datetime

import common
import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.nn import functional as F
from minigrad.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

STEPS, BATCH, TEST, RATE = 25, 64, 500, 0.005  # steps an epoch, dates a step, dates of the test, learning rate
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
INPUT = ["", *sorted(set("".join(MONTHS + DAYS)) | set("0123456789 ,./"))]  # place 0 fills up short dates
OUTPUT = "0123456789-"
LENGTH = len("1987-03-03")
COLOURS = {"with attention": "#0969da", "without": "#8c959f"}


def written(date, form):
    """A date in one of eight forms: English months, whole or short; day first with dots; month first with slashes."""
    day, month, year, name, weekday = date.day, date.month, date.year, MONTHS[date.month - 1], DAYS[date.weekday()]
    return (
        f"{weekday}, {day} {name} {year}",
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{name[:3]} {day}, {year}",
        f"{weekday[:3]} {day} {name[:3]} {year}",
        f"{day}.{month}.{year}",
        f"{day:02d}.{month:02d}.{year}",
        f"{month:02d}/{day:02d}/{year}",
    )[form]


def dates(rng, size):
    """Pairs of a date as people write it and its ISO form, the longest first."""
    first = datetime.date(1900, 1, 1).toordinal()
    days = (datetime.date.fromordinal(first + int(k)) for k in rng.integers(0, 73000, size))
    return sorted(((written(day, rng.integers(8)), day.isoformat()) for day in days), key=lambda pair: -len(pair[0]))


def tensors(pairs, options):
    """Letters read (longest, batch), their number for each date, letters to write (10, batch)."""
    lengths = [len(text) for text, _ in pairs]
    read = np.zeros((lengths[0], len(pairs)), np.int64)
    for k, (text, _) in enumerate(pairs):
        read[: len(text), k] = [INPUT.index(letter) for letter in text]
    write = np.array([[OUTPUT.index(letter) for letter in iso] for _, iso in pairs]).T.copy()
    return common.placed(torch.from_numpy(read), options), lengths, common.placed(torch.from_numpy(write), options)


class Translator(nn.Module):
    def __init__(self, hidden_size, attention=True):
        super().__init__()
        self.attention, both = attention, 2 * hidden_size
        self.reading = nn.Embedding(len(INPUT), 32, padding_idx=0)
        self.encoder = nn.GRU(32, hidden_size, bidirectional=True)
        self.start = nn.Linear(both, hidden_size)
        self.writing = nn.Embedding(len(OUTPUT) + 1, 32)  # one more: nothing has been written yet
        self.decoder = nn.GRUCell(32 + both, hidden_size)
        self.head = nn.Linear(hidden_size + both, len(OUTPUT))
        if attention:
            self.of_state = nn.Linear(hidden_size, hidden_size)
            self.of_place = nn.Linear(both, hidden_size, bias=False)
            self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, read, lengths, write=None):
        """Scores of the letters (10 * batch, letters), and the weights of attention (10, batch, places) or None.

        write: the right letters, each of which is shown to the writer after its own choice (teacher forcing); without
        them it goes on from what it chose itself.
        """
        packed = pack_padded_sequence(self.reading(read), lengths)
        outputs, last = self.encoder(packed)
        places = pad_packed_sequence(outputs)[0].transpose(0, 1)  # (batch, places, 2 * hidden_size)
        everything = torch.cat([last[0], last[1]], 1)
        state = F.tanh(self.start(everything))
        letter = Variable(read.data.new(read.size(1)).fill_(len(OUTPUT)), volatile=read.volatile)
        if self.attention:
            keys = self.of_place(places)
            # What fills up a short date must get no weight.
            outside = Variable((read.data == 0).t().contiguous().float() * -1e9, volatile=read.volatile)
        scores, weights = [], []
        for k in range(LENGTH):
            seen = everything
            if self.attention:
                both = F.tanh(keys + self.of_state(state).unsqueeze(1))
                weight = F.softmax(self.score(both).squeeze(2) + outside, dim=1)
                seen = weight.unsqueeze(1).bmm(places).squeeze(1)
                weights.append(weight)
            state = self.decoder(torch.cat([self.writing(letter), seen], 1), state)
            scores.append(self.head(torch.cat([state, seen], 1)))
            letter = write[k] if write is not None else scores[-1].max(1)[1].detach()
        return torch.cat(scores), torch.stack(weights) if weights else None


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=10, out="attention.png")
    parser.add_argument("--hidden", type=common.count, default=64, help="hidden size of each network")
    options = common.parse(parser, argv)

    networks, parts = {}, {}
    for name in COLOURS:
        torch.manual_seed(options.seed)
        networks[name] = common.placed(Translator(options.hidden, name == "with attention"), options)
        parts[name] = networks[name]
        parts[f"{name}, optimizer"] = optim.Adam(networks[name].parameters(), lr=RATE)

    def epoch(k):
        losses = dict.fromkeys(networks, 0.0)
        for step in range(STEPS):
            read, lengths, write = tensors(dates(common.generator(options, 0, k, step), BATCH), options)
            for name, network in networks.items():
                optimizer = parts[f"{name}, optimizer"]
                optimizer.zero_grad()
                loss = F.cross_entropy(network(Variable(read), lengths, Variable(write))[0], Variable(write.view(-1)))
                loss.backward()
                nn.utils.clip_grad_norm(network.parameters(), 1)
                optimizer.step()
                losses[name] += loss.data[0] / STEPS
        return losses

    history = common.train(parts, epoch, options, fixed=("hidden",))

    pairs = dates(common.generator(options, 1), TEST)
    read, lengths, write = tensors(pairs, options)
    right, chosen = {}, {}
    for name, network in networks.items():
        scores, weights = network(Variable(read, volatile=True), lengths)
        chosen[name] = scores.data.max(1)[1].view(LENGTH, TEST).cpu().numpy()
        right[name] = float((chosen[name] == write.cpu().numpy()).all(0).mean())
        if weights is not None:
            shown = weights.data.cpu().numpy()  # (10, dates, places)
    # The baseline writes at each place the letter that is the most frequent there.
    seen = tensors(dates(common.generator(options, 2), STEPS * BATCH), options)[2].cpu().numpy()
    usual = np.array([np.bincount(row).argmax() for row in seen])[:, np.newaxis]
    right["the most frequent letters"] = float((usual == write.cpu().numpy()).all(0).mean())
    print(f"Dates written wholly right, of {TEST} new ones:")
    for name, share in right.items():
        print(f"  {name:26}{100 * share:6.1f} %")
    print("For example:")
    for k in np.linspace(0, TEST - 1, 5).astype(int):
        print(f"  {pairs[k][0]:30} {''.join(OUTPUT[c] for c in chosen['with attention'][:, k])}")
    draw(options, history, pairs, chosen["with attention"], shown)
    return right


def draw(options, history, pairs, chosen, weights):
    """The losses, and for two dates where each letter that was written looked."""
    figure = common.figure(13, 4.4)
    if figure is None:
        return
    left, *right = figure.subplots(1, 3, width_ratios=[1, 1.3, 1])
    steps = [STEPS * (k + 1) for k in range(len(history))]
    for name, colour in COLOURS.items():
        left.plot(steps, [losses[name] for losses in history], color=colour, label=name)
    left.set(xlabel="training step", ylabel="nats a letter", yscale="log", title="Learning")
    left.legend()
    left.grid(alpha=0.25)
    long = next((k for k, pair in enumerate(pairs) if len(pair[0]) <= 26), 0)
    short = next((k for k, pair in enumerate(pairs) if "/" in pair[0]), len(pairs) - 1)
    for axes, k in zip(right, (long, short)):
        text = pairs[k][0]
        axes.imshow(weights[:, k, : len(text)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(text)), list(text))
        axes.set_yticks(range(LENGTH), [OUTPUT[c] for c in chosen[:, k]])
        axes.set(xlabel="read", ylabel="written", title="Where each letter looks")
    common.save_figure(figure, options.out)


if __name__ == "__main__":
    main()
