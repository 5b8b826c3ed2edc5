"""Draw cells, grids and texts on a page whose unit is the inch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import FancyBboxPatch, Rectangle

from packtutor import _palette
from packtutor._palette import GREY, INK, PAD, PAPER

# Inches, dots an inch, points. A page of 5.8 inches, and what a notebook puts
# around it, on a screen of 390 pixels still has letters of 9 pixels.
PAGE, MARGIN, GAP, LINE = 5.8, 0.12, 0.14, 0.28
LABEL, CELL, DOTS = 0.6, 0.46, 0.3
# Between the columns of a packed batch: each is read as one.
BETWEEN = 0.08
DPI = 100
WORD, NOTE = 12, 11

# At most so many letters of a word.
LETTERS = 40
MORE = "\u2026"


class Cell(NamedTuple):
    """A word of a text, or a pad where the row is None.

    A cell with a name has heavy borders.
    """

    text: str
    row: int | None
    place: int | None = None
    name: str = ""


def new_page(
    width: float, height: float, figure: Figure | None = None
) -> tuple[Figure, Axes]:
    """Return a figure and axes whose unit is the inch, y downwards."""
    if figure is None:
        figure = plt.figure(dpi=DPI)
    figure.set_size_inches(width, height)
    figure.set_facecolor(PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return figure, axes


def measure(text: str, size: int, weight: str = "normal") -> float:
    """Return the width of a text in inches."""
    font = get_font(findfont(FontProperties(weight=weight)))
    font.set_size(size, DPI)
    font.set_text(text)
    return font.get_width_height()[0] / 64 / DPI


def can_write(text: str) -> bool:
    """Return whether the font has every letter of a text."""
    font = get_font(findfont(FontProperties()))
    return all(font.get_char_index(ord(letter)) for letter in text)


def write(
    axes: Axes, x: float, y: float, text: str, size: int = WORD, **look: Any
) -> None:
    """Write a text whose capitals are centred on y."""
    baseline = y + 0.36 * size / 72
    look = {"color": INK, **look}
    if text:
        axes.text(x, baseline, text, size=size, parse_math=False, **look)


def draw_cell(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    cell: Cell,
    *,
    ahead: int | None = None,
) -> None:
    """Draw a cell with its word, and its place in data or its name, if any.

    In a picture step by step, ``ahead`` 0 makes the borders heavy, and below
    0 only the outline is left; no places are shown.
    """
    x, y = corner
    look: dict[str, Any] = {"facecolor": PAPER, "edgecolor": PAD}
    if ahead is not None and ahead < 0:
        size = width - 0.08, CELL - 0.08
        look["linestyle"] = ":"
        axes.add_patch(Rectangle((x + 0.04, y + 0.04), *size, **look))
        return
    heavy = ahead == 0 or bool(cell.name)
    if cell.row is None:
        look["hatch"] = "////"
    else:
        look["facecolor"] = _palette.fill(cell.row)
        look["edgecolor"] = INK if heavy else _palette.edge(cell.row)
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.03, y + 0.03),
            width - 0.06,
            CELL - 0.06,
            boxstyle="round,pad=0,rounding_size=0.06",
            linewidth=2.4 if heavy else 1.2,
            **look,
        )
    )
    middle = y + CELL / 2
    if ahead is None and cell.place is not None:
        write(axes, x + 0.08, y + 0.13, str(cell.place), NOTE)
        middle += 0.07
    if cell.name:
        write(axes, x + width / 2, y + 0.12, cell.name, NOTE, ha="center")
        middle += 0.07
    box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
    write(
        axes,
        x + width / 2,
        middle,
        _shorten(cell.text, width - 0.12),
        ha="center",
        bbox=box if cell.row is None else None,
    )


def draw_grid(
    axes: Axes,
    corner: tuple[float, float],
    width: float,
    names: tuple[list[str], list[str]],
    cell: Callable[[int, int], Cell | None],
    *,
    gap: float = 0,
    now: int | None = None,
) -> None:
    """Draw the names of rows and columns, and the cells that there are.

    A column named by an ellipsis has none.
    """
    x, y = corner[0] + LABEL, corner[1] + LINE
    for row, name in enumerate(names[0]):
        middle = y + (row + 0.5) * CELL
        write(axes, x - 0.08, middle, name, NOTE, ha="right", color=GREY)
    for column, name in enumerate(names[1]):
        wide = DOTS if name == MORE else width
        left = x + column * (width + gap)
        line = y - LINE / 2
        write(axes, left + wide / 2, line, name, NOTE, ha="center", color=GREY)
        if name == MORE:
            continue
        for row in range(len(names[0])):
            content = cell(row, column)
            place = left, y + row * CELL
            if content is not None:
                ahead = None if now is None else column - now
                draw_cell(axes, place, width, content, ahead=ahead)


def draw_arrows(
    axes: Axes, points: list[tuple[float, float]], *, rightwards: bool
) -> None:
    """Draw small arrow heads, all in one direction."""
    axes.plot(
        *zip(*points, strict=True),
        linestyle="none",
        marker=">" if rightwards else "<",
        markersize=8,
        markeredgewidth=0,
        color=INK,
    )


def draw_bracket(
    axes: Axes, ends: tuple[float, float], y: float, name: str
) -> None:
    """Draw a line under what stands between its ends, and name it."""
    axes.plot(
        [ends[0] + 0.04, ends[1] - 0.04],
        [y + 0.05, y + 0.05],
        color=GREY,
        linewidth=1.5,
    )
    middle = sum(ends) / 2
    line = y + 0.05 + LINE / 2
    write(axes, middle, line, name, NOTE, ha="center", color=GREY)


def _shorten(text: str, width: float) -> str:
    """Return the text, or as much of its start as fits the width."""
    shown = text[:LETTERS]
    if shown == text and measure(text, WORD) <= width:
        return text
    while len(shown) > 1 and measure(shown + MORE, WORD) > width:
        shown = shown[:-1]
    return shown + MORE
