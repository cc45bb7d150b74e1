"""Words that several detectors share: places on the x axis, units, confidence."""

from __future__ import annotations

from collections.abc import Mapping

from traindoctor import x_axis
from traindoctor.run import Run

NATIVE = "traindoctor"


def is_native(run: Run) -> bool:
    """Whether traindoctor's own recorder made the log; other logs hold less and cannot be asked for more."""
    return run.info.source in (NATIVE, "")


def place(run: Run, x: int) -> str:
    """A point on the run's x axis in words, e.g. `step 1200`, `epoch 12`."""
    return x_axis.place(run.info.x_unit, str(x))


def x_unit(run: Run) -> str:
    """Unit of the run's x axis, for sentences and evidence: `steps` for optimizer steps."""
    return x_axis.nouns(run.info.x_unit)[1]


def rate_unit(run: Run) -> str:
    """Unit of a learning rate, which is applied once per optimizer step whatever the log counts."""
    return "1/step" if run.info.x_unit == "optimizer steps" else "1/update"


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
