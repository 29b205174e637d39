"""Every form of the CUDA kernels goes through NVIDIA's compiler and assembler, without a card."""

import itertools
import re

import nvrtc
import pytest

from minigrad.kernels._optim import RULES
from minigrad.kernels.cuda import optim
from minigrad.kernels.cuda.plan import GATES, THREADS
from minigrad.kernels.cuda.source import ENTRY, OPTIONS, STEP_ENTRY, Configuration, source, step_source

LIBRARY = nvrtc.find()
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="nvidia-cuda-nvrtc-cu12 is not installed")

# What CuPy adds to the options, the assembler's report, and silence about cells that a kernel has no use for.
COMPILED_WITH = (
    *OPTIONS,
    "-ftz=true",
    "--device-as-default-execution-space",
    "--ptxas-options=-v",
    "--diag-suppress=177",
)
REGISTERS_OF_A_MULTIPROCESSOR = 65536


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("kind", GATES)
def test_a_kernel_compiles_and_keeps_everything_in_registers(kind, backward, architecture):
    for item, rows, resident in itertools.product((4, 8), (1, 2, 4), (False, True)):
        configuration = Configuration(kind, item, backward, rows, resident)
        cubin, log = nvrtc.compile_kernel(LIBRARY, source(configuration), architecture, COMPILED_WITH)
        used = nvrtc.resources(log)
        assert cubin[:4] == b"\x7fELF"
        assert ENTRY.encode() in cubin
        assert "warning" not in log, log
        assert (used.stack, used.spill_stores, used.spill_loads) == (0, 0, 0), configuration
        # A block of the plan has to fit on a multiprocessor by its registers too; all its shared memory is dynamic.
        assert used.registers * THREADS <= REGISTERS_OF_A_MULTIPROCESSOR, configuration
        assert used.registers <= 168, configuration
        assert used.shared == 0, configuration


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("rule", RULES)
def test_a_step_compiles_and_keeps_everything_in_registers(rule, architecture):
    for item in (4, 8):
        cubin, log = nvrtc.compile_kernel(LIBRARY, step_source(rule, item), architecture, COMPILED_WITH)
        used = nvrtc.resources(log)
        assert STEP_ENTRY.encode() in cubin
        assert "warning" not in log, log
        assert (used.stack, used.spill_stores, used.spill_loads, used.shared) == (0, 0, 0, 0), (rule, item)
        # Loads have to hide behind one another: at least half of the 2048 threads that a multiprocessor holds.
        assert used.registers * optim.THREADS * 4 <= REGISTERS_OF_A_MULTIPROCESSOR, (rule, item)


@pytest.mark.parametrize("rule", RULES)
def test_quotients_and_roots_of_a_step_are_rounded_as_ieee_754_says(rule):
    divides = rule not in ("sgd", "asgd", "rprop", "add_scaled")
    for item, suffix in ((4, "ftz.f32"), (8, "f64")):
        # As CuPy compiles: numbers below 2^-126 count as zero, which the names of the instructions say.
        ptx = nvrtc.compile_ptx(LIBRARY, step_source(rule, item), "compute_80", (*OPTIONS, "-ftz=true"))
        found = set(re.findall(r"\b(?:div|sqrt|rcp|rsqrt|ex2|lg2)\.[\w.]+", ptx))
        assert found == {
            *([f"div.rn.{suffix}"] if divides else []),
            *([f"sqrt.rn.{suffix}"] if divides and rule != "adamax" else []),
        }


def test_what_a_compiler_refuses_is_refused_with_its_words():
    with pytest.raises(ValueError, match="undefined_thing"):
        nvrtc.compile_kernel(LIBRARY, "__global__ void f() { undefined_thing(); }", "sm_80", OPTIONS)


def test_spilled_registers_show_in_the_report():
    text = source(Configuration("LSTM", 8, False, 4, True)).replace("(MG_THREADS, 1)", "(MG_THREADS, 8)")
    _, log = nvrtc.compile_kernel(LIBRARY, text, "sm_80", COMPILED_WITH)
    assert nvrtc.resources(log).spill_stores > 0


def test_barrier_and_fresh_reads_are_the_instructions_they_should_be():
    # PTX, which a virtual architecture gives, names the memory order.
    for backward in (False, True):
        text = source(Configuration("LSTM", 4, backward, 2, True))
        ptx = nvrtc.compile_ptx(LIBRARY, text, "compute_80", OPTIONS)
        assert "red.release.gpu.global.add.u32" in ptx
        assert "ld.acquire.gpu.global.u32" in ptx
        assert "ld.global.cg.f32" in ptx
        assert "ld.global.nc" not in ptx  # the read-only path may return what was there before the barrier
