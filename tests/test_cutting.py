"""Where sorted sequences are cut into the batches of whole steps, by hand."""

from itertools import pairwise

import pytest
import torch

from packtutor import _cutting
from packtutor._classes import Classes, find_classes
from packtutor._cutting import Cuts, Cutter
from packtutor._filling import Filler

PARTS = 1 << 20
HALF = PARTS // 2


def make(tops, stops, budget, processes=1, *, random=False, packed=False):
    filler = Filler(Classes(torch.zeros(0), tops, stops), packed=packed)
    return Cutter(filler, budget, processes, random=random)


def bounds(cuts):
    """Return where the batches begin and end; they lie side by side."""
    starts, stops = cuts.starts.tolist(), cuts.stops.tolist()
    assert starts[1:] == stops[:-1]
    return [*starts, stops[-1]]


def chain(cutter, shifts):
    return list(map(tuple, cutter._chain(shifts)))


# How many steps.


@pytest.mark.parametrize(
    ("sequences", "processes", "steps"),
    [(40, 1, 4), (41, 1, 5), (40, 4, 1), (40, 3, 2), (2, 5, 1)],
)
def test_an_epoch_has_as_few_steps_as_it_can(sequences, processes, steps):
    assert make([1], [sequences], 10, processes).steps == steps


@pytest.mark.parametrize(
    ("tops", "stops", "budget", "processes", "steps", "more"),
    [
        # 12 of 13 batches are 92.3%, 11 of 12 are 91.7%.
        ([1], [120], 10, 1, 12, 1),
        ([1], [110], 10, 1, 11, 0),
        ([1], [240], 10, 2, 12, 1),
        ([1], [220], 10, 2, 11, 0),
        # 23 of 25 batches are 92%, of 75 * 4 and 100 * 20 cells or of less.
        ([75, 50], [4, 44], 100, 1, 24, 1),
        ([75, 50], [5, 43], 100, 1, 24, 0),
        # Two of 4 cells leave 3 of 11 empty: from 50 steps on.
        ([4], [100], 11, 1, 50, 1),
        ([4], [98], 11, 1, 49, 0),
        # 80 sequences are five for four batches, or fewer.
        ([6, 5], [46, 80], 10, 1, 63, 1),
        ([6, 5], [47, 80], 10, 1, 64, 0),
    ],
)
def test_moved_borders_get_a_step_if_there_is_room(
    *, tops, stops, budget, processes, steps, more
):
    where = tops, stops, budget, processes
    assert make(*where).steps == steps
    assert make(*where, random=True).steps == steps + more


# Filling up to the end.


def test_two_steps_at_the_beginning_are_smaller():
    cutter = make([3], [40], 30)
    assert chain(cutter, [0]) == [(0, 10, 1), (10, 10, 1), (20, 10, 2)]
    # Five of ten fewer: two, and then three.
    assert chain(cutter, [HALF]) == [
        (0, 8, 1),
        (8, 7, 1),
        (15, 10, 2),
        (35, 5, 1),
    ]
    # Nine fewer at most.
    assert chain(cutter, [PARTS - 1])[:2] == [(0, 6, 1), (6, 5, 1)]


def test_a_step_is_smaller_for_all_processes():
    cutter = make([1], [100], 10, 3)
    assert chain(cutter, [HALF]) == [
        (0, 8, 3),
        (24, 7, 3),
        (45, 10, 5),
        (95, 5, 1),
    ]


def test_borders_move_again_where_batches_have_twice_as_many():
    # One of 8, two of 4 or 3, eight of 1 fit.
    cutter = make([8, 4, 3, 1], [4, 12, 18, 58], 8)
    assert list(map(tuple, cutter._octaves)) == [
        (0, 8, 1),
        (4, 4, 2),
        (18, 1, 4),
    ]
    assert chain(cutter, [PARTS - 1, 0, 0]) == chain(cutter, [0, 0, 0])
    runs = chain(cutter, [0, HALF, HALF])
    assert runs == [
        *[(0, 1, 1), (1, 1, 1), (2, 1, 2)],
        # One of two fewer, then the rest of that length.
        *[(4, 2, 1), (6, 1, 1), (7, 2, 2), (11, 2, 1), (13, 2, 2)],
        # The last of 3 has one of 1 beside it. Then two of four fewer.
        *[(17, 2, 1), (19, 7, 1), (26, 7, 1), (33, 8, 3), (57, 1, 1)],
    ]


def test_borders_move_where_a_step_is_whole():
    # The fourth batch of the first length makes the second step whole.
    cutter = make([8, 1], [3, 83], 8, 2)
    assert chain(cutter, [0, 0]) == [
        *[(0, 1, 2), (2, 1, 1), (3, 8, 1)],
        *[(11, 8, 2), (27, 8, 2), (43, 8, 5)],
    ]
    assert chain(cutter, [0, HALF]) == [
        *[(0, 1, 2), (2, 1, 1), (3, 8, 1)],
        *[(11, 6, 2), (23, 6, 2), (35, 8, 6)],
    ]
    # It needs two more where it has one.
    cutter = make([8, 1], [4, 84], 8, 3)
    assert chain(cutter, [0, 0])[:3] == [(0, 1, 3), (3, 1, 1), (4, 8, 2)]
    # One more where it has three of three lengths.
    cutter = make([8, 7, 6, 1], [1, 2, 3, 83], 8, 4)
    assert chain(cutter, [0, 0]) == [
        *[(0, 1, 1), (1, 1, 1), (2, 1, 1), (3, 8, 1)],
        *[(11, 8, 4), (43, 8, 4), (75, 8, 1)],
    ]


def test_without_chance_no_step_is_smaller():
    # A million fit: the least shift would move a border.
    million = 1 << 20
    cutter = make([1], [3 * million], million)
    assert cutter.steps == 3
    cuts = make([1], [4 * million - 10], million).cut(None)
    assert bounds(cuts)[:3] == [0, million, 2 * million]


# Whole steps.


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        (40, [0, 10, 20, 30, 40]),
        # The last two share 13.
        (33, [0, 10, 20, 27, 33]),
        (31, [0, 10, 20, 26, 31]),
        (15, [0, 8, 15]),
        (7, [0, 7]),
    ],
)
def test_the_last_steps_share_evenly(sequences, expected):
    cuts = make([1], [sequences], 10).cut(None)
    assert bounds(cuts) == expected
    assert cuts.repeated == 0


def test_the_last_steps_of_two_processes():
    cuts = make([8, 1], [3, 35], 8, 2).cut(None)
    assert bounds(cuts) == [0, 1, 2, 3, 11, 17, 23, 29, 35]
    assert cuts.repeated == 0


def test_as_many_of_the_last_steps_as_hold_enough():
    # Two a batch, eight a step. Of the last four steps one is to be made of
    # what the others have: 17 for 16 batches.
    cutter = make([1], [201], 2, 4, random=True)
    assert cutter.steps == 27
    cuts = cutter._cut([0])
    assert bounds(cuts) == [*range(0, 187, 2), *range(187, 202)]
    assert cuts.repeated == 0
    # Twelve for twelve, and those before them are left as they are, though
    # they are longer.
    cutter = make([4, 3], [196, 204], 8, 4, random=True)
    assert cutter.steps == 27
    assert bounds(cutter._cut([0])) == [*range(0, 193, 2), *range(193, 205)]
    # No sequence too many for the last step.
    assert bounds(make([1], [20], 2, 4).cut(None)) == [
        *range(0, 17, 2),
        *range(17, 21),
    ]


def test_too_few_sequences_come_twice():
    cuts = make([4], [2], 8, 5).cut(None)
    assert cuts.starts.tolist() == [0, 0, 0, 1, 1]
    assert cuts.stops.tolist() == [1, 1, 1, 2, 2]
    assert cuts.repeated == 3
    # One fits into a batch: ten for three steps of four.
    cuts = make([4], [10], 4, 4).cut(None)
    assert cuts.starts.tolist() == [0, 0, 1, 1, *range(2, 10)]
    assert (cuts.stops - cuts.starts).tolist() == [1] * 12
    assert cuts.repeated == 2


def test_shifts_are_halved_until_there_is_room():
    # Five fewer: 8, 7, 10 and 10.
    cutter = make([1], [35], 10)
    assert bounds(cutter._cut([HALF])) == [0, 8, 15, 25, 35]
    # Nine fewer would need a fifth, four fewer do not.
    assert bounds(cutter._cut([PARTS - 1])) == [0, 8, 16, 26, 35]
    # There is no room at all.
    assert bounds(make([1], [40], 10)._cut([HALF])) == [0, 10, 20, 30, 40]


# Chance.


def test_cells_by_hand():
    cutter = make([5, 2], [5, 12], 15)
    cuts = Cuts(torch.tensor([0, 3, 5]), torch.tensor([3, 5, 12]), 0)
    assert cutter._count_cells(cuts) == 3 * 5 + 2 * 5 + 7 * 2
    cuts = Cuts(torch.tensor([0, 4]), torch.tensor([4, 12]), 0)
    assert cutter._count_cells(cuts) == 4 * 5 + 8 * 5


def several_cuts(cutter, seed):
    """Return 32 cuts, and the part of cells that each has above the least."""
    generator = torch.Generator().manual_seed(seed)
    octaves = len(cutter._octaves)
    shifts = torch.randint(PARTS, (32, octaves), generator=generator)
    tops, stops = cutter._filler.tops, cutter._filler.stops
    ordered = [
        top
        for top, (start, stop) in zip(tops, pairwise([0, *stops]), strict=True)
        for _ in range(start, stop)
    ]
    cuts = [cutter._cut(several) for several in shifts.tolist()]
    cells = [
        sum(
            (stop - start) * ordered[start]
            for start, stop in pairwise(bounds(cut))
        )
        for cut in cuts
    ]
    return cuts, [count / min(cells) - 1 for count in cells]


def sample_cutter():
    lengths = torch.arange(1, 201).repeat(2)
    filler = Filler(find_classes(lengths), packed=False)
    return Cutter(filler, 2000, 1, random=True)


def test_of_several_cuts_the_first_is_taken_that_pads_little():
    cutter = sample_cutter()
    places = set()
    for seed in range(6):
        cuts, above = several_cuts(cutter, seed)
        place = next(i for i, part in enumerate(above) if part <= 0.003)
        found = cutter.cut(torch.Generator().manual_seed(seed))
        assert bounds(found) == bounds(cuts[place])
        places.add((min(place, 1), above[place] > 0))
    # Not always the first one or the best one.
    assert len(places) > 1


@pytest.mark.parametrize(
    ("least", "most"),
    # A float would round the second up to 1003 * 2**53 + 1024.
    [(1000, 1003), (1000 * (2**53 + 1), 1003 * (2**53 + 1)), (999, 1001)],
)
def test_three_of_a_thousand_cells_more_are_few(monkeypatch, least, most):
    cutter = sample_cutter()
    cuts, _ = several_cuts(cutter, 0)
    assert bounds(cuts[1]) not in (bounds(cuts[0]), bounds(cuts[2]))
    cells = iter([most + 1, most, *[least] * 30])
    monkeypatch.setattr(cutter, "_count_cells", lambda _: next(cells))
    found = cutter.cut(torch.Generator().manual_seed(0))
    assert bounds(found) == bounds(cuts[1])


def test_of_many_steps_the_first_cut_is_taken(monkeypatch):
    cutter = sample_cutter()
    seed = next(s for s in range(99) if several_cuts(cutter, s)[1][0] > 0.003)
    cuts, above = several_cuts(cutter, seed)
    place = next(i for i, part in enumerate(above) if part <= 0.003)
    for few, expected in ((1, cuts[place]), (0, cuts[0]), (-1, cuts[0])):
        monkeypatch.setattr(_cutting, "_FEW_STEPS", cutter.steps + few)
        found = cutter.cut(torch.Generator().manual_seed(seed))
        assert bounds(found) == bounds(expected)


def test_cells_are_counted_beyond_an_int64():
    top = 2**62 + 2**31 + 1
    cutter = make([top, 1], [1, 4], top, packed=True)
    cuts = Cuts(torch.tensor([0, 1]), torch.tensor([4, 4]), 0)
    cells = cutter._count_cells(cuts)
    assert (type(cells), cells) == (int, 4 * top + 3)
