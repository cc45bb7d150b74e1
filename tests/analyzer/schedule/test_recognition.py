"""The recogniser against traces made by torch's own schedulers, and against damaged traces."""

import numpy as np
import pytest
import torch

from benchmarks.recogniser import MAKERS, VARIANTS, answer, parameters_match
from tests.runs import build, healthy_run
from traindoctor.analyzer.schedule import Metric, recognise, recognise_trace
from traindoctor.collectors.replay import replay_lr
from traindoctor.run import Event, OptimizerInfo, Run, RunInfo, Series

SEED = 77


def traces(name, count=2):
    rng = np.random.default_rng(SEED)
    return [MAKERS[name](rng) for _ in range(count)]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("variant", ["exact", "float32"])
def test_recognises_family_and_parameters(name, variant):
    for trace in traces(name):
        found = answer(trace, variant)
        assert parameters_match(found, trace), (found, trace.parameters)


def test_recognises_95_percent_of_families_at_4_digits():
    right = [
        answer(trace, "4 digits").family == trace.family
        for name in MAKERS
        if not name.startswith("OneCycleLR")
        for trace in traces(name, 1)
    ]
    assert np.mean(right) >= 0.95


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "ReduceLROnPlateau"])
def test_code_rebuilds_the_trace(name):
    for trace in traces(name):
        found = answer(trace, "exact")
        per_epoch = found.parameters["unit"] == "epoch"
        starts = np.concatenate([[0], trace.epoch_ends + 1]) if per_epoch else np.arange(trace.lr.size)
        # the code expects an optimizer built with `lr`; schedulers of the cyclic kind bring their own
        base = found.parameters.get("lr", trace.lr[0])
        made = replay_lr(found.code, "SGD", [base], starts.size)[:, 0]
        np.testing.assert_allclose(made, trace.lr[starts], rtol=1e-6, atol=1e-9 * trace.lr.max())


def test_step_lr_of_five_epochs_comes_back_as_written():
    lr = np.repeat([0.001, 0.0001], 5 * 40)
    found = recognise_trace(np.arange(400), lr, epoch_ends=np.arange(39, 400, 40))
    assert found.family == "step"
    assert found.parameters == {"lr": 0.001, "step_size": 5, "gamma": 0.1, "unit": "epoch"}
    assert "StepLR(optimizer, step_size=5, gamma=0.1)" in found.code
    assert "once per epoch" in found.code


def test_epochs_come_from_the_epoch_series_or_from_events():
    lr = np.repeat(0.1 * 0.5 ** np.arange(6), 30)
    steps = np.arange(180)
    series = {"lr/0": Series(steps, lr)}
    by_series = Run("a", "a", {**series, "epoch": Series(steps, (steps // 30).astype(float))})
    by_event = Run("b", "b", series, events=[Event(30 * k, "epoch") for k in range(6)])
    for run in (by_series, by_event):
        found = recognise(run)
        assert (found.family, found.parameters["unit"], found.parameters["gamma"]) == (
            "exponential",
            "epoch",
            0.5,
        )


def test_per_epoch_schedule_without_known_epochs_gets_its_own_clock():
    lr = np.repeat(0.05 * (1 + np.cos(np.pi * np.arange(20) / 20)), 25)
    found = recognise_trace(np.arange(lr.size), lr)
    assert found.family == "cosine"
    assert (found.parameters["T_max"], found.parameters["every"]) == (20, 25)
    assert "every 25 optimizer steps" in found.code


def test_changes_inside_epochs_keep_the_step_clock():
    lr = np.repeat([0.1, 0.01], 50)
    found = recognise_trace(np.arange(100), lr, epoch_ends=[29, 59, 89])
    assert found.parameters["unit"] == "step"
    assert found.parameters["step_size"] == 50


class TestPlateau:
    LR = np.repeat([0.1, 0.05, 0.025], [40, 60, 40])
    AT = np.arange(9, 140, 10)

    def metric(self, name="loss/validation", mode="min"):
        # best at evaluation 1; patience 1 reduces after evaluation 3; best at 7, reduces after evaluation 9
        values = np.array([1.0, 0.9, 0.95, 0.95, 0.8, 0.7, 0.6, 0.5, 0.55, 0.55, 0.4, 0.3, 0.2, 0.1])
        return Metric(name, self.AT, values if mode == "min" else -values, mode)

    def test_replays_the_metric(self):
        found = recognise_trace(np.arange(140), self.LR, metrics=[self.metric()])
        assert found.family == "reduce-on-plateau"
        assert (found.parameters["patience"], found.parameters["factor"]) == (1, 0.5)
        assert found.parameters["metric"] == "loss/validation"
        assert 'ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1' in found.code

    def test_mode_max(self):
        metric = Metric("accuracy/validation", self.AT, 2.0 - self.metric().values, "max")
        found = recognise_trace(np.arange(140), self.LR, metrics=[metric])
        assert (found.family, found.parameters["mode"]) == ("reduce-on-plateau", "max")

    def test_an_improving_metric_is_not_its_cause(self):
        falling = Metric("loss/validation", self.AT, np.linspace(1, 0.1, 14))
        assert recognise_trace(np.arange(140), self.LR, metrics=[falling]).family == "multistep"

    def test_another_known_scheduler_rules_it_out(self):
        found = recognise_trace(np.arange(140), self.LR, metrics=[self.metric()], scheduler="MultiStepLR")
        assert found.family == "multistep"

    def test_step_lr_is_not_taken_for_a_plateau(self):
        lr = np.repeat([0.1, 0.05, 0.025], [40, 40, 40])
        metric = Metric("loss/validation", self.AT[:12], np.array([1, 0.9, 0.95, 0.95] * 3, dtype=float))
        assert recognise_trace(np.arange(120), lr, metrics=[metric]).family == "step"

    def test_a_run_brings_its_metrics(self):
        run = build(np.ones(140), lr=self.LR)
        series = {**run.series, "loss/validation": Series(self.AT, self.metric().values)}
        info = RunInfo(optimizers=(OptimizerInfo("SGD", scheduler="ReduceLROnPlateau"),))
        found = recognise(Run("p", "p", series, info=info))
        assert found.family == "reduce-on-plateau"


def test_first_group_is_recognised_and_the_others_are_compared():
    t = np.arange(200)
    lr = 0.1 * (1 - t / 200)
    series = {
        "lr/head": Series(t, lr),
        "lr/body": Series(t, lr * 0.01),
        "lr/free": Series(t, np.full(200, 0.1)),
    }
    found = recognise(Run("g", "g", series))
    assert (found.family, found.group) == ("linear", "head")
    assert found.parameters["other_groups"] == {"body": "proportional", "free": "differs"}


@pytest.mark.parametrize(
    ("steps", "lr", "family"),
    [
        ([], [], "unknown"),
        ([5], [0.1], "constant"),
        ([0, 1], [np.nan, np.inf], "unknown"),
        ([0, 1, 2], [0.0, 0.0, 0.0], "constant"),
        ([0, 1, 2, 3], [0.1, -0.1, 0.2, -0.2], "custom"),
        ([0, 1], [0.1, 0.2], None),
        ([0, 1], [0.2, 0.1], None),
        ([0, 1, 2], [0.0, 0.1, 0.0], None),
        ([3, 2, 1, 0], [0.1, 0.2, 0.3, 0.4], None),
        ([0, 10, 10, 12], [1e-300, 1e300, 1e-300, 0.0], None),
    ],
)
def test_odd_traces_do_not_raise(steps, lr, family):
    found = recognise_trace(steps, lr)
    assert family is None or found.family == family


def test_random_traces_do_not_raise_and_are_not_given_a_name():
    rng = np.random.default_rng(SEED)
    for size in (5, 30, 300):
        lr = rng.random(size)
        assert recognise_trace(np.sort(rng.choice(3 * size, size, replace=False)), lr).family == "custom"
    assert recognise_trace(np.arange(300), rng.random(300)).parameters["nearest"]


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="2 steps and 1 rates"):
        recognise_trace([0, 1], [0.1])


def test_gaps_nans_and_rewinds_leave_the_answer():
    t = np.arange(600)
    lr = 0.05 * (1 + np.cos(np.pi * t / 600))
    lr_with_nan = np.where(t % 7 == 3, np.nan, lr)
    gap = (t < 200) | (t > 260)
    steps = np.concatenate([t[gap][:300], t[gap][250:]])
    values = np.concatenate([lr_with_nan[gap][:300], lr_with_nan[gap][250:]])
    found = recognise_trace(steps, values)
    assert (found.family, found.parameters["T_max"]) == ("cosine", 600)


def test_a_rewind_keeps_the_later_record():
    steps = np.concatenate([np.arange(100), np.arange(50, 150)])
    lr = np.concatenate([np.full(50, 0.1), np.full(50, 0.7), np.full(100, 0.1)])
    found = recognise_trace(steps, lr)
    assert (found.family, found.parameters["lr"]) == ("constant", 0.1)


def test_custom_staircase_lists_its_levels_and_code():
    lr = np.repeat([0.1, 0.05, 0.04, 0.001], [30, 25, 40, 20])
    found = recognise_trace(np.arange(lr.size), lr)
    assert found.family == "custom"
    assert found.parameters["milestones"] == [30, 55, 95]
    made = replay_lr(found.code, "SGD", [0.1], lr.size)[:, 0]
    np.testing.assert_allclose(made, lr, rtol=1e-12)


def test_long_trace_has_exact_parameters():
    n, warm = 300_000, 2_000
    t = np.arange(n)
    lr = np.minimum((t + 1) / warm, (n - t) / (n - warm)) * 3e-4
    found = recognise_trace(t, lr)
    assert found.family == "linear"
    assert (found.parameters["warmup_steps"], found.parameters["total_iters"]) == (warm, n - warm)
    assert found.error < 1e-9


def test_run_without_learning_rate_is_unknown():
    assert recognise(Run("x", "x")).family == "unknown"


def test_healthy_run_with_cosine():
    found = recognise(healthy_run(800, schedule="cosine"))
    assert (found.family, found.parameters["T_max"]) == ("cosine", 800)
    assert found.error < 1e-9


def test_variants_cover_sparse_logs():
    trace = traces("CosineAnnealingLR", 1)[0]
    steps, lr = VARIANTS["every 10th"](np.arange(trace.lr.size), trace.lr)
    found = recognise_trace(steps, lr)
    assert (found.family, found.parameters["T_max"]) == ("cosine", trace.parameters["T_max"])


def test_state_of_torch_is_untouched():
    before = torch.random.get_rng_state()
    replay_lr("", "SGD", [0.1], 3)
    assert torch.equal(before, torch.random.get_rng_state())
