"""What is known about the end of a process when atexit callbacks run."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CODE = """
import atexit, json, os, signal, sys, threading
from traindoctor.collectors.launcher import exit_state
exit_state.install()
exit_state.install()
atexit.register(lambda: print(json.dumps(exit_state.end_facts())))
"""


@pytest.mark.parametrize(
    ("ending", "code", "exception"),
    [
        ("pass", None, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit(256 + 7)", 7, ""),
        ("sys.exit(-1)", 255, ""),
        ("sys.exit(True)", 1, ""),
        ("sys.exit('message')", 1, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("t = threading.Thread(target=lambda: sys.exit(9)); t.start(); t.join()", None, ""),
    ],
)
def test_end_facts(ending, code, exception):
    done = subprocess.run([sys.executable, "-c", CODE + ending], capture_output=True, text=True, check=False)
    facts = json.loads(done.stdout)
    assert facts == {"exit_code": code, "exception": exception}
    if exception != "KeyboardInterrupt":
        assert done.returncode == (code or 0)


def test_sys_exit_keeps_its_errors():
    calls = """
for args, kwargs in ((1, 2), {}), ((), {"status": 1}):
    try: sys.exit(*args, **kwargs)
    except TypeError as error: print(error)
"""
    plain = subprocess.run(
        [sys.executable, "-c", "import sys" + calls], capture_output=True, text=True, check=True
    )
    ours = subprocess.run([sys.executable, "-c", CODE + calls], capture_output=True, text=True, check=True)
    assert ours.stdout.splitlines()[:-1] == plain.stdout.splitlines()
