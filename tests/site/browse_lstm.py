"""The LSTM that chapter 4 runs step by step does what PyTorch's does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from playwright.sync_api import Browser, Page, expect
from torch.nn.utils.rnn import pack_sequence

from packtutor import DOCS, Vocabulary, tokenize

CHAPTER = "book/04_run_an_lstm.html"
MIXED = [DOCS[2], DOCS[0], DOCS[1]]
ORDERS = [DOCS, MIXED]
STEPS = 3
END = STEPS + 1  # the place at which h_n is returned

SHOWN = """() => {
    const root = document.querySelector(".lstm-run");
    const text = node => node?.textContent ?? null;
    const inside = (frame, cell) => {
        const [a, b] = [frame.getBBox(), cell.getBBox()];
        const y = b.y + b.height / 2, x = b.x + b.width / 2;
        return a.x < x && x < a.x + a.width && a.y < y && y < a.y + a.height;
    };
    const framed = name => {
        const layout = root.querySelector(`[data-layout=${name}]`);
        const frame = layout.querySelector(".pe-playing .pe-now");
        const cells = [...layout.querySelectorAll(".pe-cell")];
        return frame === null ? [] : cells
            .filter(cell => inside(frame, cell))
            .map(cell => text(cell.parentNode.querySelector(".pe-word")));
    };
    const rows = [...root.querySelectorAll(".lr-row")].map(row => ({
        seq: Number(row.dataset.seq),
        text: text(row.querySelector(".pe-word")),
        final: text(row.querySelector(".pe-number")) === "final",
        gone: row.querySelector(".pe-gone") !== null,
        y: row.querySelector(".pe-word").getBBox().y,
        arrow: row.querySelector(".lr-arrow")?.getAttribute("d") ?? null,
    }));
    return {
        rows,
        read: framed("packed"),
        changed: framed("state"),
        sizes: [...root.querySelectorAll("[data-layout=packed] .pe-size")]
            .map(text),
        h_n: [...root.querySelectorAll(".lr-h")]
            .map(row => text(row.querySelector(".pe-word"))),
        told: text(root.querySelector(".pe-told")),
        status: text(root.querySelector(".pe-status")),
        place: Number(root.querySelector("[type=range]").value),
        says: root.querySelector("[type=range]")
            .getAttribute("aria-valuetext"),
        label: root.querySelector("[data-layout=state] svg")
            .getAttribute("aria-label"),
    };
}"""


class Run(NamedTuple):
    """What PyTorch does with documents: packs them, and runs an LSTM."""

    words: list[list[str]]
    sizes: list[int]
    order: list[int]
    back: list[int]

    def ending(self, step: int) -> list[int]:
        """The documents whose state is final after a step."""
        after = [*self.sizes, 0][step + 1]
        return self.order[after : self.sizes[step]]


def run_of(docs: list[str]) -> Run:
    """Pack the documents; check in numbers what the figure shows."""
    torch.manual_seed(0)
    vocabulary = Vocabulary.from_texts(docs)
    embedding = torch.nn.Embedding(len(vocabulary), 4)
    lstm = torch.nn.LSTM(4, 5)
    x = [embedding(vocabulary.encode(doc)) for doc in docs]
    packed: Any = pack_sequence(x, enforce_sorted=False)
    output, (h_n, _) = lstm(packed)
    sizes = packed.batch_sizes.tolist()
    state = torch.zeros(len(docs), 5)  # its rows in sorted order
    for rows in output.data.split(sizes):
        state = torch.cat([rows, state[len(rows) :]])
    assert torch.equal(h_n[0], state[packed.unsorted_indices])
    for i, alone in enumerate(x):
        assert torch.allclose(h_n[0, i], lstm(alone)[1][0][0], atol=1e-6)
    return Run(
        [tokenize(doc) for doc in docs],
        sizes,
        packed.sorted_indices.tolist(),
        packed.unsorted_indices.tolist(),
    )


def step_button(page: Page) -> Any:
    return page.get_by_role("button", name="Step", exact=True)


def open_chapter(page: Page, address: str, docs: list[str] = DOCS) -> None:
    page.goto(f"{address}/{CHAPTER}")
    if docs is MIXED:
        page.get_by_role("checkbox").and_(
            page.locator(".lstm-run input")
        ).check()


def check(page: Page, run: Run, place: int) -> dict[str, Any]:
    """Compare everything that is shown at a place with the run."""
    shown: dict[str, Any] = page.evaluate(SHOWN)
    assert shown["place"] == place
    assert shown["sizes"] == [*map(str, run.sizes), "batch_sizes"]
    step = place - 1
    running = 1 <= place < END
    alive = run.sizes[step] if running else 0
    seen = min(place, STEPS)
    texts = [" ".join(run.words[i][:seen]) or "0" for i in run.order]
    assert [row["seq"] for row in shown["rows"]] == run.order
    assert [row["text"] for row in shown["rows"]] == texts
    assert shown["changed"] == texts[:alive]
    words = [run.words[i][step] for i in run.order[:alive]]
    assert shown["read"] == words
    ended = [i for t in range(seen) for i in run.ending(t)]
    for row, doc in zip(shown["rows"], run.order, strict=True):
        assert row["final"] == (doc in ended)
        assert (row["arrow"] is not None) == (doc in ended)
        assert f"seq {doc} " in shown["label"]
    assert shown["label"].count(", final") == len(ended)
    gone = [row["gone"] for row in shown["rows"]]
    resting = len(run.order) - alive if running else 0
    assert gone == [False] * (len(gone) - resting) + [True] * resting
    given = [" ".join(words) for words in run.words]
    assert shown["h_n"] == (given if place == END else [None] * len(given))
    told = shown["told"]
    assert shown["says"] == told
    if running:
        assert told.startswith(f"t={step}: batch_sizes[{step}] is {alive}. ")
        assert f"({', '.join(words)})" in told
        named = re.findall(r"seq (\d+)", told)
        assert [int(number) for number in named] == run.ending(step)
    if place == END:
        assert str(run.back) in told
        # Each arrow leads from a row of the state to its row of h_n.
        tops = [row["y"] for row in shown["rows"]]
        for row, doc in zip(shown["rows"], run.order, strict=True):
            start, end = re.findall(r"[MC ]\S+ (\S+?)(?:C|m)", row["arrow"])
            by = (float(end) - float(start)) / (tops[1] - tops[0])
            assert round(by) == doc - run.back[doc]
    return shown


@pytest.mark.parametrize("docs", ORDERS)
def test_each_step_is_that_of_torch(
    page: Page, address: str, docs: list[str]
) -> None:
    open_chapter(page, address, docs)
    run = run_of(docs)
    assert run.sizes == [3, 2, 1]
    assert check(page, run, 0)["status"] == ""
    for place in range(1, END + 1):
        step_button(page).click()
        shown = check(page, run, place)
        assert shown["status"] == shown["told"]
    step_button(page).press("Enter")  # there is nothing behind the end
    check(page, run, END)
    for place in reversed(range(END)):
        page.get_by_role("button", name="Back").click()
        check(page, run, place)
    page.get_by_role("button", name="Back").press("Enter")
    check(page, run, 0)


def test_the_order_may_be_changed_on_the_way(page: Page, address: str) -> None:
    open_chapter(page, address)
    step_button(page).click()
    page.locator(".lstm-run [type=checkbox]").check()
    check(page, run_of(MIXED), 1)
    page.locator(".lstm-run [type=checkbox]").uncheck()
    check(page, run_of(DOCS), 1)


def test_it_goes_by_keyboard_alone(page: Page, address: str) -> None:
    open_chapter(page, address)
    run = run_of(DOCS)
    step_button(page).focus()
    stops = []
    for _ in range(5):
        stops.append(
            page.evaluate(
                "document.activeElement.textContent"
                " || document.activeElement.type"
            )
        )
        page.keyboard.press("Tab")
    assert stops == ["Step", "Back", "Play", "range", "checkbox"]
    step_button(page).focus()
    for place in range(1, END + 1):
        page.keyboard.press("Enter")
        check(page, run, place)
    expect(step_button(page)).to_be_focused()
    expect(step_button(page)).to_have_attribute("aria-disabled", "true")
    slider = page.get_by_role("slider", name="Step of the run")
    slider.focus()
    page.keyboard.press("Home")
    check(page, run, 0)
    for place in range(1, END + 1):
        page.keyboard.press("ArrowRight")
        check(page, run, place)
    page.keyboard.press("ArrowLeft")
    check(page, run, STEPS)
    page.keyboard.press("Escape")
    check(page, run, 0)
    expect(slider).to_be_focused()


def test_it_plays_when_asked_and_pauses(page: Page, address: str) -> None:
    page.clock.install()
    open_chapter(page, address)
    run = run_of(DOCS)
    page.clock.run_for(60_000)
    check(page, run, 0)  # not by itself
    page.get_by_role("button", name="Play").click()
    check(page, run, 1)
    page.clock.run_for(2600)
    check(page, run, 2)
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(60_000)
    check(page, run, 2)
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(60_000)
    check(page, run, END)  # and no further
    page.get_by_role("button", name="Play").click()
    check(page, run, 0)  # from the start again
    step_button(page).click()  # who steps has stopped it
    page.clock.run_for(60_000)
    check(page, run, 1)


def test_it_is_still_for_who_prefers_that(page: Page, address: str) -> None:
    open_chapter(page, address)
    play = page.get_by_role("button", name="Play")
    step_button(page).click()
    new = page.locator(".lr-new").first
    moves = "cell => cell.getAnimations().length"
    page.emulate_media(reduced_motion="reduce")
    expect(play).to_be_hidden()
    step_button(page).click()
    assert new.evaluate(moves) == 0
    check(page, run_of(DOCS), 2)
    page.emulate_media(reduced_motion="no-preference")
    expect(play).to_be_visible()
    step_button(page).click()
    assert new.evaluate(moves) == 1


def test_it_goes_by_touch_on_a_narrow_screen(
    browser: Browser, address: str
) -> None:
    context = browser.new_context(
        has_touch=True, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    open_chapter(page, address)
    sizes = "[document.documentElement.scrollWidth, innerWidth]"
    for place in range(1, END + 1):
        step_button(page).tap()
        check(page, run_of(DOCS), place)
        assert page.evaluate(sizes) == [390, 390]
    # Nor does a drawing have to be scrolled.
    for box in page.locator(".lstm-run .pe-box").all():
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    context.close()


def test_nothing_jumps_while_it_runs(page: Page, address: str) -> None:
    open_chapter(page, address)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        heights = set()
        for _ in range(END + 1):
            box = page.locator(".lstm-run").bounding_box()
            assert box
            heights.add(box["height"])
            step_button(page).press("Enter")
        assert len(heights) == 1
        step_button(page).press("Escape")


@pytest.mark.parametrize("docs", ORDERS)
def test_names_of_the_figure(
    page: Page, address: str, docs: list[str]
) -> None:
    open_chapter(page, address, docs)
    root = page.get_by_role("group", name="The packed run, step by step")
    images = root.get_by_role("img")
    expect(images).to_have_count(2)
    step_button(page).click()
    expect(images.first).to_have_attribute(
        "aria-label", "6 cells, no pad; column t=0 is read"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_are_those_of_the_page(
    browser: Browser, address: str, scheme: Any
) -> None:
    page = browser.new_page(color_scheme=scheme)
    open_chapter(page, address)
    step_button(page).click()
    word = page.locator(".lr-row .pe-word").first
    inked = "getComputedStyle(word).fill === getComputedStyle(other).fill"
    other = page.locator("[data-layout=packed] .pe-word").first
    assert word.evaluate(f"(word, other) => {inked}", other.element_handle())
    fill = "cells => cells.map(cell => getComputedStyle(cell).fill)"
    page.wait_for_timeout(600)  # until they have appeared
    packed = page.locator("[data-layout=packed] .pe-cell").evaluate_all(fill)
    state = page.locator(".lr-row .pe-cell").evaluate_all(fill)
    assert len(set(state)) == 3
    assert set(state) == set(packed)
    page.close()


def test_without_scripts_a_table_stands_there(
    browser: Browser, address: str
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{CHAPTER}")
    check_table(page)
    expect(page.locator(".lstm-run").get_by_role("button")).to_have_count(0)
    context.close()


def test_on_paper_the_table_stands_there(page: Page, address: str) -> None:
    open_chapter(page, address)
    expect(page.locator(".lstm-run table")).to_be_hidden()
    page.emulate_media(media="print")
    check_table(page)
    expect(step_button(page)).to_be_hidden()


def check_table(page: Page) -> None:
    """Compare the table of the steps with torch's run."""
    run = run_of(DOCS)
    table = page.locator(".lstm-run table")
    expect(table).to_be_visible()
    rows = [
        row.locator("td").all_inner_texts()
        for row in table.locator("tbody tr").all()
    ]
    assert len(rows) == STEPS
    for step, row in enumerate(rows):
        size = run.sizes[step]
        words = [run.words[i][step] for i in run.order[:size]]
        rest = run.order[[*run.sizes, 0][step + 1] :]
        final = ", ".join(DOCS[i] for i in rest)
        assert row == [f"t={step}", str(size), ", ".join(words), final]


def test_it_is_loaded_where_it_stands_and_nowhere_else(site: Path) -> None:
    for name in ("lstm_run.js", "lstm_run.css"):
        having = [
            path.relative_to(site).as_posix()
            for path in site.rglob("*.html")
            if f"_static/{name}" in path.read_text(encoding="utf-8")
        ]
        assert having == [CHAPTER]
