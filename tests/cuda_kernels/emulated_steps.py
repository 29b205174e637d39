"""Run by test_emulated_steps.py in a process of its own, under sanitizers: python emulated_steps.py FOLDER CASE

Every case compares whole calls with the CPU's kernel of the plainest instruction set, which has no fused multiply-add,
as the host's compiler has none here: the bits must be the same.
"""

import ctypes
import functools
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
from emulated_device import ELEMENTS
from test_kernel_optim import CASES, copied, row_of

from minigrad import kernels
from minigrad.kernels._optim import RULES
from minigrad.kernels.cuda import optim
from minigrad.kernels.cuda.optim import CHUNK, THREADS

TYPES = ("float32", "float64")
# Where every machine has a fused multiply-add, compilers need not agree on where to use it.
EXACT = platform.machine().lower() in ("x86_64", "amd64")


class EmulatedCard:
    """A `Device` of the CUDA kernels, as far as steps go; `launches` has what was run."""

    xp = np

    def __init__(self, folder):
        self.libraries = {item: ctypes.CDLL(str(Path(folder) / f"{name}.so")) for item, name in ELEMENTS.items()}
        for library in self.libraries.values():
            library.constant.restype = library.row_bytes.restype = ctypes.c_longlong
            library.emulate.restype = None
            library.emulate.argtypes = [
                ctypes.c_int, ctypes.c_void_p, ctypes.c_longlong, ctypes.c_uint, ctypes.c_uint
            ]  # fmt: skip
        self.launches, self.elsewhere = [], []

    def address(self, array):
        return array.ctypes.data

    def holds(self, array):
        return not any(array is other for other in self.elsewhere)

    def step(self, rule, item, table, rows, chunks):
        self.launches.append((rule, item, rows, chunks))
        table = table.copy()  # exactly as long as it must be, for the sanitizer
        self.libraries[item].emulate(RULES[rule][0], table.ctypes.data, rows, chunks, THREADS)


def agree(found, wanted, what):
    for k, (a, b) in enumerate(zip(found, wanted)):
        if isinstance(a, np.ndarray):
            if EXACT:
                np.testing.assert_array_equal(a, b, err_msg=f"{what}, array {k}")
            else:
                rounding = 1e-5 if a.dtype == np.float32 else 1e-13
                np.testing.assert_allclose(a, b, rtol=rounding, atol=rounding, err_msg=f"{what}, array {k}")


def compare(card, case, rows, launches):
    """One call on the emulated card and on the CPU, and how many launches it must be."""
    name, numbers = case[0].split()[0], case[3]
    wanted, made = [copied(row) for row in rows], len(card.launches)
    assert optim.step(card, name, rows, *numbers) == []
    assert kernels.step(name, wanted, *numbers) == []
    assert len(card.launches) - made == launches
    for row, expected in zip(rows, wanted):
        agree(row, expected, f"{case}, shape {row[0].shape} {row[0].dtype}")


def rules(folder):
    """Every algorithm with every option: one element to several chunks, odd sizes, empty rows, one call one launch."""
    card, rng = EmulatedCard(folder), np.random.default_rng(1)
    shapes = [(1,), (17,), (0,), (3, 5, 7), (CHUNK,), (CHUNK + 1,), (2, 0), (3, CHUNK - 1), (THREADS,), (THREADS - 1,)]
    for dtype in TYPES:
        for case in CASES:
            compare(card, case, [row_of(rng, case, dtype, shape) for shape in shapes], 1)
    assert {launch[0] for launch in card.launches} == set(RULES)
    assert all(launch[2:] == (8, 11) for launch in card.launches)  # two rows are empty; 1 1 1 1 2 3 1 1 chunks


def values(folder):
    """Zeros, infinities and NaN."""
    card = EmulatedCard(folder)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-30, 1e18])
    for dtype in TYPES:
        for case in CASES:
            row = row_of(np.random.default_rng(2), case, dtype, (9,))
            row[1][...] = special
            other = copied(row)
            other[0][...], other[1][...] = special[::-1], 1
            compare(card, case, [row, other], 1)


def many(folder):
    """Several hundred rows of uneven sizes, of both types in one call, which is two launches."""
    card, rng = EmulatedCard(folder), np.random.default_rng(3)
    for case in (CASES[2], CASES[5], CASES[18]):
        sizes = [*rng.integers(0, 40, 300), *rng.integers(0, 3 * CHUNK, 20)]
        rng.shuffle(sizes)
        rows = [row_of(rng, case, TYPES[k % 2], (int(n),)) for k, n in enumerate(sizes)]
        # The numbers of a row are its own.
        count = RULES[case[0]][1]
        rows = [(*row[:count], *(number * (1 + k / 500) for number in row[count:])) for k, row in enumerate(rows)]
        compare(card, case, rows, 2)
    compare(card, CASES[5], [], 0)
    compare(card, CASES[5], [row_of(rng, CASES[5], "float32", (0,))], 0)


def handed_back(folder):
    """What is not the frequent case comes back untouched, whatever stands around it."""
    card = EmulatedCard(folder)

    def plain():
        return np.ones((2, 3), np.float32)

    shared, raw = np.ones(9, np.float32), np.ones(33, np.uint8)
    far = plain()
    card.elsewhere.append(far)
    good = (plain(), plain(), None, 0.0)
    others = [
        (np.ones((2, 6), np.float32)[:, ::2], plain(), None, 0.0),
        (plain(), np.ones((3, 2), np.float32).T, None, 0.0),
        (plain(), np.ones((2, 3)), None, 0.0),
        (plain(), np.ones((3, 2), np.float32), None, 0.0),
        (plain(), plain(), np.ones(6, np.float32), 0.0),
        (plain(), None, None, 0.0),
        (None, plain(), None, 0.0),
        (plain(), [1.0], None, 0.0),
        (np.ones((2, 3), np.float16), np.ones((2, 3), np.float16), None, 0.0),
        (np.ones((2, 3), np.int32), np.ones((2, 3), np.int32), None, 0.0),
        (shared[:6], shared[3:], None, 0.0),
        (shared, shared, None, 0.0),
        (far, plain(), None, 0.0),
        (plain(), far, None, 0.0),
        (plain(), plain(), far, 0.0),
        (raw[1:25].view(np.float32), np.ones(6, np.float32), None, 0.0),
    ]
    kept = [copied(row) for row in others]
    left = optim.step(card, "sgd", [others[0], good, *others[1:]], 0.5, 0.0, False, 0.25)
    assert [id(row) for row in left] == [id(row) for row in others]
    for row, old in zip(others, kept):
        for a, b in zip(row[:3], old):
            assert a is b is None or np.array_equal(a, b)
    assert np.all(good[0] == 1 - 0.5 * 1.25)
    assert np.all(good[1] == 1.25)
    assert card.launches == [("sgd", 4, 1, 1)]
    a = np.ones(3)
    for rule, row, numbers, message in (
        ("adam", (a, a, a, a), (0.9, 0.9, 0.1, 0.0), "adam: a row must hold 4 arrays and 1 numbers, got 4 values"),
        ("rprop", (a, a, a), (0.5, 1.2, 1e-6, 50.0, 1.0), "rprop: takes 4 numbers, got 5"),
    ):
        for step in (kernels.step, lambda *given: optim.step(card, *given)):
            with pytest.raises(ValueError, match=message):
                step(rule, [row], *numbers)
    with pytest.raises(KeyError):
        optim.step(card, "adamw", [], 1.0)


def overlapping_rows(folder):
    """Rows that share elements with one another are stepped in their order, as on the CPU."""
    rng = np.random.default_rng(4)
    for first, second in ((0, 50), (50, 0), (0, 0), (0, 99), (99, 0)):
        memory, results, card = rng.normal(size=(2, 300)), [], EmulatedCard(folder)
        for step in (kernels.step, functools.partial(optim.step, card)):
            p, g = memory.copy()
            # The parameters of two rows share elements, and the third row's is a part of the first one's gradient.
            rows = [(p[first : first + 100], g[:100]), (p[second : second + 100], g[150:250]), (g[50:150], p[200:300])]
            assert step("add_scaled", rows, 0.5) == []
            results.append((p, g))
        assert [launch[2] for launch in card.launches] == [1, 1, 1]
        agree(*results, f"{first} {second}")
    card = EmulatedCard(folder)
    p, g = rng.normal(size=(2, 300))
    assert optim.step(card, "add_scaled", [(p[100:200], g[:100]), (p[:100], g[100:200])], 0.5) == []
    assert [launch[2] for launch in card.launches] == [2]  # neighbours do not overlap


def constants(folder):
    """What is written in C++ and in Python both."""
    for library in EmulatedCard(folder).libraries.values():
        assert [library.constant(k) for k in range(2)] == [THREADS, CHUNK]
        for index, arrays, count, _ in RULES.values():
            assert library.row_bytes(index) == 8 * (arrays + 2 + count)


def too_long(folder):
    """A row of which the table says one element too many: the sanitizer must see it, else it sees nothing."""
    card = EmulatedCard(folder)
    launch = card.step

    def longer(rule, item, table, rows, chunks):
        table = table.copy()
        table[RULES[rule][1]] += 1
        launch(rule, item, table, rows, chunks)

    card.step = longer
    optim.step(card, "add_scaled", [(np.ones(2 * CHUNK - 1), np.ones(2 * CHUNK - 1))], 0.5)


if __name__ == "__main__":
    kernels.use_instruction_set("baseline")
    globals()[sys.argv[2]](sys.argv[1])
    print("done")
