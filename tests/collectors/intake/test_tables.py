"""Tables in text: delimiters, headers, damaged rows, torn ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from traindoctor.collectors.intake.logbook import Logbook
from traindoctor.collectors.intake.source import Source
from traindoctor.collectors.intake.tables import layout_of, rows


def read(folder: Path, text: str) -> tuple[list[dict[str, str]], list[str]]:
    path = folder / "x"
    path.write_text(text, newline="")
    source, log = Source(path), Logbook()
    layout = layout_of(source.head_text())
    assert layout is not None
    return [row for _, row in rows(source, log, layout)], log.sentences()


@pytest.mark.parametrize("mark", [",", "\t", ";", "|", "  "])
def test_delimiters(mark: str) -> None:
    found = layout_of(
        mark.join(("epoch", "train loss" if mark != "  " else "loss")) + f"\n1{mark}0.5\n2{mark}0.4\n"
    )
    assert found is not None
    assert found.delimiter == mark[0]
    assert len(found.header) == 2


def test_blanks_inside_names_and_padding_do_not_part(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "      epoch,     train loss\n          1,            0.5\n")
    assert found == [{"epoch": "1", "train loss": "0.5"}]


def test_unnamed_and_repeated_columns(tmp_path: Path) -> None:
    found, _ = read(tmp_path, ",loss,loss\n0,1,2\n")
    assert found == [{"Unnamed: 0": "0", "loss": "1", "loss.1": "2"}]


def test_a_trailing_delimiter_makes_no_column() -> None:
    found = layout_of("a\tb\t\n1\t2\t\n")
    assert found is not None
    assert found.header == ("a", "b")


def test_no_header() -> None:
    found = layout_of("1,0.5\n2,0.4\n")
    assert found is not None
    assert (found.has_header, found.header) == (False, ("column 1", "column 2"))


@pytest.mark.parametrize("text", ["", "hello\nworld\n", "{}", '"""', '"', "\n\n", "a,b\nc,d\n"])
def test_no_table(text: str) -> None:
    assert layout_of(text) is None


def test_quoted_cells_over_lines(tmp_path: Path) -> None:
    found, _ = read(tmp_path, 'epoch,loss,note\n1,0.5,"a, b\nc"\n2,0.4,"say ""x"""\n')
    assert found == [
        {"epoch": "1", "loss": "0.5", "note": "a, b\nc"},
        {"epoch": "2", "loss": "0.4", "note": 'say "x"'},
    ]


def test_an_open_quote_swallows_no_file(tmp_path: Path) -> None:
    found, _ = read(tmp_path, 'epoch,loss\n1,0.5\n2,"0.4\n' + "".join(f"{e},0.3\n" for e in range(3, 200)))
    assert len(found) > 190


def test_a_header_again_begins_a_run_with_its_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("epoch,loss\n1,0.5\nepoch,loss,lr\n1,0.6,0.1\n")
    source, log = Source(path), Logbook()
    layout = layout_of(source.head_text())
    assert layout is not None
    for _, row in rows(source, log, layout):
        log.row(float(row["epoch"]), {name: float(cell) for name, cell in row.items()})
    assert [chapter.first_row for chapter in log.chapters] == [0, 1]
    assert list(log.series["lr"].values) == [0.1]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_cut_end_never_changes_a_value(tmp_path: Path, cut: int) -> None:
    text = "epoch,loss\n1,1.2345e-05\n2,1.1234e-05\n3,1.0123e-05\n"
    found, _ = read(tmp_path, text[:-cut])
    values = [row["loss"] for row in found if "loss" in row]
    assert values in (["1.2345e-05", "1.1234e-05"], ["1.2345e-05", "1.1234e-05", "1.0123e-05"])


def test_a_file_without_a_last_line_end_keeps_its_last_value(tmp_path: Path) -> None:
    found, notes = read(tmp_path, "epoch,loss\n1,0.50\n2,0.40")
    assert found[-1] == {"epoch": "2", "loss": "0.40"}
    assert notes == []


def test_recorded_nan_stays_and_missing_is_left_out(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "epoch,loss,val\n1,nan,\n2,inf,0.5\n")
    assert found == [{"epoch": "1", "loss": "nan"}, {"epoch": "2", "loss": "inf", "val": "0.5"}]
