"""Telling restarts, resumes and disorder apart."""

from __future__ import annotations

import numpy as np
import pytest

from traindoctor.collectors.intake.logbook import Logbook
from traindoctor.collectors.intake.restarts import boundaries


def book(*xs, name="loss"):
    log = Logbook()
    for x in xs:
        log.row(x, {name: float(x)})
    return log


def found(log):
    return [(b.row, b.x, b.is_new_run) for b in boundaries(log.series)]


def test_rising_x_shows_nothing():
    assert found(book(*range(100))) == []
    assert found(book(0, 0, 1, 1, 2)) == []


def test_going_back_to_the_beginning_is_a_new_run():
    assert found(book(*range(10), *range(20), *range(5))) == [(10, 0, True), (30, 0, True)]


def test_a_second_run_may_log_its_first_point_a_little_later():
    assert found(book(0, *range(10, 1000, 10), *range(10, 500, 10))) == [(100, 10, True)]


def test_going_back_part_of_the_way_is_a_resume():
    assert found(book(*range(100), *range(60, 150))) == [(100, 60, False)]


def test_one_restart_seen_in_several_series_counts_once():
    log = Logbook()
    for _ in range(2):
        for x in range(50):
            log.row(x, {"loss": 1.0, "lr": 0.1})
            if x % 10 == 9:
                log.row(x, {"val_loss": 1.0})
    assert [b.is_new_run for b in boundaries(log.series)] == [True]


def test_interleaved_processes_are_no_restarts():
    order = np.arange(200).reshape(-1, 4)[:, ::-1].ravel()
    assert found(book(*order.tolist())) == []


def test_restarts_at_chapters_are_expected():
    log = book(*range(10), *range(10))
    assert boundaries(log.series, [0, 10]) == []


@pytest.mark.parametrize("points", [[], [3.0], [3.0, 3.0]])
def test_too_few_points(points):
    assert found(book(*points)) == []
