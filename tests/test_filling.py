"""Batches filled from classes of lengths, laid out by hand."""

import itertools
import random

import pytest
import torch

from packtutor._classes import Classes
from packtutor._filling import Filler


def make(tops, stops, *, packed=False):
    return Filler(Classes(torch.zeros(0), tops, stops), packed=packed)


def fill(filler, position, budget):
    return list(map(tuple, filler.fill(position, budget)))


def test_an_empty_sequence_takes_the_room_of_one_token():
    filler = make([3, 1, 0], [2, 3, 8])
    assert filler.tops == [3, 1, 1]
    assert filler.sequences == 8
    assert fill(filler, 3, 5) == [(3, 5, 1)]


def test_one_sequence_always_fits():
    filler = make([7, 3], [2, 8])
    assert [filler.rows(0, budget) for budget in (6, 13, 14)] == [1, 1, 2]
    assert filler.rows(1, 14) == 4
    assert fill(filler, 0, 2) == [(0, 1, 2), (2, 1, 6)]


def test_what_a_batch_takes_of_its_budget():
    filler = make([9, 3], [2, 8])
    run, long = list(filler.fill(0, 6))[::-1]
    assert (tuple(run), tuple(long)) == ((2, 2, 3), (0, 1, 2))
    assert filler.cells(run, 7) == 6
    # A sequence above the budget takes all of it, not more.
    assert filler.cells(long, 6) == 6


# Five sequences of length 5, then seven of length 2; a budget of 10.
@pytest.mark.parametrize(
    ("packed", "position", "runs"),
    [
        # The third begins with a 5: two rows, whatever comes after it.
        (False, 0, [(0, 2, 2), (4, 2, 1), (6, 5, 1), (11, 1, 1)]),
        # It has 5 tokens left: two more of length 2.
        (True, 0, [(0, 2, 2), (4, 3, 1), (7, 5, 1)]),
        (False, 3, [(3, 2, 1), (5, 5, 1), (10, 2, 1)]),
        (True, 3, [(3, 2, 1), (5, 5, 1), (10, 2, 1)]),
        (False, 5, [(5, 5, 1), (10, 2, 1)]),
        (True, 12, []),
    ],
)
def test_batches_are_filled_up(packed, position, runs):
    filler = make([5, 2], [5, 12], packed=packed)
    assert fill(filler, position, 10) == runs


@pytest.mark.parametrize(
    ("tops", "stops", "budget", "runs"),
    [
        # 5, 2 and 2 leave room for one of length 1; 5, 2, 1, 1, 1 for none.
        ([5, 2, 1], [1, 3, 9], 10, [(0, 4, 1), (4, 5, 1)]),
        ([5, 2, 1], [1, 2, 9], 10, [(0, 5, 1), (5, 4, 1)]),
        # One token is left, for which 2 is too long.
        ([4, 3, 2], [1, 2, 6], 8, [(0, 2, 1), (2, 4, 1)]),
        # All that there is fits into one.
        ([5, 2], [1, 3], 20, [(0, 3, 1)]),
        # A class that ends with its batch leaves room for shorter ones.
        ([5, 4], [1, 2], 9, [(0, 2, 1)]),
        ([3, 1], [2, 3], 7, [(0, 3, 1)]),
        ([5, 2, 1], [1, 2, 4], 9, [(0, 4, 1)]),
        ([3, 1], [4, 7], 7, [(0, 2, 1), (2, 3, 1), (5, 2, 1)]),
        # One longer than the budget stays alone, the last of them too.
        (
            [9, 8, 1],
            [1, 3, 5],
            4,
            [(0, 1, 1), (1, 1, 1), (2, 1, 1), (3, 2, 1)],
        ),
        # Of a class in the middle, the second takes what the first left.
        ([4, 3, 1], [1, 4, 8], 9, [(0, 2, 1), (2, 5, 1), (7, 1, 1)]),
    ],
)
def test_a_packed_batch_takes_of_several_classes(tops, stops, budget, runs):
    assert fill(make(tops, stops, packed=True), 0, budget) == runs


@pytest.mark.parametrize("packed", [False, True])
def test_no_batch_leaves_out_a_sequence_that_fits(packed):
    drawn = random.Random(0)
    for _ in range(2_000):
        lengths = sorted(
            (drawn.randrange(1, 9) for _ in range(drawn.randrange(1, 25))),
            reverse=True,
        )
        tops = sorted(set(lengths), reverse=True)
        stops = [sum(length >= top for length in lengths) for top in tops]
        budget = drawn.randrange(1, 30)
        found = [
            rows
            for _, rows, batches in fill(
                make(tops, stops, packed=packed), 0, budget
            )
            for _ in range(batches)
        ]
        expected = []
        while lengths:
            rows = 1
            while rows < len(lengths) and budget >= (
                sum(lengths[: rows + 1]) if packed else lengths[0] * (rows + 1)
            ):
                rows += 1
            expected.append(rows)
            del lengths[:rows]
        assert found == expected


def test_a_padded_batch_may_pass_over_several_classes():
    filler = make([6, 3, 2, 1], [1, 2, 3, 11])
    assert fill(filler, 0, 24) == [(0, 4, 1), (4, 7, 1)]
    assert fill(filler, 0, 18) == [(0, 3, 1), (3, 8, 1)]


@pytest.mark.parametrize(
    ("batches", "bounds"),
    [
        (1, [0, 10]),
        (2, [0, 5, 10]),
        # Of four would be 4, 4, 2, of three one batch more.
        (3, [0, 4, 7, 10]),
        (4, [0, 3, 6, 8, 10]),
        (6, [0, 2, 4, 6, 8, 9, 10]),
        (10, range(11)),
        # There are no more than sequences.
        (12, range(11)),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_batches_share_evenly(batches, bounds, packed):
    filler = make([1], [10], packed=packed)
    found = filler.fill_evenly(0, 10, batches)
    assert found == list(itertools.pairwise(bounds))


def test_what_is_left_is_shared_evenly():
    # Two of length 4, four of length 1.
    filler = make([4, 1], [2, 6])
    # All with a budget of 4; of 3 would be four batches.
    assert filler.fill_evenly(0, 8, 3) == [(0, 1), (1, 2), (2, 6)]
    assert filler.fill_evenly(0, 8, 4) == [(0, 1), (1, 2), (2, 4), (4, 6)]
    assert filler.fill_evenly(1, 8, 3) == [(1, 2), (2, 4), (4, 6)]
    assert filler.fill_evenly(3, 8, 2) == [(3, 5), (5, 6)]
    # The first with a budget of 8, the others of 7: 4 4 | 1 1 1 1.
    assert filler.fill_evenly(0, 8, 2) == [(0, 2), (2, 6)]
    assert filler.fill_evenly(6, 8, 2) == []
