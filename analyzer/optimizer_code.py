"""Paste-ready torch code for the optimizer of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from traindoctor.run import OptimizerInfo, Run

_ADAM = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "amsgrad": False}
_COMMON = {"maximize": False, "foreach": None, "fused": None, "capturable": False, "differentiable": False}

DEFAULTS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False},
    "Adam": {**_ADAM, "decoupled_weight_decay": False},
    "AdamW": {**_ADAM, "weight_decay": 0.01},
    "Adamax": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "NAdam": {**_ADAM, "momentum_decay": 0.004, "decoupled_weight_decay": False},
    "RAdam": {**_ADAM, "decoupled_weight_decay": False},
    "RMSprop": {"alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.0, "centered": False},
    "Adagrad": {"lr_decay": 0.0, "weight_decay": 0.0, "initial_accumulator_value": 0.0, "eps": 1e-10},
}
"""Settings of torch's optimizers with their defaults, which the code leaves out. Read from torch 2.15."""

ADDED_BY_SCHEDULERS = {"initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum"}
NOT_SETTINGS = {*ADDED_BY_SCHEDULERS, "label", "lr", "params", "param_names"}
IMPLIED = {"AdamW": {"decoupled_weight_decay"}}
"""Settings that a class fixes by itself: its constructor refuses them."""


def rounded(value: float, digits: int = 3) -> float:
    """The value with `digits` significant digits; 0, NaN and infinities as they are."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else value


def base_lr(group: Mapping[str, Any]) -> float:
    """Learning rate a param group was built with: before its scheduler, NaN when it was not recorded."""
    try:
        return float(group.get("initial_lr", group.get("lr", math.nan)))
    except (TypeError, ValueError):
        return math.nan


def optimizer_code(run: Run, lr_factor: float = 1.0, **overrides: Any) -> str:
    """Code that gives this run's optimizer other settings.

    One param group of a torch optimizer: the constructor call, with everything the run set. Several groups,
    or an optimizer that is not torch's: lines to put right after the optimizer is built and before its
    scheduler.

    Args:
        run: the run whose optimizer is meant: the one that stepped first.
        lr_factor: every learning rate is multiplied by it.
        overrides: other settings and their new values, e.g. `weight_decay=0.01`; an `lr` here wins over
            `lr_factor` and holds for every group.

    Example:
        >>> from traindoctor.run import RunInfo
        >>> sgd = OptimizerInfo("SGD", ({"label": "0", "lr": 0.1, "momentum": 0.9, "nesterov": False},))
        >>> print(optimizer_code(Run("a", "a", info=RunInfo(optimizers=(sgd,))), lr_factor=0.1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    """
    optimizer = run.info.optimizers[0] if run.info.optimizers else OptimizerInfo("")
    changes = dict(overrides)
    if len(optimizer.groups) == 1:
        settings = _constructor_settings(optimizer)
        if settings is not None:
            settings["lr"] = rounded(settings["lr"] * lr_factor)
            settings.update(changes)
            arguments = "".join(f", {key}={value!r}" for key, value in settings.items())
            return f"optimizer = torch.optim.{optimizer.name}(model.parameters(){arguments})"
    return _group_edits(optimizer, lr_factor, changes)


def _constructor_settings(optimizer: OptimizerInfo) -> dict[str, Any] | None:
    """Arguments that differ from torch's defaults, lr first; None when they can't be told for certain."""
    group = optimizer.groups[0]
    defaults = DEFAULTS.get(optimizer.name)
    if defaults is None or not math.isfinite(base_lr(group)):
        return None
    settings: dict[str, Any] = {"lr": rounded(base_lr(group), 6)}
    skipped = NOT_SETTINGS | IMPLIED.get(optimizer.name, set())
    for key, value in group.items():
        if key in skipped:
            continue
        if key not in defaults and key not in _COMMON:
            return None
        plain = tuple(value) if isinstance(value, list) else value
        if not _is_plain(plain):
            return None
        if plain != (defaults.get(key) if key in defaults else _COMMON[key]) and plain is not None:
            settings[key] = plain
    return settings


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_plain(item) for item in value)
    is_number = isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))
    return value is None or is_number


def _group_edits(optimizer: OptimizerInfo, lr_factor: float, changes: Mapping[str, Any]) -> str:
    rates = [base_lr(group) for group in optimizer.groups]
    lines = ["# right after the optimizer is built, before the scheduler"]
    edits = [f'    group["{key}"] = {value!r}' for key, value in changes.items()]
    if "lr" in changes or (lr_factor == 1.0 and changes):
        return "\n".join([*lines, "for group in optimizer.param_groups:", *edits])
    if len(rates) > 1 and all(math.isfinite(rate) for rate in rates):
        new = [rounded(rate * lr_factor) for rate in rates]
        lines.append(f"for group, lr in zip(optimizer.param_groups, {new!r}, strict=True):")
        edits.insert(0, '    group["lr"] = lr')
    else:
        lines.append("for group in optimizer.param_groups:")
        edits.insert(0, f'    group["lr"] *= {rounded(lr_factor)!r}')
    return "\n".join([*lines, *edits])
