"""The report formats: built-in ones, strangers' (entry point group `traindoctor.reports`), and `render`."""

from __future__ import annotations

import difflib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, cast

from traindoctor.errors import PluginError, TraindoctorError, UsageError
from traindoctor.finding import Diagnosis
from traindoctor.plugins import load_plugins

from .files import write_file
from .language import speaking


class Report(Protocol):
    """One report format: a function from a diagnosis to the bytes of a file.

    Args:
        diagnosis: what to report.
        methods: code -> text of how the check decides; may be empty.
    """

    def __call__(self, diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
        """The bytes of the file."""
        ...


@dataclass(frozen=True)
class Format:
    """A format by name: its file name endings, and whether its bytes are UTF-8 text."""

    report: Report
    endings: tuple[str, ...]
    is_text: bool = True


def _html(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    from .html import html_report

    return html_report(diagnosis, methods)


def _pdf(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    from .pdf import pdf_report

    return pdf_report(diagnosis, methods)


def _markdown(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    from .markdown import markdown_report

    return markdown_report(diagnosis, methods)


def _json(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    from .json_report import json_report

    return json_report(diagnosis, methods)


def _junit(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    from .junit import junit_report

    return junit_report(diagnosis, methods)


def _github(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    from .github import github_report

    return github_report(diagnosis, methods)


def _plain_text(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    from .text import text_report

    return text_report(diagnosis, methods)


BUILT_INS: Mapping[str, Format] = {
    "html": Format(_html, (".html", ".htm")),
    "pdf": Format(_pdf, (".pdf",), is_text=False),
    "md": Format(_markdown, (".md", ".markdown")),
    "json": Format(_json, (".json",)),
    "junit": Format(_junit, (".xml",)),
    "github": Format(_github, ()),
    "text": Format(_plain_text, (".txt",)),
}


def render(
    diagnosis: Diagnosis,
    destination: str | os.PathLike[str] | IO[bytes] | IO[str],
    format: str | None = None,
    *,
    methods: Mapping[str, str] | None = None,
    language: str = "en",
) -> None:
    """Write one report.

    Args:
        diagnosis: what `diagnose` returned.
        destination: a file (replaced only once the report is complete; missing folders are made), or an open
            stream: text streams take the text formats only.
        format: a name of `format_names()`; None: by the ending of the destination.
        methods: code -> text of how the check decides, for the appendix.
        language: one of `language.LANGUAGES`.

    Raises:
        UsageError: the format or the language is unknown, or a text stream is to take a binary format.
        MissingDependencyError: the format needs a package or library that is not installed.
        PluginError: a third-party format could not be loaded or failed.
        RenderError: the file could not be written.
    """
    chosen = _chosen(format, destination)
    with speaking(language):
        content = _content(chosen, diagnosis, methods or {})
    if isinstance(destination, (str, os.PathLike)):
        write_file(Path(destination), content)
    elif not isinstance(destination, io.TextIOBase):
        cast("IO[bytes]", destination).write(content)
    elif not _is_text(chosen):
        raise UsageError(f"expected a binary stream or a file for {chosen}, found a text stream")
    else:
        cast("IO[str]", destination).write(content.decode("utf-8"))


def format_names() -> tuple[str, ...]:
    """Every format that can be asked for, built-in ones first."""
    return (*BUILT_INS, *(name for name in load_plugins("traindoctor.reports")[0] if name not in BUILT_INS))


def _chosen(format_: str | None, destination: object) -> str:
    if format_ is not None:
        return format_
    ending = Path(destination).suffix.lower() if isinstance(destination, (str, os.PathLike)) else ""
    for name, known in BUILT_INS.items():
        if ending in known.endings:
            return name
    endings = ", ".join(ending for known in BUILT_INS.values() for ending in known.endings)
    raise UsageError(
        f"expected a file name ending in one of {endings}, found {str(destination)!r}; or name the format"
    )


def _is_text(name: str) -> bool:
    return name not in BUILT_INS or BUILT_INS[name].is_text


def _content(name: str, diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    if name in BUILT_INS:
        return BUILT_INS[name].report(diagnosis, methods)
    loaded, broken = load_plugins("traindoctor.reports")
    if name in broken:
        raise PluginError(broken[name])
    if name not in loaded:
        known = sorted({*BUILT_INS, *loaded})
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"expected a format out of {', '.join(known)}, found {name!r}{hint}")
    try:
        content = loaded[name](diagnosis, methods)
    except TraindoctorError:
        raise
    except Exception as error:  # a stranger's format may raise anything
        raise PluginError(f"report format {name!r} failed: {error!r}; built-in formats still work") from error
    if not isinstance(content, bytes):
        raise PluginError(f"report format {name!r}: expected bytes, found {type(content).__name__}")
    return content
