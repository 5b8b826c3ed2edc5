"""The ways of ``Ragged`` from and to the other layouts."""

from __future__ import annotations

import torch

from bad_input.cases import Cases, Row, given, pattern
from bad_input.hostile import (
    MANY_DIGITS,
    RaisingIndex,
)
from bad_input.lengths import (
    bad_flag,
    bad_lengths,
    bad_side,
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
from bad_input.tensors import (
    NOT_DENSE,
    NOT_JAGGED,
    jagged,
    padded,
    three,
)
from packtutor import Ragged

MOST = 2**63 - 1


TABLE = [
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
                f"total_length is {2**62}; it must be at most {MOST // 12}",
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
]
