"""Reads stack files as the Pulumi engine does: YAML 1.2, keys `tenbin:<domain>`.

PyYAML would read `12:30`, `yes` and `1e10` as something else than the program sees; ruamel.yaml reads YAML 1.2.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from ruamel.yaml import YAML, error
from tenbin_spec.price_files import with_prices
from tenbin_spec.problems import ConfigurationError, Problem
from tenbin_spec.stack import PREFIX, Stack, parse_stack

_NAME_PREFIX = "Pulumi."
_SUFFIX = ".yaml"
_PROJECT = "Pulumi.yaml"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack file that parses."""

    name: str
    """Name of the stack: `dev` for `Pulumi.dev.yaml`."""
    path: pathlib.Path
    stack: Stack


def stack_file_path(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Return the path of a stack's file in a folder of stacks."""
    return folder / f"{_NAME_PREFIX}{name}{_SUFFIX}"


def stack_names(folder: pathlib.Path) -> list[str]:
    """Return the names of the stacks in a folder, sorted."""
    files = folder.glob(f"{_NAME_PREFIX}*{_SUFFIX}")
    return sorted(file.name.removeprefix(_NAME_PREFIX).removesuffix(_SUFFIX) for file in files)


def read_stack_file(path: pathlib.Path) -> StackFile:
    """Read and parse a stack file, with the prices of the file that it names.

    Raises:
        ConfigurationError: when it cannot be read, is no YAML, or its configuration has problems; all are named.
    """
    name = path.name.removeprefix(_NAME_PREFIX).removesuffix(_SUFFIX)
    project = project_folder(path.absolute().parent)
    configuration = with_prices(
        read_configuration(path), lambda name: (project / name).read_text(encoding="utf-8"), str(path)
    )
    return StackFile(name=name, path=path, stack=parse_stack(configuration, source=str(path)))


def project_folder(folder: pathlib.Path) -> pathlib.Path:
    """Return the nearest folder with a Pulumi project, from a folder of stacks upwards, or the folder itself."""
    return next((place for place in (folder, *folder.parents) if (place / _PROJECT).is_file()), folder)


def read_configuration(path: pathlib.Path) -> dict[str, Any]:
    """Return the plain value of each `tenbin:` key of a stack file, without the prefix.

    Raises:
        ConfigurationError: when the file cannot be read or is no YAML mapping with a `config` mapping.
    """
    source = str(path)
    plain = read_yaml(path)
    configuration = plain.get("config") if isinstance(plain, dict) else None
    if not isinstance(configuration, dict):
        raise ConfigurationError([Problem(path="config", message="is required and missing")], source)
    return {str(key).removeprefix(PREFIX): value for key, value in configuration.items() if str(key).startswith(PREFIX)}


def read_yaml(path: pathlib.Path) -> Any:
    """Return the plain value of a file of YAML 1.2.

    Raises:
        ConfigurationError: when the file cannot be read or is no YAML.
    """
    source = str(path)
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError([Problem(path="file", message=f"cannot be read: {problem}")], source) from problem
    except error.YAMLError as problem:
        raise ConfigurationError([_yaml_problem(problem)], source) from problem


def _yaml_problem(problem: error.YAMLError) -> Problem:
    mark = getattr(problem, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
    return Problem(path=place, message=f"is not YAML: {getattr(problem, 'problem', None) or problem}")
