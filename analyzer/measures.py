"""Held-out measures of a run that can be judged: validation loss, and metrics whose direction is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor.headline import HEADLINES, headline_rank
from traindoctor.names import LOSS_VALIDATION, in_words
from traindoctor.run import Floats, Run, Series
from traindoctor.text import Text

from .memo import memoised

TRANSFORMED_LOSS = ("ppl", "perplexity", "bpb", "bpc", "bpd")
"""Metrics that say the same as the loss they are computed from."""

KNOWN_DIRECTIONS = {"accuracy": "higher"}


@dataclass(frozen=True, eq=False)
class Measure:
    """One held-out measure, turned so that smaller is better.

    Attributes:
        name: series name.
        label: what to call it in a sentence.
        series: its finite values, negated where higher is better, logarithms of perplexities.
        is_loss: whether it is the validation loss.
        is_higher_better: whether the recorded values were negated.
        is_log: whether the logarithm was taken.
        unit: unit of the recorded values.
    """

    name: str
    label: str
    series: Series
    is_loss: bool
    is_higher_better: bool = False
    is_log: bool = False
    unit: str = "loss units"

    def recorded(self, value: float) -> float:
        """A value of `series` as the log has it."""
        value = -value if self.is_higher_better else value
        return float(np.exp(value)) if self.is_log else value

    @property
    def is_nothing(self) -> bool:
        """Whether a metric to be maximised never left zero: at most 0.01."""
        return self.is_higher_better and -float(self.series.values.min()) <= 0.01

    def progress(self, best: float) -> float:
        """What a metric gained from its first values to `best`, at least a quarter of `best`."""
        start = float(np.median(self.series.values[:3]))
        return max(start - best, 0.25 * abs(best), 1e-300)


def validation_loss(run: Run) -> Measure | None:
    """The finite validation losses, or None when there are none."""
    series = run.get(LOSS_VALIDATION)
    finite = series.finite() if series is not None else None
    if finite is None or not len(finite):
        return None
    return Measure(
        LOSS_VALIDATION, in_words(f"loss/{_split_words(run, LOSS_VALIDATION)}"), finite, is_loss=True
    )


@memoised
def headline_metric(run: Run, least: int) -> Measure | None:
    """The held-out metric that a run is judged by, among those with a known direction; None without any.

    Only one is judged: with many metrics some always turn at the end by chance.

    Args:
        run: the run.
        least: finite values it must have.
    """
    found: list[tuple[int, int, int, str]] = []
    for position, (name, series) in enumerate(run.series.items()):
        quantity, _, split = name.rpartition("/")
        if split not in ("validation", "test") or quantity.endswith("loss") or not better(run, name):
            continue
        if int(np.isfinite(series.values).sum()) < least:
            continue
        rank = headline_rank(quantity) + (len(HEADLINES) + 1) * (split == "test")
        found.append((rank, quantity.count("_"), position, name))
    return _metric(run, min(found)[3]) if found else None


def better(run: Run, name: str) -> str:
    """`lower` or `higher`, "" where the direction of a series is not known."""
    info = run.info.series.get(name)
    return info.better if info is not None else KNOWN_DIRECTIONS.get(name.rpartition("/")[0], "")


def held_out(run: Run, least: int) -> tuple[Measure, ...]:
    """The measures to judge by, the loss first; no metric that restates it or never left zero."""
    loss, metric = validation_loss(run), headline_metric(run, least)
    kept = [loss] if loss is not None and len(loss.series) >= least else []
    if metric is not None and not (kept and metric.name.split("/")[0] in TRANSFORMED_LOSS):
        kept += [] if metric.is_nothing else [metric]
    return tuple(kept)


def _metric(run: Run, name: str) -> Measure:
    info = run.info.series.get(name)
    quantity = name.rpartition("/")[0]
    series = run.series[name].finite()
    is_log = quantity in TRANSFORMED_LOSS[:2] and bool((series.values > 0.0).all())
    is_higher = better(run, name) == "higher"
    values: Floats = np.log(series.values) if is_log else series.values
    shown = _short((info.source_name if info is not None else "") or quantity)
    label = (
        in_words(f"{quantity}/{_split_words(run, name)}")
        if shown == quantity or quantity == "accuracy"
        else Text("metric {shown}", shown=shown)
    )
    unit = (info.unit if info is not None else "") or (
        "fraction" if quantity == "accuracy" else Text("as logged")
    )
    turned = Series(series.steps, -values if is_higher else values)
    return Measure(name, label, turned, False, is_higher, is_log, unit)


def _short(name: str) -> str:
    """A foreign name on one line, at most 60 characters."""
    line = " ".join(name.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def _split_words(run: Run, name: str) -> str:
    info = run.info.series.get(name)
    return "test" if info is not None and info.split == "test" else name.rpartition("/")[2]
