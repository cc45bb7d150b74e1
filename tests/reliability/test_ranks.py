"""R15: trainings spread over ranks by torchrun: merged norms are a single process's, and nothing is sent."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.reliability import ranks_script
from tests.reliability.ranks_script import STEPS, trained
from tests.reliability.sizes import size
from traindoctor.collectors.importers.native import read_run
from traindoctor.runlog import SUFFIX

SCRIPT = Path(ranks_script.__file__)
ROOT = SCRIPT.parents[2]
FLOAT32 = 1e-5
"""Sums over ranks are added in another order than one process adds them."""

LAUNCHES = size(
    [(2, ("ddp", "no_sync", "fsdp", "partly")), (4, ("fsdp", "hsdp"))],
    [(n, ("ddp", "no_sync", "fsdp", "partly", *["hsdp"][: n % 4 == 0])) for n in (2, 3, 4, 8)],
)
CASES = [(ranks, mode) for ranks, modes in LAUNCHES for mode in modes]


def torchrun(ranks, *command, **options):
    """Done process of a command on so many ranks; one that hangs fails."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRAINDOCTOR")}
    environ = {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    # Else the attempts share a store, and gloo's ranks call the addresses of the attempt before (torch 2.15).
    environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    launcher += options.pop("launcher", [])
    return subprocess.run(
        [*launcher, *map(str, command)], env=environ, capture_output=True, text=True, timeout=600, **options
    )


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """Called with a number of ranks: the folder with what its modes recorded."""

    @functools.cache
    def folder(ranks):
        made = tmp_path_factory.mktemp(f"ranks{ranks}")
        done = torchrun(ranks, SCRIPT, made, *dict(LAUNCHES)[ranks])
        assert done.returncode == 0, done.stderr
        return made

    return folder


def told(folder, ranks):
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(ranks)]


def run_of(folder, mode):
    (found,) = (folder / mode).iterdir()
    return found, read_run(found)


class Truth:
    """The same training in one process, without torch.distributed."""

    def __init__(self, mode):
        self.norms, self.clipped, self.gradients, self.weights = [], [], [], []
        self.updates = []
        self._before = [p.detach().clone() for p in ranks_script.model().parameters()]
        self.net, self.losses = trained(mode, 0, 1, self._look)

    def _look(self, net, norm):
        found = [p.detach().clone() for p in net.parameters()]
        self.norms.append(None if norm is None else norm.item())
        self.gradients.append([p.grad.norm().item() for p in net.parameters()])
        self.clipped.append(float(np.linalg.norm(self.gradients[-1])))
        self.weights.append([w.norm().item() for w in found])
        self.updates.append([(w - b).norm().item() for w, b in zip(found, self._before, strict=True)])
        self._before = found


@pytest.fixture(scope="module")
def truth():
    return functools.cache(Truth)


@pytest.mark.parametrize(("ranks", "mode"), CASES)
def test_r15_losses_rates_and_norms_are_those_of_one_process(launched, truth, ranks, mode):
    _, run = run_of(launched(ranks), mode)
    expected = truth(mode)
    losses = np.reshape(expected.losses, (STEPS, -1)).sum(axis=1)
    assert run.series["loss/train"].values == pytest.approx(losses, rel=FLOAT32)
    assert run.series["lr/0"].values == pytest.approx(0.01 * 0.9 ** np.arange(STEPS), rel=1e-12)
    assert run.series["grad_norm/global"].values == pytest.approx(expected.clipped, rel=FLOAT32)
    assert ("grad_norm/preclip" in run.series) == (mode != "partly")
    if mode != "partly":
        assert run.series["grad_norm/preclip"].values == pytest.approx(expected.norms, rel=FLOAT32)
    assert not [name for name in run.series if "part" in name or "whole" in name]


@pytest.mark.parametrize(("ranks", "mode"), CASES)
def test_r15_norms_of_each_parameter_are_those_of_one_process(launched, truth, ranks, mode):
    _, run = run_of(launched(ranks), mode)
    expected = truth(mode)
    names = [name for name, _ in expected.net.named_parameters()]
    assert [p.name.removeprefix("module.") for p in run.info.parameters] == names
    of_steps = {
        "weight_norm": expected.weights, "grad_norm": expected.gradients, "update_norm": expected.updates
    }  # fmt: skip
    for quantity, rows in of_steps.items():
        for index, parameter in enumerate(run.info.parameters):
            found = run.parameters[quantity][parameter.name]
            assert found.steps.tolist() == list(range(STEPS))
            # AdamW's update of a gradient near 0 amplifies its rounding
            relative = 1e-3 if quantity == "update_norm" else FLOAT32
            assert found.values == pytest.approx([row[index] for row in rows], rel=relative)
    largest = [run.parameters["weight_max"][p.name].values[-1] for p in run.info.parameters]
    assert largest == pytest.approx(
        [p.detach().abs().max().item() for p in expected.net.parameters()], rel=FLOAT32
    )


@pytest.mark.parametrize(("ranks", "mode"), CASES)
def test_r15_nothing_is_sent_and_nothing_changes(launched, ranks, mode):
    for found in told(launched(ranks), ranks):
        assert found[mode]["off"]["collectives"] > STEPS  # the counter counts
        assert found[mode]["on"] == found[mode]["off"]


@pytest.mark.parametrize(("ranks", "mode"), CASES)
def test_r15_each_rank_has_a_whole_log(launched, ranks, mode):
    folder, run = run_of(launched(ranks), mode)
    logs = sorted(folder.glob(f"*{SUFFIX}"))
    assert [log.name[:19] for log in logs] == [f"rank{rank:05d}.attempt00"[:19] for rank in range(ranks)]
    for rank, log in enumerate(logs):
        alone = read_run(log)
        mine = np.reshape(told(launched(ranks), ranks)[rank][mode]["on"]["losses"], (STEPS, -1)).sum(axis=1)
        assert alone.series["loss/train"].values == pytest.approx(mine, rel=1e-6)
        assert alone.info.status == "finished"
    assert run.info.status == "finished"
    assert next(s for s in run.info.diagnostics if "merged" in s).startswith(f"{ranks} of {ranks} ranks")
    assert not [s for s in run.info.diagnostics if "differ" in s or "left out" in s]


@pytest.mark.parametrize(("ranks", "modes"), LAUNCHES)
def test_r15_without_a_ranks_log_norms_of_parts_are_left_out_and_that_is_said(launched, ranks, modes):
    folder, _ = run_of(launched(ranks), "fsdp")
    lone = read_run(sorted(folder.glob(f"*{SUFFIX}"))[0])
    assert "loss/train" in lone.series
    assert "grad_norm/global" not in lone.series
    assert not any(lone.parameters.values())
    (sentence,) = [s for s in lone.info.diagnostics if "left out" in s]
    assert f"each rank holds a part of them, and 1 of {ranks} ranks' logs are there" in sentence


@pytest.mark.parametrize(("ranks", "modes"), LAUNCHES)
def test_r16_a_recording_on_rank_0_only_makes_nobody_wait(launched, ranks, modes):
    found = told(launched(ranks), ranks)
    for each in found:
        assert each["lone"]["on"] == each[modes[-1]]["off"]
    _, run = run_of(launched(ranks), "lone")
    assert run.n_steps == STEPS
    assert any(f"1 of {ranks} ranks" in s for s in run.info.diagnostics)
