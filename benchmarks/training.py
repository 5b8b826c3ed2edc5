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
from torch.nn.functional import cross_entropy

from examples.model import STRATEGIES, Classifier, Strategy
from examples.task import (
    Sample,
    Task,
    bag_of_words_accuracy,
    load_task,
    majority_accuracy,
)
from packtutor import BucketBatchSampler, Ragged, collate

BATCH_SIZE = 16
BATCHES = ("shuffled", "budgeted")
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
        for batches in BATCHES
    ]
    every = seed < SEEDS_OF_OTHERS
    return [name for name in names if every or name in ALWAYS]


def task_of(limit: int | None, *, shuffle_labels: bool = False) -> Task:
    """Return the task; a whole one is read from the standard library once."""
    return _task(limit, shuffle_labels)


def count_shuffled_cells(lengths: Tensor, seed: int = 0) -> tuple[int, int]:
    """Return cells and batches of an epoch of shuffled batches of 16."""
    cells = [
        len(rows) * int(lengths[rows].max())
        for rows in shuffled(lengths.numel(), seed, epoch=0)
    ]
    return sum(cells), len(cells)


def budget(lengths: Tensor) -> int:
    """Return the cells of a shuffled batch, on average: the budget of all."""
    cells, batches = count_shuffled_cells(lengths)
    return round(cells / batches)


def shuffled(count: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the places of an epoch's shuffled batches."""
    generator = torch.Generator().manual_seed(1000 * seed + epoch)
    order = torch.randperm(count, generator=generator)
    return [part.tolist() for part in order.split(BATCH_SIZE)]


def batches_of(
    name: str, lengths: Tensor, *, seed: int, epoch: int
) -> list[list[int]]:
    """Return the places of an epoch's batches, of either kind."""
    if name == "shuffled":
        return shuffled(lengths.numel(), seed, epoch)
    sampler = BucketBatchSampler(
        lengths, max_cells=budget(lengths), seed=seed, num_replicas=1, rank=0
    )
    sampler.set_epoch(epoch)
    return list(sampler)


class Learner:
    """One way of training, between two epochs."""

    def __init__(self, way: str, task: Task, seed: int) -> None:
        """Make the model and the optimiser; the seed decides about both."""
        strategy, self.batches = way.split(", ")
        self.way, self.strategy, self.seed = way, strategy, seed
        self._task = task
        torch.manual_seed(seed)
        self.model = Classifier(
            len(task.vocabulary),
            len(task.kinds),
            dropout=DROPOUT,
            strategy=cast("Strategy", strategy),
        )
        self._adam = torch.optim.Adam(
            self.model.parameters(), LEARNING_RATES[self.batches]
        )
        self.epochs: list[dict[str, Any]] = []

    def train_epoch(self) -> None:
        """Run one epoch, then the validation; only the former is timed.

        The time has the choice of the batches in it, and their collating.
        """
        epoch = len(self.epochs)
        task = self._task
        self.model.train()
        torch.manual_seed(1000 * self.seed + epoch)  # the dropout's
        total = torch.zeros(())
        cells = 0
        gc.collect()
        begin = time.perf_counter()
        chosen = batches_of(
            self.batches, task.train_lengths, seed=self.seed, epoch=epoch
        )
        for batch, labels in collated(task.train, chosen):
            total += self.step(batch, labels) * len(labels)
            # Those of the padded rectangle, however it is run.
            cells += len(batch) * batch.max_length
        seconds = time.perf_counter() - begin
        valid_loss, accuracy = self.validate()
        self.epochs.append(
            {
                "epoch": epoch + 1,
                "train_loss": float(total) / len(task.train),
                "valid_loss": valid_loss,
                "valid_accuracy": accuracy,
                "seconds": seconds,
                "steps": len(chosen),
                "tokens": int(task.train_lengths.sum()),
                "cells": cells,
            }
        )

    def step(self, batch: Ragged, labels: Tensor) -> Tensor:
        """Train on one batch; return the mean loss of its sequences."""
        self._adam.zero_grad()
        loss = cross_entropy(self.model(batch), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        return loss.detach()

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Return loss and accuracy, each a mean over all sequences."""
        self.model.eval()
        # Sorted: few pads, and the same batches for all ways.
        order = self._task.valid_lengths.argsort(stable=True)
        loss = right = 0.0
        chosen = [part.tolist() for part in order.split(64)]
        for batch, labels in collated(self._task.valid, chosen):
            logits = self.model(batch)
            loss += float(cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
        count = len(self._task.valid)
        return loss / count, right / count

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
        warm = Learner(f"{name}, shuffled", task, seed)
        batches = shuffled(len(task.train), seed, 0)[:4]
        for batch, labels in collated(task.train, batches):
            warm.step(batch, labels)
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
