"""OpenMMLab JSON logs: mmcv's `*.log.json` (rows with `mode`) and mmengine's `vis_data/*.json`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.folder import Folder
from ..intake.importer import CERTAIN, LIKELY
from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import flat, number, numbers_of
from ..intake.series_names import classify
from ..intake.source import Source

SCALARS = "scalars.json"
_DATED = re.compile(r"\d{8}_\d{6}\.json")
_SHARED = ("loss", "lr", "time", "data_time", "memory", "epoch", "acc")
"""Names that training and validation rows of mmengine have in common."""


class OpenMMLabJson:
    """The JSON lines of mmdetection, mmsegmentation and their siblings."""

    slug = "openmmlab-json"
    name = "OpenMMLab json log"

    def recognises(self, source: Source) -> float:
        """By `mode`, `epoch` and `iter`; by `env_info`; by mmengine's `data_time`, `time` and `step`."""
        rows = head_objects(source)
        if any("mode" in row and ("iter" in row or "epoch" in row) for row in rows):
            return CERTAIN
        if any("env_info" in row or ("exp_name" in row and "seed" in row) for row in rows):
            return CERTAIN
        if any({"data_time", "time", "step"} <= row.keys() for row in rows):
            return CERTAIN if any("iter" in row or "memory" in row for row in rows) else LIKELY
        return LIKELY if any({"iter", "step", "epoch"} <= row.keys() for row in rows) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is the iteration over the whole run; validation stands where training was at the time.

        Raises:
            UnreadableLogError: not one row of training or validation.
        """
        log.x_unit = "optimizer steps"
        counting = _counting(source)
        reader = _ModeRows(counting, log) if counting.has_modes else _StepRows(log)
        for line, row in objects(source, log):
            if counting.has_modes and "mode" not in row:
                _take_head(row, log)
            else:
                reader.take(line, row)
        if not log.series:
            raise UnreadableLogError(
                f"{source.name} holds only the description of an OpenMMLab run: it ended before the first "
                "log interval"
            )
        _declare(reader.trained, log)

    def recognises_folder(self, folder: Folder) -> float:
        """mmengine's `vis_data`, which holds the same rows twice."""
        if SCALARS not in folder.files or not any(_DATED.fullmatch(name) for name in folder.files):
            return 0.0
        source = folder.file(SCALARS)
        return self.recognises(source) if source is not None else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """`scalars.json`; the dated file repeats it."""
        self.read(folder.open(SCALARS), log)
        log.note(f"{SCALARS} was read; the dated file beside it holds the same rows")


@dataclass(frozen=True)
class _Counting:
    """How a `*.log.json` counts.

    Attributes:
        has_modes: whether rows say `mode`.
        length: iterations per epoch, as far as they were logged; 0 where the iteration counts through.
    """

    has_modes: bool
    length: float


class _ModeRows:
    """Rows of mmcv: `iter` begins again in each epoch (or counts through, in runners by iteration)."""

    def __init__(self, counting: _Counting, log: Logbook) -> None:
        self.length, self.log = counting.length, log
        self.last: float | None = None
        self.trained: set[str] = set()

    def take(self, line: int, row: dict[str, Any]) -> None:
        """One row of either mode."""
        epoch, iteration = number(row.get("epoch")), number(row.get("iter"))
        if row["mode"] == "train" and iteration is not None:
            begun = (max(epoch or 1.0, 1.0) - 1.0) * self.length + iteration
            self.last = begun
            values = {name: value for name, value in flat(row).items() if name not in ("mode", "iter")}
            self.trained.update(values)
            self.log.row(begun, numbers_of(values))
            return
        x = self._held_out(epoch, iteration)
        if x is None:
            self.log.note("rows without an iteration or epoch were left out", line=line)
            return
        hidden = ("mode", "iter")
        values = {f"{row['mode']}/{k}"[:300]: v for k, v in flat(row).items() if k not in hidden}
        self.log.row(x, numbers_of(values))

    def _held_out(self, epoch: float | None, iteration: float | None) -> float | None:
        """Where an evaluation belongs; its own `iter` counts the batches of either set."""
        if self.length and epoch is not None:
            return epoch * self.length
        if self.last is not None:
            return self.last
        self.log.note("evaluations without training before them stand at their own count")
        return epoch if epoch is not None else iteration


class _StepRows:
    """Rows of mmengine: `step` is the iteration in training rows, the epoch or iteration in evaluations."""

    def __init__(self, log: Logbook) -> None:
        self.log = log
        self.last: float | None = None
        self.epoch = 0.0
        self.trained: set[str] = set()

    def take(self, line: int, row: dict[str, Any]) -> None:
        """One row."""
        step, iteration = number(row.get("step")), number(row.get("iter"))
        if any(name in ("iter", "memory", "lr") or name.startswith("lr/") for name in row):
            x = step if step is not None else iteration
            if x is None:
                self.log.note("rows without a step were left out", line=line)
                return
            if self.last is not None and x < self.last:
                self.epoch = 0.0
            self.last = x
            self.epoch = max(self.epoch, number(row.get("epoch")) or 0.0)
            values = {name: value for name, value in flat(row).items() if name not in ("iter", "step")}
            self.trained.update(values)
            self.log.row(x, numbers_of(values))
            return
        if step is None:
            _take_head(row, self.log)
            return
        values = {f"val/{k}" if k in _SHARED else k: v for k, v in flat(row).items() if k != "step"}
        self.log.row(self._held_out(step), numbers_of(values))

    def _held_out(self, step: float) -> float:
        if self.last is None:
            self.log.note("evaluations without training before them stand at their own count")
            return step
        return step if self.epoch < step <= self.last else self.last


def _counting(source: Source) -> _Counting:
    """A first pass over the file: the longest iteration, and whether it begins again in each epoch."""
    highest, last, has_modes = 0.0, (0.0, 0.0), False
    falls = rises = 0
    for _, row in objects(source, Logbook()):
        if row.get("mode") != "train":
            has_modes |= "mode" in row
            continue
        has_modes = True
        epoch, iteration = number(row.get("epoch")) or 0.0, number(row.get("iter")) or 0.0
        if epoch > last[0] > 0:
            falls, rises = falls + (iteration <= last[1]), rises + (iteration > last[1])
        highest, last = max(highest, iteration), (epoch, iteration)
    return _Counting(has_modes, 0.0 if rises > falls else highest)


def _take_head(row: dict[str, Any], log: Logbook) -> None:
    seed, name = number(row.get("seed")), row.get("exp_name")
    config: dict[str, Any] = {}
    if seed is not None:
        config["seed"] = seed
    if isinstance(name, str) and len(name) < 200:
        config["exp_name"] = name
    log.fact(config=config)
    about = row.get("env_info")
    if isinstance(about, str):
        found = re.findall(
            r"^(PyTorch|Python|CUDA_HOME|GPU [\d,]{1,20}|OpenCV|MMCV): (.{1,100})", about[:20_000], re.M
        )
        log.fact(environment={key: value.strip() for key, value in found if key != "CUDA_HOME"})


def _declare(trained: set[str], log: Logbook) -> None:
    for name in log.series:
        if name in trained and not classify(name).tells_split:
            log.declare(name, classify(f"train_{name}"))
    log.declare("loss", Meaning("loss/train", "train", "lower", note="mean over the log interval"))
    log.declare("grad_norm", Meaning("grad_norm/preclip", "train", note="before clipping"))
    log.declare("time", Meaning("time/step", unit="s"))
    log.declare("data_time", Meaning("time/data", unit="s", note="waiting for the loader, part of each step"))
    log.declare("val/lr", Meaning(unit="1/step"))
