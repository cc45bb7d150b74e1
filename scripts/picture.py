"""`make picture`: a screenshot of the demo's report in a headless browser, as docs/report.png."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def main() -> None:
    """Photograph one page of the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, required=True, help="folder that `make demo` wrote")
    parser.add_argument("--page", default="lr-too-high.html")
    parser.add_argument("--size", default="1280,1400", help="width,height in CSS pixels")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "report.png")
    options = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(
            f"expected one of {', '.join(BROWSERS)} on the PATH, found none; "
            "on Debian: apt-get install chromium"
        )
    page = (options.demo / options.page).resolve()
    if not page.exists():
        sys.exit(f"{page} does not exist; run: make demo")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [browser, *FLAGS, f"--user-data-dir={profile}", f"--window-size={options.size}",
             f"--screenshot={options.output.resolve()}", page.as_uri()],
            check=True, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    print(options.output)


if __name__ == "__main__":
    main()
