"""Writing a report in one go: a reader never sees half of it."""

from __future__ import annotations

import os
from pathlib import Path

from traindoctor.errors import RenderError


def write_file(path: Path, content: bytes) -> None:
    """Replace the file; folders that are missing are made.

    Raises:
        RenderError: the place cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():  # /dev/stdout, a pipe
            path.write_bytes(content)
            return
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise RenderError(f"could not write the report to {path}: {why}; choose another place") from error
