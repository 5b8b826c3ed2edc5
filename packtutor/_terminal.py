"""Lay out words in the columns of a terminal."""

from __future__ import annotations

import sys
import textwrap
import unicodedata

# How many columns of the terminal a word takes at most.
_WIDE = 16

# Sentences are no wider, so that they stay easy to read.
_SENTENCE = 79

_MARK = "\u200e"
_JOINERS = "\u200c\u200d" + _MARK
_LEFTWARD = ("R", "AL", "AN")


def table(
    names: list[str],
    columns: list[list[str]],
    width: int,
    *,
    steps: int,
    more: int,
) -> list[str]:
    """Put columns side by side, as many as fit, and count the others.

    Args:
        names: The name of each row.
        columns: The first steps, each with a cell for every row.
        width: How many columns the terminal has.
        steps: How many steps there are.
        more: How many sequences have no row, if any.
    """
    lines = _pad_right([f"  {name}" for name in names])
    shown = 0
    for column in columns:
        wider = [
            f"{line}  {cell}"
            for line, cell in zip(lines, _pad_right(column), strict=True)
        ]
        last = shown + 1 == steps
        if shown and text_width(wider[0]) + (0 if last else 5) > width:
            break
        lines = wider
        shown += 1
    left_out = [
        count(number, f"more {noun}")
        for number, noun in ((more, "sequence"), (steps - shown, "step"))
        if number > 0
    ]
    if shown < steps:
        lines[0] += "  ..."
    if left_out:
        lines.append(f"  ... {', '.join(left_out)}")
    return [line.rstrip() for line in lines]


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines for a terminal of that width."""
    return textwrap.wrap(text, min(width, _SENTENCE), break_on_hyphens=False)


def align(rows: list[list[str]]) -> list[str]:
    """Put cells under each other: names to the left, numbers to the right."""
    columns = [_fill(list(column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(["", *row]).rstrip() for row in zip(*columns, strict=True)
    ]


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def clip(word: str) -> str:
    """Return a word as it can be printed, cut if it is wide."""
    letters = [printable(letter) for letter in word[: 4 * _WIDE]]
    text = "".join(letters)
    if text_width(text) > _WIDE or len(word) > 4 * _WIDE:
        while text_width("".join(letters)) > _WIDE - 3:
            letters.pop()
        text = "".join([*letters, "..."])
    if any(unicodedata.bidirectional(letter) in _LEFTWARD for letter in text):
        # Else a terminal that writes Arabic from right to left would swap
        # this word and the next one's id.
        text += printable(_MARK, fallback="")
    return text


def printable(text: str, fallback: str | None = None) -> str:
    """Escape what would not be seen, or what standard output cannot hold."""
    return "".join(
        letter
        if _can_print(letter)
        else letter.encode("unicode_escape").decode()
        if fallback is None
        else fallback
        for letter in text
    )


def _can_print(letter: str) -> bool:
    try:
        letter.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return letter.isprintable() or letter in _JOINERS


def _pad_right(texts: list[str]) -> list[str]:
    """Fill texts with spaces to the width of the widest."""
    widest = max(map(text_width, texts))
    return [text + " " * (widest - text_width(text)) for text in texts]


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        0
        if unicodedata.category(letter) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(letter) in "WF"
        else 1
        for letter in text
    )


def _fill(cells: list[str]) -> list[str]:
    wide = max(map(len, cells))
    is_number = cells[-1][0].isdigit()
    return [
        cell.rjust(wide) if is_number else cell.ljust(wide) for cell in cells
    ]
