"""Hold each chapter to the template and the limits, and its prose to its code.

nbval compares what the cells print. These tests see to it that there is
something to compare, that it can be the same everywhere, and that no number
stands in the text that no cell has computed.
"""

from __future__ import annotations

import base64
import re
import statistics
from pathlib import Path
from typing import Any

import nbformat
import pytest
from notebooks import (
    BOOK,
    CHAPTERS,
    MISTAKES,
    NOTEBOOKS,
    Section,
    code_cells,
    images,
    is_prose,
    numbers,
    output_text,
    plain,
    python_source,
    read,
    sections,
    source_lines,
    stored_numbers,
    tags,
    words,
)

TAGS = {
    "remove-output",
    "raises-exception",
    "nbval-ignore-output",
    "hide-cell",
    "exercise",
    "check",
    "solution",
}

each_chapter = pytest.mark.parametrize(
    "path", CHAPTERS, ids=[path.stem for path in CHAPTERS]
)
each_mistakes_page = pytest.mark.parametrize(
    "path", MISTAKES, ids=[path.stem for path in MISTAKES]
)
each_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS]
)


def test_there_are_chapters_and_the_contents_list_them() -> None:
    assert len(CHAPTERS) >= 5
    contents = (BOOK.parent / "_toc.yml").read_text(encoding="utf-8")
    for page in [*NOTEBOOKS, *BOOK.glob("*.md")]:
        name = page.relative_to(BOOK).with_suffix("").as_posix()
        assert f"book/{name}\n" in contents + "\n", name


# --- the template ---------------------------------------------------------


@each_chapter
def test_sections_follow_the_template(path: Path) -> None:
    first, *rest = sections(read(path))
    assert re.fullmatch(r"[A-Z][a-z]+ [a-z].*[^.?]", first.heading)
    assert words(first.prose) >= 40
    headings = [section.heading for section in rest]
    questions = headings[1:-4]
    assert headings[0] == "What you will be able to do"
    assert 3 <= len(questions) <= 6
    assert all(heading.endswith("?") for heading in questions)
    assert headings[-4:] == [
        "Common mistake",
        "Recap",
        "Exercises",
        "Where this comes from",
    ]


@each_chapter
def test_opening_has_a_picture_or_a_table(path: Path) -> None:
    first = sections(read(path))[0]
    shown = any(images(cell) for cell in first.code)
    assert shown or first.prose.count("\n|") >= 3


@each_chapter
def test_aims_can_be_checked_and_time_is_given(path: Path) -> None:
    aims = sections(read(path))[1].prose
    assert 3 <= len(re.findall(r"^- ", aims, flags=re.M)) <= 5
    assert re.search(r"About \d+ minutes\. It builds on .+\.", aims)


@each_notebook
def test_one_cell_imports_all(path: Path) -> None:
    first, *rest = code_cells(read(path))
    assert first.source.startswith("%xmode Minimal\n")
    assert tags(first) == {"remove-output"}
    for cell in rest:
        assert not re.search(r"^\s*(import|from) ", cell.source, flags=re.M)


@each_chapter
def test_question_sections_assert(path: Path) -> None:
    for section in sections(read(path))[2:-4]:
        source = "\n".join(cell.source for cell in section.code)
        assert re.search(r"\bassert\b", source), section.heading


@each_chapter
def test_recap_has_its_table(path: Path) -> None:
    recap = _section(path, "Recap")
    assert "| step | tensor | shape | device |" in recap.prose
    assert len(re.findall(r"^- ", recap.prose, flags=re.M)) >= 3


@each_notebook
def test_each_source_has_a_line(path: Path) -> None:
    prose = _section(path, "Where this comes from").prose
    for line in prose.splitlines():
        assert re.fullmatch(r"- \[[^]]+\]\([^)]+\): .{15,}\.", line), line


@each_notebook
def test_each_code_cell_is_announced(path: Path) -> None:
    previous = None
    for cell in read(path).cells:
        if cell.cell_type == "code" and not tags(cell) & {"check", "solution"}:
            assert previous is not None
            assert is_prose(previous), cell.source
            last = previous.source.strip().splitlines()[-1]
            assert not last.startswith("#"), cell.source
        previous = cell


@each_notebook
def test_plain_markdown_only(path: Path) -> None:
    for cell in read(path).cells:
        assert cell.cell_type in ("markdown", "code")
        if is_prose(cell):
            assert "```{" not in cell.source
            assert ":::" not in cell.source
            assert not re.search(r"\{[a-z:-]+\}`", cell.source)


# --- the limits -----------------------------------------------------------


@each_notebook
def test_limits(path: Path) -> None:
    notebook = read(path)
    cells = code_cells(notebook)
    lines = [source_lines(cell) for cell in cells]
    sizes = [len(source) for source in lines]
    assert 12 <= len(cells) <= 30
    assert statistics.median(sizes) <= 6
    assert max(sizes) <= 25
    assert max(len(line) for source in lines for line in source) <= 79
    prose = "\n\n".join(c.source for c in notebook.cells if is_prose(c))
    # The table of symptoms is looked up, not read.
    prose = re.sub(r"^\| \[.*\]\(mistakes/.*$", "", prose, flags=re.M)
    assert 700 <= words(prose) <= 2_000
    assert words(prose) >= 4 * sum(sizes)
    assert path.stat().st_size <= 150_000


@each_notebook
def test_outputs_are_short(path: Path) -> None:
    figures = 0
    for cell in code_cells(read(path)):
        assert len(output_text(cell).splitlines()) <= 20, cell.source
        for image in images(cell):
            figures += 1
            assert len(base64.b64decode(image)) <= 40_000
            assert len(cell.metadata["mystnb"]["image"]["alt"]) >= 40
    assert figures <= 4


@each_notebook
def test_long_functions_belong_to_the_package(path: Path) -> None:
    for cell in code_cells(read(path)):
        for body in re.split(r"^(?=def )", cell.source, flags=re.M):
            if body.startswith("def "):
                function = re.split(r"\n(?=\S)", body)[0]
                assert len(source_lines_of(function)) <= 12, function


def source_lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


# --- what is stored -------------------------------------------------------


def check_stored(notebook: Any) -> None:
    """Raise unless every code cell has been run, in order, from 1."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_every_cell_was_run_in_order(path: Path) -> None:
    check_stored(read(path))


@each_notebook
def test_a_stripped_chapter_is_refused(path: Path) -> None:
    notebook = read(path)
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    with pytest.raises(AssertionError):
        check_stored(notebook)


def check_normal(path: Path) -> None:
    """Raise unless a notebook is as `make execute` leaves it."""
    notebook = read(path)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}
    for number, cell in enumerate(notebook.cells):
        assert cell.id == f"cell-{number:02d}"
        assert set(cell.metadata) <= {"jupyter", "tags", "mystnb"}
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert hidden == ("solution" in tags(cell))
        assert tags(cell) <= TAGS
    text = path.read_text(encoding="utf-8")
    assert text == nbformat.writes(notebook, indent=1).rstrip("\n") + "\n"


@each_notebook
def test_notebook_is_normalised(path: Path) -> None:
    try:
        check_normal(path)
    except AssertionError:
        name = path.relative_to(BOOK).as_posix()
        start = name.partition("_")[0]
        pytest.fail(
            f"{name} is not as make execute leaves it; was it saved by "
            f"Jupyter? Run make execute CHAPTER={start}, or take "
            f"the stored one back with git restore book/{name}",
            pytrace=False,
        )


NEVER = {
    "a path": r"/home/|/Users/|/tmp/|/usr/|/root/|site-packages|[A-Z]:\\",
    "a device": r"\bcuda\b|device=|\bmps\b",
    "an address": r"0x[0-9a-f]{6,}",
    "a graph node": r"grad_fn",
    "a timing": r"\d\s?(?:ms|µs|ns|seconds?)\b",
    "more than 3 decimals": r"\d\.\d{4,}",
    "a tiny number": r"\de-\d",
    "a warning": r"Warning\b",
}


@each_notebook
@pytest.mark.parametrize("what", NEVER)
def test_outputs_hold_on_every_machine(path: Path, what: str) -> None:
    for cell in code_cells(read(path)):
        found = re.search(NEVER[what], output_text(cell))
        assert not found, f"{what}: {found}"


@each_notebook
def test_only_announced_errors_and_no_stderr(path: Path) -> None:
    for cell in code_cells(read(path)):
        kinds = {output.output_type for output in cell.outputs}
        assert ("error" in kinds) == ("raises-exception" in tags(cell))
        assert all(o.get("name") != "stderr" for o in cell.outputs)


@each_notebook
def test_ignored_outputs_are_figures(path: Path) -> None:
    for cell in code_cells(read(path)):
        if images(cell) or "nbval-ignore-output" in tags(cell):
            assert "nbval-ignore-output" in tags(cell)
            assert images(cell)
            assert cell.source.rstrip().endswith("plt.show()")
            kinds = {output.output_type for output in cell.outputs}
            assert kinds == {"display_data"}


# --- exercises ------------------------------------------------------------


def _exercises(path: Path) -> list[tuple[Any, Any, Any]]:
    tagged = {
        kind: [c for c in code_cells(read(path)) if kind in tags(c)]
        for kind in ("exercise", "check", "solution")
    }
    return list(zip(*tagged.values(), strict=True))


@each_chapter
def test_exercises_have_stub_check_and_solution(path: Path) -> None:
    section = _section(path, "Exercises")
    exercises = _exercises(path)
    assert 2 <= len(exercises) <= 4
    assert len(section.code) == 3 * len(exercises)
    for number, (stub, check, solution) in enumerate(exercises, start=1):
        assert f"**Exercise {number}.**" in section.prose
        assert tags(check) == {"check", "raises-exception"}
        assert tags(solution) == {"solution", "hide-cell"}
        function = re.search(r"^def (\w+)\(", stub.source, flags=re.M)
        assert function
        assert f"({function[1]})" in check.source
        assert f"({function[1]}_solution)" in solution.source


@each_chapter
def test_checks_fail_on_stubs_and_pass_on_solutions(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the chapter's own cells, then each check both ways."""
    monkeypatch.chdir(path.parent)
    space: dict[str, Any] = {"__name__": "chapter"}
    for cell in code_cells(read(path)):
        source = python_source(cell)
        if images(cell):
            continue
        if "check" in tags(cell):
            with pytest.raises(AssertionError) as failure:
                exec(source, space)
            assert str(failure.value).strip(), "the check says nothing"
        elif "raises-exception" in tags(cell):
            with pytest.raises(Exception):  # noqa: B017, PT011
                exec(source, space)
        else:
            exec(source, space)


# --- numbers in the prose -------------------------------------------------

# Numbers that count the book's own parts, or name a thread or a version.
LABELS = re.compile(
    r"[Cc]hapters? \d+(?: (?:to|and) \d+)?|[Pp]art \d|Exercise \d+"
    r"|About \d+ minutes|#\d+|`[^`]*\[[^`]*\][^`]*`"
)


def _unproved(section: Section, cells: list[Any]) -> list[float]:
    known = stored_numbers(cells)
    prose = LABELS.sub(" ", plain(section.prose))
    return [n for n in numbers(prose) if n not in known]


@each_chapter
def test_every_number_in_the_prose_comes_from_a_cell(path: Path) -> None:
    parts = sections(read(path))
    everywhere = [cell for part in parts for cell in part.code]
    for part in parts:
        own = part.heading.endswith("?") or part.heading == "Common mistake"
        cells = part.code if own else everywhere
        assert not _unproved(part, cells), part.heading


@each_mistakes_page
def test_every_number_about_a_mistake_comes_from_its_cells(path: Path) -> None:
    opening, *parts = sections(read(path))
    for part in parts:
        cells = [*opening.code, *part.code]
        assert not _unproved(part, cells), part.heading


def _section(path: Path, heading: str) -> Section:
    (section,) = (s for s in sections(read(path)) if s.heading == heading)
    return section
