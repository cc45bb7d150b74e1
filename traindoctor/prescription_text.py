"""A prescription and its proof as lines of text, for the terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from .prescription import (
    ACTION_WORDS,
    CHANGES_NOTHING,
    MOST_DIFFERENCE,
    NOT_PROVEN,
    Prescription,
    Proof,
    ProofRun,
    Sweep,
)

WIDTH = 100
_INDENT = 10

BASIS_WORDS = {
    "log": "this run's log alone: a hint, to be verified",
    "sweep": "short runs at several learning rates",
    "verified": "paired runs at full length",
}


def prescription_lines(prescription: Prescription) -> Iterator[str]:
    """Verdict, numbers with units, reasons, what it assumes, how to falsify it, code."""
    words = ACTION_WORDS[prescription.action]
    is_change = prescription.action not in CHANGES_NOTHING
    peak = f": peak {prescription.peak_lr:.3g} per step" if is_change else ""
    yield from _labelled("verdict", f"{words}{peak}.")
    basis = BASIS_WORDS[prescription.basis]
    if is_change:
        basis += f"; {100 * prescription.confidence:.0f} % that the final score gets better"
    yield from _labelled("basis", f"{basis}.")
    yield from _labelled("why", prescription.why)
    if prescription.sweep is not None:
        yield from _sweep_lines(prescription.sweep)
    for label, items in (("assumes", prescription.assumptions), ("wrong if", prescription.falsify)):
        for index, sentence in enumerate(items):
            yield from _labelled(label if index == 0 else "", f"- {sentence}")
    if prescription.proof is not None:
        yield from proof_lines(prescription.proof)
    elif is_change and prescription.sweep is not None:
        yield from _labelled("proof", NOT_PROVEN)
    if prescription.code:
        yield ""
        yield from prescription.code.rstrip().splitlines()
    if prescription.alternative:
        yield ""
        yield "# Cheaper: finish the run you have by annealing it from its last checkpoint."
        yield from prescription.alternative.rstrip().splitlines()


def proof_lines(proof: Proof) -> Iterator[str]:
    """Decision, one line per seed, what it cost."""
    yield from _labelled("proof", proof.why)
    rows = [("seed", f"old {proof.objective}", "new", "change")]
    rows += [_pair_row(proof, seed) for seed in dict.fromkeys(run.seed for run in proof.runs)]
    yield from _table(rows)
    for sentence in proof.notes:
        yield from _labelled("note", sentence)
    spent = proof.steps / proof.budget if proof.budget else math.nan
    yield from _labelled(
        "spent", f"{proof.steps} optimizer steps, {spent:.2g} runs at full length, {proof.seconds:.0f} s."
    )


def _pair_row(proof: Proof, seed: int) -> tuple[str, str, str, str]:
    sides = {run.side: run for run in proof.runs if run.seed == seed}
    change = ""
    if seed in proof.seeds:
        change = percent_change(proof.differences[proof.seeds.index(seed)])
    return f"{seed}", score_text(sides.get("old")), score_text(sides.get("new")), change


def score_text(run: ProofRun | None) -> str:
    """The score of a run, or what became of it."""
    if run is None:
        return "not run"
    if run.failure:
        return "failed"
    return f"{run.score:.5g}" if math.isfinite(run.score) else "diverged"


def percent_change(difference: float) -> str:
    """ln(new / old) as a change in percent; its cap as what it stands for.

    Example:
        >>> percent_change(-0.05), percent_change(-4.7), percent_change(4.7)
        ('-4.9 %', 'old diverged', 'new diverged')
    """
    if abs(difference) >= MOST_DIFFERENCE:
        return "old diverged" if difference < 0 else "new diverged"
    return f"{100 * math.expm1(difference):+.1f} %"


def _sweep_lines(sweep: Sweep) -> Iterator[str]:
    rows = [("peak LR", f"{sweep.objective} after {sweep.steps} steps", "")]
    scores = [point.score for point in sweep.points]
    for point in sweep.points:
        text = f"{point.score:.5g}" if math.isfinite(point.score) else "diverged"
        is_best = math.isfinite(point.score) and point.score == min(scores)
        rows.append((f"{point.lr:.3g}", text, "best" if is_best else ""))
    yield from _labelled("sweep", f"{len(sweep.points)} short runs, seed {sweep.seed}:")
    yield from _table(rows)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield " " * _INDENT + cells.rstrip()


def _labelled(label: str, text: str) -> Iterator[str]:
    """The text wrapped beside its label."""
    wrapped = textwrap.wrap(
        text, WIDTH - _INDENT, subsequent_indent="  " if text.startswith("- ") else "", break_on_hyphens=False
    )
    for index, line in enumerate(wrapped):
        yield f"{label if index == 0 else '':{_INDENT}}{line}"
