"""The text of a kernel for the run-time compiler: one file with the headers in it, and an entry for one configuration.

The headers are put in here, not found by the compiler, so that whatever caches compiled kernels by their text notices
every change.
"""

import functools
import re
from pathlib import Path
from typing import NamedTuple

from .._optim import RULES

HERE = Path(__file__).parent
ENTRY, STEP_ENTRY = "mg_layer_kernel", "mg_step_kernel"
OPTIONS = ("-std=c++17",)  # CuPy adds -ftz=true: float32 numbers below 2^-126 count as zero
_ELEMENTS = {4: "float", 8: "double"}
_INCLUDE = re.compile(r'^#include "([^"]+)"\n', re.MULTILINE)


class Configuration(NamedTuple):
    """What distinguishes one compiled kernel from another."""

    kind: str
    item: int  # bytes of an element: 4 or 8
    backward: bool
    rows: int  # sequences of a thread
    resident: bool


@functools.cache
def expanded(name):
    """The text of a file of this folder, with the headers in it."""

    def insert(found):
        # host.h stands for a device where there is none, and is none of the package's files.
        return found[0] if found[1] == "host.h" else expanded(found[1])

    return _INCLUDE.sub(insert, (HERE / name).read_text(encoding="utf-8"))


@functools.cache
def source(configuration):
    """The CUDA C++ of a Configuration; the kernel is called ENTRY."""
    name = "backward" if configuration.backward else "forward"
    element = _ELEMENTS[configuration.item]
    arguments = f"MG_{configuration.kind}, {configuration.rows}, {str(configuration.resident).lower()}"
    return f"""\
#define MG_ELEMENT {element}
#define MG_VALUE {element}
#define MG_NAME(name) mg_##name
{expanded(name + ".cu")}
extern "C" __global__ void __launch_bounds__(MG_THREADS, 1)
{ENTRY}(const mg_layer *layer, long long first, long long last)
{{
    mg_{name}<{arguments}>(layer, first, last);
}}
"""


@functools.cache
def step_source(rule, item):
    """The CUDA C++ of an optimiser's step on elements of `item` bytes; the kernel is called STEP_ENTRY."""
    _, arrays, numbers, _ = RULES[rule]
    return f"""\
#define MG_ELEMENT {_ELEMENTS[item]}
{expanded("optim.cu")}
extern "C" __global__ void __launch_bounds__(MG_STEP_THREADS)
{STEP_ENTRY}(const mg_row<{arrays}, {numbers}> *rows, long long count)
{{
    mg_step<mg_{rule}>(rows, count);
}}
"""
