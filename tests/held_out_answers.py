"""Runs that hold nothing but the answers to a held-out set."""

import numpy as np

from traindoctor.run import Predictions, Run


def labels_of(counts):
    """Class indices, shape (sum of counts,)."""
    return np.repeat(np.arange(len(counts)), counts)


def run_with(labels, scores, kind="logits"):
    """A run whose last evaluation gave these scores."""
    return Run(
        "p", "p", predictions=Predictions(np.asarray(labels), np.asarray(scores, float), 100, kind=kind)
    )


def answering(labels, answered, n_classes, sure=8.0):
    """A run that answers so, `sure` nats ahead of the other classes."""
    return run_with(labels, sure * np.eye(n_classes)[answered])


def calibrated(n=2000, n_classes=3, seed=0):
    """A run whose probabilities are those by which its labels were drawn."""
    rng = np.random.default_rng(seed)
    logits = 2.0 * rng.normal(size=(n, n_classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(n_classes, p=row) for row in shares])
    return run_with(labels, logits)
