"""What a user may point at: a path, a glob, standard input or an address, and the files it means."""

from __future__ import annotations

import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from traindoctor.errors import MissingDependencyError, RunNotFoundError, TraindoctorError, UnreadableLogError

MAX_REMOTE = 1 << 36
"""Bytes fetched from an address (64 GiB)."""


def is_elsewhere(reference: str) -> bool:
    """Whether a reference is standard input, an address or a glob: none of them can be the id of a run."""
    return (
        reference == "-" or "://" in reference or (glob.has_magic(reference) and not Path(reference).exists())
    )


@contextmanager
def local_places(reference: str) -> Iterator[list[tuple[Path, str]]]:
    """The files and folders of this machine that a reference means, with the names to show."""
    if reference == "-":
        with tempfile.TemporaryDirectory(prefix="traindoctor-") as scratch:
            path = Path(scratch) / "stdin"
            with path.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            yield [(path, "<standard input>")]
        return
    if "://" in reference:
        with tempfile.TemporaryDirectory(prefix="traindoctor-") as scratch:
            yield [(_fetched(reference, Path(scratch)), reference)]
        return
    path = Path(reference)
    if "\0" in reference:
        raise RunNotFoundError("expected a path, found a text with a NUL character")
    if not path.exists() and glob.has_magic(reference):
        matches = sorted(glob.glob(reference, recursive=True))
        if not matches:
            raise RunNotFoundError(f"expected files, found none that match {reference}")
        yield [(Path(match), match) for match in matches]
        return
    yield [(path, reference)]


def _fetched(address: str, scratch: Path) -> Path:
    """A copy of what lies at an address: a file, or a folder with what is below it."""
    try:
        import fsspec
    except ImportError:
        raise MissingDependencyError(
            f"reading {address} needs fsspec (and its driver for the kind of store); "
            "install it with: pip install 'traindoctor[remote]'"
        ) from None
    try:
        system, path = fsspec.core.url_to_fs(address)
        inside = system.find(path) if system.isdir(path) else [path]
        if sum(int(system.size(file) or 0) for file in inside) > MAX_REMOTE:
            raise UnreadableLogError(f"{address} holds more than 64 GiB; name the log itself")
        for file in inside:
            below = file[len(path) :].lstrip("/") if file != path else Path(path).name
            target = (scratch / below).resolve()
            if not target.is_relative_to(scratch.resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            system.get_file(file, str(target))
        return scratch if inside != [path] else scratch / Path(path).name
    except TraindoctorError:
        raise
    except FileNotFoundError:
        raise RunNotFoundError(f"expected a log, found nothing at {address}") from None
    except Exception as error:  # drivers raise their own trees of errors
        raise UnreadableLogError(f"cannot fetch {address}: {type(error).__name__}: {error}") from None
