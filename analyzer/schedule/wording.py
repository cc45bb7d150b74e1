"""The sentences of a prescription: what it rests on, what it assumes, how to check it."""

from __future__ import annotations

from collections.abc import Mapping

from traindoctor.finding import Finding
from traindoctor.text import Text

from .evidence import MIN_HOT_SAMPLES, LrFacts

NO_LR = Text("No positive learning rate was recorded, so there is nothing to start from.")
SEVERAL_OPTIMIZERS = Text(
    "The run has several optimizers; their learning rates act on each other and a log "
    "alone cannot separate them."
)
NOT_A_PROGRESS_LOSS = Text(
    "A falling training loss does not mean progress for this objective, so the loss "
    "cannot judge a learning rate."
)
OTHER_CLOCK = Text(
    "The log does not count optimizer steps, so the update ratio and the horizon cannot "
    "be compared with anything."
)
CONTRADICTION = Text(
    "The loss curve says that the learning rate is too low, the size of the updates does "
    "not; a short run at three times the learning rate with the same seed would tell."
)
OVERFITS = Text(
    "Keep the learning rate: overfitting comes first. Try stopping at the best "
    "validation loss, regularisation or more data; among learning rates prefer the lower "
    "end."
)
CHECK = Text(
    "This is a hint from the log, not a result: check it with a short paired run, same "
    "seed and data order, old against new, and adopt it only if the validation loss is "
    "more than 1 % lower."
)
NOT_REPLAYED = Text("The code was not replayed here because torch is not installed.")


def too_short(steps: int, needed: int) -> str:
    """Why a short run gives no hint."""
    return Text(
        "The run has {steps} optimizer steps; from fewer than {needed} a learning rate cannot be judged.",
        steps=steps,
        needed=needed,
    )


def no_update_ratio(samples: int) -> str:
    """Why a log without update norms gives no hint."""
    found = Text("{samples} samples were found", samples=samples) if samples else Text("none was recorded")
    return Text(
        "The hint needs at least {min_hot_samples} samples of update norm and weight norm of "
        "the parameters while the learning rate is high; {found}. Record the run with "
        "traindoctor to get them. If the learning rate was constant, continuing from the "
        "last checkpoint with a linear decay to zero over 10 % more steps is the cheapest "
        "thing to try.",
        min_hot_samples=MIN_HOT_SAMPLES,
        found=found,
    )


def fix_first(finding: Finding) -> str:
    """Why another finding comes first."""
    return Text(
        "Fix {code} ({name}) first: it is not a learning-rate problem, and a learning rate "
        "read off a run with it means nothing.",
        code=finding.code,
        name=finding.name,
    )


def replay_differs(error: float) -> str:
    """Why code was withheld."""
    return Text(
        "Code for a schedule was generated, but torch made other learning rates than planned "
        "from it (off by {error:.1e} of the peak), so it is withheld.",
        error=error,
    )


def _ratio(evidence: Mapping[str, float]) -> str:
    return Text(
        "the parameters moved by {update_ratio:.2g} of their norm per step (median of "
        "{samples:.0f} samples at high learning rate), well-tuned runs of {horizon:.0f} "
        "steps by about {update_ratio_target:.2g}",
        update_ratio=evidence["update_ratio"],
        samples=evidence["samples"],
        horizon=evidence["horizon"],
        update_ratio_target=evidence["update_ratio_target"],
    )


def _range(evidence: Mapping[str, float]) -> str:
    return Text(
        "{lr_hint:.2g} (between {lr_hint_low:.2g} and {lr_hint_high:.2g})",
        lr_hint=evidence["lr_hint"],
        lr_hint_low=evidence["lr_hint_low"],
        lr_hint_high=evidence["lr_hint_high"],
    )


def _aside(evidence: Mapping[str, float], is_off: bool) -> str:
    if not is_off:
        return ""
    return Text(
        " The update size would suggest a learning rate of {range}, but nothing in the run "
        "calls for a change; try it in a short paired run if you have one to spare.",
        range=_range(evidence),
    )


def kept(evidence: Mapping[str, float], is_off: bool) -> str:
    """Reasons to keep learning rate and schedule."""
    shape = Text(
        "The schedule ends at {final_lr_share:.0f} % of its peak and does not rise again, and {ratio}",
        final_lr_share=100 * evidence["final_lr_share"],
        ratio=_ratio(evidence),
    )
    if is_off:
        return Text("Keep both. {shape}.{aside}", shape=shape, aside=_aside(evidence, True))
    return Text(
        "Keep both. {shape}: that is within a factor of 3.2, closer than a log can tell.", shape=shape
    )


def reshaped(action: str, facts: LrFacts, evidence: Mapping[str, float], is_off: bool) -> str:
    """Reasons for a cooldown or another shape at the same learning rate."""
    if action == "cooldown":
        steps = max(10, round(0.1 * facts.recorded))
        first = Text(
            "The learning rate stayed constant to the end. Resume the last checkpoint and let it "
            "fall to zero over {steps} more steps (10 %): in tests this lowered the loss of "
            "80-100 % of constant-rate runs, by 3-12 %.",
            steps=steps,
        )
    elif facts.rises_late:
        first = Text(
            "The learning rate rises again late in training. Let it fall straight to zero from the same peak."
        )
    else:
        first = Text(
            "The learning rate ends at {final_share:.0f} % of its peak and averages "
            "{mean_share:.0f} % of it. Let it fall straight to zero over the run from the same "
            "peak.",
            final_share=100 * facts.final_share,
            mean_share=100 * facts.mean_share,
        )
    closeness = "" if is_off else Text(" The peak is about right: {ratio}.", ratio=_ratio(evidence))
    aside = _aside(evidence, is_off)
    return Text(
        "{first}{closeness}{aside} {check}", first=first, closeness=closeness, aside=aside, check=CHECK
    )


def changed(
    strength: str, facts: LrFacts, evidence: Mapping[str, float], overfits: bool, keeps_shape: bool
) -> str:
    """Reasons for another learning rate."""
    hint = evidence["lr_hint"]
    if strength == "diverged":
        first = Text(
            "The run blew up at a peak learning rate of {peak:.2g}: try {hint:.2g}, and a tenth "
            "of that if it still does. How far down it has to go cannot be read off such a run.",
            peak=facts.peak,
            hint=hint,
        )
    else:
        raises = evidence["lr_factor"] > 1
        first = Text(
            "{direction} the learning rate to about {range}: {ratio}. In tests the direction of this "
            "hint was right in 84-90 % of runs that were off by a factor of 3 or more.",
            direction=Text("Raise") if raises else Text("Lower"),
            range=_range(evidence),
            ratio=_ratio(evidence),
        )
    shape = (
        Text("The schedule keeps its shape.")
        if keeps_shape
        else Text("It warms up over 5 % of the steps, then falls straight to zero.")
    )
    low = (
        Text(" The validation loss rises at the end, so the lower end of the range is the better guess.")
        if overfits
        else ""
    )
    return Text(
        "{first} {shape}{low} All param groups are scaled by the same factor. {check}",
        first=first,
        shape=shape,
        low=low,
        check=CHECK,
    )


NO_STEPS = (
    "The run has no optimizer step: the script trains nothing, or its optimizer is none of torch.optim. "
    "There is no learning rate to prescribe."
)
