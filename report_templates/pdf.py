"""The report as a tagged PDF (PDF/UA-1) by WeasyPrint: bookmarks, contents, page numbers, own fonts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from markupsafe import Markup

from traindoctor.errors import MissingDependencyError
from traindoctor.finding import Diagnosis

from .chinese_font import PACKAGE
from .figures import figure_svg
from .html import asset, environment
from .page import build_page

_LOG = logging.getLogger("traindoctor.report_templates.pdf")
_FACES = (
    ("Report Sans", "normal", "DejaVuSans.ttf"),
    ("Report Sans", "bold", "DejaVuSans-Bold.ttf"),
    ("Report Mono", "normal", "DejaVuSansMono.ttf"),
)
_FONT = "report-font"
"""Scheme of the addresses by which the style sheet names the fonts."""

_INSTALL = (
    "the PDF report needs WeasyPrint and the Pango library: pip install 'traindoctor[pdf]', and on Debian or "
    "Ubuntu apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 (macOS: brew install pango); "
    "the HTML report needs neither"
)


def pdf_report(diagnosis: Diagnosis, methods: Mapping[str, str]) -> bytes:
    """The PDF report, A4. See `build_page` for the arguments.

    Nothing outside the document is read but the fonts: the only URLs that are followed are `data:` ones and
    the three of `_FACES`.

    Raises:
        MissingDependencyError: WeasyPrint or Pango is not installed.
    """
    weasyprint = _weasyprint()
    page = build_page(diagnosis, methods)
    text = (
        environment()
        .get_template("report_paper.html.j2")
        .render(
            page=page,
            svgs={figure.id: Markup(_paper_svg(figure_svg(figure).svg)) for figure in page.figures},
            style=Markup(_font_faces() + asset("report.css") + asset("report_paper.css")),
        )
    )
    with _warnings_collected() as missing:
        document = weasyprint.HTML(string=text, url_fetcher=_fetcher(), base_url=None)
        written: bytes = document.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=b"traindoctor")
    if missing:
        _LOG.warning(
            "the PDF lacks glyphs for %d characters (%s): install a font that has them, e.g. %s",
            len(missing),
            " ".join(f"{character} U+{ord(character):04X}" for character in sorted(missing)[:10]),
            PACKAGE,
        )
    return written


def _fetcher() -> Any:
    """Follows `data:` addresses and those of the fonts; the default one reads local files and follows http.

    Fonts inside the style sheet would do as well, but parsing 2.4 MB of it took a second.
    """
    import matplotlib as mpl

    urls, folder = import_module("weasyprint.urls"), Path(mpl.get_data_path()) / "fonts" / "ttf"
    fonts = {f"{_FONT}:{file}": folder / file for _, _, file in _FACES}

    class Fetcher(urls.URLFetcher):  # type: ignore[name-defined, misc]
        def fetch(self, url: str, headers: Any = None) -> Any:
            if url in fonts:
                return urls.URLFetcherResponse(url, fonts[url].read_bytes(), {"Content-Type": "font/ttf"})
            return super().fetch(url, headers)

    return Fetcher(allowed_protocols=("data",), allow_redirects=False)


def _weasyprint() -> Any:
    try:
        with warnings.catch_warnings():
            # Without any font on the machine the embedded ones are used; nothing looks worse for it.
            warnings.filterwarnings("ignore", message="No fonts configured", category=UserWarning)
            return import_module("weasyprint")
    except (ImportError, OSError) as error:  # OSError: the package is there, a shared library is not
        raise MissingDependencyError(
            f"{_INSTALL} (found: {error.__class__.__name__}: {str(error).splitlines()[0]})"
        ) from error


def _font_faces() -> str:
    """`@font-face` rules with matplotlib's DejaVu: without any font WeasyPrint ends the process."""
    return "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; src: url("{_FONT}:{file}"); }}\n'
        for family, weight, file in _FACES
    )


def _paper_svg(svg: str) -> str:
    """Figures use the embedded font too; no page style reaches inside an SVG here."""
    return svg.replace('font-family="DejaVu Sans, sans-serif"', 'font-family="Report Sans"', 1)


@contextmanager
def _warnings_collected() -> Generator[set[str]]:
    """Characters for which no font had a glyph; WeasyPrint's own log lines are kept off the terminal."""
    found: set[str] = set()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if "notdef glyph" in message:
                found.add(message.rsplit('"', 2)[1])
            else:
                _LOG.debug("weasyprint: %s", message)

    logger, handler = logging.getLogger("weasyprint"), Collector()
    held = (logger.handlers[:], logger.propagate)
    logger.handlers, logger.propagate = [handler], False
    try:
        yield found
    finally:
        logger.handlers, logger.propagate = held
