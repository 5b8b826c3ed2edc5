"""The index behind the search page; ``tests/site`` tries it in a browser."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from types import ModuleType

import nbformat
import pytest
from notebooks import BOOK

ASKED = tomllib.loads((BOOK / "asked.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def search() -> ModuleType:
    """The extension; it needs Sphinx, which comes with the extra "book"."""
    pytest.importorskip("sphinx")
    path = BOOK / "_ext" / "section_search.py"
    spec = importlib.util.spec_from_file_location("section_search", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(docname: str) -> list[str]:
    page = BOOK.parent / f"{docname}.md"
    if page.is_file():
        sources = [page.read_text(encoding="utf-8")]
    else:
        path = page.with_suffix(".ipynb")
        cells = nbformat.read(path, as_version=4).cells
        sources = [c.source for c in cells if c.cell_type == "markdown"]
    texts = [
        heading
        for source in sources
        for heading in re.findall(r"^## (.+)$", source, re.M)
    ]
    return [re.sub(r"[`\\]", "", text) for text in texts]


@pytest.mark.parametrize("docname", ASKED)
def test_asked_names_sections_that_exist(docname: str) -> None:
    assert set(ASKED[docname]) <= set(headings(docname))
    for texts in ASKED[docname].values():
        assert texts
        assert len(set(texts)) == len(texts)


def test_every_mistake_has_words_of_readers() -> None:
    for path in sorted((BOOK / "mistakes").glob("*.ipynb")):
        docname = f"book/mistakes/{path.stem}"
        named = set(headings(docname)) - {"Where this comes from"}
        assert set(ASKED[docname]) == named


def test_words_are_stemmed_and_names_split(search: ModuleType) -> None:
    words = list(search.Stemmer().words("The batch_sizes of Padding, 3"))
    assert words == ["batch_sizes", "batch", "size", "pad", "3"]


@pytest.mark.parametrize(
    ("page", "target", "address"),
    [
        ("book/a.html", "#x", "book/a.html#x"),
        ("book/a.html", "mistakes/b.html#x", "book/mistakes/b.html#x"),
        ("book/mistakes/b.html", "../a.html#x", "book/a.html#x"),
        ("index.html", "book/a.html#x", "book/a.html#x"),
    ],
)
def test_links_of_a_page_become_addresses(
    search: ModuleType, page: str, target: str, address: str
) -> None:
    assert search.join(page, target) == address
