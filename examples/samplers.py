"""Samplers of batches that go on where a saved state stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch.utils.data import Sampler


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
