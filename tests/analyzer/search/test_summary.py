import math
from dataclasses import replace

import numpy as np
import pytest

from traindoctor.analyzer.search.divergence import divergence_threshold
from traindoctor.analyzer.search.importance import importances
from traindoctor.analyzer.search.region import best_region
from traindoctor.analyzer.search.summary import summarise
from traindoctor.search import Parameter, Study, Trial

from .studies import BEST, LR, loss_at, lr_study, with_trials


def test_the_interval_holds_the_best_lr_about_as_often_as_it_says():
    held = widths = 0.0
    for seed in range(30):
        region = best_region(lr_study(noise=0.02, seed=seed), LR)
        held += region.low <= BEST <= region.high
        widths += math.log10(region.high / region.low)
    assert held >= 0.85 * 30
    assert widths / 30 < 1.5  # decades


def test_higher_is_better_turns_everything():
    study = lr_study()
    turned = replace(
        study, better="higher", trials=tuple(replace(trial, value=-trial.value) for trial in study.trials)
    )
    one, other = summarise(study), summarise(turned)
    assert one.best.number == other.best.number
    assert one.region.best == pytest.approx(other.region.best)
    assert other.region.curve[0][1] == pytest.approx(-one.region.curve[0][1])


def test_too_few_trials_say_nothing_and_say_so():
    search = summarise(lr_study(5))
    assert search.region is None
    assert search.importances == ()
    assert any("needs 6 completed trials" in note for note in search.notes)


def test_pruned_trials_are_neither_best_nor_fitted():
    study = lr_study()
    pruned = Trial(20, "pruned", {"lr": 1e-4}, value=0.001)
    assert summarise(with_trials(study, pruned)).best.number == summarise(study).best.number
    assert best_region(with_trials(study, pruned), LR) == best_region(study, LR)


def test_divergence_lies_between_the_last_that_held_and_the_first_that_did_not():
    study = with_trials(
        lr_study(high=-1.0), Trial(20, "diverged", {"lr": 0.5}), Trial(21, "diverged", {"lr": 0.9})
    )
    found = divergence_threshold(study, LR)
    largest = max(trial.parameters["lr"] for trial in study.of_state("complete"))
    assert (found.low, found.high) == (pytest.approx(largest), pytest.approx(0.5))
    assert (found.n_diverged, found.n_held, found.is_clean) == (2, 20, True)
    mixed = with_trials(study, Trial(22, "complete", {"lr": 0.7}, value=1.0))
    assert not divergence_threshold(mixed, LR).is_clean
    assert divergence_threshold(lr_study(), LR) is None


@pytest.mark.parametrize(
    ("low", "high", "side", "suggestion"), [(-5, -2.6, "upper", 0.025), (-1.2, 0, "lower", 0.006)]
)
def test_a_best_value_at_the_edge_asks_for_a_wider_range(low, high, side, suggestion):
    narrow = Parameter("lr", "log", 10.0**low, 10.0**high)
    study = replace(lr_study(noise=0.001, low=low, high=high), parameters=(narrow,))
    (edge,) = summarise(study).edges
    assert (edge.parameter, edge.side) == ("lr", side)
    assert edge.suggestion == pytest.approx(suggestion, rel=0.1)
    assert "widen it" in edge.sentence
    assert summarise(lr_study()).edges == ()


def two_parameters(seed: int = 0) -> Study:
    """What matters is the LR; the second parameter is not looked at."""
    study = lr_study(30, seed=seed)
    rng = np.random.default_rng(seed + 1000)
    idle = Parameter("idle", "uniform", 0.0, 1.0)
    trials = tuple(replace(t, parameters={**t.parameters, "idle": float(rng.random())}) for t in study.trials)
    return replace(study, parameters=(LR, idle), trials=trials)


def test_importance_finds_what_matters_and_abstains_on_noise():
    shares, fit = importances(two_parameters())
    assert [one.parameter for one in shares] == ["lr", "idle"]
    assert shares[0].share > 0.8 > 0.1 > shares[1].share
    assert shares[0].low <= shares[0].share <= shares[0].high
    assert fit > 0.5
    rng = np.random.default_rng(77)
    study = two_parameters()
    noise = replace(study, trials=tuple(replace(t, value=float(rng.random())) for t in study.trials))
    assert importances(noise)[0] == ()
    assert any("importance cannot be told" in note for note in summarise(noise).notes)


def test_the_best_lr_is_compared_between_batch_sizes():
    rng = np.random.default_rng(0)
    trials = []
    for k in range(40):
        size, at = ("16", "64")[k % 2], float(rng.uniform(-4, -0.2))
        shift = 0.6 if size == "64" else 0.0
        trials.append(Trial(k, "complete", {"lr": 10**at, "batch_size": size}, loss_at(at - shift)))
    batch = Parameter("batch_size", "choice", choices=("16", "64"))
    found = summarise(Study("s", "lower", "loss", (LR, batch), tuple(trials))).interaction
    assert [level.label for level in found.levels] == ["batch_size 16", "batch_size 64"]
    assert found.levels[1].best > 2 * found.levels[0].best
    assert "for a batch x4 as large (in proportion it would be x4, by the square root x2)" in found.sentence


def test_doubtful_results_are_warned_of():
    same = replace(lr_study(), trials=tuple(replace(t, value=0.7) for t in lr_study().trials))
    assert "seems to ignore the arguments" in summarise(same).warnings[0]
    failed = with_trials(
        lr_study(), *(Trial(20 + k, "failed", {"lr": 0.1}, why="no memory") for k in range(2))
    )
    assert summarise(failed).warnings == ("2 of 22 trials failed; most often: no memory",)


def test_a_study_without_a_result_says_why():
    gone = Study("s", "lower", "loss", (LR,), tuple(Trial(k, "diverged", {"lr": 1.0}) for k in range(3)))
    assert summarise(gone).sentence.startswith("Every trial diverged (3 trials: 3 diverged)")
    assert summarise(Study("s", "lower", "loss", (LR,))).best is None
    several = Study("s", "", "loss", (LR,), lr_study().trials)
    assert any("several objectives" in note for note in summarise(several).notes)


def test_json_holds_every_trial():
    document = summarise(lr_study()).to_json()
    assert len(document["trials"]) == 20
    assert document["region"].keys() == {"parameter", "best", "low", "high", "level", "n_trials"}
