"""fastai: `Learner(..., cbs=FastaiCallback())`. Its optimizers are its own, so their steps are told here."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

from .foreign_steps import ForeignSteps, foreign_steps
from .session import Session


class FastaiHooks:
    """Callback that records every `fit` of a Learner.

    Args:
        options: as for `traindoctor.watch`.
    """

    order = 60
    learn: Any

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.session = Session(**options)
        self._steps: ForeignSteps | None = None

    def before_fit(self) -> None:
        """The optimizer exists."""
        theirs = self.learn.opt
        inner = getattr(theirs, "opt", None)  # OptimWrapper holds an optimizer of torch
        own = isinstance(inner, Optimizer)
        self._steps = None if own else foreign_steps(theirs)
        self.session.begin(self.learn.model, inner if own else self._steps)

    def before_step(self) -> None:
        """Gradients are complete."""
        if self._steps is not None:
            self._steps.before()

    def after_step(self) -> None:
        """Weights are new, gradients still there."""
        if self._steps is not None:
            self._steps.after()

    def after_fit(self) -> None:
        """Training is over."""
        self._steps = None
        self.session.end()
