"""Time several ways turn by turn on any device: CUDA's events, or a clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch

from benchmarks.timing import SHORTEST_S, Samples

# A way takes the number of its run, which chooses one of several inputs: none
# is still in a cache from the run before.
Numbered = Callable[[int], object]


def measure_on(
    device: torch.device,
    ways: Mapping[str, Numbered],
    *,
    budget_s: float,
    least: int = 3,
    most: int = 50,
) -> dict[str, Samples]:
    """Run all ways in each round, in rotated order, until time is up."""
    repeats = {name: _repeats(device, way) for name, way in ways.items()}
    names, number = list(ways), 0
    samples: dict[str, list[float]] = {name: [] for name in names}
    rounds, begin = 0, time.perf_counter()
    while rounds < least or (
        rounds < most and time.perf_counter() - begin < budget_s
    ):
        turn = rounds % len(names)
        for name in names[turn:] + names[:turn]:
            ms = stop_ms(device, ways[name], repeats[name], number)
            samples[name].append(ms)
            number += repeats[name]
        rounds += 1
    return {name: Samples(times) for name, times in samples.items()}


def stop_ms(
    device: torch.device, way: Numbered, repeats: int = 1, first: int = 0
) -> float:
    """Return what one run takes on the device, in milliseconds.

    The events include the gaps in which a GPU waits for the CPU: a reader
    waits for them as well.
    """
    if device.type != "cuda":
        begin = time.perf_counter()
        for number in range(first, first + repeats):
            way(number)
        return (time.perf_counter() - begin) * 1000 / repeats
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    start.record()
    for number in range(first, first + repeats):
        way(number)
    stop.record()
    torch.cuda.synchronize(device)
    return start.elapsed_time(stop) / repeats


def _repeats(device: torch.device, way: Numbered) -> int:
    """Warm up twice, and return how often a sample runs this way."""
    stop_ms(device, way)
    spent_ms = stop_ms(device, way, first=1)
    return min(100, max(1, math.ceil(SHORTEST_S * 1000 / max(spent_ms, 1e-6))))
