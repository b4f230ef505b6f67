"""Resources out of a file: what `pulumi preview --json` or `pulumi stack export` wrote, or manifests of Kubernetes."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from tenbin_policies.rules import Resource
from tenbin_policies.view import View

from tenbin_cli import refusals

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Key that marks a value of the engine that is no plain one, as a secret is."""
_FORMS = "the JSON of `pulumi preview --json` or `pulumi stack export`, or manifests of Kubernetes as YAML"


def read(path: pathlib.Path) -> list[Resource]:
    """Return the resources of a file.

    Raises:
        UsageError: when it cannot be read, or holds nothing that is known.
    """
    try:
        text = path.read_text(encoding="utf-8")
        documents = list(YAML(typ="safe", pure=True).load_all(text)) if path.suffix in {".yaml", ".yml"} else None
        plain = json.loads(text) if documents is None else None
    except OSError as error:
        raise refusals.UsageError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError, YAMLError) as error:
        raise refusals.UsageError(f"{path}: cannot be read ({_first_line(error)}). Allowed: {_FORMS}") from error
    found = list(_manifests(documents) if documents is not None else _states(plain, path))
    if not found:
        raise refusals.UsageError(f"{path}: holds no resource. Allowed: {_FORMS}")
    return found


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _states(plain: Any, path: pathlib.Path) -> Iterator[Resource]:
    if isinstance(plain, Mapping) and isinstance(plain.get("steps"), list):
        states = [step.get("newState") for step in plain["steps"] if isinstance(step, Mapping)]
    elif isinstance(plain, Mapping) and isinstance(plain.get("deployment"), Mapping):
        states = plain["deployment"].get("resources") or []
    else:
        raise refusals.UsageError(f"{path}: is of a form or version that is not known. Allowed: {_FORMS}")
    for state in states:
        if isinstance(state, Mapping) and isinstance(state.get("type"), str) and isinstance(state.get("urn"), str):
            yield Resource(
                type=state["type"],
                name=state["urn"].rpartition("::")[2],
                urn=state["urn"],
                properties=_view(state.get("inputs") or {}),
                protected=state.get("protect") is True,
                dependencies=tuple(sorted(map(str, state.get("dependencies") or ()))),
            )


def _manifests(documents: list[Any]) -> Iterator[Resource]:
    for manifest in documents:
        if not isinstance(manifest, Mapping) or not {"apiVersion", "kind"} <= manifest.keys():
            continue
        version = str(manifest["apiVersion"])
        kind = f"kubernetes:{version if '/' in version else f'core/{version}'}:{manifest['kind']}"
        metadata = manifest.get("metadata")
        name = str(metadata.get("name", "unnamed")) if isinstance(metadata, Mapping) else "unnamed"
        yield Resource(type=kind, name=name, urn=f"{kind}::{name}", properties=_view(manifest))


def _view(plain: Mapping[str, Any]) -> View:
    proxy: Any = unknown_checking_proxy(_opened(plain))
    return View(proxy)


def _opened(value: Any) -> Any:
    """Replace what only the engine can read, as secrets are, by what stands for an unknown value."""
    if isinstance(value, Mapping):
        if _SIGNATURE in value:
            return UNKNOWN_STRING_VALUE
        return {str(key): _opened(item) for key, item in value.items()}
    return [_opened(item) for item in value] if isinstance(value, list) else value
