"""The page around the report of a run that goes on."""

from __future__ import annotations

from importlib.resources import files


def live_files() -> dict[str, tuple[str, bytes]]:
    """Path below the page -> (content type, bytes); "" is the page itself."""
    folder = files(__package__ or "traindoctor.report_templates")
    return {
        "": ("text/html; charset=utf-8", (folder / "live.html").read_bytes()),
        "live.css": ("text/css; charset=utf-8", (folder / "live.css").read_bytes()),
        "live.js": ("text/javascript; charset=utf-8", (folder / "live.js").read_bytes()),
    }
