"""Figures: thinning keeps every spike, heat maps agree with a slow twin, SVG is clean and deterministic."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from traindoctor.report_templates import figure_heat_map
from traindoctor.report_templates.chart_model import HeatMap, Stack
from traindoctor.report_templates.figures import figure_png, figure_svg
from traindoctor.report_templates.heat_map_data import heat_map, heat_maps
from traindoctor.report_templates.page import build_page
from traindoctor.report_templates.page_model import Figure
from traindoctor.report_templates.thinning import exact_curve, noisy_curve, sparkline
from traindoctor.run import Run, Series

from . import diagnoses


@pytest.mark.parametrize("n", [1, 2, 150, 151, 999, 100_003])
def test_the_band_keeps_every_spike(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    values[n // 3] = 50.0
    values[n // 2] = -50.0
    curve = noisy_curve(diagnoses.series(values), "x", 0)
    high, low = (curve.high, curve.low) if len(curve.band_x) else (curve.y, curve.y)
    assert high.max() == values.max()
    assert low.min() == values.min()
    assert len(curve.band_x) * 2 <= 1000
    assert len(curve.x) <= 150


def test_a_stepped_curve_keeps_its_bends_exactly() -> None:
    values = np.repeat([0.1, 0.01, 0.001], 1000)
    curve = exact_curve(diagnoses.series(values), "lr", 0, is_stepped=True)
    assert curve.x.tolist() == [0, 999, 1000, 1999, 2000, 2999]
    assert np.interp(1500, curve.x, curve.y) == 0.01


def test_a_long_smooth_curve_keeps_its_extremes() -> None:
    values = np.sin(np.linspace(0, 9, 50_000))
    curve = exact_curve(diagnoses.series(values), "lr", 0)
    assert len(curve.x) <= 1002
    assert (curve.y.max(), curve.y.min()) == (values.max(), values.min())


def test_sparkline() -> None:
    points, text = sparkline(diagnoses.series([0.0, 1.0], [0, 23]), 0, 23)
    assert text == "▁" + " " * 22 + "█"
    assert np.isnan(points[1])
    assert sparkline(diagnoses.series([np.nan]), 0, 9)[1] == ""


def _slow_row(run: Run, name: str, bins: int) -> list[float | None]:
    """The obvious way: per bin, the last sampled stretch of the run, and what this parameter did there."""
    table = run.parameter("grad_norm")
    sampled = sorted({int(s) for series in table.values() for s in series.steps})
    first, last = sampled[0], sampled[-1]
    n_bins = min(bins, last - first + 1)
    ends = sorted({int(np.ceil(first + (last - first) * (i + 1) / n_bins)) for i in range(n_bins)})
    row: list[float | None] = []
    held: float | None = None
    start = first
    for end in ends:
        others = [s for s in sampled if start <= s <= end]
        mine = [
            float(v) for s, v in zip(table[name].steps, table[name].values, strict=True) if start <= s <= end
        ]
        if others and not mine:
            held = None
        elif mine:
            is_finite = all(np.isfinite(mine))
            held = (0.0 if 0.0 in mine else float(np.median(mine))) if is_finite else float("nan")
        row.append(held)
        start = end + 1
    return row


_SAMPLES = st.dictionaries(
    st.integers(0, 900),
    st.sampled_from([0.0, 1.0, 2.5, 4.0, float("nan"), float("inf"), -float("inf")]),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_SAMPLES, min_size=1, max_size=4))
def test_heat_map_agrees_with_its_slow_twin(tables: list[dict[int, float]]) -> None:
    series = {
        f"p{i}": Series(np.asarray(sorted(table)), np.asarray([table[s] for s in sorted(table)]))
        for i, table in enumerate(tables)
    }
    run = Run("r", "r", {}, {"grad_norm": series})
    drawn = heat_map(run, "grad_norm", "", "step")
    assert drawn is not None
    for index, name in enumerate(series):
        slow = _slow_row(run, name, 240)
        assert [bool(flag) for flag in drawn.is_recorded[index]] == [value is not None for value in slow]
        known = drawn.is_recorded[index] > 0
        expected = [value for value in slow if value is not None]
        np.testing.assert_array_equal(drawn.values[index][known], expected)


def test_many_parameters_are_put_together_per_module() -> None:
    run = diagnoses.thousand_parameters().run
    drawn = heat_map(run, "grad_norm", "", "step")
    assert drawn is not None
    assert drawn.rows[:2] == ("blocks.0", "blocks.1")
    assert drawn.values.shape[0] == 100
    members = [run.parameter("grad_norm")[f"blocks.5.{part}.{kind}"] for part in ("q", "k", "v", "o", "mlp")
               for kind in ("weight", "bias")]  # fmt: skip
    assert drawn.values[5, 0] == pytest.approx(np.median([series.values[:1] for series in members]), rel=0.5)


def _figures() -> list[Figure]:
    return list(build_page(diagnoses.realistic()).screen_figures)


@pytest.mark.parametrize("figure", _figures(), ids=lambda figure: figure.id)
def test_svg(figure: Figure) -> None:
    svg = figure_svg(figure).svg
    root = ElementTree.fromstring(svg)
    assert root.find("{http://www.w3.org/2000/svg}title").text == figure.title  # type: ignore[union-attr]
    assert not any("style" in element.attrib for element in root.iter())
    assert not any(
        element.tag.endswith("}style") or element.tag.endswith("}metadata") for element in root.iter()
    )
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert all(name.startswith(f"fig-{figure.id}-") for name in ids)
    references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    assert references <= set(ids)
    assert "currentColor" in svg
    assert figure_svg(figure).svg == svg


def _image(svg: str) -> Image.Image:
    (first, *_) = re.findall(r'href="data:image/png;base64,([^"]+)"', svg)
    return Image.open(io.BytesIO(base64.b64decode(first)))


def test_heat_map_is_one_palette_image_with_flat_colours() -> None:
    figure = next(figure for figure in _figures() if figure.id == "heat-grad-norm")
    assert isinstance(figure.drawing, HeatMap)
    image = _image(figure_svg(figure).svg)
    assert image.mode == "P"
    assert image.size == figure.drawing.values.shape[::-1]
    pixels = np.asarray(image.convert("RGB"))
    for colour, is_there in (
        (figure_heat_map.ZERO, (figure.drawing.values == 0) & (figure.drawing.is_recorded > 0)),
        (figure_heat_map.NOT_FINITE, ~np.isfinite(figure.drawing.values) & (figure.drawing.is_recorded > 0)),
        (figure_heat_map.NOT_RECORDED, figure.drawing.is_recorded == 0),
    ):
        expected = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert is_there.any()
        np.testing.assert_array_equal((pixels == expected).all(axis=2), is_there)


def test_the_second_mode_is_relative_to_the_median_parameter() -> None:
    names = [f"layer{i}.weight" for i in range(5)]
    fall = 1.0 / (1 + np.arange(40))
    table = {
        name: diagnoses.series(factor * fall) for name, factor in zip(names, (1, 2, 2, 2, 60), strict=True)
    }
    table["layer0.bias"] = diagnoses.series(np.r_[np.zeros(20), np.full(20, np.nan)])
    absolute, relative = heat_maps(Run("r", "r", {}, {"grad_norm": table}), "grad_norm", "", "step")
    assert (absolute.is_relative, relative.is_relative) == (False, True)
    assert relative.rows == absolute.rows
    for row, factor in enumerate((0.5, 1, 1, 1, 30)):
        np.testing.assert_allclose(relative.values[row], factor)
    assert (absolute.values[5] == 0).any()
    np.testing.assert_array_equal(relative.values[5], absolute.values[5], "zeros and NaN stay what they are")
    assert relative.limits[0] == -relative.limits[1]
    two = {name: table[name] for name in names[:2]}
    assert len(heat_maps(Run("r", "r", {}, {"grad_norm": two}), "grad_norm", "", "step")) == 1


def test_flat_colours_are_none_of_the_scale() -> None:
    levels = [*figure_heat_map.colours(), *figure_heat_map.colours(is_relative=True)]
    scale = {tuple(int(v) for v in colour[:3]) for colour in levels}
    for colour in (figure_heat_map.ZERO, figure_heat_map.NOT_FINITE, figure_heat_map.NOT_RECORDED):
        assert tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) not in scale


def test_png() -> None:
    figure = _figures()[0]
    content = figure_png(figure, dpi=72)
    image = Image.open(io.BytesIO(content))
    assert image.size[0] == 619
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert figure_png(figure, dpi=72) == content


def test_a_users_style_changes_nothing() -> None:
    figure = _figures()[0]
    before = figure_svg(figure).svg
    with mpl.rc_context(
        {"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "black", "svg.fonttype": "path"}
    ):
        assert figure_svg(figure).svg == before
        assert mpl.rcParams["font.size"] == 30


def test_plot_areas_lie_inside_the_view_box() -> None:
    figure = _figures()[2]
    drawn = figure_svg(figure)
    assert isinstance(figure.drawing, Stack)
    assert len(drawn.areas) == len(figure.drawing.panels)
    width, height = (float(v) for v in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn.svg)[0])
    for area in drawn.areas:
        assert 0 < area.left < area.right < width
        assert 0 < area.top < area.bottom < height
    assert all(above.bottom < below.top for above, below in zip(drawn.areas, drawn.areas[1:], strict=False))
