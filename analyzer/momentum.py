"""How many steps an optimizer averages gradients over."""

from __future__ import annotations

from traindoctor.run import Run

from .decay import setting


def first_momentum(run: Run) -> float:
    """Momentum of the first optimizer, or the first beta of one that has betas; 0 where it is unknown."""
    for optimizer in run.info.optimizers[:1]:
        betas = optimizer.groups[0].get("betas") if optimizer.groups else None
        if isinstance(betas, (list, tuple)) and betas and isinstance(betas[0], (int, float)):
            return float(betas[0])
    return setting(run, "momentum")
