"""`make screenshots`: the demo's report as a reader meets it: light, dark, phone, print, Jenkins' policy."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
"""What Jenkins sends with the files of a build by default."""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=2000")
DARK = "--blink-settings=preferredColorScheme=0"


class Jenkins(SimpleHTTPRequestHandler):
    """Files with Jenkins' header; says nothing."""

    def end_headers(self) -> None:
        """Send the policy with every answer."""
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep the terminal quiet."""


def shoot(browser: str, address: str, target: Path, size: tuple[int, int], *further: str) -> None:
    """One picture of a page."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, *further, f"--user-data-dir={profile}", f"--screenshot={target}"]
        command += [f"--window-size={size[0]},{size[1]}", address]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    print(target)


def print_pages(browser: str, address: str, target: Path) -> None:
    """What the browser prints, and its first page as a picture where pdftoppm is installed."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", f"--print-to-pdf={target}", address]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    print(target)
    if tool := shutil.which("pdftoppm"):
        picture = target.with_suffix("")
        subprocess.run([tool, "-png", "-r", "80", "-f", "1", "-singlefile", target, picture], check=True)
        print(picture.with_suffix(".png"))


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, required=True, help="the HTML report")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    arguments = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("expected chromium or google-chrome on the path, found neither: apt install chromium")
    page, out = arguments.page.resolve(), arguments.out.resolve()
    if not page.is_file():
        sys.exit(f"expected a report at {page}, found none: run `make demo` first")
    out.mkdir(parents=True, exist_ok=True)
    shoot(browser, page.as_uri(), out / "light.png", (1280, 2400))
    shoot(browser, page.as_uri(), out / "dark.png", (1280, 2400), DARK)
    shoot(browser, page.as_uri(), out / "phone.png", (500, 2400))
    print_pages(browser, page.as_uri(), out / "print.pdf")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Jenkins, directory=page.parent))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shoot(
        browser, f"http://127.0.0.1:{server.server_address[1]}/{page.name}", out / "jenkins.png", (1280, 2400)
    )
    server.shutdown()


if __name__ == "__main__":
    main()
