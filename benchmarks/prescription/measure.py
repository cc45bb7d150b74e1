"""One task: the grid, the recorded cases, what every policy prescribes for them, and how it turns out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from traindoctor.analyzer.schedule.proof import difference, is_adopted
from traindoctor.prescription_file import lr_plan
from traindoctor.run import Floats

from .cases import CONTROLS, SHAPES, linear, plans
from .finders import FINDERS
from .product import Trainings, first_requests, is_proven, opened, prescribed, recorded
from .store import Store
from .tasks import CENTRE
from .training import Request

GRID = range(-4, 5)
"""Places of the grid, half a decade apart; it grows while its best is at an edge."""

MOST_GROWTH = 4
JUDGES = (1001, 1002)
"""Seeds of the runs that everything is judged by; no decision ever sees them."""

SWEEP_SEED, PROOF_SEED = 10, 100
"""Added to the seed of the recorded run."""

PAIRS = 3
"""Pairs of runs that `traindoctor prove` makes when nothing is said."""

EVALUATIONS = 20
"""In a full run."""

OURS, SAME, ORACLE = "traindoctor", "linear, same LR", "(linear at the best LR of the grid)"


@dataclass(frozen=True)
class Row:
    """One policy on one case.

    Attributes:
        task: its name.
        half: `tune` or `report`.
        times: horizon over the task's own.
        case: fault or control.
        seed: of the recorded run.
        policy: who decided.
        verdict: in its own words.
        is_changed: whether anything is changed.
        factor: new peak LR over the old one.
        change: ln(new / old) of the final validation loss, mean over the judging seeds.
        is_adopted: whether one paired run, on yet another seed, adopted it.
        is_adopted_by_three: whether three did, as `prove` makes them; None where they were not made.
        regret: ln(new / best of the grid).
        regret_after: the same with the old plan where it was not adopted.
        margin: |change| from which on it is a win or a loss.
        runs: compute in full runs, without the paired runs.
    """

    task: str
    half: str
    times: int
    case: str
    seed: int
    policy: str
    verdict: str
    is_changed: bool
    factor: float
    change: float
    is_adopted: bool
    regret: float
    regret_after: float
    margin: float
    runs: float
    is_adopted_by_three: bool | None = None

    @property
    def is_control(self) -> bool:
        """Whether nothing was wrong."""
        return self.case in CONTROLS

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Choice:
    """What a policy decided; `plan` None changes nothing."""

    verdict: str
    plan: Floats | None
    is_adopted: bool
    runs: float
    is_adopted_by_three: bool | None = None


class Measurement:
    """Everything about one task at one horizon.

    Attributes:
        store: its runs.
        times: horizon over the task's own.
        steps: optimizer steps of a full run.
        every: steps between evaluations.
        best_lr: peak of the grid with the lowest loss under a straight line to zero.
        margin: see `Row`.
        best: mean ln of the lowest validation loss of the grid.
    """

    def __init__(self, store: Store, times: int = 1, shapes: Sequence[str] = tuple(SHAPES)) -> None:
        self.store, self.times = store, times
        self.steps = store.task.steps * times
        self.every = max(1, self.steps // EVALUATIONS)
        places = self._grid()
        centre = CENTRE[store.task.optimizer]
        self.best_lr = centre * 10 ** (min(places, key=lambda place: places[place]) / 2)
        others = [
            centre * 10 ** (place / 2) * SHAPES[shape](self.steps)
            for place in places
            for shape in shapes
            if shape != "linear"
        ]
        self.judge(others)
        self.best = min([*places.values(), *(self._level(plan) for plan in others)])
        good = [math.log(self._final(self.best_lr * linear(self.steps), seed)) for seed in JUDGES]
        self.margin = max(0.01, min(0.1, float(np.std(good, ddof=1))))

    def _grid(self) -> dict[int, float]:
        """Place -> mean ln of the final loss under a straight line to zero."""
        places = list(GRID)
        centre = CENTRE[self.store.task.optimizer]
        while True:
            made = {place: centre * 10 ** (place / 2) * linear(self.steps) for place in places}
            self.judge(made.values())
            levels = {place: self._level(plan) for place, plan in made.items()}
            best = min(levels, key=lambda place: levels[place])
            if best not in (min(places), max(places)) or len(places) >= len(GRID) + MOST_GROWTH:
                return levels
            places.append(best - 1 if best == min(places) else best + 1)

    def request(self, plan: Floats, seed: int) -> Request:
        """A run of this horizon."""
        return Request(plan, seed, self.every)

    def judge(self, wanted: Any) -> None:
        """Make the judging runs of those plans."""
        self.store.make([self.request(plan, seed) for plan in wanted for seed in JUDGES])

    def _final(self, plan: Floats, seed: int) -> float:
        return self.store.result(self.request(plan, seed)).final

    def _level(self, plan: Floats) -> float:
        """Mean ln of the final validation loss; infinite where a run diverged."""
        return float(np.mean([math.log(max(self._final(plan, seed), 1e-12)) for seed in JUDGES]))

    def change(self, old: Floats, new: Floats) -> float:
        """Mean over the judging seeds of ln(new / old)."""
        return float(np.mean([difference(self._final(old, seed), self._final(new, seed)) for seed in JUDGES]))

    def rows(self, seed: int, rivals: bool = True) -> list[Row]:
        """All cases of one decision seed under every policy."""
        olds = plans(self.best_lr, self.steps)
        chosen = {OURS: self._ours(olds, seed)}
        if rivals:
            chosen |= self._rivals(olds, seed)
        new = [c.plan for choices in chosen.values() for c in choices.values() if c.plan is not None]
        self.judge([*olds.values(), *new])
        return [
            self._row(case, seed, policy, old, chosen[policy][case])
            for policy in chosen
            for case, old in olds.items()
        ]

    def _row(self, case: str, seed: int, policy: str, old: Floats, choice: Choice) -> Row:
        new = old if choice.plan is None else choice.plan
        kept = new if choice.is_adopted else old
        task = self.store.task
        return Row(
            task.name,
            task.half,
            self.times,
            case,
            seed,
            policy,
            choice.verdict,
            choice.plan is not None,
            float(new.max() / old.max()),
            self.change(old, new),
            choice.is_adopted,
            min(self._level(new) - self.best, math.log(100.0)),
            min(self._level(kept) - self.best, math.log(100.0)),
            self.margin,
            choice.runs,
            choice.is_adopted_by_three,
        )

    def _ours(self, olds: Mapping[str, Floats], seed: int) -> dict[str, Choice]:
        """traindoctor: recorded, diagnosed, swept, decided, proven by one pair."""
        store, places = self.store, self.store.folder
        runs = {case: recorded(store, self.request(old, seed)) for case, old in olds.items()}
        cases = {case: opened(run) for case, run in runs.items()}
        scripts = {
            case: Trainings(("the benchmark",), places, store=store, plan=old, every=self.every)
            for case, old in olds.items()
        }
        sweep_seed = SWEEP_SEED + seed
        store.make([r for case in cases for r in first_requests(cases[case], scripts[case], sweep_seed)])
        found = store.settle(
            {
                case: lambda case=case: prescribed(cases[case], scripts[case], sweep_seed)  # type: ignore[misc]
                for case in cases
            }
        )
        changing = {case: p for case, p in found.items() if p.lr is not None}
        seeds = tuple(PROOF_SEED + 10 * seed + pair for pair in range(PAIRS if self.times == 1 else 1))
        both = [plan for case, p in changing.items() for plan in (olds[case], lr_plan(p))]
        store.make([self.request(plan, proof_seed) for plan in both for proof_seed in seeds])
        once, often = (
            store.settle(
                {case: is_proven(runs[case], p, scripts[case], some, places) for case, p in changing.items()}
            )
            for some in (seeds[:1], seeds)
        )
        return {
            case: Choice(
                p.action,
                lr_plan(p) if case in changing else None,
                once.get(case, False),
                len(p.sweep.points) * p.sweep.share if p.sweep else 0.0,
                often.get(case, False) if self.times == 1 else None,
            )
            for case, p in found.items()
        }

    def _rivals(self, olds: Mapping[str, Floats], seed: int) -> dict[str, dict[str, Choice]]:
        """Keep, a straight line to zero at the same LR, at what each finder suggests, and at the best LR."""
        tests = {name: Request(f.plan(), seed, len(f.plan()), True) for name, f in FINDERS.items()}
        self.store.make(tests.values())
        cost = {name: test.steps / self.steps for name, test in tests.items()}
        found = {
            name: FINDERS[name].suggestion(np.array(self.store.result(test).losses))
            for name, test in tests.items()
        }
        wanted: dict[str, dict[str, Floats | None]] = {"keep": dict.fromkeys(olds)}
        wanted[SAME] = {case: float(old.max()) * linear(self.steps) for case, old in olds.items()}
        for name, lr in {**found, ORACLE: self.best_lr}.items():
            plan = lr * linear(self.steps) if math.isfinite(lr) else None
            wanted[name] = dict.fromkeys(olds, plan)
        seed = PROOF_SEED + 10 * seed
        every = [plan for row in wanted.values() for plan in row.values() if plan is not None]
        self.store.make([self.request(plan, seed) for plan in [*olds.values(), *every]])
        return {
            policy: {
                case: self._choice(olds[case], plan, seed, cost.get(policy, 0.0))
                for case, plan in row.items()
            }
            for policy, row in wanted.items()
        }

    def _choice(self, old: Floats, plan: Floats | None, seed: int, runs: float) -> Choice:
        if plan is None or np.allclose(old, plan, rtol=1e-9, atol=0.0):
            return Choice("keep", None, False, runs)
        pair = difference(self._final(old, seed), self._final(plan, seed))
        return Choice("change", plan, is_adopted([pair]), runs)
