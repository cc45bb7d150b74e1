"""R16, R18: ranks that die, restart, come late or drift, and runs that go on from earlier steps."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest

from tests.reliability import restarted_script
from tests.reliability.restarted_script import DRIFTS_AT, EVERY, LATE_SECONDS, STEPS
from tests.reliability.sizes import size
from tests.reliability.test_ranks import torchrun
from traindoctor.collectors.importers.native import read_run
from traindoctor.runlog import SUFFIX, Kind, LogWriter, encode_rows

MISFORTUNES = size([(2, 10)], [(2, 5), (2, 10), (3, 17), (4, 13)])


@pytest.fixture(scope="module", params=MISFORTUNES, ids=lambda case: "x".join(map(str, case)))
def misfortune(request, tmp_path_factory):
    """Number of ranks, step of the kill, folder of the recording, and what the ranks told."""
    ranks, killed_at = request.param
    folder = tmp_path_factory.mktemp("restarted")
    done = torchrun(
        ranks, "-m", "traindoctor", "run", "--out", folder / "runs", "--every", "1", "--",
        restarted_script.__file__, folder, killed_at, launcher=["--max-restarts", "9"],
    )  # fmt: skip
    assert "Received 15 death signal" in done.stderr, done.stderr
    told = {}
    for rank in range(ranks):
        for line in (folder / f"rank{rank}.txt").read_text().splitlines():
            attempt, step, loss = line.split()
            told.setdefault(int(step), {}).setdefault(int(attempt), {})[rank] = float(loss)
    (run,) = (folder / "runs").iterdir()
    return ranks, killed_at, run, told


def test_r16_attempts_are_one_curve(misfortune):
    ranks, killed_at, folder, told = misfortune
    first, second = sorted({attempt for of_attempts in told.values() for attempt in of_attempts})
    names = sorted(log.name[:19] for log in folder.glob(f"*{SUFFIX}"))
    assert names == [f"rank{rank:05d}.attempt{n:02d}" for rank in range(ranks) for n in (first, second)]
    run = read_run(folder)
    resumed = killed_at // EVERY * EVERY
    sentence = f"attempt {second} (a restart) replaces what was recorded from step {resumed} on"
    assert sentence in run.info.diagnostics
    losses = run.series["loss/train"]
    assert losses.steps.tolist()[:STEPS] == list(range(STEPS))
    for step in range(STEPS):
        of_ranks = told[step][first if step < resumed else second]
        assert len(of_ranks) == ranks
        assert losses.values[step] == pytest.approx(np.mean(list(of_ranks.values())), rel=1e-6)


def test_r16_what_was_flushed_before_the_agent_ended_is_there(misfortune):
    _, _, folder, _ = misfortune
    run = read_run(folder)
    assert run.info.status == "killed"
    assert not [s for s in run.info.diagnostics if "damaged" in s]


def test_r16_the_straggler_is_named(misfortune):
    ranks, _, folder, _ = misfortune
    run = read_run(folder)
    (event,) = run.events_of("straggler")
    assert event.data["rank"] == ranks - 1
    assert event.data["seconds"] > LATE_SECONDS / 2
    (sentence,) = [s for s in run.info.diagnostics if "keeps the others waiting" in s]
    assert sentence.startswith(f"rank {ranks - 1} ")


def test_r16_a_weight_that_drifts_by_1e_7_is_named(misfortune):
    ranks, _, folder, _ = misfortune
    run = read_run(folder)
    (event,) = run.events_of("desync")
    assert (event.step, event.data["ranks"]) == (DRIFTS_AT + 1, [ranks - 1])
    assert "2.weight" in event.data["parameters"][0]
    (sentence,) = [s for s in run.info.diagnostics if " differ from rank 0's" in s]
    assert f"from step {DRIFTS_AT + 1} on" in sentence
    assert f"the same until step {DRIFTS_AT}" in sentence


class History:
    """A run that is interrupted and goes on from earlier steps, at random: its logs, and what is right."""

    def __init__(self, seed, folder):
        self.random = random.Random(seed)
        self.folder = folder
        self.oracle = {"loss/train": {}, "lr/0": {}, "grad_norm/global": {}}
        self.replaced_from = []
        self.n_attempts = self.random.randint(2, 5)
        reached, clock = 0, 1.7e9
        for attempt in range(self.n_attempts):
            begin = 0 if attempt == 0 else self.random.randint(0, reached)
            n_steps = self.random.randint(1, 30)
            self._attempt(attempt, begin, n_steps, clock)
            reached = begin + n_steps
            clock += self.random.choice([-1e6, -10.0, 0.0, 5.0, 1e7])  # the clock may be set back or forth
            if attempt:
                self.replaced_from.append(begin)
            self.reached = reached

    def _attempt(self, attempt, begin, n_steps, clock):
        world, lr = self.random.randint(1, 3), self.random.choice([0.1, 0.01, 0.3])
        says_where = self.random.random() < 0.7
        steps = np.arange(begin, begin + n_steps)
        ranks = list(range(world))
        self.random.shuffle(ranks)
        losses = {rank: np.array([self.random.gauss(0, 1) for _ in steps]) for rank in ranks}
        norms = np.array([self.random.random() for _ in steps])
        for rank in ranks:
            path = self.folder / f"rank{rank:05d}.attempt{attempt:02d}.h.{attempt * 10 + rank}{SUFFIX}"
            head = {"run_id": "20260102-030405-abcd", "pid": 2**22 + 1, "host": "elsewhere", "boot": "b"}
            writer = LogWriter(
                path, {**head, "started": clock, "rank": rank, "world_size": world, "attempt": attempt}
            )
            facts = {"name": "n", **({"first_steps": [begin]} if says_where else {})}
            writer.append_json(Kind.META, facts)
            columns = {"loss/train": losses[rank], "lr/0": np.full(n_steps, lr), "grad_norm/global": norms}
            writer.append(Kind.ROWS, encode_rows(steps, columns))
            if says_where and attempt:  # it evaluated before its first step, which it could only call step 0
                writer.append(Kind.ROWS, encode_rows(np.array([0]), {"loss/validation": np.array([9.0])}))
            os.utime(path, (1, 1))
            writer.close({"exit_code": 0}) if self.random.random() < 0.5 else writer.flush()
        mean = np.mean(list(losses.values()), axis=0)
        for name, values in (("loss/train", mean), ("lr/0", columns["lr/0"]), ("grad_norm/global", norms)):
            seen = {step: value for step, value in self.oracle[name].items() if step < begin}
            self.oracle[name] = seen | dict(zip(steps.tolist(), values.tolist(), strict=True))


def test_r18_resumed_runs_are_merged_as_an_oracle_says(tmp_path):
    for seed in range(size(50, 1000)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        history = History(seed, folder)
        run = read_run(folder)
        for name, expected in history.oracle.items():
            series = run.series[name]
            assert series.steps.tolist() == sorted(expected), (seed, name)
            assert series.values.tolist() == pytest.approx([expected[s] for s in sorted(expected)]), (
                seed,
                name,
            )
        said = [s for s in run.info.diagnostics if "(a restart) replaces" in s]
        assert [int(s.rsplit("step ")[1].split()[0]) for s in said] == history.replaced_from, seed
        validation = run.series.get("loss/validation")
        assert validation is None or all(step in history.oracle["lr/0"] for step in validation.steps)


RESUMING = """
import sys, torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
begin = int(sys.argv[1])
nets = [nn.Linear(4, 2), nn.Linear(4, 2)]
optimizers = [torch.optim.Adam(nets[0].parameters(), 0.01), torch.optim.SGD(nets[1].parameters(), 0.1)]
if begin:
    for made, state in zip([*nets, *optimizers], torch.load("saved.pt"), strict=True):
        made.load_state_dict(state)
for step in range(begin, begin + 5):
    for net, optimizer in zip(nets, optimizers, strict=True):
        optimizer.zero_grad()
        net(torch.ones(3, 4) * step).square().mean().backward()
        optimizer.step()
torch.save([made.state_dict() for made in [*nets, *optimizers]], "saved.pt")
"""


def test_r18_a_restart_counts_on_where_the_optimizer_tells_its_steps(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(RESUMING)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDOCTOR")}
    # what torchrun sets; both are children of this process, which stands for its agent
    elastic = {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "1", "OMP_NUM_THREADS": "1"}
    for attempt, begin in enumerate((0, 5)):
        environ = {**kept, **elastic, "TORCHELASTIC_RESTART_COUNT": str(attempt)}
        command = [sys.executable, "-m", "traindoctor", "run", "--out", "runs", "--", script, str(begin)]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    run = read_run(folder)
    assert run.series["loss/train"].steps.tolist() == list(range(10))
    assert run.series["optimizer1/loss/train"].steps.tolist() == list(range(5))
    (unknown,) = [s for s in run.info.diagnostics if "keeps no count of its steps" in s]
    assert "SGD" in unknown
