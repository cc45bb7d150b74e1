"""The page around the report of a run that goes on."""

from __future__ import annotations

import json
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from traindoctor.text import Text

from .language import LANGUAGES, _, catalogue, speaking, tr
from .page import STATUS_WORDS


def live_files(language: str = "en") -> dict[str, tuple[str, bytes]]:
    """Path below the page -> (content type, bytes); "" is the page itself, its words in the given language.

    Raises:
        UsageError: the language is none of `LANGUAGES`.
    """
    folder = files(__package__ or "traindoctor.report_templates")
    with speaking(language):
        words = {
            "told": _("Run {run}: {status}, {steps} steps. Report made {age} s ago."),
            "ended": _("traindoctor live has ended, or cannot be reached; this is its last report."),
            "status": {status: tr(word) for status, word in STATUS_WORDS.items()},
        }
        around = Environment(autoescape=True, undefined=StrictUndefined)
        page = around.from_string((folder / "live.html").read_text(encoding="utf-8")).render(
            tag=LANGUAGES[language],
            waiting=_("Waiting for the first report …"),
            title=_("Report of the run"),
            words=json.dumps(words, ensure_ascii=False),
        )
    return {
        "": ("text/html; charset=utf-8", page.encode()),
        "live.css": ("text/css; charset=utf-8", (folder / "live.css").read_bytes()),
        "live.js": ("text/javascript; charset=utf-8", (folder / "live.js").read_bytes()),
    }


def waiting_for(runs: str, language: str) -> str:
    """What is said while there is no run yet.

    Args:
        runs: the folder that is watched.
        language: see `live_files`.
    """
    sentence = Text("Waiting for a run in {runs}: traindoctor run -- train.py", runs=runs)
    return sentence.told_by(catalogue(language))
