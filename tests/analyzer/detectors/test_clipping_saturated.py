"""Clipping on every step, now and then, and in an optimizer that does not mind."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs, weights
from traindoctor.analyzer.detectors.clipping_saturated import ClippingSaturated
from traindoctor.analyzer.engine import diagnose, examine
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, Series

N = 600


def clipped(limit, run=None, optimizer="SGD", n=N):
    run = run or weights.with_loss(runs.healthy_run(N), np.full(N, 2.2))
    info = replace(run.info, optimizers=(OptimizerInfo(optimizer, ({"label": "0", "lr": 0.1},)),))
    before = np.exp(runs.noise(n, 0.4, seed=3))
    series = {"grad_norm/preclip": before, "grad_norm/global": np.minimum(before, limit)}
    added = {name: Series(np.arange(n), values) for name, values in series.items()}
    return replace(run, info=info, series={**run.series, **added})


def test_a_tight_limit_under_sgd_is_a_warning():
    (finding,) = ClippingSaturated().check(clipped(0.01))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["reduction"] == pytest.approx(100.0, rel=0.1)
    assert finding.evidence["90th percentile"] == pytest.approx(np.exp(0.4 * 1.28), rel=0.15)
    assert f"max_norm={finding.evidence['90th percentile']!r}" in finding.remedy.code


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW"])
def test_a_scale_free_optimizer_does_not_mind(optimizer):
    assert [f.severity for f in ClippingSaturated().check(clipped(0.01, optimizer=optimizer))] == [
        Severity.INFO
    ]


def test_a_good_run_is_only_noted_and_rare_clipping_is_none():
    assert [f.severity for f in ClippingSaturated().check(clipped(0.01, runs.healthy_run(N)))] == [
        Severity.INFO
    ]
    assert not list(ClippingSaturated().check(clipped(1.5)))


def test_needs_both_norms_and_explains_a_low_rate():
    assert "needs grad_norm/preclip" in examine(ClippingSaturated(), runs.healthy_run(N))[1]
    with pytest.raises(NotAssessable, match="50 are needed"):
        list(ClippingSaturated().check(clipped(0.01, n=30)))
    assert diagnose(clipped(0.01)).findings[0].code in ("TD209", "TD107")
