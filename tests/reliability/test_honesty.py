"""What a recording lacks, or worked out by itself, stands in the report that is made of it."""

import errno
import math

import torch
import torch.nn.functional as F

import traindoctor
from tests.recordings import batches, loader, mlp, read, recording
from tests.reliability.test_disk import Disk
from traindoctor import runlog
from traindoctor.collectors.recorders.statistics import ParameterStatistics


def train(net, optimizer, data):
    for x, y in data:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()


def reported(folder):
    """The report as Markdown, without its escapes."""
    path = folder / "report.md"
    traindoctor.render(traindoctor.diagnose(read(folder)), path)
    return path.read_text().replace("\\", "")


def broken(*args, **kwargs):
    raise RuntimeError("broken on purpose")


def test_updates_by_hand(tmp_path, capsys):
    net = mlp()
    with recording(tmp_path) as recorder:
        for x, y in batches(3):
            F.cross_entropy(net(x), y).backward()
            with torch.no_grad():
                for p in net.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
        recorder.open()
    sentence = "no optimizer step was seen; backward was called 3 times"
    assert sentence in capsys.readouterr().err
    text = reported(tmp_path)
    assert sentence in text
    assert "Not assessable: no optimizer step was recorded" in text


def test_statistics_that_were_thinned(tmp_path, monkeypatch):
    from tests.reliability.test_do_no_harm import slow_measure

    monkeypatch.setattr(ParameterStatistics, "measure", slow_measure(ParameterStatistics.measure, []))
    net = mlp()
    with recording(tmp_path):
        train(net, torch.optim.SGD(net.parameters(), 0.1), batches(30))
    assert "thinned: parameters, at the end measured at one step in" in reported(tmp_path)


def test_steps_that_were_skipped(tmp_path):
    net, scaler = mlp(), torch.amp.GradScaler("cpu", init_scale=4.0)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for number, (x, y) in enumerate(batches(20)):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y) * (math.inf if number == 7 else 1)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    text = reported(tmp_path)
    assert "GradScaler skipped 1 steps beside the 19 recorded ones" in text
    assert "amp-skip: 1 step skipped by GradScaler, step 7: 1 by a loss that was not finite" in text


def test_frames_that_were_lost(tmp_path, monkeypatch, capsys):
    net = mlp()
    with monkeypatch.context() as patch:
        patch.setattr(runlog, "os", Disk("write", 9, errno.ENOSPC))
        with recording(tmp_path, flush_seconds=0.0):
            train(net, torch.optim.SGD(net.parameters(), 0.1), batches(12))
    assert "the log is incomplete" in capsys.readouterr().err
    assert "frames could not be written" in reported(tmp_path)


def test_a_recorder_that_failed(tmp_path, monkeypatch, capsys):
    net = mlp()
    monkeypatch.setattr(ParameterStatistics, "measure", broken)
    with recording(tmp_path):
        train(net, torch.optim.SGD(net.parameters(), 0.1), batches(12))
    assert "broken on purpose" in capsys.readouterr().err
    text = reported(tmp_path)
    assert "stopped (RuntimeError: broken on purpose)" in text
    assert "recorder-off: 1 event" in text


def test_what_was_inferred(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path):
        for _ in range(2):
            train(net, optimizer, loader())
            with torch.no_grad():
                for x, y in loader(n=10, seed=1):
                    F.cross_entropy(net(x), y)
    text = reported(tmp_path)
    for name in ("loss/train", "epoch", "loss/validation", "accuracy/validation"):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} |") and "inferred" in line]
        assert "inferred: " in row


def test_scores_beyond_the_limit(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with recording(tmp_path, prediction_bytes=20 * 12 + 20 * 8):
        train(net, optimizer, loader())
        with torch.no_grad():
            for x, y in loader(n=50, seed=1):
                F.cross_entropy(net(x), y)
    assert "the first 20 of 50 samples" in reported(tmp_path)
