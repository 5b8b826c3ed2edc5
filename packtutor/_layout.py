"""Say where each token of a packed batch stands in the slabs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from packtutor import _places
from packtutor._slabs import Slab


class Part(NamedTuple):
    """One slab: which of the packed tokens are in it, and in which cells.

    Args:
        slab: Its steps and rows.
        tokens: How many tokens it has; they follow those of the slab before.
        cells: (tokens,), the cell of each token; None if there is no pad.
    """

    slab: Slab
    tokens: int
    cells: Tensor | None


class Layout(NamedTuple):
    """Where the N packed tokens stand in the slabs.

    Args:
        parts: The slabs, first step first.
        lasts: (B,), the packed place of each sequence's last token.
    """

    parts: list[Part]
    lasts: Tensor


def lay_out(
    runs: tuple[tuple[int, int, int], ...], batch_sizes: Tensor
) -> Layout:
    """Place the tokens of a packed batch; the slabs are filled up."""
    slabs = [Slab(*run) for run in runs]
    stops = [slab.stop for slab in slabs]
    places = _places.starts(batch_sizes)
    lengths = _places.sorted_lengths(batch_sizes)
    ranks = torch.arange(lengths.numel(), device=lengths.device)
    parts = []
    for slab, steps, tokens, remaining in zip(
        slabs,
        torch.split(batch_sizes, [slab.stop - slab.start for slab in slabs]),
        places[[0, *stops]].diff().tolist(),
        batch_sizes[[stop - 1 for stop in stops]].tolist(),
        strict=True,
    ):
        cells = None
        if remaining < slab.rows:
            real = ranks[: slab.rows] < steps[:, None]
            cells = real.flatten().nonzero()[:, 0]
        parts.append(Part(slab, tokens, cells))
    return Layout(parts, places[lengths - 1] + ranks)


def mirror(batch_sizes: Tensor) -> Tensor:
    """Return, for each packed token, the one as far from the other end."""
    places = _places.starts(batch_sizes)
    lengths = _places.sorted_lengths(batch_sizes)
    times, ranks = _places.rows_and_steps(batch_sizes, int(places[-1]))
    return places[lengths[ranks] - 1 - times] + ranks
