"""Composer: `Trainer(..., callbacks=[ComposerCallback()])`."""

from __future__ import annotations

import os
from typing import Any

from .session import Session


class ComposerHooks:
    """Callback that records `fit`; the optimizers are torch's own.

    Args:
        options: as for `traindoctor.watch`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.session = Session(**options)

    def fit_start(self, state: Any, logger: Any) -> None:
        """Model and optimizers exist."""
        rank = os.environ.get("RANK", "0")
        self.session.begin(state.model, state.optimizers, int(rank) if rank.isdigit() else 0)

    def eval_end(self, state: Any, logger: Any) -> None:
        """Metrics of one evaluation, as they were computed last."""
        self.session.log(getattr(state, "eval_metric_values", None))

    def fit_end(self, state: Any, logger: Any) -> None:
        """Training is over."""
        self.session.end()
