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
        steps: Its batch sizes.
        rectangular: Whether it is a rectangle, pads included.
        cells: (tokens,), the cell of each token; None if there is no pad.
        sources: (cells of the slab,), the token of each cell, and for a pad
            the number of tokens; None likewise.
    """

    slab: Slab
    tokens: int
    steps: Tensor
    rectangular: bool
    cells: Tensor | None
    sources: Tensor | None


class Layout(NamedTuple):
    """Where the N packed tokens stand in the slabs.

    Args:
        parts: The slabs, first step first.
        lasts: (B,), the packed place of each sequence's last token.
    """

    parts: list[Part]
    lasts: Tensor


def lay_out(
    runs: tuple[tuple[int, int, int], ...],
    batch_sizes: Tensor,
    *,
    padded: bool,
) -> Layout:
    """Place the tokens of a packed batch; ``padded`` fills the slabs up."""
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
        cells = sources = None
        if padded and remaining < slab.rows:
            real = (ranks[: slab.rows] < steps[:, None]).flatten()
            cells = real.nonzero()[:, 0]
            sources = steps.new_full((real.numel(),), tokens)
            sources[cells] = torch.arange(tokens, device=steps.device)
        rectangular = padded or remaining == slab.rows
        parts.append(Part(slab, tokens, steps, rectangular, cells, sources))
    return Layout(parts, places[lengths - 1] + ranks)


def mirror(batch_sizes: Tensor) -> Tensor:
    """Return, for each packed token, the one as far from the other end."""
    places = _places.starts(batch_sizes)
    lengths = _places.sorted_lengths(batch_sizes)
    times, ranks = _places.rows_and_steps(batch_sizes, int(places[-1]))
    return places[lengths[ranks] - 1 - times] + ranks
