"""Draw texts as a padded batch: one grid, in either layout."""

from __future__ import annotations

from matplotlib.figure import Figure

from packtutor import _pictures
from packtutor._checks import Side
from packtutor._drawing import (
    CELL,
    DOTS,
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


def draw(batch: _pictures.Batch, *, batch_first: bool, side: Side) -> Figure:
    """Return a figure of a batch that may hold empty texts."""
    texts, steps = len(batch.lengths), max(batch.lengths)
    down, across = (texts, steps) if batch_first else (steps, texts)
    rows = _pictures.shown_rows(down)
    samples = range(rows if batch_first else min(texts, _pictures.COLUMNS))
    room = PAGE - 2 * MARGIN - LABEL
    width, columns = _pictures.fit(batch, samples, across, room)
    left_out = down - rows, across - columns
    note = _pictures.left_out(*(left_out if batch_first else left_out[::-1]))
    letters = "(B, T)" if batch_first else "(T, B)"
    title = _pictures.title(f"{letters} = ({down}, {across})", batch)
    top = MARGIN + LINE
    foot = top + LINE + rows * CELL
    inside = max(
        LABEL + columns * width + DOTS * (columns < across),
        measure(title, WORD, "bold"),
        measure(note, NOTE),
    )
    figure, axes = new_page(
        inside + 2 * MARGIN, foot + LINE * bool(note) + MARGIN
    )

    def cell(row: int, step: int) -> Cell:
        absent = steps - batch.lengths[row] if side == "left" else 0
        return _pictures.padded_cell(batch, row, step - absent)

    write(axes, MARGIN, top - LINE / 2, title, weight="bold")
    draw_grid(
        axes,
        (MARGIN, top),
        width,
        (
            _pictures.row_names(range(rows)),
            _pictures.step_names(columns, steps),
        )
        if batch_first
        else (
            _pictures.step_names(rows, rows),
            _pictures.row_names(range(columns), texts),
        ),
        cell if batch_first else lambda step, row: cell(row, step),
    )
    write(axes, MARGIN, foot + LINE / 2, note, NOTE)
    return figure
