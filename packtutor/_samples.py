"""Draw a few batches at random from all, in one look at the lengths."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_BLOCK = 1 << 20


class Sampler:
    """Draw batches, each with the same chance, as their lengths come.

    The same lengths give the same batches. A batch without a token is no
    candidate: no network runs over it.
    """

    def __init__(self, size: int, most: int) -> None:
        """Draw at most so many batches of ``size`` sequences."""
        self._size, self._most = size, most
        self._random = torch.Generator().manual_seed(0)
        # Too few to be a batch, and how many they are.
        self._open: list[Tensor] = []
        self._waiting = 0
        # The least lots that were drawn, with their batches.
        self._drawn: list[tuple[float, Tensor]] = []
        self._seen = 0

    def add(self, lengths: Tensor) -> None:
        """Cut int64 lengths into batches and draw from them."""
        self._open.append(lengths)
        self._waiting += lengths.numel()
        whole = self._waiting // self._size * self._size
        if whole:
            joined = torch.cat(self._open)
            self._draw(joined[:whole].view(-1, self._size))
            self._open = [joined[whole:].clone()]
            self._waiting -= whole

    def drawn(self) -> tuple[list[Tensor], int]:
        """Return the batches drawn, and how many there were to draw from."""
        if self._waiting:
            self._draw(torch.cat(self._open)[None])
            self._open, self._waiting = [], 0
        return [lengths for _, lengths in self._drawn], self._seen

    def _draw(self, batches: Tensor) -> None:
        batches = batches[batches.any(1)]
        lots = torch.rand(
            len(batches),
            generator=self._random,
            dtype=torch.float64,
            device="cpu",
        )
        best = lots.topk(min(self._most, len(batches)), largest=False)
        new = zip(best.values.tolist(), batches[best.indices], strict=True)
        drawn = sorted([*self._drawn, *new], key=lambda lot: lot[0])
        self._drawn = drawn[: self._most]
        self._seen += len(batches)


def sorted_blocks(values: Tensor, counts: Tensor) -> Iterator[Tensor]:
    """Yield all lengths from the shortest to the longest.

    Args:
        values: The different lengths, in order.
        counts: How many sequences have each.
    """
    below = counts.cumsum(0)
    sequences = int(below[-1])
    for start in range(0, sequences, _BLOCK):
        ranks = torch.arange(
            start, min(start + _BLOCK, sequences), device="cpu"
        )
        yield values[torch.searchsorted(below, ranks, right=True)]
