"""Tensors of a kind or form that no batch has."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from bad_input.cases import Row, given
from bad_input.hostile import (
    quantized,
)
from bad_input.packings import (
    floats,
    ids,
)
from packtutor import Ragged


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
