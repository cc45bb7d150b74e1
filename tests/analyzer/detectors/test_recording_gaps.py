"""Ends, holes and recorders that gave up."""

from dataclasses import replace

import numpy as np
import pytest

from tests import foreign, runs
from traindoctor.analyzer.detectors.recording_gaps import RecordingGaps
from traindoctor.finding import Severity
from traindoctor.run import Event, Series


def check(run):
    return list(RecordingGaps().check(run))


@pytest.mark.parametrize("status", ["killed", "damaged", "failed"])
def test_an_end_that_is_none_is_noted(status):
    run = runs.healthy_run(300)
    (finding,) = check(replace(run, info=replace(run.info, status=status)))
    assert (finding.severity, finding.evidence["ended at"]) == (Severity.INFO, 299.0)


def test_missing_steps_are_counted():
    run = runs.healthy_run(300)
    kept = np.delete(np.arange(300), np.arange(100, 130))
    series = Series(kept, run.series["loss/train"].values[kept])
    (finding,) = check(runs.with_series(run, loss__train=series))
    assert (finding.evidence["steps without loss"], finding.first_step) == (30.0, 100)


def test_a_recorder_that_switched_itself_off_is_noted():
    run = replace(runs.healthy_run(300), events=(Event(50, "recorder-off", {"recorder": "parameters"}),))
    assert [f.first_step for f in check(run)] == [50]


def test_whole_logs_and_logs_of_other_tools_are_none():
    assert not check(runs.healthy_run(300))
    steps = np.r_[np.arange(0, 100, 10), np.arange(200, 300, 10)]
    assert not check(foreign.imported({"loss/train": (steps, np.ones(20))}, x_unit="optimizer steps"))
