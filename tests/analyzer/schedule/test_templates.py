"""Every schedule that can be prescribed: torch makes from its code what was planned."""

import numpy as np
import pytest

from traindoctor.analyzer.schedule.shapes import lr_values
from traindoctor.analyzer.schedule.templates import TEMPLATES, Place, warmup_steps
from traindoctor.collectors.replay import replay_lr


@pytest.mark.parametrize("shape", TEMPLATES)
@pytest.mark.parametrize(("horizon", "optimizer"), [(100, "SGD"), (997, "AdamW"), (20_000, "Adam")])
def test_replay_is_exact_and_keeps_the_ratios_of_the_groups(shape, horizon, optimizer):
    made = TEMPLATES[shape](Place([0.3, 0.003], horizon, warmup_steps(horizon), "step", "steps of the run"))
    wanted = lr_values(made.family, made.parameters, np.arange(horizon))
    found = replay_lr(made.code, optimizer, [0.1, 0.7], horizon)
    assert np.max(np.abs(found[:, 0] - wanted)) / wanted.max() <= 1e-12
    assert np.max(np.abs(found[:, 1] - 0.01 * wanted)) / (0.01 * wanted.max()) <= 1e-12
    assert wanted.max() == pytest.approx(0.3, rel=1e-3)  # the top of one cycle lies between two steps
    assert wanted[-1] < 0.03 * 0.3


@pytest.mark.parametrize("shape", TEMPLATES)
def test_code_says_what_to_remove_and_when_to_step(shape):
    code = TEMPLATES[shape](Place([0.3], 1000, 50, "step", "steps of the run")).code
    assert "# remove your present scheduler (StepLR)" in code
    assert "once per optimizer step, not per epoch" in code
    assert "T = 1000  # steps of the run" in code
    compile(code, "<code>", "exec")


@pytest.mark.parametrize(("horizon", "warmup"), [(20, 5), (100, 10), (1000, 50), (10**6, 2000)])
def test_warmup_is_5_percent_within_bounds(horizon, warmup):
    assert warmup_steps(horizon) == warmup
