"""Count the cells of padded batches, in the file's order and by length."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from packtutor._tally import multiply_add


class Batches(NamedTuple):
    """The cells of all padded batches, and of the largest in each layout."""

    cells: int
    largest_padded: int
    largest_packed: int


class Doubler:
    """Count the cells of batches of 1, 2, 4 ... sequences, as they come.

    The longest of two batches is that of a batch of twice the size, so that
    all sizes together take about two looks at each length.
    """

    def __init__(self, sizes: tuple[int, ...]) -> None:
        """Start without a batch; each size is twice the one before."""
        self._cells = dict.fromkeys(sizes, 0)
        # Fewer than the largest size: too few to be cut.
        self._rest = torch.zeros(0, dtype=torch.int64, device="cpu")

    def add(self, lengths: Tensor) -> None:
        """Cut int64 lengths; their sum must fit an int64."""
        lengths = torch.cat([self._rest, lengths])
        whole = lengths.numel() // max(self._cells) * max(self._cells)
        longest, self._rest = lengths[:whole], lengths[whole:].clone()
        for size in self._cells:
            if size > 1:
                longest = torch.maximum(longest[::2], longest[1::2])
            self._cells[size] += size * int(longest.sum())

    def cells(self) -> dict[int, int]:
        """Return the cells for each size, with the last batch as it is."""
        found = {}
        for size, cells in self._cells.items():
            cutter = Cutter(size)
            cutter.add(self._rest)
            found[size] = cells + cutter.batches().cells
        return found


class Cutter:
    """Cut lengths, as they come, into batches of one size.

    Only the counts of a batch that is not full are kept between two calls.
    """

    def __init__(self, size: int) -> None:
        """Start without a batch."""
        self._size = size
        self._done = Batches(0, 0, 0)
        # Of the open batch: sequences, their longest, their tokens.
        self._open = 0, 0, 0

    def add(self, lengths: Tensor) -> None:
        """Cut int64 lengths; the sum of any batch must fit an int64."""
        room = self._size - self._open[0]
        self._fill(lengths[:room])
        lengths = lengths[room:]
        whole = lengths.numel() // self._size * self._size
        if whole:
            batches = lengths[:whole].view(-1, self._size)
            longest = batches.amax(1)
            self._close(
                int(longest.sum()),
                int(longest.max()),
                int(batches.sum(1).max()),
                self._size,
            )
        self._fill(lengths[whole:])

    def batches(self) -> Batches:
        """Return the counts, with the last batch as it is."""
        if self._open[0]:
            rows, longest, tokens = self._open
            self._close(longest, longest, tokens, rows)
            self._open = 0, 0, 0
        return self._done

    def _fill(self, lengths: Tensor) -> None:
        """Put lengths into the open batch; there is room for them."""
        if not lengths.numel():
            return
        rows, longest, tokens = self._open
        rows += lengths.numel()
        longest = max(longest, int(lengths.max()))
        tokens += int(lengths.sum())
        self._open = rows, longest, tokens
        if rows == self._size:
            self.batches()

    def _close(self, steps: int, longest: int, tokens: int, rows: int) -> None:
        """Count batches of ``rows`` sequences, ``steps`` long together."""
        self._done = Batches(
            self._done.cells + rows * steps,
            max(self._done.largest_padded, rows * longest),
            max(self._done.largest_packed, tokens),
        )


def sorted_batches(values: Tensor, counts: Tensor, size: int) -> Batches:
    """Cut the lengths from the shortest to the longest into batches.

    Args:
        values: The different lengths, in order.
        counts: How many sequences have each.
        size: Sequences a batch; the last, the longest, may be fewer.
    """
    below = counts.cumsum(0)
    sequences = int(below[-1])
    # How many whole batches end within the sequences of each length.
    ended = torch.div(below, size, rounding_mode="floor")
    whole = ended.diff(prepend=ended.new_zeros(1))
    rest = sequences % size
    longest = int(values[-1])
    cells = size * multiply_add(values, whole) + rest * longest
    last = rest * longest
    packed = _longest_tokens(values, counts, rest)
    if rest == sequences:
        return Batches(cells, last, packed)
    high = int(values[whole.nonzero()[-1]])
    both = _longest_tokens(values, counts, rest + size)
    return Batches(cells, max(last, size * high), max(packed, both - packed))


def _longest_tokens(values: Tensor, counts: Tensor, sequences: int) -> int:
    """Return how many tokens the longest sequences have together."""
    above = counts.flip(0).cumsum(0).clamp(max=sequences)
    taken = above.diff(prepend=above.new_zeros(1)).flip(0)
    return multiply_add(values, taken)
