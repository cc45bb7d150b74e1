"""A recorded script behaves to the byte as a plain one: output, traceback, exit code, what it can see."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.collectors.launcher.scripts import LAUNCH

ENDINGS = {
    "end of file": "print('done')",
    "sys.exit(3)": "sys.exit(3)",
    "sys.exit(message)": "sys.exit('no such data')",
    "sys.exit() in a handler": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    sys.exit(7)",
    "sys.exit(2, 3)": "sys.exit(2, 3)",
    "raise SystemExit": "raise SystemExit(4)",
    "os._exit(5)": "print('x', flush=True); os._exit(5)",
    "uncaught": "def inner():\n    raise ValueError('é')\ninner()",
    "chained": "try:\n    {}['k']\nexcept KeyError as e:\n    raise RuntimeError('outer') from e",
    "traceback of SystemExit": "try:\n    sys.exit(3)\nexcept SystemExit:\n    traceback.print_exc()",
    "SIGINT": "os.kill(os.getpid(), signal.SIGINT)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "abort": "os.abort()",
    "error at exit": "import atexit\natexit.register(lambda: 1 / 0)",
    "thread": "import threading\nt = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
    "warning": "import warnings\nwarnings.warn('careful')",
    "no such module": "import nothing_of_that_name",
    "stdin": "print(sys.stdin.read())",
}


ALSO_WITHOUT_TORCH = ("end of file", "sys.exit(3)", "uncaught", "SIGINT", "SIGKILL")
CASES = [(ending, "import torch\n") for ending in ENDINGS] + [(ending, "") for ending in ALSO_WITHOUT_TORCH]


@pytest.mark.parametrize(("ending", "first"), CASES)
def test_every_ending_is_the_scripts_own(place, ending, first):
    place.script(f"{first}import os, signal, sys, traceback\nprint('begin', flush=True)\n{ENDINGS[ending]}\n")
    recorded, plain = place.both("train.py")
    assert recorded == plain
    assert len(place.installs()) == (1 if first else 0)


@pytest.mark.parametrize(
    "code",
    ["def broken(:\n    pass\n", "x = 1\n\0\n", "# -*- coding: nonsense -*-\n"],
    ids=["syntax", "NUL", "coding"],
)
def test_a_script_that_does_not_compile(place, code):
    place.script(code)
    outcome, plain = place.both("train.py")
    assert outcome == plain
    assert outcome.returncode == 1


def test_a_missing_script(place):
    outcome, plain = place.both("nowhere/train.py", "--lr", "1")
    assert outcome == plain
    assert outcome.returncode == 2


@pytest.mark.parametrize("code", ["import nothing_here", "raise ImportError('no CUDA')", "1 / 0", "def x(:"])
def test_an_error_inside_torch_shows_no_frame_of_ours(place, code):
    place.script(code, "torch/__init__.py")
    place.script("import torch\n")
    outcome, plain = place.both("train.py")
    assert outcome == plain
    assert outcome.returncode == 1
    assert place.installs() == []


def test_torch_can_be_imported_after_a_failed_attempt(place):
    place.script("import os\nif 'BROKEN' in os.environ: raise ImportError('not yet')\n", "torch/__init__.py")
    place.script(
        """
        import os
        os.environ["BROKEN"] = "1"
        try:
            import torch
        except ImportError:
            del os.environ["BROKEN"]
        import torch
        """
    )
    assert place.recorded("train.py").returncode == 0
    assert len(place.installs()) == 1


LOOK_AROUND = """
import inspect, json, os, sys
{}
torch = sys.modules.get("torch")
print(json.dumps({{
    "path": sys.path, "argv": sys.argv, "orig_argv": sys.orig_argv[1:], "depth": len(inspect.stack()),
    "main": sorted(globals()), "file": __file__, "loader": type(__loader__).__name__, "package": __package__,
    "modules": sorted(sys.modules), "flags": repr(sys.flags), "executable": sys.executable,
    "finders": [getattr(f, "__name__", type(f).__name__) for f in sys.meta_path], "cwd": os.getcwd(),
    "site": sys.modules["sitecustomize"].__file__, "exit": [sys.exit.__name__, sys.exit.__doc__],
    "excepthook": sys.excepthook is sys.__excepthook__,
    "spec": torch and [type(torch.__spec__).__name__, type(torch.__loader__).__name__],
}}))
"""


@pytest.mark.parametrize("first", ["", "import torch"], ids=["no torch", "torch"])
@pytest.mark.parametrize(
    "argv", [("train.py", "--lr", "0.1"), ("-m", "package.train", "x"), ("-u", "train.py")]
)
def test_the_script_sees_what_it_sees_without_us(place, argv, first):
    code = LOOK_AROUND.format(first)
    place.script(code)
    place.script(code, "package/train.py")
    recorded, plain = (json.loads(outcome.stdout) for outcome in place.both(*argv))
    new_modules = set(recorded.pop("modules")) - set(plain.pop("modules"))
    foreign = {
        name for name in new_modules if name.split(".")[0] not in (*sys.stdlib_module_names, "traindoctor")
    }
    assert foreign == set()
    assert bool(new_modules) == bool(first)
    waiting = [] if first else ["_TorchFinder"]
    assert recorded.pop("finders") == waiting + plain.pop("finders")
    assert recorded == plain


# The launcher is a Python process, too, and runs the user's sitecustomize before it becomes the script.
ONLY_IN_THE_SCRIPT = "import sys\nif sys.orig_argv[1] == 'train.py':\n"


def test_the_users_own_sitecustomize_still_runs_and_is_the_one_seen(place):
    place.script(f"{ONLY_IN_THE_SCRIPT}    print('mine')\n", "../site/sitecustomize.py")
    place.script("import sitecustomize\nprint(sitecustomize.__file__)\n")
    outcome, plain = place.both("train.py")
    assert outcome == plain
    assert outcome.stdout.startswith("mine\n")


def test_without_a_sitecustomize_of_the_users_nothing_is_said(place):
    (place.site / "sitecustomize.py").unlink()
    place.script("print(1)\n")
    recorded, plain = place.both("train.py")
    assert recorded == plain


def test_a_broken_sitecustomize_of_the_users_fails_as_without_us(place):
    place.script(f"{ONLY_IN_THE_SCRIPT}    1 / 0\n", "../site/sitecustomize.py")
    place.script("print(1)\n")
    outcome, plain = place.both("train.py")
    assert outcome == plain
    assert "Error in sitecustomize" in outcome.stderr


def test_folders_with_our_names_beside_the_script_do_no_harm(place):
    for name in ("analyzer.py", "collectors/__init__.py", "report_templates.py", "secrets.py", "launcher.py"):
        place.script("raise AssertionError('this file is the script\\'s own')\n", name)
    place.script("import torch\nprint('ok')\n")
    recorded, plain = place.both("train.py")
    assert recorded == plain
    assert len(place.installs()) == 1


def test_classes_of_main_pickle_as_usual(place):
    place.script(
        """
        import torch, pickle
        class Config: pass
        print(pickle.dumps(Config()))
        """
    )
    recorded, plain = place.both("train.py")
    assert recorded == plain


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_child_processes_work(place, method):
    place.script(
        f"""
        import multiprocessing, sys
        import torch
        def work(x):
            import torch
            return x * 2, len(sys.path)
        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(1) as pool:
                print(pool.map(work, [1, 2]))
        """
    )
    recorded, plain = place.both("train.py")
    assert recorded == plain
    assert len(set(place.installs())) == 1


def test_a_subprocess_belongs_to_the_same_run(place):
    place.script("import torch\n", "worker.py")
    place.script("import subprocess, sys, torch\nsubprocess.run([sys.executable, 'worker.py'], check=True)\n")
    assert place.recorded("train.py").returncode == 0
    first, second = place.installs()
    assert first == second


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
def test_on_a_terminal_one_line_says_where(place):
    place.script("print('hello')\n")
    master, slave = os.openpty()
    command = [sys.executable, "-c", LAUNCH, str(place.runs), "train.py"]
    done = subprocess.run(command, cwd=place.folder, stdout=subprocess.PIPE, stderr=slave, check=True)
    os.close(slave)
    said = os.read(master, 4096).decode()
    os.close(master)
    assert done.stdout == b"hello\n"
    assert said.startswith("traindoctor: recording to ")
    assert said.count("\n") == 1
