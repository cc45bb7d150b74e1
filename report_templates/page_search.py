"""The hyper-parameter search: the result, its region, its trials, and what matters."""

from __future__ import annotations

import math

from traindoctor.finding import Diagnosis
from traindoctor.search import Search, Trial
from traindoctor.text import Text

from . import number_format as fmt
from .language import _, tr
from .page_model import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Fact,
    Facts,
    Headline,
    Paragraph,
    Section,
    Table,
    Tone,
)
from .page_search_figures import interaction_figure, objective_label, region_figure

_TRIAL_ROWS = 200
_STATE_WORDS = {
    "complete": Text("completed"),
    "pruned": Text("pruned"),
    "diverged": Text("diverged"),
    "failed": Text("failed"),
    "lost": Text("lost, queued again"),
    "running": Text("running"),
    "waiting": Text("waiting"),
}


def search_headline(diagnosis: Diagnosis, search: Search, checks: str) -> Headline:
    """Page one of the report of a search."""
    study = search.study
    subtitle = [_counts(search)]
    subtitle += [_("method {method}", method=study.method)] if study.method else []
    tone: Tone = "neutral" if search.best is None else ("warning" if _doubts(search) else "good")
    return Headline(
        title=fmt.name(_("Search {name}", name=study.name))
        if study.name != "tune"
        else _("Hyper-parameter search"),
        subtitle=tuple(subtitle),
        tone=tone,
        state=_("No result") if search.best is None else _("Best found"),
        verdict=fmt.prose(diagnosis.verdict.sentence),
        top=None,
        top_title="",
        top_action="",
        key_numbers=Facts(tuple(_key_numbers(search))[:6], is_key=True),
        checks=_("Best trial: {checks}", checks=checks) if search.best is not None else checks,
        figure=region_figure(search),
    )


def search_section(search: Search | None) -> Section | None:
    """What the trials say; None for a run that belongs to no search."""
    if search is None:
        return None
    blocks: list[Block] = [Paragraph(fmt.prose(text), "warning") for text in _doubts(search)]
    if search.command:
        blocks.append(Code(_("Command of the best trial, ready to paste"), fmt.code(search.command), "shell"))
    blocks += _region_blocks(search)
    blocks += _interaction_blocks(search)
    blocks += _importance_blocks(search)
    if notes := [*search.study.notes, *search.notes]:
        blocks.append(Bullets(_("To know"), tuple(fmt.prose(note, 400) for note in notes)))
    blocks += [_space_table(search), _trial_table(search)]
    if search.best is not None:
        blocks.append(
            Paragraph(
                _("What follows is about the best trial alone (trial {number}).", number=search.best.number)
            )
        )
    return Section("search", _("Search"), tuple(blocks), importance=0)


def _doubts(search: Search) -> list[str]:
    return [*search.warnings, *(edge.sentence for edge in search.edges)]


def _counts(search: Search) -> str:
    states = [trial.state for trial in search.study.trials]
    parts = [f"{states.count(state)} {tr(_STATE_WORDS[state])}" for state in _STATE_WORDS if state in states]
    return " · ".join([fmt.plural(len(states), "trial"), *parts])


def _key_numbers(search: Search) -> list[Fact]:
    best, study = search.best, search.study
    items: list[Fact] = []
    if best is not None:
        items.append(
            Fact(objective_label(search), fmt.number(best.value), _("trial {number}", number=best.number))
        )
        items += [
            Fact(fmt.name(name, 40), _value(value))
            for name, value in list(best.parameters.items())[:3]
            if search.region is None or name != search.region.parameter
        ]
    if (region := search.region) is not None:
        level = fmt.percent(region.level, 2)
        interval = _(
            "{level} interval {low} to {high}",
            level=level,
            low=fmt.number(region.low, 3),
            high=fmt.number(region.high, 3),
        )
        items.insert(
            1,
            Fact(
                _("best {parameter}", parameter=fmt.name(region.parameter, 40)),
                fmt.number(region.best, 3),
                interval,
            ),
        )
    if (threshold := search.threshold) is not None:
        between = _("{low} to {high}", low=fmt.number(threshold.low, 3), high=fmt.number(threshold.high, 3))
        items.append(
            Fact(
                _("diverges from"),
                between,
                _("{n_diverged} diverged", n_diverged=fmt.plural(threshold.n_diverged, "trial")),
            )
        )
    seconds = sum(trial.seconds for trial in study.trials if math.isfinite(trial.seconds))
    if seconds:
        items.append(Fact(_("compute spent"), fmt.duration(seconds), _("sum over the trials")))
    return items


def _value(value: object) -> str:
    return fmt.number(value) if isinstance(value, float) else fmt.name(value, 60)


def _region_blocks(search: Search) -> list[Block]:
    blocks: list[Block] = []
    if (region := search.region) is not None:
        name, level = fmt.name(region.parameter, 40), fmt.percent(region.level, 2)
        text = _(
            "Best {name}: {best}, {level} bootstrap interval {low} to {high}, from {n_trials} (a "
            "parabola through the better trials near the best one, fitted anew to resampled "
            "trials; widened to half the way to the next tried value).",
            name=name,
            best=fmt.number(region.best, 3),
            level=level,
            low=fmt.number(region.low, 3),
            high=fmt.number(region.high, 3),
            n_trials=fmt.plural(region.n_trials, "completed trial"),
        )
        blocks.append(Paragraph(text))
    if (threshold := search.threshold) is not None:
        name = fmt.name(threshold.parameter, 40)
        text = _(
            "Divergence begins between {name} {low} (the largest below that held) and {high} "
            "(the smallest that diverged): {n_diverged} of {n_held} trials diverged.",
            name=name,
            low=fmt.number(threshold.low, 3),
            high=fmt.number(threshold.high, 3),
            n_diverged=threshold.n_diverged,
            n_held=threshold.n_diverged + threshold.n_held,
        )
        if not threshold.is_clean:
            text += _(" Some trials above it held: another parameter or chance decides there.")
        blocks.append(Paragraph(text))
    return blocks


def _interaction_blocks(search: Search) -> list[Block]:
    found = search.interaction
    if found is None:
        return []
    return [interaction_figure(search, found), Paragraph(fmt.prose(found.sentence))]


def _importance_blocks(search: Search) -> list[Block]:
    if not search.importances:
        return []
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.name(one.parameter, 60),
            fmt.percent(one.share, 2),
            _("{low} to {high}", low=fmt.percent(one.low, 2), high=fmt.percent(one.high, 2)),
        )
        for one in search.importances
    )
    columns = (
        Column(_("parameter")),
        Column(_("explains"), align="right"),
        Column(_("interval"), align="right"),
    )
    n = len(search.study.of_state("complete", "diverged"))
    note = _(
        "Share of the variance (of ranks) over the searched space, by functional ANOVA of a "
        "random forest on {n} trials; it predicts trials it has not seen with R² "
        "{importance_fit}. What is left to 100 % is interaction. Pruned trials are left out.",
        n=n,
        importance_fit=fmt.number(search.importance_fit, 2),
    )
    return [Table(_("Importance of the parameters"), columns, rows, note)]


def _space_table(search: Search) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.name(p.name, 60),
            {"log": "logarithmic", "uniform": "even", "int": _("whole numbers"), "choice": "choice"}[p.kind],
            _("{low} to {high}", low=fmt.number(p.low), high=fmt.number(p.high))
            if p.is_numeric
            else fmt.name(", ".join(map(str, p.choices)), 120),
            _("optimizer hook") if p.is_hook else (_("argument") if search.study.command else ""),
        )
        for p in search.study.parameters
    )
    columns = (Column(_("parameter")), Column(_("drawn")), Column(_("range")), Column(_("set through")))
    return Table(_("What was searched"), columns, rows)


def _trial_table(search: Search) -> Table:
    study = search.study
    names = [parameter.name for parameter in study.parameters]
    worst = -math.inf if study.better == "higher" else math.inf

    def rank(trial: Trial) -> tuple[bool, float]:
        value = trial.value if math.isfinite(trial.value) else worst
        return trial.state != "complete", -value if study.better == "higher" else value

    rows: list[tuple[Cell, ...]] = []
    for trial in sorted(study.trials, key=rank)[:_TRIAL_ROWS]:
        values = [_value(trial.parameters[name]) if name in trial.parameters else "" for name in names]
        value = fmt.number(trial.value) if math.isfinite(trial.value) else ""
        seconds = fmt.duration(trial.seconds).replace(" ", "\u00a0") if math.isfinite(trial.seconds) else ""
        state, why = tr(_STATE_WORDS[trial.state]), fmt.prose(trial.why, 100)
        rows.append((f"{trial.number}", state, value, *values, seconds, why))
    columns = (
        Column(_("trial"), align="right"),
        Column(_("state")),
        Column(fmt.name(study.objective or _("objective"), 60), align="right"),
        *(Column(fmt.name(name, 40), align="right") for name in names),
        Column(_("time"), align="right"),
        Column(_("why")),
    )
    left_out = len(study.trials) - len(rows)
    note = _("{left_out} more trials are in the JSON report. ", left_out=left_out) if left_out > 0 else ""
    if study.of_state("diverged"):
        note += _("The value of a diverged trial is what it counted as in the search, not what it reached. ")
    if study.of_state("pruned"):
        note += _("The value of a pruned trial is its last report.")
    return Table(_("Trials, best first"), columns, tuple(rows), note.strip())
