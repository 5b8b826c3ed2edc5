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
from playwright.sync_api import Page, expect

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
        command, cwd=copy, capture_output=True, text=True, check=False
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
