"""The examples for each framework under the wrapper: what is recorded equals the framework's own log."""

from __future__ import annotations

import csv
import importlib.util
import json
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

import traindoctor
from tests.acceptance.examples import EXAMPLES, recorded, wrapped

NAMES = {
    "lightning_trainer": ["body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"],
    "fabric_loop": ["0.weight", "0.bias", "2.weight", "2.bias"],
    "accelerate_loop": ["0.weight", "0.bias", "2.weight", "2.bias"],
    "ignite_engine": ["0.weight", "0.bias", "2.weight", "2.bias"],
    "skorch_net": ["body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"],
}
SCHEDULERS = {
    "lightning_trainer": "LinearLR",
    "fabric_loop": "CosineAnnealingLR",
    "accelerate_loop": "LinearLR",
    "hf_trainer": "LambdaLR",
    "skorch_net": "CosineAnnealingLR",
}
PACKAGES = {
    "lightning_trainer": "lightning",
    "fabric_loop": "lightning",
    "hf_trainer": "transformers",
    "accelerate_loop": "accelerate",
    "ignite_engine": "ignite",
    "skorch_net": "skorch",
}
STEPS, EPOCHS = 30, 3


@dataclass
class Told:
    """What a framework logged: a value per optimizer step, and per epoch."""

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)


def told_by_lightning(folder: Path) -> Told:
    told = Told()
    with (folder / "log" / "0" / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            for values, column in (
                (told.rates, "lr-AdamW"),
                (told.losses, "train_loss"),
                (told.held_out, "val_loss"),
            ):
                if row[column]:
                    values.append(float(row[column]))
    return told


def told_by_transformers(folder: Path) -> Told:
    rows = json.loads((folder / "log.json").read_text())
    of = lambda key: [row[key] for row in rows if key in row]  # noqa: E731
    return Told(of("loss"), of("learning_rate"), of("grad_norm"), of("eval_loss"))


def told_by_skorch(folder: Path) -> Told:
    epochs = json.loads((folder / "log.json").read_text())
    batches = [b for epoch in epochs for b in epoch["batches"] if "train_loss" in b]
    return Told(
        [b["train_loss"] for b in batches],
        [b["event_lr"] for b in batches],
        [],
        [epoch["valid_loss"] for epoch in epochs],
    )


def told_by_the_script(folder: Path) -> Told:
    log = json.loads((folder / "log.json").read_text())
    losses = np.array(log["loss"]).reshape(STEPS, -1).mean(axis=1).tolist()
    return Told(losses, log["lr"], [], log["val_loss"])


def told(example: str, folder: Path) -> Told:
    own = {"lightning_trainer": told_by_lightning, "hf_trainer": told_by_transformers}
    own["skorch_net"] = told_by_skorch
    return own.get(example, told_by_the_script)(folder)


def values(run: traindoctor.Run, name: str) -> list[float]:
    return run.series[name].values.tolist()


@pytest.fixture(scope="module")
def watched(workers, unwatched, tmp_path_factory) -> dict[str, Future[Path]]:
    """Every example that can run, under the wrapper: the future of its folder."""

    def ran(example: str, folder: Path) -> Path:
        done = wrapped(EXAMPLES / "frameworks" / f"{example}.py", cwd=folder)
        assert done.returncode == 0, done.stderr
        return folder

    started: dict[str, Future[Path]] = {}
    for example, package in PACKAGES.items():
        if importlib.util.find_spec(package) is not None:
            unwatched(example)
            folder = tmp_path_factory.mktemp(f"{example}-wrapped")
            started[example] = workers.submit(ran, example, folder)
    return started


@pytest.fixture(scope="module", params=PACKAGES)
def trained(request, watched, unwatched) -> tuple[str, Path, Path]:
    """An example's name, and the folders where it ran plain and wrapped."""
    example = request.param
    if example not in watched:
        pytest.skip(f"{PACKAGES[example]} is not installed (make frameworks)")
    return example, unwatched(example).result(), watched[example].result()


def test_the_weights_are_the_same_to_the_last_bit(trained):
    _, alone, watched = trained
    before, after = (torch.load(folder / "weights.pt") for folder in (alone, watched))
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_losses_and_rates_are_those_of_the_framework(trained):
    example, _, watched = trained
    run, expected = recorded(watched), told(example, watched)
    assert run.series["loss/train"].steps.tolist() == list(range(STEPS))
    assert values(run, "loss/train") == pytest.approx(expected.losses, rel=2e-6)
    assert values(run, "lr/0") == pytest.approx(expected.rates, rel=1e-6)
    if expected.norms:
        assert values(run, "grad_norm/preclip") == pytest.approx(expected.norms, rel=1e-6)


def test_validation_is_recognised_and_complete(trained):
    example, _, watched = trained
    run, expected = recorded(watched), told(example, watched)
    found = run.series["loss/validation"]
    assert not [name for name in run.series if name.startswith("loss/validation2")]
    last_of_epochs = [9, 19, 29]
    assert found.steps[-EPOCHS:].tolist() == last_of_epochs
    assert found.values[-EPOCHS:].tolist() == pytest.approx(expected.held_out, rel=1e-5)


def test_epochs_batches_names_and_scheduler(trained):
    example, _, watched = trained
    run = recorded(watched)
    assert run.info.status == "finished"
    assert run.info.epochs == EPOCHS
    assert values(run, "epoch") == [float(step // 10) for step in range(STEPS)]
    assert set(values(run, "batch_size")) == {32.0}
    names = [parameter.name for parameter in run.info.parameters]
    if example == "hf_trainer":
        assert {"transformer.wte.weight", "transformer.h.0.attn.c_attn.weight"} <= set(names)
    else:
        assert names == NAMES[example]
    assert run.info.optimizers[0].scheduler == SCHEDULERS.get(example, "")
    assert run.info.loss_name == "cross_entropy"
    assert run.info.baseline == pytest.approx(np.log(50 if example == "hf_trainer" else 3), rel=0.05)


def test_the_norm_before_clipping_is_of_the_same_step(trained):
    """Trap 28: read in the pre hook under a closure, it would be the one of the step before."""
    example, _, watched = trained
    run = recorded(watched)
    limit = {"lightning_trainer": 0.5, "hf_trainer": 1.0, "accelerate_loop": 1.0}.get(example)
    assert ("grad_norm/preclip" in run.series) == (limit is not None)
    if limit is not None:
        before, after = (np.array(values(run, f"grad_norm/{name}")) for name in ("preclip", "global"))
        assert after == pytest.approx(np.minimum(before, limit), rel=1e-5)


def test_the_first_rate_is_the_one_that_was_used(trained):
    """Trap 25: with a warm-up, not the one that the scheduler set afterwards."""
    example, _, watched = trained
    first = {"hf_trainer": 0.0, "lightning_trainer": 0.001, "accelerate_loop": 0.02, "ignite_engine": 0.01}
    assert values(recorded(watched), "lr/0")[0] == pytest.approx(first.get(example, 0.1))
