"""What lengths, counts and flags can be that they must not be.

Each function that takes lengths goes through the same checks, so each gets
some of the same rows; those of ``padding_fraction`` are all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from bad_input.cases import Call, Row
from bad_input.hostile import (
    MANY_DIGITS,
    DeepList,
    HugeLength,
    LyingIndex,
    RaisingIndex,
    RaisingIterator,
    RaisingLength,
    RaisingRepr,
    RaisingTruth,
    quantized,
)

MOST = 2**63 - 1
_Wrong = tuple[Callable[[], Any], type[Exception], str]

_A_LIST = "; it must be a tensor, an array or a list of integers"
_INTEGERS = "; its elements must be integers"


LENGTHS: dict[str, _Wrong] = {
    "None": (lambda: None, TypeError, f"{{}} is None{_A_LIST}"),
    "a number": (lambda: 3, TypeError, f"{{}} is 3{_A_LIST}"),
    "a text": (lambda: "321", TypeError, f"{{}} is '321'{_A_LIST}"),
    "bytes": (lambda: b"321", TypeError, f"{{}} is b'321'{_A_LIST}"),
    "a set": (lambda: {3}, TypeError, f"{{}} is {{{{3}}}}{_A_LIST}"),
    "a dictionary": (
        lambda: {3: 1, 2: 1},
        TypeError,
        f"{{}} is {{{{3: 1, 2: 1}}}}{_A_LIST}",
    ),
    "counts of lengths": (
        lambda: Counter([3, 3]),
        TypeError,
        f"{{}} is Counter({{{{3: 2}}}}){_A_LIST}",
    ),
    "no repr": (
        RaisingRepr,
        TypeError,
        f"{{}} is of type RaisingRepr{_A_LIST}",
    ),
    "a negative one": (
        lambda: [3, -2, 1],
        ValueError,
        "{}[1] is -2; a length cannot be negative",
    ),
    "a fraction": (lambda: [3, 2.0], TypeError, f"{{}}[1] is 2.0{_INTEGERS}"),
    "NaN": (
        lambda: [float("nan")],
        TypeError,
        f"{{}}[0] is nan{_INTEGERS}",
    ),
    "infinity": (
        lambda: [3, float("inf")],
        TypeError,
        f"{{}}[1] is inf{_INTEGERS}",
    ),
    "a truth value": (
        lambda: [True],
        TypeError,
        f"{{}}[0] is True{_INTEGERS}",
    ),
    "NumPy's truth value": (
        lambda: [np.True_],
        TypeError,
        f"{{}}[0] is np.True_{_INTEGERS}",
    ),
    "a list in it": (lambda: [[3]], TypeError, f"{{}}[0] is [3]{_INTEGERS}"),
    "an empty place": (
        lambda: [3, None],
        TypeError,
        f"{{}}[1] is None{_INTEGERS}",
    ),
    "lists too deep": (
        lambda: [DeepList()],
        TypeError,
        f"{{}}[0] is of type DeepList{_INTEGERS}",
    ),
    "an index that raises": (
        lambda: [RaisingIndex()],
        TypeError,
        f"{{}}[0] is RaisingIndex(){_INTEGERS}",
    ),
    "an index that lies": (
        lambda: [LyingIndex()],
        TypeError,
        f"{{}}[0] is LyingIndex(){_INTEGERS}",
    ),
    "a tensor without a value": (
        lambda: [torch.tensor(3, device="meta")],
        TypeError,
        "{}[0] is tensor(..., device='meta', size=(), dtype=torch.int64)"
        + _INTEGERS,
    ),
    "2**63": (
        lambda: [2**63],
        ValueError,
        f"{{}}[0] is {2**63}; its size must be at most {MOST}",
    ),
    "5,001 digits": (
        lambda: [MANY_DIGITS],
        ValueError,
        f"{{}}[0] is of type int; its size must be at most {MOST}",
    ),
    "a length that lies": (
        lambda: HugeLength(3, "2"),
        TypeError,
        f"{{}}[1] is '2'{_INTEGERS}",
    ),
    "a length that raises": (
        lambda: RaisingLength([3, "2"]),
        TypeError,
        f"{{}}[1] is '2'{_INTEGERS}",
    ),
    "a generator of texts": (
        lambda: (text for text in "321"),
        TypeError,
        f"{{}}[0] is '3'{_INTEGERS}",
    ),
    "a float array": (
        lambda: np.array([3.0]),
        TypeError,
        f"{{}} has dtype float64{_INTEGERS}",
    ),
    "an array of objects": (
        lambda: np.array([3, None]),
        TypeError,
        f"{{}} has dtype object{_INTEGERS}",
    ),
    "two dimensions": (
        lambda: torch.ones(2, 3, dtype=torch.int64),
        ValueError,
        "{} has shape (2, 3); it must have one dimension",
    ),
    "no dimension": (
        lambda: torch.tensor(3),
        ValueError,
        "{} has shape (); it must have one dimension",
    ),
    "a float tensor": (
        lambda: torch.tensor([3.0, 2.0]),
        TypeError,
        f"{{}} has dtype torch.float32{_INTEGERS}",
    ),
    "a mask": (
        lambda: torch.tensor([True, False]),
        TypeError,
        f"{{}} has dtype torch.bool{_INTEGERS}",
    ),
    "a quantized tensor": (
        lambda: quantized(torch.ones(3), torch.qint32),
        TypeError,
        "{} has dtype torch.qint32, which is quantized; call .dequantize()",
    ),
    "less than a byte": (
        lambda: torch.empty(3, dtype=torch.uint4),
        TypeError,
        f"{{}} has dtype torch.uint4{_INTEGERS}",
    ),
    "on another device": (
        lambda: torch.tensor([3, 2, 1], device="meta"),
        ValueError,
        (
            "{} is on device meta; it must be on the CPU: call .cpu() once, "
            "where you can afford to wait for the device"
        ),
    ),
    "sparse": (
        lambda: torch.tensor([3, 0, 1]).to_sparse(),
        TypeError,
        "{} has layout torch.sparse_coo; it must be a dense tensor",
    ),
    "nested": (
        lambda: torch.nested.nested_tensor(
            [torch.tensor([3])], layout=torch.jagged
        ),
        TypeError,
        "{} has layout torch.jagged and is nested; it must be a dense tensor",
    ),
}
# A few for those that are not the first to be tried.
SOME = (
    "None",
    "counts of lengths",
    "a negative one",
    "a fraction",
    "a truth value",
    "5,001 digits",
    "two dimensions",
    "on another device",
)
FEW = ("a negative one", "NaN", "2**63")


def bad_lengths(
    call: Callable[[Any], Call],
    kinds: Iterable[str] = SOME,
    name: str = "lengths",
) -> list[Row]:
    """Return rows in which ``call`` puts bad lengths among good arguments."""
    return [_row(f"{name}: {kind}", call, kind, name) for kind in kinds]


def _row(wrong: str, call: Callable[[Any], Call], kind: str, name: str) -> Row:
    make, error, text = LENGTHS[kind]
    return Row(wrong, lambda: call(make()), error, text.format(name))


def broken_iterator(call: Callable[[Any], Call], name: str) -> Row:
    """An iterator's own error comes through as it is."""
    return Row(
        f"{name}: breaks off",
        lambda: call(RaisingIterator()),
        RuntimeError,
        "no second element",
    )


def bad_count(
    call: Callable[[Any], Call], name: str, least: int, most: int = MOST
) -> list[Row]:
    """Return rows in which ``call`` puts what is no such integer."""
    wrong: dict[str, tuple[Any, str]] = {
        "a text": ("2", "'2'"),
        "a fraction": (2.0, "2.0"),
        "a truth value": (True, "True"),
    }
    rows = [
        Row(
            f"{name}: {kind}",
            lambda value=value: call(value),
            TypeError,
            f"{name} is {shown}; it must be an integer of at least {least}",
        )
        for kind, (value, shown) in wrong.items()
    ]
    return [
        *rows,
        Row(
            f"{name}: too small",
            lambda: call(least - 1),
            ValueError,
            f"{name} is {least - 1}; it must be at least {least}",
        ),
        Row(
            f"{name}: too large",
            lambda: call(most + 1),
            ValueError,
            f"{name} is {most + 1}; it must be at most {most}",
        ),
    ]


def hostile_counts(
    call: Callable[[Any], Call], name: str, least: int
) -> list[Row]:
    """Return rows with what only looks like an integer."""
    wrong: dict[str, tuple[Callable[[], Any], str]] = {
        "raises": (RaisingIndex, "RaisingIndex()"),
        "lies": (LyingIndex, "LyingIndex()"),
        "no repr": (RaisingRepr, "of type RaisingRepr"),
        "NaN": (lambda: float("nan"), "nan"),
        "one in a list": (lambda: [2], "[2]"),
        "one in a tensor": (lambda: torch.tensor([2]), "tensor([2])"),
        "NumPy's float": (lambda: np.float32(2), "np.float32(2.0)"),
        "without a value": (
            lambda: torch.tensor(2, device="meta"),
            "tensor(..., device='meta', size=(), dtype=torch.int64)",
        ),
    }
    rows = [
        Row(
            f"{name}: {kind}",
            lambda make=make: call(make()),
            TypeError,
            f"{name} is {shown}; it must be an integer of at least {least}",
        )
        for kind, (make, shown) in wrong.items()
    ]
    return [
        *rows,
        Row(
            f"{name}: 5,001 digits",
            lambda: call(MANY_DIGITS),
            ValueError,
            f"{name} is of type int; it must be at most {MOST}",
        ),
    ]


def bad_flag(call: Callable[[Any], Call], name: str) -> list[Row]:
    """Return rows in which ``call`` puts neither True nor False."""
    wrong = {
        "a text": (lambda: "False", "'False'"),
        "a number": (lambda: 1, "1"),
        "NumPy's": (lambda: np.True_, "np.True_"),
        "no truth value": (RaisingTruth, "RaisingTruth()"),
    }
    return [
        Row(
            f"{name}: {kind}",
            lambda make=make: call(make()),
            TypeError,
            f"{name} is {shown}; it must be True or False",
        )
        for kind, (make, shown) in wrong.items()
    ]


def bad_side(call: Callable[[Any], Call]) -> list[Row]:
    return [
        Row(
            f"padding_side: {shown}",
            lambda value=value: call(value),
            ValueError,
            f"padding_side is {shown}; it must be 'left' or 'right'",
        )
        for value, shown in (
            ("LEFT", "'LEFT'"),
            (None, "None"),
            (["left"], "['left']"),
        )
    ]
