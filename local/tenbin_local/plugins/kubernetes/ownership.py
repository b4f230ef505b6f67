"""Which manager owns a field of an object, and what that means for fields that a program ignores.

With server-side apply, a field that was applied and is left out the next time is removed, and a field that another
manager has changed since is a conflict when it is applied again. So an ignored field is left out when only others own
it, and sent with its live value when we own it too.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tenbin_local.plugins import paths


def owns(entry: Mapping[str, Any], path: paths.Path) -> bool:
    """Whether an entry of metadata.managedFields includes the field at `path` (keys of objects only)."""
    fields: Any = entry.get("fieldsV1", {})
    for step in path:
        key = f"f:{step}"
        if not isinstance(fields, Mapping) or key not in fields:
            return False
        fields = fields[key]
    return True


def settle_ignored(
    inputs: Mapping[str, Any], live: Mapping[str, Any], *, manager: str, ignored: Sequence[paths.Path]
) -> dict[str, Any]:
    """The inputs to apply when the fields at the `ignored` paths belong to whoever wrote them last."""
    settled = copy.deepcopy(dict(inputs))
    entries = live.get("metadata", {}).get("managedFields") or []
    for path in ignored:
        if any(isinstance(step, int) or step == "*" for step in path):
            continue
        ours = any(owns(entry, path) for entry in entries if entry.get("manager") == manager)
        theirs = any(owns(entry, path) for entry in entries if entry.get("manager") != manager)
        if theirs and not ours:
            _remove(settled, path)
        elif (found := _find(live, path)) is not None:
            _put(settled, path, copy.deepcopy(found))
    return settled


def _find(obj: Any, path: paths.Path) -> Any:
    for step in path:
        if not isinstance(obj, Mapping) or step not in obj:
            return None
        obj = obj[step]
    return obj


def _remove(obj: Any, path: paths.Path) -> None:
    parent = _find(obj, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)


def _put(obj: dict[Any, Any], path: paths.Path, value: Any) -> None:
    parent: Any = obj
    for step in path[:-1]:
        if not isinstance(parent, dict):
            return
        parent = parent.setdefault(step, {})
    if isinstance(parent, dict):
        parent[path[-1]] = value
