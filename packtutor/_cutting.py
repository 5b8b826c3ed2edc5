"""Cut sequences, sorted from the longest to the shortest, into batches.

A step is the W batches that W processes hold at the same time: neighbours in
the sorted order, so that they cost about the same.
"""

from __future__ import annotations

from itertools import cycle, islice
from typing import NamedTuple

import torch
from torch import Tensor

from packtutor import _places
from packtutor._checks import add_up
from packtutor._filling import Filler, Run

# A shift is this many parts of a step.
_PARTS = 1 << 20
# From here on, a step more costs little.
_MANY_STEPS = 50
# Otherwise they have to be as full as this: more batches have fewer pads, and
# so a smaller part of them is filled than one would think.
_LEAST_FILL = 0.92
# Of few steps some cuts pad more than others. The first is taken of so many
# that has at most so many thousandths more cells than the best.
_FEW_STEPS = 200
_TRIES = 32
_EXCESS = 3
# Rows times a half of a length fit into an int64.
_HALF = 1 << 31


class Cuts(NamedTuple):
    """Where the batches lie in the sorted order, W of them a step.

    Args:
        starts: (K,), the first place of each batch.
        stops: (K,), one past its last.
        repeated: How many sequences are in a second batch as well.
    """

    starts: Tensor
    stops: Tensor
    repeated: int


class _Octave(NamedTuple):
    """Where batches have come to twice as many sequences.

    Args:
        start: The first sequence.
        top: Its length.
        ways: How many ways there are to move the borders that could not be
            told apart before, all but one of them to fewer sequences.
    """

    start: int
    top: int
    ways: int


class Cutter:
    """Cut the same lengths each time at other places.

    Batches are filled up, but for three kinds of steps. Two steps at the
    beginning are smaller by a random part: that moves all borders behind
    them. Where a batch has few sequences, there are few ways to move a
    border; so there are two more such steps, less small, each time that the
    batches have come to twice as many sequences. And the last steps share
    evenly what is left.
    """

    def __init__(
        self, filler: Filler, budget: int, processes: int, *, random: bool
    ) -> None:
        """Find how many steps an epoch takes; moved borders may need one."""
        self._filler = filler
        self._budget = budget
        self._processes = processes
        self._octaves = self._find_octaves()
        runs = self._chain([0] * len(self._octaves))
        self.steps = self._count_steps(runs)
        if random and self._has_room(runs):
            self.steps += 1

    def cut(self, generator: torch.Generator | None) -> Cuts:
        """Cut into ``steps`` steps, at random places if there is a generator.

        Of few steps it tries several cuts, and takes a good one.
        """
        octaves = len(self._octaves)
        if generator is None:
            return self._cut([0] * octaves)
        tries = _TRIES if self.steps < _FEW_STEPS else 1
        shifts = torch.randint(
            _PARTS, (tries, octaves), generator=generator, device="cpu"
        )
        cuts = [self._cut(several) for several in shifts.tolist()]
        cells = [self._count_cells(cut) for cut in cuts]
        # In integers, so that all processes choose the same.
        most = min(cells) * (1000 + _EXCESS) // 1000
        return cuts[[count <= most for count in cells].index(True)]

    def _cut(self, shifts: list[int]) -> Cuts:
        """Cut; the shifts are made smaller where there is no room for them."""
        runs = self._chain(shifts)
        while self._count_steps(runs) > self.steps:
            shifts = [shift // 2 for shift in shifts]
            runs = self._chain(shifts)
        numbers = torch.tensor(runs, device="cpu")
        run, places = _places.rows_and_steps(
            numbers[:, 2], int(numbers[:, 2].sum())
        )
        starts = numbers[run, 0] + numbers[run, 1] * places
        # The last steps are cut anew: as few as hold enough sequences.
        begins = starts[:: self._processes]
        missing = self.steps - torch.arange(begins.numel(), device="cpu")
        left = self._filler.sequences - begins
        enough = int((left >= missing * self._processes).sum())
        kept = max(0, min(enough - 1, begins.numel() - 2))
        wanted = (self.steps - kept) * self._processes
        tail = self._filler.fill_evenly(
            int(begins[kept]), self._budget, wanted
        )
        repeated = wanted - len(tail)
        ends = torch.tensor(
            sorted([*tail, *islice(cycle(tail), repeated)]), device="cpu"
        )
        head = starts[: kept * self._processes + 1]
        return Cuts(
            torch.cat([head[:-1], ends[:, 0]]),
            torch.cat([head[1:], ends[:, 1]]),
            repeated,
        )

    def _chain(self, shifts: list[int]) -> list[Run]:
        """Fill batches to the end; the last step may be incomplete."""
        runs: list[Run] = []
        position = 0
        stops = [octave.start for octave in self._octaves[1:]]
        stops.append(self._filler.sequences)
        for octave, shift, stop in zip(
            self._octaves, shifts, stops, strict=True
        ):
            rows = octave.ways * shift // _PARTS
            for fewer in (rows // 2, rows - rows // 2):
                budget = self._budget - fewer * octave.top
                position = self._take(runs, position, budget, stop, 1)
            position = self._take(runs, position, self._budget, stop)
        return runs

    def _take(
        self,
        runs: list[Run],
        position: int,
        budget: int,
        border: int,
        steps: int | None = None,
    ) -> int:
        """Add the batches of whole steps up to a border; return their end."""
        taken = 0
        for first, rows, batches in self._filler.fill(position, budget):
            most = batches
            if first >= border:
                most = min(most, -taken % self._processes)
            if steps is not None:
                most = min(most, steps * self._processes - taken)
            if most:
                runs.append(Run(first, rows, most))
                taken += most
                position = first + rows * most
            if most < batches:
                break
        return position

    def _count_steps(self, runs: list[Run]) -> int:
        return -(-sum(run.batches for run in runs) // self._processes)

    def _find_octaves(self) -> list[_Octave]:
        filler = self._filler
        rows = filler.rows(0, self._budget)
        octaves = [_Octave(0, filler.tops[0], rows)]
        for place in range(1, len(filler.tops)):
            more = filler.rows(place, self._budget)
            if more >= 2 * rows:
                octaves.append(
                    _Octave(
                        filler.stops[place - 1],
                        filler.tops[place],
                        more // rows,
                    )
                )
                rows = more
        return octaves

    def _count_cells(self, cuts: Cuts) -> int:
        ends = torch.tensor(self._filler.stops, device="cpu")
        places = torch.searchsorted(ends, cuts.starts, right=True)
        tops = torch.tensor(self._filler.tops, device="cpu")[places]
        rows = cuts.stops - cuts.starts
        # In halves: the steps of a packed batch may be far more than it has
        # tokens, and more than an int64 holds.
        low = tops & (_HALF - 1)
        return add_up(rows * (tops // _HALF)) * _HALF + add_up(rows * low)

    def _has_room(self, runs: list[Run]) -> bool:
        """Tell whether one step more leaves the batches full enough."""
        batches = (self.steps + 1) * self._processes
        if 4 * self._filler.sequences < 5 * batches:
            return False  # most batches hold a single sequence
        cells = sum(
            run.batches * self._filler.cells(run, self._budget) for run in runs
        )
        full = cells >= _LEAST_FILL * batches * self._budget
        return full or self.steps >= _MANY_STEPS
