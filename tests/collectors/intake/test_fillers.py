"""NaN that fills and NaN that was recorded."""

from __future__ import annotations

import math

import pytest

from traindoctor.collectors.intake.fillers import drop_fillers
from traindoctor.collectors.intake.logbook import Logbook


def log_of(**columns: list[float]) -> Logbook:
    log = Logbook()
    for x, values in enumerate(zip(*columns.values(), strict=True)):
        log.row(x, dict(zip(columns, values, strict=True)))
    return log


def n_points(log: Logbook) -> dict[str, int]:
    return {name: len(points.x) for name, points in log.series.items()}


NAN = math.nan
SPARSE = [1.0, NAN, NAN, NAN] * 5


def test_a_sparse_series_is_thinned_to_what_was_measured() -> None:
    log = log_of(train_loss=[1.0] * 20, val_loss=SPARSE)
    drop_fillers(log)
    assert n_points(log) == {"train_loss": 20, "val_loss": 5}
    assert list(log.series["val_loss"].x) == [0, 4, 8, 12, 16]
    assert any("15 rows" in sentence for sentence in log.sentences())


def test_its_complement_too() -> None:
    complement = [NAN if value == value else 2.0 for value in SPARSE]
    log = log_of(train_loss=complement, val_loss=SPARSE)
    drop_fillers(log)
    assert n_points(log) == {"train_loss": 15, "val_loss": 5}


@pytest.mark.parametrize(
    "values",
    [
        [1.0] * 5 + [NAN] * 15,
        [1.0, NAN, NAN] * 3 + [1.0] + [NAN] * 10,
        [1.0] * 10 + [NAN] + [1.0] * 9,
        [1.0, 1.0, NAN, 1.0, 1.0] * 4,
    ],
    ids=["stays", "stays after sparse", "one step", "now and then"],
)
def test_recorded_nan_stays(values: list[float]) -> None:
    log = log_of(loss=values)
    drop_fillers(log)
    assert n_points(log) == {"loss": 20}
    assert log.sentences() == []


def test_gradient_norms_of_skipped_steps_stay() -> None:
    log = log_of(grad_norm=SPARSE)
    drop_fillers(log)
    assert n_points(log) == {"grad_norm": 20}
