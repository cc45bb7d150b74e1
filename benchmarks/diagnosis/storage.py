"""Runs on disk: one compressed npz per run, every series in two long vectors with a JSON index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from traindoctor.run import (
    Event,
    NetworkInfo,
    OptimizerInfo,
    ParameterInfo,
    Predictions,
    Run,
    RunInfo,
    Series,
)


def save(path: Path, run: Run, facts: Mapping[str, Any]) -> None:
    """Writes a run and the facts about it; the file appears whole or not at all."""
    index: list[tuple[str, str, int]] = []
    series = [(("", name), s) for name, s in run.series.items()]
    series += [((quantity, name), s) for quantity, row in run.parameters.items() for name, s in row.items()]
    index = [(quantity, name, len(s)) for (quantity, name), s in series]
    document = {
        "facts": dict(facts),
        "id": run.id,
        "name": run.name,
        "index": index,
        "info": asdict(run.info),
        "events": [(event.step, event.kind, dict(event.data)) for event in run.events],
        "predictions": None
        if run.predictions is None
        else {"step": run.predictions.step, "kind": run.predictions.kind},
    }
    arrays = {
        "steps": np.concatenate([s.steps for _, s in series]),
        "values": np.concatenate([s.values for _, s in series]),
    }
    if run.predictions is not None:
        arrays |= {"y_true": run.predictions.y_true, "y_score": run.predictions.y_score.astype(np.float32)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, document=np.array(json.dumps(document)), **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def load(path: Path) -> tuple[Run, dict[str, Any]]:
    """Reads what `save` wrote: the run and the facts about it."""
    with np.load(path) as arrays:
        document = json.loads(str(arrays["document"]))
        steps, values = arrays["steps"], arrays["values"]
        scores = (arrays["y_true"], arrays["y_score"].astype(np.float64)) if document["predictions"] else None
    ends = np.cumsum([length for _, _, length in document["index"]])
    series: dict[str, Series] = {}
    parameters: dict[str, dict[str, Series]] = {}
    for (quantity, name, length), end in zip(document["index"], ends, strict=True):
        one = Series(steps[end - length : end], values[end - length : end])
        (parameters.setdefault(quantity, {}) if quantity else series)[name] = one
    predictions = scores and Predictions(*scores, **document["predictions"], source="reference recorder")
    events = [Event(step, kind, data) for step, kind, data in document["events"]]
    run = Run(
        document["id"], document["name"], series, parameters, events, predictions, _info(document["info"])
    )
    return run, document["facts"]


def _info(values: dict[str, Any]) -> RunInfo:
    parameters = tuple(ParameterInfo(**{**p, "shape": tuple(p["shape"])}) for p in values["parameters"])
    optimizers = tuple(
        OptimizerInfo(o["name"], tuple(_group(group) for group in o["groups"]), o["scheduler"])
        for o in values["optimizers"]
    )
    network = values.get("network")
    return RunInfo(
        **{
            **values,
            "network": network and NetworkInfo(**{key: _value(value) for key, value in network.items()}),
            "parameters": parameters,
            "optimizers": optimizers,
            "diagnostics": tuple(values["diagnostics"]),
        }
    )


def _group(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: _value(value) for key, value in settings.items()}


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
