"""From what a user names, a file, folder, glob, address or standard input, to the runs in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from traindoctor.errors import SeveralRunsError, TraindoctorError, UnreadableLogError, UsageError
from traindoctor.run import Run
from traindoctor.runlog import MAGIC, SUFFIX

from ..intake.assembly import runs_of
from ..intake.folder import Folder
from ..intake.importer import FileImporter, FolderImporter, Importer
from ..intake.logbook import Logbook
from ..intake.source import COMPRESSION_SUFFIXES, Source
from .catalog import chosen, importer_of_file, importer_of_folder
from .content import unknown_content
from .native import read_run
from .places import local_places

MAX_RUNS = 10_000
FALSE_START = 2
"""A launch of at most this many rows beside one ten times as long was a false start."""

Progress = Callable[[str, int, int], None]
"""Called with the name of the file, the bytes read of it, and its size."""


@dataclass
class Imported:
    """What was found where the user pointed.

    Attributes:
        runs: in natural order of their files, then in file order.
        refused: a sentence for each log that could not be read.
        n_other: files that are no training logs.
    """

    runs: list[Run] = field(default_factory=list[Run])
    refused: list[str] = field(default_factory=list[str])
    n_other: int = 0


@dataclass(frozen=True)
class Reading:
    """How to read: what the user said on the command line.

    Attributes:
        importer: the importer to use for every file, None to find it by content.
        progress: told about the bytes read.
    """

    importer: Importer | None = None
    progress: Progress | None = None


def load_runs(
    reference: str | Path,
    *,
    importer: str = "",
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Every run at a place.

    Args:
        reference: a file, a folder, a glob, an address that fsspec knows (`s3://…`), or `-`: standard input.
        importer: slug of the importer to use; found by content when empty.
        columns: our short name (`loss`, `val_loss`, `step`, `lr`, …) -> column of a table.
        progress: told about the bytes read.

    Raises:
        RunNotFoundError: there is nothing.
        UnreadableLogError: nothing at the place is a training log; the message says what was found.
        UsageError: no such importer, or `columns` names a column that the table lacks.
    """
    reading = Reading(_importer(importer, columns), progress)
    with local_places(str(reference)) as places:
        found = Imported()
        for path, name in places:
            _read_place(path, name, reading, found, alone=len(places) == 1)
    if not found.runs:
        raise UnreadableLogError(_nothing(str(reference), found))
    return found


def load_run(
    reference: str | Path,
    number: int | None = None,
    *,
    importer: str = "",
    columns: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """One run: the only one at a place, or the one with that number.

    Args:
        reference: see `load_runs`.
        number: 1-based, as `traindoctor import` lists them.
        importer: see `load_runs`.
        columns: see `load_runs`.
        progress: see `load_runs`.

    Raises:
        SeveralRunsError: there are several and `number` is None.
        UsageError: there is no run of that number.
        RunNotFoundError, UnreadableLogError: see `load_runs`.
    """
    found = load_runs(reference, importer=importer, columns=columns, progress=progress)
    if number is None:
        run = _only_one_worth_reading(found.runs)
        if run is None:
            raise SeveralRunsError(_choose(str(reference), found.runs))
    elif 1 <= number <= len(found.runs):
        run = found.runs[number - 1]
    else:
        raise UsageError(f"expected a run from 1 to {len(found.runs)} in {reference}, found {number}")
    notes = (*run.info.diagnostics, *found.refused)
    return replace(run, info=replace(run.info, diagnostics=notes)) if found.refused else run


def _only_one_worth_reading(runs: list[Run]) -> Run | None:
    """The only run, or the only one that got beyond its first rows; None when there is a choice to make."""
    if len(runs) == 1:
        return runs[0]
    long = [run for run in runs if _length(run) > FALSE_START]
    if len(long) != 1 or _length(long[0]) < 10 * FALSE_START:
        return None
    others = len(runs) - 1
    note = f"{others} other launches ended within {FALSE_START} rows and are left out; --run N shows them"
    return replace(long[0], info=replace(long[0].info, diagnostics=(*long[0].info.diagnostics, note)))


def _length(run: Run) -> int:
    return max(map(len, run.series.values()), default=0)


def _importer(slug: str, columns: Mapping[str, str] | None) -> Importer | None:
    if columns:
        from .generic_table import GenericTable

        return GenericTable(columns)
    return chosen(slug) if slug else None


def _read_place(path: Path, name: str, reading: Reading, found: Imported, *, alone: bool) -> None:
    """Read one file or folder; a single file that cannot be read is an error, one of many is a sentence."""
    try:
        if path.is_dir():
            _read_folder(Folder(path, name, _counting(name, 0, reading)), reading, found)
        else:
            found.runs += _read_file(path, name, reading)
    except TraindoctorError as error:
        if alone:
            raise
        found.refused.append(str(error))


def _read_folder(folder: Folder, reading: Reading, found: Imported, depth: int = 12) -> None:
    """Read a folder as one tool's, else its files, then the folders below."""
    if any(name.endswith(SUFFIX) for name in folder.files):
        _keep(lambda: [read_run(folder.path)], found)
        return
    importer = reading.importer if isinstance(reading.importer, FolderImporter) else None
    if importer is None and reading.importer is None:
        importer = importer_of_folder(folder)[1]
    if importer is not None:
        whole = importer
        _keep(lambda: _filled(folder, whole, lambda log: whole.read_folder(folder, log)), found)
        return
    here: list[tuple[str, list[Run]]] = []
    for name in folder.files:
        runs = _runs_of_file_in(folder, name, reading, found)
        if runs:
            here.append((name, runs))
    found.runs += _same_run_once(here)
    for name in folder.folders:
        if depth and len(found.runs) < MAX_RUNS:
            _read_folder(folder.folder(name), reading, found, depth - 1)


def _runs_of_file_in(folder: Folder, name: str, reading: Reading, found: Imported) -> list[Run]:
    """The runs of one file of a folder; [] for a file that is no log, and for one that cannot be read."""
    try:
        source = folder.open(name)
        if reading.importer is None and importer_of_file(source)[1] is None:
            found.n_other += 1
            return []
        return _read_file(source.path, source.name, reading)
    except TraindoctorError as error:
        found.refused.append(str(error))
        return []


def _keep(read: Callable[[], list[Run]], found: Imported) -> None:
    try:
        found.runs += read()
    except TraindoctorError as error:
        found.refused.append(str(error))


def _same_run_once(here: list[tuple[str, list[Run]]]) -> list[Run]:
    """Different tools' files of one folder show the same run: the fullest is taken, the others are named."""
    tools = {runs[0].info.source for _, runs in here}
    single = [(name, runs[0]) for name, runs in here if len(runs) == 1]
    if len(tools) < 2 or len(single) != len(here) or len(tools) != len(here):
        return [run for _, runs in here for run in runs]
    best_name, best = max(single, key=lambda pair: sum(map(len, pair[1].series.values())))
    others = ", ".join(f"{name} ({run.info.source})" for name, run in single if name != best_name)
    note = (
        f"the same folder also holds {others}; the fullest log was taken: name another file to use it instead"
    )
    return [replace(best, info=replace(best.info, diagnostics=(*best.info.diagnostics, note)))]


def _read_file(path: Path, name: str, reading: Reading) -> list[Run]:
    source = Source(path, name, _counting(name, path.stat().st_size if path.is_file() else 0, reading))
    if source.head().startswith(MAGIC) or source.suffix == SUFFIX:
        return [read_run(path)]
    importer = reading.importer
    if importer is None:
        importer = importer_of_file(source)[1]
        if importer is None:
            raise UnreadableLogError(unknown_content(source))
    if not isinstance(importer, FileImporter):
        raise UsageError(f"{importer.name} is read from a folder, found the file {name}; name its folder")
    reader = importer
    return _filled(source, reader, lambda log: reader.read(source, log))


def _filled(thing: Source | Folder, importer: Importer, read: Callable[[Logbook], None]) -> list[Run]:
    """The runs that an importer reads; what it read before it failed is kept."""
    log = Logbook()
    extra: list[str] = []
    try:
        read(log)
    except TraindoctorError:
        raise
    except Exception as error:  # a stranger's file must not end in a traceback
        if not log.series:
            raise UnreadableLogError(
                f"{thing.name} looks like {importer.name}, but reading it failed with "
                f"{type(error).__name__}: {error}; please report it with the file"
            ) from error
        extra.append(
            f"reading stopped with {type(error).__name__}: {error}; what was read before it is shown"
        )
    extra += thing.damage if isinstance(thing, Source) else []
    path = thing.path
    stem = path.name if path.is_dir() else _stem(path)
    runs = runs_of(log, source=importer.name, path=str(path), stem=stem, extra=extra)
    return runs[:MAX_RUNS]


def _stem(path: Path) -> str:
    """What to call the run of a file: its name, or its folder's where every run's file is called the same."""
    stem = Path(path.stem).stem if path.suffix in COMPRESSION_SUFFIXES else path.stem
    usual = (
        "metrics",
        "results",
        "log",
        "trainer_state",
        "history",
        "progress",
        "train",
        "loss",
        "measurements",
    )
    folder = path.absolute().parent.name
    return f"{folder}/{stem}" if stem.lower() in usual and folder else stem


def _counting(name: str, size: int, reading: Reading) -> Callable[[int], None] | None:
    told = reading.progress
    return None if told is None else (lambda done: told(name, done, size))


def _nothing(reference: str, found: Imported) -> str:
    if found.refused:
        more = f" ({len(found.refused) - 1} more could not be read either)" if len(found.refused) > 1 else ""
        return f"{found.refused[0]}{more}"
    return (
        f"expected a training log in {reference}, found {found.n_other} files of other kinds; "
        "`traindoctor import --formats` lists what can be read"
    )


def _choose(reference: str, runs: list[Run]) -> str:
    shown = "; ".join(
        f"{number}: {run.name} ({sum(map(len, run.series.values()))} points)"
        for number, run in enumerate(runs[:20], 1)
    )
    more = f"; and {len(runs) - 20} more" if len(runs) > 20 else ""
    return (
        f"{reference} holds {len(runs)} runs, and no single verdict fits several: choose one with --run N. "
        f"{shown}{more}"
    )
