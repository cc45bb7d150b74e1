"""The parameters: heat maps over time and the table of outliers."""

from __future__ import annotations

import numpy as np

from traindoctor.names import unit_of
from traindoctor.run import Floats, Run, Series
from traindoctor.text import Text

from . import number_format as fmt
from .chart_model import HeatMap
from .heat_map_data import final_median, heat_maps, in_forward_order
from .language import _, looked_up, tr
from .page_curves import x_label
from .page_model import Block, Cell, Column, Figure, Paragraph, Section, Spark, Table
from .thinning import sparkline

_TOP = 10
_HEAT_MAPS = (
    (
        "update_ratio",
        Text("Update ratio"),
        Text("How far each step moves a parameter, relative to its size."),
    ),
    (
        "grad_norm",
        Text("Gradient norm"),
        Text("L2 norm of each parameter's gradient as the optimizer used it."),
    ),
    ("weight_rms", Text("Weight rms"), Text("Root mean square of each parameter.")),
)
_TABLE_ROWS = 40


def parameters_section(run: Run) -> Section | None:
    """Heat maps and outliers; None when no per-parameter series was recorded."""
    blocks: list[Block] = []
    outliers = _outlier_table(run)
    if outliers is not None:
        blocks.append(outliers)
    for quantity, title, caption in ((q, tr(t), tr(c)) for q, t, c in _HEAT_MAPS):
        drawings = heat_maps(run, quantity, unit_of(quantity), x_label(run))
        if drawings:
            blocks.append(_heat_map_figure(run, quantity, title, caption, drawings))
    if not blocks:
        return None
    lead = Paragraph(
        _(
            "Rows are parameters in the order of the model, the first layer on top. Colours are "
            "logarithmic; exact zeros, NaN or infinity, and values that were not recorded each "
            "have a colour of their own."
        )
    )
    return Section("parameters", _("Parameters"), (lead, *blocks), importance=3)


def _heat_map_figure(
    run: Run, quantity: str, title: str, caption: str, drawings: tuple[HeatMap, ...]
) -> Figure:
    """A heat map of the values, and of the same relative to the median parameter."""
    further = tuple(
        Figure(
            f"heat-{quantity.replace('_', '-')}-relative",
            f"{title}: {_relative_message(run, quantity)}",
            _(
                "Each value divided by the median over all parameters at the same time: what all of them do "
                "is not seen, an odd one stands out."
            ),
            drawing,
            mode=_("relative to the median parameter"),
        )
        for drawing in drawings[1:]
    )
    return Figure(
        f"heat-{quantity.replace('_', '-')}",
        f"{title}: {_message(run, quantity)}",
        caption,
        drawings[0],
        _value_table(run, quantity, title),
        mode=_("values") if further else "",
        further=further,
    )


def _relative_message(run: Run, quantity: str) -> str:
    """The parameter farthest from the median one at the end of the run, as a sentence."""
    table = run.parameter(quantity)
    ends = {name: final_median(table, name) for name in table}
    positive = {name: value for name, value in ends.items() if np.isfinite(value) and value > 0}
    if not positive:
        return _("no finite value at the end of the run")
    middle = float(np.median(list(positive.values())))
    far = max(positive, key=lambda name: abs(np.log(positive[name] / middle)))
    return _(
        "{name} is farthest from the median parameter, {factor} times it at the end of the run",
        name=fmt.name(far, 60),
        factor=fmt.number(positive[far] / middle, 3),
    )


def _message(run: Run, quantity: str) -> str:
    """Highest and lowest parameter of one quantity at the end of the run, as a sentence."""
    table = run.parameter(quantity)
    ends = {name: final_median(table, name) for name in table}
    known = {name: value for name, value in ends.items() if np.isfinite(value)}
    if not known:
        return _("no finite value at the end of the run")
    low, high = min(known, key=lambda n: known[n]), max(known, key=lambda n: known[n])
    if low == high:
        return _(
            "{known} in {low} at the end of the run", known=fmt.number(known[low], 3), low=fmt.name(low, 60)
        )
    return _(
        "from {known} in {low} to {known_2} in {high} at the end of the run",
        known=fmt.number(known[low], 3),
        low=fmt.name(low, 60),
        known_2=fmt.number(known[high], 3),
        high=fmt.name(high, 60),
    )


def _outlier_table(run: Run) -> Table | None:
    """The parameters whose late update ratio (or gradient norm) is farthest from the median parameter's."""
    quantity = next((q for q in ("update_ratio", "grad_norm") if run.parameter(q)), None)
    if quantity is None:
        return None
    table = run.parameter(quantity)
    ordered = in_forward_order(run, list(table))
    ends = np.asarray([final_median(table, name) for name in ordered])
    positive = ends[np.isfinite(ends) & (ends > 0)]
    middle = float(np.median(positive)) if positive.size else float("nan")
    distance = _decades(ends, middle)
    worst = np.argsort(-distance, kind="stable")[:_TOP]
    rows = tuple(_outlier_row(run, ordered[i], quantity, float(ends[i]), middle) for i in worst)
    is_ratio = quantity == "update_ratio"
    columns = (
        Column(_("parameter")),
        Column(_("shape")),
        Column(_("update ratio") if is_ratio else _("gradient norm"), align="right"),
        Column(_("× median"), align="right"),
        *((Column(_("gradient norm"), align="right"),) if is_ratio else ()),
        Column(_("weight rms"), align="right"),
        Column(_("over the run")),
    )
    note = (
        ""
        if len(ordered) <= _TOP
        else _(
            "The {top} of {n_ordered} parameters farthest from the median.",
            top=_TOP,
            n_ordered=fmt.count(len(ordered)),
        )
    )
    return Table(
        _("Parameters farthest from the median parameter, last quarter of the run"), columns, rows, note
    )


def _decades(ends: Floats, middle: float) -> Floats:
    """|log10(value / median)|; exact zeros rank above every positive value, non-finite ones above zeros."""
    positive = np.where(ends > 0, ends, 1.0)
    distance = np.abs(np.log10(positive / (middle if middle > 0 else 1.0)))
    return np.where(~np.isfinite(ends), np.inf, np.where(ends <= 0, 1e6, distance))


def _outlier_row(run: Run, parameter: str, quantity: str, end: float, middle: float) -> tuple[Cell, ...]:
    info = run.info_of(parameter)
    series: Series = run.parameter(quantity)[parameter]
    first, last = int(series.steps[0]), int(series.steps[-1])
    points, text = sparkline(_log(series), first, last)
    gradient = (
        (_known(final_median(run.parameter("grad_norm"), parameter)),) if quantity == "update_ratio" else ()
    )
    return (
        fmt.name(parameter),
        " × ".join(str(n) for n in info.shape) if info and info.shape else fmt.MISSING,
        fmt.padded(end),
        fmt.number(end / middle, 3) if np.isfinite(end) and middle > 0 else fmt.MISSING,
        *gradient,
        _known(final_median(run.parameter("weight_rms"), parameter)),
        Spark(points, text),
    )


def _known(value: float) -> str:
    return fmt.padded(value) if np.isfinite(value) else fmt.MISSING


def _log(series: Series) -> Series:
    """log10 of the positive values; the others are left out of a sparkline."""
    keep = np.isfinite(series.values) & (series.values > 0)
    return Series(series.steps[keep], np.log10(series.values[keep]))


def _value_table(run: Run, quantity: str, title: str) -> Table:
    table = run.parameter(quantity)
    ordered = in_forward_order(run, list(table))
    rows: list[tuple[Cell, ...]] = []
    for name in ordered[:_TABLE_ROWS]:
        values = table[name].values
        if not len(values):
            continue
        cells = (
            fmt.padded(float(values[0])),
            fmt.padded(float(np.median(values))),
            fmt.padded(float(values[-1])),
        )
        rows.append((fmt.name(name), *cells))
    columns = (
        Column(_("parameter")),
        Column(_("first"), align="right"),
        Column(_("median"), align="right"),
        Column(_("last"), align="right"),
    )
    left_out = len(ordered) - _TABLE_ROWS
    note = (
        _("{left_out} not listed.", left_out=fmt.plural(left_out, "more parameter")) if left_out > 0 else ""
    )
    return Table(
        f"{title}, {looked_up(unit_of(quantity))}" if unit_of(quantity) else title,
        columns,
        tuple(rows),
        note,
        is_folded=True,
    )
