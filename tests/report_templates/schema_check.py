"""The part of JSON Schema that docs/diagnosis.schema.json uses, checked plainly."""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_KNOWN = {
    "$schema",
    "$ref",
    "$defs",
    "title",
    "description",
    "type",
    "required",
    "properties",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "enum",
    "const",
    "anyOf",
}


def violations(value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "$") -> list[str]:
    """Sentences about where `value` breaks `schema`; empty when it is valid."""
    unknown = set(schema) - _KNOWN
    assert not unknown, f"{where}: this check does not know {unknown}"
    if "$ref" in schema:
        return violations(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, where)
    found: list[str] = []
    if "anyOf" in schema and all(violations(value, option, root, where) for option in schema["anyOf"]):
        found.append(f"{where}: {value!r} fits none of the alternatives")
    if "type" in schema:
        is_bool = isinstance(value, bool)
        if is_bool != (schema["type"] == "boolean") or not isinstance(value, _TYPES[schema["type"]]):
            return [f"{where}: expected {schema['type']}, found {value!r}"]
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        found.append(f"{where}: {value!r} is not allowed")
    if isinstance(value, (int, float)):
        is_inside = schema.get("minimum", value) <= value <= schema.get("maximum", value)
        found += [] if is_inside else [f"{where}: {value} is out of range"]
    if isinstance(value, list):
        found += _array(value, schema, root, where)
    if isinstance(value, dict):
        found += _object(value, schema, root, where)
    return found


def _array(value: list[Any], schema: dict[str, Any], root: dict[str, Any], where: str) -> list[str]:
    is_inside = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
    found = [] if is_inside else [f"{where}: {len(value)} items"]
    for index, item in enumerate(value):
        found += violations(item, schema.get("items", {}), root, f"{where}[{index}]")
    return found


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], where: str) -> list[str]:
    found = [f"{where}: {key} is missing" for key in schema.get("required", ()) if key not in value]
    for key, item in value.items():
        inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
        found += violations(item, inner, root, f"{where}.{key}")
    return found
