"""Replicas that span nodes: one engine out of the pods of a group, which serves, drains and ends as one."""

from __future__ import annotations

from typing import Any

import pytest
from support.engine_groups import rendered
from tenbin._layout import lifetimes


def template(manifest: dict[str, Any], part: str) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["leaderWorkerTemplate"][f"{part}Template"]
    return found


def container(manifest: dict[str, Any], part: str) -> dict[str, Any]:
    [found] = template(manifest, part)["spec"]["containers"]
    return dict(found)


def variables(manifest: dict[str, Any], part: str) -> dict[str, str]:
    return {item["name"]: item["value"] for item in container(manifest, part)["env"] if "value" in item}


def flag(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_all_pods_are_one_engine_and_the_leader_alone_serves() -> None:
    manifest = rendered()
    leader, worker = (container(manifest, part)["args"] for part in ("leader", "worker"))
    for arguments in (leader, worker):
        assert flag(arguments, "--tensor-parallel-size") == "8"
        assert flag(arguments, "--pipeline-parallel-size") == "2"
        assert flag(arguments, "--nnodes") == "2"
        assert flag(arguments, "--master-addr") == "$(LWS_LEADER_ADDRESS)"
        assert flag(arguments, "--distributed-executor-backend") == "mp"
    assert (flag(leader, "--node-rank"), flag(worker, "--node-rank")) == ("0", "$(LWS_WORKER_INDEX)")
    assert ("--headless" in leader, "--headless" in worker) == (False, True)
    assert ("--host" in leader, "--host" in worker) == (True, False)


@pytest.mark.parametrize(("tensor", "pipeline", "size"), [(8, 2, 2), (16, 1, 2), (8, 4, 4)])
def test_a_group_has_a_pod_for_each_node(tensor: int, pipeline: int, size: int) -> None:
    manifest = rendered(tensor_parallel=tensor, pipeline_parallel=pipeline, nodes_per_replica=size)
    assert manifest["spec"]["leaderWorkerTemplate"]["size"] == size
    assert flag(container(manifest, "leader")["args"], "--nnodes") == str(size)


def test_each_pod_takes_a_whole_node_with_all_of_its_adapters() -> None:
    manifest = rendered()
    for part in ("leader", "worker"):
        found = container(manifest, part)["resources"]
        for side in ("requests", "limits"):
            assert (found[side]["nvidia.com/gpu"], found[side]["vpc.amazonaws.com/efa"]) == ("8", "16")


def test_adapters_are_used_where_there_are_any_and_never_ask_for_huge_pages() -> None:
    with_efa, without = rendered(), rendered(efa=False)
    for part in ("leader", "worker"):
        assert variables(with_efa, part)["FI_PROVIDER"] == "efa"
        assert variables(with_efa, part)["FI_EFA_USE_HUGE_PAGE"] == "0"
        assert "FI_PROVIDER" not in variables(without, part)
        assert "vpc.amazonaws.com/efa" not in container(without, part)["resources"]["limits"]


def test_pods_find_each_other_by_the_address_that_the_cluster_gave_them() -> None:
    manifest = rendered()
    for part in ("leader", "worker"):
        assert variables(manifest, part)["VLLM_HOST_IP"] == "$(POD_IP)"
        names = [item["name"] for item in container(manifest, part)["env"]]
        assert names.index("POD_IP") < names.index("VLLM_HOST_IP")


def test_the_leader_is_probed_and_scraped_and_its_workers_answer_nobody() -> None:
    manifest = rendered()
    leader, worker = container(manifest, "leader"), container(manifest, "worker")
    assert {"startupProbe", "readinessProbe", "livenessProbe", "ports"} <= set(leader)
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "ports"} & set(worker)
    assert template(manifest, "leader")["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert "annotations" not in template(manifest, "worker")["metadata"]


def test_a_worker_computes_until_its_leader_has_drained() -> None:
    manifest = rendered()
    waits = container(manifest, "worker")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert waits == lifetimes.ENDPOINT_REMOVAL_S + 120
    for part in ("leader", "worker"):
        assert template(manifest, part)["spec"]["terminationGracePeriodSeconds"] > waits


def test_a_group_is_made_anew_as_one_but_not_while_a_node_is_still_to_come() -> None:
    spec = rendered()["spec"]
    assert spec["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupAfterStart"
    assert spec["startupPolicy"] == "LeaderCreated"


@pytest.mark.parametrize(("nodes", "surge"), [(2, 0), (3, 0), (4, 1)])
def test_a_new_group_comes_first_where_the_pool_has_room_for_it(nodes: int, surge: int) -> None:
    rollout = rendered(nodes=nodes)["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]
    assert rollout == {"maxSurge": surge, "maxUnavailable": 1 - surge}


def test_a_group_stays_in_one_zone() -> None:
    manifest = rendered()
    for part in ("leader", "worker"):
        found = template(manifest, part)
        [term] = found["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "topology.kubernetes.io/zone"
        assert term["matchLabelKeys"] == ["leaderworkerset.sigs.k8s.io/group-key"]
        # The first pod of a group finds no other: only one that meets its own term is let through.
        assert term["labelSelector"]["matchLabels"].items() <= found["metadata"]["labels"].items()
        assert "topologySpreadConstraints" not in found["spec"]


def test_planner_and_picker_find_all_pods_by_the_same_labels_as_any_engine() -> None:
    manifest = rendered()
    for part in ("leader", "worker"):
        assert template(manifest, part)["metadata"]["labels"] == manifest["metadata"]["labels"]


@pytest.mark.parametrize(("planned", "replicas"), [(True, 0), (False, 1)])
def test_a_planner_owns_the_count(planned: bool, replicas: int) -> None:
    assert rendered(planned=planned)["spec"]["replicas"] == replicas


def test_every_pod_is_as_hard_as_any_engine() -> None:
    manifest = rendered()
    for part in ("leader", "worker"):
        spec = template(manifest, part)["spec"]
        assert (spec["securityContext"]["runAsNonRoot"], spec["automountServiceAccountToken"]) == (True, False)
        security = container(manifest, part)["securityContext"]
        assert (security["readOnlyRootFilesystem"], security["capabilities"]) == (True, {"drop": ["ALL"]})
        assert "k" in str(spec["volumes"])
