"""Diagnoses built by hand: one realistic run with trouble, one healthy, and the awkward ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from traindoctor import names
from traindoctor.finding import Diagnosis, Finding, Prescription, Remedy, Schedule, Severity, Skipped, Verdict
from traindoctor.prescription import MOST_DIFFERENCE, Proof, ProofRun, Sweep, SweepPoint
from traindoctor.run import Event, OptimizerInfo, ParameterInfo, Run, RunInfo, Series

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
HOSTILE = (
    "<script>alert(1)</script>",
    "layers[/0]",
    "$\\frac$",
    "@everyone",
    "`tick` | pipe",
    "line\u2028separator\u2029here",
    "\x1b[31mred\x1b[0m\x00",
    "x" * 10_000,
    "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd",
    "卷积层",
    "]]></style><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
)


def series(values: Any, steps: Any = None) -> Series:
    values = np.asarray(values, dtype=np.float64)
    return Series(np.arange(len(values)) if steps is None else np.asarray(steps), values)


def parameter_infos(layers: list[str]) -> tuple[ParameterInfo, ...]:
    infos = []
    for index, layer in enumerate(layers):
        n_in, n_out = 16 * (index + 1), 16 * (index + 2)
        infos.append(ParameterInfo(f"{layer}.weight", (n_out, n_in), "matrix", True, "0", module="Linear"))
        infos.append(ParameterInfo(f"{layer}.bias", (n_out,), "bias", True, "0", module="Linear"))
    return tuple(infos)


def parameter_series(
    infos: tuple[ParameterInfo, ...], n_steps: int, seed: int = 0
) -> dict[str, dict[str, Series]]:
    rng = np.random.default_rng(seed)
    steps = np.unique(np.r_[np.arange(min(10, n_steps)), np.arange(0, n_steps, max(1, n_steps // 120))])
    tables: dict[str, dict[str, Series]] = {"update_ratio": {}, "grad_norm": {}, "weight_rms": {}}
    for index, info in enumerate(infos):
        decay = 1 / (1 + steps / (0.3 * n_steps + 1))
        ratio = 10 ** (-3 + 0.4 * np.sin(index)) * decay * rng.lognormal(0, 0.2, len(steps))
        grad = 10 ** (-1 - 0.1 * index) * decay * rng.lognormal(0, 0.3, len(steps))
        if index == 4:
            ratio = np.where(steps > 0.4 * n_steps, 0.0, ratio)
            grad = np.where(steps > 0.4 * n_steps, 0.0, grad)
        if index == 6:
            grad = np.where(steps > 0.93 * n_steps, np.nan, grad)
        mine = steps if index != 9 else steps[len(steps) // 5 :]
        keep = np.isin(steps, mine)
        tables["update_ratio"][info.name] = Series(mine, ratio[keep])
        tables["grad_norm"][info.name] = Series(mine, grad[keep])
        tables["weight_rms"][info.name] = Series(mine, (0.05 + 0.02 * steps / n_steps)[keep])
    return tables


def classification(classes: tuple[str, ...] = CLASSES, seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    n = len(classes)
    matrix = rng.poisson(4, (n, n)) + np.diag(rng.integers(60, 95, n))
    if n > 5:
        matrix[3, 5], matrix[5, 3] = 31, 24
    totals, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    recall, precision = np.diag(matrix) / totals, np.diag(matrix) / predicted
    f1 = 2 * precision * recall / (precision + recall)
    accuracy = float(np.trace(matrix) / matrix.sum())
    grid = np.linspace(0, 1, 60)
    power = 3 + 10 * recall
    curve_classes = range(n) if n > 2 else [1]
    return {
        "classification": {
            "split": "validation",
            "step": 19999,
            "n_samples": int(matrix.sum()),
            "n_classes": n,
            "source": "captured from argmax",
            "classes": list(classes),
            "accuracy": accuracy,
            "accuracy_interval": [accuracy - 0.021, accuracy + 0.02],
            "balanced_accuracy": float(recall.mean()),
            "precision_macro": float(precision.mean()),
            "recall_macro": float(recall.mean()),
            "f1_macro": float(f1.mean()),
            "precision_weighted": float(precision.mean()),
            "recall_weighted": accuracy,
            "f1_weighted": float(f1.mean()),
            "majority_baseline": float(totals.max() / totals.sum()),
            "per_class": [
                {"class": c, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
                for c, p, r, f, s in zip(classes, precision, recall, f1, totals, strict=True)
            ],
            "confusion_matrix": matrix.tolist(),
            "roc": [
                {
                    "class": classes[c],
                    "auc": float(1 - 1 / (power[c] + 1)),
                    "fpr": grid.tolist(),
                    "tpr": (grid ** (1 / power[c])).tolist(),
                }
                for c in curve_classes
            ],
            "pr": [
                {
                    "class": classes[c],
                    "average_precision": float(power[c] / (power[c] + 1)),
                    "recall": grid.tolist(),
                    "precision": (1 - 0.9 * grid ** power[c]).tolist(),
                }
                for c in curve_classes
            ],
            "roc_auc_macro": 0.93,
            "average_precision_macro": 0.9,
            "log_loss": 0.7241,
        }
    }


def overfitting_run(n_steps: int = 20_000) -> Run:
    rng = np.random.default_rng(7)
    steps = np.arange(n_steps)
    train = 2.3 * np.exp(-steps / (0.18 * n_steps)) + 0.12
    train = train * rng.lognormal(0, 0.22, n_steps)
    train[int(0.32 * n_steps)] *= 4
    at = np.arange(n_steps // 40 - 1, n_steps, n_steps // 40)
    validation = 2.2 * np.exp(-at / (0.16 * n_steps)) + 0.42 + 0.5 * np.maximum(0, at / n_steps - 0.42)
    lr = np.where(steps < 0.6 * n_steps, 1e-3, 1e-4)
    before = 3 * np.exp(-steps / (0.5 * n_steps)) * rng.lognormal(0, 0.5, n_steps)
    infos = parameter_infos(["conv1", "conv2", "fc1", "fc2", "head"])
    recorded = {
        names.LOSS_TRAIN: series(train),
        names.LOSS_VALIDATION: series(validation * rng.lognormal(0, 0.012, len(at)), at),
        names.ACCURACY_VALIDATION: series(0.85 - 0.4 * np.exp(-at / (0.2 * n_steps)), at),
        names.lr("0"): series(lr),
        names.GRAD_NORM_PRECLIP: series(before),
        names.GRAD_NORM: series(np.minimum(before, 1.0)),
    }
    group = {"label": "0", "lr": 0.001, "momentum": 0.9, "weight_decay": 0.0005, "nesterov": False}
    info = RunInfo(
        status="finished",
        source="traindoctor",
        seconds=10_320.0,
        epochs=40.0,
        batch_size=64,
        n_classes=10,
        loss_name="cross_entropy",
        baseline=2.3026,
        parameters=infos,
        optimizers=(OptimizerInfo("SGD", (group,), "StepLR"),),
        environment={
            "python": "3.11.9",
            "versions": {"torch": "2.15.0", "numpy": "2.4.6"},
            "cpus": 8,
            "devices": ["NVIDIA H100"],
        },
        config={
            "command": ["python", "train.py", "--lr", "0.001", "--epochs", "40"],
            "folder": "cifar",
            "git": {"commit": "3f9a1c07d2be55aa10", "branch": "main", "dirty": True},
        },
        diagnostics=(
            "Per-parameter values were thinned to one step in 166 to stay within the overhead budget.",
        ),
    )
    events = (Event(400, "amp-skip"), Event(900, "amp-skip"), Event(12_000, "gap", {"seconds": 41.5}))
    return Run(
        "20260101-120000-cifar",
        "cifar10-baseline",
        recorded,
        parameter_series(infos, n_steps),
        events,
        info=info,
    )


SCHEDULE_CODE = """from torch.optim.lr_scheduler import LambdaLR

W, T = 1_000, 11_500  # warm-up steps, total steps
scheduler = LambdaLR(optimizer, lambda s: min((s + 1) / W, max(0.0, (T - s) / (T - W))))
# call scheduler.step() after every optimizer.step()
"""


def findings(run: Run) -> tuple[Finding, ...]:
    validation, last = run.series[names.LOSS_VALIDATION], run.n_steps - 1
    at = int(np.argmin(validation.values))
    best, best_loss = int(validation.steps[at]), float(validation.values[at])
    rise, share = float(validation.values[-1]) / best_loss - 1, (last - best) / run.n_steps
    return (
        Finding(
            "TD401",
            "overfitting",
            Severity.CRITICAL,
            0.93,
            best,
            last,
            f"Overfitting from step {best:,}. Validation loss rises by {100 * rise:.3g} % from its best "
            "while training loss keeps falling.",
            {"best_loss": best_loss, "rise": rise, "share_of_steps_after_best": share},
            {"best_loss": "loss units", "rise": "fraction", "share_of_steps_after_best": "fraction"},
            Remedy(
                f"Stop near step {best:,}, or anneal the learning rate to zero by then; then "
                "try weight decay or augmentation.",
                "optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-3)\n",
            ),
            explains=("TD407",),
        ),
        Finding(
            "TD407",
            "trained-past-best",
            Severity.WARNING,
            0.99,
            best + 1,
            last,
            f"{100 * share:.3g} % of the steps came after the best validation loss.",
            {"share": share},
            {"share": "fraction"},
            Remedy("Keep the checkpoint of the best validation loss."),
        ),
        Finding(
            "TD207",
            "frozen-parameters",
            Severity.WARNING,
            0.88,
            8000,
            last,
            "fc1.weight stopped moving at step 8,000. Its update is exactly zero in every sample since.",
            {"n_parameters": 1, "first_step": 8000},
            {"n_parameters": "parameters", "first_step": "steps"},
            Remedy("Check that fc1 is still part of the graph.", "print(model.fc1.weight.grad)"),
            parameters=("fc1.weight",),
        ),
        Finding(
            "TD104",
            "loss-spike",
            Severity.INFO,
            0.7,
            6400,
            6400,
            "One loss spike at step 6,400, 4.1 times the level around it.",
            {"factor": 4.1, "z": 11.0},
            {"factor": "dimensionless", "z": "dimensionless"},
            Remedy("Nothing: it recovers at once."),
        ),
    )


def prescription(n_steps: int = 11_500) -> Prescription:
    s = np.arange(n_steps)
    lr = 1e-3 * np.minimum((s + 1) / 1000, (n_steps - s) / (n_steps - 1000))
    return Prescription(
        "change-schedule",
        "log",
        0.62,
        1e-3,
        Schedule("linear", {"warmup_steps": 1000, "total_steps": n_steps}),
        SCHEDULE_CODE,
        "The learning rate never anneals before the validation loss turns. The estimate rests on one run and "
        "may be off by a factor of 4.",
        series(lr),
        {"update_ratio": 0.0021, "mean_over_peak": 0.64},
        {"update_ratio": "dimensionless", "mean_over_peak": "fraction"},
        0.0,
    )


PASSED = {
    "TD101": "plateau",
    "TD102": "divergence",
    "TD103": "non-finite",
    "TD106": "still-improving",
    "TD107": "no-learning",
    "TD108": "marginal-plateau",
    "TD201": "vanishing-gradient",
    "TD202": "exploding-gradient",
    "TD204": "oversized-weights",
}
SKIPPED = (Skipped("TD203", "dead-units", "no per-row gradients were recorded (grad_dead_rows)"),)


def realistic() -> Diagnosis:
    return Diagnosis(
        overfitting_run(),
        Verdict(
            "findings",
            "The run overfits from step 11,499: 42.5 % of its steps came after the best validation loss.",
        ),
        findings(overfitting_run()),
        SKIPPED,
        PASSED,
        Schedule(
            "step",
            {"step_size": 12_000, "gamma": 0.1, "unit": "steps", "warmup_steps": 0},
            "StepLR(optimizer, step_size=12_000, gamma=0.1)",
            0.0,
            "0",
        ),
        prescription(),
        classification(),
    )


def timed() -> Diagnosis:
    """The realistic run with its epochs (40) and step times: late steps take three times as long."""
    run = overfitting_run()
    steps = np.arange(20_000)
    series = {
        names.EPOCH: Series(steps, (steps // 500).astype(np.float64)),
        names.STEP_TIME: Series(steps[1:], np.where(steps[1:] < 10_000, 0.2, 0.6)),
    }
    return replace(realistic(), run=replace(run, series={**run.series, **series}))


def healthy() -> Diagnosis:
    run = overfitting_run(2000)
    kept = {name: s for name, s in run.series.items() if name != names.LOSS_VALIDATION}
    quiet = Run("healthy", "healthy-run", kept, {}, (), info=RunInfo(status="finished"))
    return Diagnosis(
        quiet,
        Verdict("healthy", "Nothing was found."),
        (),
        SKIPPED,
        PASSED,
        Schedule("constant"),
        Prescription("keep"),
    )


def of_run(run: Run, **rest: Any) -> Diagnosis:
    return Diagnosis(run, Verdict("not-assessable", "Too little was recorded."), **rest)


def no_data() -> Diagnosis:
    return of_run(Run("empty", ""))


def single_step() -> Diagnosis:
    recorded = {names.LOSS_TRAIN: series([2.3]), names.lr("0"): series([0.1]), names.GRAD_NORM: series([1.0])}
    infos = parameter_infos(["fc"])
    tables = {"update_ratio": {p.name: series([1e-3]) for p in infos}}
    return of_run(Run("one", "one step", recorded, tables, info=RunInfo(parameters=infos)))


def nan_losses() -> Diagnosis:
    loss = np.r_[np.linspace(2, 5, 50), np.full(50, np.nan)]
    recorded = {names.LOSS_TRAIN: series(loss), names.LOSS_VALIDATION: series([np.nan, np.inf], [49, 99])}
    return of_run(Run("nan", "nan losses", recorded))


def all_nan() -> Diagnosis:
    nan = series(np.full(20, np.nan))
    tables = {"update_ratio": {"a": nan}, "grad_norm": {"a": nan}}
    recorded = {names.LOSS_TRAIN: nan, names.lr("0"): nan, names.GRAD_NORM: nan}
    return of_run(Run("all-nan", "all NaN", recorded, tables))


def no_parameters() -> Diagnosis:
    run = overfitting_run(500)
    return of_run(Run("bare", "no parameters", run.series))


def thousand_parameters() -> Diagnosis:
    infos = parameter_infos(
        [f"blocks.{block}.{part}" for block in range(100) for part in ("q", "k", "v", "o", "mlp")]
    )
    run = overfitting_run(500)
    return of_run(
        Run(
            "big", "1000 parameters", run.series, parameter_series(infos, 500), info=RunInfo(parameters=infos)
        )
    )


def hostile() -> Diagnosis:
    infos = parameter_infos(list(HOSTILE))
    recorded = {
        **overfitting_run(400).series,
        **{names.lr(text): series([0.1 * (i + 1)] * 3) for i, text in enumerate(HOSTILE)},
    }
    bad = "".join(HOSTILE[:7])
    finding = Finding(
        "TD207",
        bad,
        Severity.CRITICAL,
        0.5,
        0,
        399,
        f"{bad} is frozen. It never moves.",
        {bad: 1.0},
        {bad: HOSTILE[0]},
        Remedy(bad, f"```\n{bad}\n@everyone"),
        parameters=HOSTILE,
    )
    info = RunInfo(
        status="failed",
        source=bad,
        x_unit=HOSTILE[0],
        loss_name=bad,
        parameters=infos,
        optimizers=(OptimizerInfo(bad, ({"label": bad, bad: bad},), bad),),
        environment={bad: bad, "nested": {bad: [bad]}},
        config={"command": list(HOSTILE), "git": {"commit": bad, "branch": HOSTILE[0], "dirty": True}},
        diagnostics=HOSTILE,
    )
    run = Run(
        "hostile",
        HOSTILE[0],
        recorded,
        parameter_series(infos, 400),
        (Event(1, "gap", {bad: bad}),),
        info=info,
    )
    return Diagnosis(
        run,
        Verdict("findings", f"{bad} is frozen."),
        (finding,),
        (Skipped("TD203", bad, bad),),
        {"TD101": bad},
        Schedule("custom", {bad: bad}, bad, 0.1, bad),
        Prescription(
            "change-lr",
            "log",
            0.5,
            0.1,
            Schedule(bad),
            bad,
            bad,
            series(np.linspace(0.1, 0, 400)),
            {bad: 1},
            {bad: bad},
        ),
        classification(HOSTILE),
    )


def proven() -> Diagnosis:
    """A prescription from a sweep with a diverged point, adopted by a proof with an awkward pair."""
    scores = ((0.001, 1.9), (0.00316, 1.1), (0.01, 0.62), (0.0316, 0.81), (0.1, float("inf")))
    points = tuple(SweepPoint(lr, score, 12.5) for lr, score in scores)
    best = np.log10([0.00316, 0.01, 0.0316]), np.log([1.1, 0.62, 0.81])
    parabola = tuple(float(k) for k in np.polyfit(*best, 2))
    sweep = Sweep("validation loss", points, 2300, 0.2, 0.0136, 0.0061, parabola, seed=0)
    pairs = ((1, 0.80, 0.61), (2, 0.84, 0.63), (3, float("inf"), 0.62), (4, float("nan"), 0.60))
    runs = tuple(
        ProofRun(side, seed, score, 2.3 + seed, 11_500, 60.0, "" if score == score else "ended with code 1")
        for seed, old, new in pairs
        for side, score in (("old", old), ("new", new))
    )
    proof = Proof(
        "adopt",
        "Adopt it: validation loss -79.1 % over 3 pairs at equal seeds and steps.",
        "validation loss",
        runs,
        (1, 2, 3),
        (-0.271, -0.288, -MOST_DIFFERENCE),
        -1.721,
        2.498,
        0.998,
        3,
        ("The old run of seed 4 failed: ended with code 1. Its pair does not count.",),
        480.0,
        92_000,
        11_500,
        ("train.py", "--lr", "0.001"),
    )
    advice = replace(
        prescription(),
        action="change-both",
        basis="verified",
        evidence={"lr_peak": 0.001, "lr_estimate": 0.0061},
        units={"lr_peak": "1/step", "lr_estimate": "1/step"},
        assumptions=("The next run has 11500 optimizer steps.", "One seed per rate is enough."),
        falsify=("A second sweep with another seed: wrong if its best rate is a factor of 3.2 away.",),
        alternative="scheduler = LinearLR(optimizer, 1.0, 1 / D, total_iters=D - 1)",
        horizon_steps=11_500,
        sweep=sweep,
        proof=proof,
    )
    return replace(realistic(), prescription=advice)


AWKWARD = {
    "proven": proven,
    "no-data": no_data,
    "single-step": single_step,
    "nan-losses": nan_losses,
    "all-nan": all_nan,
    "no-parameters": no_parameters,
    "thousand-parameters": thousand_parameters,
    "hostile": hostile,
    "healthy": healthy,
}
