"""Draw results: python -m benchmarks.plots [DIR]."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import results
from packtutor._files import write_whole
from packtutor._palette import INK, LINES, PAPER, RULE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Each way has a colour and a marker: neither is needed to tell them apart.
_STYLES = {
    "torch padded": (LINES[0], "o"),
    "torch packed": (LINES[1], "s"),
    "onnxruntime": (LINES[2], "^"),
    "flax": (LINES[3], "D"),
    "run_rnn packed": (INK, "|"),
}


def draw_all(found: dict[str, dict[str, Any]], folder: Path) -> None:
    """Draw what there are results for, as SVG beside them."""
    import matplotlib as mpl  # noqa: PLC0415

    # A fixed salt, and no date: the same results give the same file.
    mpl.rcParams["svg.hashsalt"] = "packtutor"
    for name, draw in (("recurrence", _recurrence), ("growth", _growth)):
        if name in found:
            figure = draw(found[name])
            image = io.BytesIO()
            figure.savefig(
                image,
                format="svg",
                metadata={"Date": None, "Creator": None},
                facecolor=PAPER,
                bbox_inches="tight",
            )
            write_whole(folder / f"{name}.svg", image.getvalue())


def _recurrence(result: dict[str, Any]) -> Figure:
    """Draw each way's time as a multiple of run_rnn's."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = list({row["case"]: None for row in result["cases"]})
    figure = Figure(
        figsize=(11, 1.5 + 0.27 * len(names)), layout="constrained"
    )
    panels = figure.subplots(1, 2, sharey=True, sharex=True)
    for axes, run in zip(panels, ("forward", "training"), strict=True):
        rows = [row for row in result["cases"] if row["run"] == run]
        for way, (colour, marker) in _STYLES.items():
            points = [
                (_multiple(row, way), names.index(row["case"]))
                for row in rows
                if way in row["ways"]
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    marker,
                    color=colour,
                    label=way,
                    markersize=5,
                )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set_title(run)
        axes.set_xlabel("time, as a multiple of run_rnn's")
        axes.grid(axis="y", color=RULE, linewidth=0.6)
    panels[0].set_yticks(range(len(names)), names, fontsize=8)
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(_STYLES),
        fontsize=8,
    )
    return figure


def _multiple(row: dict[str, Any], way: str) -> float:
    ways: dict[str, dict[str, float]] = row["ways"]
    return ways[way]["ms"] / ways["run_rnn packed"]["ms"]


def _growth(result: dict[str, Any]) -> Figure:
    """Draw the time of a training step over the number of steps."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(5.5, 4))
    axes = figure.subplots()
    for way, slope in result["exponents"].items():
        rows = [row for row in result["cases"] if row["way"] == way]
        colour, marker = _STYLES[way]
        axes.plot(
            [row["T"] for row in rows],
            [row["ms"] for row in rows],
            "o-" if marker == "|" else f"{marker}-",
            color=colour,
            label=f"{way}: exponent {slope:.2f}",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted({row["T"] for row in result["cases"]}), minor=False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.set_xlabel("T, steps of the longest sequence")
    axes.set_ylabel("training step, ms")
    axes.grid(color=RULE, linewidth=0.6)
    axes.legend()
    return figure


def main() -> None:
    """Draw the results of a folder; the committed ones if none is given."""
    folder = Path(sys.argv[1]) if sys.argv[1:] else results.COMMITTED
    draw_all(results.read_all(folder), folder)


if __name__ == "__main__":
    main()
