"""The Trainer of transformers: `Trainer(..., callbacks=[TransformersCallback()])`."""

from __future__ import annotations

from typing import Any

from .session import Session

_SPEEDS = ("_runtime", "_per_second", "epoch", "_time")


class TransformersHooks:
    """Records `trainer.train()`.

    Args:
        options: as for `traindoctor.watch`.
    """

    def __init__(self, **options: Any) -> None:
        self.session = Session(**options)

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **rest: Any
    ) -> None:
        """The optimizer exists; its wrapper, made by Accelerate, is not the one that steps."""
        self.session.begin(model, getattr(optimizer, "optimizer", optimizer), args.process_index)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **rest: Any) -> None:
        """What `compute_metrics` gave, and the evaluation loss as the Trainer averages it."""
        self.session.log({k: v for k, v in (metrics or {}).items() if not k.endswith(_SPEEDS)})

    def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Training is over."""
        self.session.end()
