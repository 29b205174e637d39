"""Operations that pick elements by index arrays, and those that write to such places.

Every way of naming places by a LongTensor - rows along a dimension (`index_select`), one place per element (`gather`),
flat numbers (`take`), several indexers side by side (`x[[0, 1], [2, 0]]`) - comes down to an index tuple for NumPy.
`Places` makes the same five operations of each: read there, write there, fill there, add there, and the adjoint of
reading. They are one another's derivatives, so all can be differentiated any number of times.

Masks are in `masking`, square brackets in `subscript`.
"""

import math

import numpy as np

from minigrad._core import Operation, Tensor, Variable, array_of, like
from minigrad.ops import arrays
from minigrad.ops.elementwise import keep, quiet
from minigrad.ops.operands import dtype_of
from minigrad.ops.shape import index as basic_index
from minigrad.ops.shape import seen_as, size_of, sum_to_size, whole_number, wrap_dim
from minigrad.ops.table import ALL, S, T, row

LONG = np.dtype(np.int64)


def raw(x):
    """The array of a Tensor or Variable; an array as it is."""
    return array_of(x) if isinstance(x, (Tensor, Variable)) else x


def check_bounds(name, where, limit, what):
    """Refuse entries of the index array `where` outside [0, limit)."""
    arrays.run(_check_bounds, where, name, limit, what)


def _check_bounds(where, name, limit, what):
    # Read as unsigned, a negative number is a huge one: a single comparison finds both kinds.
    if where.size and where.view(np.uint64).max() >= limit:
        wrong = where[(where < 0) | (where >= limit)].reshape(-1)[0]
        raise RuntimeError(f"{name}: index {int(wrong)} is out of range for {what}: indices go from 0 to {limit - 1}")


def check_index(name, value, argument="index"):
    """Refuse what is not a LongTensor (or a Variable of one)."""
    if not isinstance(value, (Tensor, Variable)):
        if getattr(value, "ndim", 0) and value.dtype == LONG:  # an array, in a formula
            return value
        raise TypeError(f"{name}: {argument} must be a LongTensor, got {type(value).__name__}")
    dtype = array_of(value).dtype
    if dtype != LONG:
        error = RuntimeError if isinstance(value, Variable) else TypeError
        raise error(f"{name}: {argument} must be a LongTensor, got one of {dtype}; convert it with .long()")
    return value


add_at = quiet(arrays.add_at)


def in_order(array):
    """The array, contiguous: behind a slice NumPy lays what an index array reads with the indexed dimension first."""
    return array if array.flags.c_contiguous else array.copy()


class Places:
    """The operations of one way to name places. `locate(index, dim, size)` gives the index tuple into arrays of
    `size`. optional: "index" where the argument of this name may be None."""

    def __init__(self, name, locate, optional=""):
        def write(x, where, value):
            return arrays.write_at(x.copy(), where, value)

        def winners(index, dim, size, got):
            """Where a place is named more than once, the last value stays: 1 for it, 0 for the others."""
            numbers = np.arange(got.size, like=got).reshape(got.shape)
            return arrays.last_named(size, locate(index, dim, size), got) == numbers

        def written(g, index, dim, x_size, source_size):
            got = self.read(g, index, dim)
            return sum_to_size(
                keep(got, like(g, winners(raw(index), dim, x_size, raw(got)).view(np.uint8))), source_size
            )

        self.read = Operation(
            name, lambda x, index, dim: in_order(x[locate(index, dim, x.shape)]), "x index", "dim", indices="index",
            optional=optional, derivatives={"x": lambda g, index, dim, x_size: self.spread(g, index, dim, x_size)},
        )  # fmt: skip
        self.spread = Operation(
            f"{name}_spread",
            lambda x, index, dim, size: add_at(np.zeros_like(x, shape=size), locate(index, dim, size), x),
            "x index", "dim size", indices="index", optional=optional,
            derivatives={"x": lambda g, index, dim: self.read(g, index, dim)},
        )  # fmt: skip
        self.add = Operation(
            f"{name}_add", lambda x, index, source, dim: add_at(x.copy(), locate(index, dim, x.shape), source),
            "x index source", "dim", indices="index", optional=optional,
            derivatives={"x": lambda g: g, "source": lambda g, index, dim, source_size:
                         sum_to_size(self.read(g, index, dim), source_size)},
        )  # fmt: skip
        self.write = Operation(
            f"{name}_copy", lambda x, index, source, dim: write(x, locate(index, dim, x.shape), source),
            "x index source", "dim", indices="index", optional=optional,
            derivatives={"x": lambda g, index, dim: self.fill(g, index, dim, 0), "source": written},
        )  # fmt: skip
        self.fill = Operation(
            f"{name}_fill", lambda x, index, dim, value: write(x, locate(index, dim, x.shape), value),
            "x index", "dim value", indices="index", optional=optional,
            derivatives={"x": lambda g, index, dim: self.fill(g, index, dim, 0)},
        )  # fmt: skip


def _rows(index, dim, size):
    return (slice(None),) * dim + (index,)


def _elements(index, dim, size):
    """Grids that keep every coordinate but the one along dim, which comes from index."""
    grids = []
    for k, count in enumerate(index.shape):
        shape = [1] * index.ndim
        shape[k] = count
        grids.append(index if k == dim else np.arange(count, like=index).reshape(shape))
    return tuple(grids)


def _flat(index, dim, size):
    return np.unravel_index(index + (index < 0) * math.prod(size), size)


rows = Places("index_select", _rows)
elements = Places("gather", _elements)
flat_places = Places("take", _flat)
# The index tuple itself stands in for dim. The argument `index` is None, or a Variable whose volatility must spread.
tuples = Places("index", lambda index, where, size: where, "index")


def check_number(name, value, x):
    """Refuse a value that elements of x cannot hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name}: the value must be a number, got {type(value).__name__}")
    kind = dtype_of(x).kind
    if isinstance(value, float) and kind in "iu":
        raise TypeError(
            f"{name}: an integer tensor takes whole numbers only, got {value}; convert the tensor first with .float()"
        )
    if kind in "iu":
        limits = np.iinfo(raw(x).dtype)
        if not limits.min <= value <= limits.max:
            raise RuntimeError(f"{name}: {value} is out of the type's range, {limits.min} to {limits.max}")
    return value


# ---------------------------------------------------------------- rows along a dimension


def _row_index(name, input, dim, index):
    size = size_of(input)
    dim = wrap_dim(dim, len(size), f"{name}: dim")
    where = raw(check_index(name, index))
    if where.ndim != 1:
        raise RuntimeError(f"{name}: index must have 1 dimension, got size {tuple(where.shape)}")
    check_bounds(name, where, size[dim], f"dimension {dim} of size {size[dim]}")
    return dim


def _row_source(name, input, dim, index, source):
    if not isinstance(source, (Tensor, Variable)):
        raise TypeError(f"{name}: source must be a tensor, got {type(source).__name__}")
    size, got = size_of(input), size_of(source)
    wanted = size[:dim] + size_of(index) + size[dim + 1 :]
    if wanted == got:
        return source
    if math.prod(wanted) != math.prod(got):
        raise RuntimeError(f"{name}: source must have size {wanted} (input {size}, with the {wanted[dim]} indices "
                           f"in dimension {dim}), got {got}")  # fmt: skip
    return seen_as(source, wanted)


def index_select(input, dim, index):
    """index_select(input, dim, index): the slices of input along dim that the 1-D LongTensor index names, as a copy.

    out[i][j]... = input[index[i]][j]... for dim 0. Raises RuntimeError for indices out of range.
    """
    return rows.read(input, index, _row_index("index_select", input, dim, index))


def index_add(input, dim, index, source):
    """index_add(input, dim, index, source): input with slice k of source added to slice index[k] along dim."""
    dim = _row_index("index_add", input, dim, index)
    return rows.add(input, index, _row_source("index_add", input, dim, index, source), dim)


def index_copy(input, dim, index, source):
    """index_copy(input, dim, index, source): input with slice index[k] along dim replaced by slice k of source."""
    dim = _row_index("index_copy", input, dim, index)
    return rows.write(input, index, _row_source("index_copy", input, dim, index, source), dim)


def index_fill(input, dim, index, value):
    """index_fill(input, dim, index, value): input with the slices that index names along dim set to the number
    value."""
    dim = _row_index("index_fill", input, dim, index)
    return rows.fill(input, index, dim, check_number("index_fill", value, input))


def _I(*values):
    return T(len(values), values=list(values), dtype="int64")


_EVERY_SOURCE = "of a place named twice, PyTorch gives the gradient to every source, not only to the one that stays"
_LONG_ONLY = (TypeError, RuntimeError)
row(
    "index_select", index_select,
    [S(T(3, 4), 0, _I(2, 0, 2)), S(T(3, 4), 1, _I(3)), S(T(2, 3, 2), -2, _I(1, 1)), S(T(1), 0, _I(0)),
     S(T(4), 0, _I(3, 1))],
    [(S(T(3, 4), 0, _I(3)), RuntimeError, "index 3 is out of range for dimension 0 of size 3"),
     (S(T(3, 4), 0, _I(-1)), RuntimeError, "index -1 is out of range"),
     (S(T(3, 4), 0, T(2, values=[0, 1], dtype="int32")), _LONG_ONLY, "must be a LongTensor"),
     (S(T(3, 4), 0, [0, 1]), TypeError, "must be a LongTensor, got list"),
     (S(T(3, 4), 0, T(1, 2, values=[[0, 1]], dtype="int64")), RuntimeError, "1 dimension"),
     (S(T(3, 4), 2, _I(0)), RuntimeError, "from -2 to 1")], types=ALL,
)  # fmt: skip
row(
    "index_add", index_add,
    [S(T(3, 4), 0, _I(2, 0, 2), T(3, 4)), S(T(3, 4), -1, _I(3), T(3, 1)), S(T(4), 0, _I(1, 1), T(2)),
     S(T(1), 0, _I(0), T(1))],
    [(S(T(3, 4), 0, _I(0, 1), T(2, 3)), RuntimeError, "source must have size (2, 4)"),
     (S(T(3, 4), 0, _I(5), T(1, 4)), RuntimeError, "out of range"),
     (S(T(3, 4), 0, _I(0), 1), TypeError, "source must be a tensor")],
    types=ALL, exported=(), in_place=True,
)  # fmt: skip
row(
    "index_copy", index_copy,
    [S(T(3, 4), 0, _I(2, 0), T(2, 4)), S(T(3, 4), -1, _I(3), T(3, 1)),
     S(T(4), 0, _I(1, 1), T(2)).unlike_torch(_EVERY_SOURCE, agrees=0), S(T(1), 0, _I(0), T(1))],
    [(S(T(3, 4), 0, _I(0, 1), T(2, 3)), RuntimeError, "source must have size (2, 4)")],
    types=ALL, exported=(), in_place=True,
)  # fmt: skip
row(
    "index_fill", index_fill,
    [S(T(3, 4), 0, _I(2, 0), 2), S(T(3, 4), -1, _I(3), 1), S(T(1), 0, _I(0), 3)],
    [(S(T(3, 4), 0, _I(0, 3), 1), RuntimeError, "out of range"),
     (S(T(3, 4), 0, _I(0), "a"), TypeError, "must be a number")],
    types=ALL, exported=(), in_place=True,
)  # fmt: skip


# ---------------------------------------------------------------- one place per element


def _element_index(name, input, dim, index):
    size, where = size_of(input), raw(check_index(name, index))
    dim = wrap_dim(dim, len(size), f"{name}: dim")
    if where.ndim != len(size):
        raise RuntimeError(
            f"{name}: index must have as many dimensions as input of size {size}, got size {tuple(where.shape)}"
        )
    for k, (have, limit) in enumerate(zip(where.shape, size)):
        if k != dim and have > limit:
            raise RuntimeError(f"{name}: index of size {tuple(where.shape)} is larger than input of size {size} in "
                               f"dimension {k}; only dimension {dim} may be longer")  # fmt: skip
    check_bounds(name, where, size[dim], f"dimension {dim} of size {size[dim]}")
    return dim


def _element_source(name, index, source):
    if not isinstance(source, (Tensor, Variable)):
        raise TypeError(
            f"{name}: source must be a tensor{' or a number' * (name == 'scatter')}, got {type(source).__name__}"
        )
    wanted, got = size_of(index), size_of(source)
    if wanted == got:
        return source
    if len(wanted) != len(got) or any(w > h for w, h in zip(wanted, got)):
        raise RuntimeError(f"{name}: source must be at least as large as index, of size {wanted}, got size {got}")
    return basic_index(source, tuple(slice(0, w) for w in wanted))


def gather(input, dim, index):
    """gather(input, dim, index): out[i][j] = input[index[i][j]][j] for dim 0, input[i][index[i][j]] for dim 1, ...

    index: LongTensor with as many dimensions as input; the result has its size.
    """
    return elements.read(input, index, _element_index("gather", input, dim, index))


def scatter(input, dim, index, src=None, *, value=None):
    """scatter(input, dim, index, src): input with out[index[i][j]][j] = src[i][j] for dim 0, and so on.

    src: a tensor at least as large as index, or a number, which may also be given as value=. Where a place is named
    twice, the last value stays.
    """
    if (src is None) == (value is None):
        raise TypeError(f"scatter: takes either src or value, got {'neither' if src is None else 'both'}")
    src = value if src is None else src
    dim = _element_index("scatter", input, dim, index)
    if isinstance(src, (int, float, np.generic)):
        return elements.fill(input, index, dim, check_number("scatter", src, input))
    return elements.write(input, index, _element_source("scatter", index, src), dim)


def scatter_add(input, dim, index, src):
    """scatter_add(input, dim, index, src): input with src[i][j] added to out[index[i][j]][j] for dim 0, and so on."""
    dim = _element_index("scatter_add", input, dim, index)
    return elements.add(input, index, _element_source("scatter_add", index, src), dim)


def _torch_scatter(name):
    """PyTorch takes a source larger than the index, but has no gradient of it."""

    def peer(torch, x, dim, index, source):
        if isinstance(source, torch.Tensor):
            source = source[tuple(slice(0, size) for size in index.shape)]
        return getattr(torch, name)(x, dim, index, source)

    return peer


_GRID = T(2, 3, values=[[0, 1, 1], [2, 0, 1]], dtype="int64")
_ONCE = T(2, 3, values=[[0, 2, 1], [2, 0, 1]], dtype="int64")  # no place twice along dimension 1
_ONE_EACH = T(3, 1, values=[[1], [0], [3]], dtype="int64")
row(
    "gather", gather,
    [S(T(3, 3), 0, _GRID), S(T(3, 4), 1, _ONE_EACH), S(T(3, 4), -1, _ONE_EACH), S(T(4), 0, _I(3, 3, 0)),
     S(T(1), 0, _I(0))],
    [(S(T(3, 4), 1, T(3, 1, values=[[1], [0], [4]], dtype="int64")), RuntimeError,
      "index 4 is out of range for dimension 1"),
     (S(T(3, 4), 1, _I(0)), RuntimeError, "as many dimensions"),
     (S(T(2, 4), 1, _ONE_EACH), RuntimeError, "larger than input of size (2, 4) in dimension 0"),
     (S(T(3, 4), 1, T(3, 1)), _LONG_ONLY, "must be a LongTensor")], types=ALL,
)  # fmt: skip
row(
    "scatter", scatter,
    [S(T(3, 3), 0, _GRID, T(2, 3)).unlike_torch(_EVERY_SOURCE, agrees=0), S(T(3, 3), 1, _ONCE, T(2, 3)),
     S(T(3, 4), 1, _ONE_EACH, T(3, 2)), S(T(3, 4), -1, _ONE_EACH, 1),
     S(T(4), 0, _I(1, 1), T(2)).unlike_torch(_EVERY_SOURCE, agrees=0),
     S(T(1), 0, _I(0), T(1))],
    [(S(T(3, 4), 1, _ONE_EACH, T(2, 1)), RuntimeError, "at least as large as index"),
     (S(T(3, 4), 1, _ONE_EACH, [1]), TypeError, "tensor or a number")], types=ALL, exported=(), in_place=True,
    oracle=_torch_scatter("scatter"),
)  # fmt: skip
row(
    "scatter_add", scatter_add,
    [S(T(3, 3), 0, _GRID, T(2, 3)), S(T(3, 4), 1, _ONE_EACH, T(3, 2)), S(T(4), 0, _I(1, 1), T(2)),
     S(T(1), 0, _I(0), T(1))],
    [(S(T(3, 4), 1, _ONE_EACH, T(2, 1)), RuntimeError, "at least as large as index"),
     (S(T(3, 4), 1, _ONE_EACH, 1), TypeError, "source must be a tensor")], types=ALL, exported=(), in_place=True,
    oracle=_torch_scatter("scatter_add"),
)  # fmt: skip


# ---------------------------------------------------------------- places by flat number


def _flat_index(name, input, index):
    where, count = raw(check_index(name, index)), math.prod(size_of(input))
    wrong = arrays.run(lambda where: where[(where < -count) | (where >= count)], where)
    if wrong.size:
        raise RuntimeError(f"{name}: index {int(wrong.reshape(-1)[0])} is out of range for {count} elements: "
                           f"indices go from {-count} to {count - 1}")  # fmt: skip
    return index


def take(input, index):
    """take(input, index): out[i] = element number index[i] of input read in order; negatives count from the end.

    The result has index's size.
    """
    return flat_places.read(input, _flat_index("take", input, index), None)


def put(input, index, source, accumulate=False):
    """put(input, index, source, accumulate=False): input with its element number index[i] set to source[i].

    accumulate: add instead. source: as many elements as index.
    """
    index = _flat_index("put", input, index)
    if not isinstance(source, (Tensor, Variable)):
        raise TypeError(f"put: source must be a tensor, got {type(source).__name__}")
    if math.prod(size_of(source)) != math.prod(size_of(index)):
        raise RuntimeError(f"put: source must have as many elements as index, {math.prod(size_of(index))}, "
                           f"got size {size_of(source)}")  # fmt: skip
    source = seen_as(source, size_of(index))
    return (flat_places.add if accumulate else flat_places.write)(input, index, source, None)


row(
    "take", take, [S(T(3, 4), _I(0, 5, -1)), S(T(3, 4), T(2, 2, values=[[0, 11], [-12, 3]], dtype="int64")),
                   S(T(1), _I(0))],
    [(S(T(3, 4), _I(12)), RuntimeError, "index 12 is out of range for 12 elements"),
     (S(T(3, 4), _I(-13)), RuntimeError, "index -13 is out of range")], types=ALL,
)  # fmt: skip
row(
    "put", put,
    [S(T(3, 4), _I(0, 5, -1), T(3)), S(T(3, 4), _I(1, 1), T(2), accumulate=True),
     S(T(3, 4), _I(1, 1), T(2, 1)).unlike_torch(_EVERY_SOURCE, agrees=0),
     S(T(3, 4), _I(1, -1), T(2, 1)),
     S(T(1), _I(0), T(1))],
    [(S(T(3, 4), _I(0, 1), T(3)), RuntimeError, "as many elements as index, 2")], types=ALL, exported=(), in_place=True,
)  # fmt: skip


# ---------------------------------------------------------------- sliding windows


def _windows(x, dim, size, step):
    return arrays.windows(x, dim, size, step)


def _add_windows(x, dim, size, step, input_size):
    out = np.zeros_like(x, shape=input_size)
    for k in range(x.shape[dim]):  # windows overlap, so one after the other
        part = out[(slice(None),) * dim + (slice(k * step, k * step + size),)]
        part += np.moveaxis(x[(slice(None),) * dim + (k,)], -1, dim)
    return out


_unfold = Operation(
    "unfold", _windows, "x", "dim size step", view=True,
    derivatives={"x": lambda g, dim, size, step, x_size: fold(g, dim, size, step, x_size)},
)  # fmt: skip
fold = Operation(
    "fold", _add_windows, "x", "dim size step input_size",
    derivatives={"x": lambda g, dim, size, step: _unfold(g, dim, size, step)},
)  # fmt: skip


def unfold(input, dim, size, step):
    """unfold(input, dim, size, step): a view of the windows of `size` elements along dim, one each `step` elements.

    Dimension dim counts the windows, (input.size(dim) - size) // step + 1 of them; a new last dimension runs inside
    them.
    """
    full = size_of(input)
    dim = wrap_dim(dim, len(full), "unfold: dim")
    size, step = whole_number(size, "unfold: size"), whole_number(step, "unfold: step")
    if not 1 <= size <= full[dim]:
        raise RuntimeError(f"unfold: size must be from 1 to {full[dim]}, the size of dimension {dim}, got {size}")
    if step < 1:
        raise RuntimeError(f"unfold: step must be positive, got {step}")
    return _unfold(input, dim, size, step)


row(
    "unfold", unfold, [S(T(7), 0, 3, 2), S(T(3, 5), -1, 2, 1), S(T(5, 2), 0, 2, 3), S(T(2, 3, 2), 1, 3, 1),
                       S(T(1), 0, 1, 1)],
    [(S(T(3), 0, 4, 1), RuntimeError, "size must be from 1 to 3"),
     (S(T(3), 0, 2, 0), RuntimeError, "step must be positive"),
     (S(T(3), 0, 2.0, 1), TypeError, "unfold: size must be an int, got float"),
     (S(T(3), 0, 2, None), TypeError, "unfold: step must be an int, got NoneType")],
    types=ALL, exported=(),
)  # fmt: skip
