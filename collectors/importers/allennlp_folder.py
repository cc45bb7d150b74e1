"""AllenNLP's serialization folder: one `metrics_epoch_N.json` per epoch."""

from __future__ import annotations

import re
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings_of
from ..intake.folder import Folder
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.numbers import number, numbers_of
from ..intake.source import Source, parse_json

_EPOCH = re.compile(r"metrics_epoch_(\d{1,9})\.json")
_KEPT = re.compile(r"(?:training|validation)_(?!duration$|start_epoch$|epochs$).+")
_DURATION = re.compile(r"(\d{1,4}) days?, (\d{1,2}):(\d{2}):(\d{2})|(\d{1,4}):(\d{2}):(\d{2})")
_MAX_BYTES = 1 << 22


class AllenNlp:
    """What `allennlp train` leaves behind."""

    slug = "allennlp"
    name = "AllenNLP serialization folder"

    def recognises(self, source: Source) -> float:
        """One epoch's file: it says little alone, but it should be called by its name."""
        head = source.head_text()
        return CERTAIN if '"training_loss"' in head and '"training_start_epoch"' in head else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """One epoch."""
        found = source.json()
        if not isinstance(found, dict) or not _take_epoch(found, None, log):
            raise UnreadableLogError(
                f"expected the metrics of an AllenNLP epoch in {source.name}, found none"
            )
        log.x_unit = "epochs"
        log.note("this is one epoch of an AllenNLP run; name its folder to read them all")

    def recognises_folder(self, folder: Folder) -> float:
        """By the files' names and their content."""
        first = next((name for name in folder.files if _EPOCH.fullmatch(name)), None)
        source = folder.file(first) if first is not None else None
        return CERTAIN if source is not None and '"training_' in source.head_text() else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """All epochs; the event files below `log/` repeat them, and are finer."""
        log.x_unit = "epochs"
        numbered = sorted((int(m[1]), name) for name in folder.files if (m := _EPOCH.fullmatch(name)))
        last: dict[str, Any] = {}
        for epoch, name in numbered:
            last = _epoch_file(folder, name, epoch, log) or last
        if not log.series:
            raise UnreadableLogError(f"expected metrics in metrics_epoch_N.json of {folder.name}, found none")
        config = folder.file("config.json")
        if config is not None:
            log.fact(config=settings_of(config))
        if "metrics.json" in folder.files:
            log.fact(status="finished")  # written when the training is over
        seconds = _seconds(last.get("training_duration"))
        if seconds is not None:
            log.fact(seconds=seconds)
        if any("tfevents" in path for path in folder.folder("log").walk(2)):
            log.note("event files with values per batch lie below log/; name that folder to read them")


def _epoch_file(folder: Folder, name: str, epoch: int, log: Logbook) -> dict[str, Any]:
    try:
        source = folder.open(name)
        found = parse_json(source.text(_MAX_BYTES), source.name)
    except UnreadableLogError as error:
        log.note(str(error))
        return {}
    if not isinstance(found, dict) or not _take_epoch(found, epoch, log):
        log.note(f"{name} holds no metrics and was left out")
        return {}
    return found


def _take_epoch(found: dict[str, Any], epoch: int | None, log: Logbook) -> bool:
    """Pour one epoch; the best values so far and the durations are no curve."""
    own = number(found.get("epoch"))
    x = own if own is not None else float(epoch) if epoch is not None else None
    values = numbers_of({name: value for name, value in found.items() if _KEPT.fullmatch(name)})
    if x is None or not values:
        return False
    log.row(x, values)
    return True


def _seconds(text: Any) -> float | None:
    match = _DURATION.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    days, hours, minutes, seconds = match.groups()[:4] if match[1] else ("0", *match.groups()[4:])
    return 86400.0 * int(days) + 3600.0 * int(hours) + 60.0 * int(minutes) + int(seconds)
