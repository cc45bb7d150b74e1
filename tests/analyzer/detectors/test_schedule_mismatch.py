"""schedule-mismatch: horizons too short, too long, past their end; every ordinary schedule is silent."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import runs, weights
from traindoctor.analyzer.detectors.schedule_mismatch import ScheduleMismatch
from traindoctor.analyzer.engine import diagnose
from traindoctor.finding import Severity
from traindoctor.run import OptimizerInfo, Series

N = 1000


def trained_with(scheduler, *, per=1, calls=1, n=N, lr=0.1):
    """The LR trace of a torch scheduler stepped `calls` times after every `per`-th optimizer step."""
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=lr, momentum=0.9)
    built = scheduler(optimizer)
    trace = np.empty(n)
    for step in range(n):
        trace[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        if (step + 1) % per == 0:
            for _ in range(calls):
                built.step()
    groups = ({"label": "0", **{k: v for k, v in optimizer.param_groups[0].items() if k != "params"}},)
    run = weights.with_loss(runs.healthy_run(n, schedule="constant"), 1.5 - 0.2 * np.arange(n) / n)
    run = runs.with_series(run, lr__0=Series(np.arange(n), trace))
    info = replace(run.info, optimizers=(OptimizerInfo("SGD", groups, type(built).__name__),))
    return replace(run, info=info)


def found(run):
    return list(ScheduleMismatch().check(run))


S = torch.optim.lr_scheduler
WRONG = {
    "cosine past T_max": (lambda o: S.CosineAnnealingLR(o, N // 2), {}, "rises again"),
    "cosine in epochs, stepped per batch": (lambda o: S.CosineAnnealingLR(o, 10), {}, "rises again"),
    "linear over a tenth": (lambda o: S.LinearLR(o, 1.0, 0.0, N // 10), {}, "too early"),
    "StepLR in epochs, stepped per batch": (lambda o: S.StepLR(o, 10, 0.1), {}, "too early"),
    "four processes": (lambda o: S.LinearLR(o, 1.0, 0.0, N), {"calls": 4}, "too early"),
    "one-cycle per epoch": (lambda o: S.OneCycleLR(o, 0.1, total_steps=N), {"per": 50}, "warm-up"),
    "warm-up longer than the run": (lambda o: S.LinearLR(o, 0.001, 1.0, 4 * N), {}, "warm-up"),
}


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")
@pytest.mark.parametrize("case", WRONG)
def test_wrong_horizons_and_units_are_named_first(case):
    scheduler, options, words = WRONG[case]
    run = trained_with(scheduler, **options)
    (finding,) = found(run)
    assert words in finding.message
    assert finding.severity is Severity.WARNING
    assert diagnose(run, select=("TD306", "TD302", "TD1")).findings[0].code == "TD306"


def test_remedy_replays_in_torch_over_exactly_the_run():
    (finding,) = found(trained_with(WRONG["linear over a tenth"][0]))
    model = torch.nn.Linear(2, 1)
    scope = {"torch": torch, "model": model}
    exec(finding.remedy.code.split("# in the loop")[0], scope)
    for _ in range(N):
        assert scope["optimizer"].param_groups[0]["lr"] > 0
        scope["optimizer"].step()
        scope["scheduler"].step()
    assert scope["optimizer"].param_groups[0]["lr"] == pytest.approx(0.0)


RIGHT = {
    "constant": lambda o: S.ConstantLR(o, 1.0),
    "cosine": lambda o: S.CosineAnnealingLR(o, N),
    "linear": lambda o: S.LinearLR(o, 1.0, 0.0, N),
    "step": lambda o: S.StepLR(o, N // 3, 0.1),
    "multistep": lambda o: S.MultiStepLR(o, [N // 2, 3 * N // 4], 0.1),
    "exponential": lambda o: S.ExponentialLR(o, 0.01 ** (1 / N)),
    "polynomial": lambda o: S.PolynomialLR(o, N, 2.0),
    "one-cycle": lambda o: S.OneCycleLR(o, 0.1, total_steps=N + 1),
    "warm restarts": lambda o: S.CosineAnnealingWarmRestarts(o, N // 4),
    "cyclic": lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=N // 8),
    "warm-up then constant": lambda o: S.LinearLR(o, 0.01, 1.0, N // 20),
    "long warm-up that ends": lambda o: S.LinearLR(o, 0.01, 1.0, N // 2),
    "cosine, a few steps past its end": lambda o: S.CosineAnnealingLR(o, N - N // 50),
}


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")
@pytest.mark.parametrize("case", RIGHT)
def test_ordinary_schedules_are_silent(case):
    assert found(trained_with(RIGHT[case])) == []


@pytest.mark.parametrize("schedule", runs.SCHEDULES)
def test_synthetic_healthy_schedules_are_silent(schedule):
    assert found(runs.healthy_run(N, schedule=schedule)) == []


@pytest.mark.parametrize("epochs", [5, 15, 100])
def test_schedules_stepped_per_epoch_with_a_horizon_in_epochs_are_silent(epochs):
    assert found(trained_with(lambda o: S.CosineAnnealingLR(o, epochs), per=N // epochs)) == []
    assert found(trained_with(lambda o: S.StepLR(o, max(1, epochs // 2), 0.1), per=N // epochs)) == []


def test_a_solved_task_gets_a_note():
    run = weights.with_loss(trained_with(WRONG["linear over a tenth"][0]), np.full(N, 0.01))
    assert [f.severity for f in found(run)] == [Severity.INFO]


def test_solved_in_training_alone_is_no_excuse():
    run = weights.with_loss(trained_with(WRONG["linear over a tenth"][0]), np.full(N, 0.01))
    run = runs.with_series(run, loss__validation=Series(np.arange(99, N, 100), np.full(N // 100, 1.5)))
    assert [f.severity for f in found(run)] == [Severity.WARNING]


def test_a_peak_that_was_never_reached_is_a_warning_even_on_a_solved_task():
    run = trained_with(lambda o: S.OneCycleLR(o, 2.0, total_steps=20 * N))
    assert [f.severity for f in found(weights.with_loss(run, np.full(N, 0.01)))] == [Severity.WARNING]


def test_a_rate_of_zero_throughout_is_critical():
    run = runs.with_series(runs.healthy_run(N), lr__0=Series(np.arange(N), np.zeros(N)))
    (finding,) = found(run)
    assert finding.severity is Severity.CRITICAL


def test_short_traces_are_silent():
    assert found(runs.cut(trained_with(WRONG["linear over a tenth"][0]), 10)) == []


def test_rate_that_changed_only_between_epochs_is_said_so():
    run = trained_with(WRONG["one-cycle per epoch"][0], per=50)
    epochs = Series(np.arange(N), np.arange(N) // 50)
    (finding,) = found(runs.with_series(run, epoch=epochs))
    assert "only between epochs" in finding.message


def test_planned_peak_that_was_never_reached_is_named():
    run = trained_with(lambda o: S.OneCycleLR(o, 2.0, total_steps=20 * N))
    assert "of the 2 that was set" in found(run)[0].message


def test_a_plateau_scheduler_that_has_given_up_gets_a_note():
    run = trained_with(WRONG["linear over a tenth"][0])
    (optimizer,) = run.info.optimizers
    waited = replace(optimizer, scheduler="ReduceLROnPlateau")
    (finding,) = found(replace(run, info=replace(run.info, optimizers=(waited,))))
    assert finding.severity is Severity.INFO
