"""The real Envoy's way in from outside the cluster: TLS, certificates and API keys, and no demand by strangers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
from support import tls
from support.gateway import COMPLETIONS, Engine, Gateway
from support.waiting import PATIENCE_S, until_async
from tenbin._layout import envoy_entrance, envoy_lua
from tenbin._layout.envoy_entrance import Entrance
from tenbin_spec import contract

CLIENTS = ("team-a", "team-b")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """What Kubernetes would mount, below a folder of the test's own."""

    root: pathlib.Path
    authority: tls.Authority

    def certificate(self, authority: tls.Authority | None = None) -> None:
        """Write the gateway's certificate as the kubelet does, or put a renewed one in its place."""
        pair = (authority or self.authority).issue("gateway")
        tls.project(self._folder(envoy_entrance.CERTIFICATE_FOLDER), {"tls.crt": pair.chain, "tls.key": pair.key})

    def keys(self, **by_client: str) -> None:
        """Write the API keys of clients."""
        tls.project(
            self._folder(envoy_entrance.KEYS_FOLDER), {name.replace("_", "-"): key for name, key in by_client.items()}
        )

    def write(self, entrance: Entrance) -> None:
        """Write all that an entrance reads but keys."""
        self.certificate()
        tls.project(self._folder(envoy_entrance.AUTHORITY_FOLDER), {"ca.crt": self.authority.certificate})
        tls.project(self._folder(envoy_entrance.SECRETS_FOLDER), envoy_entrance.secret_files(entrance))

    def _folder(self, path: str) -> pathlib.Path:
        return self.root / path.removeprefix("/")


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Files:
    return Files(root=tmp_path, authority=tls.Authority.make("clients and gateway"))


@contextlib.asynccontextmanager
async def opened(
    files: Files,
    engine: Engine,
    *,
    tls_ends_here: bool = True,
    client_certificates: bool = False,
    clients: tuple[str, ...] = (),
) -> AsyncIterator[Gateway]:
    """Run a gateway with a way in whose files exist."""
    entrance = Entrance(
        tls=tls_ends_here, client_certificates=client_certificates, clients=clients, root=str(files.root)
    )
    files.write(entrance)
    async with Gateway(endpoints={"chat": [engine]}, entrance=entrance) as gateway:
        yield gateway


async def ask(
    gateway: Gateway, *, context: ssl.SSLContext | None = None, key: str | None = None, **headers: str
) -> tuple[int, str]:
    """Send a request through the way in; each on a connection of its own."""
    sent = dict(headers) if key is None else {"authorization": f"Bearer {key}", **headers}
    scheme = "http" if context is None else "https"
    url = f"{scheme}://{gateway.address}:{contract.PORT_GATEWAY_ENTRANCE}{COMPLETIONS}"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context or False)) as http,
        http.post(url, data=b'{"stream": true}', headers=sent) as response,
    ):
        return response.status, await response.text()


async def test_an_answer_streams_through_tls_and_plain_text_is_refused(files: Files) -> None:
    async with Engine(tokens=3) as engine, opened(files, engine) as gateway:
        status, body = await ask(gateway, context=files.authority.trusting())
        assert (status, body.count("token"), body.endswith("data: [DONE]\n\n")) == (200, 3, True)
        with pytest.raises(aiohttp.ClientError):
            await ask(gateway)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_is_modern(files: Files, version: ssl.TLSVersion) -> None:
    async with Engine(tokens=1) as engine, opened(files, engine) as gateway:
        context = files.authority.trusting()
        context.minimum_version = context.maximum_version = version
        assert (await ask(gateway, context=context))[0] == 200


async def test_a_renewed_certificate_is_shown_without_a_restart(files: Files) -> None:
    async with Engine(tokens=1) as engine, opened(files, engine) as gateway:
        assert (await ask(gateway, context=files.authority.trusting()))[0] == 200
        renewed = tls.Authority.make("next")
        files.certificate(renewed)
        async with asyncio.timeout(PATIENCE_S):
            while not await _answers(gateway, renewed.trusting()):
                pass
        assert not await _answers(gateway, files.authority.trusting())


async def test_without_a_certificate_of_the_authority_nobody_is_heard(files: Files) -> None:
    stranger = tls.Authority.make("stranger")
    async with Engine(tokens=1) as engine, opened(files, engine, client_certificates=True) as gateway:
        known = files.authority.trusting(client=files.authority.issue("team-a"))
        assert (await ask(gateway, context=known))[0] == 200
        for context in (files.authority.trusting(), files.authority.trusting(client=stranger.issue("team-a"))):
            with pytest.raises(aiohttp.ClientError):
                await ask(gateway, context=context)
    assert len(engine.requests) == 1


REFUSED: list[dict[str, str]] = [
    {},
    {"authorization": "Bearer wrong"},
    {"authorization": "Bearer "},
    {"authorization": "Bearer"},
    {"authorization": "sk-a"},
    {"authorization": "Basic sk-a"},
    {"authorization": "Bearer sk-a sk-b"},
    {"authorization": "Bearer team-a"},
    {"x-tenant-id": "team-a"},
]


async def test_requests_without_a_key_are_refused_and_are_no_demand(files: Files) -> None:
    files.keys(team_a="sk-a", team_b="sk-b")
    error = {"code": 401, "message": envoy_lua.REFUSAL, "type": "authentication_error"}
    async with Engine(tokens=1) as engine, opened(files, engine, clients=CLIENTS) as gateway:
        context = files.authority.trusting()
        for headers in REFUSED:
            status, body = await ask(gateway, context=context, **headers)
            assert (status, json.loads(body)) == (401, {"error": error}), headers
        assert (await ask(gateway, context=context, key="sk-a"))[0] == 200
        # What comes later is told later, so that nothing is left to be told of the refused ones.
        await until_async(lambda: gateway.seen().cumulative.total == 1)
        assert gateway.seen().refused == 0
        met = await gateway.counters("envoy_http_downstream_rq_total")
    inside = [count for name, count in met.items() if 'prefix="gateway"' in name]
    outside = [count for name, count in met.items() if 'prefix="entrance"' in name]
    assert (inside, outside) == ([1], [len(REFUSED) + 1])
    assert len(engine.requests) == 1


async def test_a_key_names_the_tenant_and_is_shown_to_no_engine(files: Files) -> None:
    files.keys(team_a="sk-a\n", team_b="sk-b")
    async with Engine(tokens=1) as engine, opened(files, engine, clients=CLIENTS) as gateway:
        context = files.authority.trusting()
        headers = {contract.HEADER_TENANT: "somebody-else"}
        assert (await ask(gateway, context=context, key="sk-b", **headers))[0] == 200
        assert (await ask(gateway, context=context, key="sk-a"))[0] == 200
    assert [request.headers.getall(contract.HEADER_TENANT) for request in engine.requests] == [["team-b"], ["team-a"]]
    assert not [request for request in engine.requests if "authorization" in request.headers]


async def test_a_client_that_is_not_named_has_no_key_although_the_secret_has_one(files: Files) -> None:
    files.keys(team_a="sk-a", admin="sk-admin")
    async with Engine(tokens=1) as engine, opened(files, engine, clients=("team-a",)) as gateway:
        assert (await ask(gateway, context=files.authority.trusting(), key="sk-admin"))[0] == 401


async def test_a_changed_key_counts_and_the_old_one_does_no_more(files: Files) -> None:
    files.keys(team_a="sk-old")
    async with Engine(tokens=1) as engine, opened(files, engine, clients=("team-a",)) as gateway:
        context = files.authority.trusting()
        assert (await ask(gateway, context=context, key="sk-old"))[0] == 200
        files.keys(team_a="sk-new")
        async with asyncio.timeout(PATIENCE_S):
            while (await ask(gateway, context=context, key="sk-new"))[0] != 200:
                pass
        assert (await ask(gateway, context=context, key="sk-old"))[0] == 401


async def test_keys_that_are_not_there_let_nobody_in(files: Files) -> None:
    async with Engine(tokens=1) as engine, opened(files, engine, clients=("team-a",)) as gateway:
        for key in (None, "", "sk-a"):
            assert (await ask(gateway, context=files.authority.trusting(), key=key))[0] == 401


async def test_where_the_load_balancer_ends_tls_a_key_is_asked_for_all_the_same(files: Files) -> None:
    files.keys(team_a="sk-a")
    async with Engine(tokens=1) as engine, opened(files, engine, tls_ends_here=False, clients=("team-a",)) as gateway:
        assert (await ask(gateway))[0] == 401
        assert (await ask(gateway, key="sk-a"))[0] == 200


async def test_inside_the_cluster_nothing_changes(files: Files) -> None:
    files.keys(team_a="sk-a")
    async with Engine(tokens=1) as engine, opened(files, engine, clients=("team-a",)) as gateway:
        assert (await gateway.post())[0] == 200


async def test_what_steers_the_gateway_is_taken_away_here_too(files: Files) -> None:
    forged = {"x-envoy-retry-on": "5xx", "x-gateway-destination-endpoint": "10.0.0.1:1", "x-request-id": "forged"}
    async with Engine(tokens=1) as engine, opened(files, engine) as gateway:
        assert (await ask(gateway, context=files.authority.trusting(), **forged))[0] == 200
        arrived = {name.lower(): value for name, value in engine.requests[0].headers.items()}
    assert set(arrived) & set(forged) == {"x-request-id"}
    assert arrived["x-request-id"] != "forged"


async def test_a_client_that_goes_away_ends_its_stream_on_the_engine(files: Files) -> None:
    held = asyncio.Event()
    async with Engine(tokens=3, held=held) as engine, opened(files, engine) as gateway:
        waiting = asyncio.create_task(ask(gateway, context=files.authority.trusting()))
        await until_async(lambda: engine.running == 1)
        waiting.cancel()
        held.set()
        await until_async(lambda: engine.running == 0)


async def _answers(gateway: Gateway, context: ssl.SSLContext) -> bool:
    try:
        return (await ask(gateway, context=context))[0] == 200
    except aiohttp.ClientError:
        return False
