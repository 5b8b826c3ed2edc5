"""What a page loads: the theme's files less what no page of ours needs.

The theme brings an icon script of 1.5 MB, icon fonts, and the whole search
index on every page. ``book/assets/icons.css`` draws the few icons instead,
``templates/`` leaves the rest out, and files that serve only some pages are
loaded only there. ``tests/site/browse_weight.py`` names what is left, so that
an update of the theme cannot bring it back unseen.
"""

import re
from pathlib import Path
from typing import Any

import pydata_sphinx_theme
from docutils import nodes
from sphinx.application import Sphinx

TEMPLATES = Path(__file__).parent / "templates"
# The theme's own, in its order. Sphinx adds a checksum to each address.
STYLES = ["basic.css", "styles/theme-without-icons.css", "icons.css"]
THEME_STYLE = "pydata_sphinx_theme/static/styles/pydata-sphinx-theme.css"
SCRIPTS = ["scripts/bootstrap.js", "scripts/pydata-sphinx-theme.js"]
# Loaded only where the text of the page has what they serve.
NEEDED_BY = {
    "clipboard.min.js": 'class="highlight',
    "copybutton.css": 'class="highlight',
    "copybutton.js": 'class="highlight',
    "mystnb.": 'class="cell',
    "tex-chtml.js": 'class="math',
}
# Scripts in the page itself read these: they cannot be put off.
AT_ONCE = ("documentation_options.js", "doctools.js")
# The icon font's faces, and one rule for each of its 1,900 icons.
ICON_RULES = re.compile(
    r"@font-face\{[^}]*fontawesome[^}]*\}"
    r"|(?:\.fa[\w-]*:{1,2}before,?)+\{[^}]*\}"
)


def choose_files(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Leave out what this page does not need; let no script hold it up."""
    body = context.get("body", "")

    def needed(file: Any) -> bool:
        name = Path(str(file.filename or "")).name
        return all(
            mark in body
            for start, mark in NEEDED_BY.items()
            if name.startswith(start)
        )

    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context[kind] if needed(file)]
    for script in context["script_files"]:
        if script.filename and not script.filename.endswith(AT_ONCE):
            script.attributes["defer"] = "defer"


def write_style(app: Sphinx) -> None:
    """Write the theme's style without its icon font: a fifth of it.

    Before the pages, which carry a checksum of it in its address.
    """
    if app.builder.format != "html":
        return
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme"
    text = (theme / THEME_STYLE).read_text(encoding="utf-8")
    path = Path(app.outdir) / "_static" / STYLES[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ICON_RULES.sub("", text), encoding="utf-8")


def add_templates(app: Sphinx, config: Any) -> None:
    """Put our templates before the theme's."""
    config.templates_path.insert(0, str(TEMPLATES))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above."""
    for place, name in enumerate(STYLES):
        app.add_css_file(name, priority=100 + place)
    for name in SCRIPTS:
        app.add_js_file(name, priority=100, loading_method="defer")
    app.connect("config-inited", add_templates)
    app.connect("html-page-context", choose_files, priority=900)
    app.connect("builder-inited", write_style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
