"""Words that several detectors share: places on the x axis, units, confidence."""

from __future__ import annotations

from collections.abc import Mapping

from traindoctor.run import Run

SINGULAR = {"optimizer steps": "step", "steps": "step", "epochs": "epoch", "iterations": "iteration"}


def place(run: Run, x: int) -> str:
    """A point on the run's x axis in words, e.g. `step 1200`, `epoch 12`."""
    unit = run.info.x_unit
    return f"{SINGULAR[unit]} {x}" if unit in SINGULAR else f"x = {x} {unit}"


def x_unit(run: Run) -> str:
    """Unit of the run's x axis, for evidence: `steps` for optimizer steps."""
    return "steps" if run.info.x_unit == "optimizer steps" else run.info.x_unit


def measured(figures: Mapping[str, tuple[float, str]]) -> tuple[dict[str, float], dict[str, str]]:
    """Evidence and units of a finding, from name -> (number, unit).

    Example:
        >>> measured({"rise": (0.5, "loss units")})
        ({'rise': 0.5}, {'rise': 'loss units'})
    """
    evidence = {name: float(number) for name, (number, _) in figures.items()}
    return evidence, {name: unit for name, (_, unit) in figures.items()}


def confidence(margin: float) -> float:
    """Confidence in a claim whose effect is `margin` times its threshold: 0.7 at the threshold, at most 0.99.

    Source: ours; a monotone scale for ordering claims, not a calibrated probability.
    """
    return float(min(0.99, max(0.5, 1.0 - 0.3 / max(margin, 1e-9))))
