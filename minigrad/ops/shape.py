"""Operations that change shape: views, copies, joining and splitting.

A view shares its argument's memory (`view=True` tells the engine, which then tracks in-place changes through it). All
basic indexing - select, narrow, slices - is one view operation, `index`, whose derivative is `place`: zeros with the
gradient written where the view was.
"""

import math
import operator

import numpy as np

from minigrad._core import Operation, Part, Tensor, Variable, array_of
from minigrad.ops.operands import refuse
from minigrad.ops.table import ALL, S, T, row


def size_of(x):
    """Size of a Tensor, Variable or array as a tuple."""
    try:
        return tuple(array_of(x).shape if isinstance(x, (Tensor, Variable)) else x.shape)
    except AttributeError:
        refuse(x)


def whole_number(value, name):
    """The argument called `name` as an int."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, got {type(value).__name__}")
    return operator.index(value)


def wrap_dim(dim, ndim, name="dim", extra=0):
    """A dimension counted from the front; negative ones count from the end. `extra`: room for new dimensions."""
    dim, limit = whole_number(dim, name), ndim + extra
    if not -limit <= dim < limit:
        raise RuntimeError(f"{name} must be from {-limit} to {limit - 1} for {ndim} dimensions, got {dim}")
    return dim % limit


def flag(value, name):
    """keepdim as a bool. A number is refused, as in the era: x.sum(0, 1) means two dimensions, and would reduce one."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    hint = "; one call reduces one dimension, call it again for another" if hasattr(value, "__index__") else ""
    raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__}){hint}")


def as_size(sizes, name):
    """The sizes of a call `f(2, 3)` or `f((2, 3))` as a tuple of ints."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    if not sizes:
        raise TypeError(f"{name}: expected at least one size")
    for s in sizes:
        if isinstance(s, (bool, float)) or not hasattr(s, "__index__"):
            raise TypeError(not_a_size(name, s, sizes))
    return tuple(operator.index(s) for s in sizes)


def not_a_size(name, value, sizes):
    """What to say of a size that is no int. Tensors are not printed: their text has lines."""
    if isinstance(value, (Tensor, Variable)):
        element = "its number is value.data[0]" if isinstance(value, Variable) else "its numbers are value[0] and so on"
        return f"{name}: sizes must be ints, got a {type(value).__name__} of size {size_of(value)}; {element}"
    return f"{name}: sizes must be ints, got {value!r} ({type(value).__name__}) in {tuple(sizes)}"


# ---------------------------------------------------------------- the same elements in another shape

# Any shape, copying if it must; the form for formulas and for results that nobody else holds. An operand, which its
# owner may change, is `seen_as` another shape.
reshape = Operation(
    "reshape", lambda x, size: x.reshape(size), "x", "size", derivatives={"x": lambda g, x_size: reshape(g, x_size)}
)
_view = Operation(
    "view", lambda x, size: x.reshape(size), "x", "size", derivatives={"x": lambda g, x_size: reshape(g, x_size)},
    view=True,
)  # fmt: skip
identity = Operation("identity", lambda x: x.copy(), "x", derivatives={"x": lambda g: g})
permute_dims = Operation(
    "permute", np.transpose, "x", "dims", derivatives={"x": lambda g, dims: permute_dims(g, _inverse(dims))}, view=True
)


def _inverse(dims):
    return tuple(sorted(range(len(dims)), key=dims.__getitem__))


def is_contiguous(x):
    """Whether the elements lie in memory in the order of the dimensions, without gaps."""
    try:
        return bool((array_of(x) if isinstance(x, (Tensor, Variable)) else x).flags.c_contiguous)
    except AttributeError:
        refuse(x)


def contiguous(input):
    """contiguous(input): input itself if its memory is in order, otherwise a copy that is."""
    return input if is_contiguous(input) else clone(input)


def clone(input):
    """clone(input): a copy with memory of its own; gradients pass through."""
    return identity(input)


def seen_as(x, size):
    """x in any shape, as a view where its memory is in order: what saves it then notices that x was changed."""
    return _view(x if is_contiguous(x) else clone(x), size)


def view(input, *sizes):
    """view(input, *sizes): the same memory seen with another size.

    One size may be -1: it follows from the others. Raises RuntimeError if the element counts differ or the memory of
    input is not contiguous.
    """
    size = _infer(as_size(sizes, "view"), size_of(input), "view")
    if not is_contiguous(input):
        raise RuntimeError(
            f"view: input of size {size_of(input)} is not contiguous (a transpose or a slice, say), so its elements "
            "cannot be seen in another shape without copying; call .contiguous() before .view(...)"
        )
    return _view(input, size)


def _infer(size, old, name):
    count = math.prod(old)
    if size.count(-1) > 1 or any(s < -1 for s in size):
        raise RuntimeError(f"{name}: sizes must not be negative, and only one may be -1, got {size}")
    if -1 in size:
        rest = math.prod(s for s in size if s != -1)
        if rest == 0 or count % rest:
            raise RuntimeError(f"{name}: size {size} is invalid for an input with {count} elements (size {old})")
        size = tuple(count // rest if s == -1 else s for s in size)
    if math.prod(size) != count:
        raise RuntimeError(f"{name}: size {size} is invalid for an input with {count} elements (size {old})")
    return size


def view_as(input, other):
    """view_as(input, other): the same memory seen with the size of other."""
    return view(input, size_of(other))


def permute(input, *dims):
    """permute(input, *dims): a view whose dimension k is input's dimension dims[k]."""
    dims = as_size(dims, "permute")
    ndim = len(size_of(input))
    wrapped = tuple(wrap_dim(d, ndim, "permute: each of dims") for d in dims)
    if sorted(wrapped) != list(range(ndim)):
        raise RuntimeError(f"permute: dims must name each of the {ndim} dimensions once, got {dims}")
    return permute_dims(input, wrapped)


def transpose(input, dim0, dim1):
    """transpose(input, dim0, dim1): a view with the two dimensions swapped."""
    ndim = len(size_of(input))
    dims = list(range(ndim))
    a, b = wrap_dim(dim0, ndim, "transpose: dim0"), wrap_dim(dim1, ndim, "transpose: dim1")
    dims[a], dims[b] = b, a
    return permute_dims(input, tuple(dims))


def t(input):
    """t(input): the transposed matrix, as a view. Raises RuntimeError unless input is 2-D."""
    if len(size_of(input)) != 2:
        raise RuntimeError(f"t: input must have 2 dimensions, got size {size_of(input)}; use transpose(dim0, dim1)")
    return permute_dims(input, (1, 0))


def swap_last(x):
    """The matrices of a batch transposed (on any level)."""
    n = len(size_of(x))
    return permute_dims(x, (*range(n - 2), n - 1, n - 2))


def squeeze(input, dim=None):
    """squeeze(input, dim=None): a view without dimensions of size 1 (only `dim`, if given); at least one remains."""
    size = size_of(input)
    if dim is None:
        return _view_any(input, tuple(s for s in size if s != 1) or (1,))
    dim = wrap_dim(dim, len(size), "squeeze: dim")
    if size[dim] != 1 or len(size) == 1:
        return _view_any(input, size)
    return _view_any(input, size[:dim] + size[dim + 1 :])


def unsqueeze(input, dim):
    """unsqueeze(input, dim): a view with a new dimension of size 1 before dimension dim."""
    size = size_of(input)
    if size == (0,):
        raise RuntimeError("unsqueeze: the tensor with no dimension cannot get one")
    dim = wrap_dim(dim, len(size), "unsqueeze: dim", extra=1)
    return index(input, (slice(None),) * dim + (None,))


# Dropping or adding dimensions of size 1 is a view whatever the strides are.
def _view_any(input, size):
    return _view(input, size)


_SHAPED = [S(T(2, 3, 4)), S(T(3, 1)), S(T(1))]
row("contiguous", contiguous, _SHAPED, types=ALL, exported=())
row("clone", clone, _SHAPED, types=ALL, exported=())
row(
    "view", view, [S(T(2, 3, 4), 6, 4), S(T(2, 6), -1, 3), S(T(4), (2, 2)), S(T(3, 1), 3)],
    [(S(T(2, 3), 4), RuntimeError, "invalid for an input with 6 elements"),
     (S(T(2, 3), 1.5), TypeError, "sizes must be ints")], types=ALL, exported=(), contiguous=True,
)  # fmt: skip
row(
    "view_as",
    view_as,
    [S(T(2, 3), T(3, 2, grad=False)), S(T(1), T(1, 1, grad=False))],
    types=ALL,
    exported=(),
    contiguous=True,
)
row(
    "permute", permute, [S(T(2, 3, 4), 2, 0, 1), S(T(3, 1), 1, 0), S(T(2, 3), -1, 0)],
    [(S(T(2, 3), 0, 0), RuntimeError, "each of the 2 dimensions once")], types=ALL, exported=(),
    oracle=lambda torch, x, *dims: x.permute(*dims),
)  # fmt: skip
row(
    "transpose", transpose, [S(T(2, 3, 4), 0, 2), S(T(2, 3), -1, 0), S(T(1), 0, 0)],
    [(S(T(2, 3), 0, 2), RuntimeError, "dim1 must be from -2 to 1")], types=ALL,
)  # fmt: skip
row("t", t, [S(T(2, 3)), S(T(1, 4))], [(S(T(2, 3, 4)), RuntimeError, "2 dimensions")], types=ALL)
row("squeeze", squeeze, [S(T(1, 3, 1)), S(T(1, 3, 1), 0), S(T(2, 3), 1), S(T(1)), S(T(1, 1), -1)], types=ALL)
row("unsqueeze", unsqueeze, [S(T(2, 3), 0), S(T(2, 3), 1), S(T(3), -1), S(T(1), 1)], types=ALL)


# ---------------------------------------------------------------- broadcasting, and its derivative


def _sum_to(x, size):
    lead = x.ndim - len(size)
    if lead == 1 and x.shape[1:] == size:  # a bias: the frequent case
        return x.sum(0)
    axes = tuple(range(lead)) + tuple(i + lead for i, s in enumerate(size) if s == 1 and x.shape[i + lead] != 1)
    total = x.sum(axis=axes, keepdims=True) if axes else x
    return total.reshape(size)


sum_to_size = Operation(
    "sum_to_size", _sum_to, "x", "size", derivatives={"x": lambda g, x_size: broadcast_to(g, x_size)}
)
broadcast_to = Operation(
    "expand", lambda x, size: _broadcast(x, size), "x", "size",
    derivatives={"x": lambda g, x_size: sum_to_size(g, x_size)}, view=True,
)  # fmt: skip


def _broadcast(x, size):
    """NumPy's view, which cannot be written because elements share a place; where none do, one that can."""
    found = np.broadcast_to(x, size)
    return x.reshape(size) if found.size == x.size else found


def expand(input, *sizes):
    """expand(input, *sizes): a view in which dimensions of size 1 are repeated without copying; -1 keeps a size.

    New dimensions may be added in front. Raises RuntimeError where a size other than 1 would change.
    """
    sizes, old = as_size(sizes, "expand"), size_of(input)
    lead = len(sizes) - len(old)
    if lead < 0:
        raise RuntimeError(f"expand: {sizes} has fewer dimensions than the input, whose size is {old}")
    full = []
    for k, s in enumerate(sizes):
        here = old[k - lead] if k >= lead else None
        if s == -1 and here is None:
            raise RuntimeError(f"expand: -1 in {sizes} keeps a size, but new dimension {k} has none to keep")
        s = here if s == -1 else s
        if s < 1 or (here is not None and here not in (1, s)):
            raise RuntimeError(f"expand: sizes {sizes} do not fit an input of size {old}: only sizes of 1 can grow")
        full.append(s)
    return broadcast_to(input, tuple(full))


def expand_as(input, other):
    """expand_as(input, other): input expanded, without copying, to the size of other."""
    return expand(input, size_of(other))


row(
    "expand", expand, [S(T(3, 1), 3, 4), S(T(3), 2, 3), S(T(1, 2), -1, 2), S(T(1), 5)],
    [(S(T(3, 2), 3, 4), RuntimeError, "only sizes of 1 can grow"), (S(T(3), -1, 3), RuntimeError, "none to keep")],
    types=ALL, exported=(),
)  # fmt: skip
row("expand_as", expand_as, [S(T(3, 1), T(3, 4, grad=False))], types=ALL, exported=())


# ---------------------------------------------------------------- basic indexing

index = Operation(
    "index", lambda x, where: _at_least_1d(x[where], x), "x", "where",
    derivatives={"x": lambda g, x_size, where: _part(g, where, x_size)}, view=True,
)  # fmt: skip
place = Operation("place", lambda x, where, size: _placed(x, where, size), "x", "where size",
                  derivatives={"x": lambda g, where, x_size: reshape(index(g, where), x_size)})  # fmt: skip


def _at_least_1d(value, x):
    """A single element stays a view of one element: a Variable has no 0-d."""
    if isinstance(value, type(x)) and value.ndim:
        return value
    raise IndexError("an index of basic slices must leave at least one dimension")


def _part(g, where, size):
    """`place`; of an array only once it is known what it is to be added to."""
    return place(g, where, size) if isinstance(g, Variable) else Part(g, where, size)


def _placed(x, where, size):
    out = np.zeros_like(x, shape=size)
    out[where] = x.reshape(out[where].shape)
    return out


def select(input, dim, index):
    """select(input, dim, index): the view input[:, ..., index] without dimension dim; a Number of a 1-D Tensor."""
    dim = wrap_dim(dim, len(size_of(input)), "select: dim")
    return input[(slice(None),) * dim + (whole_number(index, "select: index"),)]


def narrow(input, dimension, start, length):
    """narrow(input, dimension, start, length): the view of elements start to start + length - 1 along dimension."""
    size = size_of(input)
    dim = wrap_dim(dimension, len(size), "narrow: dimension")
    start, length = whole_number(start, "narrow: start"), whole_number(length, "narrow: length")
    if length < 1 or start < 0 or start + length > size[dim]:
        raise RuntimeError(
            f"narrow: start {start} and length {length} leave dimension {dim} of size {size[dim]}; at least "
            "one element must remain"
        )
    return index(input, (slice(None),) * dim + (slice(start, start + length),))


row(
    "select", select, [S(T(3, 4), 0, 1), S(T(3, 4), 1, -1), S(T(2, 3, 4), -2, 0)],
    [(S(T(3, 4), 0, None), TypeError, "select: index must be an int, got NoneType"),
     (S(T(3, 4), 0, 1.0), TypeError, "select: index must be an int, got float")], types=ALL, exported=(),
)  # fmt: skip
row(
    "narrow", narrow, [S(T(3, 4), 1, 1, 2), S(T(3), 0, 0, 3), S(T(3, 4), -1, 3, 1)],
    [(S(T(3, 4), 1, 3, 2), RuntimeError, "leave dimension 1 of size 4"),
     (S(T(3, 4), 1, 1.0, 2), TypeError, "narrow: start must be an int, got float"),
     (S(T(3, 4), 1, 1, None), TypeError, "narrow: length must be an int, got NoneType")], types=ALL, exported=(),
)  # fmt: skip


# ---------------------------------------------------------------- joining and splitting


def _cat_backward(g, sizes, dim):
    grads, start = [], 0
    for size in sizes:
        grads.append(index(g, (slice(None),) * dim + (slice(start, start + size[dim]),)))
        start += size[dim]
    return grads


def _cat_refused(operation, args, error):
    sizes = [size_of(a) for a in args[:-1]]
    raise RuntimeError(
        f"cat: all sizes must be equal except in dimension {args[-1]}, got {', '.join(map(str, sizes))}"
    ) from error


_cat = Operation(
    "cat", lambda *args: np.concatenate(args[:-1], args[-1]), "*", "dim", joint=_cat_backward, rescue=_cat_refused
)


def _sequence(seq, name, error):
    if isinstance(seq, Tensor) or not hasattr(seq, "__iter__"):
        raise TypeError(f"{name}: expected a list or tuple of tensors, got {type(seq).__name__}")
    seq = tuple(seq)  # of a Variable, its slices along the first dimension: cat(h[-2:], 1) joins two directions
    if not seq:
        raise error(f"{name}: expected at least one tensor, got an empty sequence")
    for s in seq:
        if not isinstance(s, (Tensor, Variable)):
            raise TypeError(f"{name}: expected tensors in the sequence, got {type(s).__name__}")
    return seq


def cat(seq, dim=0):
    """cat(seq, dim=0): the tensors of seq, or the slices of a Variable, joined along dim; other sizes must be equal.

    Tensors with no elements are left out. Raises RuntimeError on an empty sequence or sizes that do not fit.
    """
    seq = _sequence(seq, "cat", RuntimeError)
    seq = tuple(s for s in seq if size_of(s) != (0,)) or seq[:1]
    return _cat(*seq, wrap_dim(dim, len(size_of(seq[0])), "cat: dim"))


def stack(sequence, dim=0):
    """stack(sequence, dim=0): the tensors of sequence, of one size, joined along a new dimension.

    Raises ValueError on an empty sequence, RuntimeError on differing sizes.
    """
    seq = _sequence(sequence, "stack", ValueError)
    size = size_of(seq[0])
    for k, s in enumerate(seq):
        if size_of(s) != size:
            raise RuntimeError(f"stack: all sizes must be equal, got {size} and, at position {k}, {size_of(s)}")
    dim = wrap_dim(dim, len(size), "stack: dim", extra=1)
    return _cat(*(unsqueeze(s, dim) for s in seq), dim)


def split(input, split_size, dim=0):
    """split(input, split_size, dim=0): views of split_size elements along dim, the last one maybe shorter (a tuple)."""
    size = size_of(input)
    dim = wrap_dim(dim, len(size), "split: dim")
    if not isinstance(split_size, int) or split_size < 1:
        raise RuntimeError(f"split: split_size must be a positive int, got {split_size!r}")
    starts = range(0, size[dim], split_size)
    return tuple(narrow(input, dim, s, min(split_size, size[dim] - s)) for s in starts)


def chunk(input, chunks, dim=0):
    """chunk(input, chunks, dim=0): at most `chunks` views of ceil(size / chunks) elements along dim (a tuple)."""
    size = size_of(input)
    dim = wrap_dim(dim, len(size), "chunk: dim")
    if not isinstance(chunks, int) or chunks < 1:
        raise RuntimeError(f"chunk: chunks must be a positive int, got {chunks!r}")
    return split(input, -(-size[dim] // chunks), dim)


def unbind(input, dim=0):
    """unbind(input, dim=0): tuple of input's slices along dim, without that dimension."""
    dim = wrap_dim(dim, len(size_of(input)), "unbind: dim")
    return tuple(select(input, dim, k) for k in range(size_of(input)[dim]))


def repeat(input, *sizes):
    """repeat(input, *sizes): input copied sizes[k] times along dimension k (new dimensions in front).

    Raises ValueError if there are fewer sizes than dimensions.
    """
    sizes, old = as_size(sizes, "repeat"), size_of(input)
    if len(sizes) < len(old):
        raise ValueError(f"repeat: expected at least {len(old)} sizes, one for each dimension of {old}, got {sizes}")
    if min(sizes) < 1:
        raise RuntimeError(f"repeat: sizes must be positive, got {sizes}")
    full = (1,) * (len(sizes) - len(old)) + old
    # each dimension s repeated r times is a dimension (r, s) in which r was expanded
    paired = tuple(v for s in full for v in (1, s))
    wide = tuple(v for r, s in zip(sizes, full) for v in (r, s))
    # Copied first: of an expanded input, or for sizes of 1, reshape would give a view that the engine does not know.
    return reshape(clone(broadcast_to(reshape(input, paired), wide)), tuple(r * s for r, s in zip(sizes, full)))


row(
    "cat", cat, [S([T(2, 3), T(1, 3), T(3, 3)], 0), S([T(2, 3), T(2, 1)], 1), S([T(2)]),
                S([T(2, 3, 1), T(2, 3, 2)], dim=-1)],
    [(S([]), RuntimeError, "at least one tensor"),
     (S([T(2, 3), T(2, 4)]), RuntimeError, "must be equal except in dimension 0"),
     (S(3), TypeError, "list or tuple of tensors, got int")], types=ALL, method=False,
)  # fmt: skip
row(
    "stack", stack, [S([T(2, 3), T(2, 3)], 0), S([T(3), T(3), T(3)], 1), S([T(1)], -1)],
    [(S([]), ValueError, "at least one tensor"), (S([T(2), T(3)]), RuntimeError, "must be equal")], types=ALL,
    method=False,
)  # fmt: skip
row(
    "split", split, [S(T(5, 3), 2), S(T(2, 6), 3, 1), S(T(4), 9)],
    [(S(T(4), 0), RuntimeError, "positive int")], types=ALL,
)  # fmt: skip
row(
    "chunk", chunk, [S(T(5, 3), 2), S(T(2, 6), 3, -1), S(T(2), 4)],
    [(S(T(4), 0), RuntimeError, "positive int")], types=ALL,
)  # fmt: skip
row("unbind", unbind, [S(T(3, 2)), S(T(2, 3), 1)], types=ALL, method=False)
row(
    "repeat", repeat, [S(T(2, 3), 2, 1), S(T(3), 2, 2), S(T(1), 4)],
    [(S(T(2, 3), 2), ValueError, "at least 2 sizes")], types=ALL, exported=(),
)  # fmt: skip
