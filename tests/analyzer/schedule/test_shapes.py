"""Closed forms of schedules, beyond those that the recogniser's round trip already covers."""

import numpy as np
import pytest
from torch.optim import lr_scheduler as torch_lr

from benchmarks.recogniser import rates
from traindoctor.analyzer.schedule.shapes import lr_values, scaled


def test_one_cycle_three_phase_is_torchs():
    wanted = rates(
        lambda o: torch_lr.OneCycleLR(o, 0.3, 101, three_phase=True, cycle_momentum=False), 0.1, 101
    )
    parameters = {
        "max_lr": 0.3,
        "total_steps": 101,
        "pct_start": 0.3,
        "anneal_strategy": "cos",
        "div_factor": 25.0,
        "final_div_factor": 1e4,
        "three_phase": True,
    }
    np.testing.assert_allclose(lr_values("one-cycle", parameters, np.arange(101)), wanted, rtol=1e-9)


def test_long_restarts_are_torchs():
    wanted = rates(lambda o: torch_lr.CosineAnnealingWarmRestarts(o, 7, 2, 1e-3), 0.1, 700)
    parameters = {"lr": 0.1, "T_0": 7, "T_mult": 2, "eta_min": 1e-3}
    made = lr_values("cosine-warm-restarts", parameters, np.arange(700))
    np.testing.assert_allclose(made, wanted, rtol=1e-9)


def test_plateau_stops_at_min_lr():
    parameters = {"lr": 0.1, "factor": 0.1, "min_lr": 5e-3, "reductions": [2, 4]}
    made = lr_values("reduce-on-plateau", parameters, np.arange(6))
    assert made.tolist() == pytest.approx([0.1, 0.1, 0.01, 0.01, 5e-3, 5e-3])


def test_scaling_changes_learning_rates_only():
    parameters = {"lr": 0.1, "eta_min": 0.01, "T_max": 50, "unit": "step"}
    assert scaled(parameters, 2.0) == {"lr": 0.2, "eta_min": 0.02, "T_max": 50, "unit": "step"}


def test_families_without_a_formula_are_an_error():
    with pytest.raises(KeyError):
        lr_values("custom", {}, np.arange(3))
