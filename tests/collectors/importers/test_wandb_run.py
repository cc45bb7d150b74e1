import json
import math
import random
import struct
import zlib

import pytest

from traindoctor.collectors.importers.discovery import load_run, load_runs
from traindoctor.collectors.importers.wandb_records import BLOCK, record_class
from traindoctor.errors import UnreadableLogError


def blocks(payloads):
    """LevelDB's log format as wandb writes it: 32 KiB blocks, the file's header in the first."""
    out = bytearray(b":W&B" + struct.pack("<HB", 0xBEE1, 0))
    for payload in payloads:
        rest, is_first = payload, True
        while True:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += b"\0" * left
                left = BLOCK
            piece, rest = rest[: left - 7], rest[left - 7 :]
            kind = (1 if is_first else 4) if not rest else (2 if is_first else 3)
            crc = zlib.crc32(bytes([kind]) + piece)
            out += struct.pack("<IHB", crc, len(piece), kind) + piece
            is_first = False
            if not rest:
                break
    return bytes(out)


def history(step, nested=True, **values):
    record = record_class()()
    for name, value in {"_step": step, **values}.items():
        item = record.history.item.add()
        if nested:
            item.nested_key.append(name.encode())
        else:
            item.key = name.encode()
        item.value_json = json.dumps(value).encode()
    return record.SerializeToString()


def run_record(name="my run", **config):
    record = record_class()()
    record.run.display_name = name.encode()
    for key, value in config.items():
        record.run.config.update.add(key=key.encode(), value_json=json.dumps(value).encode())
    return record.SerializeToString()


def exit_record(code):
    record = record_class()()
    record.exit.exit_code = code
    record.exit.runtime = 12
    return record.SerializeToString()


def put(tmp_path, *payloads, data=None):
    path = tmp_path / "run-abc123.wandb"
    path.write_bytes(blocks(payloads) if data is None else data)
    return path


ROWS = [history(i, **{"train/loss": 1 / (i + 1)}) for i in range(20)]


def test_a_run_with_its_name_config_and_end(tmp_path):
    run = load_run(put(tmp_path, run_record(lr=0.1, seed=3), *ROWS, exit_record(0)))
    assert list(run.series["loss/train"].values) == [1 / (i + 1) for i in range(20)]
    assert (run.name, run.info.status, run.info.seconds) == ("my run", "finished", 12.0)
    assert dict(run.info.config) == {"lr": 0.1, "seed": 3}
    assert run.info.x_unit == "log rows"


@pytest.mark.parametrize("nested", [True, False])
def test_non_finite_values_in_every_spelling(tmp_path, nested):
    rows = [history(i, nested, loss=v) for i, v in enumerate([1.0, math.nan, "NaN", "Infinity", -math.inf])]
    found = load_run(put(tmp_path, *rows)).series["loss/train"].values
    assert found[0] == 1.0
    assert math.isnan(found[1])
    assert math.isnan(found[2])
    assert list(found[3:]) == [math.inf, -math.inf]


def test_typed_values_of_newer_versions(tmp_path):
    payloads = []
    for i in range(3):
        record = record_class()()
        record.history.item.add(key=b"_step", integer=i)
        record.history.item.add(key=b"loss", number=0.5 - i)
        payloads.append(record.SerializeToString())
    assert list(load_run(put(tmp_path, *payloads)).series["loss/train"].values) == [0.5, -0.5, -1.5]


def test_objects_are_flattened_and_media_left_out(tmp_path):
    rows = [history(i, val={"loss": 1.0 + i}, pic={"_type": "image-file", "size": 9}) for i in range(3)]
    run = load_run(put(tmp_path, *rows))
    assert list(run.series["loss/validation"].values) == [1.0, 2.0, 3.0]
    assert any("pictures" in note for note in run.info.diagnostics)
    assert len(run.series) == 1


def test_the_logged_step_is_x_and_the_count_of_calls_is_kept(tmp_path):
    rows = [history(i, iter=100 * i, loss=1.0) for i in range(5)]
    run = load_run(put(tmp_path, *rows, history(5, image={"_type": "image-file"})))
    assert list(run.series["loss/train"].steps) == [0, 100, 200, 300, 400]
    assert list(run.series["_step"].values) == [0, 1, 2, 3, 4]
    assert run.info.x_unit == "optimizer steps"


def test_a_step_that_only_some_rows_carry_is_not_x(tmp_path):
    rows = [history(i, loss=1.0, **({"iter": i} if i % 3 == 0 else {})) for i in range(12)]
    run = load_run(put(tmp_path, *rows))
    assert run.info.x_unit == "log rows"
    assert list(run.series["loss/train"].steps) == list(range(12))


def test_an_epoch_per_row_is_x(tmp_path):
    run = load_run(put(tmp_path, *(history(i, epoch=i + 1, loss=1.0) for i in range(5))))
    assert run.info.x_unit == "epochs"
    assert list(run.series["loss/train"].steps) == [1, 2, 3, 4, 5]


def test_an_epoch_over_many_rows_is_not(tmp_path):
    run = load_run(put(tmp_path, *(history(i, epoch=i // 5, loss=1.0) for i in range(20))))
    assert run.info.x_unit == "log rows"


@pytest.mark.parametrize(("code", "status"), [(0, "finished"), (1, "failed"), (None, "killed")])
def test_status(tmp_path, code, status):
    end = [] if code is None else [exit_record(code)]
    assert load_run(put(tmp_path, *ROWS, *end)).info.status == status


def test_records_over_several_blocks_are_whole(tmp_path):
    wide = history(0, loss=1.0, note="x" * 100_000)
    run = load_run(put(tmp_path, wide, *(history(i, loss=1.0 + i, note="y" * 9_000) for i in range(1, 30))))
    assert list(run.series["loss/train"].values) == [1.0 + i for i in range(30)]


def test_a_torn_tail_keeps_everything_before_it(tmp_path):
    whole = blocks(ROWS)
    before = 0
    for end in (*range(60, len(whole) - 1, 11), len(whole) - 1):
        run = load_run(put(tmp_path, data=whole[:end]))
        found = list(run.series["loss/train"].values)
        assert found == [1 / (i + 1) for i in range(len(found))]
        assert len(found) >= before
        before = len(found)
    assert before == len(ROWS) - 1


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_block_costs_itself_only(tmp_path, seed):
    rows = [history(i, loss=float(i), note="z" * 500) for i in range(300)]
    data = bytearray(blocks(rows))
    at = random.Random(seed).randrange(100, len(data) - 100)
    data[at] ^= 0x10
    found = list(load_run(put(tmp_path, data=bytes(data))).series["loss/train"].values)
    per_block = BLOCK // 500 + 2
    assert len(found) >= 300 - per_block
    assert found == sorted(found)
    assert set(found) <= set(map(float, range(300)))


def test_damage_is_noted_with_its_byte(tmp_path):
    data = bytearray(blocks(ROWS))
    data[30] ^= 1
    with pytest.raises(UnreadableLogError, match="none that is whole"):
        load_run(put(tmp_path, data=bytes(data)))
    more = [history(i, loss=float(i), note="z" * 500) for i in range(200)]
    data = bytearray(blocks(more))
    data[BLOCK + 40] ^= 1
    notes = load_run(put(tmp_path, data=bytes(data))).info.diagnostics
    assert any("damaged block" in note and "byte 32768" in note for note in notes)


def test_a_run_without_numbers_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(UnreadableLogError, match="logged no numbers"):
        load_run(put(tmp_path, run_record(), exit_record(1)))


def test_a_runs_folder_is_one_run(tmp_path):
    folder = tmp_path / "offline-run-20260101_000000-abc"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "output.log").write_text("epoch 1 loss: 5.0\nepoch 2 loss: 4.0\n")
    put(folder, *ROWS)
    (run,) = load_runs(tmp_path).runs
    assert run.info.source == "Weights & Biases run"


def test_old_history_lines(tmp_path):
    rows = [
        {"loss": 1.0 - i / 10, "_step": i, "_runtime": 2.0 * i, "_timestamp": 1.6e9 + i} for i in range(5)
    ]
    rows[2]["image"] = {"_type": "images"}
    rows[3]["loss"] = math.nan
    (tmp_path / "wandb-history.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"loss": 0.')
    (tmp_path / "config.yaml").write_text("wandb_version: 1\nlr:\n  desc: null\n  value: 0.1\n")
    run = load_run(tmp_path / "wandb-history.jsonl")
    found = run.series["loss/train"].values
    assert (found[0], found[4]) == (1.0, 0.6)
    assert math.isnan(found[3])
    assert run.info.config["lr"] == 0.1
    assert run.info.seconds == 8.0
    assert any("cut" in note for note in run.info.diagnostics)
