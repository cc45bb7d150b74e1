"""Sweep and proof on trainings in this process: scores, failures, seeds, interrupt and resume."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.recordings import RUN_ID, recording
from traindoctor import diagnose, load
from traindoctor.collectors.driving import trials
from traindoctor.collectors.driving.trials import Trial
from traindoctor.errors import TrialFailedError, UsageError
from traindoctor.prescribing import cost_of, decide, default_file, open_case, sweep, with_prescription
from traindoctor.prescription import Prescription
from traindoctor.prescription_file import lr_plan, read_prescription, write_prescription
from traindoctor.proving import open_trial, prove
from traindoctor.run import Series
from traindoctor.trial_score import Script

STEPS = 120


@dataclass
class Training:
    """A training that stands for a script, and what is odd about it."""

    root: Path
    lr: float = 0.0003
    seed_matters: bool = True
    can_be_seeded: bool = True
    steps: int = STEPS
    fails_at: tuple[int, ...] = ()
    mode: str = ""
    stops_early: tuple[str, ...] = ()
    decay: float = 0.0
    calls: list[str] = field(default_factory=list)

    def __call__(self, command, orders, *, out, name, seed, seed_argument, on_progress):
        """In place of `run_trial`: the training under orders, recorded."""
        del out, seed_argument, on_progress
        number = len(self.calls)
        self.calls.append(name)
        steps = min(self.steps, orders.max_steps) // (2 if command == self.stops_early else 1)
        self.decay = orders.weight_decay or 0.0
        plan = None if orders.lr_plan is None else orders.lr_plan.values
        path = self.record(self.root / f"trial-{number}", seed, steps, plan)
        failure = "the script ended with code 1: no more space" if number in self.fails_at else ""
        return Trial(path, name, seed, int(bool(failure)), 1.5, steps, failure, False, (), ())

    def record(self, folder, seed=0, steps=STEPS, plan=None):
        """Train and record; the run's folder."""
        with torch.random.fork_rng(), recording(folder):
            chosen = seed if self.seed_matters else 0
            torch.manual_seed(chosen if self.can_be_seeded else 100 + len(self.calls))
            data = torch.Generator().manual_seed(1)
            x = torch.randn(400, 8, generator=data)
            y = (x[:, 0] + x[:, 1] + 0.5 * torch.randn(400, generator=data) > 0).long()
            model, criterion = (
                nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2)),
                nn.CrossEntropyLoss(),
            )
            judged = nn.Linear(8, 2) if self.mode == "judges another model" else model
            if self.mode == "no optimizer":
                criterion(model(x[:300]), y[:300]).backward()
                return folder / RUN_ID
            optimizer = torch.optim.SGD(model.parameters(), self.lr, 0.9, weight_decay=self.decay)
            for step in range(steps):
                if plan is not None:
                    optimizer.param_groups[0]["lr"] = plan[step]
                pick = torch.randint(0, 300, (32,))
                optimizer.zero_grad()
                loss = criterion(model(x[pick]), y[pick])
                (loss * math.nan if self.mode == "explodes" and step >= 5 else loss).backward()
                optimizer.step()
                if (step + 1) % 12 == 0 and self.mode != "no validation":
                    with torch.no_grad():
                        criterion(judged(x[300:]), y[300:])
        return folder / RUN_ID


@pytest.fixture
def training(tmp_path, monkeypatch):
    made = Training(tmp_path)
    monkeypatch.setattr(trials, "run_trial", made)
    return made


@pytest.fixture
def run(training, tmp_path):
    return load(training.record(tmp_path / "recorded"))


def swept(run, script, budget=None):
    case = open_case(run, diagnose(run))
    assert not isinstance(case.setup, str), case.setup
    told = []
    found = sweep(case.setup, script, 0, cost_of(case.setup, budget), lambda *facts: told.append(facts))
    assert [facts[0] for facts in told] == list(range(1, len(found.points) + 1))
    return decide(case, found)


def script(tmp_path):
    return Script(("train.py",), tmp_path)


def change_to(lr):
    return Prescription("change-lr", lr=swept_plan(lr), peak_lr=lr)


def swept_plan(lr):
    return Series(np.arange(STEPS), np.linspace(lr, lr / STEPS, STEPS))


class TestSweep:
    def test_a_rate_that_is_far_too_low_is_raised_and_proven(self, run, tmp_path):
        found = swept(run, script(tmp_path))
        assert (found.action, found.basis, found.horizon_steps) == ("change-both", "sweep", STEPS)
        assert 0.01 < found.peak_lr < 3.0
        trial = open_trial(run, found, script(tmp_path), None, (1, 2), tmp_path / "p.json")
        proven = prove(trial)
        assert (proven.basis, proven.proof.decision, proven.proof.n) == ("verified", "adopt", 2)
        assert max(proven.proof.differences) < -0.05
        assert all(old.first_loss == new.first_loss for old, new in zip(*_sides(proven), strict=True))
        assert read_prescription(tmp_path / "p.json").proof == proven.proof

    def test_cost_is_told_and_bounded(self, run):
        setup = open_case(run, diagnose(run)).setup
        cost = cost_of(setup)
        assert (cost.least, cost.most, cost.steps) == (3, 6, 24)
        assert "3 to 6 short runs of 24 optimizer steps each, 20 %" in cost.sentence()
        assert cost_of(setup, 0.8).most == 4
        with pytest.raises(UsageError, match=r"at least 0\.6 recorded runs"):
            cost_of(setup, 0.5)

    def test_a_script_that_fails_ends_the_sweep_with_its_words(self, run, training, tmp_path):
        training.fails_at = (1,)
        with pytest.raises(TrialFailedError, match="no more space"):
            swept(run, script(tmp_path))
        assert len(training.calls) == 2

    def test_a_script_that_takes_other_steps_is_noticed(self, run, training, tmp_path):
        training.steps = 10
        with pytest.raises(TrialFailedError, match="10 optimizer steps instead of 24"):
            swept(run, script(tmp_path))

    def test_a_script_that_cannot_be_seeded_is_told(self, run, training, tmp_path):
        training.can_be_seeded = False
        found = swept(run, script(tmp_path), 0.6)
        assert len({point.first_loss for point in found.sweep.points}) == 3
        assert "cannot be seeded from outside" in found.assumptions[-1]

    def test_a_script_that_sets_its_own_rate_is_noticed(self, run, training, tmp_path, monkeypatch):
        real = training.record
        monkeypatch.setattr(
            training, "record", lambda folder, seed, steps, plan: real(folder, seed, steps, None)
        )
        with pytest.raises(TrialFailedError, match="not the planned ones"):
            swept(run, script(tmp_path))


class TestBadInput:
    """Each gets a clear sentence, and nothing is prescribed."""

    @pytest.mark.parametrize(
        ("mode", "words"),
        [
            ("no validation", "No validation: neither a validation loss nor a validation accuracy"),
            ("no optimizer", "no optimizer step"),
        ],
    )
    def test_a_run_that_no_sweep_can_be_made_of(self, training, tmp_path, mode, words):
        training.mode = mode
        run = load(training.record(tmp_path / "recorded"))
        setup = open_case(run, diagnose(run)).setup
        assert isinstance(setup, str)
        assert words in setup
        with pytest.raises(UsageError):
            open_trial(run, Prescription("cannot-tell"), script(tmp_path), None, (1,), tmp_path / "p.json")

    @pytest.mark.parametrize(
        ("mode", "words"),
        [
            ("explodes", "Every one of the 3 short runs diverged"),
            ("judges another model", "does not depend on the learning rate"),
        ],
    )
    def test_a_sweep_that_says_nothing(self, run, training, tmp_path, mode, words):
        training.mode = mode
        found = swept(run, script(tmp_path), 0.6)
        assert (found.action, found.lr, found.code) == ("cannot-tell", None, "")
        assert words in found.why
        assert len(found.sweep.points) == 3


class TestProof:
    def test_a_worse_plan_is_not_adopted(self, run, training, tmp_path):
        training.lr = 0.3
        found = prove(open_trial(run, change_to(1e-5), script(tmp_path), None, (1, 2), tmp_path / "p.json"))
        assert found.proof.decision == "keep"
        assert found.confidence < 0.1
        assert "Keep what you have" in found.proof.why

    def test_a_script_that_ignores_its_seed_counts_once(self, run, training, tmp_path):
        training.seed_matters = False
        found = prove(open_trial(run, change_to(0.3), script(tmp_path), None, (1, 2, 3), tmp_path / "p.json"))
        assert (found.proof.n, len(found.proof.runs)) == (1, 6)
        assert "ignores the seed" in found.proof.notes[0]

    def test_failed_runs_are_said_and_not_counted(self, run, training, tmp_path):
        training.fails_at = (0,)
        found = prove(open_trial(run, change_to(0.3), script(tmp_path), None, (1, 2), tmp_path / "p.json"))
        assert found.proof.seeds == (2,)
        assert math.isnan(found.proof.runs[0].score)
        assert "old run of seed 1 failed" in found.proof.notes[0]

    def test_it_goes_on_where_it_was_interrupted(self, run, training, tmp_path, monkeypatch):
        def interrupted(*args, **kwargs):
            if len(training.calls) == 3:
                raise KeyboardInterrupt
            return training(*args, **kwargs)

        path, plan = tmp_path / "p.json", change_to(0.3)
        monkeypatch.setattr(trials, "run_trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prove(open_trial(run, plan, script(tmp_path), None, (1, 2), path))
        kept = read_prescription(path)
        assert (kept.proof.decision, len(kept.proof.runs), kept.basis) == ("unfinished", 3, "log")
        monkeypatch.setattr(trials, "run_trial", training)
        trial = open_trial(run, kept, script(tmp_path), None, (1, 2), path)
        assert "proof: 1 run of 120 optimizer steps" in trial.cost()
        found = prove(trial)
        assert training.calls[3:] == ["proof new seed 2"]
        assert found.proof.decision in ("adopt", "keep")

    def test_runs_of_another_command_or_plan_are_not_taken_over(self, run, tmp_path):
        path = tmp_path / "p.json"
        done = prove(open_trial(run, change_to(0.3), script(tmp_path), None, (1,), path))
        other = Script(("train.py", "--wide"), tmp_path)
        assert open_trial(run, done, script(tmp_path), None, (1,), path).finished()
        assert not open_trial(run, done, other, None, (1,), path).finished()
        assert not open_trial(run, done, script(tmp_path), other, (1,), path).finished()

    def test_another_command_can_be_the_new_side(self, run, tmp_path):
        other = Script(("train.py", "--wd", "0.1"), tmp_path)
        found = prove(
            open_trial(run, Prescription("try"), script(tmp_path), other, (1,), tmp_path / "p.json")
        )
        assert found.proof.challenger == ("train.py", "--wd", "0.1")
        assert found.proof.differences == (0.0,)  # this training does the same for any arguments
        assert found.proof.decision == "keep"
        assert "did not reach the training" in found.proof.notes[0]

    def test_a_setting_of_the_optimizer_can_be_the_new_side(self, run, training, tmp_path):
        """Regularisation without an argument of the script: so much weight decay that nothing is learned."""
        training.lr = 0.1
        other = replace(script(tmp_path), settings=(("weight_decay", 5.0),))
        path = tmp_path / "p.json"
        found = prove(open_trial(run, Prescription("try"), script(tmp_path), other, (1, 2), path))
        assert found.proof.challenger == ("train.py", "[weight_decay=5]")
        assert found.proof.decision == "keep"
        assert min(found.proof.differences) > 0.1
        twice = replace(other, settings=(("weight_decay", 0.01),))
        assert not open_trial(run, found, script(tmp_path), twice, (1, 2), path).finished()
        assert open_trial(run, found, script(tmp_path), other, (1, 2), path).finished()

    def test_the_new_command_may_stop_early_and_the_old_one_may_not(self, run, training, tmp_path):
        other = Script(("train.py", "--patience", "3"), tmp_path)
        training.stops_early = other.command
        path = tmp_path / "p.json"
        found = prove(open_trial(run, Prescription("try"), script(tmp_path), other, (1,), path))
        assert [made.steps for made in found.proof.runs] == [120, 60]
        assert found.proof.n == 1
        assert "after 60 of 120 optimizer steps" in found.proof.notes[0]
        training.stops_early = ("train.py",)
        found = prove(open_trial(run, Prescription("try"), script(tmp_path), other, (2,), path))
        assert "60 optimizer steps instead of 120" in found.proof.runs[0].failure

    @pytest.mark.parametrize("action", ["keep", "cannot-tell"])
    def test_nothing_to_prove(self, run, tmp_path, action):
        with pytest.raises(UsageError, match="changes nothing"):
            open_trial(run, Prescription(action), script(tmp_path), None, (1,), tmp_path / "p.json")

    def test_a_cooldown_is_not_applied_from_the_first_step(self, run, tmp_path):
        late = Prescription("cooldown", lr=Series(np.arange(120, 132), np.full(12, 0.1)))
        with pytest.raises(UsageError, match="last checkpoint"):
            lr_plan(late)


class TestReport:
    def test_the_file_in_the_folder_of_the_run_is_shown(self, run):
        diagnosis = diagnose(run)
        assert with_prescription(diagnosis) is diagnosis
        write_prescription(Prescription("keep", "sweep", why="as measured"), default_file(run), run)
        assert with_prescription(diagnosis).prescription.why == "as measured"


def _sides(prescription):
    return [[run for run in prescription.proof.runs if run.side == side] for side in ("old", "new")]
