"""Simulate how long processes wait for one another, on real lengths.

Each step of W processes ends when the slowest has ended. What a step takes is
predicted from its batch: B sequences, T the longest, N their tokens, and how
far the shortest is from the longest. The prediction is fitted to measured
steps, and held to measured epochs of one and of two processes, which it has
not seen.
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
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, distributed
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from benchmarks.results import ROOT
from benchmarks.training import (
    BATCH_SIZE,
    DROPOUT,
    Task,
    budget,
    collated,
    task_of,
)
from examples.model import Classifier
from packtutor import BucketBatchSampler

STRATEGIES = ("pad", "run_rnn")
BATCHES = ("random", "bucketed", "budgeted")
MEASURED = (1, 2)
RANKS = (8, 64, 1024)
QUICK_LIMIT = 2500
# A bucketed process sorts so many of its batches at a time.
POOL = 50
# Each term may only add time.
TERMS = ("call", "B", "T", "N", "cells", "spread")


class Epoch(NamedTuple):
    """The batches of all processes: places in an order of the sequences.

    Args:
        order: (n,), indices of sequences.
        starts: (steps, processes), where each batch starts in the order.
        stops: (steps, processes), where it stops.
    """

    order: Tensor
    starts: Tensor
    stops: Tensor

    def places(self, rank: int) -> list[list[int]]:
        """Return the batches of one process."""
        pairs = zip(
            self.starts[:, rank].tolist(),
            self.stops[:, rank].tolist(),
            strict=True,
        )
        return [self.order[start:stop].tolist() for start, stop in pairs]


class Extents(NamedTuple):
    """B, T, N and the shortest of each batch, each (steps, processes)."""

    rows: Tensor
    longest: Tensor
    tokens: Tensor
    shortest: Tensor

    @property
    def cells(self) -> Tensor:
        """Those of the padded batches."""
        return self.rows * self.longest


def draw_epoch(
    batches: str, lengths: Tensor, processes: int, *, seed: int
) -> Epoch:
    """Draw an epoch's batches.

    ``random``: 16 sequences each. ``bucketed``: each process sorts its own
    sequences in pools of 50 batches, cuts them into batches of 16 and shuffles
    these. Both leave out the last sequences that would not fill a batch for
    every process. ``budgeted``: those of ``BucketBatchSampler``.
    """
    if batches == "budgeted":
        sampler = BucketBatchSampler(
            lengths,
            max_cells=budget(lengths),
            seed=seed,
            num_replicas=processes,
            rank=0,
        )
        return Epoch(*sampler._lay_out())  # noqa: SLF001 (of all processes)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(lengths.numel(), generator=generator)
    steps = lengths.numel() // (BATCH_SIZE * processes)
    order = order[: steps * BATCH_SIZE * processes].view(processes, -1)
    if batches == "bucketed":
        pools = []
        for pool in order.split(POOL * BATCH_SIZE, dim=1):
            by_length = lengths[pool].argsort(dim=1)
            pools.append(pool.gather(1, by_length))
        order = torch.cat(pools, 1)
    starts = torch.arange(0, order.numel(), BATCH_SIZE).view(processes, -1)
    if batches == "bucketed":
        turns = torch.rand(starts.shape, generator=generator).argsort(dim=1)
        starts = starts.gather(1, turns)
    starts = starts.T.contiguous()
    return Epoch(order.flatten(), starts, starts + BATCH_SIZE)


def measure_extents(epoch: Epoch, lengths: Tensor) -> Extents:
    """Return how large each batch is."""
    rows = (epoch.stops - epoch.starts).flatten()
    begins = rows.cumsum(0) - rows
    shift = (epoch.starts.flatten() - begins).repeat_interleave(rows)
    places = torch.arange(int(rows.sum())) + shift
    own = lengths[epoch.order[places]].double()
    found = [
        torch.segment_reduce(own, how, lengths=rows).long()
        for how in ("max", "sum", "min")
    ]
    shape = epoch.starts.shape
    return Extents(rows.view(shape), *(each.view(shape) for each in found))


def lost_share(costs: Tensor) -> float:
    """Return the share of all processes' time that is spent waiting.

    Args:
        costs: (steps, processes), what each batch costs.
    """
    costs = costs.double()
    spent = float(costs.amax(1).sum()) * costs.shape[1]
    return 1 - float(costs.sum()) / spent


# --- the model of a step --------------------------------------------------


def terms(extents: Extents) -> np.ndarray:
    """Return one row for each batch, one column for each of ``TERMS``."""
    rows, longest, tokens, shortest = (each.flatten() for each in extents)
    columns = [torch.ones_like(rows), rows, longest, tokens, rows * longest]
    # Where lengths differ, run_rnn takes more calls.
    columns.append(longest - shortest)
    return torch.stack(columns, 1).double().numpy()


def fit(found: np.ndarray, ms: np.ndarray) -> np.ndarray:
    """Return what each term costs, in ms: least squares, none below 0.

    The term with the most negative price goes, until there is none.
    """
    kept = list(range(found.shape[1]))
    while True:
        # Columns of like size: a better conditioned problem.
        scale = found[:, kept].max(0)
        prices = np.linalg.lstsq(found[:, kept] / scale, ms, rcond=None)[0]
        if prices.min() >= 0:
            break
        kept.pop(int(prices.argmin()))
    every = np.zeros(found.shape[1])
    every[kept] = prices / scale
    return every


def predict(prices: np.ndarray, extents: Extents) -> Tensor:
    """Return the ms of each batch, (steps, processes)."""
    ms = torch.from_numpy(terms(extents) @ prices)
    return ms.view(extents.rows.shape)


def predict_epoch(
    prices: np.ndarray, extents: Extents, meeting_ms: float
) -> float:
    """Return the seconds of an epoch: each step waits for its slowest."""
    slowest = predict(prices, extents).amax(1)
    return float((slowest + meeting_ms).sum()) / 1000


# --- simulation -----------------------------------------------------------


def bootstrap(lengths: Tensor, count: int, *, seed: int = 0) -> Tensor:
    """Draw lengths with replacement: a corpus as large as is needed."""
    generator = torch.Generator().manual_seed(seed)
    return lengths[
        torch.randint(lengths.numel(), (count,), generator=generator)
    ]


def simulate(
    lengths: Tensor, prices: dict[str, np.ndarray], processes: int, steps: int
) -> list[dict[str, Any]]:
    """Return the share of time lost by each way of choosing batches.

    Args:
        lengths: Those of the real sequences.
        prices: The model of a step, by strategy.
        processes: How many there are.
        steps: How many batches of 16 each of them has in an epoch.
    """
    many = bootstrap(lengths, BATCH_SIZE * processes * steps)
    found = []
    for batches in BATCHES:
        epoch = draw_epoch(batches, many, processes, seed=0)
        extents = measure_extents(epoch, many)
        cells, tokens = int(extents.cells.sum()), int(extents.tokens.sum())
        found.append(
            {
                "case": f"{batches}, {processes} processes",
                "batches": batches,
                "processes": processes,
                "sequences": int(extents.rows.sum()),
                "steps": extents.rows.shape[0],
                "padding_fraction": (cells - tokens) / cells,
                "lost": {
                    "tokens": lost_share(extents.tokens),
                    "cells": lost_share(extents.cells),
                    **{
                        strategy: lost_share(predict(own, extents))
                        for strategy, own in prices.items()
                    },
                },
                "epoch_s": {
                    strategy: predict_epoch(own, extents, 0.0)
                    for strategy, own in prices.items()
                },
            }
        )
    return found


def simulate_all(rows: list[dict[str, Any]], *, full: bool) -> dict[str, Any]:
    """Simulate all numbers of processes, with the steps of one process."""
    lengths = lengths_of(full=full)
    (one,) = [row for row in rows if row["processes"] == 1]
    prices = {
        strategy: np.array([own[term] for term in TERMS])
        for strategy, own in one["prices"].items()
    }
    steps = 200 if full else 20
    return {
        "simulated": [
            row
            for processes in RANKS
            for row in simulate(lengths, prices, processes, steps)
        ],
        "lengths": {
            "sequences": lengths.numel(),
            "tokens": int(lengths.sum()),
            "longest": int(lengths.max()),
            "batch_size": BATCH_SIZE,
            "max_cells": budget(lengths),
        },
    }


def lengths_of(*, full: bool) -> Tensor:
    """Return the lengths of the training's paragraphs."""
    return task_of(None if full else QUICK_LIMIT).train_lengths


# --- measured, in processes of one thread each ----------------------------


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
        command = [sys.executable, "-m", "benchmarks.stragglers"]
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
