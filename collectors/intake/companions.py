"""Settings files beside a log: JSON or YAML, read safely, flattened, bounded."""

from __future__ import annotations

import re
from typing import Any

import yaml

from traindoctor.errors import UnreadableLogError

from ..redaction import redact_command
from .numbers import flat, number
from .source import Source, parse_json

MAX_BYTES = 1 << 18
MAX_SETTINGS = 500
MAX_TEXT = 500

_PLAIN = (str, int, float, bool)


class _PlainLoader(yaml.SafeLoader):
    """The safe loader, with foreign tags read as text: `!!python/name:torch.optim.Adam` makes no object.

    Not the one in C: deep nesting overruns its stack and ends the process.
    """

    def foreign(self, suffix: str, node: Any) -> Any:
        """The text or plain structure behind a tag that is not YAML's own."""
        if isinstance(node, yaml.ScalarNode):
            return node.value or suffix.rpartition(":")[2]
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None


_PlainLoader.add_multi_constructor("", _PlainLoader.foreign)
_PlainLoader.add_multi_constructor("tag:yaml.org,2002:python/", _PlainLoader.foreign)


def settings(source: Source, name: str) -> dict[str, Any]:
    """Numbers and short texts of the settings file `name` beside a log; {} when there is none to be read."""
    companion = source.beside(name)
    return settings_of(companion) if companion is not None else {}


def settings_of(companion: Source) -> dict[str, Any]:
    """Numbers and short texts of a settings file, nested names joined by `/`; {} when it cannot be read.

    At most 500 settings of a file of at most 256 KiB.
    """
    try:
        text = companion.text(MAX_BYTES)
        value = parse_json(text, companion.name) if companion.suffix == ".json" else _yaml(text)
    except UnreadableLogError:
        return {}
    return plain(value) if isinstance(value, dict) else {}


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """The entries of a nested object that are numbers or short texts, at most 500."""
    out: dict[str, Any] = {}
    for key, inner in value.items():
        # Anchors may repeat one node without end, so the walk itself is bounded, key by key.
        for name, found in flat(inner, str(key)[:MAX_TEXT], 3).items():
            if len(out) >= MAX_SETTINGS:
                return out
            if isinstance(found, _PLAIN):
                out[name] = _setting(name, found)
            elif isinstance(found, list) and len(found) < 20 and all(isinstance(i, _PLAIN) for i in found):
                out[name] = [_setting(name, item) for item in found]
    return out


def _setting(name: str, value: str | float) -> str | float:
    if not isinstance(value, str):
        return value
    exact = number(value)  # YAML takes `1e-3` for text
    if exact is not None:
        return exact
    flag = re.sub(r"[^A-Za-z0-9_.-]", ".", name).lstrip("0123456789.-")
    return redact_command([f"{flag}={value[:MAX_TEXT]}"])[0].partition("=")[2]


def _yaml(text: str) -> Any:
    if text.count("*") > 1000 and text.count("&") > 5:
        raise UnreadableLogError("too many aliases")
    try:
        return yaml.load(text, _PlainLoader)  # a safe loader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError, AttributeError) as error:
        raise UnreadableLogError(f"no YAML: {type(error).__name__}") from None
