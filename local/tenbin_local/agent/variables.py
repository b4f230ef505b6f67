"""Environment variables and command lines of containers, expanded as a kubelet does and moved to the container's root.

Source of the `$(VAR)` rules: kubernetes/third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tenbin_local.agent import api

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class ConfigurationMissing(Exception):  # noqa: N818 - named after the kubelet's CreateContainerConfigError
    """A ConfigMap, a Secret or one of their keys that a container needs is not there (yet)."""


class Lookup(Protocol):
    """The namespace's ConfigMaps and Secrets."""

    def config_map(self, name: str) -> api.Json | None:
        """ConfigMap of that name."""

    def secret(self, name: str) -> api.Json | None:
        """Secret of that name."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a pod runs."""

    pod_address: str
    host_address: str


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value; `$$` is a dollar sign; an unknown name stays as it is written."""
    result: list[str] = []
    position = 0
    while (dollar := text.find("$", position)) >= 0:
        result.append(text[position:dollar])
        follower = text[dollar + 1 : dollar + 2]
        close = text.find(")", dollar) if follower == "(" else -1
        if close > 0:
            name = text[dollar + 2 : close]
            result.append(variables.get(name, text[dollar : close + 1]))
            position = close + 1
        else:
            result.append("$" if follower in {"$", ""} else "$" + follower)
            position = dollar + 1 + len(follower)
    result.append(text[position:])
    return "".join(result)


def rewrite(value: str, mounts: Mapping[str, str]) -> str:
    """Move a path that lies at or below a mount path to where the mount really is.

    The path may be the whole value or follow a first `=`, as in `--config=/etc/x/y`. The longest mount path wins.

    Args:
        value: A command argument or a variable's value.
        mounts: Real path by mount path.
    """
    option, equals, path = value.partition("=")
    if value.startswith("-") and equals and path.startswith("/"):
        return option + equals + rewrite(path, mounts)
    for mount in sorted(mounts, key=len, reverse=True):
        bare = mount.rstrip("/")
        if value == bare or value.startswith(bare + "/"):
            return mounts[mount] + value[len(bare) :]
    return value


def field_value(pod: api.Json, path: str, placement: Placement) -> str:
    """Value of a `fieldRef`.

    Raises:
        ConfigurationMissing: The field is not one that Kubernetes offers.
    """
    metadata = pod["metadata"]
    if match := _SUBSCRIPT.fullmatch(path):
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        entries = metadata.get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(entries.items()))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.podIP": placement.pod_address,
        "status.podIPs": placement.pod_address,
        "status.hostIP": placement.host_address,
        "status.hostIPs": placement.host_address,
    }
    if path not in values:
        raise ConfigurationMissing(f"fieldRef {path!r}: allowed are {', '.join(sorted(values))}")
    return str(values[path])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def config_map_bytes(config_map: api.Json) -> dict[str, bytes]:
    """Files of a ConfigMap by key."""
    text = {key: value.encode() for key, value in (config_map.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (config_map.get("binaryData") or {}).items()}


def secret_bytes(secret: api.Json) -> dict[str, bytes]:
    """Files of a Secret by key."""
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def _whole(reference: api.Json, lookup: Lookup, *, kind: str) -> dict[str, bytes] | None:
    """All keys of a ConfigMap or a Secret; None where it is missing and may be."""
    name = reference.get("name", "")
    found = lookup.config_map(name) if kind == "configmap" else lookup.secret(name)
    if found is not None:
        return config_map_bytes(found) if kind == "configmap" else secret_bytes(found)
    if reference.get("optional"):
        return None
    raise ConfigurationMissing(f'{kind} "{name}" not found')


def _key(reference: api.Json, lookup: Lookup, *, kind: str) -> str | None:
    entries = _whole(reference, lookup, kind=kind)
    value = (entries or {}).get(reference["key"])
    if value is not None:
        return value.decode(errors="replace")
    if entries is None or reference.get("optional"):
        return None
    raise ConfigurationMissing(f"couldn't find key {reference['key']} in {kind} {reference['name']}")


def environment(
    container: api.Json,
    pod: api.Json,
    *,
    placement: Placement,
    lookup: Lookup,
    base: Mapping[str, str],
    mounts: Mapping[str, str],
) -> dict[str, str]:
    """All variables of a container: those of the node, then `envFrom`, then `env`, each able to name earlier ones.

    Raises:
        ConfigurationMissing: Something that is not optional is missing.
    """
    variables = dict(base)
    for source in container.get("envFrom") or []:
        variables |= {name: rewrite(value, mounts) for name, value in _from_whole(source, lookup).items()}
    for entry in container.get("env") or []:
        source = entry.get("valueFrom")
        literal = expand(entry.get("value") or "", variables)
        value = _from_source(source, pod, placement, lookup) if source else literal
        if value is not None:
            variables[entry["name"]] = rewrite(value, mounts)
    return variables


def _from_whole(source: api.Json, lookup: Lookup) -> dict[str, str]:
    """Variables of an `envFrom` entry; keys that are no names are skipped, as in a kubelet."""
    entries: dict[str, bytes] = {}
    for kind, field in (("configmap", "configMapRef"), ("secret", "secretRef")):
        if source.get(field):
            entries |= _whole(source[field], lookup, kind=kind) or {}
    prefix = source.get("prefix") or ""
    named = {prefix + key: value.decode(errors="replace") for key, value in entries.items()}
    return {name: value for name, value in named.items() if _NAME.fullmatch(name)}


def _from_source(source: api.Json, pod: api.Json, placement: Placement, lookup: Lookup) -> str | None:
    """Value of a `valueFrom`; None where it is optional and missing."""
    if source.get("fieldRef"):
        return field_value(pod, source["fieldRef"]["fieldPath"], placement)
    if source.get("configMapKeyRef"):
        return _key(source["configMapKeyRef"], lookup, kind="configmap")
    return _key(source["secretKeyRef"], lookup, kind="secret")


def arguments(words: Sequence[str] | None, variables: Mapping[str, str], mounts: Mapping[str, str]) -> list[str]:
    """Words of `command` or `args`, expanded and moved."""
    return [rewrite(expand(word, variables), mounts) for word in words or []]
