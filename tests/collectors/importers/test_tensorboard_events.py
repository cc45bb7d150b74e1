import json
import math
import struct

import numpy as np
import pytest

from tests.collectors.importers.event_files import T0, curve, frame, header, scalar, tensor
from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.collectors.importers.event_messages import message
from traindoctor.collectors.importers.tensorboard_events import TensorBoardEvents
from traindoctor.collectors.intake.folder import Folder
from traindoctor.errors import UnreadableLogError

NAME = "events.out.tfevents.{}.host.1.0"


def put(folder, data, time=1700000000):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME.format(time)
    path.write_bytes(data)
    return path


def values(run, name):
    return list(run.series[name].values)


def test_scalars_come_as_the_exact_double_of_their_float(tmp_path):
    data = header() + b"".join(scalar(s, "train/loss", 0.1 * s) for s in (0, 1, 127, 128, 20_000, 2**40))
    run = load_run(put(tmp_path / "mine", data))
    assert run.name == "mine"
    assert list(run.series["loss/train"].steps) == [0, 1, 127, 128, 20_000, 2**40]
    exact = [struct.unpack("<f", struct.pack("<f", 0.1 * s))[0] for s in (0, 1, 127, 128, 20_000, 2**40)]
    assert values(run, "loss/train") == exact


def test_nan_and_infinity_are_values(tmp_path):
    data = header() + curve("train/loss", [1.0, math.nan, math.inf, -math.inf])
    found = values(load_run(put(tmp_path, data)), "loss/train")
    assert found[0] == 1.0
    assert math.isnan(found[1])
    assert found[2:] == [math.inf, -math.inf]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"dtype": 1, "float_val": [0.25]}, 0.25),
        ({"dtype": 1, "tensor_content": struct.pack("<f", 0.25)}, 0.25),
        ({"dtype": 2, "double_val": [0.1]}, 0.1),
        ({"dtype": 2, "tensor_content": struct.pack("<d", 0.1)}, 0.1),
        ({"dtype": 3, "int_val": [-7]}, -7.0),
        ({"dtype": 9, "int64_val": [2**40]}, float(2**40)),
        ({"dtype": 9, "tensor_content": struct.pack("<q", -3)}, -3.0),
        ({"dtype": 10, "bool_val": [True]}, 1.0),
        ({"dtype": 14, "half_val": [0x3FC0]}, 1.5),
        ({"dtype": 14, "tensor_content": b"\xc0\x3f"}, 1.5),
        ({"dtype": 19, "half_val": [0x3E00]}, 1.5),
        ({"dtype": 1}, 0.0),
    ],
)
def test_scalar_tensors_of_every_type(tmp_path, content, expected):
    data = header() + b"".join(tensor(s, "loss", "scalars" if s == 0 else "", **content) for s in range(4))
    assert values(load_run(put(tmp_path, data)), "loss/train") == [expected] * 4


def test_tensors_without_metadata_keep_changing_values(tmp_path):
    data = header() + tensor(0, "loss", "scalars", dtype=1, float_val=[9.0])
    data += b"".join(tensor(s, "loss", dtype=1, float_val=[1.0 / s]) for s in range(1, 50))
    found = load_run(put(tmp_path, data)).series["loss/train"]
    np.testing.assert_array_equal(found.values[1:], np.float32([1.0 / s for s in range(1, 50)]))


def test_texts_histograms_and_graphs_are_passed_over_quietly(tmp_path):
    noise = tensor(0, "note/text_summary", "text", dtype=7, string_val=[b"hello"])
    noise += tensor(0, "weights", "histograms", dtype=2, tensor_content=b"\0" * 24)
    noise += tensor(1, "note/text_summary", dtype=7, string_val=[b"again"])
    run = load_run(put(tmp_path, header() + noise + curve("train/loss", [2.0, 1.0])))
    assert set(run.series) == {"loss/train"}
    assert not any("text" in note for note in run.info.diagnostics)


def test_hyper_parameters_and_the_trainers_arguments_become_the_config(tmp_path):
    start = message("HParamsData")()
    for key, kind, value in (("lr", "number_value", 0.5), ("opt", "string_value", b"sgd")):
        entry = start.session_start_info.hparams.add(key=key.encode())
        setattr(entry.value, kind, value)
    event = message("Event")(wall_time=T0)
    value = event.summary.value.add(tag=b"_hparams_/session_start_info")
    value.metadata.plugin_data.plugin_name = b"hparams"
    value.metadata.plugin_data.content = start.SerializeToString()
    arguments = json.dumps({"learning_rate": 0.1, "hub_token": "abc"}).encode()
    data = header() + frame(event.SerializeToString())
    data += tensor(0, "args/text_summary", "text", dtype=7, string_val=[arguments])
    config = load_run(put(tmp_path, data + curve("train/loss", [2.0, 1.0]))).info.config
    assert (config["lr"], config["opt"], config["learning_rate"]) == (0.5, "sgd", 0.1)
    assert "abc" not in str(config)


def test_names_that_are_no_utf8_cost_nothing_else(tmp_path):
    event = message("Event")(wall_time=T0, step=1)
    event.summary.value.add(tag=b"\xff\xfe", simple_value=1.0)
    run = load_run(
        put(tmp_path, header() + frame(event.SerializeToString()) + curve("train/loss", [2.0, 1.0]))
    )
    assert len(run.series) == 2


def test_resumed_files_follow_each_other_by_the_time_in_their_names(tmp_path):
    put(tmp_path, header() + curve("train/loss", [9.0, 8.0, 7.0, 6.0]), 1700000900)
    put(tmp_path, header() + curve("train/loss", [5.5, 5.0, 4.0], first=2), 1700001000)
    run = load_run(tmp_path)
    assert values(run, "loss/train") == [9.0, 8.0, 5.5, 5.0, 4.0]
    assert run.events_of("resume")


def test_launches_in_one_folder_are_runs_of_their_own(tmp_path):
    for i, time in enumerate((1700000000, 1700000100, 1700000200)):
        put(tmp_path, header() + curve("train/loss", [3.0 - i, 2.0 - i, 1.0 - i]), time)
    runs = load_runs(tmp_path).runs
    assert [values(run, "loss/train")[0] for run in runs] == [3.0, 2.0, 1.0]


def test_train_and_validation_folders_are_one_run_over_epochs(tmp_path):
    for split, first in (("train", 2.0), ("validation", 2.5)):
        data = header() + tensor(0, "keras", "graph_keras_model", dtype=7, string_val=[b"{}"])
        data += b"".join(tensor(s, "epoch_loss", "scalars", dtype=1, float_val=[first - s]) for s in range(3))
        data += tensor(90, "evaluation_loss_vs_iterations", "scalars", dtype=1, float_val=[1.0])
        put(tmp_path / "run" / split, data)
    (run,) = load_runs(tmp_path).runs
    assert values(run, "loss/train") == [2.0, 1.0, 0.0]
    assert values(run, "loss/validation") == [2.5, 1.5, 0.5]
    assert run.info.x_unit == "epochs"
    assert any("vs_iterations" in note for note in run.info.diagnostics)


def test_epochs_beside_steps_are_put_on_the_steps_by_the_clock(tmp_path):
    data = header()
    for step in range(400):
        data += scalar(step, "train/loss", 1.0, time=T0 + step)
        if step % 100 == 99:
            data += scalar(step // 100, "val/loss", 2.0, time=T0 + step + 0.5)
    run = load_run(put(tmp_path, data))
    assert list(run.series["loss/validation"].steps) == [99, 199, 299, 399]
    assert any("count epochs while the others count steps" in note for note in run.info.diagnostics)


def test_sub_folders_of_add_scalars_are_curves_of_the_run(tmp_path):
    put(tmp_path, header() + curve("lr", [0.1, 0.1, 0.1]))
    put(tmp_path / "loss_train", header() + curve("loss", [3.0, 2.0, 1.0]))
    put(tmp_path / "loss_val", header() + curve("loss", [3.5, 2.5, 1.5]))
    (run,) = load_runs(tmp_path).runs
    assert values(run, "loss/train") == [3.0, 2.0, 1.0]
    assert values(run, "loss/validation") == [3.5, 2.5, 1.5]
    assert values(run, "lr/0") == pytest.approx([0.1] * 3)


def test_the_hyper_parameter_folder_is_no_run(tmp_path):
    put(tmp_path, header() + curve("train/loss", [3.0, 2.0, 1.0]))
    put(tmp_path / "1700000000.123456", header() + scalar(0, "hparam/accuracy", 0.9))
    (run,) = load_runs(tmp_path).runs
    assert set(run.series) == {"loss/train"}
    assert any("hparam/accuracy" in note for note in run.info.diagnostics)


def test_other_runs_below_are_not_swallowed(tmp_path):
    put(tmp_path, header() + curve("train/loss", [3.0, 2.0]), 1700000000)
    put(tmp_path, header() + curve("train/loss", [3.0, 2.0]), 1700000001)
    put(tmp_path / "version_0", header() + curve("train/loss", [6.0, 5.0, 4.0]))
    assert TensorBoardEvents().recognises_folder(Folder(tmp_path)) == 0.0
    assert len(load_runs(tmp_path).runs) == 3


def test_values_without_steps_are_numbered(tmp_path):
    data = header() + b"".join(scalar(0, "train/loss", v, time=T0 + i) for i, v in enumerate((3.0, 2.0, 1.0)))
    run = load_run(put(tmp_path, data))
    assert list(run.series["loss/train"].steps) == [0, 1, 2]
    assert run.info.x_unit == "log rows"


def test_a_logged_epoch_equal_to_the_step_tells_the_axis(tmp_path):
    data = header() + curve("epoch", [0.0, 1.0, 2.0]) + curve("train/loss", [3.0, 2.0, 1.0])
    assert load_run(put(tmp_path, data)).info.x_unit == "epochs"


def test_detection_losses_are_summed_to_a_total(tmp_path):
    data = header()
    for epoch in range(3):
        for part in ("box", "cls", "dfl"):
            data += scalar(epoch, f"train/{part}_loss", 3.0 - epoch) + scalar(epoch, f"val/{part}_loss", 4.0)
        data += scalar(epoch, "metrics/mAP50(B)", 0.1 * epoch)
    run = load_run(put(tmp_path, data))
    assert values(run, "loss/train") == [9.0, 6.0, 3.0]
    assert values(run, "loss/validation") == [12.0] * 3
    assert run.info.x_unit == "epochs"


def test_the_trainers_closing_mean_is_no_point_of_the_curve(tmp_path):
    data = header() + curve("train/loss", [3.0, 2.0, 1.0], 1) + curve("train/learning_rate", [0.1] * 3, 1)
    data += curve("train/epoch", [0.1, 0.2, 0.3], 1) + scalar(3, "train/train_loss", 2.0)
    run = load_run(put(tmp_path, data + scalar(3, "train/train_runtime", 12.0)))
    assert values(run, "loss/train") == [3.0, 2.0, 1.0]
    assert values(run, "train/train_loss") == [2.0]
    assert (run.info.status, run.info.seconds) == ("finished", 12.0)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (header(), "holds only a file header: nothing was logged"),
        (header() + tensor(0, "graph", "graphs", dtype=7, string_val=[b"g"]), "but no scalars"),
        (header()[:20], "found no whole record"),
    ],
)
def test_files_without_a_curve_are_refused_with_a_sentence(tmp_path, data, sentence):
    with pytest.raises(UnreadableLogError, match=sentence):
        load_run(put(tmp_path, data))


def test_an_empty_launch_beside_a_real_one_is_only_noted(tmp_path):
    put(tmp_path, header(), 1700000000)
    put(tmp_path, header() + curve("train/loss", [3.0, 2.0]), 1700000001)
    (run,) = load_runs(tmp_path).runs
    assert any("1 of 2 event files hold only their header" in note for note in run.info.diagnostics)


def test_a_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "download"
    path.write_bytes(header() + curve("train/loss", [3.0, 2.0]))
    assert load_run(path).info.source == TensorBoardEvents.name


def test_damage_in_the_middle_keeps_what_follows(tmp_path):
    data = bytearray(header() + curve("train/loss", [float(i) for i in range(30)]))
    data[len(header()) + 200] ^= 0xFF
    run = load_run(put(tmp_path, bytes(data)))
    assert len(run.series["loss/train"]) == 29
    assert any("byte" in note for note in run.info.diagnostics)
