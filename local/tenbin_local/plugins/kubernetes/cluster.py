"""The API server as a provider needs it: objects of any kind, found by discovery, applied from the server's side.

The only module of the provider that speaks HTTP. Errors:

    ClusterError
    ├── UnreachableError     no answer from the server
    ├── NoMatchError         the server does not know the kind
    └── ApiError             the server refused; has its code and reason
"""

import dataclasses
import json
import threading
from collections.abc import Mapping
from typing import Any

import httpx

from tenbin_local.plugins.kubernetes import kubeconfig

TIMEOUT_S = 30.0
"""Seconds for one request, connecting included."""

CLUSTER_SCOPED = frozenset({
    "APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding",
    "CustomResourceDefinition", "DeviceClass", "FlowSchema", "IngressClass", "MutatingWebhookConfiguration",
    "Namespace", "Node", "PersistentVolume", "PriorityClass", "PriorityLevelConfiguration", "ResourceSlice",
    "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration", "VolumeAttachment",
})  # fmt: skip
"""Built-in kinds without a namespace, for when no server can be asked."""


class ClusterError(Exception):
    """The cluster did not do what was asked."""


class UnreachableError(ClusterError):
    """The server does not answer."""


class NoMatchError(ClusterError):
    """The server does not know the kind."""


class ApiError(ClusterError):
    """The server's refusal."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """HTTP status."""
        self.reason = reason
        """Reason of the Status object, for example NotFound."""

    @property
    def missing(self) -> bool:
        """Whether the object does not exist."""
        return self.code == httpx.codes.NOT_FOUND

    @property
    def missing_namespace(self) -> bool:
        """Whether the namespace does not exist."""
        return self.missing and str(self).startswith("namespaces ")

    @property
    def conflict(self) -> bool:
        """Whether another manager owns a field, or the object has changed meanwhile."""
        return self.code == httpx.codes.CONFLICT

    @property
    def immutable(self) -> bool:
        """Whether a field that cannot change was changed."""
        return self.code == httpx.codes.UNPROCESSABLE_ENTITY and "field is immutable" in str(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind as the server knows it."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The URL path of an object, or of the list where the name is empty."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        place = f"/namespaces/{namespace or kubeconfig.DEFAULT_NAMESPACE}" if self.namespaced else ""
        return f"{root}{place}/{self.plural}" + (f"/{name}" if name else "")


class Cluster:
    """A connection to one API server. Safe for use by many threads."""

    def __init__(self, connection: kubeconfig.Connection) -> None:
        self.namespace = connection.namespace
        """Namespace of objects that name none."""
        try:
            server = httpx.URL(connection.server)
        except httpx.InvalidURL as error:
            raise UnreachableError(f"{connection.server!r} is no URL: {error}") from error
        self._client = httpx.Client(
            base_url=server,
            verify=connection.verify,
            headers={"Accept": "application/json", "User-Agent": "tenbin-kubernetes", **connection.headers},
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
            trust_env=False,
        )
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, Kind]] = {}

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def version(self) -> str:
        """The server's version, for example v1.36.3; the cheapest way to see whether it answers."""
        return str(self._send("GET", "/version")["gitVersion"])

    def kind(self, api_version: str, kind: str) -> Kind:
        """What the server knows of a kind; asked for anew until it is known, since definitions come later.

        Raises:
            NoMatchError: The server does not have it.
        """
        version = api_version.removeprefix("core/")
        with self._lock:
            known = self._kinds.get(version, {})
        if kind not in known:
            known = self._discover(version)
            with self._lock:
                self._kinds[version] = known
        if kind not in known:
            raise NoMatchError(f'no matches for kind "{kind}" in version "{version}"')
        return known[kind]

    def _discover(self, version: str) -> dict[str, Kind]:
        try:
            found = self._send("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
        except ApiError as error:
            if error.missing:
                return {}
            raise
        return {
            entry["kind"]: Kind(api_version=version, plural=entry["name"], namespaced=entry["namespaced"])
            for entry in found["resources"]
            if "/" not in entry["name"]
        }

    def forget(self) -> None:
        """Drops what is known of kinds, after a definition has changed."""
        with self._lock:
            self._kinds.clear()

    def knows(self, obj: Mapping[str, Any]) -> bool:
        """Whether the server answers and has the object's kind."""
        try:
            self.kind(str(obj.get("apiVersion")), str(obj.get("kind")))
        except ClusterError:
            return False
        return True

    def get(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """The live object with the kind, namespace and name of `obj`."""
        return self._send("GET", self._path(obj))

    def apply(
        self, obj: Mapping[str, Any], *, manager: str, force: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """Applies the fields of `obj` under the manager's name and returns the whole object.

        Args:
            obj: The fields to own, with kind and name.
            manager: Field manager; fields which it applied before and leaves out now are removed.
            force: Whether to take fields over that others own with another value.
            dry_run: Whether the server only says what would come of it.
        """
        parameters = {"fieldManager": manager, "force": str(force).lower()}
        return self._send(
            "PATCH", self._path(obj), dry_run=dry_run, parameters=parameters, body=obj,
            media="application/apply-patch+yaml",
        )  # fmt: skip

    def replace(self, obj: Mapping[str, Any], *, manager: str, dry_run: bool = False) -> dict[str, Any]:
        """Puts `obj`, which carries the resourceVersion it replaces, in the place of the live object."""
        return self._send("PUT", self._path(obj), dry_run=dry_run, parameters={"fieldManager": manager}, body=obj)

    def delete(self, obj: Mapping[str, Any], *, propagation: str) -> None:
        """Asks for the object's deletion with a propagation policy: Foreground, Background or Orphan."""
        self._send("DELETE", self._path(obj), body={"propagationPolicy": propagation})

    def items(self, api_version: str, kind: str, namespace: str, labels: str = "") -> list[dict[str, Any]]:
        """The objects of a kind in a namespace, of those the ones that a label selector matches."""
        path = self.kind(api_version, kind).path(namespace)
        found: list[dict[str, Any]] = self._send("GET", path, parameters={"labelSelector": labels} if labels else {})[
            "items"
        ]
        return found

    def _path(self, obj: Mapping[str, Any]) -> str:
        metadata = obj["metadata"]
        kind = self.kind(str(obj["apiVersion"]), str(obj["kind"]))
        return kind.path(metadata.get("namespace") or self.namespace, metadata["name"])

    def _send(
        self,
        method: str,
        path: str,
        *,
        dry_run: bool = False,
        parameters: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        media: str = "application/json",
    ) -> dict[str, Any]:
        query = {**(parameters or {}), **({"dryRun": "All"} if dry_run else {})}
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = self._client.request(
                method, path, params=query, content=content, headers={"Content-Type": media} if content else None
            )
        except httpx.HTTPError as error:
            raise UnreachableError(f"{method} {self._client.base_url.join(path)}: {error}") from error
        if answer.is_success:
            found: dict[str, Any] = answer.json()
            return found
        raise _refusal(answer)


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        status = answer.json()
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    message = status.get("message") or answer.text.strip() or f"HTTP {answer.status_code}"
    return ApiError(answer.status_code, str(status.get("reason", "")), str(message))
