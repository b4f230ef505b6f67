"""Which pods stand behind a Service."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenbin_local.agent import services


def pod(name: str, address: str = "127.20.2.1", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "metadata": {"namespace": "n", "name": name, "labels": {"app": "web", "tier": "x"}},
        "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8000}]}]},
        "status": {"podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    for path, value in changes.items():
        parent, _, field = path.partition("__")
        made[parent][field] = value
    return made


def service(*, target: int | str = "http", **spec: Any) -> dict[str, Any]:
    port = {"port": 80, "targetPort": target, "protocol": "TCP"}
    body = {"clusterIP": "127.20.128.9", "selector": {"app": "web"}, "ports": [port], **spec}
    return {"metadata": {"namespace": "n", "name": "web"}, "spec": body}


READY = {("127.20.128.9", 80): (("127.20.2.1", 8000),)}


def test_ready_pods_with_the_selectors_labels_are_found_by_name_or_number_of_the_port() -> None:
    assert services.targets([service()], [pod("a")]) == READY
    assert services.targets([service(target=8000)], [pod("a")]) == READY


@pytest.mark.parametrize(
    "other",
    [
        pod("a", metadata__namespace="other"),
        pod("a", metadata__labels={"app": "db"}),
        pod("a", metadata__deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("a", status__conditions=[{"type": "Ready", "status": "False"}]),
        pod("a", status__conditions=[]),
        pod("a", status__podIP=""),
        pod("a", spec__containers=[{"name": "c"}]),
    ],
)
def test_a_pod_of_others_unready_or_on_its_way_out_gets_no_connections(other: dict[str, Any]) -> None:
    assert services.targets([service()], [other]) == {}


@pytest.mark.parametrize(
    "other",
    [
        service(clusterIP="None"),
        service(clusterIP=""),
        service(selector={}),
        service(ports=[{"port": 80, "protocol": "UDP"}]),
    ],
)
def test_headless_services_those_without_selector_and_other_protocols_have_no_listener(other: dict[str, Any]) -> None:
    assert services.targets([other], [pod("a")]) == {}


def test_a_service_may_ask_for_pods_that_are_not_ready() -> None:
    unready = pod("a", status__conditions=[])
    assert services.targets([service(publishNotReadyAddresses=True)], [unready]) == READY


@given(st.permutations([pod(str(number), f"127.20.2.{number}") for number in range(5)]))
def test_the_order_of_pods_does_not_matter(pods: list[dict[str, Any]]) -> None:
    [found] = services.targets([service()], pods).values()
    assert found == tuple((f"127.20.2.{number}", 8000) for number in range(5))
