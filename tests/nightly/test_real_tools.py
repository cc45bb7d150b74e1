"""Logs that the real tools write here and now, compared value for value with what was logged.

Run with `make nightly`, or `pytest -m nightly tests/nightly`; a tool that is not installed is skipped.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs

pytestmark = [pytest.mark.nightly, pytest.mark.filterwarnings("default")]

N = 30
LOSS = [2.0 / (1 + 0.1 * i) for i in range(N)]
VALIDATION = [2.2 / (1 + 0.08 * i) for i in range(N)]
LOSS[7] = math.nan
LOSS[9] = math.inf


@pytest.fixture(autouse=True, scope="module")
def without_tensorflow():
    """TensorBoard loads TensorFlow if it can, and that ends the process when torch compiles after it."""
    name = "tensorboard.compat.notf"  # its own switch: if there is such a module, TensorFlow is left alone
    sys.modules.setdefault(name, ModuleType(name))


def by_source(run):
    """The source's own name -> series."""
    return {known.source_name: run.series[name] for name, known in run.info.series.items()}


def assert_equal(series, steps, values):
    np.testing.assert_array_equal(series.steps, list(steps))
    np.testing.assert_array_equal(series.values, list(values))


def test_torch_summary_writer(tmp_path):
    writers = pytest.importorskip("torch.utils.tensorboard")
    writer = writers.SummaryWriter(str(tmp_path / "run"))
    for i in range(N):
        writer.add_scalar("train/loss", LOSS[i], 10 * i)
        writer.add_scalars("both", {"train": LOSS[i], "val": VALIDATION[i]}, 10 * i)
        writer.add_histogram("weights", np.arange(5.0), 10 * i)
        writer.add_text("note", "hello", 10 * i)
        writer.add_scalar("new style", VALIDATION[i], 10 * i, new_style=True)
        writer.add_scalar("double", LOSS[i], 10 * i, new_style=True, double_precision=True)
    writer.add_hparams({"lr": 0.1, "optimizer": "sgd"}, {"hparam/loss": 0.5})
    writer.close()
    (run,) = load_runs(tmp_path).runs
    found, steps = by_source(run), range(0, 10 * N, 10)
    assert_equal(found["train/loss"], steps, np.float32(LOSS))
    assert_equal(found["both/train"], steps, np.float32(LOSS))
    assert_equal(found["both/val"], steps, np.float32(VALIDATION))
    assert_equal(found["new style"], steps, np.float32(VALIDATION))
    assert_equal(found["double"], steps, LOSS)
    assert run.info.config["optimizer"] == "sgd"


def test_tensorboards_own_reader_sees_the_same(tmp_path):
    writers = pytest.importorskip("torch.utils.tensorboard")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with writers.SummaryWriter(str(tmp_path)) as writer:
        for i in range(N):
            writer.add_scalar("loss", LOSS[i], i)
            writer.add_scalar("metric with spaces", VALIDATION[i], i * i)
    reader = accumulators.EventAccumulator(str(tmp_path), size_guidance={"scalars": 0})
    reader.Reload()
    found = by_source(load_run(tmp_path))
    assert set(found) == set(reader.Tags()["scalars"])
    for tag, series in found.items():
        events = reader.Scalars(tag)
        assert_equal(series, [event.step for event in events], [event.value for event in events])


KERAS = """
import json, sys
import keras, numpy as np
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
x, y = np.ones((64, 4), np.float32), np.ones((64, 1), np.float32)
callbacks = [keras.callbacks.TensorBoard(sys.argv[1] + "/logs"),
             keras.callbacks.CSVLogger(sys.argv[1] + "/history.csv")]
done = model.fit(x, y, validation_split=0.5, epochs=6, verbose=0, callbacks=callbacks)
print(json.dumps(done.history))
"""


@pytest.mark.skipif(
    not (find_spec("keras") and find_spec("tensorflow")), reason="keras or tensorflow is not installed"
)
def test_keras_tensorboard_and_csv_logger(tmp_path):
    """In a process of its own: TensorFlow and torch do not always bear each other."""
    done = subprocess.run(
        [sys.executable, "-c", KERAS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    history = json.loads(done.stdout.splitlines()[-1])
    run = load_run(tmp_path / "logs")
    assert run.info.x_unit == "epochs"
    assert_equal(run.series["loss/train"], range(6), np.float32(history["loss"]))
    assert_equal(run.series["loss/validation"], range(6), np.float32(history["val_loss"]))
    table = load_run(tmp_path / "history.csv")
    assert_equal(table.series["loss/train"], range(6), history["loss"])
    assert_equal(table.series["loss/validation"], range(6), history["val_loss"])


def test_wandb_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(mode="offline", project="p", name="my run", dir=str(tmp_path), config={"lr": 0.1})
    for i in range(N):
        row = {"train/loss": LOSS[i], "val": {"loss": VALIDATION[i]}, "trainer/global_step": 50 * i}
        run.log({**row, "hist": wandb.Histogram([1.0, 2.0])})
    run.finish()
    (found,) = load_runs(tmp_path).runs
    steps = range(0, 50 * N, 50)
    assert_equal(found.series["loss/train"], steps, LOSS)
    assert_equal(found.series["loss/validation"], steps, VALIDATION)
    assert (found.name, found.info.status, found.info.config["lr"]) == ("my run", "finished", 0.1)


@pytest.mark.parametrize("store", ["files", "sqlite"])
def test_mlflow(tmp_path, monkeypatch, store):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    where = tmp_path / ("mlruns" if store == "files" else "mlflow.db")
    mlflow.set_tracking_uri(f"file://{where}" if store == "files" else f"sqlite:///{where}")
    experiment = mlflow.create_experiment("e", artifact_location=str(tmp_path / "artifacts"))
    with mlflow.start_run(run_name="mine", experiment_id=experiment):
        mlflow.log_param("lr", 0.1)
        for i in range(N):
            value = LOSS[i] if store == "files" or math.isfinite(LOSS[i]) else math.nan
            mlflow.log_metrics({"train/loss": value, "val_loss": VALIDATION[i]}, step=10 * i)
    (run,) = load_runs(where).runs
    expected = [v if store == "files" or math.isfinite(v) else math.nan for v in LOSS]
    assert_equal(run.series["loss/train"], range(0, 10 * N, 10), expected)
    assert_equal(run.series["loss/validation"], range(0, 10 * N, 10), VALIDATION)
    assert (run.name, run.info.status, run.info.config["lr"]) == ("mine", "finished", 0.1)


def test_dvclive(tmp_path):
    dvclive = pytest.importorskip("dvclive")
    options = {"save_dvc_exp": False, "report": None, "dvcyaml": None}
    with dvclive.Live(str(tmp_path / "dvclive"), **options) as live:
        live.log_param("lr", 0.1)
        for i in range(N):
            live.log_metric("train/loss", VALIDATION[i])
            live.log_metric("val/loss", 2 * VALIDATION[i])
            live.next_step()
    run = load_run(tmp_path / "dvclive")
    assert_equal(run.series["loss/train"], range(N), VALIDATION)
    assert_equal(run.series["loss/validation"], range(N), [2 * value for value in VALIDATION])


def test_sacred(tmp_path):
    sacred = pytest.importorskip("sacred")
    observers = pytest.importorskip("sacred.observers")
    experiment = sacred.Experiment("mine", save_git_info=False)
    experiment.observers.append(observers.FileStorageObserver(str(tmp_path)))
    experiment.add_config(lr=0.1)

    @experiment.main
    def main(_run):
        for i in range(N):
            _run.log_scalar("training.loss", LOSS[i], i)

    experiment.run()
    (run,) = load_runs(tmp_path).runs
    assert_equal(run.series["loss/train"], range(N), LOSS)
    assert (run.info.status, run.info.config["lr"]) == ("finished", 0.1)


def test_lightning_csv_logger(tmp_path):
    loggers = pytest.importorskip("lightning.pytorch.loggers")
    logger = loggers.CSVLogger(str(tmp_path), name="logs")
    for i in range(N):
        logger.log_metrics({"train_loss": LOSS[i], "epoch": i // 10}, step=10 * i)
        logger.log_metrics({"val_loss": VALIDATION[i], "epoch": i // 10}, step=10 * i)
    logger.save()
    (run,) = load_runs(tmp_path).runs
    assert_equal(run.series["loss/train"], range(0, 10 * N, 10), LOSS)
    assert_equal(run.series["loss/validation"], range(0, 10 * N, 10), VALIDATION)


def test_transformers_trainer(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    rows = [{"input_ids": torch.tensor([i % 20, 1, 2]), "labels": torch.tensor(i % 2)} for i in range(64)]
    options = transformers.TrainingArguments(
        str(tmp_path), max_steps=24, logging_steps=2, eval_strategy="steps", eval_steps=8, save_steps=8,
        per_device_train_batch_size=4, report_to=[], use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config)
    transformers.Trainer(model, options, train_dataset=rows, eval_dataset=rows[:16]).train()
    state = json.loads((tmp_path / "checkpoint-24" / "trainer_state.json").read_text())
    run = load_run(tmp_path)
    trained = [row for row in state["log_history"] if "loss" in row]
    evaluated = [row for row in state["log_history"] if "eval_loss" in row]
    assert_equal(run.series["loss/train"], [r["step"] for r in trained], [r["loss"] for r in trained])
    assert_equal(
        run.series["loss/validation"], [r["step"] for r in evaluated], [r["eval_loss"] for r in evaluated]
    )


@pytest.mark.parametrize("store", ["sqlite", "journal"])
def test_optuna(tmp_path, store):
    optuna = pytest.importorskip("optuna")
    storages = pytest.importorskip("optuna.storages")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = tmp_path / "study"
    if store == "sqlite":
        storage = f"sqlite:///{path}"
    else:
        backends = pytest.importorskip("optuna.storages.journal")
        storage = storages.JournalStorage(backends.JournalFileBackend(str(path)))

    def objective(trial):
        scale = trial.suggest_float("scale", 1.0, 2.0)
        trial.suggest_categorical("optimizer", ["adam", "sgd"])
        for i in range(N):
            trial.report(scale * LOSS[i], i)
        return scale

    study = optuna.create_study(storage=storage, study_name="demo")
    study.optimize(objective, n_trials=3)
    runs = load_runs(path).runs
    assert len(runs) == 3
    for run, trial in zip(runs, study.trials, strict=True):
        expected = trial.intermediate_values
        assert_equal(by_source(run)["intermediate value"], expected.keys(), expected.values())
        assert run.info.config["optimizer"] == trial.params["optimizer"]
