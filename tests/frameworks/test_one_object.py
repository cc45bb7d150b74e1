"""Each framework's own object records a short training, with the real package."""

from __future__ import annotations

import importlib.util
import pickle
from concurrent.futures import Future
from pathlib import Path

import pytest
import torch

from tests.acceptance.examples import EXAMPLES, edit, plain, recorded
from traindoctor import integrations

# example -> package, import line that the object's line follows, what is edited in: (old, new) pairs
IMPORT = "from traindoctor.integrations import {0}\n"
CASES = {
    "lightning_trainer": (
        "lightning", "LightningCallback",
        [('[LearningRateMonitor("step")]', '[LearningRateMonitor("step"), LightningCallback(out="runs")]')],
    ),
    "fabric_loop": (
        "lightning", "FabricCallback",
        [('devices=1)', 'devices=1, callbacks=[FabricCallback(out="runs")])'),
         ('    with open("log.json"', '    fabric.call("on_fit_end")\n    with open("log.json"')],
    ),
    "hf_trainer": (
        "transformers", "TransformersCallback",
        [("    trainer.train()",
          '    trainer.add_callback(TransformersCallback(out="runs"))\n    trainer.train()')],
    ),
    "accelerate_loop": (
        "accelerate", "AccelerateTracker",
        [("gradient_accumulation_steps=2)",
          'gradient_accumulation_steps=2, log_with=AccelerateTracker(out="runs"))\n'
          '    accelerator.init_trackers("x")'),
         ('    with open("log.json"',
          '    accelerator.log({"my": 0.5})\n    accelerator.end_training()\n    with open("log.json"')],
    ),
    "ignite_engine": (
        "ignite", "IgniteHandler",
        [("    trainer.run(", '    IgniteHandler(model, optimizer, out="runs").attach(trainer, evaluator)\n'
                              "    trainer.run(")],
    ),
    "skorch_net": (
        "skorch", "SkorchCallback",
        [("callbacks=[schedule]", 'callbacks=[schedule, SkorchCallback(out="runs")]')],
    ),
    "fastai_learner": (
        "fastai", "FastaiCallback",
        [("loss_func=nn.functional.cross_entropy)",
          'loss_func=nn.functional.cross_entropy, cbs=FastaiCallback(out="runs"))')],
    ),
}  # fmt: skip
LOGGED = {
    "lightning_trainer": {"val_loss"},
    "hf_trainer": {"eval_loss"},
    "accelerate_loop": {"my"},
    "ignite_engine": {"loss", "accuracy"},
    "skorch_net": {"valid_loss", "valid_acc"},
}


def run_with_object(example: str, folder: Path) -> Path:
    """Run the example with the object's lines in it."""
    _, name, changes = CASES[example]
    script = folder / f"{example}.py"
    script.write_text((EXAMPLES / "frameworks" / script.name).read_text())
    edit(script, "import torch\n", f"import torch\n{IMPORT.format(name)}")
    for old, new in changes:
        edit(script, old, new)
    done = plain(script, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "traindoctor" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def watched(workers, unwatched, tmp_path_factory) -> dict[str, Future[Path]]:
    """Every example that can run, with the object: the future of its folder."""
    started: dict[str, Future[Path]] = {}
    for example, (package, _, _) in CASES.items():
        if importlib.util.find_spec(package) is not None:
            unwatched(example)
            folder = tmp_path_factory.mktemp(f"{example}-object")
            started[example] = workers.submit(run_with_object, example, folder)
    return started


@pytest.fixture(scope="module", params=CASES)
def trained(request, watched, unwatched) -> tuple[str, Path, Path]:
    """An example's name, and the folders where it ran plain and with the object."""
    example = request.param
    if example not in watched:
        pytest.skip(f"{CASES[example][0]} is not installed (make frameworks)")
    return example, unwatched(example).result(), watched[example].result()


def test_the_run_is_recorded_and_ends_with_the_training(trained):
    example, _, watched = trained
    run = recorded(watched)
    assert run.n_steps == 30
    assert run.info.status == "finished"
    assert {"loss/train", "lr/0", "grad_norm/global", "loss/validation"} <= set(run.series)
    assert len(run.series["loss/train"]) == 30
    assert LOGGED.get(example, set()) <= set(run.series)
    assert run.series["loss/validation"].steps[-3:].tolist() == [9, 19, 29]
    for name in LOGGED.get(example, set()) & {"val_loss", "eval_loss", "loss", "valid_loss"}:
        ours = run.series["loss/validation"].values[-3:].tolist()
        assert run.series[name].values[-3:].tolist() == pytest.approx(ours, rel=1e-5)


def test_the_weights_are_the_same_to_the_last_bit(trained):
    _, alone, watched = trained
    before, after = (torch.load(folder / "weights.pt") for folder in (alone, watched))
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.filterwarnings("ignore")  # fastai calls what torch calls deprecated
@pytest.mark.parametrize("name", sorted({name for _, name, _ in CASES.values()}))
def test_an_object_can_be_pickled(name):
    package = next(package for package, other, _ in CASES.values() if other == name)
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (make frameworks)")
    made = getattr(integrations, name)(name="mine")
    copied = pickle.loads(pickle.dumps(made))
    assert type(copied) is type(made)
