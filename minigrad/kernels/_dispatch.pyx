"""Which of the compiled instruction sets the kernels use.

The best one that the processor has; the environment variable MINIGRAD_ISA chooses another.
"""

import os

cdef extern from "dispatch.h":
    enum:
        MG_SETS
    const char *mg_set_names[]
    int mg_supported(int set)


def available_instruction_sets():
    """The names of the instruction sets that are compiled in and that this processor has, best last."""
    return tuple([mg_set_names[i].decode() for i in range(MG_SETS) if mg_supported(i)])


def instruction_set():
    """The name of the instruction set in use."""
    return mg_set_names[chosen].decode()


def use_instruction_set(str name):
    """Use the instruction set called `name` from now on. Raises ValueError if it is not available."""
    global chosen
    # Each set has all that the ones before it have, so the sets of this processor are the first ones of all.
    available = available_instruction_sets()
    if name not in available:
        raise ValueError(f"instruction set must be one of {available}, got {name!r}")
    chosen = available.index(name)


*_, best = available_instruction_sets()
use_instruction_set(os.environ.get("MINIGRAD_ISA", best))
