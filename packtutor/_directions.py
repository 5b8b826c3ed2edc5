"""Draw what two directions read, and where the final states stand."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from matplotlib.figure import Figure

from packtutor import _pictures
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
    draw_arrows,
    draw_grid,
    measure,
    new_page,
    write,
)

_ROOM = PAGE - 2 * MARGIN - LABEL


class _Direction(NamedTuple):
    """Its half of the output, its part of h_n, whether it reads forwards."""

    title: str
    name: str
    forwards: bool

    def end(self, length: int) -> int:
        """Return the step of the last word that it reads."""
        return length - 1 if self.forwards else 0

    def cell(self, batch: _pictures.Batch, row: int, step: int) -> Cell:
        """Return a padded cell, named if the final state stands there."""
        cell = _pictures.padded_cell(batch, row, step)
        last = cell.row is not None and step == self.end(batch.lengths[row])
        return cell._replace(name=self.name) if last else cell


_DIRECTIONS = (
    _Direction("Forward: output[:, :, :H]", "h_n[-2]", forwards=True),
    _Direction("Backward: output[:, :, H:]", "h_n[-1]", forwards=False),
)


def draw(batch: _pictures.Batch) -> Figure:
    """Return one grid a direction, of a batch that may hold empty texts."""
    texts, steps = len(batch.lengths), max(batch.lengths)
    rows = _pictures.shown_rows(texts)
    least = 0.16 + max(measure(way.name, NOTE) for way in _DIRECTIONS)
    width, columns = _pictures.fit(
        batch, range(rows), steps, _ROOM, least=least
    )
    notes = [_note(batch, way, rows, columns) for way in _DIRECTIONS]
    inner = max(
        LABEL + columns * width + DOTS * (columns < steps),
        *(measure(way.title, WORD, "bold") for way in _DIRECTIONS),
        *(measure(note, NOTE) for note in notes),
    )
    high = 2 * LINE + rows * CELL + LINE * any(notes)
    figure, axes = new_page(inner + 2 * MARGIN, 2 * (MARGIN + high) + GAP)
    names = (
        _pictures.row_names(range(rows)),
        _pictures.step_names(columns, steps),
    )
    for index, (way, note) in enumerate(zip(_DIRECTIONS, notes, strict=True)):
        top = MARGIN + index * (high + GAP)
        write(axes, MARGIN, top + LINE / 2, way.title, weight="bold")
        draw_grid(
            axes,
            (MARGIN, top + LINE),
            width,
            names,
            partial(way.cell, batch),
        )
        # One arrow into each word that is read, from where it is entered.
        arrows = [
            (
                MARGIN + LABEL + (step + (not way.forwards)) * width,
                top + 2 * LINE + (row + 0.5) * CELL,
            )
            for row in range(rows)
            for step in range(min(batch.lengths[row], columns))
        ]
        draw_arrows(axes, arrows, rightwards=way.forwards)
        write(axes, MARGIN, top + high - LINE / 2, note, NOTE)
    return figure


def _note(
    batch: _pictures.Batch, way: _Direction, rows: int, columns: int
) -> str:
    """Return what is not shown, the final states last."""
    left_out = _pictures.left_out(
        len(batch.lengths) - rows, max(batch.lengths) - columns
    )
    hidden = sum(
        row >= rows or way.end(length) >= columns
        for row, length in enumerate(batch.lengths)
        if length
    )
    more = _pictures.count(hidden, "more final state")
    return f"{left_out}, {more}" if hidden else left_out
