"""A small slice of the accuracy benchmark: trainings of fixed draws, diagnosed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.diagnosis.configuration import STARTING_LR, draw
from benchmarks.diagnosis.faults import fault_named
from benchmarks.diagnosis.training import train
from traindoctor.analyzer.engine import diagnose
from traindoctor.finding import Severity

HEALTHY = (1, 2, 13, 24, 35, 46, 57, 68)
"""Draws of the tune split on moons and blobs: MLPs that train in a second or two in mid-sweep."""

ALLOWED = 0
"""Healthy runs of the slice that may alarm: the stated rate, 2 %, is less than one of eight."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def alarms(config):
    run = train(config, "slice", record=True).run
    return [f for f in diagnose(run).findings if f.severity is not Severity.INFO]


def test_healthy_draws_alarm_no_more_than_stated():
    found = {}
    for index in HEALTHY:
        config = draw("tune", index)
        found[index] = alarms(replace(config, lr=STARTING_LR[config.optimizer]))
    loud = {index: [f.message for f in of_run] for index, of_run in found.items() if of_run}
    assert len(loud) <= ALLOWED, loud


@pytest.mark.parametrize(
    ("kind", "codes"),
    [("missing-zero-grad", {"TD208"}), ("optimizer-on-copy", {"TD207"}), ("nan-in-data", {"TD103"})],
)
def test_exact_faults_are_named_first(kind, codes):
    config = draw("tune", 13)
    config = replace(config, lr=STARTING_LR[config.optimizer])
    found = alarms(fault_named(kind).of(config, 13))
    assert found
    assert found[0].code in codes
