"""What the policy benchmark says, in Markdown, and where it goes in the documentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np

from .cases import CONTROLS, FAULTS
from .measure import JUDGES, OURS, Row
from .scores import Claim, Score, change_after, controls, faults, interval, score, share

DOCUMENT = "docs/prescriptions.md"
BEGIN, END = "<!-- policy benchmark: begin -->", "<!-- policy benchmark: end -->"


def render(rows: Sequence[Row], commits: Sequence[str] = ()) -> str:
    """Everything between the two marks; `commits` are those whose code decided."""
    near, far = [row for row in rows if row.times == 1], [row for row in rows if row.times > 1]
    parts = [_head(near, commits), _policies(near), _intervals(near)]
    if far:
        parts.append(_far(far))
    parts += [_targets(near, far), _by_fault(near), _by_task(near)]
    return "\n\n".join(parts) + "\n"


def written(document: str, text: str) -> str:
    """The document with the text between its marks.

    Raises:
        ValueError: the marks are missing.
    """
    if BEGIN not in document or END not in document:
        raise ValueError(f"expected the marks {BEGIN} and {END} in {DOCUMENT}, found them not")
    head, _, rest = document.partition(BEGIN)
    return f"{head}{BEGIN}\n{text}{END}{rest.partition(END)[2]}"


def _of(rows: Sequence[Row], policy: str) -> list[Row]:
    return [row for row in rows if row.policy == policy]


def _policies_in(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.policy for row in rows))


def _percent(value: float, digits: int = 0) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([_line(*head), _line(*("---" for _ in head)), *(_line(*row) for row in rows)])


def _head(near: Sequence[Row], commits: Sequence[str]) -> str:
    ours = _of(near, OURS)
    names = {row.task for row in ours}
    seeds = len({row.seed for row in ours})
    return (
        f"Run on {datetime.now(tz=UTC):%d %B %Y} with the code of commit {', '.join(commits) or 'unknown'}: "
        f"{len(names)} tasks x ({len(FAULTS)} faults + {len(CONTROLS)} good settings) x {seeds} "
        f"recorded run{'s' if seeds > 1 else ''} = {len(ours)} decisions, judged on {len(JUDGES)} other "
        "seeds at the same number of steps."
    )


def _policies(near: Sequence[Row]) -> str:
    head = (
        "policy", "cost", "win", "loss", "harm > 5 %", "median change", "regret: median, p90",
        "after one pair: win", "loss", "harm > 5 %", "controls kept", "controls: loss",
    )  # fmt: skip
    return _table(head, [_policy_row(name, score(_of(near, name))) for name in _policies_in(near)])


def _policy_row(name: str, found: Score) -> list[str]:
    return [
        f"**{name}**" if name == OURS else name,
        f"{found.runs:.2f} runs",
        _percent(found.win),
        _percent(found.loss, 1),
        _percent(found.harm, 1),
        f"{100 * found.gain:+.1f} %",
        f"{_percent(found.regret, 1)}, {_percent(found.regret_high)}",
        _percent(found.proven_win),
        _percent(found.proven_loss, 1),
        _percent(found.proven_harm, 1),
        _percent(found.kept),
        _percent(found.control_loss, 1),
    ]


def _intervals(near: Sequence[Row]) -> str:
    kinds = (
        ("win", faults, lambda row: row.change < -row.margin),
        ("loss", faults, lambda row: row.change > row.margin),
        ("loss after one pair", faults, lambda row: change_after(row) > row.margin),
        ("controls kept", controls, lambda row: not row.is_changed),
    )
    lines = [
        [name, *(_interval(chosen(_of(near, name)), claim) for _, chosen, claim in kinds)]
        for name in _policies_in(near)
    ]
    return "95 % intervals, whole tasks drawn again (bootstrap):\n\n" + _table(
        ("policy", *(name for name, _, _ in kinds)), lines
    )


def _interval(rows: Sequence[Row], claim: Claim) -> str:
    if not rows:
        return "–"
    low, high = interval(rows, claim)
    return f"{_percent(share(rows, claim))} [{100 * low:.0f}–{100 * high:.0f}]"


def _far(far: Sequence[Row]) -> str:
    found = score(_of(far, OURS))
    times = far[0].times
    return (
        f"At {times} times the steps ({len({row.task for row in far})} tasks, {found.n_faults} faulty and "
        f"{found.n_controls} good settings, one recorded run each; the regret is against straight lines "
        "alone):"
        "\n\n"
        + _table(
            ("policy", "cost", "win", "loss", "harm > 5 %", "median change", "regret: median, p90",
             "after one pair: win", "loss", "harm > 5 %", "controls kept", "controls: loss"),
            [_policy_row(OURS, found)],
        )
    )  # fmt: skip


def _targets(near: Sequence[Row], far: Sequence[Row]) -> str:
    halves = {
        "all tasks": near,
        "tune half": [row for row in near if row.half == "tune"],
        "report half": [row for row in near if row.half == "report"],
    }
    found = {name: score(_of(rows, OURS)) for name, rows in halves.items() if rows}
    wanted: list[tuple[str, str, Callable[[Score], float]]] = [
        ("faults: win", "≥ 85 %", lambda s: s.win),
        ("faults: loss", "≤ 5 %", lambda s: s.loss),
        ("faults: loss after one pair", "≤ 1 %", lambda s: s.proven_loss),
        ("faults: loss after three pairs, as `prove` makes", "≤ 1 %", lambda s: s.often_loss),
        ("faults: win after three pairs", "", lambda s: s.often_win),
        ("controls kept", "≥ 90 %", lambda s: s.kept),
        ("median regret", "≤ 4 %", lambda s: s.regret),
    ]
    lines = [
        [what, bound, *(_reached(rate(one), bound) for one in found.values())] for what, bound, rate in wanted
    ]
    if far:
        loss = score(_of(far, OURS)).proven_loss
        lines.append(
            [
                f"{far[0].times}x steps: loss after one pair",
                "≤ 4 %",
                _reached(loss, "≤ 4 %"),
                *["–"] * (len(found) - 1),
            ]
        )
    return "What was aimed at, and what was reached:\n\n" + _table(("rate", "target", *found), lines)


def _reached(value: float, bound: str) -> str:
    if math.isnan(value) or not bound:
        return _percent(value, 1)
    limit = float(bound.split()[1]) / 100
    is_met = value >= limit if bound.startswith("≥") else value <= limit
    return f"{_percent(value, 1)} ({'reached' if is_met else 'missed'})"


def _by_fault(near: Sequence[Row]) -> str:
    ours = _of(near, OURS)
    return "traindoctor, by what was wrong:\n\n" + _groups("setting", ours, [*FAULTS, *CONTROLS], "case")


def _by_task(near: Sequence[Row]) -> str:
    ours = faults(_of(near, OURS))
    names = list(dict.fromkeys(row.task for row in ours))
    return "traindoctor, by task (faults only):\n\n" + _groups("task", ours, names, "task")


def _groups(what: str, rows: Sequence[Row], names: Sequence[str], field: str) -> str:
    lines: list[list[str]] = []
    for name in names:
        here = [row for row in rows if getattr(row, field) == name]
        if not here:
            continue
        verdicts = [row.verdict for row in here]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in sorted(set(verdicts)))
        lines.append(
            [
                name,
                _percent(share(here, lambda row: row.change < -row.margin)),
                _percent(share(here, lambda row: row.change > row.margin)),
                _percent(share(here, lambda row: change_after(row) > row.margin)),
                f"{100 * math.expm1(float(np.median([row.change for row in here]))):+.1f} %",
                _percent(float(np.median([math.expm1(row.regret) for row in here])), 1),
                counts,
            ]
        )
    return _table(
        (what, "win", "loss", "loss after one pair", "median change", "median regret", "verdicts"), lines
    )
