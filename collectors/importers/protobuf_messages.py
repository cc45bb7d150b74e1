"""Protobuf message classes out of a table of fields: only what an importer reads, nothing generated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto

Fields = tuple[tuple[str, int, Any, bool], ...]
"""Per field: name, number, type (one of the constants here, or the name of a message), repeated."""

DOUBLE, FLOAT, INT64, INT32 = _F.TYPE_DOUBLE, _F.TYPE_FLOAT, _F.TYPE_INT64, _F.TYPE_INT32
UINT32, UINT64, SINT64 = _F.TYPE_UINT32, _F.TYPE_UINT64, _F.TYPE_SINT64
BOOL, BYTES = _F.TYPE_BOOL, _F.TYPE_BYTES


def message_classes(package: str, messages: Mapping[str, Fields]) -> dict[str, Any]:
    """Message name -> class; parse with `FromString`, which raises `DecodeError`.

    Fields that are not listed are skipped. Declare texts as BYTES: what is no UTF-8 must not cost the whole
    message. The classes live in a pool of their own and meet no other library's.
    """
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package)
    # proto2, because presence has to be told apart from zero: a step or a value of 0.
    file.syntax = "proto2"
    for name, fields in messages.items():
        described = file.message_type.add(name=name)
        for field_name, number, kind, is_repeated in fields:
            field = described.field.add(name=field_name, number=number)
            field.label = _F.LABEL_REPEATED if is_repeated else _F.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _F.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{package}.{name}") for name in messages}
    return {name: message_factory.GetMessageClass(described) for name, described in found.items()}
