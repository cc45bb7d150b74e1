"""What a prescription rests on: the sweep, what it assumes, how to falsify it, and the paired proof."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.prescription import MOST_DIFFERENCE, Prescription, Proof, ProofRun, Sweep

from . import number_format as fmt
from .chart_model import Mark, PairedChart, PairedPoint, ScorePoint, SweepChart
from .language import _, looked_up
from .page_model import Block, Bullets, Cell, Column, Fact, Facts, Figure, Paragraph, Table
from .stored_sentences import told_again


def sweep_blocks(prescription: Prescription) -> list[Block]:
    """The sweep as a figure with its numbers, then assumptions and what would show them wrong."""
    blocks: list[Block] = []
    if prescription.sweep is not None:
        blocks.append(_sweep_figure(prescription.sweep, prescription))
    if prescription.assumptions:
        blocks.append(
            Bullets(
                _("What it assumes"), tuple(fmt.prose(told_again(one)) for one in prescription.assumptions)
            )
        )
    if prescription.falsify:
        blocks.append(
            Bullets(
                _("What would show that it is wrong"),
                tuple(fmt.prose(told_again(one)) for one in prescription.falsify),
            )
        )
    return blocks


def _sweep_figure(sweep: Sweep, prescription: Prescription) -> Figure:
    points = tuple(
        ScorePoint(point.lr, point.score if math.isfinite(point.score) and point.score > 0 else math.nan)
        for point in sweep.points
    )
    title = _(
        "{n} short runs of {steps} steps: the {objective} is lowest at a peak learning rate of {best_lr}",
        n=len(points),
        steps=fmt.count(sweep.steps),
        objective=looked_up(sweep.objective),
        best_lr=fmt.number(sweep.best_lr, 2),
    )
    if all(math.isnan(point.y) for point in points):
        title = _("All {n} short runs of {steps} steps diverged", n=len(points), steps=fmt.count(sweep.steps))
    curve_x, curve_y = _parabola(sweep)
    drawing = SweepChart(
        _("peak learning rate of the short run, 1/step (log scale)"),
        _("final {objective} of each short run (log scale)", objective=looked_up(sweep.objective)),
        points,
        curve_x,
        curve_y,
        _marks(sweep, prescription),
    )
    caption = _(
        "Each dot: one run over {share} of the steps, warmed up and straight to zero, seed "
        "{seed}. Dashed: parabola through the best three. The estimate for the full run is "
        "its lowest point times the square root of that share.",
        share=fmt.percent(sweep.share, 2),
        seed=sweep.seed,
    )
    return Figure("sweep", title, caption, drawing, _sweep_table(sweep))


def _parabola(sweep: Sweep) -> tuple[np.ndarray, np.ndarray]:
    """The parabola between the best point's neighbours, shapes (n,)."""
    if len(sweep.parabola) != 3:
        return np.empty(0), np.empty(0)
    scores = [point.score for point in sweep.points]
    best = int(np.argmin(scores))
    low, high = sweep.points[best - 1].lr, sweep.points[best + 1].lr
    x = np.linspace(math.log10(low), math.log10(high), 60)
    a, b, c = sweep.parabola
    return 10.0**x, np.exp(a * x * x + b * x + c)


def _marks(sweep: Sweep, prescription: Prescription) -> tuple[Mark, ...]:
    recorded = prescription.evidence.get("lr_peak", math.nan)
    estimate = prescription.evidence.get("lr_estimate", sweep.lr)
    marks = [
        Mark("point", rate, rate, _("{what} {rate}", what=what, rate=fmt.number(rate, 2)))
        for what, rate in ((_("recorded peak"), recorded), (_("estimate for the full run"), estimate))
        if math.isfinite(rate) and rate > 0
    ]
    return tuple(marks)


def _sweep_table(sweep: Sweep) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.number(point.lr, 3),
            fmt.number(point.score) if math.isfinite(point.score) else _("diverged"),
            fmt.duration(point.seconds) if math.isfinite(point.seconds) else fmt.MISSING,
        )
        for point in sweep.points
    )
    columns = (
        Column(_("peak learning rate"), _("1/step"), "right"),
        Column(_("final {objective}", objective=looked_up(sweep.objective)), align="right"),
        Column(_("time"), align="right"),
    )
    return Table(_("The short runs"), columns, rows, is_folded=True)


def proof_blocks(proof: Proof) -> list[Block]:
    """The decision, the pairs as table and figure, what it cost, what has to be known about it."""
    blocks: list[Block] = [
        Paragraph(
            _("Proof: {why}", why=fmt.prose(told_again(proof.why))),
            "good" if proof.decision == "adopt" else "neutral",
        ),
        _proof_table(proof),
    ]
    figure = _pairs_figure(proof)
    if figure is not None:
        blocks.append(figure)
    blocks.append(_proof_facts(proof))
    if proof.notes:
        blocks.append(
            Bullets(
                _("What has to be known about this proof"),
                tuple(fmt.prose(told_again(one)) for one in proof.notes),
            )
        )
    return blocks


def _pairs_of(proof: Proof) -> list[tuple[int, ProofRun | None, ProofRun | None]]:
    seeds = dict.fromkeys(run.seed for run in proof.runs)
    found = {(run.side, run.seed): run for run in proof.runs}
    return [(seed, found.get(("old", seed)), found.get(("new", seed))) for seed in seeds]


def _proof_table(proof: Proof) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for seed, old, new in _pairs_of(proof):
        is_counted = seed in proof.seeds
        change = _change(proof.differences[proof.seeds.index(seed)]) if is_counted else _("not counted")
        rows.append((str(seed), _score(old), _score(new), change))
    columns = (
        Column(_("seed"), align="right"),
        Column(_("old"), looked_up(proof.objective), "right"),
        Column(_("new"), looked_up(proof.objective), "right"),
        Column(_("change"), align="right"),
    )
    return Table(_("Paired runs: same seed, same number of steps"), columns, tuple(rows))


def _score(run: ProofRun | None) -> str:
    if run is None:
        return _("not run")
    if run.failure:
        return _("failed")
    return fmt.number(run.score) if math.isfinite(run.score) else _("diverged")


def _change(difference: float) -> str:
    if abs(difference) >= MOST_DIFFERENCE:
        return _("old diverged") if difference < 0 else _("new diverged")
    return f"{100 * math.expm1(difference):+.1f} %".replace("-", "−")


def _pairs_figure(proof: Proof) -> Figure | None:
    pairs = tuple(
        PairedPoint(_("seed {seed}", seed=seed), _plotted(old), _plotted(new))
        for seed, old, new in _pairs_of(proof)
        if old is not None and new is not None
    )
    if not any(math.isfinite(value) for pair in pairs for value in (pair.old, pair.new)):
        return None
    sides = (_("old command"), _("new command")) if proof.challenger else (_("as it is"), _("prescribed"))
    drawing = PairedChart(_("final {objective}", objective=looked_up(proof.objective)), sides, pairs)
    caption = _("Each line: the two runs of one seed. A cross at the top: diverged or failed.")
    return Figure("proof", fmt.prose(told_again(proof.why)).rstrip("."), caption, drawing)


def _plotted(run: ProofRun | None) -> float:
    return run.score if run is not None and math.isfinite(run.score) and not run.failure else math.nan


def _proof_facts(proof: Proof) -> Facts:
    words = {"adopt": _("adopt it"), "keep": _("keep what you have"), "unfinished": _("not finished")}
    items = [
        Fact(_("decision"), words[proof.decision]),
        Fact(
            _("independent pairs"),
            fmt.count(proof.n),
            _("seeds {seeds}", seeds=", ".join(map(str, proof.seeds))),
        ),
    ]
    if math.isfinite(proof.typical):
        where = _(
            ", over the {n_diverged} pairs without divergence", n_diverged=proof.n - proof.n_diverged
        ) * bool(proof.n_diverged)
        items.append(
            Fact(
                _("mean change"),
                _change(proof.typical),
                _("{objective}{where}", objective=looked_up(proof.objective), where=where),
            )
        )
    if math.isfinite(proof.sd) and not proof.n_diverged:
        items.append(
            Fact(
                _("standard deviation"), _("{sd:.2g} points", sd=100 * proof.sd), _("of ln(new / old) x 100")
            )
        )
        items.append(
            Fact(_("upper bound"), _change(proof.upper), _("of the mean change, paired t, 90 %, one-sided"))
        )
    runs = _("{n:.2g} runs at full length", n=proof.steps / proof.budget) if proof.budget else ""
    items.append(
        Fact(
            _("spent"),
            fmt.duration(proof.seconds),
            _("{steps} steps, {runs}", steps=fmt.count(proof.steps), runs=runs),
        )
    )
    return Facts(tuple(items))
