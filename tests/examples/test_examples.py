"""Every example in a short mode: its metric against its baseline, Ctrl-C and going on, bad input."""

import datetime
import errno
import importlib
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PNG = b"\x89PNG"
TEXT = "TEXT"  # stands for the path of a short text
SHORT = {  # each example, as small as it gets
    "adding_problem": ["--length", "4", "--hidden", "3"],
    "airline": ["--hidden", "3"],
    "attention": ["--hidden", "4"],
    "char_model": ["--text", TEXT, "--hidden", "4", "--sample", "5"],
    "digits": ["--hidden", "4"],
    "own_cell": ["--length", "4", "--hidden", "3"],
    "sunspots": ["--hidden", "3", "--networks", "2"],
    "tagger": ["--hidden", "3"],
}


@pytest.fixture
def example(monkeypatch):
    """example(name): the program examples/name.py as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


@pytest.fixture(params=SHORT)
def short(request, example, tmp_path):
    """(module, arguments) of each example in turn: three epochs, with its figure and its text in tmp_path."""
    if request.param == "digits":
        pytest.importorskip("sklearn")
    text = tmp_path / "text.txt"
    text.write_text("".join(f"{k} and {k + 1} make {2 * k + 1}\n" for k in range(100)), encoding="utf-8")
    argv = [str(text) if part == TEXT else part for part in SHORT[request.param]]
    return example(request.param), [*argv, "--epochs", "3", "--out", str(tmp_path / "figure.png")]


@pytest.fixture
def out(tmp_path):
    pytest.importorskip("matplotlib")
    return tmp_path / "figure.png"


def test_every_example_has_a_page_a_test_and_a_place_in_the_index():
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"common"}
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tested = Path(__file__).read_text(encoding="utf-8")
    assert names == set(SHORT)
    for name in names:
        page = (ROOT / "docs" / "examples" / f"{name}.md").read_text(encoding="utf-8")
        assert f"python examples/{name}.py" in page
        assert f"](examples/{name}.md)" in index
        assert f"](docs/examples/{name}.md)" in readme
        if name != "airline":  # whose tests are in tests/docs, with those of the tutorial that uses it
            assert f'example("{name}")' in tested


def test_adding_problem_gated_cells_learn_what_the_plain_one_does_not(example, out, capsys):
    argv = ["--length", "40", "--epochs", "8", "--out", str(out)]
    errors = example("adding_problem").main(argv)
    assert errors["RNN"] > 0.9 / 6  # no better than to say 1 each time
    assert errors["GRU"] < 0.1 / 6
    assert "knowing nothing     0.1667" in capsys.readouterr().out
    assert out.read_bytes().startswith(PNG)


def test_adding_problem_gradients_are_those_of_the_layer(example):
    """The state at each step is what the layer's gradient with respect to its first state goes through."""
    module, torch = example("adding_problem"), minigrad
    for kind in module.KINDS:
        torch.manual_seed(3)
        task = module.TASKS["adding"]
        network = module.Network(kind, task, 5)
        rng = module.common.np.random.default_rng(3)
        x, target = (torch.autograd.Variable(torch.from_numpy(a)) for a in task.batch(rng, 7, 1))
        norms = network.gradients(x, target)
        # The layer from its own state after step 3: the gradient to that start is the one of step 3.
        state = network.layer(x[:3])[1]
        parts = [torch.autograd.Variable(s.data, requires_grad=True) for s in (state if kind == "LSTM" else [state])]
        output = network.layer(x[3:], tuple(parts) if kind == "LSTM" else parts[0])[0]
        task.loss(network.head(output[-1]), target).backward()
        assert norms[2] == pytest.approx(sum(float(p.grad.data.pow(2).sum()) for p in parts) ** 0.5, rel=1e-4)
        assert len(norms) == 7


def test_copy_problem_gated_cells_recall_the_symbols(example, out):
    argv = ["--task", "copy", "--length", "6", "--epochs", "12", "--out", str(out)]
    errors = example("adding_problem").main(argv)
    baseline = example("adding_problem").TASKS["copy"].baseline
    assert errors["LSTM"] < 0.1 * baseline
    assert errors["GRU"] < 0.5 * baseline


def test_char_model_remembers_further_than_any_ngram(example, out, tmp_path, capsys):
    """Each line ends with the letter that it began with, nine characters before: out of reach for contexts of five."""
    text, module = tmp_path / "lines.txt", example("char_model")
    letters = module.np.random.default_rng(0).choice(list("abcdefgh"), 4000)
    text.write_text("".join(f"{letter}........{letter}\n" for letter in letters), encoding="utf-8")
    argv = ["--text", str(text), "--hidden", "48", "--epochs", "30", "--sample", "30", "--out", str(out)]
    errors = module.main(argv)
    # An ideal model pays 3 bits for the first letter of each line of 11 characters; one that forgets pays them twice.
    assert min(value for name, value in errors.items() if name != "LSTM") > 5.9 / 11
    assert 2.9 / 11 < errors["LSTM"] < 4.5 / 11
    assert "Written at temperature 0.7" in capsys.readouterr().out
    assert out.read_bytes().startswith(PNG)


def test_char_model_ngrams_by_hand(example):
    one, two = example("char_model").ngram_bits("aab", "ab", longest=2)
    a, b = (2 + 2 / 2) / 5, (1 + 2 / 2) / 5
    assert one == pytest.approx(-(math.log2(a) + math.log2(b)) / 2)
    assert two == pytest.approx(-(math.log2(a) + math.log2((1 + 2 * b) / 4)) / 2)


def test_char_model_refuses_a_text_that_it_cannot_read(example, tmp_path, capsys):
    short, binary = tmp_path / "short.txt", tmp_path / "binary"
    short.write_text("too little", encoding="utf-8")
    binary.write_bytes(b"\xff\xfe\x00")
    for path, said in (
        (tmp_path / "none.txt", "cannot be read: No such file or directory"),
        (binary, "cannot be read: it is not UTF-8 text"),
        (short, "characters are needed, got 10"),
    ):
        with pytest.raises(SystemExit) as caught:
            example("char_model").main(["--text", str(path), "--out", str(tmp_path / "f.png")])
        shown = capsys.readouterr().err
        assert caught.value.code == 2
        assert said in shown
        assert shown.count("\n") == 1


def test_own_cells_are_proven_and_learn_to_tell_the_time(example, out, capsys):
    errors = example("own_cell").main(["--length", "15", "--epochs", "6", "--out", str(out)])
    for name in example("own_cell").LAYERS:
        assert errors[name] < 0.5 * errors["the mean pause"], name
    shown = capsys.readouterr().out
    assert shown.startswith("Normalise: first and second derivative agree")
    assert "Wrong: refused" in shown
    assert "NormLSTMCell: both derivatives agree, by 3 inputs and 7 parameters" in shown
    assert out.read_bytes().startswith(PNG)


def test_own_cell_proof_finds_a_wrong_derivative(example, monkeypatch):
    module = example("own_cell")
    monkeypatch.setattr(module.Normalise, "backward", module.Wrong.backward)
    with pytest.raises(RuntimeError, match="gradcheck"):
        list(module.prove(module.np.random.default_rng(0)))


def test_attention_writes_dates_right_and_looks_where_they_stand(example, out, capsys):
    right = example("attention").main(["--epochs", "5", "--out", str(out)])
    assert right["the most frequent letters"] < 0.05
    assert right["without"] + 0.1 < right["with attention"]
    assert right["with attention"] > 0.9
    assert "Dates written wholly right, of 500 new ones:" in capsys.readouterr().out
    assert out.read_bytes().startswith(PNG)


def test_attention_gives_no_weight_beyond_a_date_and_a_batch_changes_nothing(example):
    module, torch = example("attention"), minigrad
    options = module.common.parser("", 1, "f.png").parse_args([])
    pairs = [(module.written(day, form), day.isoformat()) for day in [datetime.date(1987, 3, 5)] for form in (0, 5)]
    assert pairs == [("Thursday, 5 March 1987", "1987-03-05"), ("5.3.1987", "1987-03-05")]
    torch.manual_seed(0)
    model = module.Translator(6)
    read, lengths, write = module.tensors(pairs, options)
    assert write.t().tolist() == [[1, 9, 8, 7, 10, 0, 3, 10, 0, 5]] * 2
    scores, weights = model(torch.autograd.Variable(read), lengths)
    assert weights.data[:, 1, 8:].abs().max() == 0
    assert weights.data.sum(2).numpy() == pytest.approx(1, abs=1e-6)
    alone = model(torch.autograd.Variable(read[:8, 1:].contiguous()), lengths[1:])[0]
    assert scores.data.view(10, 2, -1)[:, 1].numpy() == pytest.approx(alone.data.numpy(), abs=1e-5)


def test_tagger_reading_both_ways_beats_the_usual_tag(example, out, tmp_path, capsys):
    state = tmp_path / "state.pt"
    argv = ["--epochs", "15", "--out", str(out), "--checkpoint", str(state)]
    shares = example("tagger").main(argv)
    (both, both_hard), (forwards, _), (usual, usual_hard) = shares.values()
    assert usual < 0.8
    assert both > usual + 0.1
    assert both_hard > usual_hard + 0.25
    assert both > forwards
    assert "Tagged right, of 625 words" in capsys.readouterr().out
    assert out.read_bytes().startswith(PNG)
    assert example("tagger").main(argv) == shares  # nothing is left to train: the states of all networks came back


def test_tagger_learns_from_no_sentence_that_it_is_asked_about(example):
    module = example("tagger")
    sentences = module.tagged_sentences()
    tags = sorted({tag for sentence in sentences for _, tag in sentence})
    folds = [module.Fold(sentences, k, tags) for k in range(module.FOLDS)]
    assert sorted(s for fold in folds for s in fold.test) == sorted(sentences)
    for fold in folds:
        assert not [s for s in fold.test if s in fold.train]
        assert set(fold.words) == {word for s in fold.train for word, _ in s}


def test_sunspots_one_year_ahead_the_lstm_beats_every_baseline(example, out, capsys):
    module = example("sunspots")
    single = []
    for seed in range(3):
        found = module.main(["--seed", str(seed), "--out", str(out)])
        shown = capsys.readouterr().out
        single.append(float(re.search(r"the worst of single LSTMs +([\d.]+)", shown)[1]))
        for name in ("last year", "eleven years before", "autoregression"):
            assert found["LSTM"][0] < 0.8 * found[name][0]
        assert found["LSTM"][0] < 0.9 * found["autoregression of roots"][0]
        # Up to a whole cycle ahead the mean of the networks stays below the two rules that learn nothing.
        for rule in ("last year", "eleven years before"):
            assert all(a < b for a, b in zip(found["LSTM"][:10], found[rule]))
    assert max(single) < found["autoregression of roots"][0]  # each network alone
    assert out.read_bytes().startswith(PNG)


def test_sunspots_baselines_by_hand(example):
    module, np = example("sunspots"), example("common").np
    numbers = np.array(minigrad.data.sunspots()[1])
    found = module.classical(numbers, module.TEST)
    for start in (0, 43):
        year = 265 + start
        assert found["last year"][start].tolist() == [numbers[year - 1]] * 11
        assert found["eleven years before"][start].tolist() == numbers[year - 11 : year].tolist()
    # The autoregression from the normal equations, and its path one year after the other.
    known, ahead = numbers[:265], found["autoregression"]
    columns = np.stack([known[9 - k : 265 - k] for k in range(1, 10)] + [np.ones(256)])
    weights = np.linalg.solve(columns @ columns.T, columns @ known[9:])
    path = list(numbers[:265])
    for _ in range(11):
        path.append(weights[:9] @ path[:-10:-1] + weights[9])
    assert ahead[0] == pytest.approx(path[265:], rel=1e-6)
    wrong = numbers[-44:, np.newaxis] + np.zeros(11)  # year t + k forecast with the number of year t
    assert module.errors(wrong, numbers)[0] == 0
    assert module.errors(wrong, numbers)[2] == pytest.approx(np.mean((numbers[-44:-2] - numbers[-42:]) ** 2) ** 0.5)


def test_sunspots_a_path_is_drawn_from_earlier_years_only(example):
    module, np = example("sunspots"), example("common").np
    numbers = np.array(minigrad.data.sunspots()[1])
    step = lambda years: years.mean(0) + years[0]
    before = module.paths(numbers, 44, 22, step)
    for test in (0, 20, 43):
        changed = numbers.copy()
        changed[265 + test :] += 100
        after = module.paths(changed, 44, 22, step)
        np.testing.assert_array_equal(after[: test + 1], before[: test + 1])
        assert test == 43 or (after[test + 1] != before[test + 1]).all()


def test_digits_networks_beat_the_straight_readings(example, out, capsys):
    pytest.importorskip("sklearn")
    shares = example("digits").main(["--out", str(out)])
    assert 0.89 < shares["nearest mean image"] < 0.91
    assert 0.96 < shares["logistic regression"] < 0.98
    for kind in ("LSTM", "GRU"):
        assert shares[kind] > shares["logistic regression"]
    assert shares["RNN"] > 0.95
    assert "Read rightly, of 1797 digits" in capsys.readouterr().out
    assert out.read_bytes().startswith(PNG)


def test_digits_without_scikit_learn_one_line_says_what_to_install(example, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SystemExit) as caught:
        example("digits").main([])
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert "python -m pip install scikit-learn" in shown.err


def test_every_example_goes_on_after_ctrl_c_as_if_nothing_had_been(short, example, monkeypatch, tmp_path, capsys):
    module, argv = short
    common, path = example("common"), tmp_path / "state.pt"
    whole = module.main(argv)

    def pressed(steps, epoch=1):
        for k in steps:
            if k == epoch:
                signal.raise_signal(signal.SIGINT)
            yield k

    argv = [*argv, "--checkpoint", str(path)]
    with monkeypatch.context() as patch:
        patch.setattr(common, "progress_bar", pressed)
        with pytest.raises(SystemExit) as caught:
            module.main(argv)
    assert caught.value.code == 130
    shown = capsys.readouterr().err
    assert f"Interrupted after epoch 2 of 3; saved to {path} up to epoch 2: the same command goes on" in shown
    assert len(minigrad.load(str(path))["history"]) == 2
    assert module.main(argv) == whole
    assert "2 of 3 epochs are done" in capsys.readouterr().err


def test_every_example_says_in_one_line_what_is_missing(short, monkeypatch, tmp_path, capsys):
    module, argv = short
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert module.main(argv)
    shown = capsys.readouterr().err
    assert shown.endswith(
        "training: 100 %\nNo plot: matplotlib is missing; install it with  python -m pip install matplotlib\n"
    )
    assert not (tmp_path / "figure.png").exists()


def test_every_example_refuses_a_gpu_that_is_not_there_and_a_file_that_is_no_checkpoint(short, tmp_path, capsys):
    module, argv = short
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not a checkpoint")
    cases = [(["--checkpoint", str(broken)], f"{broken} is not a checkpoint that this example can read")]
    if not minigrad.cuda.is_available():
        cases.append((["--device", "cuda"], "--device cuda: no GPU that minigrad can use was found"))
    for more, said in cases:
        with pytest.raises(SystemExit) as caught:
            module.main([*argv, *more])
        assert caught.value.code == 2
        shown = capsys.readouterr().err.splitlines()
        assert said in shown[-1]
        assert len(shown) == 1
    assert broken.read_bytes() == b"not a checkpoint"


def test_a_checkpoint_that_may_not_be_read_is_one_line_that_says_why(example, monkeypatch, tmp_path, capsys):
    state = tmp_path / "state.pt"
    state.write_bytes(b"")

    def refuse(*given, **named):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(example("common").torch, "load", refuse)
    with pytest.raises(SystemExit) as caught:
        example("airline").main(["--out", str(tmp_path / "f.png"), "--checkpoint", str(state)])
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"--checkpoint: {state} cannot be read: Permission denied\n"


@pytest.mark.parametrize("what", ["checkpoint", "out"])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(example, what, monkeypatch, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    module, common = example("airline"), example("common")
    state, out = tmp_path / "state.pt", tmp_path / "figure.png"
    argv = ["--hidden", "3", "--out", str(out), "--checkpoint", str(state)]
    module.main([*argv, "--epochs", "2"])
    before = state.read_bytes(), out.read_bytes()
    capsys.readouterr()

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_from_here(*given, save=common.save_figure):
        monkeypatch.setattr(os, "fsync", full)
        save(*given)

    if what == "checkpoint":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(common, "save_figure", full_from_here)
    with pytest.raises(SystemExit) as caught:
        module.main([*argv, "--epochs", "4"])
    assert caught.value.code == 2
    path = state if what == "checkpoint" else out
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"--{what}: save: cannot write {str(path)!r}: {os.strerror(errno.ENOSPC)}; the old file is as it was"
    assert path.read_bytes() == before[what == "out"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.png", "state.pt"]  # nothing half-written beside them


def test_a_second_ctrl_c_stops_in_the_middle_of_an_epoch_and_the_last_checkpoint_stays(
    example, monkeypatch, tmp_path, capsys
):
    module, common, state = example("airline"), example("common"), tmp_path / "state.pt"
    argv = ["--hidden", "3", "--out", str(tmp_path / "f.png"), "--checkpoint", str(state)]
    module.main([*argv, "--epochs", "2"])
    capsys.readouterr()
    before = state.read_bytes()

    def twice(*given, **named):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(module.airline, "fit", twice)
    for path, kept in (
        (state, f"saved to {state} up to epoch 2: the same command goes on from there."),
        (tmp_path / "new.pt", "nothing is saved yet."),
    ):
        with pytest.raises(SystemExit) as caught:
            module.main([*argv[:-1], str(path), "--epochs", "4"])
        assert caught.value.code == 130
        assert capsys.readouterr().err.splitlines()[-1].endswith(f" of 4; {kept}")
    assert state.read_bytes() == before
    monkeypatch.setattr(common, "train", lambda *given, **named: signal.raise_signal(signal.SIGINT))
    with pytest.raises(SystemExit) as caught:
        module.main(argv)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


def start(*argv):
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / "adding_problem.py"), *argv], cwd=ROOT, text=True, bufsize=1,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C reaches a program of its own only through its console")
def test_ctrl_c_leaves_a_whole_checkpoint_and_the_same_command_ends_as_if_nothing_had_been(example, tmp_path, capsys):
    common = example("common")
    path = tmp_path / "state.pt"
    argv = ["--length", "12", "--epochs", "40", "--out", str(tmp_path / "f.png"), "--checkpoint", str(path)]
    program = start(*argv)
    shown = ""
    while not re.search(r" [1-9]\d*/40| [1-9]\d? %", shown):
        piece = program.stderr.read(1)
        assert piece, f"ended before it could be interrupted: {shown}"
        shown += piece
    program.send_signal(signal.SIGINT)
    said = program.communicate(timeout=30)[1]
    assert program.returncode == 130
    assert re.search(r"saved to \S+state.pt up to epoch \d+: the same command goes on from there\.", said)
    assert "Traceback" not in said
    state = minigrad.load(str(path))
    done = len(state["history"])
    assert 1 <= done < 40
    assert [p.name for p in tmp_path.iterdir()] == ["state.pt"]  # no half-written file beside it

    module = example("adding_problem")
    assert common.train is module.common.train
    resumed = module.main(argv)
    assert len(minigrad.load(str(path))["history"]) == 40
    assert minigrad.load(str(path))["history"][:done] == state["history"]
    capsys.readouterr()
    assert module.main(argv[:-2]) == resumed  # to the last bit: nothing was lost, nothing was seen twice


def test_a_checkpoint_of_another_task_or_no_checkpoint_is_refused_in_one_line(example, tmp_path, capsys):
    module, path = example("adding_problem"), tmp_path / "state.pt"
    argv = ["--epochs", "1", "--length", "4", "--hidden", "3", "--out", str(tmp_path / "f.png"), "--checkpoint"]
    module.main([*argv, str(path)])
    capsys.readouterr()
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"not a checkpoint")
    for more, said in (
        ([str(path), "--hidden", "4"], "was made with --hidden 3, not 4; name another file"),
        ([str(path), "--seed", "1"], "was made with --seed 0, not 1; name another file"),
        ([str(broken)], "is not a checkpoint that this example can read; name another file"),
    ):
        with pytest.raises(SystemExit) as caught:
            module.main([*argv, *more])
        assert caught.value.code == 2
        shown = capsys.readouterr().err
        assert said in shown
        assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "0"], "expected a whole number of at least 1, got 0"),
        (["--epochs", "many"], "expected a whole number of at least 1, got many"),
        (["--seed", "-1"], "--seed: expected a whole number of 0 to 18446744073709551615, got -1"),
        (
            ["--seed", str(2**64)],
            "--seed: expected a whole number of 0 to 18446744073709551615, got 18446744073709551616",
        ),
        (["--device", "tpu"], "invalid choice: 'tpu'"),
        (["--out", "no/such/folder/x.png"], "--out: there is no folder"),
        (["--out", "figure.doc"], "--out: expected a name that ends in .png, .svg, .pdf, got figure.doc"),
        (["--checkpoint", "no/such/folder/x.pt"], "--checkpoint: there is no folder"),
        (["--checkpoint", "."], "--checkpoint: expected the name of a file, . is a folder"),
        (["--length", "1"], "--length: expected at least 2, got 1"),
    ],
)
def test_bad_arguments_are_refused(example, argv, message, capsys):
    with pytest.raises(SystemExit) as caught:
        example("adding_problem").main(argv)
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
