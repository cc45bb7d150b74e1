"""The searched space: placeholders in a script's arguments, and options set through the optimizer hook."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from traindoctor.errors import UsageError
from traindoctor.search import Parameter
from traindoctor.text import Text

HOOKS = ("lr", "momentum", "weight_decay", "schedule")
"""What the optimizer's step hook can set."""

SCHEDULES = ("linear", "cosine", "constant")
KINDS = ("log", "uniform", "int", "choice")
_FORMS = "{name:log:LOW:HIGH}, {name:uniform:LOW:HIGH}, {name:int:LOW:HIGH[:STEP]} or {name:choice:A,B,C}"

_PLACEHOLDER = re.compile(r"\{\{(?P<kept>[A-Za-z_]\w*:[^{}]*)\}\}|\{(?P<spec>[A-Za-z_]\w*(?::[^{}]*)?)\}")
_UNCLOSED = re.compile(r"\{[A-Za-z_]\w*:(?:log|uniform|int|choice):[^{}]*$")
_EXPANDED = re.compile(r"(?P<prefix>.*?)(?P<name>[A-Za-z_]\w*):choice:(?P<first>[^:{}]*)$")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")


@dataclass(frozen=True)
class Space:
    """What is searched, and how its values reach the script.

    Attributes:
        parameters: in the order of the command line, hooks last.
        argv: the command with its placeholders, as understood.
        notes: what was understood in another way than it stands there.
    """

    parameters: tuple[Parameter, ...]
    argv: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def command(self, values: Mapping[str, Any]) -> list[str]:
        """The command of one trial: every placeholder replaced by the text of its value."""
        known = {parameter.name for parameter in self.parameters if not parameter.is_hook}

        def text(match: re.Match[str]) -> str:
            if match["kept"] is not None:
                return f"{{{match['kept']}}}"
            name = match["spec"].partition(":")[0]
            return value_text(values[name]) if name in known else match[0]

        return [_PLACEHOLDER.sub(text, argument) for argument in self.argv]

    def hooked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the optimizer hook sets in one trial: `lr`, `momentum`, `weight_decay`, `schedule`."""
        return {p.name: values[p.name] for p in self.parameters if p.is_hook}


def value_text(value: Any) -> str:
    """A value as a script gets it: numbers with six significant digits.

    >>> value_text(0.00123456789), value_text(64), value_text("adam")
    ('0.00123457', '64', 'adam')
    """
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_space(argv: Sequence[str], hooks: Sequence[str] = ()) -> Space:
    """Find what is to be searched.

    Args:
        argv: the script and its arguments. `{lr:log:1e-5:1}` is a placeholder wherever it stands in an
            argument; `{lr}` repeats it; `{{lr:…}}` is passed on as `{lr:…}`; other braces are left alone.
        hooks: `lr:log:1e-5:1`, without braces: set through the optimizer's step hook.

    Raises:
        UsageError: a placeholder is malformed (the message says where), or nothing is searched.
    """
    arguments, notes = _joined(list(argv))
    reading = _Reading()
    for position, argument in enumerate(arguments, start=1):
        reading.argument(argument, position)
    for text in hooks:
        reading.add(text, f"--hook {text}", is_hook=True)
    if not reading.parameters:
        raise UsageError(
            f"expected something to search: a placeholder in the script's arguments ({_FORMS}), such as "
            "`-- train.py --lr {lr:log:1e-5:1}`, or --hook lr:log:1e-5:1; found neither"
        )
    return Space(tuple(reading.parameters.values()), tuple(arguments), tuple(notes))


@dataclass
class _Reading:
    parameters: dict[str, Parameter] = field(default_factory=dict[str, Parameter])

    def argument(self, argument: str, position: int) -> None:
        for match in _PLACEHOLDER.finditer(argument):
            spec = match["spec"]
            if spec is not None and ":" in spec:
                place = f"placeholder {{{spec}}} in argument {position}, column {match.start() + 1}"
                self.add(spec, place, is_hook=False)
        if unclosed := _UNCLOSED.search(argument):
            raise UsageError(
                f"placeholder {unclosed[0]!r} in argument {position}, column {unclosed.start() + 1}: "
                "expected a closing brace, found the end of the argument"
            )

    def add(self, spec: str, place: str, *, is_hook: bool) -> None:
        found = _parameter(spec, place, is_hook=is_hook)
        known = self.parameters.get(found.name)
        if known is not None and known != found:
            raise UsageError(
                f"{place}: expected one meaning of {found.name!r}, found a second, different one"
            )
        self.parameters[found.name] = found


def _parameter(spec: str, place: str, *, is_hook: bool) -> Parameter:
    name, _, rest = spec.partition(":")
    kind, _, rest = rest.partition(":")
    if is_hook and name not in HOOKS:
        raise UsageError(f"{place}: expected one of {', '.join(HOOKS)} before the colon, found {name!r}")
    if not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise UsageError(f"{place}: expected a name before the colon, found {name!r}")
    if kind == "choice":
        return _choice(name, rest, place, is_hook=is_hook)
    if name == "schedule" and is_hook:
        raise UsageError(f"{place}: expected schedule:choice:{','.join(SCHEDULES)}, found {kind!r}")
    if kind == "int":
        return _whole(name, rest.split(":"), place, is_hook=is_hook)
    if kind in ("log", "uniform"):
        return _real(name, kind, rest.split(":"), place, is_hook=is_hook)
    raise UsageError(f"{place}: expected {', '.join(KINDS)} after the name, found {kind!r}; write {_FORMS}")


def _choice(name: str, rest: str, place: str, *, is_hook: bool) -> Parameter:
    texts = [text.strip() for text in rest.split("," if "," in rest else ":")]
    if len(set(texts)) < 2 or "" in texts:
        raise UsageError(
            f"{place}: expected at least two different choices separated by commas, found {rest!r}; "
            "write one value into the command itself, it needs no search"
        )
    if len(set(texts)) < len(texts):
        raise UsageError(f"{place}: expected different choices, found one twice in {rest!r}")
    choices: tuple[Any, ...] = tuple(texts)
    if is_hook and name == "schedule":
        if wrong := [text for text in texts if text not in SCHEDULES]:
            raise UsageError(f"{place}: expected schedules out of {', '.join(SCHEDULES)}, found {wrong[0]!r}")
    elif is_hook:
        choices = tuple(_number(text, place) for text in texts)
    return Parameter(name, "choice", choices=choices, is_hook=is_hook)


def _real(name: str, kind: str, bounds: Sequence[str], place: str, *, is_hook: bool) -> Parameter:
    if len(bounds) != 2:
        raise UsageError(f"{place}: expected {kind}:LOW:HIGH, found {len(bounds)} parts after {kind!r}")
    low, high = (_number(text, place) for text in bounds)
    _check_order(low, high, place)
    if kind == "log":
        if low <= 0:
            raise UsageError(
                f"{place}: expected a lower bound above 0 for a logarithmic range, found {bounds[0]}; "
                "use uniform, or a choice that contains 0"
            )
        return Parameter(name, "log", low, high, is_hook=is_hook)
    return Parameter(name, "uniform", low, high, is_hook=is_hook)


def _whole(name: str, parts: Sequence[str], place: str, *, is_hook: bool) -> Parameter:
    if len(parts) not in (2, 3):
        raise UsageError(f"{place}: expected int:LOW:HIGH or int:LOW:HIGH:STEP, found {len(parts)} parts")
    if wrong := [text for text in parts if not re.fullmatch(r"[-+]?\d{1,15}", text.strip())]:
        raise UsageError(f"{place}: expected whole numbers, found {wrong[0]!r}")
    low, high, step = (*(int(text) for text in parts), 1)[:3]
    _check_order(low, high, place)
    if step < 1 or step > high - low:
        raise UsageError(f"{place}: expected a step from 1 to {high - low}, found {step}")
    # Optuna wants the range to be a multiple of the step; no value beyond the last step was meant anyway.
    return Parameter(name, "int", low, high - (high - low) % step, step, is_hook=is_hook)


def _check_order(low: float, high: float, place: str) -> None:
    if not low < high:
        raise UsageError(f"{place}: expected the lower bound below the upper one, found {low:g} and {high:g}")


def _number(text: str, place: str) -> float:
    if not _NUMBER.match(text.strip()):
        raise UsageError(f"{place}: expected a number such as 0.01 or 1e-5, found {text!r}")
    return float(text)


def _joined(argv: list[str]) -> tuple[list[str], list[str]]:
    """Choices put together again that the shell took apart: bash turns `{wd:choice:0,1}` into two words."""
    out: list[str] = []
    notes: list[str] = []
    position = 0
    while position < len(argv):
        argument = argv[position]
        match = _EXPANDED.fullmatch(argument)
        position += 1
        if match is None:
            out.append(argument)
            continue
        prefix, choices = match["prefix"], [match["first"]]
        while position < len(argv) and _continues(argv[position], prefix):
            choices.append(argv[position][len(prefix) :])
            position += 1
        spec = f"{match['name']}:choice:{','.join(choices)}"
        if len(choices) < 2:
            raise UsageError(
                f"argument {len(out) + 1}: found {argument!r} without braces; put quotes around the "
                f"placeholder, since a shell takes braces with commas apart: '{{{spec},…}}'"
            )
        notes.append(
            Text(
                "the shell had taken the braces of {name} apart; understood as {{{spec}}}",
                name=match["name"],
                spec=spec,
            )
        )
        out.append(f"{prefix}{{{spec}}}")
    return out, notes


def _continues(argument: str, prefix: str) -> bool:
    if prefix:
        return argument.startswith(prefix)
    return not argument.startswith("-") or _NUMBER.match(argument) is not None
