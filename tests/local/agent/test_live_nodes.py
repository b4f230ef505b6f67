"""Nodes and the agent itself on a real control plane: registration, death, revival, restart."""

from __future__ import annotations

import asyncio
import copy
import json
import signal
import time
from typing import Any

import pytest
from support.node_agent import NODES, World, is_ready
from support.waiting import until
from tenbin_local.agent import killed
from tenbin_spec import contract

pytestmark = pytest.mark.timeout(300)
READY_PROBE = {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 1, "timeoutSeconds": 60}


def on_pool(pool: str) -> dict[str, Any]:
    """Pod spec that asks for one accelerator of a pool."""
    return {
        "terminationGracePeriodSeconds": 5,
        "nodeSelector": {contract.LABEL_POOL: pool},
        "tolerations": [
            {"key": key, "operator": "Exists"} for key in (contract.TAINT_POOL, contract.TAINT_GPU, "extra")
        ],
    }


def gpu_deployment(name: str, pool: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "tenbin/test",
        "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        "resources": {"limits": {contract.RESOURCE_GPU: "1"}},
        "readinessProbe": READY_PROBE,
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": {**on_pool(pool), "containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


def test_nodes_are_registered_with_capacity_labels_and_taints(world: World) -> None:
    assert world.ready_nodes() == ["fast-0", "fast-1", "slow-0", "system-0"]
    node = world.get("/api/v1/nodes/fast-0")
    assert node
    labels = node["metadata"]["labels"]
    wanted = {
        "kubernetes.io/hostname": "fast-0",
        "tenbin.dev/pool": "fast",
        "node.kubernetes.io/instance-type": "g6.xlarge",
        "nvidia.com/gpu.present": "true",
        "topology.kubernetes.io/zone": "z1",
    }
    assert {key: labels.get(key) for key in wanted} == wanted
    # The node controller takes its own taint of a node that is not ready away a moment later.
    assert [(taint["key"], taint.get("value"), taint["effect"]) for taint in node["spec"]["taints"]][:3] == [
        ("tenbin.dev/pool", "fast", "NoSchedule"),
        ("nvidia.com/gpu", "present", "NoSchedule"),
        ("extra", "yes", "NoSchedule"),
    ]
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    until(lambda: not (world.get("/api/v1/nodes/system-0") or {})["spec"].get("taints"))
    lease = until(lambda: world.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/fast-0"))
    assert lease["metadata"]["ownerReferences"][0]["uid"] == node["metadata"]["uid"]


def test_a_pool_with_a_start_delay_starts_containers_later_and_says_why(world: World) -> None:
    limits = {"limits": {contract.RESOURCE_GPU: "1"}}
    begun = time.monotonic()
    world.run_pod("late", spec=on_pool("slow"), resources=limits, readinessProbe=READY_PROBE)
    message = until(
        lambda: (
            (found := world.container("late").get("state", {}).get("waiting", {}).get("message", ""))
            and "simulated" in found
            and found
        )
    )
    assert message.startswith("simulated node of pool slow: image and weights arrive at 20")
    world.wait_ready("late")
    # Times in the API are whole seconds: the binding may count from up to 1 s before.
    assert time.monotonic() - begun >= 5.0
    world.delete("late", 0)


def test_a_killed_node_loses_its_pods_to_another_one_and_comes_back_when_revived(world: World) -> None:
    world.call("POST", "/apis/apps/v1/namespaces/default/deployments", gpu_deployment("moves", "fast"))
    [pod] = until(lambda: [pod for pod in world.pods("moves") if is_ready(pod)])
    node = pod["spec"]["nodeName"]
    before = world.processes()
    assert before

    asyncio.run(killed.kill_node(world.place.kubeconfig, node))
    until(lambda: not set(before) & set(world.processes()))

    def moved() -> bool:
        pods = world.pods("moves")
        return len(pods) == 1 and is_ready(pods[0]) and pods[0]["spec"]["nodeName"] != node

    until(moved)
    assert node not in world.ready_nodes()

    # The dead stay dead over a restart of the agent.
    assert world.end_agent(signal.SIGTERM) == 0
    world.start_agent()
    until(lambda: [pod for pod in world.pods("moves") if is_ready(pod)])
    time.sleep(1.5)
    assert node not in world.ready_nodes()

    revived = asyncio.run(killed.revive_nodes(world.place.root, world.place.kubeconfig))
    assert revived == [node]
    until(lambda: node in world.ready_nodes())
    world.call("DELETE", "/apis/apps/v1/namespaces/default/deployments/moves")
    until(lambda: not world.pods("moves"))


def test_a_node_whose_annotation_is_taken_away_in_time_runs_its_pods_again(world: World) -> None:
    patient: dict[str, Any] = copy.deepcopy(NODES)
    patient["agent"]["killed_node_delete_s"] = 600.0
    patient["pools"][1]["count"] = 2
    world.write_nodes(patient)
    until(lambda: "slow-1" in world.ready_nodes())  # the agent has read the file
    limits = {"limits": {contract.RESOURCE_GPU: "1"}}
    world.run_pod("survivor", spec=on_pool("fast"), resources=limits, readinessProbe=READY_PROBE)
    pod = world.wait_ready("survivor")
    node = pod["spec"]["nodeName"]
    before = world.processes()
    assert before
    asyncio.run(killed.kill_node(world.place.kubeconfig, node))
    until(lambda: not set(before) & set(world.processes()))
    asyncio.run(killed.revive_nodes(world.place.root, world.place.kubeconfig))
    until(lambda: world.container("survivor").get("restartCount") == 1 and is_ready(world.pod("survivor") or {}))
    after = world.pod("survivor")
    assert after
    assert after["status"]["podIP"] == pod["status"]["podIP"]
    world.delete("survivor", 0)
    world.write_nodes(NODES)
    until(lambda: "slow-1" not in world.ready_nodes())


def test_a_changed_nodes_file_adds_and_removes_nodes_and_a_wrong_one_changes_nothing(world: World) -> None:
    more = copy.deepcopy(NODES)
    more["pools"][1]["count"] = 2
    world.write_nodes(more)
    until(lambda: "slow-1" in world.ready_nodes())
    broken = copy.deepcopy(more)
    broken["pools"][1]["gpu"] = 2
    world.write_nodes(broken)
    log = world.place.log("node-agent")
    text = f"{world.place.nodes}: pools.1.gpu: Extra inputs are not permitted; the nodes stay as they are"
    until(lambda: text in log.read_text())
    assert len(world.ready_nodes()) == 5
    world.write_nodes(NODES)
    until(lambda: "slow-1" not in world.ready_nodes())


def test_a_killed_agent_takes_its_pods_along_and_the_next_one_starts_them_anew(world: World) -> None:
    world.run_pod("phoenix", readinessProbe=READY_PROBE)
    world.run_pod("job", spec={"restartPolicy": "Never"}, readinessProbe=READY_PROBE)
    pod = world.wait_ready("phoenix")
    world.wait_ready("job")
    world.end_agent(signal.SIGKILL)
    until(lambda: not world.processes())
    world.start_agent()
    until(lambda: world.container("phoenix").get("restartCount") == 1)
    after = world.wait_ready("phoenix")
    assert after["status"]["podIP"] == pod["status"]["podIP"]
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    ended = world.container("phoenix")["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"], ended["signal"]) == ("ContainerStatusUnknown", 137, 9)
    world.wait_phase("job", "Failed")
    for name in ("phoenix", "job"):
        world.delete(name, 0)


def test_a_stopped_agent_ends_all_processes_and_leaves_the_objects_alone(world: World) -> None:
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 600}
    world.run_pod("stays", args=["--ignore-term"], spec=spec, readinessProbe=READY_PROBE)
    world.wait_ready("stays")
    assert world.end_agent(signal.SIGTERM) == 0
    assert world.processes() == []
    pod = world.pod("stays")
    assert pod
    assert pod["status"]["phase"] == "Running"
    assert json.loads((world.folder("stays") / "address.json").read_text()) == {"address": pod["status"]["podIP"]}
    world.start_agent()
    world.wait_phase("stays", "Failed")
    world.delete("stays", 0)
