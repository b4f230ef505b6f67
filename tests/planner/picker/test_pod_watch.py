"""Endpoints follow the pods of a real API server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from support.waiting import until_async
from tenbin_planner import kubernetes_access
from tenbin_planner.picker import pod_watch
from tenbin_planner.picker.endpoints import Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenbin_planner.picker.endpoints import Endpoints

    from .conftest import Api

pytestmark = [pytest.mark.xdist_group("picker control plane"), pytest.mark.timeout(300)]
FIRST, SECOND = Endpoint("127.9.9.1", 8001), Endpoint("127.9.9.2", 8002)


class Followed:
    """What was published, and how often pods had to be listed anew."""

    def __init__(self) -> None:
        self.published: list[Endpoints] = []
        self.failures = 0

    @property
    def last(self) -> Endpoints:
        return self.published[-1]

    def failed(self) -> None:
        self.failures += 1


@contextlib.asynccontextmanager
async def following(api: Api) -> AsyncIterator[Followed]:
    followed = Followed()
    async with await kubernetes_access.connect(kubeconfig=api.kubeconfig) as client:
        task = asyncio.create_task(pod_watch.follow(client, "default", followed.published.append, followed.failed))
        try:
            yield followed
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_pods_come_drain_and_go(api: Api) -> None:
    api.create_pod("a", FIRST, node="n1")
    api.create_pod("stranger", SECOND, label="something-else")
    async with following(api) as followed:
        await until_async(lambda: bool(followed.published))
        assert followed.published == [{"chat": (FIRST,)}]
        api.create_pod("b", SECOND)
        await until_async(lambda: followed.last == {"chat": (FIRST, SECOND)})
        api.annotate("a", draining="true")
        await until_async(lambda: followed.last == {"chat": (SECOND,)})
        api.annotate("a", draining="false")
        await until_async(lambda: followed.last == {"chat": (FIRST, SECOND)})
        api.set_ready("b", SECOND.address, is_ready=False)
        await until_async(lambda: followed.last == {"chat": (FIRST,)})
        api.delete_pod("a", grace_s=30)
        await until_async(lambda: followed.last == {})
        assert followed.failures == 0


async def test_without_the_api_server_the_last_endpoints_stay(api: Api) -> None:
    api.create_pod("a", FIRST)
    async with following(api) as followed:
        await until_async(lambda: bool(followed.published))
        api.kill()
        await until_async(lambda: followed.failures >= 3)
        assert followed.last == {"chat": (FIRST,)}
        await asyncio.to_thread(api.revive)
        api.create_pod("b", SECOND)
        await until_async(lambda: followed.last == {"chat": (FIRST, SECOND)})
        assert {} not in followed.published


class ExpiredWatch:
    """What the API server writes when the version to watch from is no longer kept, cut in two pieces."""

    connection = None

    def __init__(self) -> None:
        self.content = self

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield b'{"type":"ERROR","object":{"kind":"Status","code":410,'
        yield b'"message":"too old resource version: 1 (2)"}}\n'

    def close(self) -> None:
        pass


async def test_a_watch_from_a_version_that_is_too_old_is_begun_anew(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    call = pod_watch._call
    watches: list[str] = []

    async def expired_once(core: object, namespace: str, *, watch_from: str | None = None) -> object:
        if watch_from is not None:
            watches.append(watch_from)
            if len(watches) == 1:
                return ExpiredWatch()
        return await call(core, namespace, watch_from=watch_from)

    monkeypatch.setattr(pod_watch, "_call", expired_once)
    api.create_pod("a", FIRST)
    async with following(api) as followed:
        await until_async(lambda: len(watches) == 2)
        api.create_pod("b", SECOND)
        await until_async(lambda: followed.last == {"chat": (FIRST, SECOND)})
        assert followed.failures == 1
