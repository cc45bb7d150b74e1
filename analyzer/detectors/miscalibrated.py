"""Probabilities that promise more, or less, than they keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Floats, Ints, Run
from traindoctor.text import Text

from ..answers import Answers, answers, entropy
from ..phrases import confidence, measured
from ..signal import block_means


@dataclass(frozen=True)
class Miscalibrated:
    """Reports class probabilities that do not agree with how often they are right.

    The captured held-out answers are sorted by their confidence (the largest probability) and cut into
    `bins` equally large groups. The calibration error is the mean over the groups of the absolute difference
    between mean confidence and share of right answers. It counts when it exceeds `error` and `sigmas` times
    what calibrated answers of this number would show, sqrt(2 p (1 - p) / (pi m)) with m samples per group.
    A warning when the probabilities are also of no use: their log-loss is above that of always answering
    the shares of the classes; a note otherwise.

    Why it matters: thresholds, rankings by risk and decisions by expected cost rest on the probabilities. A
    network trained past its best answers everything with certainty, right or wrong.

    When it is wrong: scores that were never meant as probabilities; training with label smoothing or mixup,
    which asks for answers less certain than they could be.

    What to try: divide the logits by a temperature fitted on held-out data (the one fitted here is in the
    evidence); it changes no answer.

    Source: Guo et al. 2017, equation 3 and section 4; groups of equal size as in Nixon et al. 2019; the
    yardstick for the error is ours.

    Example:
        >>> from traindoctor.run import Predictions
        >>> rng = np.random.default_rng(0)
        >>> labels = rng.integers(0, 2, 400)
        >>> right = rng.random(400) < 0.7
        >>> scores = np.where((labels == 1) == right, 1.0, 0.0)[:, None] * [-6.0, 6.0] + [3.0, -3.0]
        >>> run = Run("r", "r", predictions=Predictions(labels, scores, 100, kind="logits"))
        >>> [(f.severity.value, f.evidence["temperature"] > 3.0) for f in Miscalibrated().check(run)]
        [('warning', True)]
    """

    code: str = "TD503"
    name: str = "miscalibrated"
    needs: tuple[str, ...] = ("predictions",)
    bins: int = 15
    error: float = 0.1
    sigmas: float = 2.0
    least: int = 200

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: too few predictions, a single class, or scores that are no probabilities.
        """
        found = answers(run, self.least)
        if found.probabilities is None:
            raise NotAssessable(
                Text("the captured scores are of unknown kind, neither logits nor probabilities")
            )
        trust = found.probabilities.max(axis=1)
        is_right = (found.answer == found.truth).astype(np.float64)
        order = np.argsort(trust, kind="stable")
        means, rates = block_means(trust[order], self.bins), block_means(is_right[order], self.bins)
        size = found.truth.size / means.size
        expected = float(np.mean(np.sqrt(2.0 * means * (1.0 - means) / (np.pi * size))))
        error = float(np.mean(np.abs(means - rates)))
        if error <= max(self.error, self.sigmas * expected):
            return
        yield self._finding(found, found.probabilities, error, expected, float(trust.mean()))

    def _finding(
        self, found: Answers, probabilities: Floats, error: float, expected: float, trust: float
    ) -> Finding:
        logits = np.log(np.maximum(probabilities, 1e-300))
        temperature, after = fitted_temperature(logits, found.truth)
        loss, prior = log_loss(logits, found.truth), entropy(found.support)
        is_useless = loss > prior
        evidence, units = measured(
            {
                "calibration error": (error, "fraction"),
                "error of calibrated answers": (expected, "fraction"),
                "mean confidence": (trust, "fraction"),
                "accuracy": (found.accuracy, "fraction"),
                "log-loss": (loss, "nats"),
                "log-loss of the class shares": (prior, "nats"),
                "temperature": (temperature, "dimensionless"),
                "log-loss with it": (after, "nats"),
                "samples": (found.truth.size, "samples"),
            }
        )
        how = Text("too sure") if trust > found.accuracy else Text("too unsure")
        worth = (
            Text(" Always answering the class shares would have a better one: {prior:.3g}.", prior=prior)
            if is_useless
            else ""
        )
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if is_useless else Severity.INFO,
            confidence(error / max(self.error, self.sigmas * expected)),
            found.step,
            found.step,
            Text(
                "The probabilities are {how}: on average the model is {trust:.0%} sure and "
                "{accuracy:.0%} of its answers are right; the calibration error is {error:.1%}. The "
                "log-loss is {loss:.3g}.{worth}",
                how=how,
                trust=trust,
                accuracy=found.accuracy,
                error=error,
                loss=loss,
                worth=worth,
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Divide the logits by {temperature:.3g}: the log-loss falls from {loss:.3g} to "
                    "{after:.3g}, and no answer changes. Fit it on data that decide nothing else.",
                    temperature=temperature,
                    loss=loss,
                    after=after,
                ),
                f"probabilities = torch.softmax(logits / {temperature:.3g}, dim=1)",
            ),
        )


def log_loss(logits: Floats, truth: Ints) -> float:
    """Mean negative log-probability of the true classes, nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(truth.size), truth]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))


def fitted_temperature(logits: Floats, truth: Ints) -> tuple[float, float]:
    """The temperature in 0.05..20 with the lowest log-loss, and that loss; a grid of 2.5 % steps."""
    grid = np.geomspace(0.05, 20.0, 243)
    some = slice(None, None, max(1, truth.size // 5000))  # enough to fit one number
    losses = [log_loss(logits[some] / value, truth[some]) for value in grid]
    best = float(grid[int(np.argmin(losses))])
    return best, log_loss(logits / best, truth)
