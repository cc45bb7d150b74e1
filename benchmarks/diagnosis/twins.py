"""The real recorder against the reference recorder on the same training, number by number."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np

import traindoctor
from traindoctor import names
from traindoctor.run import NetworkInfo, Run, Series

from .configuration import Config
from .reference_recorder import ReferenceRecorder
from .training import Training

TIMED = (names.STEP_TIME,)
"""Series that hold clock times, which no two recorders share."""

_ROUNDING = {"weight_mean of ": 1e-8, "weight_std of ": 1e-5}
"""Absolute differences that single precision explains where large values cancel."""


@dataclass(frozen=True)
class Difference:
    """One series in which the two recordings disagree.

    Attributes:
        name: its name, with the quantity in front for per-parameter series.
        what: how they disagree.
    """

    name: str
    what: str


def record_twice(config: Config) -> tuple[Run, Run]:
    """The same training as the reference recorder and as `traindoctor.watch` saw it."""
    training = Training(config)
    every = max(5, config.n_steps // 80)
    training.recorder = ReferenceRecorder(training.model, training.optimizer, training.scheduler_name, every)
    with tempfile.TemporaryDirectory() as folder:
        with traindoctor.watch(training.model, training.optimizer, out=folder, every=every) as watch:
            training.fit()
        return training.recorded("reference"), traindoctor.load(watch.path)


def differences(reference: Run, watched: Run, tolerance: float = 1e-4) -> Iterator[Difference]:
    """Series that only one of the two has, steps that only one has, values further apart than `tolerance`.

    Args:
        reference: by the reference recorder.
        watched: by the real one.
        tolerance: largest relative difference of two values, dimensionless.
    """
    yield from _table(reference.series, watched.series, "", tolerance)
    for quantity in dict.fromkeys((*reference.parameters, *watched.parameters)):
        row, twin = reference.parameter(quantity), watched.parameter(quantity)
        yield from _table(row, twin, f"{quantity} of ", tolerance)
    for fact in ("status", "epochs", "batch_size", "n_classes", "loss_name", "baseline"):
        one, two = getattr(reference.info, fact), getattr(watched.info, fact)
        # labels are counted over the batches of the first epoch, which leaves out an incomplete one
        is_close = isinstance(one, float) and np.isclose(one, two, rtol=1e-2, equal_nan=True)
        if one != two and not is_close:
            yield Difference(f"info.{fact}", f"reference {one!r}, watched {two!r}")
    yield from _network(reference.info.network, watched.info.network)
    described = {p.name: p for p in watched.info.parameters}
    for parameter in reference.info.parameters:
        if described.get(parameter.name) != parameter:
            yield Difference(
                f"parameter {parameter.name}",
                f"reference {parameter}, watched {described.get(parameter.name)}",
            )


def _network(one: NetworkInfo | None, two: NetworkInfo | None) -> Iterator[Difference]:
    if one is None or two is None:
        if one is not two:
            yield Difference("info.network", f"only the {'watched' if one is None else 'reference'} has it")
        return
    for name in (field.name for field in fields(NetworkInfo)):
        if getattr(one, name) != getattr(two, name):
            what = f"reference {getattr(one, name)!r}, watched {getattr(two, name)!r}"
            yield Difference(f"info.network.{name}", what)


def _table(
    reference: Mapping[str, Series], watched: Mapping[str, Series], prefix: str, tolerance: float
) -> Iterator[Difference]:
    for name in dict.fromkeys((*reference, *watched)):
        if name in TIMED:
            continue
        if name not in watched or name not in reference:
            only = "reference" if name in reference else "watched"
            yield Difference(prefix + name, f"only the {only} has it")
            continue
        what = _compare(reference[name], watched[name], tolerance, _ROUNDING.get(prefix, 1e-9))
        if what:
            yield Difference(prefix + name, what)


def _compare(one: Series, two: Series, tolerance: float, floor: float) -> str:
    lacking = np.setdiff1d(one.steps, two.steps)
    added = np.setdiff1d(two.steps, one.steps)
    common = np.intersect1d(one.steps, two.steps)
    a, b = one.at(common), two.at(common)
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b) > tolerance * np.maximum(np.abs(a), np.abs(b)) + floor
    apart |= (np.isfinite(a) != np.isfinite(b)) | (np.isnan(a) != np.isnan(b))
    parts: list[str] = []
    if len(lacking):
        parts.append(f"{len(lacking)} of {len(one)} steps lack, the first is {lacking[0]}")
    if len(added):
        parts.append(f"{len(added)} steps only the watched has, the first is {added[0]}")
    if apart.any():
        at = int(np.flatnonzero(apart)[0])
        parts.append(
            f"{int(apart.sum())} of {len(common)} values differ, "
            f"at step {common[at]} {a[at]:.6g} against {b[at]:.6g}"
        )
    return "; ".join(parts)
