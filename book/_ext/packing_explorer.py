"""The packing explorer: where it stands, and what stands there without it.

The directive ``packing-explorer`` puts it on a page in Markdown. A chapter is
read in Jupyter and Colab too, where a directive would be seen as such, so the
pages of ``IN_SECTIONS`` get it here. ``book/assets/packing_explorer.js``
draws it in place of a picture and a sentence.
"""

from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

# At the end of which section of which page it stands.
IN_SECTIONS = {
    "book/03_pack_the_batch": (
        "In which order does a packed batch store the words?"
    ),
}
LOGGER = logging.getLogger(__name__)
TEMPLATE = Path(__file__).with_suffix(".html")
PICTURE = "/book/assets/layouts.png"
ALT = (
    "The three documents twice. On the left a grid of three rows and three "
    "columns, padded: three of its nine cells are hatched pads. On the right "
    "the same batch packed: three columns of three, two and one words and no "
    "pad, with the batch sizes 3, 2, 1 below."
)
WITHOUT = (
    "With scripts on, this picture takes documents of your own. Without, ",
    "packtutor explain",
    " shows them in a terminal.",
)


class PackingExplorer(nodes.General, nodes.Element):
    """The place of the explorer; its children are shown without scripts."""


def make_explorer() -> PackingExplorer:
    """Return the place with its picture and its sentence."""
    before, command, after = WITHOUT
    sentence = nodes.paragraph()
    sentence += [nodes.Text(before), nodes.literal(command, command)]
    sentence += nodes.Text(after)
    picture = nodes.image(uri=PICTURE, alt=ALT)
    return PackingExplorer("", picture, sentence)


class ExplorerDirective(Directive):
    """Put the explorer here."""

    has_content: ClassVar[bool] = False

    def run(self) -> list[nodes.Node]:
        """Return its place."""
        return [make_explorer()]


class InsertExplorer(SphinxTransform):
    """Put the explorer at the end of a chapter's section."""

    default_priority = 500  # before the pictures of a page are collected

    def apply(self, **kwargs: Any) -> None:  # noqa: ARG002 (as docutils has it)
        """Append it, and warn if the section has got another name."""
        heading = IN_SECTIONS.get(self.env.docname)
        if heading is None:
            return
        for title in self.document.findall(nodes.title):
            if title.astext() == heading:
                title.parent.append(make_explorer())
                return
        LOGGER.warning(
            "packing_explorer.py: no section %r",
            heading,
            location=self.env.docname,
        )


def visit_html(translator: HTML5Translator, node: PackingExplorer) -> None:
    """Open the place that the script looks for."""
    translator.body.append('<div class="packing-explorer">\n')


def depart_html(translator: HTML5Translator, node: PackingExplorer) -> None:
    """Add what the script fills in, which no page shows by itself; close."""
    template = TEMPLATE.read_text(encoding="utf-8")
    translator.body.append(f"{template}</div>\n")


def add_files(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Load the script and its style on the pages that have the explorer."""
    if doctree is not None and doctree.next_node(PackingExplorer) is not None:
        app.add_css_file("packing_explorer.css")
        app.add_js_file("packing_explorer.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above."""
    app.add_node(PackingExplorer, html=(visit_html, depart_html))
    app.add_directive("packing-explorer", ExplorerDirective)
    app.add_transform(InsertExplorer)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
