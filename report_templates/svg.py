"""matplotlib's SVG made fit for a page: no style attributes, own ids, palette images, short numbers."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np

from .figure_parts import place_of
from .figure_style import INK
from .svg_economy import economise

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_COMMAND = re.compile(r"\s*([A-Za-z])\s*")
_NUMERIC = ("d", "transform", "x", "y", "width", "height", "points")
_DROPPED = {"font-family", "stroke-linejoin", "stroke-linecap", "stroke-miterlimit"}


def clean_svg(text: str, prefix: str, title: str) -> str:
    """The drawing as one inline `<svg>` element.

    Args:
        text: what matplotlib's SVG backend wrote.
        prefix: put before every id, so that several figures fit on one page.
        title: what a screen reader says.
    """
    root = ElementTree.fromstring(text)
    _drop(root)
    names: dict[str, str] = {}
    for element in root.iter():
        _style_to_attributes(element)
        _name_part(element)
        if "id" in element.attrib:
            names.setdefault(element.attrib["id"], f"{prefix}-{len(names)}")
    _rename(root, names)
    economise(root)
    _describe(root, prefix, title)
    ElementTree.register_namespace("", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _drop(root: ElementTree.Element) -> None:
    """Remove metadata and the style sheet, which would apply to the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"}:
                parent.remove(child)
    _drop_empty(root)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)


def _drop_empty(parent: ElementTree.Element) -> None:
    """Remove groups without content (minor ticks) and the white space of pretty printing."""
    for child in list(parent):
        _drop_empty(child)
        if child.tag == f"{{{_SVG}}}g" and not len(child):
            parent.remove(child)
        child.tail = None
    if len(parent):
        parent.text = None


def _style_to_attributes(element: ElementTree.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if value and name.strip() not in _DROPPED:
            element.set(name.strip(), value.strip())
    for key, value in list(element.attrib.items()):
        if value.startswith("rotate(-0 "):
            del element.attrib[key]  # turns by nothing
        elif value.lower() == INK:
            element.set(key, "currentColor")
        elif key in _NUMERIC:
            value = _LONG_NUMBER.sub(lambda found: _short(found.group()), value)
            element.set(key, _COMMAND.sub(r"\1", value) if key == "d" else value)
    href = element.attrib.pop(_HREF, None)
    if href is not None:
        element.set("href", _palette_image(href) if href.startswith("data:") else href)


def _name_part(element: ElementTree.Element) -> None:
    """What moves with the x axis is found by its class, and by the stretch of the axis it belongs to."""
    part, ends = place_of(element.get("id", ""))
    if part:
        del element.attrib["id"]
        element.set("class", part)
    for key, end in zip(("data-first", "data-last"), ends, strict=False):
        element.set(key, end)


def _short(number: str) -> str:
    return f"{float(number):.2f}".rstrip("0").rstrip(".")


def _rename(root: ElementTree.Element, names: dict[str, str]) -> None:
    """Give every referenced id its prefix and drop the others; matplotlib defines equal markers twice."""
    referenced: set[str] = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "href" and value.startswith("#"):
                referenced.add(value[1:])
                element.set(key, f"#{names[value[1:]]}")
            elif value.startswith("url(#"):
                referenced.add(value[5:-1])
                element.set(key, f"url(#{names[value[5:-1]]})")
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in referenced:
            referenced.remove(own)
            element.set("id", names[own])


def _describe(root: ElementTree.Element, prefix: str, title: str) -> None:
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}-title")
    root.set("class", "figure")
    # Read by WeasyPrint, which hands no CSS into an SVG; in a browser the page's own rules win.
    root.set("color", "#1b1f24")
    root.set("font-family", "DejaVu Sans, sans-serif")
    element = ElementTree.Element(f"{{{_SVG}}}title", {"id": f"{prefix}-title"})
    element.text = title
    root.insert(0, element)


def pixels_of(url: str) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """The picture in a data: address as red, green, blue and opacity, shape (n_rows, n_columns, 4)."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))).convert("RGBA"))


def _palette_image(url: str) -> str:
    """The same picture as a PNG with a palette (lossless; as it is where it has more than 256 colours)."""
    from PIL import Image

    pixels = pixels_of(url)
    flat, index = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(flat) > 256 or bool((flat[:, 3] != 255).any()):
        return url
    image = Image.fromarray(index.reshape(pixels.shape[:2]).astype(np.uint8), mode=None).convert("P")
    image.putpalette(flat[:, :3].ravel().tolist())
    stored = io.BytesIO()
    image.save(stored, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stored.getvalue()).decode("ascii")
