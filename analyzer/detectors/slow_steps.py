"""Steps that wait: for data, for the disk, for memory that runs out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.names import EPOCH, STEP_TIME
from traindoctor.run import Ints, Run, Series
from traindoctor.text import Text

from ..phrases import confidence, measured, place
from ..signal import block_means, block_medians, mann_kendall_z, theil_sen_slope

MEMORY = ("memory/", "gpu_memory", "system/gpu.0.memory")
LEAST_SECONDS = 5.0


@dataclass(frozen=True)
class SlowSteps:
    """Reports step times that grow, stall or are spent waiting, and memory that grows without end.

    Steps right after an evaluation or at the beginning of an epoch do not count: their time holds the
    evaluation and the loader's start. Of the others, in this order: *stall*: one step took more than
    `stalled` of the run's time and `stall_seconds`; *slowing down*: 20 block medians rise (Mann and
    Kendall's score above 2.33) and the last quarter is more than `slower` times the second; *waiting*: steps
    of more than three times the median take more than `waiting` of the time. *Memory*: a logged memory series
    rises in 20 block means and ends more than `growth` above its level at a tenth of the run. Runs of less
    than 5 seconds are not judged. Always a note, a warning for a stall.

    Why it matters: a third of the time of small trainings is spent waiting for the loader, and a leak ends
    the run at night.

    When it is wrong: a machine shared with others; inputs that grow by design (longer sequences later);
    compilation of new shapes.

    What to try: more loader workers with `persistent_workers=True` and pinned memory; `loss.item()` instead
    of keeping `loss`, whose graph is kept with it.

    Source: ours; robust slopes as in Sen 1968. The profiler rules of Amazon SageMaker Debugger look at the
    same figures (3 standard deviations, 5 % of memory).

    Example:
        >>> steps = np.arange(1000)
        >>> seconds = np.where(steps % 10 == 5, 1.0, 0.02)
        >>> run = Run("r", "r", {"time/step": Series(steps, seconds)})
        >>> [(f.severity.value, round(f.evidence["share of the time"], 2)) for f in SlowSteps().check(run)]
        [('info', 0.85)]
    """

    code: str = "TD601"
    name: str = "slow-steps"
    needs: tuple[str, ...] = (STEP_TIME,)
    stalled: float = 0.2
    stall_seconds: float = 600.0
    slower: float = 2.0
    waiting: float = 0.4
    growth: float = 0.2
    least_steps: int = 100

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding on time and one on memory.

        Raises:
            NotAssessable: too few steps, or a run of a few seconds.
        """
        times = ordinary_steps(run)
        total = float(run.series[STEP_TIME].finite().values.sum())
        if len(times) < self.least_steps or total < LEAST_SECONDS:
            raise NotAssessable(
                Text(
                    "{n_times} ordinary steps of {total:.3g} s together; {least_steps} steps of at least "
                    "{least_seconds:g} s are needed",
                    n_times=len(times),
                    total=total,
                    least_steps=self.least_steps,
                    least_seconds=LEAST_SECONDS,
                )
            )
        for look in (self._stall, self._slowing, self._waiting):
            found = look(times, run)
            if found is not None:
                yield found
                break
        yield from self._memory(run)

    def _stall(self, times: Series, run: Run) -> Finding | None:
        worst = int(np.argmax(times.values))
        longest, total = float(times.values[worst]), float(times.values.sum())
        if longest <= max(self.stall_seconds, self.stalled * total):
            return None
        at = int(times.steps[worst])
        return self._finding(
            Severity.WARNING,
            longest / self.stall_seconds,
            (at, at),
            Text(
                "The run stalled: {place} took {longest:.0f} s, {total:.0%} of the time of all "
                "ordinary steps.",
                place=place(run, at),
                longest=longest,
                total=longest / total,
            ),
            {
                "at": (at, "steps"),
                "longest": (longest, "s"),
                "share of the time": (longest / total, "fraction"),
            },
            Remedy(Text("Look at what the machine did then: storage, other jobs, a hanging loader worker.")),
        )

    def _slowing(self, times: Series, run: Run) -> Finding | None:
        medians = block_medians(times.values)
        ratio = float(np.median(medians[-5:]) / max(float(np.median(medians[5:10])), 1e-12))
        if mann_kendall_z(medians) <= 2.33 or ratio <= self.slower:
            return None
        slope = theil_sen_slope(medians, block_means(times.steps.astype(np.float64))).value
        first = int(times.steps[len(times) // 4])
        return self._finding(
            Severity.INFO,
            ratio / self.slower,
            (first, int(times.steps[-1])),
            Text(
                "Steps become slower: in the last quarter of the run a step took {ratio:.3g} times "
                "as long as in the second one.",
                ratio=ratio,
            ),
            {"times as long": (ratio, "times"), "growth": (slope, "s per step")},
            Remedy(
                Text(
                    "Look for a list or graph that grows: append loss.item(), not loss; detach what is kept."
                ),
                "history.append(loss.item())",
            ),
        )

    def _waiting(self, times: Series, run: Run) -> Finding | None:
        usual = float(np.median(times.values))
        slow = times.values > 3.0 * usual
        share = float(times.values[slow].sum() / times.values.sum())
        if share <= self.waiting or int(slow.sum()) < 5:
            return None
        return self._finding(
            Severity.INFO,
            share / self.waiting,
            (int(times.steps[0]), int(times.steps[-1])),
            Text(
                "The run waits: the {sum} slowest steps of {n_times} take {share:.0%} of the time; "
                "an ordinary one takes {usual:.3g} s.",
                sum=int(slow.sum()),
                n_times=len(times),
                share=share,
                usual=usual,
            ),
            {
                "share of the time": (share, "fraction"),
                "slow steps": (int(slow.sum()), "steps"),
                "steps": (len(times), "steps"),
                "usual step": (usual, "s"),
            },
            Remedy(
                Text("Let more workers prepare batches ahead, and keep them from one epoch to the next."),
                "loader = DataLoader(dataset, num_workers=4, persistent_workers=True, pin_memory=True)",
            ),
        )

    def _memory(self, run: Run) -> Iterator[Finding]:
        for name, series in run.series.items():
            finite = series.finite()
            if not name.startswith(MEMORY) or len(finite) < 20:
                continue
            means = block_means(finite.values)
            start = float(means[2])
            rise = float(means[-1]) / start - 1.0 if start > 0.0 else 0.0
            if rise <= self.growth or mann_kendall_z(means[2:]) <= 3.0:
                continue
            yield self._finding(
                Severity.INFO,
                rise / self.growth,
                (int(finite.steps[0]), min(int(finite.steps[-1]), max(run.n_steps - 1, 0))),
                Text(
                    "The memory in use grows: it ended {rise:.0%} above its level after a tenth of the run.",
                    rise=rise,
                ),
                {"growth": (rise, "fraction")},
                Remedy(
                    Text("Append loss.item(), not loss, and detach what is kept."),
                    "history.append(loss.item())",
                ),
            )
            return

    def _finding(
        self,
        severity: Severity,
        margin: float,
        span: tuple[int, int],
        message: str,
        figures: dict[str, tuple[float, str]],
        remedy: Remedy,
    ) -> Finding:
        evidence, units = measured(figures)
        return Finding(
            self.code, self.name, severity, confidence(margin), *span, message, evidence, units, remedy
        )


def ordinary_steps(run: Run) -> Series:
    """Times of the steps that hold neither an evaluation nor the beginning of an epoch, seconds."""
    times = run.series[STEP_TIME].finite()
    odd: list[Ints] = [times.steps[:1]]
    for name, series in run.series.items():
        if name.endswith(("/validation", "/test")):
            odd.append(series.steps + 1)
    epochs = run.get(EPOCH)
    if epochs is not None:
        odd.append(epochs.steps[1:][np.diff(epochs.values) != 0.0])
    keep = ~np.isin(times.steps, np.concatenate(odd)) & (times.values >= 0.0)
    return Series(times.steps[keep], times.values[keep])
