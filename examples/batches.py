"""The batches of an epoch, for one process or several.

A global batch is what one step of the optimiser sees. It is cut into shards,
one a process. A process that stands for several joins theirs, so that one
process can take the very steps that several take.

n is the number of sequences, L_i the length of sequence i.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from examples.samplers import JoinedSampler, ShuffledSampler
from examples.task import Sample
from packtutor import BucketBatchSampler, Ragged, collate

Batches = Literal["budgeted", "shuffled"]
BATCHES: tuple[Batches, ...] = get_args(Batches)


def make_batches(
    lengths: Tensor,
    *,
    batches: Batches = "budgeted",
    max_cells: int = 1180,
    batch_size: int = 16,
    seed: int = 0,
    shards: int = 1,
    own: Sequence[int] = (0,),
) -> JoinedSampler:
    """Return the sampler of the batches of a training set.

    Random batches of 16 of these paragraphs have 1,180 cells on average,
    pads included, which is the budget of the others: the same memory.

    Args:
        lengths: (n,), those of the sequences.
        batches: ``"budgeted"``, of similar length and up to ``max_cells``
            cells a shard, or ``"shuffled"``, of ``batch_size`` sequences.
        max_cells: The budget.
        batch_size: The sequences a shard, if they are shuffled.
        seed: Of the order.
        shards: How many parts each global batch has.
        own: Which of them this process runs.
    """
    if batches == "budgeted":
        return JoinedSampler(
            [
                BucketBatchSampler(
                    lengths,
                    max_cells=max_cells,
                    seed=seed,
                    num_replicas=shards,
                    rank=shard,
                )
                for shard in own
            ]
        )
    return JoinedSampler(
        [
            ShuffledSampler(
                len(lengths),
                batch_size=batch_size,
                seed=seed,
                shards=shards,
                shard=shard,
            )
            for shard in own
        ]
    )


class _Samples(Dataset[Sample]):
    """Keep all sequences in one tensor.

    Each tensor that goes to a worker takes a file handle where workers do not
    fork: thousands of them would be too many.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._ids = Ragged.from_list([ids for ids, _ in samples])
        self._labels = [label for _, label in samples]

    def __getitem__(self, index: int) -> Sample:
        return self._ids[index], self._labels[index]


def make_loader(
    samples: Sequence[Sample],
    batches: Sampler[list[int]] | Sequence[list[int]],
    *,
    workers: int = 0,
) -> DataLoader[Any]:
    """Return what makes (batch of ids, labels) of the sampler's indices."""
    return DataLoader(
        _Samples(samples),
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=workers,
        # An iterator draws a seed for its workers when it starts. From
        # PyTorch's own generator, a resumed run would draw once more often.
        generator=torch.Generator(),
        worker_init_fn=_end_with_parent,
    )


def _end_with_parent(worker: int) -> None:  # noqa: ARG001 (PyTorch gives it)
    """Let a worker end when the process that it works for is killed.

    PyTorch watches the number of the worker's parent. Behind a fork server,
    which is Python 3.14's way, that is the server's: the workers would stay
    for ever, and the server with them.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
