"""A lock between processes that the kernel takes away from a process that dies."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import UsageError


class KernelLock:
    """Exclusive lock on a file of its own, in the form that Optuna's journal asks for.

    Optuna's own locks are files that a killed worker leaves behind, for which all others wait 30 s. This one
    is gone with its process. On taking it, a last line of the journal that a killed worker left torn is cut
    off, since the next line would be glued to it and nobody could read the journal again.

    Raises:
        UsageError: the lock file cannot be made, or the system has no such locks.
    """

    def __init__(self, path: Path, journal: Path | None = None) -> None:
        self._path = path
        self._journal = journal
        self._fd = -1

    def acquire(self) -> bool:
        """Wait for the lock; True."""
        try:
            import fcntl
        except ImportError:
            raise UsageError("several workers need file locks of a Unix system, found none") from None
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UsageError(f"cannot make {self._path}: {error.strerror}; choose another folder") from None
        fcntl.flock(fd, fcntl.LOCK_EX)
        self._fd = fd
        if self._journal is not None:
            cut_torn_line(self._journal)
        return True

    def release(self) -> None:
        """Give it back."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold it for a block."""
        self.acquire()
        try:
            yield
        finally:
            self.release()


def cut_torn_line(path: Path) -> None:
    """Cut off what follows the last line break of a file; nothing when there is no such file."""
    try:
        with path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            at = end
            while at > 0:
                start = max(0, at - 65536)
                file.seek(start)
                block = file.read(at - start)
                found = block.rfind(b"\n")
                if found >= 0:
                    at = start + found + 1
                    break
                at = start
            if at < end:
                file.truncate(at)
    except FileNotFoundError:
        return
