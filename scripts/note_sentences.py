"""Sentences of notes, read from the code: a literal is a message, an f-string one with placeholders.

A note is stored in English, in a log or a `RunInfo`, and told again in the language of the report, where it
is compared with the messages of the catalogue. So it needs no mark at the place where it is written:

- what stands in the call or assignment itself, in a constant or variable that it names, or in what a function
  that it calls returns, is read here;
- what is put together in another way is marked, as everywhere else: `Text("{n} points", n=n)`.

What is neither is named by `unread`, and a test refuses it.
"""

from __future__ import annotations

import ast
import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

HOLDERS = frozenset({"notes", "note", "sentences", "sentence", "diagnostics", "damage", "refused", "extra"})
"""How the names of variables, attributes and arguments end that hold sentences."""
WRITERS = {"note": 0, "_note": 0, "_damaged": 0, "report_failure": 0, "infer": 1}
"""Methods that take a sentence, and as which of their arguments."""
MARKS = frozenset({"Text", "counted"})
"""Calls whose message Babel reads."""
_FEW = 16
"""Ways to put one sentence together; more are no sentence but a small language."""
_RELAYS = frozenset({"field", "list", "tuple", "str", "replace"})
"""Calls that hold or pass on what is written elsewhere; `str(error)` says what the error was raised with."""
_ERRORS = frozenset({"UnreadableLogError", "WrongTypeError"})
"""Errors that become notes: one of several files, or one of several facts, could not be read."""


@dataclass(frozen=True)
class _Place:
    """Where an expression stands: its file, its module and the functions around it."""

    path: Path
    scope: tuple[ast.AST, ...]


@dataclass
class _Words:
    """What was read from one file."""

    messages: dict[str, None] = field(default_factory=dict[str, None])
    unread: dict[str, None] = field(default_factory=dict[str, None])


def messages(path: Path) -> list[str]:
    """The sentences and phrases that a file writes into notes, as messages of the catalogue."""
    return list(_read(path).messages)


def unread(path: Path) -> list[str]:
    """`file: expression` of each note whose words cannot be read from the code."""
    return list(_read(path).unread)


@cache
def _read(path: Path) -> _Words:
    words = _Words()
    for expression, place in _sinks(path):
        _take(expression, place, words)
    return words


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _sinks(path: Path) -> Iterator[tuple[ast.expr, _Place]]:
    """Expressions whose value becomes a note."""
    tree = _parsed(path)
    waiting: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(tree, (tree,))]
    while waiting:
        node, scope = waiting.pop()
        for expression in (*_written(node), *_named_parts(node, path)):
            yield expression, _Place(path, scope)
        inner = (*scope, node) if isinstance(node, ast.FunctionDef) else scope
        waiting += [(child, inner) for child in ast.iter_child_nodes(node)]


def _written(node: ast.AST) -> Iterator[ast.expr]:
    """What one statement or call writes into notes."""
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if _holds(keyword.arg or ""))
        if isinstance(node.func, ast.Attribute):
            name, is_kept = node.func.attr, _holds(_last_name(node.func.value))
            at = 0 if name in ("append", "extend") and is_kept else WRITERS.get(name, len(node.args))
            yield from node.args[at : at + 1]
        elif _last_name(node.func) in _ERRORS:
            yield from node.args[:1]
    elif isinstance(node, (ast.For, ast.comprehension)) and _holds(_last_name(node.target)):
        yield node.iter
    elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and node.value is not None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(_holds(_last_name(target)) for target in targets):
            yield node.value


def _named_parts(node: ast.AST, path: Path) -> Iterator[ast.expr]:
    """What the parts of the recorder are called: a note names the one that is off."""
    if isinstance(node, ast.ClassDef) and path.parent.name == "recorders":
        yield from (value for name, value in _assignments(node) if name == "name")


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _holds(name: str) -> bool:
    return name.rpartition("_")[2] in HOLDERS


def _take(node: ast.expr, place: _Place, words: _Words) -> None:
    """Messages of an expression that is a sentence, or a list of sentences."""
    patterns = _patterns(node, place)
    if patterns is not None:
        words.messages.update((one, None) for one in patterns if any(map(str.isalpha, _literal(one))))
        return
    if _is_relay(node):
        return
    inner = [(one, place) for one in _parts(node, place)] or list(_returned(node, place))
    for one, where in inner:
        _take(one, where, words)
    if not inner:
        words.unread[f"{place.path.name}: {ast.unparse(node)}"] = None


def _literal(pattern: str) -> str:
    return "".join(literal for literal, *_ in string.Formatter().parse(pattern))


def _parts(node: ast.expr, place: _Place) -> list[ast.expr]:
    """The sentences that an expression lists or chooses from, and what is assigned to a name."""
    if isinstance(node, ast.Name):
        return _assigned(node.id, place)
    if isinstance(node, (ast.List, ast.Tuple)):
        return node.elts
    if isinstance(node, ast.Starred):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return [node.body, node.orelse]
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        chosen = node.generators[0]
        return [chosen.iter if _last_name(node.elt) == _last_name(chosen.target) else node.elt]
    return []


def _is_relay(node: ast.expr) -> bool:
    """Whether the words are read elsewhere: a `Text`, what a holder of sentences holds, nothing yet."""
    if isinstance(node, ast.Subscript):
        is_held = isinstance(node.slice, ast.Constant) and _holds(str(node.slice.value))
        return is_held or _holds(_last_name(node.value))
    if isinstance(node, ast.Call):
        is_method = isinstance(node.func, ast.Attribute) and _holds(node.func.attr)
        return is_method or _last_name(node.func) in MARKS | _RELAYS
    if isinstance(node, (ast.List, ast.Tuple, ast.Dict)):
        return not getattr(node, "elts", [])
    return _holds(_last_name(node)) or (isinstance(node, ast.Constant) and isinstance(node.value, int))


def _returned(node: ast.expr, place: _Place) -> Iterator[tuple[ast.expr, _Place]]:
    """What a function of ours returns or yields; one item of it where only that is taken."""
    item = node.slice if isinstance(node, ast.Subscript) else None
    call = node.value if isinstance(node, ast.Subscript) else node
    found = _function(_last_name(call.func), place.path) if isinstance(call, ast.Call) else None
    if found is None:
        return
    function, path = found
    inside = _Place(path, (_parsed(path), function))
    for inner in ast.walk(function):
        if isinstance(inner, (ast.Return, ast.Yield, ast.YieldFrom)) and inner.value is not None:
            one = inner.value
            if isinstance(one, ast.Tuple) and isinstance(item, ast.Constant) and isinstance(item.value, int):
                one = one.elts[item.value]
            yield one, inside


def _function(name: str, path: Path) -> tuple[ast.FunctionDef, Path] | None:
    """The function of that name in a module, or in the module that it is imported from."""
    for node in _parsed(path).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node, path
    other = _imported_from(name, path)
    return _function(name, other) if other else None


def _imported_from(name: str, path: Path) -> Path | None:
    for node in _parsed(path).body:
        if isinstance(node, ast.ImportFrom) and node.level and name in {alias.name for alias in node.names}:
            other = path.parents[node.level - 1].joinpath(*(node.module or "").split(".")).with_suffix(".py")
            return other if other.is_file() else None
    return None


def _patterns(node: ast.expr, place: _Place) -> list[str] | None:
    """The patterns that an expression can make, None when its words do not stand in the code."""
    if isinstance(node, ast.Constant):
        return [_escaped(node.value)] if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        called: dict[str, str] = {}
        return _joined([_piece(part, place, called) for part in node.values])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_patterns(side, place) for side in (node.left, node.right)]
        return _joined([side for side in sides if side]) if None not in sides else None
    branches: list[ast.expr] = []
    if isinstance(node, ast.IfExp):
        branches = [node.body, node.orelse]
    elif isinstance(node, ast.BoolOp):
        branches = node.values
    elif isinstance(node, ast.Name):
        branches = _assigned(node.id, place)
    told = [_patterns(branch, place) for branch in branches]
    if not told or None in told:
        return None
    return [pattern for one in told for pattern in one or ()]


def _joined(pieces: list[list[str]]) -> list[str]:
    """Every way to put the pieces together."""
    ways = ["".join(way) for way in itertools.product(*pieces)]
    assert len(ways) <= _FEW, f"a note of {len(ways)} forms cannot be translated: {ways[0]}"
    return ways


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _piece(part: ast.expr, place: _Place, called: dict[str, str]) -> list[str]:
    """A part of an f-string: words, words of a variable, or a placeholder with a name of its own."""
    if not isinstance(part, ast.FormattedValue):
        return _patterns(part, place) or [""]
    is_plain = part.format_spec is None and part.conversion == -1
    if words := _patterns(part.value, place) if is_plain else None:
        for name in {name for one in words for _, name, *_ in string.Formatter().parse(one) if name}:
            assert called.setdefault(name, "") == "", f"{name!r} stands for two values: {words[0]}"
        return words
    value, name = ast.unparse(part.value), _placeholder(part.value)
    free = (f"{name}{n}" for n in itertools.chain([""], itertools.count(2)))
    name = next(one for one in free if called.setdefault(one, value) == value)
    return [f"{{{name}}}"]


def _placeholder(node: ast.AST) -> str:
    """What a value is called in the message: its last own name."""
    if isinstance(node, ast.Name):
        return node.id.strip("_").lower()
    if isinstance(node, ast.Attribute):
        return "type" if node.attr.startswith("__") else node.attr.strip("_").lower()
    if isinstance(node, ast.Call):
        if _last_name(node.func) == "len":
            return "n_" + _placeholder(node.args[0])
        children = [*node.args, getattr(node.func, "value", node.func)]
    else:
        children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    names = map(_placeholder, children)
    return next((name for name in names if name != "value"), "value")


def _assigned(name: str, place: _Place) -> list[ast.expr]:
    """What is assigned to a name in the innermost scope that does, or in the module it is imported from."""
    for around in reversed(place.scope):
        if name in _bound(around):
            return []
        found = [value for target, value in _assignments(around) if target == name]
        if found:
            return found
    other = _imported_from(name, place.path)
    return _assigned(name, _Place(other, (_parsed(other),))) if other else []


def _bound(around: ast.AST) -> set[str]:
    """Names that a function has from elsewhere: its arguments, and what its loops go through."""
    if not isinstance(around, ast.FunctionDef):
        return set()
    arguments = {node.arg for node in ast.walk(around.args) if isinstance(node, ast.arg)}
    targets = [node.target for node in ast.walk(around) if isinstance(node, (ast.For, ast.comprehension))]
    return arguments | {_last_name(part) for target in targets for part in ast.walk(target)}


def _assignments(around: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and what they are assigned to: anywhere in a function, at the top of a module."""
    for node in ast.walk(around) if isinstance(around, ast.FunctionDef) else ast.iter_child_nodes(around):
        if isinstance(node, ast.Assign):
            yield from ((_last_name(target), node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield _last_name(node.target), node.value
