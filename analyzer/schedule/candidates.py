"""Every schedule that could have made a trace, fitted: families and parameters in order of simplicity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from traindoctor.run import Floats, Ints

from . import decays, staircases, waves
from .staircases import Metric
from .trace import Trace, thinned


def candidates(
    sample: Trace, trace: Trace, steps: Ints, lr: Floats, metrics: Sequence[Metric], scheduler: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Candidates in order of simplicity; `sample` is the thinned `trace`."""
    if staircases.is_staircase(trace):
        yield from _stairs(trace, steps, lr, metrics, scheduler)
        return
    yield from _falling(sample)
    for found in waves.warm_restarts(sample):
        yield "cosine-warm-restarts", found
    for found in waves.one_cycle(sample):
        yield "one-cycle", found
    yield from _warmed_up(sample, trace)
    for found in waves.cyclic(sample):
        yield "cyclic", found


def _stairs(
    trace: Trace, steps: Ints, lr: Floats, metrics: Sequence[Metric], scheduler: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    plateau = [("reduce-on-plateau", p) for p in staircases.plateau(trace, steps, lr, metrics)]
    if scheduler == "ReduceLROnPlateau":
        yield from plateau
    for found in staircases.step(trace):
        yield "step", found
    if scheduler in ("", "ReduceLROnPlateau"):
        yield from plateau
    for found in staircases.multistep(trace):
        yield "multistep", found


def _falling(sample: Trace) -> Iterator[tuple[str, dict[str, Any]]]:
    for family, fits in (
        ("exponential", decays.exponential),
        ("linear", decays.linear),
        ("cosine", decays.cosine),
        ("inverse-sqrt", decays.inverse_sqrt),
        ("polynomial", decays.polynomial),
    ):
        for found in fits(sample):
            yield family, found
    yield from _wsd(sample)


def _wsd(trace: Trace) -> Iterator[tuple[str, dict[str, Any]]]:
    """A long flat top at the start, then a linear, cosine or 1 - sqrt decay."""
    first, last = waves.peak_run(trace.values)
    if first != 0 or last < 2 or trace.ticks.size - last < 4:
        return
    peak = float(trace.values[0])
    for stable in [int(trace.ticks[last]), *trace.between(last, last + 1)[1:]]:
        body = trace.since(stable)
        common = {"lr": peak, "stable_steps": stable}
        for found in decays.linear(body):
            final = found["end_factor"] / max(found["start_factor"], 1e-300)
            yield (
                "wsd",
                {**common, "decay_steps": found["total_iters"], "decay": "linear", "final_factor": final},
            )
        for found in decays.cosine(body):
            final = max(0.0, found["eta_min"]) / found["lr"]
            yield "wsd", {**common, "decay_steps": found["T_max"], "decay": "cosine", "final_factor": final}
        for horizon, final in decays.one_minus_sqrt(body, peak):
            yield "wsd", {**common, "decay_steps": horizon, "decay": "1-sqrt", "final_factor": final}


def _warmed_up(sample: Trace, trace: Trace) -> Iterator[tuple[str, dict[str, Any]]]:
    """A linear rise to the peak, then any family that starts there."""
    first, last = waves.peak_run(sample.values)
    if first == 0:
        return
    slope = _rise(sample, first)
    if slope <= 0:
        return
    at_peak = [int(sample.ticks[k]) for k in (first, min(first + 1, last), last)]
    after = sample.between(first, first + 1)[1:] if first + 1 < sample.ticks.size else []
    for begin in dict.fromkeys([*at_peak, *sample.between(first - 1, first), *after]):
        body = trace.since(begin)
        if begin == at_peak[0] and last == sample.values.size - 1:
            yield _with_warmup("constant", {"lr": sample.peak}, sample, slope, begin)
        if body.ticks.size > 2:
            for family, found in _bodies(thinned(body), body):
                if found["lr"] > 0:
                    yield _with_warmup(family, found, sample, slope, begin)


def _rise(sample: Trace, first: int) -> float:
    """Slope of the records before `first`, LR per tick; 0 when they are not a rising line."""
    if first == 1:
        return (sample.peak - float(sample.values[0])) / int(sample.ticks[1])
    t, y = sample.ticks[:first].astype(np.float64), sample.values[:first]
    slope, start = decays.line(t, y)
    return slope if float(np.max(np.abs(start + slope * t - y))) < 0.01 * sample.peak else 0.0


def _with_warmup(
    family: str, found: dict[str, Any], sample: Trace, slope: float, begin: int
) -> tuple[str, dict[str, Any]]:
    """The candidate with the rise before it: its slope says how long it took to reach the body's LR."""
    start = float(sample.values[0])
    ticks = (found["lr"] - start) / slope
    total = max(1, round(ticks)) if np.isfinite(ticks) else 1
    warmup = {"warmup_steps": total if family == "constant" else begin}
    return family, {
        **found,
        **warmup,
        "warmup_start_factor": start / found["lr"],
        "warmup_total_iters": total,
    }


def _bodies(sample: Trace, trace: Trace) -> Iterator[tuple[str, dict[str, Any]]]:
    if staircases.is_staircase(trace):
        for family, fits in (("step", staircases.step), ("multistep", staircases.multistep)):
            for found in fits(trace):
                yield family, found
        return
    yield from _falling(sample)
    for found in waves.warm_restarts(sample):
        yield "cosine-warm-restarts", found
