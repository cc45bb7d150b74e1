"""The scores as Markdown."""

from __future__ import annotations

import statistics
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from .faults import FAULTS
from .scoring import (
    ACCEPTED,
    Judgement,
    abstentions,
    by_detector,
    cause_first,
    false_alarms,
    faulty,
    first_codes,
    healthy,
    onset_errors,
    recall,
    share_of,
)


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under a head, pipes in cells escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def provenance() -> str:
    """Date and commit of the code that was scored."""
    git = ["git", "describe", "--always", "--dirty=-with-uncommitted-changes"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    return f"{datetime.now(UTC).date()}, commit {commit}"


def render(split: str, judgements: Sequence[Judgement]) -> str:
    """All tables of one split."""
    tasks = sorted({j.trial.task for j in judgements})
    harmless = [j for j in judgements if j.trial.fault and not j.trial.harmful]
    parts = [
        f"## Split `{split}`",
        f"Scored {provenance()}. {len(judgements)} runs of {len(tasks)} tasks ({', '.join(tasks)}): "
        f"{len(healthy(judgements))} healthy, {len(faulty(judgements))} with a verified harmful fault, "
        f"{len(harmless)} with a fault that did no harm (not counted), "
        f"{len(judgements) - len(healthy(judgements)) - len(faulty(judgements)) - len(harmless)} "
        "that went wrong by themselves at the best learning rate. "
        "Brackets are 95 % Wilson intervals; an alarm is a finding of severity warning or critical.",
        markdown_table(["measure", "share"], _totals(judgements)),
        "### By detector",
        markdown_table(
            ["code", "healthy runs with it", "harmful faults with it", "right where it is named first"],
            by_detector(judgements),
        ),
        "### Faults, by kind",
        markdown_table(
            ["fault", "found", "cause first", "named first", "accepted as the cause"], _kinds(judgements)
        ),
        "### Onset of faults that begin during the run",
        markdown_table(
            ["fault", "alarms that name it", "median error", "within 5 % of the run"], _onsets(judgements)
        ),
        "### Healthy runs, by task",
        markdown_table(["task", "false alarms"], _tasks(judgements, tasks)),
        "### Checks that could not answer",
        markdown_table(
            ["code", "runs", "commonest reason"],
            [(code, share, why) for code, (share, why) in abstentions(judgements).items()],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _totals(judgements: Sequence[Judgement]) -> list[tuple[str, object]]:
    seen, unseen = faulty(judgements, held_out=False), faulty(judgements, held_out=True)
    harmless = [j for j in judgements if j.trial.fault and not j.trial.harmful]
    rows: list[tuple[str, object]] = [
        ("false alarms on healthy runs", false_alarms(judgements)),
        ("recall, fault kinds seen while tuning", recall(seen)),
        ("cause named first, kinds seen", cause_first(seen)),
        ("cause named first where something was found, kinds seen", cause_first(j for j in seen if j.alarms)),
    ]
    if unseen:
        rows += [
            ("recall, fault kinds never seen while tuning", recall(unseen)),
            ("cause named first, kinds never seen", cause_first(unseen)),
        ]
    return [*rows, ("alarms on faults that did no harm (for information)", recall(harmless))]


def _kinds(judgements: Sequence[Judgement]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    held_out = {kind.name for kind in FAULTS if kind.held_out}
    for kind, accepted in ACCEPTED.items():
        of_kind = [j for j in judgements if j.trial.fault == kind and j.trial.harmful]
        if of_kind:
            name = f"{kind} (held out)" if kind in held_out else kind
            rows.append(
                (name, recall(of_kind), cause_first(of_kind), first_codes(of_kind), ", ".join(accepted))
            )
    return rows


def _onsets(judgements: Sequence[Judgement]) -> list[tuple[object, ...]]:
    return [
        (
            kind,
            len(errors),
            f"{100 * statistics.median(errors):.1f} % of the run",
            share_of(e <= 0.05 for e in errors),
        )
        for kind, errors in onset_errors(faulty(judgements)).items()
    ]


def _tasks(judgements: Sequence[Judgement], tasks: Sequence[str]) -> list[tuple[object, ...]]:
    runs = healthy(judgements)
    return [(task, share_of(bool(j.alarms) for j in runs if j.trial.task == task)) for task in tasks]


def errors(judgements: Sequence[Judgement]) -> str:
    """Every false alarm, missed fault and wrong cause, with its configuration; for tuning only."""
    lines: list[str] = []
    for j in judgements:
        t, c = j.trial, j.trial.config
        wrong = "FALSE ALARM" if t.healthy and j.alarms else ""
        if t.fault and t.harmful and not j.names_cause:
            wrong = "WRONG CAUSE" if j.alarms else "MISSED"
        if not wrong:
            continue
        lines.append(
            f"{wrong} {t.id} {t.task}: {c.architecture} {c.depth}x{c.width} {c.activation} norm={c.norm} "
            f"dropout={c.dropout} {c.initialisation} {c.optimizer} lr={c.lr:.3g} wd={c.weight_decay:.3g} "
            f"{c.schedule} batch={c.batch_size}x{c.accumulation} clip={c.clip_norm:.3g} steps={c.n_steps} "
            f"final={t.final:.3f} best={t.best:.3f}"
        )
        lines += [
            f"    {f.code} {f.severity.value} {f.confidence:.2f} {f.first_step}-{f.last_step}: {f.message}"
            for f in j.alarms
        ]
    counts = Counter(line.split(" ")[0] for line in lines if not line.startswith(" "))
    return "\n".join([*lines, "", ", ".join(f"{n} {what}" for what, n in counts.items())])
