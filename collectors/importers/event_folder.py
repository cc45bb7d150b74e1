"""Which files and sub-folders belong to one TensorBoard run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..intake.folder import Folder
from ..intake.source import Source
from .event_messages import message
from .record_frames import FOOTER, HEADER, is_header

SPLITS = ("train", "training", "val", "valid", "validation", "eval", "evaluation", "dev", "test", "testing")
_TRAINING = ("train", "training")
_HYPER_PARAMETERS = re.compile(r"\d{9,11}\.\d{1,9}")
_LAUNCH = re.compile(r"tfevents\.(\d{9,11})\b")
_LOOK_BELOW = 3


@dataclass(frozen=True)
class EventFolder:
    """One run's files, by path relative to the folder.

    Attributes:
        own: event files in the folder itself, by launch time.
        splits: sub-folder named for a split -> its event files.
        scalars: sub-folder that `add_scalars` made -> its event files.
        hyper_parameters: event files that only hold hyper-parameters.
        strangers: sub-folders with event files of other runs.
    """

    own: tuple[str, ...] = ()
    splits: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    scalars: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    hyper_parameters: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()

    @property
    def is_one_run(self) -> bool:
        """Whether the folder has to be read as a whole: its files would not stand for themselves."""
        if self.strangers:
            return False
        if self.own:
            return len(self.own) > 1 or bool(self.splits or self.scalars or self.hyper_parameters)
        return len(self.splits) > 1 and any(name.lower() in _TRAINING for name in self.splits)


def event_folder(folder: Folder) -> EventFolder:
    """How the event files of a folder and its sub-folders belong together."""
    own = event_files(folder)
    splits: dict[str, tuple[str, ...]] = {}
    scalars: dict[str, tuple[str, ...]] = {}
    hyper_parameters: list[str] = []
    strangers: list[str] = []
    for name in folder.folders:
        below = folder.folder(name)
        paths = tuple(f"{name}/{file}" for file in event_files(below))
        is_leaf = paths and not any(event_files(below.folder(deeper)) for deeper in below.folders)
        if is_leaf and _HYPER_PARAMETERS.fullmatch(name) and own:
            hyper_parameters += paths
        elif is_leaf and name.lower() in SPLITS:
            splits[name] = paths
        elif is_leaf and own and _is_add_scalars(name, folder.file(paths[0])):
            scalars[name] = paths
        elif paths or any("tfevents" in path for path in below.walk(_LOOK_BELOW)):
            strangers.append(name)
    return EventFolder(own, splits, scalars, tuple(hyper_parameters), tuple(strangers))


def event_files(folder: Folder) -> tuple[str, ...]:
    """Names of the event files in a folder, by the time of the launch in their names."""
    found = [name for name in folder.files if "tfevents" in name]
    return tuple(sorted(found, key=lambda name: _launch(name)))


def is_event_file(source: Source) -> bool:
    """Whether a file begins as TensorBoard's event files do."""
    head = source.head()
    return is_header(head[:HEADER]) and b"brain.Event:" in head[HEADER : HEADER + 64]


def series_name(sub_folder: str, tag: str) -> str:
    """`loss/train` for the tag `loss` in the folder `loss_train` that `add_scalars` made."""
    plain = _plain(tag)
    return f"{tag}/{sub_folder[len(plain) + 1 :]}"


def _is_add_scalars(name: str, source: Source | None) -> bool:
    tag = _first_tag(source.head()) if source is not None else ""
    return bool(tag) and _plain(name).startswith(f"{_plain(tag)}_")


def _plain(name: str) -> str:
    return re.sub(r"[^-\w.]", "_", name)


def _launch(name: str) -> int:
    found = _LAUNCH.search(name)
    return int(found.group(1)) if found else 0


def _first_tag(head: bytes) -> str:
    for payload in _head_payloads(head):
        try:
            event = message("Event").FromString(payload)
        except Exception:
            continue
        for value in event.summary.value:
            return str(value.tag.decode("utf-8", "replace"))
    return ""


def _head_payloads(head: bytes) -> Iterator[bytes]:
    at = 0
    while is_header(head[at : at + HEADER]):
        length = int.from_bytes(head[at : at + 8], "little")
        if at + HEADER + length + FOOTER > len(head):
            return
        yield head[at + HEADER : at + HEADER + length]
        at += HEADER + length + FOOTER
