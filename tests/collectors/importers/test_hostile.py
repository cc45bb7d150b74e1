"""Damaged, hostile and misnamed logs of every format: runs with notes, or an error of ours."""

from __future__ import annotations

import ast
import inspect
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collectors.importers.samples import SAMPLES, written
from traindoctor.collectors.importers import catalog
from traindoctor.collectors.importers.catalog import IMPORTERS
from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.collectors.intake import logbook
from traindoctor.errors import TraindoctorError

N_EXAMPLES = int(os.environ.get("TRAINDOCTOR_FUZZ", "25"))
"""Mutations per format; `make nightly` sets 2000."""

NAMES = {importer.slug: importer.name for importer in IMPORTERS}
FILES = [slug for slug, files in SAMPLES.items() if len(files) == 1]
HOSTILE = [
    b"\0",
    b"\xff\xfe",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1",
    b"9" * 400,
    b'"',
    b",,,,",
    b"\t\t",
    b"\n" * 50,
    b"{",
    b"[" * 2000,
    b"}",
    b"null",
    b"true",
    b"<script>alert(1)</script>",
    b"../../etc/passwd",
    b"\xf0\x9f\xa9\xba",
    b"\r",
    b"\x1b[31m",
    b"1" + b"0" * 25,
]


def outcome(path):
    """The runs at a path, or None where they were refused with an error of ours."""
    try:
        found = load_runs(path)
    except TraindoctorError as error:
        refused, runs = [str(error)], None
    else:
        refused, runs = found.refused, found.runs
    assert not any("please report" in sentence for sentence in refused)
    return runs


def test_every_importer_has_a_sample():
    never_read = {"aim"}
    assert set(SAMPLES) == set(NAMES) - never_read


@pytest.mark.parametrize("slug", SAMPLES)
def test_a_sample_is_recognised_and_read(slug, tmp_path):
    found = load_runs(written(slug, tmp_path))
    assert {run.info.source for run in found.runs} == {NAMES[slug]}
    assert not found.refused
    for run in found.runs:
        assert max(map(len, run.series.values())) >= 4
        assert all(np.isfinite(series.values).all() for series in run.series.values())


@pytest.mark.parametrize("slug", FILES)
def test_a_format_is_found_under_any_name(slug, tmp_path):
    shutil.move(written(slug, tmp_path), tmp_path / "download (1)")
    found = outcome(tmp_path / "download (1)")
    assert found is not None
    assert found[0].info.source == NAMES[slug]


@pytest.mark.parametrize("slug", FILES)
def test_a_cut_log_is_a_prefix(slug, tmp_path):
    """All but the last point of a series, whose digits may be cut too, equal the whole log's."""
    path = written(slug, tmp_path)
    data = path.read_bytes()
    whole = load_runs(path).runs[0]
    by_source = {known.source_name: whole.series[name] for name, known in whole.info.series.items()}
    for end in {*range(0, len(data), max(1, len(data) // 40)), len(data) - 1}:
        path.write_bytes(data[:end])
        for run in outcome(path) or []:
            for name, known in run.info.series.items():
                cut, full = run.series[name], by_source.get(known.source_name)
                if full is None or run.info.x_unit != whole.info.x_unit or not len(cut):
                    continue
                at = np.searchsorted(full.steps, cut.steps[:-1])
                np.testing.assert_array_equal(full.steps[at], cut.steps[:-1])
                np.testing.assert_allclose(full.values[at], cut.values[:-1], rtol=1e-12)


@st.composite
def mutations(draw, size):
    """A few places of a file and what happens there."""
    place = st.integers(0, max(0, size - 1))
    kind = st.sampled_from(["flip", "drop", "double", "insert", "zero"])
    return draw(st.lists(st.tuples(kind, place, st.integers(1, 200), st.sampled_from(HOSTILE)), max_size=4))


def mutated(data, changes):
    for kind, place, length, token in changes:
        end = min(len(data), place + length)
        if kind == "flip" and data:
            at = min(place, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :]
        elif kind == "drop":
            data = data[:place] + data[end:]
        elif kind == "double":
            data = data[:end] + data[place:]
        elif kind == "insert":
            data = data[:place] + token + data[place:]
        elif kind == "zero":
            data = data[:place] + b"\0" * (end - place) + data[end:]
    return data


@pytest.mark.parametrize("slug", SAMPLES)
def test_damage_never_ends_in_a_traceback(slug, tmp_path):
    path = written(slug, tmp_path)
    files = sorted(file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
    contents = [file.read_bytes() for file in files]

    @settings(max_examples=N_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def check(data):
        at = data.draw(st.integers(0, len(files) - 1))
        files[at].write_bytes(mutated(contents[at], data.draw(mutations(len(contents[at])))))
        try:
            for run in outcome(path) or []:
                assert all(len(series.steps) == len(series.values) for series in run.series.values())
                assert not any("please report" in note for note in run.info.diagnostics)
        finally:
            files[at].write_bytes(contents[at])

    check()


@pytest.mark.parametrize("slug", FILES)
def test_missing_is_not_nan(slug, tmp_path):
    """No sample holds a NaN, and cutting pieces out of it never makes one."""
    path = written(slug, tmp_path)
    data = path.read_bytes()
    if data[:4] == b"SQLi":
        return
    for start in range(0, len(data), max(1, len(data) // 25)):
        path.write_bytes(data[:start] + data[start + 7 :])
        for run in outcome(path) or []:
            for series in run.series.values():
                assert not any(map(math.isnan, series.values))


@pytest.mark.parametrize(
    "name", ["con", "..", "a\nb", "<img src=x>", "\N{RIGHT-TO-LEFT OVERRIDE}abc", "x" * 250]
)
def test_hostile_file_names_are_only_shown(name, tmp_path):
    folder = tmp_path / "in"
    path = written("keras-history", folder)
    if name == "..":
        name = "..hidden.."
    target = folder / name[:200]
    shutil.move(path, target)
    (run,) = load_runs(target).runs
    assert run.id
    assert "/" not in run.id
    assert run.id.isascii()


def test_nothing_that_could_run_code_is_called_on_a_log():
    """No pickle, no `eval`, no YAML loader that makes objects: the rooms that read logs name none of them."""
    rooms = [Path(inspect.getsourcefile(room)).parent for room in (catalog, logbook)]
    files = [file for room in rooms for file in room.glob("*.py")]
    assert len(files) > 60
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {
            alias.name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in (*node.names, ast.alias(getattr(node, "module", None) or ""))
        }
        called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        called |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not imported & {"pickle", "dill", "joblib", "marshal", "shelve", "torch", "subprocess"}, file
        assert not called & {"eval", "exec", "unsafe_load", "full_load", "UnsafeLoader", "FullLoader"}, file
