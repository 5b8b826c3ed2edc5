"""Draw the four layouts of a batch: two grids, and two strips below them."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from packtutor import _pictures, _strips
from packtutor._drawing import (
    CELL,
    DOTS,
    GAP,
    LABEL,
    LINE,
    MARGIN,
    NOTE,
    PAGE,
    WORD,
    Cell,
    draw_grid,
    measure,
    new_page,
    write,
)
from packtutor._pictures import Batch

_ROOM = PAGE - 2 * MARGIN - LABEL


class _Strip(NamedTuple):
    """A row of cells, and what is said above, beside and below it."""

    title: str
    name: str
    groups: list[_strips.Group]
    notes: list[str]


def draw(batch: Batch) -> Figure:
    """Return a figure of a batch that may hold empty texts."""
    texts, steps = len(batch.lengths), max(batch.lengths)
    rows = _pictures.shown_rows(texts)
    room = PAGE / 2 - MARGIN - GAP - LABEL
    width, columns = _pictures.fit(batch, range(rows), steps, room)
    strips = [_packed(batch), _nested(batch)]
    titles = (
        f"List: {_pictures.count(sum(batch.lengths), 'cell')}",
        _pictures.title("Padded", batch),
    )
    half = max(
        LABEL + columns * width + DOTS * (columns < steps),
        *(measure(title, WORD, "bold") for title in titles),
    )
    wanted = max(LABEL + _strips.strip_width(s.groups, width) for s in strips)
    said = (LABEL + measure(n, NOTE) for s in strips for n in s.notes)
    page = min(PAGE, 2 * MARGIN + max(2 * half + 2 * GAP, wanted, *said))
    left, right = MARGIN, page - MARGIN - half
    foot = MARGIN + 2 * LINE + rows * CELL
    note = _pictures.left_out(texts - rows, steps - columns)
    top = foot + (2 if note else 1) * LINE + GAP
    heights = [3 * LINE + CELL + LINE * len(strip.notes) for strip in strips]
    figure, axes = new_page(page, top + sum(heights))

    _draw_grids(axes, batch, (left, right), titles, (width, rows, columns))
    line = foot + LINE / 2
    lengths = _strips.list_numbers("lengths", batch.lengths, half - LABEL)
    write(axes, right + LABEL, line, lengths, NOTE)
    write(axes, left, line + LINE, note, NOTE)
    for strip, height in zip(strips, heights, strict=True):
        _draw_strip(axes, (left, top), width, strip, page)
        top += height
    return figure


def _packed(batch: Batch) -> _Strip:
    packed = _pictures.pack(batch)
    empty = [row for row, size in enumerate(batch.lengths) if not size]
    notes = [
        _strips.list_numbers("batch_sizes", packed.batch_sizes, _ROOM),
        _strips.list_numbers("longest first: seq", packed.order, _ROOM),
    ]
    if empty:
        notes.append(
            _strips.list_numbers("left out, no words: seq", empty, _ROOM)
        )
    tokens = _pictures.count(packed.starts[-1], "cell")
    groups = _strips.packed_groups(packed)
    return _Strip(f"Packed: {tokens}", "data", groups, notes)


def _nested(batch: Batch) -> _Strip:
    offsets = list(itertools.accumulate(batch.lengths, initial=0))
    notes = [_strips.list_numbers("offsets", offsets, _ROOM)]
    tokens = _pictures.count(offsets[-1], "cell")
    groups = _strips.nested_groups(batch)
    return _Strip(f"Nested: {tokens}", "values", groups, notes)


def _draw_grids(
    axes: Axes,
    batch: Batch,
    sides: tuple[float, float],
    titles: tuple[str, str],
    shown: tuple[float, int, int],
) -> None:
    """Draw the list on the left, and on the right the padded rectangle."""
    width, rows, columns = shown
    top = MARGIN + LINE
    names = _pictures.step_names(columns, max(batch.lengths))
    blank = [""] * columns + names[columns:]

    def padded(row: int, step: int) -> Cell:
        return _pictures.padded_cell(batch, row, step)

    def listed(row: int, step: int) -> Cell | None:
        return padded(row, step) if step < batch.lengths[row] else None

    for side, title in zip(sides, titles, strict=True):
        write(axes, side, top - LINE / 2, title, weight="bold")
    labels = _pictures.row_names(range(rows))
    draw_grid(axes, (sides[0], top), width, (labels, blank), listed)
    draw_grid(axes, (sides[1], top), width, (labels, names), padded)
    for row, length in enumerate(batch.lengths[:rows]):
        if not length:
            middle = top + LINE + (row + 0.5) * CELL
            write(axes, sides[0] + LABEL, middle, "no words", NOTE)


def _draw_strip(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    strip: _Strip,
    page: float,
) -> None:
    x, y = corner
    inner = x + LABEL
    write(axes, x, y + LINE / 2, strip.title, weight="bold")
    y += LINE
    middle = y + CELL / 2
    write(axes, inner - 0.08, middle, strip.name, NOTE, ha="right")
    room = page - MARGIN - inner
    _strips.draw_strip(axes, (inner, y), width, strip.groups, room=room)
    y += CELL + 1.5 * LINE + 0.1
    for line, note in enumerate(strip.notes):
        write(axes, inner, y + line * LINE, note, NOTE)
