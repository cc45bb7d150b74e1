"""Listing runs and finding the one that is meant."""

from __future__ import annotations

import re

import pytest

from tests.logs import write_small_log
from traindoctor.collectors.environment import describe_process
from traindoctor.collectors.run_folder import find_run, list_runs, log_name, new_run_id, runs_root
from traindoctor.errors import RunNotFoundError
from traindoctor.runlog import Kind, LogWriter


@pytest.fixture
def root(tmp_path):
    return tmp_path / "traindoctor-runs"


def add(root, run_id, started, *, n_steps=6, end=None, **header):
    folder = root / run_id
    folder.mkdir(parents=True, exist_ok=True)
    log = write_small_log(
        folder / "rank00000.attempt00.h.1.tdlog", n_steps, end=end, started=started, **header
    )
    return folder, log


def test_ids_and_names_are_safe_for_any_file_system():
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", new_run_id())
    process = {"rank": 3, "attempt": 2, "host": "a/../b c", "pid": 77}
    assert log_name(process) == "rank00003.attempt02.a----b-c.77.tdlog"


def test_the_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("TRAINDOCTOR_OUT", raising=False)
    assert str(runs_root()) == "traindoctor-runs"
    monkeypatch.setenv("TRAINDOCTOR_OUT", str(tmp_path))
    assert runs_root() == tmp_path


def test_a_summary_says_what_the_log_says(root):
    folder, log = add(root, "20260101-000000-aaaa", 1767323045.0, n_steps=11, end={"exit_code": 0})
    (run,) = list_runs(root)
    assert (run.id, run.name, run.status, run.steps, run.path) == (
        folder.name,
        "small",
        "finished",
        11,
        folder,
    )
    assert run.last_loss == log.losses[10]
    assert re.fullmatch(r"2026-01-0[12] \d\d:\d\d:\d\d", run.started)


def test_runs_are_listed_newest_first_with_their_status(root):
    mine = {key: value for key, value in describe_process().items() if key != "started"}
    add(root, "b", 100.0, end={"exit_code": 0})
    add(root, "c", 300.0, end={"exit_code": 3})
    add(root, "a", 200.0, **mine)
    add(root, "d", 400.0, **mine | {"process_start": 1})
    (root / "e").mkdir()
    found = [(run.id, run.status, run.steps) for run in list_runs(root)]
    assert found == [
        ("d", "killed", 6), ("c", "failed", 6), ("a", "running", 6), ("b", "finished", 6),
        ("e", "unknown", 0),
    ]  # fmt: skip


def test_only_runs_are_listed(root):
    assert list_runs(root) == []
    (root / "notes").mkdir(parents=True)
    (root / "notes" / "a.txt").write_text("x")
    (root / ".hidden").mkdir()
    (root / "file.txt").write_text("x")
    assert list_runs(root) == []


def test_the_summary_of_a_long_log_comes_from_its_tail(root):
    _, log = add(root, "long", 1.0, n_steps=30_000, end={"exit_code": 0})
    assert log.path.stat().st_size > 1 << 20
    (run,) = list_runs(root)
    assert (run.steps, run.last_loss) == (30_000, log.losses[29_999])


def test_a_long_last_frame_does_not_hide_the_steps(root):
    folder, log = add(root, "r", 1.0)
    with log.path.open("ab") as file:
        writer = LogWriter(folder / "big", {})
        writer._stream, writer._sequence = _stream_of(log.path), 10_000
        writer._pending.clear()
        writer.append(Kind.PREDICTIONS, bytes(1 << 20))
        file.write(b"".join(writer._pending))
    (run,) = list_runs(root)
    assert (run.steps, run.last_loss) == (6, log.losses[5])


def _stream_of(path):
    return int.from_bytes(path.read_bytes()[8:12], "little")


def test_the_newest_attempt_speaks_for_the_run(root):
    folder, _ = add(root, "r", 100.0, n_steps=30, end={"exit_code": 1})
    write_small_log(
        folder / "rank00000.attempt01.h.2.tdlog",
        9,
        first_step=21,
        end={"exit_code": 0},
        started=200.0,
        attempt=1,
    )
    write_small_log(folder / "rank00001.attempt01.h.3.tdlog", 3, started=300.0, rank=1)
    (run,) = list_runs(root)
    assert (run.status, run.steps) == ("finished", 30)


def test_unreadable_logs_are_listed_as_unknown(root):
    (root / "r").mkdir(parents=True)
    (root / "r" / "rank00000.attempt00.h.1.tdlog").write_bytes(b"nothing")
    (run,) = list_runs(root)
    assert (run.id, run.status, run.steps, run.last_loss) == ("r", "unknown", 0, None)


def test_a_run_is_found_by_path_id_and_prefix(root):
    first, log = add(root, "20260101-000000-aaaa", 1.0)
    second, _ = add(root, "20260102-000000-bbbb", 2.0)
    assert find_run("20260101-000000-aaaa", root) == first
    assert find_run("20260102", root) == second
    assert find_run(str(second), root) == second
    assert find_run(str(log.path), root) == log.path


def test_without_a_reference_the_newest_finished_run_is_meant(root):
    finished, _ = add(root, "a", 1.0, end={"exit_code": 0})
    add(root, "b", 2.0, end={"exit_code": 0}, n_steps=0)
    add(root, "c", 3.0)
    assert find_run(None, root) == finished


def test_without_a_finished_run_the_newest_of_any_status_is_meant(root):
    add(root, "a", 1.0, end={"exit_code": 3})
    killed, _ = add(root, "b", 2.0)
    assert find_run(None, root) == killed


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("2026010", r"'2026010' begins 7 ids in .*: 20260107-x, .*20260103-x and 2 more; type more of it"),
        ("1999", r"found '1999', which is none of them .*newest runs are 20260107-x, .*traindoctor list"),
        ("", "found an empty text"),
        ("a\0b", r"found 'a\\x00b'"),
        ("../..x", "none of them"),
    ],
)
def test_references_that_mean_no_run(root, reference, message):
    for day in range(1, 8):
        add(root, f"2026010{day}-x", float(day), n_steps=3)
    with pytest.raises(RunNotFoundError, match=message):
        find_run(reference, root)


def test_no_folder_no_runs_and_nothing_recorded_are_told_apart(root):
    with pytest.raises(RunNotFoundError, match="found no such folder; record one with: traindoctor run"):
        find_run(None, root)
    root.mkdir()
    with pytest.raises(RunNotFoundError, match="found none; record one with"):
        find_run(None, root)
    (root / "20260101-x").mkdir()
    assert find_run(None, root) == root / "20260101-x"  # reading it says that no step was recorded
    with pytest.raises(RunNotFoundError, match=r"no.* is none of them"):
        find_run("no", root)
