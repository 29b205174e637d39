"""Which instruction set the kernels use."""

import os
import platform
import subprocess
import sys

import pytest

from minigrad import kernels

PROGRAM = "from minigrad import kernels; print(kernels.instruction_set())"


def run(**environment):
    environment = {**{k: v for k, v in os.environ.items() if k != "MINIGRAD_ISA"}, **environment}
    return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)


def test_the_sets_of_this_processor_are_the_first_of_all():
    available = kernels.available_instruction_sets()
    known = ("baseline", "v2", "v3", "v4") if platform.machine().lower() in ("x86_64", "amd64") else ("baseline",)
    assert available
    assert available == known[: len(available)]


def test_a_set_lacks_nothing_that_linux_finds_in_the_processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = set(next(line for line in file if line.startswith("flags")).split())
    except (OSError, StopIteration):
        pytest.skip("nothing here says what the processor has")
    needed = {
        "v2": {"sse4_2", "popcnt"},
        "v3": {"avx2", "fma"},
        "v4": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    }
    for name in kernels.available_instruction_sets():
        assert needed.get(name, set()) <= flags


def test_the_best_set_is_chosen():
    assert run().stdout.strip() == kernels.available_instruction_sets()[-1]


@pytest.mark.parametrize("name", kernels.available_instruction_sets())
def test_the_environment_chooses_another(name):
    assert run(MINIGRAD_ISA=name).stdout.strip() == name


def test_a_set_that_is_not_there_is_refused():
    refused = run(MINIGRAD_ISA="sse9")
    assert refused.returncode != 0
    assert f"instruction set must be one of {kernels.available_instruction_sets()}, got 'sse9'" in refused.stderr
    before = kernels.instruction_set()
    with pytest.raises(ValueError, match="sse9"):
        kernels.use_instruction_set("sse9")
    assert kernels.instruction_set() == before
