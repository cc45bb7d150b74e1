"""A small slice of the policy benchmark, from the grid to the tables, and again from what was kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.prescription import measure, product, store, tables
from benchmarks.prescription.cases import CONTROLS, FAULTS, constant, linear, plans
from benchmarks.prescription.measure import ORACLE, OURS, SAME, Measurement
from benchmarks.prescription.product import Trainings, opened, prescribed, recorded
from benchmarks.prescription.store import MissingRunError, Store
from benchmarks.prescription.tasks import tasks
from benchmarks.prescription.training import Request, train
from traindoctor.prescription_file import lr_plan

CASES = ("constant, /100", "constant, x10", "good linear")


@pytest.fixture(scope="module")
def task():
    """A quick one, cut to the shortest run that anything is prescribed for."""
    found = next(task for task in tasks(Path("nowhere")) if task.name == "friedman, regression")
    return replace(found, steps=120)


@pytest.fixture(scope="module")
def slice_of(task, tmp_path_factory):
    """(folder, rows) of three cases."""
    folder = tmp_path_factory.mktemp("prescription")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "plans", lambda best, steps: {c: plans(best, steps)[c] for c in CASES})
        return folder, Measurement(Store(task, task.make(), folder)).rows(0)


def one(rows, policy, case):
    (found,) = [row for row in rows if (row.policy, row.case) == (policy, case)]
    return found


def test_a_rate_far_off_is_mended_and_a_good_one_is_not_spoilt(slice_of):
    rows = slice_of[1]
    assert len(rows) == len(CASES) * (4 + 3)
    slow = one(rows, OURS, "constant, /100")
    assert (slow.is_changed, slow.is_adopted, slow.is_adopted_by_three) == (True, True, True)
    assert slow.change < -0.5
    assert slow.factor > 10
    assert 0.6 <= slow.runs <= 1.2
    keep = one(rows, "keep", "constant, /100")
    assert (keep.change, keep.is_changed, keep.regret) == (0.0, False, keep.regret_after)
    assert keep.regret > slow.regret
    assert one(rows, SAME, "good linear").is_changed is False
    assert one(rows, ORACLE, "constant, x10").regret <= one(rows, OURS, "constant, x10").regret + 1e-9
    assert one(rows, "Lightning", "good linear").change > 0.05


def test_the_second_time_nothing_is_trained(slice_of, task, monkeypatch):
    folder, rows = slice_of

    def refuse(*_):
        raise AssertionError("expected every run in the store")

    monkeypatch.setattr(store, "train_together", refuse)
    monkeypatch.setattr(product, "train", refuse)
    monkeypatch.setattr(measure, "plans", lambda best, steps: {c: plans(best, steps)[c] for c in CASES})
    assert Measurement(Store(task, task.make(), folder)).rows(0) == rows


def test_a_half_written_line_is_made_again(slice_of, task, tmp_path):
    kept = Store(task, task.make(), tmp_path)
    request = Request(0.01 * np.ones(20), 3, 10)
    with pytest.raises(MissingRunError):
        kept.result(request)
    kept.make([request, request])
    (path,) = tmp_path.rglob("runs.jsonl")
    line = path.read_text()
    assert line.count("\n") == 1
    assert Store(task, task.make(), tmp_path).result(request) == kept.result(request)
    path.write_text(line[: len(line) // 2])
    with pytest.raises(MissingRunError):
        Store(task, task.make(), tmp_path).result(request)


def test_what_is_scored_is_what_the_product_decides_on_plain_trainings(slice_of, task):
    """The same prescription comes out when each short run is trained in an ordinary loop on demand."""
    folder, rows = slice_of
    kept = Store(task, task.make(), folder)

    class OneByOne(Store):
        def result(self, request):
            return train(self.task, self.data, request)[0]

    best = Measurement(kept).best_lr
    old = plans(best, task.steps)["constant, /100"]
    case = opened(recorded(kept, Request(old, 0, task.steps // 20)))
    plain = Trainings(
        ("x",), folder, store=OneByOne(task, task.make(), folder), plan=old, every=task.steps // 20
    )
    found = prescribed(case, plain, measure.SWEEP_SEED)
    scored = one(rows, OURS, "constant, /100")
    assert found.action == scored.verdict
    assert lr_plan(found).max() / old.max() == pytest.approx(scored.factor, rel=0.02)


def test_the_tables_say_what_the_rows_say(slice_of):
    rows = slice_of[1]
    text = tables.render([*rows, *(replace(row, times=4) for row in rows if row.policy == OURS)])
    for words in (
        "**traindoctor**",
        "pytorch-lr-finder",
        "constant, /100",
        "95 % intervals",
        "4x steps",
        "≥ 85 %",
    ):
        assert words in text
    document = f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n"
    new = tables.written(document, text)
    assert (new.startswith("before\n"), new.endswith(f"{tables.END}\nafter\n"), "old\n" in new) == (
        True,
        True,
        False,
    )
    assert tables.written(new, text) == new
    with pytest.raises(ValueError, match="marks"):
        tables.written("no marks", text)


def test_every_case_is_what_its_name_says():
    made = plans(0.1, 400)
    assert set(made) == {*FAULTS, *CONTROLS}
    assert len(FAULTS) == 13
    for name, plan in made.items():
        assert (plan >= 0).all(), name
        assert len(plan) == 400
    assert made["constant, x10"] == pytest.approx(1.0 * constant(400))
    assert made["linear, /10"].max() == pytest.approx(0.01)
    assert made["good linear"][-1] < 0.001
    assert made["good cosine"][-1] < 0.001
    assert linear(400)[0] < 0.1
    assert made["no warm-up, x3.2"][0] == pytest.approx(0.316, rel=0.01)
    assert made["steps too early"].mean() < 0.025
    assert made["exponential too fast"].mean() < 0.01
    assert made["cosine rises again"][-1] > made["cosine rises again"][150:].min() + 0.02
    assert made["restart cut short"][-1] > 0.09
