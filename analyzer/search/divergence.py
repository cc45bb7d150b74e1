"""From which value on training diverges, learnt from the trials that did."""

from __future__ import annotations

import numpy as np

from traindoctor.search import Parameter, Study, Threshold

from .scale import positions


def divergence_threshold(study: Study, parameter: Parameter) -> Threshold | None:
    """Between which two values training begins to diverge; None unless some trials did and others did not.

    The upper value is the smallest that diverged; the lower one the largest below it that did not. A trial
    above the upper one that held makes the threshold unclean: another parameter or chance decides there.
    Trials that were pruned count as held: nothing had diverged when they were stopped.

    Source: Ours.
    """
    gone, held = study.of_state("diverged"), study.of_state("complete", "pruned")
    x, y = positions(parameter, gone), positions(parameter, held)
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if not x.size or not y.size:
        return None
    first = float(x.min())
    below = y[y < first]
    if not below.size:
        return None
    low = 10 ** float(below.max()) if parameter.kind == "log" else float(below.max())
    high = 10**first if parameter.kind == "log" else first
    return Threshold(parameter.name, low, high, int(x.size), int(y.size), not bool(np.any(y >= first)))
