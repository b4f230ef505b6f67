"""The API server as seen by the environment: the few calls that `up` and `status` need, as the administrator.

Plain HTTP instead of a client library: `status` must answer in a fraction of the second that importing one takes.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any, Self

import httpx

from tenbin_local.environment.certificates import Pki
from tenbin_local.environment.identity import Identity
from tenbin_local.errors import LocalError

_TIMEOUT_S = 10.0
_HEALTH_TIMEOUT_S = 2.0
_DELETE_S = 60.0
_FIELD_MANAGER = "tenbin-local"


class Cluster:
    """The API server of an environment."""

    def __init__(self, pki_folder: Path, identity: Identity) -> None:
        pki = Pki(folder=pki_folder)
        context = ssl.create_default_context(cafile=str(pki.authority.certificate))
        admin = pki.pair("admin")
        context.load_cert_chain(admin.certificate, admin.key)
        self._identity = identity
        # No proxy lies between two loopback addresses.
        self._http = httpx.Client(base_url=identity.server, verify=context, timeout=_TIMEOUT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def is_ready(self, path: str = "/readyz") -> bool:
        """Say whether the API server answers and calls itself ready."""
        return self._answers(self._identity.server + path)

    def is_healthy(self, port: int) -> bool:
        """Say whether the part on a port of the control plane calls itself healthy."""
        return self._answers(f"https://{self._identity.address}:{port}/healthz")

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read an object or a list.

        Raises:
            LocalError: the API server does not answer, or refuses.
        """
        return self._call("GET", path, params=query)

    def apply(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create or change an object to what its manifest says (server-side apply)."""
        return self._call(
            "PATCH",
            path,
            params={"fieldManager": _FIELD_MANAGER, "force": "true"},
            json=manifest,
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change some fields of an object (JSON merge patch)."""
        return self._call("PATCH", path, json=patch, headers={"Content-Type": "application/merge-patch+json"})

    def delete(self, path: str) -> None:
        """Delete an object, its dependants first, and wait until it is gone; one that is not there is no error.

        Raises:
            LocalError: the API server does not answer or refuses, or the object stays.
        """
        deadline = time.monotonic() + _DELETE_S
        try:
            answer = self._http.delete(path, params={"propagationPolicy": "Foreground"})
            while answer.is_success and time.monotonic() < deadline:
                time.sleep(0.05)
                answer = self._http.get(path)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if answer.is_success:
            raise LocalError(f"DELETE {path}: the object is still there after {_DELETE_S:.0f} s")
        if answer.status_code != httpx.codes.NOT_FOUND:
            raise LocalError(f"DELETE {path}: {_reason(answer)}")

    def _answers(self, url: str) -> bool:
        try:
            return self._http.get(url, timeout=_HEALTH_TIMEOUT_S).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if not answer.is_success:
            raise LocalError(f"{method} {path}: {_reason(answer)}")
        return dict(answer.json())

    def _silent(self, error: httpx.HTTPError) -> LocalError:
        return LocalError(f"The API server {self._identity.server} does not answer: {error}")


def _reason(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError):
        return answer.text
