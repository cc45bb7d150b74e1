"""Do no harm: with the recorder off, on, or raising in every hook, a training ends with the same bits."""

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, fingerprint, loader, mlp, read, recording
from traindoctor.collectors.recorder import Recorder
from traindoctor.collectors.recorders import (
    amp,
    baseline,
    clipping,
    evaluation,
    loss,
    loss_functions,
    network,
    optimizer_step,
    parameters,
    predictions,
    sink,
    statistics,
)
from traindoctor.collectors.recorders import loader as loader_module

STEPS = 14


def model():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))


def plain(net, make_optimizer, losses):
    optimizer = make_optimizer(net.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
    for _ in range(4):
        for x, y in loader(shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        net.eval()
        with torch.no_grad():
            for x, y in loader(seed=1):
                scores = net(x)
                losses.append((torch.max(scores, 1)[1] == y).sum().item())
                losses.append(F.cross_entropy(scores, y).item())
        net.train()
    return optimizer.state_dict()


def closure(net, make_optimizer, losses):
    optimizer = make_optimizer(net.parameters())
    for x, y in batches(STEPS // 2):

        def again(x=x, y=y):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            return loss

        optimizer.step(again)
    return optimizer.state_dict()


def accumulated(net, make_optimizer, losses):
    optimizer = make_optimizer(net.parameters())
    for number, (x, y) in enumerate(batches(STEPS * 2)):
        loss = F.cross_entropy(net(x), y) / 2
        loss.backward()
        losses.append(loss.item())
        if number % 2:
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
    return optimizer.state_dict()


def scaled(net, make_optimizer, losses):
    optimizer = make_optimizer(net.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for number, (x, y) in enumerate(batches(STEPS)):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(net(x).float(), y) * (torch.inf if number == 5 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return optimizer.state_dict(), scaler.state_dict()


CASES = {
    "sgd-momentum": (plain, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-3)),
    "adamw-foreach": (plain, lambda p: torch.optim.AdamW(p, 1e-2, foreach=True)),
    "adam-fused": (plain, lambda p: torch.optim.Adam(p, 1e-2, fused=True)),
    "adam-tensor-lr": (plain, lambda p: torch.optim.Adam(p, torch.tensor(1e-2))),
    "rmsprop": (plain, lambda p: torch.optim.RMSprop(p, 1e-3)),
    "lbfgs": (closure, lambda p: torch.optim.LBFGS(p, 0.1, max_iter=3)),
    "sgd-closure": (closure, lambda p: torch.optim.SGD(p, 0.1)),
    "accumulation": (accumulated, lambda p: torch.optim.SGD(p, 0.1)),
    "amp-sgd": (scaled, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    "amp-adam-fused": (scaled, lambda p: torch.optim.Adam(p, 1e-2, fused=True)),
}


def trained(case):
    train, make_optimizer = CASES[case]
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    net, losses = model(), []
    state = train(net, make_optimizer, losses)
    return fingerprint(net.state_dict(), state, losses, [p.grad for p in net.parameters()])


@pytest.mark.parametrize("case", CASES)
def test_recording_changes_no_bit(case, tmp_path):
    plain_run = trained(case)
    with recording(tmp_path):
        recorded = trained(case)
    assert recorded == plain_run
    assert read(tmp_path).n_steps > 0


WORK = [
    (Recorder, "state"),
    (Recorder, "register"),
    (Recorder, "track"),
    (Recorder, "flush"),
    (optimizer_step.StepRecorder, "_before"),
    (optimizer_step.StepRecorder, "_after"),
    (optimizer_step.StepRecorder, "_zeroed"),
    (loss.LossRecorder, "_before"),
    (loss_functions.LossFunctionRecorder, "_called"),
    (evaluation.EvaluationRecorder, "loss_evaluated"),
    (evaluation.EvaluationRecorder, "write"),
    (loader_module.LoaderRecorder, "_begin"),
    (loader_module.LoaderRecorder, "_delivered"),
    (loader_module.LoaderRecorder, "_end"),
    (predictions.PredictionRecorder, "_picked"),
    (predictions.PassPredictions, "arrays"),
    (baseline.BaselineRecorder, "trained_on"),
    (baseline.BaselineRecorder, "digest"),
    (network.NetworkRecorder, "_write"),
    (parameters.ParameterRecorder, "before_step"),
    (statistics.ParameterStatistics, "measure"),
    (statistics.ParameterStatistics, "snapshot"),
    (clipping.ClippingRecorder, "_keep"),
    (amp.AmpRecorder, "_before"),
    (amp.AmpRecorder, "_after"),
    (sink.Sink, "open"),
    (sink.Sink, "rows"),
    (sink.Sink, "event"),
]


@pytest.mark.parametrize(("owner", "name"), WORK, ids=[f"{owner.__name__}.{name}" for owner, name in WORK])
def test_a_failure_in_any_hook_changes_no_bit(owner, name, tmp_path, monkeypatch, capsys):
    cases = ("amp-sgd",) if owner is amp.AmpRecorder else ("sgd-momentum",)
    expected = [trained(case) for case in cases]
    made_before = torch.optim.SGD(mlp().parameters(), 0.1)  # found when the recording begins

    def broken(*args, **kwargs):
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(owner, name, broken)
    with recording(tmp_path, flush_seconds=0.0):
        found = [trained(case) for case in cases]
    assert found == expected
    assert made_before.state == {}
    said = capsys.readouterr().err.splitlines()
    assert said
    assert all("broken on purpose" in line for line in said)
    assert len(said) == len(set(said))
