"""Real logs of strangers: identified, imported, and in agreement with what was counted by hand.

`../shared/corpus/index.csv` holds counts made with other readers. Where ours differ, the table in
docs/importers-measured.md says why.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from traindoctor.collectors.importers import discovery
from traindoctor.collectors.intake.logbook import Logbook

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus"
INDEX = CORPUS / "index.csv"
ROWS = list(csv.DictReader(INDEX.read_text(encoding="utf-8").splitlines())) if INDEX.is_file() else []

FORMATS = {
    "algoperf": "AlgoPerf measurements.csv",
    "deit_logtxt": "DeiT/MAE/DINO/DETR log.txt",
    "detectron2": "detectron2 metrics.json",
    "dvclive": "DVCLive folder",
    "flair": "flair loss.tsv",
    "hf_trainer_state": "Hugging Face trainer_state.json",
    "joeynmt": "JoeyNMT validations.txt/train.log",
    "keras_csv": "Keras history",
    "lightning_csv": "Lightning CSVLogger metrics.csv",
    "llamafactory": "LLaMA-Factory trainer_log.jsonl",
    "megatron_logs": "Megatron-LM text log",
    "mlperf": "MLPerf :::MLLOG",
    "nanogpt_logs": "nanoGPT-family text log",
    "openmmlab": "OpenMMLab json log",
    "plain_log": "free-form text log",
    "sacred": "Sacred run",
    "sb_progress": "Stable-Baselines progress.csv",
    "stylegan": "StyleGAN/EDM stats.jsonl",
    "tfevents": "TensorBoard event files",
    "wandb": "Weights & Biases run",
    "wandb_export_csv": "Weights & Biases CSV export",
    "yolo_csv": "Ultralytics results.csv",
}

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "importers-measured.md"


def explained():
    """id -> what differs (of: points, x, runs), from the table in the document."""
    table = re.findall(
        r"^\| ([0-9, ]+) \| \w+ \| ([a-z,]+) \| (.+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.M
    )
    return {number: differs for numbers, differs, why in table for number in numbers.split(", ") if why}


EXPLAINED = explained()


class Counted(Logbook):
    """A logbook that remembers how many rows were poured into all of them."""

    rows_of_all = 0

    def row(self, x, values):
        before = self.n_rows
        super().row(x, values)
        Counted.rows_of_all += self.n_rows - before

    def rows(self, x, values):
        super().rows(x, values)
        Counted.rows_of_all += len(x)

    def columns(self, *columns):
        before = self.n_rows
        super().columns(*columns)
        Counted.rows_of_all += self.n_rows - before


def difference(row, found, n_rows):
    """Which of points, x and runs differ from the index, which counts rows, distinct x, or losses."""
    steps = [series.steps for run in found.runs for series in run.series.values() if len(series)]
    counts = {n_rows}
    for run in found.runs:
        own = [series.steps for series in run.series.values() if len(series)] or [np.empty(0, np.int64)]
        losses = [len(run.series.get(name, ())) for name in ("loss/train", "loss/validation")]
        counts |= {np.unique(np.concatenate(own)).size, max(map(len, own)), sum(losses), *losses}
    out = [] if int(row["n_points"]) in counts else ["points"]
    if row["x_first"] and steps:
        ends = min(s[0] for s in steps), max(s[-1] for s in steps)
        out += [] if ends == (float(row["x_first"]), float(row["x_last"])) else ["x"]
    return ",".join(out + (["runs"] if len(found.runs) != 1 else []))


@pytest.mark.skipif(not ROWS, reason="no ../shared/corpus beside the repository")
@pytest.mark.parametrize("kind", FORMATS)
def test_agrees_with_the_index(kind, monkeypatch):
    monkeypatch.setattr(discovery, "Logbook", Counted)
    wrong = []
    for row in (row for row in ROWS if row["kind"] == kind):
        Counted.rows_of_all = 0
        found = discovery.load_runs(CORPUS / row["file"])
        assert {run.info.source for run in found.runs} == {FORMATS[kind]}
        differs = difference(row, found, Counted.rows_of_all)
        if differs != EXPLAINED.get(row["id"], ""):
            wrong.append((row["id"], row["file"], differs))
    assert wrong == []


@pytest.mark.skipif(not ROWS, reason="no ../shared/corpus beside the repository")
def test_every_kind_of_the_corpus_is_covered():
    assert {row["kind"] for row in ROWS} == set(FORMATS)
    assert set(EXPLAINED) <= {row["id"] for row in ROWS}
