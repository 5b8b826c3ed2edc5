"""Count how often each length occurs, and read the counts."""

from __future__ import annotations

import operator

import torch
from torch import Tensor

from packtutor._checks import INT64_MAX

# Lengths below have a counter each; more different ones above are refused.
_SHORT, _DIFFERENT = 1 << 16, 1 << 19


class Tally:
    """How often each length occurs: O(different lengths) of memory."""

    def __init__(self, name: str) -> None:
        """Start with no length; errors call their source ``name``."""
        self._name = name
        self._short = torch.zeros(_SHORT, dtype=torch.int64, device="cpu")
        self._long = self._short[:0], self._short[:0]
        self._new: list[Tensor] = []

    def add(self, lengths: Tensor) -> None:
        """Count int64 lengths, none of them negative."""
        if int(lengths.max()) >= _SHORT:
            is_long = lengths >= _SHORT
            self._new.append(lengths[is_long])
            lengths = lengths[~is_long]
            most = max(_DIFFERENT // 4, self._long[0].numel())
            if sum(map(torch.numel, self._new)) > most:
                self._merge()
        self._short += torch.bincount(lengths, minlength=_SHORT)

    def counts(self) -> tuple[Tensor, Tensor]:
        """Return the different lengths, in order, and their counts."""
        self._merge()
        values = self._short.nonzero().view(-1)
        return (
            torch.cat([values, self._long[0]]),
            torch.cat([self._short[values], self._long[1]]),
        )

    def _merge(self) -> None:
        """Count the new long lengths."""
        for new in self._new:
            values, places = torch.unique(
                torch.cat([self._long[0], new]), return_inverse=True
            )
            if values.numel() > _DIFFERENT:
                raise ValueError(
                    f"{self._name} has more than {_DIFFERENT:,} different "
                    f"lengths of {_SHORT:,} and above; so many are not "
                    f"counted"
                )
            known = self._long[1]
            counts = torch.zeros_like(values)
            counts.index_add_(0, places[: known.numel()], known)
            counts.index_add_(0, places[known.numel() :], torch.ones_like(new))
            self._long = values, counts
        self._new = []


def median(values: Tensor, counts: Tensor) -> float:
    """Return the middle length, or the mean of the two in the middle."""
    below = counts.cumsum(0)
    sequences = int(below[-1])
    low, high = (
        _at_rank(values, below, rank)
        for rank in ((sequences - 1) // 2, sequences // 2)
    )
    return (low + high) / 2


def percentile_95(values: Tensor, counts: Tensor) -> int:
    """Return the least length that 95 of 100 sequences do not exceed."""
    below = counts.cumsum(0)
    return _at_rank(values, below, (95 * int(below[-1]) + 99) // 100 - 1)


def multiply_add(values: Tensor, counts: Tensor) -> int:
    """Return the exact sum of the products, also beyond an int64."""
    if int(values.max()) <= INT64_MAX // max(1, int(counts.sum())):
        return int((values * counts).sum())
    return sum(map(operator.mul, values.tolist(), counts.tolist()))


def _at_rank(values: Tensor, below: Tensor, rank: int) -> int:
    """Return the length at a place, from 0, of the sorted lengths."""
    return int(values[torch.searchsorted(below, rank, right=True)])
