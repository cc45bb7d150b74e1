"""From the trials of a study to what they say."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

import numpy as np

from traindoctor.search import Parameter, Search, State, Study, Trial
from traindoctor.text import Text, counted, joined

from .divergence import divergence_threshold
from .edges import edges_of
from .importance import LEAST_TRIALS as LEAST_FOR_IMPORTANCE
from .importance import importances
from .interaction import lr_by_batch_size
from .region import LEAST_TRIALS as LEAST_FOR_REGION
from .region import best_region
from .scale import batch_size, completed, costs, learning_rate
from .space import Space, value_text

_ENDED: tuple[State, ...] = ("complete", "pruned", "diverged", "failed")


def summarise(study: Study) -> Search:
    """Everything that a study says; what it cannot say is in the notes. Deterministic."""
    trials = completed(study) if study.better else []
    best = trials[int(np.argmin(costs(study, trials)))] if trials else None
    notes: list[str] = []
    if not study.better:
        notes.append(
            Text("the study has several objectives: no trial is the best, and no region is computed")
        )
    if best is None:
        return Search(study, None, _nothing(study), notes=tuple(notes), warnings=_failures(study))
    rate, batch = learning_rate(study), batch_size(study)
    region = best_region(study, rate) if rate else None
    shares, fit = importances(study)
    interaction = lr_by_batch_size(study, rate, batch) if rate and batch else None
    if hooked := hooked_text(study, best):
        notes.append(
            Text(
                "set in the script's optimizer what the search set through its step hook: {hooked}",
                hooked=hooked,
            )
        )
    notes += _abstentions(study, rate, region is None, bool(shares), fit)
    if rate and batch and interaction is None:
        notes.append(Text("too few trials completed at each batch size to compare their best learning rates"))
    return Search(
        study,
        best,
        _sentence(study, best),
        best_command(study, best),
        region,
        divergence_threshold(study, rate) if rate else None,
        shares,
        fit,
        interaction,
        edges_of(study.parameters, best, trials, region, shares) if len(trials) >= 4 else (),
        (*_identical(trials), *_failures(study)),
        tuple(notes),
    )


def best_command(study: Study, trial: Trial) -> str:
    """The trial's command line, quoted for a shell; "" when the study does not know its command."""
    if not study.command:
        return ""
    words = Space(study.parameters, study.command).command(trial.parameters)
    is_script = words[0].startswith("-") or words[0].endswith((".py", ".pyw"))
    return shlex.join(["python", *words] if is_script else words)


def hooked_text(study: Study, trial: Trial) -> str:
    """What the optimizer hook set in a trial and the command does not say, "" when nothing.

    >>> hooked_text(Study("s", "lower", parameters=(Parameter("lr", "log", 1e-3, 1, is_hook=True),)),
    ...     Trial(0, "complete", {"lr": 0.02}))
    'lr 0.02'
    """
    hooked = {
        p.name: trial.parameters[p.name] for p in study.parameters if p.is_hook and p.name in trial.parameters
    }
    return settings_text(Trial(trial.number, trial.state, hooked))


def settings_text(trial: Trial) -> str:
    """The trial's parameters in one line.

    >>> settings_text(Trial(3, "complete", {"lr": 0.0031622, "opt": "sgd"}))
    'lr 0.0031622, opt sgd'
    """
    return ", ".join(f"{name} {value_text(value)}" for name, value in trial.parameters.items())


def counts_text(study: Study) -> str:
    """How the trials ended, in one line.

    >>> counts_text(Study("s", "lower", trials=(Trial(0, "complete"), Trial(1, "pruned"))))
    '2 trials: 1 completed, 1 pruned'
    """
    words = {
        "complete": Text("completed"),
        "pruned": Text("pruned"),
        "diverged": Text("diverged"),
        "failed": Text("failed"),
        "running": Text("running"),
        "waiting": Text("waiting"),
        "lost": Text("lost with its worker and queued again"),
    }
    states = [trial.state for trial in study.trials]
    parts = [
        Text("{n} {state}", n=states.count(s), state=words.get(s, s))
        for s in (*_ENDED, "running", "waiting", "lost")
        if s in states
    ]
    if not parts:
        return Text("no trials")
    return counted("{n} trial: {parts}", "{n} trials: {parts}", len(states), parts=joined(Text(", "), parts))


def _sentence(study: Study, best: Trial) -> str:
    objective = study.objective or Text("objective")
    return Text(
        "Best {objective} {value:.4g} with {settings} (trial {number}; {counts}).",
        objective=objective,
        value=best.value,
        settings=settings_text(best) or Text("no parameters"),
        number=best.number,
        counts=counts_text(study),
    )


def _nothing(study: Study) -> str:
    gone = study.of_state("diverged")
    if gone and len(gone) == len(study.of_state(*_ENDED)):
        return Text(
            "Every trial diverged ({counts}): search smaller learning rates.", counts=counts_text(study)
        )
    return Text("No trial completed with a finite objective ({counts}).", counts=counts_text(study))


def _identical(trials: Sequence[Trial]) -> tuple[str, ...]:
    settings = {str(sorted(t.parameters.items())) for t in trials}
    if len(trials) < 3 or len(settings) < 3 or len({t.value for t in trials}) > 1:
        return ()
    return (
        Text(
            "All {n_trials} completed trials have the same objective to the last digit "
            "({value:.6g}) although their parameters differ: the script seems to ignore the "
            "arguments that were searched.",
            n_trials=len(trials),
            value=trials[0].value,
        ),
    )


def _failures(study: Study) -> tuple[str, ...]:
    failed = study.of_state("failed")
    if not failed:
        return ()
    reasons = [trial.why for trial in failed if trial.why]
    common = max(set(reasons), key=reasons.count) if reasons else ""
    n = Text(
        "{n_failed} of {n_of_state} trials failed",
        n_failed=len(failed),
        n_of_state=len(study.of_state(*_ENDED)),
    )
    return (Text("{n}; most often: {common}", n=n, common=common) if common else f"{n}.",)


def _abstentions(
    study: Study, rate: Parameter | None, is_without_region: bool, has_shares: bool, fit: float
) -> list[str]:
    n = len(completed(study))
    notes: list[str] = []
    if rate is None:
        notes.append(
            Text("no learning rate was searched, so no region and no divergence threshold are given")
        )
    elif is_without_region:
        notes.append(
            Text(
                "no region of the best {name}: it needs {least_for_region} completed trials with "
                "different results, found {n} completed",
                name=rate.name,
                least_for_region=LEAST_FOR_REGION,
                n=n,
            )
        )
    if has_shares or len(study.parameters) < 2:
        return notes
    if math.isfinite(fit):
        notes.append(
            Text(
                "importance cannot be told: a forest fitted to the trials predicts those it has not "
                "seen with R² {fit:.2f}",
                fit=fit,
            )
        )
    else:
        n += len(study.of_state("diverged"))
        notes.append(
            Text(
                "no importance: it needs {least_for_importance} trials that completed or diverged, found {n}",
                least_for_importance=LEAST_FOR_IMPORTANCE,
                n=n,
            )
        )
    return notes
