"""The page in Chromium: at three widths, in light and dark, by keyboard, on paper; checked by axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import browser, keep_local  # noqa: F401  # fixtures, found by name

pytestmark = [pytest.mark.needs_browser, pytest.mark.timeout(120)]

WIDTHS = (320, 768, 1440)
SCHEMES = ("light", "dark")


def axe() -> str:
    spec = find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(
    params=[(width, scheme) for width in WIDTHS for scheme in SCHEMES], ids=lambda one: f"{one[0]}-{one[1]}"
)
def shown(request: pytest.FixtureRequest, browser: Browser, page_file: Path) -> Iterator[Page]:  # noqa: F811  # a fixture
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked = keep_local(context)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(page_file.as_uri())
    yield page
    assert asked == []
    assert said == []
    assert page.evaluate("window.pwned") is None
    context.close()


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")


def test_no_violation_of_accessibility_and_no_page_wide_scrolling(shown: Page) -> None:
    for _ in ("as it comes", "with everything unfolded"):
        assert shown.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        found: dict[str, Any] = shown.evaluate(f"{axe()}; axe.run(document, {{resultTypes: ['violations']}})")
        told = [
            f"{one['id']}: {one['help']}\n  "
            + "\n  ".join(node["html"][:160] + " " + node["failureSummary"] for node in one["nodes"][:3])
            for one in found["violations"]
        ]
        assert not told, "\n".join(told)
        open_all(shown)


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:  # noqa: F811  # a fixture
    context = browser.new_context(viewport={"width": 320, "height": 800})
    page = context.new_page()
    page.goto(page_file.as_uri())
    yield page
    context.close()


def test_what_is_wider_than_a_phone_scrolls_by_itself_and_by_keyboard(page: Page) -> None:
    unreachable = "one => one.scrollWidth > one.clientWidth && one.tabIndex < 0"
    assert page.evaluate(f"[...document.querySelectorAll('.scroll')].filter({unreachable}).length") == 0
    table = page.locator(".scroll").first
    table.focus()
    page.keyboard.press("ArrowRight")
    # Scrolling is smooth, so it takes frames; the page forbids eval, which Playwright needs to wait for a function.
    for _ in range(100):
        if page.evaluate("document.querySelector('.scroll').scrollLeft") > 0:
            break
        page.wait_for_timeout(50)
    assert page.evaluate("document.querySelector('.scroll').scrollLeft") > 0


def test_the_keyboard_leads_past_the_contents(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("summary").first.focus()
    before = page.evaluate("document.querySelector('details').open")
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('details').open") != before


def test_text_is_as_large_on_a_phone(page: Page) -> None:
    """Drawings are drawn for the width, not shrunk to it."""
    sizes = page.evaluate(
        """[...document.querySelectorAll('svg[role=img] text')].filter(one => one.getClientRects().length)
           .map(one => one.getBoundingClientRect().height)"""
    )
    assert len(sizes) > 50
    assert min(sizes) > 9


def test_paper_shows_what_is_folded_and_no_navigation(page: Page) -> None:
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("#funnel details blockquote").last.is_visible()
    pages = page.pdf(format="A4").count(b"/Type /Page\n")
    assert 5 < pages < 40
