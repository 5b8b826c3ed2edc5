"""What each page says about itself, and where its links lead."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from notebooks import ROOT
from playwright.sync_api import Browser, Page, Route, expect

SITE = "https://books.example.com/packing"
REPOSITORY = "https://github.com/somebody/packing"
# What stands on a page once there is an address.
WITH_ADDRESS = [
    "colab.research.google.com",
    "mybinder.org",
    "og:image",
    "og:url",
    'rel="canonical"',
    "/edit/main/",
]


class Anchors(HTMLParser):
    """The places in a page that a link can name, and the page's links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif name in ("href", "src", "action"):
                self.links.append(value or "")


def metas(text: str) -> dict[str, str]:
    found = re.findall(
        r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text
    )
    return {name: unescape(content) for name, content in found}


def test_pages_hold_nothing_active_but_the_two_figures(site: Path) -> None:
    """Where a reader's text or a notebook's output could stand."""
    with_template = set()
    for path in sorted((site / "book").rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        (article,) = re.findall(r"<article\b.*?</article>", text, re.S)
        bare = re.sub(r"<template\b.*?</template>", "", article, flags=re.S)
        if bare != article:
            with_template.add(path.stem)
        for part in (article, bare):
            assert not re.search(r"<(?:script|iframe|object|embed)\b", part)
            assert not re.search(r"<[^>]*\son\w+\s*=", part), path
            assert "javascript:" not in part
        assert not re.search(r"<(?:svg|form|input|button)\b", bare), path
    explorer, animation = {"index", "03_pack_the_batch"}, {"04_run_an_lstm"}
    assert with_template == explorer | animation


@pytest.fixture(scope="session")
def addressed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site, built with made-up addresses."""
    copy = tmp_path_factory.mktemp("addressed") / "book"
    ignored = shutil.ignore_patterns(
        "_build", ".*", "__pycache__", "node_modules", "tests"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    project = copy / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    for name, url in (("Repository", REPOSITORY), ("Documentation", SITE)):
        text, count = re.subn(
            rf'^{name} = ".*"$', f'{name} = "{url}"', text, flags=re.M
        )
        assert count == 1
    project.write_text(text, encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        *("build", ".", "-W", "-n", "--keep-going", "--all"),
    ]
    run = subprocess.run(
        command, cwd=copy, capture_output=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr
    yield copy / "_build" / "html"
    shutil.rmtree(copy)


def test_each_page_says_what_it_is(site: Path, names: list[str]) -> None:
    titles: set[str] = set()
    for name in names:
        text = (site / name).read_text(encoding="utf-8")
        title = re.search(r"<title>(.+?)</title>", text, re.S)
        assert title, name
        titles.add(title[1])
        found = metas(text)
        assert 20 <= len(found["description"]) <= 300, name
        assert found["og:description"] == found["description"]
        assert found["og:title"], name
        assert text.count("<h1") - text.count('onlyprint">\n    <h1') == 1
        for mark in WITH_ADDRESS:
            assert mark not in text, name
    assert len(titles) == len(names)
    assert not (site / "sitemap.xml").exists()


def test_each_chapter_can_be_downloaded(site: Path, names: list[str]) -> None:
    notebooks = 0
    for name in names:
        source = (ROOT / name).with_suffix(".ipynb")
        if source.exists():
            notebooks += 1
            text = (site / name).read_text(encoding="utf-8")
            (link,) = re.findall(r'href="([^"]+\.ipynb)"', text)
            copy = (site / name).parent / link
            assert copy.read_bytes() == source.read_bytes()
    assert notebooks > 10


def test_pages_with_an_address(addressed: Path, names: list[str]) -> None:
    for name in names:
        text = (addressed / name).read_text(encoding="utf-8")
        found = metas(text)
        assert found["og:url"] == f"{SITE}/{name}"
        assert found["og:image"] == f"{SITE}/_static/layouts.png"
        assert found["twitter:card"] == "summary_large_image"
        assert f'<link rel="canonical" href="{SITE}/{name}" />' in text
        page = name.removesuffix(".html")
        if (ROOT / f"{page}.ipynb").exists():
            path = f"{page}.ipynb"
            place = "somebody/packing/blob/main"
            assert f"colab.research.google.com/github/{place}/{path}" in text
            assert "mybinder.org/v2/gh/somebody/packing/main?" in text
            assert f"/{path}" in text
        elif (ROOT / f"{page}.md").exists():
            path = f"{page}.md"
        else:
            continue
        assert f"{REPOSITORY}/edit/main/{path}" in text
    assert (addressed / "_static" / "layouts.png").exists()


def test_sitemap_names_the_pages(addressed: Path, names: list[str]) -> None:
    text = (addressed / "sitemap.xml").read_text(encoding="utf-8")
    found = re.findall(r"<loc>(.*?)</loc>", text)
    pages = [name for name in names if name.startswith("book/")]
    assert sorted(found) == sorted(f"{SITE}/{name}" for name in pages)


def test_lost_readers_are_led_back_to_the_site(addressed: Path) -> None:
    text = (addressed / "404.html").read_text(encoding="utf-8")
    for link in Anchors(text).links:
        inside = not urlsplit(link).scheme and not link.startswith("#")
        assert not inside or link.startswith("/packing/"), link


def test_every_link_inside_leads_somewhere(
    site: Path, names: list[str]
) -> None:
    pages = {
        name: Anchors((site / name).read_text(encoding="utf-8"))
        for name in ["index.html", *names]
    }
    checked = 0
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(urljoin(f"/{name}", link))
            if parts.scheme or parts.netloc:
                continue
            path = unquote(parts.path).lstrip("/")
            assert (site / path).is_file(), f"{name}: {link}"
            if path in pages and parts.fragment:
                place = unquote(parts.fragment)
                if place.startswith("docs="):  # for the explorer to read
                    text = (site / path).read_text(encoding="utf-8")
                    assert 'class="packing-explorer"' in text
                    continue
                assert place in pages[path].ids, f"{name}: {link}"
            checked += 1
    assert checked > 1000


def test_a_lost_reader_finds_a_page(page: Page, address: str) -> None:
    page.goto(f"{address}/404.html")
    links = page.locator("article li a")
    assert links.count() >= 15
    page.get_by_label("Words, a name or an error message").fill("batch_sizes")
    page.get_by_role("button", name="Search the book").click()
    expect(page.locator("#section-results > ol > li").first).to_be_visible()


# --- the front page -------------------------------------------------------

# The bottom of the last line about the three readers, and where each leads.
FIRST_SCREEN = """() => {
    const list = document.querySelector(".bd-article h1 ~ ul");
    return {
        bottom: list.getBoundingClientRect().bottom,
        readers: [...list.querySelectorAll("li strong")].map(
            name => name.textContent),
        links: [...list.children].map(
            item => item.querySelectorAll("a").length),
    };
}"""
CUT_OFF = """() => [...document.querySelectorAll(".bd-article pre")]
    .filter(block => block.scrollWidth > block.clientWidth)
    .map(block => block.textContent)"""


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_the_first_screen_says_what_each_reader_gets(
    page: Page, address: str, size: tuple[int, int]
) -> None:
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{address}/book/index.html")
    seen = page.evaluate(FIRST_SCREEN)
    assert seen["bottom"] < height
    assert seen["readers"] == [
        "You learn.",
        "Your model is slow.",
        "You maintain a project.",
    ]
    assert min(seen["links"]) >= 1
    expect(page.locator("#pe-docs")).to_be_in_viewport()


@pytest.mark.parametrize("width", [1300, 1280, 1024])
def test_no_command_of_the_front_page_is_cut_off(
    page: Page, address: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{address}/book/index.html")
    assert page.locator(".bd-article pre").count() == 4
    assert page.evaluate(CUT_OFF) == []


def test_the_commands_to_build_and_test_fit_a_phone(
    page: Page, address: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/book/index.html")
    assert not any("make" in text for text in page.evaluate(CUT_OFF))


# --- every page -----------------------------------------------------------


def test_no_button_covers_the_text(
    page: Page, address: str, names: list[str]
) -> None:
    """The theme has one, "Back to top", that stood on the cells."""
    for name in names:
        page.goto(f"{address}/{name}")
        assert page.locator("#pst-back-to-top").count() == 0, name
    page.goto(f"{address}/book/03_pack_the_batch.html")
    page.mouse.wheel(0, 3000)
    page.wait_for_timeout(300)
    page.mouse.wheel(0, -500)
    page.wait_for_timeout(300)
    expect(page.get_by_text("Back to top")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kept", [None, "light", "dark"])
def test_the_first_picture_has_the_theme_of_the_system(
    browser: Browser, address: str, scheme: str, kept: str | None
) -> None:
    """As it has when the theme's script is slow, and another day's is kept."""
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{address}/404.html")
    page.evaluate("kept => kept && localStorage.setItem('theme', kept)", kept)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/pydata-sphinx-theme.js*", hold)
    page.goto(f"{address}/book/index.html", wait_until="commit")
    page.wait_for_function(
        "performance.getEntriesByName('first-contentful-paint').length"
    )
    assert len(held) == 1
    themes = "document.documentElement.dataset.theme"
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    first = page.evaluate(f"[{themes}, {paper}]")
    assert first[0] == scheme
    held[0].continue_()
    page.wait_for_load_state("load")
    assert page.evaluate(f"[{themes}, {paper}]") == first
    context.close()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_a_theme_that_was_chosen_stays(
    browser: Browser, address: str, mode: str
) -> None:
    other = "dark" if mode == "light" else "light"
    context = browser.new_context(color_scheme=other)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{address}/404.html")
    page.evaluate(
        """mode => {
            localStorage.setItem("mode", mode);
            localStorage.setItem("theme", mode);
        }""",
        mode,
    )
    page.goto(f"{address}/book/index.html")
    assert page.evaluate("document.documentElement.dataset.theme") == mode
    context.close()
