import sqlite3

import pytest

from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.errors import UnreadableLogError


def make(folder, n=2):
    for name in ("meta", "seqs"):
        (folder / name / "chunks" / "00aa").mkdir(parents=True)
        (folder / name / "chunks" / "00aa" / "000012.log").write_bytes(b"\0\xfe\1" * 40)
    (folder / "VERSION").write_text("3.29.1")
    with sqlite3.connect(folder / "run_metadata.sqlite") as db:
        db.execute("CREATE TABLE experiment (id INTEGER, name TEXT)")
        db.execute("CREATE TABLE run (hash TEXT, name TEXT, experiment_id INTEGER)")
        db.execute("INSERT INTO experiment VALUES (1, 'mnist')")
        for i in range(n):
            db.execute("INSERT INTO run VALUES (?, ?, 1)", (f"hash{i}", None))
    db.close()
    return folder


def test_a_repository_is_named_with_its_runs_and_the_way_out(tmp_path):
    for place in (make(tmp_path / "repo" / ".aim"), tmp_path / "repo"):
        with pytest.raises(UnreadableLogError) as caught:
            load_runs(place)
        message = str(caught.value)
        assert "Aim repository with 2 runs (mnist/hash0, mnist/hash1)" in message
        assert "aim package" in message


def test_many_runs_are_counted(tmp_path):
    with pytest.raises(UnreadableLogError, match="and 20 more"):
        load_runs(make(tmp_path / ".aim", 30))


def test_a_repository_without_readable_names_is_still_recognised(tmp_path):
    make(tmp_path / ".aim")
    (tmp_path / ".aim" / "run_metadata.sqlite").write_bytes(b"SQLite format 3\0broken")
    with pytest.raises(UnreadableLogError, match="is an Aim repository; its series"):
        load_runs(tmp_path / ".aim")
