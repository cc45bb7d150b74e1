"""Small run logs with known content, for the tests of the format, its reader and the native importer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from traindoctor.errors import UnreadableLogError
from traindoctor.runlog import Frame, Kind, LogReader, LogWriter, encode_predictions, encode_rows

QUANTITIES = ("weight_norm", "grad_norm")
PARAMETERS = ("fc1.weight", "fc1.bias", "fc2.weight")


@dataclass
class SmallLog:
    """What `write_small_log` put into a log: the truth to compare with."""

    path: Path
    losses: dict[int, float] = field(default_factory=dict)
    n_steps: int = 0


def header(**changes: Any) -> dict[str, Any]:
    return {
        "run_id": "20260102-030405-abcd", "pid": 2**22 + 1, "host": "elsewhere", "boot": "b",
        "process_start": 7, "started": 1767323045.0, "rank": 0, "attempt": 0, "world_size": 1, **changes,
    }  # fmt: skip


def write_small_log(
    path: Path,
    n_steps: int = 12,
    *,
    first_step: int = 0,
    end: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    scale: float = 1.0,
    **head: Any,
) -> SmallLog:
    """A log of rows of three steps, a block and an event with each; predictions; END when given."""
    written = SmallLog(path, n_steps=n_steps)
    writer = LogWriter(path, header(**head))
    writer.append_json(Kind.META, {"name": "small", "batch_size": 32, **(facts or {})})
    for begin in range(first_step, first_step + n_steps, 3):
        steps = np.arange(begin, min(begin + 3, first_step + n_steps))
        losses = scale / (1.0 + steps)
        written.losses |= dict(zip(steps.tolist(), losses.tolist(), strict=True))
        clipped = {"grad_norm/preclip": steps % 2 == 0}
        columns = {"loss/train": losses, "lr/0": np.full(len(steps), 0.1), "grad_norm/preclip": losses * 2}
        writer.append(Kind.ROWS, encode_rows(steps, columns, clipped))
        values = np.arange(6, dtype=np.float32).reshape(2, 3) + begin
        present = np.ones((2, 3), bool)
        present[1, 1] = begin == first_step
        writer.append_block(QUANTITIES, PARAMETERS, begin, values, present)
        writer.append_json(Kind.EVENT, {"step": begin, "kind": "note", "n": begin})
        writer.flush()
    facts_of_scores = {"step": n_steps, "classes": ["a", "b"], "kind": "logits"}
    scores = np.array([[0.5, -1.0], [2.0, 3.0]])
    writer.append(Kind.PREDICTIONS, encode_predictions(facts_of_scores, np.array([0, 1]), scores))
    if end is None:
        writer.flush()
    else:
        writer.close(end)
    return written


def frames_of(path: Path) -> list[Frame]:
    return list(LogReader(path))


def intact_payloads(data: bytes, path: Path) -> dict[int, bytes]:
    """Sequence -> payload of what a reader accepts of `data`; {} when it accepts nothing."""
    path.write_bytes(data)
    try:
        return {frame.sequence: frame.payload for frame in LogReader(path)}
    except UnreadableLogError:
        return {}
