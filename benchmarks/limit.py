"""The least time that PyTorch's own padded kernel allows a batch.

At step t, n_t sequences are alive. The limit is the sum over all steps of
what the kernel takes for one step of n_t sequences. A step's time is the
slope between two numbers of steps, so that what a call costs drops out; n is
tried at a few values, and the times between them are interpolated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import torch

from benchmarks.timing import Samples
from benchmarks.ways import Task, make_task, torch_ways


def kernels(task: Task, values_of_n: int) -> dict[str, Callable[[], object]]:
    """Return the padded runs to time along with the case's ways."""
    found: dict[str, Callable[[], object]] = {}
    for rows in _choose(alive(task), values_of_n):
        for steps in _steps(rows):
            rectangle = make_task(
                task.network, (steps,) * rows, training=task.training
            )
            way = torch_ways(rectangle)["torch padded"]
            found[_name(rows, steps)] = way.step
    return found


def limit_ms(task: Task, samples: Mapping[str, Samples]) -> float:
    """Return the limit of a case from the times of its kernels."""
    counts = alive(task)
    rows = [n for n in sorted(counts) if _name(n, _steps(n)[0]) in samples]
    per_step = []
    for n in rows:
        few, many = _steps(n)
        more = samples[_name(n, many)].median_ms
        more -= samples[_name(n, few)].median_ms
        per_step.append(max(more, 0.0) / (many - few))
    times = np.interp(list(counts), rows, per_step)
    return float(np.dot(times, list(counts.values())))


def alive(task: Task) -> Counter[int]:
    """Return in how many steps n sequences are alive, for each such n."""
    return Counter(task.batch.packing.batch_sizes.tolist())


def _choose(counts: Counter[int], most: int) -> list[int]:
    distinct = sorted(counts)
    places = torch.linspace(0, len(distinct) - 1, min(most, len(distinct)))
    return [distinct[place] for place in places.round().long()]


def _steps(rows: int) -> tuple[int, int]:
    """Return two numbers of steps, both long enough to dwarf a call."""
    many = min(max(2048 // rows, 32), 256)
    return many // 4, many


def _name(rows: int, steps: int) -> str:
    return f"limit: {rows} x {steps}"
