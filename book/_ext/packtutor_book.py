"""What the book needs of Sphinx beyond its settings."""

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = "https://example.org/"
LOGGER = logging.getLogger(__name__)


def read_addresses() -> dict[str, str]:
    """Return [project.urls] of pyproject.toml, without placeholders."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    urls: dict[str, str] = tomllib.loads(text)["project"]["urls"]
    return {
        name: url
        for name, url in urls.items()
        if not url.startswith(PLACEHOLDER)
    }


def set_addresses(app: Sphinx, config: Config) -> None:
    """Link the pages to the repository and the site, once both exist."""
    addresses = read_addresses()
    site = addresses.get("Documentation", "")
    config.html_baseurl = site
    # 404.html is shown at any depth, so its links start from the root.
    config.notfound_urls_prefix = urlsplit(site).path.rstrip("/") + "/"
    options: dict[str, Any] = config.html_theme_options
    if "Repository" in addresses:
        options.update(
            repository_url=addresses["Repository"],
            repository_branch="main",
            use_repository_button=True,
            use_issues_button=True,
            use_edit_page_button=True,
            launch_buttons={
                "binderhub_url": "https://mybinder.org",
                "colab_url": "https://colab.research.google.com",
            },
        )
    else:
        options.pop("repository_url", None)


def show_guide(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the contributor's guide where ``contributing.md`` links to it.

    A directive that includes it would be seen as such on a code host.
    """
    if docname == "book/contributing":
        source[0] = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def check_images(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of an image without alternative text; a warning fails the build."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            LOGGER.warning(
                "an image has no alternative text: "
                "for a cell's figure, set the cell's metadata "
                '{"mystnb": {"image": {"alt": "..."}}}',
                location=image,
            )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above."""
    app.connect("config-inited", set_addresses)
    app.connect("source-read", show_guide)
    app.connect("doctree-read", check_images)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
