"""Each picture of the site can be read: on a phone, and in both themes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from test_palette import turned

from packtutor._palette import FILLS

# The pixels an inch of what notebooks and book/assets store.
NOTEBOOK, FILE = 100, 150
# The smallest letters of the package's figures, and of a plain chart.
OURS, PLAIN = 11, 10
MEASURE = """images => images.map(image => ({
    name: image.currentSrc, alt: image.alt,
    scale: image.getBoundingClientRect().width / image.naturalWidth,
}))"""
# The texts of a drawing, which is not scaled.
LETTERS = """texts => texts.filter(text => text.checkVisibility())
    .map(text => parseFloat(getComputedStyle(text).fontSize))"""


def test_letters_have_nine_pixels_on_a_phone(
    page: Page, address: str, names: list[str]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    seen = 0
    for name in names:
        if not name.startswith("book/"):
            continue  # made by Sphinx
        page.goto(f"{address}/{name}")
        images = page.locator(".bd-article img:not(.inline)").evaluate_all(
            MEASURE
        )
        for image in images:
            dots = FILE if image["name"].endswith("choose.png") else NOTEBOOK
            plain = image["alt"].startswith("Time of a training step")
            points = PLAIN if plain else OURS
            pixels = points / 72 * dots * image["scale"]
            assert pixels >= 9, (name, image["alt"], pixels)
            assert len(image["alt"]) >= 40
            seen += 1
        sizes = page.locator(".pe-box text").evaluate_all(LETTERS)
        assert min(sizes, default=9) >= 9, name
    assert seen >= 8


def colours(image: bytes) -> Any:
    with Image.open(io.BytesIO(image)) as opened:
        return np.asarray(opened.convert("RGB"), dtype=int).reshape(-1, 3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_and_drawings_have_the_same_colours(
    browser: Browser, address: str, scheme: Any
) -> None:
    page = browser.new_page(color_scheme=scheme)
    for name, selector in (
        ("book/01_meet_three_documents.html", ".bd-article img"),
        ("book/index.html", "[data-layout=padded] svg"),
    ):
        page.goto(f"{address}/{name}")
        pixels = colours(page.locator(selector).first.screenshot())
        paper = page.evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        wanted = [int(part) for part in paper[4:-1].split(",")]
        # A figure has no box of its own.
        assert abs(pixels[0] - wanted).max() <= 2, name
        for fill in FILLS[:3]:
            seen = turned(fill) if scheme == "dark" else fill
            near = abs(pixels - [*bytes.fromhex(seen[1:])]).max(1) <= 4
            assert near.sum() > 300, (name, fill)
    page.close()
