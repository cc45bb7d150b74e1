"""Notes of collectors: every sentence is read from the code, and a new one that cannot be is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("babel", reason="Babel, a development tool, is not installed")
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import catalogue
import note_sentences

NO_SENTENCES = {
    "driver.py: driven.index": "the rate that a script set is noted, not a sentence",
    "model.py: module": "a module is noted, not a sentence",
    "run_recorder.py: self.sink": "`Inferences.note` takes the sentence last; `infer` is read",
    "run_recorder.py: part.name": "names of parts are read from their classes",
    "part.py: self.name": "names of parts are read from their classes",
}


def read(tmp_path: Path, code: str) -> tuple[list[str], list[str]]:
    path = tmp_path / "collector.py"
    path.write_text(code, encoding="utf-8")
    return note_sentences.messages(path), note_sentences.unread(path)


def test_every_note_is_written_in_words_that_can_be_translated() -> None:
    found = [
        one
        for path in catalogue.sources()
        if catalogue.writes_notes(path)
        for one in note_sentences.unread(path)
    ]
    assert not (unknown := set(found) - set(NO_SENTENCES)), (
        "write these notes as literals or f-strings where they are noted, or mark them with Text(...): "
        f"{sorted(unknown)}"
    )
    assert set(found) == set(NO_SENTENCES)


def test_the_notes_of_all_kinds_of_collectors_are_messages() -> None:
    wanted = catalogue.messages()
    for message, place in {
        "rows without a finite x were left out": "collectors/intake/logbook.py",
        "attempt {attempt} (a restart) replaces what was recorded from step {begins} on": (
            "collectors/importers/attempts.py"
        ),
        "GradScaler skipped {skipped} steps beside the {steps} recorded ones": (
            "collectors/recorders/self_test.py"
        ),
        "recording of the {what} stopped ({type}: {error})": "collectors/recorders/run_recorder.py",
        "the plan has {planned} steps, of which the script did {done}": "collectors/driving/driver.py",
        "bytes {begin}..{end} are damaged": "traindoctor/runlog_reader.py",
        "{name} is empty (0 bytes): nothing was logged to it": "collectors/intake/source.py",
        "mean over the log interval": "collectors/importers/openmmlab_json.py",
        "validation loss": "collectors/recorders/evaluation.py",
    }.items():
        assert place in wanted[message]


@pytest.mark.parametrize(
    ("code", "messages"),
    [
        ("log.note('rows were left out', line=3)", ["rows were left out"]),
        ("log.note(f'{len(rows)} rows of `{self._name}`')", ["{n_rows} rows of `{name}`"]),
        ("log.note(f'{a.x:g} of {b.x:g}')", ["{x} of {x2}"]),
        ("log.note(f'{{a}} {type(error).__name__}: {error}')", ["{{a}} {type}: {error}"]),
        ("WHY = 'why'\ndef f(log):\n    log.note(f'this is {WHY}')", ["this is why"]),
        ("notes += [f'{n} rows' if n else 'no rows', *found.notes]", ["{n} rows", "no rows"]),
        ("what = 'one' if x else 'two'\nnotes.append(f'{what} more')", ["one more", "two more"]),
        ("log.declare('a', Meaning(unit='s', note='mean ' + 'of all'))", ["mean of all"]),
        ("def f():\n    yield f'{n} ranks'\nsentences = list(f())\nlog.note(f())", ["{n} ranks"]),
        ("raise UnreadableLogError(f'expected rows in {source.name}')", ["expected rows in {name}"]),
        ("log.note(f'{name}: {sentence}')", []),
    ],
)
def test_literals_and_f_strings_are_read(tmp_path: Path, code: str, messages: list[str]) -> None:
    assert read(tmp_path, code) == (messages, [])


@pytest.mark.parametrize(
    "code", ["log.note(words[0])", "log.note(describe(x))", "notes.append(' '.join(words))", "note = words()"]
)
def test_what_cannot_be_read_is_named(tmp_path: Path, code: str) -> None:
    messages, unread = read(tmp_path, code)
    assert not messages
    assert len(unread) == 1


def test_marked_and_passed_on_sentences_are_not_asked_for_again(tmp_path: Path) -> None:
    code = "log.note(Text('{n} points', n=n))\nfor sentence in source.damage:\n    log.note(sentence)\n"
    assert read(tmp_path, code) == ([], [])
    assert read(tmp_path, "try:\n    f()\nexcept E as error:\n    notes.append(str(error))") == ([], [])
