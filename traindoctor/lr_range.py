"""The answer of a learning-rate range test, and its JSON form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .json_values import jsonable
from .run import Floats
from .text import Text

FORMAT = 1
"""Version of the JSON form."""


@dataclass(frozen=True, eq=False)
class LrRange:
    """What `traindoctor lr-find` found.

    Attributes:
        lr: suggested LR of the first param group, unit 1/step; NaN when there is none. The other groups
            keep their ratio to it.
        low: lower end of the range that holds the best LR in about two of three cases.
        high: its upper end.
        refusal: why there is no suggestion, in a sentence; "" when there is one.
        why: how the suggestion came about, in a sentence.
        notes: what to keep in mind, in sentences.
        base_lr: the script's own LR, before any schedule.
        optimizer: class name.
        scored_on: what the losses were taken from.
        half: LR at which half of the drop was done, NaN when refused.
        minimum: LR of the lowest loss.
        lrs: LR of each step of the test, shape (n,).
        losses: loss after each step, shape (n,), loss units.
        start: loss before the first step.
        repeats: what each repetition suggested, unit 1/step; `lr` is their geometric mean, and all else here
            is of the first.
    """

    lr: float
    low: float
    high: float
    refusal: str
    why: str
    notes: tuple[str, ...]
    base_lr: float
    optimizer: str
    scored_on: str
    half: float
    minimum: float
    lrs: Floats
    losses: Floats
    start: float
    repeats: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is a suggestion."""
        return not self.refusal

    def to_json(self) -> dict[str, Any]:
        """The JSON object, numbers that are not finite as text."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        units = dict.fromkeys(("lr", "low", "high", "base_lr", "half", "minimum", "lrs", "repeats"), "1/step")
        units |= {"losses": "loss units", "start": "loss units"}
        document = {"format": FORMAT, "kind": "traindoctor lr-find", **fields, "units": units}
        plain = jsonable(document)
        assert isinstance(plain, dict)
        return plain

    def sentences(self) -> list[str]:
        """The answer for a terminal, the conclusion first."""
        first = (
            Text("no learning rate suggested: {why}", why=self.refusal)
            if self.refusal
            else Text(
                "suggested LR {lr:.3g} 1/step; about two of three times the best one is between {low:.2g} "
                "and {high:.2g}",
                lr=self.lr,
                low=self.low,
                high=self.high,
            )
        )
        rest = [self._tested()] if len(self.lrs) else []
        return [first, *([self.why] if self else []), *rest, *self.notes]

    def _tested(self) -> Text:
        return Text(
            "tested: {optimizer}, its own LR {base_lr:.4g} 1/step; {n} steps from {first:.3g} to {last:.3g}; "
            "scored on {scored_on}",
            optimizer=self.optimizer or Text("no optimizer"),
            base_lr=self.base_lr,
            n=len(self.lrs),
            first=float(self.lrs[0]),
            last=float(self.lrs[-1]),
            scored_on=self.scored_on,
        )

    def __repr__(self) -> str:
        return "\n".join(self.sentences())


def as_floats(values: Any) -> Floats:
    """Numbers as float64, shape (n,)."""
    return np.asarray(values, dtype=np.float64).reshape(-1)
