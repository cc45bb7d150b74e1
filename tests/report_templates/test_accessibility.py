"""axe-core in a real browser, in light and in dark: no violation on a report and on a comparison."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.hall import comparisons
from traindoctor.comparing import compare
from traindoctor.report_templates.comparison_formats import comparison_bytes
from traindoctor.report_templates.html import html_report

from . import diagnoses
from .test_browser import CHROMIUM, FLAGS

PROBE = """<script>{axe}</script><script>
for (const one of document.querySelectorAll("details")) one.open = true;
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
axe.run(document, {{ runOnly: rules }}).then((found) => {{
  const told = document.createElement("pre");
  told.id = "axe";
  told.textContent = JSON.stringify({{
    isDark: matchMedia("(prefers-color-scheme: dark)").matches,
    passes: found.passes.length,
    violations: found.violations.map((one) => [one.id, one.nodes[0].html.slice(0, 200)]),
  }});
  document.body.append(told);
}});
</script></body>"""


def axe() -> Path | None:
    """The script of axe-core: $TRAINDOCTOR_AXE, or the one in the package axe-playwright-python."""
    if os.environ.get("TRAINDOCTOR_AXE"):
        return Path(os.environ["TRAINDOCTOR_AXE"])
    found = find_spec("axe_playwright_python")
    places = list(found.submodule_search_locations or ()) if found else []
    return next((path for place in places if (path := Path(place) / "axe.min.js").is_file()), None)


def pages() -> dict[str, bytes]:
    runs = [
        comparisons.run(f"r{i}", seed=i % 2, lr=0.1 * (1 + i // 2), best=0.5 - 0.01 * i) for i in range(4)
    ]
    compared = compare([comparisons.diagnosis(run, comparisons.finding()) for run in runs])
    return {
        "report": html_report(diagnoses.realistic(), {}),
        "comparison": comparison_bytes(compared, "html"),
    }


@pytest.mark.skipif(CHROMIUM is None or shutil.which("chromium") is None, reason="no chromium on the path")
@pytest.mark.skipif(axe() is None, reason="no axe-core: pip install axe-playwright-python")
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["report", "comparison"])
def test_no_violation(name: str, is_dark: bool, tmp_path: Path) -> None:
    script = axe()
    assert script is not None
    # The policy would block axe, as it should; only this copy goes without.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", pages()[name].decode())
    page = tmp_path / "page.html"
    page.write_text(
        text.replace("</body>", PROBE.format(axe=script.read_text().replace("</script", "<\\/script")))
    )
    scheme = ("--blink-settings=preferredColorScheme=0",) if is_dark else ()
    command = [str(CHROMIUM), *FLAGS[:-1], "--virtual-time-budget=20000", *scheme]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="axe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-500:]
    told = json.loads(unescape(found.group(1)))
    assert told["isDark"] == is_dark
    assert told["passes"] > 20
    assert told["violations"] == []
