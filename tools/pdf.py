"""Print the built site as one PDF, its pages in the order of ``_toc.yml``.

    python tools/pdf.py            writes _build/book.pdf

The pages are put one behind the other into one page of the browser, so that
links between them lead to places in the PDF, and page numbers run through.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from packtutor._files import write_whole

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
OUT = ROOT / "_build" / "book.pdf"

# Cut the text out of a page. An id stands in several pages, so it gets the
# page's name in front; a page itself is found by the id of its heading's
# section. A link to what is not printed becomes plain text.
CUT_OUT = r"""([name, names]) => {
    const article = document.querySelector(".bd-article");
    const top = article.querySelector("section");
    const place = (page, id) => page + "--" + id;
    for (const link of article.querySelectorAll("a[href]")) {
        const url = new URL(link.href);
        const path = url.href.split("#")[0];
        const page = names.find(name => path.endsWith(`/${name}.html`));
        const id = decodeURIComponent(url.hash.slice(1));
        if (page) link.setAttribute("href", "#" + place(page, id));
        else if (url.protocol === "file:") link.removeAttribute("href");
    }
    for (const image of article.querySelectorAll("img")) image.src = image.src;
    for (const node of article.querySelectorAll("[id]:not(pattern)"))
        if (node !== top) node.id = place(name, node.id);
    // The style of a page may hang on the id of its top section.
    const anchors = ["", top.id].map(id => {
        const anchor = document.createElement("span");
        anchor.id = place(name, id);
        return anchor;
    });
    top.prepend(...anchors);
    for (const script of article.querySelectorAll("script, template"))
        script.remove();
    const maths = document.querySelector("#MJX-CHTML-styles");
    return {
        html: `<div class="printed">${article.innerHTML}</div>`,
        styles: [...document.querySelectorAll("link[rel=stylesheet]")]
            .map(link => link.href),
        rules: maths ? [...maths.sheet.cssRules].map(r => r.cssText) : [],
    };
}"""
JOIN = r"""async parts => {
    const known = new Set(
        [...document.querySelectorAll("link[rel=stylesheet]")]
            .map(link => link.href));
    const loaded = [];
    for (const href of new Set(parts.flatMap(part => part.styles))) {
        if (known.has(href)) continue;
        const link = document.createElement("link");
        link.rel = "stylesheet";
        link.href = href;
        loaded.push(new Promise(done => (link.onload = link.onerror = done)));
        document.head.append(link);
    }
    const style = document.createElement("style");
    const rules = new Set(parts.flatMap(part => part.rules));
    // A heading that touched the page before would be painted there too, out
    // of sight, and stand twice in the outline.
    style.textContent = [
        ...rules,
        ".printed + .printed { break-before: page }",
        ".printed :is(h1, h2, h3) { padding-top: 6px }",
    ].join("\n");
    document.head.append(style);
    const article = document.querySelector(".bd-article");
    article.innerHTML = parts.map(part => part.html).join("");
    await Promise.all([
        ...loaded,
        document.fonts.ready,
        ...[...article.querySelectorAll("img")].map(image => image.decode()),
    ]);
}"""
FOOTER = (
    '<div style="font: 8px sans-serif; width: 100%; text-align: center">'
    '<span class="pageNumber"></span></div>'
)


def open_browser(playwright: Playwright) -> Browser:
    """Start Chromium: Debian's, or the one that PACKTUTOR_CHROMIUM names."""
    path = os.environ.get("PACKTUTOR_CHROMIUM") or shutil.which("chromium")
    if path is None:
        raise FileNotFoundError(
            "no browser: install chromium, or name one in PACKTUTOR_CHROMIUM"
        )
    # Root, as in a container, cannot have Chromium's own sandbox.
    return playwright.chromium.launch(
        executable_path=path, args=["--no-sandbox", "--disable-gpu"]
    )


def list_pages() -> list[str]:
    """Return the names of the pages, in the order of the contents."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))

    def walk(entry: dict[str, Any]) -> list[str]:
        own = [entry["file"]] if "file" in entry else []
        below = entry.get("chapters", []) + entry.get("sections", [])
        return own + [name for child in below for name in walk(child)]

    parts = [name for part in contents["parts"] for name in walk(part)]
    return [contents["root"], *parts]


def join_pages(page: Page, site: Path) -> None:
    """Put all pages of the site into one, and leave the browser there."""
    names = list_pages()

    def visit(name: str) -> None:
        page.goto((site / f"{name}.html").as_uri())
        page.evaluate("window.MathJax?.startup?.promise")

    parts = []
    for name in names:
        visit(name)
        parts.append(page.evaluate(CUT_OUT, [name, names]))
    visit(names[0])
    page.evaluate(JOIN, parts)


def print_joined(page: Page) -> bytes:
    """Return what the page has become as a PDF, with numbers and outline."""
    return page.pdf(
        format="A4",
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER,
        outline=True,
        tagged=True,
    )


def main() -> None:
    """Write the PDF."""
    if not (SITE / "index.html").exists():
        sys.exit(f"{SITE.relative_to(ROOT)} does not exist: run make book")
    with sync_playwright() as playwright:
        browser = open_browser(playwright)
        page = browser.new_page()
        join_pages(page, SITE)
        write_whole(OUT, print_joined(page))
        browser.close()
    print(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
