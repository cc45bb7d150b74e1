"""NaN and infinity in losses, weights and under mixed precision."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.detectors.non_finite import NonFinite, first_bad_parameter, precursor_growth
from traindoctor.finding import Severity
from traindoctor.run import Series


def check(run):
    return list(NonFinite().check(run))


def with_losses(values):
    return runs.build(values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_stays_bad_is_critical(bad):
    values = np.ones(300)
    values[200:] = bad
    (finding,) = check(with_losses(values))
    assert (finding.severity, finding.first_step, finding.last_step) == (Severity.CRITICAL, 200, 299)
    assert finding.confidence == 1.0


def test_the_last_step_alone_is_critical():
    values = np.ones(300)
    values[-1] = np.nan
    assert check(with_losses(values))[0].severity is Severity.CRITICAL


def test_a_few_bad_losses_that_pass_are_a_note():
    values = np.ones(300)
    values[[50, 120]] = np.nan
    (finding,) = check(with_losses(values))
    assert (finding.severity, finding.first_step, finding.last_step) == (Severity.INFO, 50, 120)
    assert finding.evidence["non-finite losses"] == 2.0


def test_a_gradient_that_grew_before_is_named_and_clipped():
    run = runs.nan_run(at=600)
    (finding,) = check(run)
    assert finding.first_step == 600
    assert finding.evidence["gradient growth before"] > 100.0
    assert "clip_grad_norm_" in finding.remedy.code
    assert "50 steps before" in finding.message


def test_a_failure_out_of_the_blue_asks_for_the_batch():
    values = np.ones(300) + runs.noise(300, 0.01)
    values[200:] = np.nan
    (finding,) = check(with_losses(values))
    assert finding.evidence["gradient growth before"] == 1.0
    assert "set_detect_anomaly" in finding.remedy.code


def test_the_first_bad_parameter_is_named():
    run = runs.healthy_run(1000)
    steps = runs.sampled_steps(1000)
    tables = {q: dict(t) for q, t in run.parameters.items()}
    for name, at in (("fc3.weight", 700), ("fc2.weight", 600)):
        values = np.where(steps >= at, np.nan, 1.0)
        tables["weight_norm"][name] = Series(steps, values)
    run = replace(run, parameters=tables)
    assert first_bad_parameter(run) == ("fc2.weight", 600)
    (finding,) = check(run)
    assert finding.severity is Severity.CRITICAL
    assert finding.parameters == ("fc2.weight",)
    assert finding.message.startswith("The weights of fc2.weight became NaN or infinite at step 600;")


def test_no_precursor_without_history():
    assert precursor_growth(runs.healthy_run(100), 5) == 1.0


@pytest.mark.parametrize(("skipped", "scale", "found"), [(2, 65536.0, 0), (30, 1024.0, 1), (0, 1e-6, 1)])
def test_mixed_precision_that_overflows_too_often(skipped, scale, found):
    flags = np.zeros(1000)
    flags[-200:][:skipped] = 1.0
    run = runs.with_series(
        runs.healthy_run(1000),
        amp__skipped=Series(np.arange(1000), flags),
        amp__scale=Series(np.arange(1000), np.full(1000, scale)),
    )
    findings = check(run)
    assert [f.severity for f in findings] == [Severity.WARNING] * found
    if found:
        assert "bfloat16" in findings[0].remedy.text
