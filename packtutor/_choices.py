"""Draw the questions that lead to a way of running a batch."""

from __future__ import annotations

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from packtutor._drawing import (
    MARGIN,
    NOTE,
    new_page,
    write,
)
from packtutor._palette import GREY, INK, PANEL, PAPER


class _Choice(NamedTuple):
    """A question of two lines, and the way and its reason if it is yes."""

    question: tuple[str, str]
    way: str
    reason: str


_CHOICES = (
    _Choice(
        ("Do all sequences of a batch", "have the same length?"),
        "Stack them",
        "There is nothing to pad.",
    ),
    _Choice(
        ("Does the layer take each token", "alone? Embedding, Linear..."),
        "Run it on the values",
        "Ragged.apply, or packed.data",
    ),
    _Choice(
        ("Does it mix neighbours", "in a window? Convolution"),
        "Pad, and mask before it",
        "A pad must be a zero.",
    ),
    _Choice(
        ("Does each token look", "at all others? Attention"),
        "Pad, and key_padding_mask",
        "Or nested: no pads at all",
    ),
    _Choice(
        ("A recurrent network in one", "direction, to be exported?"),
        "Pad, and keep the lengths",
        "Two directions: no way shown.",
    ),
    _Choice(
        ("Is a sequence empty,", "or the batch nested?"),
        "Ragged and run_rnn",
        "PyTorch refuses both.",
    ),
    _Choice(
        ("Does it run", "on a GPU?"), "Pack", "cuDNN takes a packed batch."
    ),
)
_ELSE = "run_rnn", "On a CPU: mostly faster"

# Inches: a box of two lines, the way between two, and from left to right.
_HIGH, _DOWN, _ACROSS = 0.56, 0.24, 0.4
_LINE = 0.21
_WIDE = 2.7
_PAGE = 2 * (MARGIN + _WIDE) + _ACROSS


def draw() -> Figure:
    """Return the questions, one below the other, with their answers."""
    rows = len(_CHOICES) + 1
    step = _HIGH + _DOWN
    figure, axes = new_page(_PAGE, 2 * MARGIN + rows * step - _DOWN)
    left, right = MARGIN, MARGIN + _WIDE + _ACROSS
    for row, choice in enumerate(_CHOICES):
        top = MARGIN + row * step
        middle = top + _HIGH / 2
        _draw_box(axes, (left, top), choice.question, PAPER)
        _draw_way(axes, (right, top), choice.way, choice.reason)
        _draw_arrow(axes, (left + _WIDE, middle), (right, middle))
        write(axes, left + _WIDE + 0.03, middle - 0.13, "yes", NOTE)
        below = left + _WIDE / 2, top + _HIGH
        _draw_arrow(axes, below, (below[0], top + step))
        write(axes, below[0] + 0.1, below[1] + _DOWN / 2, "no", NOTE)
    top = MARGIN + len(_CHOICES) * step
    _draw_way(axes, (left, top), *_ELSE)
    return figure


def _draw_way(
    axes: Axes, corner: tuple[float, float], way: str, reason: str
) -> None:
    _draw_box(axes, corner, (way, reason), PANEL, weight="bold")


def _draw_box(
    axes: Axes,
    corner: tuple[float, float],
    lines: tuple[str, str],
    colour: str,
    **first: Any,
) -> None:
    """Draw a box with two lines in it."""
    x, y = corner
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.06, y),
            _WIDE - 0.12,
            _HIGH,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=colour,
            edgecolor=GREY,
            linewidth=1.2,
        )
    )
    middle = y + _HIGH / 2
    write(axes, x + 0.14, middle - _LINE / 2, lines[0], NOTE, **first)
    write(axes, x + 0.14, middle + _LINE / 2, lines[1], NOTE)


def _draw_arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float]
) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": INK,
            "shrinkA": 0 if start[0] == end[0] else 4,
            "shrinkB": 0 if start[0] == end[0] else 4,
        },
    )
