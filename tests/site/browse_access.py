"""Every page by axe-core, at two widths, in two themes, and by keyboard."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

# What depends on the colours: the rest is the same in both themes.
COLOURS = ["color-contrast", "link-in-text-block"]
# A colour on its way to another is none that anybody reads.
AT_REST = "*, ::before, ::after { transition: none !important }"

# Everything that is shown and takes the focus, marked for the test.
MARK = """() => {
    const all = "a[href], button, input, textarea, summary, [tabindex='0']";
    return [...document.querySelectorAll(all)].filter(element => {
        const shown = element.checkVisibility({visibilityProperty: true})
            && element.getClientRects().length;
        if (shown && element.tabIndex >= 0 && !element.disabled) {
            element.dataset.reach = "";
            return true;
        }
    }).length;
}"""
LEFT = """() => {
    document.activeElement.removeAttribute("data-reach");
    const left = [...document.querySelectorAll("[data-reach]")];
    return left.map(element => element.outerHTML.slice(0, 100));
}"""
WIDTHS = [1280, 390]


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing(
    page: Page, address: str, names: list[str], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    for name in names:
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}/{name}")
        page.add_style_tag(content=AT_REST)
        # The page, not only a box in it, would scroll sideways.
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide == width, name
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        results = Axe().run(page, options=options)
        assert results.violations_count == 0, (
            f"{name}\n{results.generate_report()}"
        )
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(
            "document.documentElement.dataset.theme === 'dark'"
        )
        results = Axe().run(page, options=options | {"runOnly": COLOURS})
        assert results.violations_count == 0, (
            f"{name}, dark\n{results.generate_report()}"
        )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "name",
    [
        "404.html",
        "book/choose.html",
        "book/index.html",
        "book/03_pack_the_batch.html",
        "search.html",
    ],
)
def test_tab_reaches_everything(
    page: Page, address: str, name: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{address}/{name}")
    page.evaluate("document.activeElement.blur()")
    count = page.evaluate(MARK)
    assert count >= 3
    left = [""]
    for _ in range(count + 5):
        page.keyboard.press("Tab")
        left = page.evaluate(LEFT)
        if not left:
            break
    assert left == []


def test_the_contents_open_and_close_by_keyboard(
    page: Page, address: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/book/choose.html")
    link = page.get_by_role("link", name="4. Run an LSTM")
    expect(link).to_be_hidden()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to main content")).to_be_focused()
    page.locator(".primary-toggle").focus()
    page.keyboard.press("Enter")
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()
    page.locator(".primary-toggle").focus()
    page.keyboard.press("Enter")
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/04_run_an_lstm.html")
