"""traindoctor records PyTorch training runs, diagnoses them and prescribes a learning-rate schedule.

The public names below are imported on first use, so `import traindoctor` stays cheap and
needs none of torch, pandas, matplotlib, scikit-learn or WeasyPrint. Only this module knows the wings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .collectors.watch import watch as watch
    from .comparing import compare as compare
    from .comparison import Comparison as Comparison
    from .errors import TraindoctorError as TraindoctorError
    from .export import export_run as export_run
    from .export import to_frame as to_frame
    from .finding import Diagnosis as Diagnosis
    from .finding import Finding as Finding
    from .finding import Prescription as Prescription
    from .finding import Remedy as Remedy
    from .finding import Schedule as Schedule
    from .finding import Severity as Severity
    from .finding import Skipped as Skipped
    from .lr_finding import lr_find as lr_find
    from .lr_range import LrRange as LrRange
    from .run import Predictions as Predictions
    from .run import Run as Run
    from .run import RunInfo as RunInfo
    from .run import Series as Series
    from .run import SeriesInfo as SeriesInfo
    from .tuning import tune as tune

__version__ = "0.1.0"

_HOME = {
    "watch": ".collectors.watch",
    "compare": ".comparing",
    "Comparison": ".comparison",
    "lr_find": ".lr_finding",
    "LrRange": ".lr_range",
    "tune": ".tuning",
    "TraindoctorError": ".errors",
    "export_run": ".export",
    "to_frame": ".export",
    **dict.fromkeys(
        ("Diagnosis", "Finding", "Prescription", "Remedy", "Schedule", "Severity", "Skipped"), ".finding"
    ),
    **dict.fromkeys(("Predictions", "Run", "RunInfo", "Series", "SeriesInfo"), ".run"),
}
_OWN = ("load", "load_runs", "diagnose", "diagnose_study", "render", "notebook_html", "explain", "detectors")


def load(
    path: str | Path, run: int | None = None, *, importer: str = "", columns: Mapping[str, str] | None = None
) -> Run:
    """Read one run: a recorded one, or one from a log of another tool.

    Args:
        path: a run folder or log of ours; a log, folder, glob or address of another tool's; `-` for
            standard input.
        run: which one, 1-based as `load_runs` lists them, where the log holds several.
        importer: slug of the format (`traindoctor import --formats`); found by content when empty.
        columns: for a table, our short name (`loss`, `val_loss`, `step`, `lr`, …) -> its column.

    Raises:
        UnreadableLogError: nothing in it is a training log, or no part of it is intact.
        RunNotFoundError: there is nothing at `path`.
        SeveralRunsError: it holds several runs and `run` is None.
        UsageError: no such run, format or column.
    """
    from .collectors.importers.discovery import load_run

    return load_run(path, run, importer=importer, columns=columns)


def load_runs(path: str | Path, *, importer: str = "", columns: Mapping[str, str] | None = None) -> list[Run]:
    """Read every run at a place, in natural order of the files, then in file order; see `load`."""
    from .collectors.importers.discovery import load_runs as every_run

    return every_run(path, importer=importer, columns=columns).runs


def diagnose(run: Run, *, select: Sequence[str] = (), ignore: Sequence[str] = ()) -> Diagnosis:
    """Diagnose a run: findings with root causes first, skipped checks, schedule, prescription, metrics.

    Args:
        run: from `load`, or built by hand.
        select: codes or names of the only checks to run; all when empty.
        ignore: codes or names of checks to leave out.

    Raises:
        UsageError: `select` or `ignore` holds an unknown code or name.
    """
    from .analyzer.engine import diagnose as diagnose_run
    from .collectors.replay import replay_or_none

    return diagnose_run(run, select=select, ignore=ignore, replay=replay_or_none())


def diagnose_study(
    path: str | Path, name: str = "", *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> Diagnosis:
    """What an Optuna study says (`Diagnosis.search`), and the diagnosis of its best trial.

    Args:
        path: an SQLite database or a journal file.
        name: which study, where the storage holds several.
        select: see `diagnose`.
        ignore: see `diagnose`.

    Raises:
        UnreadableLogError: the file holds no study.
        UsageError: it holds several and `name` is none of them; see also `diagnose`.
    """
    from .tuning import study_diagnosis

    return study_diagnosis(Path(path), name, lambda run: diagnose(run, select=select, ignore=ignore))


def render(
    diagnosis: Diagnosis, path: str | Path | IO[bytes], format: str = "", *, language: str = "en"
) -> None:
    """Write a report.

    Args:
        diagnosis: from `diagnose`.
        path: file to write, or a binary stream.
        format: `html`, `pdf`, `md` or `json`; taken from the suffix of `path` when empty.
        language: `en`, or `zh` for Simplified Chinese; JSON is English in any case.

    Raises:
        UsageError: the format or the language is unknown.
        MissingDependencyError: the format needs a package or system library that is not installed.
        RenderError: the file could not be written.
    """
    from .analyzer.catalog import methods
    from .report_templates.formats import render as render_report

    render_report(diagnosis, path, format or None, methods=methods(), language=language)


def notebook_html(diagnosis: Diagnosis) -> str:
    """Page one and the findings as an HTML frame; a notebook shows it for a diagnosis by itself."""
    from .report_templates.notebook import notebook_html as framed

    return framed(diagnosis)


def explain(code: str) -> str:
    """What a check reports, how it decides, when it is wrong, and what to try.

    Args:
        code: a code (`TD101`) or a name (`plateau`).

    Raises:
        UsageError: there is no such check; the message names the nearest ones.
    """
    from .analyzer.catalog import explain as explain_check

    return explain_check(code)


def detectors() -> dict[str, Any]:
    """Class name -> class of every built-in detector; each is also an attribute of this package."""
    from .analyzer.catalog import CATALOG

    return {type(detector).__name__: type(detector) for detector in CATALOG}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name], __name__), name)
    if name[:1].isupper() and name in (found := detectors()):
        return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_OWN, *detectors()})
