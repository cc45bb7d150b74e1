"""Rare classes that the model gives up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..answers import Answers, answers, class_weights_code
from ..metrics.classification import wilson_interval
from ..phrases import confidence, measured


@dataclass(frozen=True)
class ClassImbalance:
    """Reports rare classes that the model misses while it answers the common ones well.

    Over the captured held-out predictions a class is given up when it is `rarer` times rarer than the
    commonest one, at least `least` samples show it, and the upper end of the 95 % Wilson interval of its
    recall is below 1 - `missed`, while the recall of the commonest class is at least half. A warning when
    the given-up classes are a `material` share of the samples; a note otherwise.

    Why it matters: the accuracy hardly notices; whoever needs the rare class, and that is mostly why it was
    labelled, gets a model that never finds it.

    When it is wrong: rare classes that cannot be told from the others by anyone, or whose misses cost
    nothing.

    What to try: class weights or a balanced sampler; a threshold chosen on held-out data instead of the
    largest score; more samples of the rare classes.

    Source: the ratio of 10 and the share of .7 are those of Amazon SageMaker Debugger's rule ClassImbalance;
    the interval is Wilson's (1927).

    Example:
        >>> from traindoctor.run import Predictions
        >>> labels = np.r_[np.zeros(400, int), np.ones(40, int)]
        >>> scores = np.tile([2.0, 0.0], (440, 1))
        >>> scores[:2] = scores[400:402] = [0.0, 2.0]
        >>> run = Run("r", "r", predictions=Predictions(labels, scores, 100, kind="logits"))
        >>> [round(f.evidence["recall"], 2) for f in ClassImbalance().check(run)]
        [0.05]
    """

    code: str = "TD502"
    name: str = "class-imbalance"
    needs: tuple[str, ...] = ("predictions",)
    rarer: float = 10.0
    missed: float = 0.7
    least: int = 20
    material: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, about all the classes given up.

        Raises:
            NotAssessable: fewer than 50 predictions, labels of a single class, or no rare class has enough
                samples.
        """
        found = answers(run)
        support, recall = found.support, found.recall
        common = int(support.argmax())
        rare = np.flatnonzero((support >= self.least) & (support * self.rarer <= support[common]))
        if not recall[common] >= 0.5:
            return
        given_up = [
            int(c) for c in rare if wilson_interval(float(recall[c]), int(support[c]))[1] < 1.0 - self.missed
        ]
        if given_up:
            yield self._finding(found, sorted(given_up, key=lambda c: (recall[c], c)), common)

    def _finding(self, found: Answers, given_up: list[int], common: int) -> Finding:
        support, recall, worst = found.support, found.recall, given_up[0]
        share = float(support[given_up].sum() / support.sum())
        ratio = float(support[common] / support[worst])
        evidence, units = measured(
            {
                "classes given up": (len(given_up), "classes"),
                "recall": (recall[worst], "fraction"),
                "samples": (support[worst], "samples"),
                "rarer than the commonest": (ratio, "times"),
                "recall of the commonest": (recall[common], "fraction"),
                "share of the samples": (share, "fraction"),
                "accuracy": (found.accuracy, "fraction"),
                "balanced accuracy": (found.balanced_accuracy, "fraction"),
            }
        )
        return Finding(
            self.code,
            self.name,
            Severity.WARNING if share >= self.material else Severity.INFO,
            confidence((1.0 - float(recall[worst])) / self.missed),
            found.step,
            found.step,
            Text(
                "The model gives up {n_given_up} rare class(es): of the {support} samples of the one "
                "it knows least, which is {ratio:.3g} times rarer than the commonest, it finds "
                "{recall:.0%}, and {recall_2:.0%} of the commonest. The accuracy of {accuracy:.0%} "
                "hides it: averaged over the classes it is {balanced_accuracy:.0%}.",
                n_given_up=len(given_up),
                support=support[worst],
                ratio=ratio,
                recall=recall[worst],
                recall_2=recall[common],
                accuracy=found.accuracy,
                balanced_accuracy=found.balanced_accuracy,
            ),
            evidence,
            units,
            Remedy(
                Text("Weight the classes by their rarity, or draw them with equal chances."),
                class_weights_code(support),
            ),
        )
