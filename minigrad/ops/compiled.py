"""Which compiled kernels serve which kind of array: one registry, for recurrent layers, cells and optimisers' steps.

Kernels are a module with `layer_forward`, `layer_backward` and `step`, of the signatures in `minigrad.kernels`; maybe
also `stack_forward` and `stack_backward`. Entered under the type of the array, they serve everything from then on. What
finds no kernels for its arrays runs the formulas, `recurrent_anywhere` and `update`.
"""

import numpy as np

from minigrad import kernels
from minigrad.ops import devices

KERNELS = {np.ndarray: kernels}


def use_cuda(on=True):
    """Let the CUDA kernels serve the arrays on a GPU, or no longer. Raises RuntimeError where there is no GPU."""
    from minigrad.kernels import cuda

    array = devices.cupy().ndarray
    if on:
        KERNELS[array] = cuda
    else:
        KERNELS.pop(array, None)
