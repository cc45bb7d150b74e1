"""The charts over time: the annotated overview, the learning curves, and the schedule beside the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from traindoctor import names, x_axis
from traindoctor.finding import Diagnosis, Finding, Severity
from traindoctor.run import Floats, Run, Series

from . import number_format as fmt
from .chart_model import Curve, Mark, Panel, Stack
from .language import _, looked_up, tr
from .page_axes import further_axes
from .page_metrics import held_out_word, metric_panels
from .page_model import Cell, Column, Figure, Section, Table
from .thinning import exact_curve, noisy_curve

_LOG_RANGE = 30.0
_MAX_LANES = 6
_MAX_LR_GROUPS = 3
_TABLE_ROWS = 20


def overview_figure(diagnosis: Diagnosis) -> Figure | None:
    """Loss with the best point marked and the findings as lanes below; None when no loss was recorded."""
    panel = loss_panel(diagnosis)
    if panel is None:
        return None
    drawing = _stack((panel,), diagnosis)
    caption = _("Loss over training. Solid line: median; band: smallest to largest value.")
    if drawing.lanes:
        caption += _(" Bars below: the part of the run each finding concerns.")
    return Figure("overview", loss_message(diagnosis), caption, drawing)


def curves_section(diagnosis: Diagnosis) -> Section | None:
    """Learning curves stacked over one x axis; None when nothing was recorded over time."""
    run = diagnosis.run
    metrics = metric_panels(run)
    panels = [loss_panel(diagnosis), *metrics, lr_panel(run), _gradient_panel(run)]
    kept = tuple(panel for panel in panels if panel is not None)
    if not kept:
        return None
    drawing = _stack(kept, diagnosis)
    figure = Figure(
        "curves",
        loss_message(diagnosis),
        _("All plots share the x axis. Lines are medians; bands run from the smallest to the largest value."),
        drawing,
        _curves_table(run),
    )
    return Section("curves", _("Learning curves"), (figure,))


def _stack(panels: tuple[Panel, ...], diagnosis: Diagnosis) -> Stack:
    """The panels over the whole run, with every axis that is known and the findings beneath."""
    run = diagnosis.run
    limits, noun = x_limits(run), tr(x_axis.nouns(fmt.name(run.info.x_unit, 40))[0])
    return Stack(panels, x_label(run), limits, _lanes(diagnosis), further_axes(run, limits), noun)


def schedule_figure(diagnosis: Diagnosis) -> Figure | None:
    """Recorded and prescribed learning rate over the loss; None without a recorded learning rate."""
    run, prescribed = diagnosis.run, diagnosis.prescription.lr
    panel = lr_panel(run, prescribed)
    if panel is None:
        return None
    loss = loss_panel(diagnosis)
    first, last = x_limits(run)
    if prescribed is not None and len(prescribed):
        last = max(last, float(prescribed.steps[-1]))
    title, caption = _("Recorded learning rate over the loss"), _("The learning rate as it was recorded.")
    if prescribed is not None:
        title = _("Recorded and prescribed learning rate over the loss")
        caption = _("Dashed: the prescribed learning rate, step by step.")
    drawing = Stack(tuple(p for p in (panel, loss) if p is not None), x_label(run), (first, last))
    return Figure("schedule", title, caption, drawing)


def loss_message(diagnosis: Diagnosis) -> str:
    """The loss curves in one sentence."""
    run = diagnosis.run
    validation, train = run.get(names.LOSS_VALIDATION), run.get(names.LOSS_TRAIN)
    for series, label in ((validation, _("Validation loss")), (train, _("Training loss"))):
        kept = series.finite() if series is not None else None
        if kept is not None and len(kept) > 1:
            best = int(np.argmin(kept.values))
            first, lowest, last = (fmt.number(float(kept.values[at])) for at in (0, best, -1))
            where = fmt.place(run.info.x_unit, int(kept.steps[best]))
            return _(
                "{label} goes from {first} to {last}; its lowest value is {lowest} at {where}",
                label=label,
                first=first,
                last=last,
                lowest=lowest,
                where=where,
            )
    return (
        _("No finite loss was recorded")
        if train is None or not len(train.finite())
        else _("A single value of the loss was recorded")
    )


def x_label(run: Run) -> str:
    """Title of the x axis."""
    unit = run.info.x_unit
    return _("optimizer step") if unit == "optimizer steps" else tr(x_axis.nouns(fmt.name(unit, 40))[0])


def loss_panel(diagnosis: Diagnosis) -> Panel | None:
    """Training and validation loss, the best validation point, steps with NaN or infinity."""
    run = diagnosis.run
    train, validation = run.get(names.LOSS_TRAIN), run.get(names.LOSS_VALIDATION)
    curves: list[Curve] = []
    marks: list[Mark] = []
    if train is not None:
        curves.append(noisy_curve(train, _("train"), 0))
        marks += non_finite_marks(train)
    if validation is not None:
        curves.append(exact_curve(validation, held_out_word(run, names.LOSS_VALIDATION), 1))
        marks += non_finite_marks(validation) + _best(validation)
    test = run.get("loss/test")
    if test is not None and len(test) > 1:
        curves.append(exact_curve(test, _("test"), 2))
    if not curves:
        return None
    return Panel(_("loss"), _drawn(curves), _labelled_once(marks), spans_decades(curves), 1.6)


def lr_panel(run: Run, prescribed: Series | None = None) -> Panel | None:
    """Learning rate of each param group (equal ones once), and the prescribed one."""
    distinct: list[tuple[str, Series]] = []
    for group, series in run.learning_rates().items():
        if all(not is_same(series, other) for _, other in distinct):
            distinct.append((group, series))
    curves = [
        exact_curve(
            series,
            _("recorded") if len(distinct) == 1 else fmt.name(_("group {label}", label=group), 24),
            index,
            is_stepped=True,
        )
        for index, (group, series) in enumerate(distinct[:_MAX_LR_GROUPS])
    ]
    if prescribed is not None and len(prescribed):
        curves.append(exact_curve(prescribed, _("prescribed"), 2 if len(curves) < 2 else 3, dash=1))
    curves = list(_drawn(curves))
    if not curves:
        return None
    peaks = [float(curve.y.max()) for curve in curves if curve.y.max() > 0]
    is_log = len(peaks) == len(curves) and max(peaks) > 10 * min(peaks)
    return Panel(_("learning rate"), tuple(curves), (), is_log)


def _gradient_panel(run: Run) -> Panel | None:
    before, used = run.get(names.GRAD_NORM_PRECLIP), run.get(names.GRAD_NORM)
    curves = [noisy_curve(before, _("before clipping"), 3)] if before is not None else []
    if used is not None:
        curves.append(noisy_curve(used, _("after clipping") if before is not None else _("all gradients"), 0))
    marks = _labelled_once(
        [m for series in (before, used) if series is not None for m in non_finite_marks(series)]
    )
    kept = _drawn(curves)
    return Panel(_("gradient norm"), kept, marks, spans_decades(kept)) if kept else None


def _drawn(curves: list[Curve]) -> tuple[Curve, ...]:
    return tuple(curve for curve in curves if len(curve.x))


def is_same(a: Series, b: Series) -> bool:
    """Whether two series hold the same values at the same steps."""
    return np.array_equal(a.steps, b.steps) and np.array_equal(a.values, b.values, equal_nan=True)


def spans_decades(curves: list[Curve] | tuple[Curve, ...]) -> bool:
    """True where a linear axis would flatten the course: all positive, and the lines span a factor of 30."""
    everything: list[Floats] = [part for curve in curves for part in (curve.y, curve.low, curve.high)]
    values = np.concatenate(everything) if everything else np.empty(0)
    return bool(values.size) and bool(values.min() > 0) and bool(values.max() > _LOG_RANGE * values.min())


def non_finite_marks(series: Series) -> list[Mark]:
    """One rug mark per stretch of NaN or infinite values."""
    bad = ~np.isfinite(series.values)
    edges = np.flatnonzero(np.diff(np.r_[False, bad, False].astype(np.int8)))
    spans = [
        (int(series.steps[a]), int(series.steps[b - 1])) for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
    if len(spans) > 50:
        spans = [(spans[0][0], spans[-1][1])]
    return [
        Mark("non-finite", first, last, _("NaN or infinite") if index == 0 else "", "critical")
        for index, (first, last) in enumerate(spans)
    ]


def _labelled_once(marks: list[Mark]) -> tuple[Mark, ...]:
    """The marks of a panel; of those for non-finite values only the first keeps its label."""
    rugs = [mark for mark in marks if mark.kind == "non-finite"]
    return (*rugs[:1], *(replace(mark, label="") for mark in rugs[1:]), *(m for m in marks if m not in rugs))


def _best(validation: Series) -> list[Mark]:
    kept = validation.finite()
    if len(kept) < 3:
        return []
    best = int(np.argmin(kept.values))
    step, value = int(kept.steps[best]), float(kept.values[best])
    return [Mark("point", step, step, _("best {value}", value=fmt.number(value)), "neutral", value)]


def _lanes(diagnosis: Diagnosis) -> tuple[Mark, ...]:
    explained = {code for finding in diagnosis.findings for code in finding.explains}
    roots = [finding for finding in diagnosis.findings if finding.code not in explained]
    return tuple(_lane(finding) for finding in (roots or diagnosis.findings)[:_MAX_LANES])


def _lane(finding: Finding) -> Mark:
    tone = {Severity.CRITICAL: "critical", Severity.WARNING: "warning"}.get(finding.severity, "info")
    label = f"{finding.code} {fmt.name(finding.name, 32)}"
    return Mark("span", finding.first_step, finding.last_step, label, tone)  # type: ignore[arg-type]


def x_limits(run: Run) -> tuple[float, float]:
    """First and last place at which anything was recorded."""
    ends = [(float(s.steps[0]), float(s.steps[-1])) for s in run.series.values() if len(s)]
    first = min((low for low, _ in ends), default=0.0)
    last = max((high for _, high in ends), default=0.0)
    return first, last


def _curves_table(run: Run) -> Table:
    wanted = [
        (label, run.get(name), names.unit_of(name))
        for label, name in (
            (_("training loss"), names.LOSS_TRAIN),
            (_("validation loss"), names.LOSS_VALIDATION),
            (_("validation accuracy"), names.ACCURACY_VALIDATION),
            (_("gradient norm"), names.GRAD_NORM),
            (_("gradient norm before clipping"), names.GRAD_NORM_PRECLIP),
        )
    ]
    wanted += [
        (_("learning rate, group {label}", label=fmt.name(g, 40)), s, "1/step")
        for g, s in run.learning_rates().items()
    ]
    kept = [(label, series, unit) for label, series, unit in wanted if series is not None][:8]
    first, last = x_limits(run)
    at = np.unique(np.linspace(first, last, _TABLE_ROWS).round().astype(np.int64))
    columns = (
        Column(tr(x_axis.nouns(fmt.name(run.info.x_unit, 40))[0]), align="right"),
        *(
            Column(label, "" if unit in {"fraction", "1/step", "loss units"} else looked_up(unit), "right")
            for label, _, unit in kept
        ),
    )
    values = [(series.at(at), series, unit) for _, series, unit in kept]
    rows: list[tuple[Cell, ...]] = []
    for index, step in enumerate(at):
        cells = [_at_step(held[index], series, int(step), unit) for held, series, unit in values]
        rows.append((fmt.count(int(step)), *cells))
    note = _("The last value recorded at or before each place; – where there is none yet.")
    return Table(_("Values at regular distances"), columns, tuple(rows), note, is_folded=True)


def _at_step(held: float, series: Series, step: int, unit: str) -> str:
    if step < int(series.steps[0]):
        return fmt.MISSING
    return fmt.percent(held) if unit == "fraction" and np.isfinite(held) else fmt.number(held)
