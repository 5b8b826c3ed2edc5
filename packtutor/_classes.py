"""Put lengths into classes of nearly equal ones, longest class first."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

# Lengths below 256 are classes of their own. From there on, 128 classes lie
# between a power of 2 and the next, so that a class spans less than 1%.
_EXACT = 8
_BLOCK = 1 << 20


class Classes(NamedTuple):
    """Which sequences are about as long as each other.

    Args:
        ranks: (n,), int16, the class of each sequence, 0 for the longest.
        tops: The longest length in each class.
        stops: How many sequences are in the classes up to each.
    """

    ranks: Tensor
    tops: list[int]
    stops: list[int]


def find_classes(lengths: Tensor) -> Classes:
    """Sort int64 lengths (n,), at least one, into at most 7,296 classes."""
    codes = torch.empty(lengths.shape, dtype=torch.int16, device="cpu")
    for part, block in zip(
        torch.split(codes, _BLOCK), torch.split(lengths, _BLOCK), strict=True
    ):
        part.copy_(_codes(block))
    most = int(codes.max())
    counts = torch.zeros(most + 1, dtype=torch.int64, device="cpu")
    tops = torch.zeros(most + 1, dtype=torch.int64, device="cpu")
    for part, block in zip(
        torch.split(codes, _BLOCK), torch.split(lengths, _BLOCK), strict=True
    ):
        places = part.long()
        counts += places.bincount(minlength=most + 1)
        tops.scatter_reduce_(0, places, block, "amax")
    used = counts.nonzero()[:, 0].flip(0)
    ranks = torch.zeros(most + 1, dtype=torch.int16, device="cpu")
    ranks[used] = torch.arange(used.numel(), dtype=torch.int16, device="cpu")
    for part in torch.split(codes, _BLOCK):
        part.copy_(ranks[part.long()])
    return Classes(codes, tops[used].tolist(), counts[used].cumsum(0).tolist())


def _codes(lengths: Tensor) -> Tensor:
    """Return a number (n,) that grows with the length, the same in a class.

    It holds how many bits a length has beyond 8, and the first 8.
    """
    bits = torch.frexp(lengths.double()).exponent.long()
    extra = (bits - _EXACT).clamp(min=0)
    return extra * (1 << _EXACT - 1) + (lengths >> extra)
