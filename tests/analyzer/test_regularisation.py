"""Regularisation as code: it fits the model and the optimizer, runs, and takes no foreign text."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.runs import build, known_info
from traindoctor.analyzer.regularisation import regularisation_code
from traindoctor.run import OptimizerInfo, ParameterInfo, Run, Series

N = 1000


def run_with(optimizer="SGD", parameters=None, **settings):
    group = {"label": "0", "lr": 0.1, **settings}
    info = known_info(optimizers=(OptimizerInfo(optimizer, (group,)),))
    if parameters is not None:
        info = replace(info, parameters=parameters)
    return build(np.linspace(2, 0.1, N), validation=np.linspace(2, 1, 10), info=info)


def way(code, number):
    """One of the ways, by its number; "" when it is not there."""
    return next((part for part in code.split("\n\n") if part.startswith(f"# {number}. ")), "")


def test_it_stops_at_the_measured_best_epoch():
    run = run_with()
    run = Run(
        run.id, run.name, {**run.series, "epoch": Series(np.arange(N), np.arange(N) // 100)}, info=run.info
    )
    code = way(regularisation_code(run, 399), 1)
    assert "(this run: epoch 4, step 399)" in code
    assert way(regularisation_code(run), 1) == ""


@pytest.mark.parametrize(
    ("optimizer", "present", "words"),
    [
        ("SGD", 0.0, "weight_decay=0.0005"),
        ("SGD", 5e-4, "weight_decay=0.0025"),
        ("AdamW", 0.01, "weight_decay=0.05"),
        ("Adam", 0.0, "weight_decay=0.0001"),
    ],
)
def test_weight_decay_is_more_than_there_is(optimizer, present, words):
    code = way(regularisation_code(run_with(optimizer, weight_decay=present)), 2)
    assert words in code
    value = float(words.partition("=")[2])
    assert f"traindoctor prove RUN --set weight_decay={value:g} -- train.py" in code
    assert ("decoupled" in code) == (optimizer == "AdamW")
    names = {"torch": torch, "model": nn.Linear(2, 2)}
    exec(code, names)
    assert names["optimizer"].param_groups[0]["weight_decay"] > present


def test_no_more_weight_decay_than_is_sensible():
    assert way(regularisation_code(run_with("AdamW", weight_decay=0.5)), 2) == ""


def test_penalty_dropout_average_and_smoothing_run_on_the_model():
    model = nn.Sequential()
    for name, rows, columns in (("fc1", 128, 64), ("fc2", 128, 128), ("fc3", 10, 128)):
        model.add_module(name, nn.Linear(columns, rows))
    code = regularisation_code(run_with())
    names = {"torch": torch, "model": model, "loss": torch.tensor(2.0)}
    for number in (3, 4, 6, 7):
        exec(way(code, number), names)
    assert 2.0 < names["loss"].item() < 2.5
    assert isinstance(model.fc3[0], nn.Dropout)
    assert isinstance(model.fc3[1], nn.Linear)
    assert model(torch.zeros(3, 64)).shape == (3, 10)
    assert names["averaged"].n_averaged == 1
    assert names["criterion"].label_smoothing == 0.1


def test_augmentation_only_for_images():
    code = regularisation_code(run_with())
    assert way(code, 5) == ""
    conv = ParameterInfo("conv.weight", (6, 3, 5, 5), "matrix", module="Conv2d")
    code = way(regularisation_code(run_with(parameters=(conv,))), 5)
    names = {"torch": torch, "images": torch.randn(4, 3, 8, 8)}
    exec(code, names)
    assert names["images"].shape == (4, 3, 8, 8)


@pytest.mark.parametrize("name", ["fc;import os.weight", "a\nb.weight", 'x".weight', "层.weight"])
def test_no_foreign_text_gets_into_code(name):
    layers = tuple(ParameterInfo(n, (3, 3), "matrix", module="Linear") for n in ("a.weight", name))
    code = regularisation_code(run_with(parameters=layers))
    assert way(code, 4) == ""
    assert name.removesuffix(".weight") not in code
    compile(code, "<code>", "exec")


def test_a_log_that_knows_nothing_still_gets_early_stopping():
    code = regularisation_code(Run("a", "a", {"loss/train": Series(np.arange(3), np.ones(3))}), 2)
    assert code.startswith("# 1. Stop")
    compile(code, "<code>", "exec")
