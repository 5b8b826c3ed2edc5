"""Measure run_rnn against its peers, case by case."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks import limit
from benchmarks.cases import Case
from benchmarks.peers import peer_ways
from benchmarks.timing import Samples, fastest, measure, ratio
from benchmarks.ways import Answer, Task, Way, make_task, torch_ways
from packtutor import plan_run

OURS = ("run_rnn packed", "run_rnn ragged")
# Share of the largest entry by which two ways may differ. In bfloat16,
# PyTorch's packed run adds up its gradients in bfloat16, step by step.
TOLERANCE = {"float32": 1e-4, "float64": 1e-11, "bfloat16": 0.1}


class DisagreementError(RuntimeError):
    """Two ways do not compute the same."""


def measure_case(
    case: Case, *, training: bool, budget_s: float, values_of_n: int
) -> dict[str, Any]:
    """Compare all ways of a case, then time them in turns with its limit."""
    task = make_task(case.network(), case.lengths, training=training)
    ways = torch_ways(task) | peer_ways(task)
    difference = worst_difference(ways, case)
    steps = {name: way.step for name, way in ways.items()}
    samples = measure(
        steps | limit.kernels(task, values_of_n), budget_s=budget_s
    )
    attainable = limit.limit_ms(task, samples)
    ours = samples[OURS[0]]
    return {
        **case.describe(),
        "run": "training" if training else "forward",
        "rounds": len(ours.ms),
        "ways": {
            name: samples[name].describe() | {"right": way.right}
            for name, way in ways.items()
        },
        "worst_difference": difference,
        "limit_ms": attainable,
        "ratios": ratios(ways, samples)
        | {"share_of_limit": attainable / ours.median_ms},
        "plan": _plan(task, case),
    }


def ratios(
    ways: dict[str, Way], samples: dict[str, Samples]
) -> dict[str, float]:
    """Return run_rnn's times as shares of others', round by round.

    PyTorch's padded run counts unless its outputs are wrong.
    """
    others = {
        name: samples[name]
        for name, way in ways.items()
        if name not in OURS and way.right
    }
    both = {
        name: times
        for name, times in others.items()
        if name.startswith("torch")
    }
    packed, ragged = (samples[name] for name in OURS)
    best = samples[fastest(both)]
    return {
        "to_best_of_torch": ratio(packed, best),
        "ragged_to_best_of_torch": ratio(ragged, best),
        "to_torch_packed": ratio(packed, samples["torch packed"]),
        "to_fastest_peer": ratio(packed, samples[fastest(others)]),
    }


def worst_difference(ways: dict[str, Way], case: Case) -> float:
    """Return the largest difference from torch packed, relative; or raise."""
    answers = {
        name: way.answer(way.step()) for name, way in ways.items() if way.right
    }
    expected = answers.pop("torch packed")
    worst = 0.0
    for name, answer in answers.items():
        for part, difference in differences(answer, expected).items():
            if not difference <= TOLERANCE[case.dtype]:
                raise DisagreementError(
                    f"{case.name}: {part} of {name} differ from those of "
                    f"torch packed by {difference:.2g} of the largest entry"
                )
            worst = max(worst, difference)
    return worst


def differences(answer: Answer, expected: Answer) -> dict[str, float]:
    """Return the largest difference of each part that both have."""
    return {
        part: _difference(found.double(), expected[part].double())
        for part, found in answer.items()
    }


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    if found.shape != expected.shape:
        return float("inf")
    scale = float(expected.abs().max()) or 1.0
    return float((found - expected).abs().max()) / scale


def _plan(task: Task, case: Case) -> dict[str, Any]:
    plan = plan_run(task.network, case.lengths, training=task.training)
    return {
        "route": plan.route,
        "slabs": len(plan.slabs),
        "padding_fraction": plan.padding_fraction,
    }
