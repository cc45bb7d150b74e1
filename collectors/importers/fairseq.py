"""fairseq logs: `--log-format simple` and `json`, with and without the prefixes of newer versions."""

from __future__ import annotations

import json
import re

from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import number, numbers_of
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pour

_KIND = re.compile(r"(?:\||\[)\s*(train_inner|train|valid\w*|test)\s*(?:\||\]\[?)")
_INNER = re.compile(r"\bepoch\s+(\d+):\s+\d+\s*/\s*\d+\s+(.*)$")
_EPOCH = re.compile(r"\|\s*epoch\s+(\d+)\s*\|(.*)$")
_SUBSET = re.compile(r"(?:valid|test) on '([^']{1,80})' subset")
_SIGNATURE = re.compile(
    r"\|\s*epoch\s+\d+\s*\|.*\bnum_updates\b|\bepoch\s+\d+:\s+\d+\s*/\s*\d+\s+\S.*num_updates="
    r"|\"(?:\w+_)?num_updates\": \""
)
_BASE_2 = "in base 2 (bits), as fairseq logs its losses"


class Fairseq:
    """fairseq."""

    slug = "fairseq"
    name = "fairseq text log"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Lines that count `num_updates` in fairseq's way."""
        return CERTAIN if matches(source, _SIGNATURE, 2) >= 2 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        reader = _Reader(log)
        pour(
            source,
            log,
            reader.row,
            "lines such as `| INFO | train_inner | epoch 1: 85 / 282 loss=3.1, num_updates=100`",
        )
        for name in log.series:
            split = (
                "validation" if name.startswith("valid") else "test" if name.startswith("test") else "train"
            )
            if name in ("loss", f"{name[:5].strip('_ ')} loss", f"{name[:5].strip('_ ')}_loss"):
                rank = -1 if name == "loss" else 0
                log.declare(name, Meaning(f"loss/{split}", split, "lower", "bits", note=_BASE_2, rank=rank))
        for name in ("gnorm", "train gnorm", "train_gnorm"):
            log.declare(name, Meaning("grad_norm/preclip", note="before clipping", rank=int(name != "gnorm")))


class _Reader:
    """Keeps the number of updates for lines that lack it."""

    def __init__(self, log: Logbook) -> None:
        self.log = log
        self._last = 0.0

    def row(self, line_number: int, line: str) -> Row | None:
        """The row of a line, None when it holds none."""
        if "epoch" not in line:
            if "overflow detected" in line:
                self.log.event(self._last, "amp-skip", text=line.strip()[-120:])
            return None
        kind = _KIND.search(line)
        found = (
            self._json(kind.group(1) if kind else "", line) if '{"epoch"' in line else self._text(kind, line)
        )
        if not found:
            return None
        x = next((found.pop(name) for name in list(found) if name.endswith("num_updates")), None)
        if x is None:
            self.log.note("lines without num_updates were left out", line=line_number)
            return None
        self._last = x
        return x, found

    def _json(self, kind: str, line: str) -> dict[str, float]:
        try:
            found, _ = json.JSONDecoder().raw_decode(line, line.index('{"epoch"'))
        except (ValueError, RecursionError):
            return {}
        values = numbers_of(found) if isinstance(found, dict) else {}
        prefix = (
            f"{kind} " if kind.startswith("valid") and "valid_loss" not in values and "loss" in values else ""
        )
        return {f"{prefix}{name}" if name != "epoch" else name: value for name, value in values.items()}

    def _text(self, kind: re.Match[str] | None, line: str) -> dict[str, float]:
        inner = _INNER.search(line)
        if inner is not None:
            return {"epoch": float(inner.group(1)), **_fields(inner.group(2))}
        found = _EPOCH.search(line)
        if found is None:
            return {}
        subset = _SUBSET.search(line)
        told = kind.group(1) if kind else ""
        prefix = "train"
        if subset is not None:
            prefix = "valid" if subset.group(1) == "valid" else f"valid on {subset.group(1)}"
        elif told.startswith(("valid", "test")):
            prefix = told
        return {"epoch": float(found.group(1)), **_cells(found.group(2), prefix)}


def _fields(text: str) -> dict[str, float]:
    """`loss=3.1, nll_loss=1.2`."""
    out: dict[str, float] = {}
    for field in text.split(", "):
        name, sign, value = field.partition("=")
        found = number(value) if sign else None
        if found is not None:
            out[name.strip()] = found
    return out


def _cells(text: str, prefix: str) -> dict[str, float]:
    out: dict[str, float] = {}
    for cell in text.split("|"):
        name, _, value = cell.strip().rpartition(" ")
        found = number(value)
        if name and " " not in name and found is not None:
            out[name if name.startswith(prefix.split()[0] + "_") else f"{prefix} {name}"] = found
    return out
