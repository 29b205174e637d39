"""Scripts as courses of 2017 have them, in tests/scripts, run as they are; what they print is checked against the task.

The bounds come from the task a script solves (its noise, the number of its classes, what guessing would give), with
room for another order of rounding; the seeds are in the scripts.
"""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad

SCRIPTS = Path(__file__).parent / "scripts"
CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


def numbers(pattern, text):
    """All numbers that the group of a pattern stands for, line by line."""
    return [float(found) for found in re.findall(pattern, text, re.MULTILINE)]


NUMBER = r"(-?\d+\.?\d*(?:e-?\d+)?)"


@check
def linear_regression(out):
    # 40 points with noise 0.1 on a spread of 4: the slope is known to 0.014, the offset to 0.016
    assert "Line(\n  (linear): Linear(in_features=1, out_features=1)\n)\n" in out
    slope, offset = re.search(f"^slope {NUMBER} offset {NUMBER}$", out, re.MULTILINE).groups()
    assert abs(float(slope) - 3) < 0.07
    assert abs(float(offset) + 1) < 0.08
    losses = numbers(rf"^epoch \d+ of 300, loss {NUMBER}$", out)
    assert len(losses) == 3
    assert 0.003 < losses[-1] < 0.02  # the noise's variance is 0.01
    as_float, as_float32, in_list = out.splitlines()[-1].split()[1:]
    assert float(as_float) == float(in_list) == pytest.approx(float(as_float32), rel=1e-6)


@check
def polynomial_by_hand(out):
    losses = numbers(rf"^\d+ {NUMBER}$", out)
    assert losses[1] < losses[0] * 1e-2
    assert numbers(f"^loss {NUMBER}$", out)[0] < 1e-5
    one = "Variable containing:\n{}\n[torch.FloatTensor of size 1]\n"
    assert one.format(" 1.0000") + " " + one.format("-2.0000") + " " + one.format(" 3.0000") in out
    assert numbers(f"^final {NUMBER}$", out)[0] < losses[4] * 0.01


@check
def logistic_regression(out):
    # centres 2 sqrt(8) apart with spread 1: the best line errs on 0.2 %, so on 200 points perhaps on 2
    assert int(re.search(r"^correct (\d+) of 200$", out, re.MULTILINE)[1]) >= 196
    assert "far out True\n" in out
    assert (
        "Sequential(\n  (0): Linear(in_features=2, out_features=10)\n  (1): ReLU()\n"
        "  (2): Linear(in_features=10, out_features=2)\n)\n"
    ) in out
    assert numbers(f"^Accuracy={NUMBER}$", out)[0] >= 0.95
    again, same, wrong = map(int, re.search(r"^again (\d+) (\d+) (\d+)$", out, re.MULTILINE).groups())
    assert again == same == 200 - wrong
    assert "rows sum to [1. 1. 1.]\n" in out


@check
def mlp_digits(out):
    assert out.startswith(
        "Sequential(\n  (fc1): Linear(in_features=7, out_features=32)\n  (relu1): ReLU()\n  (drop): Dropout(p=0.1)\n"
        "  (fc2): Linear(in_features=32, out_features=10)\n  (out): LogSoftmax()\n)\n"
    )
    assert "epoch 1: 300/600 (50%)\tloss " in out
    accuracies = numbers(r"right \d+/200 \((\d+)%\)", out)
    assert len(accuracies) == 4
    assert accuracies[-1] >= 90  # segments differ by 1, the noise is 0.2
    assert "volatile True False\ntorch.Size([50, 7]) torch.Size([50]) <class 'torch.LongTensor'>\n" in out
    assert "saved ['fc1.bias', 'fc1.weight', 'fc2.bias', 'fc2.weight']\n" in out
    steps = "Step: 0 | sums: [11. 11. 11. 11.]\nStep: 1 | sums: [11. 11. 11. 11.]\nStep: 2 | sums: [11. 11.]\n"
    assert out.endswith(steps)


@check
def names_classifier(out):
    assert out.startswith("torch.Size([4, 1, 27]) 1.0\n")
    assert numbers(f"^accuracy {NUMBER}$", out)[0] > 0.9  # the letters alone tell the languages apart
    first, last = re.search(f"^losses {NUMBER} to {NUMBER}$", out, re.MULTILINE).groups()
    assert abs(float(first) - math.log(3)) < 0.15  # begins by guessing among three
    assert float(last) < 0.6
    assert "[torch.FloatTensor of size 3x3]\n" in out
    assert len(re.findall(r"^\(-\d\.\d\d\) (?:Vowelish|Consonantish|Mixed)$", out, re.MULTILINE)) == 2


@check
def char_gru(out):
    assert out.startswith("Variable containing:\n 10\n 11\n 12\n 39\n 40\n 41\n[torch.LongTensor of size 6]\n\n")
    losses = numbers(rf"^\[\(\d+ \d+%\) {NUMBER}\]$", out)
    assert len(losses) == 4
    assert losses[-1] < 0.3  # 27 different characters: guessing is 3.3
    said = out.split("said: ")[1].rstrip("\n")
    words = set("pack my box with five dozen liquor jugs.".split())
    assert sum(word in words for word in said.split()[:-1]) >= 6


@check
def seq2seq_attention(out):
    losses = numbers(rf"^\d+00 {NUMBER}$", out)
    assert len(losses) == 5
    assert losses[-1] < losses[0] / 2
    assert int(re.search(r"^right (\d+) of 50$", out, re.MULTILINE)[1]) >= 25  # guessing gets fewer than 3
    attention, width = re.search(f"^attention {NUMBER} (\\d)$", out, re.MULTILINE).groups()
    assert float(attention) == pytest.approx(1, abs=1e-5)
    assert width == "4"


@check
def pos_tagger(out):
    assert "torch.Size([5, 1, 4]) torch.Size([1, 1, 4]) True\n" in out
    before, after = re.findall(r"Variable containing:\n((?:.+\n){5})\[torch.FloatTensor of size 5x3\]\n", out)
    for scores in (before, after):
        for row in scores.splitlines():
            assert sum(math.exp(float(s)) for s in row.split()) == pytest.approx(1, abs=3e-4)
    assert out.endswith("art noun verb art noun\n['art', 'noun', 'verb', 'art', 'noun']\n")


@check
def language_model(out):
    perplexities = numbers(rf"perplexity +{NUMBER}$", out)
    assert len(perplexities) == 8
    assert perplexities[-1] < 1.5  # each of the 11 words follows from the one before
    words = "one two three four five six seven eight nine ten <eos>".split()
    said = out.split("said: ")[1].split()
    assert len(said) == 12
    following = sum(words[(words.index(a) + 1) % 11] == b for a, b in zip(["one", *said], said))
    assert following >= 11


@check
def packed_tagger(out):
    assert (
        "BiTagger(\n  (embed): Embedding(10, 8, padding_idx=0)\n"
        "  (lstm): LSTM(8, 16, batch_first=True, bidirectional=True)\n"
        "  (out): Linear(in_features=32, out_features=2)\n)\n"
    ) in out
    assert "True <class 'int'> <class 'list'> 40 torch.Size([2, 40, 16])\n" in out
    assert numbers(f"^right {NUMBER}$", out)[0] > 0.95  # both directions are needed for more than 70 %
    wrong, counted = re.search(r"^wrong (\d+) (\d+)$", out, re.MULTILINE).groups()
    assert wrong == counted
    assert out.endswith("padding stays 0.0 0.0\n")


@check
def sine_lbfgs(out):
    losses = numbers(f"^loss: {NUMBER}$", out)
    assert len(losses) == 3
    assert losses[-1] < 0.02  # the variance of a sine is 0.5
    assert numbers(f"^test loss: {NUMBER}$", out)[-1] < 0.02
    assert out.endswith("(2, 49) float64 <class 'torch.DoubleTensor'>\n")


@check
def own_functions(out):
    first, middle, last = numbers(rf"^(?:\d+|last) {NUMBER}$", out)
    assert middle < first / 10
    assert last < middle
    assert (
        "gradcheck True\ngradcheck True\ngrad_fn True True True\n"
        "Variable containing:\n   6\n  33\n 303\n[torch.FloatTensor of size 3]\n "
        "[[3.0, 30.0, 300.0], [3.0, 3.0, 3.0]]\n"
        "[('forward', (3, 1)), ('backward', (3, 1))]\nsecond 12.0 12.0\n[1.0, 1.0]\n"
    ) in out


@check
def vae(out):
    losses = numbers(rf"^Epoch: \d+ average loss: {NUMBER}$", out)
    assert losses[0] > 5  # 8 undecided pixels: 8 log 2 = 5.5
    assert math.log(2) * 0.9 < losses[-1] < 2  # one bit has to be told, whatever the network
    assert "[torch.FloatTensor of size 2x8]\n\nrounded True\ndrawn torch.Size([64, 8]) True\n" in out


@check
def policy_gradient(out):
    assert numbers(f"^average {NUMBER}$", out)[0] > 0.6  # chance is a third
    assert "Episode 0\tAverage: 0.3" in out
    assert out.endswith("greedy torch.Size([3, 1]) True\n")


@check
def save_and_load(out):
    assert out == (
        "same True True\ncheckpoint 5 0.01 4\nwhole Tagger True\ntwo True True\narray [0 1 2]\n\n 0\n 1\n 2\n"
        "[torch.FloatTensor of size 3]\n\n"
    )


@check
def series_rnn(out):
    assert out.startswith(
        "Follower(\n  (rnn): RNN(1, 32, batch_first=True)\n  (out): Linear(in_features=32, out_features=1)\n)\n"
    )
    first, last = re.search(f"^first {NUMBER} last {NUMBER}$", out, re.MULTILINE).groups()
    assert float(last) < 0.1 < float(first)  # a cosine's variance is 0.5
    assert numbers(f"^forecast {NUMBER}", out)[0] < 0.02
    assert "rate 0.025\nrate 0.0025\n" in out  # 0.1 halved at 30 and 60, then a tenth
    first, last = re.search(f"^cell {NUMBER} {NUMBER}$", out, re.MULTILINE).groups()
    assert float(last) < float(first) / 2


@check
def embeddings(out):
    first, last = numbers(rf"^ {NUMBER}\n\[torch.FloatTensor of size 1\]$", out)
    assert abs(first - 21 * math.log(13)) < 12  # 21 words out of 13 by guessing
    assert last < first / 4  # `in the` is followed by two words, `bite the` too
    assert numbers(f"^cbow {NUMBER}$", out)[0] < 1.3
    assert "the 8.0 torch.Size([1, 13])\n" in out
    assert numbers(f"^siamese {NUMBER}$", out)[0] < 0.05
    assert out.endswith("apart True torch.Size([16])\n")


@check
def lstm_crf(out):
    assert out.startswith("FloatTensor 6\n")
    first, last = re.search(f"^from {NUMBER} to {NUMBER}$", out, re.MULTILINE).groups()
    assert 0 < float(last) < float(first) / 3  # the score of all paths is above that of one
    assert "\ndry dry wet wet wet icy\nwet dry dry icy icy\n" in out
    assert out.endswith("(Variable containing:\n 1\n[torch.FloatTensor of size 1]\n,)\n")


@check
def attention_only(out):
    assert out.startswith("tied True 37\n")
    losses = numbers(rf"^step \d+ loss {NUMBER}$", out)
    assert len(losses) == 4
    assert losses[-1] < losses[0] / 4
    assert losses[-1] < 0.1  # of log 6 = 1.8 for guessing; what smoothing leaves is not part of it
    assert int(re.search(r"^right (\d+) of 40$", out, re.MULTILINE)[1]) >= 34  # whole rows, of two to five digits
    assert out.endswith("weights torch.Size([3, 4, 6, 5]) 1.000\n")


@check
def batched_seq2seq(out):
    losses = numbers(rf"^\d+ {NUMBER} float$", out)
    assert len(losses) == 5
    assert abs(losses[0] - math.log(8)) < 0.4  # begins by guessing among 8 symbols
    assert losses[-1] < 0.8
    assert "torch.Size([12, 1, 4]) 1.000\n" in out
    assert numbers(f"^right {NUMBER}$", out)[0] > 0.7  # guessing: a quarter, counting the ends
    for kind in ("dot", "general", "concat"):
        assert f"{kind} torch.Size([1, 1, 4]) 1.000\n" in out


@check
def q_learning(out):
    length, count = re.search(rf"^last ten walks {NUMBER} (\d+)$", out, re.MULTILINE).groups()
    assert 4 <= float(length) < 8  # four steps are the shortest way; at random it takes about 20
    assert count == "40"
    assert out.endswith("[1, 1, 1, 1]\n")


@check
def tensor_basics(out):
    assert out == (SCRIPTS / "tensor_basics.txt").read_text(encoding="utf-8")


@check
def beam_search(out):
    # the chain's most likely successor has 0.33 to 0.6, the two most likely 0.67 to 0.8; 800 draws spread by 0.02
    one, two, four = map(float, re.search(r"^topk (\S+) (\S+) (\S+)$", out, re.MULTILINE).groups())
    assert 0.35 < one < 0.6 < two < 0.85
    assert four == 1
    beams = re.findall(rf"^beam (\d+) {NUMBER} {NUMBER} (\[.*\])$", out, re.MULTILINE)
    assert [width for width, *_ in beams] == ["1", "3", "256"]
    sums = [float(found) for _, found, _, _ in beams]
    assert sums == pytest.approx([float(whole) for _, _, whole, _ in beams], abs=2e-5)  # step by step and at once
    assert sums[0] <= sums[1] + 2e-5
    assert sums[1] <= sums[2] + 2e-5
    best, path = re.search(rf"^every {NUMBER} (\[.*\])$", out, re.MULTILINE).groups()
    assert float(best) == pytest.approx(sums[2], abs=2e-5)  # a beam of all sequences misses none
    assert path == beams[2][3]


def test_every_script_is_checked():
    assert sorted(CHECKS) == sorted(path.stem for path in SCRIPTS.glob("*.py"))
    assert len(CHECKS) >= 12


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_script(name, tmp_path):
    if name == "linear_regression":
        pytest.importorskip("matplotlib")
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND")}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(minigrad.__file__).parents[1]), *sys.path[1:]])
    command = [sys.executable, "-m", "minigrad", "run", str(SCRIPTS / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    CHECKS[name](done.stdout)
