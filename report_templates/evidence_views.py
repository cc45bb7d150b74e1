"""What the small plot inside a finding shows: for each check the curves, and the numbers marked on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """The plot of one check.

    Attributes:
        panels: plots from top to bottom: `loss` (training and held-out), `train`, `measure` (the held-out
            series that the evidence is about), `lr`, `gradient`, `time`, `ratio` (median update ratio), or
            `parameters:QUANTITY` (the parameters concerned beside the median of all).
        levels: names of evidence drawn as horizontal lines -> index of the panel.
        moments: names of evidence that are places, drawn as vertical lines on every panel.
        point: names of the evidence that give the place and the height of a ring on the first panel.
        focus: name of the evidence around which to zoom, "" for the span of the finding.
        reach: share of the run shown at either side of the focus.
    """

    panels: tuple[str, ...]
    levels: Mapping[str, int] | None = None
    moments: tuple[str, ...] = ()
    point: tuple[str, str] | None = None
    focus: str = ""
    reach: float = 0.05


VIEWS: Mapping[str, View] = {
    "TD101": View(("measure",), {"level": 0}, ("flat since",)),
    "TD102": View(("loss",), {"best": 0}, ("diverged at",)),
    "TD103": View(("train", "gradient"), None, ("first non-finite",), focus="first non-finite"),
    "TD104": View(("train", "gradient"), None, ("worst at",), focus="worst at", reach=0.02),
    "TD105": View(("train", "lr"), None, ("since",)),
    "TD106": View(("measure",)),
    "TD107": View(("loss",), {"constant predictor": 0, "first losses": 0}),
    "TD108": View(("train",), {"level": 0, "constant predictor": 0}),
    "TD109": View(("train",), None, ("first drop at",), focus="first drop at", reach=0.08),
    "TD110": View(("train",), {"first loss": 0, "untrained model": 0}),
    "TD201": View(("parameters:grad_norm",)),
    "TD202": View(
        ("gradient", "train"), {"usual norm": 0, "suggested clip": 0}, ("since",), focus="since", reach=0.1
    ),
    "TD203": View(("parameters:grad_dead_rows", "lr"), None, ("since",)),
    "TD204": View(("parameters:weight_rms",), None, ("since",)),
    "TD205": View(("parameters:weight_rms",), None, ("since",)),
    "TD206": View(("parameters:weight_rms", "loss")),
    "TD209": View(("gradient",), {"norm after": 0, "90th percentile": 0}),
    "TD210": View(("parameters:update_ratio",), {"update ratio": 0}),
    "TD213": View(("loss",)),
    "TD214": View(("loss",)),
    "TD215": View(("train",)),
    "TD301": View(
        ("train", "ratio"), {"usual update ratio": 1, "update ratio": 1}, ("since",), focus="since", reach=0.2
    ),
    "TD302": View(("train", "ratio"), {"target ratio": 1, "update ratio": 1}),
    "TD303": View(("train", "lr"), {"peak learning rate": 1}, ("highest at", "back at")),
    "TD304": View(("lr", "loss"), {"peak": 0}, ("decayed at",)),
    "TD305": View(("lr", "loss"), {"peak": 0}),
    "TD306": View(("lr",), {"peak": 0, "planned peak": 0}, ("spent at",)),
    "TD307": View(("lr", "train"), {"rate before": 0, "rate after": 0}, ("at",), focus="at"),
    "TD308": View(("train", "lr")),
    "TD401": View(("measure",), {"final": 0}, point=("best at", "best")),
    "TD402": View(("loss",), {"constant predictor": 0}),
    "TD403": View(("loss",), {"training loss": 0, "validation loss": 0}, ("solved since",)),
    "TD404": View(("loss",), {"final training loss": 0, "final validation loss": 0}, ("best at",)),
    "TD405": View(("loss",), {"level": 0}, ("since",)),
    "TD406": View(("loss",), {"validation loss": 0, "training loss": 0}, ("since",)),
    "TD407": View(("measure",), {"final": 0}, point=("best at", "best")),
    "TD408": View(("measure",), {"lowest": 0, "highest": 0}),
    "TD409": View(("measure",), {"best": 0, "final": 0, "nothing or chance": 0}, ("collapsed at",)),
    "TD410": View(("loss",)),
    "TD505": View(("loss",), {"training loss": 0, "validation loss": 0}),
    "TD601": View(("time",), {"usual step": 0}, ("at",)),
    "TD901": View(("train",), None, ("first",), focus="first"),
}
"""Code of a check -> its plot. A stranger's check has a table alone: what its numbers mean is not known."""

WITHOUT = frozenset(
    {"TD207", "TD208", "TD211", "TD212", "TD501", "TD502", "TD503", "TD504", "TD602", "TD902", "TD903"}
)
"""Checks whose evidence is no curve: answers, single numbers, what is missing from the log."""

PLACES = frozenset(
    {
        "flat since", "diverged at", "last good step", "first non-finite", "worst at", "since", "from", "to",
        "first drop at", "highest at", "back at", "decayed at", "spent at", "at", "best at", "solved since",
        "collapsed at", "first", "last at",
    }
)  # fmt: skip
"""Names of evidence that tell where on the x axis, not how long."""
