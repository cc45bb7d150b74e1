"""What `traindoctor tune` was asked for, as it is kept in the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .errors import UsageError

METHODS = ("tpe", "gp", "random", "grid")
PRUNERS = ("hyperband", "none")
SCORES = ("last", "best")

Method = Literal["tpe", "gp", "random", "grid"]

_FIXED = ("command", "hooks", "objective", "better", "score")
"""What a study cannot change: values found under one of these do not compare with those under another."""


@dataclass(frozen=True)
class Plan:
    """A search.

    Attributes:
        command: the script and its arguments, with placeholders.
        hooks: what the optimizer's step hook sets, `lr:log:1e-5:1` and so on.
        objective: name of the series that is judged.
        better: `lower` or `higher`.
        score: `last`: its last value (for a series of more than 100 values the median of the last 5 %);
            `best`: its best value.
        method: how points are chosen.
        trials: trials of the whole study, over all its sessions.
        prune: `hyperband` or `none`.
        seed: of the search, and of what a script does not seed itself.
        timeout: seconds after which this session ends; None = never.
    """

    command: tuple[str, ...]
    hooks: tuple[str, ...] = ()
    objective: str = "loss/validation"
    better: str = "lower"
    score: str = "last"
    method: str = "tpe"
    trials: int = 20
    prune: str = "hyperband"
    seed: int = 0
    timeout: float | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("--method", self.method, METHODS),
            ("--prune", self.prune, PRUNERS),
            ("--score", self.score, SCORES),
            ("--direction", self.better, ("lower", "higher")),
        ):
            if value not in known:
                raise UsageError(f"{name}: expected {', '.join(known)}, found {value!r}")
        if self.trials < 1:
            raise UsageError(f"--trials: expected at least 1, found {self.trials}")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"--timeout: expected more than 0 s, found {self.timeout:g}")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed: expected 0 to 2**32 - 1, found {self.seed}")

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote; keys of a later version are left out.

        Raises:
            UsageError: it holds something else.
        """
        known: dict[str, Any] = {key: document[key] for key in cls.__dataclass_fields__ if key in document}
        try:
            known["command"], known["hooks"] = tuple(known["command"]), tuple(known["hooks"])
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise UsageError(f"the study's plan is not understood ({error!r}); start a new study") from None

    def differences(self, stored: Plan) -> list[str]:
        """What of this plan contradicts the one that a study was begun with, in words."""
        return [
            f"{name}: {getattr(stored, name)!r} there, {getattr(self, name)!r} here"
            for name in _FIXED
            if getattr(self, name) != getattr(stored, name)
        ]


@dataclass(frozen=True)
class Measured:
    """What the first completed trial showed.

    Attributes:
        evaluations: values of the objective in a full trial.
        stride: values that make one report (1, or more for a series of every step).
        seconds: length of that trial.
    """

    evaluations: int = 0
    stride: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        state: `complete`, `pruned`, `diverged`, `failed`, or `lost` when it was interrupted.
        value: the objective; NaN when there is none.
        penalty: for a diverged trial what its value counts as, NaN when unknown.
        why: a sentence for all but `complete`.
        seconds: wall-clock length.
        points: values of the objective, in order.
        steps: optimizer steps.
    """

    state: Literal["complete", "pruned", "diverged", "failed", "lost"]
    value: float = float("nan")
    penalty: float = float("nan")
    why: str = ""
    seconds: float = 0.0
    points: tuple[float, ...] = field(default=(), repr=False)
    steps: int = 0
