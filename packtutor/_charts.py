"""Plot curves and lengths on axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter
from torch import Tensor

from packtutor import _palette, _places
from packtutor._checks import (
    INT64_MAX,
    Lengths,
    add_up,
    as_integers,
    as_lengths,
    as_list,
    short,
)
from packtutor._drawing import DPI, NOTE, PAGE, WORD
from packtutor._palette import INK, LINES, PAD, PAPER, RULE
from packtutor._pictures import count
from packtutor._plans import Plan, as_plan, check_fit, check_tokens
from packtutor._reading import check_longest
from packtutor._tally import median, percentile_95

# At most so many bars of a histogram.
_BARS = 40

# At most so many steps of a plan.
_STEPS = 10**6


# The size of a chart in inches.
_WIDTH, _HEIGHT = PAGE, 3.6

Curves = Mapping[str, tuple[Sequence[int], Sequence[float]]]


def padding_growth(curves: Curves) -> Figure:
    """Draw the share of padding against the batch size."""
    checked = _read_curves(curves)
    figure = new_figure()
    _draw_growth(figure, checked)
    return figure


def histogram(lengths: Lengths) -> Figure:
    """Draw how often each length occurs."""
    values, counts = _read_lengths(lengths, None)
    figure = new_figure()
    _draw_histogram(figure, values, counts)
    return figure


class Report(NamedTuple):
    """What both charts show, checked."""

    curves: dict[str, tuple[list[int], list[float]]]
    values: Tensor
    counts: Tensor


def read_report(
    curves: Curves, lengths: Lengths, counts: Lengths | None
) -> Report:
    """Check what is to be drawn, before there is a figure."""
    return Report(_read_curves(curves), *_read_lengths(lengths, counts))


def report(figure: Figure, checked: Report) -> None:
    """Draw both, one below the other."""
    figure.set_size_inches(_WIDTH, 2 * _HEIGHT)
    parts: Any = figure.subfigures(2, 1)
    for part in parts:
        part.set_facecolor(PAPER)
    _draw_growth(parts[0], checked.curves)
    _draw_histogram(parts[1], checked.values, checked.counts)


def new_figure() -> Figure:
    """Return an empty figure for charts, white in any style."""
    return plt.figure(
        figsize=(_WIDTH, _HEIGHT),
        dpi=DPI,
        facecolor=PAPER,
        layout="constrained",
    )


def _draw_growth(
    figure: Figure | SubFigure,
    curves: Mapping[str, tuple[list[int], list[float]]],
) -> None:
    axes = _new_axes(figure, "batch size", "padding, % of all cells")
    styles = zip(
        itertools.cycle(("-", "--", "-.", ":")),
        itertools.cycle(("o", "s", "^", "D", "v")),
        itertools.cycle(LINES),
        strict=False,
    )
    for (name, points), (line, marker, colour) in zip(
        curves.items(), styles, strict=False
    ):
        axes.plot(
            *points,
            linestyle=line,
            marker=marker,
            color=colour,
            linewidth=2,
            label=name,
        )
    axes.set_xscale("log", base=2)
    sizes = sorted({size for sizes, _ in curves.values() for size in sizes})
    ticks = sizes[:: math.ceil(len(sizes) / 8)]
    axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    _draw_legend(figure)


def _draw_histogram(
    figure: Figure | SubFigure, values: Tensor, counts: Tensor
) -> None:
    shortest, longest = int(values[0]), int(values[-1])
    step = math.ceil((longest - shortest + 1) / _BARS)
    edges = [edge - 0.5 for edge in range(shortest, longest + step + 1, step)]
    axes = _new_axes(figure, "length, tokens", "number of sequences")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.hist(
        values.tolist(),
        bins=edges,
        weights=counts.tolist(),
        color=_palette.fill(0),
        edgecolor=_palette.edge(0),
    )
    middle = median(values, counts)
    text = f"{middle:,.1f}".removesuffix(".0")
    high = percentile_95(values, counts)
    axes.axvline(middle, color=INK, linewidth=2, label=f"median: {text}")
    axes.axvline(
        high,
        color=LINES[1],
        linestyle="--",
        linewidth=2,
        label=f"95th percentile: {high:,}",
    )
    _draw_legend(figure)


def _read_curves(
    curves: Curves,
) -> dict[str, tuple[list[int], list[float]]]:
    """Return the points of all curves."""
    if not isinstance(curves, Mapping):
        raise TypeError(
            f"curves is {short(curves)}; it must be a dictionary of curves"
        )
    if not curves:
        raise ValueError("curves is empty; it must have at least one curve")
    return {
        _read_name(name): _read_curve(f"curves[{name!r}]", curve)
        for name, curve in curves.items()
    }


def _read_name(name: object) -> str:
    """Return a curve's name; matplotlib hides those that start with "_"."""
    if not isinstance(name, str):
        raise TypeError(f"curves has the name {short(name)}; it must be a str")
    if name.startswith("_"):
        raise ValueError(
            f"curves has the name {short(name)}; it must not start with '_'"
        )
    return name


def _read_lengths(
    lengths: Lengths, counts: Lengths | None
) -> tuple[Tensor, Tensor]:
    """Return the different lengths, in order, and how often each occurs."""
    checked = check_longest(as_lengths(lengths))
    if counts is None:
        values, numbers = torch.unique(checked, return_counts=True)
    else:
        values, numbers = checked, as_lengths(counts, "counts")
        if (
            values.shape != numbers.shape
            or bool((values.diff() <= 0).any())
            or bool((numbers == 0).any())
        ):
            raise ValueError(
                f"lengths has {count(values.numel(), 'length')} and counts "
                f"{count(numbers.numel(), 'number')}; with counts, lengths "
                f"must be different ones in rising order, and counts have a "
                f"number above 0 for each"
            )
    if not values.numel():
        raise ValueError("lengths is empty; there is nothing to draw")
    if add_up(numbers) > INT64_MAX:
        raise ValueError(
            f"counts add up to {add_up(numbers)}; they may only to {INT64_MAX}"
        )
    return values, numbers


def slabs(plan: Plan, lengths: Lengths) -> Figure:
    """Draw the slabs of a plan over the tokens of a batch."""
    plan = as_plan(plan)
    checked = as_lengths(lengths)
    # Before the steps are counted, which may be more than there is memory.
    check_tokens(plan, add_up(checked))
    if checked.numel() and int(checked.max()) > _STEPS:
        index = int(checked.argmax())
        raise ValueError(
            f"lengths[{index}] is {int(checked[index])}; at most {_STEPS} "
            f"steps are drawn"
        )
    alive = _places.batch_sizes(checked)
    check_fit(plan, alive)
    if not plan.slabs:
        raise ValueError("plan has no slab; there is nothing to draw")
    figure = new_figure()
    axes = _new_axes(figure, "time step", "sequences, longest first")
    pads = plan.route == "slabs" and plan.cells > plan.tokens
    for index, (start, stop, rows) in enumerate(plan.slabs):
        frame = Rectangle(
            (start, 0),
            stop - start,
            rows,
            facecolor=PAPER if pads else "none",
            edgecolor=PAD,
            hatch="////" if pads else None,
            label="pads" if pads and index == 0 else None,
        )
        axes.add_patch(frame)
    axes.stairs(
        alive.tolist(),
        color=_palette.fill(0),
        edgecolor=_palette.edge(0),
        fill=True,
        label=count(plan.tokens, "token"),
    )
    for start, stop, rows in plan.slabs:
        frame = Rectangle((start, 0), stop - start, rows, fill=False)
        frame.set(edgecolor=INK, linewidth=1.5)
        axes.add_patch(frame)
    axes.set_xlim(0, len(alive))
    axes.set_ylim(int(alive[0]), 0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    axes.plot([], [], color=INK, label=_name_slabs(plan))
    _draw_legend(figure)
    return figure


def _name_slabs(plan: Plan) -> str:
    """Say what a frame is, and how much of all is pads."""
    name = {"torch": "call", "bptt": "call", "slabs": "slab"}[plan.route]
    share = f", {plan.padding_fraction:.0%} pads"
    return count(len(plan.slabs), name) + share * (plan.route == "slabs")


def _read_curve(name: str, curve: object) -> tuple[list[int], list[float]]:
    """Return a curve's points; refuse what is no batch size or fraction."""
    if not isinstance(curve, (tuple, list)) or len(curve) != 2:
        raise TypeError(
            f"{name} is {short(curve)}; it must be a pair (batch sizes, "
            f"fractions)"
        )
    sizes, fractions = curve
    counts: list[int] = as_integers(sizes, f"{name}: batch sizes").tolist()
    shares = [
        _read_share(f"{name}: fractions[{index}]", fraction)
        for index, fraction in enumerate(
            as_list(fractions, f"{name}: fractions", "numbers")
        )
    ]
    if len(counts) != len(shares) or not counts:
        raise ValueError(
            f"{name} has {count(len(counts), 'batch size')} and "
            f"{count(len(shares), 'fraction')}; it must have as many of "
            f"both, at least one"
        )
    for index, size in enumerate(counts):
        if size < 1:
            raise ValueError(
                f"{name}: batch sizes[{index}] is {size}; it must be at "
                f"least 1"
            )
    return counts, shares


def _read_share(name: str, fraction: Any) -> float:
    try:
        share = float(fraction)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"{name} is {short(fraction)}; it must be a number"
        ) from None
    if not 0 <= share <= 1:
        raise ValueError(f"{name} is {share}; it must be from 0 to 1")
    return share


def _new_axes(figure: Figure | SubFigure, x_label: str, y_label: str) -> Axes:
    """Return empty axes, dark on white in any style."""
    axes: Axes = figure.subplots()
    axes.set_facecolor(PAPER)
    axes.set_xlabel(x_label, fontsize=WORD, color=INK)
    axes.set_ylabel(y_label, fontsize=WORD, color=INK)
    axes.tick_params(colors=INK, labelsize=NOTE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(INK)
    axes.grid(axis="y", color=RULE)
    axes.set_axisbelow(True)
    return axes


def _draw_legend(figure: Figure | SubFigure) -> None:
    """Name the lines above the axes, where they cover nothing."""
    legend = figure.legend(
        loc="outside upper left",
        ncols=2,
        fontsize=NOTE,
        labelcolor=INK,
        frameon=False,
    )
    for name in legend.get_texts():
        name.set_parse_math(False)  # a "$" stands for itself
