"""What the recorder records and what that may cost; read from and written to TRAINDOCTOR_* variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from traindoctor.errors import UsageError

_OFF = ("0", "false", "no", "off")


@dataclass(frozen=True)
class RecorderOptions:
    """Options of the recorder, the same for `traindoctor run` and `traindoctor.watch`.

    Attributes:
        name: what the user calls the run; "" if nothing.
        every: optimizer steps between two samples of the parameter statistics; None lets the governor choose.
        budget: share of the run's wall-clock time that parameter statistics and gradient norms may take, half
            each; None: the statistics 0.5 % after a head start of 0.3 s, the norms 5 %.
        flush_seconds: longest time a finished step waits in memory while training goes on.
        parameters: whether parameter statistics are recorded at all.
        predictions: whether labels and scores of held-out data are captured.
        prediction_bytes: memory that the captured scores of one evaluation pass may take.
        snapshot_bytes: memory that a copy of the weights may take; above it no update norms are recorded.

    Raises:
        UsageError: a number is out of range.
    """

    name: str = ""
    every: int | None = None
    budget: float | None = None
    flush_seconds: float = 0.15
    parameters: bool = True
    predictions: bool = True
    prediction_bytes: int = 48 << 20
    snapshot_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        if self.every is not None and self.every < 1:
            raise UsageError(f"every: expected a number of steps of at least 1, found {self.every}")
        if self.budget is not None and not 0.0 < self.budget <= 1.0:
            raise UsageError(f"budget: expected a share above 0 and up to 1, found {self.budget}")

    def to_environment(self) -> dict[str, str]:
        """The variables that carry these options to another process."""
        found = {
            "TRAINDOCTOR_FLUSH_SECONDS": repr(self.flush_seconds),
            "TRAINDOCTOR_PARAMETERS": "1" if self.parameters else "0",
            "TRAINDOCTOR_PREDICTIONS": "1" if self.predictions else "0",
            "TRAINDOCTOR_PREDICTION_BYTES": str(self.prediction_bytes),
            "TRAINDOCTOR_SNAPSHOT_BYTES": str(self.snapshot_bytes),
        }
        if self.name:
            found["TRAINDOCTOR_NAME"] = self.name
        if self.budget is not None:
            found["TRAINDOCTOR_BUDGET"] = repr(self.budget)
        if self.every is not None:
            found["TRAINDOCTOR_EVERY"] = str(self.every)
        return found

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> RecorderOptions:
        """The options in the environment; defaults where nothing is set.

        Raises:
            UsageError: a variable holds something that is not a number, or one out of range.
        """
        env = os.environ if environ is None else environ
        default = cls()
        every, budget = env.get("TRAINDOCTOR_EVERY", ""), env.get("TRAINDOCTOR_BUDGET", "")
        return cls(
            name=env.get("TRAINDOCTOR_NAME", ""),
            every=int(_number(env, "TRAINDOCTOR_EVERY", 0.0)) if every else None,
            budget=_number(env, "TRAINDOCTOR_BUDGET", 0.0) if budget else None,
            flush_seconds=_number(env, "TRAINDOCTOR_FLUSH_SECONDS", default.flush_seconds),
            parameters=env.get("TRAINDOCTOR_PARAMETERS", "1").lower() not in _OFF,
            predictions=env.get("TRAINDOCTOR_PREDICTIONS", "1").lower() not in _OFF,
            prediction_bytes=int(_number(env, "TRAINDOCTOR_PREDICTION_BYTES", default.prediction_bytes)),
            snapshot_bytes=int(_number(env, "TRAINDOCTOR_SNAPSHOT_BYTES", default.snapshot_bytes)),
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise UsageError(f"{name}: expected a number, found {text!r}; unset it or correct it") from None
