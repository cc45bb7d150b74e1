"""Tests of the generator: one healthy and some faulty draws of a few steps, and the cache."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.diagnosis import trials
from benchmarks.diagnosis.configuration import Fault, draw
from benchmarks.diagnosis.faults import fault_named
from benchmarks.diagnosis.storage import load, save
from benchmarks.diagnosis.tasks import TASKS, constant_loss, task_named
from benchmarks.diagnosis.training import Training, spoil, train


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def config():
    return replace(
        draw("tune", 1),
        architecture="mlp",
        activation="relu",
        width=16,
        depth=2,
        norm="none",
        dropout=0.0,
        optimizer="adam",
        lr=1e-2,
        schedule="constant",
        per_epoch=False,
        batch_size=64,
        accumulation=1,
        clip_norm=0.0,
        weight_decay=0.0,
        n_steps=30,
    )


@pytest.fixture
def recorded(config):
    return train(config, "0", record=True).run


def test_recording_does_not_change_the_training(config):
    assert train(config).validation == train(config, "0", record=True).validation


def test_a_healthy_run_learns_and_is_recorded(config, recorded):
    outcome = train(config)
    assert outcome.final < 0.6
    assert recorded.n_steps == 30
    assert len(recorded.series["loss/train"]) == len(recorded.series["lr/0"]) == 30
    assert set(recorded.series["lr/0"].values) == {0.01}
    assert set(recorded.series["batch_size"].values) == {64}
    assert not recorded.series["stale_gradients"].values.any()
    assert recorded.series["loss/validation"].steps[-1] == 29
    assert recorded.info.baseline == pytest.approx(math.log(2), abs=0.01)


def test_parameter_statistics_agree_with_each_other(recorded):
    table = {quantity: row["1.weight"] for quantity, row in recorded.parameters.items()}
    assert list(table["weight_norm"].steps) == [*range(10), *range(10, 30, 5)]
    n_elements = 16 * 2
    assert table["weight_norm"].values == pytest.approx(table["weight_rms"].values * math.sqrt(n_elements))
    assert table["weight_rms"].values ** 2 == pytest.approx(
        table["weight_mean"].values ** 2 + table["weight_std"].values ** 2
    )
    first = slice(1, 10)
    before = table["weight_norm"].values[:9]
    assert table["update_ratio"].values[first] == pytest.approx(table["update_norm"].values[first] / before)
    assert list(table["grad_dead_rows"].steps) == list(table["grad_zero_rows"].steps)[4:]


def test_parameters_are_described(recorded):
    described = {p.name: (p.role, p.module, p.activation, p.group) for p in recorded.info.parameters}
    assert described["1.weight"] == ("matrix", "Linear", "ReLU", "0")
    assert described["1.bias"] == ("bias", "Linear", "ReLU", "0")
    assert described["5.weight"] == ("matrix", "Linear", "", "0")


def test_faults_leave_their_mark_in_the_record(config):
    def run_of(kind: str, **changes):
        return train(fault_named(kind).of(replace(config, **changes), 0), "0", record=True).run

    assert run_of("missing-zero-grad").series["stale_gradients"].values[1:].all()
    copied = run_of("optimizer-on-copy")
    assert not copied.parameters
    assert "grad_norm/global" not in copied.series
    assert {p.group for p in copied.info.parameters} == {""}
    assert {p.group for p in run_of("partly-in-optimizer").info.parameters} == {"", "0"}
    assert run_of("dead-relu-init").parameters["grad_dead_rows"]["1.weight"].values.max() == 1.0
    poisoned = np.isnan(run_of("nan-in-data").series["loss/train"].values)
    assert poisoned.any()
    assert not poisoned[0]
    assert run_of("lr-jump").series["lr/0"].values[-1] == pytest.approx(1.0)
    assert run_of("schedule-rises-again", schedule="cosine").series["lr/0"].values[-1] > 5e-3
    assert run_of("decays-too-early", schedule="cosine").series["lr/0"].values[-1] < 1e-3


def test_faults_of_the_second_review_leave_their_mark(config):
    def run_of(kind: str, **changes):
        return train(fault_named(kind).of(replace(config, **changes), 0), "0", record=True).run

    detached = run_of("detached-trunk")
    assert "1.weight" not in detached.parameters["grad_norm"]
    assert detached.parameters["grad_norm"]["6.weight"].values.all()
    settings = run_of("momentum-too-high").info.optimizers[0].groups[0]
    assert 0.995 <= settings["betas"][0] < 1.0
    assert run_of("huge-epsilon").info.optimizers[0].groups[0]["eps"] >= 0.1
    reset = run_of("weights-reset").parameters["update_ratio"]["1.weight"].values
    assert reset[-1] < 1.0  # the reset is no update of the optimizer's
    spent = run_of("scheduler-per-step", schedule="exponential", per_epoch=True).series["lr/0"].values
    assert spent[-1] < 1e-3 * spent[0]
    assert run_of("endless-warmup", schedule="warmup-cosine").series["lr/0"].values.max() < 1e-3
    assert run_of("softmax-in-model").series["loss/train"].values.min() > 0.3
    final = {
        kind: train(fault_named(kind).of(config, 0)).final
        for kind in ("labels-off-by-one", "validation-unscaled")
    }
    assert all(value > 1.1 * train(config).final for value in final.values()), final


def test_faults_held_out_of_tuning_leave_their_mark(config):
    def run_of(kind: str, **changes):
        return train(fault_named(kind).of(replace(config, **changes), 0), "0", record=True).run

    healthy = train(config, "0", record=True).run
    summed = run_of("summed-loss", optimizer="sgd").series["loss/train"].values
    assert summed[0] == pytest.approx(64 * healthy.series["loss/train"].values[0])
    never = run_of("zero-grad-before-step")
    assert "loss/train" not in never.series  # as the real recorder: no step used these losses
    assert not never.parameters["update_norm"]["1.weight"].values.any()
    assert never.info.batch_size == 64
    assert run_of("equal-weights").parameters["weight_std"]["1.weight"].values[0] == pytest.approx(
        0, abs=1e-7
    )
    for schedule in ("constant", "one-cycle", "cosine"):
        head = run_of("head-lr", schedule=schedule).series
        assert 100 <= head["lr/1"].values[0] / head["lr/0"].values[0] <= 1000
        assert head["lr/0"].values.max() == pytest.approx(config.lr)
    lagging = run_of("stale-average").series
    np.testing.assert_array_equal(lagging["loss/train"].values, healthy.series["loss/train"].values)
    assert lagging["loss/validation"].values[-1] > 1.1 * healthy.series["loss/validation"].values[-1]
    assert train(fault_named("offset-inputs").of(config, 0)).final > 1.1 * train(config).final


def test_faults_held_out_of_tuning_in_the_data():
    task = next(i for i in range(99) if draw("report", i).task == "rents")
    regression = replace(draw("report", task), n_steps=30)
    flat = fault_named("broadcast-targets").of(regression, 0)
    assert spoil(task_named("rents").draw(flat.seed), flat).y_train.dim() == 1
    assert train(flat, "0", record=True).final > 0.9
    classes = replace(draw("report", 1), task="topics")
    data = task_named("topics").draw(classes.seed)
    lacking = spoil(data, fault_named("missing-classes").of(classes, 0))
    assert len(lacking.y_train.unique()) < len(lacking.y_validation.unique()) == 6
    leaky = spoil(data, fault_named("leaking-inputs").of(classes, 0))
    assert np.corrcoef(leaky.x_train[:, -1], leaky.y_train)[0, 1] > 0.8
    assert torch.equal(leaky.x_validation, data.x_validation)


def test_the_warning_of_a_fault_is_silenced_for_that_fault_alone(config):
    training = Training(config)
    training.loss_name = "mse_loss"
    with pytest.raises(UserWarning, match="target size"):  # every warning is an error here
        training._loss(torch.zeros(3, 1), torch.zeros(3))
    training.config = fault_named("broadcast-targets").of(config, 0)
    assert float(training._loss(torch.zeros(3, 1), torch.zeros(3))) == 0.0


def test_clipping_and_accumulation_are_recorded(config):
    run = train(replace(config, clip_norm=0.01, accumulation=2, batch_size=16), "0", record=True).run
    assert set(run.series["micro_batches"].values) == {2}
    assert set(run.series["batch_size"].values) == {32}
    assert run.series["grad_norm/global"].values == pytest.approx(0.01, rel=1e-3)
    assert run.series["grad_norm/preclip"].values.min() > 0.01


def test_a_run_survives_the_disk(recorded, tmp_path):
    save(tmp_path / "run.npz", recorded, {"final": math.inf})
    again, facts = load(tmp_path / "run.npz")
    assert facts == {"final": math.inf}
    assert again.info == recorded.info
    assert again.n_steps == recorded.n_steps
    assert again.events == recorded.events
    assert again.series.keys() == recorded.series.keys()
    for name, series in recorded.series.items():
        np.testing.assert_array_equal(again.series[name].values, series.values)
    for quantity, row in recorded.parameters.items():
        for name, series in row.items():
            np.testing.assert_array_equal(again.parameters[quantity][name].steps, series.steps)
    np.testing.assert_allclose(again.predictions.y_score, recorded.predictions.y_score, rtol=1e-6)


def test_draws_are_made_once_and_loaded_with_their_labels(config, tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "tuned", lambda drawn: drawn)
    kinds = (fault_named("nan-in-data"), fault_named("zero-inputs"))
    trials.make_draw(tmp_path / "tune", 7, config, kinds)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "tune").iterdir()}
    trials.make_draw(tmp_path / "tune", 7, config, kinds)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tune").iterdir()} == stamps
    healthy, poisoned, blind = trials.load_trials("tune", tmp_path)
    assert healthy.healthy
    assert not healthy.harmful
    assert (poisoned.fault, poisoned.harmful, poisoned.final) == ("nan-in-data", True, math.inf)
    assert (blind.fault, blind.harmful, blind.healthy_twin) == ("zero-inputs", True, healthy.id)
    assert "zero" not in blind.run.id + blind.run.name


def test_an_empty_cache_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="diagnosis generate --split report"):
        trials.load_trials("report", tmp_path)


def test_the_sweep_finds_a_learning_rate_inside_its_grid(config, monkeypatch):
    class Fake:
        def __init__(self, lr):
            self.final = abs(math.log10(lr / 0.03))

    monkeypatch.setattr(trials, "train", lambda config, stop_early: Fake(config.lr))
    assert trials.tuned(config).lr == pytest.approx(0.03)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task_draws_data_whose_constant_loss_is_positive(task):
    data, again = task.draw(5), task.draw(5)
    assert torch.equal(data.x_train, again.x_train)
    assert torch.equal(data.y_validation, again.y_validation)
    assert len(data.x_validation) >= 40
    assert constant_loss(data.y_train, task.loss) > 0.1


def test_constant_loss_is_the_minimum_over_constants():
    y = torch.tensor([[0.0], [1.0], [5.0]])
    for name in ("mse_loss", "l1_loss"):
        losses = [
            float(getattr(torch.nn.functional, name)(torch.full_like(y, c), y))
            for c in np.linspace(0, 5, 501)
        ]
        assert constant_loss(y, name) == pytest.approx(min(losses), abs=1e-4)
    assert constant_loss(torch.tensor([0, 0, 1, 2]), "cross_entropy") == pytest.approx(1.5 * math.log(2))
    assert constant_loss(torch.tensor([[0.0], [1.0]]), "binary_cross_entropy_with_logits") == pytest.approx(
        math.log(2)
    )


def test_no_fault_is_the_default():
    assert draw("tune", 3).fault == Fault()
