"""Classification metrics against scikit-learn called by hand, and at their edges."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from traindoctor.analyzer.metrics.classification import classification_metrics, metrics_of, wilson_interval
from traindoctor.run import Predictions


def drawn(n: int = 400, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    logits = rng.normal(size=(n, classes))
    logits[np.arange(n), y] += 1.0
    return y, logits


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_multiclass_equals_scikit_learn_on_the_same_predictions():
    y, logits = drawn()
    found = classification_metrics(Predictions(y, logits, step=7, kind="logits"))
    predicted = logits.argmax(axis=1)
    assert found["accuracy"] == metrics.accuracy_score(y, predicted)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, predicted))
    for average in ("macro", "weighted"):
        assert found[f"precision_{average}"] == pytest.approx(
            metrics.precision_score(y, predicted, average=average)
        )
        assert found[f"recall_{average}"] == pytest.approx(
            metrics.recall_score(y, predicted, average=average)
        )
        assert found[f"f1_{average}"] == pytest.approx(metrics.f1_score(y, predicted, average=average))
    assert found["confusion_matrix"] == metrics.confusion_matrix(y, predicted).tolist()
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, softmax(logits)))
    assert found["roc_auc_macro"] == pytest.approx(
        metrics.roc_auc_score(y, softmax(logits), multi_class="ovr")
    )
    assert [row["support"] for row in found["per_class"]] == np.bincount(y).tolist()


def test_binary_has_one_curve_and_a_single_logit_is_thresholded_at_zero():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 300)
    logit = rng.normal(size=300) + y
    found = classification_metrics(Predictions(y, logit, step=0, kind="logits"))
    assert len(found["roc"]) == len(found["pr"]) == 1
    assert found["roc"][0]["auc"] == pytest.approx(metrics.roc_auc_score(y, logit))
    assert found["pr"][0]["average_precision"] == pytest.approx(metrics.average_precision_score(y, logit))
    assert found["accuracy"] == np.mean((logit > 0) == y)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, 1 / (1 + np.exp(-logit))))


def test_a_single_probability_is_thresholded_at_one_half():
    found = classification_metrics(
        Predictions(np.array([0, 1, 1]), np.array([0.4, 0.6, 0.3]), step=0, kind="probabilities")
    )
    assert found["confusion_matrix"] == [[1, 0], [1, 1]]


def test_a_class_never_seen_has_no_curve_but_stays_in_the_matrix():
    y, logits = drawn(classes=3)
    found = classification_metrics(Predictions(y % 2, logits, step=0, kind="logits"))
    assert np.shape(found["confusion_matrix"]) == (3, 3)
    assert [curve["class"] for curve in found["roc"]] == ["0", "1"]


def test_samples_with_non_finite_scores_are_counted_not_scored():
    y, logits = drawn()
    logits[:7] = np.nan
    found = classification_metrics(Predictions(y, logits, step=0))
    assert (found["n_samples"], found["n_left_out"]) == (393, 7)


def test_only_non_finite_scores_is_a_sentence_and_no_predictions_is_nothing():
    assert (
        "finite"
        in metrics_of(Predictions(np.array([1]), np.array([[np.nan, 1.0]]), step=0))[
            "classification_unavailable"
        ]
    )
    assert metrics_of(None) == {}


def test_curves_are_thinned_after_their_area_was_taken():
    y, logits = drawn(5000, 2)
    found = classification_metrics(Predictions(y, logits, step=0, kind="logits"))
    assert len(found["roc"][0]["fpr"]) <= 200
    assert (found["roc"][0]["fpr"][0], found["roc"][0]["tpr"][-1]) == (0.0, 1.0)


def test_wilson_interval_against_a_published_value():
    low, high = wilson_interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)  # Newcombe (1998), table I, method 3
