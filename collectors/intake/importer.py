"""What an importer is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from .folder import Folder
from .logbook import Logbook
from .source import Source

CERTAIN = 1.0
"""A magic number, or keys that only this tool writes."""

LIKELY = 0.7
"""The tool's layout, which another tool could share."""

POSSIBLE = 0.3
"""A general form: some CSV, some text with losses in it."""


@runtime_checkable
class FileImporter(Protocol):
    """Reads one kind of file.

    Attributes:
        slug: stable short name in kebab-case, for `--as` and plugins.
        name: the format in words, e.g. `Hugging Face trainer_state.json`.
    """

    slug: str
    name: str

    def recognises(self, source: Source) -> float:
        """How sure it is, from the content (`source.head_text()`): 0 = not mine, 1 = certain.

        A file name only ever tips the balance. Must not raise and must not read beyond the head.
        """
        ...

    def read(self, source: Source, log: Logbook) -> None:
        """Fill `log`. Damaged parts are left out with `log.note(...)`, never guessed.

        Raises:
            UnreadableLogError: nothing in the file can be read; the message says what was expected, what was
                found, where, and what to do.
        """
        ...


@runtime_checkable
class FolderImporter(Protocol):
    """Reads a folder that is one run (or several) of one tool; attributes as for `FileImporter`."""

    slug: str
    name: str

    def recognises_folder(self, folder: Folder) -> float:
        """How sure it is that the folder itself, not one below it, is the tool's."""
        ...

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """Fill `log`; see `FileImporter.read`."""
        ...


Importer = FileImporter | FolderImporter
