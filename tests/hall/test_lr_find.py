"""The answers of a range test: sentences, JSON, drawings; and the commands that drive a script."""

import html
import json
import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import traindoctor
from tests.recordings import values
from traindoctor.collectors.driving.reports import DriverReport
from traindoctor.errors import UsageError
from traindoctor.lr_finding import answer, repeated, write_answer
from traindoctor.prescription import Prescription
from traindoctor.prescription_file import write_prescription
from traindoctor.run import Series


def report(**changes):
    factors = np.geomspace(1e-3, 1e3, 100)
    losses = 2.3 - 1.8 / (1 + (1 / factors) ** 2) + np.where(factors > 10, (factors / 50) ** 2, 0)
    measured = {
        "reason": "done",
        "steps": 100,
        "done": 100,
        "factors": factors.tolist(),
        "start": [2.2, 2.4],
        "losses": [[loss - 0.1, loss + 0.1] for loss in losses.tolist()],
        "no_probe": "",
        "n_samples": 128,
    }
    return DriverReport(base_lr=0.01, optimizer="SGD", range_test=measured | changes)


def test_a_suggestion_in_sentences():
    found = answer(report())
    assert found
    assert found.low < found.lr < found.high
    first, *rest = found.sentences()
    assert first.startswith(f"suggested LR {found.lr:.3g} 1/step")
    assert "SGD, its own LR 0.01 1/step; 100 steps from 1e-05 to 10; scored on 128 fixed samples" in rest[1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": "several-losses"}, "take turns"),
        ({"reason": "no-loss"}, "no call of backward"),
        (
            {"reason": "not-finite-at-start", "factors": [], "losses": [], "start": []},
            "not finite before the first",
        ),
        ({"reason": "script-ended", "done": 17}, "ended after 17 of 100 steps"),
        ({"reason": "diverged", "factors": [1e-3], "losses": [[9.0, 9.0]]}, "begin lower"),
        ({"losses": [[2.3, 2.3]] * 100, "start": [2.3, 2.3]}, "did not fall clearly"),
    ],
)
def test_no_number_without_a_reason_to_trust_it(changes, said):
    found = answer(report(**changes))
    assert not found
    assert said in found.refusal
    assert math.isnan(found.lr)
    assert found.sentences()[0] == f"no learning rate suggested: {found.refusal}"


def test_the_training_loss_is_less_certain():
    single = [[float(np.mean(row))] for row in report().range_test["losses"]]
    found = answer(report(no_probe="the model is compiled", start=[], losses=single))
    assert found.high / found.low > 100 * answer(report()).high / answer(report()).low / 100
    assert found.high / found.lr > 20
    assert "because the model is compiled" in found.notes[0]


@pytest.mark.parametrize("changes", [{}, {"losses": [[2.3, 2.3]] * 100}, {"losses": [[2.3, math.nan]] * 100}])
@pytest.mark.parametrize("suffix", ["json", "png", "svg", "html"])
def test_every_form_can_be_written(suffix, changes, tmp_path):
    found = answer(report(**changes))
    path = tmp_path / f"answer.{suffix}"
    write_answer(found, path)
    data = path.read_bytes()
    if suffix == "json":
        document = json.loads(data)
        assert document["lr"] == ("nan" if changes else pytest.approx(found.lr))
        assert len(document["lrs"]) == len(document["losses"])
    elif suffix == "png":
        assert data.startswith(b"\x89PNG")
    else:
        assert b"<svg" in data
        assert b"mathdefault" not in data
        assert b"http://" not in data.replace(b"http://www.w3.org", b"")


def test_repetitions_are_averaged_or_not_believed():
    once = answer(report())
    found = repeated(lambda number: replace(once, lr=once.lr * 4.0**number), 2)
    assert found.lr == pytest.approx(2 * once.lr)
    assert found.high == pytest.approx(2 * once.high)
    assert found.repeats == pytest.approx((once.lr, 4 * once.lr))
    apart = repeated(lambda number: replace(once, lr=once.lr * 20.0**number), 2)
    assert not apart
    assert "disagree by a factor of 20" in apart.refusal
    refused = answer(report(reason="no-loss"))
    assert repeated(lambda number: (once, refused)[number], 2) is refused


def test_a_form_that_is_unknown_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"\.json, \.png, \.svg, \.html, found x\.gif"):
        write_answer(answer(report()), tmp_path / "x.gif")


SCRIPT = """
import torch
torch.set_num_threads(1)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for step in range(4):
    optimizer.zero_grad()
    model(torch.ones(2, 4)).pow(2).mean().backward()
    optimizer.step()
print("own", optimizer.param_groups[0]["lr"])
raise SystemExit(3 if "--fail" in __import__("sys").argv else 0)
"""


def traindoctor_run(folder, *arguments):
    command = [sys.executable, "-m", "traindoctor", "run", "--out", "runs", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_script_is_trained_under_a_prescription(tmp_path):
    (tmp_path / "train.py").write_text(SCRIPT)
    plan = Series(np.arange(4), np.array([0.04, 0.03, 0.02, 0.01]))
    prescription = Prescription("change-both", peak_lr=0.04, lr=plan, horizon_steps=4)
    write_prescription(prescription, tmp_path / "prescription.json")
    done = traindoctor_run(
        tmp_path, "--schedule", "prescription.json", "--seed", "3", "--", "train.py", "--fail"
    )
    assert (done.returncode, done.stdout) == (3, "own 0.5\n"), done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    run = traindoctor.load(folder)
    assert values(run, "lr/0") == [0.04, 0.03, 0.02, 0.01]
    assert values(run, "script_lr/0") == [0.5] * 4


def test_a_script_that_cannot_be_driven_ends_with_a_code_of_its_own(tmp_path):
    (tmp_path / "train.py").write_text("import torch; print('trained by hand')")
    plan = Series(np.arange(2), np.array([0.04, 0.03]))
    write_prescription(
        Prescription("change-lr", peak_lr=0.04, lr=plan, horizon_steps=2), tmp_path / "prescription.json"
    )
    done = traindoctor_run(tmp_path, "--schedule", "prescription.json", "--", "train.py")
    assert (done.returncode, done.stdout) == (70, "trained by hand\n")
    assert "not as ordered: no step of a torch optimizer was seen" in done.stderr


def test_the_page_speaks_the_language(tmp_path):
    """Every sentence of an answer and of a refusal, the drawing's words too."""
    for name, found in (("yes", answer(report())), ("no", answer(report(reason="script-ended", done=17)))):
        path = tmp_path / f"{name}.html"
        write_answer(found, path, "zh")
        page = path.read_text(encoding="utf-8")
        assert '<html lang="zh-Hans">' in page
        told = [html.unescape(one) for one in re.findall(r"<(?:h1|strong|li)>([^<]+)</", page)]
        assert len(told) == 1 + len(found.sentences())
        drawn = [one for one in re.findall(r"<text[^>]*>([^<]+)</text>", page) if re.search("[a-z]{4}", one)]
        assert not drawn
        assert all(re.search(r"[\u4e00-\u9fff]", one) for one in told), told
