"""Fault kinds: each turns a healthy configuration into the same draw with one thing done wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from .configuration import Config, Fault
from .tasks import AUTOENCODERS, SPLITS, task_named

Inject = Callable[[Config, np.random.Generator], Config]
Applies = Callable[[Config], bool]


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault.

    Attributes:
        name: stable name.
        accepts: codes that name the root cause; any of them first counts as right.
        inject: the faulty configuration.
        applies: whether the fault means anything for a configuration.
        since: the first split that has it; a kind that only `report` has was held out of tuning.
    """

    name: str
    accepts: tuple[str, ...]
    inject: Inject
    applies: Applies = lambda config: True
    since: str = "tune"

    @property
    def held_out(self) -> bool:
        """Whether the kind was kept out of tuning."""
        return self.since == "report"

    def of(self, config: Config, seed: int) -> Config:
        """The faulty twin of a configuration; same seed, same fault."""
        faulty = self.inject(config, np.random.default_rng([seed, config.seed]))
        return replace(faulty, fault=replace(faulty.fault, kind=self.name))


def _wrong(config: Config, **changes: object) -> Config:
    return replace(config, fault=replace(Fault(), **changes))  # type: ignore[arg-type]


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _is_relu(config: Config) -> bool:
    return config.activation == "relu" and config.architecture in ("mlp", "conv")


def _is_plain(config: Config) -> bool:
    return config.architecture in ("mlp", "conv")


def _has_loss(*names: str) -> Applies:
    return lambda config: task_named(config.task).loss in names


def _decays(config: Config) -> bool:
    return config.schedule in ("step", "exponential", "cosine", "warmup-cosine", "one-cycle")


def _has_numbers(config: Config) -> bool:
    return task_named(config.task).kind in ("tabular", "image")


def _n_outputs(config: Config) -> int:
    return task_named(config.task).draw(config.seed).n_outputs


def _lr_too_high(c: Config, rng: np.random.Generator) -> Config:
    return replace(c, lr=c.lr * _log_uniform(rng, 30, 300))


def _lr_too_low(c: Config, rng: np.random.Generator) -> Config:
    return replace(c, lr=c.lr / _log_uniform(rng, 30, 1000))


def _tiny_training_set(c: Config, rng: np.random.Generator) -> Config:
    n_train = int(rng.integers(12, 41))
    small = replace(c, weight_decay=0.0, dropout=0.0, batch_size=min(c.batch_size, n_train // 2))
    return _wrong(small, n_train=n_train)


def _tiny_weights(c: Config, rng: np.random.Generator) -> Config:
    return _wrong(replace(c, norm="none"), weight_factor=_log_uniform(rng, 0.003, 0.05))


def _bad_batches(c: Config, rng: np.random.Generator) -> Config:
    return _wrong(c, bad_batch_at=float(rng.uniform(0.6, 0.95)))


FAULTS: tuple[FaultKind, ...] = (
    FaultKind("lr-too-high", ("TD301",), _lr_too_high),
    FaultKind("lr-too-low", ("TD302",), _lr_too_low),
    FaultKind("missing-zero-grad", ("TD208",), lambda c, rng: _wrong(c, clear_gradients=False)),
    FaultKind("optimizer-on-copy", ("TD207",), lambda c, rng: _wrong(c, optimizer_on_copy=True)),
    FaultKind(
        "partly-in-optimizer", ("TD207",), lambda c, rng: _wrong(c, in_optimizer=float(rng.uniform(0.1, 0.4)))
    ),
    FaultKind(
        "dead-relu-init",
        ("TD203", "TD211"),
        lambda c, rng: _wrong(c, bias_shift=-_log_uniform(rng, 5, 50)),
        _is_relu,
    ),
    FaultKind(
        "exploding-init",
        ("TD211", "TD110", "TD202", "TD204"),
        lambda c, rng: _wrong(c, weight_factor=_log_uniform(rng, 5, 40)),
    ),
    FaultKind("tiny-init", ("TD205", "TD201", "TD211"), _tiny_weights, _is_plain),
    FaultKind("tiny-training-set", ("TD401", "TD403", "TD407"), _tiny_training_set),
    FaultKind(
        "shuffled-labels",
        ("TD107", "TD108", "TD505"),
        lambda c, rng: _wrong(c, shuffled=True),
        lambda c: task_named(c.task).kind != "language",
    ),
    FaultKind(
        "label-noise",
        ("TD505", "TD403", "TD401"),
        lambda c, rng: _wrong(c, label_noise=float(rng.uniform(0.3, 0.6))),
        lambda c: task_named(c.task).kind != "language",
    ),
    FaultKind(
        "decays-too-early",
        ("TD304", "TD306"),
        lambda c, rng: _wrong(c, horizon=float(rng.uniform(0.04, 0.12)), hold_after_horizon=True),
        _decays,
    ),
    FaultKind(
        "schedule-rises-again",
        ("TD306", "TD307"),
        lambda c, rng: _wrong(c, horizon=float(rng.choice([0.5, 0.25]))),
        lambda c: c.schedule in ("cosine", "warmup-cosine"),
    ),
    FaultKind(
        "nan-in-data",
        ("TD103",),
        lambda c, rng: _wrong(c, nan_at=float(rng.uniform(0.05, 0.9))),
        _has_numbers,
    ),
    FaultKind("bad-batches", ("TD104", "TD102"), _bad_batches, _has_numbers),
    FaultKind(
        "input-scale",
        ("TD211", "TD110"),
        lambda c, rng: _wrong(c, input_factor=_log_uniform(rng, 100, 3000)),
        _has_numbers,
    ),
    FaultKind("zero-inputs", ("TD107", "TD108", "TD211"), lambda c, rng: _wrong(c, input_factor=0.0)),
    FaultKind(
        "huge-weight-decay",
        ("TD206", "TD205"),
        lambda c, rng: replace(
            c, weight_decay=_log_uniform(rng, 0.3, 3) / (c.lr if c.optimizer == "adamw" else 1) * 0.3
        ),
    ),
    FaultKind(
        "no-nonlinearity", ("TD214", "TD402"), lambda c, rng: replace(c, activation="identity"), _is_plain
    ),
    FaultKind(
        "tight-clip",
        ("TD209",),
        lambda c, rng: replace(c, clip_norm=_log_uniform(rng, 1e-4, 1e-2)),
        lambda c: c.optimizer in ("sgd", "momentum"),
    ),
    FaultKind(
        "scheduler-per-epoch",
        ("TD306", "TD302", "TD303"),
        lambda c, rng: _wrong(c, wrong_unit=True),
        lambda c: c.schedule in ("one-cycle", "warmup-cosine"),
    ),
    FaultKind(
        "lr-jump",
        ("TD307", "TD301"),
        lambda c, rng: _wrong(c, lr_jump_at=float(rng.uniform(0.4, 0.9))),
        since="review",
    ),
    FaultKind(
        "gradient-ascent", ("TD102", "TD404", "TD103"), lambda c, rng: _wrong(c, ascent=True), since="review"
    ),
    FaultKind(
        "sorted-data",
        ("TD109",),
        lambda c, rng: _wrong(c, sorted_data=True),
        lambda c: task_named(c.task).kind in ("tabular", "image"),
        since="review",
    ),
    FaultKind(
        "target-scale",
        ("TD110", "TD211"),
        lambda c, rng: _wrong(c, target_factor=_log_uniform(rng, 100, 3000)),
        _has_loss("mse_loss", "smooth_l1_loss", "l1_loss"),
        since="review",
    ),
    FaultKind(
        "batch-too-small",
        ("TD215", "TD212", "TD301"),
        lambda c, rng: replace(c, batch_size=2),
        since="review",
    ),
    FaultKind(
        "excess-dropout",
        ("TD410", "TD402", "TD404"),
        lambda c, rng: replace(c, dropout=0.9),
        lambda c: c.architecture != "gru",
        since="review",
    ),
    FaultKind(
        "too-small-model",
        ("TD402",),
        lambda c, rng: replace(c, width=4 if c.architecture == "transformer" else 2),
        lambda c: c.architecture != "conv",
        since="review",
    ),
    FaultKind(
        "momentum-too-high",
        ("TD308", "TD301", "TD105", "TD102"),
        lambda c, rng: _wrong(c, momentum=float(rng.uniform(0.995, 0.9995))),
        lambda c: c.optimizer in ("momentum", "adam", "adamw"),
        since="second-review",
    ),
    FaultKind(
        "huge-epsilon",
        ("TD302",),
        lambda c, rng: _wrong(c, eps=_log_uniform(rng, 0.1, 10)),
        lambda c: c.optimizer in ("adam", "adamw", "rmsprop"),
        since="second-review",
    ),
    FaultKind(
        "weights-reset",
        ("TD102", "TD104", "TD307", "TD902"),
        lambda c, rng: _wrong(c, reset_at=float(rng.uniform(0.5, 0.95))),
        since="second-review",
    ),
    FaultKind(
        "labels-off-by-one",
        ("TD404", "TD403", "TD401", "TD107"),
        lambda c, rng: _wrong(c, label_shift=True),
        lambda c: task_named(c.task).kind != "language" and _has_loss("cross_entropy")(c),
        since="second-review",
    ),
    FaultKind(
        "validation-unscaled",
        ("TD404", "TD403", "TD401", "TD107"),
        lambda c, rng: _wrong(c, validation_factor=_log_uniform(rng, 5, 100)),
        _has_numbers,
        since="second-review",
    ),
    FaultKind(
        "softmax-in-model",
        ("TD213", "TD402", "TD107", "TD108"),
        lambda c, rng: _wrong(c, probabilities=True),
        _has_loss("cross_entropy", "binary_cross_entropy_with_logits"),
        since="second-review",
    ),
    FaultKind(
        "scheduler-per-step",
        ("TD304", "TD306", "TD302", "TD307"),
        lambda c, rng: _wrong(c, step_for_epoch=True),
        lambda c: c.per_epoch,
        since="second-review",
    ),
    FaultKind(
        "endless-warmup",
        ("TD306", "TD302", "TD303"),
        lambda c, rng: _wrong(c, horizon=_log_uniform(rng, 100, 1000)),
        lambda c: c.schedule == "warmup-cosine",
        since="second-review",
    ),
    FaultKind(
        "detached-trunk",
        ("TD207", "TD402"),
        lambda c, rng: _wrong(c, detached=True),
        _is_plain,
        since="second-review",
    ),
    FaultKind(
        "broadcast-targets",
        ("TD213", "TD107", "TD108"),
        lambda c, rng: _wrong(c, flat_targets=True),
        lambda c: _has_loss("mse_loss", "smooth_l1_loss", "l1_loss")(c) and _n_outputs(c) == 1,
        since="report",
    ),
    FaultKind(
        "summed-loss",
        ("TD301", "TD110", "TD202"),
        lambda c, rng: _wrong(c, summed=True),
        lambda c: c.optimizer in ("sgd", "momentum"),
        since="report",
    ),
    FaultKind(
        "zero-grad-before-step",
        ("TD207", "TD107", "TD108"),
        lambda c, rng: _wrong(c, cleared_before_step=True),
        since="report",
    ),
    FaultKind(
        "equal-weights",
        ("TD211", "TD205", "TD201", "TD402", "TD108"),
        lambda c, rng: _wrong(c, equal_weights=float(rng.choice([0.0, 0.01, 0.1]))),
        _is_plain,
        since="report",
    ),
    FaultKind(
        "head-lr",
        ("TD301", "TD210"),
        lambda c, rng: _wrong(c, head_factor=_log_uniform(rng, 100, 1000)),
        since="report",
    ),
    FaultKind(
        "stale-average",
        ("TD404", "TD408"),
        lambda c, rng: _wrong(c, average_decay=1 - _log_uniform(rng, 1e-4, 1e-3)),
        since="report",
    ),
    FaultKind(
        "leaking-inputs",
        ("TD404", "TD403", "TD401", "TD406"),
        lambda c, rng: _wrong(c, leak=float(rng.uniform(2, 5))),
        lambda c: task_named(c.task).kind == "tabular" and c.task not in AUTOENCODERS,
        since="report",
    ),
    FaultKind(
        "missing-classes",
        ("TD502", "TD504", "TD404", "TD403", "TD401"),
        lambda c, rng: _wrong(c, missing_classes=float(rng.uniform(0.15, 0.35))),
        lambda c: (
            task_named(c.task).kind != "language" and _has_loss("cross_entropy")(c) and _n_outputs(c) > 2
        ),
        since="report",
    ),
    FaultKind(
        "offset-inputs",
        ("TD211", "TD110", "TD203"),
        lambda c, rng: _wrong(c, offset=_log_uniform(rng, 20, 200)),
        lambda c: _has_numbers(c) and c.norm != "batch",
        since="report",
    ),
)


def fault_named(name: str) -> FaultKind:
    """The fault kind of that name."""
    return next(kind for kind in FAULTS if kind.name == name)


def kinds_of(split: str) -> tuple[FaultKind, ...]:
    """The kinds a split is made of: those that it or an earlier split brought."""
    return tuple(kind for kind in FAULTS if SPLITS.index(kind.since) <= SPLITS.index(split))
