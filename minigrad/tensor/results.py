"""`out=`: where a result goes that the caller has made room for."""

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops import arrays
from minigrad.tensor import memory


def into(name, out, made):
    """`made` written into `out`, which is resized as needed and returned; a tuple of outputs for a tuple of results.

    Raises TypeError (of Variables RuntimeError) unless the types are equal, ValueError if the result is a number.
    """
    if isinstance(made, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(made):
            what = f"{len(out)} tensors" if isinstance(out, (tuple, list)) else type(out).__name__
            raise TypeError(f"{name}: out must be a tuple of {len(made)} tensors, one for each result, got {what}")
        return tuple(into(name, o, m) for o, m in zip(out, made))
    if not isinstance(made, (Tensor, Variable)):
        raise ValueError(f"{name}: out= is for results that are tensors, this one is the number {made!r}")
    level = Variable if isinstance(made, Variable) else Tensor
    if not isinstance(out, level):
        raise TypeError(f"{name}: out must be a {level.__name__} as the operands are, got {type(out).__name__}")
    value = array_of(made)
    if _core.type_name(array_of(out)) != _core.type_name(value):
        error = TypeError if level is Tensor else RuntimeError
        raise error(
            f"{name}: out must have the result's type {_core.type_name(value)}, got {_core.type_name(array_of(out))}"
        )
    if level is Tensor:
        write(name, out, value)
        return out
    if made.requires_grad or out.requires_grad:
        raise RuntimeError(f"{name}: out= records no history, but {'an operand' if made.requires_grad else 'out'} "
                           f"requires grad; "
                           "use the result that is returned without out=")  # fmt: skip
    write(name, out.data, value)
    _core.mark_changed(out)
    return out


def write(name, tensor, value):
    """The numbers of an array written into a Tensor, which takes the array's size."""
    tensor.array = memory.resized(f"{name}: out", tensor.array, value.shape)
    arrays.check_writable(f"{name}: out", tensor.array)
    arrays.assign(tensor.array, value)
