"""Prescriptions from the log: what is advised, how surely, and when nothing is."""

from dataclasses import replace

import numpy as np
import pytest

from tests.runs import build, healthy_parameters, healthy_run, known_info, lr_trace
from traindoctor.analyzer.schedule import prescribe, recognise
from traindoctor.analyzer.schedule.evidence import target_update_ratio
from traindoctor.collectors.replay import replay_lr
from traindoctor.errors import MissingDependencyError
from traindoctor.finding import Finding, Remedy, Schedule, Severity
from traindoctor.run import OptimizerInfo, Run, Series

N = 2000


def finding(code, name="x", first_step=500, severity=Severity.WARNING, explains=()):
    return Finding(code, name, severity, 0.9, first_step, N - 1, "m", {}, {}, Remedy("r"), tuple(explains))


def run_with(lr, *, off=1.0, n=N, info=None, groups=()):
    """A run whose updates are `off` times as large as those of a well-tuned run of `n` steps."""
    parameters = healthy_parameters(n, lr)
    factor = off * target_update_ratio(n) / 2e-3
    moved = {name: Series(s.steps, s.values * factor) for name, s in parameters["update_norm"].items()}
    run = build(
        np.linspace(2, 1, n),
        lr=lr,
        info=info or known_info(),
        parameters={**parameters, "update_norm": moved},
    )
    series = {f"lr/{k + 1}": Series(np.arange(n), lr * share) for k, share in enumerate(groups)}
    return Run(run.id, run.name, {**run.series, **series}, run.parameters, run.events, None, run.info)


def advise(run, findings=(), replay=replay_lr):
    return prescribe(run, recognise(run), findings, replay=replay)


PLATEAU = [finding("TD101", "plateau")]


class TestHealthy:
    @pytest.mark.parametrize("schedule", ["cosine", "linear", "step", "warmup-linear", "one-cycle", "wsd"])
    def test_a_sane_ending_schedule_is_kept(self, schedule):
        found = advise(healthy_run(1500, schedule=schedule))
        assert found.action == "keep"
        assert (found.code, found.lr) == ("", None)

    @pytest.mark.parametrize("epochs", [4, 6])
    def test_a_cosine_of_few_epochs_ends_low_although_its_last_epoch_does_not(self, epochs):
        per_epoch = N // epochs
        epoch = np.arange(epochs * per_epoch) // per_epoch
        run = run_with(0.005 * (1 + np.cos(np.pi * epoch / epochs)), n=epoch.size)
        epochs_seen = Series(np.arange(epochs) * per_epoch, np.arange(float(epochs)))
        run = Run(run.id, run.name, {**run.series, "epoch": epochs_seen}, run.parameters, (), None, run.info)
        assert recognise(run).parameters["T_max"] == epochs
        assert advise(run).action == "keep"

    @pytest.mark.parametrize("off", [0.05, 1.0, 4.0])
    def test_a_constant_rate_gets_a_cooldown_and_never_another_rate(self, off):
        found = advise(run_with(np.full(N, 0.01), off=off))
        assert found.action == "cooldown"
        assert found.peak_lr == 0.01
        assert found.lr.steps[0] == N
        assert len(found.lr) == N // 10
        assert found.lr.values[-1] == pytest.approx(0.01 / (N // 10))
        assert found.replay_error < 1e-12

    def test_info_findings_leave_it_healthy(self):
        run = run_with(lr_trace(N, "cosine"), off=0.05)
        assert advise(run, [finding("TD305", severity=Severity.INFO)]).action == "keep"


class TestGates:
    @pytest.mark.parametrize(
        ("off", "schedule", "action", "confidence"),
        [
            (1.0, "cosine", "keep", 0.6),
            (1 / 2.5, "cosine", "keep", 0.6),
            (1 / 4.5, "cosine", "change-lr", 0.67),
            (1 / 8, "cosine", "change-lr", 0.8),
            (8, "cosine", "change-lr", 0.8),
            (1.0, "constant", "cooldown", 0.8),
            (1 / 8, "constant", "change-both", 0.8),
            (1.0, "rising", "change-schedule", 0.67),
            (8, "rising", "change-both", 0.8),
        ],
    )
    def test_actions(self, off, schedule, action, confidence):
        t = np.arange(N)
        lr = 0.05 * (1.1 - np.cos(2 * np.pi * t / 400)) if schedule == "rising" else lr_trace(N, schedule)
        found = advise(run_with(lr, off=off), PLATEAU)
        assert (found.action, found.confidence) == (action, confidence)
        assert found.basis == "log"

    def test_hint_is_the_ratio_of_target_and_measured_update(self):
        found = advise(run_with(np.full(N, 0.1), off=0.1), PLATEAU)
        assert found.evidence["lr_hint"] == pytest.approx(1.0, rel=0.1)
        assert found.evidence["lr_hint_high"] / found.evidence["lr_hint_low"] == pytest.approx(16)
        assert set(found.evidence) == set(found.units)
        assert "hint from the log" in found.why
        assert "paired run" in found.why

    def test_change_of_rate_keeps_the_schedule(self):
        found = advise(run_with(lr_trace(N, "cosine"), off=10), PLATEAU)
        assert found.schedule.family == "cosine"
        assert "CosineAnnealingLR(optimizer, T_max=2000, eta_min=0.0)" in found.code
        assert found.lr.values[0] == found.peak_lr == pytest.approx(0.01, rel=0.2)

    def test_change_of_both_falls_to_zero_over_the_run(self):
        found = advise(run_with(np.full(N, 0.1), off=10), PLATEAU)
        assert found.schedule.family == "linear"
        assert len(found.lr) == N
        assert found.lr.values.argmax() == N // 20 - 1
        assert found.lr.values[-1] < 1e-3 * found.peak_lr
        assert "T = 2000" in found.code

    def test_epoch_schedule_is_replayed_per_epoch(self):
        lr = np.repeat(0.1 * 0.1 ** (np.arange(10) // 4), N // 10)
        run = run_with(lr, off=10)
        epochs = Series(np.arange(N), np.arange(N) // (N // 10))
        run = Run(run.id, run.name, {**run.series, "epoch": epochs}, run.parameters, info=run.info)
        found = advise(run, PLATEAU)
        assert found.action == "change-lr"
        assert "StepLR(optimizer, step_size=4, gamma=0.1)" in found.code
        assert len(found.lr) == N
        np.testing.assert_allclose(found.lr.values / found.peak_lr, lr / 0.1)


class TestDivergence:
    @pytest.mark.parametrize("code", ["TD102", "TD103", "TD301"])
    def test_a_tenth_of_the_peak(self, code):
        found = advise(run_with(np.full(N, 0.5)), [finding(code)])
        assert found.action == "change-both"
        assert found.peak_lr == pytest.approx(0.05)
        assert found.evidence["lr_factor"] == 0.1

    @pytest.mark.parametrize(("code", "factor", "off"), [("TD301", 0.02, 30.0), ("TD302", 400.0, 0.001)])
    def test_it_names_the_rate_that_the_finding_suggests(self, code, factor, off):
        blames = replace(
            finding(code), evidence={"suggested factor": factor}, units={"suggested factor": "times"}
        )
        found = advise(run_with(np.full(N, 0.5), off=off), [blames])
        assert found.peak_lr == pytest.approx(0.5 * factor)
        assert f"{0.5 * factor:.2g}" in found.why

    def test_does_not_need_update_ratios(self):
        run = build(np.ones(N), lr=lr_trace(N, "cosine"), info=known_info())
        assert advise(run, [finding("TD102")]).action == "change-lr"

    def test_non_finite_from_the_first_step_is_not_the_learning_rate(self):
        found = advise(run_with(np.full(N, 0.5)), [finding("TD103", "non-finite", first_step=0)])
        assert found.action == "cannot-tell"
        assert "Fix TD103 (non-finite) first" in found.why


class TestNotTheLearningRate:
    @pytest.mark.parametrize("code", ["TD207", "TD208", "TD211", "TD213", "TD214", "TD308", "TD410"])
    def test_the_cause_comes_first(self, code):
        found = advise(run_with(np.full(N, 0.1), off=10), [finding(code, "wiring"), *PLATEAU])
        assert found.action == "cannot-tell"
        assert f"Fix {code} (wiring) first" in found.why
        assert found.code == ""

    def test_a_symptom_of_the_learning_rate_does_not_block(self):
        findings = [finding("TD301", explains=["TD203"]), finding("TD203")]
        assert advise(run_with(np.full(N, 0.1)), findings).action == "change-both"

    def test_overfitting_keeps_the_rate(self):
        found = advise(run_with(np.full(N, 0.1), off=0.05), [finding("TD401")])
        assert found.action == "keep"
        assert "overfitting" in found.why

    def test_an_epsilon_that_drowns_the_gradients_is_no_low_rate(self):
        told = {"evidence": {"epsilon": 1.0}, "units": {"epsilon": "gradient units"}}
        drowned = replace(finding("TD302", "lr-too-low"), **told)
        found = advise(run_with(np.full(N, 0.1), off=0.05), [drowned])
        assert found.action == "cannot-tell"
        assert "Fix TD302 (lr-too-low) first" in found.why

    def test_signs_that_disagree(self):
        found = advise(run_with(np.full(N, 0.1), off=5), [finding("TD302")])
        assert found.action == "cannot-tell"


class TestCannotTell:
    @pytest.mark.parametrize(
        ("run", "words"),
        [
            (build(np.ones(N), lr=np.full(N, 0.1)), "none was recorded"),
            (build(np.ones(N)), "No positive learning rate"),
            (build(np.ones(N), lr=np.zeros(N)), "No positive learning rate"),
            (run_with(np.full(60, 0.1), n=60), "60 optimizer steps"),
            (run_with(np.full(N, 0.1), info=known_info(x_unit="epochs")), "does not count optimizer steps"),
            (run_with(np.full(N, 0.1), info=known_info(loss_role="gan")), "does not mean progress"),
            (
                run_with(np.full(N, 0.1), info=known_info(optimizers=(OptimizerInfo("SGD"),) * 2)),
                "several optimizers",
            ),
            (Run("e", "e"), "No positive learning rate"),
        ],
    )
    def test_says_why(self, run, words):
        found = advise(run)
        assert found.action == "cannot-tell"
        assert words in found.why
        assert (found.code, found.confidence) == ("", 0.0)

    def test_damaged_series_do_not_raise(self):
        run = run_with(np.full(N, 0.1))
        broken = {
            name: Series(s.steps, s.values * np.nan) for name, s in run.parameter("update_norm").items()
        }
        run = Run("n", "n", run.series, {**run.parameters, "update_norm": broken}, info=run.info)
        assert advise(run).action == "cannot-tell"


class TestReplay:
    def test_code_that_makes_another_rate_is_withheld(self):
        wrong = lambda *args: replay_lr(*args) * (1 + 1e-9)  # noqa: E731
        found = advise(run_with(np.full(N, 0.1), off=10), PLATEAU, wrong)
        assert found.action == "cannot-tell"
        assert (found.code, found.lr) == ("", None)
        assert found.replay_error == pytest.approx(1e-9, rel=1e-2)

    def test_without_torch_the_reader_is_told(self):
        def missing(*args):
            raise MissingDependencyError("no torch")

        for replay in (None, missing):
            found = advise(run_with(np.full(N, 0.1), off=10), PLATEAU, replay)
            assert found.code
            assert "not replayed here because torch is not installed" in found.why
            assert np.isnan(found.replay_error)

    def test_all_groups_are_scaled_alike(self):
        seen = {}

        def watched(code, name, lrs, n):
            seen["made"] = replay_lr(code, name, lrs, n)
            return seen["made"]

        run = run_with(np.full(N, 0.1), off=10, groups=(0.1, 0.02))
        found = advise(run, PLATEAU, watched)
        peaks = seen["made"].max(axis=0)
        np.testing.assert_allclose(peaks / peaks[0], [1, 0.1, 0.02], rtol=1e-6)
        assert found.peak_lr == pytest.approx(peaks[0])

    def test_names_from_the_log_stay_out_of_the_code(self):
        evil = "StepLR()\nimport os; os.system('x')  #"
        info = known_info(optimizers=(OptimizerInfo(evil, scheduler=evil),))
        found = advise(run_with(np.full(N, 0.1), off=10, info=info), PLATEAU)
        assert "os.system" not in found.code + found.why
        assert found.replay_error < 1e-12


def test_a_killed_run_is_judged_by_the_schedule_it_was_on():
    lr = lr_trace(N, "cosine")[: N // 2]
    run = run_with(lr, n=N // 2, info=known_info(status="killed"))
    found = advise(run)
    assert found.action == "keep"
    assert found.evidence["horizon"] == N


def test_unknown_schedule_is_accepted():
    run = run_with(np.full(N, 0.1))
    assert prescribe(run, Schedule("unknown"), []).action in ("cooldown", "change-schedule")
