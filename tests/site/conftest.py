"""A server of the built site, and a browser: for ``make browser``."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tools.pdf import open_browser

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing for each request."""


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    if not (SITE / "index.html").exists():
        pytest.fail(f"{SITE} does not exist: run make book")
    return SITE


@pytest.fixture(scope="session")
def names(site: Path) -> list[str]:
    """Every page, but the first, which only leads to another."""
    found = [
        path.relative_to(site).as_posix()
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    ]
    found.remove("index.html")
    return found


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The address of the built site, served on this machine."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as the PDF is printed with."""
    with sync_playwright() as playwright:
        chromium = open_browser(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails on a console error or a call to another host."""
    complaints: list[str] = []
    tab = browser.new_page()
    tab.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type == "error"
            else None
        ),
    )
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "data:", "blob:"))
            else complaints.append(request.url)
        ),
    )
    yield tab
    tab.close()
    assert complaints == []
