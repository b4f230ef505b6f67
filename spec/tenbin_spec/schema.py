"""The JSON schema of stack files, for editors."""

from __future__ import annotations

from typing import Any

from tenbin_spec.stack import PREFIX, Stack


def stack_file_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a file `Pulumi.<stack>.yaml` with tenbin's configuration keys.

    Keys of other namespaces are allowed, since providers are configured in the same file; unknown `tenbin:` keys
    are not.
    """
    schema = Stack.model_json_schema(mode="validation")
    definitions = schema.pop("$defs")
    required = [PREFIX + name for name in schema["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack configuration of tenbin",
        "type": "object",
        "required": ["config"],
        "properties": {
            "encryptionsalt": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "config": {
                "type": "object",
                "required": required,
                "properties": {PREFIX + name: part for name, part in schema["properties"].items()},
                "patternProperties": {f"^(?!{PREFIX})": True},
                "additionalProperties": False,
            },
        },
        "$defs": definitions,
    }
