"""What every test relies on: one BLAS thread, random numbers that can be drawn again, an oracle that is there."""

import os

# Before NumPy is imported: at the sizes of the tests a second thread only costs, and workers that wait burn a core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib.metadata
import importlib.util
import secrets
import signal
import zlib

import numpy as np
import pytest

SEED = int(os.environ.get("MINIGRAD_TEST_SEED") or secrets.randbits(32))
HAS_TORCH = importlib.util.find_spec("torch") is not None


def oracle_demanded(config):
    """Whether this run is about the comparison with PyTorch: `pytest -m oracle`, or MINIGRAD_ORACLE=1."""
    return os.environ.get("MINIGRAD_ORACLE") == "1" or config.option.markexpr.strip() == "oracle"


def pytest_addoption(parser):
    parser.addoption(
        "--device", choices=["cpu", "cuda"], default="cpu",
        help="where the tests of operations, modules and losses keep their arrays; cuda: on the GPU that CuPy finds, "
        "and an error where there is none",
    )  # fmt: skip


def check_device(config):
    """Refuse a run on the GPU where there is none: skipped tests would look like passed ones."""
    if config.option.device == "cuda":
        from minigrad.ops import devices

        if not devices.is_available():
            raise pytest.UsageError(f"--device cuda: {devices.missing()}")


def pytest_configure(config):
    check_device(config)
    # A shell may let what it starts in the background ignore Ctrl-C, which programs that the tests start would inherit.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "oracle: compares with PyTorch itself; skipped where it is not installed")


def pytest_report_header(config):
    torch = importlib.metadata.version("torch") if HAS_TORCH else "not installed, tests marked oracle are skipped"
    gpu = "real" if config.option.device == "cuda" else "none, tests/cuda use a stand-in over NumPy"
    return [f"random numbers: MINIGRAD_TEST_SEED={SEED}", f"oracle: torch {torch}", f"GPU: {gpu}"]


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(config, items):
    for item in items:
        if "oracle" in item.fixturenames:
            item.add_marker(pytest.mark.oracle)
        if item.get_closest_marker("oracle") and not HAS_TORCH and not oracle_demanded(config):
            item.add_marker(pytest.mark.skip(reason="PyTorch, the oracle, is not installed"))


def pytest_collection_finish(session):
    if oracle_demanded(session.config):
        if not HAS_TORCH:
            raise pytest.UsageError("the comparison with PyTorch was asked for, and PyTorch is not installed")
        if not any(item.get_closest_marker("oracle") for item in session.items):
            raise pytest.UsageError(
                "the comparison with PyTorch was asked for, and no test was collected that makes it"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and "rng" in getattr(item, "fixturenames", ()):
        report.sections.append(("random numbers", f"drawn again by MINIGRAD_TEST_SEED={SEED}"))
    return report


@pytest.fixture
def rng(request):
    """NumPy's generator, started anew for each test: its numbers do not depend on which other tests run."""
    return np.random.default_rng([SEED, zlib.crc32(request.node.nodeid.encode())])


@pytest.fixture
def oracle():
    """Today's PyTorch, on one thread. A test that uses it is marked `oracle`."""
    import torch

    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def place(pytestconfig):
    """function(array): the NumPy array where `--device` wants it, in its memory layout."""
    if pytestconfig.option.device == "cpu":
        return lambda array: array
    from minigrad.ops import arrays

    def on_gpu(array):
        if array.flags.c_contiguous or array.ndim == 0:
            return arrays.to_gpu(array, 0)
        if array.flags.f_contiguous:
            return arrays.to_gpu(array.T, 0).T
        return arrays.to_gpu(np.repeat(array, 2, -1), 0)[..., ::2]

    return on_gpu


@pytest.fixture
def real(request):
    """Whether the tests run on a real GPU."""
    return request.config.option.device == "cuda"


@pytest.fixture
def gpu(real, monkeypatch):
    """CuPy with a GPU under `--device cuda`, otherwise what stands in for both; for the tests in tests/cuda."""
    if real:
        from minigrad.ops import devices

        return devices.cupy()
    import standin

    return standin.install(monkeypatch)


@pytest.fixture
def two_gpus(gpu):
    """The same, where there are two GPUs at least."""
    from minigrad.ops import devices

    if devices.count() < 2:
        pytest.skip("there is one GPU only")
    return gpu
