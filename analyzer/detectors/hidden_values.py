"""A log whose source leaves out or replaces the very values that would show a trouble."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import GRAD_NORM, GRAD_NORM_PRECLIP, LOSS_TRAIN
from traindoctor.run import Run, Series
from traindoctor.text import Text, joined

from ..extent import extent
from ..phrases import is_native, measured, place, x_unit

RESERVOIR = (1000, 10_000)
"""How many points per scalar TensorBoard keeps when it samples a series at random."""


@dataclass(frozen=True)
class HiddenValues:
    """Reports logs of other tools in which non-finite or single losses were replaced or left out.

    Two signs are looked for. *Filtered*: the gradient norm is NaN or infinite at `least` steps or more whose
    logged loss is finite, or exactly 0: some trainers replace a loss that is not finite. *Sampled*: a series
    of steps holds exactly 1000 or 10000 points (or one less) at uneven distances, which is how TensorBoard
    thins a series at random. Always a note.

    Why it matters: a check for NaN, spikes or a sudden rise cannot see what the source has hidden; silence
    about them means nothing here.

    When it is wrong: a loss scaler that skips the steps with infinite gradients makes the first picture, too,
    and is no trouble while it is rare.

    What to try: switch the filter off (`logging_nan_inf_filter=False` in Hugging Face's TrainingArguments);
    read the event files instead of TensorBoard's download; or record the script with `traindoctor run`.

    Source: ours; documentation of `TrainingArguments.logging_nan_inf_filter`, and TensorBoard's
    `--samples_per_plugin`.

    Example:
        >>> steps = np.arange(100)
        >>> norms = np.where(steps > 60, np.nan, 1.0)
        >>> series = {"loss/train": Series(steps, np.where(steps > 60, 0.0, 2.0)),
        ...           "grad_norm/global": Series(steps, norms)}
        >>> run = Run("r", "r", series, info=RunInfo(source="Hugging Face trainer_state.json"))
        >>> [(f.severity.value, f.first_step) for f in HiddenValues().check(run)]
        [('info', 61)]
    """

    code: str = "TD903"
    name: str = "hidden-values"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    least: int = 3

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding; none for our own recordings, which hide nothing."""
        if is_native(run):
            return
        losses = run.series[LOSS_TRAIN]
        filtered = self._filtered(run, losses)
        told: list[str] = []
        figures: dict[str, tuple[float, str]] = {}
        first = extent(run).first
        if filtered.size:
            first = int(filtered[0])
            told.append(
                Text(
                    "at {size} points the gradient norm is NaN or infinite and the logged loss is not, "
                    "the first is {place}",
                    size=filtered.size,
                    place=place(run, first),
                )
            )
            figures |= {"points": (filtered.size, "points"), "first": (first, x_unit(run))}
        if is_sampled(losses):
            told.append(
                Text("the training loss was thinned at random to {n_losses} points", n_losses=len(losses))
            )
            figures["kept points"] = (len(losses), "points")
        if not told:
            return
        yield Finding(
            self.code,
            self.name,
            Severity.INFO,
            0.8,
            first,
            max(first, extent(run).last),
            Text(
                "The log hides values: {told}. Checks for NaN and for spikes cannot see them.",
                told=joined(Text(" and "), told),
            ),
            *measured(figures),
            Remedy(
                Text("Log every value as it is, or record the script with `traindoctor run`."),
                "arguments = TrainingArguments(logging_nan_inf_filter=False, logging_steps=1)"
                if filtered.size
                else "",
            ),
        )

    def _filtered(self, run: Run, losses: Series) -> np.ndarray:
        """Steps with a gradient norm that is not finite beside a loss that is."""
        found: list[np.ndarray] = []
        for name in (GRAD_NORM_PRECLIP, GRAD_NORM):
            norms = run.get(name)
            if norms is not None:
                steps, mine, theirs = np.intersect1d(norms.steps, losses.steps, return_indices=True)
                found.append(steps[~np.isfinite(norms.values[mine]) & np.isfinite(losses.values[theirs])])
        both = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
        return both if both.size >= self.least else np.empty(0, np.int64)


def is_sampled(series: Series) -> bool:
    """Whether a series has the size and the uneven distances of a random sample."""
    if not any(len(series) in (size, size - 1, size + 1) for size in RESERVOIR):
        return False
    gaps = np.diff(series.steps)
    return float(np.std(gaps)) > 0.3 * float(np.mean(gaps))
