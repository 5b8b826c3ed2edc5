"""The command line: python -m benchmarks [--full] [--only NAME ...]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from benchmarks import (
    conversions,
    gpu,
    growth,
    memory,
    plots,
    processes,
    results,
    stragglers,
    tables,
)
from benchmarks import training as trainings
from benchmarks.cases import CASES
from benchmarks.recurrence import measure_case


class Job(NamedTuple):
    """One measurement: its label, and what returns its rows."""

    label: str
    run: Callable[[], list[dict[str, Any]]]


def recurrence_jobs(settings: dict[str, Any]) -> Iterator[Job]:
    """Yield one job for each case, forward and in training."""
    for case in CASES:
        if not (settings["full"] or case.quick):
            continue
        for training in (False, True):
            yield Job(
                f"{case.name}, {'training' if training else 'forward'}",
                lambda case=case, training=training: [
                    measure_case(
                        case,
                        training=training,
                        budget_s=settings["budget_s"],
                        values_of_n=settings["values_of_n"],
                    )
                ],
            )


def conversion_jobs(settings: dict[str, Any]) -> Iterator[Job]:
    """Yield one job for each batch that is converted."""
    for name, lengths, features in conversions.settings(full=settings["full"]):
        yield Job(
            f"conversions, {name}, {features} features",
            lambda given=(name, lengths, features): [
                conversions.measure_conversions(
                    *given, budget_s=settings["budget_s"]
                )
            ],
        )


def growth_jobs(settings: dict[str, Any]) -> Iterator[Job]:
    """Yield one job for each number of steps."""
    for steps in growth.steps(full=settings["full"]):
        yield Job(
            f"growth, {steps} steps",
            lambda steps=steps: list(
                growth.measure_growth(steps, budget_s=settings["budget_s"])
            ),
        )


def memory_jobs(settings: dict[str, Any]) -> Iterator[Job]:
    """Yield one job for each case of memory, where it can be measured."""
    if not memory.can_measure():
        return
    for case in memory.CASES.values():
        if not (settings["full"] or case.quick):
            continue
        for training in (False, True):
            yield Job(
                f"memory, {case.name}",
                lambda case=case, training=training: [
                    memory.measure_memory(case, training=training)
                ],
            )


def training_jobs(settings: dict[str, Any]) -> Iterator[Job]:
    """Yield one job for each seed, and one for the control."""
    plan = trainings.Plan.of(settings)
    for seed in range(plan.seeds):
        yield Job(
            f"training, seed {seed}",
            lambda seed=seed: trainings.measure_seed(seed, plan),
        )
    yield Job(
        "training, shuffled labels",
        lambda: trainings.measure_control(plan),
    )


def straggler_jobs(settings: dict[str, Any]) -> Iterator[Job]:
    """Yield one job for each number of processes that is measured."""
    for world in processes.MEASURED:
        yield Job(
            f"stragglers, {world} processes",
            lambda world=world: [
                processes.measure_processes(world, full=settings["full"])
            ],
        )


def gpu_jobs(settings: dict[str, Any]) -> Iterator[Job]:
    """Yield one job for each case on a GPU; none where there is no GPU."""
    for label, run in gpu.jobs(full=settings["full"]):
        yield Job(label, run)


SUITES: dict[str, Callable[[dict[str, Any]], Iterator[Job]]] = {
    "recurrence": recurrence_jobs,
    "conversions": conversion_jobs,
    "growth": growth_jobs,
    "memory": memory_jobs,
    "training": training_jobs,
    "stragglers": straggler_jobs,
    "gpu": gpu_jobs,
}


def finish(
    name: str, rows: list[dict[str, Any]], settings: dict[str, Any]
) -> dict[str, Any]:
    """Add to a suite's rows what is measured or computed once."""
    result: dict[str, Any] = {"cases": rows}
    if name == "gpu":
        result["gpu"] = gpu.describe()
    if name == "growth":
        result["exponents"] = growth.exponents(rows)
    if name == "memory" and rows:
        result["how"] = memory.HOW
        result["small_batches"] = memory.measure_small_batches(
            settings["small_batches"]
        )
    if name == "training":
        plan = trainings.Plan.of(settings)
        result |= trainings.summarise(rows, plan)
    if name == "stragglers":
        full = settings["full"]
        result |= stragglers.simulate_all(rows, full=full)
    return result


def follow(name: str, jobs: list[Job]) -> Iterator[Job]:
    """Yield the jobs: a bar on a terminal, a line for each elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(jobs, desc=name, unit="case")
        return
    for number, job in enumerate(jobs, 1):
        print(f"{number}/{len(jobs)} {job.label}", file=sys.stderr, flush=True)
        yield job


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure packtutor against its peers.",
    )
    parser.add_argument(
        "--full", action="store_true", help="all cases, with longer budgets"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        # A GPU is measured by itself: the CPU is to be left alone meanwhile.
        default=[name for name in SUITES if name != "gpu"],
        choices=list(SUITES),
        metavar="NAME",
        help=f"some of: {', '.join(SUITES)}",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where results are written"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, write each suite's result as it is done, and show all."""
    options = parse(arguments)
    folder = options.out or (
        results.COMMITTED if options.full else results.QUICK
    )
    settings = {
        "full": options.full,
        "budget_s": 7.0 if options.full else 0.7,
        "values_of_n": 8 if options.full else 5,
        "small_batches": 100_000 if options.full else 1000,
    }
    for name in options.only:
        about = results.about(name, settings)
        jobs = list(SUITES[name](settings))
        if name == "gpu" and not jobs:
            sys.exit("gpu: PyTorch finds no CUDA device; nothing is measured")
        rows = [row for job in follow(name, jobs) for row in job.run()]
        result = {"about": about, **finish(name, rows, settings)}
        try:
            results.write(folder, name, result)
        except OSError as error:
            sys.exit(f"{error.filename} cannot be written: {error.strerror}")
    found = results.read_all(folder)
    print(tables.everything(found))
    if options.only != ["gpu"]:  # of which there is no picture
        plots.draw_all(found, folder)


if __name__ == "__main__":
    main()
