"""Comparison of runs: headline numbers, what differs, arms of equal recipe, and what seeds allow to say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from traindoctor.comparing import aligned, compare
from traindoctor.comparison import Comparison
from traindoctor.errors import UsageError
from traindoctor.run import Run
from traindoctor.run_settings import seed_of, settings_of
from traindoctor.seed_noise import effect_of

from .comparisons import diagnosis, finding, run, series


def of(*runs: Run, **options) -> Comparison:
    return compare([diagnosis(one) for one in runs], **options)


def number(found: Comparison, name: str):
    return next(n for n in found.numbers if n.name == name)


def test_headline_numbers_and_their_words() -> None:
    found = of(run("a", best=0.5, lr=0.1), run("b", best=0.4, lr=0.2, accuracy=0.8))
    best = number(found, "best validation loss")
    assert best.values == (0.5, 0.4)
    assert best.places == (179, 179)
    assert best.word(1) == "better"
    assert best.relative(1) == pytest.approx(-0.2)
    assert number(found, "final validation loss").values == pytest.approx((0.51, 0.41))
    assert number(found, "final validation accuracy").word(1) == "worse"
    assert number(found, "peak learning rate").word(1) == "higher"
    assert number(found, "length").word(1) == "same"
    assert found.primary is not None
    assert found.primary.name == "best validation accuracy"


def test_a_run_that_ends_in_nan_has_no_final_number() -> None:
    bad = run("b")
    nan = Run(bad.id, bad.name, {**bad.series, "loss/train": series([1.0, math.nan])}, info=bad.info)
    found = number(of(run("a"), nan), "final training loss")
    assert math.isnan(found.values[1])
    assert found.word(1) == "unknown"


def test_settings_that_differ() -> None:
    found = of(run("a", lr=0.1, commit="aaaa"), run("b", lr=0.2, commit="bbbb"))
    assert [(s.part, s.name, s.values) for s in found.settings] == [
        ("command", "--lr", ("0.1", "0.2")),
        ("git", "commit", ("aaaa", "bbbb")),
        ("git", "branch", ("a", "b")),
        ("optimizer", "lr", ("0.1", "0.2")),
    ]
    assert found.n_equal_settings > 3


@pytest.mark.parametrize(
    ("words", "seed"),
    [
        (["t.py", "--seed", "3"], "3"),
        (["t.py", "--seed=4", "--lr", "1"], "4"),
        (["t.py", "trainer.seed=5"], "5"),
        (["t.py", "--manualSeed", "6"], "6"),
        (["t.py", "--lr", "-3"], ""),
    ],
)
def test_seeds_in_command_lines(words: list[str], seed: str) -> None:
    from dataclasses import replace

    one = run()
    changed = replace(one, info=replace(one.info, config={"command": words}))
    assert seed_of(settings_of(changed)) == seed


def test_runs_that_differ_only_in_seed_and_place_share_an_arm() -> None:
    found = of(run("a", seed=1), run("b", seed=2), run("c", seed=1, lr=0.2), run("d", seed=2, lr=0.2))
    assert [one.arm for one in found.runs] == [0, 0, 1, 1]
    assert [one.seed for one in found.runs] == ["1", "2", "1", "2"]


def test_nothing_recorded_is_no_proof_of_the_same_recipe() -> None:
    bare = [Run(str(i), str(i), run().series) for i in range(2)]
    assert [one.arm for one in of(*bare).runs] == [0, 1]


def test_paired_seeds() -> None:
    old, new = [0.50, 0.60, 0.70], [0.48, 0.59, 0.66]
    runs = [run(f"o{i}", seed=i, best=b) for i, b in enumerate(old)]
    runs += [run(f"n{i}", seed=i, best=b, lr=0.2) for i, b in enumerate(new)]
    effect = of(*runs).effect("best validation loss", 1)
    assert effect is not None
    interval = stats.ttest_rel(new, old).confidence_interval(0.95)
    assert (effect.basis, effect.n) == ("paired", 3)
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))
    assert effect.mean == pytest.approx(np.mean(new) - np.mean(old))
    assert effect.conclusion == ("better" if interval.high < 0 else "seed-noise")


def test_unpaired_seeds_are_welchs_interval() -> None:
    a, b = [0.5, 0.52, 0.49, 0.51], [0.7, 0.74, 0.71]
    effect = effect_of(
        "x", 1, {str(i): v for i, v in enumerate(a)}, {str(9 + i): v for i, v in enumerate(b)}, "lower"
    )
    assert effect is not None
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    assert (effect.basis, effect.conclusion) == ("unpaired", "worse")
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))


def test_one_run_against_several_is_the_prediction_interval() -> None:
    a = [0.5, 0.52, 0.49, 0.51]
    effect = effect_of("x", 1, {str(i): v for i, v in enumerate(a)}, {"7": 0.52}, "lower")
    assert effect is not None
    half = stats.t.ppf(0.975, 3) * np.std(a, ddof=1) * math.sqrt(1 + 1 / 4)
    assert effect.high - effect.mean == pytest.approx(half)
    assert (effect.basis, effect.conclusion) == ("one-run", "seed-noise")


def test_one_seed_each_tells_nothing() -> None:
    found = of(run("a", seed=1), run("b", seed=1, lr=0.2, best=0.1))
    assert found.effects == ()
    assert found.spreads == ()


def test_a_seed_that_changes_nothing_is_no_repetition() -> None:
    found = of(*(run(f"{lr}-{i}", seed=i, lr=lr, best=0.5 - lr) for lr in (0.1, 0.2) for i in range(3)))
    assert found.effects == ()
    assert {spread.sd for spread in found.spreads} == {0.0}
    assert "The seed changes nothing: A, B, C gave the same numbers" in found.cautions[0]


def test_seeds_of_one_recipe_give_their_spread() -> None:
    found = of(run("a", seed=1, best=0.5), run("b", seed=2, best=0.6))
    (spread,) = [s for s in found.spreads if s.number == "best validation loss"]
    assert (spread.n, spread.mean) == (2, pytest.approx(0.55))
    assert spread.sd == pytest.approx(np.std([0.5, 0.6], ddof=1))
    assert found.n_arms == 1


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        seeds = rng.normal(0, 1, 4)
        old, new = seeds + rng.normal(0, 0.1, 4), seeds + 0.3 + rng.normal(0, 0.1, 4)
        both = ({str(i): float(v) for i, v in enumerate(values)} for values in (old, new))
        effect = effect_of("x", 1, *both, "lower")
        assert effect is not None
        hits += effect.low <= 0.3 <= effect.high
    assert 0.92 < hits / 400 < 0.98


def test_axes() -> None:
    a, b, alike = run("a", n=200), run("b", n=400, batch=16), run("c", n=400)
    assert of(a, alike).x == "step"
    assert of(a, b).x == "epoch"
    bare = Run("x", "x", {"loss/train": series([1.0, 0.5])}, info=b.info)
    assert of(a, bare).x == "step"
    for one, last in ((a, 199.0), (b, 399.0)):
        assert aligned(one, np.asarray([0.0, last]), "epoch") == pytest.approx([0, 10], abs=0.06)
        assert aligned(one, np.asarray([0.0, last]), "fraction").tolist() == [0, 100]
    with pytest.raises(UsageError, match="epochs in every run"):
        of(a, bare, x="epoch")


def test_findings_by_run() -> None:
    found = compare(
        [diagnosis(run("a"), finding("TD1")), diagnosis(run("b"), finding("TD2"), finding("TD1"))]
    )
    assert [(f.code, f.severities) for f in found.findings] == [
        ("TD1", ("critical", "critical")),
        ("TD2", ("", "critical")),
    ]


def test_cautions() -> None:
    from dataclasses import replace

    a, b = run("a"), run("b", n=300)
    b = replace(b, info=replace(b.info, loss_name="mse", status="killed", config={"git": {"dirty": True}}))
    text = " ".join(of(a, b).cautions)
    for part in (
        "not the same function",
        "not equally long (A 200, B 300)",
        "B did not finish",
        "Uncommitted",
    ):
        assert part in text
    assert of(a, a).cautions == ()


def test_one_run_is_not_a_comparison() -> None:
    with pytest.raises(UsageError, match="2 to 26 runs"):
        of(run())
