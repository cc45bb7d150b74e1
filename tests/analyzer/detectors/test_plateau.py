"""Plateaus at a known step, and flat losses that are none."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.plateau import Plateau
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Series


def check(run):
    return list(Plateau().check(run))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("phi", "sd"), [(0.0, 0.02), (0.0, 0.05), (0.5, 0.03)])
def test_finds_it_where_it_begins(seed, phi, sd):
    (finding,) = check(runs.plateaued_run(at=1600, sd=sd, phi=phi, seed=seed))
    assert finding.severity is Severity.WARNING
    assert 1100 <= finding.first_step <= 1900
    assert finding.last_step == 3999
    assert finding.evidence["level"] == pytest.approx(0.8, abs=0.02)


def test_a_late_plateau_is_a_note():
    (finding,) = check(runs.plateaued_run(at=3300))
    assert finding.severity is Severity.INFO


def test_a_nearly_solved_plateau_is_a_note_and_a_solved_one_none():
    (finding,) = check(runs.plateaued_run(level=0.28, sd=0.02))
    assert finding.severity is Severity.INFO
    assert check(runs.plateaued_run(level=0.08, sd=0.01)) == []


def test_an_annealed_run_has_simply_converged():
    run = runs.plateaued_run()
    lr = Series(np.arange(4000), runs.lr_trace(4000, "cosine"))
    assert check(runs.with_series(run, lr__0=lr)) == []


def test_without_a_learning_rate_it_is_a_note():
    run = runs.plateaued_run()
    series = {name: s for name, s in run.series.items() if not name.startswith("lr/")}
    (finding,) = check(replace(run, series=series))
    assert finding.severity is Severity.INFO


def test_a_slow_fall_under_noise_is_no_plateau():
    t = np.arange(4000)
    losses = 1.5 - 0.4 * t / 4000 + runs.noise(4000, 0.1, 0.0, 3)
    assert check(runs.build(losses, lr=runs.lr_trace(4000))) == []


def test_a_rise_is_no_plateau():
    assert check(runs.diverged_run(at=1500)) == []
    rising = runs.build(1.0 + np.linspace(0.0, 0.3, 2000) + runs.noise(2000, 0.02), lr=runs.lr_trace(2000))
    assert check(rising) == []


def test_noise_that_hides_a_gain_gives_no_verdict_of_flatness():
    losses = 1.0 + runs.noise(200, 0.4, 0.0, 1)
    assert check(runs.build(losses, lr=runs.lr_trace(200))) == []


def test_too_few_independent_losses_are_refused():
    losses = 1.0 + runs.noise(120, 0.02, 0.95, 1)
    with pytest.raises(NotAssessable, match="independent values of the training loss; 18 are needed"):
        check(runs.build(losses, lr=runs.lr_trace(120)))


def test_the_remedy_decays_over_a_share_of_the_plateau():
    (finding,) = check(runs.plateaued_run())
    assert "LinearLR(optimizer, 1.0, 1 / " in finding.remedy.code
    assert str(round(0.2 * finding.evidence["length"])) in finding.remedy.text
