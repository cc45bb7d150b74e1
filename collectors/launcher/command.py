"""`traindoctor run -- COMMAND`: prepares the run's folder and environment, then becomes the command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from traindoctor.errors import UsageError

from ..environment import describe_command, describe_git
from ..run_names import runs_root
from .handover import Handover
from .identity import shared_run_id

INJECTED = Path(__file__).with_name("injected")
"""The folder whose sitecustomize.py every Python process of the command runs at start-up."""

_ISOLATING = "IES"
_WITH_ARGUMENT = "cmWXQ"


@dataclass(frozen=True)
class LaunchOptions:
    """Options of `traindoctor run`.

    Attributes:
        out: folder that receives the run's folder; None = `runs_root()`.
        every: steps between two samples of the parameter statistics; None = the governor decides.
        name: what the user calls the run.
        budget: share of the run's time that statistics and norms may take, e.g. 0.02; None = the default.
    """

    out: Path | None = None
    every: int | None = None
    name: str = ""
    budget: float | None = None


def exec_command(argv: Sequence[str], options: LaunchOptions | None = None) -> NoReturn:
    """Become `argv`, recorded. On success nothing after this call runs; the exit code is the command's own.

    Args:
        argv: `train.py ARGS`, `-m package.module ARGS`, `-c CODE`, `python train.py`, `./script`,
            `torchrun …`. A script, and anything that begins with an interpreter option, is run by this
            very Python.
        options: see `LaunchOptions`.

    Raises:
        UsageError: there is no command, an option is out of range, or the folder cannot be made.
        SystemExit: the program does not exist (127) or may not be executed (126), as in a shell.
    """
    command, environ, folder = made_ready(argv, options or LaunchOptions())
    try:
        _become(command, environ)
    except OSError as error:
        not_started(command[0], folder, error)


def made_ready(argv: Sequence[str], options: LaunchOptions) -> tuple[list[str], dict[str, str], Path]:
    """Words and environment of a recorded command, and the run's folder; says what the user has to know.

    Raises:
        UsageError: there is no command, an option is out of range, or the folder cannot be made.
    """
    command = full_command(argv)
    handover = prepare(argv, options)
    if sys.stderr.isatty():
        print(f"traindoctor: recording to {handover.run_folder}", file=sys.stderr)
    if is_isolated(command):
        print(
            f"traindoctor: {' '.join(command[:2])} ignores PYTHONPATH, so nothing will be recorded; "
            "use `with traindoctor.watch(model, optimizer):` in the script instead",
            file=sys.stderr,
        )
    sys.stdout.flush()
    sys.stderr.flush()
    return command, child_environment(handover, os.environ), handover.run_folder


def not_started(program: str, folder: Path, error: OSError) -> NoReturn:
    """Take the run's folder away, say why the program does not run, and leave as a shell would.

    Raises:
        SystemExit: always; 127 where the program does not exist, else 126.
    """
    with suppress(OSError):  # another rank may have recorded there
        folder.rmdir()
    is_missing = isinstance(error, FileNotFoundError)
    why = "command not found" if is_missing else f"cannot execute ({error.strerror})"
    print(f"traindoctor: {why}: {program}", file=sys.stderr)
    raise SystemExit(127 if is_missing else 126) from None


def prepare(argv: Sequence[str], options: LaunchOptions) -> Handover:
    """Choose the run's id and make its folder; every rank that torchrun starts gets the same one.

    Raises:
        UsageError: an option is out of range, or the folder cannot be made.
    """
    if options.every is not None and options.every < 1:
        raise UsageError(f"--every: expected a number of steps of at least 1, found {options.every}")
    if options.budget is not None and not 0 < options.budget <= 1:
        found = f"{100 * options.budget:.3f} %"
        raise UsageError(f"--budget: expected a share above 0 % and up to 100 %, found {found}")
    root = (options.out or runs_root()).absolute()
    run_id = shared_run_id(os.environ, root)
    folder = root / run_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {folder} for the run: {error.strerror}; choose another one with --out"
        ) from error
    here = Path.cwd()
    config = {
        "command": describe_command(list(argv)),
        "folder": here.name,
        "git": describe_git(here, ask_git=True),
    }
    return Handover(run_id, folder, options.name, options.every, options.budget, config)


def full_command(argv: Sequence[str]) -> list[str]:
    """The words of the program to start; a script is run by this very Python.

    Raises:
        UsageError: there is no command.
    """
    if not argv:
        raise UsageError("expected a command after `--`, found none; try: traindoctor run -- train.py")
    first = argv[0]
    is_python_code = first.startswith("-") or first.endswith((".py", ".pyw", ".pyc"))
    return [sys.executable, *argv] if is_python_code else list(argv)


def is_isolated(command: Sequence[str]) -> bool:
    """Whether the command is a Python told to ignore PYTHONPATH or site (`-I`, `-E`, `-S`)."""
    if not os.path.basename(command[0]).startswith(("python", "pypy")):
        return False
    for word in command[1:]:
        if not word.startswith("-") or word.startswith("--") or word == "-":
            return False
        for position, letter in enumerate(word[1:], start=1):
            if letter in _ISOLATING:
                return True
            if letter in _WITH_ARGUMENT:
                if letter in "cm" or position == len(word) - 1:
                    return False
                break
    return False


def child_environment(handover: Handover, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a recorded command: `environ`, the handover, and the injected folder first."""
    kept = dict(environ)
    if "TRAINDOCTOR_HANDOVER" in environ:  # a launcher inside a recorded command: its options are not ours
        for name in ("TRAINDOCTOR_NAME", "TRAINDOCTOR_EVERY", "TRAINDOCTOR_BUDGET"):
            kept.pop(name, None)
    others = [p for p in environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != str(INJECTED)]
    return {**kept, **handover.variables(), "PYTHONPATH": os.pathsep.join([str(INJECTED), *others])}


def _become(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    if os.name == "nt":
        # Windows has no exec: the parent would return to the shell at once. A child keeps the exit code.
        raise SystemExit(subprocess.run(command, env=dict(environ), check=False).returncode)
    os.execvpe(command[0], list(command), dict(environ))
