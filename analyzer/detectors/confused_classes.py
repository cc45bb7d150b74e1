"""Classes that the model takes for each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Run
from traindoctor.text import Text

from ..answers import Answers, answers
from ..metrics.classification import wilson_interval
from ..phrases import confidence, measured


@dataclass(frozen=True)
class ConfusedClasses:
    """Reports pairs of classes that a classifier mixes up, where it is good at the others.

    Over the captured held-out predictions, class a is taken for class b when the lower end of the 95 % Wilson
    interval of the share of a's samples that were answered b exceeds `share`, and b takes at least
    `dominant` of a's errors. Only with three classes or more and an overall accuracy of at least
    `good`: before that, everything is confused with everything. Always a note.

    Why it matters: a few pairs often hold most of the remaining errors, and say what is missing: a feature
    that tells them apart, a cleaner rule for labelling them, or a common class.

    When it is wrong: classes that overlap by nature; labels that are themselves mixed up.

    What to try: look at twenty samples of each pair side by side; more of them in training; one class for
    both if nobody can tell them apart.

    Source: ours; rows are normalised by their class, not by the trace as in other tools, which condemns
    unbalanced data.

    Example:
        >>> from traindoctor.run import Predictions
        >>> labels = np.arange(300) % 3
        >>> answered = np.where((labels == 2) & (np.arange(300) % 2 == 0), 1, labels)
        >>> run = Run("r", "r", predictions=Predictions(labels, np.eye(3)[answered], 100))
        >>> [round(f.evidence["share of its samples"], 2) for f in ConfusedClasses().check(run)]
        [0.5]
    """

    code: str = "TD504"
    name: str = "confused-classes"
    needs: tuple[str, ...] = ("predictions",)
    share: float = 0.15
    dominant: float = 0.5
    good: float = 0.5
    most_pairs: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, about the worst pairs.

        Raises:
            NotAssessable: fewer than 50 predictions, or labels of a single class.
        """
        found = answers(run)
        if len(found.names) < 3 or found.accuracy < self.good:
            return
        errors = found.confusion - np.diag(np.diag(found.confusion))
        pairs: list[tuple[float, int, int]] = []
        for a in np.flatnonzero(found.support):
            b = int(errors[a].argmax())
            taken, size = int(errors[a, b]), int(found.support[a])
            is_usual = taken >= self.dominant * int(errors[a].sum())
            if taken and is_usual and wilson_interval(taken / size, size)[0] > self.share:
                pairs.append((taken / size, int(a), b))
        if pairs:
            pairs.sort(key=lambda pair: (-pair[0], pair[1]))
            yield self._finding(found, errors, pairs)

    def _finding(self, found: Answers, errors: np.ndarray, pairs: list[tuple[float, int, int]]) -> Finding:
        part, a, b = pairs[0]
        held = float(sum(errors[i, j] for _, i, j in pairs) / max(int(errors.sum()), 1))
        evidence, units = measured(
            {
                "true class": (a, "class index"),
                "answered class": (b, "class index"),
                "share of its samples": (part, "fraction"),
                "share of the other way round": (errors[b, a] / max(int(found.support[b]), 1), "fraction"),
                "pairs": (len(pairs), "pairs"),
                "errors in these pairs": (held, "fraction"),
                "accuracy": (found.accuracy, "fraction"),
            }
        )
        for rank, (_, i, j) in enumerate(pairs[1 : self.most_pairs], start=2):
            evidence |= {f"true class, pair {rank}": float(i), f"answered class, pair {rank}": float(j)}
            units |= dict.fromkeys(
                (Text("true class, pair {rank}", rank=rank), Text("answered class, pair {rank}", rank=rank)),
                "class index",
            )
        return Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(part / self.share),
            found.step,
            found.step,
            Text(
                "Two classes are mixed up: {part:.0%} of the samples of class index {a} are answered "
                "as class index {b}. {n_pairs} such pair(s) hold {held:.0%} of all errors.",
                part=part,
                a=a,
                b=b,
                n_pairs=len(pairs),
                held=held,
            ),
            evidence,
            units,
            Remedy(
                Text(
                    "Look at samples of the pair side by side: is the label clear, and does the input "
                    "show what tells them apart?"
                ),
                f"confused = (labels == {a}) & (logits.argmax(dim=1) == {b})\n"
                "print(confused.nonzero().flatten()[:20])",
            ),
        )
