"""Finished runs on disk, one JSON line each; what is missing is named, then trained together."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from .tasks import Data, Task
from .training import Request, Result, train_together

CHUNK = 32
"""Runs that are trained at once."""

Key = TypeVar("Key")
Answer = TypeVar("Answer")


class MissingRunError(Exception):
    """A result was asked for that has not been made yet."""

    def __init__(self, request: Request) -> None:
        super().__init__("this run has not been made yet")
        self.request = request


class Store:
    """The runs of one task.

    Attributes:
        task: what is trained.
        data: on what.
        told: called after every chunk with the number of runs that were made.
    """

    def __init__(
        self, task: Task, data: Data, folder: Path, told: Callable[[int], None] | None = None
    ) -> None:
        self.task, self.data, self.told = task, data, told
        slug = "".join(c if c.isalnum() else "-" for c in task.name.lower())
        self.folder = folder / slug
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path = self.folder / "runs.jsonl"
        self._known: dict[str, Result] = {}
        if self._path.is_file():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            key, *values = json.loads(line)
        except ValueError:  # the last line of an interrupted run
            return
        first, last, validation, losses = values
        self._known[key] = Result(_float(first), _float(last), _floats(validation), _floats(losses))

    def key(self, request: Request) -> str:
        """Of everything that decides the run."""
        task = self.task
        facts = (task.name, task.optimizer, task.batch, request.seed, request.every, request.is_traced)
        return hashlib.sha256(repr(facts).encode() + request.plan.tobytes()).hexdigest()[:24]

    def result(self, request: Request) -> Result:
        """What came of a run.

        Raises:
            MissingRunError: it has not been made yet.
        """
        found = self._known.get(self.key(request))
        if found is None:
            raise MissingRunError(request)
        return found

    def make(self, requests: Iterable[Request]) -> None:
        """Train those that are missing, and write them down chunk by chunk."""
        missing = {self.key(request): request for request in requests}
        missing = {key: request for key, request in missing.items() if key not in self._known}
        for keys in _chunks(missing):
            results = train_together(self.task, self.data, [missing[key] for key in keys])
            with self._path.open("a", encoding="utf-8") as file:
                for key, result in zip(keys, results, strict=True):
                    self._known[key] = result
                    file.write(_line(key, result))
            if self.told:
                self.told(len(keys))

    def settle(self, questions: dict[Key, Callable[[], Answer]]) -> dict[Key, Answer]:
        """Ask until every question is answered; what they miss on the way is trained together."""
        answers: dict[Key, Answer] = {}
        while len(answers) < len(questions):
            missing: list[Request] = []
            for key, question in questions.items():
                if key in answers:
                    continue
                try:
                    answers[key] = question()
                except MissingRunError as error:
                    missing.append(error.request)
            self.make(missing)
        return answers


def _chunks(requests: dict[str, Request]) -> Iterator[list[str]]:
    """Keys of requests of equal length, in order, CHUNK at most."""
    groups: dict[tuple[int, int], list[str]] = {}
    for key, request in requests.items():
        groups.setdefault((request.steps, request.every), []).append(key)
    for keys in groups.values():
        for at in range(0, len(keys), CHUNK):
            yield keys[at : at + CHUNK]


def _line(key: str, result: Result) -> str:
    values = (result.first, result.last, result.validation, result.losses)
    return json.dumps([key, *values]) + "\n"  # Python reads its own NaN and Infinity


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(_float(value) for value in values)
