"""Methods that only Variables have: resizing with a history, views by stride."""

from minigrad import _core
from minigrad._core import Operation, Variable, array_of
from minigrad.ops import shape, strided
from minigrad.tensor import memory
from minigrad.tensor.memory_methods import checked_sizes

_strided = Operation(
    "as_strided",
    lambda x, base_size, base_stride, size, stride, offset: memory.lay_out(
        memory.flat(x), memory.offset_of(x) + offset, size, stride
    ),
    "x", "base_size base_stride size stride offset", view=True,
    derivatives={"x": lambda g, base_size, base_stride, size, stride, offset:
                 strided.add_strided(g, base_size, base_stride, size, stride, offset)},
)  # fmt: skip


def as_strided(input, size, stride, storage_offset=None):
    """as_strided(input, size, stride, storage_offset=None): a view of any geometry on the memory of input.

    size, stride: one number a dimension, strides in elements. storage_offset: where the first element lies in the
    storage (None: where that of input lies). Elements may be seen more than once; their gradients add up. Raises
    RuntimeError if the view leaves the stretch of memory from input's first to its last element.
    """
    array = array_of(input)
    size = checked_sizes("as_strided: size", (tuple(size),))
    stride = tuple(stride)
    if len(stride) != len(size) or any(isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in stride):
        raise RuntimeError(
            f"as_strided: stride must have one int of at least 0 for each dimension of size {size}, got {stride}"
        )
    mine = memory.strides_of(array)
    if any(s == 0 and n > 1 for n, s in zip(array.shape, mine)):
        raise RuntimeError(
            f"as_strided: input of size {array.shape} is expanded, so its elements have no places of their own; use "
            f".contiguous() first"
        )
    offset = 0 if storage_offset is None else storage_offset - memory.offset_of(array)
    first, last = offset, memory.reach(offset, size, stride)
    if first < 0 or last > memory.reach(0, array.shape, mine):
        raise RuntimeError(f"as_strided: size {size} with strides {stride} reaches elements {first} to {last - 1} "
                           f"from input's first, "
                           f"but input has {memory.reach(0, array.shape, mine)} there")  # fmt: skip
    return _strided(input, array.shape, mine, size, stride, offset)


def resize(self, *sizes):
    """resize(*sizes): the same elements in another size, recorded. Raises RuntimeError if the element counts differ."""
    return shape.view(shape.contiguous(self), checked_sizes("resize", sizes))


def resize_as(self, other):
    """resize_as(other): resize to the size of the Variable other."""
    if not isinstance(other, Variable):
        raise TypeError(f"resize_as: other must be a Variable, got {type(other).__name__}")
    return resize(self, *array_of(other).shape)


def install():
    """Give Variables these methods."""
    for function in (as_strided, resize, resize_as):
        _core.install(Variable, function.__name__, function)
    _core.install(Variable, "_grad", Variable.grad)  # private, but code of the era wrote it
