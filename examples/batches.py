"""The batches of an epoch, for one process or several.

A global batch is what one step of the optimiser sees. It is cut into shards,
one a process. A process that stands for several joins theirs, so that one
process can take the very steps that several take.

n is the number of sequences, L_i the length of sequence i.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from examples.task import Sample
from packtutor import BucketBatchSampler, Ragged, collate

Batches = Literal["budgeted", "shuffled"]
BATCHES: tuple[Batches, ...] = get_args(Batches)


class Resumable(Protocol):
    """What a sampler of batches has to offer to go on where it stopped."""

    def __len__(self) -> int:
        """Return the number of batches of this process in an epoch."""

    def __iter__(self) -> Iterator[list[int]]:
        """Return the batches that remain of the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""

    def state_dict(self, batches_done: int) -> dict[str, Any]:
        """Return what is needed to go on after so many batches."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was saved."""


class ShuffledSampler(Sampler[list[int]]):
    """Choose random batches of one size, what most training does.

    Global batches have ``batch_size`` times ``shards`` sequences, or one or a
    few less, to come out even.
    """

    def __init__(
        self, n: int, *, batch_size: int, seed: int, shards: int, shard: int
    ) -> None:
        """Count the steps of an epoch."""
        self._n = n
        self._shards, self._shard = shards, shard
        self._steps = -(-n // (batch_size * shards))
        if n // self._steps < shards:
            raise ValueError(f"{n} sequences are too few for {shards} shards")
        self._seed, self._epoch, self._done = seed, 0, 0
        self._identity = (n, batch_size, seed, shards)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._steps

    def __iter__(self) -> Iterator[list[int]]:
        """Draw the epoch's order; return this shard's remaining batches."""
        digest = hashlib.sha256(f"{self._seed} {self._epoch}".encode())
        generator = torch.Generator().manual_seed(
            int.from_bytes(digest.digest()[:4], "big")
        )
        order = torch.randperm(self._n, generator=generator)
        for batch in order.tensor_split(self._steps)[self._done :]:
            yield batch.tensor_split(self._shards)[self._shard].tolist()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; another than the present one starts anew."""
        if epoch != self._epoch:
            self._epoch, self._done = epoch, 0

    def state_dict(self, batches_done: int) -> dict[str, Any]:
        """Return what is needed to go on after so many batches."""
        return {
            "epoch": self._epoch,
            "batches_done": batches_done,
            "identity": list(self._identity),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was saved."""
        if tuple(state["identity"]) != self._identity:
            raise ValueError(
                f"the state is of (n, batch_size, seed, shards) = "
                f"{tuple(state['identity'])}; this sampler has "
                f"{self._identity}"
            )
        self._epoch = state["epoch"]
        self._done = state["batches_done"]


class JoinedSampler(Sampler[list[int]]):
    """Join the batches of several shards into one each."""

    def __init__(self, samplers: Sequence[Resumable]) -> None:
        """Keep the shards' samplers."""
        self._samplers = samplers

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._samplers[0])

    def __iter__(self) -> Iterator[list[int]]:
        """Return the remaining batches."""
        for parts in zip(*self._samplers, strict=True):
            yield [index for part in parts for index in part]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""
        for sampler in self._samplers:
            sampler.set_epoch(epoch)

    def state_dict(self, batches_done: int) -> dict[str, Any]:
        """Return the state, which is the same for all shards."""
        return self._samplers[0].state_dict(batches_done)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was saved."""
        for sampler in self._samplers:
            sampler.load_state_dict(state)


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
    )
