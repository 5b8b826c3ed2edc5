"""Say where each token of a packed batch stands in the slabs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from packtutor import _places
from packtutor._slabs import Slab


class Layout(NamedTuple):
    """Where the N packed tokens stand in the C cells of the slabs.

    Args:
        slabs: The slabs, first step first.
        sizes: How many cells each has.
        rectangular: Whether a slab is a rectangle, pads included.
        steps: The batch sizes of each slab.
        cells: (N,), the cell of each packed token; None if it is the same.
        tokens: (C,), the packed token of each cell, N for a pad; None if it
            is the same.
        lasts: (B,), the packed place of each sequence's last token.
    """

    slabs: list[Slab]
    sizes: list[int]
    rectangular: list[bool]
    steps: tuple[Tensor, ...]
    cells: Tensor | None
    tokens: Tensor | None
    lasts: Tensor


def lay_out(
    runs: tuple[tuple[int, int, int], ...],
    batch_sizes: Tensor,
    *,
    padded: bool,
) -> Layout:
    """Place the tokens of a packed batch; ``padded`` fills the slabs up."""
    slabs = [Slab(*run) for run in runs]
    durations = [slab.stop - slab.start for slab in slabs]
    steps = torch.split(batch_sizes, durations)
    constant = [bool(sizes[0] == sizes[-1]) for sizes in steps]
    places = _places.starts(batch_sizes)
    lengths = _places.sorted_lengths(batch_sizes)
    lasts = places[lengths - 1] + torch.arange(
        lengths.numel(), device=lengths.device
    )
    if not padded or all(constant):
        counts = places[[0, *(slab.stop for slab in slabs)]].diff().tolist()
        return Layout(slabs, counts, constant, steps, None, None, lasts)
    counts = [
        duration * slab.rows
        for duration, slab in zip(durations, slabs, strict=True)
    ]
    begins = [slab.start for slab in slabs]
    rows = batch_sizes[begins].repeat_interleave(
        batch_sizes.new_tensor(durations)
    )
    tokens = int(places[-1])
    shift = _places.starts(rows)[:-1] - places[:-1]
    numbers = torch.arange(tokens, device=batch_sizes.device)
    cells = numbers + shift.repeat_interleave(batch_sizes)
    tokens_of_cells = batch_sizes.new_full((sum(counts),), tokens)
    tokens_of_cells[cells] = numbers
    return Layout(
        slabs,
        counts,
        [True] * len(slabs),
        steps,
        cells,
        tokens_of_cells,
        lasts,
    )


def mirror(batch_sizes: Tensor) -> Tensor:
    """Return, for each packed token, the one as far from the other end."""
    places = _places.starts(batch_sizes)
    lengths = _places.sorted_lengths(batch_sizes)
    times, ranks = _places.rows_and_steps(batch_sizes, int(places[-1]))
    return places[lengths[ranks] - 1 - times] + ranks
