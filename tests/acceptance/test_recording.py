"""What the wrapper records of the unmodified examples equals what they print, and changes nothing in them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

import traindoctor
from tests.acceptance.examples import EXAMPLES, dataset, diagnosed, edit, edited, plain, recorded, wrapped

FINGERPRINT = """
    import hashlib
    state = hashlib.sha256()
    for tensor in {model}.state_dict().values():
        state.update(tensor.numpy().tobytes())
    for entry in optimizer.state.values():
        for value in entry.values():
            state.update(str(value).encode() if not torch.is_tensor(value) else value.numpy().tobytes())
    state.update(torch.get_rng_state().numpy().tobytes())
    print("fingerprint", state.hexdigest())


if __name__ == "__main__":"""


def test_mnist_losses_equal_the_printed_ones_to_the_last_digit(tmp_path: Path):
    arguments = ["--data", dataset("mnist.npz"), "--subset", "3200", "--epochs", "2", "--log-every", "1"]
    done = wrapped(EXAMPLES / "mnist_mlp.py", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = recorded(tmp_path)
    printed = re.findall(r"batch \d+ loss (\S+)", done.stdout)
    assert [f"{value:.6f}" for value in run.series["loss/train"].values] == printed
    tests = re.findall(r"test loss (\S+) accuracy (\S+)", done.stdout)
    assert [f"{v:.6f}" for v in run.series["loss/validation"].values] == [loss for loss, _ in tests]
    assert [f"{v:.4f}" for v in run.series["accuracy/validation"].values] == [
        accuracy for _, accuracy in tests
    ]
    assert list(run.series["loss/validation"].steps) == [49, 99]
    diagnosis = traindoctor.diagnose(run)
    assert diagnosis.schedule.family == "constant"
    assert set(run.series["lr/0"].values) == {0.01}


def test_cifar_steplr_is_recognised_and_running_losses_add_up(tmp_path: Path):
    arguments = [
        "--data",
        dataset("cifar10_subset.npz"),
        "--subset",
        "200",
        "--epochs",
        "10",
        "--log-every",
        "10",
    ]
    done = wrapped(EXAMPLES / "cifar10_net.py", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = recorded(tmp_path)
    values = run.series["loss/train"].values.reshape(10, 5, 10)
    sums = [[f"{sum(map(float, window)) / 10:.6f}" for window in epoch] for epoch in values]
    assert [loss for epoch in sums for loss in epoch] == re.findall(r"loss: (\S+)", done.stdout)
    schedule = traindoctor.diagnose(run).schedule
    assert schedule.family == "step"
    assert (schedule.parameters["step_size"], schedule.parameters["unit"]) == (5, "epoch")
    assert schedule.parameters["gamma"] == pytest.approx(0.1)


def test_cifar_metrics_equal_scikit_learn_on_predictions_collected_by_hand(tmp_path: Path):
    script = edited(tmp_path, "cifar10_net")
    edit(script, "    correct = total = 0\n", "    correct = total = 0\n    collected = []\n")
    counting = "            total += labels.size(0)\n"
    edit(
        script,
        counting,
        counting + "            collected.append(torch.stack([predicted, labels]).numpy())\n",
    )
    ending = '    print(f"accuracy on'
    edit(script, ending, "    np.save('collected.npy', np.concatenate(collected, axis=1))\n" + ending)
    arguments = [
        "--data",
        dataset("cifar10_subset.npz"),
        "--subset",
        "2000",
        "--epochs",
        "2",
        "--lr",
        "0.002",
    ]
    found = diagnosed(script, *arguments, cwd=tmp_path).metrics["classification"]
    predicted, true = np.load(tmp_path / "collected.npy")
    assert found["n_samples"] == 2000
    assert found["accuracy"] == metrics.accuracy_score(true, predicted)
    assert found["confusion_matrix"] == metrics.confusion_matrix(true, predicted).tolist()
    by_hand = metrics.precision_recall_fscore_support(true, predicted, zero_division=0)
    rows = found["per_class"]
    for key, values in zip(("precision", "recall", "f1", "support"), by_hand, strict=True):
        assert [row[key] for row in rows] == pytest.approx(list(values))


@pytest.mark.parametrize(
    ("example", "model", "arguments"),
    [
        ("digits_cnn", "model", ["--epochs", "3"]),
        ("mnist_mlp", "model", ["--data", "mnist.npz", "--subset", "2000", "--epochs", "1"]),
        ("cifar10_net", "net", ["--data", "cifar10_subset.npz", "--subset", "300", "--epochs", "2"]),
    ],
)
def test_with_and_without_the_wrapper_everything_is_bit_identical(
    tmp_path: Path, example: str, model: str, arguments: list[str]
):
    script = edit(
        edited(tmp_path, example), '\n\nif __name__ == "__main__":', FINGERPRINT.format(model=model)
    )
    arguments = [dataset(a) if a.endswith(".npz") else a for a in arguments]
    without, with_wrapper = plain(script, *arguments, cwd=tmp_path), wrapped(script, *arguments, cwd=tmp_path)
    assert "fingerprint" in without.stdout, without.stderr
    assert (with_wrapper.stdout, with_wrapper.stderr) == (without.stdout, without.stderr)
    assert len(recorded(tmp_path).series["loss/train"]) > 30
