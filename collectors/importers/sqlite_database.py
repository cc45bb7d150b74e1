"""A stranger's SQLite database, opened read-only, its work and its rows bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from traindoctor.errors import UnreadableLogError

from ..intake.source import Source

MAGIC = b"SQLite format 3\0"
MAX_ROWS = 8_000_000
_STEPS_PER_CALL = 100_000
_MAX_CALLS = 10_000
"""Together 10^9 steps of SQLite's machine; reading 8 million rows takes a tenth of them."""

_MAX_CELL = 1 << 24


class Database:
    """Plain tables of a database; views, triggers and functions of the file's schema are never run.

    Attributes:
        name: what to call it in messages.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self.name = name
        self._connection = connection
        self._tables = {
            str(found).lower()
            for (found,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }

    def has(self, *tables: str) -> bool:
        """Whether it has all these tables, as tables."""
        return self._tables.issuperset(tables)

    def columns(self, table: str) -> set[str]:
        """Names of a table's columns."""
        return {str(row[1]) for row in self._connection.execute(f'PRAGMA table_info("{table}")')}

    def rows(self, table: str, columns: Sequence[str], order: str = "") -> Iterator[tuple[Any, ...]]:
        """Rows of a table, at most 8 million; columns it lacks come as None.

        Args:
            table: a name we wrote, never one of the file's.
            columns: the same.
            order: columns to sort by, as SQL.
        """
        if table not in self._tables:
            return
        known = self.columns(table)
        wanted = ", ".join(f'"{name}"' if name in known else "NULL" for name in columns)
        tail = f" ORDER BY {order}" if order else ""
        yield from self._connection.execute(f'SELECT {wanted} FROM "{table}"{tail} LIMIT {MAX_ROWS}')


@contextmanager
def opened(path: Path, name: str) -> Generator[Database]:
    """The database at `path`.

    Raises:
        UnreadableLogError: it is no database, or damaged.
    """
    try:
        # Immutable: neither a journal nor a lock is made beside the stranger's file.
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True, cached_statements=0
        )
    except sqlite3.Error as error:
        raise UnreadableLogError(f"cannot open the SQLite database {name}: {error}") from None
    try:
        calls = iter(range(_MAX_CALLS))
        connection.set_progress_handler(lambda: next(calls, None) is None, _STEPS_PER_CALL)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        yield Database(connection, name)
    except (sqlite3.Error, OverflowError) as error:
        raise UnreadableLogError(f"the SQLite database {name} cannot be read: {error}") from None
    finally:
        connection.close()


def waits_in_journal(source: Source) -> bool:
    """Whether a write-ahead log beside the database holds rows that are not in it yet."""
    journal = source.path.with_name(source.path.name + "-wal")
    try:
        return journal.stat().st_size > 0
    except OSError:
        return False


def is_database(source: Source) -> bool:
    """Whether a file is an SQLite database that lies on disk as it is."""
    return source.head().startswith(MAGIC) and source.suffix not in (".gz", ".zst", ".bz2", ".xz")
