"""Hugging Face `trainer_state.json`, a folder of checkpoints, and a bare `log_history`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from traindoctor.errors import UnreadableLogError

from ..intake.companions import plain
from ..intake.folder import Folder
from ..intake.importer import CERTAIN, LIKELY
from ..intake.logbook import Logbook, Meaning
from ..intake.numbers import flat, number, numbers_of
from ..intake.series_names import classify
from ..intake.source import Source

FILE = "trainer_state.json"
MAX_CHECKPOINTS = 50
_CHECKPOINT = re.compile(r"checkpoint-(\d{1,12})")
_SUMMARY = ("train_runtime", "eval_runtime", "test_runtime", "predict_runtime")
_HELD_OUT = ("eval", "test", "predict")
_SETTINGS = (
    "max_steps", "num_train_epochs", "logging_steps", "eval_steps", "save_steps", "train_batch_size",
    "best_metric", "best_global_step", "num_input_tokens_seen", "trial_name",
)  # fmt: skip
_FILTER = (
    "the Trainer replaces the NaN and infinite losses of single steps by the running mean "
    "unless logging_nan_inf_filter is off, so a NaN can hide in it"
)


class HuggingFaceTrainer:
    """The state that `transformers.Trainer` (and TRL's trainers) save beside every checkpoint."""

    slug = "hf-trainer"
    name = "Hugging Face trainer_state.json"

    def recognises(self, source: Source) -> float:
        """By `log_history` and what stands beside it; a bare list of its rows is likely one too."""
        head = source.head_text().lstrip()[:65536]
        if head.startswith("{"):
            beside = ('"global_step"', '"max_steps"', '"is_world_process_zero"', '"best_metric"')
            if '"log_history"' in head:
                return CERTAIN if any(key in head for key in beside) else LIKELY
            is_summary = '"train_samples_per_second"' in head or '"eval_samples_per_second"' in head
            one = '"step"' not in head and '"current_steps"' not in head and head.count("{") == 1
            return LIKELY if is_summary and one else 0.0
        rows = ('"learning_rate"', '"eval_runtime"')
        is_list = head.startswith("[") and '"step"' in head and '"epoch"' in head
        return LIKELY if is_list and any(key in head for key in rows) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """One state; `step` counts optimizer steps."""
        _pour(_state(source), source.name, log)

    def recognises_folder(self, folder: Folder) -> float:
        """Checkpoint folders with a state in them, or a state itself."""
        own = folder.file(FILE) if FILE in folder.files else None
        if own is not None and self.recognises(own) == CERTAIN:
            return CERTAIN
        return CERTAIN if any(FILE in folder.folder(name).files for name in _checkpoints(folder)) else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """The longest history wins; a checkpoint that is no prefix of it is another run."""
        states = _states(folder, log)
        if not states:
            raise UnreadableLogError(f"expected a readable {FILE} in {folder.name}, found none")
        kept: list[tuple[str, dict[str, Any]]] = []
        n_prefixes = 0
        for where, state in states:
            if any(_is_prefix(state, longer) for _, longer in kept):
                n_prefixes += 1
            else:
                kept.append((where, state))
        for where, state in kept:
            log.new_run(where if len(kept) > 1 else "")
            _pour(state, where, log)
        if n_prefixes:
            log.note(
                f"{n_prefixes} checkpoints hold the beginning of the same run; the longest state was read"
            )


def _checkpoints(folder: Folder) -> list[str]:
    found = [(int(match[1]), name) for name in folder.folders if (match := _CHECKPOINT.fullmatch(name))]
    return [name for _, name in sorted(found, reverse=True)]


def _states(folder: Folder, log: Logbook) -> list[tuple[str, dict[str, Any]]]:
    """The states of a folder and its checkpoints, longest history first."""
    paths = [FILE, *(f"{name}/{FILE}" for name in _checkpoints(folder)[:MAX_CHECKPOINTS])]
    found: list[tuple[str, dict[str, Any]]] = []
    for path in paths:
        source = folder.file(path)
        if source is None:
            continue
        try:
            found.append((path.rpartition("/")[0] or folder.path.name, _state(source)))
        except UnreadableLogError as error:
            log.note(str(error))
    return sorted(found, key=lambda pair: -len(pair[1]["log_history"]))


def _state(source: Source) -> dict[str, Any]:
    value = source.json()
    if isinstance(value, list):
        value = {"log_history": value}
    if not isinstance(value, dict):
        raise UnreadableLogError(f"expected an object in {source.name}, found {type(value).__name__}")
    if "log_history" not in value:
        raise UnreadableLogError(
            f"{source.name} holds the final figures of a run, one value each, and no curve; "
            f"the curve is in {FILE}, in the output folder or its newest checkpoint"
        )
    history = value["log_history"]
    if not isinstance(history, list):
        raise UnreadableLogError(f"expected a list as log_history in {source.name}, found something else")
    return {**value, "log_history": [row for row in history if isinstance(row, dict)]}


def _is_prefix(state: Mapping[str, Any], longer: Mapping[str, Any]) -> bool:
    """Whether the rows of a state stand at the beginning of another's; as text: NaN equals NaN."""
    rows, others = state["log_history"], longer["log_history"]
    n = len(rows) if "train_runtime" not in (rows[-1] if rows else {}) else len(rows) - 1
    places = {0, n // 2, n - 1} if n else set[int]()
    return n <= len(others) and all(repr(rows[i]) == repr(others[i]) for i in places)


def _pour(state: Mapping[str, Any], where: str, log: Logbook) -> None:
    log.x_unit = "optimizer steps"
    rows: Sequence[dict[str, Any]] = state["log_history"]
    has_end = False
    hidden_nan = False
    for row in rows:
        step = number(row.get("step"))
        if "train_runtime" in row:
            has_end = True
            _take_end(row, log)
            row = {key: value for key, value in row.items() if key.startswith(_HELD_OUT)}
        values = numbers_of(flat({key: value for key, value in row.items() if key != "step"}))
        if not values:
            continue
        if step is None:
            log.note("rows without a step were left out")
            continue
        norm = values.get("grad_norm", 0.0)
        hidden_nan |= values.get("loss") == 0.0 and norm != norm
        _declare(values, log)
        log.row(step, values)
    if not rows:
        raise UnreadableLogError(
            f"{where} holds an empty log_history: nothing was logged before it was saved"
        )
    if hidden_nan:
        log.note("loss 0.0 beside a grad_norm of NaN is how the Trainer shows a NaN loss, not a solved task")
    _declare_objective(log)
    _take_facts(state, has_end, log)


def _declare(values: Mapping[str, float], log: Logbook) -> None:
    """Only evaluation rows carry a prefix: everything else was measured on the training batches."""
    for name in values:
        if name in log.meanings:
            continue
        if name == "grad_norm":
            log.declare(name, Meaning("grad_norm/preclip", "train", note="norm before clipping"))
        elif name == "loss":
            log.declare(name, Meaning("loss/train", "train", "lower", note=_FILTER))
        elif name == "reward":
            log.declare(name, Meaning("reward/train", "train", "higher"))
        elif name in ("rewards/accuracies", "eval_rewards/accuracies"):
            split = "validation" if name.startswith("eval") else "train"
            log.declare(name, Meaning(f"preference_accuracy/{split}", split, "higher", "fraction"))
        elif name in ("rewards/chosen", "rewards/rejected"):
            log.declare(name, Meaning(f"{name.replace('/', '_')}/train", "train"))
        elif not name.startswith(_HELD_OUT) and not classify(name).tells_split:
            log.declare(name, classify(f"train_{name}"))


def _declare_objective(log: Logbook) -> None:
    seen = set(log.series)
    rewarded = "reward" in seen and (
        {"reward_std", "kl", "frac_reward_zero_std"} & seen or any(n.startswith("completion") for n in seen)
    )
    if rewarded or {"objective/rlhf_reward", "policy/approxkl_avg", "objective/kl"} & seen:
        log.fact(loss_role="rl")


def _take_end(row: Mapping[str, Any], log: Logbook) -> None:
    seconds, loss = number(row.get("train_runtime")), number(row.get("train_loss"))
    if seconds is not None:
        log.fact(seconds=seconds)
    if loss is not None:
        log.note(f"the closing row's train_loss, {loss:g}, is the mean over the whole run and no point of it")


def _take_facts(state: Mapping[str, Any], has_end: bool, log: Logbook) -> None:
    log.fact(config=plain({key: state[key] for key in _SETTINGS if state.get(key) is not None}))
    step, planned = number(state.get("global_step")), number(state.get("max_steps"))
    epoch, batch = number(state.get("epoch")), number(state.get("train_batch_size"))
    if epoch is not None:
        log.fact(epochs=epoch)
    if batch is not None and 0 < batch < 1e9:
        log.fact(batch_size=int(batch))
    if has_end or (step is not None and planned is not None and 0 < planned <= step):
        log.fact(status="finished")
    elif step is not None and planned is not None and 0 < step < planned:
        log.note(
            f"the state stops at step {step:.0f} of {planned:.0f}: the run was cut or stopped, or this is an "
            "early checkpoint"
        )
