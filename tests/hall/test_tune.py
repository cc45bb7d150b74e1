"""`traindoctor tune` as a user meets it: real processes, real kills, one journal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import traindoctor
from traindoctor.collectors.importers.optuna_search import load_study
from traindoctor.errors import UsageError
from traindoctor.search import Study

from .search_scripts import TRAINS, script

pytest.importorskip("optuna", reason="Optuna is not installed")

LR = "{lr:log:1e-5:10}"
ENVIRONMENT = {
    **{key: value for key, value in os.environ.items() if not key.startswith("TRAINDOCTOR")},
    "OMP_NUM_THREADS": "1",
}


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "traindoctor", "tune", "-o", str(folder / "out"), *words]


def run_tune(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *words), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )


def begin_tune(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(folder, *words), cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True, preexec_fn=listen_to_ctrl_c,
    )  # fmt: skip


def listen_to_ctrl_c() -> None:
    """Tests that run in the background of a shell inherit that it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def study_of(folder: Path) -> Study:
    return load_study(folder / "out" / "study.journal")


def wait_for(condition, seconds=120.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("nothing happened")


def running_attributes(folder: Path) -> dict[str, dict[str, int]]:
    """The processes of the running trial, from the journal; {} while there is none."""
    try:
        rows = [json.loads(line) for line in (folder / "out" / "study.journal").read_text().splitlines()]
    except (OSError, ValueError):
        return {}
    ended = {row["trial_id"] for row in rows if row["op_code"] == 6 and row["state"] in (1, 2, 3)}
    found: dict[int, dict[str, dict[str, int]]] = {}
    for row in rows:
        if row["op_code"] == 8 and row["trial_id"] not in ended:
            found.setdefault(row["trial_id"], {}).update(row["user_attr"])
    return next((facts for facts in found.values() if {"worker", "script"} <= facts.keys()), {})


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_real_training_is_searched_and_reported(tmp_path):
    path = script(tmp_path, TRAINS)
    done = run_tune(tmp_path, "--trials", "3", "--", path, "--lr", "{lr:log:1e-3:1}")
    assert (done.returncode, done.stderr) == (0, "")
    study = study_of(tmp_path)
    assert len(study.trials) == 3
    assert study.of_state("failed", "lost") == ()
    best = min(study.of_state("complete"), key=lambda trial: trial.value)
    run = traindoctor.load(best.run)
    assert run.series["loss/validation"].values[-1] == best.value
    assert abs(run.series["lr/0"].values[0] / best.parameters["lr"] - 1) < 1e-5
    assert f"best command: python {path} --lr {best.parameters['lr']:.6g}" in done.stdout
    for name in ("html", "md", "json"):
        assert (tmp_path / "out" / f"report.{name}").stat().st_size > 1000
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["search"]["best"] == best.number
    assert [trial["state"] for trial in report["search"]["trials"]] == [t.state for t in study.trials]


def test_a_continued_study_draws_what_it_would_have_drawn(tmp_path):
    words = [script(tmp_path), "--lr", LR, "--wd", "{wd:choice:0,1}"]
    once = traindoctor.tune(words, out=tmp_path / "once", method="random", trials=4, prune="none")
    traindoctor.tune(words, out=tmp_path / "twice", method="random", trials=2, prune="none")
    twice = traindoctor.tune(words, out=tmp_path / "twice", method="random", trials=4, prune="none")
    assert [t.parameters for t in twice.study.trials] == [t.parameters for t in once.study.trials]
    assert [t.value for t in twice.study.trials] == [t.value for t in once.study.trials]
    with pytest.raises(UsageError, match="begun with another plan"):
        traindoctor.tune(words[:3], out=tmp_path / "twice", trials=9)


def test_a_killed_worker_is_replaced_and_its_trial_repeated(tmp_path):
    path = script(tmp_path)
    process = begin_tune(
        tmp_path, "--trials", "3", "--prune", "none", "--", path, "--lr", LR, "--sleep", "0.5"
    )
    facts = wait_for(lambda: running_attributes(tmp_path))
    os.kill(facts["worker"]["pid"], signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert not is_alive(facts["script"]["pid"])
    study = study_of(tmp_path)
    (lost,) = study.of_state("lost")
    assert len(study.of_state("complete", "diverged")) == 3
    assert sum(trial.parameters == lost.parameters for trial in study.trials) == 2
    assert "1 killed workers were replaced" in output


def test_everything_killed_at_once_is_continued_by_the_same_command(tmp_path):
    path = script(tmp_path)
    words = ("--trials", "3", "--prune", "none", "--", path, "--lr", LR, "--sleep", "0.4")
    process = begin_tune(tmp_path, *words)
    facts = wait_for(lambda: running_attributes(tmp_path))
    os.killpg(process.pid, signal.SIGKILL)  # parent and worker; the script has a group of its own
    process.communicate()
    with (tmp_path / "out" / "study.journal").open("a") as journal:
        journal.write('{"op_code": 8, "trial_')  # as if it had died while writing
    done = run_tune(tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert not is_alive(facts["script"]["pid"])
    study = study_of(tmp_path)
    assert len(study.of_state("lost")) == 1
    assert len(study.of_state("complete", "diverged")) == 3


def test_two_workers_share_a_journal_and_ctrl_c_ends_their_scripts(tmp_path):
    path = script(tmp_path)
    words = ("--workers", "2", "--trials", "5", "--", path, "--lr", "{lr:log:1e-4:1}", "--sleep")
    process = begin_tune(tmp_path, *words, "20")
    facts = wait_for(lambda: running_attributes(tmp_path))
    wait_for(lambda: len(study_of(tmp_path).of_state("running")) == 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert not is_alive(facts["script"]["pid"])
    study = study_of(tmp_path)
    assert {trial.state for trial in study.trials} == {"lost", "waiting"}


def test_two_workers_do_the_trials_once_each(tmp_path):
    path = script(tmp_path)
    # --wd {wd:choice:0,1} without quotes, as bash passes it on
    words = ("--", path, "--lr", "{lr:log:1e-4:1}", "--wd", "wd:choice:0", "1", "--sleep", "0.1")
    done = run_tune(
        tmp_path, "--method", "grid", "--workers", "2", "--trials", "6", "--prune", "none", *words
    )
    assert done.returncode == 0, done.stderr
    tried = [tuple(trial.parameters.values()) for trial in study_of(tmp_path).trials]
    assert sorted(tried) == [(lr, wd) for lr in (1e-4, 0.01, 1.0) for wd in ("0", "1")]
    assert "Best loss/validation 0.1667 with lr 0.01, wd 0" in done.stdout


def test_pruned_trials_are_stopped_and_counted_apart(tmp_path):
    path = script(tmp_path)
    words = ("--method", "random", "--trials", "6", "--seed", "1", "--", path, "--lr", "{lr:log:1e-7:1}")
    done = run_tune(tmp_path, *words, "--epochs", "9", "--sleep", "0.15")
    assert done.returncode == 0, done.stderr
    study = study_of(tmp_path)
    pruned = study.of_state("pruned")
    assert pruned
    for trial in pruned:
        assert len(trial.reports) < 9
        assert len(traindoctor.load(trial.run).series["loss/validation"]) < 9
    full = study.of_state("complete")
    assert all(len(trial.reports) == 9 for trial in full)
    assert f"{len(full)} completed, {len(pruned)} pruned" in done.stdout


def test_an_objective_that_was_not_recorded_is_said_and_another_can_be_named(tmp_path):
    words = ("--", script(tmp_path), "--lr", LR, "--series", "accuracy/test")
    done = run_tune(tmp_path, "--trials", "2", *words)
    assert done.returncode == 2
    assert "recorded were: accuracy/test, loss/train" in done.stderr
    assert len(study_of(tmp_path).trials) == 1
    done = run_tune(tmp_path, "--trials", "2", "--objective", "accuracy/test", *words)
    assert done.returncode == 0, done.stderr
    assert study_of(tmp_path).better == "higher"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("--lr", LR, "--fail", "no such data set"),
            "the first 3 trials failed: the script ended with code 1",
        ),
        (("--lr", LR, "--ignore"), "the script seems to ignore the arguments"),
    ],
)
def test_what_cannot_work_is_said(tmp_path, words, sentence):
    done = run_tune(tmp_path, "--trials", "9", "--prune", "none", "--", script(tmp_path), *words)
    assert done.returncode in (2, 3)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(study_of(tmp_path).trials) < 9


def test_everything_the_optimizer_has_is_searched_without_an_argument(tmp_path):
    """Learning rate, momentum, weight decay and schedule reach a script that takes none of them."""
    hooks = ("lr:log:0.001:0.3", "momentum:choice:0.5,0.9", "weight_decay:choice:0,0.01")
    words = [word for hook in (*hooks, "schedule:choice:linear,constant") for word in ("--hook", hook)]
    sampling = ("--method", "random", "--seed", "7", "--trials", "3", "--prune", "none")
    done = run_tune(tmp_path, *sampling, *words, "--", script(tmp_path, TRAINS))
    assert (done.returncode, done.stderr) == (0, "")
    trials = study_of(tmp_path).of_state("complete")
    assert len(trials) == 3
    assert {trial.parameters["schedule"] for trial in trials} == {"linear", "constant"}
    for trial in trials:
        run = traindoctor.load(trial.run)
        rates, group = run.series["lr/0"].values, run.info.optimizers[0].groups[0]
        assert rates.max() == pytest.approx(trial.parameters["lr"], rel=1e-5)
        is_constant = trial.parameters["schedule"] == "constant"
        assert rates[-1] == pytest.approx(rates.max() if is_constant else rates.max() / 30, rel=0.1)
        assert (group["momentum"], group["weight_decay"]) == (
            trial.parameters["momentum"],
            trial.parameters["weight_decay"],
        )
    assert "with, in its optimizer: lr" in done.stdout
