"""Batches of sequences of similar length, within a budget of cells.

B sequences in a batch, L_i the length of sequence i, n the number of all
sequences.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

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
from packtutor._collating import LabelledBatch, collate
from packtutor._cutting import Cutter
from packtutor._dealing import deal
from packtutor._filling import Filler

__all__ = ["BucketBatchSampler", "LabelledBatch", "collate"]

_BLOCK = 1 << 16
# A step of an epoch has a batch for each: more would not fit the memory.
_MOST_PROCESSES = 10**6

_Choice = TypeVar("_Choice", bound=str)


class BucketBatchSampler(Sampler[list[int]]):
    """Choose batches of sequences of similar length, within a budget.

    For ``DataLoader(dataset, batch_sampler=sampler, collate_fn=collate)``.
    Call ``set_epoch`` before each epoch, else all have the same batches. A
    batch has as many sequences as fit, so that batches cost about the same:
    many short ones, or a few long ones. Mostly they are more than 90% full on
    average, if several of the longest sequences fit into one and an epoch has
    twenty or more. Every index comes once an epoch.

    How random it is: sequences of equal length are shuffled, of 256 tokens or
    more also those of nearly equal length, less than 1% apart. The borders
    between batches move by a random part of a batch, as far as that leaves
    them about as full. So who is in a batch with whom changes with each
    epoch, but neighbours in length often meet again; mostly so if few lengths
    are equal and an epoch has only ten or twenty batches. The order of the
    batches is drawn without limits. It all follows from ``seed`` and the
    epoch and is the same in every process, whatever else that has drawn.

    On several processes, the batches that they hold at the same time are
    neighbours in length, so that none waits long for another. Each gets the
    same number of batches. The tokens of two processes differ by no more than
    a budget over an epoch, or the longest sequence above it, and mostly by
    far less. Nothing is dropped: the last batches are made smaller to come
    out even. Only if there are fewer sequences than batches to fill are some
    repeated: fewer than there are processes, and counted in ``repeated``.

    Args:
        lengths: The length of each item of the data set, at least one.
        max_cells: The budget: what a batch may measure.
        measure: ``"padded"`` counts B times the longest of a batch,
            ``"packed"`` the sum of its lengths. An empty sequence counts as
            one of length 1.
        oversize: What becomes of a sequence longer than the budget:
            ``"alone"`` gives it a batch of its own, ``"error"`` refuses it.
        shuffle: Whether to shuffle. Otherwise each epoch has the same batches
            from the longest to the shortest: a lack of memory shows at once.
        seed: What the random order starts from.
        num_replicas: The number of processes; that of ``torch.distributed``
            if None, where it is initialised, and 1 elsewhere.
        rank: Which of them this one is, from 0; likewise.

    Shapes:
        lengths: (n,), any integer dtype, CPU.

    Raises:
        TypeError: If an argument has another type or a length is no integer.
        ValueError: If there is no length, one is negative or, unless it may
            be alone, above ``max_cells``; an argument is outside of its range;
            or only one of ``num_replicas`` and ``rank`` is given.

    Example:
        >>> lengths = [1, 4, 2, 4, 1, 2]
        >>> sampler = BucketBatchSampler(lengths, max_cells=8, shuffle=False)
        >>> list(sampler)
        [[1, 3], [2, 5, 0, 4]]
        >>> len(sampler)
        2

    Cost:
        O(n) to make, O(n log n) an epoch, in every process: for 10 million
        lengths about 2 seconds and 0.5 GB.

    Source:
        ``torch.utils.data.DataLoader``; the differencing method of Karmarkar
        and Karp (1982), which evens out the tokens of the processes.

    Not for:
        A data set whose lengths are unknown before it is read, or a loss that
        needs batches of random company, as contrastive ones do.
    """

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
        """Check the arguments and find the number of batches."""
        lengths = as_lengths(lengths)
        max_cells = as_count(max_cells, "max_cells", 1)
        measure = _as_choice(measure, "measure", "padded", "packed")
        oversize = _as_choice(oversize, "oversize", "alone", "error")
        shuffle = as_flag(shuffle, "shuffle")
        seed = as_count(seed, "seed", 0)
        processes, self._rank = _as_place(num_replicas, rank)
        if not lengths.numel():
            raise ValueError("lengths is empty; it must have at least one")
        tokens = add_up(lengths)
        if tokens > INT64_MAX:
            raise ValueError(
                f"lengths add up to {tokens}; they may only to {INT64_MAX}"
            )
        if oversize == "error" and int(lengths.max()) > max_cells:
            index = int((lengths > max_cells).nonzero()[0])
            raise ValueError(
                f"lengths[{index}] is {int(lengths[index])}; it must be at "
                f"most max_cells, which is {max_cells} (oversize='alone' "
                f"gives it a batch of its own)"
            )
        self._lengths = lengths
        classes = find_classes(lengths)
        self._ranks = classes.ranks
        self._cutter = Cutter(
            Filler(classes, packed=measure == "packed"),
            max_cells,
            processes,
            random=shuffle,
        )
        self._processes = processes
        self._shuffle = shuffle
        self._seed = seed
        self._epoch = 0
        self._done = 0
        # What a saved state must agree with.
        self._identity = {
            "seed": seed,
            "shuffle": shuffle,
            "max_cells": max_cells,
            "measure": measure,
            "num_replicas": processes,
            "sequences": lengths.numel(),
            "lengths_hash": _hash(lengths),
        }

    def __len__(self) -> int:
        """Return the number of batches of this process, in every epoch."""
        return self._cutter.steps

    def __iter__(self) -> Iterator[list[int]]:
        """Draw the epoch's batches; return those of this process."""
        order, starts, stops = self._lay_out()
        steps = slice(self._done, None)
        return _read(
            order, starts[steps, self._rank], stops[steps, self._rank]
        )

    @property
    def repeated(self) -> int:
        """How many sequences of this epoch are in a second batch as well.

        Example:
            >>> BucketBatchSampler([5], max_cells=8).repeated
            0
            >>> BucketBatchSampler(
            ...     [5], max_cells=8, num_replicas=2, rank=0
            ... ).repeated
            1

        Cost:
            O(batches).
        """
        return self._cutter.cut(self._make_generator()).repeated

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, before each one: else all have the same batches.

        Another epoch than the present one starts with its first batch.

        Args:
            epoch: Its number.

        Raises:
            TypeError: If ``epoch`` is not an integer.
            ValueError: If it is negative.

        Example:
            >>> sampler = BucketBatchSampler(range(100), max_cells=200)
            >>> first = list(sampler)
            >>> sampler.set_epoch(1)
            >>> list(sampler) == first
            False

        Cost:
            O(1).
        """
        epoch = as_count(epoch, "epoch", 0)
        if epoch != self._epoch:
            self._epoch = epoch
            self._done = 0

    def state_dict(self, batches_done: int) -> dict[str, Any]:
        """Return what is needed to go on after so many batches of the epoch.

        The trainer has to count: workers have fetched batches ahead of it, of
        which the sampler cannot know whether they have been used.

        Args:
            batches_done: How many batches of this epoch the trainer has
                finished in each process, those before a resume included.

        Returns:
            A dictionary of strings, numbers and truth values, the same in
            each process.

        Raises:
            TypeError: If ``batches_done`` is not an integer.
            ValueError: If it is negative or more than the epoch has.

        Example:
            >>> sampler = BucketBatchSampler([3, 2, 1], max_cells=3)
            >>> state = sampler.state_dict(batches_done=1)
            >>> state["epoch"], state["batches_done"]
            (0, 1)

        Cost:
            O(1).
        """
        done = as_count(batches_done, "batches_done", 0, len(self))
        return {"epoch": self._epoch, "batches_done": done, **self._identity}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was saved.

        The epoch of the state then has only its remaining batches, also after
        ``set_epoch`` with the same number; ``len`` stays that of a whole
        epoch.

        Args:
            state: What ``state_dict`` returned, of a sampler made with the
                same arguments but for ``rank``.

        Raises:
            TypeError: If ``state`` is not a dictionary.
            ValueError: If a part is missing, or not that of this sampler.

        Example:
            >>> sampler = BucketBatchSampler(range(100), max_cells=200)
            >>> batches = list(sampler)
            >>> sampler.load_state_dict(sampler.state_dict(3))
            >>> list(sampler) == batches[3:]
            True

        Cost:
            O(1).
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"state is of type {type(state).__name__}; it must be a "
                f"dictionary from state_dict"
            )
        for name in ("epoch", "batches_done", *self._identity):
            if name not in state:
                raise ValueError(f"state has no {name!r}; state_dict gives it")
        for name, own in self._identity.items():
            if type(state[name]) is not type(own) or state[name] != own:
                raise ValueError(
                    f"state[{name!r}] is {short(state[name])}; it must be "
                    f"{short(own)}, as in this sampler: other batches come "
                    f"of it"
                )
        epoch = as_count(state["epoch"], "state['epoch']", 0)
        self._done = as_count(
            state["batches_done"], "state['batches_done']", 0, len(self)
        )
        self._epoch = epoch

    def _lay_out(self) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the epoch's order (n,), and where each batch lies in it.

        Starts and stops are (steps, processes).
        """
        generator = self._make_generator()
        cuts = self._cutter.cut(generator)
        if generator is None:
            order = self._lengths.argsort(descending=True, stable=True)
        else:
            order = torch.randperm(
                self._lengths.numel(), generator=generator, device="cpu"
            )
            # An int32 is sorted faster than an int16.
            places = self._ranks[order].int().argsort(stable=True)
            order = order[places]
            del places
        starts = cuts.starts.view(-1, self._processes)
        stops = cuts.stops.view(-1, self._processes)
        if self._processes > 1:
            tokens = _places.starts(self._lengths[order])
            dealt = deal(tokens[stops] - tokens[starts])
            del tokens
            starts, stops = starts.gather(1, dealt), stops.gather(1, dealt)
        if generator is not None:
            steps = torch.randperm(
                len(self), generator=generator, device="cpu"
            )
            starts, stops = starts[steps], stops[steps]
        return order, starts, stops

    def _make_generator(self) -> torch.Generator | None:
        """Return the epoch's generator; its state is the same everywhere."""
        if not self._shuffle:
            return None
        # PyTorch's generator on the CPU reads 32 bits of a seed.
        digest = hashlib.sha256(f"{self._seed} {self._epoch}".encode())
        seed = int.from_bytes(digest.digest()[:4], "big")
        return torch.Generator().manual_seed(seed)


def _as_choice(value: object, name: str, *choices: _Choice) -> _Choice:
    """Return the choice itself, as a state of plain types holds it."""
    for choice in choices:
        if isinstance(value, str) and value == choice:
            return choice
    wanted = " or ".join(map(repr, choices))
    raise ValueError(f"{name} is {short(value)}; it must be {wanted}")


def _as_place(num_replicas: object, rank: object) -> tuple[int, int]:
    """Return how many processes there are, and which this one is."""
    if num_replicas is None and rank is None:
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_world_size(), distributed.get_rank()
        return 1, 0
    if num_replicas is None or rank is None:
        raise ValueError(
            f"num_replicas is {short(num_replicas)} and rank is "
            f"{short(rank)}; both must be given, or none"
        )
    processes = as_count(num_replicas, "num_replicas", 1, _MOST_PROCESSES)
    place = as_count(rank, "rank", 0)
    if place >= processes:
        raise ValueError(
            f"rank is {place}; it must be below num_replicas, which is "
            f"{processes}"
        )
    return processes, place


def _hash(lengths: Tensor) -> int:
    """Return a number that changes with the lengths and with their order."""
    total = 0
    for index, block in enumerate(torch.split(lengths, _BLOCK)):
        places = torch.arange(1, block.numel() + 1, device="cpu")
        # A block has at most 2**16 products below 2**47.
        part = int((block % 0x7FFFFFFF * places).sum())
        total = (total + part * (2 * index + 1)) % (1 << 61)
    return total


def _read(order: Tensor, starts: Tensor, stops: Tensor) -> Iterator[list[int]]:
    """Yield the batches; without a list of all of them."""
    for firsts, ends in zip(
        torch.split(starts, _BLOCK), torch.split(stops, _BLOCK), strict=True
    ):
        for start, stop in zip(firsts.tolist(), ends.tolist(), strict=True):
            yield order[start:stop].tolist()
