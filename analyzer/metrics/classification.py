"""Classification metrics of one evaluation pass, by scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from traindoctor.run import Floats, Ints, Predictions
from traindoctor.text import Text

_CURVE_POINTS = 200
_INTERVAL_Z = 1.959963984540054


def classification_metrics(predictions: Predictions) -> dict[str, Any]:
    """Accuracy, precision, recall, F1, confusion matrix, ROC and PR curves of a set of predictions.

    The predicted class is the largest score; for a single score per sample it is `score > 0` for logits
    and `score > 0.5` otherwise. Binary tasks have one ROC and one PR curve (of class 1), others one per class
    (one-vs-rest, on the softmax of logits). A class without positives or without negatives has no curve.

    Args:
        predictions: labels (n,), scores (n,) or (n, n_classes); samples with non-finite scores are left out.

    Returns:
        The `classification` group of docs/diagnosis-json.md. Rates are fractions, `log_loss` is in nats.

    Raises:
        ValueError: no sample with finite scores is left.

    Source:
        Wilson (1927) for `accuracy_interval` (95 %); everything else is scikit-learn's definition.
    """
    metrics: Any = import_module("sklearn.metrics")  # slow to import, and its stubs are wrong

    y_true, scores, left_out = finite_samples(predictions)
    y_pred = np.argmax(scores, axis=1).astype(np.int64)
    probabilities = class_probabilities(scores, predictions.kind)
    n_classes = max(scores.shape[1], int(max(y_true.max(), y_pred.max())) + 1)
    labels = np.arange(n_classes)
    names = [predictions.classes[c] if c < len(predictions.classes) else str(c) for c in labels]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y_true, y_pred, labels=labels, zero_division=0
    )
    accuracy = float(np.mean(y_pred == y_true))
    present = support > 0
    averages = {
        f"{name}_{average}": float(np.average(values, weights=weights))
        for name, values in (("precision", precision), ("recall", recall), ("f1", f1))
        for average, weights in (("macro", np.ones(n_classes)), ("weighted", support))
    }
    roc, pr = _curves(y_true, scores if probabilities is None else probabilities, names)
    return {
        "split": predictions.split,
        "step": predictions.step,
        "source": predictions.source,
        "n_samples": len(y_true),
        "n_left_out": left_out,
        "n_classes": n_classes,
        "classes": names,
        "accuracy": accuracy,
        "accuracy_interval": list(wilson_interval(accuracy, len(y_true))),
        "balanced_accuracy": float(recall[present].mean()),
        "majority_baseline": float(support.max() / support.sum()),
        **averages,
        "per_class": [
            {
                "class": names[c],
                "precision": float(precision[c]),
                "recall": float(recall[c]),
                "f1": float(f1[c]),
                "support": int(support[c]),
            }
            for c in labels
        ],
        "confusion_matrix": metrics.confusion_matrix(y_true, y_pred, labels=labels).tolist(),
        "roc": roc,
        "pr": pr,
        "roc_auc_macro": _mean(roc, "auc"),
        "average_precision_macro": _mean(pr, "average_precision"),
        "log_loss": None if probabilities is None else _log_loss(y_true, probabilities),
    }


def wilson_interval(rate: float, n: int) -> tuple[float, float]:
    """95 % interval of a rate observed over `n` independent samples, fractions. Source: Wilson (1927).

    >>> wilson_interval(0.9, 100)
    (0.825..., 0.944...)
    """
    z2 = _INTERVAL_Z**2
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _INTERVAL_Z * np.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def finite_samples(predictions: Predictions) -> tuple[Ints, Floats, int]:
    """Labels (n,), scores (n, n_classes) and the number of samples left out as not finite.

    Raises:
        ValueError: no sample with finite scores is left.
    """
    scores = predictions.y_score
    table = scores[:, None] if scores.ndim == 1 else scores
    keep = np.isfinite(table).all(axis=1) & (predictions.y_true >= 0)
    if not bool(keep.any()):
        raise ValueError(f"none of the {len(table)} captured predictions has finite scores")
    table = table[keep]
    if table.shape[1] == 1:
        other = np.zeros(len(table)) if predictions.kind == "logits" else 1.0 - table[:, 0]
        table = np.column_stack([other, table[:, 0]])
    return predictions.y_true[keep], table, int((~keep).sum())


def class_probabilities(scores: Floats, kind: str) -> Floats | None:
    """Softmax of logits, or the scores where they are probabilities; None for scores of unknown kind."""
    if kind == "logits":
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
    sums = scores.sum(axis=1)
    if kind == "probabilities" and bool((scores >= 0).all()) and bool(np.allclose(sums, 1.0, atol=1e-3)):
        return scores
    return None


def _log_loss(y_true: Ints, probabilities: Floats) -> float | None:
    if int(y_true.max()) >= probabilities.shape[1]:
        return None
    chosen = probabilities[np.arange(len(y_true)), y_true]
    return float(-np.log(np.maximum(chosen, np.finfo(float).tiny)).mean())


def _curves(
    y_true: Ints, scores: Floats, names: list[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    metrics: Any = import_module("sklearn.metrics")

    n_scored = scores.shape[1]
    wanted = [1] if n_scored == 2 else list(range(n_scored))
    roc: list[dict[str, Any]] = []
    pr: list[dict[str, Any]] = []
    for c in wanted:
        positive = y_true == c
        if bool(positive.all()) or not bool(positive.any()):
            continue
        score = scores[:, 1] - scores[:, 0] if n_scored == 2 else scores[:, c]
        fpr, tpr, _ = metrics.roc_curve(positive, score)
        precision, recall, _ = metrics.precision_recall_curve(positive, score)
        area = float(metrics.roc_auc_score(positive, score))
        roc.append({"class": names[c], "auc": area, **_thinned(fpr=fpr, tpr=tpr)})
        average = float(metrics.average_precision_score(positive, score))
        pr.append(
            {"class": names[c], "average_precision": average, **_thinned(precision=precision, recall=recall)}
        )
    return roc, pr


def _thinned(**curves: Floats) -> dict[str, list[float]]:
    """At most 200 points of each curve, ends kept: areas are computed before thinning."""
    n = len(next(iter(curves.values())))
    keep = np.unique(np.linspace(0, n - 1, min(n, _CURVE_POINTS)).round().astype(np.int64))
    return {name: [float(v) for v in values[keep]] for name, values in curves.items()}


def _mean(curves: list[dict[str, Any]], key: str) -> float | None:
    return float(np.mean([c[key] for c in curves])) if curves else None


def metrics_of(predictions: Predictions | None) -> Mapping[str, Any]:
    """The `metrics` of a diagnosis: empty without predictions, a sentence where they cannot be scored."""
    if predictions is None:
        return {}
    try:
        return {"classification": classification_metrics(predictions)}
    except Exception as error:  # the diagnosis stands without metrics
        return {
            "classification_unavailable": Text("the predictions could not be scored: {error}", error=error)
        }
