"""Sentences that come back from a file are told in the language of the page; those of others stay."""

from __future__ import annotations

from pathlib import Path

import pytest

import traindoctor
from tests import runs
from traindoctor.prescription import Prescription
from traindoctor.prescription_file import read_prescription, write_prescription
from traindoctor.report_templates.language import speaking, tr
from traindoctor.report_templates.stored_sentences import told_again
from traindoctor.text import Text


def sentences(prescription: Prescription) -> list[str]:
    return [prescription.why, *prescription.assumptions, *prescription.falsify]


@pytest.mark.parametrize("name", ["overfitted_run", "healthy_run"])
def test_a_stored_prescription_is_told_as_a_fresh_one(tmp_path: Path, name: str) -> None:
    run = getattr(runs, name)()
    fresh = traindoctor.diagnose(run).prescription
    write_prescription(fresh, tmp_path / "prescription.json", run)
    stored = read_prescription(tmp_path / "prescription.json")
    assert not any(isinstance(one, Text) for one in sentences(stored))
    assert any(isinstance(one, Text) for one in sentences(fresh))
    with speaking("zh"):
        assert [told_again(one) for one in sentences(stored)] == [tr(one) for one in sentences(fresh)]


def test_numbers_and_phrases_keep_their_places() -> None:
    text = Text("suggested LR {lr:.3g}, range {low:.2g} to {high:.2g}", lr=0.0123, low=0.001, high=0.1)
    both = Text("Waiting for a run in {runs}: traindoctor run -- train.py", runs="a b")
    with speaking("zh"):
        assert told_again(str(text)) == tr(text) != str(text)
        assert told_again(str(both)) == tr(both)


@pytest.mark.parametrize("text", ["", "Our own notes. See the wiki.", "step 12", "{runs}", "(((", "values"])
def test_what_others_wrote_stays(text: str) -> None:
    with speaking("zh"):
        assert told_again(text) == text
    assert told_again(text) == text
