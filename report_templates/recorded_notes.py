"""Notes that our recorder wrote into a log in plain English, in the language of the page."""

from __future__ import annotations

import re

from traindoctor.text import Text

from .language import tr

NOTES = (
    Text("inferred: what backward was called on, before loss scaling").message,
    Text("inferred: passes over the loader whose batches backward calls followed").message,
    Text(
        "inferred: {functions} with gradients on and the model in evaluation mode, on a loader that no "
        "backward call follows",
        functions="{functions}",
    ).message,
    Text(
        "inferred: {functions} with gradients off, on a loader that no backward call follows",
        functions="{functions}",
    ).message,
    Text(
        "inferred: {functions} with gradients off, on labels that training does not use",
        functions="{functions}",
    ).message,
)
"""As `collectors/recorders/inferences.py` writes them."""


def note_text(note: str) -> str:
    """A note of a series; what our recorder did not write stays as it is.

    Example:
        >>> note_text("somebody's own words")
        "somebody's own words"
    """
    for message in NOTES:
        found = re.fullmatch(re.escape(message).replace(r"\{functions\}", "(?P<functions>.+)"), note)
        if found:
            return tr(Text(message, **found.groupdict()))
    return note
