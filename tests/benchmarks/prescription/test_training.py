"""Many runs at once give what each gives in an ordinary loop with torch's own optimizers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.prescription.tasks import CENTRE, tasks
from benchmarks.prescription.training import Request, Result, batches, train, train_together

DATA = Path(__file__).resolve().parents[4] / "shared" / "datasets"
TASKS = tasks(DATA)


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
def test_together_is_as_one_by_one(task):
    try:
        data = task.make()
    except FileNotFoundError:
        pytest.skip("mnist.npz is not here")
    fall = np.linspace(1.0, 0.1, 6) * CENTRE[task.optimizer]
    requests = [
        Request(factor * fall, seed, 4, is_traced=True) for seed, factor in ((3, 1.0), (4, 0.1), (3, 3.0))
    ]
    for request, found in zip(requests, train_together(task, data, requests), strict=True):
        alone, _ = train(task, data, request)
        assert found.losses == pytest.approx(alone.losses, rel=2e-4)
        assert found.validation == pytest.approx(alone.validation, rel=2e-4)
        assert len(found.validation) == 2
        assert (found.first, found.last) == (found.losses[0], found.losses[-1])


def test_a_long_run_stays_together_too():
    """Rounding of 120 steps, at a rate at which training is stable."""
    task = next(task for task in TASKS if task.name == "five classes, tabular")
    request = Request(np.linspace(3e-3, 1e-5, 120), 7, 60)
    (found,) = train_together(task, task.make(), [request])
    alone, _ = train(task, task.make(), request)
    assert found.final == pytest.approx(alone.final, rel=1e-3)


def test_runs_of_other_lengths_are_refused():
    task = TASKS[0]
    requests = [Request(np.ones(4), 0, 2), Request(np.ones(5), 0, 2)]
    with pytest.raises(ValueError, match="equal length"):
        train_together(task, task.make(), requests)


def test_batches_pass_over_everything_once():
    order = batches(100, 30, 5, seed=2)
    assert order.shape == (5, 30)
    assert len(set(order[:3].flatten().tolist())) == 90
    assert order.tolist() != batches(100, 30, 5, seed=3).tolist()


def test_a_run_that_diverges_is_infinitely_bad():
    assert Result(1.0, float("nan"), (1.0, float("nan"))).final == float("inf")
    task = replace(TASKS[0], loss="mse_loss", make=TASKS[4].make, model=TASKS[4].model)
    (found,) = train_together(task, task.make(), [Request(np.full(60, 1e4), 0, 30)])
    assert found.final == float("inf")


def test_the_halves_are_of_about_equal_size_and_every_optimizer_is_in_both():
    names = {half: [task for task in TASKS if task.half == half] for half in ("tune", "report")}
    assert len(TASKS) >= 12
    assert abs(len(names["tune"]) - len(names["report"])) <= 1
    for half in names.values():
        assert {task.optimizer for task in half} == set(CENTRE)
