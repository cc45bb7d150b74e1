"""Optimizers that torch knows nothing of: a stand-in whose steps are recorded like those of its own."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from torch.optim import Optimizer

from .. import recorder as process

Groups = Callable[[], Sequence[dict[str, Any]]]


class ForeignSteps(Optimizer):
    """Tells the recorder when another optimizer steps; never steps itself.

    Args:
        groups: gives that optimizer's param groups as they are now, with `params` and `lr`.
    """

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        super().__init__([{**group, "params": list(group["params"])} for group in groups()], {"lr": 0.0})

    def before(self) -> None:
        """The other optimizer is about to step."""
        recorder = process.active()
        if recorder is not None and not recorder.step.off:
            try:
                self._refresh()
                left_open = recorder.state().open_steps  # by a step that was cancelled
                left_open[:] = [step for step in left_open if step.optimizer is not self]
                recorder.step.begins(self)
            except Exception as error:
                recorder.step.fail(error)

    def after(self) -> None:
        """It has stepped; its gradients are still there."""
        recorder = process.active()
        if recorder is not None and not recorder.step.off:
            try:
                recorder.step.ends(self)
            except Exception as error:
                recorder.step.fail(error)

    def _refresh(self) -> None:
        for mine, theirs in zip(self.param_groups, self._groups(), strict=False):
            mine["lr"] = theirs.get("lr", float("nan"))


@cache
def _named(name: str) -> type[ForeignSteps]:
    """The stand-in's class under another optimizer's name, by which reports call it."""
    return type(name, (ForeignSteps,), {"__module__": __name__})


def foreign_steps(optimizer: Any) -> ForeignSteps | None:
    """A stand-in for an object with `param_groups`; None for anything that is not like an optimizer.

    Weak, so that it keeps nobody's optimizer alive.
    """
    held = weakref.ref(optimizer)

    def groups() -> Sequence[dict[str, Any]]:
        alive: Any = held()
        return () if alive is None else alive.param_groups

    try:
        return _named(type(optimizer).__name__)(groups)
    except Exception as error:
        print(f"traindoctor: steps are not recorded: {error}", file=sys.stderr)
        return None
