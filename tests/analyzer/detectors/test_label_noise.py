"""Labels that were exchanged are found by their index; ordinary errors are none."""

from dataclasses import replace

import numpy as np
import pytest

from tests import held_out_answers as predictions
from tests import runs
from traindoctor.analyzer.detectors.label_noise import LabelNoise
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import NetworkInfo, Series

N = 1000
HEAD = ("NllLoss", "LogSoftmax")
ORDINARY = NetworkInfo({"Addmm": 3, "Relu": 2, "T": 3, "LogSoftmax": 1, "NllLoss": 1}, HEAD)

TRUE = np.arange(400) % 4


def test_exchanged_labels_are_found():
    labels = TRUE.copy()
    labels[::20] = (labels[::20] + 1) % 4
    (finding,) = LabelNoise().check(predictions.answering(labels, TRUE, 4))
    assert finding.severity is Severity.INFO
    assert finding.evidence["suspect samples"] == 20
    assert {finding.evidence[f"suspect {i}"] for i in range(1, 6)} <= set(range(0, 400, 20))


def test_probabilities_that_allow_for_the_errors_are_none():
    assert not list(LabelNoise().check(predictions.calibrated()))
    assert not list(LabelNoise().check(predictions.answering(TRUE, TRUE, 4)))


def test_right_and_far_too_unsure():
    (finding,) = LabelNoise().check(predictions.answering(TRUE, TRUE, 4, sure=1.5))
    assert finding.message.startswith("The training labels may be noisy")
    assert finding.evidence["gap"] == pytest.approx(1.0 - np.exp(1.5) / (np.exp(1.5) + 3.0))


def test_a_poor_model_judges_no_labels():
    with pytest.raises(NotAssessable, match="to judge labels by"):
        list(LabelNoise().check(predictions.answering(TRUE, np.zeros(400, int), 4)))
    with pytest.raises(NotAssessable, match="unknown kind"):
        list(LabelNoise().check(predictions.run_with(TRUE, np.eye(4)[TRUE], kind="unknown")))


def run_with(training, held_out, network=ORDINARY, **series):
    """A run that ended at these losses, without captured predictions."""
    fall = np.exp(-np.arange(N) / 60)
    losses = training + (runs.B0 - training) * fall + runs.noise(N, 0.05)
    evaluated = held_out + (runs.B0 - held_out) * fall[runs.evaluation_steps(N, 12)]
    extra = {name: Series(np.arange(N), np.full(N, value)) for name, value in series.items()}
    return runs.build(losses, validation=evaluated, info=runs.known_info(network=network), extra=extra)


def test_training_data_that_are_harder_than_held_out_ones_have_wrong_labels():
    (finding,) = LabelNoise().check(run_with(1.6, 0.8))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["training above validation"] == pytest.approx(0.8 / runs.B0, abs=0.05)
    assert list(LabelNoise().check(run_with(0.9, 0.8))) == []


@pytest.mark.parametrize(
    "network",
    [
        replace(ORDINARY, dropouts=(0.1,)),
        replace(ORDINARY, label_smoothing=0.1),
        replace(ORDINARY, is_whole=False),
        replace(ORDINARY, operations={**ORDINARY.operations, "NativeBatchNorm": 1}),
        replace(ORDINARY, operations={**ORDINARY.operations, "Mul": 1}),
        None,
    ],
    ids=["dropout", "smoothing", "hidden", "batch-norm", "dropout as a function", "unknown"],
)
def test_what_may_set_the_losses_apart_forbids_the_verdict(network):
    with pytest.raises(NotAssessable):
        list(LabelNoise().check(run_with(1.6, 0.8, network)))


def test_images_are_usually_augmented_and_accumulated_losses_divided():
    images = replace(ORDINARY, operations={**ORDINARY.operations, "Convolution": 2})
    assert list(LabelNoise().check(run_with(1.6, 0.8, images))) == []
    with pytest.raises(NotAssessable):
        list(LabelNoise().check(run_with(1.6, 0.8, micro_batches=4.0)))
