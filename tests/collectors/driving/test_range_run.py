"""A range test inside a training: what it drives, measures, and when it gives up."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from tests.collectors.driving.drives import driving, net
from traindoctor.collectors.driving.orders import Orders, RangeTest
from traindoctor.collectors.driving.reports import read_reports

MAKE = torch.Generator().manual_seed(5)
TEACHER = torch.randn(6, 3, generator=MAKE)


def batch(size=16):
    x = torch.randn(size, 6, generator=MAKE)
    return x, (x @ TEACHER).argmax(dim=1)


def classify(model, x, y):
    return nn.functional.cross_entropy(model(x), y)


def measured_in(
    folder, steps, *, test=None, optimizer=None, loss=classify, backward=None, model=None, size=16
):
    """What was measured, and the report, after a script of so many steps."""
    model = model or net()
    optimizer = optimizer or SGD(model.parameters(), lr=0.1)
    orders = Orders(range_test=test or RangeTest(steps=20))
    ended = False
    with driving(orders, folder):
        try:
            for _ in range(steps):
                optimizer.zero_grad()
                value = loss(model, *batch(size))
                (backward or torch.Tensor.backward)(value)
                optimizer.step()
        except SystemExit as end:
            ended = end.code == 0
    (report,) = read_reports(folder)
    return report.range_test, report, ended


def test_the_rate_rises_from_end_to_end_and_the_script_is_ended(tmp_path):
    model = net()
    optimizer = SGD(
        [{"params": model[0].parameters(), "lr": 0.02}, {"params": model[2].parameters()}], lr=0.1
    )
    used = []
    optimizer.register_step_post_hook(lambda o, *_: used.append([group["lr"] for group in o.param_groups]))
    test = RangeTest(0.002, 0.02, 20, probe_samples=64)
    found, report, ended = measured_in(tmp_path, 99, test=test, optimizer=optimizer, model=model)
    assert (found["reason"], found["done"], ended, report.is_stopped) == ("done", 20, True, True)
    arming = len(used) - 20
    assert arming == 5  # one step before the first tape, then four batches of 16
    assert [pair[0] for pair in used[:arming]] == pytest.approx([0.002] * arming)
    assert [pair[0] for pair in used[arming:]] == pytest.approx(
        [0.002 * 10 ** (step / 19) for step in range(20)]
    )
    assert all(pair[1] == pytest.approx(5 * pair[0]) for pair in used)
    assert [f * report.base_lr for f in found["factors"]] == pytest.approx(
        [pair[0] for pair in used[arming:]]
    )


def test_the_losses_are_those_of_the_taped_batches(tmp_path):
    model, seen, kept = net(), [], []

    def loss(model, x, y):
        seen.append((x, y))
        return classify(model, x, y)

    optimizer = SGD(model.parameters(), lr=0.1)
    # Hooks of an instance run before the global ones: these are the weights that the probe will see.
    optimizer.register_step_post_hook(
        lambda *_: kept.append([classify(model, *seen[i]).item() for i in range(1, min(5, len(seen)))])
    )
    test = RangeTest(1e-3, 1.0, 20, probe_samples=64)
    found, _, _ = measured_in(tmp_path, 99, test=test, optimizer=optimizer, model=model, loss=loss)
    assert found["n_samples"] == 64
    assert found["start"] == pytest.approx(kept[-21])
    assert [pytest.approx(row) for row in kept[-20:]] == found["losses"]


def test_a_long_test_is_measured_now_and_then(tmp_path):
    found, _, _ = measured_in(tmp_path, 999, test=RangeTest(1e-4, 1e-2, 350, probe_samples=16))
    assert found["done"] == 350
    assert len(found["losses"]) == len(found["factors"]) == 117
    assert found["factors"][-1] == pytest.approx(0.1)


def test_a_repetition_begins_later(tmp_path):
    seen = []

    def loss(model, x, y):
        seen.append(x)
        return classify(model, x, y)

    found, report, _ = measured_in(
        tmp_path, 99, test=RangeTest(1e-4, 1e-2, 20, probe_samples=16, lead_in=9), loss=loss
    )
    assert report.steps == 9 + 1 + 20  # the tenth batch is the probe
    assert found["n_samples"] == 16


def test_divergence_ends_the_test(tmp_path):
    found, _, ended = measured_in(
        tmp_path, 999, test=RangeTest(1e-3, 1e9, 60), loss=lambda m, x, y: (m(x) - x[:, :3]).pow(2).mean()
    )
    assert (found["reason"], ended) == ("diverged", True)
    assert found["done"] < 60


def test_a_short_script_is_told_apart(tmp_path):
    found, report, ended = measured_in(tmp_path, 18, test=RangeTest(steps=20, probe_samples=32))
    assert (found["reason"], found["done"], ended) == ("script-ended", 15, False)
    assert not report.is_stopped


def test_a_loss_that_is_not_finite_from_the_start(tmp_path):
    model = net()
    orders = Orders(range_test=RangeTest())
    with pytest.raises(SystemExit), driving(orders, tmp_path) as driver:
        (classify(model, *batch()) * float("nan")).backward()
    assert driver.range_run.result()["reason"] == "not-finite-at-start"
    (report,) = read_reports(tmp_path)
    assert report.range_test["reason"] == "not-finite-at-start"


def test_two_losses_by_turns_are_no_progress_signal(tmp_path):
    one, two = net(0), net(1)
    first, second = SGD(one.parameters(), lr=0.1), SGD(two.parameters(), lr=0.1)

    def script():
        for _ in range(9):
            for model, optimizer in ((one, first), (two, second)):
                optimizer.zero_grad()
                classify(model, *batch()).backward()
                optimizer.step()

    with driving(Orders(range_test=RangeTest()), tmp_path), pytest.raises(SystemExit):
        script()
    (report,) = read_reports(tmp_path)
    assert report.range_test["reason"] == "several-losses"


def test_two_optimizers_of_one_loss_are_tested_together(tmp_path):
    model = net()
    first, second = SGD(model[0].parameters(), lr=0.1), AdamW(model[2].parameters(), lr=0.01)

    def script():
        for _ in range(99):
            first.zero_grad()
            second.zero_grad()
            classify(model, *batch()).backward()
            first.step()
            second.step()

    with driving(Orders(range_test=RangeTest(steps=20)), tmp_path), pytest.raises(SystemExit):
        script()
    (report,) = read_reports(tmp_path)
    assert report.range_test["done"] >= 15


def test_without_a_tape_the_training_loss_stands_in(tmp_path):
    own = torch.Generator().manual_seed(0)

    def noisy(model, x, y):
        scores = model(x)
        return nn.functional.cross_entropy(
            scores * torch.empty_like(scores).bernoulli_(0.9, generator=own), y
        )

    found, _, ended = measured_in(tmp_path, 99, loss=noisy, test=RangeTest(1e-4, 1.0, 20))
    assert "generator" in found["no_probe"]
    assert ended
    assert len(found["losses"]) == len(found["factors"])
    assert all(len(row) == 1 for row in found["losses"])


def test_under_a_loss_scaler_the_loss_is_the_scripts(tmp_path):
    model = net()
    optimizer = SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)

    def script():
        for _ in range(99):
            optimizer.zero_grad()
            scaler.scale(classify(model, *batch())).backward()
            scaler.step(optimizer)
            scaler.update()

    with driving(Orders(range_test=RangeTest(1e-4, 1e-2, 20)), tmp_path), pytest.raises(SystemExit):
        script()
    (report,) = read_reports(tmp_path)
    assert report.range_test["no_probe"] == ""
    assert max(report.range_test["start"]) < 5.0
