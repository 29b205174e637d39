"""python -m minigrad: its commands, and what it says when asked for something else."""

import os
import re
import subprocess
import sys

import pytest

import minigrad
from minigrad import __main__, _build
from minigrad.ops import build


def test_info_names_what_computes(capsys):
    assert __main__.main(["info"]) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert minigrad.__version__ in lines["minigrad"]
    versions = r"(release|debug), \S+ \d.*, Cython \d+\.\d+\.\d+, NumPy [2-9]\.\d+\.\d+, Python 3\.\d+"
    assert re.search(versions, lines["build"])
    assert lines["build"].strip().startswith("debug" if _build.debug else "release")
    assert re.match(r" +(\w+) instructions \(available: (.*\b)?\1\b.*\d threads?$", lines["kernels"])
    assert re.search(r"\d threads?|an unknown number of threads", lines["BLAS"])
    assert lines["GPU"].strip().startswith("usable" if minigrad.cuda.is_available() else "not usable: ")


def test_a_missing_gpu_is_explained(capsys, monkeypatch):
    def require():
        raise RuntimeError("cuda: no driver, say")

    monkeypatch.setattr(minigrad.cuda, "require", require)
    __main__.main(["info"])
    assert "GPU:          not usable: no driver, say\n" in capsys.readouterr().out


def test_the_build_is_the_one_that_runs():
    assert _build.python.split(".")[:2] == sys.version.split(".")[:2]


@pytest.mark.skipif("openblas" not in build.blas().lower(), reason="NumPy's products are done by another library")
@pytest.mark.parametrize("threads", range(1, min(3, (os.cpu_count() or 1) + 1)))
def test_blas_threads_are_counted(threads):
    count = "from minigrad.ops import build; print(build.blas_threads())"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", count], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(threads)


def test_tutorial_gets_its_arguments(capsys):
    with pytest.raises(SystemExit, match="0"):
        __main__.main(["tutorial", "--help"])
    assert "--no-pause" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["fly"], "'fly'"), ([], "COMMAND"), (["info", "now"], "now"), (["tutorial", "--fast"], "--fast")],
)
def test_anything_else_is_refused_by_name(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_the_module_is_the_command():
    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "minigrad", *arguments], capture_output=True, text=True)

    assert run("--version").stdout == f"minigrad {minigrad.__version__}\n"
    assert "tutorial" in run("--help").stdout
    refused = run("fly")
    assert refused.returncode == 2
    assert "info" in refused.stderr
    assert "tutorial" in refused.stderr
