"""Draw the four layouts of a batch: two grids and two strips, in a column."""

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


class _Grids(NamedTuple):
    """How many rows and columns are shown, and what is said about them."""

    rows: int
    columns: int
    titles: tuple[str, str]
    lengths: str
    left_out: str


def draw(batch: Batch) -> Figure:
    """Return a figure of a batch that may hold empty texts.

    The layouts stand one below the other, and only the one with pads has
    cells as wide as a pad: a narrow page keeps its letters large on a phone.
    """
    texts, steps = len(batch.lengths), max(batch.lengths)
    rows = _pictures.shown_rows(texts)
    wide, columns = _pictures.fit(batch, range(rows), steps, _ROOM)
    width, _ = _pictures.fit(batch, range(rows), steps, _ROOM, pads=False)
    grids = _Grids(
        rows,
        columns,
        (
            f"List: {_pictures.count(sum(batch.lengths), 'cell')}",
            _pictures.title("Padded", batch),
        ),
        _strips.list_numbers("lengths", batch.lengths, _ROOM),
        _pictures.left_out(texts - rows, steps - columns),
    )
    strips = [_packed(batch), _nested(batch)]
    notes = [grids.lengths, grids.left_out]
    notes += [note for strip in strips for note in strip.notes]
    page = 2 * MARGIN + max(
        LABEL + columns * wide + DOTS * (columns < steps),
        *(measure(title, WORD, "bold") for title in grids.titles),
        *(LABEL + _strips.strip_width(s.groups, width) for s in strips),
        *(LABEL + measure(note, NOTE) for note in notes),
    )
    page = min(PAGE, page)
    heads = 4 * LINE + 2 * rows * CELL + 2 * GAP
    top = MARGIN + heads + LINE * bool(grids.left_out)
    heights = [3 * LINE + CELL + LINE * len(strip.notes) for strip in strips]
    figure, axes = new_page(page, top + sum(heights))

    _draw_grids(axes, batch, grids, (width, wide))
    for strip, height in zip(strips, heights, strict=True):
        _draw_strip(axes, (MARGIN, top), width, strip, page)
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
    tokens = f"{_pictures.count(packed.starts[-1], 'cell')}, no pad"
    groups = _strips.packed_groups(packed)
    return _Strip(f"Packed: {tokens}", "data", groups, notes)


def _nested(batch: Batch) -> _Strip:
    offsets = list(itertools.accumulate(batch.lengths, initial=0))
    notes = [_strips.list_numbers("offsets", offsets, _ROOM)]
    tokens = f"{_pictures.count(offsets[-1], 'cell')}, no pad"
    groups = _strips.nested_groups(batch)
    return _Strip(f"Nested: {tokens}", "values", groups, notes)


def _draw_grids(
    axes: Axes, batch: Batch, grids: _Grids, widths: tuple[float, float]
) -> None:
    """Draw the list, and below it the padded rectangle."""
    rows, columns, titles, lengths, left_out = grids
    names = _pictures.step_names(columns, max(batch.lengths))
    blank = [""] * columns + names[columns:]
    labels = _pictures.row_names(range(rows))

    def padded(row: int, step: int) -> Cell:
        return _pictures.padded_cell(batch, row, step)

    def listed(row: int, step: int) -> Cell | None:
        return padded(row, step) if step < batch.lengths[row] else None

    y = MARGIN
    write(axes, MARGIN, y + LINE / 2, titles[0], weight="bold")
    draw_grid(axes, (MARGIN, y), widths[0], (labels, blank), listed)
    y += LINE
    for row, length in enumerate(batch.lengths[:rows]):
        if not length:
            middle = y + (row + 0.5) * CELL
            write(axes, MARGIN + LABEL, middle, "no words", NOTE)
    y += rows * CELL + GAP
    write(axes, MARGIN, y + LINE / 2, titles[1], weight="bold")
    y += LINE
    draw_grid(axes, (MARGIN, y), widths[1], (labels, names), padded)
    y += LINE + rows * CELL
    write(axes, MARGIN + LABEL, y + LINE / 2, lengths, NOTE)
    write(axes, MARGIN, y + 1.5 * LINE, left_out, NOTE)


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
