"""Measure steps and epochs of one and of two processes.

Each process has one thread. Its steps give ``benchmarks.stragglers`` the
prices of a batch; its epochs, which those have not seen, show how good the
prediction is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from benchmarks.results import ROOT
from benchmarks.stragglers import (
    BATCHES,
    QUICK_LIMIT,
    STRATEGIES,
    TERMS,
    Epoch,
    Extents,
    draw_epoch,
    fit,
    lengths_of,
    measure_extents,
    predict_epoch,
    terms,
)
from benchmarks.training import DROPOUT, Task, collated, task_of
from examples.model import Classifier

MEASURED = (1, 2)


def measure_processes(world: int, *, full: bool) -> dict[str, Any]:
    """Measure steps and epochs in as many processes; hold the model to them.

    Returns:
        ``prices`` by strategy, in ms, by term; ``fit_error``, the median of a
        step's relative error; ``meeting_ms``, what a step of the processes
        takes more than one without the others' gradients; ``epochs``, each
        with ``measured_s``, ``predicted_s`` and ``error``.
    """
    answer = _run_workers(world, full=full)
    lengths = lengths_of(full=full)
    found: dict[str, Any] = {
        "case": f"{world} processes",
        "processes": world,
        "prices": {},
        "epochs": [],
    }
    found["fit_error"], found["meeting_ms"] = {}, {}
    for strategy in STRATEGIES:
        extents, ms = answer["extents"], np.array(answer["ms"][strategy])
        seen = Extents(*(torch.tensor(each) for each in extents))
        prices = fit(terms(seen), ms)
        error = np.abs(terms(seen) @ prices / ms - 1)
        together = np.array(answer["together_ms"][strategy])
        meeting = max(0.0, float(np.median(together - ms))) if world > 1 else 0
        found["prices"][strategy] = dict(
            zip(TERMS, prices.tolist(), strict=True)
        )
        found["fit_error"][strategy] = float(np.median(error))
        found["meeting_ms"][strategy] = meeting
        for batches in BATCHES:
            epoch = draw_epoch(batches, lengths, world, seed=0)
            predicted = predict_epoch(
                prices, measure_extents(epoch, lengths), meeting
            )
            times = answer["epochs"][f"{strategy}, {batches}"]
            measured = float(np.median(times))
            found["epochs"].append(
                {
                    "strategy": strategy,
                    "batches": batches,
                    "steps": epoch.starts.shape[0],
                    "measured_s": measured,
                    "low_s": min(times),
                    "high_s": max(times),
                    "predicted_s": predicted,
                    "error": predicted / measured - 1,
                }
            )
    return found


def _run_workers(world: int, *, full: bool) -> dict[str, Any]:
    """Start the processes; return what the first prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.processes"]
        command += ["--world", str(world), "--meet", f"{folder}/meet"]
        command += ["--full"] if full else []
        workers = [
            subprocess.Popen(
                [*command, "--rank", str(rank)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
            for rank in range(world)
        ]
        try:
            printed = [worker.communicate()[0] for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
    if any(worker.returncode for worker in workers):
        raise RuntimeError("a process of the measurement has failed")
    answer: dict[str, Any] = json.loads(printed[0])
    return answer


class _Worker:
    """One of the processes that are measured."""

    def __init__(self, rank: int, world: int, *, full: bool) -> None:
        self._rank, self._world = rank, world
        self._rounds = 5 if full else 3
        self._sample = 40 if full else 12  # batches, of each kind
        self._task: Task = task_of(None if full else QUICK_LIMIT)

    def measure(self) -> dict[str, Any]:
        """Time steps alone, steps together and epochs, in turns."""
        lengths = self._task.train_lengths
        chosen: list[list[int]] = []
        kinds = []
        for batches in BATCHES:
            epoch = draw_epoch(batches, lengths, 1, seed=100)
            every = epoch.places(0)
            spaced = np.linspace(0, len(every) - 1, self._sample).astype(int)
            chosen += [every[place] for place in spaced]
            one = Epoch(epoch.order, epoch.starts[spaced], epoch.stops[spaced])
            kinds.append(measure_extents(one, lengths))
        extents = [
            torch.cat([kind[part] for kind in kinds]).flatten().tolist()
            for part in range(len(Extents._fields))
        ]
        places = {
            batches: draw_epoch(batches, lengths, self._world, seed=0).places(
                self._rank
            )
            for batches in BATCHES
        }
        alone, together, epochs = {}, {}, {}
        for strategy in STRATEGIES:
            step = self._make_step(strategy, together=False)
            both = self._make_step(strategy, together=True)
            steps = [step] if self._world == 1 else [step, both]
            own: dict[str, list[float]] = {name: [] for name in BATCHES}
            rounds = []
            self._time(chosen, steps)  # warms up
            # Steps and epochs take turns: what disturbs one disturbs both.
            for _ in range(self._rounds):
                rounds.append(self._time(chosen, steps))
                for batches, times in own.items():
                    times.append(self._time_epoch(places[batches], both))
            medians = np.median(np.array(rounds), axis=0).tolist()
            alone[strategy], together[strategy] = medians[0], medians[-1]
            for batches, times in own.items():
                epochs[f"{strategy}, {batches}"] = times
        return {
            "extents": extents,
            "ms": alone,
            "together_ms": together,
            "epochs": epochs,
        }

    def _make_step(
        self, strategy: Any, *, together: bool
    ) -> Callable[[list[int]], None]:
        torch.manual_seed(0)
        task = self._task
        model: Any = Classifier(
            len(task.vocabulary),
            len(task.kinds),
            dropout=DROPOUT,
            strategy=strategy,
        )
        if together and self._world > 1:
            model = DistributedDataParallel(model)
        adam = torch.optim.Adam(model.parameters(), 1e-3)

        def step(places: list[int]) -> None:
            ((batch, labels),) = collated(task.train, [places])
            adam.zero_grad()
            cross_entropy(model(batch), labels).backward()
            adam.step()

        return step

    def _time(
        self,
        chosen: list[list[int]],
        steps: list[Callable[[list[int]], None]],
    ) -> list[list[float]]:
        """Return the ms of each kind of step, batch by batch.

        All processes run the same batches, at the same time.
        """
        found: list[list[float]] = []
        for step in steps:
            self._meet()
            found.append([])
            for places in chosen:
                begin = time.perf_counter()
                step(places)
                found[-1].append((time.perf_counter() - begin) * 1000)
        return found

    def _time_epoch(
        self, places: list[list[int]], step: Callable[[list[int]], None]
    ) -> float:
        self._meet()
        begin = time.perf_counter()
        for one in places:
            step(one)
        self._meet()
        return time.perf_counter() - begin

    def _meet(self) -> None:
        if self._world > 1:
            distributed.barrier()


def main() -> None:
    """Be one of the processes; the first prints what it measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rank", type=int, required=True)
    parser.add_argument("--world", type=int, required=True)
    parser.add_argument("--meet", type=Path, required=True)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.world > 1:
        distributed.init_process_group(
            "gloo",
            init_method=options.meet.as_uri(),
            world_size=options.world,
            rank=options.rank,
        )
    worker = _Worker(options.rank, options.world, full=options.full)
    found = worker.measure()
    if options.rank == 0:
        print(json.dumps(found))
    if options.world > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
