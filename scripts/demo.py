"""`make demo`: train the digits example twice, wrapped and unmodified, and write both reports."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"healthy": ["--lr", "0.002"], "lr-too-high": ["--lr", "0.6"]}


def traindoctor(*arguments: str | Path) -> str:
    """Call the command as a user would and return its stdout; "" where it could not do it and said why."""
    command = [str(Path(sys.executable).parent / "traindoctor"), *map(str, arguments)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode not in (0, 3):
        sys.exit(done.returncode)
    return done.stdout if done.returncode == 0 else ""


def main() -> None:
    """Record, diagnose and render each setting, then print verdicts and paths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs and their reports")
    out = parser.parse_args().out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    lines: list[str] = []
    for name, arguments in SETTINGS.items():
        print(
            f"== examples/digits_cnn.py {' '.join(arguments)}  (unmodified, under traindoctor run)",
            flush=True,
        )
        runs = out / name
        print(
            traindoctor("run", "--out", runs, "--name", name, "--", "examples/digits_cnn.py", *arguments),
            end="",
        )
        (run,) = (path for path in runs.iterdir() if path.is_dir())
        verdict = json.loads(traindoctor("report", run, "--format", "json", "-o", "-"))["verdict"]
        lines.append(f"\n{name}: {verdict['state']}\n  {verdict['sentence']}")
        for kind in ("html", "pdf"):
            report = out / f"{name}.{kind}"
            written = traindoctor("report", run, "--format", kind, "-o", report)
            lines.append(f"  {kind.upper():4}  {report if written else 'not written, see the message above'}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
