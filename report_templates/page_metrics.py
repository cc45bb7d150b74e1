"""Metrics over time and what else the log holds: panels for the main ones, compact tables for the rest."""

from __future__ import annotations

import numpy as np

from traindoctor import names
from traindoctor.headline import headline_rank
from traindoctor.run import Run, Series, SeriesInfo
from traindoctor.text import Text

from . import number_format as fmt
from .chart_model import Panel
from .language import _, looked_up, tr
from .page_model import Block, Cell, Column, Fact, Section, Spark, Table
from .stored_sentences import told_again
from .thinning import exact_curve, sparkline

MAX_PANELS = 3
MAX_ROWS = 60
_SPLITS = {"train": 0, "validation": 1, "test": 2}
_DIRECTIONS = {"lower": Text("lower is better"), "higher": Text("higher is better")}
_UNKNOWN = SeriesInfo()


def metric_panels(run: Run) -> list[Panel]:
    """One panel for each of the main metrics with more than one value, its splits together."""
    panels: list[Panel] = []
    for quantity in main_metrics(run)[:MAX_PANELS]:
        curves = [
            exact_curve(series, held_out_word(run, f"{quantity}/{split}"), colour)
            for split, colour in _SPLITS.items()
            if (series := run.get(f"{quantity}/{split}")) is not None and len(series) > 1
        ]
        drawn = tuple(curve for curve in curves if len(curve.x))
        if drawn:
            panels.append(Panel(panel_title(run, quantity), drawn))
    return panels


def headline_fact(run: Run) -> Fact | None:
    """The best value of the metric a run is judged by; None without one whose direction is known."""
    for quantity in main_metrics(run):
        for split in ("validation", "test"):
            name = f"{quantity}/{split}"
            direction, series = better(run, name), run.get(name)
            kept = series.finite() if series is not None else None
            if kept is None or not len(kept) or not direction:
                continue
            at = int(np.argmin(kept.values) if direction == "lower" else np.argmax(kept.values))
            value = _value(float(kept.values[at]), _info(run, name).unit)
            return Fact(
                _("best {shown_name}", shown_name=fmt.name(shown_name(run, name), 40)),
                value,
                _("at {place}", place=fmt.place(run.info.x_unit, int(kept.steps[at]))),
            )
    return None


def metrics_section(run: Run) -> Section | None:
    """What a log holds beside the curves above: component losses, further metrics, names and origin."""
    blocks: list[Block] = []
    shown = set(main_metrics(run)[:MAX_PANELS])
    others = [n for n in run.series if _is_component(n) or (_is_metric(run, n) and _quantity(n) not in shown)]
    if others:
        blocks.append(_values_table(run, others))
    if run.info.series:
        blocks.append(_origin_table(run))
    return Section("series", _("Other series of the log"), tuple(blocks), importance=3) if blocks else None


def held_out_word(run: Run, name: str) -> str:
    """`validation`, or `test` where test values stand in for validation."""
    split = _info(run, name).split
    return looked_up(split if split in _SPLITS else name.rpartition("/")[2])


def better(run: Run, name: str) -> str:
    """`lower` or `higher`, "" where the direction is not known."""
    known = _info(run, name).better
    return known or ("higher" if _quantity(name) == "accuracy" else "")


def shown_name(run: Run, name: str) -> str:
    """What to call a metric: the source's name for it, else ours."""
    return _info(run, name).source_name or name.replace("/", " ")


def main_metrics(run: Run) -> list[str]:
    """Quantities with a held-out metric, those a run is usually judged by first, unknown directions last."""
    found: dict[str, tuple[int, int, int]] = {}
    for position, name in enumerate(run.series):
        if _is_metric(run, name) and not name.endswith("/train"):
            rank = (0 if better(run, name) else 1, headline_rank(_quantity(name)), position)
            found.setdefault(_quantity(name), rank)
    return sorted(found, key=lambda quantity: found[quantity])


def _is_metric(run: Run, name: str) -> bool:
    quantity, _slash, split = name.rpartition("/")
    is_ours = names.quantity_of(name) is not None and quantity != "accuracy"
    return bool(quantity) and split in _SPLITS and not quantity.endswith("loss") and not is_ours


def _is_component(name: str) -> bool:
    return _quantity(name).endswith("_loss") and name.rpartition("/")[2] in _SPLITS


def _quantity(name: str) -> str:
    return name.rpartition("/")[0]


def _info(run: Run, name: str) -> SeriesInfo:
    return run.info.series.get(name, _UNKNOWN)


def panel_title(run: Run, quantity: str) -> str:
    """What a metric is called, and which direction is better."""
    name = next(n for n in run.series if _quantity(n) == quantity and _is_metric(run, n))
    label = _("accuracy") if quantity == "accuracy" else fmt.name(shown_name(run, name), 60)
    direction = tr(_DIRECTIONS.get(better(run, name), Text("direction unknown")))
    return f"{label} ({direction})"


def _value(value: float, unit: str) -> str:
    return fmt.percent(value) if unit == "fraction" else fmt.number(value)


def _values_table(run: Run, wanted: list[str]) -> Table:
    first = min(int(run.series[n].steps[0]) for n in run.series if len(run.series[n]))
    rows: list[tuple[Cell, ...]] = []
    for name in wanted[:MAX_ROWS]:
        finite = run.series[name].finite()
        direction = tr(_DIRECTIONS.get(better(run, name), fmt.MISSING))
        rows.append((fmt.name(name, 60), direction, *_ends(finite), *_trace(finite, first, run.n_steps - 1)))
    columns = (
        Column(_("series")),
        Column(_("direction")),
        Column(_("values"), align="right"),
        Column(_("first"), align="right"),
        Column(_("lowest"), align="right"),
        Column(_("highest"), align="right"),
        Column(_("last"), align="right"),
        Column(_("course")),
    )
    note = (
        _("{max_rows} more not listed.", max_rows=fmt.count(len(wanted) - MAX_ROWS))
        if len(wanted) > MAX_ROWS
        else ""
    )
    return Table(_("Component losses and further metrics"), columns, tuple(rows), note)


def _ends(finite: Series) -> tuple[str, ...]:
    if not len(finite):
        return "0", *([fmt.MISSING] * 4)
    v = finite.values
    return fmt.count(len(v)), *(fmt.number(float(x)) for x in (v[0], v.min(), v.max(), v[-1]))


def _trace(finite: Series, first: int, last: int) -> tuple[Cell, ...]:
    return (Spark(*sparkline(finite, first, max(first, last))) if len(finite) else "",)


def _origin_table(run: Run) -> Table:
    listed = list(run.series.items())
    is_foreign = any(_info(run, name).source_name for name, _series in listed)
    rows: list[tuple[Cell, ...]] = []
    for name, series in listed[:MAX_ROWS]:
        info = _info(run, name)
        span = fmt.span(run.info.x_unit, int(series.steps[0]), int(series.steps[-1])) if len(series) else ""
        source = (fmt.name(info.source_name, 60) or fmt.MISSING,) if is_foreign else ()
        rows.append(
            (fmt.name(name, 60), *source, fmt.count(len(series)), span, fmt.prose(told_again(info.note), 200))
        )
    columns = (
        Column(_("our name") if is_foreign else _("series")),
        *((Column(_("name in the log")),) if is_foreign else ()),
        Column(_("values"), align="right"),
        Column(_("covers")),
        Column(_("note")),
    )
    left_out = len(listed) - MAX_ROWS
    note = _("{left_out} more not listed.", left_out=fmt.count(left_out)) if left_out > 0 else ""
    return Table(_("Where each series comes from"), columns, tuple(rows), note, is_folded=True)
