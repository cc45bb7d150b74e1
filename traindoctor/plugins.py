"""Entry points for strangers' detectors, importers and reports; a bad plugin is named and contained."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Literal

Group = Literal["traindoctor.detectors", "traindoctor.importers", "traindoctor.reports"]


def load_plugins(group: Group) -> tuple[dict[str, Any], dict[str, str]]:
    """Load every entry point of `group`.

    Returns:
        name -> loaded object, and name -> sentence for each plugin that could not be loaded.
    """
    loaded: dict[str, Any] = {}
    broken: dict[str, str] = {}
    for point in entry_points(group=group):
        try:
            loaded[point.name] = point.load()
        except Exception as error:  # a stranger's module may raise anything at import
            broken[point.name] = (
                f"plugin {point.name!r} ({point.value}) could not be loaded: {error!r}; it is left out"
            )
    return loaded, broken
