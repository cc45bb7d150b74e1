"""The x axis of a table: which column counts, and what it counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .numbers import number

STEPS, EPOCHS, SAMPLES = "optimizer steps", "epochs", "samples"
LOG_ROWS = "log rows"

UNITS: dict[str, str] = {
    **dict.fromkeys(
        (
            "global_step", "globalstep", "trainer_global_step", "train_global_step", "num_updates",
            "updates", "update", "n_updates", "optimizer_step", "opt_step", "step", "steps", "iteration",
            "iterations", "iter", "iters", "itr", "it", "global_iter", "global_iteration", "n_iter", "niter",
            "iter_num", "iteration_number", "num_steps", "n_steps", "train_step", "training_step",
            "current_steps", "current_step", "total_steps", "training_iteration", "step_num",
        ),
        STEPS,
    ),
    **dict.fromkeys(
        (
            "samples", "consumed_samples", "num_samples", "n_samples", "samples_seen", "seen_samples",
            "images", "images_seen", "examples", "n_examples", "instances", "num_images",
        ),
        SAMPLES,
    ),
    **dict.fromkeys(("tokens", "consumed_tokens", "tokens_seen", "num_tokens", "total_tokens"), "tokens"),
    "kimg": "thousand images",
    **dict.fromkeys(
        (
            "timesteps", "total_timesteps", "time_total_timesteps", "timesteps_total", "num_timesteps",
            "env_steps", "total_env_steps", "total_num_steps", "frames", "num_frames", "timestep",
            "total_steps_env", "environment_steps", "misc_total_timesteps", "totalenvinteracts",
        ),
        "environment steps",
    ),
    **dict.fromkeys(("episode", "episodes", "n_episodes"), "episodes"),
    **dict.fromkeys(
        (
            "epoch", "epochs", "epoch_num", "epoch_idx", "epoch_index", "current_epoch", "epoch_number",
            "n_epoch", "epoch_id", "ep", "num_epoch", "num_epochs", "epoch_no", "epoch_i",
        ),
        EPOCHS,
    ),
    **dict.fromkeys(("round", "rounds", "comm_round", "communication_round", "server_round"), "rounds"),
    **dict.fromkeys(("generation", "gen", "cycle"), "generations"),
}  # fmt: skip
"""Column name, in lower case with `_` between its words -> what the column counts."""

INSIDE_EPOCH = (
    "batch",
    "batch_idx",
    "batch_id",
    "batch_index",
    "batch_num",
    "minibatch",
    "i",
    "iter_in_epoch",
)
"""Columns that count batches within an epoch: x only together with the epoch."""

_ORDER = tuple(UNITS)
_LABELLED = re.compile(r"(?i)(?:epoch|step|iter(?:ation)?|ep)?\s*[:#=_-]?\s*(\d{1,15})(?:\s*(?:/|of)\s*\d+)?")


@dataclass(frozen=True)
class Candidate:
    """A column that may be x.

    Attributes:
        column: its name.
        unit: what it counts.
    """

    column: str
    unit: str


def plain_name(column: str) -> str:
    """A column name in lower case, its words joined by `_`.

    Example:
        >>> plain_name(" Global Step#"), plain_name("trainer/global_step")
        ('global_step', 'trainer_global_step')
    """
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")


def candidates(columns: Iterable[str]) -> list[Candidate]:
    """The columns that count something, the best first: steps, samples, environment steps, epochs."""
    found = [Candidate(c, UNITS[plain]) for c in columns if (plain := plain_name(c)) in UNITS]
    return sorted(found, key=lambda candidate: _ORDER.index(plain_name(candidate.column)))


def position(cell: Any) -> float | None:
    """The x in a cell: a number, or one with a label or a total, such as `12/300` or `Epoch 12`."""
    exact = number(cell)
    if exact is not None or not isinstance(cell, str) or len(cell) > 40:
        return exact
    match = _LABELLED.fullmatch(cell.strip())
    return float(match[1]) if match else None


def rises(values: Sequence[float]) -> bool:
    """Whether numbers mostly go up, as a count does; a few restarts are allowed."""
    steps = [b - a for a, b in pairwise(values)]
    falls = sum(step < 0 for step in steps)
    return bool(steps) and max(values) > min(values) and falls <= 0.2 * len(steps)
