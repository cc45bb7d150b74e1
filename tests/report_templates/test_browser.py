"""The HTML report in a real browser: read-outs, crosshair, axis switch, zoom, keys, dark, print, phone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.screenshots import JENKINS
from traindoctor.report_templates.formats import render

from . import diagnoses
from .browser import MISSING, Watched, open_browser

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "-")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("pages")

    @cache
    def write(case: str) -> Path:
        path = folder / f"{case}.html"
        render(getattr(diagnoses, case)(), path)
        return path

    return write


@pytest.fixture
def opened(browser: Any, written: Any) -> Iterator[Any]:
    """Opens a case; whatever the test did with it, the page said nothing and asked for nothing."""
    pages: list[Watched] = []

    def open_(case: str = "timed", **settings: Any) -> Any:
        pages.append(Watched(browser, written(case), **settings))
        return pages[-1].page

    yield open_
    for one in pages:
        one.context.close()
        assert one.said == []
        assert one.asked == []


def chart(page: Any, name: str = "curves") -> Any:
    found = page.locator(f"#figure-{name} svg.figure")
    found.scroll_into_view_if_needed()
    return found


def move(page: Any, svg: Any, x: float, y: float = 40) -> None:
    """Point at a place given in the view box of a figure."""
    box = svg.bounding_box()
    width = svg.evaluate("svg => svg.viewBox.baseVal.width")
    page.mouse.move(box["x"] + x / width * box["width"], box["y"] + y)


def readouts(page: Any) -> list[str]:
    return [text.strip() for text in page.locator(".readout").all_text_contents()]


def told(page: Any, name: str = "curves") -> str:
    return page.locator(f"#figure-{name} .readout").text_content().strip()


def step_of(readout: str) -> int:
    found = re.search(r"optimizer step ([\d,]+)", readout)
    assert found is not None, readout
    return int(found.group(1).replace(",", ""))


def ticks(svg: Any, axis: str = ".x-axis", panel: int = -1) -> list[str]:
    """Labels of a panel's visible ticks."""
    return (
        svg.locator(".x-panel")
        .nth(panel)
        .locator(f"{axis} text")
        .evaluate_all(
            "all => all.filter(one => !one.closest('[display=none], .x-title')).map(one => one.textContent)"
        )
    )


def picture(svg: Any) -> list[str]:
    """What is drawn, without the crosshair and its values."""
    return svg.locator(".x-panel").evaluate_all("all => all.map(one => one.outerHTML)")


def numbers(labels: list[str]) -> list[float]:
    return [float(label.replace(",", "").replace("−", "-")) for label in labels]


def marker_x(svg: Any) -> float:
    return float(svg.locator(".x-point use").first.get_attribute("x"))


@pytest.mark.parametrize("case", ["timed", "hostile"])
def test_opens_quietly_and_the_script_ran(opened: Any, case: str) -> None:
    page = opened(case)
    assert page.locator("h1").is_visible()
    n_charts = page.evaluate(
        "Object.keys(JSON.parse(document.getElementById('readouts').textContent).charts).length"
    )
    assert page.locator(".readout").count() == n_charts
    assert page.locator("svg.live").count() == n_charts


def test_the_readout_tells_the_recorded_values(opened: Any) -> None:
    page = opened()
    svg = chart(page)
    move(page, svg, 300)
    shown = page.locator("#figure-curves .readout").text_content()
    step = step_of(shown)
    run = diagnoses.timed().run
    validation = run.series["loss/validation"]
    nearest = float(validation.values[np.argmin(np.abs(validation.steps - step))])
    assert re.search(rf"loss train [\d.]+ · validation {nearest:.4g} ", shown)
    rate = float(run.series["lr/0"].at(np.asarray([step]))[0])
    assert f"learning rate recorded {rate:.4g}" in shown


def test_the_crosshair_is_shared_by_all_charts_over_time(opened: Any) -> None:
    page = opened()
    svg = chart(page)
    lines = page.locator(".crosshair")
    state = "all => all.map(line => line.getAttribute('visibility'))"
    assert set(lines.evaluate_all(state)) == {"hidden"}
    move(page, svg, 300)
    whole = page.locator(":is(#figure-overview, #figure-curves, #figure-schedule) .crosshair")
    assert set(whole.evaluate_all(state)) == {"visible"}
    assert whole.count() >= 7
    assert len({step_of(told(page, name)) for name in ("overview", "curves", "schedule")}) == 1
    page.mouse.move(2, 2)
    assert set(lines.evaluate_all(state)) == {"hidden"}
    assert set(readouts(page)) == {""}


def test_the_x_axis_switches_between_step_epoch_and_time(opened: Any) -> None:
    page = opened()
    svg = chart(page)
    drawn = picture(svg)
    group = page.get_by_role("group", name="x axis")
    buttons = {name: group.get_by_role("button", name=name) for name in ("step", "epoch", "time")}
    at_steps, on_steps = marker_x(svg), numbers(ticks(svg))
    expected = {
        "epoch": ("epoch", 40, "epoch 2[23]", False),
        "time": ("time since the first step, h", 2.3, r"0\.80\d* h ", True),
    }
    for name, (title, last, place, is_bent) in expected.items():
        buttons[name].click()
        pressed = {key: one.get_attribute("aria-pressed") for key, one in buttons.items()}
        assert pressed == {key: str(key == name).lower() for key in buttons}
        assert svg.locator(".x-title").text_content().strip() == title
        shown = numbers(ticks(svg))
        assert len(shown) >= 4
        assert shown != on_steps
        assert shown[-1] <= last
        # The best validation loss stands where its step is, on every axis.
        move(page, svg, marker_x(svg))
        text = page.locator("#figure-curves .readout").text_content()
        assert abs(step_of(text) - 11_499) < 60
        assert re.match(place, text), text
        # Late steps take longer: in time, the best point comes earlier than in steps.
        assert (marker_x(svg) < at_steps - 40) == is_bent
        overview = page.locator("#figure-overview .x-title")
        assert overview.text_content().strip() == title
        assert page.locator("#figure-schedule .x-title").text_content().strip() == "optimizer step"
    buttons["step"].click()
    page.mouse.move(2, 2)
    assert picture(svg) == drawn


def test_the_bars_of_findings_go_with_the_axis(opened: Any) -> None:
    page = opened()
    svg = chart(page)
    page.get_by_role("button", name="time").click()
    spans = svg.locator(".x-span")
    assert spans.count() >= 2
    for index in range(spans.count()):
        span = spans.nth(index)
        left = float(re.findall(r"M\s*([\d.]+)", span.locator("path").get_attribute("d"))[0])
        move(page, svg, max(left, 49))
        first = max(int(span.get_attribute("data-first")), 0)
        assert abs(step_of(page.locator("#figure-curves .readout").text_content()) - first) < 130


def test_no_switch_where_only_steps_are_known(opened: Any) -> None:
    page = opened("nan_losses")
    assert page.get_by_role("group", name="x axis").count() == 0
    assert page.get_by_role("button", name="Reset zoom").count() == 0  # hidden until there is a zoom


def drag(page: Any, svg: Any, first: float, last: float) -> None:
    move(page, svg, first)
    page.mouse.down()
    move(page, svg, (first + last) / 2)
    move(page, svg, last)
    page.mouse.up()


def test_dragging_zooms_all_charts_and_a_double_click_resets(opened: Any) -> None:
    page = opened()
    svg = chart(page)
    drawn = picture(svg)
    losses = ticks(svg, ".y-axis", 0)
    move(page, svg, 250)
    first = step_of(told(page))
    move(page, svg, 350)
    last = step_of(told(page))
    drag(page, svg, 250, 350)
    for name in ("overview", "curves", "schedule"):
        shown = numbers(ticks(page.locator(f"#figure-{name} svg.figure")))
        assert len(shown) >= 4
        assert first <= shown[0] < shown[-1] <= last
    assert ticks(svg, ".y-axis", 0) != losses, "the y axis follows what is shown"
    move(page, svg, 44)
    assert abs(step_of(told(page)) - first) < 60
    assert page.get_by_role("button", name="Reset zoom").count() == 2  # of the curves and of the schedule
    svg.dblclick(position={"x": 300, "y": 60})
    page.mouse.move(2, 2)
    assert picture(svg) == drawn


def test_a_zoomed_curve_still_passes_through_its_points(opened: Any) -> None:
    """Zoomed on any axis, the validation curve's points stand at the values that the y ticks say."""
    page = opened()
    svg = chart(page)
    page.get_by_role("button", name="epoch").click()
    drag(page, svg, 200, 400)
    height = svg.evaluate(
        """svg => {
          const panel = svg.querySelectorAll('.x-panel')[1];
          const ticks = [...panel.querySelectorAll('.y-axis .made > g')].map(tick =>
            [tick.querySelector('text').textContent, /^M\\S+ ([-\\d.]+)/
              .exec(tick.querySelector('.tick').getAttribute('d'))[1]].map(Number));
          const path = panel.querySelector('.x-curve path').getAttribute('d');
          const points = [...path.matchAll(/[ML]\\s*(\\S+) ([-\\d.]+)/g)];
          return { ticks, points: points.map(([, x, y]) => [Number(x), Number(y)]) };
        }"""
    )
    (low, y_low), *_, (high, y_high) = height["ticks"]
    accuracy = diagnoses.timed().run.series["accuracy/validation"]
    assert len(height["points"]) == len(accuracy)
    told = [low + (y - y_low) / (y_high - y_low) * (high - low) for _, y in height["points"]]
    slack = 0.01 * (high - low)
    nearest = [float(np.abs(accuracy.values - value).min()) for value in told]
    assert max(nearest) < slack


def test_keys_read_zoom_and_reset(opened: Any) -> None:
    page = opened()
    svg = chart(page)
    drawn = picture(svg)
    svg.focus()
    page.keyboard.press("ArrowRight")
    first = step_of(told(page))
    page.keyboard.press("ArrowRight")
    assert step_of(told(page)) - first == 200  # a hundredth of 20,000 steps
    page.keyboard.press("Shift+ArrowRight")
    assert step_of(told(page)) - first == 2200
    assert page.locator("#figure-curves .readout").get_attribute("aria-live") == "polite"
    page.keyboard.press("+")
    page.keyboard.press("+")
    zoomed = numbers(ticks(svg))
    assert zoomed[-1] - zoomed[0] <= 5000
    for _ in range(9):
        page.keyboard.press("Shift+ArrowRight")
    assert numbers(ticks(svg))[0] > zoomed[0], "the view goes with the crosshair"
    page.keyboard.press("-")
    assert numbers(ticks(svg))[-1] - numbers(ticks(svg))[0] > 5000
    page.keyboard.press("0")
    page.keyboard.press("Escape")
    assert picture(svg) == drawn


def test_switch_and_charts_are_reached_by_tab(opened: Any) -> None:
    page = opened()
    page.get_by_role("button", name="step").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="epoch").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.matches('#figure-curves svg.live')")


def test_the_plot_of_a_finding_is_read_and_stays_zoomed_as_it_is(opened: Any) -> None:
    page = opened()
    plot = chart(page, "evidence-finding-1")
    table = page.locator("#finding-1 > .evidence .table")
    assert plot.bounding_box()["x"] > table.bounding_box()["x"] + table.bounding_box()["width"] / 2, (
        "beside it"
    )
    drawn, shown = picture(plot), numbers(ticks(plot))
    first, last = json.loads(page.locator("#readouts").text_content())["charts"]["evidence-finding-1"][
        "limits"
    ]
    assert first > 0, "zoomed on the steps of the finding"
    air = 0.011 * (last - first)
    assert first - air <= shown[0] < shown[-1] <= last + air
    move(page, plot, 150)
    step = step_of(told(page, "evidence-finding-1"))
    assert first <= step <= last
    assert step_of(told(page)) == step, "the crosshair is that of all charts"
    assert re.search(r"train [\d.]+ · validation [\d.]+", told(page, "evidence-finding-1"))
    drag(page, plot, 80, 200)
    plot.dblclick(position={"x": 150, "y": 60})
    plot.focus()
    for key in ("+", "-", "0", "ArrowRight"):
        page.keyboard.press(key)
    assert step_of(told(page, "evidence-finding-1")) > first
    page.mouse.move(2, 2)
    drag(page, chart(page), 200, 260)
    assert picture(plot) == drawn


def test_a_plot_in_a_closed_finding_is_drawn_when_it_opens(opened: Any) -> None:
    page = opened()
    page.locator("#finding-1 details.symptoms summary").click()
    plot = chart(page, "evidence-finding-2")
    move(page, plot, 150)
    assert step_of(told(page, "evidence-finding-2")) > 0


@pytest.mark.parametrize("has_script", [True, False])
def test_the_heat_map_switches_its_mode(opened: Any, has_script: bool) -> None:
    """By the style sheet alone, with the mouse and with the keyboard; print shows the chosen one."""
    page = opened(java_script_enabled=has_script)
    values = page.locator("#figure-heat-grad-norm")
    relative = page.locator("#figure-heat-grad-norm-relative")
    assert (values.is_visible(), relative.is_visible()) == (True, False)
    group = page.get_by_role("radiogroup").filter(has=relative)
    group.get_by_text("relative to the median parameter", exact=True).click()
    assert (values.is_visible(), relative.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (values.is_visible(), relative.is_visible()) == (False, True)
    assert not group.locator("label").first.is_visible()
    page.emulate_media(media="screen")
    page.locator("#mode-heat-grad-norm-relative").focus()
    page.keyboard.press("ArrowLeft")
    assert (values.is_visible(), relative.is_visible()) == (True, False)
    assert page.locator("#figure-heat-update-ratio").is_visible(), "each map by itself"


def test_awkward_charts_zoom_and_switch(opened: Any) -> None:
    """One point, NaN rugs: keys and drags do no harm."""
    for case in ("single_step", "nan_losses"):
        page = opened(case)
        for index in range(page.locator("svg.live").count()):
            svg = page.locator("svg.live").nth(index)
            svg.focus()
            for key in ("+", "+", "ArrowRight", "-", "ArrowLeft", "0"):
                page.keyboard.press(key)
            svg.scroll_into_view_if_needed()
            drag(page, svg, 200, 400)
        assert page.evaluate(
            "[...document.querySelectorAll('svg *')].every(one => [...one.attributes].every("
            "({ value }) => !/NaN|Infinity|undefined/.test(value)))"
        )


def test_dark_mode_turns_page_and_figures(opened: Any) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        colours[scheme] = page.evaluate(
            """() => {
              const of = (selector, what) => getComputedStyle(document.querySelector(selector))[what];
              return [of('body', 'backgroundColor'), of('body', 'color'),
                of('#figure-curves .x-curve path', 'stroke'), of('#figure-curves .x-axis text', 'fill')];
            }"""
        )
    assert colours["light"][0] == "rgb(255, 255, 255)"
    assert colours["dark"][0] == "rgb(20, 23, 27)"
    assert all(light != dark for light, dark in zip(colours["light"], colours["dark"], strict=True))
    assert colours["dark"][1] == colours["dark"][3], "ticks have the colour of the text"


def test_print_shows_no_controls_and_light_colours(opened: Any) -> None:
    page = opened(color_scheme="dark")
    page.emulate_media(media="print")
    for selector in ("nav", ".controls", ".copy", ".readout"):
        assert not page.locator(selector).first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf()[:5] == b"%PDF-"


@pytest.mark.parametrize("case", ["timed", "hostile"])
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_scrolls_in_one_direction(opened: Any, case: str, width: int) -> None:
    page = opened(case, viewport={"width": width, "height": 800}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("getComputedStyle(document.body).fontSize") == "16px"


@pytest.mark.parametrize("has_script", [True, False])
def test_the_whole_page_is_laid_out_soon(opened: Any, has_script: bool) -> None:
    """Sections off screen wait until the page has been shown, and no longer: full pictures are complete."""
    page = opened(java_script_enabled=has_script)  # waits for it where there is script
    visible = "all => all.map(one => getComputedStyle(one).contentVisibility)"
    assert set(page.locator("main > section").evaluate_all(visible)) == {"visible"}


def test_without_javascript_everything_is_there(opened: Any) -> None:
    page = opened(java_script_enabled=False)
    assert page.locator("#figure-curves svg.figure").is_visible()
    assert page.get_by_role("button").count() == 0
    assert page.get_by_text("Values at regular distances").first.is_visible()


def test_jenkins_policy_leaves_the_charts(browser: Any, written: Any) -> None:
    """Its sandbox runs no script and its policy drops the style; figures keep their colours as attributes."""
    context = browser.new_context()
    page = context.new_page()
    headers = {"Content-Security-Policy": JENKINS, "Content-Type": "text/html; charset=utf-8"}
    body = written("timed").read_text()
    page.route("**/*", lambda route: route.fulfill(body=body, headers=headers))
    page.goto("http://report.test/artifact/report.html")
    assert page.get_by_role("button").count() == 0
    svg = page.locator("#figure-curves svg.figure")
    assert svg.bounding_box()["height"] > 200
    assert page.locator("#figure-curves .x-curve path").first.get_attribute("stroke") == "#0072b2"
    assert page.locator("#figure-heat-grad-norm-relative svg").is_visible(), "no style, no switch: both modes"
    assert page.locator("svg.figure image").count() == 0, "the policy blocks pictures, too"
    context.close()
