"""Size, rendering cost and load time of reports, beside the pages that other tools make of the same run.

    python -m benchmarks.report_pages                  print the tables (about five minutes)
    python -m benchmarks.report_pages --write          write them into docs/report-size.md

The other tools are installed under build/report-peers/ at the first call; where that
fails, their rows say so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

import traindoctor
from benchmarks.report_runs import LARGE, TYPICAL, Size, run_of
from traindoctor.run import Run

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "report-peers"
PACKAGES = ("ydata-profiling", "evidently", "plotly", "setuptools<81")
SIZES = {"typical": TYPICAL, "large": LARGE}
BUDGETS = {
    ("typical", "html"): {"bytes": 500_000},
    ("large", "html"): {"bytes": 2_000_000, "seconds": 15.0, "mebibytes": 600.0},
    ("large", "pdf"): {"bytes": 3_000_000, "seconds": 15.0, "mebibytes": 600.0},
}
OPENS_WITHIN = 150.0
"""DOMContentLoaded of the typical run's page that we aim for, ms."""
LOADS = 7
COLUMNS = (
    "page", "size", "CPU to write it", "DOMContentLoaded", "quickest", "load", "first paint",
    "CPU of the page", "requests", "messages",
)  # fmt: skip
LONGEST = 1500
"""Seconds after which another tool's page is given up."""
LOADED = """() => new Promise((resolve) => {
  new PerformanceObserver((list) => {
    const painted = list.getEntriesByName("first-contentful-paint")[0];
    if (!painted) return;
    const [page] = performance.getEntriesByType("navigation");
    resolve({ content: page.domContentLoadedEventEnd, load: page.loadEventEnd, painted: painted.startTime });
  }).observe({ type: "paint", buffered: true });
})"""
"""Wall-clock times, ms: they grow with whatever else the machine does, other than the CPU time."""


def rendered(size: str, kind: str, target: Path) -> dict[str, float]:
    """Write one report in a process of its own; CPU seconds and peak memory of the rendering alone."""
    command = [sys.executable, "-m", "benchmarks.report_pages", "--render", size, kind, str(target)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "bytes": float(target.stat().st_size)}


def render_here(size: Size, kind: str, target: Path) -> None:
    """What the process of `rendered` does: diagnose, forget the peak so far, render, tell."""
    diagnosis = traindoctor.diagnose(run_of(size))
    before = peak_mebibytes(forget=True)
    began = time.process_time()
    traindoctor.render(diagnosis, target, kind)
    told = {"seconds": time.process_time() - began, "mebibytes": peak_mebibytes(), "before": before}
    print(json.dumps(told))


def peak_mebibytes(*, forget: bool = False) -> float:
    """Peak resident memory of this process (Linux); `forget` counts anew and returns what is held now."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def load_times(pages: list[Path]) -> dict[Path, dict[str, float]]:
    """Median times of a fresh tab, ms, and how many further addresses each page asked for."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("expected chromium or google-chrome on the path, found neither: apt install chromium")
    found: dict[Path, dict[str, float]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for path in pages:
            times = [load(browser, path) for _ in range(LOADS)]
            found[path] = {key: statistics.median(one[key] for one in times) for key in times[0]}
            found[path]["quickest"] = min(one["content"] for one in times)
        browser.close()
    return found


def load(browser: Any, path: Path) -> dict[str, float]:
    """One load in a context without cache; errors on the page count as well."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri(), wait_until="load", timeout=120_000)
    told = page.evaluate(LOADED)
    spent = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    told["cpu"] = 1000 * spent["TaskDuration"]
    context.close()
    outside = [url for url in asked[1:] if not url.startswith(("data:", "blob:"))]
    return {**told, "requests": float(len(outside)), "messages": float(len(said))}


def peer_pages(run: Run, folder: Path) -> list[tuple[str, Path | None, str]]:
    """(what it is, page or None, CPU seconds or why there is none) of every other tool."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
        done = subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=False)
        if done.returncode:
            shutil.rmtree(PEERS)
            return [("other tools", None, f"could not be installed: pip ended with {done.returncode}")]
    table = folder / "run.csv"
    wide_table(run).to_csv(table, index=False)
    script = str(Path(__file__).with_name("report_peers.py"))
    try:
        done = subprocess.run(
            [str(python), "-W", "ignore", script, str(table), str(folder)],
            capture_output=True, text=True, timeout=LONGEST, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [("other tools", None, f"not finished after {LONGEST} s")]
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 2]
    if not rows:
        return [("other tools", None, f"wrote nothing: {done.stderr.strip().splitlines()[-1:]}")]
    return [
        (told, Path(path), f"{seconds} s") if seconds != "-" else (told, None, "")
        for path, seconds, told in rows
    ]


def wide_table(run: Run) -> pd.DataFrame:
    """The scalar series as columns over the steps, as a logger's export has them."""
    columns = {name: pd.Series(one.values, index=one.steps) for name, one in run.series.items()}
    return pd.DataFrame(columns).rename_axis("step").reset_index()


def own_rows(folder: Path) -> tuple[list[str], list[Path]]:
    """A row for each of our reports, and the HTML pages among them."""
    rows, pages = [], []
    for size, described in SIZES.items():
        for kind in ("html", "pdf"):
            target = folder / f"{size}.{kind}"
            found = rendered(size, kind, target)
            budget = BUDGETS.get((size, kind), {})
            cells = [
                cell(found["bytes"], budget.get("bytes"), 1000, "kB"),
                cell(found["seconds"], budget.get("seconds"), 1, "s"),
                cell(found["mebibytes"], budget.get("mebibytes"), 1, "MiB"),
            ]
            rows.append(f"| {described.name} | {kind} | {' | '.join(cells)} | {found['before']:.0f} MiB |")
            if kind == "html":
                pages.append(target)
            print(rows[-1], flush=True)
    return rows, pages


def cell(value: float, budget: float | None, size: float, unit: str) -> str:
    """A figure, beside its budget where there is one."""
    shown = f"{value / size:,.1f} {unit}" if unit == "s" else f"{value / size:,.0f} {unit}"
    if budget is None:
        return shown
    return f"{shown} ({'within' if value < budget else '**over**'} {budget / size:,.0f})"


def page_rows(folder: Path, pages: list[Path]) -> list[str]:
    """A row for each page, ours first: bytes, what it took to write, how it loads."""
    listed: list[tuple[str, Path | None, str]] = [
        (f"traindoctor, {size.name}", page, "see above")
        for size, page in zip(SIZES.values(), pages, strict=True)
    ]
    listed += peer_pages(run_of(TYPICAL), folder)
    times = load_times([page for _, page, _ in listed if page is not None])
    rows: list[str] = []
    for told, page, cost in listed:
        if page is None:
            rows.append(f"| {told} | not written: {cost} {'|  ' * (len(COLUMNS) - 2)}|")
            continue
        one = times[page]
        opens = cell(one["content"], OPENS_WITHIN if page == pages[0] else None, 1, "ms")
        rows.append(
            f"| {told} | {page.stat().st_size / 1000:,.0f} kB | {cost} | {opens} | "
            f"{one['quickest']:.0f} ms | {one['load']:.0f} ms | {one['painted']:.0f} ms | "
            f"{one['cpu']:.0f} ms | {one['requests']:.0f} | {one['messages']:.0f} |"
        )
        print(rows[-1], flush=True)
    return rows


def document(own: list[str], pages: list[str]) -> str:
    """docs/report-size.md."""
    n_series, (busy, *_) = len(run_of(TYPICAL).series), os.getloadavg()
    return f"""# How large reports are, and how fast they open

Written by `python -m benchmarks.report_pages --write`; no figure in it is typed by hand.

## Our own budget

Made-up runs (`benchmarks/report_runs.py`) are diagnosed, then rendered, each report in a process of its own.
CPU time is that of the rendering alone. Peak memory is that of the whole process while it renders; the last
column says how much of it was held before: the run, its diagnosis, and the libraries of the analysis.

| run | format | size | CPU | peak memory | held before |
|---|---|---|---|---|---|
{chr(10).join(own)}

## Beside other pages of the same run

The typical run. The other tools get its {n_series} scalar series as one table; our report holds these, the
heat maps of 62 parameters, the classification, the findings and the prescription. "W&B-style" is what a
workspace shows: an interactive chart for each logged series, here exported with Plotly into one file.

Times are medians of {LOADS} loads from disk in headless Chromium, each in a fresh context. They stretch with
the machine's load (average {busy:.0f} on {os.cpu_count()} cores when this was measured), so the quickest
DOMContentLoaded and the CPU time of the page's main thread until after the load stand beside them.

| {" | ".join(COLUMNS)} |
{"|---" * len(COLUMNS)}|
{chr(10).join(pages)}
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="write docs/report-size.md")
    parser.add_argument("--render", nargs=3, metavar=("SIZE", "KIND", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.render:
        size, kind, target = arguments.render
        render_here(SIZES[size], kind, Path(target))
        return
    with tempfile.TemporaryDirectory() as folder:
        own, pages = own_rows(Path(folder))
        text = document(own, page_rows(Path(folder), pages))
    print(text)
    if arguments.write:
        (ROOT / "docs" / "report-size.md").write_text(text)


if __name__ == "__main__":
    main()
