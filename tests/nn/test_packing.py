"""Packed sequences: layout, every way to give lengths, gradients to second order, errors."""

import pickle

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable, gradcheck, gradgradcheck
from minigrad.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

LENGTHS = [4, 4, 2, 1]


def padded(batch_first, extra=(), steps=4, **flags):
    """Element 10 * sequence + step, and -1 for padding."""
    x = np.full((steps, len(LENGTHS), *extra), -1.0)
    for b, n in enumerate(LENGTHS):
        for t in range(n):
            x[t, b] = 10 * b + t
    return Variable(torch.from_numpy(np.ascontiguousarray(x.swapaxes(0, 1)) if batch_first else x), **flags)


ORDER = [0, 10, 20, 30, 1, 11, 21, 2, 12, 3, 13]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("extra", [(), (3,), (2, 3)])
@pytest.mark.parametrize("steps", [4, 6])
def test_there_and_back(batch_first, extra, steps):
    x = padded(batch_first, extra, steps)
    packed = pack_padded_sequence(x, LENGTHS, batch_first)
    assert type(packed) is PackedSequence
    assert packed.batch_sizes == [4, 3, 2, 2]
    assert all(type(n) is int for n in packed.batch_sizes)
    assert packed.data.data.numpy().reshape(11, -1)[:, 0].tolist() == ORDER
    back, lengths = pad_packed_sequence(packed, batch_first, padding_value=-1)
    assert lengths == LENGTHS
    assert type(lengths) is list
    assert back.data.tolist() == padded(batch_first, extra, 4).data.tolist()
    zeros, _ = pad_packed_sequence(packed, batch_first)
    assert zeros.data.min() == 0


@pytest.mark.parametrize(
    "lengths",
    [
        LENGTHS,
        tuple(LENGTHS),
        np.array(LENGTHS),
        np.array(LENGTHS, np.int32),
        torch.LongTensor(LENGTHS),
        torch.IntTensor(LENGTHS),
        Variable(torch.LongTensor(LENGTHS)),
        [np.int64(n) for n in LENGTHS],
    ],
)
def test_lengths_in_every_form(lengths):
    assert pack_padded_sequence(padded(False), lengths).batch_sizes == [4, 3, 2, 2]


@pytest.mark.parametrize("batch_first", [False, True])
def test_gradients_to_second_order(batch_first, rng):
    x = Variable(torch.from_numpy(rng.normal(size=(4, 4, 2))), requires_grad=True)

    def pack(x):
        return pack_padded_sequence(x, LENGTHS, batch_first).data ** 2

    def pad(rows):
        return pad_packed_sequence(PackedSequence(rows, [4, 3, 2, 2]), batch_first, padding_value=3)[0] ** 2

    rows = Variable(torch.from_numpy(rng.normal(size=(11, 2))), requires_grad=True)
    for function, value in ((pack, x), (pad, rows)):
        assert gradcheck(function, (value,))
        grad = Variable(torch.from_numpy(rng.normal(size=tuple(function(value).size()))), requires_grad=True)
        assert gradgradcheck(function, (value,), (grad,))


def test_padding_gets_no_gradient():
    x = padded(False, requires_grad=True)
    pack_padded_sequence(x, LENGTHS).data.sum().backward()
    assert x.grad.data.tolist() == (x.data.numpy() >= 0).astype(float).tolist()


def test_a_volatile_input_stays_volatile():
    packed = pack_padded_sequence(padded(False, volatile=True), LENGTHS)
    assert packed.data.volatile
    assert pad_packed_sequence(packed)[0].volatile


def test_packed_is_a_named_tuple():
    packed = pack_padded_sequence(padded(False), LENGTHS)
    data, batch_sizes = packed
    assert data is packed.data
    assert batch_sizes is packed.batch_sizes
    again = pickle.loads(pickle.dumps(packed))
    assert type(again) is PackedSequence
    assert again.data.data.tolist() == data.data.tolist()


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([4, 2, 4, 1], r"lengths must decrease, the longest sequence first, got \[4, 2, 4, 1\]; sort"),
        ([4, 3, 2, 0], r"lengths must be positive, got \[4, 3, 2, 0\]"),
        ([4, 3, 2], "lengths must have one entry for each of the 4 sequences"),
        ([5, 3, 2, 1], r"lengths must be at most T=4"),
        ([4.0, 3.0, 2.0, 1.0], "lengths must be a list, a LongTensor or an array of whole numbers"),
        ([[4, 3, 2, 1]], "lengths must be a list"),
    ],
)
def test_lengths_refused(lengths, words):
    with pytest.raises(ValueError, match=words):
        pack_padded_sequence(padded(False), lengths)


def test_other_refusals():
    with pytest.raises(TypeError, match="input must be a Variable, got list"):
        pack_padded_sequence([1, 2], [2])
    with pytest.raises(ValueError, match="at least 2 dimensions, T x B"):
        pack_padded_sequence(Variable(torch.ones(3)), [3])
    with pytest.raises(TypeError, match="must be a PackedSequence, got Variable"):
        pad_packed_sequence(padded(False))
    rows = Variable(torch.ones(3))
    for sizes in ([2, 2], [1, 2], [3, 0], []):
        with pytest.raises(ValueError, match="batch_sizes"):
            pad_packed_sequence(PackedSequence(rows, sizes))
