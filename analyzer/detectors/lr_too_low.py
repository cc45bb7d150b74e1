"""A learning rate so low that the run spends its steps without getting anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import LOSS_TRAIN
from traindoctor.run import Run
from traindoctor.text import Text

from ..decay import setting
from ..optimizer_code import optimizer_code, rounded
from ..outcome import better_final_skill, final_skill
from ..parameter_signals import known_median, late, matrices, table, update_ratios
from ..phases import main_learning_rate, phases
from ..phrases import confidence, measured, x_unit
from ..reference import require_progress_signal

MIN_STEPS = 50  # a shorter run has not had the time to get anywhere
REACH = 0.2
ADAPTIVE = ("Adam", "AdamW", "NAdam", "RAdam", "RMSprop")


@dataclass(frozen=True)
class LrTooLow:
    """Reports a learning rate whose steps are far too small for the length of the run.

    A run of T steps gets somewhere with update / weight ratios near 0.2 / sqrt(T). The run is under-stepping
    when the 90th percentile over time (after the first 5 %) of the median ratio over the weight matrices is
    `margin` times below that (`margin_without_skill` where the loss lost less than `no_skill` of the constant
    predictor's, in training and in validation), no step after the first reached it, no single matrix moves
    `margin` / 2 times faster than this, and the loss has lost less than `enough_skill` of the constant
    predictor's loss, in training and in validation. Ratios that are exactly zero with gradients present count
    when the rate is so small that the updates are rounded away. A schedule that holds a tenth of its peak for
    less than `least_hot` of the run is not judged by its peak.

    Where an adaptive optimizer divides by the root of the mean squared gradient plus epsilon, an epsilon of
    `drowned` times that root or more (median over the matrices and the samples) divides every step by as much
    and takes the adaptation away: reported where the run ended with a skill below `good_skill` in training
    and in validation.

    Why it matters: the loss falls smoothly and looks healthy, only the run ends long before it has learned
    what the model could; it is the trouble that looks least like one.

    When it is wrong: fine-tuning of a trained model on a task where little is left to learn, when neither
    labels nor classes were recorded and the skill is counted from the first loss. Runs whose units are dead
    or whose inputs saturate also have small updates; they are left to their own checks.

    What to try: a learning rate higher by the factor in the evidence, or a range test; more steps are the
    expensive way.

    Source: ours; the ratio 0.2 / sqrt(T) was fitted on tuned small runs of 300 to 4000 steps and meets
    the rule of thumb of 1e-3 (Stanford's course CS231n) at 40 000 steps.

    Example:
        >>> from traindoctor.run import Series
        >>> steps = np.arange(400)
        >>> ratio = {"fc.weight": Series(steps, np.full(400, 1e-6))}
        >>> run = Run("r", "r", {"loss/train": Series(steps, 2.3 - 1e-5 * steps),
        ...                      "lr/0": Series(steps, np.full(400, 1e-7))}, {"update_ratio": ratio})
        >>> [(f.name, round(f.evidence["too small by"])) for f in LrTooLow().check(run)]
        [('lr-too-low', 10000)]
    """

    code: str = "TD302"
    name: str = "lr-too-low"
    needs: tuple[str, ...] = (LOSS_TRAIN, "lr/", "parameters:update_ratio")
    margin: float = 10.0
    margin_without_skill: float = 5.0
    no_skill: float = 0.1
    enough_skill: float = 0.7
    least_hot: float = 0.25
    drowned: float = 3.0
    good_skill: float = 0.9

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding.

        Raises:
            NotAssessable: the run is too short, or no matrix can be judged.
        """
        require_progress_signal(run)
        n = run.n_steps
        if n < MIN_STEPS:
            raise NotAssessable(
                Text(
                    "only {n} steps; {min_steps} are the least that should get anywhere",
                    n=n,
                    min_steps=MIN_STEPS,
                )
            )
        lr, found = main_learning_rate(run), phases(run)
        if lr is None or found is None or found.peak <= 0.0:
            return
        slower = slowed_by_epsilon(run)
        if slower > 1.0 + self.drowned and better_final_skill(run) < self.good_skill:
            yield self._of_epsilon(run, found.peak, slower)
            return
        if float(np.mean(lr.values >= 0.1 * found.peak)) < self.least_hot:
            return  # the rate itself was not held long enough to be judged: that is the schedule's fault
        target = REACH / math.sqrt(n)
        typical, fastest = self._speeds(run)
        later = update_ratios(run).median()
        later = later.values[later.steps > later.steps[0]]
        if later.size and not float(later.max()) <= target:
            return  # it did take full steps: small ones since then have another reason
        is_lost = typical == 0.0 and updates_are_rounded_away(run, found.peak)
        skill = better_final_skill(run)
        margin = self.margin_without_skill if skill < self.no_skill else self.margin
        if typical > target / margin or fastest > 5.0 * target / self.margin:
            return
        if typical == 0.0 and not is_lost:
            return
        if not skill < self.enough_skill or _has_dead_layer(run):
            return
        too_small = target / typical if typical > 0.0 else 1e6
        yield self._finding(run, found.peak, typical, target, too_small, is_lost)

    def _of_epsilon(self, run: Run, peak: float, slower: float) -> Finding:
        epsilon, skill = setting(run, "eps"), better_final_skill(run)
        return Finding(
            self.code,
            self.name,
            Severity.CRITICAL if skill < 0.1 else Severity.WARNING,
            confidence(slower / self.drowned),
            0,
            run.n_steps - 1,
            Text(
                "The epsilon of {epsilon:g} drowns the gradients: it makes every step {slower:.3g} times "
                "smaller than the learning rate {peak:.3g} says, and the same for all weights.",
                epsilon=epsilon,
                slower=slower,
                peak=peak,
            ),
            *measured(
                {
                    "epsilon": (epsilon, "gradient units"),
                    "steps smaller by": (slower, "times"),
                    "learning rate": (peak, "1/step"),
                    "final skill": (skill, "share of the constant predictor's loss"),
                }
            ),
            Remedy(Text("Set epsilon back to 1e-8."), optimizer_code(run, eps=1e-8)),
        )

    def _speeds(self, run: Run) -> tuple[float, float]:
        """90th percentile over time of the median ratio, and of the fastest matrix's ratio."""
        ratios = update_ratios(run)
        settled = ratios.steps >= 0.05 * run.n_steps
        values = ratios.values[settled if settled.sum() >= 3 else slice(None)]
        per_step = known_median(np.where(np.isfinite(values), values, np.nan), axis=1)
        per_step = per_step[~np.isnan(per_step)]
        if not per_step.size:
            raise NotAssessable(Text("no finite update ratio was recorded"))
        per_matrix = [column[np.isfinite(column)] for column in values.T]
        fastest = max(float(np.quantile(column, 0.9)) for column in per_matrix if column.size)
        return float(np.quantile(per_step, 0.9)), fastest

    def _finding(
        self, run: Run, peak: float, typical: float, target: float, too_small: float, is_lost: bool
    ) -> Finding:
        factor = rounded(float(np.clip(too_small / 2.0, 3.0, 1e4)), 1)
        skill = final_skill(run)
        why = (
            Text("its updates are smaller than the rounding error of the weights and are lost")
            if is_lost
            else Text(
                "a step changes the weights by {typical:.2g} of their size, {too_small:.3g} times "
                "less than the {target:.2g} that gets a run of {n_steps} steps somewhere",
                typical=typical,
                too_small=too_small,
                target=target,
                n_steps=run.n_steps,
            )
        )
        message = Text(
            "The learning rate {peak:.3g} is too low: {why}. The training loss lost only "
            "{max:.0%} of the loss of a constant prediction.",
            peak=peak,
            why=why,
            max=max(skill, 0.0),
        )
        facts = {
            "learning rate": (peak, "1/step"),
            "update ratio": (typical, "dimensionless"),
            "target ratio": (target, "dimensionless"),
            "steps": (float(run.n_steps), x_unit(run)),
            "too small by": (too_small, "times"),
            "final skill": (max(skill, 0.0), "share of the constant predictor's loss"),
            "suggested factor": (factor, "times"),
        }
        severity = Severity.CRITICAL if skill < 0.1 else Severity.WARNING
        return Finding(
            self.code,
            self.name,
            severity,
            confidence(too_small / self.margin),
            0,
            run.n_steps - 1,
            message,
            {name: value for name, (value, _) in facts.items()},
            {name: unit for name, (_, unit) in facts.items()},
            _remedy(run, factor),
        )


def _remedy(run: Run, factor: float) -> Remedy:
    return Remedy(
        Text(
            "Multiply the learning rate by about {factor:g} and decay it to zero by the end. The "
            "estimate is good to a factor of 4: try a third and three times of it as well.",
            factor=factor,
        ),
        optimizer_code(run, lr_factor=factor),
    )


def slowed_by_epsilon(run: Run) -> float:
    """How many times smaller epsilon makes an adaptive optimizer's steps, 1 or more; NaN where unknown.

    1 + epsilon / root mean square of the gradient, median over the matrices and the samples after the first.
    """
    name = run.info.optimizers[0].name if run.info.optimizers else ""
    epsilon = setting(run, "eps") if name in ADAPTIVE else 0.0
    gradients = table(run, "grad_norm", tuple(info.name for info in matrices(run)))
    if epsilon <= 0.0 or not gradients.names:
        return math.nan
    sizes = {info.name: info.size for info in matrices(run)}
    scale = np.sqrt([float(sizes[name]) for name in gradients.names])
    rms = gradients.values[1:] / scale
    typical = float(known_median(np.where(rms > 0.0, rms, np.nan))) if rms.size else math.nan
    return 1.0 + epsilon / typical if typical > 0.0 else math.nan


def updates_are_rounded_away(run: Run, lr: float) -> bool:
    """Whether matrices have gradients, but lr times gradient is below float32's resolution of the weights."""
    names = tuple(info.name for info in matrices(run))
    gradients, weights = table(run, "grad_norm", names), table(run, "weight_norm", names)
    if not gradients.names or not weights.names:
        return False
    gradient, weight = float(known_median(gradients.values)), float(known_median(weights.values))
    # Adam's step is about the learning rate itself, whatever the gradient.
    rms = table(run, "weight_rms", names)
    normalised = lr / float(known_median(rms.values)) if rms.names else 0.0
    return 0.0 < gradient * lr < 1e-6 * weight and normalised < 1e-6


def _has_dead_layer(run: Run) -> bool:
    rows = table(run, "grad_dead_rows", tuple(info.name for info in matrices(run)[:-1]))
    return bool(rows.names) and bool(np.any(known_median(late(rows), axis=0) >= 0.8))
