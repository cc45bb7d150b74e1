"""The HTML report in a real browser: no console message, the script ran under the policy."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from traindoctor.report_templates.formats import render

from . import diagnoses

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
@pytest.mark.parametrize("case", ["realistic", "hostile"])
def test_opens_without_a_console_message(case: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    render(getattr(diagnoses, case)(), page)
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not re.findall(r".*CONSOLE.*", done.stderr)
    assert 'class="copy"' in done.stdout, "the script did not run"
    assert done.stdout.count('class="crosshair"') >= 4
    assert 'class="readout"' in done.stdout


PROBE = """<script>
const curves = document.querySelector("#figure-curves svg.figure");
const box = curves.getBoundingClientRect();
const at = (share) => box.left + share * box.width;
curves.dispatchEvent(new PointerEvent("pointermove", { clientX: at(0.5), clientY: box.top + 9 }));
const shown = [...document.querySelectorAll(".readout")].map((line) => line.textContent);
const lines = [...document.querySelectorAll(".crosshair")].map((line) => line.getAttribute("visibility"));
curves.dispatchEvent(new PointerEvent("pointerleave", {}));
const hidden = [...document.querySelectorAll(".readout")].map((line) => line.textContent);
curves.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
const keyed = [...document.querySelectorAll(".readout")].map((line) => line.textContent);
const probe = document.createElement("script");
probe.type = "application/json";
probe.id = "probe";
probe.textContent = JSON.stringify({ shown, lines, hidden, keyed });
document.body.append(probe);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path")
def test_the_crosshair_is_shared_by_all_charts_over_time(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    render(diagnoses.realistic(), page)
    text = page.read_text()
    # The policy would block the probe, as it should; only this copy goes without.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    page.write_text(text.replace("</body>", PROBE))
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<script type="application/json" id="probe">(.*?)</script>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-500:]
    probe = json.loads(found.group(1))
    assert len(probe["shown"]) == 3
    assert re.search(r"loss train [\d.]+ · loss validation [\d.]+", probe["shown"][1])
    assert set(probe["lines"]) == {"visible"}
    assert probe["hidden"] == ["", "", ""]
    pointed, moved = _steps(probe["shown"]), _steps(probe["keyed"])
    assert len(pointed) == len(moved) == 1
    assert 150 < moved.pop() - pointed.pop() < 250, "one key press is a hundredth of the axis"


def _steps(readouts: list[str]) -> set[int]:
    found = [re.match(r"optimizer step ([\d,]+): ", line) for line in readouts]
    return {int(match.group(1).replace(",", "")) for match in found if match}
