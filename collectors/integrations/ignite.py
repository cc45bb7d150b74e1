"""Ignite: `IgniteHandler(model, optimizer).attach(trainer, evaluator)`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .session import Session


class IgniteHooks:
    """Handler that records a run of the trainer, and the metrics of the evaluators.

    Exceptions are not followed: an engine with a handler for them no longer raises them itself. The status of
    the run comes from the end of the process then.

    Args:
        model, optimizer, options: as for `traindoctor.watch`.
    """

    def __init__(self, model: Any = None, optimizer: Any = None, **options: Any) -> None:
        self.session = Session(**options)
        self._model, self._optimizer = model, optimizer

    def attach(self, trainer: Any, *evaluators: Any) -> None:
        """Follow a trainer, and any number of evaluators."""
        events: Any = import_module("ignite.engine").Events
        trainer.add_event_handler(events.STARTED, self.started)
        trainer.add_event_handler(events.COMPLETED, self.completed)
        for evaluator in evaluators:
            evaluator.add_event_handler(events.COMPLETED, self.evaluated)

    def started(self, engine: Any) -> None:
        """The trainer begins."""
        self.session.begin(self._model, self._optimizer)

    def evaluated(self, engine: Any) -> None:
        """An evaluator is done."""
        self.session.log(engine.state.metrics)

    def completed(self, engine: Any) -> None:
        """The trainer is done."""
        self.session.end()
