"""Names of objects that a program leaves unnamed, and the annotation that tells them from chosen names."""

import copy
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins import properties

AUTONAMED = "pulumi.com/autonamed"
"""Annotation, "true" on objects whose name was made up."""

SUFFIX_DIGITS = 8
"""Hexadecimal digits after the logical name."""


def annotation(obj: Mapping[str, Any], key: str) -> str | None:
    """The object's annotation, None where it is absent or not known yet."""
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    value = annotations.get(key) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) else None


def is_autonamed(obj: Mapping[str, Any]) -> bool:
    """Whether the object's name was made up."""
    return annotation(obj, AUTONAMED) == "true"


def name_of(obj: Mapping[str, Any]) -> Any:
    """The object's name: a string, UNKNOWN, or None where there is none."""
    metadata = obj.get("metadata")
    return metadata.get("name") if isinstance(metadata, Mapping) else None


def unique(prefix: str, seed: bytes = b"") -> str:
    """`prefix` with a random suffix, the same one for the same non-empty seed."""
    digits = hashlib.sha256(seed + prefix.encode()).hexdigest() if seed else secrets.token_hex(SUFFIX_DIGITS)
    return prefix + digits[:SUFFIX_DIGITS]


def assign(
    inputs: Mapping[str, Any], logical_name: str, *, seed: bytes, proposed: str = "", disabled: bool = False
) -> dict[str, Any]:
    """`inputs` with a name: the given one, the one that the engine proposes, or the logical name with random digits.

    Raises:
        ValueError: There is no name and automatic naming is switched off.
    """
    if name_of(inputs) or not isinstance(inputs.get("metadata", {}), Mapping):
        return dict(inputs)
    if disabled:
        raise ValueError(f"automatic naming is switched off, so {logical_name!r} needs metadata.name")
    return _named(inputs, proposed or unique(f"{logical_name}-", seed))


def adopt(inputs: Mapping[str, Any], old_inputs: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs` with the made-up name of the existing object where they have none themselves."""
    old = name_of(old_inputs)
    if name_of(inputs) or not is_autonamed(old_inputs) or not isinstance(old, str):
        return dict(inputs)
    return _named(inputs, old)


def _named(inputs: Mapping[str, Any], name: str) -> dict[str, Any]:
    named = copy.deepcopy(dict(inputs))
    metadata = named.setdefault("metadata", {})
    metadata["name"] = name
    annotations = metadata.setdefault("annotations", {})
    if annotations is not properties.UNKNOWN:
        annotations[AUTONAMED] = "true"
    return named
