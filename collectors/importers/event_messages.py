"""The protobuf messages of TensorBoard event files, as far as scalars and hyper-parameters need them."""

from __future__ import annotations

from functools import cache
from typing import Any

from .protobuf_messages import (
    BOOL,
    BYTES,
    DOUBLE,
    FLOAT,
    INT32,
    INT64,
    UINT32,
    UINT64,
    Fields,
    message_classes,
)

_MESSAGES: dict[str, Fields] = {
    "Event": (
        ("wall_time", 1, DOUBLE, False),
        ("step", 2, INT64, False),
        ("file_version", 3, BYTES, False),
        ("summary", 5, "Summary", False),
    ),
    "Summary": (("value", 1, "Value", True),),
    "Value": (
        ("tag", 1, BYTES, False),
        ("simple_value", 2, FLOAT, False),
        ("tensor", 8, "Tensor", False),
        ("metadata", 9, "Metadata", False),
    ),
    "Metadata": (("plugin_data", 1, "PluginData", False),),
    "PluginData": (("plugin_name", 1, BYTES, False), ("content", 2, BYTES, False)),
    "Tensor": (
        ("dtype", 1, INT32, False),
        ("tensor_shape", 2, "Shape", False),
        ("tensor_content", 4, BYTES, False),
        ("float_val", 5, FLOAT, True),
        ("double_val", 6, DOUBLE, True),
        ("int_val", 7, INT32, True),
        ("string_val", 8, BYTES, True),
        ("int64_val", 10, INT64, True),
        ("bool_val", 11, BOOL, True),
        ("half_val", 13, INT32, True),
        ("uint32_val", 16, UINT32, True),
        ("uint64_val", 17, UINT64, True),
    ),
    "Shape": (("dim", 2, "Dimension", True),),
    "Dimension": (("size", 1, INT64, False),),
    "HParamsData": (("session_start_info", 3, "SessionStart", False),),
    "SessionStart": (("hparams", 1, "HParam", True),),
    "HParam": (("key", 1, BYTES, False), ("value", 2, "HValue", False)),
    "HValue": (
        ("number_value", 2, DOUBLE, False),
        ("string_value", 3, BYTES, False),
        ("bool_value", 4, BOOL, False),
    ),
}


@cache
def message(name: str) -> Any:
    """The message class of that name; parsed with `FromString`, which raises `DecodeError`."""
    return _classes()[name]


@cache
def _classes() -> dict[str, Any]:
    return message_classes("traindoctor.events", _MESSAGES)
