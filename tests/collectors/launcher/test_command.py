"""What the launcher runs, where it records to, and what it refuses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from traindoctor.collectors.launcher import command
from traindoctor.collectors.launcher.command import INJECTED, LaunchOptions, exec_command, prepare
from traindoctor.collectors.launcher.handover import Handover, read_handover
from traindoctor.errors import UsageError


class Became(Exception):
    """Raised where the process would have become the command."""


@pytest.fixture
def became(monkeypatch, tmp_path):
    def execvpe(file, argv, environ):
        raise Became(file, argv, environ)

    monkeypatch.setattr(os, "execvpe", execvpe)
    monkeypatch.chdir(tmp_path)

    def run(*argv: str, options: LaunchOptions | None = None) -> tuple[str, list[str], dict[str, str]]:
        with pytest.raises(Became) as caught:
            exec_command(argv, options)
        return caught.value.args

    return run


@pytest.mark.parametrize(
    "argv", [("train.py", "--lr", "1"), ("-m", "a.b"), ("-c", "pass"), ("-u", "train.py"), ("x.pyw",), ("-",)]
)
def test_python_code_is_run_by_this_python(became, argv):
    file, full, _ = became(*argv)
    assert file == sys.executable
    assert full == [sys.executable, *argv]


@pytest.mark.parametrize(
    "argv", [("python", "train.py"), ("./script", "a"), ("torchrun", "train.py"), ("py",)]
)
def test_any_other_program_is_run_as_it_is(became, argv):
    file, full, _ = became(*argv)
    assert (file, full) == (argv[0], list(argv))


def test_the_injected_folder_comes_first_and_once(became, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/a", str(INJECTED), "", "/b"]))
    _, _, environ = became("train.py")
    assert environ["PYTHONPATH"].split(os.pathsep) == [str(INJECTED), "/a", "/b"]
    assert (INJECTED / "sitecustomize.py").is_file()


def test_the_handover_arrives_as_it_was_decided(became, tmp_path):
    options = LaunchOptions(tmp_path / "out", 5, "a name\nwith = signs", 0.01)
    _, _, environ = became("train.py", "--token", "hunter2", options=options)
    given = read_handover(environ)
    assert given is not None
    assert given.run_folder == tmp_path / "out" / given.run_id
    assert given.run_folder.is_dir()
    assert (given.name, given.every, given.budget) == ("a name\nwith = signs", 5, 0.01)
    assert given.config["command"] == ["train.py", "--token", "[redacted]"]
    assert given.config["folder"] == tmp_path.name


def test_options_of_an_outer_launcher_do_not_leak_into_an_inner_one(became, monkeypatch):
    monkeypatch.setenv("TRAINDOCTOR_HANDOVER", "1")
    for name in ("NAME", "EVERY", "BUDGET"):
        monkeypatch.setenv(f"TRAINDOCTOR_{name}", "7")
    _, _, environ = became("train.py")
    given = read_handover(environ)
    assert given is not None
    assert (given.name, given.every, given.budget) == ("", None, None)


def test_settings_of_the_users_environment_stay(became, monkeypatch):
    monkeypatch.delenv("TRAINDOCTOR_HANDOVER", raising=False)
    monkeypatch.setenv("TRAINDOCTOR_EVERY", "7")
    _, _, environ = became("train.py")
    given = read_handover(environ)
    assert given is not None
    assert given.every == 7


def test_the_default_root_follows_the_environment(became, monkeypatch, tmp_path):
    monkeypatch.setenv("TRAINDOCTOR_OUT", str(tmp_path / "elsewhere"))
    _, _, environ = became("train.py")
    assert Path(environ["TRAINDOCTOR_RUN_DIR"]).parent == tmp_path / "elsewhere"


def test_two_runs_never_share_a_folder(tmp_path):
    made = {prepare(["train.py"], LaunchOptions(tmp_path)).run_id for _ in range(20)}
    assert len(made) == 20


def test_nothing_to_run_is_a_usage_error():
    with pytest.raises(UsageError, match="expected a command"):
        exec_command([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LaunchOptions(every=0), "--every: expected .* at least 1, found 0"),
        (LaunchOptions(budget=0.0), "--budget: expected"),
        (LaunchOptions(budget=1.5), r"--budget: .* found 150\.000 %"),
        (LaunchOptions(budget=float("nan")), "--budget: expected"),
        (LaunchOptions(out=Path("/proc/nowhere")), "cannot make the folder .* choose another one with --out"),
    ],
)
def test_impossible_options_are_refused_before_anything_starts(options, message):
    with pytest.raises(UsageError, match=message):
        exec_command(["train.py"], options)


def test_programs_that_do_not_exist_or_may_not_run_answer_as_in_a_shell(place):
    place.script("not executable\n", "plain.txt")
    missing, forbidden = place.recorded("no-such-program"), place.recorded("./plain.txt")
    assert (missing.returncode, missing.stderr) == (127, "traindoctor: command not found: no-such-program\n")
    assert forbidden.returncode == 126
    assert forbidden.stderr == "traindoctor: cannot execute (Permission denied): ./plain.txt\n"
    assert list(place.runs.iterdir()) == []


@pytest.mark.parametrize("flag", ["-I", "-E", "-S", "-uI", "-BS"])
def test_an_isolated_python_is_told_that_nothing_is_recorded(became, capsys, flag):
    became(flag, "train.py")
    assert "nothing will be recorded; use `with traindoctor.watch" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [("-X", "importtime", "t.py"), ("-WIgnore", "t.py"), ("-c", "-I"), ("t.py", "-I")]
)
def test_other_flags_are_not_taken_for_isolation(became, capsys, argv):
    became(*argv)
    assert capsys.readouterr().err == ""


def test_scripts_with_a_shebang_and_programs_on_the_path_are_recorded(place):
    script = place.folder / "tool"
    script.write_text(f"#!{sys.executable}\nimport torch\nprint('tool')\n")
    script.chmod(0o755)
    path = os.pathsep.join([str(place.folder), os.environ["PATH"]])
    recorded, plain = place.recorded("./tool", PATH=path), place.recorded("tool", PATH=path)
    assert (recorded.stdout, plain.stdout) == ("tool\n", "tool\n")
    assert len(place.installs()) == 2


def test_windows_passes_the_exit_code_of_a_child_through(monkeypatch):
    monkeypatch.setattr(command.os, "name", "nt")
    with pytest.raises(SystemExit) as caught:
        command._become([sys.executable, "-c", "raise SystemExit(9)"], os.environ)
    assert caught.value.code == 9


@pytest.mark.parametrize(
    "change",
    [
        {"TRAINDOCTOR_HANDOVER": "2"},
        {"TRAINDOCTOR_EVERY": "x"},
        {"TRAINDOCTOR_CONFIG": "{"},
        {"TRAINDOCTOR_RUN_ID": ""},
    ],
)
def test_a_handover_that_makes_no_sense_is_no_handover(change, tmp_path):
    variables = Handover("id", tmp_path).variables()
    assert read_handover(variables) == Handover("id", tmp_path)
    assert read_handover(variables | change) is None
