"""Parameters that can't learn: not in the optimizer, never moved, without gradient, or switched off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traindoctor.detector import NotAssessable
from traindoctor.finding import Finding, Remedy, Severity
from traindoctor.run import ParameterInfo, Run, Series
from traindoctor.text import Text, counted

from ..outcome import final_skill
from ..parameter_signals import has_initial_weights, held_share, known_median
from ..phases import phases

SHOWN = 8  # names in the code of a remedy
MIN_SAMPLES = 3
EPSILON = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


@dataclass(frozen=True)
class FrozenParameters:
    """Reports parameters that do not learn although the run trains.

    Four exact counts over the model's parameters, each weighed by its share of the elements: not held by any
    optimizer though `requires_grad` is set; held, with a gradient and a positive learning rate, yet unchanged
    to the last bit in more than `still` of the samples; held but never given a gradient;
    `requires_grad=False`. More than `some` of the elements is a warning, more than `most` critical. Freezing
    on purpose is common: the last kind, parameters left out of the optimizer, and parameters without a
    gradient in a run that ended with a skill of 0.5 or more, only count where a matrix among them still holds
    the random numbers it was created with (a layer that was never trained and never will be), or where no
    statistics can tell and the run ended with a skill below 0.5; otherwise they are listed as a note. Updates
    lost to rounding in 32 bits are left to lr-too-low.

    Why it matters: the optimizer runs, the loss may even fall, and most of the model stays as it was created.
    Typical: the optimizer was built before the model was moved, wrapped or re-created, or for one layer only.

    When it is wrong: random features that stay random on purpose; heads of a library model that this task
    does not use.

    What to try: build the optimizer last, from `model.parameters()`; switch `requires_grad` on again; look
    for a `detach()` or a branch that the loss does not depend on.

    Source: exact counts; the shares of 5 % and 50 % are ours. Initial weights: torch.nn.Linear and
    convolutions, uniform in +-1 / sqrt(fan-in); He et al. 2015, equation 10; Glorot and Bengio 2010, equation
    16.

    Example:
        >>> from traindoctor.run import RunInfo
        >>> body = ParameterInfo("body.weight", (64, 64), "matrix", group="")
        >>> head = ParameterInfo("head.weight", (10, 64), "matrix", group="0")
        >>> bound = np.ones(5) / 8
        >>> run = Run("r", "r", {"lr/0": Series(np.arange(5), bound)}, {
        ...     "weight_max": {"body.weight": Series(np.arange(5), bound)},
        ...     "weight_std": {"body.weight": Series(np.arange(5), bound / 3**0.5)}},
        ...     info=RunInfo(parameters=(body, head)))
        >>> [(f.severity.value, f.parameters) for f in FrozenParameters().check(run)]
        [('critical', ('body.weight',))]
    """

    code: str = "TD207"
    name: str = "frozen-parameters"
    needs: tuple[str, ...] = ("lr/",)
    still: float = 0.95
    some: float = 0.05
    most: float = 0.5

    def check(self, run: Run) -> Iterator[Finding]:
        """Yield one finding per kind that occurs.

        Raises:
            NotAssessable: the model's parameters are unknown.
        """
        if not run.info.parameters:
            raise NotAssessable(Text("the parameters of the model were not recorded"))
        kinds = classify(run, self.still)
        for kind in ("absent", "still", "ungraded", "frozen"):
            infos = kinds.get(kind, ())
            if infos:
                yield self._finding(run, kind, infos)

    def _finding(self, run: Run, kind: str, infos: tuple[ParameterInfo, ...]) -> Finding:
        share = held_share(infos, run)
        fresh = [info for info in infos if has_initial_weights(run, info)]
        fresh_share = held_share(fresh, run)
        measured = run.parameter("weight_std")
        unknown = [info for info in infos if info.role == "matrix" and info.name not in measured]
        severity = self._severity(kind, share, fresh_share, held_share(unknown, run), final_skill(run))
        largest = sorted(infos, key=lambda info: -info.size)
        message = Text(
            "{what} That is {share:.0%} of the model's elements; the largest is {name}.",
            what=_says(kind, len(infos)),
            share=share,
            name=largest[0].name,
        )
        if fresh:
            message += Text(
                " {fresh_share:.0%} still hold the random numbers they were created with.",
                fresh_share=fresh_share,
            )
        evidence = {
            "parameters": float(len(infos)),
            "share of elements": share,
            "untrained share": fresh_share,
        }
        units = {"parameters": "tensors", "share of elements": "fraction", "untrained share": "fraction"}
        return Finding(
            self.code,
            self.name,
            severity,
            0.99 if severity is Severity.CRITICAL else 0.9,
            0,
            max(0, run.n_steps - 1),
            message,
            evidence,
            units,
            _remedy(kind, [p.name for p in largest]),
            parameters=tuple(info.name for info in largest),
        )

    def _severity(
        self, kind: str, share: float, fresh_share: float, unknown_share: float, skill: float
    ) -> Severity:
        is_miswired = kind == "still" or (kind in ("absent", "ungraded") and share > 0.99)
        if is_miswired:
            suspect = share
        elif kind == "ungraded":
            suspect = share if skill < 0.5 else fresh_share
        else:
            # Where no statistics tell whether a layer was ever trained, the outcome has to.
            suspect = fresh_share + (unknown_share if skill < 0.5 else 0.0)
        is_certain = is_miswired or kind == "ungraded" or (kind == "absent" and fresh_share > self.most)
        if suspect > self.most and (is_certain or skill < 0.1):
            return Severity.CRITICAL
        return Severity.WARNING if suspect > self.some else Severity.INFO


def _says(kind: str, n: int) -> Text:
    """What became of `n` parameters of one kind."""
    if kind == "absent":
        return counted(
            "The optimizer does not hold {n} parameter of the model that should be trained.",
            "The optimizer does not hold {n} parameters of the model that should be trained.",
            n,
        )
    if kind == "still":
        return counted(
            "{n} parameter never changed, although gradient and learning rate are not zero.",
            "{n} parameters never changed, although gradient and learning rate are not zero.",
            n,
        )
    if kind == "ungraded":
        return counted(
            "{n} parameter of the optimizer never received a gradient: the loss ignores them.",
            "{n} parameters of the optimizer never received a gradient: the loss ignores them.",
            n,
        )
    return counted(
        "{n} parameter of the model cannot train: requires_grad is False.",
        "{n} parameters of the model cannot train: requires_grad is False.",
        n,
    )


def classify(run: Run, still: float) -> dict[str, tuple[ParameterInfo, ...]]:
    """Kind (`absent`, `still`, `ungraded`, `frozen`) -> the parameters of that kind, in forward order."""
    infos = run.info.parameters
    knows_groups = any(info.group for info in infos)
    kinds: dict[str, list[ParameterInfo]] = {}
    for info in infos:
        kind = _kind(run, info, knows_groups, still)
        if kind:
            kinds.setdefault(kind, []).append(info)
    return {kind: tuple(found) for kind, found in kinds.items()}


def _kind(run: Run, info: ParameterInfo, knows_groups: bool, still: float) -> str:
    if not info.trainable:
        return "frozen"
    updates = run.parameter("update_norm").get(info.name)
    moved = None if updates is None or len(updates) < MIN_SAMPLES else updates.finite().values
    never_moves = moved is not None and moved.size > 0 and float(np.mean(moved == 0.0)) > still
    if not info.group and (moved is None or never_moves):
        return "absent" if never_moves or knows_groups or run.info.optimizers else ""
    if not never_moves:
        return ""
    gradient = run.parameter("grad_norm").get(info.name)
    if gradient is None or not len(gradient):
        return "ungraded"
    has_gradient = float(np.mean(gradient.values > 0.0)) > still
    return "still" if has_gradient and _has_lr(run) and not _is_rounding(run, info, gradient) else ""


def _has_lr(run: Run) -> bool:
    found = phases(run)
    return found is not None and found.peak > 0.0


def _is_rounding(run: Run, info: ParameterInfo, gradient: Series) -> bool:
    """Whether the updates are too small for float32 to hold: then nothing is wrong with the wiring."""
    if info.dtype in EPSILON:
        return False  # half-precision weights swallow ordinary updates: a fault of its own
    found, weights = phases(run), run.parameter("weight_rms").get(info.name)
    if found is None or weights is None or not len(weights):
        return False
    rms = float(known_median(weights.values))
    plain = found.peak * float(known_median(gradient.values)) / max(info.size**0.5, 1.0)
    is_sgd = bool(run.info.optimizers) and run.info.optimizers[0].name == "SGD"
    # Other optimizers may normalise the gradient: their step is about the learning rate itself.
    return plain < 1e-6 * rms and (is_sgd or found.peak < 1e-6 * rms)


def _remedy(kind: str, names: list[str]) -> Remedy:
    listed = names[:SHOWN]
    if kind == "absent":
        return Remedy(
            Text("Build the optimizer last, after the model is complete, moved and wrapped."),
            'held = {id(p) for group in optimizer.param_groups for p in group["params"]}\n'
            "missing = [p for p in model.parameters() if p.requires_grad and id(p) not in held]\n"
            'if missing:\n    optimizer.add_param_group({"params": missing})',
        )
    if kind == "still":
        return Remedy(
            Text(
                "Keep a 32-bit copy of the weights for the optimizer, or look for code that writes "
                "the old weights back after the step."
            ),
            "model.float()  # and run the forward pass under torch.autocast",
        )
    if kind == "ungraded":
        return Remedy(
            Text("Look for a detach(), a no_grad() block or an unused branch between them and the loss."),
            f"names = {listed!r}\n"
            "loss.backward()\n"
            "print([n for n, p in model.named_parameters() if n in names and p.grad is None])",
        )
    return Remedy(
        Text("If they should train, switch them on before the optimizer is built."),
        f"names = {listed!r}\n"
        "for name, parameter in model.named_parameters():\n"
        "    if name in names:\n        parameter.requires_grad_(True)",
    )
