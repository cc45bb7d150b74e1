"""Losses, gradients or weights that are NaN or infinite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import (
    AMP_SCALE,
    AMP_SKIPPED,
    GRAD_NORM,
    GRAD_NORM_PRECLIP,
    LOSS_TRAIN,
    LOSS_VALIDATION,
)
from traindoctor.run import Run, Series
from traindoctor.text import Text

from ..optimizer_code import optimizer_code
from ..phrases import measured, place, x_unit
from ..signal import MAD_TO_SD

PRECURSOR = 50  # steps before the failure that are searched for its cause

WATCHED = {
    LOSS_TRAIN: Text("training loss"),
    GRAD_NORM: Text("gradient norm"),
    GRAD_NORM_PRECLIP: Text("gradient norm"),
    LOSS_VALIDATION: Text("validation loss"),
}
NOTHING = Series(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True)
class NonFinite:
    """Reports losses, gradients or weights that became NaN or infinite.

    Critical when at least `lasting` of the training losses from the first non-finite one on are non-finite,
    or when a parameter is. Where they are finite, so are the gradient norms and the validation losses
    looked at (at least `least` bad ones in a row at the end): some tools log 0 for a loss that is NaN.
    Under automatic mixed precision a skipped step is normal; a warning comes when more than `amp_share` of
    the last 200 steps were skipped or the loss scale fell below 1. Single non-finite losses that the run
    survives are a note. The 50 steps before (five logging intervals where not every step was logged) are
    searched for a precursor: a gradient norm or a loss more than 8 robust standard deviations above its
    median, and the first parameter affected.

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
    needs: tuple[str, ...] = ()
    lasting: float = 0.5
    least: int = 2
    amp_share: float = 0.05

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding for loss and weights, and one for the loss scale.

        Raises:
            NotAssessable: neither a loss nor a gradient norm was recorded.
        """
        recorded = [name for name in WATCHED if run.get(name) is not None]
        if not recorded:
            raise NotAssessable(Text("neither a loss nor a gradient norm was recorded"))
        loss = run.series.get(LOSS_TRAIN, NOTHING)
        bad = ~np.isfinite(loss.values)
        parameter, parameter_step = first_bad_parameter(run)
        if bad.any() or parameter:
            yield self._finding(run, loss, bad, parameter, parameter_step)
        else:
            yield from self._elsewhere(run, recorded)
        yield from self._amp(run)

    def _elsewhere(self, run: Run, recorded: list[str]) -> Iterator[Finding]:
        """A gradient norm or validation loss that ends in non-finite values although the loss is finite."""
        for name in recorded:
            series = run.series[name]
            bad = ~np.isfinite(series.values)
            if not bad.any() or bad.all() or not bad[-self.least :].all():
                continue
            first = int(np.argmax(bad))
            share, start = float(bad[first:].mean()), int(series.steps[first])
            if share < self.lasting or int(bad.sum()) < self.least:
                continue
            yield Finding(
                self.code,
                self.name,
                Severity.CRITICAL,
                0.9,
                start,
                int(series.steps[-1]),
                Text(
                    "The {watched} became NaN or infinite at {place}, and {share:.0%} of its values "
                    "since were not finite; everything after it is wasted.",
                    watched=WATCHED[name],
                    place=place(run, start),
                    share=share,
                ),
                *measured(
                    {
                        "first non-finite": (start, x_unit(run)),
                        "non-finite values": (bad.sum(), "values"),
                        "share non-finite since": (share, "fraction"),
                    }
                ),
                _remedy(run, start, "", True, 1.0),
            )
            return

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
                "looked back": (lookback(run), unit),
            }
        )
        message = _message(run, start, int(bad.sum()), share, parameter, is_lasting, growth)
        last = (
            max(int(loss.steps[-1]) if len(loss) else start, start)
            if is_lasting
            else int(loss.steps[np.flatnonzero(bad)[-1]])
        )
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
        looked_at = min(200, len(skipped)) if skipped is not None else 0
        share = float(np.nanmean(skipped.values[-200:] > 0)) if skipped is not None else 0.0
        lowest = float(scale.finite().values[-1]) if scale is not None and len(scale.finite()) else 1.0
        if share < self.amp_share and lowest >= 1.0:
            return
        yield Finding(
            self.code,
            self.name,
            Severity.WARNING,
            0.9,
            int(skipped.steps[-looked_at]) if skipped is not None else max(0, run.n_steps - 1),
            max(0, run.n_steps - 1),
            Text(
                "Mixed precision overflows too often: {share:.0%} of the last {looked_at} recorded "
                "{x_unit} were skipped and the loss scale is {lowest:.3g}.",
                share=share,
                looked_at=looked_at,
                x_unit=x_unit(run),
                lowest=lowest,
            ),
            {"skipped share": share, "looked at": float(looked_at), "loss scale": lowest},
            {"skipped share": "fraction", "looked at": x_unit(run), "loss scale": "dimensionless"},
            Remedy(
                Text("Train in bfloat16, which needs no loss scale, or lower the learning rate."),
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


def lookback(run: Run) -> int:
    """How far before a failure its cause is searched: 50 steps, or five logging intervals."""
    series = run.get(GRAD_NORM) or run.get(LOSS_TRAIN)
    spacing = float(np.median(np.diff(series.steps))) if series is not None and len(series) > 1 else 1.0
    return PRECURSOR if spacing <= 1.0 else round(5 * spacing)


def precursor_growth(run: Run, step: int) -> float:
    """Largest gradient norm just before, over its median earlier; the loss where it is missing.

    1 when nothing stood out by more than 8 robust standard deviations.
    """
    series = run.get(GRAD_NORM) or run.get(LOSS_TRAIN)
    if series is None:
        return 1.0
    near_by = lookback(run)
    before = series.between(step - 10 * near_by, step - 1).finite()
    near = before.between(step - near_by, step - 1)
    calm = before.between(step - 10 * near_by, step - near_by - 1)
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
        return Text(
            "{n_bad} training losses from {where} on were NaN or infinite, and the run recovered.",
            n_bad=n_bad,
            where=where,
        )
    what = Text("The training loss") if n_bad else Text("The weights of {parameter}", parameter=parameter)
    sign = (
        Text(
            " The gradient norm had grown {growth:.3g}-fold in the {lookback} {x_unit} before.",
            growth=growth,
            lookback=lookback(run),
            x_unit=x_unit(run),
        )
        if growth > 1.0
        else ""
    )
    since = Text(" and {share:.0%} of the losses since were not finite", share=share) if n_bad else ""
    return Text(
        "{what} became NaN or infinite at {where}{since}; everything after it is wasted.{sign}",
        what=what,
        where=where,
        since=since,
        sign=sign,
    )


def _remedy(run: Run, start: int, parameter: str, is_lasting: bool, growth: float) -> Remedy:
    if not is_lasting:
        return Remedy(Text("Look at the batches there; nothing else is needed if they are rare."))
    if growth > 1.0:
        return Remedy(
            Text(
                "Go back to the last checkpoint before {place}, divide the learning rate by 3 and clip.",
                place=place(run, start),
            ),
            optimizer_code(run, lr_factor=1 / 3)
            + "\ntorch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)  # before optimizer.step()",
        )
    layer = f" {parameter}" if parameter else Text(" the batch and the loss")
    return Remedy(
        Text(
            "Go back to the last checkpoint before {place} and look at{layer}: log, sqrt or "
            "division by zero, labels out of range, float16 overflow.",
            place=place(run, start),
            layer=layer,
        ),
        "torch.autograd.set_detect_anomaly(True)  # names the operation; slow, for a few steps only",
    )
