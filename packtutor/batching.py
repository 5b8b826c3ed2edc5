"""Batches of sequences of similar length, within a budget of cells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, distributed
from torch.utils.data import Sampler

from packtutor import _places
from packtutor._checks import (
    INT64_MAX,
    Lengths,
    add_up,
    as_count,
    as_flag,
    as_lengths,
    short,
)
from packtutor._classes import find_classes
from packtutor._cutting import SHIFTS, Cuts, Cutter
from packtutor._dealing import deal
from packtutor._filling import Filler


class BucketBatchSampler(Sampler[list[int]]):
    def __init__(
        self,
        lengths: Lengths,
        *,
        max_cells: int,
        measure: Literal["padded", "packed"] = "padded",
        oversize: Literal["alone", "error"] = "alone",
        shuffle: bool = True,
        seed: int = 0,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        self._lengths = as_lengths(lengths)
        self._classes = find_classes(self._lengths)
        self._shuffle = shuffle
        self._seed = seed
        self._processes, self._rank = num_replicas or 1, rank or 0
        self._cutter = Cutter(
            Filler(self._classes, packed=measure == "packed"),
            max_cells,
            self._processes,
            shifting=shuffle,
        )
        self._epoch = 0
        self._done = 0

    def __len__(self) -> int:
        return self._cutter.steps

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        generator = self._generator()
        cuts = self._cut(generator)
        order = self._sort(generator)
        starts = cuts.starts.view(-1, self._processes)
        stops = cuts.stops.view(-1, self._processes)
        if self._processes > 1:
            offsets = _places.starts(self._lengths[order])
            mine = deal(offsets[stops] - offsets[starts])
            who = torch.randperm(self._processes, generator=generator)
            mine = mine[:, who[self._rank], None]
            starts, stops = starts.gather(1, mine), stops.gather(1, mine)
        starts, stops = starts[:, 0], stops[:, 0]
        if self._shuffle:
            steps = torch.randperm(len(self), generator=generator)
            starts, stops = starts[steps], stops[steps]
        return _read(order, starts[self._done :], stops[self._done :])

    def _generator(self) -> torch.Generator:
        text = f"{self._seed} {self._epoch}".encode()
        digest = hashlib.sha256(text).digest()
        generator = torch.Generator()
        return generator.manual_seed(int.from_bytes(digest[:4], "big"))

    def _cut(self, generator: torch.Generator) -> Cuts:
        draws = self._cutter.draws
        if not self._shuffle:
            return self._cutter.cut([0] * draws)
        shifts = torch.randint(SHIFTS, (draws,), generator=generator)
        return self._cutter.cut(shifts.tolist())

    def _sort(self, generator: torch.Generator) -> Tensor:
        if not self._shuffle:
            return self._lengths.argsort(descending=True, stable=True)
        order = torch.randperm(self._lengths.numel(), generator=generator)
        return order[self._classes.ranks[order].int().argsort(stable=True)]


def _read(order, starts, stops):
    for block in zip(starts.split(1<<16), stops.split(1<<16)):
        for start, stop in zip(block[0].tolist(), block[1].tolist(), strict=True):
            yield order[start:stop].tolist()
