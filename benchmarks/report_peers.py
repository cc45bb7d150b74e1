"""Reports of other tools on the scalar series of a run; runs in an environment of its own.

python report_peers.py TABLE.csv FOLDER        writes one page a tool, says how long each took
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd


def workspace(table: pd.DataFrame, target: Path) -> str:
    """What a W&B workspace shows of a run: an interactive chart for each logged series, by Plotly."""
    import plotly.graph_objects as go

    parts: list[str] = []
    for name in table.columns[1:]:
        kept = table[["step", name]].dropna()
        chart = go.Figure(go.Scatter(x=kept["step"], y=kept[name], mode="lines", name=name))
        chart.update_layout(title=name, height=320)
        parts.append(chart.to_html(full_html=False, include_plotlyjs=not parts))
    target.write_text("<!doctype html><meta charset=utf-8>" + "\n".join(parts))
    return f"W&B-style page: a chart for each series, Plotly {version('plotly')}"


def profile(table: pd.DataFrame, target: Path) -> str:
    """What ydata-profiling writes of the table, with its default settings."""
    from ydata_profiling import ProfileReport

    ProfileReport(table, title="run", progress_bar=False).to_file(target)
    return f"ydata-profiling {version('ydata-profiling')}"


def summary(table: pd.DataFrame, target: Path) -> str:
    """What evidently writes of the table: its data summary."""
    from evidently import Dataset, Report
    from evidently.presets import DataSummaryPreset

    Report([DataSummaryPreset()]).run(Dataset.from_pandas(table), None).save_html(str(target))
    return f"evidently {version('evidently')}, data summary"


TOOLS: dict[str, Callable[[pd.DataFrame, Path], str]] = {
    "workspace": workspace,
    "ydata-profiling": profile,
    "evidently": summary,
}


def main() -> None:
    """Write every page that can be written; a line for each: file, seconds, what it is."""
    table, folder = pd.read_csv(sys.argv[1]), Path(sys.argv[2])
    for name, write in TOOLS.items():
        target = folder / f"{name}.html"
        began = time.process_time()
        try:
            told = write(table, target)
        except Exception as error:
            print(f"{target}\t-\t{name} failed: {error!r}"[:300].replace("\n", " "), flush=True)
            continue
        print(f"{target}\t{time.process_time() - began:.1f}\t{told}", flush=True)


if __name__ == "__main__":
    main()
