"""The one tree of errors. Every class has a slug that is an anchor in docs/messages.md."""

from __future__ import annotations


class TraindoctorError(Exception):
    """Root of every error that traindoctor raises on purpose.

    The message says what was expected, what was found, where, and what to do.
    Nothing below this class is ever raised inside a watched training loop.
    """

    slug = "error"
    exit_code = 3


class UsageError(TraindoctorError):
    """The call itself is off: an unknown option, key or combination."""

    slug = "usage"
    exit_code = 2


class RunNotFoundError(UsageError):
    """No recorded run answers to the given path, id or prefix."""

    slug = "run-not-found"


class SeveralRunsError(UsageError):
    """A log holds several runs and none was chosen."""

    slug = "several-runs"


class UnreadableLogError(TraindoctorError):
    """A file is not a run log, or nothing in it could be read."""

    slug = "unreadable-log"


class NothingRecordedError(TraindoctorError):
    """The run is there, but it holds no optimizer step: there is nothing to analyse."""

    slug = "nothing-recorded"


class SearchFailedError(TraindoctorError):
    """A hyper-parameter search learnt nothing: its script fails, or ignores what is searched."""

    slug = "search-failed"


class TrialFailedError(TraindoctorError):
    """A run of the user's script that something was to be concluded from gave no result."""

    slug = "trial-failed"


class TrainingStoppedError(TraindoctorError):
    """The training was stopped because of what its own log shows; only raised where that was asked for."""

    slug = "training-stopped"
    exit_code = 86


class MissingDependencyError(TraindoctorError):
    """An optional package or system library that this step needs is not installed."""

    slug = "missing-dependency"


class RenderError(TraindoctorError):
    """A report could not be written."""

    slug = "render-failed"


class PostFailedError(TraindoctorError):
    """A comment could not be put on a pull request."""

    slug = "post-failed"


class PluginError(TraindoctorError):
    """A third-party detector, importer or report format is broken; it is named and left out."""

    slug = "plugin-failed"
