"""`prescribe` and `prove` on unmodified scripts: what they change, refuse, and leave behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from traindoctor.cli import cli
from traindoctor.errors import TraindoctorError, TrialFailedError, UsageError
from traindoctor.prescription_file import read_prescription, write_prescription

SCRIPT = str(Path(__file__).with_name("tiny_script.py"))


def record(folder, *arguments):
    """Record the script; its command."""
    command = [SCRIPT, *arguments]
    subprocess.run(
        [sys.executable, "-m", "traindoctor", "run", "--", *command],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return command


def call(*arguments):
    """A command of ours in this process; an error of ours is the `exception` of its result."""
    return CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)


def prescription_in(folder):
    return next(folder.glob("traindoctor-runs/*/prescription.json"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def test_from_a_rate_that_is_far_too_low_to_a_proof(place):
    command = record(place, "--lr", "0.0003")
    hint = call("prescribe", "-o", "hint.json")
    assert hint.exit_code == 0, hint.output
    document = json.loads((place / "hint.json").read_text())
    assert (document["basis"], document["format"], document["sweep"]) == ("log", 1, None)
    assert document["confidence"] <= 0.8
    small = call("prescribe", "--budget", "0.1", "--", SCRIPT)
    assert isinstance(small.exception, UsageError)
    assert "expected at least 0.6 recorded runs" in str(small.exception)

    done = call("prescribe", "--seed-arg", "--seed", "--budget", "0.6", "--", *command)
    assert done.exit_code == 0, done.output
    assert "sweep: 3 short runs of 24 optimizer steps each, 20 % of the recorded run" in done.stderr
    assert "Change the learning rate and the schedule" in done.stdout
    assert "SequentialLR" in done.stdout
    file = prescription_in(place)
    found = read_prescription(file)
    assert (found.action, found.basis, found.horizon_steps) == ("change-both", "sweep", 120)
    assert found.peak_lr > 0.003
    assert found.sweep.objective == "validation loss"
    assert not list(place.glob("traindoctor-runs/*sweep*"))

    done = call("prove", "--seeds", 1, "--seed-arg", "--seed", "--report", "md", "--", *command)
    assert done.exit_code == 0, done.output
    proven = read_prescription(file)
    assert (proven.basis, proven.proof.decision, proven.proof.n) == ("verified", "adopt", 1)
    assert [run.side for run in proven.proof.runs] == ["old", "new"]
    assert {run.steps for run in proven.proof.runs} == {120}
    assert proven.proof.runs[0].first_loss == proven.proof.runs[1].first_loss
    assert max(proven.proof.differences) < -0.01
    assert not proven.proof.notes
    report = next(place.glob("traindoctor-runs/*/report.md")).read_text()
    assert "Adopt it" in report
    assert "Paired runs: same seed" in report

    again = call("prove", "--seeds", 1, "--seed-arg", "--seed", "--", *command)
    assert "proof: 0 runs" in again.stderr  # nothing is run twice


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("no-validation", "No validation: neither a validation loss nor a validation accuracy"),
        ("no-optimizer", "no optimizer step"),
    ],
)
def test_a_run_that_cannot_be_judged_gets_a_sentence_and_no_sweep(place, mode, words):
    command = record(place, "--mode", mode)
    done = call("prescribe", "--", *command)
    assert done.exit_code == 0, done.output
    assert words in " ".join(done.stdout.split())
    assert "sweep:" not in done.stderr
    found = read_prescription(prescription_in(place))
    assert (found.action, found.lr, found.code) == ("cannot-tell", None, "")
    refused = call("prove", "--seeds", 1, "--", *command)
    assert isinstance(refused.exception, UsageError)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("explodes", "Every one of the 3 short runs diverged"),
        ("judges-another-model", "does not depend on the learning rate"),
    ],
)
def test_a_sweep_that_says_nothing_prescribes_nothing(place, mode, words):
    command = record(place, "--mode", mode)
    done = call("prescribe", "--budget", "0.6", "--", *command)
    assert done.exit_code == 0, done.output
    assert words in " ".join(done.stdout.split())
    found = read_prescription(prescription_in(place))
    assert (found.action, found.lr, found.code) == ("cannot-tell", None, "")
    assert len(found.sweep.points) == 3


@pytest.mark.nightly
def test_a_script_that_fails_is_quoted_and_nothing_is_written(place):
    command = record(place, "--mode", "fails-later")
    done = call("prescribe", "--", *command)
    assert isinstance(done.exception, TrialFailedError)
    assert "the disk is full" in str(done.exception)
    assert not list(place.glob("traindoctor-runs/*/prescription.json"))


@pytest.mark.nightly
def test_other_arguments_than_the_recorded_ones_are_noticed(place):
    command = record(place)
    done = call("prescribe", "--", *command, "--steps", "10")
    assert isinstance(done.exception, TrialFailedError)
    assert "10 optimizer steps instead of 24" in str(done.exception)


@pytest.mark.nightly
def test_a_script_that_ignores_its_seed_counts_once(place):
    command = record(place, "--mode", "ignores-seed", "--lr", "0.0003")
    done = call("prove", "--seeds", 2, "--new", f"{SCRIPT} --mode ignores-seed --lr 0.3", "--", *command)
    assert done.exit_code == 0, done.output
    proof = read_prescription(next(place.glob("traindoctor-runs/*/challenge.json"))).proof
    assert (proof.n, len(proof.runs), proof.decision) == (1, 4, "adopt")
    assert "ignores the seed" in proof.notes[0]
    assert proof.challenger[-1] == "0.3"


@pytest.mark.nightly
def test_an_interrupt_keeps_what_was_run_and_the_same_command_goes_on(place, monkeypatch):
    from traindoctor.collectors.driving import trials

    command = record(place, "--lr", "0.0003")
    done = call("prescribe", "--seed-arg", "--seed", "--budget", "0.6", "--", *command)
    assert done.exit_code == 0, done.output
    real, made = trials.run_trial, []

    def interrupted(*args, **kwargs):
        if len(made) == 1:
            raise KeyboardInterrupt
        made.append(kwargs["name"])
        return real(*args, **kwargs)

    words = ("prove", "--seeds", 1, "--seed-arg", "--seed", "--", *command)
    monkeypatch.setattr(trials, "run_trial", interrupted)
    stopped = call(*words)
    assert stopped.exit_code == 130
    assert "goes on from there" in stopped.stderr
    file = prescription_in(place)
    assert read_prescription(file).proof.decision == "unfinished"
    monkeypatch.setattr(trials, "run_trial", real)
    done = call(*words)
    assert "proof: 1 run of 120 optimizer steps" in done.stderr
    assert read_prescription(file).proof.decision in ("adopt", "keep")


@pytest.mark.nightly
def test_weight_decay_is_proven_on_a_script_that_has_no_argument_for_it(place):
    command = record(place, "--lr", "0.1")
    done = call("prove", "--seeds", 1, "--seed-arg", "--seed", "--set", "weight_decay=5", "--", *command)
    assert done.exit_code == 0, done.output
    proof = read_prescription(next(place.glob("traindoctor-runs/*/challenge.json"))).proof
    assert (proof.decision, proof.challenger[-1]) == ("keep", "[weight_decay=5]")
    assert proof.differences[0] > 0.1


@pytest.mark.parametrize("word", ["weight_decay", "weight_decay=much", "decay=0.1", "weight_decay=-1"])
def test_what_cannot_be_set_is_said(place, word):
    done = CliRunner().invoke(cli, ["prove", "--set", word, "--", SCRIPT])
    assert done.exit_code == 2
    assert "such as weight_decay=5e-4" in " ".join(done.output.split())


def test_prove_needs_a_script_and_a_prescription(place):
    assert isinstance(call("prove").exception, UsageError)
    with pytest.raises(TraindoctorError):
        read_prescription(place / "nothing.json")
    (place / "other.json").write_text('{"kind": "something"}')
    with pytest.raises(TraindoctorError, match="kind"):
        read_prescription(place / "other.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 99}, "format"),
        ({"action": "pray"}, "action"),
        ({"lr": {"steps": [0, 1], "values": [0.1]}}, "equally long"),
        ({"lr": {"steps": [0, 1], "values": [0.1, -0.1]}}, "negative"),
        ({"lr": {"steps": [0, 10**12], "values": [0.1, 0.1]}}, "steps"),
        ({"confidence": "very"}, "confidence"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(tmp_path, change, words):
    from traindoctor.prescription import Prescription

    path = tmp_path / "p.json"
    write_prescription(Prescription("keep"), path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **change}))
    with pytest.raises(TraindoctorError, match=words):
        read_prescription(path)
