"""The formats of a comparison, and `render_comparison`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

from traindoctor.comparison import Comparison
from traindoctor.errors import UsageError

from .files import write_file
from .language import speaking

FORMATS = ("text", "html", "md", "json")


def render_comparison(
    comparison: Comparison,
    destination: str | os.PathLike[str] | IO[bytes],
    format: str,
    *,
    language: str = "en",
) -> None:
    """Write a comparison.

    Args:
        comparison: what `compare` returned.
        destination: a file, replaced once the text is complete, or a binary stream.
        format: one of FORMATS.
        language: one of `language.LANGUAGES`.

    Raises:
        UsageError: the format or the language is unknown.
        RenderError: the file could not be written.
    """
    with speaking(language):
        content = comparison_bytes(comparison, format)
    if isinstance(destination, (str, os.PathLike)):
        write_file(Path(destination), content)
    else:
        destination.write(content)


def comparison_bytes(comparison: Comparison, format: str) -> bytes:
    """One format as UTF-8."""
    if format == "json":
        text = json.dumps(comparison.to_json(), indent=2, ensure_ascii=True, allow_nan=False, sort_keys=True)
        return f"{text}\n".encode("ascii")
    if format not in FORMATS:
        raise UsageError(f"expected a format out of {', '.join(FORMATS)}, found {format!r}")
    from .page_comparison import comparison_page

    page = comparison_page(comparison)
    if format == "html":
        from .html import html_page

        return html_page(page)
    if format == "md":
        from .markdown import markdown_page

        return markdown_page(page)
    from .text import text_page

    return text_page(page)
