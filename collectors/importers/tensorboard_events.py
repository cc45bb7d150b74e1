"""TensorBoard event files: one file, or the folder of one run with its resumes, splits and sub-folders."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from traindoctor.errors import UnreadableLogError
from traindoctor.run import Floats

from ..intake.companions import plain
from ..intake.folder import Folder
from ..intake.importer import CERTAIN, LIKELY
from ..intake.logbook import Logbook
from ..intake.source import Source
from .event_folder import EventFolder, event_folder, is_event_file, series_name
from .mixed_axes import Clocked, on_steps
from .record_frames import HEADER, FrameReader, is_header
from .scalar_events import ScalarEvents, TagPoints
from .tracked_series import interpret

_KERAS_PER_BATCH = re.compile(r"(?:[^/]+/)?(?:evaluation_.*_vs_iterations|batch_.*)")
_KERAS_PER_EPOCH = re.compile(r"(?:[^/]+/)?epoch_loss")


class TensorBoardEvents:
    """What `SummaryWriter`, Keras, `tf.summary`, clu and the loggers built on them write."""

    slug = "tensorboard"
    name = "TensorBoard event files"

    def recognises(self, source: Source) -> float:
        """By the framing and the version of the first event; a damaged file by its name."""
        if is_event_file(source):
            return CERTAIN
        return LIKELY if "tfevents" in source.path.name and not _is_text(source.head()) else 0.0

    def read(self, source: Source, log: Logbook) -> None:
        """One file; its scalars on its own steps."""
        events = ScalarEvents(log)
        _read_file(source, events, "")
        if source.name.endswith(source.path.name) and source.path.parent.name:
            log.fact(name=source.path.parent.name)
        _finish(events, log, source.name, 1, _header_only([source]))

    def recognises_folder(self, folder: Folder) -> float:
        """Several event files, or sub-folders that belong to them; single files stand for themselves."""
        found = event_folder(folder)
        if not found.is_one_run:
            return 0.0
        paths = [*found.own, *(path for paths in found.splits.values() for path in paths)]
        sources = (folder.file(path) for path in paths[:50])
        return CERTAIN if any(s is not None and is_event_file(s) for s in sources) else 0.0

    def read_folder(self, folder: Folder, log: Logbook) -> None:
        """All files of one run: launches one after the other, splits under their folder's name."""
        found = event_folder(folder)
        events = ScalarEvents(log)
        sources = _read_group(folder, found.own, events, "", log)
        for name, paths in found.splits.items():
            sources += _read_group(folder, paths, events, f"{name}/", log)
        for name, paths in found.scalars.items():
            _read_scalars_folder(folder, name, paths, events, log)
        _take_hyper_parameters(folder, found, events, log)
        _finish(events, log, folder.name, len(sources), _header_only(sources))


def _read_group(
    folder: Folder, paths: Sequence[str], events: ScalarEvents, prefix: str, log: Logbook
) -> list[Source]:
    sources: list[Source] = []
    for path in paths:
        source = _opened(folder, path, log)
        if source is not None:
            _read_file(source, events, prefix)
            sources.append(source)
    return sources


def _opened(folder: Folder, path: str, log: Logbook) -> Source | None:
    try:
        return folder.open(path)
    except UnreadableLogError as error:
        log.note(str(error))
        return None


def _read_file(source: Source, events: ScalarEvents, prefix: str) -> None:
    events.begin(prefix)
    with source.open() as file:
        events.read(FrameReader(file, events.log, source.path.name).payloads())
    for sentence in source.damage:
        events.log.note(sentence)


def _read_scalars_folder(
    folder: Folder, name: str, paths: Sequence[str], events: ScalarEvents, log: Logbook
) -> None:
    """What `add_scalars` wrote: the tag is the group's name, the folder tells which of its curves it is."""
    prefix = f"{name}\0"
    _read_group(folder, paths, events, prefix, log)
    for tag in [tag for tag in events.tags if tag.startswith(prefix)]:
        wanted = series_name(name, tag[len(prefix) :])
        if wanted in events.tags:
            wanted = f"{name}/{tag[len(prefix) :]}"
        events.tags[wanted] = events.tags.pop(tag)


def _take_hyper_parameters(folder: Folder, found: EventFolder, events: ScalarEvents, log: Logbook) -> None:
    """The sub-folders of `add_hparams` hold settings, and figures without a step that are no curve."""
    aside = ScalarEvents(log)
    _read_group(folder, found.hyper_parameters, aside, "", log)
    events.hparams.update(aside.hparams)
    if aside.tags:
        log.note(
            f"final figures logged with the hyper-parameters were left out: {', '.join(aside.tags)[:200]}"
        )


def _finish(events: ScalarEvents, log: Logbook, name: str, n_files: int, n_header_only: int) -> None:
    log.fact(config=plain(events.config()))
    if not events.tags:
        raise UnreadableLogError(_nothing(events, name, n_files, n_header_only))
    if n_header_only:
        log.note(f"{n_header_only} of {n_files} event files hold only their header")
    log.x_unit = "optimizer steps"
    is_keras = _leave_out_keras_batches(events.tags, log)
    is_counted = all(not points.whole()[0].any() for points in events.tags.values())
    is_counted = is_counted and _number_the_rows(events.tags, log)
    moved: dict[str, Floats] = {}
    if not is_keras and not is_counted:
        whole = {tag: points.whole() for tag, points in events.tags.items()}
        moved = on_steps({tag: Clocked(found[0], found[3]) for tag, found in whole.items()})
    if moved:
        log.note(
            f"{_listed(list(moved))} count epochs while the others count steps; they were put at the step "
            "reached when they were written"
        )
    if n_files == 1:
        _take_seconds(events.tags, log)
    for tag in list(events.tags):
        points = events.tags.pop(tag)
        x, values, rows, _ = points.whole()
        log.columns(tag, moved.get(tag, x), values, rows)
        if tag in log.series:
            log.series[tag].thinning.every *= points.thinning.every
    interpret(log, steps_are_told=is_keras or is_counted or bool(moved))


def _take_seconds(tags: Mapping[str, TagPoints], log: Logbook) -> None:
    """From the first scalar to the last."""
    times = np.concatenate([points.whole()[3] for points in tags.values()])
    times = times[np.isfinite(times) & (times > 0)]
    if times.size:
        log.fact(seconds=float(np.ptp(times)))


def _leave_out_keras_batches(tags: dict[str, TagPoints], log: Logbook) -> bool:
    """Keras logs per epoch; what it also logs per batch counts other steps and repeats the same figures."""
    if not any(_KERAS_PER_EPOCH.fullmatch(tag) for tag in tags):
        return False
    log.x_unit = "epochs"
    per_batch = [tag for tag in tags if _KERAS_PER_BATCH.fullmatch(tag)]
    if per_batch:
        log.note(f"{_listed(per_batch)} count batches while the others count epochs; they were left out")
    for tag in per_batch:
        del tags[tag]
    return True


def _number_the_rows(tags: Mapping[str, TagPoints], log: Logbook) -> bool:
    """Without a step every value stands at 0: their order is all there is. True if that was so."""
    if all(len(points) < 2 for points in tags.values()):
        return False
    for points in tags.values():
        points.whole()[0] = np.arange(len(points))
    log.x_unit = "log rows"
    log.note("the values were logged without a step; x is their position in the file")
    return True


def _header_only(sources: Sequence[Source]) -> int:
    """How many files hold nothing but the first event, the version of the format."""
    return sum(source.size < 64 for source in sources)


def _nothing(events: ScalarEvents, name: str, n_files: int, n_header_only: int) -> str:
    files = "only a file header" if n_files == 1 else f"{n_files} event files with only their headers"
    if n_header_only and n_header_only == n_files and events.n_events:
        return f"{name} holds {files}: nothing was logged to it, or the writer was never flushed"
    if not events.n_events:
        return (
            f"expected TensorBoard events in {name}, found no whole record; "
            "the file is damaged or was copied in text mode"
        )
    return (
        f"{name} holds {events.n_events} TensorBoard events but no scalars, only graphs, texts, pictures or "
        "histograms; log the loss with add_scalar to have a curve"
    )


def _is_text(head: bytes) -> bool:
    return b"\0" not in head[:4096] and len(head) > HEADER and not is_header(head[:HEADER])


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
