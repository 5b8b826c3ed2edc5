"""Measure how a training step grows with the number of steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.cases import Case, halves
from benchmarks.timing import measure
from benchmarks.ways import make_task, torch_ways

# Above this, one step of PyTorch's packed run takes minutes.
LONGEST_PACKED = 4000


def steps(*, full: bool) -> tuple[int, ...]:
    """Return the values of T."""
    return (500, 1000, 2000, 4000, 8000) if full else (250, 500, 1000)


def measure_growth(longest: int, *, budget_s: float) -> Iterator[Any]:
    """Time training with the lengths of issue 149194: T and T / 2."""
    case = Case("halves", halves(longest), inputs=32, hidden=64)
    task = make_task(case.network(), case.lengths, training=True)
    ways = torch_ways(task)
    names = ["run_rnn packed"]
    names += ["torch packed"] if longest <= LONGEST_PACKED else []
    samples = measure(
        {name: ways[name].step for name in names}, budget_s=budget_s
    )
    for name, times in samples.items():
        yield {
            "way": name,
            "T": longest,
            "rounds": len(times.ms),
            **times.describe(),
        }


def exponents(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return for each way the slope of log time over log T."""
    found = {}
    for name in {row["way"]: None for row in rows}:
        own = [row for row in rows if row["way"] == name]
        slope, _ = np.polyfit(
            [math.log(row["T"]) for row in own],
            [math.log(row["ms"]) for row in own],
            1,
        )
        found[name] = float(slope)
    return found
