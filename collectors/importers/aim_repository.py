"""Aim's `.aim` repositories: recognised, their runs named, and the way out."""

from __future__ import annotations

from traindoctor.errors import UnreadableLogError

from ..intake.folder import Folder
from ..intake.importer import CERTAIN
from ..intake.logbook import Logbook
from ..intake.source import Source
from .sqlite_database import is_database, opened

_NAMES = "run_metadata.sqlite"
_SHOWN = 10


class AimRepository:
    """Aim keeps its series in RocksDB, which only its own library reads."""

    slug = "aim"
    name = "Aim repository"

    def recognises_folder(self, folder: Folder) -> float:
        """The repository itself, or a folder that holds nothing else."""
        return CERTAIN if _repository(folder) is not None else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """Never reads series.

        Raises:
            UnreadableLogError: always; the message names the runs and says how to export them.
        """
        del log
        repository = _repository(folder) or folder
        raise UnreadableLogError(
            f"{folder.name} is an Aim repository{_described(repository)}; its series can only be read with "
            "the aim package: export each run there (aim.Repo(...).get_run(hash), run.metrics()) to a CSV "
            "file with the columns step, value, metric, and name that file"
        )


def _repository(folder: Folder) -> Folder | None:
    if _is_repository(folder):
        return folder
    if not folder.files and not folder.folders:
        hidden = folder.folder(".aim")
        return hidden if _is_repository(hidden) else None
    return None


def _is_repository(folder: Folder) -> bool:
    files = set(folder.files)
    below = set(folder.folders)
    if "meta" not in below or "seqs" not in below:
        return False
    return bool({"VERSION", _NAMES} & files) or folder.path.name == ".aim"


def _described(repository: Folder) -> str:
    """Names of its runs, as far as the table of names tells."""
    source = repository.file(_NAMES)
    if source is None:
        return ""
    try:
        found = _runs(source)
    except UnreadableLogError:
        return ""
    shown = ", ".join(found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f" with {len(found)} runs ({shown}{more})" if found else ""


def _runs(source: Source) -> list[str]:
    if not is_database(source):
        return []
    with opened(source.path, source.name) as database:
        experiments = dict(database.rows("experiment", ("id", "name")))
        return [
            f"{experiments.get(experiment) or 'run'}/{str(name or key)[:80]}"
            for key, name, experiment in database.rows("run", ("hash", "name", "experiment_id"))
        ]
