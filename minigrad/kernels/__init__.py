"""Compiled kernels: raw arrays in, raw arrays out.

A leaf of the package: nothing here knows of Tensors, Variables or graphs, and nothing of minigrad is imported.

The kernels are compiled once per instruction set, and the best one that the processor has is chosen at import. The
environment variable MINIGRAD_ISA (baseline, v3 or v4) chooses another.
"""

from . import _dense, _elementwise, _recurrent
from ._dense import adam_step, linear, linear_input, linear_weight, matmul, scaled_difference, sgd_step, squared_error
from ._elementwise import (
    accumulate,
    add,
    available_instruction_sets,
    divide,
    exp,
    instruction_set,
    multiply,
    negative,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    subtract,
    tanh,
    tanh_backward,
)
from ._recurrent import (
    KINDS,
    SavedSequence,
    backward,
    forward,
    get_num_threads,
    layer_backward,
    layer_forward,
    set_num_threads,
    stack_backward,
    stack_forward,
)


def use_instruction_set(name: str) -> None:
    """Use the instruction set called `name` from now on. Raises ValueError if it is not available."""
    _elementwise.use_instruction_set(name)
    _recurrent.use_instruction_set(name)
    _dense.use_instruction_set(name)


__all__ = [
    "KINDS",
    "SavedSequence",
    "accumulate",
    "adam_step",
    "add",
    "available_instruction_sets",
    "backward",
    "divide",
    "exp",
    "forward",
    "get_num_threads",
    "instruction_set",
    "layer_backward",
    "layer_forward",
    "linear",
    "linear_input",
    "linear_weight",
    "matmul",
    "multiply",
    "negative",
    "relu",
    "relu_backward",
    "scaled_difference",
    "set_num_threads",
    "sgd_step",
    "sigmoid",
    "sigmoid_backward",
    "squared_error",
    "stack_backward",
    "stack_forward",
    "subtract",
    "tanh",
    "tanh_backward",
    "use_instruction_set",
]
