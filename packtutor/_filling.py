"""Fill one batch after the other, from the longest sequence to the shortest.

All batches are found from the classes of lengths, a run of equal batches at
once, without a look at the single sequences. Each sequence counts as long as
the longest of its class, so that no batch exceeds its budget however the
sequences of a class are shuffled.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
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
        self.tops = classes.tops
        self.stops = classes.stops
        self.sequences = classes.stops[-1]
        self._packed = packed

    def rows(self, place: int, budget: int) -> int:
        """Return how many sequences of a class fit; one always does."""
        top = self.tops[place]
        return max(1, budget // top) if top else self.sequences

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
            batches = (self.stops[place] - position) // rows
            if batches:
                yield Run(position, rows, batches)
                position += rows * batches
            if position < self.stops[place]:
                stop = self._reach(place, position, budget)
                yield Run(position, stop - position, 1)
                position = stop

    def _reach(self, place: int, position: int, budget: int) -> int:
        """Return where a batch ends that takes all the rest of a class."""
        if not self._packed:
            stop = position + self.rows(place, budget)
            return min(stop, self.sequences)
        for top, stop in zip(
            self.tops[place:], self.stops[place:], strict=True
        ):
            fit = budget // top if top else self.sequences
            if fit < stop - position:
                return position + fit
            budget -= (stop - position) * top
            position = stop
        return position

    def fill_evenly(
        self, position: int, budget: int, batches: int
    ) -> list[tuple[int, int]]:
        """Return the start and stop of so many batches, about equally full.

        Args:
            position: Where the first starts.
            budget: Enough for so many batches.
            batches: How many; there are fewer if the sequences are.
        """
        low, high = 0, budget
        while low < high:
            middle = (low + high) // 2
            if self._needs_more(position, middle, batches):
                low = middle + 1
            else:
                high = middle
        heap = [
            self._rated(start, start + rows)
            for first, rows, number in self.fill(position, high)
            for start in range(first, first + rows * number, rows)
        ]
        # The next smaller budget may take too many batches, this one too few.
        heapq.heapify(heap)
        while len(heap) < batches and heap[0][0] < 0:
            _, start, stop = heap[0]
            middle = (start + stop) // 2
            heapq.heapreplace(heap, self._rated(start, middle))
            heapq.heappush(heap, self._rated(middle, stop))
        return sorted((start, stop) for _, start, stop in heap)

    def _needs_more(self, position: int, budget: int, batches: int) -> bool:
        for run in self.fill(position, budget):
            batches -= run.batches
            if batches < 0:
                return True
        return False

    def _rated(self, start: int, stop: int) -> tuple[int, int, int]:
        """Put the batch first that is the next to be halved, singles last."""
        if stop - start == 1:
            return 0, start, stop
        top = self.tops[bisect_right(self.stops, start)]
        return -(stop - start) * max(1, top), start, stop
