"""The log of this process: created at the first backward call, flushed by time, synced in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traindoctor.runlog import SUFFIX, Kind, LogWriter, encode_predictions, encode_rows

from ..environment import describe_environment, describe_process
from ..run_names import log_name

SYNC_SECONDS = 5.0
"""A power cut loses at most about this much; a killed process loses nothing that was flushed."""


class Sink:
    """Writes frames to the process's own file, from any thread.

    Args:
        run_id: id of the run.
        folder: folder of the run; made when the log is.
        facts: first metadata: name, config and the like.
        flush_seconds: longest time that frames wait in memory while training goes on.

    Attributes:
        process: who this process is, as its log says; {} before `open`.
    """

    def __init__(self, run_id: str, folder: Path, facts: Mapping[str, Any], flush_seconds: float) -> None:
        self.run_id = run_id
        self.folder = folder
        self.facts = facts
        self.flush_ns = int(flush_seconds * 1e9)
        self.last_flush_ns = 0
        self.process: Mapping[str, Any] = {}
        self._writer: LogWriter | None = None
        self._lock = threading.Lock()
        self._meta: dict[str, Any] = {}
        self._synced_ns = 0
        self._syncing: threading.Thread | None = None
        self._complained = False
        self._has_lost = False

    @property
    def is_open(self) -> bool:
        """Whether the log exists."""
        return self._writer is not None

    def open(self) -> None:
        """Create the log and write its header and first facts.

        Raises:
            OSError: the folder or the file cannot be made.
        """
        with self._lock:
            if self._writer is not None:
                return
            self.process = process = describe_process()
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self._free_path(log_name(process))
            self._writer = LogWriter(path, {"run_id": self.run_id, **process})
            self.last_flush_ns = self._synced_ns = time.perf_counter_ns()
            self._meta = {**self.facts, "environment": describe_environment()}
            self._writer.append_json(Kind.META, self._meta)
            self._has_lost = not self._writer.flush()

    def _free_path(self, name: str) -> Path:
        path, n = self.folder / name, 1
        while path.exists():
            stem, dot, suffix = name.rpartition(".")
            path, n = self.folder / f"{stem}-{n}{dot}{suffix}", n + 1
        return path

    def has_logs(self) -> bool:
        """Whether the run's folder holds a log of some process."""
        return any(self.folder.glob(f"*{SUFFIX}"))

    def meta(self, facts: Mapping[str, Any]) -> None:
        """Add facts about the run; what did not change is not written again."""
        news = {
            key: value for key, value in facts.items() if key not in self._meta or self._meta[key] != value
        }
        if news and self._writer is not None:
            self._meta.update(news)
            with self._lock:
                self._writer.append_json(Kind.META, news)

    def event(self, step: int, kind: str, **data: Any) -> None:
        """Note that something happened."""
        if self._writer is not None:
            with self._lock:
                self._writer.append_json(Kind.EVENT, {"step": step, "kind": kind, **data})

    def rows(
        self,
        steps: NDArray[np.int64],
        columns: Mapping[str, NDArray[np.float64]],
        present: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> None:
        """Append scalar columns, see `traindoctor.runlog.encode_rows`."""
        if self._writer is not None and len(steps):
            payload = encode_rows(steps, columns, present)
            with self._lock:
                self._writer.append(Kind.ROWS, payload)

    def scalar(self, name: str, step: int, value: float) -> None:
        """Append one value of one series."""
        self.rows(np.array([step]), {name: np.array([value])})

    def block(
        self,
        quantities: Sequence[str],
        parameters: Sequence[str],
        step: int,
        values: NDArray[np.float32],
        present: NDArray[np.bool_],
    ) -> None:
        """Append per-parameter statistics of one step."""
        if self._writer is not None:
            with self._lock:
                self._writer.append_block(quantities, parameters, step, values, present)

    def predictions(
        self, facts: Mapping[str, Any], y_true: NDArray[np.int64], y_score: NDArray[np.float64]
    ) -> None:
        """Append labels and scores; later ones supersede earlier ones."""
        if self._writer is not None:
            payload = encode_predictions(facts, y_true, y_score)
            with self._lock:
                self._writer.append(Kind.PREDICTIONS, payload)

    def flush(self, now_ns: int) -> str:
        """Hand everything queued to the kernel; start a sync when the last one is long ago.

        Returns:
            Why it could not be written, the first time; "" otherwise. A later flush tries again.
        """
        self.last_flush_ns = now_ns
        writer = self._writer
        if writer is None:
            return ""
        with self._lock:
            if self._has_lost:  # facts may have been among it, and facts are told only once
                writer.append_json(Kind.META, self._meta)
            had_lost, self._has_lost = self._has_lost, not writer.flush()
        if had_lost or self._has_lost:
            return self._complaint(writer)
        if now_ns - self._synced_ns > SYNC_SECONDS * 1e9 and (
            self._syncing is None or not self._syncing.is_alive()
        ):
            self._synced_ns = now_ns
            # A thread that lives only for the call: a permanent one would be there at every fork.
            self._syncing = threading.Thread(target=writer.sync, name="traindoctor-sync", daemon=True)
            self._syncing.start()
        return ""

    def _complaint(self, writer: LogWriter) -> str:
        complaint = "" if self._complained else writer.last_error
        self._complained = self._complained or bool(complaint)
        return complaint

    def close(self, end: Mapping[str, Any]) -> str:
        """Write how the process ended and close the file.

        Returns:
            Why something could not be written, unless that was said before.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return ""
        with self._lock:
            writer.close(end)
        return self._complaint(writer)
