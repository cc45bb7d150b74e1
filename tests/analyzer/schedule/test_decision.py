"""From sweep to prescription: the gates, the code, and the sentences."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.runs import build, evaluation_steps, known_info, lr_trace
from traindoctor.analyzer.schedule import recognise
from traindoctor.analyzer.schedule.decision import decide
from traindoctor.analyzer.schedule.setup import Setup, sweep_setup
from traindoctor.analyzer.schedule.sweep import full_over_short
from traindoctor.collectors.replay import replay_lr
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.prescription_text import prescription_lines
from traindoctor.run import OptimizerInfo, Run, Series

N = 2000


def finding(code, name, severity):
    return Finding(code, name, severity, 0.9, 5, N, "m", {}, {}, Remedy("r"))


def recorded(schedule="linear", peak=0.1, validation=None, **kwargs):
    validation = np.linspace(2.0, 1.0, 10) if validation is None else validation
    return build(np.linspace(2, 1, N), lr=lr_trace(N, schedule, peak), validation=validation, **kwargs)


def prepared(run, findings=()):
    setup = sweep_setup(run, recognise(run), findings)
    assert isinstance(setup, Setup), setup
    return setup


def swept(setup, best, score=None):
    """A sweep whose parabola has its lowest point where the full run's best LR would be `best`."""
    sweeper = setup.sweeper(0)
    wanted = math.log10(best / full_over_short(setup.share, setup.optimizer))
    while (lr := sweeper.ask()) is not None:
        sweeper.tell(lr, math.exp((math.log10(lr) - wanted) ** 2) if score is None else score(lr))
    return sweeper.result()


def decided(run, best, findings=(), replay=replay_lr, shape="linear"):
    setup = prepared(run, findings)
    return decide(run, setup, swept(setup, best), replay, shape)


class TestGates:
    @pytest.mark.parametrize(
        ("off", "schedule", "action", "confidence"),
        [
            (0.0, "linear", "keep", 0.94),
            (0.45, "linear", "keep", 0.94),
            (-0.45, "cosine", "keep", 0.94),
            (0.6, "linear", "try", 0.62),
            (-0.6, "cosine", "try", 0.62),
            (0.9, "linear", "change-lr", 0.83),
            (-1.5, "cosine", "change-lr", 0.83),
            (0.3, "constant", "change-schedule", 0.81),
            (-0.3, "constant", "change-schedule", 0.81),
            (0.6, "constant", "change-both", 0.83),
            (-1.2, "constant", "change-both", 0.83),
        ],
    )
    def test_verdicts(self, off, schedule, action, confidence):
        found = decided(recorded(schedule), 0.1 * 10**off)
        assert (found.action, found.confidence, found.basis) == (action, confidence, "sweep")
        if action == "change-schedule":
            assert found.peak_lr == 0.1  # raising it along with the schedule brought nothing
        elif action != "keep":
            assert found.peak_lr == pytest.approx(0.1 * 10**off, rel=0.06)
        assert set(found.evidence) == set(found.units)

    def test_a_schedule_that_is_spent_early_is_changed(self):
        lr = np.where(np.arange(N) < N // 8, 0.1, 0.001)
        run = build(np.linspace(2, 1, N), lr=lr, validation=np.linspace(2, 1, 10))
        found = decided(run, 0.1)
        assert found.action == "change-schedule"
        assert "spent early" in found.why

    @pytest.mark.parametrize("code", ["TD401", "TD403"])
    @pytest.mark.parametrize("severity", list(Severity))
    def test_overfitting_takes_a_quarter_decade_off_and_never_makes_a_change(self, code, severity):
        overfitted = [finding(code, "overfitting", severity)]
        lowered = decided(recorded(), 0.1 * 10**1.0, overfitted)
        assert lowered.peak_lr == pytest.approx(0.1 * 10**0.75, rel=0.06)
        assert "the recorded run overfitted" in lowered.why
        assert decided(recorded(), 0.1 * 10**0.6, overfitted).action == "keep"
        assert decided(recorded(), 0.1 * 10**-0.4, overfitted).action == "keep"

    def test_a_validation_loss_that_ends_above_its_lowest_is_not_overfitting_by_itself(self):
        noisy = np.r_[np.linspace(2.0, 1.0, 8), 1.2, 1.3]  # as under a constant learning rate
        assert decided(recorded(validation=noisy), 0.1 * 10**1.0).peak_lr == pytest.approx(1.0, rel=0.06)


class TestPrescription:
    @pytest.mark.parametrize("shape", ["linear", "linear-lambda", "cosine", "wsd", "one-cycle"])
    def test_the_code_makes_the_plan(self, shape):
        found = decided(recorded("constant"), 1.0, shape=shape)
        made = replay_lr(found.code, "SGD", [0.1], N)[:, 0]
        np.testing.assert_allclose(made, found.lr.values, rtol=0, atol=1e-12 * found.peak_lr)
        assert found.replay_error <= 1e-12
        assert (found.horizon_steps, len(found.lr)) == (N, N)

    def test_groups_keep_their_ratios(self):
        groups = tuple({"label": f"{k}", "lr": lr} for k, lr in enumerate((0.1, 0.001)))
        run = recorded("constant", info=known_info(optimizers=(OptimizerInfo("AdamW", groups),)))
        second = Series(np.arange(N), np.full(N, 0.001))
        run = Run(run.id, run.name, {**run.series, "lr/1": second}, info=run.info)
        found = decided(run, 1.0)
        assert found.group_lrs[1] / found.group_lrs[0] == pytest.approx(0.01)
        made = replay_lr(found.code, "AdamW", [0.1, 0.001], N)
        np.testing.assert_allclose(made[:, 1] / made[:, 0], 0.01, rtol=1e-6)

    def test_a_constant_rate_gets_the_cheaper_way_as_well(self):
        assert "load the last checkpoint" in decided(recorded("constant"), 0.1).alternative
        assert decided(recorded("cosine"), 1.0).alternative == ""

    def test_it_says_what_it_assumes_and_how_to_show_it_wrong(self):
        found = decided(recorded(), 2.0)
        assert any(f"{N} optimizer steps" in sentence for sentence in found.assumptions)
        assert any("traindoctor prove" in sentence for sentence in found.falsify)
        assert any("Not proven yet" in line for line in prescription_lines(found))
        assert decided(recorded(), 0.1).falsify

    def test_short_runs_that_began_differently_are_told(self):
        """One seed and different first losses: the script cannot be seeded from outside."""
        setup = prepared(recorded())
        same, found = swept(setup, 2.0), swept(setup, 2.0)
        points = [replace(point, first_loss=2.3 + 0.01 * k) for k, point in enumerate(found.points)]
        told = decide(recorded(), setup, replace(found, points=tuple(points))).assumptions
        assert any("cannot be seeded from outside" in text and "2.3 to 2.3" in text for text in told)
        equal = tuple(replace(point, first_loss=2.3) for point in same.points)
        for sweep in (same, replace(same, points=equal)):
            assert "One seed per learning rate is enough" in decide(recorded(), setup, sweep).assumptions[-1]

    def test_code_that_makes_another_rate_is_withheld(self):
        def wrong(code, name, lrs, n):
            return replay_lr(code, name, lrs, n) * 1.01

        found = decided(recorded("constant"), 1.0, replay=wrong)
        assert (found.action, found.code, found.lr) == ("cannot-tell", "", None)

    def test_without_torch_it_says_that_it_was_not_replayed(self):
        found = decided(recorded("constant"), 1.0, replay=None)
        assert found.action == "change-both"
        assert "not replayed" in found.why

    def test_another_finding_is_named(self):
        other = Finding("TD201", "dead-units", Severity.WARNING, 0.9, 10, 100, "m", {}, {}, Remedy("r"))
        assert "TD201 (dead-units)" in decided(recorded(), 2.0, [other]).why


class TestNoPrescription:
    def test_everything_diverges(self):
        run = recorded()
        setup = prepared(run)
        found = decide(run, setup, swept(setup, 0.1, lambda lr: math.inf), replay_lr)
        assert (found.action, found.code, found.lr) == ("cannot-tell", "", None)
        assert "Every one of the 6 short runs diverged" in found.why

    def test_a_flat_loss(self):
        run = recorded()
        setup = prepared(run)
        found = decide(run, setup, swept(setup, 0.1, lambda lr: 2.3), replay_lr)
        assert (found.action, found.code) == ("cannot-tell", "")
        assert "does not depend on the learning rate" in found.why


class TestSetup:
    def test_length_and_cost(self):
        setup = prepared(recorded())
        assert (setup.steps, setup.share) == (400, 0.2)
        assert setup.seconds == pytest.approx(60 * 0.2)

    def test_a_short_run_ends_with_an_evaluation(self):
        run = recorded(validation=np.linspace(2, 1, 3))
        assert prepared(run).steps == int(evaluation_steps(N, 3)[0]) + 1
        assert prepared(recorded(validation=np.array([1.0]))).share == 1.0

    @pytest.mark.parametrize(
        ("name", "power"), [("SGD", 0.25), ("ASGD", 0.25), ("AdamW", 0.5), ("Lion", 0.5)]
    )
    def test_the_middle_is_the_present_rate_as_a_short_run_would_have_it(self, name, power):
        info = known_info(optimizers=(OptimizerInfo(name, ({"label": "0", "lr": 0.1},)),))
        assert prepared(recorded(info=info)).centre == pytest.approx(0.1 / 0.2**power)
        blown = finding("TD102", "divergence", Severity.CRITICAL)
        assert prepared(recorded(info=info), [blown]).centre == pytest.approx(0.01)

    @pytest.mark.parametrize(
        ("run", "words"),
        [
            (build([]), "no optimizer step"),
            (build(np.ones(N)), "No positive learning rate"),
            (build(np.ones(N), info=known_info(optimizers=())), "no optimizer step"),
            (build(np.ones(N), lr=np.full(N, 0.1)), "No validation"),
            (build(np.ones(50), lr=np.full(50, 0.1), validation=np.ones(3)), "50 optimizer steps"),
            (recorded(info=known_info(loss_role="gan")), "not mean progress"),
            (recorded(info=known_info(x_unit="epochs")), "does not count optimizer steps"),
            (
                recorded(info=known_info(optimizers=(OptimizerInfo("SGD"), OptimizerInfo("Adam")))),
                "several optimizers",
            ),
            (recorded(validation=np.array([1.0, -1.0])), "zero or negative"),
        ],
    )
    def test_where_no_sweep_can_be_made_it_says_why(self, run, words):
        why = sweep_setup(run, recognise(run), [])
        assert isinstance(why, str)
        assert words in why

    def test_data_that_was_bad_from_the_start_comes_first(self):
        bad = Finding("TD103", "non-finite", Severity.CRITICAL, 0.9, 0, N, "m", {}, {}, Remedy("r"))
        assert "Fix TD103" in sweep_setup(recorded(), recognise(recorded()), [bad])
