"""What is no operand, and which argument of which function it was.

A call of the right kind pays nothing for this. The engine refuses what is neither tensor nor array nor number, and
`size_of` and the like what has no size; only then is it looked for in the frames between there and the user's program.
The argument to name is the one that holds this very value, and so no function of the table checks its operands itself.
"""

import sys

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops.table import table
from minigrad.utils.callers import NOT_THE_USER

_WRAPPERS = {"function", "run", "call", "method"}  # frames of these names stand around a function of the table
# How the documentation calls the arguments of those operations that are functions themselves.
_DOCUMENTED = {"x": "input", "a": "input", "b": "other"}
_TENSOR, _OPERAND = "a Tensor or a Variable", "a Tensor, a Variable or a number"


def message(name, argument, value, wanted=_TENSOR):
    """What to say of an argument of a wrong kind."""
    hint = ""
    if value is None:
        hint = "; a function without a return statement gives None: look at what computed it, a forward() for example"
    elif hasattr(value, "batch_sizes"):
        hint = "; pad_packed_sequence makes a Variable of a PackedSequence, and its .data is one"
    elif isinstance(value, tuple) and any(isinstance(part, (Tensor, Variable, tuple)) for part in value):
        hint = "; a recurrent layer returns a pair, output, hidden = rnn(input), and an LSTM's hidden is one, (h, c)"
    elif isinstance(value, list) and any(isinstance(part, (Tensor, Variable)) for part in value):
        hint = f"; join its tensors with {_core.package}.stack or {_core.package}.cat"
    elif isinstance(value, (list, tuple)):
        hint = f"; make a tensor of it first, for example with {_core.package}.Tensor"
    elif hasattr(type(value), "forward"):
        hint = f"; a layer is made, and then called with the input: {type(value).__name__}()(input)"
    return f"{name}: {argument} must be {wanted}, got {type(value).__name__}{hint}"


def _frames():
    """(name, frame) of the package's functions between here and the user's program, innermost first. Beyond a layer's
    forward is who called the layer."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in NOT_THE_USER:
        name = frame.f_code.co_name
        if name[0] not in "_<" and name not in _WRAPPERS:
            yield name, frame
        if name == "forward":
            break
        frame = frame.f_back


def blamed(value):
    """(function, argument) of what the user called with this very value; None if it was no argument.

    That is the outermost function of the package, or the layer whose forward it is.
    """
    found = None
    for name, frame in list(_frames())[1:]:
        code, values = frame.f_code, frame.f_locals
        for argument in code.co_varnames[: code.co_argcount]:
            if values.get(argument, frame) is value:
                found = type(values["self"]).__name__ if name == "forward" else name, argument
                break
    return found


def called(name):
    """The outermost function of the table, or of `nn.functional`, that is running; `name` if there is none."""
    for outer, frame in _frames():
        if outer in table or frame.f_globals["__name__"] == "minigrad.nn.functional":
            name = outer
    return name


def refuse(value):
    """Refuse what was taken for a tensor and is none."""
    found = blamed(value)
    text = message(*found, value) if found else f"expected {_TENSOR}, got {type(value).__name__}"
    raise TypeError(text) from None


def refuse_operand(operation, args, position):
    """Refuse the operand at this position; at -1, that there are numbers only."""
    kinds = ", ".join(_kind(a) for a in args[: len(args) - len(operation.parameters)])
    if position < 0:
        raise TypeError(f"{operation.name}: expected {_TENSOR}, got numbers only ({kinds})")
    value, argument = args[position], "each operand" if operation.variadic else operation.arguments[position]
    name, argument = blamed(value) or (operation.name, _DOCUMENTED.get(argument, argument))
    # Of operations the pairs that broadcast take a number for either.
    if name == operation.name and operation.arguments == ("a", "b") and operation.rescue is not None:
        raise TypeError(message(name, argument, value, _OPERAND))
    raise TypeError(message(name, argument, value))


def refuse_mixture(operation, operands):
    """Refuse a Tensor among Variables, and an array among either."""
    name, kinds = called(operation.name), [_kind(a) for a in operands]
    if "Variable" in kinds and "Tensor" in kinds:
        found = blamed(operands[kinds.index("Tensor")])
        text = "a Tensor and a Variable do not mix in one operation"
        if found:
            name, argument = found
            raise TypeError(f"{name}: {text}: {argument} is a Tensor; wrap it: Variable({argument})")
        raise TypeError(f"{name}: {text} (got {', '.join(kinds)}); wrap the Tensor, Variable(tensor), or take the "
                        "Variable's tensor, variable.data")  # fmt: skip
    for kind, a in zip(kinds, operands):
        other = kinds[0] if kinds[0] != kind else kinds[1]
        if isinstance(a, np.ndarray):
            raise TypeError(f"{name}: a NumPy array does not mix with a {other}; convert it first: "
                            f"{_core.package}.from_numpy(array)")  # fmt: skip
        if not isinstance(a, (Tensor, Variable)) and hasattr(a, "__cuda_array_interface__"):
            raise TypeError(f"{name}: a GPU's array does not mix with a {other}; convert it first: "
                            f"{_core.package}.from_dlpack(array)")  # fmt: skip
    raise TypeError(f"{name}: cannot take ({', '.join(kinds)})")


def _kind(value):
    return next((cls.__name__ for cls in (Variable, Tensor) if isinstance(value, cls)), type(value).__name__)


def dtype_of(x):
    """The dtype of a Tensor, Variable or array."""
    try:
        return (array_of(x) if isinstance(x, (Tensor, Variable)) else x).dtype
    except AttributeError:
        refuse(x)
