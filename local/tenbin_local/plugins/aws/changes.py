"""Which inputs differ, and which differences make AWS need a new resource."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tenbin_local.plugins import differences, paths, properties
from tenbin_local.plugins.aws import naming
from tenbin_local.plugins.aws.kind import Kind, canonical

_ABSENT = object()


def compare(
    kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any], ignored: tuple[paths.Path, ...] = ()
) -> differences.Differences:
    """The differences between the inputs of a resource as it is and new ones, without secret marks.

    Inputs that say what AWS would assume anyway are no difference, nor are the order of what has none, the spelling of
    documents, and the absence of what AWS keeps.
    """
    old = {key: value for key, value in old.items() if key in new or key not in kind.paths("kept")}
    before, after = merged(kind.defaults, _stripped(old)), merged(kind.defaults, _stripped(new))
    replacing = [tuple(path.split(".")) for path in kind.paths("replaces")]
    removing = [tuple(path.split(".")) for path in kind.paths("removal_replaces")]
    found = []
    for path, how, value in _walk(kind, (), before, after):
        if any(paths.covers(pattern, path) for pattern in ignored):
            continue
        plain = tuple(str(step) for step in path if not isinstance(step, int))
        removed = how is differences.Kind.DELETE and plain in removing
        replaces = removed or any(_overlap(plain, pattern) for pattern in replacing)
        found.append(differences.Change(path=path, kind=how, new=value, replaces=replaces))
    return differences.Differences(
        changes=tuple(found),
        delete_before_replace=any(change.replaces for change in found)
        and (kind.delete_before_replace or _keeps_name(kind, old, new)),
    )


def _keeps_name(kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the new resource would have the old one's name, which AWS gives away once only."""
    if kind.name is None or kind.name.property in naming.autonamed(new):
        return False
    return bool(old.get(kind.name.property) == new.get(kind.name.property))


def _stripped(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != naming.DEFAULTS}


def merged(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with what they leave out of `defaults`, in objects of objects too."""
    made = dict(defaults)
    for key, value in values.items():
        under = made.get(key)
        made[key] = merged(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
    # An object that nobody gave has no defaults within.
    return {key: value for key, value in made.items() if key in values or not isinstance(value, Mapping)}


def _overlap(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether one of two places lies in the other."""
    size = min(len(path), len(pattern))
    return path[:size] == pattern[:size]


def _walk(kind: Kind, path: paths.Path, old: Any, new: Any) -> Iterator[tuple[paths.Path, differences.Kind, Any]]:
    if new is _ABSENT:
        yield path, differences.Kind.DELETE, None
    elif old is _ABSENT:
        yield path, differences.Kind.ADD, new
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _walk(kind, (*path, key), old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        plain = ".".join(str(step) for step in path if not isinstance(step, int))
        if plain in kind.paths("unordered") and not properties.has_unknown(new):
            yield from _members(path, old, new)
            return
        for index in range(max(len(old), len(new))):
            yield from _walk(kind, (*path, index), _at(old, index), _at(new, index))
    elif not _same(kind, path, old, new):
        yield path, differences.Kind.UPDATE, new


def _members(path: paths.Path, old: list[Any], new: list[Any]) -> Iterator[tuple[paths.Path, differences.Kind, Any]]:
    """The differences of two lists whose order means nothing."""
    before, after = [canonical(item) for item in old], [canonical(item) for item in new]
    gone = {index for index, text in enumerate(before) if text not in after}
    come = {index for index, text in enumerate(after) if text not in before}
    for index in sorted(gone | come):
        if index not in come:
            yield (*path, index), differences.Kind.DELETE, None
        else:
            how = differences.Kind.UPDATE if index in gone else differences.Kind.ADD
            yield (*path, index), how, new[index]


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _same(kind: Kind, path: paths.Path, one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str) and ".".join(map(str, path)) in kind.paths("documents"):
        return bool(document(one) == document(other))
    if isinstance(one, bool) is not isinstance(other, bool):
        return str(one).lower() == str(other).lower()
    return one is other or bool(one == other) or (_number(one) and _number(other) and float(one) == float(other))


def _number(value: Any) -> bool:
    return re.fullmatch(r"-?\d+(\.\d+)?", str(value)) is not None


def document(text: str) -> Any:
    """What a JSON document says, its text where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text
