"""Drives the optimizers of an unmodified script: prescribed numbers in the step, its own after it."""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from traindoctor.errors import UsageError

from .. import recorder as process
from ..environment import describe_process
from ..recorders.architecture import scheduler_of
from ..recorders.internals import dynamo_callback, frame, hooked_step_code, left_alone
from ..recorders.patches import Patches
from ..recorders.process_end import call_at_end_of_child
from .agreement import Agreement
from .group_settings import Saved, restore
from .lr_rule import CannotFollowError, LrRule
from .orders import Orders
from .reports import DriverReport
from .script_rates import ScriptRates
from .stopping import Ending

if TYPE_CHECKING:
    from .range_run import RangeRun

FAILURE_CODE = 70
"""Exit code of a driven run that could not follow its orders (EX_SOFTWARE of sysexits.h)."""


@dataclass(eq=False)
class Driven:
    """The optimizers that share their first parameter: one, or one with those that wrap it.

    Attributes:
        index: position in the order of first steps.
        steps: optimizer steps done.
    """

    index: int
    name: str
    steps: int = 0


@dataclass(eq=False)
class _OpenStep:
    optimizer: weakref.ref[Optimizer]
    driven: Driven
    is_nested: bool
    script_lr: float | Tensor | None = None
    saved: Saved = field(default_factory=lambda: Saved())


class Driver:
    """Follows the orders in this process.

    In the pre hook of a step, after the script's scheduler had its say, the prescribed numbers are put into
    the param groups; in the post hook the script's own come back. So the step uses ours, and schedulers that
    multiply what they find go on from their own values.

    Attributes:
        orders: what to do.
        report: how far it was done.
        lead: the optimizer that stepped first; its steps are the time axis of the orders.
    """

    def __init__(self, orders: Orders, folder: Path, *, ends_with_parent: bool = False) -> None:
        facts = describe_process()
        self.orders = orders
        self.folder = folder
        self.report = DriverReport(rank=int(facts["rank"]), pid=os.getpid())
        self.agreement = Agreement(folder, int(facts["rank"]), int(facts["world_size"]))
        self.ending = Ending(self._finish_before_hard_exit)
        self.lead: Driven | None = None
        self.range_run: RangeRun | None = None
        self._rule = LrRule(orders)
        self._script_rates = ScriptRates()
        self._driven: dict[int, Driven] = {}
        self._open: list[_OpenStep] = []
        self._patches = Patches()
        self._handles: list[Any] = []
        self._pid = os.getpid()
        self._parent = os.getppid() if ends_with_parent else None
        self._is_finished = False

    def install(self) -> None:
        """Hook every optimizer there is and will be, after the recorder, which reads what the step used."""
        self._rule.bases.install(self._patches)
        self._handles = [
            register_optimizer_step_pre_hook(self._hook(self.before)),
            register_optimizer_step_post_hook(self._hook(self.after)),
        ]
        if self.orders.range_test is not None:
            from .range_run import RangeRun

            self.range_run = RangeRun(self, self.orders.range_test)
            self.range_run.install(self._patches)

    def uninstall(self) -> None:
        """Take every hook away."""
        for handle in self._handles:
            handle.remove()
        self._patches.restore()
        self.ending.call_off()

    def _hook(self, work: Any) -> Any:
        def hook(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            if dynamo_callback():
                detour(optimizer, args, kwargs)
                return
            try:
                work(optimizer)
            except (CannotFollowError, UsageError) as error:
                self.fail(str(error))
            except Exception as error:
                self.fail(f"driving the optimizer failed ({type(error).__name__}: {str(error)[:300]})")

        short, detour = left_alone(hook)
        return short

    def before(self, optimizer: Optimizer) -> None:
        """An optimizer is about to step."""
        if self.ending.has_begun:
            self.ending.hard()  # it was told to end, and goes on
        self._drop_broken(optimizer)
        driven = self._driven_of(optimizer)
        nested = any(step.driven is driven for step in self._open)
        if not nested and driven is self.lead:
            self._stop_if_due(driven)
            self._look_after_parent(driven)
        step = _OpenStep(weakref.ref(optimizer), driven, nested)
        self._open.append(step)
        chosen = self.orders.optimizers
        if chosen is None or driven.index in chosen:
            self._drive(optimizer, driven, step)

    def after(self, optimizer: Optimizer) -> None:
        """An optimizer has stepped."""
        while self._open:
            step = self._open.pop()
            restore(step.saved)
            if step.optimizer() is optimizer:
                break
        else:
            return
        if step.is_nested or was_skipped(optimizer):
            return
        driven = step.driven
        self._script_rates.note(driven.index, driven.steps, step.script_lr)
        driven.steps += 1
        if driven is self.lead:
            self.report.steps = driven.steps
            if driven.steps == 1:
                self.report.overridden = scheduler_of(optimizer) if self._overrides else ""
                self.write_report()
        if self.range_run is not None:
            self.range_run.after_step(driven)

    @property
    def _overrides(self) -> bool:
        return self.orders.lr_plan is not None or self.orders.range_test is not None

    def position(self, driven: Driven) -> int:
        """The step of the orders that an optimizer is about to do."""
        if driven is self.lead or self.lead is None:
            return driven.steps
        return max(self.lead.steps - 1, 0)

    def _driven_of(self, optimizer: Optimizer) -> Driven:
        key = next((id(p) for group in optimizer.param_groups for p in group["params"]), id(optimizer))
        driven = self._driven.get(key)
        if driven is None:
            driven = self._driven[key] = Driven(len(self._driven), type(optimizer).__name__)
            if self.lead is None:
                self._first_step(driven, optimizer)
        return driven

    def _first_step(self, driven: Driven, optimizer: Optimizer) -> None:
        self.lead = driven
        self._rule.look(optimizer)
        self.report.base_lr = self._rule.reference
        self.report.optimizer = driven.name
        call_at_end_of_child(self.finish)

    def _drive(self, optimizer: Optimizer, driven: Driven, step: _OpenStep) -> None:
        if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing():
            raise CannotFollowError("a step captured in a CUDA graph cannot be driven; switch that off")
        step.script_lr = optimizer.param_groups[0].get("lr")
        if isinstance(step.script_lr, Tensor):
            step.script_lr = step.script_lr.detach().clone()
        factor = self.range_run.factor() if self.range_run is not None else None
        self._rule.apply(optimizer, self.position(driven), factor, step.saved)

    def _drop_broken(self, optimizer: Optimizer) -> None:
        """A step that raised never reached its post hook: give the script its numbers back."""
        if any(step.optimizer() is optimizer for step in self._open) and not is_inside_step(optimizer):
            while self._open:
                restore(self._open.pop().saved)

    def _stop_if_due(self, driven: Driven) -> None:
        limit = self.orders.max_steps
        if limit is None or driven.steps < limit:
            return
        if self.orders.wait_for_evaluation:
            recorder = process.active()
            seen = recorder is not None and recorder.evaluation.last_step >= limit
            if not self.agreement.decide(f"evaluated.{driven.steps}", seen):
                return
        self.stop()

    def _look_after_parent(self, driven: Driven) -> None:
        """Whoever started this run is gone: nobody waits for its end, so it ends."""
        if driven.steps % 16 == 0 and self._parent not in (None, os.getppid()):
            self.report.note("ended because the process that had started the run was gone")
            self.stop(143)

    def stop(self, code: int = 0) -> NoReturn:
        """End the script, as its own `sys.exit` would.

        Raises:
            SystemExit: always.
        """
        self.report.is_stopped = True
        self.finish()
        self.ending.begin(code)

    def fail(self, why: str) -> NoReturn:
        """The orders cannot be followed: say so, and end the script, for its numbers would prove nothing.

        Raises:
            SystemExit: always.
        """
        self.report.failure = why
        self.finish()
        with suppress(Exception):
            print(f"traindoctor: {why}", file=sys.stderr)
        self.ending.begin(FAILURE_CODE)

    def write_report(self) -> None:
        """Tell how far it got; a folder that cannot be written is a failure that the parent will see."""
        with suppress(OSError):
            self.report.write(self.folder)

    def finish(self) -> None:
        """Write what is left. Idempotent, and silent in a process that did nothing."""
        has_news = self.lead is not None or self.report.failure or self.report.is_stopped
        if self._is_finished or self._pid != os.getpid() or not has_news:
            return
        self._is_finished = True
        if self.range_run is not None:
            self.report.range_test = self.range_run.result()
        plan, lead = self.orders.lr_plan, self.lead
        if plan is not None and lead is not None:
            self._note_horizon(len(plan.values), lead.steps)
        self._script_rates.write()
        self.write_report()

    def _note_horizon(self, planned: int, done: int) -> None:
        if done > planned:
            self.report.note(
                f"the plan has {planned} steps, the script did {done}; after its end its last LR held"
            )
        elif done < planned and not self.report.is_stopped:
            self.report.note(f"the plan has {planned} steps, of which the script did {done}")

    def _finish_before_hard_exit(self, code: int) -> None:
        self.finish()
        process.stop({"status": "failed" if code else "finished", "exit_code": code, "exception": ""})

    def in_child(self) -> None:
        """In a forked child: its steps are its own."""
        self._pid = os.getpid()
        self.report = DriverReport(rank=self.report.rank, pid=self._pid)
        self._parent = None
        self._is_finished = False


def is_inside_step(optimizer: Optimizer) -> bool:
    """Whether a frame further out is in a step of this very optimizer (a subclass that calls super)."""
    code, caller, found = hooked_step_code(), frame(), 0
    while caller is not None:
        if caller.f_code is code and caller.f_locals.get("self", None) is optimizer:
            found += 1
        caller = caller.f_back
    return found > 1


def was_skipped(optimizer: Optimizer) -> bool:
    """Whether a fused optimizer under GradScaler left the weights alone, as the recorder counts it."""
    found_inf = getattr(optimizer, "found_inf", None)
    return isinstance(found_inf, Tensor) and found_inf.is_cpu and found_inf.item() != 0
