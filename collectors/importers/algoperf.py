"""AlgoPerf `measurements.csv`, with `hparams.json` and `meta_data_0.json` beside it."""

from __future__ import annotations

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings
from ..intake.counted_rows import head_layout, pour
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook, Meaning
from ..intake.source import Source

STEP = "global_step"
_MARKS = frozenset(("accumulated_submission_time", "accumulated_eval_time", "accumulated_logging_time"))
_EVALUATED = "evaluated on a part of the training set now and then, without regularisation"
_CLIPPED = "the log does not say whether before or after clipping; some submissions log it after"


class AlgoPerf:
    """The table of MLCommons' algorithmic-efficiency harness: sparse rows of steps and of evaluations."""

    slug = "algoperf"
    name = "AlgoPerf measurements.csv"

    def recognises(self, source: Source) -> float:
        """By `global_step` and the harness's clocks."""
        layout = head_layout(source, ",")
        known = layout is not None and STEP in layout.header and bool(_MARKS.intersection(layout.header))
        return CERTAIN if known else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """x is `global_step`: optimizer steps."""
        layout = head_layout(source, ",")
        if layout is None or STEP not in layout.header:
            raise UnreadableLogError(
                f"expected a table with the column {STEP} in {source.name}, found another"
            )
        log.x_unit = "optimizer steps"
        pour(source, log, layout, STEP)
        log.declare("loss", Meaning("loss/train", "train", "lower"))
        log.declare("train/loss", Meaning("loss/train", "train", "lower", note=_EVALUATED, rank=1))
        log.declare("grad_norm", Meaning("grad_norm/global", "train", note=_CLIPPED))
        log.declare("score", Meaning(unit="s", note="submission time so far"))
        _take_settings(source, log)


def _take_settings(source: Source, log: Logbook) -> None:
    found = settings(source, "hparams.json")
    if found:
        log.fact(config=found)
    machine = settings(source, "meta_data_0.json")
    if machine:
        log.fact(environment=machine)
