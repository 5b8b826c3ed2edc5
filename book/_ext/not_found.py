"""The words of the page for an address that leads nowhere.

``notfound.extension`` writes ``404.html`` with links from the root of the
site, since it is shown at any depth. This says what helps from there.
"""

import html
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

TITLE = "This page does not exist"
BODY = """<h1>{title}</h1>
<p>The address leads to no page of this book: it may be mistyped, or the page
has got another name. Search for what you need, or pick a page below.</p>
<form class="not-found" action="{search}" method="get" role="search">
<label for="not-found-words">Words, a name or an error message</label>
<input class="form-control" id="not-found-words" name="q" type="search" />
<button class="btn btn-secondary">Search the book</button>
</form>
<h2>Pages of the book</h2>
<ul>
{links}
</ul>
"""


def fill_page(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Put a search box and the list of pages onto the page."""
    if pagename != app.config.notfound_pagename:
        return
    root = app.config.root_doc
    pathto = context["pathto"]
    links = [
        f'<li><a href="{html.escape(pathto(name))}">'
        f"{html.escape(app.env.titles[name].astext())}</a></li>"
        for name in [root, *app.env.toctree_includes[root]]
    ]
    context["title"] = TITLE
    context["body"] = BODY.format(
        title=TITLE,
        search=html.escape(pathto("search")),
        links="\n".join(links),
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above, after the extension that sets the links."""
    app.connect("html-page-context", fill_page, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
