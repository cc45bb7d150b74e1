"""Every importer, and the one that a file or folder belongs to."""

from __future__ import annotations

from functools import cache

from traindoctor.errors import UsageError
from traindoctor.plugins import load_plugins

from ..intake.folder import Folder
from ..intake.importer import FileImporter, FolderImporter, Importer
from ..intake.source import Source

IMPORTERS: tuple[Importer, ...] = (
    # A: binary formats and trackers
    # B: tables and JSON
    # C: text
)
"""The built-in importers; of two that are equally sure, the earlier one wins."""


@cache
def all_importers() -> tuple[tuple[Importer, ...], list[str]]:
    """The built-in importers and those of plugins, and a sentence for each broken plugin."""
    loaded, broken = load_plugins("traindoctor.importers")
    strangers: list[Importer] = []
    notes = list(broken.values())
    for name, plugin in loaded.items():
        made = plugin() if isinstance(plugin, type) else plugin
        if isinstance(made, (FileImporter, FolderImporter)):
            strangers.append(made)
        else:
            notes.append(
                f"plugin {name!r} is left out: expected an importer with slug, name, recognises and read, "
                f"found {type(made).__name__}"
            )
    return (*IMPORTERS, *strangers), notes


def chosen(slug: str) -> Importer:
    """The importer of that slug.

    Raises:
        UsageError: there is none; the message lists them.
    """
    importers, _ = all_importers()
    for importer in importers:
        if importer.slug == slug:
            return importer
    known = ", ".join(sorted(importer.slug for importer in importers))
    raise UsageError(f"expected one of the formats {known}; found {slug!r}")


def importer_of_file(source: Source) -> tuple[float, FileImporter | None]:
    """Who reads a file, and how sure it is; None when nobody knows it."""
    best: tuple[float, FileImporter | None] = (0.0, None)
    for importer in all_importers()[0]:
        if isinstance(importer, FileImporter):
            sure = importer.recognises(source)
            if sure > best[0]:
                best = sure, importer
    return best


def importer_of_folder(folder: Folder) -> tuple[float, FolderImporter | None]:
    """Who reads a folder as a whole, and how sure it is; None when its files stand for themselves."""
    best: tuple[float, FolderImporter | None] = (0.0, None)
    for importer in all_importers()[0]:
        if isinstance(importer, FolderImporter):
            sure = importer.recognises_folder(folder)
            if sure > best[0]:
                best = sure, importer
    return best
