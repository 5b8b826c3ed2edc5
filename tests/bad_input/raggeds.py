"""``Ragged`` and its ways from and to the other layouts."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from bad_input.cases import Cases, Row, given, pattern
from bad_input.hostile import (
    MANY_DIGITS,
    RaisingIndex,
    RaisingRepr,
    quantized,
)
from bad_input.lengths import (
    LENGTHS,
    bad_flag,
    bad_lengths,
    bad_side,
    broken_iterator,
)
from bad_input.packings import (
    MALFORMED,
    floats,
    ids,
    malformed,
    no_packed,
    packed,
    without_values,
)
from packtutor import Ragged

MOST = 2**63 - 1


def three() -> Ragged:
    """Return sequences of 3, 2 and 1 tokens."""
    return Ragged(floats(6), [3, 2, 1])


def jagged(offsets: Tensor, values: Tensor | None = None) -> Tensor:
    """Return a nested tensor whose parts need not fit together."""
    values = floats(6, 2) if values is None else values
    nested: Tensor = torch.nested.nested_tensor_from_jagged(values, offsets)
    return nested


def nested(layout: torch.layout) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older layout is a prototype
        made: Tensor = torch.nested.nested_tensor(
            [floats(3, 2), floats(1, 2)], layout=layout
        )
    return made


# Tensors of a kind or a form that no batch has.
NOT_DENSE: dict[str, Any] = {
    "sparse": (
        lambda: torch.ones(6, 2).to_sparse(),
        "has layout torch.sparse_coo; it must be a dense tensor",
    ),
    "of oneDNN": (
        lambda: torch.ones(6, 2).to_mkldnn(),
        "has layout torch._mkldnn; it must be a dense tensor",
    ),
    "quantized": (
        lambda: quantized(torch.ones(6, 2), torch.quint8),
        "has dtype torch.quint8, which is quantized; call .dequantize()",
    ),
    "jagged": (
        lambda: nested(torch.jagged),
        "has layout torch.jagged and is nested; it must be a dense tensor",
    ),
    "nested": (
        lambda: nested(torch.strided),
        "has layout torch.strided and is nested; it must be a dense tensor",
    ),
    "a list": (
        lambda: [1.0] * 6,
        "is of type list; it must be a torch.Tensor",
    ),
    "an array": (
        lambda: torch.ones(6).numpy(),
        "is of type ndarray; it must be a torch.Tensor",
    ),
}

# What no nested tensor of sequences is, and what is said of ``{}``.
NOT_JAGGED: dict[str, Any] = {
    "a tensor": (
        lambda: floats(2, 3),
        TypeError,
        (
            "{} is of type Tensor; it must be a nested tensor with "
            "layout=torch.jagged"
        ),
    ),
    "a list": (
        lambda: [floats(3), floats(1)],
        TypeError,
        (
            "{} is of type list; it must be a nested tensor with "
            "layout=torch.jagged"
        ),
    ),
    "the older layout": (
        lambda: nested(torch.strided),
        TypeError,
        "{} has layout torch.strided; it must have layout=torch.jagged",
    ),
    "ragged elsewhere": (
        lambda: nested(torch.jagged).transpose(1, 2),
        ValueError,
        "{} is not ragged in dimension 1; it must be (B, L_i, *)",
    ),
    "holes": (
        lambda: torch.nested.nested_tensor_from_jagged(
            floats(6, 2), ids(0, 4, 6), ids(2, 2)
        ),
        ValueError,
        "{} has holes between its sequences; call .contiguous() to close them",
    ),
    "negative lengths": (
        lambda: torch.nested.nested_tensor_from_jagged(
            floats(6, 2), ids(0, 4, 6), ids(-4, 2)
        ),
        ValueError,
        "{} has holes between its sequences; call .contiguous() to close them",
    ),
    "float offsets": (
        lambda: jagged(ids(0, 4, 6).float()),
        ValueError,
        (
            "{} has offsets of dtype torch.float32 and shape (3,); it must "
            "have B + 1 integers"
        ),
    ),
    "complex offsets": (
        lambda: jagged(ids(0, 4, 6).to(torch.complex64)),
        ValueError,
        (
            "{} has offsets of dtype torch.complex64 and shape (3,); it must "
            "have B + 1 integers"
        ),
    ),
    "no offset": (
        lambda: jagged(ids()),
        ValueError,
        (
            "{} has offsets of dtype torch.int64 and shape (0,); it must have "
            "B + 1 integers"
        ),
    ),
    "offsets beyond the values": (
        lambda: jagged(ids(0, 4, 9)),
        ValueError,
        (
            "{} has offsets from 0 to 9; its values have 6 rows, and all must "
            "belong to a sequence"
        ),
    ),
    "a negative offset": (
        lambda: jagged(ids(-1, 4, 6)),
        ValueError,
        (
            "{} has offsets from -1 to 6; its values have 6 rows, and all "
            "must belong to a sequence"
        ),
    ),
    "falling offsets": (
        lambda: jagged(ids(0, 5, 4, 6)),
        ValueError,
        "{} has offsets 5 and then 4; offsets cannot fall",
    ),
    "no values": (
        lambda: jagged(ids(0, 6).to("meta"), floats(6, 2).to("meta")),
        ValueError,
        "{} is on device meta, which holds no values",
    ),
}


def no_sequences(name: str) -> list[Row]:
    """Return what is no list of tensors that fit together."""
    return [
        Row(wrong, lambda make=make: given(make()), error, text)
        for wrong, make, error, text in (
            (
                "no tensors",
                lambda: [[1, 2], [3]],
                TypeError,
                f"{name}[0] is of type list; it must be a torch.Tensor",
            ),
            (
                "a number among them",
                lambda: [floats(2), 3],
                TypeError,
                f"{name}[1] is of type int; it must be a torch.Tensor",
            ),
            (
                "no dimension",
                lambda: [floats(2), torch.tensor(1.0)],
                ValueError,
                f"{name}[1] has shape (); it must have at least 1 dimension",
            ),
            (
                "two dtypes",
                lambda: [floats(2), ids(1, 2)],
                TypeError,
                (
                    f"{name}[1] has dtype torch.int64; {name}[0] has "
                    f"torch.float32"
                ),
            ),
            (
                "two devices",
                lambda: [floats(2), floats(2).to("meta")],
                ValueError,
                f"{name}[1] is on device meta; {name}[0] is on cpu",
            ),
            (
                "two sizes of features",
                lambda: [floats(2, 3), floats(2, 4)],
                ValueError,
                f"{name}[1] has trailing shape (4,); {name}[0] has (3,)",
            ),
            (
                "an empty one of another shape",
                lambda: [floats(2, 3), floats(0)],
                ValueError,
                f"{name}[1] has trailing shape (); {name}[0] has (3,)",
            ),
            (
                "a sparse one",
                lambda: [floats(2), floats(2).to_sparse()],
                TypeError,
                (
                    f"{name}[1] has layout torch.sparse_coo; it must be a "
                    f"dense tensor"
                ),
            ),
            (
                "a quantized one",
                lambda: [quantized(floats(2), torch.qint8)],
                TypeError,
                (
                    f"{name}[0] has dtype torch.qint8, which is quantized; "
                    f"call .dequantize()"
                ),
            ),
        )
    ]


def no_list(name: str, kind: str) -> list[Row]:
    return [
        Row(
            f"{shown} for a list",
            lambda value=value: given(value),
            TypeError,
            f"{name} is {shown}; it must be a list of {kind}",
        )
        for value, shown in (
            (None, "None"),
            (5, "5"),
            ("ab", "'ab'"),
            ({1}, "{1}"),
            ({"a": 1}, "{'a': 1}"),
        )
    ]


def padded() -> Tensor:
    return floats(3, 3)


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
        "Ragged.from_padded",
        lambda: given(padded(), [3, 1, 0], batch_first=True),
        lambda: Ragged(torch.tensor([0.0, 1.0, 2.0, 3.0]), [3, 1, 0]),
        [
            *(
                Row(
                    f"padded: {wrong}",
                    lambda make=make: given(make(), [3, 1, 0]),
                    TypeError,
                    f"padded {text}",
                )
                for wrong, (make, text) in NOT_DENSE.items()
            ),
            Row(
                "padded: one dimension",
                lambda: given(floats(3), [3]),
                ValueError,
                "padded has shape (3,); it must have at least 2 dimensions",
            ),
            *bad_lengths(lambda lengths: given(padded(), lengths)),
            Row(
                "lengths: too long",
                lambda: given(padded(), [3, 4, 0]),
                ValueError,
                "lengths[1] is 4; padded has only 3 steps",
            ),
            Row(
                "lengths: too few",
                lambda: given(padded(), [3, 1]),
                ValueError,
                "lengths has 2 entries; padded (3, 3) read as (B, T, *) has "
                "3 sequences",
            ),
            Row(
                "batch_first: the other layout",
                lambda: given(floats(3, 2), [3, 1, 0], batch_first=False),
                ValueError,
                "lengths has 3 entries; padded (3, 2) read as (T, B, *) has "
                "2 sequences",
            ),
            *bad_flag(
                lambda flag: given(padded(), [3, 1, 0], batch_first=flag),
                "batch_first",
            ),
            *bad_side(
                lambda side: given(padded(), [3, 1, 0], padding_side=side)
            ),
        ],
    ),
    Cases(
        "Ragged.to_padded",
        lambda: given(three(), padding_value=-1.0, total_length=3),
        lambda: torch.tensor(
            [[0.0, 1.0, 2.0], [3.0, 4.0, -1.0], [5.0, -1.0, -1.0]]
        ),
        [
            *bad_flag(
                lambda flag: given(three(), batch_first=flag), "batch_first"
            ),
            *bad_side(lambda side: given(three(), padding_side=side)),
            *(
                Row(
                    f"padding_value: {wrong}",
                    lambda batch=batch, make=make: given(
                        batch(), padding_value=make()
                    ),
                    error,
                    f"padding_value is {shown}; {text}",
                )
                for wrong, batch, make, error, shown, text in (
                    (
                        "a text",
                        three,
                        lambda: "0",
                        TypeError,
                        "'0'",
                        "it must be a number",
                    ),
                    (
                        "None",
                        three,
                        lambda: None,
                        TypeError,
                        "None",
                        "it must be a number",
                    ),
                    (
                        "several",
                        three,
                        lambda: [0],
                        TypeError,
                        "[0]",
                        "it must be a number",
                    ),
                    (
                        "raises",
                        three,
                        RaisingIndex,
                        TypeError,
                        "RaisingIndex()",
                        "it must be a number",
                    ),
                    (
                        "complex",
                        three,
                        lambda: 1j,
                        ValueError,
                        "1j",
                        "a tensor of dtype torch.float32 cannot hold it",
                    ),
                    (
                        "too large",
                        three,
                        lambda: 1e39,
                        ValueError,
                        "1e+39",
                        "a tensor of dtype torch.float32 cannot hold it",
                    ),
                    (
                        "5,001 digits",
                        three,
                        lambda: MANY_DIGITS,
                        ValueError,
                        "of type int",
                        "a tensor of dtype torch.float32 cannot hold it",
                    ),
                    (
                        "a fraction for ids",
                        lambda: Ragged(ids(1, 2), [1, 1]),
                        lambda: 0.5,
                        ValueError,
                        "0.5",
                        "a tensor of dtype torch.int64 cannot hold it",
                    ),
                    (
                        "NaN for ids",
                        lambda: Ragged(ids(1, 2), [1, 1]),
                        lambda: float("nan"),
                        ValueError,
                        "nan",
                        "a tensor of dtype torch.int64 cannot hold it",
                    ),
                    (
                        "2 for a mask",
                        lambda: Ragged(ids(1, 0).bool(), [1, 1]),
                        lambda: 2,
                        ValueError,
                        "2",
                        "a tensor of dtype torch.bool cannot hold it",
                    ),
                )
            ),
            Row(
                "total_length: too short",
                lambda: given(three(), total_length=2),
                ValueError,
                "total_length is 2; it must be at least 3, the longest length",
            ),
            Row(
                "total_length: negative",
                lambda: given(three(), total_length=-1),
                ValueError,
                "total_length is -1; it must be at least 0",
            ),
            Row(
                "total_length: more cells than can be counted",
                lambda: given(three(), total_length=2**62),
                ValueError,
                f"total_length is {2**62}; it must be at most {MOST // 3}",
            ),
            Row(
                "total_length: more than any memory",
                lambda: given(three(), total_length=10**15),
                RuntimeError,
                pattern("", "you tried to allocate 12000000000000000 byt", ""),
            ),
            Row(
                "total_length: a fraction",
                lambda: given(three(), total_length=4.0),
                TypeError,
                "total_length is 4.0; it must be an integer of at least 0",
            ),
        ],
    ),
    Cases(
        "Ragged.from_packed",
        lambda: given(packed(floats(6), None, ids(1, 0, 2), ids(1, 0, 2))),
        lambda: Ragged(
            torch.tensor([1.0, 4.0, 0.0, 3.0, 5.0, 2.0]), [2, 3, 1]
        ),
        [
            *no_packed(given),
            *malformed(given, "packed", tuple(MALFORMED)),
            without_values(given, "packed"),
        ],
    ),
    Cases(
        "Ragged.to_packed",
        lambda: given(Ragged(floats(3), [1, 2])),
        lambda: torch.nn.utils.rnn.pack_sequence(
            [floats(3)[:1], floats(3)[1:]], enforce_sorted=False
        ),
        [
            Row(
                "an empty sequence",
                lambda: given(Ragged(floats(2), [1, 0, 1])),
                ValueError,
                "lengths[1] is 0; a PackedSequence cannot hold an empty "
                "sequence",
            ),
            Row(
                "no sequence",
                lambda: given(Ragged(floats(0), [])),
                ValueError,
                "the batch has no sequence; a PackedSequence needs one",
            ),
        ],
    ),
    Cases(
        "Ragged.from_nested",
        lambda: given(jagged(ids(0, 2, 6))),
        lambda: Ragged(floats(6, 2), [2, 4]),
        [
            Row(
                f"nested: {wrong}",
                lambda make=make: given(make()),
                error,
                text.format("nested"),
            )
            for wrong, (make, error, text) in NOT_JAGGED.items()
        ],
    ),
    Cases(
        "Ragged.to_nested",
        lambda: given(three()),
        lambda made: made.offsets().tolist() == [0, 3, 5, 6],
        [
            Row(
                "no sequence",
                lambda: given(Ragged(floats(0), [])),
                ValueError,
                "the batch has no sequence; a nested tensor needs one",
            )
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
