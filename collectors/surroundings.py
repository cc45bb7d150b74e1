"""Checks of what reports and logs need: a folder, room on the disk, Pango, fonts."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from .probing import Check, ask

LEAST_FREE_BYTES = 1 << 30
"""A run of 100 000 steps with 62 parameters takes about 150 MB."""


def check_folder(root: Path) -> Check:
    """Whether runs can be written to the folder, which is made when it is needed."""
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        advice = "choose another folder with --out or TRAINDOCTOR_OUT"
        return Check("output folder", "problem", f"cannot write to {place}: {error.strerror}", advice)
    made = "" if place == root else ", which will be made"
    return Check("output folder", "ok", f"{root}{made}")


def check_space(root: Path) -> Check:
    """Whether the disk of the output folder has room."""
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return Check("disk space", "problem", found, "make room, or choose another folder with --out")
    return Check("disk space", "ok", found)


def check_pdf() -> Check:
    """Whether WeasyPrint finds Pango, by making a PDF."""
    code = """
import json, weasyprint
size = len(weasyprint.HTML(string="<p>x</p>").write_pdf())
print(json.dumps({"version": weasyprint.__version__, "size": size}))
"""
    answer = ask(code)
    if not answer.failure:
        return Check("PDF reports", "ok", f"WeasyPrint {answer.facts['version']} makes a PDF")
    if "No module named" in answer.failure:
        advice = "pip install 'traindoctor[pdf]'; HTML reports work without it"
        return Check("PDF reports", "note", "WeasyPrint is not installed", advice)
    advice = "install Pango (Debian: libpango-1.0-0 libpangoft2-1.0-0; macOS: brew install pango)"
    return Check("PDF reports", "problem", f"WeasyPrint does not work: {answer.failure}", advice)


def check_fonts() -> Check:
    """Whether there is a font for text, and one for Chinese, Japanese and Korean names."""
    program = shutil.which("fc-list")
    if program is None:
        advice = "install fontconfig if letters are missing in PDF reports"
        return Check("fonts", "note", "fc-list is not there, so fonts were not looked at", advice)
    counts = {
        language: len(
            subprocess.run(
                [program, f":lang={language}", "family"],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            ).stdout.splitlines()
        )
        for language in ("en", "zh", "ja", "ko")
    }
    found = ", ".join(f"{language}: {n}" for language, n in counts.items())
    if not counts["en"]:
        return Check("fonts", "problem", "no font at all", "install one, e.g. the package fonts-dejavu-core")
    missing = [language for language in ("zh", "ja", "ko") if not counts[language]]
    if missing:
        advice = "names in these languages show as boxes in PDF reports; install e.g. fonts-noto-cjk"
        return Check("fonts", "note", f"{found}; none for {', '.join(missing)}", advice)
    return Check("fonts", "ok", found)
