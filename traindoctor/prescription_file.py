"""The file prescription.json: writing it, and reading it back with every field checked."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from .errors import UnreadableLogError, UsageError
from .json_values import jsonable
from .prescription import Prescription
from .run import Floats, Run, Series

FORMAT = 1
"""Version of the file, see docs/prescription-json.md."""

KIND = "traindoctor prescription"
FILE_NAME = "prescription.json"
MAX_BYTES = 1 << 28
MAX_STEPS = 50_000_000
_STRAIGHT = 1e-14
"""Largest relative deviation of a point from the line between its neighbours at which it is left out."""


def write_prescription(prescription: Prescription, path: Path, run: Run | None = None) -> None:
    """Write the file in one piece: a reader never finds half of it.

    Args:
        prescription: what to write.
        path: the file; its folder is made if need be.
        run: the run it was made for; taken over from the file that is there when None.

    Raises:
        UsageError: the file cannot be written there.
    """
    document = asdict(prescription)
    document["lr"] = None if prescription.lr is None else _thinned(prescription.lr)
    document |= {"format": FORMAT, "kind": KIND, "run": _run_facts(run, path)}
    text = json.dumps(jsonable(document), indent=1, sort_keys=True, allow_nan=False)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(text + "\n", encoding="ascii")
        half.replace(path)
    except OSError as error:
        raise UsageError(
            f"expected a place for {path.name}, but {path} cannot be written: {error}"
        ) from error


def read_prescription(path: Path) -> Prescription:
    """Read the file.

    Raises:
        UsageError: there is no such file.
        UnreadableLogError: it is no prescription, of another format, or a field is not what it has to be.
    """
    document = _document(path)
    rates = document.pop("lr", None)
    try:
        found = msgspec.convert(document, Prescription, strict=False)
    except msgspec.ValidationError as error:
        raise UnreadableLogError(
            f"{path}: {error}; make the file again with: traindoctor prescribe"
        ) from error
    return replace(found, lr=None if rates is None else _series(rates, path))


def lr_plan(prescription: Prescription) -> Floats:
    """LR of the first param group at each optimizer step of the plan, shape (horizon_steps,).

    Raises:
        UsageError: nothing is prescribed that could be applied from the first step on.
    """
    if prescription.lr is None:
        raise UsageError(
            f"expected a prescription with a planned learning rate, found the verdict "
            f"`{prescription.action}`, which changes nothing"
        )
    if int(prescription.lr.steps[0]) != 0:
        raise UsageError(
            "expected a plan that starts at step 0; this one finishes a run from its last checkpoint "
            f"(step {int(prescription.lr.steps[0])}): load the checkpoint and paste its code instead"
        )
    return prescription.lr.values


def _run_facts(run: Run | None, path: Path) -> Any:
    if run is not None:
        return {"id": run.id, "name": run.name, "steps": run.n_steps, "seconds": run.info.seconds}
    return _document(path).get("run") if path.is_file() else None


def _document(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            raise UsageError(
                f"expected a prescription file, found nothing at {path}; make one with: traindoctor prescribe"
            )
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableLogError(f"{path}: expected at most {MAX_BYTES} bytes")
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableLogError(
            f"{path}: expected JSON written by `traindoctor prescribe`: {error}"
        ) from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise UnreadableLogError(f"{path}: expected the kind `{KIND}`; this is another file")
    if document.get("format") != FORMAT:
        raise UnreadableLogError(
            f"{path}: expected format {FORMAT}, found {document.get('format')!r}; "
            "read it with the version of traindoctor that wrote it"
        )
    return document


def _thinned(lr: Series) -> dict[str, Any]:
    """The corners of the plan: every step left out lies on the line between its neighbours."""
    keep = np.ones(len(lr), dtype=bool)
    if len(lr) > 2:
        corners = _corners(lr.steps.astype(np.float64), lr.values)
        keep[:] = False
        keep[corners] = True
    return {"steps": lr.steps[keep], "values": lr.values[keep]}


def _series(rates: Any, path: Path) -> Series:
    """The plan step by step, from its corners."""
    try:
        steps = np.asarray(msgspec.convert(rates["steps"], list[int]), dtype=np.int64)
        values = np.asarray(msgspec.convert(rates["values"], list[float]))
        corners = Series(steps, values)
    except (msgspec.ValidationError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnreadableLogError(
            f"{path}: expected `lr` as `steps` and `values`, equally long: {error}"
        ) from error
    if not len(corners) or steps[0] < 0 or steps[-1] - steps[0] >= MAX_STEPS:
        raise UnreadableLogError(f"{path}: expected `lr.steps` with 1 to {MAX_STEPS} steps from 0 on")
    if not bool(np.isfinite(values).all()) or float(values.min()) < 0.0:
        raise UnreadableLogError(
            f"{path}: expected learning rates that are finite and not negative in `lr.values`"
        )
    every = np.arange(steps[0], steps[-1] + 1)
    return Series(every, np.interp(every, steps, values))


def _corners(x: Floats, y: Floats) -> list[int]:
    """Indices between which the straight line gives every value to `_STRAIGHT` of the peak."""
    tolerance = _STRAIGHT * float(np.max(np.abs(y)))
    corners, todo = {0, x.size - 1}, [(0, x.size - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        line = y[first] + (y[last] - y[first]) * ((x[first : last + 1] - x[first]) / (x[last] - x[first]))
        off = np.abs(line - y[first : last + 1])
        worst = first + int(np.argmax(off))
        if off[worst - first] > tolerance:
            corners.add(worst)
            todo += [(first, worst), (worst, last)]
    return sorted(corners)
