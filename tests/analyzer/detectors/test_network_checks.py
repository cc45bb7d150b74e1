"""Checks of what the graph and the settings say: real networks, recorded as they trained."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import traindoctor
from tests import runs, weights
from traindoctor.analyzer.detectors.excess_dropout import ExcessDropout
from traindoctor.analyzer.detectors.long_momentum import LongMomentum
from traindoctor.analyzer.detectors.loss_input import LossInput
from traindoctor.analyzer.detectors.no_activation import NoActivation
from traindoctor.analyzer.detectors.tiny_batch import TinyBatch
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import NetworkInfo, OptimizerInfo, ParameterInfo

N = 600
ORDINARY = NetworkInfo(
    {"Addmm": 2, "T": 2, "Relu": 1, "LogSoftmax": 1, "NllLoss": 1}, ("NllLoss", "LogSoftmax")
)


def trained(folder, model, loss, batch=16, steps=40, **optimizer):
    """A short real training on labels that cannot be learned, recorded."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randint(3, (64,))
    sgd = torch.optim.SGD(model.parameters(), **{"lr": 0.01, **optimizer})
    with traindoctor.watch(model, sgd, out=folder) as watch:
        for step in range(steps):
            rows = torch.arange(step * batch, (step + 1) * batch) % 64
            sgd.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            sgd.step()
    return traindoctor.load(watch.path)


def poor(network=ORDINARY, level=1.8, **info):
    """A run that ended at `level` of B0 = ln 10, with that network."""
    run = weights.with_loss(runs.healthy_run(N), level + runs.noise(N, 0.02))
    run = weights.without(run, "weight_rms")
    series = {name: s for name, s in run.series.items() if not name.endswith("/validation")}
    return replace(run, series=series, info=replace(run.info, network=network, **info))


def severities(check, run):
    return [finding.severity for finding in check.check(run)]


@pytest.mark.parametrize("last", [nn.Softmax(dim=1), nn.Sigmoid()], ids=["softmax", "sigmoid"])
def test_probabilities_given_to_cross_entropy_are_named(tmp_path, last):
    layers = [nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)]
    plain = trained(tmp_path / "a", nn.Sequential(*layers), nn.functional.cross_entropy)
    squashed = trained(tmp_path / "b", nn.Sequential(*layers, last), nn.functional.cross_entropy)
    assert severities(LossInput(), plain) == []
    (finding,) = LossInput().check(squashed)
    assert finding.severity is Severity.WARNING
    assert type(last).__name__.lower() in finding.message


def test_a_sigmoid_before_the_loss_with_one_built_in_is_named(tmp_path):
    def loss(output, y):
        return nn.functional.binary_cross_entropy_with_logits(output, nn.functional.one_hot(y, 3).float())

    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3), nn.Sigmoid())
    assert severities(LossInput(), trained(tmp_path / "a", model, loss)) == [Severity.WARNING]
    assert severities(LossInput(), trained(tmp_path / "b", model[:-1], loss)) == []


def test_rectified_logits_matter_only_where_the_run_went_badly():
    rectified = replace(ORDINARY, output=("NllLoss", "LogSoftmax", "Relu"))
    assert severities(LossInput(), poor(rectified)) == [Severity.WARNING]
    assert severities(LossInput(), poor(rectified, level=0.1)) == [Severity.INFO]


def test_layers_without_an_activation_are_counted(tmp_path):
    linear = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 3))
    found = list(NoActivation().check(trained(tmp_path / "a", linear, nn.functional.cross_entropy)))
    assert [(f.severity, f.evidence["layers"]) for f in found] == [(Severity.WARNING, 2.0)]


@pytest.mark.parametrize("kind", ["functional", "gated", "alone", "detached"])
def test_what_is_no_stack_of_linear_layers_is_left_alone(tmp_path, kind):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 3)

        def forward(self, x):
            if kind == "functional":
                return self.second(torch.tanh(self.first(x)))
            if kind == "gated":
                return self.second(self.first(x) * self.first(-x))
            return self.second(self.first(x).detach())

    model = nn.Linear(8, 3) if kind == "alone" else Model()
    run = trained(tmp_path, model, nn.functional.cross_entropy)
    assert severities(NoActivation(), run) == []


def test_a_bottleneck_and_a_good_run_are_notes():
    layers = tuple(
        ParameterInfo(str(i), shape, "matrix", group="0") for i, shape in enumerate([(2, 9), (9, 2)])
    )
    wide = tuple(replace(info, shape=(9, 9)) for info in layers)
    linear = NetworkInfo({"Addmm": 2, "T": 2, "MseLoss": 1}, ("MseLoss",))
    assert severities(NoActivation(), poor(linear, parameters=wide)) == [Severity.WARNING]
    assert severities(NoActivation(), poor(linear, parameters=layers)) == [Severity.INFO]
    assert severities(NoActivation(), poor(linear, level=0.1, parameters=wide)) == [Severity.INFO]


@pytest.mark.parametrize("check", [LossInput(), NoActivation(), ExcessDropout(), TinyBatch(few=64)])
def test_without_the_graph_the_checks_say_so(check):
    with pytest.raises(NotAssessable):
        list(check.check(poor(None)))


def test_a_graph_with_hidden_parts_proves_no_absence():
    linear = NetworkInfo({"Addmm": 2, "MseLoss": 1}, ("MseLoss",), is_whole=False)
    with pytest.raises(NotAssessable):
        list(NoActivation().check(poor(linear)))


@pytest.mark.parametrize(("rate", "level", "n"), [(0.9, 1.8, 1), (0.5, 1.8, 0), (0.9, 0.1, 0)])
def test_dropout_counts_when_it_is_strong_and_the_run_is_poor(rate, level, n):
    assert severities(ExcessDropout(), poor(replace(ORDINARY, dropouts=(rate,)), level)) == n * [
        Severity.WARNING
    ]


def test_dropout_is_read_off_a_real_network(tmp_path):
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.9), nn.Linear(16, 3))
    run = trained(tmp_path, model, nn.functional.cross_entropy)
    assert severities(ExcessDropout(), run) == [Severity.WARNING]


@pytest.mark.parametrize(("name", "key"), [("SGD", "momentum"), ("AdamW", "betas")])
def test_momentum_is_long_against_the_length_of_the_run(name, key):
    def run_with(momentum, level=1.8):
        group = {"label": "0", "lr": 0.1, key: (momentum, 0.999) if key == "betas" else momentum}
        return poor(level=level, optimizers=(OptimizerInfo(name, (group,)),))

    (finding,) = LongMomentum().check(run_with(0.998))
    assert finding.severity is Severity.WARNING
    assert "0.9" in finding.remedy.code
    assert severities(LongMomentum(), run_with(0.99)) == []  # 100 of 600 steps
    assert severities(LongMomentum(), run_with(0.998, level=0.1)) == []


def test_a_batch_of_two_is_named_where_it_is_noise(tmp_path):
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    run = trained(tmp_path, model, nn.functional.cross_entropy, batch=2, steps=200, lr=0.3)
    (finding,) = TinyBatch().check(run)
    assert finding.evidence["samples per step"] == 2
    assert (
        severities(TinyBatch(), trained(tmp_path / "b", model, nn.functional.cross_entropy, steps=200)) == []
    )


def test_tokens_and_pixels_are_many_samples():
    noisy = weights.with_loss(poor(), 1.8 + runs.noise(N, 0.6))
    few = {name: s for name, s in noisy.series.items() if name != "batch_size"}
    run = replace(noisy, series=few, info=replace(noisy.info, batch_size=2))
    assert severities(TinyBatch(), run) == [Severity.WARNING]
    for kind in ("Embedding", "NllLoss2D"):
        dense = replace(ORDINARY, operations={**ORDINARY.operations, kind: 1})
        assert severities(TinyBatch(), replace(run, info=replace(run.info, network=dense))) == []
