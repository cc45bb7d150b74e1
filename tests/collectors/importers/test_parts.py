"""Norms of parameters that ranks hold in parts, put together from their logs."""

from pathlib import Path

import numpy as np
import pytest

from traindoctor.collectors.importers.merging import merge_ranks, rank_notes
from traindoctor.collectors.importers.process_log import ProcessLog
from traindoctor.run import Series

STEPS = np.arange(4)


def series(values, steps=STEPS):
    return Series(np.asarray(steps), np.asarray(values, dtype=float))


def rank_log(rank, world=2, copies=1, steps=STEPS, **tables):
    """One rank's log with a parameter `w` in parts and a whole one `b`."""
    log = ProcessLog(Path(f"{rank}"), header={"rank": rank, "world_size": world})
    log.meta = {"parts": {"w": copies}, "diagnostics": []}
    log.series = {
        "loss/train": series(np.ones(len(steps)) * rank, steps),
        "grad_norm/global": series(np.full(len(steps), 99.0), steps),
        "grad_norm/part": series(np.full(len(steps), 3.0 + rank), steps),
        "grad_norm/whole": series(np.full(len(steps), 2.0), steps),
    }
    log.parameters = {
        "weight_norm": {"w": series(np.full(len(steps), 3.0 + rank), steps), "b": series(STEPS)},
        "weight_max": {"w": series(np.full(len(steps), 0.5 + rank), steps)},
        "weight_mean": {"w": series(np.full(len(steps), 0.1), steps), "b": series(STEPS)},
        "update_norm": {"w": series(np.full(len(steps), 1.0), steps)},
        "update_ratio": {"w": series(np.full(len(steps), 0.25 if rank else 1 / 3), steps)},
        **tables,
    }
    return log


def test_squares_of_parts_are_added_and_whole_ones_count_once():
    merged = merge_ranks([rank_log(0), rank_log(1)])
    assert merged.series["grad_norm/global"].values == pytest.approx(np.sqrt(9 + 16 + 4))
    assert merged.parameters["weight_norm"]["w"].values == pytest.approx(5.0)
    assert merged.parameters["weight_norm"]["b"].values.tolist() == STEPS.tolist()
    assert merged.parameters["weight_max"]["w"].values == pytest.approx(1.5)
    assert merged.parameters["update_ratio"]["w"].values == pytest.approx(np.sqrt(2) / 5)
    assert not {"grad_norm/part", "grad_norm/whole"} & set(merged.series)


def test_what_parts_do_not_tell_is_left_out():
    merged = merge_ranks([rank_log(0), rank_log(1)])
    assert set(merged.parameters["weight_mean"]) == {"b"}


def test_copies_of_a_part_count_once():
    ranks = [rank_log(rank, world=4, copies=2) for rank in (0, 1, 0, 1)]
    assert merge_ranks(ranks).parameters["weight_norm"]["w"].values == pytest.approx(5.0)


def test_only_steps_that_every_rank_sampled_are_told():
    merged = merge_ranks([rank_log(0), rank_log(1, steps=np.array([1, 3]))])
    assert merged.series["grad_norm/global"].steps.tolist() == [1, 3]
    assert merged.parameters["weight_norm"]["w"].steps.tolist() == [1, 3]


def test_a_missing_rank_leaves_norms_of_parts_out_and_says_so():
    ranks = [rank_log(0, world=3), rank_log(1, world=3)]
    merged = merge_ranks(ranks)
    assert set(merged.series) == {"loss/train"}
    assert set(merged.parameters["weight_norm"]) == {"b"}
    assert "update_ratio" not in merged.parameters
    assert "2 of 3 ranks' logs are there" in next(iter(rank_notes(ranks)))


def test_a_rank_with_an_empty_part_adds_nothing():
    empty = rank_log(1)
    for table in empty.parameters.values():
        table.pop("w", None)
    merged = merge_ranks([rank_log(0), empty])
    assert merged.parameters["weight_norm"]["w"].values == pytest.approx(3.0)


@pytest.mark.parametrize("said", [None, [], {"w": 0}, {"w": True}, {"w": "2"}, {"w": -1}])
def test_strange_facts_about_parts_are_no_parts(said):
    ranks = [rank_log(0), rank_log(1)]
    for log in ranks:
        log.meta["parts"] = said
    assert merge_ranks(ranks).parameters["weight_norm"]["w"].values == pytest.approx(3.0)
