"""The rules of conftest.py, on small projects of their own."""

import shutil
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.fixture
def project(pytester, monkeypatch):
    monkeypatch.delenv("MINIGRAD_ORACLE", raising=False)
    monkeypatch.setenv("MINIGRAD_TEST_SEED", "7")
    shutil.copy(CONFTEST, pytester.path / "conftest.py")
    return pytester


def without_torch(project):
    path = project.path / "conftest.py"
    text = path.read_text(encoding="utf-8")
    line = 'HAS_TORCH = importlib.util.find_spec("torch") is not None'
    assert line in text
    path.write_text(text.replace(line, "HAS_TORCH = False"), encoding="utf-8")


def test_a_failure_says_how_to_draw_the_same_numbers(project):
    project.makepyfile("def test_fails(rng): assert rng.random() > 1")
    lines = ["random numbers: MINIGRAD_TEST_SEED=7", "*drawn again by MINIGRAD_TEST_SEED=7"]
    project.runpytest().stdout.fnmatch_lines(lines)


def test_numbers_depend_on_the_seed_and_the_test_alone(project, monkeypatch):
    project.makepyfile(
        """
        def test_first(rng): print("first", rng.integers(1 << 40))
        def test_second(rng): print("second", rng.integers(1 << 40))
        """
    )

    def drawn(*args):
        return [line for line in project.runpytest("-s", "-q", *args).outlines if "first " in line or "second " in line]

    both = [line.lstrip(".") for line in drawn()]
    assert both == [line.lstrip(".") for line in drawn()]
    assert both[1:] == [line.lstrip(".") for line in drawn("-k", "second")]
    assert both[0].split()[1] != both[1].split()[1]
    monkeypatch.setenv("MINIGRAD_TEST_SEED", "8")
    assert both != [line.lstrip(".") for line in drawn()]


def test_an_oracle_run_without_oracle_tests_fails(project, monkeypatch):
    project.makepyfile("def test_alone(): pass")
    assert project.runpytest().ret == 0
    assert project.runpytest("-m", "oracle").ret != 0
    monkeypatch.setenv("MINIGRAD_ORACLE", "1")
    assert project.runpytest().ret != 0


def test_without_torch_oracle_tests_are_skipped_unless_demanded(project, monkeypatch):
    without_torch(project)
    project.makepyfile("def test_compares(oracle): raise AssertionError('must not run')")
    project.runpytest().assert_outcomes(skipped=1)
    result = project.runpytest("-m", "oracle")
    assert result.ret != 0
    monkeypatch.setenv("MINIGRAD_ORACLE", "1")
    result = project.runpytest()
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*PyTorch is not installed*"])
