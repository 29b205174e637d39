"""The operations: each forward and each derivative written once, and the table that lists them all."""

from minigrad import _core, kernels
from minigrad.ops import (
    arrays,
    bits,
    decompositions,
    elementwise,
    linear,
    margins,
    matrix,
    neural,
    norms,
    operands,
    ordering,
    recurrent,
    shape,
    special,
    strided,
    subscript,
    systems,
)
from minigrad.ops.table import table


def connect():
    """Give the engine the operations behind Python's operators and those it records itself."""
    _core.configure(
        add=elementwise.add_pair, sub=elementwise.sub_pair, mul=elementwise.mul_pair, div=elementwise.div_pair,
        neg=elementwise.neg, pow=elementwise.pow_pair, remainder=elementwise.remainder, abs=elementwise.abs,
        eq=elementwise.eq, ne=elementwise.ne, lt=elementwise.lt, le=elementwise.le, gt=elementwise.gt,
        ge=elementwise.ge,
        invert=bits.invert, bitand=bits.bitand, bitor=bits.bitor, bitxor=bits.bitxor, lshift=bits.lshift,
        rshift=bits.rshift,
        as_strided=strided.as_strided, write_view=strided.write_view, identity=shape.identity, place=shape.place,
        sum_to_size=shape.sum_to_size,
        matmul=linear.matmul, getitem=subscript.getitem, setitem=subscript.setitem,
        geometry=strided.geometry, accumulate_arrays=kernels.accumulate, copy_array=arrays.copy,
        is_writable=arrays.is_writable, refuse_write=arrays.refuse_write,
        fit_target=elementwise.fit_target, refuse=operands.refuse, refuse_operand=operands.refuse_operand,
        refuse_mixture=operands.refuse_mixture, called=operands.called,
    )  # fmt: skip


def install():
    """Make methods of the table's rows, on Tensors and Variables; rows with in_place also as `name_`."""
    for entry in table.values():
        for cls in (_core.Tensor, _core.Variable):
            if entry.method and ("T" in entry.levels or cls is _core.Variable):
                _core.install(cls, entry.name, entry.function)
            if entry.in_place and ("T" in entry.levels or cls is _core.Variable):
                _core.install(cls, f"{entry.name}_", in_place(entry))


def in_place(entry):
    """The in-place twin of a row's function: its result is written into the first argument, which is returned."""

    def function(self, *args, **kwargs):
        return _core.call_in_place(entry.name, entry.function, self, args, kwargs)

    function.__name__ = f"{entry.name}_"
    function.__doc__ = f"In-place form: writes the result of `{entry.name}` into this tensor and returns it."
    return function


connect()
