"""Runs beside each other: numbers, curves, settings, and what seeds allow to say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from traindoctor.comparison import Comparison, Effect, Number

from . import number_format as fmt
from .comparison_words import (
    EFFECT_WORDS,
    ONE_SEED,
    amount,
    basis_text,
    change_text,
    conclusion,
    run_label,
    shown,
    signed,
    spread_size,
)
from .language import _, looked_up, tr
from .page_comparison_curves import comparison_figure
from .page_findings import SEVERITY_WORDS
from .page_model import Block, Bullets, Cell, Column, Fact, Facts, Headline, Page, Paragraph, Section, Table
from .page_run import commit_text, length_text

MAX_COLUMNS = 8
_CHANGES_UP_TO = 3
_SETTING_ROWS = 60


def comparison_page(comparison: Comparison) -> Page:
    """The whole page of `traindoctor compare`."""
    tone, state, verdict = conclusion(comparison)
    runs = comparison.runs
    title = _(" against ").join(run_label(one, 40) for one in (*runs[1:3], runs[0]))
    if len(runs) > 3:
        title = _("{n} runs against {run}", n=len(runs) - 1, run=run_label(runs[0], 40))
    head = Headline(
        title=title,
        subtitle=tuple(f"{one.label}: {length_text(one.run)}" for one in runs[:MAX_COLUMNS]),
        tone=tone,
        state=state,
        verdict=verdict,
        top=None,
        top_title="",
        top_action="",
        key_numbers=Facts(_key_numbers(comparison), is_key=True),
        checks=_counts(comparison),
        figure=None,
    )
    sections = (
        Section("numbers", _("Numbers"), tuple(_number_blocks(comparison)), importance=0),
        _curves(comparison),
        Section("settings", _("What differs"), tuple(_setting_blocks(comparison)), importance=1),
        Section("found", _("Findings"), tuple(_finding_blocks(comparison)), importance=2),
        Section("runs", _("Runs"), (_run_table(comparison),), importance=2),
    )
    return Page(head, tuple(section for section in sections if section is not None), fmt.name(title, 90))


def comparison_section(comparison: Comparison | None) -> Section | None:
    """The comparison as a section of a report: the base run first, the reported run second."""
    if comparison is None:
        return None
    tone, _state, verdict = conclusion(comparison)
    blocks: list[Block] = [Paragraph(verdict, tone), *_number_blocks(comparison)]
    curves = _curves(comparison)
    blocks += [*curves.blocks] if curves is not None else []
    blocks += [*_setting_blocks(comparison), *_finding_blocks(comparison)]
    title = _(
        "Compared with {run}", run=fmt.name(comparison.runs[0].run.name or comparison.runs[0].run.id, 60)
    )
    return Section("comparison", title, tuple(blocks), importance=1)


def _key_numbers(comparison: Comparison) -> tuple[Fact, ...]:
    """The first outcomes of the last run, each against the first run."""
    index = len(comparison.runs) - 1
    known = [n for n in comparison.numbers if n.is_outcome and math.isfinite(n.difference(index))]
    label = comparison.runs[index].label
    return tuple(
        Fact(
            _("{number}, {label}", number=number.name, label=label),
            shown(number, index),
            change_text(number, index),
        )
        for number in known[:4]
    )


def _counts(comparison: Comparison) -> str:
    differing = fmt.plural(len(comparison.settings), "setting")
    equal = fmt.count(comparison.n_equal_settings)
    return _(
        "{runs} · {differing} differ · {equal} are the same",
        runs=fmt.plural(len(comparison.runs), "run"),
        differing=differing,
        equal=equal,
    )


def _number_blocks(comparison: Comparison) -> list[Block]:
    runs = comparison.runs[:MAX_COLUMNS]
    columns = [Column(_("number")), Column(run_label(runs[0], 24), align="right")]
    has_changes = len(runs) <= _CHANGES_UP_TO
    for one in runs[1:]:
        columns.append(Column(run_label(one, 24), align="right"))
        columns += [Column(_("{label} against A", label=one.label))] if has_changes else []
    rows = tuple(
        tuple(_number_cells(number, len(runs), has_changes=has_changes)) for number in comparison.numbers
    )
    left_out = len(comparison.runs) - len(runs)
    note = _("▲ better, ▼ worse; ↑ ↓ where neither is. ") if has_changes else ""
    note += _("Losses are in the units of the loss function.")
    note += _(" {left_out} not shown.", left_out=fmt.plural(left_out, "more run")) if left_out else ""
    blocks: list[Block] = [
        Table(_("Each run beside A"), tuple(columns), rows, note),
        *_seed_blocks(comparison),
    ]
    if comparison.cautions:
        blocks.append(Bullets(_("Take care"), tuple(fmt.prose(text, 400) for text in comparison.cautions)))
    return blocks


def _number_cells(number: Number, n_runs: int, *, has_changes: bool) -> list[Cell]:
    cells: list[Cell] = [tr(number.name)]
    for index in range(n_runs):
        known = math.isfinite(number.values[index])
        cells.append(shown(number, index) if known else fmt.number(number.values[index]))
        if index and has_changes:
            cells.append(change_text(number, index))
    return cells


def _seed_blocks(comparison: Comparison) -> list[Block]:
    by_name = {number.name: number for number in comparison.numbers}
    blocks: list[Block] = []
    if comparison.effects:
        rows = tuple(_effect_row(effect, by_name[effect.number], comparison) for effect in comparison.effects)
        columns = (
            Column(_("number")),
            Column(_("runs")),
            Column(_("estimated from")),
            Column(_("mean difference"), align="right"),
            Column(_("standard deviation"), align="right"),
            Column(_("95 % interval"), align="right"),
            Column(_("conclusion")),
        )
        blocks.append(Table(_("Against seed noise"), columns, rows))
    elif comparison.n_arms > 1:
        blocks.append(Paragraph(tr(ONE_SEED)))
    if comparison.spreads:
        blocks.append(_spread_table(comparison, by_name))
    return blocks


def _effect_row(effect: Effect, number: Number, comparison: Comparison) -> tuple[Cell, ...]:
    arms = ("".join(o.label for o in comparison.runs if o.arm == arm) for arm in (effect.arm, 0))
    return (
        tr(number.name),
        _(" against ").join(arms),
        basis_text(effect),
        signed(number, effect.mean),
        spread_size(number, effect.sd),
        _("{low} to {high}", low=signed(number, effect.low), high=signed(number, effect.high)),
        tr(EFFECT_WORDS[effect.conclusion]),
    )


def _spread_table(comparison: Comparison, by_name: dict[str, Number]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            tr(spread.number),
            "".join(one.label for one in comparison.runs if one.arm == spread.arm),
            fmt.count(spread.n),
            amount(by_name[spread.number], spread.mean),
            spread_size(by_name[spread.number], spread.sd),
        )
        for spread in comparison.spreads
    )
    columns = (
        Column(_("number")),
        Column(_("runs")),
        Column("n", align="right"),
        Column(_("mean"), align="right"),
        Column(_("standard deviation"), align="right"),
    )
    return Table(_("Runs that differ only in their seed"), columns, rows)


def _curves(comparison: Comparison) -> Section | None:
    figure = comparison_figure(comparison)
    return None if figure is None else Section("curves-compared", _("Curves"), (figure,), importance=1)


def _setting_blocks(comparison: Comparison) -> list[Block]:
    runs = comparison.runs[:MAX_COLUMNS]
    equal = _(
        "{settings} are the same in all runs.",
        settings=fmt.plural(comparison.n_equal_settings, "recorded setting"),
    )
    if comparison.n_equal_settings == 1:
        equal = _("1 recorded setting is the same in all runs.")
    if not comparison.settings:
        return [Paragraph(_("Nothing recorded differs. {equal}", equal=equal))]
    columns = (Column(_("part")), Column(_("setting")), *(Column(run_label(one, 24)) for one in runs))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            looked_up(setting.part),
            fmt.name(setting.name, 60),
            *(_setting(value) for value in setting.values[:MAX_COLUMNS]),
        )
        for setting in comparison.settings[:_SETTING_ROWS]
    )
    left_out = len(comparison.settings) - _SETTING_ROWS
    note = (
        _("{equal} {left_out} not listed.", equal=equal, left_out=fmt.plural(left_out, "more difference"))
        if left_out > 0
        else equal
    )
    return [Table(_("Settings that differ"), columns, rows, note)]


def _setting(value: str | None) -> str:
    return _("not set") if value is None else fmt.name(value, 120)


def _finding_blocks(comparison: Comparison) -> list[Block]:
    if not comparison.findings:
        return [Paragraph(_("No run has a finding."))]
    runs = comparison.runs[:MAX_COLUMNS]
    words = {severity.value: tr(word) for severity, word in SEVERITY_WORDS.items()}
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.name(f"{found.code} {found.name}", 80),
            *(words.get(severity, _("no")) for severity in found.severities[:MAX_COLUMNS]),
            _fate(found.severities),
        )
        for found in comparison.findings
    )
    columns = (Column(_("finding")), *(Column(run_label(one, 24)) for one in runs), Column(_("against A")))
    return [Table(_("Findings of each run"), columns, rows)]


def _fate(severities: Sequence[str]) -> str:
    others = severities[1:]
    if not severities[0]:
        return _("new")
    return _("gone") if not any(others) else (_("in some") if not all(others) else _("in all"))


def _run_table(comparison: Comparison) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one.label,
            fmt.name(one.run.name) or fmt.MISSING,
            fmt.name(one.run.id, 60),
            looked_up(one.run.info.status),
            length_text(one.run),
            fmt.duration(one.run.info.seconds) if math.isfinite(one.run.info.seconds) else fmt.MISSING,
            commit_text(one.run) or fmt.MISSING,
            fmt.name(one.seed, 24) or fmt.MISSING,
            fmt.prose(one.sentence, 200),
        )
        for one in comparison.runs
    )
    titles = (
        _("run"),
        _("name"),
        _("id"),
        _("status"),
        _("length"),
        _("time"),
        _("commit"),
        _("seed"),
        _("verdict"),
    )
    return Table(_("The runs"), tuple(Column(title) for title in titles), rows)
