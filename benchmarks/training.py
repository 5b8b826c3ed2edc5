"""Train the classifier of ``examples`` on real text, in all six ways.

A way is how the LSTM is run (``pad``, ``pack`` or ``run_rnn``) and how batches
are chosen: ``shuffled``, 16 paragraphs at random, or ``budgeted``, by
``BucketBatchSampler`` with the cells that a shuffled batch has on average.
All ways of a seed start from the same weights, and take turns by the epoch.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from examples.batches import Batches, make_batches
from examples.model import STRATEGIES, Classifier, Strategy
from examples.task import (
    Sample,
    Task,
    bag_of_words_accuracy,
    load_task,
    majority_accuracy,
)
from examples.training import Step, evaluate, train_epoch
from packtutor import Ragged, collate

BATCH_SIZE = 16
# Budgeted batches hold about 3.5 times as many sequences, so that an epoch has
# as many times fewer steps: Adam's go as the square root further.
LEARNING_RATES = {"shuffled": 2e-3, "budgeted": 4e-3}
DROPOUT = 0.3
BASE = "pad, shuffled"
# What every seed trains; the other ways run with the first seeds alone.
ALWAYS = (BASE, "pack, budgeted", "run_rnn, budgeted")
SEEDS_OF_OTHERS = 2


class Plan(NamedTuple):
    """How much is run."""

    seeds: int
    epochs: int
    limit: int | None

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Plan:
        """Return the plan of a full or of a quick run."""
        return cls(5, 8, None) if settings["full"] else cls(1, 2, 2500)


def ways(seed: int) -> list[str]:
    """Return the ways that a seed trains, in their order."""
    names = [
        f"{strategy}, {batches}"
        for strategy in STRATEGIES
        for batches in ("shuffled", "budgeted")
    ]
    every = seed < SEEDS_OF_OTHERS
    return [name for name in names if every or name in ALWAYS]


def task_of(limit: int | None, *, shuffle_labels: bool = False) -> Task:
    """Return the task; a whole one is read from the standard library once."""
    return _task(limit, shuffle_labels)


def count_shuffled_cells(lengths: Tensor) -> tuple[int, int]:
    """Return cells and batches of an epoch of shuffled batches of 16."""
    sampler = make_batches(
        lengths, batches="shuffled", batch_size=BATCH_SIZE, seed=0
    )
    cells = [len(rows) * int(lengths[rows].max()) for rows in sampler]
    return sum(cells), len(cells)


def budget(lengths: Tensor) -> int:
    """Return the cells of a shuffled batch, on average: the budget of all."""
    cells, batches = count_shuffled_cells(lengths)
    return round(cells / batches)


class Learner:
    """One way of training, between two epochs."""

    def __init__(self, way: str, task: Task, seed: int) -> None:
        """Make the model and the optimiser; the seed decides about both."""
        strategy, batches = way.split(", ")
        self.strategy = cast("Strategy", strategy)
        self.batches = cast("Batches", batches)
        self.way, self.seed, self._task = way, seed, task
        torch.manual_seed(seed)
        self._model = Classifier(
            len(task.vocabulary),
            len(task.kinds),
            dropout=DROPOUT,
            strategy=self.strategy,
        )
        self._adam = torch.optim.Adam(
            self._model.parameters(), LEARNING_RATES[batches]
        )
        self._sampler = make_batches(
            task.train_lengths,
            batches=self.batches,
            max_cells=budget(task.train_lengths),
            batch_size=BATCH_SIZE,
            seed=seed,
        )
        # Sorted: few pads, and the same batches for all ways.
        order = task.valid_lengths.argsort(stable=True)
        self._valid = [part.tolist() for part in order.split(64)]
        self.epochs: list[dict[str, Any]] = []

    def train(self, batches: Iterable[list[int]]) -> list[Step]:
        """Take a step for each batch."""
        pairs = collated(self._task.train, batches)
        return list(train_epoch(self._model, pairs, self._adam))

    def train_epoch(self) -> None:
        """Run one epoch, then the validation; only the former is timed.

        The time has the choice of the batches in it, and their collating.
        """
        epoch = len(self.epochs)
        torch.manual_seed(1000 * self.seed + epoch)  # the dropout's
        gc.collect()
        begin = time.perf_counter()
        self._sampler.set_epoch(epoch)
        steps = self.train(self._sampler)
        seconds = time.perf_counter() - begin
        score = evaluate(self._model, collated(self._task.valid, self._valid))
        total = sum(step.loss * step.sequences for step in steps)
        self.epochs.append(
            {
                "epoch": epoch + 1,
                "train_loss": total / len(self._task.train),
                "valid_loss": score.loss,
                "valid_accuracy": score.accuracy,
                "seconds": seconds,
                "steps": len(steps),
                "tokens": sum(step.tokens for step in steps),
                # Those of the padded rectangle, however it is run.
                "cells": sum(step.cells for step in steps),
            }
        )

    def describe(self, labels: str = "true") -> dict[str, Any]:
        """Return a case of the result."""
        return {
            "case": self.way,
            "strategy": self.strategy,
            "batches": self.batches,
            "seed": self.seed,
            "labels": labels,
            "epochs": self.epochs,
        }


def collated(
    samples: list[Sample], batches: Iterable[list[int]]
) -> Iterator[tuple[Ragged, Tensor]]:
    """Yield the batches and their labels."""
    for places in batches:
        yield collate([samples[place] for place in places])


def measure_seed(seed: int, plan: Plan) -> list[dict[str, Any]]:
    """Train all ways of a seed, epoch by epoch in turns."""
    task = task_of(plan.limit)
    learners = [Learner(way, task, seed) for way in ways(seed)]
    for name in STRATEGIES:  # kernels are made, caches filled
        starts = range(0, 4 * BATCH_SIZE, BATCH_SIZE)
        Learner(f"{name}, shuffled", task, seed).train(
            [list(range(start, start + BATCH_SIZE)) for start in starts]
        )
    for epoch in range(plan.epochs):
        turn = (seed + epoch) % len(learners)
        for learner in learners[turn:] + learners[:turn]:
            learner.train_epoch()
    return [learner.describe() for learner in learners]


def measure_control(plan: Plan) -> list[dict[str, Any]]:
    """Train the fastest way with the training's labels in random order."""
    task = task_of(plan.limit, shuffle_labels=True)
    learner = Learner("run_rnn, budgeted", task, 0)
    for _ in range(plan.epochs):
        learner.train_epoch()
    return [learner.describe("shuffled")]


def summarise(rows: list[dict[str, Any]], plan: Plan) -> dict[str, Any]:
    """Return what stands beside the cases."""
    task = task_of(plan.limit)
    lengths = task.train_lengths
    cells, batches = count_shuffled_cells(lengths)
    tokens = int(lengths.sum())
    return {
        "task": {
            "train": len(task.train),
            "valid": len(task.valid),
            "train_tokens": tokens,
            "vocabulary": len(task.vocabulary),
            "kinds": list(task.kinds),
            "batch_size": BATCH_SIZE,
            "max_cells": budget(lengths),
            "learning_rates": LEARNING_RATES,
            "dropout": DROPOUT,
        },
        "baselines": {
            "majority": majority_accuracy(task),
            "bag_of_words": bag_of_words_accuracy(task),
        },
        "bound": {
            "cells": cells,
            "batches": batches,
            "tokens": tokens,
            "times": cells / tokens,
        },
        "speed": speed(rows, cells / tokens),
        "accuracy": accuracy(rows),
        "control_accuracy": [
            _best(row) for row in rows if row["labels"] == "shuffled"
        ],
    }


def speed(rows: list[dict[str, Any]], bound: float) -> dict[str, Any]:
    """Return each way's speed against shuffled padded batches.

    ``times_faster`` is the median of the ratios of epochs that ran in the
    same round, so that a disturbance hits both.
    """
    true = [row for row in rows if row["labels"] == "true"]
    base = {row["seed"]: row for row in true if row["case"] == BASE}
    found = {}
    for way in dict.fromkeys(row["case"] for row in true):
        pairs = [
            (mine["seconds"], other["seconds"], mine["cells"])
            for row in true
            if row["case"] == way
            for mine, other in zip(
                row["epochs"], base[row["seed"]]["epochs"], strict=True
            )
        ]
        times = statistics.median(other / own for own, other, _ in pairs)
        found[way] = {
            "seconds": statistics.median(own for own, _, _ in pairs),
            "cells": statistics.median(cells for _, _, cells in pairs),
            "times_faster": times,
            "share_of_bound": times / bound,
            "rounds": len(pairs),
        }
    return found


def accuracy(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each way's best validation accuracy: mean, least and most."""
    found = {}
    true = [row for row in rows if row["labels"] == "true"]
    for way in dict.fromkeys(row["case"] for row in true):
        best = [_best(row) for row in true if row["case"] == way]
        found[way] = {
            "mean": statistics.fmean(best),
            "low": min(best),
            "high": max(best),
            "seeds": len(best),
        }
    return found


def _best(row: dict[str, Any]) -> float:
    return max(epoch["valid_accuracy"] for epoch in row["epochs"])


@cache
def _task(limit: int | None, shuffle_labels: bool) -> Task:  # noqa: FBT001
    return load_task(limit=limit, shuffle_labels=shuffle_labels)
