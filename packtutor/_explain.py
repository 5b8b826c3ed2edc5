"""Show a batch as lines of text: its ids, its two layouts, its costs."""

from __future__ import annotations

import textwrap
from typing import Any

from torch import Tensor

from packtutor._terminal import clip, count, table, text_width
from packtutor.cost import dot_cost, padding_fraction
from packtutor.ragged import Ragged
from packtutor.text import Vocabulary

# How many rows and steps of a batch are shown at most.
_ROWS, _STEPS = 8, 40


def explain_texts(texts: list[str], skipped: int, width: int) -> list[str]:
    """Return the lines that show a batch on a terminal of that width.

    Each text has a word; ``skipped`` counts the others, which are left out.
    """
    vocabulary = Vocabulary.from_texts(texts)
    batch = Ragged.from_list([vocabulary.encode(text) for text in texts])
    lines: list[str] = []
    if skipped:
        lines += textwrap.wrap(
            f"Skipped {count(skipped, 'text')} without a word: a "
            f"PackedSequence cannot hold an empty sequence.",
            width,
        )
        lines.append("")
    lines += _show_words(vocabulary, width)
    lines += _show_padded(batch, vocabulary, width)
    lines += _show_packed(batch, vocabulary, width)
    lines += _show_cost(batch, width)
    return lines


def _show_words(vocabulary: Vocabulary, width: int) -> list[str]:
    """List the words with their ids, as many as fit a few lines."""
    lines = _title(
        f"Vocabulary: {count(len(vocabulary), 'id')}",
        "Every different word gets a number: 0 is the pad, 1 any unknown "
        "word.",
        width,
    )
    row = ""
    for number, word in enumerate(vocabulary):
        entry = f"  {number} {clip(word)}"
        if row and text_width(row + entry) > width:
            lines.append(row)
            row = ""
            if len(lines) > _ROWS:
                more = count(len(vocabulary) - number, "more id")
                return [*lines, f"  ... {more}", ""]
        row += entry
    return [*lines, row, ""]


def _show_padded(
    batch: Ragged, vocabulary: Vocabulary, width: int
) -> list[str]:
    """Show the first rows and steps of the padded batch."""
    steps = batch.max_length
    rows = range(min(len(batch), _ROWS))
    # The rows that are shown; the whole rectangle can be too large.
    shown_bt = batch.index_select(rows).to_padded(
        padding_value=vocabulary.pad_id, total_length=steps
    )[:, :_STEPS]
    columns = [
        [f"t={step}", *_cells(ids_b, vocabulary)]
        for step, ids_b in enumerate(shown_bt.T)
    ]
    cells = len(batch) * steps
    return [
        *_title(
            f"Padded: shape ({len(batch)}, {steps}), "
            f"{count(cells, 'cell')}, "
            f"{count(cells - batch.values.numel(), 'pad')}",
            "Every text is filled with pads to the length of the longest.",
            width,
        ),
        *table(
            ["", *(f"seq {row}" for row in rows)],
            columns,
            width,
            steps=steps,
            more=len(batch) - _ROWS,
        ),
        "",
    ]


def _show_packed(
    batch: Ragged, vocabulary: Vocabulary, width: int
) -> list[str]:
    """Show the first columns of the packed batch, and its four fields."""
    packed: Any = batch.to_packed()
    names = ["", *(f"seq {row}" for row in packed.sorted_indices[:_ROWS])]
    columns = []
    start = 0
    for step, size in enumerate(packed.batch_sizes[:_STEPS].tolist()):
        ids = packed.data[start : start + min(size, _ROWS)]
        column = [f"t={step}", *_cells(ids, vocabulary)]
        column += [""] * (len(names) - len(column))
        columns.append([*column, str(size)])
        start += size
    lines = _title(
        f"Packed: {count(batch.values.numel(), 'cell')}, no pad",
        "The columns of the texts, longest text first, stand one behind the "
        "other. batch_sizes says how many words each column has.",
        width,
    )
    lines += table(
        [*names, "batch_sizes"],
        columns,
        width,
        steps=batch.max_length,
        more=len(batch) - _ROWS,
    )
    lines.append("")
    for name, field in zip(packed._fields, packed, strict=True):
        lines.append(_field(name, field, width))
    return [*lines, ""]


def _show_cost(batch: Ragged, width: int) -> list[str]:
    """Compare what one matrix product costs on both layouts."""
    cost = dot_cost(batch.lengths)
    fraction = padding_fraction(batch.lengths)
    return [
        *_title(
            f"Cost: {fraction:.1%} of the padded cells are pads",
            "In a product with a matrix of one column (dot_cost), a row of n "
            "cells takes n multiplications and n - 1 additions.",
            width,
        ),
        "          multiplications       additions",
        *(
            f"  {name}  {counts.multiplications:>15,} {counts.additions:>15,}"
            for name, counts in zip(cost._fields, cost, strict=True)
        ),
    ]


def _title(title: str, sentence: str, width: int) -> list[str]:
    return [*textwrap.wrap(title, width), *textwrap.wrap(sentence, width)]


def _field(name: str, values: Tensor, width: int) -> str:
    """Show a field of a PackedSequence, its first values if it is long."""
    shown = values[:width].tolist()
    while True:
        rest = values.numel() - len(shown)
        entries = [*map(str, shown), *([f"... {rest:,} more"] if rest else [])]
        line = f"  {name:<18}[{', '.join(entries)}]"
        if len(line) <= width or len(shown) == 1:
            return line
        shown.pop()


def _cells(ids: Tensor, vocabulary: Vocabulary) -> list[str]:
    """Return ids with their words."""
    words = vocabulary.decode(ids)
    return [
        f"{number} {clip(word)}"
        for number, word in zip(ids.tolist(), words, strict=True)
    ]
