"""What the book needs of Sphinx beyond its settings."""

import tomllib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = "https://example.org/"


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
    if "Documentation" in addresses:
        config.html_baseurl = addresses["Documentation"]
    options: dict[str, Any] = config.html_theme_options
    if "Repository" not in addresses:
        for name in ("repository_url", "repository_branch", "path_to_docs"):
            options.pop(name, None)
        return
    options.update(
        repository_url=addresses["Repository"],
        repository_branch="main",
        use_repository_button=True,
        use_issues_button=True,
        launch_buttons={
            "notebook_interface": "jupyterlab",
            "colab_url": "https://colab.research.google.com",
        },
    )


def drop_thebe(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: object,
) -> None:
    """Leave out the scripts of thebe, which the book does not use."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in str(getattr(script, "filename", script))
        and "thebe" not in str(getattr(script, "attributes", ""))
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the above."""
    app.connect("config-inited", set_addresses)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
