"""The CUDA kernels' arithmetic and index logic, on the host: no GPU test.

The sources are compiled by the host's compiler for an emulated device (host.h) under AddressSanitizer and UBSan, and
run behind the same Python as on a card. What this cannot show is the order of memory on a real device, and its speed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from emulated_device import KINDS, build, environment

HERE = Path(__file__).parent
ENVIRONMENT = environment() if shutil.which("g++") else None
pytestmark = pytest.mark.skipif(ENVIRONMENT is None, reason="no g++ with AddressSanitizer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emulated")
    build(folder)
    return folder


def run(folder, *case):
    root = str(HERE.parents[1])
    return subprocess.run(
        [sys.executable, str(HERE / "emulated_cases.py"), str(folder), *case],
        env=ENVIRONMENT | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.parametrize("form", ["resident", "step"])
@pytest.mark.parametrize("case", ["shapes", "chunks"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_what_the_cpu_computes(folder, case, kind, form):
    result = run(folder, case, kind, form)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "done\n"


@pytest.mark.parametrize("case", ["other_layouts", "refused"])
def test_arguments(folder, case):
    result = run(folder, case)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "done\n"


def test_the_table_and_the_numbers_of_the_plan_are_those_of_the_sources(folder):
    result = run(folder, "constants")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("deadlock", "deadlock: every block waits"),
        ("wrong_grid", "trap"),
        ("short_memory", "AddressSanitizer"),
    ],
)
def test_the_emulator_notices(folder, case, message):
    result = run(folder, case)
    assert result.returncode != 0
    assert message in result.stderr
