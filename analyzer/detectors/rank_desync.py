"""Ranks that hold different weights, or one that keeps the others waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Event, Run
from traindoctor.text import Text

from ..extent import extent
from ..phrases import confidence, measured, place, x_unit


@dataclass(frozen=True)
class RankDesync:
    """Reports data-parallel ranks that have drifted apart, and a rank that keeps the others waiting.

    Both are read from the logs of all ranks when they are merged. Drifted apart: the checksums of a parameter
    that every rank holds whole differ at a step that all of them sampled; exact. Waiting: one
    rank is later than all others at the first backward call of three steps of four, by more than `late` of
    the time of a step. A warning for the first, a note for the second.

    Why it matters: ranks with different weights each train a model of their own, and only one of them is
    saved, while the loss looks as it should. A straggler sets the pace of all.

    When it is wrong: ranks that are meant to differ (local SGD between two averagings, ensembles, a search
    started with torchrun).

    What to try: wrap the model in DistributedDataParallel and call the wrapped one; the same seed before it
    is built; no change of the weights on one rank alone. For a straggler: its data, its disk, its device.

    Source: ours.

    Example:
        >>> steps = np.arange(100)
        >>> event = Event(40, "desync", {"ranks": [1], "parameters": ["fc.weight"]})
        >>> run = Run("r", "r", {"loss/train": Series(steps, np.ones(100))}, events=[event])
        >>> [(f.severity.value, f.first_step, f.parameters) for f in RankDesync().check(run)]
        [('warning', 40, ('fc.weight',))]
    """

    code: str = "TD602"
    name: str = "rank-desync"
    needs: tuple[str, ...] = ()
    late: float = 0.2

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding of each kind.

        Raises:
            NotAssessable: the log holds one process only.
        """
        apart, waiting = run.events_of("desync"), run.events_of("straggler")
        if apart:
            yield self._apart(run, apart[0])
        for event in waiting[:1]:
            found = self._waiting(run, event)
            if found is not None:
                yield found
        if not apart and not waiting and not _has_ranks(run):
            raise NotAssessable(
                Text("the log holds one process only; ranks are compared where all their logs are")
            )

    def _apart(self, run: Run, event: Event) -> Finding:
        at, last = _span(run, event)
        ranks, names = event.data.get("ranks"), event.data.get("parameters")
        n_ranks = len(ranks) if isinstance(ranks, (list, tuple)) else 1
        parameters = tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else ()
        return Finding(
            self.code,
            self.name,
            Severity.WARNING,
            0.95,
            at,
            last,
            Text(
                "The ranks hold different weights from {place} on: {n_ranks} of them differ from the "
                "first in {n_parameters} parameter(s). They do not train one model.",
                place=place(run, at),
                n_ranks=n_ranks,
                n_parameters=len(parameters),
            ),
            *measured(
                {
                    "since": (at, x_unit(run)),
                    "ranks that differ": (n_ranks, "ranks"),
                    "parameters": (len(parameters), "parameters"),
                }
            ),
            Remedy(
                Text("Wrap the model after seeding, and call the wrapped model in the training loop."),
                "torch.manual_seed(0)\nmodel = torch.nn.parallel.DistributedDataParallel(Net().to(device))",
            ),
            parameters=parameters,
        )

    def _waiting(self, run: Run, event: Event) -> Finding | None:
        at, last = _span(run, event)
        rank, seconds, whole = (event.data.get(key) for key in ("rank", "seconds", "step_seconds"))
        if not all(isinstance(value, (int, float)) for value in (rank, seconds, whole)):
            return None
        share = float(seconds) / float(whole) if whole else 0.0  # type: ignore[arg-type]
        if share <= self.late:
            return None
        evidence, units = measured(
            {
                "rank": (float(rank), "rank"),  # type: ignore[arg-type]
                "late by": (float(seconds), "s"),  # type: ignore[arg-type]
                "share of a step": (share, "fraction"),
            }
        )
        return Finding(
            self.code,
            self.name,
            Severity.INFO,
            confidence(share / self.late),
            at,
            last,
            Text(
                "Rank {rank} keeps the others waiting: it is {late_by:.3g} s late in most steps, "
                "{share:.0%} of a step's time.",
                rank=rank,
                late_by=evidence["late by"],
                share=share,
            ),
            evidence,
            units,
            Remedy(Text("Look at that rank's data, disk and device; give all ranks equally long inputs.")),
        )


def _has_ranks(run: Run) -> bool:
    return any("ranks are merged" in sentence for sentence in run.info.diagnostics)


def _span(run: Run, event: Event) -> tuple[int, int]:
    covered = extent(run)
    last = max(covered.last, 0)
    return min(max(event.step, 0), last), last
