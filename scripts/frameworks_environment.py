"""Makes `.venv-EXTRA`: an extra of pyproject.toml (frameworks, nightly) beside what `.venv` has, torch too.

torch is several gigabytes, so the second environment sees the packages of the first instead of having copies.
What pip would have to replace for a framework (another torch) is refused, with pip's own words for it.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRA = sys.argv[1] if len(sys.argv) > 1 else "frameworks"
FIRST, SECOND = ROOT / ".venv", ROOT / f".venv-{EXTRA}"
FIXED = ("torch", "torchvision", "numpy")


def site_packages(environment: Path) -> Path:
    """Where an environment of this Python keeps its packages."""
    here = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return environment / "lib" / here / "site-packages"


def fixed_versions() -> list[str]:
    """`name==version` of the packages that stay those of the first environment."""
    found: list[str] = []
    for name in FIXED:
        try:
            found.append(f"{name}=={version(name).split('+')[0]}")
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Make the environment; run with the Python of the first one."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    venv.create(SECOND, with_pip=True, clear=True)
    shared = f"import site; site.addsitedir({str(site_packages(FIRST))!r})\n"
    (site_packages(SECOND) / "shared.pth").write_text(shared)
    constraints = SECOND / "constraints.txt"
    constraints.write_text("\n".join(fixed_versions()) + "\n")
    pip = [str(SECOND / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "--constraint", str(constraints), *extras[EXTRA]], check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
