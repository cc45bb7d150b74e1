"""The one sentence at the top."""

import numpy as np
import pytest

from tests import foreign, runs
from traindoctor.analyzer.engine import diagnose
from traindoctor.analyzer.verdict import conclude
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run, RunInfo, Series
from traindoctor.text import first_sentence

ENOUGH = np.linspace(2.0, 1.0, 100)


def finding(severity, code="TD101"):
    return Finding(
        code, "probe", severity, 0.9, 0, 5, "It got 1.5 worse. And more.", {}, {}, Remedy("Do this. Or that.")
    )


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("It fell to 0.5 at step 3. Then it rose.", "It fell to 0.5 at step 3."),
        ("See fc1.weight and fc2.bias. Do it.", "See fc1.weight and fc2.bias."),
        ("No stop", "No stop"),
        ("", ""),
    ],
)
def test_first_sentence_is_not_fooled_by_decimals(text, first):
    assert first_sentence(text) == first


def test_findings_give_the_conclusion_and_the_action():
    verdict = conclude(runs.build(ENOUGH), [finding(Severity.WARNING)], 3)
    assert (verdict.state, verdict.sentence) == ("findings", "It got 1.5 worse. Do this.")


def test_notes_leave_a_run_healthy():
    verdict = conclude(runs.build(ENOUGH), [finding(Severity.INFO)], 3)
    assert verdict.state == "healthy"
    assert "went from 1.99 to 1.02 over 100 optimizer steps" in verdict.sentence
    assert "3 checks" in verdict.sentence


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (Run("a", "a"), "no optimizer step was recorded. Check that the script trains"),
        (
            Run("a", "a", {"lr/0": Series(np.arange(50), np.ones(50))}),
            "50 steps were recorded, but no training loss. Call",
        ),
        (
            runs.build(np.ones(19)),
            "only 19 finite training losses; 20 are the least that show a trend. Train longer",
        ),
        (runs.build(np.full(50, np.nan)), "only 0 finite training losses"),
        (runs.build(ENOUGH, info=RunInfo(loss_role="gan")), "the objective is gan"),
    ],
)
def test_too_little_is_said_with_the_reason_and_a_way_out(run, words):
    verdict = conclude(run, [], 3)
    assert verdict.state == "not-assessable"
    assert words in verdict.sentence
    assert verdict.sentence.count(". ") == 1


def test_an_exact_finding_counts_even_in_a_short_run():
    values = np.r_[np.ones(5), np.full(5, np.nan)]
    found = diagnose(runs.build(values))
    assert found.verdict.state == "findings"
    assert "step 5" in found.verdict.sentence


@pytest.mark.parametrize(
    "make",
    [
        runs.nan_run,
        runs.diverged_run,
        runs.overfitted_run,
        runs.plateaued_run,
        runs.unlearning_run,
        runs.memorised_run,
    ],
)
def test_sentences_are_short(make):
    sentence = diagnose(make()).verdict.sentence
    assert len(sentence) < 330
    assert sentence.count(". ") <= 1


@pytest.mark.parametrize(
    ("start", "end", "noise", "state"),
    [
        (1.0, 0.5, 0.02, "healthy"),
        (1.0, 0.97, 0.005, "healthy"),
        (1.0, 0.99, 0.0005, "not-assessable"),  # proven, and nothing
        (1.0, 1.0, 0.05, "not-assessable"),  # the last values are a little lower by chance
    ],
)
def test_an_improvement_must_be_proven_and_material(start, end, noise, state):
    x = foreign.epochs(60)
    losses = np.linspace(start, end, 60) + runs.noise(60, noise, seed=3)
    run = foreign.imported({"loss/train": (x, losses)})
    assert conclude(run, (), 5).state == state
