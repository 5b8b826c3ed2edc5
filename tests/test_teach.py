"""Hold the page for teachers to the chapters, the commands and PyTorch."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import torch
from notebooks import (
    BOOK,
    CHAPTERS,
    ROOT,
    code_cells,
    read,
    sections,
    slug,
    tags,
)
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from packtutor import DOCS, Vocabulary

TEXT = (BOOK / "teach.md").read_text(encoding="utf-8")
UNSORTED = ["go", "on your mark get set", "get set"]


def part(heading: str) -> str:
    """What stands below a heading."""
    assert TEXT.count(f"\n## {heading}\n") == 1
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    lines = [x for x in part(heading).splitlines() if x.startswith("|")]
    return [[c.strip() for c in x.strip("|").split("|")] for x in lines[2:]]


def exercises(path: Path) -> list[int]:
    """The numbers of a chapter's exercises."""
    (section,) = (s for s in sections(read(path)) if s.heading == "Exercises")
    found = re.findall(r"^\*\*Exercise (\d+)\.\*\*", section.prose, re.M)
    stubs = [c for c in section.code if "exercise" in tags(c)]
    assert len(found) == len(stubs)
    return [int(number) for number in found]


# --- the plan -------------------------------------------------------------


def test_the_plan_takes_as_long_as_the_page_says() -> None:
    minutes = [int(row[0]) for row in rows("The plan")]
    assert sum(minutes) == 90
    shortened = sum(minutes) - minutes[3]
    for cut in (minutes[7], minutes[6], 0):
        assert f"({shortened} minutes)" in TEXT or f"({shortened})" in TEXT
        shortened -= cut


def test_the_plan_names_exercises_that_exist() -> None:
    named = re.findall(r"chapter (\d+), exercise (\d+)", part("The plan"))
    assert len(named) == 5
    known = {
        (int(path.stem[:2]), number)
        for path in CHAPTERS
        for number in exercises(path)
    }
    assert {(int(a), int(b)) for a, b in named} <= known


def test_links_lead_to_sections_that_exist() -> None:
    links = re.findall(r"\]\(([^)#]+\.(?:ipynb|md))(?:#([^)]+))?\)", TEXT)
    assert len(links) > 40
    for name, anchor in links:
        assert (BOOK / name).is_file(), name
        if anchor and name.endswith(".ipynb"):
            headings = [slug(s.heading) for s in sections(read(BOOK / name))]
            assert headings.count(anchor) == 1, anchor
    for row in rows("The plan"):
        # A section that is linked by its own name has that name.
        for text, name, anchor in re.findall(
            r"\[([^]]+\?)\]\(([^)#]+)#([^)]+)\)", row[1]
        ):
            headings = [s.heading for s in sections(read(BOOK / name))]
            assert text in headings
            assert slug(text) == anchor


# --- what students get wrong ----------------------------------------------


def pack(docs: list[str]) -> tuple[Vocabulary, Any]:
    vocabulary = Vocabulary.from_texts(docs)
    ids = [vocabulary.encode(doc) for doc in docs]
    return vocabulary, pack_sequence(ids, enforce_sorted=False)


def test_there_are_six_each_with_a_question_and_a_section() -> None:
    items = re.findall(r"^\d\. .+$", part("What students get wrong"), re.M)
    assert [int(item[0]) for item in items] == [1, 2, 3, 4, 5, 6]
    for item in items:
        assert re.match(r'\d\. \*\*".+\."\*\* ', item)
        assert "?" in item
        assert re.search(r", chapter \d\]\(\d+_\w+\.ipynb#[\w-]+\)\.$", item)


def test_lengths_and_batch_sizes_differ_for_the_batch_of_the_page() -> None:
    _, packed = pack(list(DOCS))
    lengths = [len(doc.split()) for doc in DOCS]
    assert packed.batch_sizes.tolist() == lengths == [3, 2, 1]
    _, packed = pack(UNSORTED)
    lengths = [len(doc.split()) for doc in UNSORTED]
    sizes = ", ".join(map(str, packed.batch_sizes.tolist()))
    said = f"lengths are {', '.join(map(str, lengths))} and"
    assert f"{said} `batch_sizes` is {sizes}." in TEXT


def test_the_link_is_the_one_that_the_explorer_makes() -> None:
    (link,) = re.findall(r'<a href="03_pack_the_batch\.html([^"]+)">', TEXT)
    # The empty query keeps the PDF from taking it for a place in the text.
    assert link == f"?#{urlencode({'docs': chr(10).join(UNSORTED)})}"


def test_enforce_sorted_false_sorts() -> None:
    vocabulary, packed = pack([DOCS[2], DOCS[0], DOCS[1]])
    assert vocabulary.decode(packed.data)[0] == "on"
    assert "It is *on*" in TEXT


def test_what_the_page_says_of_states_is_so() -> None:
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(4, 5, batch_first=True)
    x = torch.rand(1, 1, 4)
    _, state = lstm(x)
    _, after = lstm(torch.zeros(1, 1, 4), state)
    assert not torch.allclose(after[0], state[0])

    both = torch.nn.LSTM(4, 5, bidirectional=True)
    x = torch.rand(7, 3, 4)
    output, (h_n, _) = both(x)
    assert tuple(h_n[-1].shape) == (3, 5)
    assert torch.allclose(h_n[-1], output[0, :, 5:])
    assert torch.allclose(h_n[-2], output[-1, :, :5])

    seqs = [torch.rand(len(doc.split()), 4) for doc in DOCS]
    packed, _ = lstm(pack_sequence(seqs))
    output, _ = pad_packed_sequence(packed, batch_first=True)
    assert not output[2, -1].any()

    owner = torch.arange(3).repeat(4, 1)[:, :, None]
    assert tuple(owner.shape) == (4, 3, 1)
    assert owner.view(3, -1)[0].tolist() == [0, 1, 2, 0]
    assert not owner.transpose(0, 1).flatten(1)[0].any()


# --- all exercises --------------------------------------------------------


def test_every_exercise_is_in_the_table_and_none_is_invented() -> None:
    listed = []
    for chapter, number, subject, minutes, difficulty, needs in rows(
        "All exercises"
    ):
        found = re.fullmatch(r"\[(\d+)\]\((\S+)#exercises\)", chapter)
        assert found, chapter
        assert int(found[2][:2]) == int(found[1])
        listed.append((found[2], int(number)))
        assert subject
        assert needs
        assert 5 <= int(minutes) <= 60
        assert difficulty in {"1", "2", "3"}
    there = [(path.name, n) for path in CHAPTERS for n in exercises(path)]
    assert listed == there


# --- what to hand out -----------------------------------------------------


def test_the_readme_installs_it_likewise() -> None:
    (command,) = re.findall(r"^python -m pip .+$", TEXT, re.M)
    assert command in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_command_leaves_the_solutions_out(tmp_path: Path) -> None:
    pytest.importorskip("nbconvert")
    (line,) = re.findall(r"^\.venv/bin/jupyter nbconvert .+$", TEXT, re.M)
    _, *arguments, out, pattern = shlex.split(line)
    assert out == "--output-dir=../handout"
    assert sorted(ROOT.glob(pattern)) == CHAPTERS
    path = BOOK / "03_pack_the_batch.ipynb"
    before = path.read_bytes()
    subprocess.run(
        [
            *(sys.executable, "-m", *arguments),
            *(f"--output-dir={tmp_path}", str(path)),
        ],
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    assert path.read_bytes() == before
    kept = [c.source for c in code_cells(read(tmp_path / path.name))]
    wanted = [c for c in code_cells(read(path)) if "solution" not in tags(c)]
    assert kept == [cell.source for cell in wanted]
    gone = Counter(c.source for c in code_cells(read(path))) - Counter(kept)
    assert len(gone) == len(exercises(path)) == 3
