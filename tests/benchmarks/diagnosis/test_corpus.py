"""How the labelled logs of other tools are counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.diagnosis.corpus import Answer, Row, answers, capped, counted, is_false_alarm, read_index
from benchmarks.diagnosis.corpus_labels import FOUND_BY
from benchmarks.diagnosis.corpus_table import kept_section, section, with_section
from tests import foreign
from traindoctor import diagnose
from traindoctor.analyzer.catalog import CATALOG
from traindoctor.errors import UnreadableLogError

HEAD = "id,file,repo,label,also_accept,onset,unit,confidence\n"
TUNE, REPORT = "a/tuned-1", "a/tuned"


def row(label, accepted=(), repository=TUNE, onset=math.nan, is_index=False, confidence="high"):
    return Row("1", "f", repository, label, (label, *accepted), onset, is_index, confidence)


def overfitted():
    x = foreign.epochs(40)
    validation = foreign.turning(40, 14, 2.0, 0.6, 1.5)
    return foreign.imported({"loss/train": (x, foreign.falling(40)), "loss/validation": (x, validation)})


def healthy():
    x = foreign.epochs(40)
    falling = foreign.falling(40)
    return foreign.imported({"loss/train": (x, falling), "loss/validation": (x, falling + 0.1)})


def answer_to(run, labelled):
    (found,) = answers(Path(), [labelled], lambda path: [run], diagnose)
    return found


def test_the_label_nan_is_read_as_a_label(tmp_path):
    text = f"{HEAD}7,x.csv,{TUNE},nan,divergence;overfitting,12,row,high\n8,y.csv,{TUNE},healthy,,,,low\n"
    (tmp_path / "index.csv").write_text(text)
    first, second = read_index(tmp_path)
    assert (first.label, first.accepted) == ("nan", ("nan", "divergence", "overfitting"))
    assert (first.onset, first.onset_is_index) == (12.0, True)
    assert math.isnan(second.onset)


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="pass --corpus"):
        read_index(tmp_path)


def test_halves_are_told_by_the_repository_alone():
    assert row("nan").half == row("healthy").half
    assert {row("nan", repository=f"a/{i}").half for i in range(20)} == {"tune", "report"}


def test_siblings_are_counted_three_times_at_most():
    rows = [*[row("nan")] * 5, *[row("healthy")] * 2, row("plateau", confidence="low")]
    kept = counted(rows, rows[0].half)
    assert [r.label for r in kept] == ["nan"] * 3 + ["healthy"] * 2
    few = capped([Answer(r, 1, "healthy", "") for r in kept])
    assert [a.row.label for a in few] == ["nan", "nan", "healthy"]


def test_a_label_is_found_with_its_onset():
    found = answer_to(overfitted(), row("overfitting", onset=15.0))
    assert found.says("overfitting")
    assert found.is_right
    assert found.onset_error <= 1.0
    assert answer_to(overfitted(), row("overfitting", onset=14.0, is_index=True)).onset_error <= 1.0


def test_a_warning_about_a_sound_run_is_a_false_alarm_unless_it_is_accepted():
    assert is_false_alarm(answer_to(overfitted(), row("healthy")))
    assert not is_false_alarm(answer_to(overfitted(), row("healthy", ("overfitting",))))
    assert not is_false_alarm(answer_to(healthy(), row("healthy")))


def test_refusals_are_right_where_no_verdict_is():
    def refuse(path):
        raise UnreadableLogError("expected a log, found nothing; do log")

    (found,) = answers(Path(), [row("no_curve")], refuse, diagnose)
    assert (found.state, found.is_right) == ("refused", True)
    (wrong,) = answers(Path(), [row("healthy")], refuse, diagnose)
    assert not wrong.is_right


def test_several_runs_in_one_file_say_so_by_their_number():
    (found,) = answers(Path(), [row("mixed_runs_in_one_file")], lambda path: [healthy(), healthy()], diagnose)
    assert found.is_right


def test_every_code_of_the_vocabulary_is_one_of_the_catalogue():
    known = {detector.code for detector in CATALOG}
    assert {code for codes in FOUND_BY.values() for code in codes} <= known


def test_the_section_replaces_itself_and_outlives_a_rewrite_of_the_rest():
    found = {"tune": [answer_to(overfitted(), row("overfitting", onset=15.0))]}
    once = with_section("# Title\n", section(found))
    assert "1/1 = 100.0 %" in once
    assert with_section(once, section(found)).count("## Real logs of strangers") == 1
    assert with_section("# New\n", kept_section(once)).count("## Real logs of strangers") == 1
    assert kept_section("# Title\n") == ""


def test_an_onset_needs_something_to_compare_with():
    assert np.isnan(answer_to(healthy(), row("overfitting", onset=3.0)).onset_error)
