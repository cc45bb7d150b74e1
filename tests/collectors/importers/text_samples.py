"""A small text log in the layout of each tool: slug -> files of a folder; written for these tests."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

import json
from pathlib import Path

from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.run import Run

N = 12
LOSS = [2.0 / (1 + 0.3 * i) for i in range(N)]
VALIDATION = [2.1 / (1 + 0.25 * i) for i in range(N)]
LR = [0.1 * (1 - i / N) for i in range(N)]
CLOCK = "2026-01-02 03:04:05"


def lines(*rows: str) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def each(*rows: str) -> bytes:
    """Every row template once per epoch: `i` counts from 0, `e` from 1, `t`, `v` and `lr` are the values."""
    return lines(
        *(
            row.format(i=i, e=i + 1, step=20 * i + 19, t=LOSS[i], v=VALIDATION[i], lr=LR[i], clock=CLOCK)
            for i in range(N)
            for row in rows
        )
    )


def mlperf() -> bytes:
    def event(key: str, value: object, **metadata: object) -> str:
        body = {"namespace": "", "time_ms": 1.7e12, "event_type": "POINT_IN_TIME", "key": key, "value": value}
        return ":::MLLOG " + json.dumps({**body, "metadata": {"file": "t.py", "lineno": 1, **metadata}})

    evaluations = [event("eval_accuracy", 1 - VALIDATION[i] / 3, epoch_num=i + 1) for i in range(N)]
    return lines(event("run_start", None), *evaluations, event("run_stop", None, status="success"))


def batches(template: str, per_epoch: int = 4) -> bytes:
    """One row per batch, `per_epoch` of them in an epoch."""
    return lines(
        *(
            template.format(
                e=i // per_epoch, e1=i // per_epoch + 1, b=10 * (i % per_epoch) + 10, of=10 * per_epoch, t=LOSS[i],
                lr=LR[i], percent=25 * (i % per_epoch) + 25, clock=CLOCK,
            )
            for i in range(N)
        )
    )  # fmt: skip


TEXT_SAMPLES: dict[str, dict[str, bytes]] = {
    "mlperf": {"result_0.txt": mlperf()},
    "nanogpt": {
        "train_log.txt": each(
            "step:{step}/300 train_loss:{t:.4f} train_time:{step}ms step_avg:1.00ms",
            "step:{step}/300 val_loss:{v:.4f} val_bpb:0.5 train_time:{step}ms step_avg:1.00ms",
        )
    },
    "megatron": {
        "train.out": each(
            " iteration {step:8d}/     300 | elapsed time per iteration (ms): 9.5 | learning rate: {lr:.3E} | "
            "lm loss: {t:.6E} | loss scale: 1024.0 | grad norm: 1.5 | number of skipped iterations:   0 |"
        )
    },
    "fairseq": {
        "train.log": each(
            "{clock} | INFO | train_inner | epoch 001:     {e} / 12 loss={t:.3f}, nll_loss={t:.3f}, num_updates={step}, "
            "lr={lr:.6f}, gnorm=0.5",
            "{clock} | INFO | valid | epoch 001 | valid on 'valid' subset | loss {v:.3f} | ppl 9.1 | num_updates {step}",
        )
    },
    "joeynmt": {"validations.txt": each("Steps: {step}\tLoss: {v:.5f}\tPPL: 3.43\tbleu: 2.5\tLR: {lr:.8f}\t*")},
    "nnunet": {
        "training_log_2026_1_2_03_04_05.txt": each(
            "{clock}.123456: ",
            "epoch:  {i}",
            "{clock}.123456: train loss : {t:.4f}",
            "{clock}.123456: validation loss: {v:.4f}",
            "{clock}.123456: Average global foreground Dice: [0.5, 0.7]",
            "{clock}.123456: lr: {lr:.6f}",
        )
    },
    "detectron2-text": {
        "log.txt": each(
            "[01/02 03:04:05] d2.utils.events INFO:  eta: 0:00:09  iter: {step}  total_loss: {t:.4f}  "
            "loss_cls: {t:.4f}  time: 0.5  data_time: 0.1  lr: {lr:.5f}  max_mem: 9M"
        )
    },
    "openmmlab-text": {
        "20260102_030405.log": batches(
            "{clock},123 - mmdet - INFO - Epoch [{e1}][{b}/{of}]\tlr: {lr:.3e}, eta: 0:00:09, time: 0.5, "
            "data_time: 0.1, memory: 9, loss_cls: {t:.4f}, loss: {t:.4f}"
        )
    },
    "espnet": {
        "train.log": each(
            "[host] {clock},123 (trainer:289) INFO: {e}epoch results: [train] iter_time=0.1, loss={t:.4f}, acc=0.5, "
            "lr_0={lr:.3e}, time=9 seconds, [valid] loss={v:.4f}, acc=0.4, time=1 second"
        )
    },
    "keras-console": {
        "train.out": each(
            "Epoch {e}/12",
            "10/20 [=====>.....] - ETA: 1s - loss: 9.9999\r20/20 [===========] - 2s 9ms/step - loss: {t:.4f} - "
            "accuracy: 0.5 - val_loss: {v:.4f} - val_accuracy: 0.4",
        )
    },
    "hf-console": {
        "train.out": each(
            "{{'loss': {t:.4f}, 'grad_norm': 1.5, 'learning_rate': {lr:.5f}, 'epoch': {e}.0}}",
            "{{'eval_loss': {v:.4f}, 'eval_runtime': 1.5, 'epoch': {e}.0}}",
        )
    },
    "allennlp-console": {
        "stdout.log": each(
            "{clock},123 - INFO - allennlp.training.trainer - Epoch {i}/11",
            "{clock},123 - INFO - allennlp.training.tensorboard_writer -              Training |  Validation",
            "{clock},123 - INFO - allennlp.training.tensorboard_writer - loss      |   {t:.4f}  |   {v:.4f}",
        )
    },
    "yolox": {
        "train_log.txt": batches(
            "{clock} | INFO     | yolox.core.trainer:257 - epoch: {e1}/3, iter: {b}/{of}, mem: 5Mb, iter_time: 0.875s, "
            "data_time: 0.001s, total_loss: {t:.4f}, lr: {lr:.3e}, size: 640, ETA: 0:00:09"
        )
    },
    "flair-log": {
        "training.log": batches(
            "{clock},123 epoch {e1} - iter {b}/{of} - loss {t:.6f} - time (sec): 5.31 - samples/sec: 9.1 - lr: {lr:.5f}"
        )
    },
    "timm-console": {
        "train.out": batches(
            "Train: {e} [{b:>4}/{of} ({percent:>3}%)]  Loss: {t:.4f} ({t:.4f})  Time: 0.5s,  9.1/s  LR: {lr:.3e}"
        )
    },
    "metric-logger": {
        "train.out": batches(
            "Epoch: [{e}]  [{b:>3}/{of}]  eta: 0:00:09  lr: {lr:.6f}  loss: {t:.4f} ({t:.4f})  time: 0.5  data: 0.1"
        )
    },
    "lightning-bar": {
        "train.out": batches("Epoch {e}: {percent:>3}%|###| {b}/{of} [00:09<00:01, 9.1it/s, v_num=0, train_loss={t:.4f}]")
    },
    "free-text": {"train.log": each("{clock},123 INFO: Epoch {e}/12 - Train Loss: {t:.4f}, Val Loss: {v:.4f}, LR: {lr:.5f}")},
}  # fmt: skip


def runs_in(folder: Path, text: str, name: str = "train.log") -> list[Run]:
    """The runs of a text log that is found by its content."""
    path = folder / name
    path.write_text(text)
    return load_runs(path).runs


def run_in(folder: Path, text: str, name: str = "train.log") -> Run:
    """The only run of a text log."""
    (run,) = runs_in(folder, text, name)
    return run


def points(run: Run, name: str) -> dict[int, float]:
    """x -> value of one series."""
    return dict(zip(run.series[name].steps.tolist(), run.series[name].values.tolist(), strict=True))
