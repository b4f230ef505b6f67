"""Reads a kubeconfig, given as contents, as a path or by the environment, and says how to reach its API server."""

import base64
import dataclasses
import os
import pathlib
import ssl
import tempfile
from collections.abc import Mapping
from typing import Any

from ruamel import yaml
from ruamel.yaml import error as yaml_error

from tenbin_local.plugins.kubernetes import exec_login

DEFAULT_NAMESPACE = "default"


class KubeconfigError(ValueError):
    """A kubeconfig that cannot be read or used; the message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Connection:
    """How to reach an API server, and the namespace of the context."""

    server: str
    """Base URL."""
    verify: ssl.SSLContext
    """Certificates, and the client's own where it has one."""
    headers: Mapping[str, str]
    """Authentication by token or password."""
    namespace: str


def load(given: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The kubeconfig in `given` (contents or path), or where it is empty that of $KUBECONFIG or ~/.kube/config.

    Raises:
        KubeconfigError: There is none, or it is no YAML object.
    """
    if given:
        path = pathlib.Path(given).expanduser() if "\n" not in given and len(given) < 4096 else None
        return _read_file(path) if path is not None and path.is_file() else _read_text(given, "kubeconfig")
    listed = environment.get("KUBECONFIG") or str(pathlib.Path.home() / ".kube" / "config")
    found = [pathlib.Path(entry) for entry in listed.split(os.pathsep) if entry and pathlib.Path(entry).is_file()]
    if not found:
        raise KubeconfigError(
            f"{listed}: no such file. Set KUBECONFIG, or the provider's `kubeconfig` to a path or to the contents"
        )
    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": [], "current-context": ""}
    for path in found:
        one = _read_file(path)
        for key in ("clusters", "contexts", "users"):
            known = {entry["name"] for entry in merged[key]}
            merged[key] += [entry for entry in one.get(key) or [] if entry["name"] not in known]
        merged["current-context"] = merged["current-context"] or one.get("current-context") or ""
    return merged


def _read_file(path: pathlib.Path) -> dict[str, Any]:
    config = _read_text(path.read_text(), str(path))
    for kind, singular in (("clusters", "cluster"), ("users", "user")):
        for entry in config.get(kind) or []:
            for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
                if (value := (entry.get(singular) or {}).get(key)) is not None:
                    entry[singular][key] = str(path.parent / value)
    return config


def _read_text(text: str, name: str) -> dict[str, Any]:
    try:
        config = yaml.YAML(typ="safe", pure=True).load(text)
    except yaml_error.YAMLError as problem:
        raise KubeconfigError(f"{name} is no YAML: {problem}") from problem
    if not isinstance(config, dict):
        raise KubeconfigError(f"{name} is neither a path to a file nor the contents of a kubeconfig")
    return config


def active(config: Mapping[str, Any], *, context: str = "", cluster: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """The context and the cluster entry that a kubeconfig and the overrides choose.

    Raises:
        KubeconfigError: A name that the kubeconfig does not have.
    """
    name = context or config.get("current-context") or ""
    chosen = _entry(config, "contexts", name).get("context") or {}
    entry = _entry(config, "clusters", cluster or chosen.get("cluster") or "").get("cluster") or {}
    return chosen, entry


def _entry(config: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    entries = {entry.get("name"): entry for entry in config.get(kind) or []}
    if name not in entries:
        known = ", ".join(sorted(str(key) for key in entries)) or "none"
        raise KubeconfigError(f"the kubeconfig has no entry {name!r} in {kind}; there are: {known}")
    found: dict[str, Any] = entries[name]
    return found


def connect(given: str, *, context: str = "", cluster: str = "", namespace: str = "") -> Connection:
    """The connection that a kubeconfig and the provider's overrides describe.

    Raises:
        KubeconfigError: The kubeconfig cannot be read, or its helper program gives no credentials.
    """
    config = load(given)
    chosen, entry = active(config, context=context, cluster=cluster)
    user = _entry(config, "users", chosen["user"]).get("user") or {} if chosen.get("user") else {}
    if "auth-provider" in user:
        raise KubeconfigError(
            f"user {chosen['user']!r} logs in by auth-provider, which this stand-in does not do; use exec, a "
            "certificate or a token"
        )
    if "exec" in user:
        try:
            user = {**user, **exec_login.login(user["exec"])}
        except exec_login.LoginError as error:
            raise KubeconfigError(f"user {chosen['user']!r}: {error}") from error
    if not entry.get("server"):
        raise KubeconfigError("the cluster of the active context has no server")
    return Connection(
        server=str(entry["server"]).rstrip("/"),
        verify=_tls(entry, user),
        headers=_authentication(user),
        namespace=namespace or chosen.get("namespace") or DEFAULT_NAMESPACE,
    )


def _tls(entry: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _pem(entry, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if entry.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _pem(user, "client-certificate"), _pem(user, "client-key")
    if certificate and key:
        # The ssl module reads client certificates from files only.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(certificate + b"\n" + key)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _pem(entry: Mapping[str, Any], key: str) -> bytes:
    if data := entry.get(f"{key}-data"):
        return base64.b64decode(data)
    given = entry.get(key)
    if given and str(given).startswith("-----BEGIN"):  # from a helper program
        return str(given).encode()
    return pathlib.Path(given).read_bytes() if given else b""


def _authentication(user: Mapping[str, Any]) -> dict[str, str]:
    token = user.get("token")
    if not token and (path := user.get("tokenFile")):
        token = pathlib.Path(path).read_text().strip()
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}
