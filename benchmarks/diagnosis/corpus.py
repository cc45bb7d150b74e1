"""Real logs of strangers: what is said about each, against the label that a careful reader gave it."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from traindoctor.errors import TraindoctorError
from traindoctor.finding import Diagnosis, Finding, Severity
from traindoctor.run import Run

from .corpus_labels import ABSTAIN, FOUND_BY, SOUND

PER_REPOSITORY = 3
"""Runs of one repository are siblings: no more than this many of them are counted."""

Load = Callable[[Path], Sequence[Run]]
Diagnose = Callable[[Run], Diagnosis]


@dataclass(frozen=True)
class Row:
    """One row of the corpus' index.

    Attributes:
        id: number of the run in the index.
        file: file or folder, relative to the corpus.
        repository: owner/name.
        label: what a careful reader says.
        accepted: labels that must not be scored as wrong, the label itself among them.
        onset: where the trouble starts, in the log's own x; NaN where it has no beginning.
        onset_is_index: whether the onset counts rows or evaluations instead.
        confidence: `high`, `medium` or `low`; low ones decide nothing.
    """

    id: str
    file: str
    repository: str
    label: str
    accepted: tuple[str, ...]
    onset: float
    onset_is_index: bool
    confidence: str

    @property
    def half(self) -> str:
        """`tune` or `report`: by the first hex digit of the repository's SHA-256, even or odd."""
        digit = int(hashlib.sha256(self.repository.encode()).hexdigest()[0], 16)
        return "report" if digit % 2 else "tune"


@dataclass(frozen=True, eq=False)
class Answer:
    """What was said about one log.

    Attributes:
        row: the label.
        n_runs: runs found in the file; 0 when it was refused.
        state: state of the verdict on the longest run; `refused` when the file was not read.
        sentence: the verdict, or why the file was refused.
        findings: of the longest run.
        evaluations: x of its held-out values, for the onset.
    """

    row: Row
    n_runs: int
    state: str
    sentence: str
    findings: tuple[Finding, ...] = ()
    evaluations: tuple[int, ...] = ()

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """Findings of severity warning or critical."""
        return tuple(f for f in self.findings if f.severity is not Severity.INFO)

    @property
    def abstains(self) -> bool:
        """Whether no verdict was given."""
        return self.state in ("refused", "not-assessable")

    def says(self, label: str) -> bool:
        """Whether the findings, notes included, say the label; several runs say so by their number."""
        if label in ABSTAIN:
            return self.abstains or (label == "mixed_runs_in_one_file" and self.n_runs > 1)
        if label == "healthy":
            return self.state == "healthy"
        return any(f.code in FOUND_BY.get(label, ()) for f in self.findings)

    @property
    def is_right(self) -> bool:
        """Whether it says the label or one that is accepted beside it."""
        return any(self.says(label) for label in self.row.accepted)

    @property
    def onset_error(self) -> float:
        """Evaluations between the labelled onset of overfitting and ours; NaN without one to compare."""
        found = [f for f in self.findings if f.code in ("TD401", "TD407")]
        if not found or math.isnan(self.row.onset) or not self.evaluations:
            return math.nan
        ours, onset = _index(self.evaluations, found[0].first_step), self.row.onset
        return abs(ours - (onset if self.row.onset_is_index else _index(self.evaluations, onset)))


def _index(evaluations: Sequence[int], x: float) -> int:
    return min(range(len(evaluations)), key=lambda i: abs(evaluations[i] - x))


def read_index(corpus: Path) -> list[Row]:
    """The rows of the corpus' index.

    Raises:
        FileNotFoundError: there is no corpus at that place.
    """
    index = corpus / "index.csv"
    if not index.is_file():
        raise FileNotFoundError(f"expected the corpus' index at {index}; pass --corpus")
    with index.open(encoding="utf-8", newline="") as stream:
        return [_row(record) for record in csv.DictReader(stream)]


def _row(record: dict[str, str]) -> Row:
    # Read as text: a table reader takes the label `nan` for a missing one.
    accepted = [record["label"], *(label for label in record["also_accept"].split(";") if label)]
    onset = record["onset"].strip()
    return Row(
        record["id"],
        record["file"],
        record["repo"],
        record["label"],
        tuple(accepted),
        float(onset) if onset else math.nan,
        record["unit"].endswith("row"),
        record["confidence"],
    )


def counted(rows: Iterable[Row], half: str) -> list[Row]:
    """The rows of a half without those of low confidence, at most `PER_REPOSITORY` of a repository and label.

    Rows are taken in the order of the index.
    """
    taken: dict[tuple[str, str], int] = {}
    out: list[Row] = []
    for row in rows:
        if row.half != half or row.confidence == "low":
            continue
        key = (row.repository, row.label)
        taken[key] = taken.get(key, 0) + 1
        if taken[key] <= PER_REPOSITORY:
            out.append(row)
    return out


def answers(corpus: Path, rows: Iterable[Row], load: Load, diagnose: Diagnose) -> Iterator[Answer]:
    """What is said about each row's file."""
    for row in rows:
        try:
            runs = load(corpus / row.file)
        except TraindoctorError as error:
            yield Answer(row, 0, "refused", str(error))
            continue
        if not runs:
            yield Answer(row, 0, "refused", "no run was found")
            continue
        longest = max(runs, key=lambda run: sum(len(series) for series in run.series.values()))
        diagnosis = diagnose(longest)
        yield Answer(
            row,
            len(runs),
            diagnosis.verdict.state,
            diagnosis.verdict.sentence,
            diagnosis.findings,
            _evaluations(longest),
        )


def _evaluations(run: Run) -> tuple[int, ...]:
    held_out = [s for name, s in run.series.items() if name.endswith(("/validation", "/test"))]
    longest = max(held_out, key=len, default=None)
    return tuple(int(x) for x in longest.steps) if longest is not None else ()


def capped(found: Sequence[Answer]) -> list[Answer]:
    """At most `PER_REPOSITORY` answers of each repository, one of each of its labels first."""
    labels: dict[str, list[str]] = {}
    ordered: list[tuple[int, int, Answer]] = []
    for position, answer in enumerate(found):
        seen = labels.setdefault(answer.row.repository, [])
        ordered.append((seen.count(answer.row.label), position, answer))
        seen.append(answer.row.label)
    taken: dict[str, int] = {}
    kept: list[tuple[int, Answer]] = []
    for _, position, answer in sorted(ordered, key=lambda item: item[:2]):
        taken[answer.row.repository] = taken.get(answer.row.repository, 0) + 1
        if taken[answer.row.repository] <= PER_REPOSITORY:
            kept.append((position, answer))
    return [answer for _, answer in sorted(kept, key=lambda item: item[0])]


def is_false_alarm(answer: Answer) -> bool:
    """Whether a warning was given about a run that is sound, and no accepted label covers it."""
    covered = {code for label in answer.row.accepted for code in FOUND_BY.get(label, ())}
    return any(finding.code not in covered for finding in answer.alarms)


def sound(found: Iterable[Answer]) -> list[Answer]:
    """Answers about runs in which every warning is a false alarm."""
    return [answer for answer in found if answer.row.label in SOUND]
