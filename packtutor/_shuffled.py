"""What padding costs on average when the sequences are shuffled."""

from __future__ import annotations

import torch
from torch import Tensor

# A probability below this adds nothing to a float64.
_NOTHING = 1e-30
_BLOCK = 1 << 18


def shuffled_share(
    values: Tensor, counts: Tensor, tokens: int, batch_size: int
) -> float:
    """Return the expected number of pads by that of cells, 0 without cells.

    Args:
        values: The different lengths, in order.
        counts: How many sequences have each.
        tokens: Their sum.
        batch_size: At least 1.
    """
    if batch_size == 1 or tokens == 0:
        return 0.0
    cells = shuffled_cells(values, counts, batch_size)
    # Where there is no pad, rounding may leave less than that.
    return max(0.0, (cells - tokens) / cells)


def shuffled_cells(values: Tensor, counts: Tensor, batch_size: int) -> float:
    """Return the expected number of cells of all padded batches.

    The expectation is over all orders of the sequences, each equally likely.
    They are cut into batches of ``batch_size``; the last may be smaller.

    Args:
        values: The different lengths, in order.
        counts: How many sequences have each.
        batch_size: At least 1.
    """
    sequences = int(counts.sum())
    size = min(batch_size, sequences)
    batches, rest = divmod(sequences, size)
    cells = batches * size * expected_longest(values, counts, size)
    if rest:
        # The sequences of the last batch are as random as those of another.
        cells += rest * expected_longest(values, counts, rest)
    return cells


def expected_longest(values: Tensor, counts: Tensor, size: int) -> float:
    """Return the mean longest length of ``size`` sequences.

    Of n sequences, c have at most the length v. A random choice of b without
    replacement is within these c with the probability
    P(v) = C(c, b) / C(n, b), and so the mean of the longest is the longest of
    all less the sum of P(v) times the step from v to the next length.
    """
    # All but the longest: n itself would come with the probability 1.
    at_most = counts.cumsum(0)
    sequences = int(at_most[-1])
    within = at_most[:-1]
    steps = values.diff().double()
    # Both are exact but for rounding. The first product has b factors for
    # each length, the second about 69 n / b in all: what takes less time.
    drawing = size * (2700 + within.numel())
    missing = 5 * 69 * sequences / size
    chances = _draw_all if drawing < missing else _miss_all
    return float(values[-1] - (steps * chances(within, sequences, size)).sum())


def _draw_all(within: Tensor, sequences: int, size: int) -> Tensor:
    """Return P as the product of (c - j) / (n - j) over the b drawn."""
    chances = torch.zeros(within.shape, dtype=torch.float64, device="cpu")
    left = within.double()
    product = torch.ones_like(left)
    for drawn in range(size):
        product *= (left - drawn) / (sequences - drawn)
        # The chances grow with c: those that are nothing stay so.
        start = int(torch.searchsorted(product, _NOTHING))
        left, product = left[start:], product[start:]
    chances[chances.numel() - product.numel() :] = product
    return chances


def _miss_all(within: Tensor, sequences: int, size: int) -> Tensor:
    """Return P as the product of (n - b - i) / (n - i) over the n - c longer.

    That is the chance that each longer sequence is among those not drawn. One
    running product serves every c.
    """
    chances = torch.zeros(within.shape, dtype=torch.float64, device="cpu")
    longer = (sequences - within).flip(0)
    most = int(longer[-1]) if longer.numel() else 0
    place, start, chance = 0, 0, 1.0
    while start < most and chance > _NOTHING:
        stop = min(start + _BLOCK, most)
        missed = torch.arange(start, stop, dtype=torch.float64, device="cpu")
        product = ((sequences - size) - missed).clamp(min=0)
        product = (product / (sequences - missed)).cumprod(0) * chance
        upto = int(torch.searchsorted(longer, stop, right=True))
        chances[place:upto] = product[longer[place:upto] - start - 1]
        place, start, chance = upto, stop, float(product[-1])
    return chances.flip(0)
