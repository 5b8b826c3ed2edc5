"""Words and ids."""

from __future__ import annotations

from typing import Any

from bad_input.cases import Cases, Row, given
from bad_input.hostile import HugeLength, RaisingIterator
from bad_input.lengths import bad_count, bad_lengths, broken_iterator
from packtutor import DOCS, Vocabulary


def no_text(name: str, make: Any = given) -> list[Row]:
    """Return what is no ``str``, put where one is wanted."""
    return [
        Row(
            f"{name}: {kind}",
            lambda value=value: make(value),
            TypeError,
            f"{name} is of type {kind}; it must be a str",
        )
        for value, kind in (
            (None, "NoneType"),
            (b"on your mark", "bytes"),
            (["on", "your", "mark"], "list"),
            (3, "int"),
        )
    ]


def no_texts(name: str, of: str, one: str) -> list[Row]:
    """Return what is no list of texts."""
    return [
        Row(f"{name}: {wrong}", lambda make=make: given(make()), error, text)
        for wrong, make, error, text in (
            (
                "one text",
                lambda: "on your mark",
                TypeError,
                (
                    f"{name} is the single str 'on your mark'; it must be an "
                    f"iterable of {of}: [{one}]"
                ),
            ),
            (
                "bytes",
                lambda: b"on",
                TypeError,
                f"{name} is b'on'; it must be a list of {of}",
            ),
            (
                "None",
                lambda: None,
                TypeError,
                f"{name} is None; it must be a list of {of}",
            ),
            (
                "a number",
                lambda: 5,
                TypeError,
                f"{name} is 5; it must be a list of {of}",
            ),
            (
                "a set, in any order",
                lambda: {"on"},
                TypeError,
                f"{name} is {{'on'}}; it must be a list of {of}",
            ),
            (
                "a dictionary",
                lambda: {"on": 1},
                TypeError,
                f"{name} is {{'on': 1}}; it must be a list of {of}",
            ),
            (
                "ids among them",
                lambda: ["on", 3],
                TypeError,
                f"{name}[1] is of type int; it must be a str",
            ),
            (
                "a list in it",
                lambda: [["on", "your"]],
                TypeError,
                f"{name}[0] is of type list; it must be a str",
            ),
            (
                "breaks off",
                RaisingIterator,
                RuntimeError,
                "no second element",
            ),
            (
                "a length that lies",
                lambda: HugeLength("on", None),
                TypeError,
                f"{name}[1] is of type NoneType; it must be a str",
            ),
        )
    ]


def vocabulary() -> Vocabulary:
    return Vocabulary.from_texts(DOCS)


def in_vocabulary(make: Any) -> Any:
    return lambda value: make(vocabulary(), value)


TABLE = [
    Cases(
        "tokenize",
        lambda: given("on your mark"),
        lambda: ["on", "your", "mark"],
        no_text("text"),
    ),
    Cases(
        "Vocabulary",
        lambda: given(["on", "your"]),
        lambda made: list(made) == ["<pad>", "<unk>", "on", "your"],
        [
            *no_texts("tokens", "words", "word"),
            Row(
                "tokens: a word twice",
                lambda: given(["on", "your", "on"]),
                ValueError,
                "tokens has 'on' twice; they must be distinct, and '<pad>' "
                "and '<unk>' are taken",
            ),
            Row(
                "tokens: the pad",
                lambda: given(["on", "<pad>"]),
                ValueError,
                "tokens has '<pad>' twice; they must be distinct, and "
                "'<pad>' and '<unk>' are taken",
            ),
        ],
    ),
    Cases(
        "Vocabulary.from_texts",
        lambda: given(["a b", "b c"], min_count=2),
        lambda: Vocabulary(["b"]),
        [
            *no_texts("texts", "texts", "text"),
            *bad_count(
                lambda least: given(DOCS, min_count=least), "min_count", 1
            ),
        ],
    ),
    Cases(
        "Vocabulary.__getitem__",
        lambda: given(vocabulary(), "mark"),
        lambda: 4,
        no_text("token", in_vocabulary(given)),
    ),
    Cases(
        "Vocabulary.encode",
        lambda: given(vocabulary(), "get <pad> mark"),
        lambda ids: ids.tolist() == [5, 1, 4],
        no_text("text", in_vocabulary(given)),
    ),
    Cases(
        "Vocabulary.decode",
        lambda: given(vocabulary(), [7, 1, 0]),
        lambda: ["go", "<unk>", "<pad>"],
        [
            *bad_lengths(
                in_vocabulary(given),
                (
                    "None",
                    "a text",
                    "a set",
                    "a fraction",
                    "a truth value",
                    "a float tensor",
                    "on another device",
                    "two dimensions",
                    "5,001 digits",
                ),
                "ids",
            ),
            broken_iterator(in_vocabulary(given), "ids"),
            Row(
                "ids: one too large",
                lambda: given(vocabulary(), [2, 8]),
                ValueError,
                "ids[1] is 8; it must be from 0 to 7",
            ),
            Row(
                "ids: negative",
                lambda: given(vocabulary(), [-1]),
                ValueError,
                "ids[0] is -1; it must be from 0 to 7",
            ),
        ],
    ),
]
