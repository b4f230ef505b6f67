"""Property values between the engine's protobuf form and plain Python values.

Plain values are those of JSON, with two additions: `Secret` wraps a value that must be stored encrypted, and `UNKNOWN`
stands for a value that only an update will know. Whole numbers become `int`, as the APIs behind refuse `3.0` where they
expect an integer. Keys whose value is null are left out.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key that marks an object as a special value."""

SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  # a constant of the protocol
"""Value under `SIGNATURE` that marks a secret."""

UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""String by which the protocol stands for an unknown value."""


class Unknown(enum.Enum):
    """The type of `UNKNOWN`."""

    VALUE = "unknown"


UNKNOWN = Unknown.VALUE
"""A value that only an update will know."""


@dataclasses.dataclass(frozen=True, slots=True)
class Secret:
    """A value to be stored encrypted and shown as [secret]."""

    value: Any


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """The plain form of a property map."""
    read = {key: _read(value) for key, value in struct.fields.items()}
    return {key: value for key, value in read.items() if value is not None}


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """The protobuf form of a property map."""
    struct = struct_pb2.Struct()
    for key, value in values.items():
        if value is not None:
            struct.fields[key].CopyFrom(_write(value))
    return struct


def _read(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if SIGNATURE in fields:
            if fields[SIGNATURE].string_value != SECRET_SIGNATURE:
                raise ValueError("assets, archives and resource references are not supported by this stand-in")
            return Secret(_read(fields["value"]))
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_read(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _write(value: Any) -> struct_pb2.Value:
    if isinstance(value, Secret):
        fields = {SIGNATURE: _write(SECRET_SIGNATURE), "value": _write(value.value)}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=to_struct(value))
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_write(item) for item in value]))
    if value is UNKNOWN:
        return struct_pb2.Value(string_value=UNKNOWN_TEXT)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=float(value))
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    return struct_pb2.Value(string_value=str(value))


def reveal(value: Any) -> Any:
    """A copy of `value` in which secrets are bare values."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, Mapping):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def has_unknown(value: Any) -> bool:
    """Whether a value somewhere in `value` is unknown."""
    return _any(value, lambda item: item is UNKNOWN)


def has_secret(value: Any) -> bool:
    """Whether a value somewhere in `value` is a secret."""
    return _any(value, lambda item: isinstance(item, Secret))


def _any(value: Any, test: Any) -> bool:
    if test(value):
        return True
    if isinstance(value, Secret):
        return _any(value.value, test)
    if isinstance(value, Mapping):
        return any(_any(item, test) for item in value.values())
    return isinstance(value, list) and any(_any(item, test) for item in value)


def mark_secrets(values: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values` with what is secret in `inputs` marked secret at the same place.

    A list is secret as a whole where any part of its input is, since the server may order it anew.
    """
    marked = dict(values)
    for key, given in inputs.items():
        if key not in values:
            continue
        value = values[key]
        if isinstance(value, Mapping) and isinstance(given, Mapping):
            marked[key] = mark_secrets(value, given)
        elif has_secret(given):
            marked[key] = secret(value)
    return marked


def secret(value: Any) -> Secret:
    """Return `value`, marked secret once."""
    return value if isinstance(value, Secret) else Secret(value)
