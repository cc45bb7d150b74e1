"""The engine runs what can run, says why the rest could not, and survives anything."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer import catalog
from traindoctor.analyzer.engine import diagnose, examine, missing_need
from traindoctor.detector import NotAssessable
from traindoctor.errors import UsageError
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Predictions, Run, Series


@dataclass(frozen=True)
class Probe:
    """Reports what it is told to."""

    code: str = "TD901"
    name: str = "probe"
    needs: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    error: Exception | None = None

    def check(self, run) -> Iterator[Finding]:
        for severity in self.severities:
            yield Finding(
                self.code,
                self.name,
                severity,
                0.9,
                0,
                5,
                "It is so. And more.",
                {},
                {},
                Remedy("Do this. Or that."),
            )
        if self.error:
            raise self.error


def test_a_crashing_detector_costs_only_itself():
    crash = Probe("TD901", "crash", error=ZeroDivisionError("oops"))
    found = diagnose(runs.healthy_run(), detectors=[crash, Probe("TD902", "fine")])
    assert [(s.code, "ZeroDivisionError: oops" in s.why) for s in found.skipped] == [("TD901", True)]
    assert found.passed == {"TD902": "fine"}


def test_what_was_found_before_a_crash_is_kept():
    probe = Probe(severities=(Severity.WARNING,), error=ValueError("late"))
    found = diagnose(runs.healthy_run(), detectors=[probe])
    assert len(found.findings) == len(found.skipped) == 1
    assert not found.passed


def test_not_assessable_is_told_with_its_reason():
    found = diagnose(runs.healthy_run(), detectors=[Probe(error=NotAssessable("only 3 evaluations"))])
    assert found.skipped[0].why == "only 3 evaluations"


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (
            "loss/validation",
            "needs loss/validation, which was not recorded; to get it, evaluate with gradients off",
        ),
        ("lr/", "needs the learning rate, which was not recorded"),
        ("parameters:update_ratio", "needs update_ratio of the parameters, which was not recorded"),
        ("predictions", "needs predictions, which was not recorded"),
        ("my/metric", "needs my/metric, which was not recorded; to get it, log it in the training loop"),
    ],
)
def test_missing_needs_say_how_to_record_them(need, words):
    assert words in missing_need(Probe(needs=("loss/train", need)), runs.build(np.ones(30)))


def test_needs_that_were_recorded_are_met():
    run = replace(runs.healthy_run(), predictions=Predictions(np.array([0]), np.array([[1.0, 0.0]]), 1))
    needs = ("loss/train", "lr/", "parameters:update_ratio", "predictions")
    assert missing_need(Probe(needs=needs), run) == ""


def test_an_empty_series_is_not_recorded():
    run = Run("a", "a", {"loss/train": Series(np.array([], dtype=np.int64), np.array([]))})
    assert "not recorded" in missing_need(Probe(needs=("loss/train",)), run)


def test_warnings_of_numpy_stay_inside():
    @dataclass(frozen=True)
    class Divides(Probe):
        def check(self, run):
            assert np.isinf(np.array([1.0]) / np.array([0.0])).all()
            yield from ()

    assert examine(Divides(), runs.healthy_run()) == ([], "")


def test_select_and_ignore():
    run = runs.overfitted_run()
    assert {f.code for f in diagnose(run, select=["overfitting"]).findings} == {"TD401"}
    rest = diagnose(run, ignore=["TD401"])
    assert "TD401" not in {f.code for f in rest.findings} | set(rest.passed) | {s.code for s in rest.skipped}
    with pytest.raises(UsageError):
        diagnose(run, select=["TD000"])


def test_every_detector_is_accounted_for():
    found = diagnose(runs.overfitted_run())
    told = {f.code for f in found.findings} | {s.code for s in found.skipped} | set(found.passed)
    assert told == {detector.code for detector in catalog.CATALOG}


def test_a_broken_plugin_is_told(monkeypatch):
    monkeypatch.setattr(catalog, "load_plugins", lambda group: ({}, {"theirs": "plugin 'theirs' is broken"}))
    assert ("plugin", "theirs") in [(s.code, s.name) for s in diagnose(runs.healthy_run()).skipped]


def test_root_cause_comes_first_and_lists_its_symptoms():
    found = diagnose(runs.overfitted_run())
    assert found.findings[0].code == "TD401"
    assert "TD407" in found.findings[0].explains
    assert found.verdict.state == "findings"


def test_metrics_come_from_predictions():
    predictions = Predictions(
        np.array([0, 1, 1, 0]), np.array([[2.0, 1.0], [0.0, 1.0], [1.0, 0.0], [3.0, 1.0]]), 10
    )
    run = replace(runs.healthy_run(), predictions=predictions)
    assert diagnose(run, detectors=[]).metrics
    assert diagnose(runs.healthy_run(), detectors=[]).metrics == {}


def test_unusable_predictions_do_not_cost_the_diagnosis():
    run = replace(runs.healthy_run(), predictions=Predictions(np.array([0, 1]), np.full((2, 2), np.nan), 10))
    found = diagnose(run, detectors=[])
    assert "could not be scored" in found.metrics["classification_unavailable"]
    assert found.verdict.state == "healthy"


def test_schedule_and_prescription_are_there():
    found = diagnose(runs.healthy_run(schedule="cosine"), detectors=[])
    assert found.schedule.family == "cosine"
    assert "failed" not in found.prescription.why


def test_a_diagnosis_has_a_json_form():
    import json

    document = diagnose(runs.nan_run()).to_json()
    assert json.loads(json.dumps(document, allow_nan=False))["verdict"]["state"] == "findings"
