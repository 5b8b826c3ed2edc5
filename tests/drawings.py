"""Tell a figure in rows of text.

One row is one artist, in the order in which they are drawn: what it is, where
it stands in data coordinates, and how it looks. Letters are taken as equally
wide: how wide a font draws them depends on the version of FreeType, and with
it where all that stands beside them does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis, Tick
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle, StepPatch
from matplotlib.spines import Spine
from matplotlib.text import Annotation, Text

from packtutor import _drawing


class EvenFont:
    """A font of equally wide letters, those of a bold one wider."""

    def __init__(self, path: str) -> None:
        self._wide = 0.66 if "Bold" in Path(path).stem else 0.6

    def set_size(self, points: float, dpi: float) -> None:
        self._pixels = points / 72 * dpi

    def set_text(self, text: str) -> None:
        self._letters = len(text)

    def get_width_height(self) -> tuple[int, int]:
        return round(64 * self._pixels * self._wide * self._letters), 0

    def get_char_index(self, code: int) -> int:
        return code < 0x3000


def drawn(draw: Callable[[], Figure]) -> list[str]:
    """Draw a figure and tell it."""
    with mpl.rc_context(), patch.object(_drawing, "get_font", EvenFont):
        mpl.rcdefaults()
        # A reader's own style: what a figure sets itself stays as it is.
        own = {"figure.dpi": 72, "lines.linewidth": 3}
        plt.style.use(["dark_background", own])
        figure = draw()
    try:
        return list(tell(figure))
    finally:
        plt.close(figure)


def tell(figure: Figure) -> Iterator[str]:
    """Yield the rows of a figure."""
    size = numbers(*figure.get_size_inches())
    layout = type(figure.get_layout_engine()).__name__
    yield f"figure {size} dpi {figure.dpi:g} {layout}"
    for part in figure.subfigs or [figure]:
        yield f"part {colour(part.get_facecolor())}"
        for axes in part.axes:
            yield from tell_axes(axes)
        for legend in part.legends:
            yield from tell_legend(legend)


def tell_axes(axes: Axes) -> Iterator[str]:
    place = numbers(*axes.get_xlim(), *axes.get_ylim())
    if axes.axison:
        yield f"axes {place} {colour(axes.get_facecolor())}"
        yield from tell_axis("x", axes.xaxis)
        yield from tell_axis("y", axes.yaxis)
        yield f"ticks below {axes.get_axisbelow()}"
    else:
        yield f"bare axes {place} at {numbers(*axes.get_position().bounds)}"
    artists = [*axes.patches, *axes.lines, *axes.texts]
    if axes.axison:
        artists += axes.spines.values()
    # As matplotlib does: from below to above, and else as they were added.
    places = {artist: k for k, artist in enumerate(axes.get_children())}
    artists.sort(key=lambda a: (a.get_zorder(), places[a]))
    for artist in artists:
        yield tell_artist(artist)


def tell_axis(name: str, axis: Axis) -> Iterator[str]:
    label, size = axis.label, axis.label.get_fontsize()
    ink = colour(label.get_color())
    yield f"{name} axis {axis.get_scale()} {label.get_text()!r} {size:g} {ink}"
    places = axis.get_majorticklocs()
    names = axis.get_major_formatter().format_ticks(places)
    low, high = sorted(axis.get_view_interval())
    shown = [
        f"{numbers(place)} as {name}"
        for place, name in zip(places, names, strict=True)
        if low <= place <= high
    ]
    yield f"  at {', '.join(shown)}"
    yield f"  and {len(axis.get_minorticklocs())} between"
    for looks in sorted({tell_tick(tick) for tick in axis.get_major_ticks()}):
        yield f"  {looks}"


def tell_tick(tick: Tick) -> str:
    name, mark, line = tick.label1, tick.tick1line, tick.gridline
    looks = [f"name {name.get_fontsize():g} {colour(name.get_color())}"]
    looks.append(f"mark {colour(mark.get_color())}")
    if line.get_visible():
        looks.append(f"line {colour(line.get_color())}")
    return " ".join(looks)


def tell_legend(legend: Legend) -> Iterator[str]:
    frame = "frame" if legend.get_frame_on() else "no frame"
    yield f"legend {frame}"
    for text in legend.get_texts():
        size, ink = text.get_fontsize(), colour(text.get_color())
        math = " math" * text.get_parse_math()
        yield f"  {text.get_text()!r} size {size:g} {ink}{math}"


def tell_artist(artist: Any) -> str:
    if isinstance(artist, Annotation):
        return tell_arrow(artist)
    if isinstance(artist, Text):
        return tell_text(artist)
    if isinstance(artist, Line2D):
        return tell_line(artist)
    if isinstance(artist, Spine):
        name, ink = artist.spine_type, colour(artist.get_edgecolor())
        return f"spine {name} {ink if artist.get_visible() else 'hidden'}"
    return tell_patch(artist)


def tell_patch(patch: Patch) -> str:
    if isinstance(patch, FancyBboxPatch):
        style = patch.get_boxstyle()
        name = f"{type(style).__name__.lower()} box"
        radius = getattr(style, "rounding_size", 0)
        place = f"{tell_box(patch)} radius {radius:g} pad {style.pad:g}"
    elif isinstance(patch, Rectangle):
        name, place = "rectangle", tell_box(patch)
    elif isinstance(patch, StepPatch):
        values, edges, base = patch.get_data()
        name = "steps"
        place = f"{numbers(*values)} edges {numbers(*edges)} from {base:g}"
    fill = colour(patch.get_facecolor()) if patch.get_fill() else "no fill"
    looks = [fill, colour(patch.get_edgecolor())]
    looks.append(f"width {patch.get_linewidth():g}")
    if dash(patch) != "-":
        looks.append(dash(patch))
    if patch.get_hatch():
        looks.append(f"hatch {patch.get_hatch()}")
    return f"{name} {place} {' '.join(looks)}{tell_label(patch)}"


def tell_box(box: FancyBboxPatch | Rectangle) -> str:
    return numbers(box.get_x(), box.get_y(), box.get_width(), box.get_height())


def tell_line(line: Line2D) -> str:
    points = ", ".join(numbers(*point) for point in line.get_xydata())
    looks = [colour(line.get_color()), dash(line)]
    if dash(line) != "none":
        looks.append(f"width {line.get_linewidth():g}")
    if line.get_marker() not in ("", "None", None):
        looks.append(f"marker {line.get_marker()} {line.get_markersize():g}")
        looks.append(f"edge {line.get_markeredgewidth():g}")
    return f"line [{points}] {' '.join(looks)}{tell_label(line)}"


def tell_text(text: Text) -> str:
    looks = [f"size {text.get_fontsize():g}", colour(text.get_color())]
    looks += [text.get_horizontalalignment(), text.get_verticalalignment()]
    if text.get_fontweight() not in ("normal", 400):
        looks.append(str(text.get_fontweight()))
    if text.get_parse_math():
        looks.append("math")
    box = text.get_bbox_patch()
    if box is not None:
        edge, pad = colour(box.get_edgecolor()), box.get_boxstyle().pad
        looks.append(f"on {colour(box.get_facecolor())} {edge} {pad:g}")
    place = numbers(*text.get_position())
    return f"text {text.get_text()!r} {place} {' '.join(looks)}"


def tell_arrow(arrow: Annotation) -> str:
    patch = arrow.arrow_patch
    shrinks = numbers(patch.shrinkA, patch.shrinkB)
    style = type(patch.get_arrowstyle()).__name__
    looks = f"{style} {colour(patch.get_edgecolor())} shrinks {shrinks}"
    ends = f"{numbers(*arrow.get_position())} to {numbers(*arrow.xy)}"
    return f"arrow {arrow.get_text()!r} from {ends} {looks}"


def tell_label(artist: Any) -> str:
    """Tell a label that the legend shows."""
    label = artist.get_label()
    hidden = not label or label.startswith("_")
    return "" if hidden else f" named {label!r}"


def numbers(*values: float) -> str:
    """Tell numbers with three digits, without a minus in front of 0."""
    return " ".join(f"{round(float(value), 3) + 0.0:g}" for value in values)


def colour(value: Any) -> str:
    shown = to_hex(value, keep_alpha=True)
    if shown.endswith("00"):
        return "none"
    return shown.removesuffix("ff") if len(shown) == 9 else shown


def dash(artist: Any) -> str:
    style = str(artist.get_linestyle())
    names = {"solid": "-", "dashed": "--", "dashdot": "-.", "dotted": ":"}
    return names.get(style, style).lower()
