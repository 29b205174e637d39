"""Compiled kernels: raw arrays in, raw arrays out.

A leaf of the package: nothing here knows of Tensors, Variables or graphs, and nothing of minigrad is imported.

The kernels are compiled once per instruction set, and the best one that the processor has is chosen at import. The
environment variable MINIGRAD_ISA (baseline, v3 or v4) chooses another.
"""

from . import _dense, _elementwise, _optim, _recurrent, _rows
from ._dense import filled, linear, linear_input, linear_weight, matmul, scaled_difference, squared_error, total
from ._elementwise import (
    accumulate,
    add,
    available_instruction_sets,
    digamma,
    divide,
    erf,
    erfinv,
    exp,
    instruction_set,
    lgamma,
    multiply,
    negative,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    subtract,
    tanh,
    tanh_backward,
    trigamma,
)
from ._optim import scale, squares, step
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
from ._rows import (
    cross_entropy,
    cross_entropy_backward,
    log_softmax,
    log_softmax_backward,
    nll,
    nll_backward,
    softmax,
    softmax_backward,
    spread_rows,
    take_rows,
)


def use_instruction_set(name: str) -> None:
    """Use the instruction set called `name` from now on. Raises ValueError if it is not available."""
    for module in (_elementwise, _recurrent, _dense, _optim, _rows):
        module.use_instruction_set(name)


__all__ = [
    "KINDS",
    "SavedSequence",
    "accumulate",
    "add",
    "available_instruction_sets",
    "backward",
    "cross_entropy",
    "cross_entropy_backward",
    "digamma",
    "divide",
    "erf",
    "erfinv",
    "exp",
    "filled",
    "forward",
    "get_num_threads",
    "instruction_set",
    "layer_backward",
    "layer_forward",
    "lgamma",
    "linear",
    "linear_input",
    "linear_weight",
    "log_softmax",
    "log_softmax_backward",
    "matmul",
    "multiply",
    "negative",
    "nll",
    "nll_backward",
    "relu",
    "relu_backward",
    "scale",
    "scaled_difference",
    "set_num_threads",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "spread_rows",
    "squared_error",
    "squares",
    "stack_backward",
    "stack_forward",
    "step",
    "subtract",
    "take_rows",
    "tanh",
    "tanh_backward",
    "total",
    "trigamma",
    "use_instruction_set",
]
