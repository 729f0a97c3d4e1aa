"""One browser for all tests: Chromium of the system's packages, headless, that reaches this machine alone.

A test module imports the fixtures that it uses, and marks its tests `needs_browser`.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",  # tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL = ("127.0.0.1", "localhost", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Started once a module; Playwright gives it an empty profile of its own."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh profile, 1280 × 900 pixels."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    keep_local(context)
    yield context.new_page()
    context.close()


def keep_local(context: BrowserContext) -> list[str]:
    """Block every request that would leave this machine; return the list that their addresses are added to."""
    blocked: list[str] = []

    def route(request: Route) -> None:
        if urlsplit(request.request.url).hostname in (*LOCAL, None):
            request.continue_()
        else:
            blocked.append(request.request.url)
            request.abort()

    context.route("**/*", route)
    return blocked
