"""What the recurrent layers and cells accept: checks of their input and state, with messages that say what to do.

The layers of the era did not look at the size of a hidden state, and real course material leans on what then happened
to work. Three such uses run, each with a UserWarning: a state of batch 1 spreads over the batch, surplus layers of a
state are ignored, and a number may stand for `bias`. Every other mismatch is a RuntimeError.
"""

from itertools import pairwise
from numbers import Real

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of, type_name
from minigrad.nn.parameter import other_type
from minigrad.ops.shape import broadcast_to, index
from minigrad.utils.callers import warn


def describe(value):
    """What a wrong argument is, for messages."""
    if isinstance(value, Tensor):
        return f"{type_name(array_of(value))}, a Tensor"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__


def check_bias(name, bias, hint):
    """`bias` as a bool. A number is taken for its truth, with a warning that says where the number may belong."""
    if isinstance(bias, bool):
        return bias
    if isinstance(bias, Real):
        warn(
            f"{name}: bias must be True or False, got {bias!r}, which counts as bias={bool(bias)}. Arguments without a "
            f"name are taken in order{hint}"
        )
        return bool(bias)
    raise TypeError(f"{name}: bias must be True or False, got {bias!r} ({type(bias).__name__})")


def check_weights(module, sizes):
    """Refuse a weight that took the place of one and does not fit: {name: (size in symbols, size)}.

    Called where the computation has failed; only then is it asked whether a weight was the reason.
    """
    name, first = type(module).__name__, None
    for argument, (symbols, size) in sizes.items():
        weight = getattr(module, argument)
        wanted = f"size {symbols} = {size}"
        if not isinstance(weight, Variable):
            raise RuntimeError(f"{name}: {argument} must be a Variable of {wanted}, got {describe(weight)}") from None
        shape = tuple(array_of(weight).shape)
        if shape != size:
            raise RuntimeError(f"{name}: {argument} must have {wanted}, got {shape}") from None
        kind = type_name(array_of(weight))
        if kind != (first := first or kind):
            raise RuntimeError(f"{name}: the weights must have one type, got {first} and, {argument}, {kind}") from None


def weight_sizes(gates, input_size, hidden_size, bias, width="input_size"):
    """{kind: (size in symbols, size)} of the weights of one cell; width: what input_size is called."""
    rows, many = gates * hidden_size, f"{gates} * hidden_size" if gates > 1 else "hidden_size"
    sizes = {"weight_ih": (f"({many}, {width})", (rows, input_size)),
             "weight_hh": (f"({many}, hidden_size)", (rows, hidden_size))}  # fmt: skip
    return sizes | {kind: (f"({many},)", (rows,)) for kind in ("bias_ih", "bias_hh") if bias}


def check_variable(name, argument, value, alternative=""):
    if isinstance(value, Variable):
        return
    hint = f"; wrap it: Variable({argument})" if isinstance(value, Tensor) else ""
    if hasattr(value, "__array_interface__") and not isinstance(value, Tensor):
        hint = f"; wrap it: Variable({_core.package}.from_numpy({argument}))"
    raise RuntimeError(f"{name}: {argument} must be a Variable{alternative}, got {describe(value)}{hint}")


def check_type(name, argument, value, weight):
    """The types of input, state and weights must be one, and one that there are recurrent kernels for."""
    array, wanted = array_of(value), array_of(weight)
    if array.dtype == wanted.dtype:
        if array.dtype.char in "fd":
            return
        raise RuntimeError(f"{name}: only Float and Double tensors can be computed with here, got {type_name(array)}")
    raise RuntimeError(other_type(name, argument, array, wanted))


def check_input(name, x, input_size, batch_first, weight):
    """`input` of a layer: a Variable with three dimensions and input_size features."""
    check_variable(name, "input", x, " or a PackedSequence")
    shape = array_of(x).shape
    if len(shape) == 3 and shape[2] == input_size:
        if weight is not None:
            check_type(name, "input", x, weight)
        return
    wanted = f"({'batch, seq' if batch_first else 'seq, batch'}, input_size={input_size})"
    if len(shape) != 3:
        hint = ""
        if len(shape) == 2 and shape[1] == input_size:
            hint = f"; if it is one sequence, give it a batch of one: input.unsqueeze({0 if batch_first else 1})"
        raise RuntimeError(f"{name}: input must have 3 dimensions {wanted}, got {shape}{hint}")
    raise RuntimeError(
        f"{name}: the last dimension of input must be input_size={input_size}, got {shape[2]}: expected {wanted}, "
        f"got {shape}"
    )


def check_packed(name, x, batch_sizes, input_size, weight):
    """Data and batch sizes of a PackedSequence: rows (sum of batch_sizes, input_size), longest sequences first."""
    argument = "the data of a PackedSequence"
    check_variable(name, argument, x)
    shape, total = tuple(array_of(x).shape), sum(batch_sizes)
    wanted = f"(sum of lengths, input_size={input_size})"
    if len(shape) != 2:
        raise RuntimeError(
            f"{name}: {argument} must have 2 dimensions {wanted}, got {shape}; pack_padded_sequence makes it from an "
            "input of 3 dimensions"
        )
    if shape[1] != input_size:
        raise RuntimeError(
            f"{name}: the last dimension of {argument} must be input_size={input_size}, got {shape[1]}: expected "
            f"{wanted}, got {shape}"
        )
    if shape[0] != total:
        raise RuntimeError(
            f"{name}: the batch_sizes of a PackedSequence must add up to its {shape[0]} rows, got {total}"
        )
    if any(b < 1 for b in batch_sizes) or any(b > a for a, b in pairwise(batch_sizes)):
        raise RuntimeError(
            f"{name}: the batch_sizes of a PackedSequence must be positive and never increase, got {list(batch_sizes)}"
        )
    if weight is not None:
        check_type(name, "input", x, weight)


def check_states(name, hx, states):
    """The tensors of a state as a tuple: one, or (h_0, c_0) of an LSTM."""
    if states == 1:
        if isinstance(hx, (tuple, list)):
            raise RuntimeError(
                f"{name}: hx must be one Variable, the hidden state, got {describe(hx)}; only an LSTM has a pair "
                "(hidden state, cell state)"
            )
        return (hx,)
    wanted = "a pair (h_0, c_0)" if states == 2 else f"a tuple of {states} Variables"
    if not isinstance(hx, (tuple, list)):
        size = f" of size {tuple(array_of(hx).shape)}" if isinstance(hx, (Variable, Tensor)) else ""
        hint = "; an LSTM has a cell state beside its hidden state" if states == 2 else ""
        raise RuntimeError(f"{name}: hx must be {wanted}, got one {type(hx).__name__}{size}{hint}")
    if len(hx) != states:
        raise RuntimeError(f"{name}: hx must be {wanted}, got {describe(hx)}")
    return tuple(hx)


def refuse_more(name, more, states):
    """Refuse what was given after hx: an LSTM's cell state for one, which is part of hx."""
    hint = "; hx is a pair of the hidden state and the cell state: (input, (h_0, c_0))" if states == 2 else ""
    raise TypeError(f"{name}: takes input and hx, got {len(more)} more argument{'s' if len(more) > 1 else ''}{hint}")


def state_names(states):
    """What the tensors of a state are called in messages."""
    return ("hx",) if states == 1 else ("h_0", "c_0") if states == 2 else tuple(f"hx[{k}]" for k in range(states))


def check_layer_state(name, argument, h, layers, directions, batch, hidden_size, weight):
    """One tensor of an initial state, (layers * directions, batch, hidden_size), mended where that is allowed."""
    check_variable(name, argument, h)
    if weight is not None:
        check_type(name, argument, h, weight)
    shape, runs = array_of(h).shape, layers * directions
    if shape == (runs, batch, hidden_size):
        return h
    wanted = f"(num_layers * num_directions, batch, hidden_size) = ({runs}, {batch}, {hidden_size})"
    if len(shape) != 3:
        raise RuntimeError(f"{name}: {argument} must have 3 dimensions {wanted}, got {shape}")
    expected = f"expected {wanted}, got {shape}"
    if shape[2] != hidden_size:
        raise RuntimeError(f"{name}: the last dimension of {argument} must be hidden_size={hidden_size}: {expected}")
    if shape[:2] == (batch, runs):
        raise RuntimeError(
            f"{name}: {argument} has batch and layers swapped: {expected}. Hidden states are never batch-first, "
            f"whatever batch_first is; use {argument}.transpose(0, 1)"
        )
    if shape[0] < runs:
        raise RuntimeError(
            f"{name}: {argument} must have a slice for each of {layers} layers times {directions} directions: "
            f"{expected}"
        )
    if shape[1] not in (1, batch):
        raise RuntimeError(f"{name}: {argument} must have the batch of the input, {batch}: {expected}")
    if shape[0] > runs:
        warn(
            f"{name}: {argument} has {shape[0]} slices, but there are {layers} layers times {directions} directions: "
            f"{expected}. The first {runs} are used, the others ignored. Dimension 0 counts layers, not steps or "
            "sequences"
        )
        h = index(h, slice(0, runs))
    if shape[1] != batch:
        warn(
            f"{name}: {argument} has batch 1, but the input has batch {batch}: {expected}. The one state is used for "
            f"all {batch} sequences; make it for this batch, or leave it out to start from zeros"
        )
        h = broadcast_to(h, (runs, batch, hidden_size))
    return h


def check_cell_input(name, x, input_size, weight):
    """`input` of a cell: (batch, input_size)."""
    check_variable(name, "input", x)
    shape = array_of(x).shape
    if len(shape) == 2 and shape[1] == input_size:
        check_type(name, "input", x, weight)
        return
    wanted = f"(batch, input_size={input_size})"
    if len(shape) != 2:
        hint = ""
        if len(shape) == 3:
            hint = "; a cell takes one step of a sequence: call it in a loop over time, cell(x[t], hx)"
        raise RuntimeError(f"{name}: input must have 2 dimensions {wanted}, got {shape}{hint}")
    raise RuntimeError(
        f"{name}: the last dimension of input must be input_size={input_size}, got {shape[1]}: expected {wanted}, "
        f"got {shape}"
    )


def check_cell_state(name, argument, h, batch, hidden_size, weight):
    """One tensor of a cell's state, (batch, hidden_size), mended where that is allowed."""
    check_variable(name, argument, h)
    check_type(name, argument, h, weight)
    shape = array_of(h).shape
    if shape == (batch, hidden_size):
        return h
    wanted = f"(batch, hidden_size) = ({batch}, {hidden_size})"
    if len(shape) != 2:
        hint = f"; a cell has no layers: take one, {argument}[0]" if len(shape) == 3 else ""
        raise RuntimeError(f"{name}: {argument} must have 2 dimensions {wanted}, got {shape}{hint}")
    expected = f"expected {wanted}, got {shape}"
    if shape[1] != hidden_size:
        raise RuntimeError(f"{name}: the last dimension of {argument} must be hidden_size={hidden_size}: {expected}")
    if shape[0] != 1:
        raise RuntimeError(f"{name}: {argument} must have the batch of the input, {batch}: {expected}")
    warn(
        f"{name}: {argument} has batch 1, but the input has batch {batch}: {expected}. The one state is used for all "
        f"{batch} samples; make it for this batch"
    )
    return broadcast_to(h, (batch, hidden_size))
