"""Units that no longer receive any gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import Floats, Run
from traindoctor.text import Text

from ..optimizer_code import optimizer_code
from ..outcome import final_skill
from ..parameter_signals import Table, known_median, late, matrices, table
from ..phrases import confidence, place, x_unit

RECTIFIERS = {
    "ReLU",
    "ReLU6",
    "Threshold",
    "Hardtanh",
    "Hardsigmoid",
    "Hardswish",
    "Softshrink",
    "Hardshrink",
}
"""Activations whose gradient can be exactly zero; for the others this check is blind."""


@dataclass(frozen=True)
class DeadUnits:
    """Reports layers of which most units are dead: they give no gradient for any sample any more.

    A unit counts as dead when its row of the layer's weight gradient was exactly zero in each of the last
    five samples, which are spread over the run. Looked at are the matrices before the last one. A layer is
    dead when the median share of dead rows over the last third of the samples reaches `share`; the share of
    its first sample tells whether it was so from the start (`at_start`) or died in training (a rise of
    `rise`). A layer whose bias still gets a gradient while none of its rows does is fed with zeros and is not
    counted. The severity is what it cost: a note when the run ended with a skill of `poor_skill` or more.

    Why it matters: a dead rectifier never comes back by itself: without gradient nothing moves it. If a whole
    layer dies, everything before it is frozen and the network predicts a constant.

    When it is wrong: narrow layers and small batches, where a selective unit may sleep through five batches;
    mixtures of experts, where idle experts are by design. Saturated tanh or sigmoid units have tiny
    gradients, not zero ones, and are not seen.

    What to try: a lower learning rate when the units died in training; biases and input scale when they were
    dead from the start; a leaky rectifier or GELU, or normalisation before the activation.

    Source: ours, read from gradients so that nothing has to be put on the model; the share of 0.8 to 0.9 from
    trials on small networks.

    Example:
        >>> from traindoctor.run import Series
        >>> steps = np.arange(0, 300, 10)
        >>> rows = {"a.weight": Series(steps, np.full(30, 1.0)), "b.weight": Series(steps, np.zeros(30))}
        >>> [(f.severity.value, f.parameters) for f in DeadUnits().check(Run("r", "r", {}, {
        ...     "grad_dead_rows": rows, "weight_norm": rows}))]
        [('info', ('a.weight',))]
    """

    code: str = "TD203"
    name: str = "dead-units"
    needs: tuple[str, ...] = ("parameters:grad_dead_rows",)
    share: float = 0.9
    at_start: float = 0.9
    rise: float = 0.5
    poor_skill: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield at most one finding, which names every dead layer.

        Raises:
            NotAssessable: no hidden layer was recorded often enough, or none can have exact zeros.
        """
        rows = self._hidden_rows(run)
        ends, starts = np.nan_to_num(known_median(late(rows), axis=0)), rows.values[0]
        fed_zeros = [_has_zero_inputs(run, name, end) for name, end in zip(rows.names, ends, strict=True)]
        ends = np.where(fed_zeros, 0.0, ends)
        dead = np.flatnonzero(ends >= self.share)
        if not dead.size:
            self._require_rectifiers(run, rows)
            return
        if _has_no_gradient_at_all(run):
            raise NotAssessable(
                Text("all gradients are zero, also the last layer's: no unit can be told dead")
            )
        yield self._finding(run, rows, dead[np.argsort(-ends[dead], kind="stable")], starts, ends)

    def _hidden_rows(self, run: Run) -> Table:
        rows = table(run, "grad_dead_rows", tuple(info.name for info in matrices(run)[:-1]))
        if not rows.names or rows.steps.size < 3:
            raise NotAssessable(
                Text("fewer than 3 samples of the gradient rows of a hidden layer were recorded")
            )
        return rows

    def _require_rectifiers(self, run: Run, rows: Table) -> None:
        infos = [run.info_of(name) for name in rows.names]
        known = {info.activation for info in infos if info is not None and info.activation}
        if known and not known & RECTIFIERS:
            raise NotAssessable(
                Text(
                    "the activations are {sorted}, whose units can saturate without exactly zero "
                    "gradients; activations were not recorded",
                    sorted=", ".join(sorted(known)),
                )
            )

    def _finding(
        self, run: Run, rows: Table, dead: NDArray[np.intp], starts: Floats, ends: Floats
    ) -> Finding:
        worst = int(dead[0])
        begin, end, name = float(np.nan_to_num(starts[worst])), float(ends[worst]), rows.names[worst]
        is_from_start = begin >= self.at_start
        has_died = end - begin >= self.rise
        over = np.nan_to_num(rows.column(name)) >= self.share
        first = 0 if is_from_start else int(rows.steps[np.argmax(over)])
        since = Text("from {place} on", place=place(run, first)) if has_died else Text("by the end")
        how = Text("from the start") if is_from_start else since
        others = Text(", one of {size} such layers", size=dead.size) if dead.size > 1 else ""
        skill = final_skill(run)
        facts = {
            "since": (float(first), x_unit(run)),
            "dead units": (end, "fraction"),
            "dead units at first": (begin, "fraction"),
            "dead layers": (float(dead.size), "layers"),
        }
        message = Text(
            "{end:.0%} of the units of {name} are dead {how} (at first {begin:.0%}){others}: "
            "they get no gradient and no longer learn.",
            end=end,
            name=name,
            how=how,
            begin=begin,
            others=others,
        )
        if math.isfinite(skill):
            facts["final skill"] = (skill, "share of the constant predictor's loss")
        return Finding(
            self.code,
            self.name,
            self._severity(skill, end),
            confidence(end / 0.5),
            first,
            max(first, run.n_steps - 1),
            message,
            {name: value for name, (value, _) in facts.items()},
            {name: unit for name, (_, unit) in facts.items()},
            _remedy(run, is_from_start),
            parameters=tuple(rows.names[int(i)] for i in dead),
        )

    def _severity(self, skill: float, share: float) -> Severity:
        if skill < 0.1 and share >= 0.98:
            return Severity.CRITICAL
        return Severity.WARNING if skill < self.poor_skill else Severity.INFO


def _has_zero_inputs(run: Run, name: str, share: float) -> bool:
    """Whether all rows are zero although the layer's bias gets a gradient: then what it is fed is zero."""
    bias = run.parameter("grad_norm").get(f"{name.removesuffix('weight')}bias")
    if share < 1.0 or bias is None or not len(bias):
        return False
    return float(known_median(bias.values[-max(1, len(bias) // 3) :])) > 0.0


def _has_no_gradient_at_all(run: Run) -> bool:
    """Whether every parameter had a zero gradient through the last third."""
    recorded = run.parameter("grad_norm")
    gradients = table(run, "grad_norm", tuple(recorded))
    return bool(gradients.names) and not bool(np.any(np.nan_to_num(late(gradients), nan=0.0) > 0.0))


def _remedy(run: Run, is_from_start: bool) -> Remedy:
    if is_from_start:
        return Remedy(
            Text(
                "Start with biases of zero and inputs of unit scale; a leaky rectifier keeps a "
                "gradient for negative inputs."
            ),
            "for module in model.modules():\n"
            "    if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)) and module.bias is not None:\n"
            "        torch.nn.init.zeros_(module.bias)",
        )
    return Remedy(
        Text(
            "Lower the learning rate, so that no single step throws the units out of reach, or "
            "use a leaky rectifier; dead units do not come back: start again from a checkpoint "
            "before they died."
        ),
        optimizer_code(run, lr_factor=0.1),
    )
