"""Batches of sequences of different lengths, for recurrent layers.

A packed sequence holds the time steps one after the other, each with the sequences that still run: with the sequences
sorted by decreasing length, those are the first ones of the batch.

    a b c d        step 0: a e h     step 1: b f     step 2: c g     step 3: d
    e f g .   ->
    h . . .        data = a e h b f c g d,   batch_sizes = [3, 2, 2, 1]
"""

from collections import namedtuple

import numpy as np

from minigrad._core import Tensor, Variable, array_of
from minigrad.ops import arrays
from minigrad.ops.packing import pack_rows, unpack_rows
from minigrad.utils import missing

__all__ = ["PackedSequence", "pack_padded_sequence", "pad_packed_sequence"]


class PackedSequence(namedtuple("PackedSequence", ["data", "batch_sizes"])):
    """PackedSequence(data, batch_sizes): what `pack_padded_sequence` returns and recurrent layers take.

    data: a Variable, (sum of lengths, *). batch_sizes: a list, how many sequences run at each step.
    """

    __slots__ = ()


def _lengths(name, lengths):
    if isinstance(lengths, (Tensor, Variable)):
        lengths = array_of(lengths)
    array = np.asarray(lengths.get() if hasattr(lengths, "get") else lengths)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: lengths must be a list, a LongTensor or an array of whole numbers, one a sequence, got "
            f"{lengths!r}"
        )
    return array.astype(np.intp)


def _places(batch_sizes, batch_first, like):
    """Index pair of each packed row in a padded block, where the array `like` lies."""
    steps = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    starts = np.cumsum(batch_sizes) - batch_sizes
    sequences = np.arange(len(steps)) - np.repeat(starts, batch_sizes)
    pair = (sequences, steps) if batch_first else (steps, sequences)
    return tuple(arrays.beside(numbers, like) for numbers in pair)


def pack_padded_sequence(input, lengths, batch_first=False):
    """The existing rows of a padded batch of sequences, as a `PackedSequence`.

    input: T x B x * (B x T x * if batch_first), T at least the longest length, with the longest sequence first.
    lengths: B whole numbers, decreasing (or equal), as a list, a NumPy array or a LongTensor. Gradients pass through;
    those of the padding are 0.

    Raises ValueError if lengths do not decrease, one is not positive, one is greater than T, or there are not B.

    >>> import minigrad as torch
    >>> x = Variable(torch.Tensor([[1, 2, 3], [4, 5, 0]]))
    >>> packed = pack_padded_sequence(x, [3, 2], batch_first=True)
    >>> packed.data.data.tolist(), packed.batch_sizes
    ([1.0, 4.0, 2.0, 5.0, 3.0], [2, 2, 1])
    """
    name = "pack_padded_sequence"
    if not isinstance(input, (Tensor, Variable)):
        raise TypeError(f"{name}: input must be a Variable, got {type(input).__name__}")
    size = tuple(array_of(input).shape)
    if len(size) < 2:
        raise ValueError(
            f"{name}: input must have at least 2 dimensions, {'B x T' if batch_first else 'T x B'}, got {size}"
        )
    batch, steps = size[:2] if batch_first else size[1::-1]
    lengths = _lengths(name, lengths)
    shown = lengths.tolist()
    if len(lengths) != batch:
        raise ValueError(
            f"{name}: lengths must have one entry for each of the {batch} sequences of the batch, got {len(lengths)} "
            f"entries (input has size {size}, batch_first={batch_first})"
        )
    if (np.diff(lengths) > 0).any():
        raise ValueError(
            f"{name}: lengths must decrease, the longest sequence first, got {shown}; sort the batch by "
            "length before packing"
        )
    if lengths[-1] <= 0:
        raise ValueError(f"{name}: lengths must be positive, got {shown}: a sequence of no elements cannot be packed")
    if lengths[0] > steps:
        raise ValueError(
            f"{name}: lengths must be at most T={steps}, the padded length of input of size {size}, got {shown}"
        )
    batch_sizes = (lengths[None, :] > np.arange(lengths[0])[:, None]).sum(1)
    return PackedSequence(pack_rows(input, _places(batch_sizes, batch_first, array_of(input))), batch_sizes.tolist())


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0):
    """The inverse of `pack_padded_sequence`: (padded, lengths).

    padded: T x B x * (B x T x * if batch_first), padding_value where a sequence has ended; lengths: a list. Gradients
    pass through.

    >>> import minigrad as torch
    >>> packed = PackedSequence(Variable(torch.Tensor([1, 4, 2, 5, 3])), [2, 2, 1])
    >>> padded, lengths = pad_packed_sequence(packed, batch_first=True)
    >>> padded.data.tolist(), lengths
    ([[1.0, 2.0, 3.0], [4.0, 5.0, 0.0]], [3, 2])
    """
    name = "pad_packed_sequence"
    if not isinstance(sequence, tuple) or len(sequence) != 2:
        raise TypeError(f"{name}: sequence must be a PackedSequence, got {type(sequence).__name__}")
    data, batch_sizes = sequence
    sizes = _lengths(f"{name} (batch_sizes)", batch_sizes)
    rows = array_of(data).shape[0]
    if len(sizes) == 0 or sizes[-1] <= 0 or (np.diff(sizes) > 0).any() or sizes.sum() != rows:
        raise ValueError(
            f"{name}: batch_sizes must be positive, decrease, and add up to the {rows} rows of data, got "
            f"{sizes.tolist()}"
        )
    steps, batch = len(sizes), int(sizes[0])
    size = ((batch, steps) if batch_first else (steps, batch)) + tuple(array_of(data).shape[1:])
    lengths = (sizes[:, None] > np.arange(batch)[None, :]).sum(0).tolist()
    return unpack_rows(data, _places(sizes, batch_first, array_of(data)), size, padding_value), lengths


__getattr__ = missing.attribute_error(__name__)
