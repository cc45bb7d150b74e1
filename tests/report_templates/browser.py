"""A real browser for the tests: Debian's Chromium, driven by Playwright; a sentence where one is missing."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MISSING = (
    "no chromium or google-chrome on the path"
    if CHROMIUM is None
    else ("" if find_spec("playwright") else "no Playwright: pip install axe-playwright-python")
)
"""Why there is no browser, "" where there is one."""


@contextmanager
def open_browser() -> Generator[Any]:
    """A headless Chromium; call it only where `MISSING` is empty."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page, and all it said and asked for."""

    def __init__(self, browser: Any, path: Path, **settings: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1100, "height": 1000}, **settings})
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        if settings.get("java_script_enabled", True):
            self.page.wait_for_selector("html.whole")
        assert self.asked.pop(0) == path.as_uri()
