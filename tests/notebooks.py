"""Read chapters as sections and cells; what the tests of the book share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("[0-9]*.ipynb"))
MISTAKES = sorted((BOOK / "mistakes").glob("[0-9]*.ipynb"))
NOTEBOOKS = [*CHAPTERS, *MISTAKES]


@dataclass
class Section:
    """A heading of the second level and the cells below it."""

    heading: str
    cells: list[Any] = field(default_factory=list)

    @property
    def prose(self) -> str:
        """All Markdown of the section, without its heading."""
        return "\n\n".join(c.source for c in self.cells if is_prose(c))

    @property
    def code(self) -> list[Any]:
        """The code cells of the section."""
        return [c for c in self.cells if c.cell_type == "code"]


def is_prose(cell: Any) -> bool:
    return cell.cell_type == "markdown"


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: Any) -> list[Any]:
    return [c for c in notebook.cells if c.cell_type == "code"]


def tags(cell: Any) -> set[str]:
    return set(cell.metadata.get("tags", []))


def sections(notebook: Any) -> list[Section]:
    """Split a chapter at its headings; the title's part comes first.

    A Markdown cell may hold the end of one section and the start of the
    next; it is split there.
    """
    found = [Section("")]
    for cell in notebook.cells:
        if not is_prose(cell):
            found[-1].cells.append(cell)
            continue
        for part in re.split(r"^(?=#{1,2} )", cell.source, flags=re.M):
            if not part.strip():
                continue
            heading = re.match(r"(#{1,2}) (.*)", part)
            body = part
            if heading:
                body = part[heading.end() :]
                title = heading.group(2).strip()
                if heading.group(1) == "##":
                    found.append(Section(title))
                else:
                    found[0].heading = title
            if body.strip():
                found[-1].cells.append(
                    nbformat.v4.new_markdown_cell(body.strip())
                )
    return found


def slug(heading: str) -> str:
    """The anchor that the site gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def output_text(cell: Any) -> str:
    """All that a reader sees below a code cell, images left out."""
    parts: list[str] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append(f"{output.ename}: {output.evalue}")
        else:
            parts += [
                text
                for kind, text in output.data.items()
                if kind.startswith("text/")
            ]
    return "\n".join(parts)


def images(cell: Any) -> list[str]:
    """The images below a code cell, in base64."""
    return [
        data
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result")
        for kind, data in output.data.items()
        if kind.startswith("image/")
    ]


def source_lines(cell: Any) -> list[str]:
    return [line for line in cell.source.splitlines() if line.strip()]


def python_source(cell: Any) -> str:
    """A code cell as plain Python, without magics and without windows."""
    source = re.sub(r"^%.*\n", "", cell.source)
    return re.sub(r"^.*\bplt\.show\(\)$", "", source, flags=re.M)


def plain(prose: str) -> str:
    """Markdown without quotes, links' targets, maths and table rules."""
    prose = re.sub(r"^>.*$", "", prose, flags=re.M)
    prose = re.sub(r"\]\([^)]*\)", "]", prose)
    prose = re.sub(r"\$[^$]*\$", " ", prose)
    return re.sub(r"^\|[-|: ]+\|$", "", prose, flags=re.M)


def words(prose: str) -> int:
    return len(re.findall(r"[^\W_]+(?:['\u2019-][^\W_]+)*", plain(prose)))


# A dot or comma that ends a sentence is no part of a number.
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|\.\d)")


def numbers(text: str) -> list[float]:
    """Every number that stands alone in a text; 2,700 reads as 2700."""
    return [float(n.replace(",", "")) for n in _NUMBER.findall(text)]


def stored_numbers(cells: list[Any]) -> set[float]:
    """Every number in the source and the output of some code cells."""
    found: set[float] = set()
    for cell in cells:
        text = f"{cell.source}\n{output_text(cell)}"
        for number in re.findall(r"\d+(?:[_,]\d{3})*(?:\.\d+)?", text):
            found.add(float(re.sub("[_,]", "", number)))
        for number in re.findall(r"\d+(?:\.\d+)?", text):
            found.add(float(number))
    return found | {-n for n in found}
