"""The diagnosis as the output of a notebook cell: page one and the findings, in a frame of their own."""

from __future__ import annotations

import html
from dataclasses import replace

from traindoctor.finding import Diagnosis

from .html import html_page
from .page import build_page

_SECTIONS = ("findings", "prescription")
_HEIGHT = 640


def notebook_html(diagnosis: Diagnosis) -> str:
    """One `<iframe>` that holds a small page.

    The page is a document of its own: its styles cannot leak into the notebook, nor the notebook's into it,
    and its sandbox keeps it from the notebook's own origin. It follows the browser's light or dark setting.
    """
    page = build_page(diagnosis)
    sections = tuple(section for section in page.sections if section.id in _SECTIONS)
    document = html_page(replace(page, sections=sections)).decode("utf-8")
    title = html.escape(f"traindoctor: {page.headline.title}", quote=True)
    return (
        f'<iframe title="{title}" sandbox="allow-scripts" loading="lazy" '
        f'style="width:100%;height:{_HEIGHT}px;border:0" '
        f'srcdoc="{html.escape(document, quote=True)}"></iframe>'
    )
