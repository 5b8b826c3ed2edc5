"""Draw the cells of a batch in one row: packed data, nested values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from packtutor._drawing import (
    CELL,
    GAP,
    LETTERS,
    LINE,
    MORE,
    NOTE,
    Cell,
    draw_bracket,
    draw_cell,
    measure,
    write,
)
from packtutor._pictures import Batch, Packed, packed_cell, shown_word

# The place of a group without cells, and the height of a line of cells with
# the brackets below it.
EMPTY = 0.5
HIGH = CELL + LINE + GAP


class Group(NamedTuple):
    """Cells that stand together in a strip, and what they are."""

    name: str
    size: int
    cell: Callable[[int], Cell]
    number: int


def nested_groups(batch: Batch) -> list[Group]:
    """Return the words of each text, with their places in ``values``."""
    starts = itertools.accumulate(batch.lengths, initial=0)

    def group(row: int, start: int) -> Group:
        return Group(
            f"seq {row}",
            batch.lengths[row],
            lambda step: Cell(shown_word(batch, row, step), row, start + step),
            row,
        )

    return [
        group(row, start)
        for row, start in zip(range(len(batch.lengths)), starts, strict=False)
    ]


def packed_groups(packed: Packed) -> list[Group]:
    """Return the words of each step, with their places in ``data``."""

    def group(step: int, size: int) -> Group:
        return Group(
            f"t={step}",
            size,
            lambda place: packed_cell(packed, place, step),
            step,
        )

    return [group(step, size) for step, size in enumerate(packed.batch_sizes)]


def strip_width(groups: Sequence[Group], width: float) -> float:
    """Return the width of all groups, drawn by ``draw_strip``."""
    taken = sum(group.size * width or EMPTY for group in groups)
    return taken + max(0, len(groups) - 1) * GAP


def wrap(
    groups: Sequence[Group], width: float, room: float, most: int
) -> list[list[Group]]:
    """Break a strip into lines, anywhere between two cells.

    The last of at most ``most`` lines holds all the rest, also where it has
    no room for it: ``draw_strip`` counts what it leaves out.
    """
    lines: list[list[Group]] = [[]]
    taken = 0.0  # by the cells of the last line and the gaps behind them
    for group in groups:
        start = 0
        while start < group.size or not group.size:
            free = room + 0.01 - taken
            fits = int(free / width) if group.size else int(free >= EMPTY)
            if len(lines) == most:
                fits = max(1, group.size - start)
            if fits:
                stop = min(group.size, start + fits)
                lines[-1].append(_part(group, start, stop))
                taken += ((stop - start) * width or EMPTY) + GAP
                start = stop
                if not group.size:
                    break
            else:
                lines.append([])
                taken = 0.0
    return lines


def _part(group: Group, start: int, stop: int) -> Group:
    return group._replace(
        size=stop - start, cell=lambda place: group.cell(start + place)
    )


def draw_strip(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    groups: Sequence[Group],
    *,
    room: float,
    now: int | None = None,
) -> None:
    """Draw groups of cells one behind the other, as far as there is room.

    A group without cells keeps its name and an empty place.
    """
    x, y = corner
    rest = sum(group.size for group in groups)
    end = x + room + 0.01
    if strip_width(groups, width) > room + 0.01:
        end -= 0.1 + measure(f"{MORE} {rest:,} more", NOTE)
    for group in groups:
        ahead = None if now is None else now - group.number
        wanted = group.size * width or EMPTY
        fits = min(group.size, int((end - x) / width + 1e-9))
        for place in range(fits):
            at = x + place * width, y
            draw_cell(axes, at, width, group.cell(place), ahead=ahead)
        whole = fits == group.size and x + wanted <= end + 1e-9
        shown = wanted if whole else fits * width
        if shown and (ahead is None or ahead >= 0):
            draw_bracket(axes, (x, x + shown), y + CELL, group.name)
        x, rest = x + shown, rest - fits
        if not whole:
            left = f"{MORE} {rest:,} more" if rest else MORE
            # Close behind the last cell, not behind the gap after it.
            at_end = x + 0.1 - GAP * (not shown)
            write(axes, at_end, y + CELL / 2, left, NOTE)
            break
        x += GAP


def draw_lines(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    lines: Sequence[Sequence[Group]],
    *,
    room: float,
    now: int | None = None,
) -> None:
    """Draw a strip that was broken into lines, one below the other."""
    x, y = corner
    for line, groups in enumerate(lines):
        at = x, y + line * HIGH
        draw_strip(axes, at, width, groups, room=room, now=now)


def list_numbers(name: str, numbers: Sequence[int], room: float) -> str:
    """Return a name and as many of its numbers as there is room for."""

    def write_out(shown: int) -> str:
        parts = [str(number) for number in numbers[:shown]]
        more = [MORE] * (shown < len(numbers))
        return f"{name} {', '.join(parts + more)}"

    shown = min(len(numbers), LETTERS)
    while shown and measure(write_out(shown), NOTE) > room:
        shown -= 1
    return write_out(shown)
