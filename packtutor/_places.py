"""Where token t of sequence i stands in each layout.

Sequence order puts one sequence behind the other; its offsets say where each
begins. Every function returns int64 tensors on the device of ``lengths`` and
works on all tokens at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from packtutor._checks import Side


def starts(counts: Tensor) -> Tensor:
    """Return the exclusive running sum (n + 1,) of counts (n,)."""
    result = counts.new_zeros(counts.numel() + 1)
    torch.cumsum(counts, 0, out=result[1:])
    return result


def rows_and_steps(lengths: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Return, for each of N tokens in sequence order, its i and its t."""
    rows = torch.repeat_interleave(lengths, output_size=tokens)
    steps = torch.arange(tokens, device=lengths.device)
    return rows, steps - starts(lengths)[rows]


def batch_sizes(lengths: Tensor) -> Tensor:
    """Return how many sequences (T,) are longer than t, for each step t."""
    ended = torch.bincount(lengths).cumsum(0)
    return lengths.numel() - ended[:-1]


def sorted_lengths(batch_sizes: Tensor) -> Tensor:
    """Return the lengths (B,), longest first, that give these batch sizes."""
    steps = batch_sizes.numel()
    following = torch.cat([batch_sizes[1:], batch_sizes.new_zeros(1)])
    ending = (batch_sizes - following).flip(0)
    descending = torch.arange(steps, 0, -1, device=batch_sizes.device)
    return torch.repeat_interleave(descending, ending)


def lasts(batch_sizes: Tensor) -> Tensor:
    """Return the packed place (B,) of each sequence's last token."""
    ranks = torch.arange(int(batch_sizes[0]), device=batch_sizes.device)
    return starts(batch_sizes)[sorted_lengths(batch_sizes) - 1] + ranks


def invert(permutation: Tensor) -> Tensor:
    """Return the inverse of a permutation (n,)."""
    result = torch.empty_like(permutation)
    result[permutation] = torch.arange(
        permutation.numel(), device=permutation.device
    )
    return result


def cells(
    lengths: Tensor,
    steps: int,
    device: torch.device,
    *,
    batch_first: bool,
    side: Side,
) -> Tensor:
    """Return the flat place (N,) of each token in a padded batch."""
    tokens = int(lengths.sum())
    count = lengths.numel()
    lengths = lengths.to(device)
    rows, places = rows_and_steps(lengths, tokens)
    if side == "left":
        places = places + (steps - lengths)[rows]
    return rows * steps + places if batch_first else places * count + rows
