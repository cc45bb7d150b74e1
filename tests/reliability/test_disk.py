"""R6, R7: disks that fail at the n-th call, or are full and then freed, cost no step and no bit."""

import errno
import itertools
import os
import subprocess

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.recordings import batches, fingerprint, mlp, read, recording, values
from tests.reliability.sizes import size
from traindoctor import runlog

FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, 0)


class Disk:
    """`os` for the writer, whose n-th call of one function fails; error 0 stands for a short write."""

    def __init__(self, function, n, error):
        self.function, self.n, self.error = function, n, error
        self.calls = 0

    def __getattr__(self, name):
        real = getattr(os, name)
        return self._counted(real) if name == self.function else real

    def _counted(self, real):
        def call(*args):
            self.calls += 1
            if self.calls != self.n:
                return real(*args)
            if self.error:
                raise OSError(self.error, os.strerror(self.error))
            return real(args[0], bytes(args[1])[: max(1, len(args[1]) // 3)])

        return call


def train():
    torch.manual_seed(3)
    net, losses = mlp(), []
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for x, y in batches(size(22, 120)):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, fingerprint(net.state_dict(), optimizer.state_dict())


@pytest.mark.parametrize("error", FAULTS, ids=["ENOSPC", "EIO", "EDQUOT", "short"])
def test_r6_the_nth_write_fails(error, tmp_path, monkeypatch, capsys):
    expected = train()
    n_failed = 0
    for n in itertools.count(1):
        disk = Disk("write", n, error)
        with monkeypatch.context() as patch:
            patch.setattr(runlog, "os", disk)
            with recording(tmp_path / str(n), flush_seconds=0.0):
                assert train() == expected
        said = capsys.readouterr().err.splitlines()
        failed = disk.calls >= n and error
        n_failed += disk.calls >= n
        assert len(said) == bool(failed)
        run = read(tmp_path / str(n))
        kept = values(run, "loss/train")
        assert set(kept) <= set(expected[0])
        if not failed:
            assert kept == expected[0]
        elif n < disk.calls:
            assert any("frames could not be written" in sentence for sentence in run.info.diagnostics)
            assert run.info.optimizers[0].name == "SGD"
            assert len(run.info.parameters) == 4
            assert run.info.status == "finished"
        if disk.calls < n:
            break  # every write of this training has failed once
    assert n_failed >= size(25, 123)


@pytest.mark.parametrize("error", FAULTS[:3])
def test_r6_the_log_cannot_be_made(error, tmp_path, monkeypatch, capsys):
    expected = train()
    monkeypatch.setattr(runlog, "os", Disk("open", 1, error))
    with recording(tmp_path):
        assert train() == expected
    (line,) = capsys.readouterr().err.splitlines()
    assert "not recorded: cannot write to" in line


@pytest.mark.parametrize("error", FAULTS[:3])
def test_r6_the_sync_fails(error, tmp_path, monkeypatch, capsys):
    disk = Disk("fdatasync", 1, error)
    monkeypatch.setattr(runlog, "os", disk)
    monkeypatch.setattr("traindoctor.collectors.recorders.sink.SYNC_SECONDS", 0.0)
    with recording(tmp_path, flush_seconds=0.0):
        losses, _ = train()
    assert disk.calls
    assert not capsys.readouterr().err
    assert values(read(tmp_path), "loss/train") == losses


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one MiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_file_system_that_is_freed(small_disk, capsys):
    """R7: training goes on while the disk is full, and recording resumes when there is room again."""
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(40)))
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(900_000))
    losses = []

    def steps(n):
        for _ in range(n):
            optimizer.zero_grad()
            loss = net(torch.ones(2, 4)).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    with recording(small_disk, every=1, flush_seconds=0.0):
        steps(60)
        filler.unlink()
        steps(20)
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "the log is incomplete: No space left on device" in line] == said
    assert len(said) == 1
    run = read(small_disk)
    kept = run.series["loss/train"]
    assert all(
        losses[step] == value for step, value in zip(kept.steps.tolist(), kept.values.tolist(), strict=True)
    )
    assert kept.steps[-1] == 79
    assert any("frames could not be written" in sentence for sentence in run.info.diagnostics)
