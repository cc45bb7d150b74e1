"""JSON lines: NaN, several on a line, junk, a torn end."""

from __future__ import annotations

import math
from pathlib import Path

from traindoctor.collectors.intake.json_lines import head_objects, objects
from traindoctor.collectors.intake.logbook import Logbook
from traindoctor.collectors.intake.source import Source


def read(folder: Path, text: str) -> tuple[list[tuple[int, dict[str, object]]], list[str]]:
    path = folder / "x"
    path.write_text(text)
    log = Logbook()
    return list(objects(Source(path), log)), log.sentences()


def test_bare_nan_and_several_on_a_line(tmp_path: Path) -> None:
    found, notes = read(tmp_path, '{"a": NaN}\n{"a": 1}{"a": -Infinity}\n')
    assert [line for line, _ in found] == [1, 2, 2]
    assert math.isnan(float(str(found[0][1]["a"])))
    assert found[2][1] == {"a": -math.inf}
    assert notes == []


def test_junk_is_counted_with_its_place(tmp_path: Path) -> None:
    found, notes = read(tmp_path, 'hello\n{"a": 1}\nworld\n[1]\n{"a": }\n{"a": 2}\n')
    assert [value for _, value in found] == [{"a": 1}, {"a": 2}]
    assert notes == [
        "lines that hold no JSON object were left out (2 times, first at line 1)",
        "lines of damaged or unexpected JSON were left out (2 times, first at line 4)",
    ]


def test_a_torn_end(tmp_path: Path) -> None:
    found, notes = read(tmp_path, '{"a": 1}\n{"a": 2')
    assert [value for _, value in found] == [{"a": 1}]
    assert notes == ["the last line is cut and was left out (at line 2)"]


def test_depth_and_length_are_no_danger(tmp_path: Path) -> None:
    found, _ = read(tmp_path, '{"a":' * 100_000 + "\n" + '{"a": ' + "9" * 10_000 + '}\n{"a": 1}\n')
    assert found[-1][1] == {"a": 1}


def test_the_head(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("text\n" + '{"a": 1}\n' * 100)
    assert head_objects(Source(tmp_path / "x")) == [{"a": 1}] * 50
