"""Classification: accuracy, per-class figures, most confused pairs, confusion matrix, PR and ROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from traindoctor.run import Floats

from . import number_format as fmt
from .chart_model import Curve, Matrix, UnitCurves, UnitSquares
from .language import _, looked_up
from .page_model import Block, Cell, Column, Fact, Facts, Figure, Paragraph, Section, Table
from .stored_sentences import told_again

_TOP_PAIRS = 10
_CLASS_ROWS = 60
_COLOURED = 3
_TABLE_CLASSES = 20
_SPLITS = ("train", "validation", "test")
_EMPTY = np.empty(0)
_Group = Mapping[str, Any]


def classification_section(metrics: Mapping[str, Any]) -> Section | None:
    """The classification group of the metrics; None when it is absent. Any key may be missing."""
    group = metrics.get("classification")
    if not isinstance(group, Mapping) or not group:
        why = metrics.get("classification_unavailable")
        return (
            Section("classification", _("Classification"), (Paragraph(fmt.prose(f"{why}."), "warning"),))
            if why
            else None
        )
    candidates = (
        _facts(group),
        _confused_pairs(group),
        _matrix_figure(group),
        _per_class(group),
        _averages(group),
        _curves_figure(group),
    )
    blocks: list[Block] = [block for block in candidates if block is not None]
    return Section("classification", _("Classification"), tuple(blocks), importance=2) if blocks else None


def accuracy_fact(metrics: Mapping[str, Any]) -> Fact | None:
    """Accuracy with its interval, as a key number."""
    group = metrics.get("classification")
    if not isinstance(group, Mapping) or _real(group.get("accuracy")) is None:
        return None
    interval = _interval(group)
    samples = group.get("n_samples")
    note = (
        _("95 % interval {interval}", interval=interval)
        if interval
        else (fmt.plural(round(float(samples)), "sample") if samples else "")
    )
    return Fact(_("accuracy"), fmt.percent(_real(group.get("accuracy"))), note)


def _facts(group: _Group) -> Facts | None:
    accuracy = accuracy_fact({"classification": group})
    items = [accuracy] if accuracy else []
    for key, label, note in (
        ("balanced_accuracy", _("balanced accuracy"), _("mean recall over the classes")),
        ("f1_macro", _("F1, macro"), _("every class counts the same")),
        ("majority_baseline", _("majority baseline"), _("always the most frequent class")),
        ("roc_auc_macro", _("ROC AUC, macro"), ""),
        ("average_precision_macro", _("average precision, macro"), ""),
    ):
        value = _real(group.get(key))
        if value is not None:
            is_share = key not in {"roc_auc_macro", "average_precision_macro", "f1_macro"}
            items.append(Fact(label, fmt.percent(value) if is_share else fmt.number(value, 3), note))
    if _real(group.get("log_loss")) is not None:
        items.append(
            Fact(
                _("log loss"),
                _("{real} nats", real=fmt.number(_real(group.get("log_loss")))),
                _("mean over the samples"),
            )
        )
    split, source = str(group.get("split") or ""), str(group.get("source") or "")
    told = (looked_up(split) if split in _SPLITS else split, told_again(source))
    where = [fmt.name(one, 60) for one in told if one]
    if _real(group.get("step")) is not None:
        where.append(_("step {step}", step=fmt.count(float(group["step"]))))
    if _real(group.get("n_samples")) is not None:
        where.append(fmt.plural(round(float(group["n_samples"])), "sample"))
    if _real(group.get("n_left_out")):
        where.append(
            _("{n_left_out} left out (non-finite scores)", n_left_out=fmt.count(float(group["n_left_out"])))
        )
    if where:
        items.append(Fact(_("predictions"), " · ".join(where)))
    return Facts(tuple(items)) if items else None


def _per_class(group: _Group) -> Table | None:
    entries = [entry for entry in group.get("per_class") or () if isinstance(entry, Mapping)]
    if not entries:
        return None
    shown = (
        sorted(entries, key=lambda e: _real(e.get("f1")) or 0.0) if len(entries) > _CLASS_ROWS else entries
    )
    rows: list[tuple[Cell, ...]] = []
    for entry in shown[:_CLASS_ROWS]:
        rates = [fmt.padded(_real(entry.get(key))) for key in ("precision", "recall", "f1")]
        support = _real(entry.get("support"))
        rows.append(
            (fmt.name(entry.get("class", "")), *rates, fmt.MISSING if support is None else fmt.count(support))
        )
    columns = (
        Column(_("class")),
        *(Column(title, align="right") for title in (_("precision"), _("recall"), "F1")),
        Column(_("support"), _("samples"), "right"),
    )
    note = (
        _(
            "The {class_rows} of {n_entries} classes with the lowest F1.",
            class_rows=_CLASS_ROWS,
            n_entries=fmt.count(len(entries)),
        )
        if len(entries) > _CLASS_ROWS
        else ""
    )
    return Table(_("Per class"), columns, tuple(rows), note)


def _averages(group: _Group) -> Table | None:
    rows: list[tuple[Cell, ...]] = []
    for average in ("macro", "weighted"):
        values = [_real(group.get(f"{key}_{average}")) for key in ("precision", "recall", "f1")]
        if any(value is not None for value in values):
            rows.append((average, *(fmt.padded(value) for value in values)))
    columns = (
        Column(_("average")),
        *(Column(title, align="right") for title in (_("precision"), _("recall"), "F1")),
    )
    return Table(_("Averages over the classes"), columns, tuple(rows)) if rows else None


def _matrix(group: _Group) -> tuple[tuple[str, ...], Floats] | None:
    try:
        counts = np.asarray(group.get("confusion_matrix"), dtype=np.float64)
    except (TypeError, ValueError):
        return None
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.shape[0] == 0:
        return None
    names = [str(name) for name in group.get("classes") or ()]
    labels = (names + [str(index) for index in range(len(names), counts.shape[0])])[: counts.shape[0]]
    return tuple(fmt.name(label) for label in labels), np.nan_to_num(counts)


def _pairs(labels: Sequence[str], counts: Floats) -> list[tuple[float, float, str, str]]:
    """(wrong samples, share of the true class, true, predicted), most frequent first."""
    totals = counts.sum(axis=1)
    found: list[tuple[float, float, str, str]] = [
        (float(counts[i, j]), float(counts[i, j] / totals[i]), str(labels[i]), str(labels[j]))
        for i, j in np.argwhere(counts)
        if i != j
    ]
    return sorted(found, key=lambda pair: (-pair[0], -pair[1]))


def _confused_pairs(group: _Group) -> Table | None:
    matrix = _matrix(group)
    pairs = _pairs(*matrix) if matrix else []
    if not pairs:
        return None
    rows = tuple(
        (true, predicted, fmt.count(n), fmt.percent(share))
        for n, share, true, predicted in pairs[:_TOP_PAIRS]
    )
    columns = (
        Column(_("true class")),
        Column(_("taken for")),
        Column(_("samples"), align="right"),
        Column(_("share of the true class"), align="right"),
    )
    left_out = len(pairs) - _TOP_PAIRS
    note = (
        _("{left_out} not listed.", left_out=fmt.plural(left_out, "less frequent pair"))
        if left_out > 0
        else ""
    )
    return Table(_("Most confused pairs"), columns, rows, note)


def _matrix_figure(group: _Group) -> Figure | None:
    matrix = _matrix(group)
    if matrix is None:
        return None
    labels, counts = matrix
    pairs = _pairs(labels, counts)
    title = _("Confusion matrix: no sample is misclassified")
    if pairs:
        n, share, true, predicted = pairs[0]
        title = _(
            "Confusion matrix: {true} is most often taken for {predicted} ({n}, {share} of its class)",
            true=fmt.name(true, 40),
            predicted=fmt.name(predicted, 40),
            n=fmt.plural(round(n), "sample"),
            share=fmt.percent(share),
        )
    table = None
    if len(labels) <= _TABLE_CLASSES:
        rows = tuple(
            (label, *(fmt.count(float(n)) for n in row)) for label, row in zip(labels, counts, strict=True)
        )
        columns = (Column(_("true \\ predicted")), *(Column(label, align="right") for label in labels))
        table = Table(_("Confusion matrix, samples"), columns, rows, is_folded=True)
    caption = _("Rows: true class; columns: predicted class. Shade: share of the true class.")
    return Figure("confusion", title, caption, Matrix(labels, counts), table)


def _curves_figure(group: _Group) -> Figure | None:
    pr = _unit_curves(group.get("pr"), "recall", "precision", "average_precision", "AP")
    roc = _unit_curves(group.get("roc"), "fpr", "tpr", "auc", "AUC")
    charts: list[UnitCurves] = []
    if pr:
        charts.append(UnitCurves(_("recall"), _("precision"), pr, is_diagonal_chance=False))
    if roc:
        charts.append(
            UnitCurves(_("false positive rate"), _("true positive rate"), roc, is_diagonal_chance=True)
        )
    if not charts:
        return None
    parts = [
        _area_sentence(group.get("pr"), "average_precision", _("Average precision")),
        _area_sentence(group.get("roc"), "auc", _("ROC AUC")),
    ]
    title = "; ".join(part for part in parts if part) or _("Precision-recall and ROC curves")
    caption = (
        _("One curve per class against the rest.")
        if max(len(pr), len(roc)) > 1
        else _("Positive class against the rest.")
    )
    if max(len(pr), len(roc)) > _COLOURED:
        caption += _(" Coloured: the {coloured} classes with the smallest area.", coloured=_COLOURED)
    return Figure("curves-pr-roc", title, caption, UnitSquares(tuple(charts)), _areas_table(group))


def _area_sentence(entries: Any, key: str, label: str) -> str:
    areas = [a for a in (_real(e.get(key)) for e in entries or () if isinstance(e, Mapping)) if a is not None]
    if not areas:
        return ""
    if len(areas) == 1:
        return f"{label} {fmt.number(areas[0], 3)}"
    return _(
        "{label} between {min} and {max}",
        label=label,
        min=fmt.number(min(areas), 3),
        max=fmt.number(max(areas), 3),
    )


def _unit_curves(entries: Any, x_key: str, y_key: str, area_key: str, area_name: str) -> tuple[Curve, ...]:
    """Curves sorted by area, the smallest first; only the first few are coloured."""
    usable = [e for e in entries or () if isinstance(e, Mapping) and e.get(x_key) and e.get(y_key)]
    usable.sort(key=lambda e: _real(e.get(area_key)) or 0.0)
    curves: list[Curve] = []
    for index, entry in enumerate(usable):
        x, y = np.asarray(entry[x_key], dtype=np.float64), np.asarray(entry[y_key], dtype=np.float64)
        if x.shape != y.shape or not np.isfinite(x).all() or not np.isfinite(y).all():
            continue
        area = fmt.number(_real(entry.get(area_key)), 3)
        label = f"{fmt.name(entry.get('class', ''), 18)} ({area_name} {area})"
        is_coloured = index < _COLOURED
        colour, dash = (index, index) if is_coloured else (-1, 0)
        curves.append(Curve(label if is_coloured else "", x, y, _EMPTY, _EMPTY, _EMPTY, colour, dash))
    return tuple(curves)


def _areas_table(group: _Group) -> Table:
    areas: dict[str, dict[str, float | None]] = {}
    for key, area_key in (("pr", "average_precision"), ("roc", "auc")):
        for entry in group.get(key) or ():
            if isinstance(entry, Mapping):
                areas.setdefault(fmt.name(entry.get("class", "")), {})[key] = _real(entry.get(area_key))
    rows = tuple((c, fmt.padded(a.get("pr")), fmt.padded(a.get("roc"))) for c, a in areas.items())
    columns = (
        Column(_("class")),
        Column(_("average precision"), align="right"),
        Column(_("ROC AUC"), align="right"),
    )
    return Table(_("Areas under the curves"), columns, rows[:_CLASS_ROWS], is_folded=True)


def _interval(group: _Group) -> str:
    ends = group.get("accuracy_interval")
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        return ""
    low, high = _real(ends[0]), _real(ends[1])
    return (
        _("{low} to {high}", low=fmt.percent(low), high=fmt.percent(high))
        if low is not None and high is not None
        else ""
    )


def _real(value: Any) -> float | None:
    """A number, or None for what is missing or not a number."""
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return float(value) if is_number else None
