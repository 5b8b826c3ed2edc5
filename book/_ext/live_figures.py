"""Figures that a script draws: where they stand, and what stands without it.

A page is read in Jupyter, in Colab and on code hosts too, where a directive
would be seen as such. So a figure names the sections and the pictures that it
takes its place in. Its script in ``book/assets`` draws it in place of what
stands there without scripts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)
HERE = Path(__file__).parent
# What every figure loads before its own script and style.
SHARED = "packing"


def layouts_picture() -> list[nodes.Node]:
    """Return the three documents, padded and packed, and a sentence."""
    before, command, after = (
        "With scripts on, this picture takes documents of your own. Without, ",
        "packtutor explain",
        " shows them in a terminal.",
    )
    sentence = nodes.paragraph()
    sentence += [nodes.Text(before), nodes.literal(command, command)]
    sentence += nodes.Text(after)
    picture = nodes.image(
        uri="/book/assets/layouts.png",
        alt="The three documents twice. On the left a grid of three rows and "
        "three columns, padded: three of its nine cells are hatched pads. On "
        "the right the same batch packed: three columns of three, two and "
        "one words and no pad, with the batch sizes 3, 2, 1 below.",
    )
    return [picture, sentence]


def steps_table() -> list[nodes.Node]:
    """Return the run of the LSTM over the three documents, a row a step."""
    head, *body = [
        ("step", "batch_sizes", "words read", "documents at rest, final"),
        ("t=0", "3", "on, get, go", "go"),
        ("t=1", "2", "your, set", "get set, go"),
        ("t=2", "1", "mark", "on your mark, get set, go"),
    ]

    def row(texts: tuple[str, ...]) -> nodes.row:
        entries = [
            nodes.entry("", nodes.paragraph("", text)) for text in texts
        ]
        return nodes.row("", *entries)

    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", row(head))
    group += nodes.tbody("", *map(row, body))
    sentence = nodes.paragraph(
        "",
        "The run, step by step. The final states, in the order of the "
        "documents, are h_n.",
    )
    return [sentence, nodes.table("", group)]


class Figure(NamedTuple):
    """A figure: what stands there without scripts, and where it stands.

    ``sections`` maps a page to the heading at the end of whose section the
    figure stands, ``pictures`` one to the picture whose place it takes. Its
    parts are called by its name: the template here, the script and the style
    in ``book/assets``.
    """

    without: Callable[[], list[nodes.Node]]
    sections: dict[str, str]
    pictures: dict[str, str] = {}  # noqa: RUF012 (a default, never changed)


FIGURES = {
    "packing_explorer": Figure(
        layouts_picture,
        {
            "book/03_pack_the_batch": (
                "In which order does a packed batch store the words?"
            )
        },
        {"book/index": "assets/layouts.png"},
    ),
    "lstm_run": Figure(
        steps_table,
        {"book/04_run_an_lstm": "What happens at each step?"},
    ),
}


class LiveFigure(nodes.General, nodes.Element):
    """The place of a figure; its children are shown without scripts."""


def make_figure(name: str) -> LiveFigure:
    """Return the place of a figure, with what stands there without scripts."""
    return LiveFigure("", *FIGURES[name].without(), figure=name)


class InsertFigures(SphinxTransform):
    """Put figures into the sections and pictures that they name."""

    default_priority = 500  # before the pictures of a page are collected

    def apply(self, **kwargs: Any) -> None:  # noqa: ARG002 (as docutils has it)
        """Insert them, and warn where a place has got another name."""
        for name, figure in FIGURES.items():
            heading = figure.sections.get(self.env.docname)
            if heading and not self.append_to(heading, name):
                self.warn("section", heading)
            picture = figure.pictures.get(self.env.docname)
            if picture and not self.put_in_place_of(picture, name):
                self.warn("picture", picture)

    def append_to(self, heading: str, name: str) -> bool:
        """Put a figure at the end of a section; say if there is one."""
        for title in self.document.findall(nodes.title):
            if title.astext() == heading:
                title.parent.append(make_figure(name))
                return True
        return False

    def put_in_place_of(self, picture: str, name: str) -> bool:
        """Put a figure where a picture is; say if there is one."""
        for image in self.document.findall(nodes.image):
            if image["uri"] == picture:
                image.parent.replace_self(make_figure(name))
                return True
        return False

    def warn(self, what: str, name: str) -> None:
        """Warn that a place is missing; a warning fails the build."""
        text = "live_figures.py: no %s %r"
        LOGGER.warning(text, what, name, location=self.env.docname)


def visit_html(translator: HTML5Translator, node: LiveFigure) -> None:
    """Open the place that the script looks for."""
    name = node["figure"].replace("_", "-")
    translator.body.append(f'<div class="{name}">\n')


def depart_html(translator: HTML5Translator, node: LiveFigure) -> None:
    """Add what the script fills in, which no page shows by itself; close."""
    template = HERE / f"{node['figure']}.html"
    translator.body.append(f"{template.read_text(encoding='utf-8')}</div>\n")


def add_files(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Load scripts and styles on the pages that have the figures."""
    if doctree is None:
        return
    names = {node["figure"] for node in doctree.findall(LiveFigure)}
    for name in [SHARED, *sorted(names)] if names else []:
        app.add_css_file(f"{name}.css")
        app.add_js_file(f"{name}.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above."""
    app.add_node(LiveFigure, html=(visit_html, depart_html))
    app.add_transform(InsertFigures)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
