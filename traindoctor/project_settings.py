"""`[tool.traindoctor]` of the nearest pyproject.toml: defaults of commands for one project."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .cli_options import LANGUAGES
from .errors import UsageError
from .gating import FAIL_ON

KEYS: Mapping[str, str] = {
    "fail-on": "fail_on",
    "select": "select",
    "ignore": "ignore",
    "base": "base",
    "format": "formats",
    "lang": "lang",
}
"""Key in the table -> name of the option's value."""


def project_settings(start: Path) -> dict[str, Any]:
    """The settings that hold in a folder, by the names of the options they stand for.

    Args:
        start: folder from which upwards the nearest pyproject.toml is looked for.

    Returns:
        {} without such a file or without the table in it. A `base` that is a path is made absolute: it is
        meant relative to the file.

    Raises:
        UsageError: the file is no TOML, or the table holds an unknown key or a value of another kind; the
            message names the file, the line and the nearest known key.
    """
    folders = (start.resolve(), *start.resolve().parents)
    path = next((found for folder in folders if (found := folder / "pyproject.toml").is_file()), None)
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text).get("tool", {}).get("traindoctor", {})
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"expected TOML in {path}, found: {error}") from error
    if not isinstance(table, dict):
        raise UsageError(f"expected a table [tool.traindoctor] in {path}, found {table!r}")
    return {
        KEYS[key]: _value(key, value, path, text) for key, value in table.items() if _known(key, path, text)
    }


def _known(key: str, path: Path, text: str) -> bool:
    if key in KEYS:
        return True
    near = difflib.get_close_matches(key, KEYS, n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(KEYS)}"
    raise UsageError(f"{_place(key, path, text)}: unknown key {key!r} in [tool.traindoctor]{hint}")


def _value(key: str, value: Any, path: Path, text: str) -> Any:
    is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
    place = _place(key, path, text)
    if key in ("select", "ignore"):
        if is_list:
            return value
        raise UsageError(f'{place}: expected a list of checks such as {key} = ["TD101"], found {value!r}')
    if key == "format" and is_list:
        return ",".join(value)
    if not isinstance(value, str):
        raise UsageError(f"{place}: expected a text for {key}, found {value!r}")
    if key == "fail-on" and value not in FAIL_ON:
        raise UsageError(f"{place}: expected one of {', '.join(FAIL_ON)} for {key}, found {value!r}")
    if key == "lang" and value not in LANGUAGES:
        raise UsageError(f"{place}: expected one of {', '.join(LANGUAGES)} for {key}, found {value!r}")
    if key == "base" and (path.parent / value).exists():
        return str(path.parent / value)
    return value


def _place(key: str, path: Path, text: str) -> str:
    """`/some/pyproject.toml, line 12`: TOML readers tell no lines, so the key is looked for."""
    is_inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[([^\]]*)\]", line):
            is_inside = header.group(1).replace(" ", "").replace('"', "") == "tool.traindoctor"
        elif is_inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return f"{path}, line {number}"
    return str(path)
