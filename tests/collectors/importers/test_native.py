"""A run folder or log file to a Run: what was recorded, how it ended, what was merged, what is damaged."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import numpy as np
import pytest

from tests.logs import PARAMETERS, QUANTITIES, header, write_small_log
from traindoctor.collectors.environment import describe_process
from traindoctor.collectors.importers import process_log
from traindoctor.collectors.importers.attempts import resumes
from traindoctor.collectors.importers.facts import run_facts
from traindoctor.collectors.importers.native import read_run
from traindoctor.collectors.importers.process_log import ProcessLog
from traindoctor.errors import RunNotFoundError, UnreadableLogError
from traindoctor.run import NetworkInfo, Series
from traindoctor.runlog import Kind, LogWriter, encode_block, encode_rows

FACTS = {
    "loss_name": "cross_entropy",
    "n_classes": 10,
    "baseline": 2.3,
    "epochs": "nan",
    "parameters": [{"name": "fc1.weight", "shape": [8, 4], "role": "matrix", "group": "0"}],
    "optimizers": [{"name": "SGD", "groups": [{"lr": 0.1, "betas": [0.9, 0.99]}], "scheduler": "StepLR"}],
    "network": {
        "operations": {"Addmm": 2}, "output": ["NllLoss"], "is_whole": False, "dropouts": [0.1],
        "label_smoothing": 0.2,
    },
    "environment": {"python": "3.11"},
    "config": {"command": ["train.py"]},
    "diagnostics": ["thinned"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "20260102-030405-abcd"
    made.mkdir()
    return made


def log_in(folder, name="rank00000.attempt00.h.1.tdlog", n_steps=12, **options):
    return write_small_log(folder / name, n_steps, **options)


def test_everything_that_was_written_comes_back(folder):
    log = log_in(folder, end={"exit_code": 0, "seconds": 4.5, "overhead": 0.01}, facts=FACTS)
    run = read_run(folder)
    assert (run.id, run.name, run.n_steps) == ("20260102-030405-abcd", "small", 12)
    assert (
        dict(zip(run.series["loss/train"].steps, run.series["loss/train"].values, strict=True)) == log.losses
    )
    assert run.series["grad_norm/preclip"].steps.tolist() == [0, 2, 4, 6, 8, 10]
    assert set(run.parameters) == set(QUANTITIES)
    assert set(run.parameters["weight_norm"]) == set(PARAMETERS)
    assert run.parameters["weight_norm"]["fc1.bias"].steps.tolist() == [0, 3, 6, 9]
    assert run.parameters["weight_norm"]["fc1.bias"].values.tolist() == [1, 4, 7, 10]
    assert run.parameters["grad_norm"]["fc1.bias"].steps.tolist() == [0]
    assert [(e.step, e.kind, dict(e.data)) for e in run.events] == [
        (s, "note", {"n": s}) for s in (0, 3, 6, 9)
    ]
    assert run.predictions is not None
    assert run.predictions.classes == ("a", "b")
    assert run.predictions.y_score.tolist() == [[0.5, -1.0], [2.0, 3.0]]
    info = run.info
    assert (info.status, info.source, info.path) == ("finished", "traindoctor", str(folder))
    assert (info.loss_name, info.n_classes, info.baseline, info.seconds) == ("cross_entropy", 10, 2.3, 4.5)
    assert np.isnan(info.epochs)
    assert (info.parameters[0].shape, info.parameters[0].trainable) == ((8, 4), True)
    assert (info.optimizers[0].scheduler, info.optimizers[0].groups[0]["betas"]) == ("StepLR", [0.9, 0.99])
    assert info.network == NetworkInfo({"Addmm": 2}, ("NllLoss",), False, (0.1,), 0.2)
    assert info.environment == {"python": "3.11", "overhead": 0.01}
    assert info.diagnostics == ("thinned",)


def test_a_single_file_is_a_run(folder):
    log = log_in(folder, end={"exit_code": 0})
    assert read_run(log.path).series["loss/train"].values.tolist() == list(log.losses.values())
    assert read_run(log.path).info.path == str(log.path)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ({"exit_code": 0}, "finished"),
        ({"exit_code": None}, "finished"),
        ({"exit_code": 3}, "failed"),
        ({"exit_code": None, "exception": "ValueError"}, "failed"),
        ({"status": "finished", "exit_code": 3}, "finished"),
        ({"status": "nonsense"}, "finished"),
        (None, "killed"),
    ],
)
def test_how_it_ended(folder, end, status):
    log_in(
        folder,
        end=end,
        **{k: v for k, v in describe_process().items() if k != "process_start"},
        process_start=1,
    )
    assert read_run(folder).info.status == status


def test_a_log_of_a_living_process_is_running(folder):
    log_in(folder, **describe_process())
    assert read_run(folder).info.status == "running"


def test_a_log_of_another_machine_runs_while_it_is_written_to(folder):
    log = log_in(folder)
    assert read_run(folder).info.status == "running"
    os.utime(log.path, (time.time() - 3600,) * 2)
    assert read_run(folder).info.status == "killed"


@pytest.mark.parametrize("start", [None, "x"])
def test_without_a_start_time_the_pid_alone_decides(folder, start):
    log_in(folder, **describe_process() | {"process_start": start})
    assert read_run(folder).info.status == "running"


def test_ranks_are_merged_and_counted(folder):
    for rank in range(3):
        log_in(
            folder,
            f"rank0000{rank}.attempt00.h.{rank}.tdlog",
            rank=rank,
            world_size=4,
            scale=1.0 + rank,
            end={},
        )
    run = read_run(folder)
    np.testing.assert_allclose(run.series["loss/train"].values, 2.0 / (1.0 + np.arange(12)))
    np.testing.assert_allclose(run.series["grad_norm/preclip"].values, 2.0 / (1.0 + np.arange(0, 12, 2)))
    assert any("3 of 4 ranks are merged" in sentence for sentence in run.info.diagnostics)


def test_a_rank_that_stopped_early_counts_only_where_it_recorded(folder):
    log_in(folder, "rank00000.a.tdlog", 12, rank=0, world_size=2, end={})
    log_in(folder, "rank00001.a.tdlog", 6, rank=1, world_size=2, scale=3.0)
    os.utime(folder / "rank00001.a.tdlog", (1, 1))
    run = read_run(folder)
    factor = np.where(np.arange(12) < 6, 2.0, 1.0)
    np.testing.assert_allclose(run.series["loss/train"].values, factor / (1.0 + np.arange(12)))
    assert run.info.status == "killed"


def test_the_newest_attempt_wins_from_its_first_step_on(folder):
    log_in(folder, "rank00000.attempt00.h.1.tdlog", 12)
    log_in(
        folder, "rank00000.attempt01.h.2.tdlog", 9, first_step=6, attempt=1, scale=10.0, end={"exit_code": 0}
    )
    run = read_run(folder)
    steps = np.arange(15)
    np.testing.assert_allclose(
        run.series["loss/train"].values, np.where(steps < 6, 1.0, 10.0) / (1.0 + steps)
    )
    assert run.parameters["weight_norm"]["fc1.bias"].steps.tolist() == [0, 3, 6, 9, 12]
    assert run.info.status == "finished"
    assert "attempt 1 (a restart) replaces what was recorded from step 6 on" in run.info.diagnostics


def test_several_processes_of_one_rank_are_not_mixed(folder):
    log_in(folder, "a.tdlog", 3, end={})
    long = log_in(folder, "b.tdlog", 12, scale=5.0, end={})
    run = read_run(folder)
    assert run.series["loss/train"].values.tolist() == list(long.losses.values())
    assert any(
        "1 more processes recorded under the same rank" in sentence for sentence in run.info.diagnostics
    )


def test_a_damaged_log_keeps_its_status_and_says_where(folder):
    log = log_in(folder, end={"exit_code": 0})
    data = bytearray(log.path.read_bytes())
    data[len(data) // 2] ^= 1
    log.path.write_bytes(data)
    run = read_run(folder)
    assert run.info.status == "finished"
    assert any("are damaged" in sentence for sentence in run.info.diagnostics)
    assert any("frames are missing" in sentence for sentence in run.info.diagnostics)


def test_truncated_at_any_byte_the_run_is_an_exact_prefix(folder):
    log = log_in(folder, end={"exit_code": 0})
    data = log.path.read_bytes()
    for length in random.Random(0).sample(range(len(data)), 80):
        log.path.write_bytes(data[:length])
        try:
            run = read_run(folder)
        except UnreadableLogError:
            assert length < 400
            continue
        losses = run.series["loss/train"].values.tolist() if "loss/train" in run.series else []
        assert losses == list(log.losses.values())[: len(losses)]


def test_any_flipped_bit_gives_a_run_without_a_forged_value(folder):
    log = log_in(folder, end={"exit_code": 0})
    data = log.path.read_bytes()
    rng = random.Random(1)
    for _ in range(120):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        log.path.write_bytes(damaged)
        series = read_run(folder).series["loss/train"]
        assert dict(zip(series.steps, series.values, strict=True)).items() <= log.losses.items()


def test_a_lost_layout_costs_no_block(folder):
    log = log_in(folder, end={})
    frames = log.path.read_bytes()
    at = frames.index(b'{"quantities"')
    log.path.write_bytes(frames[:at] + b"!" + frames[at + 1 :])
    assert read_run(folder).parameters["weight_norm"]["fc1.bias"].steps.tolist() == [0, 3, 6, 9]


WRONG_FACTS = {
    "batch_size": ["x", 1.5, True, 10**30, None],
    "seconds": ["soon", [], {}, 10**400],
    "loss_name": [3, None, ["a"]],
    "parameters": [
        {},
        [1],
        [{"name": 1}],
        [{"name": "a", "shape": [-1]}],
        [{"name": "a", "shape": [1] * 99}],
        [{}],
    ],
    "optimizers": [3, [3], [{"groups": 3}], [{"groups": [3]}], [{"name": []}]],
    "network": [
        None,
        [],
        {},
        {"operations": []},
        {"operations": {"Addmm": 1.5}},
        {"operations": {"Addmm": -1}},
        {"operations": {}, "output": [1]},
        {"operations": {}, "is_whole": 1},
        {"operations": {}, "dropouts": ["nan"]},
        {"operations": {}, "dropouts": [2]},
        {"operations": {}, "label_smoothing": "much"},
    ],
    "config": [[], "x", None],
    "environment": [1],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG_FACTS.items() for value in values]
)
def test_facts_of_a_wrong_type_are_named_and_left_out(key, value):
    kept, notes = run_facts({key: value, "n_classes": 3})
    assert kept == {"n_classes": 3}
    assert len(notes) == 1
    assert notes[0].startswith(f"the fact `{key}` was left out: expected ")


def test_a_log_of_a_later_version_is_read_as_far_as_it_is_known(folder):
    writer = LogWriter(folder / "a.tdlog", header())
    writer.append(99, b"what the future brings")
    writer.append_json(Kind.META, {"name": "n", "colour": "blue"})
    writer.append(Kind.ROWS, encode_rows(np.array([0]), {"loss/train": np.array([1.0])}))
    writer.close({})
    run = read_run(folder)
    assert run.series["loss/train"].values.tolist() == [1.0]
    assert "frames of unknown kinds, made by a later version, were left out: 99 (1)" in run.info.diagnostics
    assert any("unknown to this version and were left out: colour" in note for note in run.info.diagnostics)


@pytest.mark.parametrize(
    "kind", [Kind.META, Kind.EVENT, Kind.END, Kind.PREDICTIONS, Kind.LAYOUT, Kind.HEADER]
)
@pytest.mark.parametrize(
    "payload", [b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'{"step": "x"}', b'{"shape": 3}']
)
def test_frames_with_the_wrong_content_never_crash(folder, kind, payload):
    writer = LogWriter(folder / "a.tdlog", header())
    writer.append(Kind.ROWS, encode_rows(np.array([0]), {"loss/train": np.array([1.0])}))
    writer.append(kind, payload)
    writer.flush()
    assert read_run(folder).series["loss/train"].values.tolist() == [1.0]


def test_blocks_that_contradict_their_layout_are_left_out(folder):
    writer = LogWriter(folder / "a.tdlog", header())
    values = np.ones((2, 3), np.float32)
    writer.append_block(QUANTITIES, PARAMETERS, 0, values)
    layout = read_layout(writer)
    good = encode_block(layout, 1, values)
    for bad in (
        encode_block(layout, 1, values.T),
        encode_block(layout + 1, 1, values),
        good[:-1],
        good[:10],
        good + b"x",
    ):
        writer.append(Kind.BLOCK, bad)
    writer.close({})
    run = read_run(folder)
    assert run.parameters["weight_norm"]["fc1.bias"].steps.tolist() == [0]
    assert "5 blocks of parameter statistics without an intact layout were left out" in run.info.diagnostics


def read_layout(writer):
    return next(iter(writer._layouts))


def test_hostile_names_stay_data(folder):
    names = ["../../etc/passwd", "<script>", "a\nb", "=cmd()", "\u202e", "x" * 900]
    writer = LogWriter(folder / "a.tdlog", header(run_id="../../up", name=["no", "text"]))
    writer.append(Kind.ROWS, encode_rows(np.array([0]), {name: np.array([1.0]) for name in names}))
    writer.close({})
    run = read_run(folder)
    assert list(run.series) == names
    assert run.id == folder.name
    assert run.name == run.id


def test_too_many_events_are_counted(folder, monkeypatch):
    monkeypatch.setattr(process_log, "MAX_EVENTS", 2)
    log_in(folder, end={})
    run = read_run(folder)
    assert len(run.events) == 2
    assert any("events beyond the first" in note for note in run.info.diagnostics)


def test_dropped_frames_are_told(folder):
    writer = LogWriter(folder / "a.tdlog", header())
    writer.dropped = 7
    writer.close({})
    assert any(note.startswith("7 frames could not be written") for note in read_run(folder).info.diagnostics)


def test_an_unreadable_rank_is_named_and_the_others_are_read(folder):
    log_in(folder, end={})
    (folder / "rank00001.attempt00.h.2.tdlog").write_bytes(b"garbage")
    run = read_run(folder)
    assert len(run.series["loss/train"]) == 12
    assert any(
        "rank00001" in note and "is not a traindoctor run log" in note for note in run.info.diagnostics
    )


def test_what_is_no_run_is_refused_with_a_reason(tmp_path, folder):
    with pytest.raises(RunNotFoundError, match="found nothing at"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(UnreadableLogError, match="found none: no optimizer step was recorded"):
        read_run(folder)
    (folder / "a.tdlog").write_bytes(b"")
    with pytest.raises(UnreadableLogError, match="is not a traindoctor run log"):
        read_run(folder)
    (folder / "b.tdlog").write_bytes(b"")
    with pytest.raises(UnreadableLogError, match="none of the 2 logs"):
        read_run(folder)
    with pytest.raises(UnreadableLogError, match="no regular file"):
        read_run(type(folder)("/dev/zero"))


def test_a_fifo_in_the_folder_does_not_hang_the_reader(folder):
    log_in(folder, end={})
    os.mkfifo(folder / "rank00001.attempt00.h.2.tdlog")
    assert len(read_run(folder).series["loss/train"]) == 12


def test_facts_are_json_all_the_way(folder):
    log_in(folder, end={}, facts=FACTS)
    info = read_run(folder).info
    json.dumps(
        [dict(info.environment), dict(info.config), [dict(g) for o in info.optimizers for g in o.groups]]
    )


def test_a_restart_is_an_event_with_what_had_been_reached():
    def attempt(number, steps):
        return ProcessLog(
            Path("x"), header={"attempt": number}, series={"loss/train": Series(steps, 1.0 * steps)}
        )

    logs = [attempt(0, np.arange(0, 50)), attempt(1, np.arange(40, 90)), ProcessLog(Path("empty"))]
    (event,) = resumes(logs)
    assert (event.step, event.kind, dict(event.data)) == (40, "resume", {"from": 49})
    assert not resumes(logs[:1])
