"""The font with Chinese characters that matplotlib measures and draws with, where the system has one."""

from __future__ import annotations

import logging
from functools import cache

from .language import spoken

_LOG = logging.getLogger("traindoctor.report_templates.chinese_font")
PACKAGE = "fonts-noto-cjk"
FAMILIES = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP"),
    *("PingFang SC", "Heiti SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei", "SimSun"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback", "AR PL UMing CN"),
)
"""Tried in this order. The file of Noto Sans CJK holds all its families; matplotlib names the first one."""


def font_families() -> list[str]:
    """The families of a figure in the language that is spoken, the most wanted first."""
    chinese = chinese_family() if spoken() == "zh" else ""
    return ["DejaVu Sans", chinese] if chinese else ["DejaVu Sans"]


@cache
def chinese_family() -> str:
    """The first of `FAMILIES` that is installed, "" if none is."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    found = _first({font.name for font in manager.ttflist})
    if not found:  # the list is stored between processes: fonts installed since are not in it
        known = {font.fname for font in manager.ttflist}
        for path in sorted(set(font_manager.findSystemFonts()) - known):
            try:
                manager.addfont(path)
            except Exception as error:  # a file that is no font, or one that cannot be read
                _LOG.debug("%s is left out: %r", path, error)
        found = _first({font.name for font in manager.ttflist})
    return found


def _first(names: set[str]) -> str:
    return next((family for family in FAMILIES if family in names), "")


def warn_of_missing_font() -> None:
    """One sentence on the terminal where a picture would show boxes instead of Chinese characters."""
    if spoken() == "zh" and not chinese_family():
        _LOG.warning(
            "the picture lacks Chinese characters, as no font here has them: install one, "
            "e.g. apt install %s; HTML reports need none",
            PACKAGE,
        )
