"""What a cold page loads, and that it needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, Response

LIMIT = 1_000_000  # bytes of a cold page, uncompressed, without MathJax
# On every page. A file that is new here needs a reason, or a rule in
# book/_ext/light_pages.py.
ALWAYS = {
    "basic.css",
    "bootstrap.js",
    "custom.css",
    "doctools.js",
    "documentation_options.js",
    "icons.css",
    "print.css",
    "print.js",
    "pydata-sphinx-theme.js",
    "pygments.css",
    "sphinx-book-theme.css",
    "sphinx-book-theme.js",
    "sphinx_highlight.js",
    "theme-without-icons.css",
}
CODE = {"clipboard.min.js", "copybutton.css", "copybutton.js"}
FIGURES = {"packing.css", "packing.js"}
EXPLORER = FIGURES | {"packing_explorer.css", "packing_explorer.js"}
RUN = FIGURES | {"lstm_run.css", "lstm_run.js"}
SEARCH = {
    "language_data.js",
    "searchindex.js",
    "searchtools.js",
    "section_search.js",
    "sections.js",
}


def load(page: Page, url: str) -> dict[str, int]:
    """Load a page; return the files it loaded, each with its bytes."""
    responses: list[Response] = []

    def note(response: Response) -> None:
        responses.append(response)  # read below: a handler must not wait

    page.on("response", note)
    page.goto(url, wait_until="networkidle")
    page.remove_listener("response", note)
    files: dict[str, int] = {}
    for response in responses:
        name = response.url.rpartition("/")[2].partition("?")[0]
        if response.url != url:
            assert response.ok, response.url
            files[name] = len(response.body())
    return files


def expected(text: str, name: str) -> set[str]:
    images = re.findall(r'<img [^>]*src="[^"]*/([^"/]+)"', text)
    files = ALWAYS | set(images)
    if 'class="highlight' in text:
        files |= CODE
    if 'class="cell' in text:
        files |= {"mystnb.css"}
    if 'class="packing-explorer' in text:
        files |= EXPLORER
    if 'class="lstm-run' in text:
        files |= RUN
    if 'class="math' in text:
        files |= {"tex-chtml.js"}
    return files | SEARCH if name == "search.html" else files


def test_a_cold_page_loads_what_it_needs(
    browser: Browser, address: str, site: Path, names: list[str]
) -> None:
    for name in names:
        context = browser.new_context()  # with an empty cache
        page = context.new_page()
        text = (site / name).read_text(encoding="utf-8")
        files = load(page, f"{address}/{name}")
        # What MathJax loads by itself depends on the formulas.
        found = {
            re.sub(r"^mystnb\.\w+\.css", "mystnb.css", file)
            for file in files
            if not file.endswith((".woff", ".woff2", "favicon.svg"))
        }
        assert found == expected(text, name), name
        fonts = page.evaluate("[...document.fonts].map(font => font.family)")
        assert [font for font in fonts if not font.startswith("MJX")] == []
        context.close()
        own = [n for file, n in files.items() if file != "tex-chtml.js"]
        assert len(text.encode()) + sum(own) < LIMIT, name


def test_each_icon_is_drawn(site: Path, names: list[str]) -> None:
    style = (site / "_static" / "icons.css").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^\.(fa-[\w-]+) \{", style, re.M))
    shown: set[str] = set()
    for name in names:
        text = (site / name).read_text(encoding="utf-8")
        for classes in re.findall(r'<(?:i|span) class="([^"]*)"', text):
            shown |= set(re.findall(r"\bfa-[\w-]+", classes))
    # These say how an icon is drawn, not which.
    assert shown - {"fa-lg", "fa-solid", "fa-brands"} <= drawn
    assert "fa-magnifying-glass" in shown


def test_every_page_works_as_a_file(
    browser: Browser, site: Path, names: list[str]
) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error"
            else None
        ),
    )
    for name in names:
        if name == "404.html":
            continue  # its links start from the root of a server
        page.goto((site / name).as_uri(), wait_until="load")
        assert page.evaluate("document.documentElement.dataset.mode")
        assert complaints == [], name
    page.close()
