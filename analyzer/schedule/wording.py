"""The sentences of a prescription: what it rests on, what it assumes, how to check it."""

from __future__ import annotations

from collections.abc import Mapping

from traindoctor.finding import Finding

from .evidence import MIN_HOT_SAMPLES, LrFacts

NO_LR = "No positive learning rate was recorded, so there is nothing to start from."
SEVERAL_OPTIMIZERS = (
    "The run has several optimizers; their learning rates act on each other and a log alone cannot "
    "separate them."
)
NOT_A_PROGRESS_LOSS = (
    "A falling training loss does not mean progress for this objective, so the loss cannot judge a "
    "learning rate."
)
OTHER_CLOCK = (
    "The log does not count optimizer steps, so the update ratio and the horizon cannot be compared with "
    "anything."
)
CONTRADICTION = (
    "The loss curve says that the learning rate is too low, the size of the updates does not; "
    "a short run at three times the learning rate with the same seed would tell."
)
OVERFITS = (
    "Keep the learning rate: overfitting comes first. Try stopping at the best validation loss, "
    "regularisation or "
    "more data; among learning rates prefer the lower end."
)
CHECK = (
    "This is a hint from the log, not a result: check it with a short paired run, same seed and data "
    "order, old "
    "against new, and adopt it only if the validation loss is more than 1 % lower."
)
NOT_REPLAYED = "The code was not replayed here because torch is not installed."


def too_short(steps: int, needed: int) -> str:
    """Why a short run gives no hint."""
    return f"The run has {steps} optimizer steps; from fewer than {needed} a learning rate cannot be judged."


def no_update_ratio(samples: int) -> str:
    """Why a log without update norms gives no hint."""
    found = f"{samples} samples were found" if samples else "none was recorded"
    return (
        f"The hint needs at least {MIN_HOT_SAMPLES} samples of update norm and weight norm of the "
        "parameters while the "
        f"learning rate is high; {found}. Record the run with traindoctor to get them. "
        "If the learning rate was constant, continuing from the last checkpoint with a linear decay to "
        "zero over 10 % "
        "more steps is the cheapest thing to try."
    )


def fix_first(finding: Finding) -> str:
    """Why another finding comes first."""
    return (
        f"Fix {finding.code} ({finding.name}) first: it is not a learning-rate problem, and a learning "
        "rate read off "
        "a run with it means nothing."
    )


def replay_differs(error: float) -> str:
    """Why code was withheld."""
    return (
        "Code for a schedule was generated, but torch made other learning rates than planned from it (off "
        f"by {error:.1e} "
        "of the peak), so it is withheld."
    )


def _ratio(evidence: Mapping[str, float]) -> str:
    return (
        f"the parameters moved by {evidence['update_ratio']:.2g} of their norm per step (median of "
        f"{evidence['samples']:.0f} samples at high learning rate), well-tuned runs of "
        f"{evidence['horizon']:.0f} steps "
        f"by about {evidence['update_ratio_target']:.2g}"
    )


def _range(evidence: Mapping[str, float]) -> str:
    return (
        f"{evidence['lr_hint']:.2g} (between {evidence['lr_hint_low']:.2g} and "
        f"{evidence['lr_hint_high']:.2g})"
    )


def _aside(evidence: Mapping[str, float], is_off: bool) -> str:
    if not is_off:
        return ""
    return (
        f" The update size would suggest a learning rate of {_range(evidence)}, but nothing in the run "
        "calls for a "
        "change; try it in a short paired run if you have one to spare."
    )


def kept(evidence: Mapping[str, float], is_off: bool) -> str:
    """Reasons to keep learning rate and schedule."""
    shape = (
        f"The schedule ends at {100 * evidence['final_lr_share']:.0f} % of its peak and does not rise "
        "again, and "
        f"{_ratio(evidence)}"
    )
    if is_off:
        return f"Keep both. {shape}.{_aside(evidence, True)}"
    return f"Keep both. {shape}: that is within a factor of 3.2, closer than a log can tell."


def reshaped(action: str, facts: LrFacts, evidence: Mapping[str, float], is_off: bool) -> str:
    """Reasons for a cooldown or another shape at the same learning rate."""
    if action == "cooldown":
        steps = max(10, round(0.1 * facts.recorded))
        first = (
            "The learning rate stayed constant to the end. Resume the last checkpoint and let it fall to "
            "zero over "
            f"{steps} more steps (10 %): in tests this lowered the loss of 80-100 % of constant-rate runs, "
            "by 3-12 %."
        )
    elif facts.rises_late:
        first = (
            "The learning rate rises again late in training. Let it fall straight to zero from the same peak."
        )
    else:
        first = (
            f"The learning rate ends at {100 * facts.final_share:.0f} % of its peak and averages "
            f"{100 * facts.mean_share:.0f} % of it. Let it fall straight to zero over the run from the "
            "same peak."
        )
    closeness = "" if is_off else f" The peak is about right: {_ratio(evidence)}."
    return f"{first}{closeness}{_aside(evidence, is_off)} {CHECK}"


def changed(
    strength: str, facts: LrFacts, evidence: Mapping[str, float], overfits: bool, keeps_shape: bool
) -> str:
    """Reasons for another learning rate."""
    hint = evidence["lr_hint"]
    if strength == "diverged":
        first = (
            f"The run blew up at a peak learning rate of {facts.peak:.2g}: try {hint:.2g}, "
            "and a tenth of that if it still does. How far down it has to go cannot be read off such a run."
        )
    else:
        direction = "raise" if evidence["lr_factor"] > 1 else "lower"
        first = (
            f"{direction.capitalize()} the learning rate to about {_range(evidence)}: {_ratio(evidence)}. "
            "In tests the "
            "direction of this hint was right in 84-90 % of runs that were off by a factor of 3 or more."
        )
    shape = (
        "The schedule keeps its shape."
        if keeps_shape
        else "It warms up over 5 % of the steps, then falls straight to zero."
    )
    low = (
        " The validation loss rises at the end, so the lower end of the range is the better guess."
        if overfits
        else ""
    )
    return f"{first} {shape}{low} All param groups are scaled by the same factor. {CHECK}"


NO_STEPS = (
    "The run has no optimizer step: the script trains nothing, or its optimizer is none of torch.optim. "
    "There is no learning rate to prescribe."
)
