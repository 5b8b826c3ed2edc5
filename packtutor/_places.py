"""Where token t of sequence i stands in each layout.

Sequence order puts one sequence behind the other; its offsets say where each
begins. Every function returns int64 tensors on the device of ``lengths`` and
works on all tokens at once.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from packtutor._checks import Side
from packtutor._sending import send

# Below this number of tokens lists are faster than tensors, on the CPU.
_FEW = 256
# From this number of rows a step on, a call for each step is faster, there,
# than what reads and writes N places several times.
_MANY = 256


class Sorting(NamedTuple):
    """How sequences are packed.

    Args:
        order: (B,), the sequences, longest first, ties in order.
        batch_sizes: (T,), on the CPU, where PyTorch wants them.
        places: (N,), for each packed token its place in sequence order.
    """

    order: Tensor
    batch_sizes: Tensor
    places: Tensor


def starts(counts: Tensor) -> Tensor:
    """Return the exclusive running sum (n + 1,) of counts (n,)."""
    result = counts.new_zeros(counts.numel() + 1)
    torch.cumsum(counts, 0, out=result[1:])
    return result


def rows_and_steps(lengths: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Return, for each of N tokens in sequence order, its i and its t."""
    rows = torch.repeat_interleave(lengths, output_size=tokens)
    return rows, progressions(torch.zeros_like(lengths), lengths, 1, tokens)


def progressions(
    firsts: Tensor, lengths: Tensor, step: int, tokens: int
) -> Tensor:
    """Return firsts[i] + step * t (N,) for each token t of each sequence i.

    One running sum: it goes on by ``step``, and jumps where a sequence ends.
    """
    jumps = firsts.clone()
    jumps[1:] -= firsts[:-1] + step * lengths[:-1]
    jumps[:1] -= step
    # Empty sequences at the end jump where no token is any more.
    result = torch.full(
        (tokens + 1,), step, dtype=lengths.dtype, device=lengths.device
    )
    result.index_add_(0, starts(lengths)[:-1], jumps)
    return result.cumsum_(0)[:tokens]


def pack(lengths: Tensor, tokens: int, device: torch.device) -> Sorting:
    """Return how to pack sequences (B,), order and places on ``device``.

    The empty ones have no place.
    """
    if tokens + lengths.numel() < _FEW and device.type == "cpu":
        return _pack_few(lengths.tolist())
    order = lengths.argsort(descending=True, stable=True)
    sizes = batch_sizes(lengths)
    begins, there, order = send(device, starts(lengths)[order], sizes, order)
    return Sorting(order, sizes, places_of_packed(begins, there, tokens))


def places_of_packed(
    begins: Tensor, batch_sizes: Tensor, tokens: int
) -> Tensor:
    """Return, for each packed token (N,), its place in sequence order.

    ``begins`` (B,) says where each sequence starts there, longest first.
    """
    if begins.device.type == "cpu" and tokens >= _MANY * batch_sizes.numel():
        places = begins.new_empty(tokens)
        sizes = batch_sizes.tolist()
        for step, part in enumerate(torch.split(places, sizes)):
            torch.add(begins[: sizes[step]], step, out=part)
        return places
    steps, ranks = rows_and_steps(batch_sizes, tokens)
    return begins[ranks].add_(steps)


def _pack_few(lengths: list[int]) -> Sorting:
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    begins = [0, *accumulate(lengths)]
    begins = [begins[row] for row in order]
    longest_first = [lengths[row] for row in order]
    steps = range(longest_first[0] if order else 0)
    sizes = [sum(length > step for length in lengths) for step in steps]
    places = [
        begin + step
        for step, size in enumerate(sizes)
        for begin in begins[:size]
    ]
    return Sorting(
        *(
            torch.tensor(numbers, dtype=torch.int64, device="cpu")
            for numbers in (order, sizes, places)
        )
    )


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
    tokens, count = int(lengths.sum()), lengths.numel()
    (lengths,) = send(device, lengths)
    rows = torch.arange(count, device=device)
    along, across = (1, steps) if batch_first else (count, 1)
    firsts = rows * across
    if side == "left":
        firsts += (steps - lengths) * along
    return progressions(firsts, lengths, along, tokens)
