"""The book as one PDF: all pages in order, and links that lead inside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tools.pdf import join_pages, list_pages, print_joined


@pytest.fixture(scope="module")
def joined(browser: Browser, site: Path) -> Iterator[Page]:
    """The browser's page with the whole book in it."""
    complaints: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("file:", "data:", "blob:"))
            else complaints.append(request.url)
        ),
    )
    join_pages(page, site)
    yield page
    page.close()
    assert complaints == []


def test_every_page_stands_there_in_order(joined: Page, site: Path) -> None:
    headings = joined.locator(".printed h1").all_inner_texts()
    names = list_pages()
    assert len(set(names)) == len(names) > 20
    titles = [
        re.search(
            r"<title>(.*?) (?:&#8212;|—) ",
            (site / f"{name}.html").read_text(encoding="utf-8"),
        )
        for name in names
    ]
    for heading, title in zip(headings, titles, strict=True):
        assert title
        assert title[1] in heading


def test_links_lead_to_places_in_it(joined: Page) -> None:
    lost = """() => [...document.querySelectorAll(".printed a[href]")]
        .map(link => link.getAttribute("href"))
        .filter(href => href.startsWith("#")
            ? !document.getElementById(href.slice(1))
            : !/^(https?|mailto):/.test(href))"""
    assert joined.evaluate(lost) == []
    twice = """() => {
        const ids = [...document.querySelectorAll(".printed [id]")]
            .filter(node => node.tagName !== "pattern").map(node => node.id);
        return ids.filter((id, i) => ids.indexOf(id) !== i);
    }"""
    assert joined.evaluate(twice) == []


def test_images_are_in_it(joined: Page) -> None:
    images = joined.locator(".printed img")
    assert images.count() > 5
    widths = images.evaluate_all("all => all.map(i => i.naturalWidth)")
    assert min(widths) > 0


def test_the_pdf_has_an_outline_and_no_path(joined: Page) -> None:
    pdf = print_joined(joined)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) > 100
    assert b"file:" not in pdf
    titles = re.findall(rb"/Title \(([^)]*)\)", pdf)
    outline = [title.decode("latin-1") for title in titles]
    assert "4. Run an LSTM" in outline
    assert "Cheat sheet" in outline
