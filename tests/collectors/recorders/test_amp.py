"""Mixed precision: losses before scaling, gradients after unscaling, skipped steps."""

import pytest
import torch
import torch.nn.functional as F

from tests.recordings import batches, mlp, read, recording, values

BROKEN = 3


def train(make, unscale, losses, norms):
    net = mlp()
    optimizer = make(net.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for number, (x, y) in enumerate(batches(8)):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y) * (torch.inf if number == BROKEN else 1.0)
        scaler.scale(loss).backward()
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        if number != BROKEN:
            losses.append(loss.item())
            norms.append(torch.stack([p.grad.norm() for p in net.parameters()]).norm().item())
        scaler.update()


@pytest.mark.parametrize("unscale", [True, False])
@pytest.mark.parametrize(
    "make",
    [lambda p: torch.optim.SGD(p, 0.1), lambda p: torch.optim.Adam(p, 0.01, fused=True)],
    ids=["sgd", "adam-fused"],
)
def test_scaled_training(make, unscale, tmp_path):
    losses, norms = [], []
    with recording(tmp_path):
        train(make, unscale, losses, norms)
    run = read(tmp_path)
    assert values(run, "loss/train") == losses
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)
    assert values(run, "amp/scale") == [1024.0] * 3 + [512.0] * 4
    assert values(run, "amp/skipped") == [0.0] * 3 + [1.0] + [0.0] * 3
    assert [(e.step, e.data["cause"]) for e in run.events_of("amp-skip")] == [(BROKEN, "loss")]


@pytest.mark.parametrize("fused", [True, False])
def test_skips_in_a_row_are_counted_and_told_from_faults(fused, tmp_path, capsys):
    p = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.SGD([p], 1e-3, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126)
    with recording(tmp_path):
        for number in range(8):
            optimizer.zero_grad()
            scaler.scale(p.sum() * 64 if number < 6 else p.sum() * torch.nan).backward()
            scaler.step(optimizer)
            scaler.update()
    run = read(tmp_path)
    causes = [e.data["cause"] for e in run.events_of("amp-skip")]
    assert causes == ["overflow"] * 5 + ["loss"] * 2
    assert values(run, "amp/skipped") == [5.0]
    assert any("GradScaler skipped 7 steps beside the 1 recorded" in s for s in run.info.diagnostics)
    assert not capsys.readouterr().err


def test_a_run_that_skipped_every_step_says_so(tmp_path, capsys):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu")
    with recording(tmp_path):
        for x, y in batches(3):
            scaler.scale(F.cross_entropy(net(x), y) * torch.nan).backward()
            scaler.step(optimizer)
            scaler.update()
    sentence = "backward was called 3 times, and GradScaler skipped all 3 steps"
    assert [sentence in line for line in capsys.readouterr().err.splitlines()] == [True]
    assert any(sentence in s for s in read(tmp_path).info.diagnostics)


def test_a_scaled_loss_divided_for_accumulation(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    losses = []
    with recording(tmp_path):
        for number, (x, y) in enumerate(batches(4)):
            loss = F.cross_entropy(net(x), y)
            (scaler.scale(loss) / 2).backward()
            losses.append(loss.item())
            if number % 2:
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
    found = values(read(tmp_path), "loss/train")
    assert found == pytest.approx([sum(losses[:2]) / 2, sum(losses[2:]) / 2], rel=1e-6)


def test_a_disabled_scaler_leaves_no_trace(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    with recording(tmp_path):
        for x, y in batches(3):
            scaler.scale(F.cross_entropy(net(x), y)).backward()
            scaler.step(optimizer)
            scaler.update()
    run = read(tmp_path)
    assert run.n_steps == 3
    assert not values(run, "amp/scale")


def test_bfloat16_autocast(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    losses = []
    with recording(tmp_path):
        for x, y in batches(3):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert values(read(tmp_path), "loss/train") == losses
