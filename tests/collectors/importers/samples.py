"""A small log in the layout of each format: slug -> files of a folder, and which of them to name.

Written for these tests: ten evaluations of a loss that falls from 2.0, a validation loss, a learning rate.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import google_crc32c

from tests.collectors.importers.text_samples import TEXT_SAMPLES

N = 12
LOSS = [2.0 / (1 + 0.3 * i) for i in range(N)]
VALIDATION = [2.1 / (1 + 0.25 * i) for i in range(N)]
LR = [0.1 * (1 - i / N) for i in range(N)]


def lines(*rows: str) -> bytes:
    return ("\n".join(rows) + "\n").encode()


def table(separator: str, header: list[str], row: Callable[[int], list[object]]) -> bytes:
    return lines(separator.join(header), *(separator.join(map(str, row(i))) for i in range(N)))


def json_lines(row: Callable[[int], dict[str, object]]) -> bytes:
    return lines(*(json.dumps(row(i)) for i in range(N)))


def masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    head = struct.pack("<Q", len(payload))
    return head + struct.pack("<I", masked(head)) + payload + struct.pack("<I", masked(payload))


def field(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def event(step: int, tag: str, value: float) -> bytes:
    scalar = field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)
    return frame(b"\x09" + struct.pack("<d", 1.7e9 + step) + bytes([0x10, step]) + field(5, field(1, scalar)))


def tensorboard() -> bytes:
    first = frame(b"\x09" + struct.pack("<d", 1.7e9) + field(3, b"brain.Event:2"))
    return first + b"".join(
        event(i, "train/loss", LOSS[i]) + event(i, "val/loss", VALIDATION[i]) for i in range(N)
    )


def wandb_record(kind: int, payload: bytes) -> bytes:
    crc = zlib.crc32(bytes([kind]) + payload)
    return struct.pack("<IHB", crc, len(payload), kind) + payload


def wandb_binary() -> bytes:
    out = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    for i in range(N):
        items = b""
        for key, value in (("_step", i), ("loss", LOSS[i]), ("val/loss", VALIDATION[i])):
            items += field(
                1, field(1, key.encode()) + field(16, b"")[:0] + b"\x82\x01" + text(json.dumps(value))
            )
        out += wandb_record(1, b"\x12" + text_length(items) + items)
    return out


def text(value: str) -> bytes:
    return bytes([len(value)]) + value.encode()


def text_length(data: bytes) -> bytes:
    low, high = len(data) & 0x7F, len(data) >> 7
    return bytes([low | 0x80, high]) if high else bytes([low])


def hf() -> bytes:
    history: list[dict[str, object]] = []
    for i in range(N):
        history.append(
            {"loss": LOSS[i], "grad_norm": 1.0, "learning_rate": LR[i], "epoch": i / 4, "step": 10 * i + 10}
        )
        history.append({"eval_loss": VALIDATION[i], "eval_runtime": 1.0, "epoch": i / 4, "step": 10 * i + 10})
    state = {"global_step": 10 * N, "max_steps": 10 * N, "log_history": history, "best_metric": None}
    return json.dumps(state).encode()


def sparse(i: int) -> list[object]:
    step = 10 * i + 9
    return (
        [LR[i], "", step, "", ""]
        if i % 3 == 0
        else ["", i, step, LOSS[i], ""]
        if i % 3 == 1
        else ["", i, step, "", 1]
    )


YOLO_ROW = " {0}/11 5.7G 0.08 0.02 0.01 {1:.4f} 31 640 0.5 0.4 0.3 0.2 {2:.4f} 0.02 0.01"

SAMPLES: dict[str, dict[str, bytes]] = {
    "tensorboard": {"events.out.tfevents.1700000000.host.1.0": tensorboard()},
    "tensorboard-csv": {
        "run-a-tag-loss.csv": table(",", ["Wall time", "Step", "Value"], lambda i: [1.7e9 + i, i, LOSS[i]])
    },
    "wandb": {"run-a1b2c3d4.wandb": wandb_binary()},
    "wandb-csv": {
        "export.csv": table(
            ",", ["Step", "one - loss", "one - loss__MIN", "one - loss__MAX"], lambda i: [i] + [LOSS[i]] * 3
        )
    },
    "hf-trainer": {"trainer_state.json": hf()},
    "llamafactory": {
        "trainer_log.jsonl": json_lines(
            lambda i: {
                "current_steps": i + 1,
                "total_steps": N,
                "loss": LOSS[i],
                "lr": LR[i],
                "epoch": i / N,
                "percentage": 8.3 * i,
                "elapsed_time": "0:00:01",
                "remaining_time": "0:00:09",
            }
        )
    },
    "lightning-csv": {
        "metrics.csv": table(",", ["lr-Adam", "epoch", "step", "train_loss", "val_loss"], sparse)
    },
    "ultralytics-csv": {
        "results.csv": table(
            ",",
            [
                "epoch",
                "time",
                "train/box_loss",
                "train/cls_loss",
                "train/dfl_loss",
                "metrics/precision(B)",
                "metrics/recall(B)",
                "metrics/mAP50(B)",
                "metrics/mAP50-95(B)",
                "val/box_loss",
                "val/cls_loss",
                "val/dfl_loss",
                "lr/pg0",
                "lr/pg1",
                "lr/pg2",
            ],
            lambda i: [i + 1, 9.5 * i, *[LOSS[i]] * 3, *[0.04 * i] * 4, *[VALIDATION[i]] * 3, *[LR[i]] * 3],
        )
    },
    "yolo-txt": {"results.txt": lines(*(YOLO_ROW.format(i, LOSS[i], VALIDATION[i]) for i in range(N)))},
    "openmmlab-json": {
        "20260101_000000.log.json": lines(json.dumps({"env_info": "x", "seed": 0}))
        + json_lines(
            lambda i: {
                "mode": "train",
                "epoch": i // 4 + 1,
                "iter": 50 * (i % 4) + 50,
                "lr": LR[i],
                "memory": 9,
                "data_time": 0.1,
                "loss": LOSS[i],
                "time": 0.4,
            }
        )
    },
    "detectron2-json": {
        "metrics.json": json_lines(
            lambda i: {
                "iteration": 20 * i + 19,
                "total_loss": LOSS[i],
                "lr": LR[i],
                "data_time": 0.1,
                "time": 0.3,
                "eta_seconds": 9.0,
                "loss_cls": LOSS[i] / 2,
            }
        )
    },
    "algoperf": {
        "measurements.csv": table(
            ",",
            [
                "accumulated_submission_time",
                "global_step",
                "grad_norm",
                "loss",
                "score",
                "total_duration",
                "train/loss",
                "validation/loss",
            ],
            lambda i: [i, 100 * i, 0.5, LOSS[i], i, i + 1, LOSS[i], VALIDATION[i]],
        )
    },
    "timm-csv": {
        "summary.csv": table(
            ",",
            ["epoch", "train_loss", "eval_loss", "eval_top1", "eval_top5"],
            lambda i: [i, LOSS[i], VALIDATION[i], 5.0 * i, 6.0 * i],
        )
    },
    "epoch-json-lines": {
        "log.txt": json_lines(
            lambda i: {
                "train_lr": LR[i],
                "train_loss": LOSS[i],
                "test_loss": VALIDATION[i],
                "test_acc1": 5.0 * i,
                "epoch": i,
                "n_parameters": 1000,
            }
        )
    },
    "bearpaw": {
        "log.txt": lines(
            "Learning Rate\tTrain Loss\tValid Loss\tTrain Acc.\tValid Acc.\t",
            *(
                f"{LR[i]:.6f}\t{LOSS[i]:.6f}\t{VALIDATION[i]:.6f}\t{5 * i:.6f}\t{4 * i:.6f}\t"
                for i in range(N)
            ),
        )
    },
    "flair": {
        "loss.tsv": table(
            "\t",
            ["EPOCH", "TIMESTAMP", "BAD_EPOCHS", "LEARNING_RATE", "TRAIN_LOSS", "DEV_LOSS", "DEV_F1"],
            lambda i: [i + 1, f"12:00:{i:02d}", 0, LR[i], LOSS[i], VALIDATION[i], 0.05 * i],
        )
    },
    "progress-csv": {
        "progress.csv": table(
            ",",
            ["train/loss", "time/total_timesteps", "rollout/ep_rew_mean", "rollout/ep_len_mean"],
            lambda i: [LOSS[i], 2048 * i, 10.0 * i, 200],
        )
    },
    "skorch": {
        "history.json": json.dumps(
            [
                {
                    "epoch": i + 1,
                    "batches": [],
                    "train_loss": LOSS[i],
                    "valid_loss": VALIDATION[i],
                    "dur": 0.1,
                    "train_loss_best": True,
                    "valid_loss_best": True,
                }
                for i in range(N)
            ]
        ).encode()
    },
    "keras-history": {
        "history.csv": table(
            ",",
            ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"],
            lambda i: [i, LOSS[i], 0.05 * i, VALIDATION[i], 0.04 * i],
        )
    },
    "mlflow": {
        "meta.yaml": lines(
            "run_id: 00112233445566778899aabbccddeeff",
            "status: 3",
            "start_time: 1700000000000",
            "end_time: 1700000009000",
        ),
        "metrics/loss": lines(*(f"{1700000000000 + i} {LOSS[i]} {i}" for i in range(N))),
        "metrics/val_loss": lines(*(f"{1700000000000 + i} {VALIDATION[i]} {i}" for i in range(N))),
        "params/lr": b"0.1",
    },
    "dvclive": {
        "metrics.json": json.dumps({"train": {"loss": LOSS[-1]}, "step": N - 1}).encode(),
        "plots/metrics/train/loss.tsv": table("\t", ["step", "loss"], lambda i: [i, LOSS[i]]),
    },
    "allennlp": {
        f"metrics_epoch_{i}.json": json.dumps(
            {
                "best_epoch": i,
                "training_start_epoch": 0,
                "epoch": i,
                "training_loss": LOSS[i],
                "validation_loss": VALIDATION[i],
            }
        ).encode()
        for i in range(N)
    },
    "stylegan": {
        "stats.jsonl": json_lines(
            lambda i: {
                "Progress/kimg": {"num": 1, "mean": 4.0 * i, "std": 0.0},
                "Loss/loss": {"num": 64, "mean": LOSS[i], "std": 0.1},
                "timestamp": 1.7e9 + i,
            }
        )
    },
    "optuna": {
        "journal.log": lines(
            '{"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}',
            '{"op_code": 4, "worker_id": "w", "study_id": 0}',
        )
        + json_lines(
            lambda i: {
                "op_code": 7,
                "worker_id": "w",
                "trial_id": 0,
                "step": i,
                "intermediate_value": LOSS[i],
            }
        )
    },
    "sacred": {
        "run.json": json.dumps(
            {
                "status": "COMPLETED",
                "experiment": {"name": "e"},
                "heartbeat": "2026-01-01T00:00:00",
                "start_time": "2026-01-01T00:00:00",
                "meta": {},
            }
        ).encode(),
        "metrics.json": json.dumps(
            {
                "training.loss": {
                    "steps": list(range(N)),
                    "timestamps": ["2026-01-01T00:00:00"] * N,
                    "values": LOSS,
                }
            }
        ).encode(),
        "config.json": b'{"seed": 1}',
    },
    "table": {
        "numbers.csv": table(";", ["iteration", "cross entropy loss", "extra"], lambda i: [i, LOSS[i], 1])
    },
    **TEXT_SAMPLES,
}


def written(slug: str, folder: Path) -> Path:
    """The sample of a format below `folder`; the path to name: its only file, else the folder."""
    files = SAMPLES[slug]
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / next(iter(files)) if len(files) == 1 else folder
