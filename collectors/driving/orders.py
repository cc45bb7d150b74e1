"""What a driven run shall do differently from the script's own words, and its JSON form."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from traindoctor.errors import UsageError

T = TypeVar("T")

FORMAT = 1
"""Version of the JSON form."""

VARIABLE = "TRAINDOCTOR_ORDERS"
"""Environment variable that holds the path of the orders of the process."""

SPAN = 1000.0
"""A range test goes from the base LR / this to the base LR x this, unless told otherwise."""

FILE_NAME = "orders.json"
"""Name of the orders in the run's folder."""


@dataclass(frozen=True)
class LrPlan:
    """A learning rate for each optimizer step; after the last one its value holds.

    The groups keep their ratios: where the first group's base LR is multiplied by something, so are all.
    A group's base LR is the one the script gave to the optimizer (or the peak it gave to OneCycleLR).

    Attributes:
        kind: `absolute`: the LR of the first param group, unit 1/step; `factor`: what the base LR of every
            group is multiplied by, dimensionless.
        values: one number per optimizer step, shape (n_steps,), each finite and at least 0.
    """

    kind: Literal["absolute", "factor"]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in ("absolute", "factor"):
            raise UsageError(f"orders: expected an LR plan of kind absolute or factor, found {self.kind!r}")
        if not self.values:
            raise UsageError("orders: expected an LR for at least one step, found none")
        for step, value in enumerate(self.values):
            if not (math.isfinite(value) and value >= 0):
                raise UsageError(f"orders: expected LRs of 0 or more, found {value} at step {step}")

    def at(self, step: int) -> float:
        """The value for a 0-based step."""
        return self.values[min(step, len(self.values) - 1)]


@dataclass(frozen=True)
class RangeTest:
    """A learning-rate range test: the LR rises step by step while a loss on fixed samples is watched.

    Every group's base LR is multiplied by the same factor, so that their ratios are kept.

    Attributes:
        minimum: LR of the first param group at the first step, unit 1/step; None = its base LR / 1000.
        maximum: LR at the last one; None = base LR x 1000.
        steps: number of steps.
        mode: `exp`: equal ratios between steps; `linear`: equal differences.
        probe_samples: samples whose loss is evaluated after each step.
        lead_in: steps at the lowest LR before anything else, so that a repeated test meets other batches.
    """

    minimum: float | None = None
    maximum: float | None = None
    steps: int = 400
    mode: Literal["exp", "linear"] = "exp"
    probe_samples: int = 128
    lead_in: int = 0

    def __post_init__(self) -> None:
        for name, given in (("lowest", self.minimum), ("highest", self.maximum)):
            if given is not None and not (math.isfinite(given) and given > 0):
                raise UsageError(f"range test: expected a {name} LR above 0, found {given}")
        if self.steps < 20:
            raise UsageError(f"range test: expected at least 20 steps, found {self.steps}")
        if self.mode not in ("exp", "linear"):
            raise UsageError(f"range test: expected mode exp or linear, found {self.mode!r}")
        if self.probe_samples < 1 or self.lead_in < 0:
            raise UsageError(
                "range test: expected at least 1 probe sample and a lead-in of 0 or more steps, found "
                f"{self.probe_samples} and {self.lead_in}"
            )

    def factors(self, base: float) -> tuple[float, ...]:
        """Factor on the base LRs at each step, shape (steps,).

        Args:
            base: base LR of the first param group, unit 1/step, above 0.

        Raises:
            UsageError: the lowest LR is not below the highest.
        """
        low = 1.0 / SPAN if self.minimum is None else self.minimum / base
        high = SPAN if self.maximum is None else self.maximum / base
        if not low < high:
            raise UsageError(
                f"range test: expected the lowest LR below the highest, found {low * base:.3g} and "
                f"{high * base:.3g}"
            )
        shares = [step / (self.steps - 1) for step in range(self.steps)]
        if self.mode == "linear":
            return tuple(low + (high - low) * share for share in shares)
        return tuple(low * (high / low) ** share for share in shares)


@dataclass(frozen=True)
class Orders:
    """What a driven run does. Everything left at its default is the script's own.

    Attributes:
        lr_plan: the LR of each step; the script's scheduler goes on and is not listened to.
        lr: the first group's base LR in place of the script's; the script's schedule keeps its shape, that
            is, every LR of the script is multiplied by `lr` / base.
        momentum: in place of the script's `momentum`, or of the first of its `betas`.
        weight_decay: in place of the script's, for the groups whose own is not 0 (for all, if all are 0).
        seed: seeds `random`, numpy and torch when the script imports them; what it seeds itself wins.
        max_steps: the script is ended when it is about to do one optimizer step more than this.
        wait_for_evaluation: with `max_steps`, not before an evaluation has been seen after the last step;
            until then the LR is 0, so that the weights stay as they are.
        optimizers: which optimizers, by the order of their first steps; None = all, by the same factor.
        range_test: see `RangeTest`; excludes `lr_plan` and `lr`.
    """

    lr_plan: LrPlan | None = None
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    seed: int | None = None
    max_steps: int | None = None
    wait_for_evaluation: bool = False
    optimizers: tuple[int, ...] | None = None
    range_test: RangeTest | None = None

    def __post_init__(self) -> None:
        if sum(given is not None for given in (self.lr_plan, self.lr, self.range_test)) > 1:
            raise UsageError("orders: expected one of an LR plan, an LR and a range test, found several")
        for name, value in (("lr", self.lr), ("momentum", self.momentum), ("decay", self.weight_decay)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"orders: expected a {name} of 0 or more, found {value}")
        if self.max_steps is not None and self.max_steps < 1:
            raise UsageError(f"orders: expected at least 1 step, found {self.max_steps}")
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise UsageError(f"orders: expected a seed from 0 to 2**32 - 1, found {self.seed}")

    @property
    def drives_optimizer(self) -> bool:
        """Whether anything is to be done at optimizer steps."""
        changes = (self.lr_plan, self.lr, self.momentum, self.weight_decay, self.max_steps, self.range_test)
        return any(given is not None for given in changes)

    def to_json(self) -> dict[str, Any]:
        """The JSON object, with its format number."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, document: Any) -> Orders:
        """The orders of a JSON object.

        Raises:
            UsageError: it is of another format, lacks something, or holds something out of range.
        """
        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            raise UsageError(f"orders: expected a JSON object of format {FORMAT}, found {document!r:.80}")
        known = {name: document[name] for name in cls.__dataclass_fields__ if name in document}
        try:
            known["lr_plan"] = _or_none(known.get("lr_plan"), _plan)
            known["range_test"] = _or_none(known.get("range_test"), lambda found: RangeTest(**found))
            known["optimizers"] = _or_none(known.get("optimizers"), lambda found: tuple(map(int, found)))
            return cls(**known)
        except (TypeError, ValueError, KeyError) as error:
            raise UsageError(f"orders: not understood ({error})") from None

    def write(self, path: Path) -> None:
        """Write them as JSON.

        Raises:
            UsageError: the file cannot be written.
        """
        try:
            path.write_text(json.dumps(self.to_json()))
        except OSError as error:
            raise UsageError(f"cannot write the orders {path}: {error.strerror}") from None


def read_orders(path: Path) -> Orders:
    """The orders in a file.

    Raises:
        UsageError: the file is missing, is no JSON, or holds no orders.
    """
    try:
        return Orders.from_json(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise UsageError(f"orders: cannot read {path}: {error}") from None


def absolute(values: Sequence[float]) -> LrPlan:
    """A plan that names the LR of the first group at each step."""
    return LrPlan("absolute", tuple(map(float, values)))


def _or_none(found: Any, build: Callable[[Any], T]) -> T | None:
    return None if found is None else build(found)


def _plan(found: Mapping[str, Any]) -> LrPlan:
    return LrPlan(found["kind"], tuple(map(float, found["values"])))
