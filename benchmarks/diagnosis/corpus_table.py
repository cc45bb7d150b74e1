"""The answers about the corpus as Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from .corpus import PER_REPOSITORY, Answer, capped, is_false_alarm, sound
from .corpus_labels import ABSTAIN, FOUND_BY, SOUND
from .scoring import share_of
from .table import markdown_table, provenance

START, END = "<!-- corpus: begin -->", "<!-- corpus: end -->"

INTRODUCTION = f"""## Real logs of strangers

Logs of public repositories in the formats of other tools, labelled by a careful reader of the curves. Made
by `python -m benchmarks.diagnosis corpus --half both --write`. Split by repository (first hex digit of the
SHA-256 of its name: even is `tune`, odd is `report`); thresholds were set on `tune` only. Rows of low
confidence are not counted. Runs of one repository are siblings: the first column holds at most
{PER_REPOSITORY} of each repository, the second at most {PER_REPOSITORY} of each repository and label. A
label is found when a finding of any severity says it, or one of the labels that the corpus accepts beside
it; an alarm is a finding of severity warning or critical. Brackets are 95 % Wilson intervals.
"""


def section(halves: Mapping[str, Sequence[Answer]]) -> str:
    """The whole section, both halves one after the other."""
    parts = [_half(name, found) for name, found in halves.items()]
    together = [answer for found in halves.values() for answer in found]
    both = [f"Onset of overfitting, halves together: {_onsets(together)}.\n"] if len(halves) > 1 else []
    return "\n".join([START, INTRODUCTION, *both, *parts, END]) + "\n"


def _onsets(found: Sequence[Answer]) -> str:
    rows = [a for a in found if a.row.label == "overfitting" and not math.isnan(a.row.onset)]
    known = [a.onset_error for a in rows if not math.isnan(a.onset_error)]
    return (
        f"within one evaluation of the label in {share_of(e <= 1.0 for e in known)} of the runs where one "
        f"was found; {share_of(has_right_onset(a) for a in rows)} of all runs labelled overfitting with an "
        "onset are right: within one evaluation or, where none was found, with an answer that the corpus "
        "accepts beside overfitting"
    )


def has_right_onset(answer: Answer) -> bool:
    """Whether the onset is within one evaluation; where none was found, whether the answer is accepted."""
    error = answer.onset_error
    return answer.is_right if math.isnan(error) else error <= 1.0


def _half(name: str, found: Sequence[Answer]) -> str:
    repositories = {answer.row.repository for answer in found}
    parts = [
        f"### Corpus, half `{name}`",
        f"Scored {provenance()}. {len(found)} runs of {len(repositories)} repositories.",
        markdown_table(
            [
                "measure",
                f"at most {PER_REPOSITORY} per repository",
                f"at most {PER_REPOSITORY} per label of it",
            ],
            [
                (name, few, many)
                for (name, few), (_, many) in zip(_totals(capped(found)), _totals(found), strict=True)
            ],
        ),
        markdown_table(["label", "found", "label itself", "named first", "no verdict"], _labels(found)),
    ]
    return "\n\n".join(parts) + "\n"


def _totals(found: Sequence[Answer]) -> list[tuple[str, object]]:
    healthy = sound(found)
    alarmed = {a.row.repository for a in healthy if is_false_alarm(a)}
    repositories = sorted({a.row.repository for a in healthy})
    errors = [a.onset_error for a in found if a.row.label == "overfitting"]
    known = [error for error in errors if not math.isnan(error)]
    troubled = [a for a in found if a.row.label in FOUND_BY and a.row.label not in SOUND]
    return [
        ("sound runs with an alarm", share_of(is_false_alarm(a) for a in healthy)),
        ("repositories with an alarm on a sound run", share_of(name in alarmed for name in repositories)),
        ("sound runs called healthy", share_of(a.state == "healthy" for a in healthy)),
        ("runs in trouble whose label is found", share_of(a.is_right for a in troubled)),
        ("runs in trouble with an alarm", share_of(bool(a.alarms) for a in troubled)),
        (
            "onset of overfitting within one evaluation, where found",
            share_of(error <= 1.0 for error in known),
        ),
        (
            "onset within one evaluation, or no onset and an answer accepted beside overfitting",
            share_of(has_right_onset(a) for a in found if a.row.label == "overfitting"),
        ),
        ("no verdict where none is right", share_of(a.is_right for a in found if a.row.label in ABSTAIN)),
        ("all runs answered rightly", share_of(a.is_right for a in found)),
    ]


def _labels(found: Sequence[Answer]) -> list[tuple[object, ...]]:
    counts = Counter(answer.row.label for answer in found)
    rows: list[tuple[object, ...]] = []
    for label, _ in counts.most_common():
        of_label = [answer for answer in found if answer.row.label == label]
        first = Counter(a.findings[0].code if a.findings else "none" for a in of_label)
        named = ", ".join(f"{code} x{n}" for code, n in first.most_common())
        silent = share_of(answer.abstains for answer in of_label)
        itself = share_of(a.says(label) for a in of_label)
        right = share_of(a.is_right for a in of_label)
        rows.append((label, right, f"{itself.hits}/{itself.n}", named, f"{silent.hits}/{silent.n}"))
    return rows


def listed(found: Sequence[Answer]) -> str:
    """Each answer that is wrong or an alarm on a sound run; for tuning only."""
    lines: list[str] = []
    for a in found:
        is_alarm = a.row.label in SOUND and is_false_alarm(a)
        if a.is_right and not is_alarm:
            continue
        what = "FALSE ALARM" if is_alarm else "WRONG"
        lines.append(
            f"{what} #{a.row.id} {a.row.repository} label {' or '.join(a.row.accepted)}"
            f"{'' if math.isnan(a.row.onset) else f' from {a.row.onset:g}'}: {a.n_runs} run(s), {a.sentence}"
        )
        lines += [
            f"    {f.code} {f.severity.value} {f.first_step}-{f.last_step}: {f.message}" for f in a.findings
        ]
    return "\n".join(lines)


def with_section(text: str, new: str) -> str:
    """A document with the corpus' section put in place of the old one, or at its end."""
    if START in text and END in text:
        before, _, rest = text.partition(START)
        return before + new + rest.partition(END)[2].lstrip("\n")
    return f"{text.rstrip()}\n\n{new}"


def kept_section(text: str) -> str:
    """The corpus' section of a document, "" when it has none."""
    if START not in text or END not in text:
        return ""
    return START + text.partition(START)[2].partition(END)[0] + END + "\n"
