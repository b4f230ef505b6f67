"""List and watch, status writes and events against a small API server that can be made to fail."""

from __future__ import annotations

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from support.waiting import PATIENCE_S, until_async
from tenbin_local.agent import api, events, publisher, reflector

POD = {"metadata": {"namespace": "n", "name": "p", "uid": "u"}, "spec": {"nodeName": "l4-0"}}


class Server:
    """Answers lists and watches as told, and keeps what is written."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.version = 10
        self.events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.watched_from: list[str] = []
        self.lists = 0
        self.failures: list[int] = []
        self.written: list[tuple[str, str, Any]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            body = await request.json()
            if self.failures:
                return web.json_response({"message": "told to fail"}, status=self.failures.pop(0))
            self.written.append((request.method, request.path, body))
            return web.json_response(body)
        if request.query.get("watch") != "true":
            self.lists += 1
            return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": self.items})
        self.watched_from.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await self.events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response


def thing(name: str, version: int, **data: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "n", "name": name, "resourceVersion": str(version)}, **data}


def kubeconfig(path: pathlib.Path, url: str) -> pathlib.Path:
    """Writes a kubeconfig without credentials."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
async def server(tmp_path: pathlib.Path) -> AsyncIterator[tuple[Server, api.Api]]:
    """The server and a connection to it."""
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    connection = await api.Api.connect(kubeconfig(tmp_path / "kubeconfig", f"http://{host}:{port}"))
    yield made, connection
    await connection.close()
    await runner.cleanup()


async def test_a_watch_goes_on_from_the_last_version_and_a_lost_one_is_listed_again(
    server: tuple[Server, api.Api],
) -> None:
    made, connection = server
    made.items = [thing("a", 5), thing("b", 6)]
    store = reflector.Reflector(connection, "/api/v1/things")
    seen: list[tuple[str, bool]] = []
    store.observe(lambda key, found: seen.append((key[1], found is not None)))
    task = asyncio.create_task(store.run())
    await store.synced.wait()
    assert sorted(store.objects) == [("n", "a"), ("n", "b")]

    big = thing("a", 11, data="x" * 3_000_000)
    made.events.put_nowait({"type": "MODIFIED", "object": big})
    made.events.put_nowait({"type": "DELETED", "object": thing("b", 12)})
    made.events.put_nowait({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}})
    made.events.put_nowait(None)
    await until_async(lambda: made.watched_from == ["10", "20"])
    assert store.get("n", "a") == big
    assert store.get("n", "b") is None

    made.items, made.version = [thing("c", 30)], 30
    made.events.put_nowait({"type": "ERROR", "object": {"code": 410, "message": "too old"}})
    made.events.put_nowait(None)
    await until_async(lambda: made.watched_from[-1] == "30")
    assert (made.lists, list(store.objects)) == (2, [("n", "c")])
    assert seen == [("a", True), ("b", True), ("a", True), ("b", False), ("a", False), ("c", True)]
    made.events.put_nowait(None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_status_is_written_once_and_again_only_when_it_changed_or_failed(
    server: tuple[Server, api.Api],
) -> None:
    made, connection = server
    status = {"phase": "Pending"}
    writer = publisher.Publisher(connection, POD, lambda: dict(status))
    task = asyncio.create_task(writer.run())
    writer.mark()
    await writer.flush()
    writer.mark()
    await writer.flush()
    made.failures = [500]
    status["phase"] = "Running"
    writer.mark()
    await writer.flush()
    expected = {"metadata": {"uid": "u"}, "status": {"phase": "Running"}}
    assert [body["status"]["phase"] for _, _, body in made.written] == ["Pending", "Running"]
    assert made.written[-1] == ("PATCH", "/api/v1/namespaces/n/pods/p/status", expected)
    writer.forget()
    writer.mark()
    await writer.flush()
    assert len(made.written) == 3
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_status_of_a_pod_that_is_gone_is_let_go(server: tuple[Server, api.Api]) -> None:
    made, connection = server
    writer = publisher.Publisher(connection, POD, lambda: {"phase": "Running"})
    task = asyncio.create_task(writer.run())
    made.failures = [404]
    writer.mark()
    async with asyncio.timeout(PATIENCE_S):
        await writer.flush()
        await task
        writer.mark()
        await writer.flush()
    assert made.written == []


async def test_equal_events_raise_the_count_of_the_first(server: tuple[Server, api.Api]) -> None:
    made, connection = server
    recorder = events.Recorder(connection)
    task = asyncio.create_task(recorder.run())
    for message in ("one", "one", "two"):
        recorder.record(POD, kind="Warning", reason="BackOff", message=message, field="spec.containers{c}")
    await until_async(lambda: len(made.written) == 3)
    assert [(method, body.get("message"), body["count"]) for method, _, body in made.written] == [
        ("POST", "one", 1),
        ("PATCH", None, 2),
        ("POST", "two", 1),
    ]
    assert made.written[0][2]["involvedObject"]["fieldPath"] == "spec.containers{c}"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_refusal_carries_the_servers_message(server: tuple[Server, api.Api]) -> None:
    made, connection = server
    made.failures = [403]
    with pytest.raises(api.ApiError) as caught:
        await connection.call("POST", "/api/v1/nodes", body={"kind": "Node"})
    assert (caught.value.status, str(caught.value)) == (403, "POST /api/v1/nodes: told to fail")
