"""The benchmarks of the CUDA kernels where there is no card, and what of them can be checked there."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import nvrtc
import pytest

from minigrad.kernels.cuda.source import OPTIONS

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "rnn_cuda.py"

# Steps as on a GPU, but on the CPU: what was computed after two of them, and the names of the cases.
STEPS = """
import importlib.util, sys
sys.argv[1:] = []  # importing the benchmark parses them
import gpu, numpy as np
assert len(gpu.STEPS) == 9
for case, (kind, options, model) in gpu.STEPS.items():
    if "million" in case:
        model = lambda torch: torch.nn.LSTM(3, 4, 2)
    libraries = [gpu.of_minigrad(False)]
    if importlib.util.find_spec("torch"):
        import torch
        layer = lambda net, rng: gpu.filled(torch, net, rng)
        wrap = lambda array, grad: torch.from_numpy(array)
        libraries.append((torch, wrap, layer, None, lambda v: v.detach().numpy()))
    found = []
    for torch_like, wrap, layer, _, numbers in libraries:
        run = gpu.stepped(torch_like, wrap, layer, kind, options, model)
        first, second = numbers(run()).copy(), numbers(run())
        assert not np.array_equal(first, second)
        found.append(second)
    np.testing.assert_allclose(found[0], found[-1], rtol=0, atol=1e-4)
    print(case)
"""


def benchmark():
    spec = importlib.util.spec_from_file_location("rnn_cuda", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_card_it_says_so_in_one_line():
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a card")
    result = subprocess.run([sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("rnn_cuda: nothing measured: ")
    assert result.stderr.count("\n") == 1


def test_the_whole_benchmark_says_so_too():
    result = subprocess.run(
        [sys.executable, str(SCRIPT.with_name("gpu.py")), "--quick"],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("gpu: nothing measured: ")
    assert result.stderr.count("\n") == 1


def test_steps_are_those_of_pytorch():
    result = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, cwd=SCRIPT.parent)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("\n") == 9


def test_every_size_asked_for_is_a_case():
    module = benchmark()
    names = [str(case) for case in module.CASES]
    assert names[:3] == ["RNN_TANH(100, 200), 6x5", "LSTM(50, 100, 2), 10x3", "GRU(10, 20), 3x32"]
    assert len(set(names)) == len(names) == 3 + 3 * 4 * 3 * 2
    weights = module.CASES[1].weights()
    assert [[w.shape for w in layer] for layer in weights] == [
        [(400, 50), (400, 100), (400,), (400,)],
        [(400, 100), (400, 100), (400,), (400,)],
    ]


def test_the_page_has_the_marks_that_it_fills():
    module = benchmark()
    text = module.PAGE.read_text(encoding="utf-8")
    assert text.count(f"<!-- {module.MARK} -->\n") == text.count(f"<!-- end {module.MARK} -->") == 1


@pytest.mark.skipif(nvrtc.find() is None, reason="nvidia-cuda-nvrtc-cu12 is not installed")
def test_its_own_kernels_compile():
    cubin, _ = nvrtc.compile_kernel(nvrtc.find(), benchmark().blocks_source(), "sm_90", OPTIONS)
    assert b"barriers" in cubin
    assert b"nothing" in cubin
