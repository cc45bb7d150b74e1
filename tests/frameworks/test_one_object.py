"""Each framework's own object records a short training, with the real package."""

from __future__ import annotations

import importlib.util
import pickle
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


@pytest.fixture(scope="module", params=sorted(CASES))
def trained(request, tmp_path_factory, unwatched) -> tuple[str, Path, Path]:
    """An example's name, and the folders where it ran plain and with the object."""
    example = request.param
    package, name, changes = CASES[example]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed (make frameworks)")
    watched = tmp_path_factory.mktemp(f"{example}-object")
    original = EXAMPLES / "frameworks" / f"{example}.py"
    script = watched / original.name
    script.write_text(original.read_text())
    edit(script, "import torch\n", f"import torch\n{IMPORT.format(name)}")
    for old, new in changes:
        edit(script, old, new)
    done = plain(script, cwd=watched)
    assert done.returncode == 0, done.stderr
    assert "traindoctor" not in done.stderr
    return example, unwatched(example), watched


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
