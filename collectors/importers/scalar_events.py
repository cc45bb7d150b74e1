"""Scalars out of TensorBoard events: a fast path for the common layout, protobuf for the rest."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from traindoctor.run import Floats

from ..intake.logbook import MAX_POINTS, Logbook
from ..intake.thinning import Thinning
from .event_messages import message

_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")
_PROBE = 1.5
_MAX_TEXT = 1 << 20
_MAX_TAGS = 10_000
_BATCH = 1 << 16
_MAX_HELD = MAX_POINTS // 2
"""Points held with their times, 32 bytes each, before they go into the logbook."""

_TENSOR_TYPES: dict[int, tuple[str, str]] = {
    1: ("<f4", "float_val"),
    2: ("<f8", "double_val"),
    3: ("<i4", "int_val"),
    4: ("<u1", "int_val"),
    5: ("<i2", "int_val"),
    6: ("<i1", "int_val"),
    9: ("<i8", "int64_val"),
    10: ("<u1", "bool_val"),
    14: ("bfloat16", "half_val"),
    17: ("<u2", "int_val"),
    19: ("<f2", "half_val"),
    22: ("<u4", "uint32_val"),
    23: ("<u8", "uint64_val"),
}
"""TensorFlow's DataType -> numpy's, and the field that holds values when `tensor_content` is empty."""


@dataclass
class TagPoints:
    """The scalars of one tag as they were logged.

    Attributes:
        pieces: shape (4, n) each: step, value, number of the event in the whole reading, unix time in s.
        thinning: which of the points are kept.
    """

    pieces: list[Floats] = field(default_factory=list[Floats])
    thinning: Thinning = field(default_factory=Thinning)

    def __len__(self) -> int:
        return sum(piece.shape[1] for piece in self.pieces)

    def whole(self) -> Floats:
        """All pieces as one, shape (4, n)."""
        if len(self.pieces) > 1:
            self.pieces = [np.concatenate(self.pieces, axis=1)]
        return self.pieces[0]

    def halve(self) -> int:
        """Keep every second finite point, now and from now on; how many points were dropped."""
        whole = self.whole()
        keep = self.thinning.double(whole[1])
        self.pieces = [whole[:, keep]]
        return int(keep.size - keep.sum())


@dataclass
class ScalarEvents:
    """What the events of a folder or file hold, added up payload by payload.

    Attributes:
        log: for diagnostics.
        tags: tag -> points, in order of appearance; call `flush` before reading them.
        hparams: hyper-parameters that were logged.
        texts: tag -> text, of the tags that carry a configuration.
        n_events: events seen.
        n_other: values that are no scalars: pictures, texts, histograms, graphs.
    """

    log: Logbook
    tags: dict[str, TagPoints] = field(default_factory=dict[str, TagPoints])
    hparams: dict[str, Any] = field(default_factory=dict[str, Any])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    n_events: int = 0
    n_other: int = 0
    prefix: str = ""
    _n_points: int = 0
    _names: list[str] = field(default_factory=list[str])
    _index: dict[str, int] = field(default_factory=dict[str, int])
    _plugins: dict[str, str] = field(default_factory=dict[str, str])
    _layouts: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _which: list[int] = field(default_factory=list[int])
    _steps: list[int] = field(default_factory=list[int])
    _values: list[float] = field(default_factory=list[float])
    _rows: list[int] = field(default_factory=list[int])
    _times: list[float] = field(default_factory=list[float])

    def begin(self, prefix: str = "") -> None:
        """Another file, or files of another sub-folder: `prefix` goes before their tags."""
        if prefix != self.prefix:
            self._layouts.clear()
            self._plugins.clear()
        self.prefix = prefix

    def read(self, payloads: Any) -> None:
        """Take in the payloads of one file."""
        layouts, from_float, from_double = self._layouts, _FLOAT.unpack_from, _DOUBLE.unpack_from
        number = self.n_events
        for payload in payloads:
            # Nearly every event is: time, step (left out when 0), one value that ends in its four bytes.
            size = len(payload)
            if size > 20 and payload[0] == 9:
                end, step = 9, 0
                if payload[9] == 16:
                    byte = payload[10]
                    end, step = 11, byte & 127
                    shift = 7
                    while byte > 127 and end < 17:
                        byte = payload[end]
                        step |= (byte & 127) << shift
                        shift += 7
                        end += 1
                which = layouts.get(payload[end:-4])
                if which is not None:
                    self._which.append(which)
                    self._steps.append(step)
                    self._values.append(from_float(payload, size - 4)[0])
                    self._rows.append(number)
                    self._times.append(from_double(payload, 1)[0])
                    number += 1
                    if len(self._which) >= _BATCH:
                        self.flush()
                    continue
            self.n_events = number
            self._any_event(payload)
            number += 1
        self.n_events = number
        self.flush()

    def flush(self) -> None:
        """Hand what is waiting over to `tags`."""
        if not self._which:
            return
        which = np.array(self._which, np.int32)
        order = np.argsort(which, kind="stable")
        columns = np.array((self._steps, self._values, self._rows, self._times), np.float64)[:, order]
        edges = np.flatnonzero(np.diff(which[order])) + 1
        for first, piece in zip((0, *edges), np.split(columns, edges, axis=1), strict=True):
            points = self.tags[self._names[which[order[first]]]]
            if points.thinning.every > 1:
                piece = piece[:, points.thinning.mask(piece[1])]
            points.pieces.append(piece)
            self._n_points += piece.shape[1]
        while self._n_points > _MAX_HELD:
            self._n_points -= max(self.tags.values(), key=len).halve()
        for waiting in (self._which, self._steps, self._values, self._rows, self._times):
            waiting.clear()

    def _any_event(self, payload: bytes) -> None:
        try:
            event = message("Event").FromString(payload)
        except DecodeError:
            self.log.note("events that are no protobuf messages were left out")
            return
        if not event.HasField("summary"):
            return
        for value in event.summary.value:
            self._any_value(event, value, payload)

    def _any_value(self, event: Any, value: Any, payload: bytes) -> None:
        tag = value.tag.decode("utf-8", "replace")
        plugin = value.metadata.plugin_data.plugin_name.decode("utf-8", "replace")
        if plugin and len(self._plugins) < _MAX_TAGS:
            self._plugins[tag] = plugin
        plugin = plugin or self._plugins.get(tag, "")
        if plugin == "hparams":
            self._hyper_parameters(value.metadata.plugin_data.content)
            return
        number = _scalar(value, plugin)
        if number is None:
            self.n_other += 1
            self._text(tag, value)
            return
        index = self._index_of(tag)
        if index < 0:
            return
        self._which.append(index)
        self._steps.append(event.step)
        self._values.append(number)
        self._rows.append(self.n_events)
        self._times.append(event.wall_time)
        if len(event.summary.value) == 1 and not value.HasField("metadata"):
            self._learn(payload, index, plugin)

    def _index_of(self, tag: str) -> int:
        name = self.prefix + tag
        index = self._index.get(name)
        if index is None:
            if len(self._names) >= _MAX_TAGS:
                self.log.note(f"more than {_MAX_TAGS} tags: the others were left out")
                return -1
            index = self._index[name] = len(self._names)
            self._names.append(name)
            self.tags[name] = TagPoints()
        return index

    def _learn(self, payload: bytes, index: int, plugin: str) -> None:
        """Remember the bytes around step and value, if the last four bytes are shown to be the value."""
        if len(payload) <= 20 or payload[0] != 9 or len(self._layouts) >= _MAX_TAGS:
            return
        end = 9
        if payload[9] == 16:
            end = 11
            while payload[end - 1] > 127 and end < 17:
                end += 1
        if payload[end] != 0x2A:
            return
        try:
            probed = message("Event").FromString(payload[:-4] + _FLOAT.pack(_PROBE))
        except DecodeError:
            return  # it ends in something else
        values = probed.summary.value
        if len(values) == 1 and _scalar(values[0], plugin) == _PROBE:
            self._layouts[payload[end:-4]] = index

    def _text(self, tag: str, value: Any) -> None:
        is_config = tag.removesuffix("/text_summary") in ("args", "model_config", "config", "hparams")
        if is_config and value.HasField("tensor") and value.tensor.string_val:
            text = value.tensor.string_val[0][:_MAX_TEXT].decode("utf-8", "replace")
            self.texts.setdefault(tag.removesuffix("/text_summary"), text)

    def _hyper_parameters(self, content: bytes) -> None:
        try:
            data = message("HParamsData").FromString(content[:_MAX_TEXT])
        except DecodeError:
            self.log.note("hyper-parameters that cannot be decoded were left out")
            return
        for entry in data.session_start_info.hparams:
            for kind in ("number_value", "string_value", "bool_value"):
                if entry.value.HasField(kind):
                    found = getattr(entry.value, kind)
                    name = entry.key.decode("utf-8", "replace")
                    self.hparams[name] = found.decode("utf-8", "replace") if kind == "string_value" else found

    def config(self) -> dict[str, Any]:
        """Hyper-parameters and, of configurations logged as JSON text, the plain entries."""
        out: dict[str, Any] = {}
        for name in ("args", "config", "hparams"):
            try:
                found = json.loads(self.texts.get(name, "null"))
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                out.update({k: v for k, v in found.items() if isinstance(v, (str, int, float, bool))})
        return {**out, **self.hparams}


def _scalar(value: Any, plugin: str) -> float | None:
    """The number of a summary value as the exact double; None when it is no scalar."""
    if value.HasField("simple_value"):
        return float(value.simple_value)
    if not value.HasField("tensor") or plugin not in ("", "scalars"):
        return None
    tensor = value.tensor
    kind, stored = _TENSOR_TYPES.get(tensor.dtype, ("", ""))
    n_elements = 1
    for dimension in tensor.tensor_shape.dim:
        n_elements *= dimension.size
    if not kind or n_elements != 1:
        return None
    if tensor.tensor_content:
        return _from_bytes(tensor.tensor_content, kind)
    values = getattr(tensor, stored)
    if len(values) > 1:
        return None
    number = values[0] if values else 0
    if stored == "half_val":
        return _from_bytes(int(number & 0xFFFF).to_bytes(2, "little"), kind)
    return float(number)


def _from_bytes(content: bytes, kind: str) -> float | None:
    if kind == "bfloat16":
        # The upper half of a float32.
        return float(_FLOAT.unpack(b"\0\0" + content)[0]) if len(content) == 2 else None
    dtype = np.dtype(kind)
    return float(np.frombuffer(content, dtype)[0]) if len(content) == dtype.itemsize else None
