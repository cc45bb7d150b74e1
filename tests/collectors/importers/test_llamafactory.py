"""LLaMA-Factory logs: null and missing, appended launches, no loss, a cut line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.collectors.importers.readings import lines, points, run, runs, said

FILE = "trainer_log.jsonl"


def row(step: int, clock: str, **more: Any) -> dict[str, Any]:
    return {"current_steps": step, "total_steps": 30, "epoch": step / 30, "elapsed_time": clock, **more}


def test_old_rows_with_null(tmp_path: Path) -> None:
    rows = [row(10 * k, f"0:0{k}:00", loss=2.0 / k, eval_loss=None, learning_rate=1e-4) for k in (1, 2, 3)]
    found = run(tmp_path, lines([*rows, row(30, "9 days, 21:39:23", eval_loss=1.1)]), FILE)
    assert points(found, "loss/train") == [(10, 2.0), (20, 1.0), (30, 2.0 / 3)]
    assert points(found, "loss/validation") == [(30, 1.1)]
    assert (found.info.status, found.info.seconds) == ("finished", 9 * 86400 + 21 * 3600 + 39 * 60 + 23)


def test_an_appended_launch_with_the_same_first_step(tmp_path: Path) -> None:
    rows = [row(10, "0:00:30", loss=2.1), row(10, "0:00:20", loss=2.2), row(20, "0:00:40", loss=1.9)]
    first, second = runs(tmp_path, lines(rows), FILE)
    assert points(first, "loss/train") == [(10, 2.1)]
    assert points(second, "loss/train") == [(10, 2.2), (20, 1.9)]


def test_no_loss_is_said(tmp_path: Path) -> None:
    found = run(tmp_path, lines([row(10 * k, "0:00:30", percentage=k) for k in (1, 2)]), FILE)
    assert found.get("loss/train") is None
    assert said(found, "holds no loss")


def test_a_cut_line(tmp_path: Path) -> None:
    found = run(tmp_path, lines([row(10, "0:00:30", loss=2.1)]) + '{"current_steps": 20, "lo', FILE)
    assert points(found, "loss/train") == [(10, 2.1)]
    assert said(found, "the last line is cut")
