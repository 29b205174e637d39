"""Which type has which method, and the function forms of the operations, with their types checked and with `out=`.

The table of operations says for which types a row is made. A method that a type lacks is an AttributeError on a Tensor
of that type, as if it were not there, and a TypeError in the function form; on a Variable, which is of no fixed type, a
RuntimeError. Derivative formulas call the operations themselves, so nothing is checked twice in a backward pass.
"""

import inspect
from dataclasses import replace

import numpy as np

from minigrad import _core, ops
from minigrad._core import Operation, Tensor, Variable, array_of
from minigrad.ops import operands
from minigrad.ops.table import FLOATING, INTEGRAL, table
from minigrad.tensor import results, types
from minigrad.utils.missing import reason

# What a HalfTensor can do: it is for storing numbers, not for computing with them.
_HALF = {
    "clone", "contiguous", "copy", "expand", "expand_as", "fill", "narrow", "select", "squeeze", "transpose", "unfold",
    "unsqueeze", "view", "view_as", "zero",
}  # fmt: skip
_HALF_OPERATORS = (
    "add radd sub rsub mul rmul truediv rtruediv pow rpow mod matmul neg abs invert and or xor lshift rshift "
    "iadd isub imul "
    "itruediv ipow imod iand ior ixor ilshift irshift"
).split()
_HALVES = (types.HalfTensor, types.cuda_classes["HalfTensor"])
# Tensors have these in place only.
_OUT_OF_PLACE_ON_VARIABLES_ONLY = (
    "index_add index_copy index_fill scatter scatter_add masked_fill masked_scatter"
).split()  # fmt: skip
# Random numbers come from `sampling`, not from the table.
_FLOATING_DRAWS = "uniform_ normal_ exponential_ cauchy_ log_normal_ bernoulli multinomial".split()
_DRAWS = [*_FLOATING_DRAWS, "random_", "bernoulli_", "geometric_"]
_TENSORS_ONLY = "numpy tolist storage set_ is_set_to new apply_ map_ map2_ share_memory_ pin_memory".split()
_VARIABLES_ONLY = "backward grad grad_fn requires_grad volatile detach register_hook retain_grad".split()
# Methods of later versions that find their way into programs of this era.
_LATER = (
    "item to argmax argmin argsort logsumexp requires_grad_ reshape flatten unbind device T ndim "
    "new_tensor new_empty new_zeros new_ones new_full"
).split()

# Methods of arrays that programs ask tensors for.
_NUMPYS = {
    "astype": "convert it with .float(), .long() and their like",
    "copy": "use .clone()",
    "ravel": "use .view(-1)",
}


class Missing:
    """An attribute that is not there: reading it is an AttributeError that says what to do instead."""

    def __init__(self, text):
        self.text = text

    def __get__(self, instance, owner):
        raise AttributeError(self.text)

    def __set__(self, instance, value):
        raise AttributeError(self.text)


def _kinds(names):
    known = [c.kind for c in types.tensor_classes.values() if c.dtype.name in names]
    return f"{', '.join(known[:-1])} and {known[-1]}" if len(known) > 1 else known[0]


def supported(entry):
    """Names of the dtypes that an operation is made for."""
    return (*entry.types, "float16") if entry.name in _HALF else entry.types


def _is_for_all_types(entry):
    return set(FLOATING + INTEGRAL) <= set(entry.types)


def _refusal(entry, array, name=None):
    return (f"{name or entry.name}: not defined for {_core.type_name(array)}, but for {_kinds(supported(entry))}; "
            "convert the tensor first, for example with .float()")  # fmt: skip


def _check(entry):
    """A function that refuses a first tensor of a type that the operation is not made for."""
    numbers = frozenset(np.dtype(n).num for n in supported(entry))

    def refuse(tensor):
        error = TypeError if isinstance(tensor, Tensor) else RuntimeError
        raise error(_refusal(entry, array_of(tensor)))

    return numbers, refuse


def checked(entry):
    """The row's function for operands that may be of any type. An Operation checks them itself, from its `accepted`."""
    function = entry.function
    if isinstance(function, Operation):
        return function
    numbers, refuse = _check(entry)

    def call(*args, **kwargs):
        for tensor in args[:2]:  # the second, where the first is a number: 2 ** t
            if isinstance(tensor, (Tensor, Variable)):
                if array_of(tensor).dtype.num not in numbers:
                    refuse(tensor)
                break
        return function(*args, **kwargs)

    return call


# What the era's documentation calls the second operand of these.
_NOT_GIVEN = object()  # None is given, and refused
_SECOND_OPERAND = {"mul": "value", "div": "value", "fmod": "divisor", "remainder": "divisor", "pow": "exponent"}


def _by_name(name, second, other, named):
    """The second operand of a function form that was given by its name."""
    if other is not _NOT_GIVEN or list(named) not in ([second], ["other"]):
        given = ", ".join(map(repr, named)) or "nothing"
        raise TypeError(f"{name}: takes (input, other), other also by the name {second!r}, got {given} by name")
    return next(iter(named.values()))


def function_form(entry):
    """The row as a function of the package: with its types checked, and with `out=`."""
    name, call = entry.name, entry.function
    _, refuse = _check(entry)
    plain = isinstance(call, Operation) and not call.parameters
    arguments = len(call.arguments) if plain else None
    halves = _HALVES if "float16" not in supported(entry) else ()
    if not _is_for_all_types(entry):
        call = checked(entry)

    # Written out for one argument and for two: a call of *args costs a third of the cheapest operation.
    if arguments == 1:

        def function(input, *, out=None):
            return call(input) if out is None else results.into(name, out, call(input))

    elif name in _SECOND_OPERAND:
        second = _SECOND_OPERAND[name]

        def function(input, other=_NOT_GIVEN, *, out=None, **named):
            if type(input) in halves:
                refuse(input)
            if named or other is _NOT_GIVEN:
                other = _by_name(name, second, other, named)
            return call(input, other) if out is None else results.into(name, out, call(input, other))

    elif arguments == 2:

        def function(input, other, *, out=None):
            if type(input) in halves:
                refuse(input)
            return call(input, other) if out is None else results.into(name, out, call(input, other))

    else:

        def function(*args, out=None, **kwargs):
            if args and type(args[0]) in halves:
                refuse(args[0])
            made = call(*args, **kwargs)
            return made if out is None else results.into(name, out, made)

    function.__name__ = function.__qualname__ = entry.name
    function.__code__ = function.__code__.replace(co_name=entry.name)  # the name in tracebacks
    function.__module__ = "minigrad"
    function.__doc__ = entry.doc
    function.__wrapped__ = entry.function
    function.__signature__ = _signature(entry.function)
    return function


def _signature(function):
    out = inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None)
    if isinstance(function, Operation):
        names = function.arguments + function.parameters
        parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names]
    else:
        parameters = list(inspect.signature(function).parameters.values())
    if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
        return inspect.Signature([*parameters[:-1], out, parameters[-1]])
    return inspect.Signature([*parameters, out])


def _refuse_operator(name):
    def operator(self, *operands):
        raise TypeError(
            f"{name}: a {type(self).__name__} stores numbers but does not compute; convert it first with .float()"
        )

    operator.__name__ = f"__{name}__"
    return operator


def _visible(self):
    """The names that really are there."""
    return [n for n in object.__dir__(self) if not isinstance(inspect.getattr_static(self, n, None), Missing)]


def _refuse_type(operation, array, is_variable):
    """What the engine calls when an operation that is not made for an array's type gets it."""
    error = RuntimeError if is_variable else TypeError
    raise error(_refusal(table[operation.name], array, operands.called(operation.name)))


def install():
    """Take from each type the methods that it lacks; make Variables' methods and operators check their types."""
    for entry in table.values():
        if not _is_for_all_types(entry):
            for operation in (entry.function, *entry.checks):
                if isinstance(operation, Operation):
                    operation.accepted = sum(1 << n for n in {np.dtype(name).num for name in supported(entry)})
        if "T" not in entry.levels:
            continue
        names = [entry.name] * entry.method + [f"{entry.name}_"] * entry.in_place
        for cls in types.every_class:
            if cls.dtype.name not in supported(entry):
                for name in names:
                    _take(
                        cls,
                        name,
                        f"it is defined for {_kinds(supported(entry))}; convert the tensor first, for example with "
                        f".float()",
                    )
        if not _is_for_all_types(entry):
            if entry.method:
                _core.install(Variable, entry.name, _method(entry))
            if entry.in_place:
                _core.install(Variable, f"{entry.name}_", ops.in_place(replace(entry, function=checked(entry))))
    for cls in types.every_class:
        for name in _OUT_OF_PLACE_ON_VARIABLES_ONLY:
            _take(cls, name, f"tensors have it in place only, {name}_; clone first to keep the original")
        for name in _DRAWS:
            if cls.dtype.name == "float16" or (name in _FLOATING_DRAWS and cls.dtype.name not in FLOATING):
                _take(
                    cls,
                    name,
                    f"it is defined for {_kinds(FLOATING if name in _FLOATING_DRAWS else FLOATING + INTEGRAL)}",
                )
    for cls in _HALVES:
        for name in _HALF_OPERATORS:
            setattr(cls, f"__{name}__", _refuse_operator(name))
    for name in _TENSORS_ONLY:
        _core.install(Variable, name, Missing(f"a Variable has no '{name}'; its tensor has: variable.data.{name}"))
    for name in _VARIABLES_ONLY:
        text = f"a Tensor has no '{name}'; a Variable has, which records history: Variable(tensor, requires_grad=True)"
        _core.install(Tensor, name, Missing(text))
    _core.install(Variable, "__array__", _refuse_array)
    for cls in (Tensor, Variable):
        for name in _LATER:
            _core.install(cls, name, Missing(f"a {cls.__name__} has no '{name}': {reason(name, ())}"))
        for name, instead in _NUMPYS.items():
            _core.install(cls, name, Missing(f"a {cls.__name__} has no '{name}', a method of arrays; {instead}"))
        _core.install(cls, "__dir__", _visible)
    _core.configure(refuse_type=_refuse_type)


def _refuse_array(self, dtype=None, copy=None):
    """What NumPy asks a Variable for; without an answer it would take it for a sequence of sequences without end."""
    raise TypeError("a Variable is no NumPy array; its numbers are: variable.data.numpy(), and the one of a loss: "
                    "loss.data[0]")  # fmt: skip


def _take(cls, name, why):
    setattr(cls, name, Missing(f"a {cls.kind} has no '{name}': {why}"))


def _method(entry):
    method = checked(entry)
    if isinstance(method, Operation):
        return method
    method.__name__, method.__doc__ = entry.name, entry.doc
    return method
