"""Fill one batch after the other, from the longest sequence to the shortest.

All batches are found from the classes of lengths, a run of equal batches at
once, without a look at the single sequences. Each sequence counts as long as
the longest of its class, so that no batch exceeds its budget however the
sequences of a class are shuffled.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from packtutor._classes import Classes


class Run(NamedTuple):
    """Neighbouring batches of ``rows`` sequences, the first at ``first``."""

    first: int
    rows: int
    batches: int


class Filler:
    """The classes of an epoch's sequences, and how a batch is measured."""

    def __init__(self, classes: Classes, *, packed: bool) -> None:
        """Take the classes; ``packed`` counts tokens instead of cells."""
        # An empty sequence takes room too: it is a row of the states.
        self.tops = [max(1, top) for top in classes.tops]
        self.stops = classes.stops
        self.sequences = classes.stops[-1]
        self._packed = packed

    def rows(self, place: int, budget: int) -> int:
        """Return how many sequences of a class fit; one always does."""
        return max(1, budget // self.tops[place])

    def cells(self, run: Run, budget: int) -> int:
        """Return how much of the budget each batch takes, at most all."""
        top = self.tops[bisect_right(self.stops, run.first)]
        return min(run.rows * top, budget)

    def fill(self, position: int, budget: int) -> Iterator[Run]:
        """Yield the batches from a place in the sorted order on."""
        place = bisect_right(self.stops, position)
        while position < self.sequences:
            while self.stops[place] <= position:
                place += 1
            rows = self.rows(place, budget)
            batches, rest = divmod(self.stops[place] - position, rows)
            if self._packed and batches and not rest:
                # The last may have tokens left for a shorter sequence.
                batches -= 1
            if batches:
                yield Run(position, rows, batches)
                position += rows * batches
            if position < self.stops[place]:
                stop = self._reach(place, position, budget)
                yield Run(position, stop - position, 1)
                position = stop

    def fill_evenly(
        self, position: int, budget: int, batches: int
    ) -> list[tuple[int, int]]:
        """Return the start and stop of so many batches, about equally full.

        The first are filled up to the smallest budget for which no more
        batches are needed, the others up to one less, which would need more
        for all. A batch more of the former changes the number of all by one
        at most, and so there is a number of them that gives the right one.

        Args:
            position: Where the first starts.
            budget: Enough for so many batches.
            batches: How many; there are fewer if the sequences are.
        """
        high = bisect_left(
            range(budget),
            1,
            key=lambda less: int(self._count(position, less) <= batches),
        )
        full = self._expand(position, high)
        starts = [*(start for start, _ in full), self.sequences]
        kept = bisect_left(
            range(len(full)),
            1,
            key=lambda j: int(j + self._count(starts[j], high - 1) <= batches),
        )
        return [*full[:kept], *self._expand(starts[kept], high - 1)]

    def _reach(self, place: int, position: int, budget: int) -> int:
        """Return where a batch ends that takes all the rest of a class."""
        if not self._packed:
            stop = position + self.rows(place, budget)
            return min(stop, self.sequences)
        # One sequence always fits, however long.
        budget = max(budget, self.tops[place])
        for top, stop in zip(
            self.tops[place:], self.stops[place:], strict=True
        ):
            fit = budget // top
            if fit < stop - position:
                return position + fit
            budget -= (stop - position) * top
            position = stop
        return position

    def _count(self, position: int, budget: int) -> int:
        return sum(run.batches for run in self.fill(position, budget))

    def _expand(self, position: int, budget: int) -> list[tuple[int, int]]:
        return [
            (start, start + rows)
            for first, rows, batches in self.fill(position, budget)
            for start in range(first, first + rows * batches, rows)
        ]
