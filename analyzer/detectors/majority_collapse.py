"""A classifier that answers (nearly) the same class whatever it is shown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..answers import Answers, answers, class_weights_code, entropy
from ..phrases import confidence, measured

LEAST_OF_CLASS = 5


@dataclass(frozen=True)
class MajorityCollapse:
    """Reports a classifier whose answers have collapsed onto one class, or few.

    Over the captured held-out predictions, the entropy of the answered classes is below `diversity` of that
    of the labels, and the balanced accuracy (mean recall over the classes with at least 5 samples) is within
    `sigmas` standard errors, or `slack` of the way to perfect, of 1 / number of classes: the model does no
    better than one that does not look. Critical when one class takes every answer, a warning otherwise.

    Why it matters: on unbalanced data such a model can have a high accuracy and a falling loss, and knows
    nothing.

    When it is wrong: a held-out set whose rare classes have so few samples that answering them rightly hardly
    shows.

    What to try: look at the loss against that of a constant answer first. Classes weighted by their rarity,
    a lower learning rate, and a check that the labels belong to their inputs.

    Source: ours; balanced accuracy as in Brodersen et al. 2010.

    Example:
        >>> from traindoctor.run import Predictions
        >>> labels = np.arange(200) % 4
        >>> scores = np.tile([5.0, 0.0, 0.0, 0.0], (200, 1))
        >>> run = Run("r", "r", predictions=Predictions(labels, scores, 100, kind="logits"))
        >>> [f.severity.value for f in MajorityCollapse().check(run)]
        ['critical']
    """

    code: str = "TD501"
    name: str = "majority-collapse"
    needs: tuple[str, ...] = ("predictions",)
    diversity: float = 0.2
    sigmas: float = 2.0
    slack: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: fewer than 50 predictions, or labels of a single class.
        """
        found = answers(run)
        given = np.bincount(found.answer, minlength=len(found.names))
        share = entropy(given) / max(entropy(found.support), 1e-12)
        known = found.support >= LEAST_OF_CLASS
        if share >= self.diversity or int(known.sum()) < 2:
            return
        recall = found.recall[known]
        balanced, chance = float(recall.mean()), 1.0 / int(known.sum())
        error = math.sqrt(float((recall * (1.0 - recall) / found.support[known]).sum())) * chance
        if balanced > chance + max(self.sigmas * error, self.slack * (1.0 - chance)):
            return
        yield self._finding(found, given, share, balanced, chance)

    def _finding(
        self, found: Answers, given: np.ndarray, share: float, balanced: float, chance: float
    ) -> Finding:
        top = int(given.argmax())
        part = float(given[top] / given.sum())
        of_labels = float(found.support[top] / found.support.sum())
        evidence, units = measured(
            {
                "answers of one class": (part, "fraction"),
                "labels of that class": (of_labels, "fraction"),
                "diversity of the answers": (share, "share of the labels' entropy"),
                "balanced accuracy": (balanced, "fraction"),
                "chance": (chance, "fraction"),
                "accuracy": (found.accuracy, "fraction"),
                "samples": (found.truth.size, "samples"),
            }
        )
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL if part == 1.0 else Severity.WARNING,
            confidence(self.diversity / max(share, 1e-3)),
            found.step,
            found.step,
            Text(
                "The answers have collapsed: {part:.1%} of them are one class, which {of_labels:.1%} "
                "of the labels have. The balanced accuracy is {balanced:.1%}; not looking at the "
                "input gives {chance:.1%}.",
                part=part,
                of_labels=of_labels,
                balanced=balanced,
                chance=chance,
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Compare the loss with that of a constant answer, and weight the classes by their rarity."
                ),
                class_weights_code(found.support),
            ),
        )
