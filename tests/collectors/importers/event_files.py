"""TensorBoard event files for tests, written from their description: frames, events, summaries."""

from __future__ import annotations

import struct

import google_crc32c

from traindoctor.collectors.importers.event_messages import message

T0 = 1_700_000_000.0


def masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked(length)) + payload + struct.pack("<I", masked(payload))


def header() -> bytes:
    return frame(message("Event")(wall_time=T0, file_version=b"brain.Event:2").SerializeToString())


def scalar(step: int, tag: str, value: float, *, time: float | None = None) -> bytes:
    """As torch.utils.tensorboard writes it: `simple_value`; a step of 0 is left out, as proto3 does."""
    event = message("Event")(wall_time=T0 + step if time is None else time)
    if step:
        event.step = step
    event.summary.value.add(tag=tag.encode(), simple_value=value)
    return frame(event.SerializeToString())


def tensor(step: int, tag: str, plugin: str = "", **content: object) -> bytes:
    """As tf.summary and Keras write it: a tensor, with the plugin's name in the first event of a tag."""
    event = message("Event")(wall_time=T0 + step, step=step)
    value = event.summary.value.add(tag=tag.encode())
    for name, part in content.items():
        if isinstance(part, list):
            getattr(value.tensor, name).extend(part)
        else:
            setattr(value.tensor, name, part)
    if plugin:
        value.metadata.plugin_data.plugin_name = plugin.encode()
    return frame(event.SerializeToString())


def curve(tag: str, values: list[float], first: int = 0) -> bytes:
    return b"".join(scalar(first + i, tag, value) for i, value in enumerate(values))
