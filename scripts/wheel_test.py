"""Build the wheel and use it in a clean environment, beside modules that carry the names of our folders."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DECOY = "raise RuntimeError('a module of the user was imported in place of traindoctor')\n"


def call(*command: str | Path, cwd: Path, **more: str) -> str:
    """Run a command, pass its stderr through, and return its stdout; stop the script when it fails."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TRAINDOCTOR"))}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=environment | more, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"exit code {done.returncode} from: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def main() -> None:
    """Build, install without torch, analyse; add torch, record, analyse."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        source = work / "source"
        tracked = call("git", "ls-files", "-z", cwd=ROOT).split("\0")
        for name in filter(None, tracked):
            if (ROOT / name).exists():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
        call(sys.executable, "-m", "build", "--outdir", work / "dist", cwd=source)
        (wheel,) = (work / "dist").glob("*.whl")

        user = work / "user"
        (user / "collectors").mkdir(parents=True)
        for decoy in ("analyzer.py", "report_templates.py", "collectors/__init__.py"):
            (user / decoy).write_text(DECOY)
        shutil.copy(ROOT / "examples" / "digits_cnn.py", user / "train.py")

        call(sys.executable, "-m", "venv", work / "venv", cwd=work)
        python, command = work / "venv/bin/python", work / "venv/bin/traindoctor"
        call(python, "-m", "pip", "install", "--quiet", wheel, cwd=work)
        bare = (
            "import sys, traindoctor; assert 'torch' not in sys.modules; print(len(traindoctor.detectors()))"
        )
        print("detectors in the base install:", call(python, "-c", bare, cwd=user).strip())

        call(python, "-m", "pip", "install", "--quiet", f"{wheel}[torch]", cwd=work)
        call(command, "run", "--", "train.py", "--epochs", "4", cwd=user)
        report = json.loads(call(command, "report", "--format", "json", "-o", "-", cwd=user))
        assert report["format"] == 1, report
        assert report["run"]["steps"] == 4 * 45, report["run"]
        call(command, "report", "--format", "html", "-o", "report.html", cwd=user)
        assert (user / "report.html").stat().st_size > 10_000
        print("wheel: recorded", report["run"]["steps"], "steps; verdict:", report["verdict"]["sentence"])


if __name__ == "__main__":
    main()
