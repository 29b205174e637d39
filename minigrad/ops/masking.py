"""Operations that pick or write elements by a mask, find the elements that are not 0, or write a whole tensor.

A mask is a ByteTensor, as comparisons give it; it is broadcast and has no derivative.
"""

import math

import numpy as np

from minigrad._core import Operation, Tensor, Variable, array_of
from minigrad.ops import arrays, moving
from minigrad.ops.elementwise import cast, flat_fallback
from minigrad.ops.indexing import check_number, raw
from minigrad.ops.shape import place, reshape, seen_as, size_of, sum_to_size
from minigrad.ops.table import ALL, S, T, row

# ---------------------------------------------------------------- masks


def check_mask(name, mask):
    """Refuse what is not a ByteTensor (or a Variable of one)."""
    if not isinstance(mask, (Tensor, Variable)):
        raise TypeError(f"{name}: mask must be a ByteTensor, got {type(mask).__name__}")
    if array_of(mask).dtype != np.uint8:
        error = RuntimeError if isinstance(mask, Variable) else TypeError
        raise error(f"{name}: mask must be a ByteTensor (as a comparison gives), got one of {array_of(mask).dtype}; "
                    "convert it with .byte()")  # fmt: skip
    return mask


def _spread_mask(x, mask):
    """The mask at x's size; ValueError, which the rescue explains, if it does not broadcast."""
    return np.broadcast_to(mask, x.shape) != 0


def _masked_pair(x, mask):
    size = np.broadcast_shapes(x.shape, mask.shape)
    return np.broadcast_to(x, size), np.broadcast_to(mask, size) != 0


def _pick_masked(x, mask):
    x, mask = _masked_pair(x, mask)
    return x[mask]


def _place_masked(x, mask, size):
    out = np.zeros_like(x, shape=np.broadcast_shapes(size, mask.shape))
    out[_spread_mask(out, mask)] = x
    return sum_to_size(out, size)


def _write_masked(x, mask, source):
    out, mask = x.copy(), _spread_mask(x, mask)
    count = int(np.count_nonzero(mask))
    if source.size < count:
        raise RuntimeError(f"masked_scatter: source has {source.size} elements, but the mask picks {count}")
    out[mask] = source.reshape(-1)[:count]
    return out


def _unused_as_zeros(g, size):
    """The gradient of the first elements of a source of `size`, of which the rest were not used."""
    count, total = size_of(g)[0], math.prod(size)
    return reshape(g if count == total else place(g, (slice(0, count),), (total,)), size)


_masked_select = Operation(
    "masked_select", _pick_masked, "x mask", indices="mask", rescue=flat_fallback,
    derivatives={"x": lambda g, mask, x_size: place_masked(g, mask, x_size)},
)  # fmt: skip
place_masked = Operation(
    "place_masked",
    _place_masked,
    "x mask",
    "size",
    indices="mask",
    derivatives={"x": lambda g, mask: _masked_select(g, mask)},
)
_masked_fill = Operation(
    "masked_fill", lambda x, mask, value: np.where(_spread_mask(x, mask), value, x).astype(x.dtype, copy=False),
    "x mask value", indices="mask", rescue=flat_fallback, derivatives={"x": lambda g, mask: _masked_fill(g, mask, 0)},
)  # fmt: skip
_masked_scatter = Operation(
    "masked_scatter", _write_masked, "x mask source", indices="mask",
    derivatives={"x": lambda g, mask: _masked_fill(g, mask, 0),
                 "source": lambda g, mask, source_size: _unused_as_zeros(_masked_select(g, mask), source_size)},
)  # fmt: skip


def masked_select(input, mask):
    """masked_select(input, mask): the elements of input where the ByteTensor mask is not 0, in order, in one dimension.

    input and mask are broadcast.
    """
    return _masked_select(input, check_mask("masked_select", mask))


def masked_fill(input, mask, value):
    """masked_fill(input, mask, value): input with the number value where mask (broadcast to input) is not 0."""
    return _masked_fill(input, check_mask("masked_fill", mask), check_number("masked_fill", value, input))


def masked_scatter(input, mask, source):
    """masked_scatter(input, mask, source): input with elements of source, in order, where mask is not 0.

    Raises RuntimeError if source has too few elements.
    """
    if not isinstance(source, (Tensor, Variable)):
        raise TypeError(f"masked_scatter: source must be a tensor, got {type(source).__name__}")
    mask, size = check_mask("masked_scatter", mask), size_of(input)
    if math.prod(size_of(mask)) == math.prod(size):
        mask = seen_as(mask, size)
    try:
        fits = np.broadcast_shapes(size_of(mask), size) == size
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(f"masked_scatter: a mask of size {size_of(mask)} does not broadcast to input's size {size}")
    return _masked_scatter(input, mask, source)


_MASK = T(3, 4, values=[[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1]], dtype="uint8")
_MASK_ROW = T(4, values=[0, 1, 1, 0], dtype="uint8")
row(
    "masked_select", masked_select,
    [S(T(3, 4), _MASK), S(T(3, 4), _MASK_ROW), S(T(4), _MASK), S(T(1), T(1, values=[1], dtype="uint8"))],
    [(S(T(3, 4), T(3, 4, dtype="int64")), (TypeError, RuntimeError), "mask must be a ByteTensor"),
     (S(T(3, 4), [1, 0]), TypeError, "got list"),
     (S(T(3, 5), _MASK_ROW), RuntimeError, "do not broadcast")], types=ALL, pointwise=True,
    oracle=lambda torch, x, mask: torch.masked_select(x, mask.bool()),
)  # fmt: skip
row(
    "masked_fill", masked_fill,
    [S(T(3, 4), _MASK, 2), S(T(3, 4), _MASK_ROW, 1), S(T(1), T(1, values=[1], dtype="uint8"), 3)],
    [(S(T(3, 5), _MASK_ROW, 1), RuntimeError, "do not broadcast"),
     (S(T(3, 4), _MASK, "x"), TypeError, "must be a number"),
     (S(T(4, dtype="int64"), _MASK_ROW, 1.5), TypeError, "whole numbers")], types=ALL, exported=(), in_place=True,
    oracle=lambda torch, x, mask, value: torch.masked_fill(x, mask.bool(), value),
)  # fmt: skip
row(
    "masked_scatter", masked_scatter,
    [S(T(3, 4), _MASK, T(5)), S(T(3, 4), _MASK_ROW, T(3, 3)), S(T(1), T(1, values=[1], dtype="uint8"), T(1))],
    [(S(T(3, 4), _MASK, T(4)), RuntimeError, "source has 4 elements, but the mask picks 5"),
     (S(T(3, 5), _MASK_ROW, T(9)), RuntimeError, "does not broadcast"),
     (S(T(4), _MASK, T(9)), RuntimeError, "does not broadcast to input's size (4,)")],
    types=ALL, exported=(), in_place=True,
    oracle=lambda torch, x, mask, source: torch.masked_scatter(x, mask.bool(), source),
)  # fmt: skip


# ---------------------------------------------------------------- where the elements are


def _nonzero(x):
    found = np.argwhere(x)
    return found if found.size else found.reshape(0)


_coordinates = Operation("nonzero", _nonzero, "x")


def nonzero(input):
    """nonzero(input): LongTensor with one row of coordinates for each element that is not 0; empty if there is none."""
    return _coordinates(input)


row(
    "nonzero", nonzero,
    [S(T(3, 4, low=-1, high=1)), S(T(4, values=[0, 1, 0, 2])), S(T(1, values=[0]))], types=ALL, order=0,
    why="its result is a table of indices",
    # An empty tensor of the era has no columns either.
    oracle=lambda torch, x: found if len(found := torch.nonzero(x)) else found.reshape(0),
)  # fmt: skip


# ---------------------------------------------------------------- whole values


def _copied(x, source):
    return np.broadcast_to(source, x.shape).astype(x.dtype)


copy_values = Operation(
    "copy", _copied, "x source", derivatives={"source": lambda g, source_size: sum_to_size(g, source_size)},
    rescue=flat_fallback,
)  # fmt: skip


def check_async(name, kwargs, non_blocking=False):
    """non_blocking, or `async`: the era's name of it, a reserved word today. Other keywords are refused."""
    for keyword in kwargs:
        if keyword != "async":
            raise TypeError(f"{name}: unexpected keyword argument {keyword!r}")
    return bool(kwargs.get("async", non_blocking))


def copy(input, src, non_blocking=False, broadcast=True, **kwargs):
    """copy(input, src, non_blocking=False, broadcast=True): the values of src, converted to input's type and broadcast
    to its size.

    What `copy_` writes. Equal element counts are enough, with a warning, where sizes do not broadcast. non_blocking
    (once called async) matters between the CPU and a GPU only.
    """
    check_async("copy_", kwargs)
    if not isinstance(src, (Tensor, Variable)):
        raise TypeError(f"copy_: src must be a tensor, got {type(src).__name__}")
    src = moving.to(src, arrays.device_of(raw(input)))
    mine, its = raw(input), raw(src)
    if not broadcast and mine.size != its.size:
        raise RuntimeError(
            f"copy_: without broadcasting, src must have {mine.size} elements as the target, got size {its.shape}"
        )
    return copy_values(input, src if its.dtype == mine.dtype else cast(src, mine.dtype))


_fill = Operation("fill", lambda x, value: np.full_like(x, value, order="C"), "x", "value")


def fill(input, value):
    """fill(input, value): a tensor of input's size and type with every element `value`. What `fill_` writes."""
    return _fill(input, check_number("fill_", value, input))


def zero(input):
    """zero(input): zeros of input's size and type. What `zero_` writes."""
    return _fill(input, 0)


row(
    "copy", copy, [S(T(3, 4, grad=False), T(3, 4)), S(T(3, 4, grad=False), T(4)), S(T(3, 4, grad=False), T(3, 1)),
                   S(T(1, grad=False), T(1)), S(T(3, 4, grad=False), T(4), non_blocking=True)],
    [(S(T(3, 4), T(3, 5)), RuntimeError, "do not broadcast"), (S(T(3, 4), 1), TypeError, "src must be a tensor"),
     (S(T(3, 4), T(4), False, False), RuntimeError, "without broadcasting, src must have 12 elements"),
     (S(T(3, 4), T(4), nonblocking=True), TypeError, "unexpected keyword argument 'nonblocking'")],
    types=ALL, method=False, exported=(), in_place=True,
    oracle=lambda torch, x, src, non_blocking=False: x.clone().copy_(src),
)  # fmt: skip
row(
    "fill", fill, [S(T(3, 4), 2), S(T(1), 3)], [(S(T(3, dtype="int64"), 1.5), TypeError, "whole numbers")],
    types=ALL, order=0, why="the result does not depend on the input", method=False, exported=(), in_place=True,
    oracle="full_like",
)  # fmt: skip
row(
    "zero", zero, [S(T(3, 4)), S(T(1))], types=ALL, order=0, why="the result does not depend on the input",
    method=False,
    exported=(), in_place=True, oracle="zeros_like",
)  # fmt: skip
