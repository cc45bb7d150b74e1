"""One layer out of line, all in line, too few layers."""

import numpy as np
import pytest

from traindoctor.analyzer.detectors.update_ratio_outlier import UpdateRatioOutlier
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Run, Series

STEPS = np.arange(0, 1000, 20)


def run_with(*typical, seed=0):
    rng = np.random.default_rng(seed)
    table = {
        f"fc{i}.weight": Series(STEPS, value * np.exp(rng.normal(0, 0.3, STEPS.size)))
        for i, value in enumerate(typical)
    }
    return Run("u", "u", {}, {"update_ratio": table})


@pytest.mark.parametrize(("value", "times"), [(0.2, 200.0), (1e-6, 1e-3)])
def test_a_layer_far_from_the_others_is_named(value, times):
    (finding,) = UpdateRatioOutlier().check(run_with(1e-3, value, 1e-3, 1e-3, 1e-3))
    assert (finding.severity, finding.parameters) == (Severity.INFO, ("fc1.weight",))
    assert finding.evidence["times the median of the others"] == pytest.approx(times, rel=0.3)
    assert "'fc1.weight'" in finding.remedy.code


@pytest.mark.parametrize("seed", range(3))
def test_a_decade_of_difference_is_usual(seed):
    assert not list(UpdateRatioOutlier().check(run_with(1e-3, 5e-3, 2e-4, 1e-3, 1e-3, seed=seed)))
    assert not list(UpdateRatioOutlier().check(run_with(1e-3, 0.0, 1e-3, 1e-3, 1e-3, seed=seed)))


def test_three_layers_are_not_compared():
    with pytest.raises(NotAssessable, match="only 3 weight matrices"):
        list(UpdateRatioOutlier().check(run_with(1e-3, 0.2, 1e-3)))
