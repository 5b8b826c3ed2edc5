"""What a picture of a batch shows: words, names, titles, packed data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from types import NoneType
from typing import Any, NamedTuple

import torch

from packtutor._checks import as_list, short
from packtutor._drawing import (
    DOTS,
    LETTERS,
    MORE,
    WORD,
    Cell,
    can_write,
    measure,
)
from packtutor.ragged import Ragged
from packtutor.text import Vocabulary, tokenize

# Widths of a cell and of a pixel, in inches.
NARROWEST, _NARROW, _WIDE, _PIXEL = 0.56, 0.76, 1.6, 0.01

# At most so many rows and columns of a grid, words and steps together of a
# picture step by step.
_ROWS, COLUMNS, _STEPPED = 6, 12, 14


class Batch(NamedTuple):
    """Texts as words, and how a cell shows them."""

    words: list[list[str]]
    lengths: list[int]
    vocabulary: Vocabulary
    padding_value: int | None


class Packed(NamedTuple):
    """A batch, the order of its texts, where each step starts in data."""

    batch: Batch
    order: list[int]
    batch_sizes: list[int]
    starts: list[int]


def read(
    docs: Iterable[str],
    padding_value: int | None = None,
    *,
    empty: bool = False,
) -> Batch:
    """Split texts into words; refuse what cannot be drawn."""
    if type(padding_value) not in (int, NoneType):
        raise TypeError(
            f"padding_value is {short(padding_value)}; it must be an int, as "
            f"the ids are"
        )
    if isinstance(docs, str):
        raise TypeError(
            f"docs is the single str {short(docs)}; it must be an iterable "
            f"of texts: [text]"
        )
    texts = as_list(docs, "docs", "texts")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(
                f"docs[{index}] is of type {type(text).__name__}; "
                f"it must be a str"
            )
    words = [tokenize(text) for text in texts]
    lengths = [len(row) for row in words]
    if not any(lengths):
        raise ValueError("docs has no word; there is nothing to draw")
    if 0 in lengths and not empty:
        raise ValueError(
            f"docs[{lengths.index(0)}] has no word; a PackedSequence cannot "
            f"hold an empty sequence"
        )
    return Batch(words, lengths, Vocabulary.from_texts(texts), padding_value)


def pack(batch: Batch) -> Packed:
    """Sort the texts and count the words of each step, as PyTorch does.

    Empty texts are left out: a ``PackedSequence`` holds none.
    """
    kept = [row for row, length in enumerate(batch.lengths) if length]
    tokens = torch.empty(sum(batch.lengths), dtype=torch.bool, device="cpu")
    packed = Ragged(tokens, [batch.lengths[row] for row in kept]).to_packed()
    places: Any = packed.sorted_indices
    sizes: list[int] = packed.batch_sizes.tolist()
    starts = list(itertools.accumulate(sizes, initial=0))
    return Packed(batch, [kept[place] for place in places], sizes, starts)


def check_steps(packed: Packed) -> None:
    """Refuse a batch that is too large to be drawn step by step."""
    steps, tokens = len(packed.batch_sizes), packed.starts[-1]
    if steps + tokens > _STEPPED:
        raise ValueError(
            f"docs has {count(tokens, 'word')} in {count(steps, 'step')}; "
            f"words and steps together must be at most {_STEPPED} to fit "
            f"the page"
        )


def padded_cell(batch: Batch, row: int, step: int) -> Cell:
    """Return the word of this step, or a pad where there is none."""
    if 0 <= step < batch.lengths[row]:
        return Cell(shown_word(batch, row, step), row)
    pad = batch.padding_value
    return Cell("" if pad is None else str(pad), None)


def packed_cell(packed: Packed, place: int, step: int) -> Cell:
    """Return the word at a place of a step's column."""
    row = packed.order[place]
    text = shown_word(packed.batch, row, step)
    return Cell(text, row, packed.starts[step] + place)


def column_cell(packed: Packed, place: int, step: int) -> Cell | None:
    """Return the same, or None below the column's last word."""
    if place >= packed.batch_sizes[step]:
        return None
    return packed_cell(packed, place, step)


def shown_word(batch: Batch, row: int, step: int) -> str:
    word = batch.words[row][step]
    number = int(batch.vocabulary.encode(word))
    if batch.padding_value is not None:
        return str(number)
    return word if can_write(word) else f"#{number}"


def shown_rows(rows: int) -> int:
    """Return how many rows of a grid are shown."""
    return rows if rows <= _ROWS else _ROWS - 1


def fit(
    batch: Batch,
    rows: Iterable[int],
    columns: int,
    room: float,
    *,
    pads: bool = True,
    least: float = NARROWEST,
) -> tuple[float, int]:
    """Return a cell's width, and how many columns of it are shown."""
    texts = {
        padded_cell(batch, row, step).text
        for row in rows
        for step in range(min(max(batch.lengths), COLUMNS))
        if pads or step < batch.lengths[row]
    }
    wanted = 0.18 + max(measure(text[:LETTERS], WORD) for text in texts)
    width = min(max(wanted, least), max(_NARROW, room / columns), _WIDE)
    width = math.floor(width / _PIXEL) * _PIXEL
    if columns <= COLUMNS and columns * width < room + 0.01:
        return width, columns
    return width, min(int((room - DOTS) / width), COLUMNS)


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def title(name: str, batch: Batch) -> str:
    cells = len(batch.lengths) * max(batch.lengths)
    pads = cells - sum(batch.lengths)
    return f"{name}: {count(cells, 'cell')}, {count(pads, 'pad')}"


def left_out(rows: int, steps: int) -> str:
    """Return a note on what is not shown, empty if all is."""
    parts = [
        count(number, f"more {noun}")
        for number, noun in ((rows, "sequence"), (steps, "step"))
        if number
    ]
    return f"{MORE} {', '.join(parts)}" if parts else ""


def row_names(rows: Sequence[int], of: int | None = None) -> list[str]:
    more = [MORE] if of is not None and len(rows) < of else []
    return [f"seq {row}" for row in rows] + more


def step_names(shown: int, steps: int) -> list[str]:
    return [f"t={t}" for t in range(shown)] + [MORE] * (shown < steps)
