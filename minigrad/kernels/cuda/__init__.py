"""Recurrent layers over whole packed sequences, and steps of optimisers, on a CUDA card, for CuPy's arrays.

`layer_forward`, `layer_backward` and `step` take and return what those of `minigrad.kernels` do, with CuPy's arrays in
place of NumPy's (batch_sizes stays a NumPy array: it steers the host). The cells are those of gates.h, the steps those
of optim_steps.h, the very texts that the CPU compiles. Large products are cuBLAS's, through CuPy; the recurrent ones
are in full precision, never TF32.

CuPy is imported when a kernel is first run. docs/kernels-gpu.md has the design.
"""

from . import layer as _layer
from . import optim as _optim
from .layer import KINDS, SavedSequence


def layer_forward(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes=None, reverse=False, save=True):
    """One recurrent layer in one direction: (h, hn, cn, saved).

    `kind` is one of KINDS; G below is its number of gates (1, 1, 4, 3), stacked in the order i, f, g, o or r, z, n.

    x             (rows, input_size)
    h0, c0        (batch, hidden_size); c0 is None except for LSTM
    w_ih, w_hh    (G * hidden_size, input_size) and (G * hidden_size, hidden_size)
    b_ih, b_hh    (G * hidden_size,); each may be None
    batch_sizes   int64 (seq,), never increasing, its first element the batch and its sum the rows; None for equal ones
    reverse       run from the last step to the first
    save          whether there may be a backward pass; if not, less is kept, and `saved` is None

    Returns the states of all rows, (rows, hidden_size); the state of each sequence after its own last step in the
    direction of the run, (batch, hidden_size), with cn None except for LSTM; and what `layer_backward` takes. Raises
    TypeError for a wrong type, ValueError for a wrong shape.
    """
    from .device import current

    return _layer.layer_forward(
        current(), kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes, reverse, save
    )  # fmt: skip


def layer_backward(kind, saved, d_h, d_hn, d_cn, needs):
    """The gradients of (x, h0, c0, w_ih, w_hh, b_ih, b_hh), each None unless the tuple `needs` asks for it.

    d_h           (rows, hidden_size), gradient of the states of all rows
    d_hn, d_cn    (batch, hidden_size), gradients of the final states; None stands for zeros, in all three

    What is not needed is not computed. Asking for an argument that was None (a bias, or c0) yields None.
    """
    from .device import current

    return _layer.layer_backward(current(), kind, saved, d_h, d_hn, d_cn, needs)


def step(rule, rows, *numbers):
    """One step of the algorithm `rule` for each row, in place, in one launch. Returns the rows that are not of the
    frequent case, with which nothing was done.

    A row is a tuple: the arrays that the algorithm takes, then the numbers that are the row's own; `numbers` are those
    that all rows share and follow them. The frequent case: arrays in the memory of the device in use, of float32 or
    float64, of one type and shape, contiguous, none overlapping another. Raises ValueError for a row of another length.
    """
    from .device import current

    return _optim.step(current(), rule, rows, *numbers)


__all__ = ["KINDS", "SavedSequence", "layer_backward", "layer_forward", "step"]
