"""Ranks compared: who drifted apart, who keeps the others waiting, and who does neither."""

from pathlib import Path

import numpy as np
import pytest

from traindoctor.collectors.importers.process_log import ProcessLog
from traindoctor.collectors.importers.ranks import comparison
from traindoctor.run import Series

STEPS = np.arange(20)


def logs(n=3, checksums=(), before=(), steps=STEPS):
    """Ranks of equal weights and times, but for the given rank -> {parameter: values} and rank -> seconds."""
    made = []
    for rank in range(n):
        log = ProcessLog(Path(str(rank)), header={"rank": rank, "world_size": n})
        same = {"a": np.arange(20.0), "b": np.arange(20.0) * 2}
        table = same | dict(checksums).get(rank, {})
        log.parameters = {"weight_checksum": {k: Series(STEPS, np.asarray(v)) for k, v in table.items()}}
        times = np.broadcast_to(dict(before).get(rank, 0.01), STEPS.shape)
        log.series = {
            "time/before_backward": Series(steps, times[steps].astype(float)),
            "time/step": Series(STEPS, np.full(20, 0.1)),
            "grad_norm/global": Series(STEPS, np.ones(20)),
        }
        made.append(log)
    return made


def from_step(step):
    return np.arange(20.0) + (step <= STEPS)


def test_ranks_in_step_are_not_named():
    assert comparison(logs()) == ([], [])


def test_one_process_is_not_compared():
    assert comparison(logs(1)) == ([], [])


def test_the_first_difference_is_named_with_rank_step_and_parameter():
    ranks = logs(checksums={2: {"a": from_step(7), "b": np.arange(20.0) * 2 + (STEPS >= 9)}})
    (sentence,), (event,) = comparison(ranks)
    assert (event.kind, event.step, dict(event.data)) == ("desync", 7, {"ranks": [2], "parameters": ["a"]})
    assert sentence == (
        "the weights of rank 2 differ from rank 0's from step 7 on (a); they were the same until step 6: "
        "training in step keeps them the same to the bit"
    )


def test_ranks_that_never_agreed_train_on_their_own():
    ranks = logs(checksums={1: {"a": from_step(0), "b": from_step(0)}})
    ranks[1].series["grad_norm/global"] = Series(STEPS, np.full(20, 1.5))
    (sentence,), _ = comparison(ranks)
    assert sentence.endswith("from step 0 on (a, b): and so do their gradients: each rank trains on its own")


def test_a_checksum_that_one_rank_lacks_tells_nothing():
    ranks = logs(checksums={1: {"a": from_step(3)}})
    del ranks[2].parameters["weight_checksum"]["a"]
    assert comparison(ranks) == ([], [])


def test_a_straggler_is_named_with_its_seconds():
    (sentence,), (event,) = comparison(logs(before={1: 0.06}))
    assert dict(event.data) == pytest.approx({"rank": 1, "seconds": 0.05, "step_seconds": 0.1})
    assert sentence == (
        "rank 1 keeps the others waiting: from the end of a step to its backward call it takes 0.06 s, "
        "the others 0.01 s, of 0.1 s per step (medians)"
    )


@pytest.mark.parametrize(
    "before",
    [
        {1: 0.025},  # a sixth of the step
        {1: np.where(STEPS % 3 == 0, 0.09, 0.01)},  # now and then
        {1: 0.06, 2: 0.06},  # two of three: nobody waits for one alone
    ],
)
def test_smaller_seldom_or_common_delays_are_not_named(before):
    assert comparison(logs(before=before)) == ([], [])


def test_few_steps_name_no_straggler():
    assert comparison(logs(before={1: 0.06}, steps=STEPS[:7])) == ([], [])
