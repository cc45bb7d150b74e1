"""`traindoctor run --report`: the report is there, and the script notices nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

pytest.importorskip("torch")

TRAIN = """
    import sys
    import torch
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(12):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 2)
        loss.backward()
        optimizer.step()
        print(step, repr(loss.item()))
    print("to stderr", file=sys.stderr)
    {ending}
"""


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


class Place:
    """A folder with a script, and ways to start it."""

    def __init__(self, folder):
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAINDOCTOR_")}
        self.environment = {**kept, "OMP_NUM_THREADS": "1"}

    def write(self, code, **fields):
        (self.folder / "train.py").write_text(textwrap.dedent(code).format(**fields))

    def start(self, *words, **changes):
        return subprocess.Popen(
            [sys.executable, *words], cwd=self.folder, env={**self.environment, **changes}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def recorded(self, formats, *command, **changes):
        words = ("-m", "traindoctor", "run", "--out", "runs", "--report", formats, "--", *command)
        return self.start(*words, **changes)

    def reports(self):
        return sorted(path.name for path in self.folder.glob("runs/*/report*"))


def test_the_report_is_written_and_the_output_is_the_scripts(place):
    place.write(TRAIN, ending="sys.exit(3)")
    plain = place.start("train.py")
    recorded = place.recorded("md,json", "train.py")
    (stdout, stderr), (told, said) = plain.communicate(timeout=120), recorded.communicate(timeout=120)
    assert (recorded.returncode, told) == (plain.returncode, stdout)
    assert plain.returncode == 3
    first, *ours = said.splitlines()
    assert first + "\n" == stderr
    assert all(line.startswith("traindoctor: report written to ") for line in ours), said
    assert place.reports() == ["report.json", "report.md"]
    (report,) = place.folder.glob("runs/*/report.md")
    assert "12 steps" in report.read_text()


HANDLES = """
    import signal, sys, time
    def end(number, frame):
        print("told", number, flush=True)
        {ending}
    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [("sys.exit(7)", 7), ("signal.signal(number, signal.SIG_DFL); signal.raise_signal(number)", -15)],
)
def test_a_signal_reaches_the_script_and_its_end_is_ours(place, ending, code):
    place.write(HANDLES, ending=ending)
    process = place.recorded("md", "train.py")
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert stdout == "told 15\n"
    assert process.returncode == code
    assert stderr.startswith("traindoctor: no report: "), "nothing was trained"


def test_an_unknown_format_is_told_before_the_script_starts(place):
    place.write("open('began', 'w')")
    process = place.recorded("docx", "train.py")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "expected html, pdf, md" in stderr
    assert not (place.folder / "began").exists()


def test_a_missing_command_is_127(place):
    process = place.recorded("md", "./nothing-here")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 127
    assert "command not found: ./nothing-here" in stderr
    assert not list(place.folder.glob("runs/*"))


def test_one_rank_writes(place):
    place.write("print('rank')")
    process = place.recorded("md", "train.py", RANK="1")
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (0, "rank\n", "")


def test_a_python_that_cannot_be_recorded_is_told(place):
    place.write("print('trained')")
    process = place.recorded("md", sys.executable, "-I", "train.py")
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, "trained\n")
    assert "-I ignores PYTHONPATH, so nothing will be recorded" in stderr
