"""Finds the Python interpreter that a Pulumi program asks for, as the official language host does for uv and venv."""

import os
import pathlib
import sys
from collections.abc import Mapping
from typing import Any


def interpreter(
    program: pathlib.Path,
    root: pathlib.Path,
    options: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
) -> str:
    """The interpreter for the program in folder `program` of the project in folder `root`.

    In this order: the option `virtualenv` (relative to the root), $UV_PROJECT_ENVIRONMENT, the nearest `.venv` from
    the program's folder upward, and the interpreter of this process.
    """
    for folder in _candidates(program, root, options, environment):
        path = folder / "bin" / "python"
        if path.exists():
            return str(path)
    return sys.executable


def _candidates(
    program: pathlib.Path, root: pathlib.Path, options: Mapping[str, Any], environment: Mapping[str, str]
) -> list[pathlib.Path]:
    found = []
    if chosen := options.get("virtualenv"):
        found.append(root / pathlib.Path(chosen).expanduser())
    if chosen := environment.get("UV_PROJECT_ENVIRONMENT"):
        found.append(root / chosen)
    start = program.absolute()
    found.extend(folder / ".venv" for folder in (start, *start.parents))
    return found


def environment_of(python: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables for a program run by `python`, its virtual environment activated."""
    folder = pathlib.Path(python).parent
    activated = dict(environment)
    activated.pop("PYTHONHOME", None)
    if (folder.parent / "pyvenv.cfg").exists():
        activated["VIRTUAL_ENV"] = str(folder.parent)
        activated["PATH"] = f"{folder}{os.pathsep}{activated.get('PATH', '')}"
    return activated
