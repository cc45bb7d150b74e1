"""Epochs whose losses depend on the place in them, and shuffled ones."""

from dataclasses import replace

import numpy as np
import pytest

from tests import runs
from traindoctor.analyzer.data_order import position_effect
from traindoctor.analyzer.detectors.periodic_loss import PeriodicLoss
from traindoctor.analyzer.engine import diagnose
from traindoctor.finding import Severity
from traindoctor.run import Run, RunInfo, Series

K, EPOCHS = 12, 20
N = K * EPOCHS
PLACE = np.arange(N) % K


def run_of(losses, validation=2.0, k=K):
    n = len(losses)
    series = {
        "loss/train": Series(np.arange(n), np.asarray(losses)),
        "epoch": Series(np.arange(n), np.arange(n) // k),
        "loss/validation": Series(np.arange(k - 1, n, k), np.full(n // k, validation)),
    }
    return Run("r", "r", series, info=RunInfo(baseline=2.3, source="traindoctor"))


def sorted_losses(seed=0):
    """Four classes in a row: each begins with a shock and is forgotten until it comes round again."""
    shock = np.array([3.0, 1.0, 0.4] * 4)
    return shock[PLACE] * np.exp(runs.noise(N, 0.3, seed=seed))


@pytest.mark.parametrize("seed", range(3))
def test_sorted_data_are_found_and_explain_the_rest(seed):
    run = run_of(sorted_losses(seed))
    (finding,) = PeriodicLoss().check(run)
    assert finding.severity is Severity.WARNING
    assert "shuffle=True" in finding.remedy.code
    assert diagnose(run).findings[0].code == "TD109"


def test_the_same_order_that_cost_nothing_is_a_note():
    (finding,) = PeriodicLoss().check(run_of(sorted_losses(), validation=0.2))
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("length", [30.0, 80.0, 1e9])
def test_chance_and_a_steady_fall_are_no_order(seed, length):
    losses = 0.3 + 2.0 * np.exp(-np.arange(N) / length) + runs.noise(N, 0.1, seed=seed)
    effect = position_effect(run_of(losses))
    assert effect is not None
    assert effect.ratio < 4.0


def test_f_ratio_is_that_of_the_textbook():
    rng = np.random.default_rng(1)
    effect = position_effect(run_of(rng.normal(size=N)))
    ratios = [position_effect(run_of(rng.normal(size=N))).ratio for _ in range(200)]
    assert effect is not None
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)


def test_unequal_few_and_sparse_epochs_are_not_judged():
    run = run_of(sorted_losses())
    assert position_effect(run_of(sorted_losses()[: 3 * K])) is None
    assert position_effect(run_of(sorted_losses(), k=3)) is None
    uneven = Series(np.arange(N), np.sort(np.random.default_rng(0).integers(0, 20, N)))
    assert position_effect(runs.with_series(run, epoch=uneven)) is None
    imported = replace(run, info=replace(run.info, x_unit="epochs"))
    assert position_effect(imported) is None
