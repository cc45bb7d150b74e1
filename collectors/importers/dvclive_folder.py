"""DVCLive: the folder with a TSV file per metric, in its three layouts."""

from __future__ import annotations

from traindoctor.errors import UnreadableLogError

from ..intake.companions import settings_of
from ..intake.folder import Folder
from ..intake.importer import CERTAIN, LIKELY
from ..intake.logbook import Logbook
from ..intake.numbers import number
from ..intake.source import Source
from ..intake.tables import layout_of, rows
from .timed_series import Timed, pour
from .tracked_series import interpret

_LAYOUTS = ("plots/metrics", "metrics", "plots/scalars", "scalars", "")
"""Where the metrics lie: now, and in older versions; the oldest keep them in the folder itself."""


class DvcLive:
    """What DVCLive writes for one run; earlier runs are in git, not in the folder."""

    slug = "dvclive"
    name = "DVCLive folder"

    def recognises_folder(self, folder: Folder) -> float:
        """By TSV files with `step` and the file's own name as columns."""
        place = _place(folder)
        if place is None:
            return 0.0
        marks = ("dvc.yaml", "metrics.json", "params.yaml", "report.md", "report.html", "dvclive.json")
        is_sure = (
            "dvclive" in folder.path.name or place == "plots/metrics" or any(m in folder.files for m in marks)
        )
        return CERTAIN if is_sure else LIKELY

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """One run."""
        place = _place(folder)
        if place is None:
            raise UnreadableLogError(
                f"expected DVCLive metrics (`plots/metrics/*.tsv`) in {folder.name}, found none"
            )
        below = folder.folder(place) if place else folder
        found: dict[str, Timed] = {}
        paths = list(below.walk()) if place else list(below.files)
        for path in paths:
            source = below.file(path) if path.endswith((".tsv", ".csv")) else None
            if source is not None and _columns(source) is not None:
                found[path.rpartition(".")[0]] = _series(source, log)
        if not any(len(series.x) for series in found.values()):
            raise UnreadableLogError(f"the DVCLive folder {folder.name} holds no values: nothing was logged")
        pour(found, log)
        config = folder.file("params.yaml")
        if config is not None:
            log.fact(config=settings_of(config))
        _tell_axis(log)


def _place(folder: Folder) -> str | None:
    """Which of the layouts a folder has."""
    for place in _LAYOUTS:
        below = folder.folder(place) if place else folder
        depth = 3 if place else 0
        tables = [path for path in below.walk(depth) if path.endswith((".tsv", ".csv"))][:20]
        sources = (below.file(path) for path in tables)
        if any(source is not None and _columns(source) is not None for source in sources):
            return place
    return None


def _columns(source: Source) -> tuple[str, str] | None:
    """The names of the step's and the value's column; None for a table of something else."""
    header = tuple(cell.strip() for cell in source.head_text().partition("\n")[0].split("\t"))
    names = [name for name in header if name != "timestamp"]
    if len(names) != 2 or names[0] != "step" or names[1] != source.path.stem:
        return None
    return names[0], names[1]


def _series(source: Source, log: Logbook) -> Timed:
    x: list[float] = []
    values: list[float] = []
    times: list[float] = []
    layout, columns = layout_of(source.head_text()), _columns(source)
    if layout is None or columns is None:
        return Timed(x, values)
    for line, row in rows(source, log, layout):
        step, value = number(row.get(columns[0], "")), number(row.get(columns[1], ""))
        if step is None or value is None:
            log.note("rows without a step or a value were left out", line=line)
            continue
        x.append(step)
        values.append(value)
        time = number(row.get("timestamp", ""))
        if time is not None:
            times.append(time if time < 1e11 else time / 1000.0)
    return Timed(x, values, times)


def _tell_axis(log: Logbook) -> None:
    """Hugging Face's callback takes a step of DVCLive per log call; elsewhere the user chooses."""
    config = log.chapters[-1].facts.get("config", {})
    every = number(config.get("logging_steps"))
    names = set(log.series)
    if every is not None and {"train/runtime", "eval/runtime", "learning_rate"} & names and "epoch" in names:
        log.x_unit = "log rows"
        log.note(
            f"DVCLive's step counts the Trainer's log calls, one per {every:g} optimizer steps "
            "(logging_steps) and one per evaluation"
        )
    interpret(log, steps_are_told=False)
