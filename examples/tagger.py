"""Parts of speech: is "can" a verb, an auxiliary or a box? A bidirectional LSTM over packed sentences says so.

    python examples/tagger.py [--hidden 32] [--epochs 30] [--seed 0] [--device cpu] [--checkpoint PATH]

124 short sentences, full of words that can be several things, are cut into five parts. Five times a network learns from
four parts and is asked about the fifth, so that every word is tagged once by a network that has not seen its sentence.
The baseline gives each word the tag that it has most often in the same four parts. An LSTM that reads forwards only
shows what the words to come are good for.
"""

from collections import Counter

import common
import numpy as np

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.data import tagged_sentences
from minigrad.nn import functional as F
from minigrad.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

FOLDS, BATCH, RATE, UNKNOWN, HIDE = 5, 16, 0.01, 1, 0.1  # HIDE: share of words that training shows as unknown
KINDS = {"both directions": True, "forwards only": False}
COLOURS = {"both directions": "#0969da", "forwards only": "#8c959f"}


class Tagger(nn.Module):
    """Scores of the tags for each word of a packed batch."""

    def __init__(self, words, tags, hidden_size, bidirectional):
        super().__init__()
        self.embedding = nn.Embedding(words, 24, padding_idx=0)
        self.lstm = nn.LSTM(24, hidden_size, bidirectional=bidirectional)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(hidden_size * (1 + bidirectional), tags)

    def forward(self, words, lengths):
        """words: (longest, batch) filled up with 0; returns (longest * batch, tags)."""
        packed = pack_padded_sequence(self.dropout(self.embedding(words)), lengths)
        outputs, _ = pad_packed_sequence(self.lstm(packed)[0])
        return self.head(self.dropout(outputs.view(-1, outputs.size(2))))


class Fold:
    """What one of the five networks learns from and is asked about, and what the baseline says there."""

    def __init__(self, sentences, number, tags):
        self.train = [s for k, s in enumerate(sentences) if k % FOLDS != number]
        self.test = sorted((s for k, s in enumerate(sentences) if k % FOLDS == number), key=len, reverse=True)
        counts = Counter(pair for s in self.train for pair in s)
        self.words = {word: k for k, word in enumerate(sorted({word for word, _ in counts}), UNKNOWN + 1)}
        self.tags = tags
        usual = Counter(tag for s in self.train for _, tag in s).most_common(1)[0][0]
        best = {word: max(tags, key=lambda tag, word=word: counts[word, tag]) for word in self.words}
        self.baseline = [best.get(word, usual) == tag for s in self.test for word, tag in s]

    def tensors(self, sentences, options, hidden=None):
        """Words (longest, batch), lengths and tags (longest * batch), -1 behind the end of a sentence."""
        lengths = [len(s) for s in sentences]
        words = np.zeros((lengths[0], len(sentences)), np.int64)
        tags = np.full(words.shape, -1, np.int64)
        for k, sentence in enumerate(sentences):
            words[: len(sentence), k] = [self.words.get(word, UNKNOWN) for word, _ in sentence]
            tags[: len(sentence), k] = [self.tags.index(tag) for _, tag in sentence]
        if hidden is not None:
            words[(hidden.random(words.shape) < HIDE) & (words > 0)] = UNKNOWN
        made = [common.placed(torch.from_numpy(a), options) for a in (words, tags.reshape(-1))]
        return made[0], lengths, made[1]

    def right(self, network, options):
        """Whether each word of the test was tagged right, sentence by sentence."""
        words, lengths, tags = self.tensors(self.test, options)
        network.eval()
        found = network(Variable(words, volatile=True), lengths).data.max(1)[1]
        network.train()
        equal = (found == tags).view(-1, len(lengths)).cpu().numpy()
        return [bool(equal[k, column]) for column, length in enumerate(lengths) for k in range(length)]


@common.program
def main(argv=None):
    parser = common.parser(__doc__, epochs=30, out="tagger.png")
    parser.add_argument("--hidden", type=common.count, default=32, help="hidden size of each network")
    options = common.parse(parser, argv)
    sentences = tagged_sentences()
    tags = sorted({tag for sentence in sentences for _, tag in sentence})
    folds = [Fold(sentences, k, tags) for k in range(FOLDS)]

    parts = {}
    for name, bidirectional in KINDS.items():
        for k, fold in enumerate(folds):
            torch.manual_seed(options.seed)
            network = Tagger(len(fold.words) + UNKNOWN + 1, len(tags), options.hidden, bidirectional)
            parts[name, k] = common.placed(network, options)
            parts[name, k, "optimizer"] = optim.Adam(network.parameters(), lr=RATE)
    torch.manual_seed(options.seed)  # of dropout

    def right(name):
        return [answer for k, fold in enumerate(folds) for answer in fold.right(parts[name, k], options)]

    def epoch(number):
        for k, fold in enumerate(folds):
            rng = common.generator(options, number, k)
            order = rng.permutation(len(fold.train))
            for start in range(0, len(order), BATCH):
                chosen = sorted((fold.train[j] for j in order[start : start + BATCH]), key=len, reverse=True)
                words, lengths, target = fold.tensors(chosen, options, rng)
                for name in KINDS:
                    optimizer = parts[name, k, "optimizer"]
                    optimizer.zero_grad()
                    scores = parts[name, k](Variable(words), lengths)
                    F.cross_entropy(scores, Variable(target), ignore_index=-1).backward()
                    optimizer.step()
        return {name: sum(answers) / len(answers) for name in KINDS for answers in [right(name)]}

    history = common.train(parts, epoch, options, fixed=("hidden",))

    asked = [pair for fold in folds for sentence in fold.test for pair in sentence]
    kinds = Counter(word for word, _ in set(asked))
    several = [kinds[word] > 1 for word, _ in asked]
    answers = {**{name: right(name) for name in KINDS}, "each word's usual tag": [a for f in folds for a in f.baseline]}
    shares = {name: (np.mean(given), np.mean(np.array(given)[several])) for name, given in answers.items()}
    print(f"Tagged right, of {len(asked)} words, and of the {sum(several)} that can be several things:")
    for name, (share, ambiguous) in shares.items():
        print(f"  {name:22}{100 * share:6.1f} %{100 * ambiguous:8.1f} %")
    draw(options, history, shares["each word's usual tag"][0], asked, answers)
    return shares


def draw(options, history, baseline, asked, answers):
    """Accuracy after each epoch, and how often the words with several tags were tagged right."""
    figure = common.figure(12, 4.2)
    if figure is None:
        return
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.6])
    for name, colour in COLOURS.items():
        left.plot(range(1, len(history) + 1), [100 * h[name] for h in history], color=colour, label=name)
    left.axhline(100 * baseline, color="#cf222e", linestyle="--", linewidth=1, label="each word's usual tag")
    left.set(xlabel="epoch", ylabel="words tagged right, %", title="Sentences not seen in training")
    left.legend()
    left.grid(alpha=0.25)
    tags = Counter(word for word, _ in set(asked))
    times = Counter(word for word, _ in asked)
    words = sorted((word for word in tags if tags[word] > 1), key=lambda word: (-times[word], word))[:18]
    colours = {**COLOURS, "each word's usual tag": "#cf222e"}
    for shift, (name, given) in enumerate(answers.items()):
        share = [100 * np.mean([ok for ok, (w, _) in zip(given, asked) if w == word]) for word in words]
        right.bar(np.arange(len(words)) + 0.27 * (shift - 1), share, 0.27, color=colours[name], label=name)
    right.set_xticks(range(len(words)), words, rotation=45, ha="right")
    right.set(ylabel="tagged right, %", title="Words that can be several things")
    common.save_figure(figure, options.out)


if __name__ == "__main__":
    main()
