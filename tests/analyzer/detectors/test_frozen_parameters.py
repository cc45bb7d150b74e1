"""frozen-parameters: each kind, its severity, its remedy in torch; deliberate freezing is only listed."""

from dataclasses import replace

import pytest
import torch

from tests import runs, weights
from traindoctor.analyzer.detectors.frozen_parameters import FrozenParameters
from traindoctor.analyzer.engine import diagnose
from traindoctor.detector import NotAssessable
from traindoctor.finding import Severity
from traindoctor.run import Run

N = 1000
BODY = ("fc1.weight", "fc2.weight")


def found(run):
    return list(FrozenParameters().check(run))


def out_of_optimizer(run, *names):
    return weights.with_infos(run, lambda info: replace(info, group="") if info.name in names else info)


def switched_off(run, *names):
    return weights.with_infos(run, lambda i: replace(i, trainable=False) if i.name in names else i)


def unmoved(run, *names, gradient=0.3):
    keys = {name.replace(".", "_", 1): 0.0 for name in names}
    run = weights.changed(weights.changed(run, "update_norm", **keys), "update_ratio", **keys)
    return weights.changed(run, "grad_norm", **dict.fromkeys(keys, gradient))


def everything(run):
    return tuple(info.name for info in run.info.parameters)


def test_optimizer_on_a_copy_of_the_model_is_critical_and_comes_first():
    run = weights.with_loss(runs.healthy_run(N), weights.flat(N))
    run = unmoved(run, *everything(run))
    run = out_of_optimizer(run, *everything(run))
    (finding,) = found(run)
    assert finding.severity is Severity.CRITICAL
    assert finding.evidence["share of elements"] == 1.0
    assert diagnose(run).findings[0].code == "TD207"


def test_remedy_for_absent_parameters_hands_them_to_the_optimizer():
    run = weights.untrained(runs.healthy_run(N), *BODY)
    (finding,) = found(out_of_optimizer(run, *BODY))
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
    exec(finding.remedy.code, {"model": model, "optimizer": optimizer})
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


def test_untrained_body_left_out_of_the_optimizer_is_critical_even_if_the_head_learns():
    run = out_of_optimizer(weights.untrained(runs.healthy_run(N), *BODY), *BODY)
    assert [f.severity for f in found(run)] == [Severity.CRITICAL]


def test_trained_body_left_out_of_the_optimizer_is_only_listed():
    run = out_of_optimizer(unmoved(runs.healthy_run(N), *BODY), *BODY)
    (finding,) = found(run)
    assert finding.severity is Severity.INFO
    assert set(finding.parameters) == set(BODY)


def test_layers_frozen_with_their_random_numbers_are_a_warning_and_ranked_first():
    run = switched_off(weights.untrained(runs.healthy_run(N), *BODY), *BODY)
    (finding,) = found(run)
    assert finding.severity is Severity.WARNING
    assert "random numbers" in finding.message
    assert diagnose(run).findings[0].code == "TD207"


def test_the_same_without_any_skill_is_critical():
    run = switched_off(weights.untrained(runs.healthy_run(N), *BODY), *BODY)
    assert [f.severity for f in found(weights.with_loss(run, weights.flat(N)))] == [Severity.CRITICAL]


def test_frozen_pretrained_layers_are_only_listed():
    (finding,) = found(switched_off(runs.healthy_run(N), *BODY))
    assert finding.severity is Severity.INFO


def test_remedy_for_switched_off_parameters_survives_hostile_names():
    hostile = "body']; raise SystemExit #\n.weight"
    run = switched_off(runs.healthy_run(N), "fc1.weight")
    run = weights.with_infos(run, lambda i: replace(i, name=hostile) if i.name == "fc1.weight" else i)
    (finding,) = found(run)
    model = torch.nn.Linear(2, 2).requires_grad_(False)
    exec(finding.remedy.code, {"model": model})
    assert not model.weight.requires_grad
    assert repr(hostile) in finding.remedy.code


def test_weights_with_gradient_that_never_move_are_critical():
    (finding,) = found(unmoved(runs.healthy_run(N), *BODY))
    assert finding.severity is Severity.CRITICAL
    assert "never changed" in finding.message


def test_a_bias_that_never_moves_is_a_note():
    assert [f.severity for f in found(unmoved(runs.healthy_run(N), "fc1.bias"))] == [Severity.INFO]


def test_updates_below_the_resolution_of_float32_are_left_to_the_learning_rate():
    assert found(unmoved(runs.healthy_run(N), *BODY, gradient=1e-8)) == []


def test_half_precision_weights_that_swallow_updates_are_reported():
    run = weights.with_infos(
        unmoved(runs.healthy_run(N), *BODY, gradient=1e-8), lambda i: replace(i, dtype="bfloat16")
    )
    assert [f.code for f in found(run)] == ["TD207"]


@pytest.mark.parametrize(("losses", "severity"), [("flat", Severity.CRITICAL), ("fine", Severity.INFO)])
def test_parameters_without_any_gradient(losses, severity):
    run = unmoved(runs.healthy_run(N), *BODY)
    grads = {name: s for name, s in run.parameter("grad_norm").items() if name not in BODY}
    run = replace(run, parameters={**run.parameters, "grad_norm": grads})
    run = weights.with_loss(run, weights.flat(N)) if losses == "flat" else run
    assert [f.severity for f in found(run)] == [severity]


def test_parameters_of_dead_layers_are_not_frozen():
    assert found(unmoved(runs.healthy_run(N), *BODY, gradient=0.0)) == []


def test_a_log_without_groups_is_not_taken_for_an_empty_optimizer():
    run = runs.healthy_run(N)
    assert found(out_of_optimizer(run, *everything(run))) == []


def test_a_log_without_any_parameters_cannot_be_judged():
    with pytest.raises(NotAssessable, match="not recorded"):
        found(Run("r", "r", {"lr/0": runs.healthy_run(N).series["lr/0"]}))


def unmeasured(run, *names):
    """The run as recorded when the optimizer does not hold these parameters: known, but without numbers."""
    tables = {q: {n: s for n, s in table.items() if n not in names} for q, table in run.parameters.items()}
    return out_of_optimizer(replace(run, parameters=tables), *names)


def test_a_model_the_optimizer_holds_nothing_of_is_critical_without_any_statistics():
    run = runs.healthy_run(N)
    assert [f.severity for f in found(unmeasured(run, *everything(run)))] == [Severity.CRITICAL]


def test_optimizer_parameters_that_never_get_a_gradient_are_critical_when_they_are_all():
    run = unmoved(runs.healthy_run(N), *everything(runs.healthy_run(N)))
    (finding,) = found(replace(run, parameters={**run.parameters, "grad_norm": {}}))
    assert finding.severity is Severity.CRITICAL
    assert "never received a gradient" in finding.message


@pytest.mark.parametrize(("losses", "severity"), [("flat", Severity.CRITICAL), ("fine", Severity.INFO)])
def test_unmeasured_layers_outside_the_optimizer_are_judged_by_the_outcome(losses, severity):
    run = unmeasured(runs.healthy_run(N), *BODY)
    run = weights.with_loss(run, weights.flat(N)) if losses == "flat" else run
    assert [f.severity for f in found(run)] == [severity]
