"""What a page says about itself: to search engines, and when it is shared.

A picture and a page's own address have to be absolute, so they are left out
until ``pyproject.toml`` has an address.
"""

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docutils import nodes
from sphinx.application import Sphinx

PICTURE = "_static/layouts.png"
PICTURE_ALT = "The same batch of three documents, padded and packed."
# Pages that hold no text of their own.
WITHOUT_TEXT = {
    "404": "This address leads to no page of the book.",
    "genindex": "Every name of the package, in alphabetical order.",
    "py-modindex": "The modules of the package that have a page.",
    "search": "Search the book by words, names or error messages.",
}


def describe(doctree: nodes.document | None, pagename: str) -> str:
    """Return the first sentence of a page."""
    if doctree is None:
        return WITHOUT_TEXT.get(pagename, "")
    first = doctree.next_node(
        lambda node: (
            isinstance(node, nodes.paragraph)
            and isinstance(node.parent, nodes.section)
        )
    )
    text = " ".join(first.astext().split()) if first else ""
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0]


def make_tags(title: str, text: str, site: str, url: str) -> str:
    """Return the tags of a page; ``site`` is empty while it has no address."""
    about = {
        "description": text,
        "og:type": "article",
        "og:title": title,
        "og:description": text,
        "twitter:card": "summary",
    }
    if site:
        about |= {
            "og:url": url,
            "og:image": f"{site}/{PICTURE}",
            "og:image:alt": PICTURE_ALT,
            "twitter:card": "summary_large_image",
        }
    tags = ""
    for name, content in about.items():
        kind = "property" if name.startswith("og:") else "name"
        tags += f'<meta {kind}="{name}" content="{html.escape(content)}" />\n'
    return tags


def add_tags(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Put the tags into the head of a page."""
    text = describe(doctree, pagename)
    if text:
        site = app.config.html_baseurl.rstrip("/")
        book = app.config.html_title  # some pages have no title here
        title = re.sub(r"<[^>]*>", "", context.get("title") or book)
        url = f"{site}/{app.builder.get_target_uri(pagename)}"
        tags = make_tags(html.unescape(title), text, site, url)
        context["metatags"] = context.get("metatags", "") + tags


def write_sitemap(app: Sphinx, exception: Exception | None) -> None:
    """Write ``sitemap.xml``, once the site has an address."""
    site = app.config.html_baseurl.rstrip("/")
    if exception is not None or app.builder.format != "html" or not site:
        return
    lines = [
        f"<url><loc>{site}/{quote(app.builder.get_target_uri(name))}</loc></url>"
        for name in sorted(app.env.found_docs)
    ]
    text = "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
            *lines,
            "</urlset>\n",
        ]
    )
    path = Path(app.outdir) / "sitemap.xml"
    path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above."""
    # After not_found.py has set a title.
    app.connect("html-page-context", add_tags, priority=900)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
