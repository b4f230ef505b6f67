"""Prices of a project's own, newer than the catalogue's: the file that `tenbin prices refresh` writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tenbin_spec.catalogue import prices
from tenbin_spec.problems import ConfigurationError, Problem, path_text
from tenbin_spec.stack import PREFIX

DEFAULT_NAME = "prices.json"
"""Name that `tenbin prices refresh` gives the file."""


def with_prices(configuration: Mapping[str, Any], read: Callable[[str], str], source: str) -> dict[str, Any]:
    """Return a plain configuration whose pools have the prices of the file that it names in `prices.file`.

    A pool's own price stays; what the file does not have, the catalogue answers.

    Args:
        configuration: plain value of each domain by its key without prefix, as in a stack file.
        read: returns the text of a file, named from the project's folder.
        source: what the error calls the configuration.

    Raises:
        ConfigurationError: when the file cannot be read or has problems.
    """
    named, pools = configuration.get("prices"), configuration.get("pools")
    name = named.get("file") if isinstance(named, Mapping) else None
    if not isinstance(name, str) or not isinstance(pools, Mapping):
        return dict(configuration)
    try:
        text = read(name)
    except (OSError, UnicodeDecodeError) as error:
        message = (
            f"{name!r} cannot be read: {error}. Allowed: a file that `tenbin prices refresh` wrote, named from the"
            " project's folder"
        )
        problem = Problem(path=path_text(("prices", "file"), PREFIX), message=message)
        raise ConfigurationError([problem], source) from error
    return {**configuration, "pools": prices.fill(pools, prices.parse(text, name))}
