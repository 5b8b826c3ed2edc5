"""Each picture is what it was: the rows that tell it are those stored.

python tests/test_drawn.py    stores them anew, where a picture has to change

`git diff tests/drawn` shows then what has moved, and how it looks.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from drawings import drawn

from packtutor import DOCS, Plan, _drawing
from packtutor._drawing import WORD, measure
from packtutor._slabs import Slab
from packtutor.figures import (
    draw_choices,
    draw_directions,
    draw_four_layouts,
    draw_layouts,
    draw_lengths,
    draw_packing_steps,
    draw_padded,
    draw_padding_growth,
    draw_plan,
    draw_report,
)

STORED = Path(__file__).parent / "drawn"

MIXED = ["get set", "go", "on your mark"]
MANY = [" ".join(f"w{step}" for step in range(40)), *["a b"] * 199]
LONG = [
    "it was the best of times it was the worst of times it was wisdom",
    "it was the age of foolishness",
    "we had everything",
]
WIDE = ["Donaudampf gesellschaft kapitaen"] * 5
W = "Donaudampf"
GAPS = ["", "on your mark", "go", "", "get set"]
CURVES = {
    "file order": ([1, 8, 64], [0, 0.5, 0.75]),
    "a $b$": ([1, 8, 1024], [0, 0.4, 0.5]),
    "third": ([8], [0.3]),
    "fourth": ([8], [0.25]),
    "fifth": ([8], [0.2]),
    "sixth": ([8], [0.1]),
}
SLABS = (Slab(0, 3, 3), Slab(3, 5, 1))

CASES = [
    ("layouts", lambda: draw_layouts(DOCS)),
    ("layouts-below", lambda: draw_layouts(LONG)),
    ("layouts-many", lambda: draw_layouts(MANY)),
    ("layouts-wide", lambda: draw_layouts(WIDE)),
    ("layouts-rows", lambda: draw_layouts(["get set"] * 9)),
    ("layouts-four", lambda: draw_layouts(["a b c d"])),
    ("layouts-pair", lambda: draw_layouts([f"{W} {W}", W])),
    ("layouts-square", lambda: draw_layouts([f"{W} {W} {W}"] * 3)),
    ("layouts-row", lambda: draw_layouts([f"{W} {W} {W} {W}"])),
    ("layouts-dots", lambda: draw_layouts([f"{W} " * 6] * 2)),
    ("padded", lambda: draw_padded(DOCS)),
    (
        "padded-ids-left",
        lambda: draw_padded(GAPS, padding_side="left", padding_value=-100),
    ),
    ("padded-many", lambda: draw_padded(MANY)),
    ("padded-steps", lambda: draw_padded(MANY, batch_first=False)),
    ("padded-long", lambda: draw_padded(["a b c d e f g", "h"])),
    ("padded-full", lambda: draw_padded([f"{W} {W} {W} {W}"])),
    ("padded-six", lambda: draw_padded(["a"] * 6)),
    ("padded-widest", lambda: draw_padded([W + W])),
    # Cells that fill the room to the last hundredth of an inch.
    ("padded-filled", lambda: draw_padded([f"{W}er " * 5])),
    # A word that is not shown does not make the cells wider.
    ("padded-hidden", lambda: draw_padded([*["a b"] * 8, f"{W} a"])),
    (
        "padded-steps-wide",
        lambda: draw_padded(["a b", "c", "d", W], batch_first=False),
    ),
    ("four", lambda: draw_four_layouts(GAPS)),
    ("four-many", lambda: draw_four_layouts([*MANY, ""])),
    ("four-wide", lambda: draw_four_layouts(WIDE)),
    # As wide as its notes, its titles and its strips.
    ("four-notes", lambda: draw_four_layouts(["a", "b"])),
    ("four-titles", lambda: draw_four_layouts(["a b"])),
    ("four-strips", lambda: draw_four_layouts(["a b c"])),
    ("directions", lambda: draw_directions(GAPS)),
    ("directions-many", lambda: draw_directions(MANY)),
    ("directions-one", lambda: draw_directions(["go"])),
    ("directions-note", lambda: draw_directions([""] * 6 + ["go"])),
    # The second text ends in the last step that is shown, then beyond it.
    ("directions-long", lambda: draw_directions(["a " * 12, "b " * 6, "c"])),
    ("directions-next", lambda: draw_directions(["a " * 12, "b " * 7])),
    ("steps", lambda: draw_packing_steps(MIXED)),
    ("steps-one", lambda: draw_packing_steps(["go"])),
    ("steps-wide", lambda: draw_packing_steps([f"{W} " * 7])),
    (
        "steps-long",
        lambda: draw_packing_steps(["a b c d", "e f g", "h i", "j"]),
    ),
    ("choices", draw_choices),
    ("growth", lambda: draw_padding_growth(CURVES)),
    ("growth-one", lambda: draw_padding_growth({"a": ([8], [0.5])})),
    ("lengths", lambda: draw_lengths([1] * 10 + [2] * 8 + [7, 9])),
    ("lengths-few", lambda: draw_lengths([3, 2, 1])),
    ("lengths-in-pairs", lambda: draw_lengths([1, 41])),
    (
        "plan-slabs",
        lambda: draw_plan(Plan("slabs", SLABS, 8, 11, 0.5), [1, 5, 0, 2]),
    ),
    (
        "plan-call",
        lambda: draw_plan(
            Plan("torch", (Slab(0, 5, 3),), 9, 9, 0.5), [5, 3, 1]
        ),
    ),
    (
        "plan-no-pads",
        lambda: draw_plan(
            Plan("slabs", (Slab(0, 2, 2), Slab(2, 3, 1)), 5, 5, 0.5), [2, 3]
        ),
    ),
    ("report", lambda: draw_report(CURVES, [1, 3, 4000], counts=[2, 1, 9])),
]


@pytest.mark.parametrize(
    ("name", "draw"), CASES, ids=[name for name, _ in CASES]
)
def test_a_picture_is_what_it_was(name, draw):
    stored = (STORED / f"{name}.txt").read_text("utf-8").splitlines()
    assert drawn(draw) == stored


def test_every_stored_picture_is_drawn():
    assert {path.stem for path in STORED.iterdir()} == {*dict(CASES)}


def test_a_word_of_wide_letters_is_cut_to_its_cell():
    """With the real font: two of its letters would reach beyond."""
    figure = draw_four_layouts([*["a"] * 6, "WWWWWW"])
    shown = [text.get_text() for text in figure.axes[0].texts]
    plt.close(figure)
    assert shown.count("W\u2026") == 2


def test_a_word_as_wide_as_its_cell_is_not_cut():
    word, cut = "kapitaen", "kapi\u2026"
    assert _drawing._shorten(word, measure(word, WORD)) == word
    assert _drawing._shorten(word, measure(cut, WORD)) == cut
    # One letter stays in any case.
    assert _drawing._shorten(word, 0) == "k\u2026"


def store():
    """Tell all pictures anew."""
    STORED.mkdir(exist_ok=True)
    for old in STORED.glob("*.txt"):
        old.unlink()
    for name, draw in CASES:
        rows = "\n".join(drawn(draw))
        path = STORED / f"{name}.txt"
        path.write_text(rows + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    store()
