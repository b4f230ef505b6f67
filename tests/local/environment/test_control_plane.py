"""A real control plane: TLS and RBAC judge every call, state outlives its processes, a crash is seen and repaired."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.waiting import PATIENCE_S, until
from tenbin_local.environment import agent, control_plane, inspection, processes
from tenbin_local.errors import LocalError, PartError

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Plane

pytestmark = pytest.mark.timeout(300)


def client(plane: Plane, certificate: str | None = None, token: str | None = None) -> httpx.Client:
    """Return a client that is nobody, or the holder of a certificate or a token."""
    context = ssl.create_default_context(cafile=str(plane.pki.authority.certificate))
    if certificate:
        pair = plane.pki.pair(certificate)
        context.load_cert_chain(pair.certificate, pair.key)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    server = plane.identity.server
    return httpx.Client(base_url=server, verify=context, headers=headers, trust_env=False, timeout=PATIENCE_S)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def all_run(plane: Plane) -> bool:
    return plane.parts.health() == dict.fromkeys(control_plane.PARTS, "running")


def test_all_parts_run_and_a_second_start_changes_nothing(plane: Plane) -> None:
    until(lambda: all_run(plane))
    before = {part: processes.read(plane.place, part) for part in control_plane.PARTS}
    assert plane.start() == []
    assert {part: processes.read(plane.place, part) for part in control_plane.PARTS} == before


def test_services_get_addresses_in_the_environments_own_loopback_network(plane: Plane) -> None:
    service = plane.cluster.apply(
        "/api/v1/namespaces/default/services/balance",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "balance"},
            "spec": {"selector": {"app": "balance"}, "ports": [{"port": 80}]},
        },
    )
    first, second, third, _ = map(int, service["spec"]["clusterIP"].split("."))
    assert (first, second) == (127, plane.identity.octet)
    assert third >= 128


def test_a_client_without_a_name_is_refused(plane: Plane) -> None:
    with client(plane) as nobody:
        assert nobody.get("/api/v1/namespaces").status_code == 401


def test_a_token_without_rights_is_refused_by_rbac(plane: Plane) -> None:
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    with client(plane, "admin") as admin:
        until(lambda: admin.get(path).is_success)
        answer = admin.post(
            f"{path}/token",
            json={"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}},
        )
        token = answer.json()["status"]["token"]
    with client(plane, token=token) as unprivileged:
        refused = unprivileged.get("/api/v1/namespaces/default/secrets")
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        'secrets is forbidden: User "system:serviceaccount:default:default" cannot list resource "secrets" '
        'in API group "" in the namespace "default"'
    )


def test_the_node_agent_may_do_what_a_kubelet_does_and_no_more(plane: Plane) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "scale-pan"}}
    with client(plane, "agent") as node_agent:
        assert node_agent.post("/api/v1/nodes", json=node).status_code == 201
        assert node_agent.get("/api/v1/pods").status_code == 200
        assert node_agent.delete("/api/v1/nodes/scale-pan").status_code == 200
        refused = node_agent.post("/apis/apps/v1/namespaces/default/deployments", json={})
    assert refused.status_code == 403


def test_a_refused_call_says_why(plane: Plane) -> None:
    with pytest.raises(LocalError) as caught:
        plane.cluster.get("/api/v1/namespaces/default/configmaps/nothing")
    assert str(caught.value) == ('GET /api/v1/namespaces/default/configmaps/nothing: configmaps "nothing" not found')


@pytest.mark.parametrize("part", control_plane.PARTS)
def test_a_crashed_part_is_noticed_and_repaired_and_the_state_stays(plane: Plane, part: str) -> None:
    path = f"/api/v1/namespaces/default/configmaps/before-{part}"
    plane.cluster.apply(path, config_map(f"before-{part}", weight="1"))
    record = processes.read(plane.place, part)
    assert record is not None
    os.kill(record.pid, 9)
    until(lambda: plane.parts.health()[part] == "crashed")
    status = inspection.inspect(plane.place)
    assert f"{part} is crashed ({plane.place.log(part)})" in status.problems
    assert not status.ready
    started = plane.start()
    assert part in started
    # Parts that lead end themselves when their Lease cannot be renewed for too long.
    assert part in {"etcd", "kube-apiserver"} or started == [part]
    until(lambda: all_run(plane))
    assert plane.cluster.get(path)["data"] == {"weight": "1"}


def test_status_says_what_a_bare_control_plane_lacks(plane: Plane) -> None:
    until(lambda: all_run(plane))
    status = inspection.inspect(plane.place)
    assert status.problems == (
        f"node-agent is stopped ({plane.place.log(agent.PART)})",
        "tenbin-gateway is not deployed",
        "tenbin-picker is not deployed",
        "tenbin-planner is not deployed",
        "no service is deployed",
    )
    plain = status.as_json()
    assert {key: plain[key] for key in ("ready", "gateway_url", "planner_url", "stack")} == {
        "ready": False,
        "gateway_url": None,
        "planner_url": None,
        "stack": "local",
    }
    assert plain["kubeconfig"] == str(plane.place.kubeconfig)


def test_a_part_that_cannot_start_shows_the_end_of_its_log(plane: Plane, tmp_path: Path) -> None:
    processes.end(plane.place, "kube-scheduler", 5)
    plane.place.log("kube-scheduler").unlink()
    unwilling = tmp_path / "unwilling"
    unwilling.write_text("#!/bin/sh\necho weighed and found wanting\nexit 1\n")
    unwilling.chmod(0o755)
    broken = {part: plane.tools.path(part) for part in control_plane.PARTS}
    broken["kube-scheduler"] = unwilling
    with pytest.raises(PartError) as caught:
        plane.parts.start(broken)
    assert str(caught.value) == (
        f"kube-scheduler ended. The end of its log, {plane.place.log('kube-scheduler')}:\n    weighed and found wanting"
    )
    assert plane.start() == ["kube-scheduler"]
