"""Metrics that fall to nothing at a known epoch, and falls that are no collapse."""

import numpy as np
import pytest

from tests import foreign
from traindoctor.analyzer.detectors.collapsed_metric import CollapsedMetric
from traindoctor.detector import NotAssessable

X = foreign.epochs(30)


def check(values, name="map/validation", better="higher", **info):
    run = foreign.imported({name: (X[: len(values)], values)}, better={name: better}, **info)
    return list(CollapsedMetric().check(run))


@pytest.mark.parametrize("at", [10, 20, 27])
def test_finds_where_it_collapses(at):
    (finding,) = check(np.where(np.arange(30) < at, 0.1 + 0.02 * np.arange(30), 0.002))
    assert finding.first_step == X[at]
    assert f"collapsed at epoch {X[at]}" in finding.message


def test_chance_is_the_floor_of_an_accuracy_with_known_classes():
    values = np.where(np.arange(30) < 20, 0.1 + 0.02 * np.arange(30), 0.1)
    (finding,) = check(values, "accuracy/validation", n_classes=10)
    assert finding.evidence["nothing or chance"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0.1, 0.7, 30),
        foreign.turning(30, 15, 0.1, 0.7, 0.4),
        np.where(np.arange(30) == 20, 0.0, np.linspace(0.1, 0.7, 30)),
        np.r_[np.linspace(0.1, 0.7, 29), 0.0],
        np.zeros(30),
    ],
)
def test_dips_declines_and_single_bad_evaluations_are_no_collapse(values):
    assert check(values) == []


def test_an_error_rate_that_falls_to_nothing_has_not_collapsed():
    assert check(np.where(np.arange(30) < 20, 0.5, 0.0), "wer/validation", "lower") == []


def test_few_values_are_refused():
    with pytest.raises(NotAssessable, match="known direction has 6 values"):
        check(np.array([0.5, 0.6, 0.0]))
