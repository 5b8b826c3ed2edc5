"""What the figures show, read back as texts and numbers."""

import cProfile
import importlib
import io
import math
import pstats
import re
import sys

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text
from PIL import Image, ImageChops
from torch import nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from packtutor import (
    DOCS,
    Plan,
    _palette,
    _pictures,
    _strips,
    figures,
    padding_fraction,
    plan_run,
)
from packtutor._drawing import NOTE, measure
from packtutor._slabs import Slab
from packtutor.figures import (
    choices_png,
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
    layouts_png,
    report_png,
)

# What fits a screen of 390 pixels with letters of 9: see test_small_screen.
PAGE = 6.05
MIXED = ["get set", "go", "on your mark"]
MANY = [" ".join(f"w{step}" for step in range(40)), *["a b"] * 199]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def refusal(kind, message):
    return pytest.raises(kind, match=f"^{re.escape(message)}$")


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def words(figure, left=0.0, right=8.0, top=0.0, bottom=99.0):
    """Return rows of the texts in cells in a part of the page."""
    (axes,) = figure.axes
    rows = {}
    for box in axes.patches:
        if isinstance(box, FancyBboxPatch):
            x0, y0 = box.get_x(), box.get_y()
            x1, y1 = x0 + box.get_width(), y0 + box.get_height()
            if left <= x0 <= right and top <= y0 <= bottom:
                inside = [
                    text.get_text()
                    for text in axes.texts
                    if x0 < text.get_position()[0] < x1
                    and y0 < text.get_position()[1] < y1
                    and text.get_fontsize() == 12
                ]
                (text,) = inside or [""]  # a pad
                rows.setdefault(round(y0, 2), []).append((x0, text))
    return [[text for _, text in sorted(rows[row])] for row in sorted(rows)]


def hatched(figure):
    return [
        patch
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch) and patch.get_hatch()
    ]


def overlapping(figure):
    """Return the pairs of texts that cover each other."""
    renderer = figure.canvas.get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in figure.axes[0].texts
    ]
    return [
        (one, other)
        for index, (one, box) in enumerate(boxes)
        for other, over in boxes[:index]
        if box.overlaps(over)
    ]


def outside(figure):
    """Return the texts that reach beyond the page."""
    renderer = figure.canvas.get_renderer()
    return [
        text.get_text()
        for text in figure.axes[0].texts
        if not (
            figure.bbox.contains(*text.get_window_extent(renderer).min)
            and figure.bbox.contains(*text.get_window_extent(renderer).max)
        )
    ]


def test_the_three_documents():
    figure = draw_layouts(DOCS)
    middle = figure.get_figwidth() / 2
    assert words(figure, right=middle, bottom=2) == [
        ["on", "your", "mark"],
        ["get", "set", ""],
        ["go", "", ""],
    ]
    assert words(figure, left=middle, bottom=2) == [
        ["on", "your", "mark"],
        ["get", "set"],
        ["go"],
    ]
    data = ["on", "get", "go", "your", "set", "mark"]
    assert words(figure, top=2) == [data]
    assert len(hatched(figure)) == 3
    shown = texts(figure)
    assert shown.count("Padded: 9 cells, 3 pads") == 1
    assert shown.count("Packed: 6 cells, no pad") == 1
    sizes = shown.index("batch_sizes")
    assert shown[sizes + 1 : sizes + 4] == ["3", "2", "1"]
    for place, word in enumerate(data):
        assert shown.count(str(place)) == 2 + (place in (1, 2, 3))
        assert shown[shown.index("data") :].count(word) == 1
    assert [shown.count(f"t={step}") for step in range(4)] == [3, 3, 3, 0]
    assert [shown.count(f"seq {row}") for row in range(4)] == [2, 2, 2, 0]


def test_data_is_broken_between_cells():
    packed = _pictures.pack(_pictures.read(["a b", "c", "d"]))
    groups = _strips.packed_groups(packed)

    def broken(room, most):
        lines = _strips.wrap(groups, 1, room, most)
        return [
            [(g.name, [g.cell(k).text for k in range(g.size)]) for g in line]
            for line in lines
        ]

    assert broken(5, 2) == [[("t=0", ["a", "c", "d"]), ("t=1", ["b"])]]
    assert broken(2, 9) == [
        [("t=0", ["a", "c"])],
        [("t=0", ["d"])],
        [("t=1", ["b"])],
    ]
    assert broken(2, 2) == [
        [("t=0", ["a", "c"])],
        [("t=0", ["d"]), ("t=1", ["b"])],
    ]
    empty = _strips.nested_groups(_pictures.read(["a b", "", "c"], empty=True))
    lines = _strips.wrap(empty, 1, 2, 9)
    assert [[g.size for g in line] for line in lines] == [[2], [0, 1]]


def test_a_long_text_is_broken_in_time_that_grows_with_it():
    def calls(length):
        packed = _pictures.pack(_pictures.read([" ".join("a" * length)]))
        groups = _strips.packed_groups(packed)
        profile = cProfile.Profile()
        profile.runcall(_strips.wrap, groups, 1, 5, 2)
        return pstats.Stats(profile).total_calls

    assert calls(2000) < 2.1 * calls(1000)


def test_an_empty_text_takes_half_an_inch_of_a_line():
    groups = _strips.nested_groups(_pictures.read(["a", ""], empty=True))

    def sizes(room, groups=groups):
        lines = _strips.wrap(groups, 1, room, 9)
        return [[group.size for group in line] for line in lines]

    assert sizes(1.64) == [[1, 0]]
    assert sizes(1.6) == [[1], [0]]
    assert sizes(0.49, groups[1:]) == [[0]]


@pytest.mark.parametrize("length", [8, 9, 10])
def test_a_strip_that_is_a_little_too_long_is_cut(length):
    figure = draw_four_layouts([" ".join("abcdefghij"[:length])])
    shown = texts(figure)
    for row in words(figure)[-2:]:
        more = f"\u2026 {length - len(row)} more"
        assert len(row) == length or more in shown
    assert overlapping(figure) == outside(figure) == []


def test_no_more_is_not_counted():
    shown = texts(draw_four_layouts(["a b"] + [""] * 90))
    assert "\u2026" in shown
    assert "\u2026 0 more" not in shown


@pytest.mark.parametrize("room", [1.0, 1.3, 1.6, 3.0, 9.0])
def test_as_many_numbers_are_listed_as_there_is_room_for(room):
    numbers = list(range(10, 30))
    ways = [f"offsets {', '.join(map(str, numbers))}"]
    for shown in range(len(numbers) - 1, -1, -1):
        some = ", ".join(map(str, [*numbers[:shown], "\u2026"]))
        ways.append(f"offsets {some}")
    fitting = [way for way in ways if measure(way, NOTE) <= room]
    assert _strips.list_numbers("offsets", numbers, room) == fitting[0]


def test_what_just_fits_is_not_cut():
    text = "offsets 10, 11, 12"
    room = measure(text, NOTE)
    assert _strips.list_numbers("offsets", [10, 11, 12], room) == text
    # A strip may be a hundredth of an inch longer than its room.
    axes = plt.figure().add_subplot()
    groups = _strips.packed_groups(_pictures.pack(_pictures.read(["a"])))
    _strips.draw_strip(axes, (0, 0), 1, groups, room=0.99)
    assert [shown.get_text() for shown in axes.texts] == ["0", "a", "t=0"]


def test_each_sequence_keeps_its_colour():
    figure = draw_layouts(MIXED)
    (axes,) = figure.axes
    colours = {}
    for box in axes.patches:
        middle = box.get_x() + box.get_width() / 2
        for text in axes.texts:
            x, y = text.get_position()
            if (
                abs(x - middle) < 0.01
                and box.get_y() < y < box.get_y() + box.get_height()
            ):
                colours.setdefault(text.get_text(), set()).add(
                    to_hex(box.get_facecolor())
                )
    (pads,) = {to_hex(pad.get_facecolor()) for pad in hatched(figure)}
    assert pads == "#ffffff"
    for doc in MIXED:
        (colour,) = set.union(*(colours[word] for word in doc.split()))
        assert colour != "#ffffff"
    assert len({*map(str, colours.values())}) == 3


@pytest.mark.parametrize(
    "docs",
    [
        DOCS,
        MIXED,
        MANY,
        ["go"],
        ["go"] * 7,
        ["a"] * 2000,
        ["Donaudampfschifffahrtsgesellschaft" * 9] * 2,
        [" ".join(["word"] * 5000)],
        ["a b c d e f g h i j k l m n o p"],
        ["one two three four", "five"],
    ],
)
def test_any_batch_fits_the_page(docs):
    for figure in (
        draw_layouts(docs),
        draw_four_layouts(docs),
        draw_directions(docs),
        draw_padded(docs),
        draw_padded(docs, batch_first=False, padding_value=-100),
    ):
        assert figure.get_figwidth() <= PAGE
        assert to_hex(figure.get_facecolor()) == "#ffffff"
        assert min(t.get_fontsize() for t in figure.axes[0].texts) >= 9
        assert len(figure.axes[0].patches) <= 110
        assert overlapping(figure) == []
        assert outside(figure) == []


LONG = [
    "it was the best of times it was the worst of times it was wisdom",
    "it was the age of foolishness",
    "we had everything",
]


def test_longer_texts_are_drawn_or_counted():
    """Each word of ``data`` stands there, over some lines, or is counted."""
    figure = draw_layouts(LONG)
    tokens = sum(len(text.split()) for text in LONG)
    shown = texts(figure)
    places = [int(s) for s in shown[shown.index("data") :] if s.isdecimal()]
    assert places == list(range(len(places)))
    assert len(places) >= 18
    assert f"\u2026 {tokens - len(places)} more" in shown
    packed = shown.index(f"Packed: {tokens} cells, no pad")
    steps = sum(s.startswith("t=") for s in shown[:packed])
    assert f"\u2026 {15 - steps} more steps" in shown
    assert shown.count("\u2026") == 2
    assert overlapping(figure) == outside(figure) == []
    # Fewer words are all there.
    shown = texts(draw_layouts(["one two three four five six", "a b c"]))
    assert not any("\u2026" in text for text in shown)


def test_what_is_left_out_is_counted():
    shown = texts(draw_layouts(MANY))
    assert "Padded: 8,000 cells, 7,562 pads" in shown
    assert "Packed: 438 cells, no pad" in shown
    assert "\u2026 195 more sequences, 34 more steps" in shown
    assert shown.count("\u2026") == 2
    sizes = shown.index("batch_sizes")
    assert shown[sizes + 1 : sizes + 7] == ["200", "200", "1", "1", "1", "1"]
    drawn = sum(map(len, words(draw_layouts(MANY), top=6.8)))
    assert f"\u2026 {438 - drawn} more" in shown
    shown = texts(draw_padded(MANY))
    assert "\u2026 195 more sequences, 32 more steps" in shown
    shown = texts(draw_padded(MANY, batch_first=False))
    assert "\u2026 192 more sequences, 35 more steps" in shown
    assert texts(draw_padded(["go"]))[0] == "(B, T) = (1, 1): 1 cell, 0 pads"


def test_a_step_without_room_is_not_begun():
    docs = ["Donaudampf gesellschaft kapitaen"] * 5
    shown = texts(draw_layouts(docs))
    after = shown[shown.index("data") :]
    assert [after.count(f"t={step}") for step in range(3)] == [2, 3, 1]
    assert after[-1] == "\u2026 4 more"
    # Without room for a step's first word, not even its name is there.
    shown = texts(draw_four_layouts(docs))
    after = shown[shown.index("data") : shown.index("values")]
    assert "t=0" in after
    assert "t=1" not in after
    assert "\u2026 12 more" in after


def test_words_that_cannot_be_drawn():
    long = "Donaudampfschifffahrtsgesellschaft"
    figure = draw_layouts([f"\U0010fffd $x$ {long}", "\u0301 a\x01b c"])
    rows = words(figure)
    assert rows[0][:2] == ["#2", "$x$"]
    assert long.startswith(rows[0][2][:-1])
    assert rows[0][2].endswith("\u2026")
    assert rows[1] == ["\u0301", "#6", "c"]
    figure.canvas.draw()


def test_padded_in_both_layouts_and_on_both_sides():
    figure = draw_padded(DOCS)
    assert words(figure) == [
        ["on", "your", "mark"],
        ["get", "set", ""],
        ["go", "", ""],
    ]
    assert texts(figure)[0] == "(B, T) = (3, 3): 9 cells, 3 pads"
    assert len(hatched(figure)) == 3
    figure = draw_padded(["a b c", "d"], batch_first=False)
    assert words(figure) == [["a", "d"], ["b", ""], ["c", ""]]
    shown = texts(figure)
    assert shown[0] == "(T, B) = (3, 2): 6 cells, 2 pads"
    assert shown[1:6] == ["t=0", "t=1", "t=2", "seq 0", "a"]
    figure = draw_padded(["a b c", "d"], padding_side="left")
    assert words(figure) == [["a", "b", "c"], ["", "", "d"]]
    assert words(
        draw_padded(["a b", "c"], padding_side="left", batch_first=False)
    ) == [["a", ""], ["b", "c"]]


def test_padded_ids():
    figure = draw_padded(DOCS, padding_value=42)
    assert words(figure) == [
        ["2", "3", "4"],
        ["5", "6", "42"],
        ["7", "42", "42"],
    ]
    assert len(hatched(figure)) == 3


def test_padded_with_an_empty_text():
    figure = draw_padded(["a", "", "b"])
    assert words(figure) == [["a"], [""], ["b"]]
    assert len(hatched(figure)) == 1


def test_four_layouts_of_the_three_documents():
    figure = draw_four_layouts(DOCS)
    rows = words(figure)
    assert rows == [
        ["on", "your", "mark"],
        ["get", "set"],
        ["go"],
        ["on", "your", "mark"],
        ["get", "set", ""],
        ["go", "", ""],
        ["on", "get", "go", "your", "set", "mark"],
        ["on", "your", "mark", "get", "set", "go"],
    ]
    assert len(hatched(figure)) == 3
    shown = texts(figure)
    for said in (
        "List: 6 cells",
        "Padded: 9 cells, 3 pads",
        "lengths 3, 2, 1",
        "Packed: 6 cells, no pad",
        "batch_sizes 3, 2, 1",
        "longest first: seq 0, 1, 2",
        "Nested: 6 cells, no pad",
        "offsets 0, 3, 5, 6",
    ):
        assert shown.count(said) == 1, said
    assert [shown.count(str(place)) for place in range(7)] == [2] * 6 + [0]
    assert [shown.count(f"seq {row}") for row in range(4)] == [3, 3, 3, 0]


def test_four_layouts_of_short_words_stay_legible_on_a_phone():
    figure = draw_four_layouts(DOCS)
    sizes = [text.get_fontsize() for text in figure.axes[0].texts]
    # A phone shows the picture on some 340 pixels.
    pixels = 340 / figure.get_figwidth()
    assert min(sizes) / 72 * pixels >= 10
    places = [t for t in figure.axes[0].texts if t.get_text().isdecimal()]
    assert {to_hex(place.get_color()) for place in places} == {_palette.INK}


def test_four_layouts_keep_the_caller_order():
    figure = draw_four_layouts(MIXED)
    assert words(figure)[6:] == [
        ["on", "get", "go", "your", "set", "mark"],
        ["get", "set", "go", "on", "your", "mark"],
    ]
    shown = texts(figure)
    assert "longest first: seq 2, 0, 1" in shown
    assert "offsets 0, 2, 3, 6" in shown


def test_only_the_packed_layout_leaves_out_an_empty_text():
    figure = draw_four_layouts(["on your mark", "", "go"])
    assert words(figure) == [
        ["on", "your", "mark"],
        ["go"],
        ["on", "your", "mark"],
        ["", "", ""],
        ["go", "", ""],
        ["on", "go", "your", "mark"],
        ["on", "your", "mark", "go"],
    ]
    shown = texts(figure)
    assert shown.count("no words") == 1
    assert "lengths 3, 0, 1" in shown
    assert "batch_sizes 2, 1, 1" in shown
    assert "longest first: seq 0, 2" in shown
    assert "left out, no words: seq 1" in shown
    assert "offsets 0, 3, 3, 4" in shown
    assert shown.count("seq 1") == 3


@pytest.mark.parametrize(
    "docs",
    [["", "", "a", ""], [*MANY, ""], ["a b"] + [""] * 90, ["", "w " * 50]],
)
def test_four_layouts_with_empty_texts_fit_the_page(docs):
    figure = draw_four_layouts(docs)
    assert figure.get_figwidth() <= PAGE
    assert overlapping(figure) == []
    assert outside(figure) == []
    shown = texts(figure)
    (numbers,) = [text for text in shown if text.startswith("left out")]
    assert numbers.endswith("\u2026") == (docs.count("") > 40)


def test_four_layouts_count_what_is_left_out():
    figure = draw_four_layouts(MANY)
    shown = texts(figure)
    assert "\u2026 195 more sequences, 32 more steps" in shown
    for row in words(figure)[-2:]:
        assert f"\u2026 {438 - len(row)} more" in shown


def grids(figure):
    """Return a map a direction: from row and step to the cell's box."""
    boxes = [
        box
        for box in figure.axes[0].patches
        if isinstance(box, FancyBboxPatch)
    ]
    half = len(boxes) // 2
    found = []
    for grid in (boxes[:half], boxes[half:]):
        xs = sorted({round(box.get_x(), 3) for box in grid})
        ys = sorted({round(box.get_y(), 3) for box in grid})
        assert len(xs) * len(ys) == half
        found.append(
            {
                (
                    ys.index(round(box.get_y(), 3)),
                    xs.index(round(box.get_x(), 3)),
                ): box
                for box in grid
            }
        )
    return found


def final_states(figure):
    """Return where each direction's final states are said to stand."""
    found = []
    for grid, name in zip(grids(figure), ("h_n[-2]", "h_n[-1]"), strict=True):
        named = [
            place
            for place, box in grid.items()
            for text in figure.axes[0].texts
            if text.get_text() == name
            and 0 < text.get_position()[0] - box.get_x() < box.get_width()
            and 0 < text.get_position()[1] - box.get_y() < box.get_height()
        ]
        # They are marked without colour, and no other cell is.
        assert named == [p for p, b in grid.items() if b.get_linewidth() > 2]
        found.append(sorted(named))
    return found


def cells_read(figure):
    """Return the cells into which the arrows of each direction lead."""
    found = []
    for grid, arrows, way in zip(
        grids(figure), figure.axes[0].lines, (1, -1), strict=True
    ):
        assert arrows.get_marker() == {1: ">", -1: "<"}[way]
        # An arrow's width further on stands the cell.
        points = [(x + 0.1 * way, y) for x, y in arrows.get_xydata()]
        found.append(
            sorted(
                place
                for place, box in grid.items()
                for x, y in points
                if 0 < x - box.get_x() < box.get_width()
                and 0 < y - box.get_y() < box.get_height()
            )
        )
        assert len(found[-1]) == len(points)
    return found


@pytest.mark.parametrize("docs", [DOCS, MIXED, ["go"], ["a b", "c d", "e"]])
@pytest.mark.parametrize("layers", [1, 2])
def test_final_states_stand_where_a_packed_run_has_them(docs, layers):
    """The marked cells, and no others, hold the numbers of ``h_n``."""
    generator = torch.Generator().manual_seed(0)
    lengths = [len(text.split()) for text in docs]
    inputs = [
        torch.randn(length, 4, generator=generator, dtype=torch.float64)
        for length in lengths
    ]
    rnn = nn.LSTM(4, 3, layers, bidirectional=True, dtype=torch.float64)
    packed = pack_sequence(inputs, enforce_sorted=False)
    with torch.no_grad():
        result, (h_n, _) = rnn(packed)
    output, _ = pad_packed_sequence(result, batch_first=True)
    forward, backward = final_states(draw_directions(docs))
    for half, state, marked in (
        (output[:, :, :3], h_n[-2], forward),
        (output[:, :, 3:], h_n[-1], backward),
    ):
        same = torch.isclose(half, state[:, None]).all(2)
        assert same.nonzero().tolist() == [list(cell) for cell in marked]
        assert len(marked) == len(docs)
    words_of = [(i, t) for i, n in enumerate(lengths) for t in range(n)]
    assert cells_read(draw_directions(docs)) == [words_of, words_of]


def test_two_directions_of_the_three_documents():
    figure = draw_directions(DOCS)
    padded = [["on", "your", "mark"], ["get", "set", ""], ["go", "", ""]]
    assert words(figure) == padded * 2
    assert len(hatched(figure)) == 2 * 3
    shown = texts(figure)
    assert [shown.count(f"t={step}") for step in range(4)] == [2, 2, 2, 0]
    assert [shown.count(f"seq {row}") for row in range(4)] == [2, 2, 2, 0]
    forward = shown.index("Forward: output[:, :, :H]")
    backward = shown.index("Backward: output[:, :, H:]")
    assert forward < backward
    assert final_states(figure) == [
        [(0, 2), (1, 1), (2, 0)],
        [(0, 0), (1, 0), (2, 0)],
    ]
    assert not any("\u2026" in text for text in shown)


def test_an_empty_text_has_no_final_state():
    figure = draw_directions(["", "on your", "", "go"])
    assert final_states(figure) == [[(1, 1), (3, 0)], [(1, 0), (3, 0)]]
    real = [(1, 0), (1, 1), (3, 0)]
    assert cells_read(figure) == [real, real]
    # The only text with a word may be left out.
    figure = draw_directions([""] * 6 + ["go"])
    assert final_states(figure) == [[], []]
    assert not figure.axes[0].lines
    note = "\u2026 2 more sequences, 1 more final state"
    assert texts(figure).count(note) == 2
    assert overlapping(figure) == outside(figure) == []


def test_final_states_that_are_left_out_are_counted():
    """A long text ends beyond the page, but begins on it."""
    figure = draw_directions(MANY)
    notes = [text for text in texts(figure) if text.startswith("\u2026 ")]
    rest = "\u2026 195 more sequences, 34 more steps, "
    assert notes == [
        rest + "196 more final states",
        rest + "195 more final states",
    ]
    ends = [(row, 1) for row in range(1, 5)]
    starts = [(row, 0) for row in range(5)]
    assert final_states(figure) == [ends, starts]
    figure = draw_directions([" ".join(["word"] * 5000)])
    notes = [text for text in texts(figure) if text.startswith("\u2026 ")]
    steps = notes[1]
    assert notes == [f"{steps}, 1 more final state", steps]
    many = draw_directions(["a " * 5000, *["a"] * 20_000])
    assert many.get_figwidth() <= PAGE
    assert overlapping(many) == outside(many) == []


def test_the_choices_fit_the_page():
    figure = draw_choices()
    assert figure.get_figwidth() <= PAGE
    assert overlapping(figure) == []
    assert outside(figure) == []
    boxes = [
        box
        for box in figure.axes[0].patches
        if isinstance(box, FancyBboxPatch)
    ]
    assert len(boxes) == 15
    renderer = figure.canvas.get_renderer()
    for text in figure.axes[0].texts:
        if text.get_fontsize() == 12:
            extent = text.get_window_extent(renderer)
            assert any(
                box.get_window_extent().contains(*extent.min)
                and box.get_window_extent().contains(*extent.max)
                for box in boxes
            ), text.get_text()
    # The ways are in bold: they do not differ by colour alone.
    bold = [t for t in figure.axes[0].texts if t.get_fontweight() == "bold"]
    assert len(bold) == 8


def test_the_png_of_the_choices():
    before = plt.get_fignums()
    image = choices_png()
    assert plt.get_fignums() == before
    with Image.open(io.BytesIO(image)) as opened:
        assert opened.width <= 1080
    assert len(image) <= 80_000


def test_packing_step_by_step():
    figure = draw_packing_steps(MIXED)
    assert figure.get_figwidth() <= PAGE
    assert overlapping(figure) == []
    assert outside(figure) == []
    shown = texts(figure)
    panels = ["[3]", "[3, 2]", "[3, 2, 1]"]
    assert [s for s in shown if "batch_sizes" in s] == [
        f"t={now}: data, batch_sizes {sizes}"
        for now, sizes in enumerate(panels)
    ]
    assert [s for s in shown if s.startswith("seq")] == [
        "seq 2", "seq 0", "seq 1",
    ] * 3  # fmt: skip
    data = ["on", "get", "go", "your", "set", "mark"]
    assert words(figure) == [
        ["on", "your", "mark"],
        ["get", "set"],
        ["go"],
        data[:3],
        ["your", "mark"],
        ["set"],
        data[:5],
        ["mark"],
        data,
    ]
    heavy = [p for p in figure.axes[0].patches if p.get_linewidth() > 2]
    assert len(heavy) == 2 * (3 + 2 + 1)
    absent = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert len(absent) == (0 + 3 + 5) + (3 + 1 + 0)


@pytest.mark.parametrize(
    "docs",
    [["go"], ["a b c d", "e f g", "h i", "j"], ["a"] * 13, ["a b c d e f g"]],
)
def test_packing_steps_fit_the_page(docs):
    figure = draw_packing_steps(docs)
    assert figure.get_figwidth() <= PAGE
    assert overlapping(figure) == []
    assert outside(figure) == []


def test_packing_steps_refuse_a_large_batch():
    with refusal(
        ValueError,
        (
            "docs has 8 words in 7 steps; words and steps together must be at "
            "most 14 to fit the page"
        ),
    ):
        draw_packing_steps(["a b c d e f g", "h"])


def test_padding_growth():
    lengths = list(range(1, 65))
    sizes = [1, 2, 4, 8, 16, 32, 64]
    fractions = [padding_fraction(lengths, size) for size in sizes]
    figure = draw_padding_growth(
        {
            "in order": (sizes, fractions),
            "none": (torch.tensor([1, 1024]), torch.zeros(2)),
        }
    )
    (axes,) = figure.axes
    assert axes.get_xlabel() == "batch size"
    assert axes.get_ylabel() == "padding, % of all cells"
    assert axes.get_xscale() == "log"
    first, second = axes.lines
    assert first.get_label() == "in order"
    assert first.get_xdata().tolist() == sizes
    assert first.get_ydata().tolist() == fractions
    assert second.get_xdata().tolist() == [1, 1024]
    for look in ("linestyle", "marker", "color"):
        assert plt.getp(first, look) != plt.getp(second, look)
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["in order", "none"]
    figure.canvas.draw()
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert ticks == ["1", "2", "4", "8", "16", "32", "64", "1,024"]
    shown = [text.get_text() for text in axes.get_yticklabels()]
    assert {"0", "20", "40"} <= set(shown)


def test_the_names_of_curves_stand_above_the_axes():
    """In two columns, where they cover nothing."""
    names = ["file order", "shuffled", "sorted", "bucketed"]
    figure = draw_padding_growth({name: ([1, 8], [0, 0.5]) for name in names})
    figure.draw_without_rendering()
    (legend,), (axes,) = figure.legends, figure.axes
    box = legend.get_window_extent()
    assert box.y0 >= axes.get_tightbbox().y1
    assert box.x0 < figure.bbox.width / 40
    assert box.y1 > figure.bbox.height * 0.95
    extents = [text.get_window_extent() for text in legend.get_texts()]
    assert len({round(extent.x0) for extent in extents}) == 2
    low = sorted(extent.y0 for extent in extents)
    assert low[2] - low[1] > 10 > max(low[1] - low[0], low[3] - low[2])


def test_many_batch_sizes_get_few_ticks():
    sizes = list(range(1, 21))
    figure = draw_padding_growth({"a": (sizes, [0.5] * 20)})
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert ticks == ["1", "4", "7", "10", "13", "16", "19"]


@pytest.mark.parametrize(("sizes", "ticks"), [(8, 8), (9, 5), (17, 6)])
def test_there_are_at_most_eight_ticks(sizes, ticks):
    figure = draw_padding_growth({"a": (range(1, sizes + 1), [0.5] * sizes)})
    assert len(figure.axes[0].get_xticks()) == ticks


def test_lengths():
    lengths = torch.tensor([1] * 10 + [2] * 8 + [7, 9])
    figure = draw_lengths(lengths)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "length, tokens"
    assert axes.get_ylabel() == "number of sequences"
    bars = [bar.get_height() for bar in axes.patches]
    assert bars == [10, 8, 0, 0, 0, 0, 1, 0, 1]
    median, high = axes.lines
    assert median.get_xdata() == [1.5, 1.5]
    assert high.get_xdata() == [7, 7]
    assert median.get_linestyle() != high.get_linestyle()
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["median: 1.5", "95th percentile: 7"]


def test_lengths_far_apart_share_bars():
    (axes,) = draw_lengths([1, 3, 4000]).axes
    assert len(axes.patches) == 40
    assert [axes.patches[0].get_height(), axes.patches[-1].get_height()] == [
        2,
        1,
    ]
    (axes,) = draw_lengths([5, 5]).axes
    assert [bar.get_height() for bar in axes.patches] == [2]


@pytest.mark.parametrize("style", ["dark_background", "ggplot"])
def test_a_reader_style_changes_no_colour(style):
    with plt.style.context(style):
        for figure in (draw_lengths([1, 2]), draw_layouts(DOCS)):
            file = io.BytesIO()
            figure.savefig(file)
            image = Image.open(file).convert("L")
            assert image.getpixel((2, 2)) == 255
            assert image.getextrema()[0] < 60


def test_images_are_small():
    lengths = list(range(1, 400))
    sizes = [2**k for k in range(9)]
    curve = sizes, [padding_fraction(lengths, size) for size in sizes]
    for figure in (
        draw_layouts(DOCS),
        draw_directions(DOCS),
        draw_padded(DOCS),
        draw_padding_growth({"a": curve, "b": (sizes, [0] * 9)}),
        draw_lengths(lengths),
    ):
        file = io.BytesIO()
        figure.savefig(file)
        assert len(file.getvalue()) <= 40_000


def test_the_image_of_four_layouts_is_small_as_the_book_stores_it():
    drawn, small = io.BytesIO(), io.BytesIO()
    draw_four_layouts(DOCS).savefig(drawn)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(256).save(small, "png", optimize=True)
    assert len(small.getvalue()) <= 40_000


def test_the_png_of_the_layouts():
    before = plt.get_fignums()
    image = layouts_png(DOCS)
    assert plt.get_fignums() == before
    assert len(image) <= 40_000
    with Image.open(io.BytesIO(image)) as picture:
        inches = draw_layouts(DOCS).get_size_inches()
        assert picture.size == tuple(int(150 * side) for side in inches)
        assert picture.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    assert image == layouts_png(DOCS)


DRAWN = [
    draw_layouts,
    draw_four_layouts,
    draw_directions,
    draw_padded,
    draw_packing_steps,
    layouts_png,
]


@pytest.mark.parametrize("draw", DRAWN)
def test_docs_are_texts(draw):
    with refusal(
        TypeError,
        (
            "docs is the single str 'on your mark'; it must be an iterable of "
            "texts: [text]"
        ),
    ):
        draw("on your mark")
    with refusal(TypeError, "docs[1] is of type int; it must be a str"):
        draw(["go", 3])
    for empty in ([], ["", " "]):
        with refusal(ValueError, "docs has no word; there is nothing to draw"):
            draw(empty)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("draw", DRAWN)
def test_docs_are_a_list(draw):
    with refusal(TypeError, "docs is None; it must be a list of texts"):
        draw(None)


def test_a_flag_is_true_or_false():
    with refusal(TypeError, "batch_first is 1; it must be True or False"):
        draw_padded(DOCS, batch_first=1)


@pytest.mark.parametrize(
    "draw", [draw_layouts, draw_packing_steps, layouts_png]
)
def test_a_packed_text_has_a_word(draw):
    with refusal(
        ValueError,
        (
            "docs[1] has no word; a PackedSequence cannot hold an empty "
            "sequence"
        ),
    ):
        draw(["go", ""])


@pytest.mark.parametrize("value", [0.5, True, "<pad>"])
def test_a_pad_is_an_id(value):
    with refusal(
        TypeError,
        (f"padding_value is {value!r}; it must be an int, as the ids are"),
    ):
        draw_padded(DOCS, padding_value=value)


def test_a_side_is_left_or_right():
    with refusal(
        ValueError, ("padding_side is 'top'; it must be 'left' or 'right'")
    ):
        draw_padded(DOCS, padding_side="top")


UNEVEN = "; it must have as many of both, at least one"


@pytest.mark.parametrize(
    ("sizes", "fractions", "message"),
    [
        ([1, 2], [0.5], " has 2 batch sizes and 1 fraction" + UNEVEN),
        ([], [], " has 0 batch sizes and 0 fractions" + UNEVEN),
        ([1, 0], [0, 0], ": batch sizes[1] is 0; it must be at least 1"),
        ([1, 2], [0, 33], ": fractions[1] is 33.0; it must be from 0 to 1"),
        ([1], [math.nan], ": fractions[0] is nan; it must be from 0 to 1"),
    ],
)
def test_curves_have_fractions(sizes, fractions, message):
    with refusal(ValueError, "curves['a']" + message):
        draw_padding_growth({"a": (sizes, fractions)})
    assert plt.get_fignums() == []


def test_curves_have_whole_batch_sizes():
    with refusal(
        TypeError,
        ("curves['a']: batch sizes[0] is 1.5; its elements must be integers"),
    ):
        draw_padding_growth({"a": ([1.5], [0])})
    with refusal(
        ValueError, ("curves is empty; it must have at least one curve")
    ):
        draw_padding_growth({})


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([], "curves is []; it must be a dictionary of curves"),
        ({5: ([1], [0])}, "curves has the name 5; it must be a str"),
        (
            {"a": ([1], [0], 3)},
            (
                "curves['a'] is ([1], [0], 3); it must be a pair (batch "
                "sizes, fractions)"
            ),
        ),
        (
            {"a": "10"},
            "curves['a'] is '10'; it must be a pair (batch sizes, fractions)",
        ),
        (
            {"a": ([1], 0.5)},
            "curves['a']: fractions is 0.5; it must be a list of numbers",
        ),
        (
            {"a": ([1], ["half"])},
            "curves['a']: fractions[0] is 'half'; it must be a number",
        ),
    ],
)
def test_curves_are_pairs_by_name(curves, message):
    with refusal(TypeError, message):
        draw_padding_growth(curves)
    with refusal(TypeError, message):
        draw_report(curves, [1])


def test_no_batch_is_more_than_all_padding():
    with refusal(
        ValueError, "curves['a']: fractions[0] is 1.01; it must be from 0 to 1"
    ):
        draw_padding_growth({"a": ([1], [1.01])})


def test_a_name_that_a_legend_hides_is_refused():
    with refusal(
        ValueError, "curves has the name '_a'; it must not start with '_'"
    ):
        draw_padding_growth({"_a": ([1], [0])})


def test_lengths_and_counts_are_not_too_large():
    with refusal(
        ValueError, f"lengths[1] is {10**18}; it must be at most {10**12}"
    ):
        draw_lengths([3, 10**18])
    with refusal(
        ValueError,
        f"counts add up to {2**63}; they may only to {2**63 - 1}",
    ):
        draw_report(CURVES, [1, 2], counts=[2**62, 2**62])
    with refusal(ValueError, "counts[1] is -1; a length cannot be negative"):
        draw_report(CURVES, [1, 2], counts=[3, -1])


def test_a_curve_may_be_a_list_that_ends_in_pads_alone():
    figure = draw_padding_growth({"a": [[1, 8], [0, 1]]})
    (line,) = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[1, 0], [8, 1]]


def test_counts_may_add_up_to_an_int64():
    most = 2**63 - 1
    figure = draw_report(CURVES, [7], counts=[most])
    (bar,) = figure.subfigs[1].axes[0].patches
    assert bar.get_height() == pytest.approx(most)


def test_there_must_be_a_length():
    with refusal(ValueError, "lengths is empty; there is nothing to draw"):
        draw_lengths([])


CURVES = {"file order": ([1, 8], [0, 0.5]), "shuffled": ([1, 8], [0, 0.4])}


def test_a_report_shows_both_charts():
    figure = draw_report(CURVES, [1, 2, 7], counts=[10, 8, 2])
    above, below = (part.axes[0] for part in figure.subfigs)
    assert above.get_xlabel() == "batch size"
    assert above.get_ylabel() == "padding, % of all cells"
    assert [list(line.get_ydata()) for line in above.lines] == [
        [0, 0.5],
        [0, 0.4],
    ]
    looks = {(x.get_linestyle(), x.get_marker()) for x in above.lines}
    assert len(looks) == 2
    assert below.get_xlabel() == "length, tokens"
    assert [p.get_height() for p in below.patches] == [10, 8, 0, 0, 0, 0, 2]
    names = [
        text.get_text()
        for part in figure.subfigs
        for legend in part.legends
        for text in legend.get_texts()
    ]
    assert names == [*CURVES, "median: 1.5", "95th percentile: 7"]
    alone = draw_report(CURVES, [1] * 10 + [7, 7] + [2] * 8)
    heights = [p.get_height() for p in alone.subfigs[1].axes[0].patches]
    assert heights == [10, 8, 0, 0, 0, 0, 2]


def test_the_png_of_a_report():
    before = plt.get_fignums()
    image = report_png(CURVES, [3, 2, 1])
    assert image.startswith(b"\x89PNG")
    assert len(image) <= 60_000
    assert plt.get_fignums() == before


# What a reader may have set for pictures: white on black, in another format.
DARK = [
    "dark_background",
    {"savefig.format": "svg", "savefig.dpi": 40, "figure.dpi": 40},
    {"savefig.facecolor": "black"},
]


@pytest.mark.parametrize(
    ("make", "draw"),
    [
        (lambda: layouts_png(DOCS), lambda: draw_layouts(DOCS)),
        (choices_png, draw_choices),
        (
            lambda: report_png(CURVES, [1, 2, 7], [10, 8, 2]),
            lambda: draw_report(CURVES, [1, 2, 7], [10, 8, 2]),
        ),
    ],
    ids=["layouts", "choices", "report"],
)
def test_a_png_shows_what_is_drawn(make, draw):
    """In 150 dots an inch and few colours, whatever the style."""
    with plt.style.context(DARK), Image.open(io.BytesIO(make())) as image:
        assert image.format == "PNG"
        assert image.mode == "P"
        small = image.convert("RGB")
    file = io.BytesIO()
    draw().savefig(file, dpi=150)
    with Image.open(file) as image:
        drawn = image.convert("RGB")
    assert small.size == drawn.size
    differences = ImageChops.difference(small, drawn)
    assert max(high for _, high in differences.getextrema()) <= 64


@pytest.mark.parametrize(
    ("lengths", "counts"),
    [([1, 2], [3]), ([2, 1], [3, 3]), ([1, 1], [3, 3]), ([1, 2], [3, 0])],
)
def test_counts_belong_to_lengths(lengths, counts):
    many = f"{len(counts)} number{'s' if len(counts) > 1 else ''}"
    message = (
        f"lengths has 2 lengths and counts {many}; with counts, lengths must "
        f"be different ones in rising order, and counts have a number above "
        f"0 for each"
    )
    with refusal(ValueError, message):
        draw_report(CURVES, lengths, counts)


def test_without_matplotlib(monkeypatch):
    monkeypatch.delitem(sys.modules, figures.__name__)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with refusal(
        ImportError,
        ("packtutor.figures needs matplotlib: pip install matplotlib"),
    ):
        importlib.import_module(figures.__name__)


PLAN = Plan("slabs", (Slab(0, 3, 3), Slab(3, 5, 1)), 8, 11, 0.5)


def frames(figure):
    return [
        (box.get_x(), box.get_width(), box.get_height())
        for box in figure.axes[0].patches
        if isinstance(box, Rectangle) and not box.get_fill()
    ]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_plan_shows_its_slabs_and_pads():
    figure = draw_plan(PLAN, [1, 5, 0, 2])
    (axes,) = figure.axes
    assert frames(figure) == [(0, 3, 3), (3, 2, 1)]
    (stairs,) = [p for p in axes.patches if hasattr(p, "get_data")]
    assert list(stairs.get_data().values) == [3, 2, 1, 1, 1]
    pads = [patch for patch in axes.patches if patch.get_hatch()]
    assert [(p.get_width(), p.get_height()) for p in pads] == [(3, 3), (2, 1)]
    # The tokens cover what is no pad.
    assert axes.get_children().index(stairs) > axes.get_children().index(
        pads[-1]
    )
    assert legend(figure) == ["pads", "8 tokens", "2 slabs, 27% pads"]
    assert axes.get_xlabel() == "time step"
    assert axes.get_ylabel() == "sequences, longest first"
    assert axes.get_ylim() == (3, 0)


def test_a_plan_without_pads_has_no_hatching():
    sizes = [5, 3, 1]
    for route, name in (("torch", "1 call"), ("bptt", "1 call")):
        plan = Plan(route, (Slab(0, 5, 3),), 9, 9, 0.5)
        figure = draw_plan(plan, sizes)
        assert not [p for p in figure.axes[0].patches if p.get_hatch()]
        assert legend(figure) == ["9 tokens", name]
        assert frames(figure) == [(0, 5, 3)]


def test_a_plan_that_was_chosen_can_be_drawn():
    sizes = torch.arange(1, 400)
    plan = plan_run(torch.nn.LSTM(8, 32), sizes)
    assert plan.route == "slabs"
    assert len(frames(draw_plan(plan, sizes))) == len(plan.slabs)


@pytest.mark.parametrize(
    ("plan", "sizes", "error", "text"),
    [
        (
            "slabs",
            [3],
            TypeError,
            "plan is of type str; it must be a Plan, as",
        ),
        (PLAN, [3], ValueError, "plan has 8 tokens; the batch has 3"),
        (PLAN, [4, 4], ValueError, r"plan.slabs\[0\] has 3 rows; 2 sequences"),
        (
            Plan("torch", (), 0, 0, 0.0),
            [0],
            ValueError,
            "plan has no slab; there is nothing to draw",
        ),
    ],
)
def test_a_plan_that_does_not_fit_is_not_drawn(plan, sizes, error, text):
    with pytest.raises(error, match=text):
        draw_plan(plan, sizes)


def test_a_plan_of_no_sequence_is_not_drawn():
    with refusal(ValueError, "plan has no slab; there is nothing to draw"):
        draw_plan(Plan("torch", (), 0, 0, 0.0), [])


def test_a_sequence_of_too_many_steps_is_named():
    long = 10**7
    plan = Plan("torch", (Slab(0, long, 2),), long + 1, long + 1, 0.5)
    with refusal(
        ValueError, f"lengths[1] is {long}; at most 1000000 steps are drawn"
    ):
        draw_plan(plan, [1, long])


def drawn_for_the_book():
    return {
        "layouts": draw_layouts(DOCS),
        "layouts, long": draw_layouts(LONG),
        "padded": draw_padded(DOCS),
        "four": draw_four_layouts(DOCS),
        "directions": draw_directions(DOCS),
        "steps": draw_packing_steps(DOCS),
        "choices": draw_choices(),
        "growth": draw_padding_growth({"a": ([1, 8], [0, 0.5])}),
        "lengths": draw_lengths([3, 2, 1]),
        "plan": draw_plan(PLAN, [1, 5, 0, 2]),
    }


def test_small_screen():
    """On 358 of a phone's 390 pixels the smallest letters have 9."""
    for name, figure in drawn_for_the_book().items():
        figure.canvas.draw()
        sizes = [
            t.get_fontsize() for t in figure.findobj(Text) if t.get_text()
        ]
        # Around a drawing a notebook puts a tenth of an inch on each side.
        inches = figure.get_figwidth() + 0.2 * (name != "choices")
        assert min(sizes) / 72 * 358 / inches >= 9, name
