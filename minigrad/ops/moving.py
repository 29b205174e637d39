"""From one memory to another: `cpu()` and `cuda()`, whose derivative is the way back."""

import functools

from minigrad._core import Operation, Tensor, Variable, array_of
from minigrad.ops import arrays, devices


def at_home(function):
    """A function of tensors, run with the GPU in use on which the first of them lies."""

    @functools.wraps(function)
    def run(input, *args, **kwargs):
        if not isinstance(input, (Tensor, Variable)):
            return function(input, *args, **kwargs)  # which refuses it
        with arrays.near(array_of(input)):
            return function(input, *args, **kwargs)

    return run


def _moved(x, there, here, non_blocking=False):
    return arrays.to_host(x) if there is None else arrays.to_gpu(x, there, non_blocking)


# A copy in the memory of `there`, of an array in that of `here`: numbers of GPUs, or None for the CPU.
_move = Operation(
    "move", _moved, "x", "there here non_blocking", derivatives={"x": lambda g, there, here: _back(g, here, there)}
)


def _back(g, there, here):
    return _move(g, there, here, False)


def to(input, number, non_blocking=False):
    """The tensor on the GPU with this number, or in the CPU's memory (None): itself if it is there, else a copy."""
    here = arrays.device_of(array_of(input))
    return input if here == number else _move(input, number, here, non_blocking)


def cpu(input):
    """cpu(input): the tensor in the CPU's memory: itself if it is there, else a copy. Differentiable."""
    return to(input, None)


def cuda(input, device=None, non_blocking=False):
    """cuda(input, device=None, non_blocking=False): the tensor in a GPU's memory: itself if it is there, else a copy.

    device: the GPU's number; None stands for the one in use. non_blocking: do not wait for a copy from pinned memory.
    Differentiable. Raises RuntimeError where there is no GPU.
    """
    return to(input, devices.checked("cuda", device), non_blocking)
