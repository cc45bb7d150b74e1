"""Standard output of Hugging Face's Trainer: Python dicts with a loss and an epoch, without a step."""

from __future__ import annotations

import re

from ..intake.importer import LIKELY
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import NUMBER, number
from ..intake.source import Source
from ..intake.text_lines import Row, matches, pour

_SIGNATURE = re.compile(rf"\{{'(?:loss|eval_\w+)': '?{NUMBER}'?, .*'epoch': '?[\d.]+'?.*\}}")
_FIELD = re.compile(rf"'([^']{{1,200}})': '?({NUMBER})'?(?=[,}}])")
_BATCH = re.compile(r"(?:Total train batch size|Instantaneous batch size per device).{0,60}?= ([\d,]+)")
_STEPS = re.compile(r"Total optimization steps = ([\d,]+)")
_EPOCHS = re.compile(r"Num Epochs = ([\d,]+)")


class HuggingFaceConsole:
    """What Hugging Face's Trainer prints."""

    slug = "hf-console"
    name = "Hugging Face Trainer output"
    starts_late = True

    def recognises(self, source: Source) -> float:
        """Lines with a Python dict that has a loss and an epoch."""
        return LIKELY + 0.1 if matches(source, _SIGNATURE, 2) >= 2 else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """See `FileImporter.read`."""
        reader = _Reader(log)
        pour(source, log, reader.row, "lines such as `{'loss': 1.23, 'learning_rate': 5e-05, 'epoch': 0.1}`")
        log.x_unit = "optimizer steps" if reader.per_epoch else "epochs"
        log.declare("grad_norm", Meaning("grad_norm/preclip", note="before clipping"))
        if any(name.startswith(("rewards/", "reward")) for name in log.series):
            log.fact(loss_role="rl")


class _Reader:
    """Turns epochs into steps where the header tells how many steps an epoch has."""

    def __init__(self, log: Logbook) -> None:
        self.log = log
        self.per_epoch = 0.0
        self._steps = 0.0
        self._epochs = 0.0

    def row(self, line_number: int, line: str) -> Row | None:
        """The row of a line, None when it holds none."""
        if "'epoch':" not in line:
            if " = " in line and not self.log.n_rows:
                self._header(line)
            return None
        values = {n: v for n, t in _FIELD.findall(line[:20_000]) if (v := number(t)) is not None}
        epoch = values.pop("epoch", None)
        if epoch is None or not values:
            return None
        if "train_runtime" in values:
            self.log.fact(seconds=values["train_runtime"], status="finished")
            return None
        values = {n: v for n, v in values.items() if not n.endswith(("_runtime", "_per_second"))}
        if not self.per_epoch:
            return epoch, values
        return float(round(epoch * self.per_epoch)), {**values, "epoch": epoch}

    def _header(self, line: str) -> None:
        batch = _BATCH.search(line)
        if batch is not None:
            self.log.fact(batch_size=int(batch.group(1).replace(",", "")))
        steps, epochs = _STEPS.search(line), _EPOCHS.search(line)
        self._steps = float(steps.group(1).replace(",", "")) if steps else self._steps
        self._epochs = float(epochs.group(1).replace(",", "")) if epochs else self._epochs
        if self._steps and self._epochs and self._steps % self._epochs == 0:
            self.per_epoch = self._steps / self._epochs
            self.log.note("the log counts epochs; steps were worked out from the totals in its header")
