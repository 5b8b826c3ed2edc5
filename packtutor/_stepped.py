"""Draw how a batch is packed: one panel a time step, one below the other."""

from __future__ import annotations

from matplotlib.figure import Figure

from packtutor import _pictures, _strips
from packtutor._drawing import (
    CELL,
    GAP,
    LABEL,
    LINE,
    MARGIN,
    NOTE,
    PAGE,
    draw_grid,
    measure,
    new_page,
    write,
)

_ROOM = PAGE - 2 * MARGIN - LABEL


def draw(packed: _pictures.Packed) -> Figure:
    """Return the panels; refuse a batch that is too large for them."""
    _pictures.check_steps(packed)
    steps = len(packed.batch_sizes)
    width, _ = _pictures.fit(packed.batch, packed.order, steps, _ROOM)
    width = min(width, _ROOM / steps)
    groups = _strips.packed_groups(packed)
    lines = _strips.wrap(groups, width, _ROOM, packed.starts[-1])
    titles = [
        f"t={now}: data, batch_sizes {packed.batch_sizes[: now + 1]}"
        for now in range(steps)
    ]
    inner = max(
        LABEL + steps * width,
        *(LABEL + _strips.strip_width(line, width) for line in lines),
        measure(titles[-1], NOTE, "bold"),
    )
    grid = LINE + len(packed.order) * CELL + GAP
    height = LINE + grid + len(lines) * _strips.HIGH + GAP
    figure, axes = new_page(inner + 2 * MARGIN, MARGIN + steps * height - GAP)
    names = (
        _pictures.row_names(packed.order),
        _pictures.step_names(steps, steps),
    )
    for now in range(steps):
        top = MARGIN + now * height
        write(axes, MARGIN, top + LINE / 2, titles[now], NOTE, weight="bold")
        draw_grid(
            axes,
            (MARGIN, top + LINE),
            width,
            names,
            lambda place, step: _pictures.column_cell(packed, place, step),
            now=now,
        )
        data = top + LINE + grid
        middle = data + CELL / 2
        write(axes, MARGIN + LABEL - 0.08, middle, "data", NOTE, ha="right")
        _strips.draw_lines(
            axes, (MARGIN + LABEL, data), width, lines, room=_ROOM, now=now
        )
    return figure
