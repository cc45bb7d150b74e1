"""axe-core in a real browser, in light and in dark: no violation on a report and on a comparison."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.hall import comparisons
from traindoctor.comparing import compare
from traindoctor.report_templates.comparison_formats import comparison_bytes
from traindoctor.report_templates.html import html_report

from . import diagnoses
from .browser import MISSING, open_browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
RUN = """async rules => {
  for (const one of document.querySelectorAll("details")) one.open = true;
  const found = await axe.run(document, { runOnly: rules });
  const violations = found.violations.map(one => [one.id, one.nodes[0].html]);
  return { passes: found.passes.length, violations };
}"""


def axe() -> Path | None:
    """The script of axe-core: $TRAINDOCTOR_AXE, or the one in the package axe-playwright-python."""
    if os.environ.get("TRAINDOCTOR_AXE"):
        return Path(os.environ["TRAINDOCTOR_AXE"])
    found = find_spec("axe_playwright_python")
    places = list(found.submodule_search_locations or ()) if found else []
    return next((path for place in places if (path := Path(place) / "axe.min.js").is_file()), None)


pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING or "-"),
    pytest.mark.skipif(axe() is None, reason="no axe-core: pip install axe-playwright-python"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    runs = [
        comparisons.run(f"r{i}", seed=i % 2, lr=0.1 * (1 + i // 2), best=0.5 - 0.01 * i) for i in range(4)
    ]
    compared = compare([comparisons.diagnosis(run, comparisons.finding()) for run in runs])
    return {
        "report": html_report(diagnoses.timed(), {}).decode(),
        "comparison": comparison_bytes(compared, "html").decode(),
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "comparison"])
def test_no_violation(name: str, scheme: str, browser: Any, pages: dict[str, str]) -> None:
    script = axe()
    assert script is not None
    # The policy would block axe, as it should; this context goes without.
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    page.set_content(pages[name])
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
    page.add_script_tag(content=script.read_text())
    # With a place under the crosshair and a zoom, on another axis where there is one.
    svg = page.locator("svg.live").last
    svg.focus()
    for key in ("+", "ArrowRight"):
        page.keyboard.press(key)
    for button in page.get_by_role("button", name="epoch").all():
        button.click()
    told = page.evaluate(RUN, RULES)
    context.close()
    assert told["passes"] > 20
    assert told["violations"] == []
