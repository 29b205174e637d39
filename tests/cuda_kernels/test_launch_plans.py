"""How layers are laid over cards: within every limit of the card, for all sizes."""

import itertools

import pytest

from minigrad.kernels.cuda.plan import (
    GATES,
    PLAIN_SHARED,
    ROW_THREADS,
    SLICES,
    UNITS,
    padded,
    plan,
    shared_bytes,
)

A100, H200 = (108, 166912), (132, 232448)  # multiprocessors, and bytes of shared memory a block may have
HIDDEN = [*range(1, 66), 100, 127, 128, 129, 200, 255, 256, 257, 511, 512, 513, 864, 865, 1000, 1024, 1056, 1057, 2048]


@pytest.mark.parametrize("card", [A100, H200, (1, PLAIN_SHARED), (0, 0)], ids=["A100", "H200", "tiny", "none"])
@pytest.mark.parametrize("kind", GATES)
def test_a_plan_stays_within_the_card(kind, card):
    multiprocessors, limit = card
    limit = limit or PLAIN_SHARED
    for hidden, item, backward in itertools.product(HIDDEN, (4, 8), (False, True)):
        for batch in (1, 2, 8, 9, 16, 17, 32, 33, 128, 1000, 5000):
            p = plan(kind, item, backward, hidden, batch, multiprocessors, limit)
            depth, outputs = (GATES[kind] * hidden, 1) if backward else (hidden, GATES[kind])
            unit_blocks = -(-hidden // UNITS)
            case = kind, hidden, item, backward, batch, p
            assert p.rows in (1, 2, 4), case
            assert p.tile == p.rows * ROW_THREADS
            assert p.blocks == p.groups * unit_blocks < 2**31, case
            # Every group has a tile to begin with, and the kernel's loop over tiles reaches all sequences.
            assert (p.groups - 1) * p.tile < batch, case
            assert p.chunk > 0, case
            assert p.chunk % (16 // item) == 0, case
            assert p.chunk < depth + 16 // item, case
            assert p.shared == shared_bytes(outputs, p.rows, depth, p.chunk, item, p.resident), case
            if p.resident:
                # The condition on which the barrier rests: one multiprocessor for each block.
                assert p.blocks <= multiprocessors, case
                assert p.shared <= limit, case
            else:
                assert p.shared <= PLAIN_SHARED, case
                assert p.groups == -(-batch // p.tile), case


@pytest.mark.parametrize(
    ("kind", "hidden", "item", "card", "resident"),
    [
        ("LSTM", 1024, 4, H200, True),  # 131,584 bytes of weights a block, 128 blocks
        ("LSTM", 1024, 4, A100, False),  # 128 blocks for 108 multiprocessors
        ("LSTM", 864, 4, A100, True),  # 108 blocks
        ("LSTM", 865, 4, A100, False),
        ("LSTM", 1024, 8, H200, False),  # 263,168 bytes of weights
        ("GRU", 1056, 4, H200, True),  # 132 blocks
        ("GRU", 1057, 4, H200, False),
        ("RNN_TANH", 2048, 4, H200, False),
        ("LSTM", 512, 8, H200, True),
        ("LSTM", 1, 4, A100, True),
    ],
)
def test_weights_stay_where_they_fit(kind, hidden, item, card, resident):
    for backward in (False, True):
        assert plan(kind, item, backward, hidden, 32, *card).resident is resident


def test_groups_share_the_batch_as_far_as_there_are_multiprocessors():
    assert plan("LSTM", 4, False, 512, 32, *H200)[:4] == (True, 2, 2, 128)
    assert plan("LSTM", 4, False, 256, 32, *H200)[:4] == (True, 1, 4, 128)
    assert plan("LSTM", 4, False, 1024, 64, *H200)[:4] == (True, 4, 1, 128)
    assert plan("GRU", 4, False, 20, 32, *H200)[:4] == (True, 1, 4, 12)


def test_rows_of_shared_memory_lie_in_different_banks():
    # A quarter of a warp reads 16 bytes each of eight units: they meet all 32 banks once.
    for item, length in itertools.product((4, 8), range(1, 300)):
        apart = padded(length, item) * item
        assert apart % 16 == 0
        assert apart >= length * item
        assert len({u * apart // 16 % 8 for u in range(UNITS)}) == UNITS


def test_the_bytes_are_the_sum_of_the_three_parts():
    # Weights of two gates, 5 padded to 12; 8 sequences of 4 padded to 4; partial sums.
    assert padded(5, 4) == 12
    assert padded(4, 4) == 4
    expected = 4 * (2 * UNITS * 12 + ROW_THREADS * 4 + SLICES * ROW_THREADS * 2 * UNITS)
    assert shared_bytes(2, 1, 5, 4, 4, True) == expected
