"""What a platform registers as its inputs: the agreement for those who see resources and no configuration.

A policy pack and the reader of `pulumi preview --json` find the component by its type and the agreement in `agreement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from tenbin_spec.problems import ConfigurationError, Problem
from tenbin_spec.stack import Stack, parse_stack

VERSION: Literal[1] = 1
"""Of the inputs' form, in `version`."""
TYPE = "tenbin:index:Platform"
"""Type token of the component."""


def stack_of(inputs: Mapping[str, Any], source: str) -> Stack:
    """Return the agreement that a platform was registered with.

    Args:
        inputs: of the component.
        source: what an error calls them.

    Raises:
        ConfigurationError: for another version of the form, or an agreement that does not parse.
    """
    version, agreement = inputs.get("version"), inputs.get("agreement")
    # Numbers come back from an engine as floats.
    if version != VERSION:
        message = f"{version!r} is not a version that this program reads. Allowed: {VERSION}; make the preview anew"
        raise ConfigurationError([Problem(path=f"{TYPE} version", message=message)], source)
    if not isinstance(agreement, Mapping):
        raise ConfigurationError([Problem(path=f"{TYPE} agreement", message="is required and missing")], source)
    return parse_stack(_whole(agreement), source)


def _whole(value: Any) -> Any:
    """Return a value whose whole numbers are integers again."""
    if isinstance(value, Mapping):
        return {str(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
