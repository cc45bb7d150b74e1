"""Real logs of strangers: identified, imported, and in agreement with what was counted by hand.

`../shared/corpus/index.csv` holds counts made with other readers. Where ours differ, EXPLAINED says why; the
table in docs/importers-measured.md is the same.
"""

from __future__ import annotations

import csv
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

EXPLAINED: dict[str, tuple[str, str]] = {
    "0298": (
        "runs",
        "two runs are appended (epochs restart at 0); the index counts the rows of both together, as ours add up to",
    ),
    "0320": (
        "runs",
        "relaunched after its first row; the index counts the rows of both launches together, as ours add up to",
    ),
    "0425": ("n", "the index holds no count for this file"),
    "0381": (
        "n,x",
        "the file has no header; the index's reader took its first loss for one, so it has a row less",
    ),
    "0382": (
        "n,x",
        "the file has no header; the index's reader took its first loss for one, so it has a row less",
    ),
    "0637": ("x", "the index mixes evaluation numbers with iterations; ours counts iterations for both"),
    "0647": (
        "x",
        "the source counts fractions of an epoch; x is the number of the evaluation, the fractions are the series `epoch`",
    ),
    "0658": (
        "x",
        "the source counts fractions of an epoch; x is the number of the evaluation, the fractions are the series `epoch`",
    ),
    "0652": ("x", "the source's epoch number never changes; x is the number of the evaluation"),
    "0663": ("x", "the source's epoch number never changes; x is the number of the evaluation"),
    "0283": ("n,runs", "several runs are appended; the index counts them together"),
    "0286": ("n,runs", "several runs are appended; the index counts them together"),
    "0284": ("n", "the log was written twice with the same numbers; the index counts both copies"),
    "0691": ("x", "the source counts epochs from 1; the index counts rows from 0"),
    "0692": ("x", "the source counts epochs from 1; the index counts rows from 0"),
    "0693": ("x", "the source counts epochs from 1; the index counts rows from 0"),
    "0695": ("x", "the source counts steps (0 to 8000); the index counts rows from 0"),
    "0696": ("x", "the source counts steps (0 to 8000); the index counts rows from 0"),
    "0697": ("x", "the source counts steps (0 to 8000); the index counts rows from 0"),
    "0714": ("x", "the source counts epochs and batches; the index counts rows from 0"),
    "0324": ("x", "x is the source's kimg, in samples; the index counts rows from 0"),
    "0584": (
        "n",
        "the index counts the final mean of the run (`train/train_loss`) as a point of its own beside 12 + 12",
    ),
    "0585": (
        "n",
        "the index counts the final mean of the run (`train/train_loss`) as a point of its own beside 12 + 12",
    ),
    "0586": (
        "n",
        "the index counts the final mean of the run (`train/train_loss`) as a point of its own beside 12 + 12",
    ),
    "0587": (
        "n",
        "the index counts the final mean of the run (`train/train_loss`) as a point of its own beside 12 + 12",
    ),
    "0588": (
        "n",
        "the index counts the final mean of the run (`train/train_loss`) as a point of its own beside 12 + 12",
    ),
    "0614": (
        "n",
        "the index counts the final evaluation after training as a row of its own at the same epoch",
    ),
    "0489": ("x", "the source logs `iter` (0 to 2000); the index counts rows from 0"),
    "0510": (
        "n,x",
        "the source logs `iter` (0 to 5000), at which a row that holds nothing but it is no point; the index counts W&B's rows",
    ),
    "0522": (
        "n,x",
        "the source logs `iter` (0 to 5000), at which a row that holds nothing but it is no point; the index counts W&B's rows",
    ),
    "0524": (
        "n,x",
        "the source logs `iter` (0 to 5000), at which a row that holds nothing but it is no point; the index counts W&B's rows",
    ),
    "0536": (
        "n,x",
        "the source logs `iter` (0 to 5000), at which a row that holds nothing but it is no point; the index counts W&B's rows",
    ),
    "0537": (
        "n,x",
        "the source logs `iter` (0 to 5000), at which a row that holds nothing but it is no point; the index counts W&B's rows",
    ),
    "0539": (
        "n,x",
        "the source logs `iter` (0 to 5000), at which a row that holds nothing but it is no point; the index counts W&B's rows",
    ),
    "0547": (
        "n,x",
        "the source logs `iter` (0 to 5000), at which a row that holds nothing but it is no point; the index counts W&B's rows",
    ),
    "0538": ("x", "the source logs `iter` (0 to 5000); the index counts W&B's rows"),
    "0548": ("x", "the source logs `iter` (0 to 5000); the index counts W&B's rows"),
    "0549": ("x", "the source logs `iter` (0 to 5000); the index counts W&B's rows"),
    "0554": (
        "runs",
        "one export holds two runs (`NAME - METRIC` columns); the index takes them as columns of one",
    ),
}
"""id -> what differs (of: n, x, runs), and why ours is right."""


class Counted(Logbook):
    """A logbook that remembers how many rows were poured into all of them."""

    rows_of_all = 0

    def row(self, x, values):
        before = self.n_rows
        super().row(x, values)
        Counted.rows_of_all += self.n_rows - before

    def columns(self, *columns):
        before = self.n_rows
        super().columns(*columns)
        Counted.rows_of_all += self.n_rows - before


def difference(row, found, n_rows):
    """Which of n, x and runs differ from the index, whose counts are of rows, of distinct x or of losses."""
    steps = [series.steps for run in found.runs for series in run.series.values() if len(series)]
    counts = {n_rows}
    for run in found.runs:
        own = [series.steps for series in run.series.values() if len(series)] or [np.empty(0, np.int64)]
        losses = [len(run.series.get(name, ())) for name in ("loss/train", "loss/validation")]
        counts |= {np.unique(np.concatenate(own)).size, max(map(len, own)), sum(losses), *losses}
    out = [] if int(row["n_points"]) in counts else ["n"]
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
        if differs != EXPLAINED.get(row["id"], ("", ""))[0]:
            wrong.append((row["id"], row["file"], differs))
    assert wrong == []


@pytest.mark.skipif(not ROWS, reason="no ../shared/corpus beside the repository")
def test_every_kind_of_the_corpus_is_covered():
    assert {row["kind"] for row in ROWS} == set(FORMATS)
    assert set(EXPLAINED) <= {row["id"] for row in ROWS}


def test_every_difference_stands_in_the_document():
    document = (Path(__file__).resolve().parents[3] / "docs" / "importers-measured.md").read_text(
        encoding="utf-8"
    )
    for number, (_, why) in EXPLAINED.items():
        row = next((line for line in document.splitlines() if line.startswith("|") and number in line), "")
        assert why in row, number
