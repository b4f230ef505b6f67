"""Files of a volume, computed from the objects that it names, and their change in one step.

A kubelet shows the files of a ConfigMap through a link `..data` to a dated folder and swaps the link, so that a reader
sees all old files or all new ones (`AtomicWriter` in kubernetes/pkg/volume/util). Programs rely on it: so is it here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tenbin_local.agent import api, variables

DATA = "..data"
_DATA_NEXT = "..data_tmp"
DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class File:
    """Content and permission bits of one file."""

    content: bytes
    mode: int = DEFAULT_MODE


Payload: TypeAlias = dict[str, File]
"""Files by their path inside the volume."""


def select(entries: Mapping[str, bytes], source: api.Json, *, what: str, default_mode: int) -> Payload:
    """Files of a ConfigMap or Secret source: all keys, or those that `items` name.

    Raises:
        ConfigurationMissing: An item's key is missing and the source is not optional.
    """
    mode = source.get("defaultMode", default_mode)
    items = source.get("items")
    if not items:
        return {key: File(content, mode) for key, content in entries.items()}
    files: Payload = {}
    for item in items:
        if item["key"] in entries:
            files[item["path"]] = File(entries[item["key"]], item.get("mode") or mode)
        elif not source.get("optional"):
            raise variables.ConfigurationMissing(f"{what} references non-existent config key: {item['key']}")
    return files


def from_config_map(source: api.Json, lookup: variables.Lookup, *, default_mode: int = DEFAULT_MODE) -> Payload:
    """Files of a ConfigMap source.

    Raises:
        ConfigurationMissing: It, or a key, is missing and not optional.
    """
    found = lookup.config_map(source["name"])
    if found is None and not source.get("optional"):
        raise variables.ConfigurationMissing(f'configmap "{source["name"]}" not found')
    entries = variables.config_map_bytes(found) if found else {}
    return select(entries, source, what="configmap", default_mode=default_mode)


def from_secret(source: api.Json, lookup: variables.Lookup, *, default_mode: int = DEFAULT_MODE) -> Payload:
    """Files of a Secret source; a volume calls it `secretName`, a projection `name`.

    Raises:
        ConfigurationMissing: It, or a key, is missing and not optional.
    """
    name = source.get("secretName") or source.get("name", "")
    found = lookup.secret(name)
    if found is None and not source.get("optional"):
        raise variables.ConfigurationMissing(f'secret "{name}" not found')
    entries = variables.secret_bytes(found) if found else {}
    return select(entries, source, what="secret", default_mode=default_mode)


def from_downward_api(
    source: api.Json, pod: api.Json, placement: variables.Placement, *, default_mode: int = DEFAULT_MODE
) -> Payload:
    """Files of a downward API source: fields of the pod itself."""
    mode = source.get("defaultMode", default_mode)
    files: Payload = {}
    for item in source.get("items") or []:
        text = variables.field_value(pod, item["fieldRef"]["fieldPath"], placement)
        files[item["path"]] = File(text.encode(), item.get("mode") or mode)
    return files


def _current(folder: Path) -> Payload | None:
    data = folder / DATA
    if not data.is_symlink():
        return None
    files = [path for path in data.resolve().rglob("*") if path.is_file()]
    root = data.resolve()
    return {str(path.relative_to(root)): File(path.read_bytes(), path.stat().st_mode & 0o777) for path in files}


def write(folder: Path, files: Payload) -> bool:
    """Make a volume's folder show exactly these files, all at once; says whether anything changed."""
    folder.mkdir(parents=True, exist_ok=True)
    if _current(folder) == files:
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    fresh.chmod(0o755)
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
    data = folder / DATA
    old = data.resolve() if data.is_symlink() else None
    link = folder / _DATA_NEXT
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(fresh.name)
    link.replace(data)
    _show(folder, {Path(name).parts[0] for name in files})
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _show(folder: Path, names: set[str]) -> None:
    """Links beside `..data` for each first path part, and none for parts that are gone."""
    for entry in os.scandir(folder):
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            Path(entry.path).unlink()
    for name in names:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(Path(DATA) / name)
