"""Blocks of like lines are read as the same lines one by one are; what could mean something else is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from traindoctor.collectors.intake import line_templates, logbook, text_axis, text_blocks
from traindoctor.collectors.intake.line_parser import ShapeBook
from traindoctor.collectors.intake.line_templates import template_of
from traindoctor.collectors.intake.logbook import Logbook
from traindoctor.collectors.intake.source import Source
from traindoctor.collectors.intake.text_reader import read_words

N = 400


def _loss(i: int) -> str:
    return "nan" if i % 97 == 96 else f"{2.0 / (i + 1):.5g}"


def _stepped(i: int) -> str:
    return f"2026-01-01 00:{i // 60:02d}:{i % 60:02d} INFO step {i}: loss {_loss(i)}, lr {0.1 / (i + 1):.3g}"


def _batches(i: int) -> str:
    epoch, batch = divmod(i, 50)
    if batch == 49:
        return f"Epoch {epoch + 1}: val_loss: {_loss(i)}, val_acc: 0.{i}"
    return f"Epoch [{epoch + 1}/8], Batch [{batch + 1}/50], Loss: {_loss(i)}, eta 0:{i % 60:02d}:07 left"


def _epochs(i: int) -> str:
    return f"Epoch: {i} loss={_loss(i)} (avg 0.5) acc={i / N:.3f} val_loss={_loss(i + 1)}"


def _two_kinds(i: int) -> str:
    return f"iter {i // 2} d_loss: {_loss(i)}" if i % 2 else f"iter {i // 2} g_loss: {_loss(i)}, lr: 1e-4"


def _one_epoch(i: int) -> str:
    return f"Epoch 1: loss={_loss(i)}"


def _restarted(i: int) -> str:
    if i in (170, 290):
        return "Killed"
    return f"step {i % 171} loss: {_loss(i)}" if i % 40 else "saving the weights"


def _appended(i: int) -> str:
    return (
        f"episode {i % 200}: reward={i}, loss={_loss(i)}" if i % 200 else "Traceback (most recent call last):"
    )


def _odd_numbers(i: int) -> str:
    odd = {50: "1,234", 120: "9" * 40, 121: "inf", 200: "1e400", 201: "-5", 300: ".5"}
    return f"step {i} | loss {odd.get(i, _loss(i))} | time 3{'.' if i % 3 else ':'}25"


LOGS = [_stepped, _batches, _epochs, _two_kinds, _one_epoch, _restarted, _appended, _odd_numbers]


@pytest.fixture
def early_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_axis, "HELD", 60)


def _read(path: Path) -> Logbook:
    log = Logbook()
    read_words(Source(path), log, "losses")
    return log


def _content(log: Logbook) -> tuple[object, ...]:
    series = {
        name: (points.x.tobytes(), points.values.tobytes(), points.rows.tobytes(), points.thinning)
        for name, points in log.series.items()
    }
    chapters = [(c.first_row, c.facts, c.events) for c in log.chapters]
    return list(series), series, log.x_unit, log.notes, chapters, log.n_rows


@pytest.mark.parametrize("line_of", LOGS, ids=lambda f: f.__name__.strip("_"))
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blocks_change_nothing(line_of, end, tmp_path, early_axis, monkeypatch):
    path = tmp_path / "train.log"
    path.write_text("".join(line_of(i) + end for i in range(N)), newline="")
    one_by_one: list[int] = []
    read_one = text_blocks.BlockReader._one
    monkeypatch.setattr(
        text_blocks.BlockReader, "_one", lambda self, entry: (one_by_one.append(1), read_one(self, entry))[1]
    )
    found = _content(_read(path))
    assert len(one_by_one) < N / 2 or line_of is _odd_numbers
    monkeypatch.setattr(line_templates, "MAX_TEMPLATES", 0)
    one_by_one.clear()
    assert found == _content(_read(path))
    assert len(one_by_one) == N


def test_blocks_thin_at_the_same_points(tmp_path, early_axis, monkeypatch):
    monkeypatch.setattr(logbook, "MAX_POINTS", 300)
    path = tmp_path / "train.log"
    path.write_text("".join(_stepped(i) + "\n" for i in range(N)))
    found = _content(_read(path))
    monkeypatch.setattr(line_templates, "MAX_TEMPLATES", 0)
    assert found == _content(_read(path))


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("step 5: loss 0.5", "step 12: loss -1.5e-07"),
        ("step 5: loss 0.5", "step 5: loss nan"),
        ("12:30:01 step 5: loss 0.5", "09:01:59 step 6: loss .4"),
        ("step 5: loss 0.5 [00:12<01:23, 3.2it/s]", "step 6: loss 0.4 [01:00<00:35, 13.2it/s]"),
    ],
)
def test_a_template_takes_lines_with_other_numbers(line, other):
    shapes = ShapeBook()
    template = template_of(line, shapes.shape(line)[0])
    assert template is not None
    found = template.match(other)
    shape, numbers = shapes.shape(other)
    assert found is not None
    assert shape is shapes.shape(line)[0]
    wanted = [numbers[shape.step], *(numbers[pair.value] for pair in shape.pairs if pair.is_metric)]
    assert set(wanted) <= set(found.groups())


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("step 5: loss 0.5", "step 5: loss 1,234"),  # the comma would part two numbers
        ("step 5: loss 0.5", "step 5: loss 0.5x"),
        ("step 5: loss 0.5", "step 5: loss 0.5.1"),
        ("step 5: loss 0.5", "step 5: loss: 0.5"),
        ("step 5: loss 0.5", f"step 5: loss {'1' * 5000}"),
        ("12:30:01 step 5: loss 0.5", "9:30:01 step 5: loss 0.5"),
        ("loss 5%", "loss 5.0%"),  # nothing says what the first is
        ("loss 0.5", "loss 0.4"),  # nothing says where in the run it is
        ("Accuracy: 12/50, step 5", "Accuracy: 12/0, step 5"),
        ("step 5: loss (1,2)", "step 5: loss (1,234)"),
        ("step 5: time 1:2", "step 5: time 1:23"),  # would become a clock
        ("epoch loss: 3, step 5: Training finished", "epoch loss: 3, step 6: Training failed"),
    ],
)
def test_a_template_leaves_what_could_mean_something_else(line, other):
    template = template_of(line, ShapeBook().shape(line)[0])
    assert template is None or template.match(other) is None


def test_rows_are_numbered_as_single_rows_are():
    singly, at_once = Logbook(), Logbook()
    for log in (singly, at_once):
        log.row(0.0, {"a": 1.0, "b": 2.0})
    for i in range(4):
        singly.row(float(i), {"a": float(i)} if i % 2 else {"a": float(i), "b": 7.0})
    every, some = np.arange(4), np.array([0, 2])
    assert at_once.takes(["a", "b"], 6)
    at_once.rows(np.arange(4.0), {"a": (every, np.arange(4.0)), "b": (some, np.array([7.0, 7.0]))})
    assert _content(at_once) == _content(singly)
    assert not at_once.takes(["c"], 1)
