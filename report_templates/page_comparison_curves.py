"""The curves of several runs over one x axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from traindoctor import names, x_axis
from traindoctor.comparing import aligned
from traindoctor.comparison import ComparedRun, Comparison
from traindoctor.run import Floats, Run, Series

from . import number_format as fmt
from .chart_model import Curve, Panel, Stack
from .language import _, tr
from .page_model import Cell, Column, Figure, Table
from .thinning import exact_curve, noisy_curve

MAX_RUNS = 8
_BANDS_UP_TO = 2
_LOG_RANGE = 30.0
_ROWS = 20
_COLOURS = 4


def comparison_figure(comparison: Comparison) -> Figure | None:
    """Losses, the metric and the learning rate of every run; None where nothing is shared."""
    runs = comparison.runs[:MAX_RUNS]
    wanted = [
        (names.LOSS_TRAIN, _("training loss"), False),
        (names.LOSS_VALIDATION, _("validation loss"), False),
    ]
    wanted += [(name, _title(name), False) for name in _metrics(runs)]
    panels = [_panel(comparison, runs, name, title) for name, title, _ in wanted]
    panels.append(_rates(comparison, runs))
    kept = tuple(panel for panel in panels if panel is not None)
    if not kept:
        return None
    x = np.concatenate([curve.x for panel in kept for curve in panel.curves])
    limits = (float(x.min()), float(x.max()))
    drawing = Stack(kept, x_label(comparison), limits, is_whole=comparison.x == "step")
    caption = _("All plots share the x axis. Lines are medians where a run has many values.")
    if len(comparison.runs) > MAX_RUNS:
        caption += _(
            " The first {max_runs} of {n_runs} runs are drawn.",
            max_runs=MAX_RUNS,
            n_runs=len(comparison.runs),
        )
    return Figure("compared", _message(comparison), caption, drawing, _table(comparison))


def x_label(comparison: Comparison) -> str:
    """Title of the shared x axis."""
    unit = comparison.runs[0].run.info.x_unit
    if comparison.x == "step":
        return _("optimizer step") if unit == "optimizer steps" else tr(x_axis.nouns(fmt.name(unit, 40))[0])
    return _("epoch") if comparison.x == "epoch" else _("% of the run")


def _message(comparison: Comparison) -> str:
    labels = ", ".join(
        f"{one.label} {fmt.name(one.run.name or one.run.id, 24)}" for one in comparison.runs[:4]
    )
    return _("Curves of {labels}", labels=labels) + (_(" and others") if len(comparison.runs) > 4 else "")


def _metrics(runs: tuple[ComparedRun, ...]) -> list[str]:
    """The first held-out series that is no loss and that another run has too."""
    first, others = runs[0].run, [one.run for one in runs[1:]]
    found = [
        name
        for name, series in first.series.items()
        if name.endswith(("/validation", "/test"))
        and not name.rpartition("/")[0].endswith("loss")
        and len(series)
        if any(run.get(name) is not None for run in others)
    ]
    return found[:1]


def _title(name: str) -> str:
    return fmt.name(names.in_words(name), 60)


def _panel(comparison: Comparison, runs: tuple[ComparedRun, ...], name: str, title: str) -> Panel | None:
    curves: list[Curve] = []
    for one in runs:
        series = one.run.get(name)
        if series is not None and len(series.finite()):
            curves.append(_curve(series, one, comparison, has_band=len(runs) <= _BANDS_UP_TO))
    return Panel(title, tuple(curves), (), _spans_decades(curves), 1.3) if curves else None


def _rates(comparison: Comparison, runs: tuple[ComparedRun, ...]) -> Panel | None:
    """The learning rate of the first param group of each run."""
    curves: list[Curve] = []
    for one in runs:
        series = next(iter(one.run.learning_rates().values()), None)
        if series is not None and len(series.finite()):
            colour, dash = _style(one, comparison)
            curve = exact_curve(series, one.label, colour, dash=dash, is_stepped=True)
            curves.append(_moved(curve, one.run, comparison))
    return Panel(_("learning rate"), tuple(curves), (), _spans_decades(curves)) if curves else None


def _style(one: ComparedRun, comparison: Comparison) -> tuple[int, int]:
    """Colour and dash: one for each run, or for each recipe where one has several seeds."""
    has_seeds = comparison.n_arms < len(comparison.runs)
    index = one.arm if has_seeds and comparison.n_arms > 1 else comparison.runs.index(one)
    return index % _COLOURS, index // _COLOURS % _COLOURS


def _curve(series: Series, one: ComparedRun, comparison: Comparison, *, has_band: bool) -> Curve:
    colour, dash = _style(one, comparison)
    curve = replace(noisy_curve(series, one.label, colour), dash=dash)
    if not has_band:
        nothing = np.empty(0)
        curve = replace(curve, low=nothing, high=nothing, band_x=nothing)
    return _moved(curve, one.run, comparison)


def _moved(curve: Curve, run: Run, comparison: Comparison) -> Curve:
    x = comparison.x
    return replace(curve, x=aligned(run, curve.x, x), band_x=aligned(run, curve.band_x, x))


def _spans_decades(curves: list[Curve]) -> bool:
    values: Floats = np.concatenate([curve.y for curve in curves]) if curves else np.empty(0)
    return bool(values.size) and bool(values.min() > 0) and bool(values.max() > _LOG_RANGE * values.min())


def _table(comparison: Comparison) -> Table | None:
    """The judged curve at regular distances, for those who cannot see the picture."""
    runs = comparison.runs[:MAX_RUNS]
    name = next(
        (n for n in (names.LOSS_VALIDATION, names.LOSS_TRAIN) if all(o.run.get(n) for o in runs)), None
    )
    if name is None:
        return None
    shares = np.linspace(0, 1, _ROWS)
    ends = [_end(one.run, comparison) for one in runs]
    at = shares * max(ends)
    columns = (
        Column(x_label(comparison), align="right"),
        *(Column(one.label, align="right") for one in runs),
    )
    held = [_held(one.run, name, at, comparison) for one in runs]
    rows: list[tuple[Cell, ...]] = []
    for index, x in enumerate(at):
        shown = fmt.count(x) if comparison.x == "step" else fmt.number(float(x), 3)
        cells = (fmt.number(v) if np.isfinite(v := values[index]) else fmt.MISSING for values in held)
        rows.append((shown, *cells))
    note = _("The last value recorded at or before each place; – where there is none.")
    return Table(
        _("{value} at regular distances", value=_title(name).capitalize()),
        columns,
        tuple(rows),
        note,
        is_folded=True,
    )


def _end(run: Run, comparison: Comparison) -> float:
    return float(aligned(run, np.asarray([float(max(run.n_steps - 1, 0))]), comparison.x)[0])


def _held(run: Run, name: str, at: Floats, comparison: Comparison) -> Floats:
    """Values in force at places of the shared axis; NaN before the first and past the end of the run."""
    series = run.series[name].finite()
    x = aligned(run, series.steps.astype(np.float64), comparison.x)
    index = np.searchsorted(x, at + 1e-9, side="right") - 1
    is_known = (index >= 0) & (at <= _end(run, comparison) + 1e-9)
    out = np.full(len(at), np.nan)
    out[is_known] = series.values[index[is_known]]
    return out
