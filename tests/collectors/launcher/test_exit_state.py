"""What is known about the end of a process when atexit callbacks run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from traindoctor.collectors.launcher import exit_state

# Other Pythons have nothing installed: the file is loaded by itself.
CODE = f"""
import atexit, json, os, signal, sys, threading, types
exit_state = types.ModuleType("exit_state")
exec(compile(open({exit_state.__file__!r}).read(), "exit_state", "exec"), vars(exit_state))
exit_state.install()
exit_state.install()
atexit.register(lambda: print(json.dumps(exit_state.end_facts())))
"""
THREAD = "t = threading.Thread(target=lambda: sys.exit(9)); t.start(); t.join()"
ENDINGS = [
    ("pass", None, ""),
    ("sys.exit()", 0, ""),
    ("sys.exit(3)", 3, ""),
    ("sys.exit(256 + 7)", 7, ""),
    ("sys.exit(-1)", 255, ""),
    ("sys.exit(True)", 1, ""),
    ("sys.exit('message')", 1, ""),
    ("1 / 0", 1, "ZeroDivisionError"),
    ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
    (THREAD, None, ""),
]
RAISED = [
    ("raise SystemExit(5)", 5, ""),
    ("raise SystemExit", 0, ""),
    ("raise SystemExit('message')", 1, ""),
    ("exit(4)", 4, ""),
    ("def main(): raise SystemExit(6)\nmain()", 6, ""),
    ("try: sys.exit(9)\nexcept SystemExit: pass", None, ""),
    ("class Own(SystemExit): pass\nraise Own(7)", 7, ""),
]


def check(python, ending, code, exception):
    done = subprocess.run([python, "-c", CODE + ending], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    facts = json.loads(done.stdout)
    assert facts == {"exit_code": code, "exception": exception}
    if exception != "KeyboardInterrupt":
        assert done.returncode == (code or 0)


@pytest.mark.parametrize(("ending", "code", "exception"), ENDINGS)
def test_end_facts(ending, code, exception):
    check(sys.executable, ending, code, exception)


@pytest.fixture(scope="module", params=["this", "python3.12", "python3.13", "python3.14"])
def watching_python(request):
    """A Python that tells which exceptions leave a frame."""
    python = sys.executable if request.param == "this" else shutil.which(request.param)
    tell = [python or "", "-c", "import sys; print(sys.version_info >= (3, 12))"]
    if not python or "True" not in subprocess.run(tell, capture_output=True, text=True, check=False).stdout:
        pytest.skip(f"{request.param}: no Python 3.12 or later here")
    return python


def test_raised_exits_are_known_too(watching_python):
    for ending, code, exception in [*ENDINGS, *RAISED]:
        check(watching_python, ending, code, exception)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 and later tell the code")
def test_python_311_does_not_tell_the_code_of_a_raised_exit():
    done = subprocess.run(
        [sys.executable, "-c", CODE + "raise SystemExit(5)"], capture_output=True, text=True
    )
    assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (5, None)


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
