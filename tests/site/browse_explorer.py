"""The packing explorer shows what PyTorch and the package compute."""

from __future__ import annotations

import io
import random
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import torch
from playwright.sync_api import Browser, Page, expect
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
)

from packtutor import (
    DOCS,
    Ragged,
    Vocabulary,
    dot_cost,
    padding_fraction,
    tokenize,
)

FRONT = "book/index.html"
CHAPTER = "book/03_pack_the_batch.html"
LAYOUTS = ["padded", "sorted", "packed", "data"]
FIELDS = PackedSequence._fields
# Neither sorted nor of one length, and two pairs have the same length.
MIXED = "go now\non your mark please\nget set\nready\nsteady"

SHOW = """text => {
    const input = document.querySelector(".packing-explorer textarea");
    input.value = text;
    input.dispatchEvent(new Event("input", {bubbles: true}));
}"""
READ = """() => {
    const root = document.querySelector(".packing-explorer");
    const all = selector => [...root.querySelectorAll(selector)];
    const text = element => element.textContent;
    return {
        fields: all("[data-field]").map(field =>
            [field.dataset.field, field.dataset.values, text(field)]),
        costs: all("[data-cost] td").map(text),
        padding: Number(root.querySelector(".pe-padding").dataset.value),
        percent: text(root.querySelector(".pe-padding")),
        note: text(root.querySelector("#pe-note")),
    };
}"""
# Whether a word is written in the ink of the figures.
INKED = """word => {
    const look = getComputedStyle(word);
    const ink = parseInt(look.getPropertyValue("--pe-ink").slice(1), 16);
    const parts = [ink >> 16, (ink >> 8) & 255, ink & 255];
    return look.fill === `rgb(${parts.join(", ")})`;
}"""
# The words of each row as drawn; a pad is null.
DRAWN = """name => {
    const rows = document.querySelectorAll(`[data-layout=${name}] .pe-row`);
    const word = cell => cell.querySelector(".pe-word")?.textContent ?? null;
    return [...rows].map(row => [...row.children].map(word));
}"""
# What stands in the cell under the mark of each layout.
MARKED = """() => [...document.querySelectorAll(".pe-layout")].map(layout => {
    if (!layout.querySelector(".pe-marked")) return null;
    const mark = layout.querySelector(".pe-mark").getBBox();
    const [x, y] = [mark.x + mark.width / 2, mark.y + mark.height / 2];
    const found = [...layout.querySelectorAll(".pe-cell")].filter(cell => {
        const box = cell.getBBox();
        return box.x < x && x < box.x + box.width
            && box.y < y && y < box.y + box.height;
    });
    return found.length === 1
        && found[0].parentNode.querySelector(".pe-word").textContent;
})"""


class Expected(NamedTuple):
    """What the explorer has to show for a text."""

    words: list[list[str]]
    ids: list[torch.Tensor]
    packed: Any
    skipped: int

    @property
    def lengths(self) -> list[int]:
        return [len(ids) for ids in self.ids]


def expect_of(text: str) -> Expected:
    """Read a text as ``packtutor explain`` reads its lines; let torch pack."""
    lines = list(io.StringIO(text, newline=None))
    texts = [line for line in lines if tokenize(line)]
    vocabulary = Vocabulary.from_texts(texts)
    ids = [vocabulary.encode(line) for line in texts]
    packed: Any = Ragged.from_list(ids).to_packed()
    # The oracle is torch: the same data from the list that is sorted already,
    # ties in order, and the same batch on the way back.
    lengths = torch.tensor([len(row) for row in ids])
    order = lengths.argsort(descending=True, stable=True)
    theirs = pack_sequence([ids[i] for i in order])
    assert torch.equal(packed.data, theirs.data)
    assert torch.equal(packed.batch_sizes, theirs.batch_sizes)
    assert torch.equal(packed.sorted_indices, order)
    padded, found = pad_packed_sequence(packed, batch_first=True)
    assert torch.equal(padded, pad_sequence(ids, batch_first=True))
    assert torch.equal(found, lengths)
    words = [tokenize(line) for line in texts]
    return Expected(words, ids, packed, len(lines) - len(texts))


def compare(page: Page, text: str) -> Expected:
    """Show a text and compare each number with what it has to be."""
    page.evaluate(SHOW, text)
    shown = page.evaluate(READ)
    expected = expect_of(text)
    fields = {name: values for name, values, _ in shown["fields"]}
    for name, field in zip(FIELDS, expected.packed, strict=True):
        assert fields[name].split() == [str(i) for i in field.tolist()], name
    for _, values, seen in shown["fields"]:
        first = values.split()[:40]
        rest = values.count(" ") + 1 - len(first)
        more = f", ... {rest:,} more" if rest else ""
        assert seen == f"[{', '.join(first)}{more}]"
    cost = dot_cost(expected.lengths)
    assert shown["costs"] == [f"{n:,}" for pair in cost for n in pair]
    fraction = padding_fraction(expected.lengths)
    assert shown["padding"] == fraction
    assert shown["percent"] == f"{fraction:.1%}"
    skipped = re.search(r"([\d,]+) lines? without a word", shown["note"])
    count = int(skipped[1].replace(",", "")) if skipped else 0
    assert count == expected.skipped
    rows, tokens = len(expected.ids), sum(expected.lengths)
    assert shown["note"].startswith(
        f"{rows} document{'s' * (rows > 1)}, "
        f"{tokens:,} word{'s' * (tokens > 1)}; "
    )
    return expected


def same_word(shown: str | None, word: str | None) -> bool:
    if shown is None or word is None:
        return shown is word
    cut = shown.endswith("…") and word.startswith(shown[:-1].rstrip("…"))
    return shown == word or cut


def compare_drawings(page: Page, expected: Expected) -> None:
    """Compare what is drawn, word by word, or bar by bar."""
    order = expected.packed.sorted_indices.tolist()
    sizes = expected.packed.batch_sizes.tolist()
    steps = len(sizes)
    in_order = [expected.words[i] for i in order]
    drawn = {name: page.evaluate(DRAWN, name) for name in LAYOUTS}
    if not drawn["data"]:
        for name, words in (("padded", expected.words), ("sorted", in_order)):
            bars = page.locator(f"[data-layout={name}] .pe-bar")
            widths = bars.evaluate_all(
                "bars => bars.map(bar => bar.width.baseVal.value)"
            )
            unit = max(widths) / steps
            assert [round(w / unit) for w in widths] == [len(w) for w in words]
        return

    def fill(rows: list[list[str]]) -> list[list[str | None]]:
        return [row + [None] * (steps - len(row)) for row in rows]

    wanted = {
        "padded": fill(expected.words),
        "sorted": fill(in_order),
        "packed": in_order,
        "data": [[str(i) for i in expected.packed.data.tolist()]],
    }
    for name in LAYOUTS:
        for seen, words in zip(drawn[name], wanted[name], strict=True):
            for one, word in zip(seen, words, strict=True):
                assert same_word(one, word), (name, one, word)
    feet = page.locator("[data-layout=packed] .pe-size").all_text_contents()
    assert feet == [*(str(size) for size in sizes), "batch_sizes"]
    numbers = page.locator("[data-layout=packed] .pe-number")
    starts = [sum(sizes[:step]) for step in range(steps)]
    assert numbers.all_text_contents() == [
        str(starts[step] + row)
        for row, words in enumerate(in_order)
        for step in range(len(words))
    ]
    names = page.locator("[data-layout=sorted] .pe-seq").all_text_contents()
    assert names == [f"seq {doc}" for doc in order]
    owners = page.locator("[data-layout=data] .pe-owner").all_text_contents()
    assert owners == [f"seq {doc}" for size in sizes for doc in order[:size]]


# --- random batches -------------------------------------------------------

# What Python and JavaScript, or HTML, may take for something else.
SPACES = "\t\x0b\x0c\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2003\u2028\u202f\u3000"
ALPHABETS = [
    "abcdefgh",
    "ABCabc\u0130\u0131\u017f\u00df\u212a\u03a3\u03c2",
    ".,;:!?'\"()[]{}<>&/\\%+#=$`~^|*-_",
    "你好世界日本語한국어",
    "مرحباשלום",
    "e\u0301a\u0308\u200b\u200d\u200e\ufeff\u180e\u2060",
    "😀👩\u200d🚀🏳\ufe0f🌈𝔘𐍈",
    "0123456789",
    "\x00\x01\x07\x7f\x80",
]
MARKUP = ["<pad>", "<unk>", "<b>", "&amp;", "<img src=x onerror=alert(1)>"]


def random_word(draw: random.Random) -> str:
    if draw.random() < 0.05:
        return draw.choice(MARKUP).replace(" ", "\u00b7")
    letters = draw.choice(ALPHABETS)
    most = 60 if draw.random() < 0.02 else 6
    return "".join(draw.choices(letters, k=draw.randint(1, most)))


def random_line(draw: random.Random, words: list[str], length: int) -> str:
    spaces = " " if draw.random() < 0.5 else SPACES
    gap = draw.choice(spaces)
    text = "".join(
        draw.choice(words) + gap + draw.choice(["", draw.choice(spaces)])
        for _ in range(length)
    )
    return text.strip() if draw.random() < 0.5 else text


def random_texts(count: int, seed: int = 0) -> Iterator[str]:
    """Batches of every kind; each has a word."""
    draw = random.Random(seed)
    kinds = ["small", "ties", "blank", "wide", "large", "largest"]
    weights = [40, 25, 20, 8, 5, 2]
    for number in range(count):
        kind = draw.choices(kinds, weights)[0]
        if number == 0:
            kind = "largest"
        words = [random_word(draw) for _ in range(draw.randint(1, 30))]
        rows = draw.randint(1, 12)
        longest = draw.randint(1, 12)
        if kind == "ties":
            rows, longest = draw.randint(2, 40), draw.randint(1, 3)
        elif kind == "wide":
            rows, longest = draw.randint(1, 3), draw.randint(25, 200)
        elif kind == "large":
            rows, longest = draw.randint(20, 200), draw.randint(20, 200)
        elif kind == "largest":
            rows, longest = 200, 200
        lengths = [draw.randint(1, longest) for _ in range(rows)]
        if kind == "largest":
            lengths = [200] * rows if number == 0 else [200, *lengths[1:]]
        lines = [random_line(draw, words, length) for length in lengths]
        if kind == "blank":
            for _ in range(draw.randint(1, 5)):
                blank = draw.choice(["", " ", "\t\u3000", "\x1c"])
                lines.insert(draw.randint(0, len(lines)), blank)
        end = draw.choice(["\n", "\r\n", "\r"])
        yield end.join(lines) + draw.choice(["", end])


def test_two_hundred_random_batches_are_packed_as_torch_packs_them(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    texts = list(random_texts(200))
    assert any("\n\n" in text for text in texts)
    for text in texts:
        expected = compare(page, text)
        compare_drawings(page, expected)
    assert max(map(len, map(str.split, texts))) == 200 * 200


def test_words_end_where_python_ends_them(page: Page, address: str) -> None:
    """Every character there is stands between two letters once."""
    page.goto(f"{address}/{FRONT}")
    # To draw all of them in the text box would take a minute.
    page.locator("#pe-docs").evaluate("input => input.style.display = 'none'")
    points = [
        chr(point)
        for point in range(sys.maxunicode + 1)
        if chr(point) not in "\r\n" and not 0xD800 <= point < 0xE000
    ]
    for start in range(0, len(points), 190 * 200):
        part = points[start : start + 190 * 200]
        rows = [part[i : i + 190] for i in range(0, len(part), 190)]
        compare(page, "\n".join("a".join(["", *row, ""]) for row in rows))


def test_half_a_character_does_no_harm(page: Page, address: str) -> None:
    page.goto(f"{address}/{FRONT}")
    page.evaluate(f"({SHOW})('a\\ud800b \\udc00\\ngo')")
    page.wait_for_function("location.hash")
    assert page.evaluate(READ)["fields"][0][1] == "2 4 3"


def test_more_than_it_takes_is_left_out_and_said(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    page.evaluate(SHOW, "\n".join(["go"] * 201))
    note = page.locator("#pe-note")
    expect(note).to_contain_text("200 documents, 200 words;")
    expect(note).to_contain_text("Only the first 200 documents are taken.")
    page.evaluate(SHOW, " ".join(["go"] * 201))
    expect(note).to_contain_text("1 document, 200 words;")
    expect(note).to_contain_text("Only the first 200 words of a document")


def test_without_a_word_there_is_nothing_to_pack(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    for text in ("", "\n \n"):
        page.evaluate(SHOW, text)
        shown = page.evaluate(READ)
        assert shown["note"].startswith("There is no document with a word")
        assert [values for _, values, _ in shown["fields"]] == [""] * 4
        assert shown["costs"] == ["0"] * 4
        assert "type one to see it packed" in shown["note"]
        expect(page.locator(".pe-layouts")).to_be_hidden()
        expect(page.locator(".pe-where")).to_be_empty()
        told = page.locator(".pe-told")
        expect(told).to_have_text("There is nothing to step through.")
        for name in ("Step", "Back"):
            button = page.get_by_role("button", name=name, exact=True)
            expect(button).to_be_disabled()
            button.focus()  # it says that it is, and keeps the focus
            page.keyboard.press("Enter")
            expect(button).to_be_focused()
            expect(told).to_have_text("There is nothing to step through.")
    compare(page, "go")
    expect(page.locator(".pe-layouts")).to_be_visible()
    for name in ("Step", "Back"):
        button = page.get_by_role("button", name=name, exact=True)
        expect(button).to_be_enabled()
    assert hint(page)


@pytest.mark.parametrize("place", [FRONT, CHAPTER])
def test_it_opens_with_the_documents_of_the_book(
    page: Page, address: str, place: str
) -> None:
    page.goto(f"{address}/{place}")
    assert page.locator("#pe-docs").input_value() == "\n".join(DOCS)
    compare_drawings(page, compare(page, "\n".join(DOCS)))
    page.wait_for_timeout(700)
    assert not page.evaluate("location.hash")


# --- by keyboard, mouse and touch -----------------------------------------


def place_of(page: Page) -> tuple[str, list[int]]:
    """Read the sentence that says where a word stands: word, numbers."""
    text = page.locator(".pe-where").inner_text()
    found = re.fullmatch(
        r"(.+): id (\d+), word (\d+) of seq (\d+)\. padded\[(\d+), (\d+)\], "
        r"sorted\[(\d+), (\d+)\], packed column (\d+) row (\d+), "
        r"data\[(\d+)\]\.",
        text,
    )
    assert found, text
    return found[1], [int(group) for group in found.groups()[1:]]


def check_place(page: Page, expected: Expected) -> int:
    """Check that sentence and the marks; return the place in data."""
    word, numbers = place_of(page)
    number, step, doc, row, t, place, again, column, other, k = numbers
    packed = expected.packed
    assert (row, t, again, column) == (doc, step, step, step)
    assert word == expected.words[doc][step]
    padded = pad_sequence(expected.ids, batch_first=True)
    in_order = padded[packed.sorted_indices]
    assert number == padded[doc, step] == in_order[place, step]
    assert number == packed.data[k]
    assert place == other == packed.unsorted_indices[doc]
    assert k == packed.batch_sizes[:step].sum() + place
    assert page.evaluate(MARKED) == [word, word, word, str(number)]
    return k


def hint(page: Page) -> bool:
    text = page.locator(".pe-where").inner_text()
    marked = page.evaluate(MARKED)
    return text.startswith("Point at a word") and marked == [None] * 4


def focused(page: Page) -> str:
    return str(
        page.evaluate(
            """() => {
                const at = document.activeElement;
                const layout = at.closest("[data-layout]");
                return layout?.dataset.layout ?? at.id + at.textContent;
            }"""
        )
    )


def test_tab_reaches_all_and_each_layout_once(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    page.locator("#pe-docs").focus()
    stops = []
    for _ in range(9):
        page.keyboard.press("Tab")
        stops.append(focused(page))
    assert stops == ["Copy link", "Reset", "Step", "Back", "Large", *LAYOUTS]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrows_reach_every_word_and_say_where_it_stands(
    page: Page, address: str, layout: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    expected = compare(page, MIXED)
    cell = page.locator(f"[data-layout={layout}] [role=gridcell]")
    cell.focus()
    seen = {check_place(page, expected)}
    rows = 1 if layout == "data" else len(expected.ids)
    for row in range(rows):
        page.keyboard.press("Home")
        for _ in range(12):
            seen.add(check_place(page, expected))
            page.keyboard.press("ArrowRight")
        if row + 1 < rows:
            page.keyboard.press("ArrowDown")
    assert seen == set(range(len(expected.packed.data)))
    assert cell.get_attribute("aria-label") == (
        page.locator(".pe-where").inner_text()
    )
    page.keyboard.press("Control+Home")
    first = check_place(page, expected)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert check_place(page, expected) == first
    page.keyboard.press("Control+End")
    last = check_place(page, expected)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert check_place(page, expected) == last != first
    page.keyboard.press("Escape")
    assert hint(page)
    expect(cell).to_be_focused()


def test_the_focus_is_seen_in_a_batch_of_any_size(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    for text in (MIXED, "\n".join(["a b c"] * 200), "go " * 200):
        page.evaluate(SHOW, text)
        for layout in LAYOUTS:
            page.locator(f"[data-layout={layout}] [role=gridcell]").focus()
            page.keyboard.press("Control+End")
            mark = page.locator(f"[data-layout={layout}] .pe-mark")
            expect(mark).to_be_in_viewport(ratio=1)
            width = mark.evaluate("m => getComputedStyle(m).strokeWidth")
            assert width == "3.5px"


def test_a_mouse_shows_a_word_and_takes_it_away(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    expected = compare(page, MIXED)
    for layout in LAYOUTS:
        cells = page.locator(f"[data-layout={layout}] .pe-cell")
        for number in (0, 3, 7):
            cells.nth(number).hover(force=True)
            check_place(page, expected)
        page.locator("#pe-note").hover()
        assert hint(page)
    pad = page.locator("[data-layout=padded] .pe-pad").first
    pad.hover(force=True)
    assert hint(page)
    # A click holds it, and the keyboard goes on from there.
    page.locator("[data-layout=packed] .pe-cell").first.click(force=True)
    page.locator("#pe-note").hover()
    first = check_place(page, expected)
    page.keyboard.press("ArrowDown")
    assert check_place(page, expected) == first + 1


def test_a_finger_shows_a_word(browser: Browser, address: str) -> None:
    context = browser.new_context(
        has_touch=True, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    page.goto(f"{address}/{FRONT}")
    expected = compare(page, MIXED)
    page.locator("[data-layout=packed] .pe-cell").nth(1).tap(force=True)
    check_place(page, expected)
    page.get_by_role("button", name="Step", exact=True).tap()
    expect(page.locator(".pe-told")).to_contain_text("t=0: batch_sizes[0]")
    context.close()


# Where a text is drawn: its own box, and the drawings' box around it.
NAMES = """name => {
    const box = document.querySelector(`[data-layout=${name}] .pe-box`);
    const frame = box.getBoundingClientRect();
    return [...box.querySelectorAll(".pe-seq")].map(text => {
        const {left, right, top, bottom} = text.getBoundingClientRect();
        const [x, y] = [(left + right) / 2, (top + bottom) / 2];
        const over = document.elementFromPoint(x, y);
        return {
            seen: left >= frame.left && right <= frame.right,
            free: over === null || over.closest(".pe-names") !== null,
            words: text.textContent,
            left,
        };
    });
}"""


def test_names_of_rows_stay_when_a_layout_is_scrolled(
    browser: Browser, address: str
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}/{FRONT}")
    text = f"{'eleven ' * 20}\n{MIXED}"
    expected = compare(page, text)
    order = expected.packed.sorted_indices.tolist()
    for layout in ("padded", "sorted", "packed"):
        box = page.locator(f"[data-layout={layout}] .pe-box")
        box.evaluate("box => box.scrollIntoView({block: 'center'})")
        before = page.evaluate(NAMES, layout)
        box.evaluate("box => box.scrollLeft = 300")
        after = page.evaluate(NAMES, layout)
        assert box.evaluate("box => box.scrollLeft") == 300
        assert [name["left"] for name in after] == [
            name["left"] for name in before
        ]
        assert all(name["seen"] and name["free"] for name in after)
        docs = range(len(order)) if layout == "padded" else order
        named = [f"seq {doc}" for doc in docs]
        named += ["batch_sizes"] * (layout == "packed")
        assert [name["words"] for name in after] == named
        # The words behind the names are not what a finger there means.
        page.locator(f"[data-layout={layout}] .pe-names").click(
            position={"x": 20, "y": 40}
        )
        assert hint(page)
        # The keyboard goes on to where the names would hide the word.
        box.locator("[role=gridcell]").focus()
        page.keyboard.press("End")
        for _ in range(15):
            page.keyboard.press("ArrowLeft")
        mark = box.locator(".pe-mark").bounding_box()
        names = box.locator(".pe-names").bounding_box()
        assert mark
        assert names
        assert mark["x"] >= names["x"] + names["width"] - 1
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        page.evaluate(SHOW, text)
    page.close()


# The cells of data, and the texts in each.
OWNED = """() => {
    const cells = document.querySelectorAll("[data-layout=data] .pe-row > g");
    return [...cells].map(cell => {
        const edges = ({left, right, top, bottom}) =>
            [left, right, top, bottom];
        const box = element => edges(element.getBoundingClientRect());
        const [frame, id, owner] = [".pe-cell", ".pe-word", ".pe-owner"]
            .map(name => cell.querySelector(name));
        return {
            frame: box(frame),
            id: box(id),
            owner: box(owner),
            pixels: parseFloat(getComputedStyle(owner).fontSize),
        };
    });
}"""


def test_each_id_says_whose_it_is(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}/{FRONT}")
    most = "\n".join([*(["go"] * 19), "on your mark"])
    for text in ("\n".join(DOCS), MIXED, most):
        compare_drawings(page, compare(page, text))
        for cell in page.evaluate(OWNED):
            left, right, top, bottom = cell["frame"]
            assert 40 <= right - left <= 46
            assert cell["pixels"] >= 9
            for part in (cell["id"], cell["owner"]):
                assert left < part[0] < part[1] < right
                assert top - 1 <= part[2] < part[3] <= bottom + 1
            # Their boxes have room above and below the letters.
            assert cell["id"][3] <= cell["owner"][2] + 3
    assert page.locator(".pe-owner").last.evaluate(INKED)
    page.close()


# --- the LSTM's reading ---------------------------------------------------

PLAYED = """name => {
    const layout = document.querySelector(`[data-layout=${name}]`);
    const box = layout.querySelector(".pe-now").getBBox();
    const cells = [...layout.querySelectorAll(".pe-cell")].filter(cell => {
        const part = cell.getBBox();
        const [x, y] = [part.x + part.width / 2, part.y + part.height / 2];
        return box.x < x && x < box.x + box.width
            && box.y < y && y < box.y + box.height;
    });
    return {
        playing: Boolean(layout.querySelector(".pe-playing")),
        words: cells.map(cell =>
            cell.parentNode.querySelector(".pe-word").textContent),
        rows: [...layout.querySelectorAll(".pe-seq:not(.pe-gone)")].filter(
            name => name.textContent.startsWith("seq")).length,
    };
}"""


@pytest.mark.parametrize("text", ["\n".join(DOCS), MIXED])
def test_step_plays_the_columns_and_the_rows_that_drop_out(
    page: Page, address: str, text: str
) -> None:
    page.goto(f"{address}/{CHAPTER}")
    expected = compare(page, text)
    order = expected.packed.sorted_indices.tolist()
    sizes = expected.packed.batch_sizes.tolist()
    told, status = page.locator(".pe-told"), page.locator(".pe-status")
    step_button = page.locator(".pe-forward")
    back = page.get_by_role("button", name="Back")
    beside = "button => button.getBoundingClientRect().left"
    place = back.evaluate(beside)
    begin = told.inner_text()
    step_button.focus()
    for step, size in enumerate(sizes):
        page.keyboard.press("Enter")
        words = [expected.words[i][step] for i in order[:size]]
        ids = [str(int(expected.ids[i][step])) for i in order[:size]]
        for name in ("sorted", "packed", "data"):
            played = page.evaluate(PLAYED, name)
            assert played["playing"]
            assert played["words"] == (ids if name == "data" else words)
            assert name == "data" or played["rows"] == size
        assert not page.evaluate(PLAYED, "padded")["playing"]
        said = told.inner_text()
        assert said.startswith(f"t={step}: batch_sizes[{step}] is {size}. ")
        assert f"({', '.join(words)})" in said
        gone = [i for i in order[:size] if expected.lengths[i] == step + 1]
        named = re.findall(r"seq (\d+)", said)
        assert [int(number) for number in named] == gone
        assert ("No row drops out" in said) == (not gone)
        assert status.inner_text() == said
        last = step == len(sizes) - 1
        expect(step_button).to_have_text("Start over" if last else "Step")
        # The words may be longer; what stands beside them does not move.
        assert back.evaluate(beside) == place
    page.keyboard.press("Enter")
    expect(step_button).to_have_text("Step")
    assert told.inner_text() == begin
    assert not page.evaluate(PLAYED, "packed")["playing"]
    assert page.evaluate(PLAYED, "packed")["rows"] == len(order)
    back.click()
    assert told.inner_text().startswith(f"t={len(sizes) - 1}: ")
    expect(step_button).to_have_text("Start over")
    page.keyboard.press("Escape")
    expect(step_button).to_have_text("Step")
    assert told.inner_text() == begin


# The box of an element of the explorer, in the window.
FRAMES = """selectors => selectors.map(selector => {
    const root = document.querySelector(".packing-explorer");
    const {left, right, top, bottom} =
        root.querySelector(selector).getBoundingClientRect();
    return {left, right, top, bottom};
})"""
SEEN = [".pe-steps", ".pe-told", *(f"[data-layout={n}] svg" for n in LAYOUTS)]


@pytest.mark.parametrize("place", [FRONT, CHAPTER])
def test_steps_are_seen_with_what_they_change(
    browser: Browser, address: str, place: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{address}/{place}")
    page.locator(".packing-explorer").evaluate(
        "root => root.scrollIntoView({behavior: 'instant'})"
    )
    for _ in range(4):
        frames = page.evaluate(FRAMES, SEEN)
        for above, below in pairwise(frames[:3]):
            assert above["bottom"] <= below["top"]
        # Under the page's bar and above the window's end: all of it.
        bar = page.locator(".bd-header-article").bounding_box()
        assert bar
        assert frames[0]["top"] >= bar["y"] + bar["height"]
        assert max(frame["bottom"] for frame in frames) <= 720
        page.locator(".pe-forward").click()
    page.close()


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_no_layout_jumps_from_step_to_step(
    page: Page, address: str, width: int
) -> None:
    page.goto(f"{address}/{FRONT}")
    page.set_viewport_size({"width": width, "height": 720})
    for text in ("\n".join(DOCS), MIXED, next(random_texts(1))):
        page.evaluate(SHOW, text)
        tops = set()
        for _ in range(6):
            box = page.locator(".pe-layouts").evaluate("e => e.offsetTop")
            tops.add(box)
            page.locator(".pe-forward").press("Enter")
        assert len(tops) == 1


def test_step_plays_the_largest_batch(page: Page, address: str) -> None:
    page.goto(f"{address}/{FRONT}")
    expected = compare(page, next(random_texts(1)))
    for step, size in enumerate(expected.packed.batch_sizes[:3].tolist()):
        page.get_by_role("button", name="Step", exact=True).click()
        expect(page.locator(".pe-told")).to_contain_text(
            f"t={step}: batch_sizes[{step}] is {size}. "
        )
    # In milliseconds; the median, since other programs run too.
    times = page.evaluate(
        """() => [...Array(60)].map(() => {
            const start = performance.now();
            document.querySelector(".pe-forward").click();
            document.body.getBoundingClientRect();
            return performance.now() - start;
        })"""
    )
    assert sorted(times)[30] < 50


def test_what_was_typed_is_told_after_a_pause(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/{FRONT}")
    page.locator("#pe-docs").press_sequentially("now ")
    status = page.get_by_role("status")
    assert not status.inner_text()
    expect(status).to_have_text(page.locator("#pe-note").inner_text())


# --- for a projector ------------------------------------------------------

ZOOM = """() => {
    const root = document.querySelector(".packing-explorer");
    return Number(getComputedStyle(root).zoom);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", [FRONT, CHAPTER])
def test_large_fills_the_window_and_is_told(
    browser: Browser, address: str, place: str, scheme: Any
) -> None:
    size: Any = {"width": 1280, "height": 720}
    page = browser.new_page(color_scheme=scheme, viewport=size)
    page.goto(f"{address}/{place}")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator(".pe-large").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        status = page.get_by_role("status")
        expect(status).to_contain_text("fills the screen. Escape leaves it.")
        expect(page.locator(".pe-large")).to_have_text("Small")
        expect(page.locator(".pe-large")).to_be_focused()
        root = page.locator(".packing-explorer")
        width, height = page.evaluate("[innerWidth, innerHeight]")
        box = root.bounding_box()
        assert box == {"x": 0, "y": 0, "width": width, "height": height}
        wanted = max(1, min(width / 800, height / 430))
        assert wanted > 1.3
        assert page.evaluate(ZOOM) == pytest.approx(wanted, rel=1e-3)
        fill = "root => getComputedStyle(root).backgroundColor"
        assert root.evaluate(fill) == paper
        assert root.evaluate("e => e.scrollWidth <= e.clientWidth")
        # The steps and all that they change are seen.
        for _ in range(4):
            frames = page.evaluate(FRAMES, SEEN)
            assert min(frame["top"] for frame in frames) >= 0
            assert max(frame["bottom"] for frame in frames) <= height
            page.locator(".pe-forward").click()
        page.locator(".pe-large").press("Enter")
        expect(status).to_contain_text("stands in the page again")
        expect(page.locator(".pe-large")).to_have_text("Large")
        assert page.evaluate("document.fullscreenElement") is None
        assert page.evaluate(ZOOM) == 1
        expect(page.locator(".pe-steps")).to_be_in_viewport(ratio=1)
    page.close()


def test_a_word_is_found_where_it_is_when_large(
    browser: Browser, address: str
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{address}/{FRONT}")
    page.locator(".pe-large").click()
    expect(page.locator(".pe-large")).to_have_text("Small")
    assert page.evaluate(ZOOM) > 1.3
    for text in ("\n".join(DOCS), MIXED, f"{'eleven ' * 20}\n{MIXED}"):
        expected = compare(page, text)
        for layout in LAYOUTS:
            cells = page.locator(f"[data-layout={layout}] .pe-cell")
            for cell in cells.all():
                cell.scroll_into_view_if_needed()
                box = cell.bounding_box()
                assert box
                # Just inside its corners; names may cover the left.
                for share in (0.1, 0.9):
                    x = box["x"] + share * box["width"]
                    y = box["y"] + share * box["height"]
                    page.mouse.move(x, y)
                    own = page.evaluate(
                        """([x, y]) => document.elementFromPoint(x, y)
                            .closest(".pe-names") === null""",
                        [x, y],
                    )
                    if own:
                        check_place(page, expected)
                        mark = page.locator(f"[data-layout={layout}] .pe-mark")
                        frame = mark.bounding_box()
                        assert frame
                        assert 0 < x - frame["x"] < frame["width"]
                        assert 0 < y - frame["y"] < frame["height"]
        page.locator("#pe-note").hover()
        page.locator("[data-layout=packed] [role=gridcell]").focus()
        seen = set()
        for _ in range(25):
            seen.add(check_place(page, expected))
            mark = page.locator("[data-layout=packed] .pe-mark")
            # Zoomed, an edge at the border is a millionth of a pixel out; a
            # whole pixel would be a fiftieth of the mark.
            expect(mark).to_be_in_viewport(ratio=0.999)
            page.keyboard.press("ArrowRight")
        assert len(seen) == max(expected.lengths)
        page.keyboard.press("Control+Home")
        page.evaluate("document.activeElement.blur()")
    # A large batch is drawn to the width that there is.
    compare(page, next(random_texts(1)))
    drawn = page.locator("[data-layout=padded] .pe-box")
    assert drawn.evaluate("box => box.scrollWidth <= box.clientWidth")
    page.close()


def test_large_is_hidden_where_nothing_can_fill_the_screen(
    page: Page, address: str
) -> None:
    page.add_init_script(
        "Object.defineProperty(Document.prototype, 'fullscreenEnabled',"
        " {get: () => false})"
    )
    page.goto(f"{address}/{FRONT}")
    expect(page.locator(".pe-large")).to_be_hidden()
    page.locator(".pe-backward").focus()
    page.keyboard.press("Tab")
    assert focused(page) == "padded"


def test_a_refusal_to_fill_the_screen_is_told(
    page: Page, address: str
) -> None:
    page.add_init_script(
        "Element.prototype.requestFullscreen = () => Promise.reject('no')"
    )
    page.goto(f"{address}/{FRONT}")
    page.locator(".pe-large").click()
    expect(page.get_by_role("status")).to_contain_text("does not let")
    expect(page.locator(".pe-large")).to_have_text("Large")


# --- the address ----------------------------------------------------------


@pytest.mark.parametrize("place", [FRONT, CHAPTER])
def test_a_link_carries_the_documents(
    page: Page, address: str, place: str
) -> None:
    text = 'a+b c%20d\n\n<b>bold</b> "q" & #1 你好 😀\nx=y;z?'
    page.goto(f"{address}/{place}?a=b#what-you-get")
    compare(page, text)
    page.wait_for_function("location.hash.startsWith('#docs=')")
    link = page.url
    assert parse_qs(urlsplit(link).fragment) == {"docs": [text]}
    page.goto("about:blank")
    page.goto(link)
    assert page.locator("#pe-docs").input_value() == text
    compare_drawings(page, expect_of(text))
    expect(page.locator("#pe-docs")).to_be_in_viewport()
    # A second link on the same page brings its documents too.
    page.goto(f"{address}/{place}?a=b#{urlencode({'docs': 'one two'})}")
    assert page.locator("#pe-docs").input_value() == "one two"
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("!location.hash")
    assert page.url == f"{address}/{place}?a=b"
    assert page.locator("#pe-docs").input_value() == "\n".join(DOCS)


def test_the_page_for_teachers_opens_it_with_an_unsorted_batch(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/book/teach.html")
    page.get_by_role("link", name="the explorer opens with these").click()
    page.wait_for_url(f"{address}/{CHAPTER}*")
    text = "go\non your mark get set\nget set"
    assert page.locator("#pe-docs").input_value() == text
    expected = compare(page, text)
    compare_drawings(page, expected)
    assert expected.lengths == [1, 5, 2]
    assert expected.packed.batch_sizes.tolist() == [3, 2, 1, 1, 1]
    expect(page.locator("#pe-docs")).to_be_in_viewport()
    # It is what the explorer makes of these documents itself.
    fragment = urlsplit(page.url).fragment
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("!location.hash")
    page.evaluate(SHOW, text)
    page.wait_for_function("location.hash")
    assert urlsplit(page.url).fragment == fragment


def test_the_largest_batch_travels_too(page: Page, address: str) -> None:
    text = "\n".join([" ".join(["four"] * 200)] * 200)
    page.goto(f"{address}/{FRONT}")
    compare(page, text)
    page.wait_for_function("location.hash.startsWith('#docs=')")
    page.reload()
    assert page.locator("#pe-docs").input_value() == text


def test_copy_link_copies_it(page: Page, address: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/{FRONT}")
    copy = page.get_by_role("button", name="Copy link")
    read = "navigator.clipboard.readText()"
    copy.click()
    expect(page.get_by_role("status")).to_have_text("The link is copied.")
    link = page.evaluate(read)
    assert (
        link == f"{address}/{FRONT}#{urlencode({'docs': chr(10).join(DOCS)})}"
    )
    page.evaluate(SHOW, "go now")
    copy.click()
    expect(page.get_by_role("status")).to_have_text("The link is copied.")
    assert (
        page.evaluate(read) == page.url == f"{link.split('#')[0]}#docs=go+now"
    )
    page.evaluate(SHOW, "word" * 300_000)
    copy.click()
    expect(page.get_by_role("status")).to_contain_text("too long for a link")
    assert page.url == f"{address}/{FRONT}"


def test_what_a_link_does_is_said_beside_copy_link(
    page: Page, address: str
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/{FRONT}")
    opens = "The link opens this page with your documents."
    copy = page.get_by_role("button", name="Copy link")
    expect(copy).to_have_accessible_description(opens)
    beside = page.locator(".pe-copied")
    expect(beside).to_be_visible()
    assert not page.get_by_role("status").inner_text()
    copy.click()
    expect(beside).to_have_text("The link is copied.")
    page.evaluate(SHOW, "go now")
    expect(beside).to_have_text(opens)
    copy.click()
    page.get_by_role("button", name="Reset").click()
    expect(beside).to_have_text(opens)


@pytest.mark.parametrize(
    ("fragment", "text"),
    [
        ("docs=%E0%A4%A", "\ufffd%A"),
        ("docs=%", "%"),
        ("docs", ""),
        ("docs=a&docs=b&x", "a"),
        ("docs=a%0D%0Ab%0Dc", "a\nb\nc"),
        ("docs=%00%ED%A0%80", "\0\ufffd\ufffd\ufffd"),
        ("what-you-get", "\n".join(DOCS)),
        ("&&==", "\n".join(DOCS)),
    ],
)
def test_any_link_is_read(
    page: Page, address: str, fragment: str, text: str
) -> None:
    page.goto(f"{address}/{FRONT}#{fragment}")
    assert page.locator("#pe-docs").input_value() == text
    if text:
        compare(page, text)


def test_a_link_brings_text_and_no_html(page: Page, address: str) -> None:
    # One word, since a space would cut it, and short enough to be shown.
    evil = "<img/src=x/onerror=document.title=1>"
    assert evil.split() == [evil]
    page.goto(f"{address}/{FRONT}#{urlencode({'docs': evil})}")
    before = page.title()
    for layout in LAYOUTS:
        page.locator(f"[data-layout={layout}] [role=gridcell]").focus()
    page.get_by_role("button", name="Step", exact=True).click()
    root = page.locator(".packing-explorer")
    assert root.locator("img, script").count() == 0
    assert page.title() == before
    compare_drawings(page, compare(page, evil))


# --- the page -------------------------------------------------------------


def test_it_is_loaded_where_it_stands_and_nowhere_else(site: Path) -> None:
    for name in ("packing_explorer.js", "packing_explorer.css"):
        having = [
            path.relative_to(site).as_posix()
            for path in site.rglob("*.html")
            if f"_static/{name}" in path.read_text(encoding="utf-8")
        ]
        assert sorted(having) == [CHAPTER, FRONT]


@pytest.mark.parametrize("place", [FRONT, CHAPTER])
def test_no_page_scrolls_sideways(
    browser: Browser, address: str, place: str
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}/{place}")
    sizes = "[document.documentElement.scrollWidth, innerWidth]"
    for text in ("\n".join(DOCS), "go " * 20, "w" * 500, *random_texts(2)):
        page.evaluate(SHOW, text)
        assert page.evaluate(sizes) == [390, 390]
    page.close()


@pytest.mark.parametrize("place", [FRONT, CHAPTER])
def test_without_scripts_a_picture_and_a_sentence_stand_there(
    browser: Browser, address: str, place: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{place}")
    root = page.locator(".packing-explorer")
    expect(root.locator("img")).to_be_visible()
    assert "batch sizes 3, 2, 1" in root.locator("img").get_attribute("alt")
    assert "packtutor explain" in root.inner_text()
    expect(root.get_by_role("button")).to_have_count(0)
    expect(root.locator("textarea")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_are_those_of_the_page(
    browser: Browser, address: str, scheme: Any
) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{address}/{FRONT}")
    word = page.locator(".pe-word").first
    assert word.evaluate(INKED)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    fill = "c => getComputedStyle(c).fill"
    fills = page.locator("[data-layout=padded] .pe-cell").evaluate_all(
        f"cells => cells.map({fill})"
    )
    assert paper not in fills
    assert len(set(fills)) == 3
    page.close()
