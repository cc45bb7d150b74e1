"""Per-parameter series with known trouble, for the tests of the detectors that read them."""

from dataclasses import replace

import numpy as np

from tests import runs
from traindoctor.run import ParameterInfo, Run, Series


def changed(run: Run, quantity: str, **values) -> Run:
    """The run with one quantity of some parameters replaced; `fc1_weight=...` means `fc1.weight`.

    A value is a number, an array over the sampled steps, or a function of (steps, old values).
    """
    table = dict(run.parameter(quantity))
    for keyword, value in values.items():
        name = keyword.replace("_", ".", 1)
        old = table[name]
        new = value(old.steps, old.values) if callable(value) else value
        table[name] = Series(old.steps, np.broadcast_to(np.asarray(new, dtype=float), old.values.shape))
    return replace(run, parameters={**run.parameters, quantity: table})


def changed_all(run: Run, quantity: str, value) -> Run:
    """The run with one quantity of every matrix replaced, as in `changed`.

    The update norms follow changed update ratios: the two only make sense together.
    """
    keys = [info.name.replace(".", "_", 1) for info in run.info.parameters if info.role == "matrix"]
    norms = run.parameter("weight_norm")
    run = changed(run, quantity, **dict.fromkeys(keys, value))
    if quantity == "update_ratio":
        ratios = run.parameter("update_ratio")
        updates = {
            key: ratios[name].values * norms[name].values
            for key in keys
            for name in [key.replace("_", ".", 1)]
        }
        run = changed(run, "update_norm", **updates)
    return run


def without(run: Run, *quantities: str) -> Run:
    """The run without some per-parameter quantities."""
    return replace(run, parameters={q: t for q, t in run.parameters.items() if q not in quantities})


def with_infos(run: Run, change) -> Run:
    """The run with `change(info)` in place of every ParameterInfo."""
    return replace(
        run, info=replace(run.info, parameters=tuple(change(info) for info in run.info.parameters))
    )


def evaluated_alike(run: Run) -> Run:
    """The run with validation losses that follow its training loss."""
    steps = run.series["loss/validation"].steps
    return runs.with_series(run, loss__validation=Series(steps, run.series["loss/train"].at(steps)))


def with_loss(run: Run, losses) -> Run:
    """The run with another training loss."""
    return runs.with_series(run, loss__train=Series(np.arange(len(losses)), np.asarray(losses, dtype=float)))


def untrained(run: Run, *names: str) -> Run:
    """The run with the named matrices at torch's default random numbers, unchanged throughout."""
    for name in names:
        info: ParameterInfo | None = run.info_of(name)
        assert info is not None
        bound = 1.0 / np.sqrt(np.prod(info.shape[1:]))
        key = name.replace(".", "_", 1)
        run = changed(run, "weight_max", **{key: bound * 0.9999})
        run = changed(run, "weight_std", **{key: bound / np.sqrt(3.0)})
        run = changed(run, "weight_rms", **{key: bound / np.sqrt(3.0)})
        run = changed(run, "update_norm", **{key: 0.0})
        run = changed(run, "update_ratio", **{key: 0.0})
    return run


def flat(n: int, level: float = runs.B0, sd: float = 0.02) -> np.ndarray:
    """A loss that stays where a constant prediction is."""
    return level + runs.noise(n, sd, seed=3)


def layers(n_layers: int) -> tuple[ParameterInfo, ...]:
    """Square hidden matrices and an output matrix, all held by the optimizer."""
    hidden = [
        ParameterInfo(f"body{i}.weight", (64, 64), "matrix", True, "0", module="Linear", activation="Tanh")
        for i in range(n_layers - 1)
    ]
    return (*hidden, ParameterInfo("head.weight", (10, 64), "matrix", True, "0", module="Linear"))
