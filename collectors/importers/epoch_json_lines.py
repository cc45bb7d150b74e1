"""DeiT, MAE, DINO and DETR `log.txt`: one JSON object per epoch, keys with `train_` and `test_`."""

from __future__ import annotations

from typing import Any

from traindoctor import names

from ..intake.importer import CERTAIN, LIKELY
from ..intake.json_lines import head_objects, objects
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import flat, number, numbers_of
from ..intake.source import Source

EPOCH = "epoch"
COCO = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""What the twelve numbers of a COCO evaluation are, in order."""

_RATES = ("train_lr", "train_loss", "train_min_lr", "train_wd", "train_weight_decay", "train_class_error")
_HELD_OUT = ("test_", "val_", "eval_", "valid_")
_OTHER_TOOLS = ("iter", "iteration", "step", "mode", "current_steps", "global_step")


class EpochJsonLines:
    """The log that FAIR's reference trainers, and the many that copied them, append to after each epoch."""

    slug = "epoch-json-lines"
    name = "DeiT/MAE/DINO/DETR log.txt"

    def recognises(self, source: Source) -> float:
        """By `epoch` beside `train_lr` or `train_loss`."""
        rows = head_objects(source)
        good = [r for r in rows if number(r.get(EPOCH)) is not None and any(key in r for key in _RATES)]
        if not good or len(good) < 0.8 * len(rows) or any(key in good[0] for key in _OTHER_TOOLS):
            return 0.0
        return CERTAIN if any("n_parameters" in row or "train_lr" in row for row in good) else LIKELY

    def read(self, source: Source, log: Logbook) -> None:
        """x is the epoch, 0-based; an epoch that begins again is another run."""
        log.x_unit = "epochs"
        for line, row in objects(source, log):
            epoch = number(row.get(EPOCH))
            if epoch is None:
                log.note("rows without an epoch were left out", line=line)
                continue
            log.row(epoch, _values(row))
            parameters = number(row.get("n_parameters"))
            if parameters is not None:
                log.fact(config={"n_parameters": parameters})
        _declare(log)


def _values(row: dict[str, Any]) -> dict[str, float]:
    plain: dict[str, Any] = {}
    for name, value in flat(row).items():
        if isinstance(value, list):
            which = COCO if len(value) == len(COCO) else ()
            plain.update({f"{name}/{part}": item for part, item in zip(which, value, strict=False)})
        else:
            plain[name] = value
    return numbers_of(plain)


def _declare(log: Logbook) -> None:
    smoothing = "with mixup or label smoothing it stays far above the test loss; that is no underfitting"
    tests = any(name.startswith(_HELD_OUT) for name in log.series)
    log.declare("train_loss", Meaning("loss/train", "train", "lower", note=smoothing if tests else ""))
    log.declare("train_lr", Meaning(names.lr("0"), unit="1/step"))
    log.declare("train_min_lr", Meaning(names.lr("min"), unit="1/step", note="of the lowest layer"))
    for name in log.series:
        if name.startswith(_HELD_OUT) and name.split("/")[-1] in COCO and "coco_eval" in name:
            part = name.rsplit("/", 1)[-1]
            kind = name.rsplit("/", 1)[0].rpartition("_")[2]
            log.declare(name, Meaning(f"{kind}_{part}/validation", "validation", "higher"))
