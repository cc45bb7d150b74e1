"""Console logs of the nanoGPT family: modded-nanogpt, parameter-golf, nanochat, llm.c, build-nanogpt."""

from __future__ import annotations

import re

from ..intake.importer import LIKELY
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import NUMBER, number
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pour

_SIGNATURE = re.compile(
    rf"^\s*(?:step:\d+(?:/\d+)? (?:train|val)_\w+:{NUMBER}|s:\d+ (?:trl|tel|eval):{NUMBER}"
    rf"|iter \d+: loss {NUMBER}, time |step \d+: train loss {NUMBER}, val loss "
    rf"|step +\d+/\d+ (?:\(\d[\d.]*%\) )?\| (?:train |Training )?loss:? +{NUMBER}"
    rf"|Step \d{{5}} \| [A-Z][\w ]+: {NUMBER}"
    rf"|step +\d+ \| loss: {NUMBER} \| lr|\d+ (?:train|val|hella) {NUMBER}\s*$)"
)
_STEP = re.compile(r"\s*(?:[Ss]tep|iter|s)\s*:?\s*(\d+)(?:/\d+)?(?:\s*\([\d.]+%\))?(?=[\s:|])")
_FIELD = re.compile(
    rf"(?:^|[\s|,(:])([A-Za-z][\w/@]*(?: [A-Za-z][\w/]*){{0,2}})\s{{0,3}}[: =]\s{{0,12}}"
    rf"({NUMBER})(?=ms|s\b|%|[\s|,)(]|$)"
)
_VALIDATION = re.compile(rf"\s*(?:val|validation) loss:?\s+({NUMBER})\s*$")
_BARE = re.compile(rf"(\d+) (train|val|hella|hellaswag) ({NUMBER})\s*$")


class NanoGpt:
    """The nanoGPT family."""

    slug = "nanogpt"
    name = "nanoGPT-family text log"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Step lines of the family; its source code, which many print first, does not count."""
        return LIKELY + 0.1 if matches(source, _SIGNATURE, 2) >= 2 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        reader = _Reader()
        pour(source, log, reader.row, "lines such as `step:200/1500 train_loss:5.02` or `iter 10: loss 2.3`")
        if "loss" in log.series and "train loss" in log.series:
            log.declare(
                "loss",
                Meaning("loss/train", "train", "lower", "loss units", note="of single batches", rank=-1),
            )
        for name in ("eval", "hella", "hellaswag"):
            log.declare(
                name, Meaning("hellaswag/validation", "validation", "higher", note="HellaSwag accuracy")
            )
        log.declare("val", Meaning("loss/validation", "validation", "lower", "loss units"))
        if "loss" not in log.series:
            log.declare("train", Meaning("loss/train", "train", "lower", "loss units"))


class _Reader:
    """Remembers the step for validation losses that stand on a line of their own."""

    def __init__(self) -> None:
        self._step: float | None = None

    def row(self, line_number: int, line: str) -> Row | None:
        """The row of a line, None when it holds none."""
        del line_number
        start = line.lstrip()[:4]
        if start.startswith(("step", "Step", "iter", "s:")):
            return self._stepped(line) if len(line) < 2000 else None
        if start.startswith("val"):
            found = _VALIDATION.match(line)
            value = number(found.group(1)) if found else None
            return (self._step, {"val loss": value}) if value is not None and self._step is not None else None
        found = _BARE.match(line) if start[:1].isdigit() else None
        if found is None:
            return None
        value = number(found.group(3))
        return None if value is None else (float(found.group(1)), {found.group(2): value})

    def _stepped(self, line: str) -> Row | None:
        found = _STEP.match(line)
        if found is None:
            return None
        values = {name: float(text) for name, text in _FIELD.findall(line, found.end())}
        if not values:
            return None
        step = float(found.group(1))
        if step == self._step:  # the validation line of a step repeats the clock of its training line
            for name in ("train_time", "step_avg"):
                values.pop(name, None)
        self._step = step
        return step, values
