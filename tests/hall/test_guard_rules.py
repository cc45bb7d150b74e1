"""What counts as a reason to stop, and that it must be seen twice."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.engine import diagnose
from traindoctor.errors import UsageError
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.guard_look import wanted_codes
from traindoctor.guard_rules import IRREVOCABLE, Persistence


def finding(code="TD103", severity=Severity.CRITICAL, name="non-finite"):
    return Finding(code, name, severity, 0.9, 0, 1, "It is so.", {}, {}, Remedy("Do it."))


def test_a_finding_must_be_there_in_two_looks_with_steps_between():
    rules = Persistence(["critical"])
    assert rules.look([finding()], 100) is None
    assert rules.look([finding()], 120) is None  # hardly anything new
    assert rules.look([finding()], 160) is not None


def test_one_that_went_away_starts_again():
    rules = Persistence(["critical"])
    for n_steps, found in [(100, [finding()]), (200, []), (300, [finding()])]:
        assert rules.look(found, n_steps) is None
    assert rules.look([finding()], 400) is not None


@pytest.mark.parametrize(
    ("stop_on", "found", "counts"),
    [
        ("critical", finding(), True),
        ("critical", finding(severity=Severity.WARNING), False),
        ("critical", finding("TD107", name="no-learning"), False),  # it may still learn
        ("TD107", finding("TD107", Severity.WARNING, "no-learning"), True),
        ("no-learning", finding("TD107", Severity.WARNING, "no-learning"), True),
        ("TD101", finding("TD101", Severity.INFO, "plateau"), False),
    ],
)
def test_what_counts(stop_on, found, counts):
    assert Persistence([stop_on]).counts(found) is counts


def test_names_are_checked_before_anything_starts():
    assert wanted_codes(["critical"]) == sorted(IRREVOCABLE)
    assert wanted_codes(["plateau", "td1"]) == wanted_codes(["TD1"])
    with pytest.raises(UsageError, match="nearest: plateau"):
        wanted_codes(["plateu"])


@pytest.mark.parametrize("run", runs.healthy_runs(), ids=lambda run: run.id)
def test_no_healthy_run_would_have_been_stopped(run):
    rules = Persistence(["critical"])
    for n_steps in np.geomspace(60, run.n_steps, 12).astype(int):
        part = runs.cut(run, int(n_steps))
        assert rules.look(diagnose(part, select=IRREVOCABLE).findings, part.n_steps) is None


def test_a_broken_run_is_stopped_before_it_ends():
    rules, run = Persistence(["critical"]), runs.nan_run()
    stops = [
        n for n in range(100, 1001, 50)
        if rules.look(diagnose(runs.cut(run, n), select=IRREVOCABLE).findings, n) is not None
    ]  # fmt: skip
    assert stops[0] <= 800
