"""Results that come from the store: they are arrays like any other, and what is freed serves again."""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from minigrad import kernels

SIZES = [255, 256, 257, 1000, 16384, 16385, 300_000]  # around 1 KiB and 64 KiB of float32


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_ordinary_arrays(n, dtype):
    a = np.arange(n, dtype=dtype)
    out = kernels.add(a, a)
    assert out.flags.owndata
    assert out.flags.writeable
    assert out.flags.c_contiguous
    assert out.base is None
    np.testing.assert_array_equal(out, 2 * a)
    out[:] = 3
    assert (out == 3).all()


@pytest.mark.parametrize("n", SIZES)
def test_what_numpy_does_with_its_own_memory(n):
    out = kernels.add(np.ones(n, np.float32), 1.0)
    out.resize(3 * n, refcheck=False)
    np.testing.assert_array_equal(out, np.repeat([2, 0, 0], n))
    out.resize(n // 2, refcheck=False)
    np.testing.assert_array_equal(out, np.full(n // 2, 2))
    view = out[::2]
    del out
    gc.collect()
    assert (view == 2).all()


def test_two_results_never_share_memory():
    a = np.ones(1000, np.float32)
    kept = [kernels.multiply(a, float(k)) for k in range(2000)]
    assert all((x == k).all() for k, x in enumerate(kept))
    del kept[::2]
    again = [kernels.multiply(a, float(-k)) for k in range(1000)]
    assert all((x == 2 * k + 1).all() for k, x in enumerate(kept))
    assert all((x == -k).all() for k, x in enumerate(again))


def test_freed_memory_serves_again():
    a = np.ones(1000, np.float32)
    address = kernels.add(a, a).ctypes.data
    assert kernels.add(a, a).ctypes.data == address


def test_threads():
    a, wrong = np.ones(5000, np.float32), []

    def work(k):
        for _ in range(500):
            out = kernels.multiply(a, float(k))
            if not (kernels.add(out, out) == 2 * k).all():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


PROGRAM = """
import resource
import numpy as np
from minigrad import kernels
a = np.ones(4_000_000, np.float32)
for _ in range(3):
    kernels.add(a, a)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for n in range(1, 400):
    kernels.add(a[: 10_000 * n], a[: 10_000 * n])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the module resource is POSIX only")
def test_the_store_is_bounded():
    """Results of 400 different sizes, 3.2 GB in all, keep at most the store's 56 MiB and one result more."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=env, check=True)
    assert int(done.stdout) < 100 * 1024


ROUNDS = """
import resource
import numpy as np
from minigrad import kernels
a = np.ones(10_000_000, np.float32)
for round in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    results = [kernels.add(a, a) for _ in range(4)]
    del results
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the module resource is POSIX only")
def test_rounds_of_one_kind_find_their_memory_again():
    """Four results of 40 MB at a time: more than is kept of what was never needed again."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", ROUNDS], capture_output=True, text=True, env=env, check=True)
    assert int(done.stdout) < 10
