"""Stop `make setup` early, with a sentence, where this Python cannot make the environment."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is what tells users of an older Python
    sys.exit(
        f"traindoctor needs Python 3.11 or newer, found {sys.version.split()[0]} at {sys.executable}; "
        "choose another one with: make setup PYTHON=/path/to/python3.12"
    )
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    sys.exit(
        f"{sys.executable} has no venv module; on Debian and Ubuntu: apt-get install "
        f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    )
