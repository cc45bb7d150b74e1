"""What a drawing can do without: wrappers, invisible shapes, references to tick marks, repeated defaults."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

_SVG = "{http://www.w3.org/2000/svg}"
_STROKE_TO = re.compile(r"M0 0L(-?[\d.]+) (-?[\d.]+)")
AXES = frozenset({"x-axis", "y-axis"})
"""Groups whose direct children are ticks: a browser copies one to make another."""
TICK = "tick"
"""Class of the short stroke of a tick on such an axis."""
_ABSOLUTE = re.compile(r"(?:[ML]-?[\d.]+ -?[\d.]+z?)+")
_POINT = re.compile(r"([ML])(-?[\d.]+) (-?[\d.]+)(z?)")
_INHERITED = {"fill": "currentColor", "font-size": "8px"}
"""Attributes of nearly every text: said once, at the root."""
_DEFAULTS = {"text-anchor": "start", "fill-opacity": "1", "stroke-opacity": "1"}


def economise(root: Element) -> None:
    """Change a cleaned drawing in place so that it looks the same with fewer elements and characters.

    A page holds hundreds of ticks and labels, each of which matplotlib wraps three times; every element costs
    a browser time before it shows the page, and every box costs WeasyPrint some.
    """
    _name_black(root)
    _draw_ticks(root)
    _drop_invisible(root)
    _unwrap(root)
    for element in root.iter():
        _drop_repeated(element)
    for name, value in _INHERITED.items():
        root.set(name, value)


def _name_black(parent: Element) -> None:
    """A black filling is not written, since it is SVG's own default; at the root stands another one."""
    for child in parent:
        if child.tag in {f"{_SVG}path", f"{_SVG}use"}:
            child.attrib.setdefault("fill", "#000000")
        elif child.tag != f"{_SVG}defs":  # what is defined takes the filling of its use
            _name_black(child)


def _draw_ticks(root: Element) -> None:
    """Tick marks as strokes in their place, instead of references to one stroke."""
    strokes: dict[str, tuple[str, str]] = {}
    for element in root.iter(f"{_SVG}path"):
        found = _STROKE_TO.fullmatch(element.get("d", "").strip())
        if found and "id" in element.attrib:
            strokes[f"#{element.attrib['id']}"] = (found[1], found[2])
    for axis in root.iter():
        for element in axis.iter() if axis.get("class") in AXES else ():
            if element.get("href") in strokes:
                element.set("class", TICK)
    for element in root.iter(f"{_SVG}use"):
        stroke = strokes.get(element.get("href", ""))
        if stroke is None:
            continue
        x, y = element.attrib.pop("x", "0"), element.attrib.pop("y", "0")
        del element.attrib["href"]
        element.attrib.pop("fill", None)
        element.tag = f"{_SVG}path"
        element.set("d", f"M{x} {y}l{stroke[0]} {stroke[1]}")
    for parent in root.iter():
        for child in list(parent):
            if child.tag == f"{_SVG}path" and f"#{child.get('id', '')}" in strokes:
                parent.remove(child)


def _drop_invisible(parent: Element) -> None:
    """Paths without fill and stroke, and groups and definitions that hold nothing."""
    for child in list(parent):
        _drop_invisible(child)
        is_blank = child.tag == f"{_SVG}path" and child.get("fill") == "none" and "stroke" not in child.attrib
        is_empty = child.tag in {f"{_SVG}g", f"{_SVG}defs"} and not len(child)
        if is_blank or is_empty:
            parent.remove(child)


def _unwrap(parent: Element) -> None:
    """Put the children of a group that says nothing in its place; a tick of an axis stays one group."""
    kept: list[Element] = []
    for child in list(parent):
        _unwrap(child)
        is_tick = parent.get("class") in AXES
        if child.tag == f"{_SVG}g" and not child.attrib and not is_tick:
            kept += list(child)
        else:
            kept.append(child)
    parent[:] = kept


def _drop_repeated(element: Element) -> None:
    """Attributes that say what holds anyway."""
    if "d" in element.attrib:
        element.set("d", _relative(element.attrib["d"].strip()))
    for name, value in _DEFAULTS.items():
        if element.get(name) == value:
            del element.attrib[name]
    if element.tag == f"{_SVG}text":
        for name, value in _INHERITED.items():
            if element.get(name) == value:
                del element.attrib[name]


def _relative(path: str) -> str:
    """The same path told by distances, if it is made of moves and straight lines alone.

    Coordinates have two decimals, and so have their differences: no error adds up.

    >>> _relative("M10 10L10.5 9.75L12 10zM20 1L20 3")
    'M10 10l.5-.25 1.5 .25zM20 1l0 2'
    """
    if not _ABSOLUTE.fullmatch(path):
        return path
    parts: list[str] = []
    x = y = 0.0
    before = ""
    for command, x_text, y_text, end in _POINT.findall(path):
        new_x, new_y = float(x_text), float(y_text)
        if command == "M":
            parts.append(f"M{x_text} {y_text}")
        else:
            step = f"{_short(new_x - x)}{_joined(_short(new_y - y))}"
            parts.append(_joined(step) if before == "L" else f"l{step}")
        parts.append(end)
        x, y, before = new_x, new_y, "" if end else command
    return "".join(parts)


def _short(number: float) -> str:
    """At most two decimals, without the zeros that say nothing.

    >>> _short(0.5), _short(-0.25), _short(-0.001), _short(10.0), _short(100.1)
    ('.5', '-.25', '0', '10', '100.1')
    """
    text = f"{number:.2f}".rstrip("0").rstrip(".")
    text = text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
    return "0" if text == "-0" else text


def _joined(number: str) -> str:
    """A number after another: a minus separates, too."""
    return number if number.startswith("-") else f" {number}"
