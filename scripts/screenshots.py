"""`make screenshots`: the demo's report as a reader meets it: light, dark, phone, print, Jenkins' policy."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
"""What Jenkins sends with the files of a build by default."""
DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}


class Jenkins(SimpleHTTPRequestHandler):
    """Files with Jenkins' header; says nothing."""

    def end_headers(self) -> None:
        """Send the policy with every answer."""
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep the terminal quiet."""


@contextmanager
def jenkins(folder: Path) -> Generator[str]:
    """The address of a server that behaves as Jenkins does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Jenkins, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def settle(page: Any) -> None:
    """Wait until the page is laid out and its charts answer, where script may run at all."""
    if page.evaluate("matchMedia('(scripting: enabled)').matches"):
        page.wait_for_selector("html.whole")


def shoot(browser: Any, address: str, target: Path, **settings: Any) -> None:
    """One picture of a whole page."""
    context = browser.new_context(**settings)
    page = context.new_page()
    page.goto(address)
    settle(page)
    page.screenshot(path=target, full_page=True)
    context.close()
    print(target)


def shoot_zoomed(browser: Any, address: str, target: Path) -> None:
    """The learning curves over the last axis there is, zoomed twice, with a place pointed at."""
    page = browser.new_page(viewport={"width": 1280, "height": 1200})
    page.goto(address)
    settle(page)
    figure = page.locator("#figure-curves")
    for button in figure.get_by_role("group").get_by_role("button").all():
        button.click()
    figure.locator("svg.live").focus()
    for key in ("Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "+", "+"):
        page.keyboard.press(key)
    figure.scroll_into_view_if_needed()
    figure.locator("svg.live").hover()
    figure.screenshot(path=target)
    page.close()
    print(target)


def print_pages(browser: Any, address: str, target: Path) -> None:
    """What the browser prints, and its first pages as pictures where pdftoppm is installed."""
    page = browser.new_page()
    page.goto(address)
    settle(page)
    page.pdf(path=target, format="A4", margin=dict.fromkeys(("top", "right", "bottom", "left"), "15mm"))
    page.close()
    print(target)
    if tool := shutil.which("pdftoppm"):
        subprocess.run([tool, "-png", "-r", "60", "-l", "6", target, target.with_suffix("")], check=True)
        print(target.with_name(f"{target.stem}-*.png"))


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, required=True, help="the HTML report")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("expected chromium or google-chrome on the path, found neither: apt install chromium")
    page, out = arguments.page.resolve(), arguments.out.resolve()
    if not page.is_file():
        sys.exit(f"expected a report at {page}, found none: run `make demo` first")
    from playwright.sync_api import sync_playwright

    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shoot(browser, page.as_uri(), out / "light.png", **DESK)
        shoot(browser, page.as_uri(), out / "dark.png", color_scheme="dark", **DESK)
        shoot(browser, page.as_uri(), out / "phone.png", **PHONE)
        shoot_zoomed(browser, page.as_uri(), out / "zoomed.png")
        print_pages(browser, page.as_uri(), out / "print.pdf")
        with jenkins(page.parent) as address:
            shoot(browser, f"{address}/{page.name}", out / "jenkins.png", **DESK)
        browser.close()


if __name__ == "__main__":
    main()
