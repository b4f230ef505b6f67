"""What the real Envoy does with paths, headers and bodies under the gateway's bootstrap."""

from __future__ import annotations

import json

import pytest
from support.gateway import CHAT, COMPLETIONS, Engine, Gateway
from tenbin._layout import envoy, envoy_routes
from tenbin_spec import contract

SECOND = envoy_routes.ServiceRoute(
    name="code", model_id="org/code", choosable_classes=("batch",), default_class="interactive"
)


async def test_a_class_reaches_the_engine_only_when_it_may_be_chosen() -> None:
    sent = ["batch", "interactive", None, "", "hack", "batch,interactive", "BATCH", "batch "]
    async with Engine(tokens=1) as engine, Gateway(endpoints={"chat": [engine]}) as gateway:
        for value in sent:
            headers = {} if value is None else {contract.HEADER_CLASS: value}
            assert (await gateway.post(headers=headers))[0] == 200
    arrived = [request.headers.getall(contract.HEADER_CLASS) for request in engine.requests]
    assert arrived == [["batch"], *[["interactive"]] * 6, ["batch"]]


async def test_no_header_that_steers_routing_survives() -> None:
    forged = {
        "x-gateway-destination-endpoint": "10.0.0.1:1",
        "x-gateway-destination-endpoint-subset": "10.0.0.1:1",
        "x-envoy-retry-on": "5xx",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-internal": "true",
        "x-request-id": "forged",
    }
    async with Engine(tokens=1) as engine, Gateway(endpoints={"chat": [engine]}) as gateway:
        async with gateway.http.post(COMPLETIONS, data=b"{}", headers=forged) as response:
            answered = set(response.headers)
        arrived = {name.lower(): value for name, value in engine.requests[0].headers.items()}
    assert set(arrived) & set(forged) == {"x-request-id"}
    assert arrived["x-request-id"] != "forged"
    assert {name for name in arrived if name.startswith("x-envoy")} == set()
    assert {name.lower() for name in answered} == {"content-type", "date", "transfer-encoding"}


@pytest.mark.parametrize(
    ("path", "model", "reached"),
    [
        (COMPLETIONS, "code", "code"),
        (COMPLETIONS, "org/code", "code"),
        (COMPLETIONS, "meta-llama/Llama-3.1-8B-Instruct", "chat"),
        ("/code" + COMPLETIONS, None, "code"),
        ("/code" + COMPLETIONS, "chat", "code"),
        ("/chat/v1/models?limit=2", None, "chat"),
        (COMPLETIONS, None, None),
        (COMPLETIONS, "org/codex", None),
        (COMPLETIONS, "meta-llama/Llama-3x1-8B-Instruct", None),
        ("/other" + COMPLETIONS, None, None),
        ("/v1/embeddings", "chat", None),
        ("/chat/metrics", None, None),
        ("/chat/../metrics", "chat", None),
        (COMPLETIONS + "/", "chat", None),
    ],
)
async def test_a_service_is_chosen_by_path_or_model_header(path: str, model: str | None, reached: str | None) -> None:
    headers = {} if model is None else {contract.HEADER_SERVICE: model}
    async with Engine(tokens=1) as chat, Engine(tokens=1) as code:
        endpoints = {"chat": [chat], "code": [code]}
        async with Gateway(services=(CHAT, SECOND), endpoints=endpoints) as gateway:
            method = "GET" if "models" in path else "POST"
            async with gateway.http.request(method, path, headers=headers) as response:
                status = response.status
    counts = {"chat": len(chat.requests), "code": len(code.requests)}
    assert counts == {name: int(name == reached) for name in counts}
    assert status == (200 if reached else 404)
    for request in chat.requests + code.requests:
        assert request.path_qs == path.removeprefix("/chat").removeprefix("/code")


async def test_refusals_say_why_in_json() -> None:
    async with Engine() as engine, Gateway(endpoints={"chat": [engine]}) as gateway:
        assert await gateway.post("/metrics") == (
            404,
            _error(404, "No such path. Allowed: /v1/chat/completions, /v1/completions, /v1/models, /health"),
        )
        assert await gateway.post(headers={contract.HEADER_SERVICE: "other"}) == (
            404,
            _error(
                404,
                "No such service. Name one in the header x-gateway-model-name or as the first part of the path. "
                "Services: chat",
            ),
        )
        async with gateway.http.get("/health") as response:
            assert (response.status, await response.text()) == (200, '{"status":"ok"}\n')
    assert engine.requests == []


async def test_without_a_ready_replica_a_client_is_told_when_to_come_back() -> None:
    async with Gateway(limits=envoy.Limits(retry_after_s=7)) as gateway, gateway.http.post(COMPLETIONS) as response:
        assert (response.status, response.headers["retry-after"]) == (503, "7")
        assert response.content_type == "application/json"
        assert (await response.json())["error"] == {
            "message": "No replica of this service is ready. Try again later.",
            "type": "no_replica_ready",
            "code": 503,
        }


async def test_a_body_above_the_limit_never_reaches_an_engine() -> None:
    limits = envoy.Limits(request_bytes=10_000)
    async with Engine(tokens=1) as engine, Gateway(endpoints={"chat": [engine]}, limits=limits) as gateway:
        assert (await gateway.post(body=b"x" * 10_000))[0] == 200
        assert await gateway.post(body=b"x" * 10_001) == (413, _error(413, "Payload Too Large"))
    assert len(engine.requests) == 1


async def test_nothing_but_health_and_metrics_can_be_reached_beside_the_gateway() -> None:
    async with Gateway() as gateway:
        health = f"http://{gateway.address}:8082"
        for method, path, expected in [
            ("GET", "/ready", 200),
            ("GET", "/stats/prometheus", 200),
            ("POST", "/ready", 404),
            ("GET", "/config_dump", 404),
            ("POST", "/quitquitquit", 404),
            ("GET", "/stats/prometheus/../../config_dump", 404),
        ]:
            async with gateway.http.request(method, health + path) as response:
                assert (path, response.status) == (path, expected)


def _error(code: int, message: str, kind: str = "invalid_request_error") -> str:
    return json.dumps({"error": {"code": code, "message": message, "type": kind}}, separators=(",", ":")) + "\n"
