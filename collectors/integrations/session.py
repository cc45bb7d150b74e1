"""What every framework's object does: start `watch`, log numbers, end it; never raise into the training."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import recorder as process
from ..watch import Watch, watch


class Session:
    """A recording that a framework starts and ends.

    Args:
        name, out, every, budget: as for `traindoctor.watch`.
    """

    def __init__(
        self,
        name: str = "",
        out: str | Path | None = None,
        every: int | None = None,
        budget: float | None = None,
    ) -> None:
        self._options: dict[str, Any] = {"name": name, "out": out, "every": every, "budget": budget}
        self.run: Watch | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Options only: frameworks copy and pickle their callbacks, a recording stays in its process."""
        return {"_options": self._options, "run": None}

    def begin(self, model: Any = None, optimizers: Any = None, rank: int = 0) -> None:
        """Training begins. Ranks above 0 are recorded only where all ranks can agree on one run."""
        if self.run is not None:
            return
        if rank and "TORCHELASTIC_RUN_ID" not in os.environ and process.active() is None:
            return
        try:
            given = list(optimizers) if isinstance(optimizers, (list, tuple)) else [optimizers]
            self.run = watch(model, [o for o in given if o is not None], **self._options)
        except Exception as error:
            print(f"traindoctor: not recorded: {error}", file=sys.stderr)

    def log(self, metrics: Mapping[str, Any] | None) -> None:
        """Record those of the framework's metrics that are single numbers."""
        for name, value in (metrics or {}).items():
            try:
                if self.run is not None and not isinstance(value, (str, bytes, bool)):
                    self.run.log(str(name), value)
            except Exception:
                continue  # a list, an image, an empty name: not for us

    def end(self, error: BaseException | None = None) -> None:
        """Training is over, or failed."""
        run, self.run = self.run, None
        try:
            if run is not None:
                run.__exit__(type(error) if error is not None else None, error, None)
        except Exception as failure:
            print(f"traindoctor: the log may lack its end: {failure}", file=sys.stderr)
