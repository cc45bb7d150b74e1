"""The drawing of a learning-rate range test: loss over LR, with what was suggested."""

from __future__ import annotations

import html
import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from traindoctor.lr_range import LrRange
from traindoctor.text import Text

from .figure_style import AXIS_ALPHA, GRID_ALPHA, INK, NON_FINITE, PALETTE, figure_settings, new_figure
from .language import _, language_tag, tr
from .svg import clean_svg

_TITLE = Text("Learning-rate range test")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "svg{width:100%;height:auto}@media(prefers-color-scheme:dark){body{background:#14171c;color:#e8eaed}}"
)


def lr_range_svg(found: LrRange) -> bytes:
    """One SVG element, the same bytes for the same answer."""
    with figure_settings():
        stored = io.StringIO()
        backend: Any = FigureCanvasSVG(_draw(found))
        backend.print_svg(stored, metadata={"Date": None})
    return clean_svg(stored.getvalue(), "lr-range", tr(_TITLE)).encode()


def lr_range_png(found: LrRange, dpi: int = 150) -> bytes:
    """A PNG on white."""
    with figure_settings():
        canvas = _draw(found)
        canvas.set_dpi(dpi)
        canvas.set_facecolor("#ffffff")
        stored = io.BytesIO()
        backend: Any = FigureCanvasAgg(canvas)
        backend.print_png(stored, metadata={"Software": None})
    return stored.getvalue()


def lr_range_html(found: LrRange) -> bytes:
    """A page with the answer and the drawing; nothing in it is loaded from elsewhere."""
    first, *rest = (html.escape(tr(sentence)) for sentence in found.sentences())
    listed = "".join(f"<li>{sentence}</li>" for sentence in rest)
    title = tr(_TITLE)
    page = (
        f'<!doctype html><html lang="{language_tag()}"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"<h1>{title}</h1><p><strong>{first}</strong></p>{lr_range_svg(found).decode()}<ul>{listed}</ul>"
        "</main></body></html>\n"
    )
    return page.encode()


def _draw(found: LrRange) -> Figure:
    figure = new_figure(3.4)
    axes: Any = figure.add_axes((0.085, 0.16, 0.89, 0.76))
    is_finite = np.isfinite(found.losses)
    axes.plot(found.lrs[is_finite], found.losses[is_finite], color=PALETTE[0], linewidth=1.4)
    if len(found.lrs):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _at: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _at: "")
        _limit(axes, found)
    for lr in found.lrs[~is_finite]:
        axes.axvline(lr, color=NON_FINITE, linewidth=1.0)
    axes.axhline(found.start, color=INK, alpha=AXIS_ALPHA, linewidth=0.8, dashes=(4, 3))
    if found:
        axes.axvspan(found.low, found.high, color=PALETTE[2], alpha=0.13, linewidth=0)
        axes.axvline(found.lr, color=PALETTE[2], linewidth=1.6)
        suggested = _(
            "suggested LR {lr:.3g}, range {low:.2g} to {high:.2g}",
            lr=found.lr,
            low=found.low,
            high=found.high,
        )
        axes.set_title(suggested, loc="left")
    else:
        axes.set_title(_("no learning rate suggested"), loc="left")
    axes.axvline(found.base_lr, color=PALETTE[1], linewidth=1.0, dashes=(2, 2))
    own = _("script's own {lr:.3g}", lr=found.base_lr)
    axes.annotate(
        own, (found.base_lr, 1.0), xycoords=("data", "axes fraction"),
        xytext=(3, -10), textcoords="offset points", fontsize=8, color=PALETTE[1],
    )  # fmt: skip
    axes.set_xlabel(_("learning rate of the first param group, 1/step"))
    axes.set_ylabel(_("loss, loss units"))
    axes.grid(alpha=GRID_ALPHA)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def _limit(axes: Any, found: LrRange) -> None:
    """What happens far above the starting loss is no news: it is cut off."""
    finite = found.losses[np.isfinite(found.losses)]
    if not finite.size or not np.isfinite(found.start):
        return
    low = float(min(finite.min(), found.start))
    high = min(float(finite.max()), found.start + 1.5 * (found.start - low) + 0.1 * abs(found.start))
    margin = 0.06 * max(high - low, 1e-12)
    axes.set_ylim(low - margin, max(high, found.start) + margin)
