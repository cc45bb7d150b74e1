"""The rules of other tools, on runs of which the answer is known."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.diagnosis import rivals
from tests import runs


@pytest.mark.parametrize("rule", [rivals.sagemaker, rivals.autotrainer, rivals.umlaut])
def test_nan_is_an_alarm_of_every_tool(rule):
    assert rule(runs.nan_run())


def quiet(**changes):
    """A run whose curves only fall: no rule on curves has a reason."""
    fall = np.linspace(2.0, 0.5, 400)
    return runs.build(fall, lr=np.full(400, 0.005), validation=fall[39::40] - 0.01, **changes)


def test_a_run_that_only_improves_alarms_none():
    for name, rule in rivals.RULES.items():
        assert not rule(quiet()), name


def test_one_worse_evaluation_alarms_those_without_patience():
    run = quiet()
    values = run.series["loss/validation"].values.copy()
    values[5] = values[4] + 1e-3
    worse = runs.with_series(run, loss__validation=type(run.series["loss/train"])(
        run.series["loss/validation"].steps, values))  # fmt: skip
    assert rivals.umlaut(worse)
    assert rivals.early_stopping(worse)
    assert not rivals.plateau_patience(worse)
    assert not rivals.autotrainer(worse)


def test_a_rate_of_a_tenth_alarms_umlaut_and_a_gap_sagemaker():
    assert rivals.umlaut(runs.build(np.linspace(2.0, 0.5, 400), lr=np.full(400, 0.1)))
    assert rivals.sagemaker(runs.build(np.linspace(2.0, 0.5, 400), validation=np.linspace(2.9, 1.4, 10)))


def test_an_absent_package_is_no_rule_and_a_present_one_is_asked(tmp_path: Path):
    assert rivals.package_rule(tmp_path, "runmedic") is None
    program = tmp_path / "runmedic"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('nan' in open(sys.argv[2]).read())\n")
    program.chmod(0o755)
    rule = rivals.package_rule(tmp_path, "runmedic")
    assert rule is not None
    assert rule(runs.nan_run())
    assert not rule(quiet())


def test_the_csv_holds_each_value_at_its_step(tmp_path: Path):
    run = runs.healthy_run(100, evaluations=5)
    rivals.write_csv(run, tmp_path / "run.csv")
    with (tmp_path / "run.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["train/loss"]) for row in rows] == run.series["loss/train"].values.tolist()
    assert sum(row["val/loss"] != "" for row in rows) == 5
