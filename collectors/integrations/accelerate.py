"""Accelerate: `Accelerator(log_with=AccelerateTracker())`, then `accelerator.init_trackers(...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .session import Session


class AccelerateHooks:
    """Tracker that records from `init_trackers` to `end_training`, on the main process.

    Args:
        options: as for `traindoctor.watch`.
    """

    name = "traindoctor"
    requires_logging_directory = False

    def __init__(self, **options: Any) -> None:
        self.session = Session(**options)
        super().__init__()

    @property
    def tracker(self) -> Any:
        """The recording in progress, None before `init_trackers`."""
        return self.session.run

    def start(self) -> None:
        """`init_trackers` was called."""
        self.session.begin()

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Not kept: a configuration may hold secrets."""
        self.session.begin()

    def log(self, values: Mapping[str, Any], step: int | None = None, **rest: Any) -> None:
        """`accelerator.log`: recorded at the optimizer step in force; `step` may count anything."""
        self.session.log(values)

    def finish(self) -> None:
        """`end_training` was called."""
        self.session.end()
