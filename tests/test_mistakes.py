"""Hold the pages of common mistakes to their template and to PyTorch.

Each section of a page is one mistake. Its heading is the symptom, its cells
run, its quotes are PyTorch's own words, and the table of chapter 10 leads to
it. Every mistake that lives in a model is found by `check_model`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from notebooks import (
    BOOK,
    MISTAKES,
    Section,
    images,
    output_text,
    python_source,
    read,
    sections,
    slug,
    words,
)
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import packtutor
from packtutor import Ragged, check_model

HUB = BOOK / "10_recognise_common_mistakes.ipynb"
SOURCES = "Where this comes from"
LABELS = ["**Why.**", "**Repair.**", "**Notice it.**"]

each_page = pytest.mark.parametrize(
    "path", MISTAKES, ids=[path.stem for path in MISTAKES]
)


def mistakes(path: Path) -> list[Section]:
    return [s for s in sections(read(path))[1:] if s.heading != SOURCES]


# --- the template ---------------------------------------------------------


def test_there_are_enough_and_no_two_are_called_the_same() -> None:
    headings = [s.heading for path in MISTAKES for s in mistakes(path)]
    assert len(headings) >= 45
    assert len({slug(h) for h in headings}) == len(headings)


@each_page
def test_a_page_opens_plainly_and_ends_with_its_sources(path: Path) -> None:
    first, *rest = sections(read(path))
    assert re.fullmatch(r"[A-Z][a-z]+ [a-z].*[^.?]", first.heading)
    assert words(first.prose) >= 40
    assert rest[-1].heading == SOURCES


@each_page
def test_each_mistake_is_shown_explained_and_repaired(path: Path) -> None:
    for section in mistakes(path):
        heading = section.heading
        assert len(heading.split()) <= 12, heading
        assert heading[-1] not in ".?!", heading
        places = [section.prose.find(label) for label in LABELS]
        assert -1 not in places, heading
        assert places == sorted(places), heading
        assert len(section.code) >= 2, heading
        source = "\n".join(cell.source for cell in section.code)
        assert re.search(r"\bassert(_close\(|\b)", source), heading
        assert any(output_text(cell) for cell in section.code), heading


# --- PyTorch's own words --------------------------------------------------


def quotes(section: Section) -> list[tuple[str, list[str]]]:
    """Each quoted message: the error's name, and the parts of its text."""
    found = []
    for block in re.findall(r"(?:^>.*\n?)+", section.prose, flags=re.M):
        text = " ".join(re.sub(r"^> ?", "", block, flags=re.M).split())
        name, _, message = text.strip("`").partition(": ")
        parts = [part.strip() for part in re.split("…|\\.\\.\\.", message)]
        found.append((name, [part for part in parts if part]))
    return found


@pytest.mark.skipif(
    not torch.__version__.startswith("2.13."),
    reason="the messages that are quoted are those of PyTorch 2.13",
)
@each_page
def test_quotes_are_what_pytorch_says(path: Path) -> None:
    """Run the page; what a section quotes must stand in an error it met."""
    space: dict[str, Any] = {"__name__": "page"}
    for section in sections(read(path)):
        said: list[str] = []
        for cell in section.code:
            if images(cell):
                continue
            space["said"] = None
            exec(python_source(cell), space)
            if space["said"] is not None:
                said.append(" ".join(str(space["said"]).split()))
        for name, parts in quotes(section):
            assert re.fullmatch(r"[\w.]*(Error|Unsupported|Warning)", name)
            assert parts, section.heading
            assert any(all(part in text for part in parts) for text in said), (
                f"{section.heading}: {parts} not in {said}"
            )


# --- the table of chapter 10 ----------------------------------------------


def test_the_table_leads_to_every_mistake_in_order() -> None:
    opening = sections(read(HUB))[0].prose
    listed = re.findall(
        r"^\| \[(.+?)\]\((mistakes/[^)#]+\.ipynb)#([^)]+)\) \|",
        opening,
        flags=re.M,
    )
    wanted = [
        (s.heading, f"mistakes/{path.name}", slug(s.heading))
        for path in MISTAKES
        for s in mistakes(path)
    ]
    assert listed == wanted


# --- check_model ----------------------------------------------------------

# What check_model reports where the mistake lives in a model, as the cells of
# the section run it.
CAUGHT_ON_THE_PAGE = {
    "My padding vector is being trained": "pad values",
    "Packing mixed up time and batch": "order",
    "My initial states make the results worse": "order",
    "My labels no longer match my texts": "order",
    "A sentence's vector changes with its neighbours": "split",
    "My carried state belongs to other sentences": "repeat",
    "My last output is all zeros": "alone",
    "My average shrinks when a longer sentence joins": "extra padding",
    "My attention weights fall on padding": "extra padding",
    "My attention returns NaN or sees only padding": "pad values",
    "My loss is NaN although I mask it": "NaN in pads",
    "The same text scores differently in another batch": "pad values",
    "Changing one sentence changes the others": "order",
    "My RNN returns one state for the whole batch": "order",
    "BatchNorm gives other results with more padding": "extra padding",
    "zero-dimensional tensor cannot be concatenated": "alone",
    "Transpose is not supported on the batch dimension": "pad values",
}
# A mistake that depends on the sequence alone moves nothing. The pages say so
# and run it.
NOT_SEEN = [
    "Last output of my bidirectional LSTM differs from h_n",
    "Half of my bidirectional network never learns",
    "My decoder starts from the bottom layer",
    "Same weights, another score each time I load",
]


def run_page(path: Path, watch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Run a page; return what check_model returned in each section."""
    found: dict[str, list[Any]] = {}
    heading = ""

    def record(fn: Any, batch: Any) -> Any:
        result = check_model(fn, batch)
        found.setdefault(heading, []).append([v.test for v in result])
        return result

    watch.setattr(packtutor, "check_model", record)
    space: dict[str, Any] = {"__name__": "page"}
    for section in sections(read(path)):
        heading = section.heading
        for cell in section.code:
            if not images(cell):
                exec(python_source(cell), space)
    return found


def test_mistakes_that_live_in_a_model_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: dict[str, list[Any]] = {}
    for path in MISTAKES:
        found |= run_page(path, monkeypatch)
    for heading, test in CAUGHT_ON_THE_PAGE.items():
        assert any(test in tests for tests in found[heading]), heading
    for heading in NOT_SEEN:
        assert found[heading] == [[]] * len(found[heading]), heading


LENGTHS = [2, 1, 3]
X = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator())
BATCH = Ragged(X, LENGTHS)


LSTM = nn.LSTM(4, 3, batch_first=True, dtype=torch.float64)


def packs_from_the_left(batch: Ragged) -> Any:
    padded = batch.to_padded(padding_side="left")
    packed = pack_padded_sequence(
        padded, batch.lengths, batch_first=True, enforce_sorted=False
    )
    return Ragged.from_packed(packed)


def loses_the_order(packed: PackedSequence) -> Any:
    made = PackedSequence(packed.data * 2, packed.batch_sizes)
    return LSTM(made)[1][0][0]


def reads_data_by_document(packed: PackedSequence) -> Any:
    return packed.data[: len(LENGTHS)][: int(packed.batch_sizes[0])]


def drops_a_row(packed: PackedSequence) -> Any:
    sizes = packed.batch_sizes[:-1]
    made = packed._replace(batch_sizes=sizes)
    return LSTM(made)[1][0][0] if len(sizes) else packed.data[:1, :3]


OTHERS = {
    "Left-padded tokens are lost after packing": packs_from_the_left,
    "My documents came back sorted by length": loses_the_order,
    "packed.data[:3] is not my first document": reads_data_by_document,
    "My own PackedSequence loses words or kills Python": drops_a_row,
}


@pytest.mark.parametrize("heading", OTHERS)
def test_other_models_with_these_mistakes_are_found(heading: str) -> None:
    headings = [s.heading for path in MISTAKES for s in mistakes(path)]
    assert heading in headings
    fn = OTHERS[heading]
    ragged = fn is packs_from_the_left
    found = check_model(fn, BATCH if ragged else BATCH.to_packed())
    assert {v.test for v in found} & {"order", "split", "alone"}
