"""Pictures inside an SVG on screen, for pages whose host blocks them (Jenkins' policy: `img-src 'self'`)."""

from __future__ import annotations

import html
import re

import numpy as np

from .language import _
from .svg import pixels_of

MOST_RUNS = 2500
"""Stretches of one colour up to which a picture is drawn as lines, some 8 bytes each; a heat map of 60
parameters has 13,000, and stays a picture of a sixth of the size."""
_IMAGE = re.compile(r"<image [^>]*/>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_PLACE = re.compile(r"matrix\((\S+) 0 0 (\S+) (\S+) (\S+)\)")


def without_need_of_images(svg: str) -> str:
    """The same drawing, small pictures as lines; behind each large one stands where its values are."""
    return _IMAGE.sub(lambda found: _redrawn(found.group()), svg)


def _redrawn(element: str) -> str:
    """One `<image>` as lines, or with a sentence behind it; as it is where its place is not a plain one."""
    attributes = dict(_ATTRIBUTE.findall(element))
    place = _PLACE.fullmatch(attributes.get("transform", ""))
    href = attributes.get("href", "")
    if place is None or not href.startswith("data:") or {"x", "y"} & attributes.keys():
        return element
    across, down, left, top = map(float, place.groups())
    colours = pixels_of(href)[..., :3].astype(np.int64) @ (65536, 256, 1)
    rows, firsts, lengths = _runs(colours)
    if len(rows) > MOST_RUNS:
        # Left of the sign that a browser puts in the middle of a picture it did not get.
        lines = _("Pictures are blocked here;\nsee the table below.").split("\n")
        sentence = "".join(
            f'<text x="{left + 6:.2f}" y="{top + 14 + 11 * index:.2f}">{html.escape(line)}</text>'
            for index, line in enumerate(lines)
        )
        return sentence + element
    # The middle of a row is where the line of its colour runs.
    shades = colours[rows, firsts]
    paths = "".join(
        f'<path stroke="#{colour:06x}" d="{_path(rows[here], firsts[here], lengths[here])}"/>'
        for colour in np.unique(shades)
        for here in [shades == colour]
    )
    middle = top + down / 2
    return (
        f'<g transform="matrix({across:g} 0 0 {down:g} {left:g} {middle:g})" '
        f'shape-rendering="crispEdges">{paths}</g>'
    )


def _runs(colours: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> tuple[np.ndarray, ...]:
    """Row, first column and length of each stretch of one colour within a row, each of shape (n_runs,)."""
    is_first = np.ones(colours.shape, dtype=bool)
    is_first[:, 1:] = colours[:, 1:] != colours[:, :-1]
    starts = np.flatnonzero(is_first)
    rows, firsts = np.divmod(starts, colours.shape[1])
    return rows, firsts, np.diff(starts, append=colours.size)


def _path(rows: np.ndarray, firsts: np.ndarray, lengths: np.ndarray) -> str:
    return "".join(f"M{x} {y}h{n}" for y, x, n in zip(rows, firsts, lengths, strict=True))
