"""What a prescription rests on: the sweep, what it assumes, how to falsify it, and the paired proof."""

from __future__ import annotations

import math

import numpy as np

from traindoctor.prescription import MOST_DIFFERENCE, Prescription, Proof, ProofRun, Sweep

from . import number_format as fmt
from .chart_model import Mark, PairedChart, PairedPoint, ScorePoint, SweepChart
from .page_model import Block, Bullets, Cell, Column, Fact, Facts, Figure, Paragraph, Table


def sweep_blocks(prescription: Prescription) -> list[Block]:
    """The sweep as a figure with its numbers, then assumptions and what would show them wrong."""
    blocks: list[Block] = []
    if prescription.sweep is not None:
        blocks.append(_sweep_figure(prescription.sweep, prescription))
    if prescription.assumptions:
        blocks.append(Bullets("What it assumes", tuple(map(fmt.prose, prescription.assumptions))))
    if prescription.falsify:
        blocks.append(
            Bullets("What would show that it is wrong", tuple(map(fmt.prose, prescription.falsify)))
        )
    return blocks


def _sweep_figure(sweep: Sweep, prescription: Prescription) -> Figure:
    points = tuple(
        ScorePoint(point.lr, point.score if math.isfinite(point.score) and point.score > 0 else math.nan)
        for point in sweep.points
    )
    title = (
        f"{len(points)} short runs of {fmt.count(sweep.steps)} steps: the {sweep.objective} is lowest at a "
        f"peak learning rate of {fmt.number(sweep.best_lr, 2)}"
    )
    if all(math.isnan(point.y) for point in points):
        title = f"All {len(points)} short runs of {fmt.count(sweep.steps)} steps diverged"
    curve_x, curve_y = _parabola(sweep)
    drawing = SweepChart(
        "peak learning rate of the short run, 1/step (log scale)",
        f"final {sweep.objective} of each short run (log scale)",
        points,
        curve_x,
        curve_y,
        _marks(sweep, prescription),
    )
    caption = (
        f"Each dot: one run over {fmt.percent(sweep.share, 2)} of the steps, warmed up and straight to zero, "
        f"seed {sweep.seed}. Dashed: parabola through the best three. The estimate for the full run is its "
        "lowest point times the square root of that share."
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
        Mark("point", rate, rate, f"{what} {fmt.number(rate, 2)}")
        for what, rate in (("recorded peak", recorded), ("estimate for the full run", estimate))
        if math.isfinite(rate) and rate > 0
    ]
    return tuple(marks)


def _sweep_table(sweep: Sweep) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            fmt.number(point.lr, 3),
            fmt.number(point.score) if math.isfinite(point.score) else "diverged",
            fmt.duration(point.seconds) if math.isfinite(point.seconds) else fmt.MISSING,
        )
        for point in sweep.points
    )
    columns = (
        Column("peak learning rate", "1/step", "right"),
        Column(f"final {sweep.objective}", align="right"),
        Column("time", align="right"),
    )
    return Table("The short runs", columns, rows, is_folded=True)


def proof_blocks(proof: Proof) -> list[Block]:
    """The decision, the pairs as table and figure, what it cost, what has to be known about it."""
    blocks: list[Block] = [
        Paragraph(f"Proof: {fmt.prose(proof.why)}", "good" if proof.decision == "adopt" else "neutral"),
        _proof_table(proof),
    ]
    figure = _pairs_figure(proof)
    if figure is not None:
        blocks.append(figure)
    blocks.append(_proof_facts(proof))
    if proof.notes:
        blocks.append(Bullets("What has to be known about this proof", tuple(map(fmt.prose, proof.notes))))
    return blocks


def _pairs_of(proof: Proof) -> list[tuple[int, ProofRun | None, ProofRun | None]]:
    seeds = dict.fromkeys(run.seed for run in proof.runs)
    found = {(run.side, run.seed): run for run in proof.runs}
    return [(seed, found.get(("old", seed)), found.get(("new", seed))) for seed in seeds]


def _proof_table(proof: Proof) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for seed, old, new in _pairs_of(proof):
        is_counted = seed in proof.seeds
        change = _change(proof.differences[proof.seeds.index(seed)]) if is_counted else "not counted"
        rows.append((str(seed), _score(old), _score(new), change))
    columns = (
        Column("seed", align="right"),
        Column("old", proof.objective, "right"),
        Column("new", proof.objective, "right"),
        Column("change", align="right"),
    )
    return Table("Paired runs: same seed, same number of steps", columns, tuple(rows))


def _score(run: ProofRun | None) -> str:
    if run is None:
        return "not run"
    if run.failure:
        return "failed"
    return fmt.number(run.score) if math.isfinite(run.score) else "diverged"


def _change(difference: float) -> str:
    if abs(difference) >= MOST_DIFFERENCE:
        return "old diverged" if difference < 0 else "new diverged"
    return f"{100 * math.expm1(difference):+.1f} %".replace("-", "−")


def _pairs_figure(proof: Proof) -> Figure | None:
    pairs = tuple(
        PairedPoint(f"seed {seed}", _plotted(old), _plotted(new))
        for seed, old, new in _pairs_of(proof)
        if old is not None and new is not None
    )
    if not any(math.isfinite(value) for pair in pairs for value in (pair.old, pair.new)):
        return None
    sides = ("old command", "new command") if proof.challenger else ("as it is", "prescribed")
    drawing = PairedChart(f"final {proof.objective}", sides, pairs)
    caption = "Each line: the two runs of one seed. A cross at the top: diverged or failed."
    return Figure("proof", fmt.prose(proof.why).rstrip("."), caption, drawing)


def _plotted(run: ProofRun | None) -> float:
    return run.score if run is not None and math.isfinite(run.score) and not run.failure else math.nan


def _proof_facts(proof: Proof) -> Facts:
    words = {"adopt": "adopt it", "keep": "keep what you have", "unfinished": "not finished"}
    items = [
        Fact("decision", words[proof.decision]),
        Fact("independent pairs", fmt.count(proof.n), f"seeds {', '.join(map(str, proof.seeds))}"),
    ]
    if math.isfinite(proof.typical):
        where = f", over the {proof.n - proof.n_diverged} pairs without divergence" * bool(proof.n_diverged)
        items.append(Fact("mean change", _change(proof.typical), f"{proof.objective}{where}"))
    if math.isfinite(proof.sd) and not proof.n_diverged:
        items.append(Fact("standard deviation", f"{100 * proof.sd:.2g} points", "of ln(new / old) x 100"))
        items.append(
            Fact("upper bound", _change(proof.upper), "of the mean change, paired t, 90 %, one-sided")
        )
    runs = f"{proof.steps / proof.budget:.2g} runs at full length" if proof.budget else ""
    items.append(Fact("spent", fmt.duration(proof.seconds), f"{fmt.count(proof.steps)} steps, {runs}"))
    return Facts(tuple(items))
