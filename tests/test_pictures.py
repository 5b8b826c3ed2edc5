"""The stored pictures are what the code draws today, and are told in words.

A chapter is run again, and each of its pictures is compared with the stored
one on a coarse grid: fonts are drawn a little differently by each version of
matplotlib and FreeType, which moves a letter by a pixel and a page by some,
and one picture is drawn from the help texts of the reader's Python. Another
colour, cell, curve or text of any length changes a field of the grid.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from notebooks import (
    BOOK,
    NOTEBOOKS,
    code_cells,
    images,
    python_source,
    read,
    tags,
)
from PIL import Image

from packtutor import DOCS, figures
from packtutor._palette import FILLS

# Measured: from matplotlib 3.10.7 to 3.11.2 a field of the grid changes by
# 0.054 at most; one word moved or one colour changed, by 0.14 or more.
GRID, SAME = 12, 0.09
DRAWN = [
    path for path in NOTEBOOKS if any(map(images, code_cells(read(path))))
]
ASSETS = {
    "layouts.png": lambda: figures.layouts_png(DOCS),
    "choose.png": figures.choices_png,
}


def open_png(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def coarse(image: Image.Image) -> Any:
    small = image.resize((GRID, GRID), Image.Resampling.BOX)
    return np.asarray(small, dtype=float) / 255


def differ(one: bytes, other: bytes) -> str:
    """Say how two pictures differ, or nothing if they do not."""
    first, second = open_png(one), open_png(other)
    for new, old in zip(first.size, second.size, strict=True):
        if abs(new - old) > 0.03 * old:
            return f"sizes {first.size} and {second.size}"
    fields = abs(coarse(first) - coarse(second)).mean(2)
    return f"a field by {fields.max():.3f}" if fields.max() > SAME else ""


def as_in_jupyter(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, bbox_inches="tight", dpi=figure.dpi)
    return file.getvalue()


def shown(path: Path) -> Iterator[tuple[Any, Figure]]:
    """Run a chapter; yield each cell with a picture, and the figure."""
    space: dict[str, Any] = {"__name__": "chapter"}
    for cell in code_cells(read(path)):
        if tags(cell) & {"exercise", "check", "solution"}:
            continue
        try:
            exec(python_source(cell), space)
        except Exception:  # noqa: BLE001
            assert "raises-exception" in tags(cell)
        if images(cell):
            yield cell, plt.gcf()
        plt.close("all")


def said(figure: Figure) -> set[str]:
    """Return what alternative text has to name: words in cells, and axes."""
    found: set[str] = set()
    for axes in figure.findobj(plt.Axes):
        cells = [p for p in axes.patches if isinstance(p, FancyBboxPatch)]
        boxes = [cell.get_window_extent() for cell in cells]
        for text in axes.findobj(Text):
            word = text.get_text()
            x, y = text.get_window_extent().get_points().mean(0)
            if word.isalpha() and any(box.contains(x, y) for box in boxes):
                found.add(word)
        if axes.axison:
            names = axes.get_xlabel(), axes.get_ylabel()
            found.update(name.partition(",")[0] for name in names)
    return found


@pytest.mark.parametrize("path", DRAWN, ids=[path.stem for path in DRAWN])
def test_a_chapter_stores_what_it_draws(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    for cell, figure in shown(path):
        (stored,) = images(cell)
        drawn = as_in_jupyter(figure)
        assert not differ(drawn, base64.b64decode(stored)), cell.source
        alt = cell.metadata["mystnb"]["image"]["alt"]
        missing = {
            name for name in said(figure) if name.lower() not in alt.lower()
        }
        assert not missing, cell.source


@pytest.mark.parametrize("name", ASSETS)
def test_an_asset_is_what_is_drawn(name: str) -> None:
    assert not differ(ASSETS[name](), (BOOK / "assets" / name).read_bytes())


def test_another_picture_is_noticed() -> None:
    drawn = figures.layouts_png(DOCS)
    assert not differ(drawn, drawn)
    for docs in (
        ["on your mark", "get set"],
        ["on your mark", "get", "go"],
        ["on your mark", "go", "get set"],
        ["on your mark", "get set", "go go"],
    ):
        assert differ(figures.layouts_png(docs), drawn), docs


def test_another_colour_is_noticed() -> None:
    drawn = figures.layouts_png(DOCS)
    pixels = np.array(open_png(drawn))
    green, blue = ([*bytes.fromhex(FILLS[k][1:])] for k in (2, 0))
    pixels[(pixels == green).all(2)] = blue
    changed = Image.fromarray(pixels)
    file = io.BytesIO()
    changed.save(file, "png")
    assert differ(file.getvalue(), drawn)
