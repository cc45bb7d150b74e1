"""Paste-ready torch code for a schedule: numbers and fixed words only, never text that came out of a log."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

MODULE = "torch.optim.lr_scheduler"

CLASS_OF = {
    "step": "StepLR",
    "multistep": "MultiStepLR",
    "exponential": "ExponentialLR",
    "linear": "LinearLR",
    "polynomial": "PolynomialLR",
    "cosine": "CosineAnnealingLR",
    "cosine-warm-restarts": "CosineAnnealingWarmRestarts",
    "cyclic": "CyclicLR",
    "one-cycle": "OneCycleLR",
    "reduce-on-plateau": "ReduceLROnPlateau",
    "inverse-sqrt": "LambdaLR",
    "wsd": "LambdaLR",
    "constant": "ConstantLR",
}
"""Scheduler class that makes each family."""

ARGUMENTS = {
    "step": ("step_size", "gamma"),
    "multistep": ("milestones", "gamma"),
    "exponential": ("gamma",),
    "linear": ("start_factor", "end_factor", "total_iters"),
    "polynomial": ("total_iters", "power"),
    "cosine": ("T_max", "eta_min"),
    "cosine-warm-restarts": ("T_0", "T_mult", "eta_min"),
    "cyclic": ("base_lr", "max_lr", "step_size_up", "step_size_down", "mode", "gamma"),
    "one-cycle": (
        "max_lr",
        "total_steps",
        "pct_start",
        "anneal_strategy",
        "div_factor",
        "final_div_factor",
        "three_phase",
    ),
    "reduce-on-plateau": ("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr"),
}

DECAY_FORMULAS = {
    "linear": "1 - x",
    "cosine": "(1 + math.cos(math.pi * x)) / 2",
    "1-sqrt": "1 - math.sqrt(x)",
}


def schedule_code(family: str, parameters: Mapping[str, Any]) -> str:
    """Code that builds `scheduler` for an `optimizer` made with `parameters["lr"]`; "" when there is none.

    Args:
        family: as in `Schedule.family`.
        parameters: as in `Schedule.parameters`; unknown keys are left out.
    """
    if (family == "custom" and "levels" not in parameters) or family == "unknown":
        return ""
    warmup = int(parameters.get("warmup_steps", 0))
    if family == "constant" and not warmup:
        return (
            f"# constant learning rate: build the optimizer with lr={number(parameters['lr'])}; no "
            "scheduler\n"
        )
    body = _body(family, parameters)
    lines = _joined(body, parameters, warmup) if warmup else [f"scheduler = {body}"]
    text = "\n".join(lines)
    base = parameters.get(
        "lr", parameters.get("levels", [parameters.get("base_lr", parameters.get("max_lr"))])[0]
    )
    return "\n".join(
        [
            *_imports(text),
            f"# for an optimizer built with lr={number(base)}; {_when(family, parameters)}",
            text,
            "",
        ]
    )


def number(value: float) -> str:
    """A literal that reads back as the same number."""
    if isinstance(value, int):
        return repr(value)
    plain = float(value)
    return repr(int(plain)) if plain.is_integer() and abs(plain) < 1e6 and plain != 0 else repr(plain)


def literal(value: Any) -> str:
    """A literal for a number, a list of numbers or one of our own words.

    Raises:
        ValueError: a text that is not a plain word; nothing else may get into generated code.
    """
    if isinstance(value, str):
        if not re.fullmatch(r"[a-z_0-9-]{1,20}", value):
            raise ValueError(
                f"expected one of torch's option words, found {value!r}; it is not put into code"
            )
        return f'"{value}"'
    if isinstance(value, Sequence):
        return "[" + ", ".join(number(item) for item in value) + "]"
    return repr(float(value)) if isinstance(value, float) else number(value)


def _body(family: str, p: Mapping[str, Any]) -> str:
    if family == "inverse-sqrt":
        return f"LambdaLR(optimizer, lambda t: math.sqrt({number(p['shift'])} / (t + {number(p['shift'])})))"
    if family == "wsd":
        return _wsd(p)
    if family == "custom":
        first = p["levels"][0]
        factors = literal([level / first if first else level for level in p["levels"]])
        return f"LambdaLR(optimizer, lambda t: {factors}[bisect.bisect_right({literal(p['milestones'])}, t)])"
    if family == "constant":
        return "ConstantLR(optimizer, factor=1.0, total_iters=1)"
    if family == "linear" and p["start_factor"] == 0:
        return (
            f"LambdaLR(optimizer, lambda t: min(t / {number(p['total_iters'])}, 1.0) * "
            f"{number(p['end_factor'])})"
        )
    if family == "polynomial" and p.get("lr_end"):
        share = number(p["lr_end"] / p["lr"])
        left = f"max(0.0, 1 - t / {number(p['total_iters'])}) ** {number(p['power'])}"
        return f"LambdaLR(optimizer, lambda t: {share} + (1 - {share}) * {left})"
    if family == "cosine" and p.get("holds_at_end"):
        share, wave = number(p["eta_min"] / p["lr"]), DECAY_FORMULAS["cosine"]
        x = f"min(t / {number(p['T_max'])}, 1.0)"
        return f"LambdaLR(optimizer, lambda t: {share} + (1 - {share}) * {wave.replace('x', x)})"
    arguments = ", ".join(f"{name}={literal(p[name])}" for name in ARGUMENTS[family])
    extra = ", cycle_momentum=False" if family in ("cyclic", "one-cycle") else ""
    return f"{CLASS_OF[family]}(optimizer, {arguments}{extra})"


def _wsd(p: Mapping[str, Any]) -> str:
    x = f"min(max(t - {number(p['stable_steps'])}, 0) / {number(p['decay_steps'])}, 1.0)"
    shape = re.sub(r"\bx\b", x, DECAY_FORMULAS[p["decay"]])
    final = number(p["final_factor"])
    return f"LambdaLR(optimizer, lambda t: {final} + (1 - {final}) * ({shape}))"


def _joined(body: str, p: Mapping[str, Any], warmup: int) -> list[str]:
    start, total = p["warmup_start_factor"], int(p["warmup_total_iters"])
    if start > 0:
        rise = (
            f"LinearLR(optimizer, start_factor={literal(float(start))}, end_factor=1.0, total_iters={total})"
        )
    else:
        rise = f"LambdaLR(optimizer, lambda t: min(t / {total}, 1.0))"
    return [
        f"warmup = {rise}",
        f"main = {body}",
        f"scheduler = SequentialLR(optimizer, [warmup, main], milestones=[{warmup}])",
    ]


def _imports(text: str) -> list[str]:
    names = sorted(
        set(re.findall(r"\b([A-Z]\w+LR\w*|ReduceLROnPlateau|CosineAnnealingWarmRestarts)\(", text))
    )
    modules = [f"import {module}" for module in ("bisect", "math") if f"{module}." in text]
    return [*modules, f"from {MODULE} import {', '.join(names)}"]


def _when(family: str, p: Mapping[str, Any]) -> str:
    if family == "reduce-on-plateau":
        return "call scheduler.step(metric) after each evaluation"
    if p.get("unit") == "epoch":
        return "call scheduler.step() once per epoch"
    every = int(p.get("every", 1))
    return (
        f"call scheduler.step() every {every} optimizer steps"
        if every > 1
        else "call scheduler.step() after each optimizer.step()"
    )


def new_rate_lines(peaks: Sequence[float]) -> list[str]:
    """Lines that set the peak LR of every param group, `peaks` in group order.

    Up to 8 groups get their own literal; more are scaled by one factor so that their ratios stay.
    """
    if len(peaks) <= 8:
        values = ", ".join(repr(float(peak)) for peak in peaks)
        return [
            f"peaks = [{values}]  # one per param group",
            "for group, peak in zip(optimizer.param_groups, peaks, strict=True):",
            '    group["lr"] = peak',
            '    group.pop("initial_lr", None)  # left there by an earlier scheduler',
        ]
    return [
        f'factor = {float(peaks[0])!r} / optimizer.param_groups[0]["lr"]  # keeps the ratios of the groups',
        'for group, peak in zip(optimizer.param_groups, [g["lr"] * factor for g in optimizer.param_groups]):',
        '    group["lr"] = peak',
        '    group.pop("initial_lr", None)  # left there by an earlier scheduler',
    ]


def linear_to_zero_code(peaks: Sequence[float], horizon: int, warmup: int, present: str, origin: str) -> str:
    """Warm-up over `warmup` steps, then a straight line to (almost) zero at step `horizon`.

    Args:
        peaks: LR after warm-up, one per param group.
        horizon: T, total optimizer steps.
        warmup: W >= 2.
        present: family in use now, for the line that says what to remove.
        origin: where T comes from, one of our own phrases.
    """
    decay = horizon - warmup
    return (
        "\n".join(
            [
                f"from {MODULE} import LinearLR, SequentialLR",
                "",
                *removal(present),
                f"T = {horizon}  # {origin}",
                f"W = {warmup}  # warm-up steps",
                *new_rate_lines(peaks),
                "scheduler = SequentialLR(",
                "    optimizer,",
                "    [LinearLR(optimizer, 1 / W, 1.0, W - 1), LinearLR(optimizer, 1.0, 1 / (T - W), T - W "
                "- 1)],",
                "    milestones=[W],",
                ")",
                "# in the loop: optimizer.step(), then scheduler.step() - once per optimizer step, not per "
                "epoch",
                "",
            ]
        )
        if decay > 1
        else ""
    )


def cooldown_code(peaks: Sequence[float], steps: int, present: str, origin: str) -> str:
    """From the last checkpoint: a straight line from the present LR to (almost) zero over `steps` steps."""
    return "\n".join(
        [
            f"from {MODULE} import LinearLR",
            "",
            "# load the last checkpoint of the model and of the optimizer first",
            *removal(present),
            f"D = {steps}  # {origin}",
            *new_rate_lines(peaks),
            "scheduler = LinearLR(optimizer, 1.0, 1 / D, total_iters=D - 1)",
            "# train D more steps: optimizer.step(), then scheduler.step() - once per optimizer step",
            "",
        ]
    )


def removal(present: str) -> list[str]:
    """The line that says which scheduler has to go; none when no scheduler is in use."""
    if present in ("constant", "unknown", ""):
        return []
    name = CLASS_OF.get(present)
    return [f"# remove your present scheduler{f' ({name})' if name else ''} and its step() calls"]
