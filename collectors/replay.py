"""Runs generated scheduler code on a real torch optimizer and reads the learning rates it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from traindoctor.errors import MissingDependencyError
from traindoctor.run import Floats


def replay_lr(code: str, optimizer_name: str, group_lrs: Sequence[float], n_steps: int) -> Floats:
    """Learning rate of every param group at every step, as torch makes it.

    Args:
        code: code made by `traindoctor.analyzer.schedule`, which reads `optimizer` and may leave a
            `scheduler`. It is executed: never pass text that came out of a log.
        optimizer_name: class name in `torch.optim`; any other name is replayed with SGD, the LR is the same.
        group_lrs: shape (n_groups,), LR that each param group is built with.
        n_steps: optimizer steps to take.

    Returns:
        Shape (n_steps, n_groups): the LR used by each step.

    Raises:
        MissingDependencyError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError(
            "expected torch to replay the prescribed schedule, but it is not installed; "
            "install it with: pip install 'traindoctor[torch]'"
        ) from error
    groups = [{"params": [torch.nn.Parameter(torch.zeros(()))], "lr": float(lr)} for lr in group_lrs]
    optimizer = _optimizer(torch, optimizer_name, groups)
    names: dict[str, Any] = {"optimizer": optimizer}
    exec(compile(code, "<prescribed schedule>", "exec"), names)
    scheduler = names.get("scheduler")
    rates = np.empty((n_steps, len(groups)))
    for step in range(n_steps):
        rates[step] = [float(group["lr"]) for group in optimizer.param_groups]
        if step == 0:
            # torch warns about a scheduler whose optimizer never stepped; once is enough, no LR depends on it
            optimizer.step()
        # OneCycleLR refuses a step beyond its horizon, and no optimizer step would use it
        if scheduler is not None and step + 1 < n_steps:
            scheduler.step()
    return rates


def replay_or_none() -> Callable[[str, str, Sequence[float], int], Floats] | None:
    """`replay_lr` where torch is installed, else None. Does not load torch."""
    return replay_lr if find_spec("torch") is not None else None


def _optimizer(torch: Any, name: str, groups: list[dict[str, Any]]) -> Any:
    """The named torch optimizer, or SGD when torch has none of that name that works without a closure."""
    kind = getattr(torch.optim, name, None) if name.isidentifier() else None
    if (
        isinstance(kind, type)
        and issubclass(kind, torch.optim.Optimizer)
        and kind not in (torch.optim.Optimizer, torch.optim.LBFGS)
    ):
        try:
            return kind(groups)
        except (TypeError, ValueError):
            pass
    return torch.optim.SGD(groups)
