"""Names of resources that a program leaves unnamed."""

import hashlib
from collections.abc import Mapping
from typing import Any

from tenbin_local.plugins.aws.kind import Name

DEFAULTS = "__defaults"
"""Input by which the official provider's inputs say which of them nobody gave."""

DIGITS = 7
"""Hexadecimal digits after the logical name, as the official provider has."""


def assign(inputs: Mapping[str, Any], name: Name, logical: str, *, seed: str, proposed: str = "") -> dict[str, Any]:
    """`inputs` with a name: their own, one that the engine proposes, or the logical name or the prefix with digits."""
    if name.property in inputs:
        return dict(inputs)
    digits = hashlib.sha256(f"{seed}/{logical}".encode()).hexdigest()[:DIGITS]
    prefix = inputs.get(name.prefix) if name.prefix else None
    if prefix is not None and not isinstance(prefix, str):
        return dict(inputs)  # the prefix is not known yet
    made = f"{prefix}{digits}" if prefix is not None else proposed or f"{logical}-{digits}"
    return {**inputs, name.property: f"{made}{name.suffix}", DEFAULTS: [name.property]}


def adopt(inputs: Mapping[str, Any], name: Name, old: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs` with the made-up name of the resource as it is, where they have none themselves."""
    prefix = name.prefix and inputs.get(name.prefix) != old.get(name.prefix)
    if name.property in inputs or name.property not in autonamed(old) or prefix:
        return dict(inputs)
    return {**inputs, name.property: old[name.property], DEFAULTS: [name.property]}


def autonamed(inputs: Mapping[str, Any]) -> list[str]:
    """The inputs that nobody gave."""
    found = inputs.get(DEFAULTS)
    return found if isinstance(found, list) else []
