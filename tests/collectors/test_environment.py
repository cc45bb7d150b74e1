"""Where a run happened: versions, the process, the commit; and no secret."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time

import pytest

from traindoctor.collectors import environment
from traindoctor.collectors.environment import (
    describe_environment,
    describe_git,
    describe_process,
    host_name,
    process_start,
)


def git(folder, *arguments):
    identity = [
        "-c",
        "user.name=n",
        "-c",
        "user.email=e@x",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "init.defaultBranch=main",
    ]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "train.py").write_text("1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_the_environment_is_json_and_holds_only_allowed_variables(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    facts = describe_environment()
    assert "hunter2" not in json.dumps(facts)
    assert facts["variables"]["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert facts["python"] == sys.version.split()[0]
    assert facts["cpus"] == os.cpu_count()


def test_describing_the_environment_imports_nothing():
    code = (
        "import sys\nfrom traindoctor.collectors.environment import describe_environment\n"
        "print(describe_environment()['versions'], {'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{} set()\n"


def test_a_process_is_named_by_pid_and_start(monkeypatch):
    for name in (
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "TORCHELASTIC_RESTART_COUNT",
        "SLURM_PROCID",
        "SLURM_NTASKS",
    ):
        monkeypatch.delenv(name, raising=False)
    facts = describe_process()
    assert (facts["pid"], facts["rank"], facts["world_size"], facts["attempt"]) == (os.getpid(), 0, 1, 0)
    assert facts["process_start"] == process_start(os.getpid())
    assert abs(facts["started"] - time.time()) < 60
    assert facts["host"] == host_name()


def test_rank_and_attempt_come_from_torchrun_then_slurm(monkeypatch):
    monkeypatch.setenv("SLURM_PROCID", "7")
    monkeypatch.setenv("SLURM_NTASKS", "8")
    assert (describe_process()["rank"], describe_process()["world_size"]) == (7, 8)
    for name, value in (
        ("RANK", "3"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_RANK", "1"),
        ("TORCHELASTIC_RESTART_COUNT", "2"),
    ):
        monkeypatch.setenv(name, value)
    facts = describe_process()
    assert [facts[key] for key in ("rank", "world_size", "local_rank", "attempt")] == [3, 4, 1, 2]
    monkeypatch.setenv("RANK", "-1; rm")
    assert describe_process()["rank"] == 7


def test_the_start_of_a_process_that_is_gone_is_unknown():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        start = process_start(process.pid)
        assert start is not None
        assert start >= (process_start(os.getpid()) or 0)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_start(process.pid) is None  # a zombie does not run
    assert process_start(process.pid) is None


def test_git_is_read_without_starting_git(repository, monkeypatch):
    head = git(repository, "rev-parse", "HEAD")
    monkeypatch.setattr(subprocess, "run", None)
    (repository / "deep" / "er").mkdir(parents=True)
    assert describe_git(repository) == {"commit": head, "branch": "main"}
    assert describe_git(repository / "deep" / "er") == {"commit": head, "branch": "main"}


def test_packed_refs_detached_heads_and_worktrees(repository, tmp_path):
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert describe_git(repository) == {"commit": head, "branch": "main"}
    git(repository, "worktree", "add", "-q", "-b", "topic/x", str(tmp_path / "linked"))
    assert describe_git(tmp_path / "linked", ask_git=True) == {
        "commit": head,
        "branch": "topic/x",
        "dirty": False,
    }
    git(repository, "checkout", "-q", "--detach")
    assert describe_git(repository) == {"commit": head, "branch": ""}


def test_a_repository_without_a_commit(tmp_path):
    git(tmp_path, "init", "-q")
    assert describe_git(tmp_path) == {"commit": "", "branch": "main"}


def test_dirty_means_that_tracked_files_differ(repository):
    assert describe_git(repository, ask_git=True)["dirty"] is False
    (repository / "new.txt").write_text("untracked")
    assert describe_git(repository, ask_git=True)["dirty"] is False
    (repository / "train.py").write_text("2\n")
    assert describe_git(repository, ask_git=True)["dirty"] is True


def test_outside_a_repository_there_is_nothing(tmp_path):
    assert describe_git(tmp_path, ask_git=True) == {}
    (tmp_path / ".git").write_text("gitdir: ../nowhere\n")
    assert describe_git(tmp_path) == {}


def test_a_slow_or_missing_git_is_no_trouble(repository, tmp_path, monkeypatch):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setattr(environment, "GIT_SECONDS", 0.1)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    assert "dirty" not in describe_git(repository, ask_git=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert describe_git(repository, ask_git=True)["branch"] == "main"


def test_a_strangers_git_configuration_starts_nothing(repository, tmp_path):
    git(repository, "config", "core.fsmonitor", f"touch {tmp_path}/started; false")
    describe_git(repository, ask_git=True)
    assert not (tmp_path / "started").exists()


def test_no_process_is_started(monkeypatch):
    """It runs inside a training, where a fork warns (tokenizers) or is not allowed (some clusters)."""

    def refuse(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(platform, "_uname_cache", None)
    monkeypatch.setattr(platform, "_platform_cache", {})
    assert platform.machine() in describe_environment()["platform"]


@pytest.mark.parametrize(("node", "rank"), [(None, 1), ("0", 1), ("2", 0)])
def test_a_launcher_that_tells_only_the_local_rank_names_it_on_the_first_node(monkeypatch, node, rank):
    for name in ("RANK", "SLURM_PROCID", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCAL_RANK", "1")
    if node is not None:
        monkeypatch.setenv("NODE_RANK", node)
    assert describe_process()["rank"] == rank
