"""From what a user names to runs: files, folders, globs, addresses, standard input."""

from __future__ import annotations

import gzip
import io
import os
import sys

import pytest

from tests import runs as made
from traindoctor.collectors.importers import catalog
from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.collectors.importers.places import is_elsewhere
from traindoctor.collectors.importers.rewriting import write_run
from traindoctor.errors import RunNotFoundError, SeveralRunsError, UnreadableLogError, UsageError


class Toy:
    """`toy` on the first line, then `x loss`; `new` begins another run; `boom` is a bug."""

    slug = "toy"
    name = "toy log"

    def recognises(self, source):
        return 1.0 if source.head().startswith(b"toy") else 0.0

    def read(self, source, log):
        for number, line in source.lines():
            if line == "boom":
                raise ZeroDivisionError("a bug")
            if line == "new":
                log.new_run()
            elif line != "toy":
                x, loss = line.split()
                log.row(float(x), {"loss": float(loss)})
                log.note("rows", line=number)


class ToyFolder:
    """A folder with a file called `toy.folder`."""

    slug = "toy-folder"
    name = "toy folder"

    def recognises_folder(self, folder):
        return 1.0 if "toy.folder" in folder.files else 0.0

    def read_folder(self, folder, log):
        for name in folder.folders:
            log.new_run(name)
            log.row(1, {"loss": 1.0})


class Other(Toy):
    """Another tool's log of the same run, with fewer points."""

    slug = "other"
    name = "other log"

    def recognises(self, source):
        return 1.0 if source.head().startswith(b"other") else 0.0

    def read(self, source, log):
        log.row(1, {"loss": 1.0})


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    found = (Toy(), ToyFolder(), Other())
    monkeypatch.setattr(catalog, "all_importers", lambda: (found, []))


def log(path, text="toy\n0 3\n1 2\n2 1\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(place):
    return [run.name for run in load_runs(place).runs]


def test_a_file_is_one_run(tmp_path):
    run = load_run(log(tmp_path / "a.log"))
    assert run.series["loss/train"].values.tolist() == [3.0, 2.0, 1.0]
    assert (run.name, run.info.source, run.info.path) == ("a", "toy log", str(tmp_path / "a.log"))


def test_usual_names_take_their_folder_along(tmp_path):
    assert load_run(log(tmp_path / "lr01" / "metrics.csv")).name == "lr01/metrics"


def test_several_runs_must_be_chosen_from(tmp_path):
    path = log(tmp_path / "a.log", "toy\n0 3\n1 2\nnew\n0 5\n1 4\n")
    with pytest.raises(SeveralRunsError, match=r"holds 2 runs.*--run N.*a #1 \(2 points\); 2: a #2"):
        load_run(path)
    assert load_run(path, 2).series["loss/train"].values.tolist() == [5.0, 4.0]
    with pytest.raises(UsageError, match="from 1 to 2"):
        load_run(path, 3)


def test_false_starts_need_no_choice(tmp_path):
    rows = "".join(f"{x} 1\n" for x in range(30))
    run = load_run(log(tmp_path / "a.log", f"toy\n0 3\nnew\n0 3\n1 2\nnew\n{rows}"))
    assert len(run.series["loss/train"]) == 30
    assert "2 other launches" in run.info.diagnostics[-1]
    with pytest.raises(SeveralRunsError):
        load_run(log(tmp_path / "b.log", f"toy\n0 3\n1 3\n2 3\nnew\n{rows}"))


def test_a_folder_in_natural_order_other_files_counted_bad_ones_named(tmp_path):
    for number in (10, 9, 1):
        log(tmp_path / f"version_{number}" / "x.log")
    log(tmp_path / "notes.md", "nothing")
    (tmp_path / "empty.csv").touch()
    found = load_runs(tmp_path)
    assert [run.info.path.split("/")[-2] for run in found.runs] == ["version_1", "version_9", "version_10"]
    assert found.n_other == 1
    assert len(found.refused) == 1
    assert "0 bytes" in found.refused[0]


def test_a_folder_of_a_tool_is_read_as_a_whole(tmp_path):
    log(tmp_path / "toy.folder")
    log(tmp_path / "one" / "x.log")
    log(tmp_path / "two" / "x.log")
    assert names(tmp_path) == ["one", "two"]


def test_two_tools_logs_of_one_run_count_once(tmp_path):
    log(tmp_path / "a.log")
    log(tmp_path / "b.log", "other\n")
    (run,) = load_runs(tmp_path).runs
    assert run.info.source == "toy log"
    assert "b.log (other log)" in run.info.diagnostics[-1]


def test_recorded_runs_are_found_too(tmp_path):
    run = made.nan_run(100, 50)
    folder = write_run(run, tmp_path / "runs")
    assert load_run(folder).series["loss/train"].values.size == run.series["loss/train"].values.size
    log(tmp_path / "other" / "a.log")
    assert len(load_runs(tmp_path).runs) == 2


def test_glob(tmp_path):
    log(tmp_path / "a1.log")
    log(tmp_path / "a2.log")
    log(tmp_path / "b.log")
    assert names(f"{tmp_path}/a*.log") == ["a1", "a2"]
    with pytest.raises(RunNotFoundError, match="none that match"):
        load_runs(f"{tmp_path}/c*.log")


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path):
    path = log(tmp_path / "a[1].log")
    assert names(path) == ["a[1]"]
    assert not is_elsewhere(str(path))


def test_standard_input_also_compressed(monkeypatch):
    data = gzip.compress(b"toy\n0 3\n1 2\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    run = load_run("-")
    assert len(run.series["loss/train"]) == 2


def test_address(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    store.pipe("/bucket/run/a.log", b"toy\n0 3\n")
    store.pipe("/bucket/run/sub/b.log", b"toy\n0 3\n1 2\n")
    assert names("memory://bucket/run/a.log") == ["a"]
    assert names("memory://bucket/run") == ["a", "b"]
    with pytest.raises((RunNotFoundError, UnreadableLogError)):
        load_runs("memory://bucket/absent")
    with pytest.raises(UnreadableLogError, match="cannot fetch"):
        load_runs("nosuchscheme://x")


def test_a_bug_in_an_importer_keeps_what_was_read(tmp_path):
    run = load_run(log(tmp_path / "a.log", "toy\n0 3\n1 2\nboom\n2 1\n"))
    assert len(run.series["loss/train"]) == 2
    assert "ZeroDivisionError" in run.info.diagnostics[-1]
    with pytest.raises(UnreadableLogError, match="please report it"):
        load_run(log(tmp_path / "b.log", "toy\nboom\n"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"hello world\n", "fewer than 3 rows name a"),
        (b"\x80\x04\x95abc", "pickle"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"\x89PNG\r\n", "picture"),
        (b"\x00\x01\x02\x03", "binary"),
        (b"", "0 bytes"),
    ],
)
def test_what_no_importer_knows_is_described(tmp_path, data, said):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(UnreadableLogError, match=said):
        load_runs(tmp_path / "file")


def test_a_named_format_is_used_and_an_unknown_one_refused(tmp_path):
    path = log(tmp_path / "a.log", "0 3\n1 2\n")
    assert len(load_run(path, importer="toy").series["loss/train"]) == 2
    with pytest.raises(UsageError, match="toy, toy-folder"):
        load_run(path, importer="nope")
    with pytest.raises(UsageError, match="name its folder"):
        load_run(path, importer="toy-folder")


def test_links_in_a_circle_end(tmp_path):
    log(tmp_path / "a" / "x.log")
    os.symlink(tmp_path, tmp_path / "a" / "loop")
    assert names(tmp_path) == ["x"]


def test_hostile_references():
    for reference in ("\0", "a\0b"):
        with pytest.raises(RunNotFoundError):
            load_runs(reference)


def test_progress_is_told(tmp_path):
    seen = []
    load_runs(log(tmp_path / "a.log"), progress=lambda *told: seen.append(told))
    assert seen[-1][1:] == (16, 16)


def test_rewriting_keeps_every_number(tmp_path):
    run = load_run(log(tmp_path / "a.log", "toy\n-1 9\n0 3\n1 nan\n2 1\n"))
    again = load_run(write_run(run, tmp_path / "runs"))
    assert again.series["loss/train"].steps.tolist() == [0, 1, 2]
    assert str(again.series["loss/train"].values.tolist()) == "[3.0, nan, 1.0]"
    assert again.info.source == "toy log"
    assert again.info.series["loss/train"] == run.info.series["loss/train"]
    assert "1 points at negative x were left out" in again.info.diagnostics
    assert (again.name, again.info.status) == (run.name, run.info.status)


def test_rewriting_where_nothing_can_be_written(tmp_path):
    blocked = log(tmp_path / "file")
    with pytest.raises(UsageError, match="can be written to"):
        write_run(load_run(blocked), blocked)
