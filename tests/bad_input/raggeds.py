"""``Ragged``, and what makes one of it or of several."""

from __future__ import annotations

import torch

from bad_input.cases import Cases, Row, given, pattern
from bad_input.hostile import (
    MANY_DIGITS,
    RaisingIndex,
    RaisingRepr,
)
from bad_input.lengths import (
    LENGTHS,
    bad_lengths,
    broken_iterator,
)
from bad_input.packings import (
    floats,
    ids,
    packed,
)
from bad_input.tensors import (
    NOT_DENSE,
    no_list,
    no_sequences,
    padded,
    three,
)
from packtutor import Ragged

TABLE = [
    Cases(
        "Ragged",
        lambda: given(floats(6), [3, 2, 1]),
        three,
        [
            *(
                Row(
                    f"values: {wrong}",
                    lambda make=make: given(make(), [3, 2, 1]),
                    TypeError,
                    f"values {text}",
                )
                for wrong, (make, text) in NOT_DENSE.items()
            ),
            Row(
                "values: no dimension",
                lambda: given(torch.tensor(1.0), [1]),
                ValueError,
                "values has shape (); it must have at least 1 dimension",
            ),
            Row(
                "values: no rows",
                lambda: given(torch.ones(0, 2), [1]),
                ValueError,
                "lengths add up to 1; values has 0 rows",
            ),
            *bad_lengths(lambda lengths: given(floats(6), lengths), LENGTHS),
            broken_iterator(
                lambda lengths: given(floats(6), lengths), "lengths"
            ),
            Row(
                "lengths: too many tokens",
                lambda: given(floats(6), [3, 2, 2]),
                ValueError,
                "lengths add up to 7; values has 6 rows",
            ),
            Row(
                "lengths: a sum that wraps around",
                lambda: given(floats(6), [2**62, 2**62, 2**62, 2**62, 6]),
                ValueError,
                f"lengths add up to {2**64 + 6}; values has 6 rows",
            ),
        ],
    ),
    Cases(
        "Ragged.__getitem__",
        lambda: given(three(), -2),
        lambda: torch.tensor([3.0, 4.0]),
        [
            Row(
                f"index: {wrong}",
                lambda make=make: given(three(), make()),
                TypeError,
                f"index is {shown}; it must be an integer (index_select "
                f"takes several)",
            )
            for wrong, make, shown in (
                ("a slice", lambda: slice(0, 2), "slice(0, 2, None)"),
                ("several", lambda: [0, 1], "[0, 1]"),
                ("a mask", lambda: torch.tensor(True), "tensor(True)"),
                ("a fraction", lambda: 1.0, "1.0"),
                ("a truth value", lambda: False, "False"),
                ("raises", RaisingIndex, "RaisingIndex()"),
                ("no repr", RaisingRepr, "of type RaisingRepr"),
            )
        ]
        + [
            Row(
                f"index: {index}"[:20],
                lambda index=index: given(three(), index),
                IndexError,
                f"index is {shown}; the batch has 3 sequences",
            )
            for index, shown in (
                (3, "3"),
                (-4, "-4"),
                (2**63, str(2**63)),
            )
        ]
        + [
            Row(
                "index: 5,001 digits",
                lambda: given(three(), MANY_DIGITS),
                IndexError,
                "index is of type int; the batch has 3 sequences",
            )
        ],
    ),
    Cases(
        "Ragged.from_list",
        lambda: given([torch.tensor([1.0, 2.0]), torch.tensor([3.0])]),
        lambda: Ragged(torch.tensor([1.0, 2.0, 3.0]), [2, 1]),
        [
            *no_list("seqs", "tensors"),
            *no_sequences("seqs"),
            broken_iterator(given, "seqs"),
            Row(
                "no sequence",
                lambda: given([]),
                ValueError,
                "seqs is empty; it must have at least one sequence, which "
                "gives the batch its dtype and shape",
            ),
            Row(
                "a padded tensor",
                lambda: given(padded()),
                TypeError,
                "seqs is a tensor; it must be a list of tensors "
                "(Ragged.from_padded takes a padded tensor and lengths)",
            ),
            Row(
                "a packed batch of ids",
                lambda: given(
                    packed(
                        ids(4, 2, 6, 5, 3, 7),
                        None,
                        ids(1, 0, 2),
                        ids(1, 0, 2),
                    )
                ),
                TypeError,
                "seqs is a PackedSequence; it must be a list of tensors "
                "(Ragged.from_packed takes a PackedSequence)",
            ),
        ],
    ),
    Cases(
        "Ragged.apply",
        lambda: given(three(), torch.neg),
        lambda: Ragged(-floats(6), [3, 2, 1]),
        [
            Row(
                f"fn: {wrong}",
                lambda make=make: given(three(), make()),
                error,
                text,
            )
            for wrong, make, error, text in (
                (
                    "a text",
                    lambda: "neg",
                    TypeError,
                    "fn is 'neg'; it must be a function",
                ),
                (
                    "a tensor",
                    lambda: torch.ones(1),
                    TypeError,
                    "fn is tensor([1.]); it must be a function",
                ),
                (
                    "gives a list",
                    lambda: torch.Tensor.tolist,
                    TypeError,
                    (
                        "the result of fn is of type list; it must be a "
                        "torch.Tensor"
                    ),
                ),
                (
                    "gives a pair",
                    lambda: lambda values: (values, values),
                    TypeError,
                    (
                        "the result of fn is of type tuple; it must be a "
                        "torch.Tensor"
                    ),
                ),
                (
                    "adds up",
                    lambda: torch.sum,
                    ValueError,
                    (
                        "the result of fn has shape (); it must have at least "
                        "1 dimension"
                    ),
                ),
                (
                    "drops a token",
                    lambda: lambda values: values[1:],
                    ValueError,
                    "fn returned 5 rows for 6 tokens; it must keep each token",
                ),
                (
                    "raises",
                    lambda: lambda values: values[6],
                    IndexError,
                    pattern("index 6 is out of bounds for", "size 6"),
                ),
            )
        ],
    ),
    Cases(
        "Ragged.index_select",
        lambda: given(three(), [2, 0]),
        lambda: Ragged(torch.tensor([5.0, 0.0, 1.0, 2.0]), [1, 3]),
        [
            *bad_lengths(
                lambda rows: given(three(), rows),
                ("None", "a fraction", "a set", "a mask", "two dimensions"),
                "rows",
            ),
            Row(
                "rows: one too far",
                lambda: given(three(), [0, 3]),
                ValueError,
                "rows[1] is 3; the batch has 3 sequences, numbered from 0",
            ),
            Row(
                "rows: negative",
                lambda: given(three(), [-1]),
                ValueError,
                "rows[0] is -1; the batch has 3 sequences, numbered from 0",
            ),
        ],
    ),
    Cases(
        "Ragged.cat",
        lambda: given([Ragged(floats(2), [2]), Ragged(floats(1), [1])]),
        lambda: Ragged(torch.tensor([0.0, 1.0, 0.0]), [2, 1]),
        [
            *no_list("batches", "Ragged"),
            broken_iterator(given, "batches"),
            Row(
                "no batch",
                lambda: given([]),
                ValueError,
                "batches is empty; it must have at least one",
            ),
            Row(
                "a tensor among them",
                lambda: given([three(), floats(2)]),
                TypeError,
                "batches[1] is of type Tensor; it must be a Ragged",
            ),
            Row(
                "a batch alone",
                lambda: given(three()),
                TypeError,
                "batches[0] is of type Tensor; it must be a Ragged",
            ),
            Row(
                "two dtypes",
                lambda: given([three(), Ragged(ids(1), [1])]),
                TypeError,
                "batches[1] has dtype torch.int64; batches[0] has "
                "torch.float32",
            ),
            Row(
                "two shapes",
                lambda: given([three(), Ragged(floats(1, 2), [1])]),
                ValueError,
                "batches[1] has trailing shape (2,); batches[0] has ()",
            ),
        ],
    ),
    Cases(
        "Ragged.to",
        lambda: given(three(), torch.float64),
        lambda: Ragged(floats(6).double(), [3, 2, 1]),
        [
            # PyTorch's own texts: to() hands on what it takes.
            Row(
                "no name of a device",
                lambda: given(three(), "gpu"),
                RuntimeError,
                pattern("Expected one of cpu, cuda", "string: gpu"),
            ),
            Row(
                "no dtype",
                lambda: given(three(), dtype="float32"),
                TypeError,
                pattern(
                    "to() received an invalid combination", "dtype=str", ""
                ),
            ),
        ],
    ),
]
