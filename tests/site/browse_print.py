"""What is printed: the cheat sheet on one page, no navigation, no cuts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

SHEET = "book/cheat_sheet.html"
PAGES = ["book/index.html", "book/04_run_an_lstm.html", SHEET]
# A4 between the margins, at 96 pixels an inch.
PAPER = {"width": 703, "height": 1032}

SEEN = """() => {
    const seen = element => {
        const box = element.getBoundingClientRect();
        return box.width > 1 && box.height > 1
            && getComputedStyle(element).visibility !== "hidden";
    };
    const article = document.querySelector(".bd-article");
    return [...document.querySelectorAll("body *")]
        .filter(element => !element.contains(article)
            && !article.contains(element) && seen(element))
        .map(element => `${element.tagName} ${element.className}`);
}"""
CUT = """() => [...document.querySelectorAll(
    ".bd-article :is(img, svg, pre, tr, .cell_input, .cell_output)")]
    .filter(element => element.getBoundingClientRect().width
        && getComputedStyle(element).breakInside !== "avoid")
    .map(element => element.outerHTML.slice(0, 80))"""


def pages_of(pdf: bytes) -> int:
    """Count the pages as Chromium writes them."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_the_cheat_sheet_is_one_page(page: Page, address: str) -> None:
    page.goto(f"{address}/{SHEET}")
    assert pages_of(page.pdf(format="A4")) == 1
    page.goto(f"{address}/{PAGES[1]}")
    assert pages_of(page.pdf(format="A4")) > 5


@pytest.mark.parametrize("place", PAGES)
def test_paper_has_the_text_alone(
    page: Page, address: str, place: str
) -> None:
    page.set_viewport_size(PAPER)
    page.goto(f"{address}/{place}")
    page.emulate_media(media="print")
    assert page.evaluate(SEEN) == []
    article = page.locator(".bd-article")
    for selector in ("button", "input", "textarea", "a.headerlink"):
        for element in article.locator(selector).all():
            assert not element.is_visible(), selector
    assert article.locator("h1").first.is_visible()


@pytest.mark.parametrize("place", PAGES)
def test_nothing_is_cut(page: Page, address: str, place: str) -> None:
    page.set_viewport_size(PAPER)
    page.goto(f"{address}/{place}")
    page.emulate_media(media="print")
    assert page.evaluate(CUT) == []
    wide = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(wide)
    for element in page.locator(".bd-article :is(pre, table, .pe-box)").all():
        assert element.evaluate("e => e.scrollWidth <= e.clientWidth + 1")


def test_paper_is_white_and_its_letters_dark(
    browser: Browser, address: str
) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"{address}/{PAGES[1]}")
    looks = """() => {
        const {color, backgroundColor} = getComputedStyle(document.body);
        const code = document.querySelector(".bd-article pre .n");
        return [color, backgroundColor, getComputedStyle(code).color];
    }"""
    dark = page.evaluate(looks)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.wait_for_timeout(500)  # the theme's colours change slowly
    ink, paper, code = (
        [int(n) for n in re.findall(r"\d+", colour)]
        for colour in page.evaluate(looks)
    )
    assert max(ink[:3]) < 80
    assert max(code[:3]) < 80
    assert min(paper) == 255 or paper[3:] == [0]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    page.wait_for_timeout(500)
    assert page.evaluate(looks) == dark
    page.close()


def test_every_page_has_the_print_styles(site: Path) -> None:
    for path in site.glob("book/**/*.html"):
        text = path.read_text(encoding="utf-8")
        assert "_static/print.css" in text
        assert "_static/print.js" in text
