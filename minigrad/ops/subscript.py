"""Square brackets: `x[where]` and `x[where] = value`, for Tensors and Variables, by the era's rules.

ints, slices, None and one Ellipsis give a view. A ByteTensor picks elements, a LongTensor slices along dimension 0.
Lists of ints and LongTensors in adjacent positions, with nothing but `:` around them, name elements by coordinates.
Everything else is refused. An element is a Python number of a Tensor, and a view of size (1,) of a Variable.

Assigning to a Variable is an in-place operation that the engine records: values are written to a view of the places, or
to the whole target where the places are no view.
"""

import operator

import numpy as np

from minigrad._core import Tensor, Variable, array_of, call_in_place, like, tensor_from_array
from minigrad.ops import arrays, moving
from minigrad.ops.elementwise import cast
from minigrad.ops.indexing import LONG, check_number, index_select, tuples
from minigrad.ops.masking import copy, fill, masked_fill, masked_scatter, masked_select
from minigrad.ops.shape import index, seen_as, size_of


def getitem(x, where):
    """x[where]."""
    if isinstance(where, (Tensor, Variable)):
        where = _beside(x, where)
        dtype = array_of(where).dtype
        if dtype == np.uint8:
            return _selected(x, where)
        if dtype == LONG:
            return _slices(x, where)
        _refuse(where)
    entries = _entries(where)
    if not any(map(_names_elements, entries)):
        plan, element = _basic(entries, size_of(x))
        if isinstance(x, Tensor):
            found = x.array[plan]
            return found.item() if element else tensor_from_array(found)
        return index(x, _one_element(plan) if element else plan)
    if len(entries) == 1 and _is_mask(entries[0]):
        return _selected(x, _mask(x, entries[0]))
    where, carrier = _coordinates(x, entries)
    return tuples.read(x, carrier, where)


def setitem(x, where, value):
    """x[where] = value."""
    value = _value(x, value)
    number = not isinstance(value, (Tensor, Variable))
    entries = (where,) if isinstance(where, (Tensor, Variable)) else _entries(where)
    if not any(map(_names_elements, entries)):
        plan, element = _basic(entries, size_of(x))
        if isinstance(x, Tensor):
            if element and not number:
                raise TypeError(
                    f"x[...] = value: a single element of a {type(x).__name__} takes a number, got a "
                    f"{type(value).__name__} of size {size_of(value)}; take its element, value[0]"
                )
            if number:
                if isinstance(x.array, np.ndarray):
                    try:
                        x.array[plan] = value
                    except ValueError:  # from NumPy, which finds out in any case
                        arrays.check_writable("x[index] = value", x.array)
                        raise
                else:
                    arrays.check_writable("x[index] = value", x.array)
                    arrays.run(lambda array: array.__setitem__(plan, value), x.array)
                return
            target = tensor_from_array(x.array[plan])
        else:
            target = index(x, _one_element(plan) if element else plan)
        if number:
            call_in_place("fill", fill, target, (value,), {})
        else:
            if array_of(value).size == 1:
                value = seen_as(value, (1,))
            call_in_place("copy", copy, target, (value,), {})
    elif len(entries) == 1 and _is_mask(entries[0]):
        mask = _mask(x, entries[0])
        try:
            if number:
                call_in_place("masked_fill", masked_fill, x, (mask, value), {})
            else:
                call_in_place("masked_scatter", masked_scatter, x, (mask, _converted(value, x)), {})
        except RuntimeError:
            _refuse_mask_of_rows(x, mask)
            raise
    else:
        places, carrier = _coordinates(x, entries)
        if number:
            call_in_place("index_fill", tuples.fill, x, (carrier, places, value), {})
        else:
            value = _fitted(_converted(value, x), arrays.run(lambda x: x[places].shape, array_of(x)))
            call_in_place("index_copy", tuples.write, x, (carrier, value, places), {})


# ---------------------------------------------------------------- what an index is made of


def _entries(where):
    """The index as a tuple. A list of anything but ints stands for a tuple, as NumPy once had it."""
    if isinstance(where, tuple):
        return where
    if isinstance(where, list) and any(
        w is None or w is Ellipsis or isinstance(w, slice) or _names_elements(w) for w in where
    ):
        return tuple(where)
    return (where,)


def _names_elements(w):
    return isinstance(w, (Tensor, Variable, list, range, tuple)) or (isinstance(w, np.ndarray) and w.ndim > 0)


def _is_mask(w):
    if isinstance(w, (Tensor, Variable)):
        return array_of(w).dtype == np.uint8
    return isinstance(w, np.ndarray) and w.dtype == np.bool_


def _mask(x, w):
    return like(x, arrays.beside(np.asarray(w, np.uint8), array_of(x))) if isinstance(w, np.ndarray) else _beside(x, w)


def _selected(x, mask):
    try:
        return masked_select(x, mask)
    except RuntimeError:
        _refuse_mask_of_rows(x, mask)
        raise


def _refuse_mask_of_rows(x, mask):
    """Refuse a mask with an entry a row, as NumPy takes it."""
    size, got = size_of(x), size_of(mask)
    if len(size) > 1 and got == size[:1]:
        raise RuntimeError(
            f"x[mask]: a mask chooses elements, and one of size {got} does not broadcast with x of size {size}; rows "
            "are chosen by number: x[mask.nonzero()[:, 0]]"
        ) from None


def _beside(x, w):
    """The index at the level of x: a Variable may be indexed by Tensors, a Tensor only by Tensors."""
    if isinstance(x, Tensor) and isinstance(w, Variable):
        raise TypeError(
            f"x[index]: a {type(x).__name__} cannot be indexed by a Variable; take the Variable's tensor, index.data"
        )
    if isinstance(x, Variable) and isinstance(w, Tensor):
        return like(x, w.array)
    return w


def _refuse(w):
    what = f"{w!r} ({type(w).__name__})"
    if isinstance(w, (Tensor, Variable)):
        what = f"a tensor of {array_of(w).dtype}; convert it with .long() or .byte()"
    raise TypeError(
        f"x[index]: expected ints, slices, None, '...', a ByteTensor mask, a LongTensor or lists of ints, got {what}"
    )


# ---------------------------------------------------------------- views


def _too_many(used, size):
    hint = ""
    if used == len(size) + 1:
        hint = (
            "; if a reduction, such as max(dim), made x: ask it to keep the dimension, keepdim=True, which was the "
            "default before version 0.2"
        )
    return IndexError(f"x[index]: {used} indices, but x has {len(size)} dimensions (size {size}){hint}")


def _basic(entries, size):
    """The index tuple with one entry a dimension (and None for new ones), checked; whether it names a single
    element."""
    used = len(entries) - sum(w is None or w is Ellipsis for w in entries)
    if used > len(size):
        raise _too_many(used, size)
    plan, dim, dots, element = [], 0, False, True
    for w in entries:
        if w is None:
            plan.append(None)
            element = False
        elif w is Ellipsis:
            if dots:
                raise IndexError("x[index]: only one '...' is allowed")
            dots = True
            for _ in range(len(size) - used):
                plan.append(slice(None))
                element = False
                dim += 1
        elif isinstance(w, slice):
            plan.append(_checked_slice(w, size[dim], dim))
            element = False
            dim += 1
        else:
            plan.append(_checked_int(w, size[dim], dim))
            dim += 1
    if dim < len(size):
        element = False
    return tuple(plan), element


def _checked_int(w, size, dim):
    try:
        k = operator.index(w)
    except TypeError:
        _refuse(w)
    if not -size <= k < size:
        raise IndexError(f"x[index]: index {k} is out of range for dimension {dim} of size {size}")
    return k + size if k < 0 else k


def _checked_slice(w, size, dim):
    for bound in (w.start, w.stop, w.step):
        if bound is not None and not hasattr(bound, "__index__"):
            raise TypeError(f"x[a:b]: bounds of a slice must be ints, got {bound!r} ({type(bound).__name__})")
    if w.step is not None and operator.index(w.step) <= 0:
        raise ValueError(f"x[a:b:step]: step must be positive, got {w.step}")
    start, stop, step = w.indices(size)
    if stop <= start:
        raise ValueError(
            f"x[{start}:{stop}] of dimension {dim} (size {size}) is empty; a tensor has no dimension of size 0"
        )
    return slice(start, stop, step)


def _one_element(plan):
    """A Variable has no 0-d: the last int becomes a slice of one element."""
    return (*plan[:-1], slice(plan[-1], plan[-1] + 1))


# ---------------------------------------------------------------- elements by coordinates


def _slices(x, where):
    if size_of(where) == (0,):
        return like(x, array_of(x)[:0].reshape(-1)[:0])
    if len(size_of(where)) != 1:
        raise IndexError(
            f"x[index]: a LongTensor must have 1 dimension, got size {size_of(where)}; use a list or x.take(index)"
        )
    limit, entries = size_of(x)[0], array_of(where)
    _check_entries(entries, limit, 0)
    return index_select(x, 0, where)


def _check_entries(array, limit, dim):
    arrays.run(_check_entries_there, array, limit, dim)


def _check_entries_there(array, limit, dim):
    if array.size and array.view(np.uint64).max() >= limit:
        wrong = array[(array < 0) | (array >= limit)].reshape(-1)[0]
        raise IndexError(f"x[index]: index {int(wrong)} is out of range for dimension {dim} of size {limit}; "
                         f"entries of an index list go from 0 to {limit - 1}")  # fmt: skip


def _coordinates(x, entries):
    """The index tuple for NumPy, and a volatile Variable among the entries, if any."""
    size, carrier = size_of(x), None
    used = sum(w is not Ellipsis for w in entries)
    if used > len(size):
        raise _too_many(used, size)
    where, dim, first, last, count = [], 0, None, None, 0
    for w in entries:
        if w is Ellipsis:
            where += [slice(None)] * (len(size) - used)
            dim += len(size) - used
            continue
        if _names_elements(w):
            if isinstance(w, Variable):
                _beside(x, w)
                carrier = w if carrier is None or w.volatile else carrier
            array = _index_array(w, array_of(x))
            _check_entries(array, size[dim], dim)
            where.append(array)
            first, last, count = dim if first is None else first, dim, count + 1
        elif w == slice(None):
            where.append(w)
        else:
            raise TypeError(
                f"x[index]: beside lists and LongTensors only ':' and '...' may stand, got {w!r}; index in two steps, "
                "x[...][...]"
            )
        dim += 1
    if last - first + 1 != count:
        raise TypeError("x[index]: lists and LongTensors must stand in adjacent positions")
    arrays = [w for w in where if not isinstance(w, slice)]
    try:
        np.broadcast_shapes(*(a.shape for a in arrays))
    except ValueError as error:
        sizes = " and ".join(str(a.shape) for a in arrays)
        raise IndexError(f"x[index]: index lists of sizes {sizes} do not broadcast together") from error
    return tuple(where), carrier


def _index_array(w, x):
    if isinstance(w, (Tensor, Variable)):
        if array_of(w).dtype != LONG:
            _refuse(w)
        arrays.check_together("x[index]", x, array_of(w), "the index")
        return arrays.copy(array_of(w))  # the graph keeps it, and the user may change his
    try:
        array = np.asarray(w if isinstance(w, np.ndarray) else [_plain(v) for v in w])
    except ValueError:
        raise TypeError(f"x[index]: an index list must not be ragged, got {w!r}") from None
    if array.size and array.dtype.kind not in "iu":
        _refuse(w)
    return arrays.beside(np.array(array, LONG), x)


def _plain(v):
    return v.data.tolist() if isinstance(v, Variable) else v.tolist() if isinstance(v, Tensor) else v


# ---------------------------------------------------------------- values


def _value(x, value):
    if isinstance(value, (int, float, np.generic)):
        return check_number("x[...] = value", value, x)
    if not isinstance(value, (Tensor, Variable)):
        hint = "; make a tensor of it first" if isinstance(value, (list, tuple, np.ndarray)) else ""
        raise TypeError(f"x[...] = value: expected a number or a tensor, got {type(value).__name__}{hint}")
    if isinstance(x, Tensor) and isinstance(value, Variable):
        raise TypeError("x[...] = value: a Tensor and a Variable do not mix; take the value's tensor, value.data")
    # What is assigned to a Variable from a Tensor is a constant: programs fill padded batches that way.
    return Variable(value) if isinstance(x, Variable) and isinstance(value, Tensor) else value


def _converted(value, x):
    dtype = array_of(x).dtype
    value = moving.to(value, arrays.device_of(array_of(x)))
    return value if array_of(value).dtype == dtype else cast(value, dtype)


def _fitted(value, size):
    """The value in a size that broadcasts to `size`; an equal element count is enough."""
    got = size_of(value)
    try:
        if np.broadcast_shapes(got, size) == tuple(size):
            return value
    except ValueError:
        pass
    if int(np.prod(got)) != int(np.prod(size)):
        raise RuntimeError(
            f"x[index] = value: the index names elements of size {tuple(size)}, the value has size {got}"
        )
    return seen_as(value, tuple(size))
