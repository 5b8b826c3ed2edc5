"""Each page reads well without Sphinx: in Jupyter, Colab and on code hosts.

nbconvert stands in for the viewers of notebooks: like them it knows Markdown,
and nothing of MyST.
"""

from __future__ import annotations

import base64
import functools
import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from nbconvert import HTMLExporter
from notebooks import (
    BOOK,
    NOTEBOOKS,
    ROOT,
    code_cells,
    images,
    is_prose,
    output_text,
    read,
    sections,
    slug,
    tags,
)

PAGES = sorted(BOOK.glob("*.md"))
PNG = b"\x89PNG\r\n\x1a\n"
# What Markdown alone leaves standing as it was typed.
RAW = {
    "a fence": r"```|~~~|:::",
    "a role": r"\{[a-zA-Z][\w:-]*\}`",
    "a target": r"^\([\w-]+\)=",
    "a break or front matter": r"^(?:\+\+\+|---)",
    "a comment": r"^% ",
    "a heading": r"^#{1,6} ",
    "a link": r"\]\(|^\[[^]]+\]:",
    "a table": r"^\||\|-",
    "bold": r"\*\*",
    "a substitution": r"\{\{",
    "an attribute": r"\{[.#]",
    "HTML": r"</?(?:div|img|br|details|summary)\b",
}

each_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS]
)
each_page = pytest.mark.parametrize(
    "path", PAGES, ids=[path.stem for path in PAGES]
)


class Seen(HTMLParser):
    """What a page shows: its prose, code, images, links and tables.

    Code within the prose stands between backquotes, so that a role would be
    seen as it was typed.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.prose = ""
        self.code = ""
        self.images: list[str] = []
        self.links: list[str] = []
        self.languages: list[str] = []
        self.tables = 0
        self.depth = 0  # of the elements within rendered Markdown
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        found = {name: value or "" for name, value in attrs}
        classes = found.get("class", "").split()
        if tag == "img":
            self.images.append(found["src"])
        if tag in ("img", "meta", "link", "br", "hr", "input"):
            return
        self.open.append(tag)
        if self.depth or "jp-RenderedMarkdown" in classes:
            self.depth += 1
            self.tables += tag == "table"
            if tag == "a" and "anchor-link" not in classes:
                self.links.append(found["href"])
            if tag == "code":
                self.prose += "`"
                self.languages += classes

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.open:
            return
        while self.open.pop() != tag:
            self.depth = max(0, self.depth - 1)
        if self.depth:
            self.depth -= 1
            self.prose += "`" if tag == "code" else ""

    def handle_data(self, data: str) -> None:
        if self.depth:
            self.prose += data
        elif not {"style", "script"} & set(self.open):
            self.code += data


@functools.cache
def seen(path: Path) -> Seen:
    """A notebook as nbconvert shows it."""
    html, _ = HTMLExporter().from_filename(str(path))
    return Seen(html)


def typed(path: Path) -> str:
    """The Markdown of a notebook."""
    return "\n\n".join(c.source for c in read(path).cells if is_prose(c))


@functools.cache
def anchors(path: Path) -> set[str]:
    """The places in a page that a link can name."""
    text = path.read_text(encoding="utf-8")
    text = typed(path) if path.suffix == ".ipynb" else text
    return {slug(h) for h in re.findall(r"^#{1,3} (.+)$", text, re.M)}


def check_links(path: Path, links: list[str]) -> None:
    for link in links:
        parts = urlsplit(link)
        if parts.scheme:
            assert parts.scheme == "https", link
            continue
        target = (path.parent / unquote(parts.path)).resolve()
        assert target.is_file(), link
        assert target.is_relative_to(ROOT), link
        if parts.fragment:
            assert unquote(parts.fragment) in anchors(target), link


# --- notebooks ------------------------------------------------------------


@each_notebook
def test_nothing_is_left_as_it_was_typed(path: Path) -> None:
    prose = seen(path).prose
    assert len(prose) > 1000
    for what, pattern in RAW.items():
        found = re.search(pattern, prose, re.M)
        assert not found, (what, prose[max(0, found.start() - 60) :][:120])
    # A directive would be taken for code in a language of that name.
    assert not [name for name in seen(path).languages if "{" in name]


@pytest.mark.parametrize(
    "typed",
    [
        "```{note}\nRead this.\n```",
        ":::{note}\nRead this.\n:::",
        "As {ref}`there` says.",
        "(there)=\n# Heading",
        "+++\nNext.",
        "% said to nobody",
    ],
)
def test_what_is_left_would_be_seen(typed: str, tmp_path: Path) -> None:
    notebook = read(NOTEBOOKS[0])
    notebook.cells = [notebook.cells[0]]
    notebook.cells[0].source = typed
    html, _ = HTMLExporter().from_notebook_node(notebook)
    found = Seen(html)
    assert any(re.search(raw, found.prose, re.M) for raw in RAW.values()) or (
        "{" in "".join(found.languages)
    )


@each_notebook
def test_each_picture_is_there(path: Path) -> None:
    shown = seen(path).images
    cells = code_cells(read(path))
    embedded = sum(len(images(cell)) for cell in cells)
    assert len(shown) == embedded + typed(path).count("![")
    for source in shown:
        kind, _, data = source.partition(",")
        if kind == "data:image/png;base64":
            picture = base64.b64decode(data)
        else:
            picture = (path.parent / source).read_bytes()
        assert picture.startswith(PNG), source[:80]


@each_notebook
def test_links_of_a_notebook_lead_to_files_beside_it(path: Path) -> None:
    links = seen(path).links
    # A bracket that is part of the text would end a link too early.
    assert len(links) == len(re.findall(r"\]\(", typed(path)))
    check_links(path, links)


@each_notebook
def test_tables_and_formulas_are_rendered(path: Path) -> None:
    text = typed(path)
    assert seen(path).tables == len(re.findall(r"^\|[-:| ]+\|$", text, re.M))
    # MathJax has to find them as they were typed, not as emphasis.
    for formula in re.findall(r"\$\$.+?\$\$|\$[^$]+\$", text, re.S):
        assert formula in seen(path).prose


@each_notebook
def test_solutions_are_found(path: Path) -> None:
    """No viewer but Jupyter folds them: the text must not promise that."""
    solutions = [c for c in code_cells(read(path)) if "solution" in tags(c)]
    for cell in solutions:
        for line in cell.source.splitlines():
            assert line in seen(path).code
        assert "_solution(" in cell.source
    if solutions:
        promise = "The next cell holds a solution, folded where the viewer can"
        assert promise in seen(path).prose


def test_where_the_site_has_a_live_figure_something_stands() -> None:
    place = BOOK / "_ext" / "live_figures.py"
    spec = importlib.util.spec_from_file_location("live_figures", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checked = 0
    for figure in module.FIGURES.values():
        for docname, heading in figure.sections.items():
            parts = sections(read(ROOT / f"{docname}.ipynb"))
            (part,) = [p for p in parts if p.heading == heading]
            assert any(images(c) or output_text(c) for c in part.code)
            assert "The book's page" in part.prose
            checked += 1
        for docname, picture in figure.pictures.items():
            text = (ROOT / f"{docname}.md").read_text(encoding="utf-8")
            assert f"]({picture})" in text
            checked += 1
    assert checked == 3


# --- pages without cells --------------------------------------------------


@each_page
def test_a_page_is_markdown_alone(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # The package's page can only name what the site takes from docstrings.
    fences = re.findall(r"^(?:```|~~~|:::+)(.+)$", text, re.M)
    allowed = {"{eval-rst}"} if path.stem == "api" else {"console", "python"}
    assert set(fences) <= allowed
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for what in ("a role", "a target", "a break or front matter", "a comment"):
        assert not re.search(RAW[what], prose, re.M), what
    assert text.startswith("# ")


@each_page
def test_pictures_and_links_of_a_page_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for alt, source in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", text):
        assert alt
        assert (path.parent / source).read_bytes().startswith(PNG)
    links = re.findall(r"(?<!!)\[(?:[^][]|\[[^]]*\])*\]\(([^)\s]+)\)", text)
    own = [f"{path.name}{link}" for link in links if link[0] == "#"]
    check_links(path, own + [link for link in links if link[0] != "#"])
