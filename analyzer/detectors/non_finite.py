"""Losses, gradients or weights that are NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import AMP_SCALE, AMP_SKIPPED, GRAD_NORM, LOSS_TRAIN
from traindoctor.run import Run, Series

from ..optimizer_code import optimizer_code
from ..phrases import measured, place, x_unit
from ..signal import MAD_TO_SD

PRECURSOR = 50  # steps before the failure that are searched for its cause


@dataclass(frozen=True)
class NonFinite:
    """Reports losses, gradients or weights that became NaN or infinite.

    Critical when at least `lasting` of the losses from the first non-finite one on are non-finite, or when a
    parameter is. Under automatic mixed precision a skipped step is normal; a warning comes when more than
    `amp_share` of the last 200 steps were skipped or the loss scale fell below 1. Single non-finite losses
    that the run survives are a note. The 50 steps before are searched for a precursor: a gradient norm or a
    loss more than 8 robust standard deviations above its median, and the first parameter affected.

    Why it matters: every step after a non-finite weight is wasted, and checkpoints written since are useless.

    When it is wrong: losses that are infinite by design (a masked sample with log 0 that gets weight 0), and
    logs of tools that write NaN for "not measured".

    What to try: the last finite checkpoint; a lower learning rate, warm-up or clipping when the gradient norm
    grew before; else the named layer or the batch, bfloat16 in place of float16, a larger epsilon in log,
    sqrt and division.

    Source: ours; thresholds from trials on small networks.

    Example:
        >>> losses = np.r_[np.linspace(2.0, 1.0, 60), np.full(40, np.nan)]
        >>> run = Run("r", "r", {"loss/train": Series(np.arange(100), losses)})
        >>> [(f.severity.value, f.first_step) for f in NonFinite().check(run)]
        [('critical', 60)]
    """

    code: str = "TD103"
    name: str = "non-finite"
    needs: tuple[str, ...] = (LOSS_TRAIN,)
    lasting: float = 0.5
    amp_share: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding for loss and weights, and one for the loss scale."""
        loss = run.series[LOSS_TRAIN]
        bad = ~np.isfinite(loss.values)
        parameter, parameter_step = first_bad_parameter(run)
        if bad.any() or parameter:
            yield self._finding(run, loss, bad, parameter, parameter_step)
        yield from self._amp(run)

    def _finding(
        self, run: Run, loss: Series, bad: np.ndarray, parameter: str, parameter_step: int
    ) -> Finding:
        first = int(np.argmax(bad)) if bad.any() else len(loss)
        share = float(bad[first:].mean()) if bad.any() else 0.0
        loss_step = int(loss.steps[first]) if bad.any() else parameter_step
        start = min(loss_step, parameter_step) if parameter else loss_step
        is_lasting = share >= self.lasting or bool(parameter)
        growth = precursor_growth(run, start)
        unit = x_unit(run)
        evidence, units = measured(
            {
                "first non-finite": (start, unit),
                "non-finite losses": (bad.sum(), "losses"),
                "share non-finite since": (share, "fraction"),
                "gradient growth before": (growth, "times its median"),
                "looked back": (PRECURSOR, unit),
            }
        )
        message = _message(run, start, int(bad.sum()), share, parameter, is_lasting, growth)
        last = int(loss.steps[-1]) if is_lasting else int(loss.steps[np.flatnonzero(bad)[-1]])
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL if is_lasting else Severity.INFO,
            1.0 if is_lasting else 0.9,
            start,
            max(last, start),
            message,
            evidence,
            units,
            _remedy(run, start, parameter, is_lasting, growth),
            parameters=(parameter,) if parameter else (),
        )

    def _amp(self, run: Run) -> Iterator[Finding]:
        skipped, scale = run.get(AMP_SKIPPED), run.get(AMP_SCALE)
        share = float(np.nanmean(skipped.values[-200:] > 0)) if skipped is not None else 0.0
        lowest = float(scale.finite().values[-1]) if scale is not None and len(scale.finite()) else 1.0
        if share < self.amp_share and lowest >= 1.0:
            return
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING,
            0.9,
            max(0, run.n_steps - 200),
            max(0, run.n_steps - 1),
            f"Mixed precision overflows too often: {share:.0%} of the last 200 steps were skipped and the "
            f"loss scale is {lowest:.3g}.",
            {"skipped share": share, "steps looked at": 200.0, "loss scale": lowest},
            {"skipped share": "fraction", "steps looked at": "steps", "loss scale": "dimensionless"},
            Remedy(
                "Train in bfloat16, which needs no loss scale, or lower the learning rate.",
                'with torch.autocast("cuda", dtype=torch.bfloat16):\n    loss = criterion(model(x), y)',
            ),
        )


def first_bad_parameter(run: Run) -> tuple[str, int]:
    """Name of the parameter whose weights became non-finite first, and the step; ("", -1) when none did."""
    found: list[tuple[int, int, str]] = []
    for quantity in ("weight_norm", "weight_max", "weight_rms"):
        for order, (name, series) in enumerate(run.parameter(quantity).items()):
            bad = np.flatnonzero(~np.isfinite(series.values))
            if bad.size:
                found.append((int(series.steps[bad[0]]), order, name))
    if not found:
        return "", -1
    step, _, name = min(found)
    return name, step


def precursor_growth(run: Run, step: int) -> float:
    """Largest gradient norm of the 50 steps before, over its median earlier; the loss where it is missing.

    1 when nothing stood out by more than 8 robust standard deviations.
    """
    series = run.get(GRAD_NORM) or run.get(LOSS_TRAIN)
    if series is None:
        return 1.0
    before = series.between(max(0, step - 500), step - 1).finite()
    near = before.between(step - PRECURSOR, step - 1)
    calm = before.between(0, step - PRECURSOR - 1)
    if len(calm) < 10 or not len(near):
        return 1.0
    middle = float(np.median(calm.values))
    spread = MAD_TO_SD * float(np.median(np.abs(calm.values - middle)))
    top = float(near.values.max())
    return top / middle if middle > 0.0 and top > middle + 8.0 * max(spread, 1e-3 * middle) else 1.0


def _message(
    run: Run, start: int, n_bad: int, share: float, parameter: str, is_lasting: bool, growth: float
) -> str:
    where = place(run, start)
    if not is_lasting:
        return f"{n_bad} training losses from {where} on were NaN or infinite, and the run recovered."
    what = "The training loss" if n_bad else f"The weights of {parameter}"
    sign = (
        f" The gradient norm had grown {growth:.3g}-fold in the {PRECURSOR} steps before."
        if growth > 1.0
        else ""
    )
    since = f" and {share:.0%} of the losses since were not finite" if n_bad else ""
    return f"{what} became NaN or infinite at {where}{since}; everything after it is wasted.{sign}"


def _remedy(run: Run, start: int, parameter: str, is_lasting: bool, growth: float) -> Remedy:
    if not is_lasting:
        return Remedy("Look at the batches at those steps; nothing else is needed if they are rare.")
    if growth > 1.0:
        return Remedy(
            f"Go back to the last checkpoint before {place(run, start)}, divide the learning rate by 3 "
            "and clip.",
            optimizer_code(run, lr_factor=1 / 3)
            + "\ntorch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # before optimizer.step()",
        )
    layer = f" {parameter}" if parameter else " the batch and the loss"
    return Remedy(
        f"Go back to the last checkpoint before {place(run, start)} and look at{layer}: log, sqrt or "
        "division by zero, labels out of range, float16 overflow.",
        "torch.autograd.set_detect_anomaly(True)  # names the operation; slow, for a few steps only",
    )
