"""A folder of unknown content: its files and sub-folders, bounded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from traindoctor.errors import TraindoctorError

from .source import Source

MAX_ENTRIES = 100_000
MAX_DEPTH = 12


class Folder:
    """A folder.

    Attributes:
        path: where it lies on this machine.
        name: what to call it in messages.
        progress: handed to the files that are opened.
    """

    def __init__(self, path: Path, name: str = "", progress: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.name = name or str(path)
        self.progress = progress

    @cached_property
    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.path) as found:
                entries = [entry for _, entry in zip(range(MAX_ENTRIES), found, strict=False)]
        except OSError:
            return []
        return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: _natural(e.name))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Names of the regular files directly in it, in natural order (`2` before `10`)."""
        return tuple(entry.name for entry in self._entries if _is_file(entry))

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders directly in it, links left out, in natural order."""
        return tuple(entry.name for entry in self._entries if entry.is_dir(follow_symlinks=False))

    def file(self, name: str) -> Source | None:
        """A file by its path relative to the folder, None when it is absent or unreadable."""
        try:
            return self.open(name)
        except TraindoctorError:
            return None

    def open(self, name: str) -> Source:
        """A file by its path relative to the folder.

        Raises:
            RunNotFoundError, UnreadableLogError: see `Source`.
        """
        return Source(self.path / name, f"{self.name}/{name}", self.progress)

    def folder(self, name: str) -> Folder:
        """A sub-folder."""
        return Folder(self.path / name, f"{self.name}/{name}", self.progress)

    def walk(self, depth: int = MAX_DEPTH) -> Iterator[str]:
        """Relative paths of all files below, at most 100 000 and 12 levels deep, in natural order."""
        budget = MAX_ENTRIES
        waiting = [(self, "", depth)]
        while waiting:
            folder, prefix, levels = waiting.pop()
            for name in folder.files:
                budget -= 1
                if budget < 0:
                    return
                yield prefix + name
            if levels:
                waiting += [
                    (folder.folder(name), f"{prefix}{name}/", levels - 1) for name in reversed(folder.folders)
                ]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorting key under which `run_2` comes before `run_10`."""
    digits, parts = "", list[tuple[int, str]]()
    for character in name:
        if "0" <= character <= "9":
            digits += character
            continue
        if digits:
            parts.append((int(digits[:18]), ""))
            digits = ""
        parts.append((-1, character))
    return [*parts, (int(digits[:18]), "")] if digits else parts
