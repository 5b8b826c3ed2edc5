"""Simulate how long processes wait for one another, on real lengths.

Each step of W processes ends when the slowest has ended. What a step takes is
predicted from its batch: B sequences, T the longest, N their tokens, and how
far the shortest is from the longest. ``benchmarks.processes`` measures steps,
to which the prediction is fitted, and epochs of one and of two processes, to
which it is held.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.training import (
    BATCH_SIZE,
    budget,
    task_of,
)
from packtutor import BucketBatchSampler

STRATEGIES = ("pad", "run_rnn")
BATCHES = ("random", "bucketed", "budgeted")
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
