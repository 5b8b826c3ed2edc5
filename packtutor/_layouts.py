"""Draw texts padded and packed: side by side, or one below the other."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from packtutor import _pictures, _strips
from packtutor._drawing import (
    BETWEEN,
    CELL,
    DOTS,
    GAP,
    LABEL,
    LINE,
    MARGIN,
    NOTE,
    PAGE,
    WORD,
    draw_grid,
    measure,
    new_page,
    write,
)
from packtutor._pictures import Batch, Packed

# ``batch_sizes`` is longer than the names of the rows. The room of one grid,
# below which the other stands, and of two side by side, where it reaches
# into the gap.
_LONGER = 0.3
_ROOM = PAGE - 2 * MARGIN - LABEL - _LONGER
_BESIDE = PAGE - 2 * MARGIN - 2 * LABEL - 2 * GAP

# At most so many lines of data.
_LINES = 4


class _Fit(NamedTuple):
    """How wide a cell is, what is shown, and where the grids stand."""

    width: float
    rows: int
    columns: int
    beside: bool


def draw(figure: Figure, batch: Batch) -> None:
    """Draw both on an empty figure, and ``data`` below them."""
    packed = _pictures.pack(batch)
    fit = _fit(packed)
    width, rows, columns, beside = fit
    texts, steps = len(batch.lengths), len(packed.batch_sizes)
    titles = (
        _pictures.title("Padded", batch),
        f"Packed: {_pictures.count(packed.starts[-1], 'cell')}, no pad",
    )
    note = _pictures.left_out(texts - rows, steps - columns)
    first, second = (
        max(grid, measure(title, WORD, "bold"))
        for grid, title in zip(_widths(fit, steps), titles, strict=True)
    )
    left = MARGIN if beside else MARGIN + _LONGER
    room = PAGE - MARGIN - left - LABEL
    lines = _strips.wrap(_strips.packed_groups(packed), width, room, _LINES)
    inner = max(
        first + 2 * GAP + second if beside else max(first, second),
        measure(note, NOTE),
        *(LABEL + _strips.strip_width(line, width) for line in lines),
    )
    page = min(PAGE, left + inner + MARGIN)
    # The second grid has its ``batch_sizes`` where the first has the note.
    high = 3 * LINE + rows * CELL
    second_top = MARGIN if beside else MARGIN + high + GAP
    data = second_top + high + 2 * GAP
    _, axes = new_page(page, data + len(lines) * _strips.HIGH, figure)

    names = _pictures.step_names(columns, steps)
    write(axes, left, MARGIN + LINE / 2, titles[0], weight="bold")
    draw_grid(
        axes,
        (left, MARGIN + LINE),
        width,
        (_pictures.row_names(range(rows)), names),
        lambda row, step: _pictures.padded_cell(batch, row, step),
    )
    if beside:
        write(axes, left, data - GAP - LINE / 2, note, NOTE)
    else:
        write(axes, left, MARGIN + high - LINE / 2, note, NOTE)
    right = page - MARGIN - second if beside else left
    _draw_packed(axes, (right, second_top), packed, fit, titles[1])
    middle = data + CELL / 2
    write(axes, left + LABEL - 0.08, middle, "data", NOTE, ha="right")
    _strips.draw_lines(axes, (left + LABEL, data), width, lines, room=room)


def _fit(packed: Packed) -> _Fit:
    """Put the grids side by side if nothing is left out then."""
    batch, steps = packed.batch, len(packed.batch_sizes)
    rows = _pictures.shown_rows(len(batch.lengths))
    shown = {*range(rows), *packed.order[:rows]}
    room = (_BESIDE - (steps - 1) * BETWEEN) / 2
    width, columns = _pictures.fit(batch, shown, steps, room)
    if columns == steps:
        return _Fit(width, rows, columns, beside=True)
    most = min(steps, int(_ROOM / _pictures.NARROWEST))
    room = _ROOM - (most - 1) * BETWEEN
    width, columns = _pictures.fit(batch, shown, steps, room)
    return _Fit(width, rows, columns, beside=False)


def _widths(fit: _Fit, steps: int) -> tuple[float, float]:
    """Return the widths of both grids with the names of their rows."""
    grid = LABEL + fit.columns * fit.width + DOTS * (fit.columns < steps)
    return grid, grid + (fit.columns - 1) * BETWEEN


def _draw_packed(
    axes: Axes,
    corner: tuple[float, float],
    packed: Packed,
    fit: _Fit,
    title: str,
) -> None:
    """Draw the columns of a packed batch, ``batch_sizes`` under them."""
    left, top = corner
    width, rows, columns, _ = fit
    names = _pictures.step_names(columns, len(packed.batch_sizes))
    write(axes, left, top + LINE / 2, title, weight="bold")
    draw_grid(
        axes,
        (left, top + LINE),
        width,
        (_pictures.row_names(packed.order[:rows]), names),
        lambda place, step: _pictures.column_cell(packed, place, step),
        gap=BETWEEN,
    )
    line = top + 2 * LINE + rows * CELL + LINE / 2
    write(axes, left + LABEL - 0.02, line, "batch_sizes", NOTE, ha="right")
    for step, size in enumerate(packed.batch_sizes[:columns]):
        centre = left + LABEL + step * (width + BETWEEN) + width / 2
        write(axes, centre, line, f"{size:,}", weight="bold", ha="center")
