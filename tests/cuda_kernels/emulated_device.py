"""A `Device` of the CUDA layer that runs the kernels on the host, compiled by the host's compiler with its sanitizers.

The library has to be loaded into a process that AddressSanitizer was loaded into first: see `environment`.
"""

import ctypes
import os
import subprocess
from pathlib import Path

import numpy as np

from minigrad.kernels import cuda
from minigrad.kernels.cuda.plan import THREADS

HERE = Path(__file__).parent
SOURCES = Path(cuda.__file__).parent
FLAGS = [
    "-std=c++17", "-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer",
    "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-shared", "-fPIC", f"-I{SOURCES}", f"-I{HERE}",
]  # fmt: skip
ELEMENTS = {4: "float", 8: "double"}
KINDS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU")


def build(folder, source="host.cc", compiler="g++"):
    """Compile the libraries of both element types into `folder`."""
    commands = [
        [compiler, *FLAGS, f"-DMG_ELEMENT={element}", str(HERE / source), "-o", str(folder / f"{element}.so")]
        for element in ELEMENTS.values()
    ]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors


def environment(compiler="g++"):
    """The environment of a process that may load the libraries, or None where there is no such sanitizer."""
    found = subprocess.run([compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    library = Path(found.stdout.strip())
    if not library.is_absolute():
        return None
    return os.environ | {
        "LD_PRELOAD": str(library.resolve()),
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


class EmulatedDevice:
    """A card of so many multiprocessors, each with room for one block of `shared_limit` bytes."""

    xp = np

    def __init__(self, folder, multiprocessors=132, shared_limit=232448):
        self.multiprocessors, self.shared_limit = multiprocessors, shared_limit
        self.libraries = {item: ctypes.CDLL(str(Path(folder) / f"{name}.so")) for item, name in ELEMENTS.items()}
        for library in self.libraries.values():
            library.constant.restype = library.padded.restype = library.field.restype = ctypes.c_longlong
            library.padded.argtypes = [ctypes.c_longlong]
            library.emulate.restype = None
            library.emulate.argtypes = [ctypes.c_int] * 4 + [ctypes.c_void_p] + [ctypes.c_longlong] * 2 + [
                ctypes.c_uint, ctypes.c_uint, ctypes.c_size_t, ctypes.c_uint, ctypes.c_uint,
            ]  # fmt: skip
        self.plans = []

    def address(self, array):
        assert array.flags.c_contiguous
        return array.ctypes.data

    def run(self, configuration, plan, table, iterations):
        kind, item, backward, rows, resident = configuration
        self.plans.append(plan)
        form = KINDS.index(kind), int(backward), rows, int(resident), table.ctypes.data
        steps = [(0, iterations)] if resident else [(i, i + 1) for i in range(iterations)]
        for first, last in steps:
            # Blocks that must be resident get a place each, others come one after the other.
            places = self.multiprocessors if resident else 1
            self.libraries[item].emulate(*form, first, last, plan.blocks, THREADS, plan.shared, places, first + 7)
