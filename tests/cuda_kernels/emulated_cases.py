"""Run by test_emulated_layers.py in a process of its own, under sanitizers: python emulated_cases.py FOLDER CASE ...

Every case compares whole layers with the CPU's kernels: values and all gradients. Neither numbers nor bounds are shared
with the code under test; the CPU's kernels have tests of their own against the equations and finite differences.
"""

import itertools
import re
import sys

import numpy as np
import pytest
from emulated_device import KINDS, SOURCES, EmulatedDevice

from minigrad import kernels
from minigrad.kernels.cuda import layer
from minigrad.kernels.cuda.plan import (
    COUNTER_STRIDE,
    GATES,
    ROW_THREADS,
    SLICES,
    THREADS,
    UNITS,
    padded,
    shared_bytes,
)

NAMES = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh")
RESULTS = ("h", "hn", "cn")
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}


def arguments_of(rng, kind, sizes, hidden, features=3, biases=(True, True), dtype=np.float64):
    """(x, h0, c0, w_ih, w_hh, b_ih, b_hh), drawn."""
    wide, batch, rows = GATES[kind] * hidden, int(sizes[0]), int(np.sum(sizes))
    shapes = [
        (rows, features), (batch, hidden), (batch, hidden) if kind == "LSTM" else None, (wide, features),
        (wide, hidden), wide if biases[0] else None, wide if biases[1] else None,
    ]  # fmt: skip
    drawn = [None if shape is None else rng.normal(size=shape) for shape in shapes]
    drawn[4] /= np.sqrt(hidden)
    return [None if a is None else a.astype(dtype) for a in drawn]


def agree(case, name, got, wanted, dtype):
    assert (got is None) == (wanted is None), f"{case}: {name} is {got}, and {wanted} on the CPU"
    if wanted is not None:
        assert (got.shape, got.dtype) == (wanted.shape, dtype), f"{case}: {name} is {got.shape} {got.dtype}"
        error = np.max(np.abs(got - wanted) / np.maximum(1, np.abs(wanted).max(initial=0)), initial=0)
        assert error <= TOLERANCE[dtype], f"{case}: {name} is off by {error:.1e}"


def compare(
    device, rng, kind, sizes, hidden, reverse, biases=(True, True), dtype=np.float64, plain=False, each=False, **more
):
    """One layer on the emulated device and on the CPU: with and without saving, all gradients; `each` alone, too."""
    case = f"{kind} {dtype.__name__} sizes {list(sizes)} hidden {hidden} reverse {reverse} {biases} {more}"
    arguments = arguments_of(rng, kind, sizes, hidden, biases=biases, dtype=dtype, **more)
    before = [None if a is None else a.copy() for a in arguments]
    steps = None if plain else np.asarray(sizes, np.int64)
    *states, saved = layer.layer_forward(device, kind, *arguments, steps, reverse)
    *wanted, cpu_saved = kernels.layer_forward(kind, *arguments, steps, reverse)
    *unsaved, nothing = layer.layer_forward(device, kind, *arguments, steps, reverse, save=False)
    assert nothing is None
    for name, got, again, want in zip(RESULTS, states, unsaved, wanted):
        agree(case, name, got, want, dtype)
        agree(case, f"{name} without saving", again, want, dtype)

    def draw(like):
        return None if like is None else rng.normal(size=like.shape).astype(dtype)

    upstream = [draw(s) for s in states]
    everything = (True,) * 7
    for given in ([True] * 3, [True, False, False], [False, True, False], [False, False, True]):
        d = [u if used else None for u, used in zip(upstream, given)]
        got = layer.layer_backward(device, kind, saved, *d, everything)
        want = kernels.layer_backward(kind, cpu_saved, *d, everything)
        for name, g, w in zip(NAMES, got, want):
            agree(f"{case} upstream {given}", f"gradient of {name}", g, w, dtype)
    whole = kernels.layer_backward(kind, cpu_saved, *upstream, everything)
    for k, name in enumerate(NAMES) if each else ():
        needs = tuple(i == k for i in range(7))
        got = layer.layer_backward(device, kind, saved, *upstream, needs)
        for i, (g, w) in enumerate(zip(got, whole)):
            agree(f"{case} needs {name} alone", f"gradient of {NAMES[i]}", g, w if i == k else None, dtype)
    for name, array, copy in zip(NAMES, arguments, before):
        assert array is None or np.array_equal(array, copy), f"{case}: {name} was changed"


def shapes(kind, folder, resident):
    """Odd sizes: one unit to several blocks of units, one sequence to several tiles, even and uneven lengths."""
    rng = np.random.default_rng(1)
    # No multiprocessors: nothing can be resident. Eight: two groups at most for 32 units, and several tiles a group.
    device = EmulatedDevice(folder, 8 if resident else 0)
    for i, hidden in enumerate((1, 7, 17, 32, 33)):
        for reverse in (False, True):
            sizes = [[5, 5, 5], [4, 2, 1], [1, 1, 1], [3, 3, 0], [2], [5, 3, 3, 1]][(i + 3 * reverse) % 6]
            compare(device, rng, kind, sizes, hidden, reverse, ((i + reverse) % 2 == 0, i % 3 != 0))
    for sizes, reverse in (([41, 41, 3], False), ([70, 9], True), ([12, 12], False)):
        compare(device, rng, kind, sizes, 9, reverse)
    compare(device, rng, kind, [3] * 3, 17, False, plain=True, each=True)
    compare(device, rng, kind, [3, 2], 9, True, each=True, features=1)
    compare(device, rng, kind, [3] * 3, 17, True, plain=True, features=1)
    for hidden, reverse in itertools.product((5, 33), (False, True)):
        compare(device, rng, kind, [6, 6, 2], hidden, reverse, dtype=np.float32)
    assert {p.resident for p in device.plans} == {resident}
    assert {p.rows for p in device.plans} == {1, 2, 4}
    if resident:
        assert max(p.groups for p in device.plans) > 1
        assert any(p.groups * p.tile < 70 and p.blocks // p.groups == 2 for p in device.plans)
    assert max(p.blocks // p.groups for p in device.plans) == -(-33 // UNITS)


def chunks(kind, folder, resident):
    """A depth cut into several chunks, the last of them shorter, as a card with little shared memory demands."""
    rng = np.random.default_rng(2)
    device = EmulatedDevice(folder, 132 if resident else 0)
    planned = layer.plan
    for chunk, hidden, dtype in ((2, 3, np.float64), (64, 35, np.float64), (24, 17, np.float32)):

        def shorter(kind, item, backward, hidden, *card, chunk=chunk):
            whole = planned(kind, item, backward, hidden, *card)
            outputs, depth = (1, GATES[kind] * hidden) if backward else (GATES[kind], hidden)
            shared = shared_bytes(outputs, whole.rows, depth, chunk, item, whole.resident)
            return whole._replace(chunk=chunk, shared=shared)

        layer.plan = shorter
        for reverse in (False, True):
            compare(device, rng, kind, [3, 3, 2], hidden, reverse, dtype=dtype)
    assert {p.resident for p in device.plans} == {resident}


def deadlock(folder):
    """More blocks than the card holds: the emulator has to notice."""
    device = EmulatedDevice(folder, 132)
    planned = layer.plan
    layer.plan = lambda *a: planned(*a[:5], 132, a[6])
    device.multiprocessors = 2
    layer.layer_forward(device, "LSTM", *arguments_of(np.random.default_rng(3), "LSTM", [2, 2], 24))


def wrong_grid(folder):
    """A launch with fewer blocks than were planned must stop at once."""
    device = EmulatedDevice(folder, 132)
    run = device.run
    device.run = lambda c, plan, table, n: run(c, plan._replace(blocks=plan.blocks - 1), table, n)
    layer.layer_forward(device, "GRU", *arguments_of(np.random.default_rng(4), "GRU", [2, 2], 24))


def short_memory(folder):
    """A byte of shared memory fewer than the kernel uses must be noticed, else the sanitizer sees nothing."""
    device = EmulatedDevice(folder, 132)
    run = device.run
    device.run = lambda c, plan, table, n: run(c, plan._replace(shared=plan.shared - 1), table, n)
    layer.layer_forward(device, "GRU", *arguments_of(np.random.default_rng(4), "GRU", [2, 2], 24))


def other_layouts(folder):
    """Arrays that are not contiguous, an empty batch, and a layer without input features."""
    device, rng = EmulatedDevice(folder), np.random.default_rng(5)
    for kind in KINDS:
        arguments = arguments_of(rng, kind, [3, 2], 5)
        turned = [
            None if a is None else np.asfortranarray(a) if a.ndim == 2 else np.repeat(a, 2)[::2] for a in arguments
        ]
        sizes = np.array([3, 2])
        h, *_, saved = layer.layer_forward(device, kind, *turned, sizes)
        wanted, *_, cpu_saved = kernels.layer_forward(kind, *arguments, sizes)
        agree(kind, "h", h, wanted, np.float64)
        d_h = np.asfortranarray(rng.normal(size=h.shape))
        got = layer.layer_backward(device, kind, saved, d_h, None, None, (True,) * 7)
        want = kernels.layer_backward(kind, cpu_saved, d_h, None, None, (True,) * 7)
        for name, g, w in zip(NAMES, got, want):
            agree(kind, name, g, w, np.float64)
        compare(device, rng, kind, [0, 0], 3, False)
        compare(device, rng, kind, [2, 1], 3, True, features=0)


def refused(folder):
    """Bad arguments, each named in the message."""
    device, rng = EmulatedDevice(folder), np.random.default_rng(6)
    good = arguments_of(rng, "LSTM", [2, 2], 3)
    for k, name in enumerate(NAMES):
        for bad, error in (
            (good[k].astype(np.float16), TypeError),
            ([1.0], TypeError),
            (np.ones((7, 1, 1)), ValueError),
        ):
            with pytest.raises(error, match=rf"^{name} must"):
                layer.layer_forward(device, "LSTM", *good[:k], bad, *good[k + 1 :])
    with pytest.raises(ValueError, match=r"^c0 must have shape"):
        layer.layer_forward(device, "LSTM", *good[:2], None, *good[3:])
    with pytest.raises(ValueError, match=r"^kind must be one of"):
        layer.layer_forward(device, "ELMAN", *good)
    gru = arguments_of(rng, "GRU", [2, 2], 3)
    with pytest.raises(ValueError, match=r"^c0 must be None for GRU"):
        layer.layer_forward(device, "GRU", *gru[:2], gru[1], *gru[3:])
    for sizes, error in (
        ([2, 2], TypeError),
        (np.array([2, 2], np.int32), TypeError),
        (np.array([[2, 2]]), ValueError),
        (np.array([], np.int64), ValueError),
        (np.array([1, 3]), ValueError),
        (np.array([2, 3]), ValueError),
        (np.array([2, -1]), ValueError),
        (np.array([2, 1]), ValueError),
    ):
        with pytest.raises(error, match=r"^batch_sizes must"):
            layer.layer_forward(device, "LSTM", *good, sizes)
    with pytest.raises(ValueError, match=r"^x must have seq \* batch rows"):
        layer.layer_forward(device, "LSTM", good[0][:3], *good[1:])
    *_, saved = layer.layer_forward(device, "GRU", *gru)
    everything = (True,) * 7
    for arguments, error, message in (
        (("LSTM", saved, None, None, None), ValueError, "^kind must be GRU"),
        (("GRU", None, None, None, None), TypeError, "^saved must be"),
        (("GRU", saved, np.ones((4, 2)), None, None), ValueError, "^d_h must have shape"),
        (("GRU", saved, None, np.ones((2, 3), np.float32), None), TypeError, "^d_hn must have dtype"),
        (("GRU", saved, None, None, np.ones((2, 3))), ValueError, "^d_cn must be None"),
    ):
        with pytest.raises(error, match=message):
            layer.layer_backward(device, *arguments, everything)


def constants(folder):
    """What is written in C++ and in Python both."""
    device = EmulatedDevice(folder)
    fields = layer.FIELDS
    for item, library in device.libraries.items():
        found = [library.constant(i) for i in range(6)]
        assert found == [UNITS, ROW_THREADS, SLICES, THREADS, COUNTER_STRIDE, 8 * len(fields)]
        names = ("chunk", "arrived", "c0", "gx", "cn", "d_h", "d_c0")
        assert [library.field(i) for i in range(len(names))] == [8 * fields.index(name) for name in names]
        assert [library.padded(n) for n in range(1, 99)] == [padded(n, item) for n in range(1, 99)]
    text = (SOURCES / "layer.h").read_text(encoding="utf-8")
    table = re.search(r"typedef struct \{(.*?)\} mg_layer;", text, re.DOTALL)[1]
    assert tuple(re.findall(r"(\w+)[,;]", table)) == fields


def main(folder, case, *more):
    if case in ("shapes", "chunks"):
        kind, form = more
        assert kind in KINDS
        globals()[case](kind, folder, form == "resident")
    else:
        globals()[case](folder)
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
