"""nnU-Net `training_log_*.txt`: one value per timestamped line; the files of a folder are one fold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ..intake.endings import Endings
from ..intake.folder import Folder
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import NUMBER, number
from ..intake.source import Source
from ..intake.text_lines import matches, nothing_read

_FILE = re.compile(r"training_log_\w+\.txt(?:\.gz)?")
_EPOCH = re.compile(r"(?:^|: *)(?:epoch|Epoch):? +(\d+)\s*$")
_VALUE = re.compile(
    rf"(?:^|: *)(train loss|validation loss(?: \(train=True\))?|lr(?: is now(?: \(.*?\))?)?|train_loss"
    rf"|val_loss|Current learning rate|[Aa]verage global foreground Dice|Pseudo dice|This epoch took"
    rf"|Epoch time) *:? *"
    rf"(?P<list>\[[^\]]*\])?(?P<one>{NUMBER})?"
)
_DICE = re.compile(NUMBER)
_NOTE = "negative: the Dice term counts as its negative"


class NnUnet:
    """nnU-Net."""

    slug = "nnunet"
    name = "nnU-Net training log"

    def recognises(self, source: Source) -> float:
        """Epoch lines beside train and validation losses, each on its own line."""
        if not matches(source, _EPOCH, 1):
            return 0.0
        text = source.head_text()
        if "train loss" in text and ("foreground Dice" in text or "nnUNet" in text):
            return CERTAIN
        is_cut_short = "nnUNet" in text or ("Current learning rate" in text and "Pseudo dice" in text)
        return CERTAIN if is_cut_short or ("train_loss" in text and "Pseudo dice" in text) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        _read((source,), log)
        nothing_read(source, log, "lines `epoch: 0` and `train loss : -0.1`")

    def recognises_folder(self, folder: Folder) -> float:
        """Several training logs in one folder: restarts of one fold."""
        names = [name for name in folder.files if _FILE.fullmatch(name)]
        if len(names) < 2:
            return 0.0
        first = folder.file(names[0])
        return CERTAIN if first is not None and self.recognises(first) else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """See `FolderImporter.read_folder`."""
        names = [name for name in folder.files if _FILE.fullmatch(name)]
        log.note(f"{len(names)} training logs of one fold were joined in the order of their names")
        sources = [source for name in names if (source := folder.file(name)) is not None]
        _read(sources, log)
        for source in sources[:1]:
            nothing_read(source, log, "lines `epoch: 0` and `train loss : -0.1`")


def _read(sources: tuple[Source, ...] | list[Source], log: Logbook) -> None:
    log.x_unit = "epochs"
    endings = Endings(log)
    for source in sources:
        epoch: float | None = None
        values: dict[str, float] = {}
        for line_number, line in source.lines():
            started = _EPOCH.search(line) if "poch" in line and len(line) < 200 else None
            if started is not None:
                _emit(endings, epoch, values)
                epoch, values = float(started.group(1)), {}
                continue
            found = dict(_values(line)) if epoch is not None else {}
            values.update(found)
            if not found:
                endings.see(line_number, line)
        _emit(endings, epoch, values)
        if epoch is not None and not values:
            log.note(f"epoch {epoch:g} was begun and has no values", line=1)
    endings.close()
    for name, split in (("train loss", "train"), ("train_loss", "train"), ("val_loss", "validation")):
        log.declare(name, Meaning(f"loss/{split}", split, "lower", "loss units", note=_NOTE))
    log.declare(
        "validation loss", Meaning("loss/validation", "validation", "lower", "loss units", note=_NOTE)
    )
    for name in ("Average global foreground Dice", "Pseudo dice"):
        log.declare(
            name, Meaning("dice/validation", "validation", "higher", note="mean over the classes that occur")
        )


def _emit(endings: Endings, epoch: float | None, values: dict[str, float]) -> None:
    if epoch is not None and values:
        endings.row(epoch, values)


def _values(line: str) -> Iterator[tuple[str, float]]:
    found = _VALUE.search(line) if len(line) < 2000 else None
    if found is None:
        return
    name = found.group(1)
    if name.startswith("lr"):
        name = "lr"
    if found["list"]:
        parts = [
            number(text.removeprefix("np.float32("))
            for text in _DICE.findall(re.sub(r"float\d+", "", found["list"]))
        ]
        known = [part for part in parts if part is not None]
        for index, part in enumerate(known):
            yield f"{name} [{index}]", part
        finite = [part for part in known if math.isfinite(part)]  # NaN: a class that no case holds
        if known:
            yield name, sum(finite) / len(finite) if finite else math.nan
    elif found["one"]:
        value = number(found["one"])
        if value is not None:
            yield name, value
