"""The hyper-parameter search: the result, its region, its trials, and what matters."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.finding import Diagnosis
from traindoctor.run import Floats
from traindoctor.search import Interaction, Parameter, Search, Trial

from . import number_format as fmt
from .chart_model import Curve, Mark, Points, Scatter
from .page_model import (
    Block,
    Bullets,
    Cell,
    Code,
    Column,
    Fact,
    Facts,
    Figure,
    Headline,
    Paragraph,
    Section,
    Table,
    Tone,
)

_TRIAL_ROWS = 200
_STATE_WORDS = {
    "complete": "completed",
    "pruned": "pruned",
    "diverged": "diverged",
    "failed": "failed",
    "lost": "lost, queued again",
    "running": "running",
    "waiting": "waiting",
}
_EMPTY = np.empty(0)


def search_headline(diagnosis: Diagnosis, search: Search, checks: str) -> Headline:
    """Page one of the report of a search."""
    study = search.study
    subtitle = [_counts(search)]
    subtitle += [f"method {study.method}"] if study.method else []
    tone: Tone = "neutral" if search.best is None else ("warning" if _doubts(search) else "good")
    return Headline(
        title=fmt.name(f"Search {study.name}") if study.name != "tune" else "Hyper-parameter search",
        subtitle=tuple(subtitle),
        tone=tone,
        state="No result" if search.best is None else "Best found",
        verdict=fmt.prose(diagnosis.verdict.sentence),
        top=None,
        top_title="",
        top_action="",
        key_numbers=Facts(tuple(_key_numbers(search))[:6], is_key=True),
        checks=f"Best trial: {checks}" if search.best is not None else checks,
        figure=region_figure(search),
    )


def search_section(search: Search | None) -> Section | None:
    """What the trials say; None for a run that belongs to no search."""
    if search is None:
        return None
    blocks: list[Block] = [Paragraph(fmt.prose(text), "warning") for text in _doubts(search)]
    if search.command:
        blocks.append(Code("Command of the best trial, ready to paste", fmt.code(search.command), "shell"))
    blocks += _region_blocks(search)
    blocks += _interaction_blocks(search)
    blocks += _importance_blocks(search)
    if notes := [*search.study.notes, *search.notes]:
        blocks.append(Bullets("To know", tuple(fmt.prose(note, 400) for note in notes)))
    blocks += [_space_table(search), _trial_table(search)]
    if search.best is not None:
        blocks.append(Paragraph(f"What follows is about the best trial alone (trial {search.best.number})."))
    return Section("search", "Search", tuple(blocks), importance=0)


def region_figure(search: Search) -> Figure | None:
    """The objective of every trial over the learning rate, or over the first range that was searched."""
    parameter = _shown_parameter(search)
    if parameter is None:
        return None
    points = _points_by_state(search, parameter)
    if not points:
        return None
    marks, curves = _marks(search, parameter)
    drawing = Scatter(
        fmt.name(parameter.name, 60),
        _objective(search),
        tuple(points),
        curves,
        marks,
        parameter.kind == "log",
        _is_wide(search),
    )
    title = _region_title(search, parameter)
    caption = (
        "Each point is a trial. Pruned trials stand at the last value they reported: what they would have "
        "reached is not known. Diverged trials stand at the upper edge."
    )
    return Figure("search", title, caption, drawing)


def _doubts(search: Search) -> list[str]:
    return [*search.warnings, *(edge.sentence for edge in search.edges)]


def _objective(search: Search) -> str:
    objective = fmt.name(search.study.objective or "objective", 60)
    return f"{objective} ({search.study.better} is better)" if search.study.better else objective


def _counts(search: Search) -> str:
    states = [trial.state for trial in search.study.trials]
    parts = [f"{states.count(state)} {_STATE_WORDS[state]}" for state in _STATE_WORDS if state in states]
    return " · ".join([fmt.plural(len(states), "trial"), *parts])


def _key_numbers(search: Search) -> list[Fact]:
    best, study = search.best, search.study
    items: list[Fact] = []
    if best is not None:
        items.append(Fact(_objective(search), fmt.number(best.value), f"trial {best.number}"))
        items += [
            Fact(fmt.name(name, 40), _value(value))
            for name, value in list(best.parameters.items())[:3]
            if search.region is None or name != search.region.parameter
        ]
    if (region := search.region) is not None:
        level = fmt.percent(region.level, 2)
        interval = f"{level} interval {fmt.number(region.low, 3)} to {fmt.number(region.high, 3)}"
        items.insert(1, Fact(f"best {fmt.name(region.parameter, 40)}", fmt.number(region.best, 3), interval))
    if (threshold := search.threshold) is not None:
        between = f"{fmt.number(threshold.low, 3)} to {fmt.number(threshold.high, 3)}"
        items.append(Fact("diverges from", between, f"{fmt.plural(threshold.n_diverged, 'trial')} diverged"))
    seconds = sum(trial.seconds for trial in study.trials if math.isfinite(trial.seconds))
    if seconds:
        items.append(Fact("compute spent", fmt.duration(seconds), "sum over the trials"))
    return items


def _value(value: object) -> str:
    return fmt.number(value) if isinstance(value, float) else fmt.name(value, 60)


def _shown_parameter(search: Search) -> Parameter | None:
    numeric = {p.name: p for p in search.study.parameters if p.is_numeric}
    for name in (
        search.region.parameter if search.region else "",
        search.threshold.parameter if search.threshold else "",
        next((name for name in numeric if "lr" in name.lower() or "learning" in name.lower()), ""),
    ):
        if name in numeric:
            return numeric[name]
    return next(iter(numeric.values()), None)


def _points_by_state(search: Search, parameter: Parameter) -> list[Points]:
    kinds: list[Points] = []
    for state, label, colour, shape in (
        ("complete", "completed", 0, "dot"),
        ("pruned", "pruned (last value)", 1, "ring"),
        ("diverged", "diverged", 3, "cross"),
    ):
        trials = [t for t in search.study.trials if t.state == state and _has(t, parameter)]
        if trials:
            x = np.array([float(t.parameters[parameter.name]) for t in trials])
            y = np.array([math.nan if state == "diverged" else t.value for t in trials])
            kinds.append(Points(label, x, _positive(search, y), colour, shape))  # type: ignore[arg-type]
    return kinds


def _positive(search: Search, values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan) if _is_wide(search) else values


def _has(trial: Trial, parameter: Parameter) -> bool:
    value = trial.parameters.get(parameter.name)
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return is_number and (parameter.kind != "log" or float(value) > 0)  # type: ignore[arg-type]


def _is_wide(search: Search) -> bool:
    """Whether the completed trials' values span so much that only a logarithmic axis shows the good ones."""
    values = [t.value for t in search.study.of_state("complete", "pruned") if math.isfinite(t.value)]
    return bool(values) and min(values) > 0 and max(values) > 20 * min(values)


def _marks(search: Search, parameter: Parameter) -> tuple[tuple[Mark, ...], tuple[Curve, ...]]:
    marks: list[Mark] = []
    curves: tuple[Curve, ...] = ()
    region, threshold, best = search.region, search.threshold, search.best
    if region is not None and region.parameter == parameter.name:
        label = f"{fmt.percent(region.level, 2)} interval of the best"
        marks.append(Mark("span", region.low, region.high, label, "info"))
        fitted = [(x, y) for x, y in region.curve if y > 0 or not _is_wide(search)]
        if fitted:
            x, y = (np.array(column) for column in zip(*fitted, strict=True))
            curves = (Curve("fit", x, y, _EMPTY, _EMPTY, _EMPTY, 2, 1),)
    if threshold is not None and threshold.parameter == parameter.name:
        marks.append(Mark("span", threshold.low, threshold.high, "divergence begins", "critical"))
    if best is not None and _has(best, parameter):
        at = float(best.parameters[parameter.name])
        marks.append(Mark("point", at, at, "best trial", y=best.value))
    return tuple(marks), curves


def _region_title(search: Search, parameter: Parameter) -> str:
    region, name = search.region, fmt.name(parameter.name, 40)
    if region is not None and region.parameter == parameter.name:
        low, high = fmt.number(region.low, 3), fmt.number(region.high, 3)
        return f"The best {name} lies between {low} and {high}"
    return f"Objective of the trials over {name}"


def _region_blocks(search: Search) -> list[Block]:
    blocks: list[Block] = []
    if (region := search.region) is not None:
        name, level = fmt.name(region.parameter, 40), fmt.percent(region.level, 2)
        text = (
            f"Best {name}: {fmt.number(region.best, 3)}, {level} bootstrap interval "
            f"{fmt.number(region.low, 3)} to {fmt.number(region.high, 3)}, from "
            f"{fmt.plural(region.n_trials, 'completed trial')} (a parabola through the better trials near "
            "the best one, fitted anew to resampled trials; widened to half the way to the next tried value)."
        )
        blocks.append(Paragraph(text))
    if (threshold := search.threshold) is not None:
        name = fmt.name(threshold.parameter, 40)
        text = (
            f"Divergence begins between {name} {fmt.number(threshold.low, 3)} (the largest below that held) "
            f"and {fmt.number(threshold.high, 3)} (the smallest that diverged): "
            f"{threshold.n_diverged} of {threshold.n_diverged + threshold.n_held} trials diverged."
        )
        if not threshold.is_clean:
            text += " Some trials above it held: another parameter or chance decides there."
        blocks.append(Paragraph(text))
    return blocks


def _interaction_blocks(search: Search) -> list[Block]:
    found = search.interaction
    if found is None:
        return []
    return [_interaction_figure(search, found), Paragraph(fmt.prose(found.sentence))]


def _interaction_figure(search: Search, found: Interaction) -> Figure:
    parameter = next(p for p in search.study.parameters if p.name == found.parameter)
    shapes = ("dot", "ring", "dot", "ring")
    points: list[Points] = []
    curves: list[Curve] = []
    for k, level in enumerate(found.levels[:4]):
        x, y = np.array(level.x), _positive(search, np.array(level.y))
        points.append(Points(fmt.name(level.label, 40), x, y, k, shapes[k]))  # type: ignore[arg-type]
        curves.append(Curve(level.label, x, y, _EMPTY, _EMPTY, _EMPTY, k, k))
    drawing = Scatter(
        fmt.name(found.parameter, 60),
        _objective(search),
        tuple(points),
        tuple(curves),
        (),
        parameter.kind == "log",
        _is_wide(search),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (fmt.name(level.label, 60), fmt.count(len(level.x)), fmt.number(level.best, 3))
        for level in found.levels
    )
    best = Column(f"best {fmt.name(found.parameter, 40)}", align="right")
    columns = (Column("level"), Column("completed trials", align="right"), best)
    title = f"{fmt.name(found.parameter, 40)} and {fmt.name(found.other, 40)}"
    caption = "Completed trials; lines join those of one level, whatever their other parameters were."
    return Figure("interaction", title, caption, drawing, Table("Best per level", columns, rows))


def _importance_blocks(search: Search) -> list[Block]:
    if not search.importances:
        return []
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.name(one.parameter, 60),
            fmt.percent(one.share, 2),
            f"{fmt.percent(one.low, 2)} to {fmt.percent(one.high, 2)}",
        )
        for one in search.importances
    )
    columns = (Column("parameter"), Column("explains", align="right"), Column("interval", align="right"))
    n = len(search.study.of_state("complete", "diverged"))
    note = (
        f"Share of the variance (of ranks) over the searched space, by functional ANOVA of a random forest "
        f"on {n} trials; it predicts trials it has not seen with R² {fmt.number(search.importance_fit, 2)}. "
        "What is left to 100 % is interaction. Pruned trials are left out."
    )
    return [Table("Importance of the parameters", columns, rows, note)]


def _space_table(search: Search) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.name(p.name, 60),
            {"log": "logarithmic", "uniform": "even", "int": "whole numbers", "choice": "choice"}[p.kind],
            f"{fmt.number(p.low)} to {fmt.number(p.high)}"
            if p.is_numeric
            else fmt.name(", ".join(map(str, p.choices)), 120),
            "optimizer hook" if p.is_hook else ("argument" if search.study.command else ""),
        )
        for p in search.study.parameters
    )
    columns = (Column("parameter"), Column("drawn"), Column("range"), Column("set through"))
    return Table("What was searched", columns, rows)


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
        seconds = fmt.duration(trial.seconds) if math.isfinite(trial.seconds) else ""
        state, why = _STATE_WORDS[trial.state], fmt.prose(trial.why, 160)
        rows.append((f"{trial.number}", state, value, *values, seconds, why))
    columns = (
        Column("trial", align="right"),
        Column("state"),
        Column(fmt.name(study.objective or "objective", 60), align="right"),
        *(Column(fmt.name(name, 40), align="right") for name in names),
        Column("time", align="right"),
        Column("why"),
    )
    left_out = len(study.trials) - len(rows)
    note = f"{left_out} more trials are in the JSON report. " if left_out > 0 else ""
    if study.of_state("diverged"):
        note += "The value of a diverged trial is what it counted as in the search, not what it reached. "
    if study.of_state("pruned"):
        note += "The value of a pruned trial is its last report."
    return Table("Trials, best first", columns, tuple(rows), note.strip())
