"""Batches of similar length, and their saved states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from bad_input.cases import Cases, Row, given
from bad_input.lengths import (
    LENGTHS,
    SOME,
    bad_count,
    bad_flag,
    bad_lengths,
    hostile_counts,
)
from packtutor import BucketBatchSampler

MOST = 2**63 - 1


def sampler(**options: Any) -> BucketBatchSampler:
    usual: dict[str, Any] = {"max_cells": 8, "shuffle": False}
    return BucketBatchSampler([1, 4, 2, 4, 1, 2], **(usual | options))


def state(**parts: Any) -> dict[str, Any]:
    """Return a saved state of ``sampler()``, but for what is given."""
    return sampler().state_dict(1) | parts


def is_resumed(_: None) -> bool:
    again = sampler()
    again.load_state_dict(state())
    return list(again) == [[2, 5, 0, 4]]


def other_state(name: str, value: Any, shown: str, own: str) -> Row:
    return Row(
        f"state: {name} is {shown}",
        lambda: given(sampler(), state(**{name: value})),
        ValueError,
        f"state[{name!r}] is {shown}; it must be {own}, as in this sampler: "
        f"other batches come of it",
    )


def endless() -> Iterator[int]:
    """Break off with an error of its own, in a sampler's lengths."""
    yield 1
    raise OSError("the disk is gone")


TABLE = [
    Cases(
        "BucketBatchSampler",
        lambda: given([1, 4, 2, 4, 1, 2], max_cells=8, shuffle=False),
        lambda made: list(made) == [[1, 3], [2, 5, 0, 4]],
        [
            *bad_lengths(
                lambda lengths: given(lengths, max_cells=8),
                [kind for kind in LENGTHS if kind in SOME],
            ),
            Row(
                "lengths: the disk is gone",
                lambda: given(endless(), max_cells=8),
                OSError,
                "the disk is gone",
            ),
            Row(
                "lengths: none",
                lambda: given([], max_cells=8),
                ValueError,
                "lengths is empty; it must have at least one",
            ),
            Row(
                "lengths: a sum beyond int64",
                lambda: given([2**62, 2**62], max_cells=8),
                ValueError,
                f"lengths add up to {2**63}; they may only to {MOST}",
            ),
            *bad_count(
                lambda cells: given([3], max_cells=cells), "max_cells", 1
            ),
            *bad_count(
                lambda seed: given([3], max_cells=8, seed=seed), "seed", 0
            ),
            *bad_count(
                lambda number: given(
                    [3], max_cells=8, num_replicas=number, rank=0
                ),
                "num_replicas",
                1,
                10**6,
            ),
            *bad_count(
                lambda rank: given(
                    [3], max_cells=8, num_replicas=2, rank=rank
                ),
                "rank",
                0,
            ),
            Row(
                "rank: of no process",
                lambda: given([3], max_cells=8, num_replicas=2, rank=2),
                ValueError,
                "rank is 2; it must be below num_replicas, which is 2",
            ),
            Row(
                "rank: alone",
                lambda: given([3], max_cells=8, rank=0),
                ValueError,
                "num_replicas is None and rank is 0; both must be given, or "
                "none",
            ),
            *bad_flag(
                lambda flag: given([3], max_cells=8, shuffle=flag), "shuffle"
            ),
            *(
                Row(
                    f"{name}: {shown}",
                    lambda name=name, value=value: given(
                        [3], max_cells=8, **{name: value}
                    ),
                    ValueError,
                    f"{name} is {shown}; it must be {wanted}",
                )
                for name, wanted in (
                    ("measure", "'padded' or 'packed'"),
                    ("oversize", "'alone' or 'error'"),
                )
                for value, shown in (
                    ("cells", "'cells'"),
                    (None, "None"),
                    (["padded"], "['padded']"),
                )
            ),
            Row(
                "oversize: an error",
                lambda: given([3, 9], max_cells=8, oversize="error"),
                ValueError,
                "lengths[1] is 9; it must be at most max_cells, which is 8 "
                "(oversize='alone' gives it a batch of its own)",
            ),
        ],
    ),
    Cases(
        "BucketBatchSampler.set_epoch",
        lambda: given(sampler(), 1),
        lambda: None,
        [
            *bad_count(lambda epoch: given(sampler(), epoch), "epoch", 0),
            *hostile_counts(lambda epoch: given(sampler(), epoch), "epoch", 0),
        ],
    ),
    Cases(
        "BucketBatchSampler.state_dict",
        lambda: given(sampler(), 1),
        lambda: state(),  # noqa: PLW0108 (its parameters are none of these)
        bad_count(lambda done: given(sampler(), done), "batches_done", 0, 2),
    ),
    Cases(
        "BucketBatchSampler.load_state_dict",
        lambda: given(sampler(), state()),
        is_resumed,
        [
            *(
                Row(
                    f"state: {kind}",
                    lambda make=make: given(sampler(), make()),
                    TypeError,
                    f"state is of type {kind}; it must be a dictionary from "
                    f"state_dict",
                )
                for kind, make in {
                    "NoneType": lambda: None,
                    "list": lambda: list(state().items()),
                    "str": lambda: str(state()),
                }.items()
            ),
            Row(
                "state: empty",
                lambda: given(sampler(), {}),
                ValueError,
                "state has no 'epoch'; state_dict gives it",
            ),
            Row(
                "state: a part is missing",
                lambda: given(
                    sampler(),
                    {k: v for k, v in state().items() if k != "seed"},
                ),
                ValueError,
                "state has no 'seed'; state_dict gives it",
            ),
            other_state("seed", 7, "7", "0"),
            other_state("seed", False, "False", "0"),
            other_state("seed", torch.zeros(2), "tensor([0., 0.])", "0"),
            other_state("seed", np.zeros(2), "array([0., 0.])", "0"),
            other_state("max_cells", 9, "9", "8"),
            other_state("measure", "packed", "'packed'", "'padded'"),
            other_state("sequences", 7, "7", "6"),
            Row(
                "state: more batches than there are",
                lambda: given(sampler(), state(batches_done=3)),
                ValueError,
                "state['batches_done'] is 3; it must be at most 2",
            ),
            Row(
                "state: half an epoch",
                lambda: given(sampler(), state(epoch=0.5)),
                TypeError,
                "state['epoch'] is 0.5; it must be an integer of at least 0",
            ),
        ],
    ),
]
