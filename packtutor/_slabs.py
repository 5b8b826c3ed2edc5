"""Cut a packed batch into runs of time steps.

Sequences are sorted by length, longest first: at each step the first n are
alive. A slab is a run of steps. Where n changes within it, the slab is filled
up with pads to a rectangle.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import torch
from torch import Tensor


class Slab(NamedTuple):
    """A run of time steps, and how many sequences are alive at its start.

    Example:
        >>> Slab(start=0, stop=2, rows=3)
        Slab(start=0, stop=2, rows=3)

    Cost:
        Nothing: three numbers.

    Source:
        pytorch/pytorch issue 149194.

    Not for:
        Counting tokens: some of the sequences may end within it.
    """

    start: int
    stop: int
    rows: int


class Stretches(NamedTuple):
    """The runs of steps in which no sequence ends: their ends and rows."""

    ends: list[int]
    rows: list[int]


def find_stretches(batch_sizes: Tensor) -> Stretches:
    """Return the stretches of a packed batch with at least one step."""
    last = batch_sizes.new_tensor([batch_sizes.numel() - 1])
    lasts = torch.cat([batch_sizes.diff().nonzero()[:, 0], last])
    return Stretches((lasts + 1).tolist(), batch_sizes[lasts].tolist())


def find_stretches_of(lengths: Tensor) -> Stretches:
    """Return the stretches of sequences of these lengths, none of them 0."""
    ends, counts = torch.unique(lengths, return_counts=True)
    alive = lengths.numel() - counts.cumsum(0) + counts
    return Stretches(ends.tolist(), alive.tolist())


def cut_into_rectangles(
    stretches: Stretches, call: float, step: float, cell: float
) -> list[Slab]:
    """Return the cheapest slabs, if a slab costs this much when filled up.

    A slab costs ``call + steps * (step + cell * rows)``. The cheapest way to
    reach the end of stretch j is the least of one line for each stretch i at
    which its last slab may start, a line in the time at which j ends. The
    lines come with falling slopes and the times rise, so that a queue of
    those that can still win finds each least one: linear, not quadratic.
    """
    starts = [0, *stretches.ends[:-1]]
    waiting: deque[tuple[float, float, int]] = deque()  # slope, height, i
    best, origin = 0.0, []
    for i, end in enumerate(stretches.ends):
        slope = step + cell * stretches.rows[i]
        line = slope, best + call - starts[i] * slope, i
        while len(waiting) > 1 and _never_least(
            waiting[-2], waiting[-1], line
        ):
            waiting.pop()
        waiting.append(line)
        while len(waiting) > 1 and _at(waiting[1], end) <= _at(
            waiting[0], end
        ):
            waiting.popleft()
        best = _at(waiting[0], end)
        origin.append(waiting[0][2])
    slabs, i = [], len(starts) - 1
    while i >= 0:
        first = origin[i]
        slabs.append(
            Slab(starts[first], stretches.ends[i], stretches.rows[first])
        )
        i = first - 1
    return slabs[::-1]


def _at(line: tuple[float, float, int], time: float) -> float:
    return line[0] * time + line[1]


def _never_least(
    first: tuple[float, float, int],
    middle: tuple[float, float, int],
    last: tuple[float, float, int],
) -> bool:
    """Tell whether a line lies above one of its neighbours everywhere."""
    return (last[1] - first[1]) * (first[0] - middle[0]) <= (
        middle[1] - first[1]
    ) * (first[0] - last[0])
