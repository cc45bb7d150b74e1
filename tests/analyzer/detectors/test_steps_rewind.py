"""Resumes that went on, resumes that threw the run back, and none."""

from dataclasses import replace

import numpy as np

from tests import runs
from traindoctor.analyzer.detectors.steps_rewind import StepsRewind
from traindoctor.finding import Severity
from traindoctor.run import Event

N, AT = 1000, 500


def check(losses, *events):
    return list(StepsRewind().check(replace(runs.build(losses), events=events)))


def resumed(reached=540, at=AT):
    return Event(at, "resume", {"from": reached})


def falling(jump=0.0):
    t = np.arange(N)
    return 0.5 + 1.8 * np.exp(-t / 150) + jump * (t >= AT) + runs.noise(N, 0.02)


def test_a_resume_that_went_on_is_a_note():
    (finding,) = check(falling(), resumed())
    assert (finding.severity, finding.first_step) == (Severity.INFO, AT)
    assert finding.evidence["reached before"] == 540.0
    assert "went on where it was" in finding.message


def test_a_jump_that_stays_is_a_warning_and_one_that_is_made_good_a_note():
    (finding,) = check(falling(0.8), resumed())
    assert finding.severity is Severity.WARNING
    losses = falling()
    losses[AT : AT + 60] += 0.8
    assert [f.severity for f in check(losses, resumed())] == [Severity.INFO]


def test_too_few_losses_leave_the_jump_open():
    (finding,) = check(falling()[: AT + 1], resumed())
    assert "jump of the loss" not in finding.evidence


def test_runs_without_a_resume_are_none():
    assert not check(falling())
    assert not check(falling(), Event(3, "note", {}))
