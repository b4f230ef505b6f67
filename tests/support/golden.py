"""Rendered output kept in files, so that a change of it is seen in review."""

from __future__ import annotations

import io
import os
import pathlib
from typing import Any

from ruamel.yaml import YAML

FOLDER = pathlib.Path(__file__).parents[1] / "golden"
UPDATE = "TENBIN_UPDATE_GOLDEN"


def dump(documents: list[dict[str, Any]]) -> str:
    """Write manifests as one YAML file, keys in the order of the layouts."""
    yaml = YAML()
    yaml.representer.ignore_aliases = lambda _: True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue()


def check(name: str, text: str) -> None:
    """Compare a text with the golden file of that name; with `TENBIN_UPDATE_GOLDEN=1` write the file instead.

    Raises:
        AssertionError: when they differ.
    """
    path = FOLDER / name
    if os.environ.get(UPDATE) == "1":
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == expected, f"{path} differs; after a wanted change run: {UPDATE}=1 pytest {FOLDER}"
