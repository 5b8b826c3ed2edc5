"""Cells of padded batches, counted by hand and as lengths come."""

import pytest
import torch

from packtutor._batches import Cutter, Doubler, sorted_batches


def add(counter, *parts):
    for part in parts:
        counter.add(torch.tensor(part, dtype=torch.int64))
    return counter


PARTS = [
    ([3, 1, 5, 2, 4, 6, 7],),
    ([3], [1, 5, 2, 4, 6], [7]),
    ([3, 1], [5, 2, 4], [6, 7]),
    ([3, 1, 5, 2], [], [4, 6, 7]),
]


@pytest.mark.parametrize("parts", PARTS)
def test_doubled_sizes_by_hand(parts):
    # 3 1 5 2 4 6 7, then 3 5 6 7 for two each, then 5 7 for four each.
    expected = {1: 28, 2: 2 * (3 + 5 + 6) + 7, 4: 4 * 5 + 3 * 7}
    doubler = add(Doubler((1, 2, 4)), *parts)
    assert doubler.cells() == expected
    assert doubler.cells() == expected


def test_doubled_sizes_go_on_after_a_look():
    doubler = Doubler((2, 4))
    assert doubler.cells() == {2: 0, 4: 0}
    add(doubler, [3])
    assert doubler.cells() == {2: 3, 4: 3}
    add(doubler, [1, 2, 5, 1])
    assert doubler.cells() == {2: 6 + 10 + 1, 4: 20 + 1}


def test_doubled_sizes_are_exact():
    # A float32 holds integers up to 2**24.
    long = 2**24 + 1
    doubler = add(Doubler((1, 2)), [long] * 5)
    assert doubler.cells() == {1: 5 * long, 2: 5 * long}
    assert all(type(cells) is int for cells in doubler.cells().values())


@pytest.mark.parametrize(
    "parts",
    [
        ([2, 4, 1, 5, 5, 0, 1, 6, 1, 3, 7],),
        ([2, 4], [1, 5, 5], [], [0], [1, 6, 1, 3], [7]),
        ([2, 4, 1], [5, 5, 0, 1, 6, 1, 3, 7]),
        [[n] for n in [2, 4, 1, 5, 5, 0, 1, 6, 1, 3, 7]],
    ],
)
def test_batches_by_hand(parts):
    # The longest are 4, 5, 6 and 7; the tokens 7, 10, 8 and 10.
    expected = 3 * (4 + 5 + 6) + 2 * 7, 18, 10
    cutter = add(Cutter(3), *parts)
    assert cutter.batches() == expected
    assert cutter.batches() == expected


def test_the_largest_batch_may_be_any():
    # The most cells first, and the most tokens last; and the other way round.
    assert add(Cutter(2), [1, 9, 8, 8]).batches() == (34, 18, 16)
    assert add(Cutter(2), [8, 8, 1, 9]).batches() == (34, 18, 16)
    assert add(Cutter(2), [8], [8], [1], [9]).batches() == (34, 18, 16)
    assert add(Cutter(2), [1], [9], [8], [8]).batches() == (34, 18, 16)
    # The last one has a single row.
    assert add(Cutter(4), [2] * 4, [7]).batches() == (15, 8, 8)
    assert add(Cutter(4), [2] * 4, [9]).batches() == (17, 9, 9)


def test_after_a_look_a_new_batch_begins():
    for first in (0, 3):
        cutter = add(Cutter(2), [first])
        assert cutter.batches() == (first, first, first)
        add(cutter, [0])
        assert cutter.batches() == (first, first, first)
        add(cutter, [5, 5])
        assert cutter.batches() == (first + 10, 10, 10)
    assert Cutter(2).batches() == (0, 0, 0)


@pytest.mark.parametrize(
    ("values", "counts", "size", "expected"),
    [
        # 11|11|22|25|5, 111|122|255, 1111|2225|5.
        ([1, 2, 5], [4, 3, 2], 2, (2 + 2 + 4 + 10 + 5, 10, 7)),
        ([1, 2, 5], [4, 3, 2], 3, (3 + 6 + 15, 15, 12)),
        ([1, 2, 5], [4, 3, 2], 4, (4 + 20 + 5, 20, 11)),
        # All in one; in one that is not full; and one each.
        ([1, 2, 5], [4, 3, 2], 9, (45, 45, 20)),
        ([1, 2, 5], [4, 3, 2], 20, (45, 45, 20)),
        ([1, 2, 5], [4, 3, 2], 1, (20, 5, 5)),
        # The last one is not full and yet the largest, or has most tokens.
        ([1, 9], [4, 3], 4, (4 + 27, 27, 27)),
        ([4, 5], [5, 2], 4, (16 + 15, 16, 16)),
        ([1, 7, 8], [3, 2, 2], 4, (28 + 24, 28, 23)),
        ([0], [3], 2, (0, 0, 0)),
    ],
)
def test_sorted_batches_by_hand(values, counts, size, expected):
    found = sorted_batches(torch.tensor(values), torch.tensor(counts), size)
    assert found == expected
    assert all(type(number) is int for number in found)


def test_cells_of_sorted_batches_beyond_an_int64():
    values, counts = torch.tensor([2**40]), torch.tensor([2**30 + 1])
    cells = 2**70 + 2**40
    found = sorted_batches(values, counts, 2**20)
    assert found == (cells, 2**60, 2**60)
