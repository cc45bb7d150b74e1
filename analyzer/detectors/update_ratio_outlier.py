"""Layers that move much faster or slower than their like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Floats, Run
from traindoctor.text import Text

from ..parameter_signals import Table, known_median, update_ratios
from ..phrases import confidence, measured

MIN_SAMPLES = 10


@dataclass(frozen=True)
class UpdateRatioOutlier:
    """Reports weight matrices whose updates, relative to their size, are far from those of the others.

    For each sampled step the logarithm of update norm / weight norm is compared with its median over the
    matrices that did not start near zero. A matrix is an outlier when it lies more than `decades` decades
    away in at least `often` of the samples, on the same side. Matrices that never moved are left to the check
    for frozen ones. Always a note.

    Why it matters: one learning rate serves all layers. The layer that moves a hundred times faster sets its
    upper limit, and the others hardly learn.

    When it is wrong: parts that are meant to move slowly (a trained body under a new head, layer-wise rates)
    or quickly; embeddings and tied weights, of which a step touches few rows.

    What to try: a param group of its own for the layer, its learning rate divided by how far it is off; an
    initialisation that fits its width.

    Source: ours; the usual ratio near 1e-3 is a rule of thumb of Stanford's course CS231n.

    Example:
        >>> from traindoctor.run import Series
        >>> steps = np.arange(20)
        >>> sizes = {f"fc{i}.weight": Series(steps, np.full(20, 1e-3)) for i in range(5)}
        >>> sizes["fc2.weight"] = Series(steps, np.full(20, 0.2))
        >>> [f.parameters for f in UpdateRatioOutlier().check(Run("r", "r", {}, {"update_ratio": sizes}))]
        [('fc2.weight',)]
    """

    code: str = "TD210"
    name: str = "update-ratio-outlier"
    needs: tuple[str, ...] = ("parameters:update_ratio",)
    decades: float = 1.5
    often: float = 0.5
    least_matrices: int = 4

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, about all outliers.

        Raises:
            NotAssessable: too few matrices or samples to compare.
        """
        ratios = update_ratios(run)
        if len(ratios.names) < self.least_matrices:
            raise NotAssessable(
                Text(
                    "only {n_names} weight matrices; {least_matrices} are the least to compare",
                    n_names=len(ratios.names),
                    least_matrices=self.least_matrices,
                )
            )
        values = np.where(np.isfinite(ratios.values) & (ratios.values > 0.0), ratios.values, np.nan)
        is_full = np.isfinite(values).sum(axis=1) >= self.least_matrices
        if int(is_full.sum()) < MIN_SAMPLES:
            raise NotAssessable(
                Text(
                    "only {sum} samples to compare; {min_samples} are needed",
                    sum=int(is_full.sum()),
                    min_samples=MIN_SAMPLES,
                )
            )
        logs = np.log10(values[is_full])
        away = logs - known_median(logs, axis=1)[:, None]
        with np.errstate(invalid="ignore"):
            fast, slow = (away > self.decades).mean(axis=0), (away < -self.decades).mean(axis=0)
        found = np.flatnonzero(np.maximum(fast, slow) >= self.often)
        if found.size:
            yield self._finding(ratios, is_full, away, found)

    def _finding(self, ratios: Table, is_full: np.ndarray, away: Floats, found: np.ndarray) -> Finding:
        typical = known_median(away, axis=0)
        ordered = sorted((int(i) for i in found), key=lambda i: -abs(float(typical[i])))
        worst = ordered[0]
        factor = float(10.0 ** typical[worst])
        own = float(known_median(ratios.values[is_full, worst]))
        steps = ratios.steps[is_full]
        name = ratios.names[worst]
        how = (
            Text("{factor:.3g} times as fast as", factor=factor)
            if factor > 1.0
            else Text("{factor:.3g} times slower than", factor=1.0 / factor)
        )
        return Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(abs(float(typical[worst])) / self.decades),
            int(steps[0]),
            int(steps[-1]),
            Text(
                "{name} moves {how} the other matrices: a step changes it by {own:.2g} of its size "
                "(median). {n_ordered} of {n_names} matrices are so far off.",
                name=name,
                how=how,
                own=own,
                n_ordered=len(ordered),
                n_names=len(ratios.names),
            ),
            *measured(
                {
                    "update ratio": (own, "dimensionless"),
                    "times the median of the others": (factor, "times"),
                    "times slower": (1.0 / factor, "times"),
                    "outliers": (len(ordered), "matrices"),
                    "matrices": (len(ratios.names), "matrices"),
                }
            ),
            _remedy(name, factor),
            parameters=tuple(ratios.names[i] for i in ordered),
        )


def _remedy(name: str, factor: float) -> Remedy:
    scale = float(f"{1.0 / factor:.1g}")
    return Remedy(
        Text("Give the layer a param group of its own, with a learning rate that evens the difference out."),
        f"name = {name!r}\n"
        "own = [p for n, p in model.named_parameters() if n == name]\n"
        "rest = [p for n, p in model.named_parameters() if n != name]\n"
        f'groups = [{{"params": rest}}, {{"params": own, "lr": lr * {scale!r}}}]',
    )
