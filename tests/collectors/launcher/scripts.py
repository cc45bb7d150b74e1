"""Runs small scripts plainly and through the launcher, with a stand-in for torch and for the recorder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

LAUNCH = """
import sys
from pathlib import Path
from traindoctor.collectors.launcher.command import LaunchOptions, exec_command
exec_command(sys.argv[2:], LaunchOptions(out=Path(sys.argv[1])))
"""

FAKE_RECORDER = """
import os, sys, types
def install_from_environment():
    with open(os.environ["INSTALLED"], "a") as file:
        file.write(os.environ["TRAINDOCTOR_RUN_ID"] + "\\n")
fake = types.ModuleType("traindoctor.collectors.recorder")
fake.install_from_environment = install_from_environment
sys.modules[fake.__name__] = fake
"""


@dataclass(frozen=True)
class Outcome:
    returncode: int
    stdout: str
    stderr: str


class Workplace:
    """Scripts, a fake torch beside them, and a sitecustomize.py of the user's that fakes the recorder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.runs = folder / "runs"
        self.installed = folder / "installed.txt"
        self.site = folder / "site"
        for made in (self.folder, self.site, self.folder / "torch"):
            made.mkdir()
        (self.folder / "torch" / "__init__.py").write_text("__version__ = '0'\n")
        (self.site / "sitecustomize.py").write_text(FAKE_RECORDER)

    def script(self, code: str, name: str = "train.py") -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))
        return name

    def plain(self, *argv: str, **variables: str) -> Outcome:
        return self._outcome(self._start([sys.executable, *argv], variables))

    def recorded(self, *argv: str, **variables: str) -> Outcome:
        return self._outcome(self._start(self._launcher(*argv), variables))

    def both(self, *argv: str, **variables: str) -> tuple[Outcome, Outcome]:
        """The outcomes recorded and plain, at the same time."""
        recorded = self._start(self._launcher(*argv), variables)
        plain = self._start([sys.executable, *argv], variables)
        return self._outcome(recorded), self._outcome(plain)

    def _launcher(self, *argv: str) -> list[str]:
        return [sys.executable, "-c", LAUNCH, str(self.runs), *argv]

    def installs(self) -> list[str]:
        """Run ids with which the recorder was started, one per process."""
        return self.installed.read_text().split() if self.installed.exists() else []

    def _start(self, command: list[str], variables: dict[str, str]) -> subprocess.Popen[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TRAINDOCTOR_")}
        environ |= {"PYTHONPATH": str(self.site), "INSTALLED": str(self.installed), **variables}
        return subprocess.Popen(
            command, cwd=self.folder, env=environ, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    @staticmethod
    def _outcome(process: subprocess.Popen[str]) -> Outcome:
        stdout, stderr = process.communicate(timeout=120)
        # Two runs of one script print different addresses of the same objects.
        return Outcome(process.returncode, stdout, re.sub(r"0x[0-9a-f]+", "0x", stderr))
