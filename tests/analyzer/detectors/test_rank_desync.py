"""What is said of ranks that differ, of one that is late, and of a single process."""

from dataclasses import replace

import pytest

from tests import runs
from traindoctor.analyzer.detectors.rank_desync import RankDesync
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Event

RANKS = "2 of 2 ranks are merged: losses and accuracies are their mean"


def run_with(*events):
    run = runs.healthy_run(300)
    return replace(run, events=events, info=replace(run.info, diagnostics=(RANKS,)))


def test_different_weights_are_a_warning():
    event = Event(40, "desync", {"ranks": [1], "parameters": ["fc1.weight", "fc2.weight"]})
    (finding,) = RankDesync().check(run_with(event))
    assert (finding.severity, finding.first_step) == (Severity.WARNING, 40)
    assert finding.parameters == ("fc1.weight", "fc2.weight")


def test_a_late_rank_is_a_note():
    event = Event(0, "straggler", {"rank": 3, "seconds": 0.4, "step_seconds": 1.0})
    (finding,) = RankDesync().check(run_with(event))
    assert (finding.severity, finding.evidence["share of a step"]) == (Severity.INFO, 0.4)
    assert not list(RankDesync().check(run_with(Event(0, "straggler", {"rank": None}))))


def test_ranks_in_step_are_none_and_a_single_process_is_not_judged():
    assert not list(RankDesync().check(run_with()))
    with pytest.raises(NotAssessable, match="one process"):
        list(RankDesync().check(runs.healthy_run(300)))
