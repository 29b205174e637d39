"""The optimisers' CUDA kernel, its arithmetic and index logic, on the host: no GPU test. As test_emulated_layers.py."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from emulated_device import build, environment

HERE = Path(__file__).parent
ENVIRONMENT = environment() if shutil.which("g++") else None
pytestmark = pytest.mark.skipif(ENVIRONMENT is None, reason="no g++ with AddressSanitizer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulated")
    build(folder, "host_steps.cc")
    return folder


def run(folder, case):
    paths = f"{HERE.parents[1]}:{HERE.parent / 'kernels'}"
    return subprocess.run(
        [sys.executable, str(HERE / "emulated_steps.py"), str(folder), case],
        env=ENVIRONMENT | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.mark.parametrize("case", ["rules", "values", "many", "handed_back", "overlapping_rows", "constants"])
def test_a_step_is_what_the_cpu_computes(folder, case):
    result = run(folder, case)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "done\n"


def test_an_element_too_many_is_noticed(folder):
    result = run(folder, "too_long")
    assert result.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in result.stderr
