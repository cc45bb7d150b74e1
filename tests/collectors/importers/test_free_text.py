"""Free-form logs: every form seen, what each number belongs to, and what is no log at all."""

# ruff: noqa: E501 - a line of a log is shown as one line

from __future__ import annotations

import pytest

from tests.collectors.importers.text_samples import points, run_in, runs_in
from traindoctor.collectors.importers.discovery import load_runs
from traindoctor.errors import TraindoctorError

EPOCH_FORMS = [
    "Epoch {e}/9 - Train Loss: {t}, Val Loss: {v}",
    "Epoch {e} | Train Loss: {t} | Val Loss: {v} | Val PER: 0.0{e}",
    "2026-01-02 03:04:05,123 INFO: Epoch {e}: train_loss={t}, val_loss={v}",
    "[INFO] 2026-01-02 03:04:05 train.py:123 - Epoch [{e}/100], Loss: {t}, Val Loss: {v}, LR: 1e-3",
    "Train {e}, loss: {t}, train acc: 0.5\nTest {e}, loss: {v}, test acc: 0.4",
    "INFO:root:Epoch {e} - Average Loss: {t}, Samples: 1013\nINFO:root:Evaluation Epoch {e} - Average Loss: {v}",
    "01-02 03:04:05, Epoch {e} Train, loss:{t}, reg:0.5, Cost: 9.5 sec\n01-02 03:04:05, Epoch {e} Val, loss: {v}",
    "[epoch:{e}/9] [loss:{t}] [val_loss:{v}] [Time:[2026-01-02 03:04:05]]",
    "[  {e}/100]     train_loss: {t} valid_loss: {v}",
    "{e} epoch: train_loss: {t}, valid_loss: {v}",
    "Epoch={e};loss={t};val_loss={v}",
    "epoch {e} train loss {t} val loss {v}",
    "Epoch {e}/9\n----------\ntrain Loss: {t} Acc: 0.5\nval Loss: {v} Acc: 0.4",
    "===== Epoch {e}/9 =====\nTraining:\n  loss: {t}\nValidation:\n  loss: {v}",
    "Epoch: {e} Train Loss: {t} | Train Acc: 17.5% Val. Loss: {v} |  Val. Acc: 19.5%",
    "Training loss at epoch {e}: {t}\nValidation loss at epoch {e}: {v}",
    "Epoch {e} completed. Loss: {t}, Time: 12.3s\nValidation Loss: {v}, Validation Accuracy: 0.5",
    "Epoch {e}: loss tensor({t}, device='cuda:0') val_loss tensor({v}, device='cuda:0')".replace(
        " tensor", ": tensor"
    ),
]


@pytest.mark.parametrize("form", EPOCH_FORMS)
def test_epoch_forms(tmp_path, form):
    text = "some words first\n" + "\n".join(form.format(e=e, t=5.5 - e, v=6.5 - e) for e in (1, 2, 3, 4))
    run = run_in(tmp_path, text)
    assert run.info.x_unit == "epochs"
    assert points(run, "loss/train") == {1: 4.5, 2: 3.5, 3: 2.5, 4: 1.5}
    assert points(run, "loss/validation") == {1: 5.5, 2: 4.5, 3: 3.5, 4: 2.5}
    assert not set(run.series) & {"100", "9", "train.py", "Cost", "Time"}


STEP_FORMS = [
    "[train] iter {s}: loss {t} 2297 ms/iter",
    "iteration {s}, epoch 10 : loss : {t}, lr: 0.000800",
    "step {s} | phase 2 | loss {t} | sep 2.3178 | lr 4.82e-05",
    "Loss after {s} iterations: {t}",
    "Loss at step {s}: {t}",
    "I0102 03:04:05.123456 12345 solver.cpp:218] Iteration {s} (5.2 iter/s, 19s/100 iters), loss = {t}",
    "Ep 1 (Step {s:06d}): Train loss {t}",
    "Step {s}\nloss: {t}",
    "{{'loss': {t}, 'global_step': {s}, 'learning_rate': 5e-05}}",
]


@pytest.mark.parametrize("form", STEP_FORMS)
def test_step_forms(tmp_path, form):
    run = run_in(tmp_path, "\n".join(form.format(s=s, t=9.5 - s / 100) for s in (100, 200, 300, 400)))
    assert run.info.x_unit == "optimizer steps"
    assert points(run, "loss/train") == {100: 8.5, 200: 7.5, 300: 6.5, 400: 5.5}


BATCH_FORMS = [
    "Epoch: [{e0}][{b}/20]  Time 2.424 (2.424)  Data 1.685 (1.685)  Loss {t} (9.5)  Lr: 0.0052",
    "Epoch: [{e}/9]  [ {b}/20]  eta: 0:09:05  loss: {t} (4.844506)  lr: 0.000114 (0.000114)",
    "Epoch: {e:03d}/099 | Batch {b:04d}/0020 | Loss: {t}",
    "Epoch [{e}/9], Step [{b}/20], Loss: {t}",
    "| epoch {e:3d} | {b:5d}/   20 batches | lr 20.00 | ms/batch 15.10 | loss {t}",
    "[{e0}/9][{b}/20]\tLoss: {t}\tD(x): 0.5",
    "Epoch {e0}:  50%|#####     | {b}/20 [00:10<00:10,  9.1it/s, loss={t}]",
]


@pytest.mark.parametrize("form", BATCH_FORMS)
def test_batches_count_through_the_epochs(tmp_path, form):
    rows = [form.format(e=e, e0=e - 1, b=b, t=9.5 - e - b / 100) for e in (1, 2, 3) for b in (5, 15)]
    run = run_in(tmp_path, "\n".join(rows))
    assert run.info.x_unit == "optimizer steps"
    assert list(run.series["loss/train"].steps) == [5, 15, 25, 35, 45, 55]
    assert points(run, "loss/train")[5] == pytest.approx(8.45)


def test_the_value_of_a_step_and_the_average_of_an_evaluation(tmp_path):
    rows = []
    for e in (0, 1, 2):
        rows += [f"Epoch: [{e}][{b}/20]\tLoss {5 - e} ({9 - e})\tAcc@1 50.5 (40.5)" for b in (0, 10)]
        rows += [f"Test: [{b}/8]\tLoss 7.5 ({6 - e + b})\tAcc@1 50.5 (60.5)" for b in (4, 0)]
        rows += [f" * Acc@1 {61.5 + e} Acc@5 90.5"]
    run = run_in(tmp_path, "\n".join(rows))
    assert list(run.series["loss/train"].values) == [5, 5, 4, 4, 3, 3]
    assert points(run, "loss/validation") == {20: 6.0, 40: 5.0, 60: 4.0}
    assert points(run, "accuracy/validation") == pytest.approx({20: 0.615, 40: 0.625, 60: 0.635})


def test_samples_are_no_steps(tmp_path):
    rows = [
        row
        for e in (1, 2)
        for row in (
            *(f"Train Epoch: {e} [{b * 64}/60000 ({b}%)]\tLoss: {9.5 - e}" for b in (0, 100, 200)),
            f"Test set: Average loss: 0.0{e}, Accuracy: {9000 + e}/10000 (9{e}%)",
        )
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert run.info.x_unit == "samples"
    assert list(run.series["loss/train"].steps) == [0, 6400, 12800, 60000, 66400, 72800]
    test = next(run.series[name] for name in run.series if name.startswith("accuracy/"))
    assert list(test.values) == pytest.approx([0.91, 0.92])


def test_batch_losses_and_averages_of_epochs_stay_apart(tmp_path):
    rows = [
        row
        for e in (1, 2, 3)
        for row in (
            *(f"Epoch {e}/9, Batch {b}/20, Loss: {b}.5" for b in (5, 15)),
            f"Epoch {e} done. Loss: 99.5",
        )
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert set(run.series["loss/train"].values) == {5.5, 15.5}
    assert set(run.series["Loss (epoch)"].values) == {99.5}


def test_bare_losses_are_rows_and_program_starts_split_them(tmp_path):
    starts = ("9.5", "8.5", "7.5")
    text = "".join(
        "Namespace(lr=0.1, loss=0.5)\n" + "".join(f"Loss:  {float(start) - i / 10}\n" for i in range(20))
        for start in starts
    )
    found = runs_in(tmp_path, text)
    assert [len(run.series["loss/train"]) for run in found] == [20, 20, 20]
    assert [run.series["loss/train"].values[0] for run in found] == [9.5, 8.5, 7.5]
    assert found[0].info.x_unit == "log rows"


def test_progress_bars_do_not_repeat_an_evaluation(tmp_path):
    rows = [
        "\r".join(
            f"Epoch {e}:  {b}%|##| {b}/90 [00:10<00:00, 9.1it/s, v_num=0, train_loss={t}, val_loss={8.5 - e}]"
            for b, t in ((0, 5.5), (45, 4.5), (90, 3.5))
        )
        for e in (0, 1, 2)
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert len(run.series["loss/validation"]) == 3
    assert len(run.series["loss/train"]) >= 7


def test_a_table_between_other_lines(tmp_path):
    rows = "\n".join(f"{e}         {5.5 - e}    {6.5 - e}    00:12" for e in range(4))
    text = (
        "downloading the data: 100\nmodel ready\nepoch     train_loss  valid_loss  time    \n"
        + rows
        + "\ndone"
    )
    run = run_in(tmp_path, text)
    assert points(run, "loss/train") == {0: 5.5, 1: 4.5, 2: 3.5, 3: 2.5}
    assert points(run, "loss/validation")[3] == 3.5


ENDINGS = {
    'Traceback (most recent call last):\n  File "t.py"\nRuntimeError: CUDA out of memory. Tried to allocate': "failed",
    "Killed": "killed",
    "^CTraceback (most recent call last):\nKeyboardInterrupt": "killed",
    "Early stopping triggered.": "finished",
    "Training finished": "finished",
    "Saving model": "unknown",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings(tmp_path, ending):
    rows = "\n".join(f"Epoch {e} loss: {5.5 - e}" for e in (1, 2, 3))
    assert run_in(tmp_path, f"{rows}\n{ending}\n").info.status == ENDINGS[ending]


def test_what_a_script_survives_is_no_end(tmp_path):
    text = (
        "\n".join(f"Epoch {e} loss: {5.5 - e}\nValueError: a bad sample" for e in (1, 2))
        + "\nEpoch 3 loss: 1.5"
    )
    assert run_in(tmp_path, text).info.status == "unknown"


def test_a_crash_and_a_second_try_are_two_runs(tmp_path):
    first, second = ("\n".join(f"Epoch {e} loss: {top - e}" for e in (1, 2, 3)) for top in (5.5, 6.5))
    found = runs_in(tmp_path, f"{first}\nRuntimeError: CUDA out of memory\n{second}\nTraining finished\n")
    assert [run.info.status for run in found] == ["failed", "finished"]


def test_lines_about_the_best_epoch_move_nothing(tmp_path):
    rows = [
        row
        for e in (1, 2, 3, 4)
        for row in (
            f"Epoch {e} loss: {5.5 - e}",
            "Best val_loss: 9.5 at epoch 1",
            "Loading checkpoint from epoch 1",
            "EarlyStopping counter: 1 out of 5",
            f"Validation loss decreased (9.5 --> {e}.5).  Saving model ...",
        )
    ]
    run = run_in(tmp_path, "\n".join(rows))
    assert list(run.series) == ["loss/train"]
    assert list(run.series["loss/train"].steps) == [1, 2, 3, 4]


def test_missing_and_not_a_number_are_different(tmp_path):
    text = "\n".join(
        [
            "Epoch 1 loss: 4.5 val_loss: None",
            "Epoch 2 loss: nan val_loss: 5.5",
            "Epoch 3 loss: inf val_loss: 4.5",
        ]
    )
    run = run_in(tmp_path, text)
    assert [str(value) for value in run.series["loss/train"].values] == ["4.5", "nan", "inf"]
    assert points(run, "loss/validation") == {2: 5.5, 3: 4.5}


NO_LOGS = {
    "notes.txt": "In 2020 the loss was 5 and the accuracy 10.\nThe loss of 3 models: 4, 5 and 6.\n" * 9,
    "requirements.txt": "torch==2.1.0\nnumpy>=1.24\nloss-functions==0.3\n" * 9,
    "settings.txt": "lr: 0.1\nloss: 0.5\naccuracy: 0.6\nbatch_size: 32\n",
    "train.py": "".join(f"# Epoch {e} loss: 0.{e}\n" for e in range(9)),
    "README.md": "".join(f"Epoch {e} loss: 0.{e}\n" for e in range(9)),
    "source.txt": 'print(f"Epoch {epoch} loss: {loss:.4f}")\nloss = 0.5 * loss\n' * 9,
}


@pytest.mark.parametrize("name", NO_LOGS)
def test_other_texts_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text(NO_LOGS[name])
    with pytest.raises(TraindoctorError):
        load_runs(path)


@pytest.mark.parametrize(
    "piece", ["loss ", "loss: ", "1 ", "(", "epoch ", "- ", "[1][", "1:11 ", "| ", "a.b/", "Epoch 1: 1%|"]
)
def test_long_lines_of_anything_are_left_alone(tmp_path, piece):
    rows = "\n".join(f"Epoch {e} loss: {5.5 - e}" for e in (1, 2, 3))
    text = piece * (200_000 // len(piece))
    run = run_in(tmp_path, f"{rows}\n{text}\n{text[:4000]}")
    assert points(run, "loss/train")[1] == 4.5
