"""Deal the batches of each step to the processes, evenly over the epoch."""

from __future__ import annotations

import torch
from torch import Tensor


def deal(costs: Tensor) -> Tensor:
    """Return which batch of each step goes to each process.

    The differencing method of Karmarkar and Karp, for many steps at once: two
    steps become one, in which the cheapest batch of the one stands with the
    dearest of the other. What is left of the differences shrinks each time.
    Steps of like differences are paired.

    Args:
        costs: (S, W), int64, the cost of each batch.

    Returns:
        (S, W), int64; each row is a permutation.
    """
    pairings = []
    while costs.shape[0] > 1:
        steps = costs.shape[0]
        if steps % 2:
            costs = torch.cat([costs, costs.new_zeros(1, costs.shape[1])])
        differences = costs.amax(1) - costs.amin(1)
        pairs = differences.argsort(descending=True, stable=True).view(-1, 2)
        up = costs[pairs[:, 0]].sort(dim=1, stable=True)
        down = costs[pairs[:, 1]].sort(dim=1, descending=True, stable=True)
        pairings.append((steps, pairs, up.indices, down.indices))
        costs = up.values + down.values
    dealt = torch.arange(costs.shape[1], device=costs.device).expand(
        costs.shape
    )
    for steps, pairs, up_indices, down_indices in reversed(pairings):
        both = costs.new_empty(pairs.numel(), costs.shape[1])
        both[pairs[:, 0]] = up_indices.gather(1, dealt)
        both[pairs[:, 1]] = down_indices.gather(1, dealt)
        dealt = both[:steps]
    return dealt
