"""Time several ways of doing the same, turn by turn."""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

# A shorter sample would time the clock, and caches that are still full of
# other ways' data: such a way runs repeatedly, and once more before that.
SHORTEST_S = 2e-3


class Samples(NamedTuple):
    """The times of one way, in milliseconds, one for each round."""

    ms: list[float]

    @property
    def median_ms(self) -> float:
        """The middle time."""
        return statistics.median(self.ms)

    def describe(self) -> dict[str, float]:
        """Return the median and the quartiles."""
        low, middle, high = statistics.quantiles(
            self.ms, n=4, method="inclusive"
        )
        return {"ms": middle, "low_ms": low, "high_ms": high}


def measure(
    ways: Mapping[str, Callable[[], object]],
    *,
    budget_s: float,
    least: int = 3,
    most: int = 200,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Samples]:
    """Run all ways in each round, in rotated order, until the budget is spent.

    What disturbs the machine for a while disturbs all ways alike, and none
    always follows the same one. Every way runs once or twice before that.
    """
    repeats = {name: _repeats(way, clock) for name, way in ways.items()}
    names = list(ways)
    samples: dict[str, list[float]] = {name: [] for name in names}
    rounds, begin = 0, clock()
    with _no_collection():
        while rounds < least or (rounds < most and clock() - begin < budget_s):
            turn = rounds % len(names)
            for name in names[turn:] + names[:turn]:
                if repeats[name] > 1:
                    ways[name]()
                spent = _time(ways[name], repeats[name], clock)
                samples[name].append(spent * 1000)
            rounds += 1
    return {name: Samples(times) for name, times in samples.items()}


def ratio(one: Samples, other: Samples) -> float:
    """Return how many times the other's time one took, round by round."""
    pairs = zip(one.ms, other.ms, strict=True)
    return statistics.median(a / b for a, b in pairs)


def fastest(samples: Mapping[str, Samples]) -> str:
    """Return the name of the way with the least median."""
    return min(samples, key=lambda name: samples[name].median_ms)


def _repeats(way: Callable[[], object], clock: Callable[[], float]) -> int:
    """Warm up, and return how often a sample runs this way."""
    spent = _time(way, 1, clock)
    if spent < 0.5:  # the first run may compile or allocate
        spent = _time(way, 1, clock)
    return max(1, math.ceil(SHORTEST_S / max(spent, 1e-9)))


def _time(
    way: Callable[[], object], repeats: int, clock: Callable[[], float]
) -> float:
    begin = clock()
    for _ in range(repeats):
        way()
    return (clock() - begin) / repeats


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from running within a sample."""
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
