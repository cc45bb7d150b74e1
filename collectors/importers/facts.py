"""META frames to `RunInfo`: every field checked for its type, everything else named in the diagnostics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, get_args

from traindoctor.run import NetworkInfo, OptimizerInfo, ParameterInfo, RunStatus, SeriesInfo
from traindoctor.text import Text

MAX_JSON = 1 << 24
MAX_TEXT = 10_000

_NAMES = {
    str: Text("text"),
    float: Text("a number"),
    int: Text("a whole number"),
    dict: Text("an object"),
    list: Text("a list"),
    bool: Text("true or false"),
}


class WrongTypeError(Exception):
    """A JSON value is not of the type that its key asks for; the message says which was found."""


def parse_json(payload: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        WrongTypeError: it is too long, too deep, no JSON, or no object.
    """
    if len(payload) > MAX_JSON:
        raise WrongTypeError(f"expected at most {MAX_JSON} bytes of JSON, found {len(payload)}")
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WrongTypeError(f"expected JSON, found something else ({type(error).__name__})") from None
    return _mapping(value)


def run_facts(meta: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The keys of META that `RunInfo` has, as its types.

    Returns:
        Keyword arguments for `RunInfo`, and a sentence for each key that was left out.
    """
    kept: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in meta.items():
        read = _READERS.get(key)
        if read is None:
            continue
        try:
            kept[key] = read(value)
        except WrongTypeError as error:
            notes.append(f"the fact `{key}` was left out: {error}")
    unknown = sorted(set(meta) - set(_READERS) - {"id", "name", "diagnostics", "parts", "first_steps"})
    if unknown:
        names = ", ".join(name[:100] for name in unknown[:10])
        notes.append(f"{len(unknown)} facts are unknown to this version and were left out: {names}")
    return kept, notes


def text(value: Any) -> str:
    """A text, cut to `MAX_TEXT` characters."""
    if not isinstance(value, str):
        raise _wrong(str, value)
    return value[:MAX_TEXT]


def number(value: Any) -> float:
    """A number; the texts "nan", "inf" and "-inf" are numbers too."""
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(float, value)
    try:
        return float(value)
    except OverflowError:
        raise WrongTypeError("expected a number, found one beyond 1e308") from None


def whole(value: Any) -> int:
    """A whole number of at most 15 digits."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**15:
        raise _wrong(int, value)
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text(item) for item in _items(value))


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(dict, value)
    return value


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(list, value)
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(bool, value)
    return value


def _shape(value: Any) -> tuple[int, ...]:
    sizes = tuple(whole(size) for size in _items(value))
    if len(sizes) > 64 or any(size < 0 for size in sizes):
        raise WrongTypeError("expected at most 64 sizes of 0 or more")
    return sizes


_PARAMETER: dict[str, Callable[[Any], Any]] = {
    "name": text,
    "shape": _shape,
    "role": text,
    "trainable": _truth,
    "group": text,
    "dtype": text,
    "module": text,
    "activation": text,
}


def _parameter(value: Any) -> ParameterInfo:
    given = _mapping(value)
    fields = {key: read(given[key]) for key, read in _PARAMETER.items() if key in given}
    if "name" not in fields or "shape" not in fields:
        raise WrongTypeError("expected a parameter with `name` and `shape`")
    return ParameterInfo(**fields)


def _optimizer(value: Any) -> OptimizerInfo:
    given = _mapping(value)
    groups = tuple(_mapping(group) for group in _items(given.get("groups", [])))
    return OptimizerInfo(text(given.get("name", "")), groups, text(given.get("scheduler", "")))


def _network(value: Any) -> NetworkInfo:
    given = _mapping(value)
    counts = {text(name): whole(count) for name, count in _mapping(given.get("operations")).items()}
    shares = [number(share) for share in _items(given.get("dropouts", []))]
    smoothing = number(given.get("label_smoothing", 0.0))
    if any(count < 0 for count in counts.values()):
        raise WrongTypeError("expected counts of operations of 0 or more")
    if not all(0 <= share <= 1 for share in (*shares, smoothing)):
        raise WrongTypeError("expected shares from 0 to 1 for `dropouts` and `label_smoothing`")
    is_whole = _truth(given.get("is_whole", True))
    return NetworkInfo(counts, texts(given.get("output", [])), is_whole, tuple(shares), smoothing)


def _series_info(value: Any) -> SeriesInfo:
    given = _mapping(value)
    return SeriesInfo(
        *(text(given.get(key, "")) for key in ("source_name", "split", "better", "unit", "note"))
    )


def _wrong(expected: type, value: Any) -> WrongTypeError:
    found = Text("nothing") if value is None else _NAMES.get(type(value), type(value).__name__)
    return WrongTypeError(f"expected {_NAMES[expected]}, found {found}")


def _status(value: Any) -> str:
    said = text(value)
    if said not in get_args(RunStatus):
        raise WrongTypeError(f"expected one of {', '.join(get_args(RunStatus))}")
    return said


_READERS: dict[str, Callable[[Any], Any]] = {
    "source": text,
    "status": _status,
    "x_unit": text,
    "seconds": number,
    "epochs": number,
    "batch_size": whole,
    "n_classes": whole,
    "loss_name": text,
    "loss_role": text,
    "baseline": number,
    "parameters": lambda value: tuple(_parameter(item) for item in _items(value)),
    "optimizers": lambda value: tuple(_optimizer(item) for item in _items(value)),
    "network": _network,
    "environment": _mapping,
    "config": _mapping,
    "series": lambda value: {text(name): _series_info(info) for name, info in _mapping(value).items()},
}
