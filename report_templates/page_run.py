"""The run itself: configuration, environment, optimizer settings, model, and gaps in the recording."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from traindoctor.run import Event, ParameterInfo, Run
from traindoctor.run_settings import MEASURED
from traindoctor.text import Text

from . import number_format as fmt
from .language import _, looked_up, number_of
from .page_model import Block, Bullets, Cell, Column, Fact, Facts, Section, Table
from .page_schedule import value_text
from .stored_sentences import told_again

_MODEL_ROWS = 60
_SETTING_ROWS = 60
_MAX_NOTES = 30
_CAUSES = {
    "overflow": Text("an overflow of the scaled gradients"),
    "loss": Text("a loss that was not finite"),
    "unknown": Text("an unknown cause"),
}
_GAPS = ("gap", "thinned", "recorder-off", "exception", "amp-skip")


def run_section(run: Run) -> Section:
    """Everything about the run apart from its curves."""
    blocks: list[Block] = [_facts(run)]
    notes = recording_notes(run)
    if notes:
        blocks.append(Bullets(_("Gaps and guesses in the recording"), notes))
    for caption, settings in (
        (_("Configuration"), run.info.config),
        (_("Environment"), {k: v for k, v in run.info.environment.items() if k not in MEASURED}),
    ):
        if settings:
            blocks.append(_settings(caption, settings))
    blocks += [
        _optimizer(index, info.name, info.groups, info.scheduler)
        for index, info in enumerate(run.info.optimizers)
    ]
    if run.info.parameters:
        blocks.append(_model(run.info.parameters))
    return Section("run", _("Run"), tuple(blocks), importance=2)


def commit_text(run: Run) -> str:
    """`commit 1a2b3c4 (main, with uncommitted changes)`, "" when the commit is unknown."""
    git = run.info.config.get("git")
    if not isinstance(git, Mapping) or not git.get("commit"):
        return ""
    details = [fmt.name(git["branch"], 60)] if git.get("branch") else []
    details += [_("with uncommitted changes")] if git.get("dirty") else []
    commit = fmt.name(git["commit"], 64)[:10]
    text = _("commit {commit}", commit=commit)
    return _("{commit} ({details})", commit=text, details=_(", ").join(details)) if details else text


def recording_notes(run: Run) -> tuple[str, ...]:
    """What was skipped, guessed, thinned or damaged, and the events that left a gap."""
    notes = [fmt.prose(told_again(sentence), 400) for sentence in run.info.diagnostics]
    for kind in _GAPS:
        events = run.events_of(kind)
        if events:
            where = fmt.span(run.info.x_unit, events[0].step, events[-1].step)
            notes.append(_gap(kind, events, where))
    left_out = len(notes) - _MAX_NOTES
    return (
        *notes[:_MAX_NOTES],
        *((_("{left_out} more notes", left_out=fmt.count(left_out)),) if left_out > 0 else ()),
    )


def _gap(kind: str, events: Sequence[Event], where: str) -> str:
    """One kind of event as a sentence; strangers' logs may hold other data than ours."""
    data = events[-1].data
    every, what = data.get("every"), data.get("what")
    if kind == "thinned" and isinstance(every, int) and isinstance(what, str):
        since = "" if len(events) == 1 else _(" (changed {n_events} times)", n_events=len(events))
        return _(
            "thinned: {what}, at the end measured at one step in {every}; {where}{since}",
            what=fmt.name(what, 60),
            every=every,
            where=where,
            since=since,
        )
    if kind == "amp-skip" and isinstance(data.get("cause"), str):
        causes = Counter(str(event.data.get("cause")) for event in events)
        told = _(", ").join(
            _("{n} by {cause}", n=n, cause=_CAUSES.get(cause, _CAUSES["unknown"]))
            for cause, n in causes.items()
        )
        return _(
            "amp-skip: {steps} skipped by GradScaler, {where}: {told}",
            steps=fmt.plural(len(events), "step"),
            where=where,
            told=told,
        )
    detail = _("; last: {value}", value=value_text(data, 200)) if data else ""
    return _(
        "{kind}: {events}, {where}{detail}",
        kind=kind,
        events=fmt.plural(len(events), "event"),
        where=where,
        detail=detail,
    )


def _facts(run: Run) -> Facts:
    info = run.info
    items = [
        Fact(_("name"), fmt.name(run.name) or fmt.MISSING),
        Fact(_("id"), fmt.name(run.id)),
        Fact(_("status"), looked_up(info.status)),
        covered_fact(run),
    ]
    if math.isfinite(info.epochs):
        items.append(Fact(_("epochs"), fmt.number(info.epochs)))
    if math.isfinite(info.seconds):
        items.append(Fact(_("wall-clock time"), fmt.duration(info.seconds)))
    overhead = info.environment.get("overhead")
    if isinstance(overhead, float) and math.isfinite(overhead):
        items.append(Fact(_("spent on recording"), fmt.percent(overhead), _("of the wall-clock time")))
    if info.batch_size:
        items.append(Fact(_("batch size"), fmt.plural(info.batch_size, "sample")))
    if info.loss_name:
        items.append(Fact(_("loss"), fmt.name(info.loss_name)))
    if math.isfinite(info.baseline):
        items.append(
            Fact(
                _("loss of the best constant prediction"),
                _("{baseline} nats", baseline=fmt.number(info.baseline)),
            )
        )
    if info.n_classes:
        items.append(Fact(_("classes"), fmt.count(info.n_classes)))
    if commit_text(run):
        items.append(Fact(_("code"), commit_text(run)))
    if info.source:
        items.append(
            Fact(_("recorded by") if is_native(run) else _("format of the log"), fmt.name(info.source))
        )
    if info.path and not is_native(run):
        items.append(Fact(_("read from"), fmt.name(info.path)))
    if info.loss_role != "progress":
        items.append(Fact(_("objective"), fmt.name(info.loss_role), _("a falling loss means no progress")))
    return Facts(tuple(items))


def is_native(run: Run) -> bool:
    """Whether traindoctor recorded the run itself."""
    return run.info.source in ("", "traindoctor")


def covered_fact(run: Run) -> Fact:
    """How long the run is: steps from 0, or the part of the x axis that the log covers."""
    unit = run.info.x_unit
    first, last = covered(run)
    if last < first or first == 0:
        return Fact(
            _("steps") if unit == "optimizer steps" else _("length"), fmt.count(run.n_steps), fmt.unit(unit)
        )
    return Fact(_("x axis"), fmt.span(unit, first, last), fmt.unit(unit))


def covered(run: Run) -> tuple[int, int]:
    """First and last x of any series, both inclusive; (0, -1) for a run without values."""
    firsts = [int(series.steps[0]) for series in run.series.values() if len(series)]
    return (min(firsts), run.n_steps - 1) if firsts else (0, -1)


def length_text(run: Run) -> str:
    """`2,000 steps`, or `epochs 1 to 50` where the log does not count from 0."""
    first, last = covered(run)
    unit = run.info.x_unit
    return fmt.span(unit, first, last) if first > 0 else fmt.length(unit, run.n_steps)


def _settings(caption: str, settings: Mapping[str, Any]) -> Table:
    rows = [(fmt.name(key), value) for key, value in _flat(settings)]
    left_out = len(rows) - _SETTING_ROWS
    note = (
        _(
            "{left_out} not listed.",
            left_out=number_of("{n} more entry", "{n} more entries", left_out, n=fmt.count(left_out)),
        )
        if left_out > 0
        else ""
    )
    return Table(caption, (Column(_("key")), Column(_("value"))), tuple(rows[:_SETTING_ROWS]), note)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)) and value and all(isinstance(item, str) for item in value):
            yield f"{prefix}{key}", fmt.name(" ".join(value), 600)
        elif value not in ({}, [], (), "", None):
            yield f"{prefix}{key}", value_text(value, 600)


def _optimizer(index: int, name: str, groups: tuple[Mapping[str, Any], ...], scheduler: str) -> Table:
    labels = [fmt.name(group.get("label", position), 40) for position, group in enumerate(groups)]
    keys = list(dict.fromkeys(key for group in groups for key in group if key != "label"))
    rows: list[tuple[Cell, ...]] = [
        (
            fmt.name(key),
            *(value_text(group.get(key), 60) if key in group else fmt.MISSING for group in groups),
        )
        for key in keys
    ]
    if scheduler:
        rows.append((_("scheduler"), *([fmt.name(scheduler)] * max(1, len(groups)))))
    caption = (
        _("Optimizer {n}: {name}", n=index + 1, name=fmt.name(name))
        if index
        else _("Optimizer: {name}", name=fmt.name(name))
    )
    columns = (
        Column(_("setting")),
        *(Column(_("group {label}", label=label), align="right") for label in labels or ["–"]),
    )
    return Table(caption, columns, tuple(rows))


def _model(parameters: tuple[ParameterInfo, ...]) -> Table:
    total = sum(p.size for p in parameters)
    trained = sum(p.size for p in parameters if p.trainable)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.name(p.name),
            fmt.name(p.module, 40) or fmt.MISSING,
            " × ".join(str(n) for n in p.shape) or _("scalar"),
            fmt.count(p.size),
            _("yes") if p.trainable else _("no"),
            fmt.name(p.group, 24) or fmt.MISSING,
            fmt.name(p.dtype, 24),
        )
        for p in parameters[:_MODEL_ROWS]
    )
    columns = (
        Column(_("parameter")),
        Column(_("module")),
        Column(_("shape")),
        Column(_("elements"), align="right"),
        Column(_("trained")),
        Column(_("group")),
        Column(_("type")),
    )
    caption = _(
        "Model: {parameters}, {total} elements, {trained} trained",
        parameters=fmt.plural(len(parameters), "parameter"),
        total=fmt.count(total),
        trained=fmt.count(trained),
    )
    left_out = len(parameters) - _MODEL_ROWS
    note = (
        _("{left_out} not listed.", left_out=fmt.plural(left_out, "more parameter")) if left_out > 0 else ""
    )
    return Table(caption, columns, rows, note)
