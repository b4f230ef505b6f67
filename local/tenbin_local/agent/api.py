"""The agent's one way to the Kubernetes API: plain JSON objects over the official asyncio client.

Objects stay dictionaries, since the agent must not lose fields that the client's models do not have.
"""

from __future__ import annotations

import asyncio
import json
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeAlias

import aiohttp
from kubernetes.aio import client, config

from tenbin_local import errors

Json: TypeAlias = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
CALL_TIMEOUT_S = 20.0
USER_AGENT = "tenbin-node-agent"
"""Also the name under which the API server notes who owns a field."""
GONE = 410
NOT_FOUND = 404
CONFLICT = 409


class ApiError(errors.LocalError):
    """The API server refused a call, or could not be reached.

    Attributes:
        status: HTTP status; 0 where there was no answer.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A connection to one API server."""

    def __init__(self, api_client: Any) -> None:
        self._client = api_client
        server = urllib.parse.urlsplit(api_client.configuration.host)
        self.host = server.hostname or "127.0.0.1"
        self.port = server.port or (443 if server.scheme == "https" else 80)

    @classmethod
    async def connect(cls, kubeconfig: Path) -> Self:
        """Connect with a kubeconfig file.

        Raises:
            LocalError: The file is missing or is no kubeconfig.
        """
        configuration = client.Configuration()
        # A proxy for the outside world has no part in calls on the loopback interface.
        configuration.client_session_kwargs = {"trust_env": False}
        try:
            await config.load_kube_config(str(kubeconfig), client_configuration=configuration, persist_config=False)
        except (config.ConfigException, OSError) as error:
            raise errors.LocalError(f"{kubeconfig}: {error}") from error
        api_client = client.ApiClient(configuration)
        api_client.user_agent = USER_AGENT
        return cls(api_client)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _request(
        self, method: str, path: str, *, query: Mapping[str, str], body: Any, content_type: str, timeout_s: float
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        serialized = await self._client.param_serialize(
            method, path, query_params=list(query.items()), header_params=headers, auth_settings=["BearerToken"]
        )
        try:
            answer = await self._client.call_api(
                method,
                serialized[1],
                serialized[2],
                body,
                _request_timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=5),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, f"{method} {path}: {error or type(error).__name__}") from error
        response: aiohttp.ClientResponse = answer.response
        if response.status >= 400:
            raise ApiError(response.status, f"{method} {path}: {await _refusal(response)}")
        return response

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Json:
        """Call the API and return the object that it answers with.

        Raises:
            ApiError: The server refused, or did not answer within 20 s.
        """
        response = await self._request(
            method, path, query=query or {}, body=body, content_type=content_type, timeout_s=CALL_TIMEOUT_S
        )
        try:
            answer: Json = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ApiError(0, f"{method} {path}: {error or type(error).__name__}") from error
        return answer

    async def watch(self, path: str, *, resource_version: str, timeout_s: int) -> AsyncIterator[Json]:
        """Events of a collection after `resource_version`, until the server ends the watch.

        Raises:
            ApiError: The server refused, or broke off; status 410 means that the resource version is too old.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_s),
        }
        response = await self._request(
            "GET", path, query=query, body=None, content_type="application/json", timeout_s=timeout_s + 30
        )
        try:
            async for line in _lines(response):
                event: Json = json.loads(line)
                if event["type"] == "ERROR":
                    problem = event["object"]
                    raise ApiError(int(problem.get("code", 500)), f"watch {path}: {problem.get('message', '')}")
                yield event
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ApiError(0, f"watch {path}: {error or type(error).__name__}") from error
        finally:
            response.close()


async def _refusal(response: aiohttp.ClientResponse) -> str:
    try:
        text = await response.text()
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{response.status} {error}"
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status} {text[:300]}"


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of a stream, of any length: an object may be larger than a reader's line limit."""
    parts: list[bytes] = []
    async for chunk in response.content.iter_any():
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            whole = b"".join([*parts, line])
            parts.clear()
            if whole:
                yield whole
        if rest:
            parts.append(rest)


def namespaced(kind: str, namespace: str, name: str = "", sub: str = "") -> str:
    """Path of a core object in a namespace, or of its collection."""
    return "/".join(filter(None, [f"/api/v1/namespaces/{namespace}/{kind}", name, sub]))


def is_ready(thing: Json) -> bool:
    """Whether a pod's or a node's Ready condition is true."""
    conditions = thing.get("status", {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


async def pause(seconds: float, event: asyncio.Event) -> bool:
    """Sleep, or wake early when the event is set; says whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
