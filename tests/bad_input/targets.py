"""Batches of samples with labels, and the tokens that come next."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bad_input.cases import Cases, Row, given, pattern
from bad_input.lengths import (
    broken_iterator,
)
from bad_input.packings import (
    MALFORMED,
    floats,
    ids,
    malformed,
    packed,
)
from bad_input.tensors import no_list, no_sequences
from packtutor import NextTokens, Ragged
from packtutor.batching import LabelledBatch


def labelled(*labels: Any) -> list[tuple[torch.Tensor, Any]]:
    return [(floats(2), label) for label in labels]


TABLE = [
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
                        ValueError,
                        pattern(
                            "labels[1] is 1000",
                            "...; a whole number beside others must be from "
                            "-2**53 to 2**53",
                        ),
                    ),
                    (
                        "numbers, one that float64 does not hold",
                        (2**53 + 1, 0.5),
                        ValueError,
                        (
                            "labels[0] is 9007199254740993; a whole number "
                            "beside others must be from -2**53 to 2**53"
                        ),
                    ),
                    (
                        "arrays of two dtypes",
                        (np.array([1, 2]), np.array([1.5, 2.5])),
                        TypeError,
                        (
                            "labels[1] is of type ndarray and dtype float64; "
                            "labels[0] is of type ndarray and dtype int64"
                        ),
                    ),
                    (
                        "numbers of two types in dictionaries",
                        ({"y": 16777217}, {"y": 2.5}),
                        TypeError,
                        (
                            "labels[1]['y'] is of type float; labels[0]['y'] "
                            "is of type int"
                        ),
                    ),
                    (
                        "a number after a truth value, in dictionaries",
                        ({"y": True}, {"y": 2}),
                        TypeError,
                        (
                            "labels[1]['y'] is of type int; labels[0]['y'] "
                            "is of type bool"
                        ),
                    ),
                    (
                        "tensors of two dtypes in dictionaries",
                        ({"y": ids(1)[0]}, {"y": floats(1)[0]}),
                        TypeError,
                        (
                            "labels[1]['y'] is of type Tensor and dtype "
                            "torch.float32; labels[0]['y'] is of type Tensor "
                            "and dtype torch.int64"
                        ),
                    ),
                    (
                        "numbers of two types in tuples",
                        (("a", 1), ("a", 2.5)),
                        TypeError,
                        (
                            "labels[1][1] is of type float; labels[0][1] is "
                            "of type int"
                        ),
                    ),
                    (
                        "a text and a number in lists",
                        (["a"], [1]),
                        TypeError,
                        (
                            "labels[1][0] is of type int; labels[0][0] is of "
                            "type str"
                        ),
                    ),
                    (
                        "keys more, of two types",
                        ({"y": 1}, {"y": 2, "z": 3, 2: 1}),
                        TypeError,
                        "labels[1] has 'z'; labels[0] lacks 'z'",
                    ),
                    (
                        "a key more, deep inside",
                        ([{"y": 1}], [{"y": 2, "z": 3}]),
                        TypeError,
                        "labels[1][0] has 'z'; labels[0][0] lacks 'z'",
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
                        "labels[1] has length 2; labels[0] has length 1",
                    ),
                    (
                        "dictionaries of unequal keys",
                        ({"a": 1}, {"b": 1}),
                        TypeError,
                        "labels[1] lacks 'a'; labels[0] has 'a'",
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
]
