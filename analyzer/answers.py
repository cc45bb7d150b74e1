"""What the classes of a held-out set were and what the model answered, as detectors read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.run import Floats, Ints, Run
from traindoctor.text import Text

from .memo import memoised
from .metrics.classification import class_probabilities, finite_samples


@dataclass(frozen=True, eq=False)
class Answers:
    """Labels and answers of one evaluation pass.

    Attributes:
        truth: shape (n,), class indices.
        answer: shape (n,), the class with the largest score.
        confusion: shape (n_classes, n_classes), samples by true class (rows) and answered class (columns).
        probabilities: shape (n, n_classes), rows sum to 1; None where the scores are of unknown kind.
        names: of the classes, their indices where they have none.
        step: last optimizer step before the pass.
    """

    truth: Ints
    answer: Ints
    confusion: Ints
    probabilities: Floats | None
    names: tuple[str, ...]
    step: int

    @property
    def support(self) -> Ints:
        """Samples of each class, shape (n_classes,)."""
        return np.asarray(self.confusion.sum(axis=1), dtype=np.int64)

    @property
    def recall(self) -> Floats:
        """Share of each class that was answered rightly, shape (n_classes,); NaN for an absent class."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.diag(self.confusion) / self.confusion.sum(axis=1), dtype=np.float64)

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that are present."""
        return float(np.nanmean(self.recall))


@memoised
def answers(run: Run, least: int = 50) -> Answers:
    """The answers to the last held-out set that was captured.

    Args:
        run: the run.
        least: samples it must have.

    Raises:
        NotAssessable: there are too few samples with finite scores, or a single class.
    """
    predictions = run.predictions
    if predictions is None:
        raise NotAssessable(Text("no predictions were captured"))
    try:
        truth, scores, _ = finite_samples(predictions)
    except ValueError as error:
        raise NotAssessable(str(error)) from None
    if truth.size < least:
        raise NotAssessable(
            Text("only {size} predictions were captured; {least} are needed", size=truth.size, least=least)
        )
    if np.unique(truth).size < 2:
        raise NotAssessable(Text("the held-out samples are all of one class"))
    answer = np.argmax(scores, axis=1).astype(np.int64)
    n_classes = max(scores.shape[1], int(truth.max()) + 1)
    confusion = np.bincount(truth * n_classes + answer, minlength=n_classes * n_classes)
    probabilities = class_probabilities(scores, predictions.kind)
    if probabilities is not None and probabilities.shape[1] < n_classes:
        probabilities = None
    known = predictions.classes
    names = tuple(known[c] if c < len(known) else str(c) for c in range(n_classes))
    step = min(max(predictions.step - 1, 0), max(run.n_steps - 1, 0))
    return Answers(truth, answer, confusion.reshape(n_classes, n_classes), probabilities, names, step)


def entropy(counts: Ints) -> float:
    """Entropy of a distribution given by counts, nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def class_weights_code(support: Ints) -> str:
    """A weighted cross-entropy for these class counts, weights n / (number of classes x count)."""
    if support.size > 50:
        return (
            "counts = torch.bincount(train_labels)\n"
            "weight = counts.sum() / (len(counts) * counts.clamp(min=1))\n"
            "criterion = torch.nn.CrossEntropyLoss(weight=weight)"
        )
    weights = support.sum() / (support.size * np.maximum(support, 1))
    shown = ", ".join(f"{weight:.3g}" for weight in weights)
    return f"weight = torch.tensor([{shown}])\ncriterion = torch.nn.CrossEntropyLoss(weight=weight)"
