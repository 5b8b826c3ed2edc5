"""A ``PackedSequence`` that is malformed, and the checks that find it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from bad_input.cases import Call, Cases, Row, given
from bad_input.hostile import quantized
from packtutor import Ragged

CPU = torch.device("cpu")


def ids(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def packed(
    data: Any = None,
    sizes: Any = None,
    to_sorted: Any = None,
    to_caller: Any = None,
) -> PackedSequence:
    """Return a batch of 3, 2 and 1 tokens, but for what is given.

    By ``tuple``: the constructor of PyTorch would raise on some of it.
    """
    fields = (
        torch.ones(6, 2) if data is None else data,
        ids(3, 2, 1) if sizes is None else sizes,
        to_sorted,
        to_caller,
    )
    return tuple.__new__(PackedSequence, fields)


def floats(*shape: int) -> Tensor:
    """Return different numbers of a shape."""
    count = torch.Size(shape).numel()
    return torch.arange(count, dtype=torch.float32).view(shape)


ORDER = ids(1, 0, 2)

# How it is made, what is raised, and what is said of ``{}``.
MALFORMED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "data is a list": (
        lambda: packed(data=[1.0] * 6),
        TypeError,
        "{}.data is of type list; it must be a torch.Tensor",
    ),
    "data has no dimension": (
        lambda: packed(data=torch.tensor(1.0)),
        ValueError,
        "{}.data has shape (); it must have at least 1 dimension",
    ),
    "data is sparse": (
        lambda: packed(data=torch.ones(6, 2).to_sparse()),
        TypeError,
        "{}.data has layout torch.sparse_coo; it must be a dense tensor",
    ),
    "data is quantized": (
        lambda: packed(data=quantized(torch.ones(6, 2), torch.qint8)),
        TypeError,
        (
            "{}.data has dtype torch.qint8, which is quantized; call "
            ".dequantize()"
        ),
    ),
    "data and sizes are swapped": (
        lambda: packed(data=ids(3, 2, 1), sizes=torch.ones(6, 2)),
        TypeError,
        "{}.batch_sizes has dtype torch.float32; it must be torch.int64",
    ),
    "sizes are a list": (
        lambda: packed(sizes=[3, 2, 1]),
        TypeError,
        "{}.batch_sizes is of type list; it must be a torch.Tensor",
    ),
    "sizes are int32": (
        lambda: packed(sizes=ids(3, 2, 1).int()),
        TypeError,
        "{}.batch_sizes has dtype torch.int32; it must be torch.int64",
    ),
    "sizes have two dimensions": (
        lambda: packed(sizes=ids(3, 2, 1)[None]),
        ValueError,
        "{}.batch_sizes has shape (1, 3); it must have one dimension",
    ),
    "sizes are elsewhere": (
        lambda: packed(sizes=ids(3, 2, 1).to("meta")),
        ValueError,
        "{}.batch_sizes is on device meta; it must be on the CPU",
    ),
    "no size": (
        lambda: packed(data=torch.ones(0, 2), sizes=ids()),
        ValueError,
        "{}.batch_sizes is empty; it must have at least one step",
    ),
    "a size of 0": (
        lambda: packed(sizes=ids(3, 3, 0)),
        ValueError,
        "{}.batch_sizes[2] is 0; it must be at least 1",
    ),
    "a negative size": (
        lambda: packed(sizes=ids(4, 3, -1)),
        ValueError,
        "{}.batch_sizes[2] is -1; it must be at least 1",
    ),
    "sizes that grow": (
        lambda: packed(sizes=ids(2, 4)),
        ValueError,
        "{}.batch_sizes[1] is 4 after 2; batch sizes cannot grow",
    ),
    "sizes of too few tokens": (
        lambda: packed(sizes=ids(3, 2)),
        ValueError,
        "{}.batch_sizes adds up to 5; {}.data has 6 rows",
    ),
    "sizes whose sum wraps around": (
        lambda: packed(sizes=ids(2**62, 2**62, 2**62, 2**62)),
        ValueError,
        f"{{}}.batch_sizes adds up to {2**64}; {{}}.data has 6 rows",
    ),
    "one of the indices": (
        lambda: packed(to_sorted=ORDER),
        ValueError,
        (
            "{}.unsorted_indices is None and its counterpart is not; give "
            "both or neither"
        ),
    ),
    "the other one": (
        lambda: packed(to_caller=ORDER),
        ValueError,
        (
            "{}.sorted_indices is None and its counterpart is not; give both "
            "or neither"
        ),
    ),
    "indices of a list": (
        lambda: packed(to_sorted=[1, 0, 2], to_caller=ORDER),
        TypeError,
        "{}.sorted_indices is of type list; it must be a torch.Tensor",
    ),
    "float indices": (
        lambda: packed(to_sorted=ORDER, to_caller=ORDER.float()),
        TypeError,
        "{}.unsorted_indices has dtype torch.float32; it must be torch.int64",
    ),
    "too few indices": (
        lambda: packed(to_sorted=ids(1, 0), to_caller=ORDER),
        ValueError,
        "{}.sorted_indices has 2 entries; {}.batch_sizes[0] is 3",
    ),
    "indices elsewhere": (
        lambda: packed(to_sorted=ORDER, to_caller=ORDER.to("meta")),
        ValueError,
        "{}.unsorted_indices is on device meta; {}.data is on cpu",
    ),
    "an index out of range": (
        lambda: packed(to_sorted=ids(1, 7, 2), to_caller=ORDER),
        ValueError,
        "{}.sorted_indices[1] is 7; it must be from 0 to 2",
    ),
    "a negative index": (
        lambda: packed(to_sorted=ORDER, to_caller=ids(1, 0, -1)),
        ValueError,
        "{}.unsorted_indices[2] is -1; it must be from 0 to 2",
    ),
    "no permutation": (
        lambda: packed(to_sorted=ids(0, 0, 1), to_caller=ORDER),
        ValueError,
        "{}.sorted_indices holds 0 more than once; it must be a permutation",
    ),
    "indices that do not undo each other": (
        lambda: packed(to_sorted=ids(1, 2, 0), to_caller=ids(1, 2, 0)),
        ValueError,
        (
            "{}.unsorted_indices is not the inverse of {}.sorted_indices: "
            "sequence 0 comes back as 2"
        ),
    ),
}
# Those that no later step would find by itself.
SILENT = (
    "a negative size",
    "sizes that grow",
    "sizes of too few tokens",
    "one of the indices",
    "an index out of range",
    "no permutation",
    "indices that do not undo each other",
)


def malformed(
    call: Callable[[Any], Call],
    name: str,
    kinds: tuple[str, ...] = SILENT,
) -> list[Row]:
    """Return rows in which ``call`` puts a malformed batch."""
    return [
        Row(
            f"{name}: {kind}",
            lambda make=MALFORMED[kind][0]: call(make()),
            MALFORMED[kind][1],
            MALFORMED[kind][2].replace("{}", name),
        )
        for kind in kinds
    ]


def without_values(call: Callable[[Any], Call], name: str) -> Row:
    order = ORDER.to("meta")
    return Row(
        f"{name}: on meta",
        lambda: call(
            packed(torch.ones(6, 2).to("meta"), None, order.clone(), order)
        ),
        ValueError,
        f"{name}.data is on device meta, which holds no values",
    )


def no_packed(call: Callable[[Any], Call]) -> list[Row]:
    wanted = "it must be a torch.nn.utils.rnn.PackedSequence"
    return [
        Row(
            f"packed: {kind}",
            lambda make=make: call(make()),
            TypeError,
            f"packed is of type {kind}; {wanted}",
        )
        for kind, make in {
            "NoneType": lambda: None,
            "Tensor": lambda: torch.ones(6, 2),
            "tuple": lambda: (torch.ones(6, 2), ids(3, 2, 1), None, None),
            "Ragged": lambda: Ragged(torch.ones(3), [3]),
        }.items()
    ]


TABLE = [
    Cases(
        "check_packed",
        lambda: given(packed(to_sorted=ORDER, to_caller=ORDER)),
        lambda: None,
        [
            *no_packed(given),
            *malformed(given, "packed", tuple(MALFORMED)),
            without_values(given, "packed"),
        ],
    ),
    Cases(
        "packed.order_from_packed",
        lambda: given(packed(to_sorted=ORDER, to_caller=ORDER)),
        lambda: ORDER,
        [*no_packed(given)[:1], *malformed(given, "packed")],
    ),
    Cases(
        "packed.check_fields",
        lambda: given(packed(to_sorted=ORDER, to_caller=ORDER), "x"),
        lambda: None,
        [
            *malformed(lambda batch: given(batch, "x"), "x", SILENT[:4]),
            *malformed(lambda batch: given(batch, "y"), "y", SILENT[:1]),
        ],
    ),
    Cases(
        "packed.check_order",
        lambda: given(ORDER.clone(), ORDER.clone(), "x"),
        lambda: ORDER,
        [
            Row(
                "no permutation",
                lambda: given(ids(0, 0, 2), ids(1, 0, 2), "x"),
                ValueError,
                "x.sorted_indices holds 0 more than once; it must be a "
                "permutation",
            ),
            Row(
                "the second out of range",
                lambda: given(ids(1, 0, 2), ids(1, 0, 3), "x"),
                ValueError,
                "x.unsorted_indices[2] is 3; it must be from 0 to 2",
            ),
            Row(
                "another name",
                lambda: given(ids(1, 0, 2), ids(0, 1, 2), "batch"),
                ValueError,
                "batch.unsorted_indices is not the inverse of "
                "batch.sorted_indices: sequence 0 comes back as 1",
            ),
        ],
    ),
    Cases(
        "packed.check_batch_sizes",
        lambda: given(ids(2, 1), 3, "x"),
        lambda: None,
        [
            Row(
                "too many rows",
                lambda: given(ids(2, 1), 4, "x"),
                ValueError,
                "x.batch_sizes adds up to 3; x.data has 4 rows",
            ),
            Row(
                "sizes that grow",
                lambda: given(ids(1, 2), 3, "batch"),
                ValueError,
                "batch.batch_sizes[1] is 2 after 1; batch sizes cannot grow",
            ),
        ],
    ),
    Cases(
        "packed.check_indices",
        lambda: given(ids(1, 0), "x", 2, CPU, "batch"),
        lambda: None,
        [
            Row(
                "too few",
                lambda: given(ids(1, 0), "x", 3, CPU, "y"),
                ValueError,
                "x has 2 entries; y.batch_sizes[0] is 3",
            ),
            Row(
                "on another device",
                lambda: given(
                    ids(1, 0), "y", 2, torch.device("meta"), "batch"
                ),
                ValueError,
                "y is on device cpu; batch.data is on meta",
            ),
            Row(
                "bool",
                lambda: given(ids(1, 0).bool(), "x", 2, CPU, "batch"),
                TypeError,
                "x has dtype torch.bool; it must be torch.int64",
            ),
        ],
    ),
    Cases(
        "packed.check_permutation",
        lambda: given(ids(1, 0), "x"),
        lambda: None,
        [
            Row(
                "twice",
                lambda: given(ids(1, 1), "y"),
                ValueError,
                "y holds 1 more than once; it must be a permutation",
            ),
            Row(
                "negative",
                lambda: given(ids(-1, 0), "x"),
                ValueError,
                "x[0] is -1; it must be from 0 to 1",
            ),
        ],
    ),
    Cases(
        "packed.check_inverse",
        lambda: given(ids(1, 2, 0), ids(2, 0, 1), "x"),
        lambda: None,
        [
            Row(
                "not the inverse",
                lambda: given(ids(1, 2, 0), ids(1, 2, 0), "y"),
                ValueError,
                "y.unsorted_indices is not the inverse of y.sorted_indices: "
                "sequence 0 comes back as 2",
            ),
            Row(
                "of another one",
                lambda: given(ids(0, 1, 2), ids(2, 0, 1), "x"),
                ValueError,
                "x.unsorted_indices is not the inverse of x.sorted_indices: "
                "sequence 0 comes back as 2",
            ),
        ],
    ),
]
