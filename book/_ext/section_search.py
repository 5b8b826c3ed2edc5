"""An index of the book's sections, for the search page.

Sphinx's own search wants every word of a query and ranks whole pages. A
reader who has only a symptom needs the section, and does not know its words.
This writes the words of each section to ``_static/sections.js``;
``book/assets/section_search.js`` ranks the sections by them.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.search.en import SearchEnglish
from sphinx.util import logging

ASKED = Path(__file__).resolve().parents[1] / "asked.toml"
LOGGER = logging.getLogger(__name__)
# A word of a heading says more than one of the text below it, and so does a
# word of a table row that leads to the section, or of what readers ask.
HEADING, ASKING, POINTER, TEXT = 6, 5, 3, 1
TEXT_LIMIT = 5  # a word of the text that is said more often says no more
WORD = re.compile(r"\w+")


class Section(NamedTuple):
    """Where a section is, what it is called, its words, what readers ask."""

    docname: str
    address: str
    page: str
    title: str
    summary: str
    words: Counter[str]
    asked: list[str]


class Stemmer:
    """Cut words to their stems, as the script on the search page does."""

    def __init__(self) -> None:
        self.language = SearchEnglish({})

    def words(self, text: str) -> Iterator[str]:
        """Yield the stems of a text; a_name gives its parts as well."""
        for word in WORD.findall(text.lower()):
            if "_" in word:
                yield word
            for part in word.split("_"):
                if part and part not in self.language.stopwords:
                    yield self.language.stem(part)


def own_text(section: nodes.Element) -> str:
    """Return the text of a section, without the sections inside it.

    Rows that lead somewhere else are left out: they speak of that place.
    """
    texts = []
    for child in section.children:
        if isinstance(child, nodes.section | nodes.title | nodes.comment):
            continue
        rows = list(child.findall(nodes.row))
        if rows:
            texts += [row.astext() for row in rows if not targets(row)]
        else:
            texts.append(child.astext())
    return "\n".join(texts)


def targets(row: nodes.row) -> list[str]:
    """Return the places of the book that a table row leads to."""
    return [
        reference["refuri"]
        for reference in row.findall(nodes.reference)
        if reference.get("internal") and "#" in reference.get("refuri", "")
    ]


def first_sentence(section: nodes.Element) -> str:
    """Return what the section begins with, as its summary."""
    for child in section.children:
        if isinstance(child, nodes.paragraph):
            text = " ".join(child.astext().split())
            return re.split(r"(?<=[.?!:])\s", text, maxsplit=1)[0]
    return ""


def collect(app: Sphinx) -> list[Section]:
    """Return every section of the book."""
    stemmer = Stemmer()
    found: list[Section] = []
    places: dict[str, Section] = {}  # by every anchor: there may be several
    pointers: list[tuple[str, str]] = []
    for docname in sorted(app.env.found_docs):
        doctree = app.env.get_and_resolve_doctree(docname, app.builder)
        uri = app.builder.get_target_uri(docname)
        page = app.env.titles[docname].astext()
        for section in doctree.findall(nodes.section):
            heading = section.next_node(nodes.title)
            if heading is None or not section["ids"]:
                continue
            top = isinstance(section.parent, nodes.document)
            words: Counter[str] = Counter()
            for word in stemmer.words(own_text(section)):
                words[word] = min(words[word] + TEXT, TEXT_LIMIT)
            for word in stemmer.words(heading.astext()):
                words[word] += HEADING
            entry = Section(
                docname,
                uri if top else f"{uri}#{section['ids'][0]}",
                "" if top else page,
                heading.astext(),
                first_sentence(section),
                words,
                [],
            )
            found.append(entry)
            places |= {f"{uri}#{name}": entry for name in section["ids"]}
        pointers += [
            (join(uri, target), row.astext())
            for row in doctree.findall(nodes.row)
            for target in targets(row)
        ]
    for target, text in pointers:
        if target in places:
            for word in stemmer.words(text):
                places[target].words[word] += POINTER
    add_questions(found, stemmer)
    return found


def add_questions(found: list[Section], stemmer: Stemmer) -> None:
    """Add what ``asked.toml`` says that readers ask to their sections."""
    by_name = {(entry.docname, entry.title): entry for entry in found}
    asked = tomllib.loads(ASKED.read_text(encoding="utf-8"))
    for docname, entries in asked.items():
        for title, texts in entries.items():
            entry = by_name.get((docname, title))
            if entry is None:
                LOGGER.warning("asked.toml: no %r in %s", title, docname)
                continue
            entry.asked.extend(texts)
            for word in set(stemmer.words(" ".join(texts))):
                entry.words[word] += ASKING


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """Write ``_static/sections.js`` once the pages stand."""
    if exception is not None or app.builder.format != "html":
        return
    path = Path(app.outdir) / "_static" / "sections.js"
    sections = [
        {
            "address": entry.address,
            "page": entry.page,
            "title": entry.title,
            "summary": entry.summary,
            "words": dict(sorted(entry.words.items())),
            "asked": entry.asked,
        }
        for entry in collect(app)
    ]
    # A script, not JSON: a page opened as a file may load it too.
    text = json.dumps(sections, ensure_ascii=False, separators=(",", ":"))
    path.write_text(f"const SECTIONS = {text};\n", encoding="utf-8")


def add_scripts(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Load the index and the script that ranks it on the search page."""
    if pagename == "search":
        for name in ("sections.js", "section_search.js"):
            app.add_js_file(name, loading_method="defer")


def join(page: str, target: str) -> str:
    """Return a link of a page as an address from the top of the site."""
    path, _, anchor = target.partition("#")
    if not path:
        return f"{page}#{anchor}"
    parts = page.split("/")[:-1]
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts) + "#" + anchor


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above."""
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
