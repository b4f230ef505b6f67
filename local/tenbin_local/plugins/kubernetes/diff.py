"""What a change of inputs means for an object: which paths differ, and whether it must be replaced.

New inputs are compared with the live object, reduced to the shape of the old inputs: fields that only the server or
another manager fills in never show up, fields that somebody changed since do (after a refresh).
"""

import base64
import copy
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tenbin_local.plugins import differences, paths, properties
from tenbin_local.plugins.kubernetes import naming, quantities, replacement

_READ_ONLY = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields",
    "resourceVersion", "uid",
)  # fmt: skip

_ABSENT = object()


def normalise(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the inputs in the form in which the server keeps them, without fields that only it may write."""
    obj = copy.deepcopy(dict(inputs))
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        for key in _READ_ONLY:
            metadata.pop(key, None)
    if obj.get("kind") == "Secret" and isinstance(obj.get("stringData"), Mapping):
        encoded = {
            key: base64.b64encode(value.encode()).decode() if isinstance(value, str) else value
            for key, value in obj.pop("stringData").items()
        }
        obj["data"] = {**(obj.get("data") or {}), **encoded}
    if obj.get("kind") == "CustomResourceDefinition":
        obj.pop("status", None)
    return obj


def prune(live: Any, inputs: Any) -> Any:
    """The live value reduced to what `inputs` mention.

    Lists of named objects are matched by name, other lists by position, so that an entry which another manager put
    in between does not shift the rest. Zero values stay where the live object has nothing: the server drops them.
    """
    if isinstance(live, Mapping) and isinstance(inputs, Mapping):
        kept = {key: value for key, value in inputs.items() if key in live or _is_zero(value)}
        return {key: prune(live[key], value) if key in live else value for key, value in kept.items()}
    if isinstance(live, list) and isinstance(inputs, list):
        by_name = _by_name(live)
        if by_name is not None and (wanted := _by_name(inputs)) is not None:
            return [prune(by_name[name], value) for name, value in wanted.items() if name in by_name]
        return [prune(one, other) for one, other in zip(live, inputs, strict=False)]
    return live


def _is_zero(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_zero(item) for item in value.values())
    return value is not properties.UNKNOWN and not value


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    named = {item["name"]: item for item in items if isinstance(item, Mapping) and isinstance(item.get("name"), str)}
    return named if named and len(named) == len(items) else None


def compare(
    *,
    live: Mapping[str, Any],
    old_inputs: Mapping[str, Any],
    new_inputs: Mapping[str, Any],
    namespaced: bool,
    ignored: Sequence[paths.Path] = (),
    config_map_mutable: bool = False,
    secret_mutable: bool = False,
) -> differences.Differences:
    """The differences between the live object and new inputs, all given without secret marks.

    Args:
        live: The object as the state knows it.
        old_inputs: The inputs from which it was made.
        new_inputs: The inputs wanted now; unknown values count as changed.
        namespaced: Whether objects of this kind lie in a namespace.
        ignored: Paths of ignore_changes.
        config_map_mutable: Whether data of ConfigMaps are changed in place.
        secret_mutable: Whether data of Secrets are changed in place.
    """
    old_inputs, new = normalise(old_inputs), normalise(new_inputs)
    old = prune(live, old_inputs)
    for obj in (old, new):
        _place(obj, namespaced=namespaced)
    if naming.name_of(new):
        old["metadata"]["name"] = naming.name_of(live)
    immutable = replacement.immutable_paths(new, config_map_mutable=config_map_mutable, secret_mutable=secret_mutable)
    changes = tuple(
        dataclasses.replace(change, replaces=replacement.forces(immutable, change.path, change.new))
        for change in _walk((), old, new)
        if not any(paths.covers(pattern, change.path) for pattern in ignored)
    )
    same_place = naming.name_of(new) == naming.name_of(live) and (
        new["metadata"].get("namespace") == old["metadata"].get("namespace")
    )
    return differences.Differences(
        changes=changes,
        delete_before_replace=same_place
        and not naming.is_autonamed(new)
        and any(change.replaces for change in changes),
    )


def _place(obj: dict[str, Any], *, namespaced: bool) -> None:
    metadata = obj.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        return
    if namespaced:
        metadata["namespace"] = metadata.get("namespace") or "default"
    else:
        metadata.pop("namespace", None)


def _walk(path: paths.Path, old: Any, new: Any) -> Iterator[differences.Change]:
    if new is _ABSENT:
        yield differences.Change(path=path, kind=differences.Kind.DELETE)
    elif old is _ABSENT:
        yield differences.Change(path=path, kind=differences.Kind.ADD, new=new)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _walk((*path, key), old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _walk((*path, index), _at(old, index), _at(new, index))
    elif not _same(path, old, new):
        yield differences.Change(path=path, kind=differences.Kind.UPDATE, new=new)


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _same(path: paths.Path, one: Any, other: Any) -> bool:
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other) or (quantities.is_place(path) and quantities.equal(one, other))
