"""Changing LR, momentum and weight decay of param groups for one step, and putting the script's own back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Saved = list[tuple[dict[str, Any], str, Any]]
"""Group, key, and the value that the script had there."""


def put(group: dict[str, Any], key: str, value: float, saved: Saved) -> None:
    """Set a number in a group; a tensor is filled in place, so that fused and compiled steps see it."""
    own = group[key]
    if isinstance(own, Tensor):
        saved.append((group, key, own.detach().clone()))
        with torch.no_grad():
            own.fill_(value)
    else:
        saved.append((group, key, own))
        group[key] = value


def put_momentum(group: dict[str, Any], value: float, saved: Saved) -> bool:
    """Set `momentum` or the first of `betas`; False where the group has neither."""
    if "momentum" in group:
        put(group, "momentum", value, saved)
        return True
    betas = group.get("betas")
    if not isinstance(betas, tuple) or not betas:
        return False
    saved.append((group, "betas", betas))
    group["betas"] = (value, *betas[1:])
    return True


def restore(saved: Saved) -> None:
    """Put back what the script had, last change first."""
    for group, key, own in reversed(saved):
        now = group.get(key)
        if isinstance(now, Tensor) and isinstance(own, Tensor):
            with torch.no_grad():
                now.copy_(own)
        else:
            group[key] = own
    saved.clear()
