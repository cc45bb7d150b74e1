"""The frameworks' objects against small stand-ins of the frameworks: what they start, log and end."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.recordings import batches, fingerprint, mlp, recording, values
from traindoctor import integrations
from traindoctor.collectors import recorder as process
from traindoctor.collectors.importers.native import read_run
from traindoctor.collectors.integrations.composer import ComposerHooks
from traindoctor.collectors.integrations.fastai import FastaiHooks
from traindoctor.collectors.integrations.foreign_steps import foreign_steps
from traindoctor.collectors.integrations.lightning import LightningHooks
from traindoctor.collectors.integrations.public import OBJECTS
from traindoctor.collectors.integrations.session import Session
from traindoctor.errors import MissingDependencyError


@pytest.fixture(autouse=True)
def nothing_left_over():
    yield
    process.stop({"status": "finished"})


def only_run(folder):
    (run,) = folder.iterdir()
    return read_run(run)


def train(net, optimizer, n=3):
    for x, y in batches(n):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()


class ForeignSgd:
    """An optimizer that is none of torch's, as fastai's are."""

    def __init__(self, parameters, lr):
        self.param_groups = [{"params": list(parameters), "lr": lr, "mom": 0.9}]

    def step(self):
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p -= group["lr"] * p.grad

    def zero_grad(self):
        for p in self.param_groups[0]["params"]:
            p.grad = None


class Learner:
    """The order of fastai's events within one batch, and a step that may be cancelled."""

    def __init__(self, model, opt, hooks):
        self.model, self.opt, self.hooks = model, opt, hooks
        hooks.learn = self

    def fit(self, data, cancelled=()):
        self.hooks.before_fit()
        for number, (x, y) in enumerate(data):
            nn.functional.cross_entropy(self.model(x), y).backward()
            self.hooks.before_step()
            if number not in cancelled:
                self.opt.step()
                self.hooks.after_step()
            self.opt.zero_grad()
        self.hooks.after_fit()


def test_fastai_steps_of_a_foreign_optimizer_are_recorded(tmp_path):
    torch.manual_seed(0)
    net = mlp()
    opt = ForeignSgd(net.parameters(), 0.5)
    norms = []
    step = opt.step
    opt.step = lambda: (
        norms.append(torch.cat([p.grad.flatten() for p in net.parameters()]).norm().item()), step()
    )  # fmt: skip
    Learner(net, opt, FastaiHooks(out=tmp_path)).fit(batches(6), cancelled=(2,))
    run = only_run(tmp_path)
    assert run.n_steps == 5
    assert values(run, "lr/0") == [0.5] * 5
    assert values(run, "grad_norm/global") == pytest.approx(norms, rel=1e-6)
    updates = run.parameter("update_norm")["0.weight"].values
    gradients = run.parameter("grad_norm")["0.weight"].values
    assert updates[:2].tolist() == pytest.approx((0.5 * gradients[:2]).tolist(), rel=1e-4)
    assert run.info.optimizers[0].name == "ForeignSgd"
    assert run.info.status == "finished"


def test_fastai_weights_are_the_same_with_and_without(tmp_path):
    found = []
    for hooks in (
        SimpleNamespace(
            **{e: lambda: None for e in ("before_fit", "before_step", "after_step", "after_fit")}
        ),
        FastaiHooks(out=tmp_path),
    ):
        torch.manual_seed(0)
        net = mlp()
        Learner(net, ForeignSgd(net.parameters(), 0.5), hooks).fit(batches(4))
        found.append(fingerprint(net.state_dict()))
    assert found[0] == found[1]


def test_what_is_no_optimizer_costs_a_line_and_no_more(tmp_path, capsys):
    assert foreign_steps(SimpleNamespaceWithWeakref()) is None
    assert "steps are not recorded" in capsys.readouterr().err


class SimpleNamespaceWithWeakref:
    param_groups = ()


def test_composer_records_from_fit_start_to_fit_end(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    state = SimpleNamespace(
        model=net, optimizers=[optimizer], eval_metric_values={"Accuracy": torch.tensor(0.25)}
    )
    hooks = ComposerHooks(out=tmp_path)
    hooks.fit_start(state, None)
    train(net, optimizer)
    hooks.eval_end(state, None)
    hooks.fit_end(state, None)
    run = only_run(tmp_path)
    assert (run.n_steps, values(run, "Accuracy"), run.info.status) == (3, [0.25], "finished")


def lightning_trainer(rank=0):
    return SimpleNamespace(
        global_rank=rank, optimizers=[], sanity_checking=False, callback_metrics={"acc": torch.tensor(0.5)}
    )


def test_lightning_failure_is_the_status(tmp_path):
    net, hooks, trainer = mlp(), LightningHooks(out=tmp_path), lightning_trainer()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    hooks.on_fit_start(trainer, net)
    train(net, optimizer)
    hooks.on_validation_epoch_end(trainer, net)
    hooks.on_exception(trainer, net, ValueError("a bug"))
    run = only_run(tmp_path)
    assert (run.n_steps, values(run, "acc"), run.info.status) == (3, [0.5], "failed")


def test_other_ranks_are_left_out_where_they_could_not_agree_on_a_run(tmp_path, monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    hooks = LightningHooks(out=tmp_path)
    hooks.on_fit_start(lightning_trainer(rank=1), mlp())
    assert process.active() is None
    assert hooks.session.run is None


def test_under_the_wrapper_there_is_one_recording_and_the_wrapper_ends_it(tmp_path):
    net = mlp()
    with recording(tmp_path) as recorder:
        recorder.is_launched = True
        session = Session(out=tmp_path / "other")
        session.begin(net, torch.optim.SGD(net.parameters(), 0.1))
        session.end()
        assert process.active() is recorder
    assert not (tmp_path / "other").exists()


def test_a_wrong_option_never_reaches_the_training(capsys):
    session = Session(budget=7.0)
    session.begin(mlp())
    session.log({"loss": 1.0})
    session.end()
    assert "not recorded: budget" in capsys.readouterr().err


def test_metrics_that_are_no_numbers_are_left_out(tmp_path):
    net = mlp()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    session = Session(out=tmp_path)
    session.begin(net, optimizer)
    train(net, optimizer)
    session.log({"a": 1, "b": "text", "c": [1, 2], "": 2.0, "d": None, "e": torch.ones(3), "f": True})
    session.end()
    assert {name for name in only_run(tmp_path).series if len(name) == 1} == {"a"}


def test_a_copy_has_the_options_and_not_the_recording(tmp_path):
    session = Session(name="mine", out=tmp_path)
    session.begin(mlp())
    copied = copy.deepcopy(session)
    assert copied.run is None
    assert copied.__dict__["_options"] == session.__dict__["_options"]


def test_names_are_listed_and_unknown_ones_refused():
    assert dir(integrations) == sorted(OBJECTS)
    with pytest.raises(AttributeError, match="has no attribute 'KerasCallback'"):
        _ = integrations.KerasCallback


def test_a_missing_framework_is_named(monkeypatch):
    monkeypatch.setitem(OBJECTS, "Missing", ("lightning", "LightningHooks", "no_such_framework", "Callback"))
    with pytest.raises(MissingDependencyError, match="Missing needs no_such_framework"):
        _ = integrations.Missing
