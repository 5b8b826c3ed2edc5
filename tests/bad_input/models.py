"""Batches for training: their makers, targets, pooling, and the check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from bad_input.cases import Cases, Row, given, pattern
from bad_input.lengths import (
    LENGTHS,
    SOME,
    bad_count,
    bad_flag,
    bad_lengths,
    broken_iterator,
    hostile_counts,
)
from bad_input.packings import (
    MALFORMED,
    floats,
    ids,
    malformed,
    packed,
)
from bad_input.raggeds import no_list, no_sequences, three
from packtutor import BucketBatchSampler, NextTokens, Ragged
from packtutor.batching import LabelledBatch

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


def labelled(*labels: Any) -> list[tuple[torch.Tensor, Any]]:
    return [(floats(2), label) for label in labels]


def last_states(*shape: int, **options: Any) -> torch.Tensor:
    return torch.ones(*shape, **options)


def outputs() -> Ragged:
    return Ragged(floats(4, 3), [3, 1])


def no_ragged(name: str = "batch") -> list[Row]:
    wanted = "(Ragged.from_packed and Ragged.from_padded make one)"
    return [
        Row(
            f"batch: {kind}",
            lambda make=make: given(make()),
            TypeError,
            f"{name} is of type {kind}; it must be a Ragged {wanted}",
        )
        for kind, make in {
            "Tensor": lambda: floats(2, 3),
            "PackedSequence": packed,
            "NoneType": lambda: None,
        }.items()
    ]


def no_floats() -> list[Row]:
    return [
        Row(
            f"batch: of {dtype}",
            lambda dtype=dtype: given(Ragged(torch.ones(2).to(dtype), [2])),
            TypeError,
            f"batch has values of dtype {dtype}; they must be floating: "
            f"embed the ids first",
        )
        for dtype in (torch.int64, torch.bool, torch.complex64)
    ]


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
    Cases(
        "collate",
        lambda: given([(ids(2, 3), 1), (ids(4), 0)]),
        lambda: LabelledBatch(Ragged(ids(2, 3, 4), [2, 1]), ids(1, 0)),
        [
            *no_list("samples", "tensors or pairs (tensor, label)"),
            broken_iterator(given, "samples"),
            *(
                row
                for row in no_sequences("samples")
                if row.wrong not in ("no tensors", "a number among them")
            ),
            Row(
                "a number among them",
                lambda: given([floats(2), 3]),
                TypeError,
                "samples[1] is of type int; it must be a tensor or a pair "
                "(tensor, label)",
            ),
            Row(
                "none",
                lambda: given([]),
                ValueError,
                "samples is empty; it must have at least one",
            ),
            Row(
                "a padded tensor",
                lambda: given(floats(2, 3)),
                TypeError,
                "samples is a Tensor; it must be a list of tensors or pairs "
                "(tensor, label)",
            ),
            Row(
                "a packed batch of ids",
                lambda: given(
                    packed(ids(4, 2, 6, 5, 3, 7), None, ids(1, 0, 2), ids(1))
                ),
                TypeError,
                "samples is a PackedSequence; it must be a list of tensors "
                "or pairs (tensor, label)",
            ),
            Row(
                "a pair among tensors",
                lambda: given([floats(2), (floats(2), 1)]),
                TypeError,
                "samples[1] is a pair; samples[0] is a tensor",
            ),
            Row(
                "a tensor among pairs",
                lambda: given([(floats(2), 1), floats(2)]),
                TypeError,
                "samples[1] is a tensor; samples[0] is a pair",
            ),
            Row(
                "pairs whose first is no tensor",
                lambda: given([([1, 2], 1)]),
                TypeError,
                "sequences[0] is of type list; it must be a torch.Tensor",
            ),
            *(
                Row(
                    f"labels: {wrong}",
                    lambda labels=labels: given(labelled(*labels)),
                    error,
                    text,
                )
                for wrong, labels, error, text in (
                    (
                        "a text after a number",
                        (1, "a"),
                        TypeError,
                        "labels[1] is of type str; labels[0] is of type int",
                    ),
                    (
                        "a missing one",
                        (1, None),
                        TypeError,
                        (
                            "labels[1] is of type NoneType; labels[0] is of "
                            "type int"
                        ),
                    ),
                    (
                        "numbers, one too large for a float",
                        (0.5, 10**400),
                        TypeError,
                        (
                            "labels are of type float, of which PyTorch makes "
                            "no batch: int too large to convert to float"
                        ),
                    ),
                    (
                        "a number after a truth value",
                        (True, 2),
                        TypeError,
                        "labels[1] is of type int; labels[0] is of type bool",
                    ),
                    (
                        "too large",
                        (10**30,),
                        TypeError,
                        pattern(
                            "labels are of type int, of which PyTorch makes "
                            "no batch: ",
                            "verflow",
                            "",
                        ),
                    ),
                    (
                        "lists of unequal length",
                        ([1], [1, 2]),
                        TypeError,
                        pattern(
                            "labels are of type list, of which PyTorch makes "
                            "no batch: ",
                            "equal size",
                        ),
                    ),
                    (
                        "dictionaries of unequal keys",
                        ({"a": 1}, {"b": 1}),
                        TypeError,
                        pattern(
                            "labels are of type dict, of which PyTorch makes "
                            "no batch: ",
                            "a",
                            "",
                        ),
                    ),
                    (
                        "sets",
                        ({1}, {2}),
                        TypeError,
                        pattern(
                            "labels are of type set, of which PyTorch makes "
                            "no batch: ",
                            "class 'set'",
                            "",
                        ),
                    ),
                    (
                        "tensors and numbers",
                        (ids(1), 2),
                        TypeError,
                        "labels[1] is of type int; it must be a torch.Tensor",
                    ),
                    (
                        "tensors of two dtypes",
                        (ids(1), floats(1)),
                        TypeError,
                        (
                            "labels[1] has dtype torch.float32; labels[0] has "
                            "torch.int64"
                        ),
                    ),
                    (
                        "a label for each token",
                        (ids(1, 2), ids(1)),
                        ValueError,
                        (
                            "labels[1] has shape (1,); labels[0] has (2,) (a "
                            "label for each token is a sequence: collate the "
                            "labels alone)"
                        ),
                    ),
                )
            ),
        ],
    ),
    Cases(
        "next_tokens",
        lambda: given(Ragged(ids(2, 3, 4, 5), [3, 1])),
        lambda: NextTokens(
            Ragged(ids(2, 3), [2, 0]), Ragged(ids(3, 4), [2, 0])
        ),
        [
            *(
                Row(
                    f"batch: {kind}",
                    lambda make=make: given(make()),
                    TypeError,
                    f"batch is of type {kind}; it must be a PackedSequence "
                    f"or a Ragged",
                )
                for kind, make in {
                    "Tensor": lambda: ids(2, 3),
                    "list": lambda: [ids(2, 3)],
                    "tuple": lambda: (ids(2, 3), [2]),
                }.items()
            ),
            *malformed(given, "batch", tuple(MALFORMED)),
            Row(
                "batch: a sequence of one token",
                lambda: given(packed(None, None, ids(2, 0, 1), ids(1, 2, 0))),
                ValueError,
                "sequence 1 has one token, so no next one, and a "
                "PackedSequence cannot hold the empty sequence that is left; "
                "put a start token in front of each sequence, or give a "
                "Ragged",
            ),
        ],
    ),
    Cases(
        "pooling.last",
        lambda: given(outputs(), last_states(1, 2, 3)),
        lambda: torch.ones(2, 3),
        [
            Row(
                "batch: padded",
                lambda: given(floats(2, 3, 3), last_states(1, 2, 3)),
                TypeError,
                "batch is of type Tensor; it must be a Ragged "
                "(Ragged.from_packed and Ragged.from_padded make one)",
            ),
            *(
                Row(
                    f"h_n: {wrong}",
                    lambda make=make: given(outputs(), make()),
                    error,
                    text,
                )
                for wrong, make, error, text in (
                    (
                        "with c_n",
                        lambda: (last_states(1, 2, 3),) * 2,
                        TypeError,
                        (
                            "h_n is a tuple; it must be a tensor: of an "
                            "LSTM's (h_n, c_n) the first"
                        ),
                    ),
                    (
                        "None",
                        lambda: None,
                        TypeError,
                        "h_n is of type NoneType; it must be a torch.Tensor",
                    ),
                    (
                        "of integers",
                        lambda: last_states(1, 2, 3).long(),
                        TypeError,
                        "h_n has dtype torch.int64; final states are floating",
                    ),
                    (
                        "of one sequence",
                        lambda: last_states(1, 3),
                        ValueError,
                        (
                            "h_n has shape (1, 3); it must be (layers x "
                            "directions, B, H), none of them 0"
                        ),
                    ),
                    (
                        "of no layer",
                        lambda: last_states(0, 2, 3),
                        ValueError,
                        (
                            "h_n has shape (0, 2, 3); it must be (layers x "
                            "directions, B, H), none of them 0"
                        ),
                    ),
                    (
                        "of other sequences",
                        lambda: last_states(1, 4, 3),
                        ValueError,
                        (
                            "h_n has shape (1, 4, 3), with B = 4; the batch "
                            "has 2 sequences"
                        ),
                    ),
                    (
                        "of another size",
                        lambda: last_states(1, 2, 5),
                        ValueError,
                        (
                            "batch has values of shape (4, 3); they must be "
                            "the network's output, (N, 5) of one direction or "
                            "(N, 10) of two, for h_n has H = 5"
                        ),
                    ),
                    (
                        "sparse",
                        lambda: last_states(1, 2, 3).to_sparse(),
                        TypeError,
                        (
                            "h_n has layout torch.sparse_coo; it must be a "
                            "dense tensor"
                        ),
                    ),
                )
            ),
            Row(
                "h_n: an odd number",
                lambda: given(Ragged(floats(4, 6), [3, 1]), floats(3, 2, 3)),
                ValueError,
                "h_n has shape (3, 2, 3), an odd number of states; batch has "
                "6 features, those of two directions",
            ),
        ],
    ),
    Cases(
        "pooling.mean",
        lambda: given(Ragged(floats(4), [3, 0, 1])),
        lambda: torch.tensor([1.0, 0.0, 3.0]),
        [*no_ragged(), *no_floats()],
    ),
    Cases(
        "pooling.max",
        lambda: given(Ragged(-floats(4), [3, 0, 1])),
        lambda: torch.tensor([-0.0, 0.0, -3.0]),
        [*no_ragged(), *no_floats()],
    ),
    Cases(
        "check_model",
        lambda: given(lambda ragged: ragged, three()),
        lambda found: found == [],
        [
            *(
                Row(
                    f"fn: {wrong}",
                    lambda make=make: given(make(), three()),
                    error,
                    text,
                )
                for wrong, make, error, text in (
                    (
                        "None",
                        lambda: None,
                        TypeError,
                        (
                            "fn is of type NoneType; it must be a function or "
                            "a module"
                        ),
                    ),
                    (
                        "weights",
                        lambda: nn.Linear(2, 3).state_dict(),
                        TypeError,
                        (
                            "fn is of type OrderedDict; it must be a function "
                            "or a module"
                        ),
                    ),
                    (
                        "gives nothing",
                        lambda: lambda _: None,
                        TypeError,
                        (
                            "fn returned a NoneType; it must return one "
                            "tensor whose first axis is the batch, a Ragged "
                            "or a PackedSequence: wrap the model, for example "
                            "in lambda batch: model(batch)[1][0][-1]"
                        ),
                    ),
                    (
                        "gives one number",
                        lambda: lambda ragged: ragged.values.sum(),
                        ValueError,
                        (
                            "fn returned a tensor of shape () for 3 "
                            "sequences; its first axis must be the batch"
                        ),
                    ),
                    (
                        "gives other lengths",
                        lambda: lambda ragged: ragged.index_select([0]),
                        ValueError,
                        (
                            "fn returned a batch with other lengths than it "
                            "was given"
                        ),
                    ),
                    (
                        "raises",
                        lambda: lambda ragged: ragged[3],
                        IndexError,
                        "index is 3; the batch has 3 sequences",
                    ),
                )
            ),
            *(
                Row(
                    f"batch: {wrong}",
                    lambda make=make: given(lambda *parts: parts[0], make()),
                    error,
                    text,
                )
                for wrong, make, error, text in (
                    (
                        "a padded tensor alone",
                        lambda: floats(2, 3),
                        TypeError,
                        (
                            "batch is of type Tensor; it must be a Ragged, a "
                            "PackedSequence, or a tuple (padded, lengths) or "
                            "(padded, mask)"
                        ),
                    ),
                    (
                        "three parts",
                        lambda: (floats(2, 3), [3, 1], None),
                        TypeError,
                        (
                            "batch is of type tuple; it must be a Ragged, a "
                            "PackedSequence, or a tuple (padded, lengths) or "
                            "(padded, mask)"
                        ),
                    ),
                    (
                        "no sequence",
                        lambda: Ragged(floats(0), []),
                        ValueError,
                        "batch has no sequence; it must have at least one",
                    ),
                    (
                        "no values",
                        lambda: Ragged(floats(3).to("meta"), [2, 1]),
                        ValueError,
                        "batch is on device meta, which holds no values",
                    ),
                    (
                        "a length too long",
                        lambda: (floats(2, 3), [4, 1]),
                        ValueError,
                        "lengths[0] is 4; padded has only 3 steps",
                    ),
                    (
                        "a mask of ones and zeros",
                        lambda: (floats(2, 3), torch.ones(2, 3)),
                        TypeError,
                        (
                            "batch[1] has shape (2, 3) and dtype "
                            "torch.float32; a mask must be of bool: call "
                            ".bool(), and give fn what it takes"
                        ),
                    ),
                    (
                        "a mask too narrow",
                        lambda: (floats(2, 3), torch.ones(2, 2).bool()),
                        ValueError,
                        (
                            "batch[1] has shape (2, 2); a mask of batch[0] "
                            "must have (2, 3)"
                        ),
                    ),
                    (
                        "a mask of pads on the left",
                        lambda: (
                            floats(1, 2),
                            torch.tensor([[False, True]]),
                        ),
                        ValueError,
                        (
                            "mask[0] has a real token after a pad; the real "
                            "tokens must come first"
                        ),
                    ),
                )
            ),
            *malformed(
                lambda made: given(lambda batch: batch, made), "packed"
            ),
        ],
    ),
]
