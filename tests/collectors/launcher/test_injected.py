"""The start-up file: idle without torch, cheap, and never the reason why a script fails."""

from __future__ import annotations

import subprocess
import sys

import pytest

from traindoctor.collectors.launcher.command import INJECTED
from traindoctor.collectors.launcher.handover import FORMAT

READ_MODULES = "import sys; print(sorted(sys.modules))"


def test_a_process_without_torch_loads_nothing_of_ours(place):
    place.script(READ_MODULES)
    (place.site / "sitecustomize.py").unlink()
    outcome = place.recorded("train.py")
    assert "traindoctor" not in outcome.stdout.replace("__editable___traindoctor", "")
    assert place.installs() == []
    assert list(place.runs.rglob("*.tdlog")) == []


def test_start_up_imports_no_module_that_python_has_not(place):
    (place.site / "sitecustomize.py").unlink()
    place.script(READ_MODULES)
    recorded, plain = place.both("train.py")
    assert set(eval(recorded.stdout)) - set(eval(plain.stdout)) == {"sitecustomize"}


def test_it_does_nothing_without_a_launcher(place):
    place.script("import torch, sys; print([f for f in sys.meta_path if 'Torch' in repr(f)])")
    outcome = place.plain("train.py", PYTHONPATH=f"{INJECTED}:{place.site}")
    assert outcome.stdout == "[]\n"
    assert place.installs() == []


def test_it_can_be_switched_off(place):
    place.script("import torch; print('ok')")
    assert place.recorded("train.py", TRAINDOCTOR_DISABLE="1").stdout == "ok\n"
    assert place.installs() == []


BREAKAGES = {
    "cannot import traindoctor": "sys.modules['traindoctor'] = None",
    "the recorder could not start": "fake.install_from_environment = lambda: 1 / 0",
    "and package (9) differ": "import traindoctor.collectors.launcher.handover as h; h.FORMAT = '9'",
}


@pytest.mark.parametrize("said", BREAKAGES)
def test_trouble_of_ours_is_one_line_and_the_script_goes_on(place, said):
    with (place.site / "sitecustomize.py").open("a") as site:
        site.write(f"if 'TRAINDOCTOR_RUN_ID' in os.environ:\n    {BREAKAGES[said]}\n")
    place.script("import torch; print('ok'); raise SystemExit(3)")
    outcome = place.recorded("train.py")
    assert (outcome.returncode, outcome.stdout) == (3, "ok\n")
    assert outcome.stderr.startswith("traindoctor: not recorded: ")
    assert said in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_it_speaks_the_format_of_the_launcher():
    code = f"import sys; sys.path[:0] = [{str(INJECTED)!r}]; import sitecustomize as s; print(s.HANDOVER)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{FORMAT}\n"
