"""The memory that the tests here use: a real GPU's with `pytest --device cuda`, otherwise the stand-in's."""

import sys
from pathlib import Path

import pytest

from minigrad.ops import devices

sys.path.insert(0, str(Path(__file__).parent))
import standin


@pytest.fixture
def real(request):
    """Whether the tests run on a real GPU."""
    return request.config.option.device == "cuda"


@pytest.fixture
def gpu(real, monkeypatch):
    """CuPy with a GPU, or what stands in for both."""
    return devices.cupy() if real else standin.install(monkeypatch)


@pytest.fixture
def two_gpus(gpu):
    if devices.count() < 2:
        pytest.skip("there is one GPU only")
    return gpu
