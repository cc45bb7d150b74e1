"""Spikes of known place and width, and noise that is none."""

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.loss_spike import LossSpike, gradient_growth
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Series


def check(run):
    return list(LossSpike().check(run))


@pytest.mark.parametrize("seed", range(5))
def test_finds_it_where_it_begins(seed):
    (finding,) = check(runs.spiked_run(at=1200, width=60, seed=seed))
    assert finding.first_step == 1200
    assert 1215 <= finding.last_step <= 1290
    assert finding.severity is Severity.INFO
    assert finding.evidence["height"] == pytest.approx(2.0, abs=0.4)
    assert finding.evidence["gradient growth before"] > 10.0


def test_a_wide_one_wastes_a_material_share():
    (finding,) = check(runs.spiked_run(at=1200, width=400))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["share of the run"] > 0.05


def test_many_short_ones_are_a_warning():
    values = runs.healthy_run(seed=1).series["loss/train"].values.copy()
    for at in range(500, 2000, 250):
        values[at : at + 8] += 2.5
    (finding,) = check(runs.build(values))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["spikes"] == 6.0
    assert (finding.first_step, finding.last_step // 10) == (500, 175)


def test_single_high_losses_are_noise():
    values = runs.healthy_run(seed=1).series["loss/train"].values.copy()
    values[[600, 900, 1300]] += 3.0
    assert check(runs.build(values)) == []


def test_a_rise_that_stays_is_left_to_divergence():
    assert check(runs.diverged_run()) == []


def test_heavy_tailed_noise_is_silent():
    rng = np.random.default_rng(5)
    values = runs.decay(runs.lr_trace(3000)) + 0.05 * rng.standard_t(3, 3000)
    assert check(runs.build(values)) == []


def test_short_runs_are_refused():
    with pytest.raises(NotAssessable, match="only 150 finite training losses; 200"):
        check(runs.build(np.ones(150)))


def test_clips_at_the_90th_percentile_of_this_run():
    run = runs.spiked_run()
    (finding,) = check(run)
    limit = np.quantile(run.series["grad_norm/global"].values, 0.9)
    assert f"max_norm={limit:.2g}" in finding.remedy.code


def test_gradient_growth_is_unknown_without_gradients():
    assert gradient_growth(runs.build(np.ones(300)), 200) == 1.0


@pytest.mark.parametrize(("warmup", "severity"), [(1300, Severity.INFO), (100, Severity.WARNING)])
def test_one_that_begins_while_the_rate_rises_is_a_note(warmup, severity):
    run = runs.spiked_run(at=1200, width=400)
    steps = np.arange(run.n_steps)
    lr = Series(steps, 0.1 * np.minimum((steps + 1) / warmup, 1.0))
    (finding,) = check(runs.with_series(run, lr__0=lr))
    assert finding.severity is severity
