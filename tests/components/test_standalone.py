"""Components without a `Platform`: what each needs, what it makes of it, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
import tenbin
from support import amazon, stacks
from support.registered import register
from tenbin_spec.document import document_of

SERVICE = stacks.plain_stack()["services"]["chat"]
POOLS = stacks.plain_stack()["pools"]


def model_service(**args: Any) -> Callable[[], object]:
    given: Any = {"service": SERVICE, "pools": POOLS, "namespace": "inference", **args}
    return lambda: tenbin.ModelService("chat", given)


def refused(build: Callable[[], object]) -> str:
    with pytest.raises(pulumi.RunError) as caught:
        register(build)
    return str(caught.value)


def test_a_service_takes_its_components_name_unless_it_has_its_own() -> None:
    assert register(model_service()).outputs["ModelService::chat"]["workloads"] == [
        "chat-serve-l4-spot",
        "chat-serve-l4",
    ]
    named = register(model_service(name="talk"))
    assert named.outputs["ModelService::chat"]["workloads"] == ["talk-serve-l4-spot", "talk-serve-l4"]
    assert named.one("Deployment::chat-serve-l4").inputs["metadata"]["name"] == "talk-serve-l4"


def test_a_namespace_of_another_resource_is_passed_through() -> None:
    def build() -> None:
        namespace = pulumi.Output.from_input("late")
        model_service(namespace=namespace)()

    assert register(build).one("Deployment::chat-serve-l4").inputs["metadata"]["namespace"] == "late"


def test_a_service_names_every_problem_at_its_place() -> None:
    text = refused(
        model_service(service={**SERVICE, "replicas": {"min": "1", "max": 6}}, planed=True, pools={"l4": {"nodes": {}}})
    )
    assert text.splitlines() == [
        "ModelService chat has 4 problems:",
        "  - planed: unknown key; did you mean 'planned'? Allowed here: name, observability, planned, pools, service",
        "  - pools.l4.instance_type: is required and missing",
        "  - pools.l4.nodes.max: is required and missing",
        "  - service.replicas.min: '1' is not a whole number",
    ]


def test_a_service_refuses_a_pool_that_it_was_not_given() -> None:
    text = refused(model_service(service={**SERVICE, "pools": ["l40s"]}))
    assert text == (
        "ModelService chat has 1 problem:\n"
        "  - service.pools[0]: 'l40s' is not a pool of this stack; did you mean 'l4'? Allowed: l4, l4-spot"
    )


def test_what_comes_from_other_resources_is_required() -> None:
    args: Any = {"image": "tenbin/picker:1"}
    text = refused(lambda: tenbin.Picker("picker", args))
    assert text == "Picker picker has 1 problem:\n  - namespace: is required and missing"


def test_a_planner_refuses_a_document_of_another_version() -> None:
    args: Any = {"document": json.dumps({"version": 9}), "namespace": "inference"}
    text = refused(lambda: tenbin.Planner("planner", args))
    assert text == ("wire document has 1 problem:\n  - version: 9 is not a version that this program reads. Allowed: 1")


def test_a_planner_may_scale_its_workloads_and_no_others() -> None:
    document = document_of(stacks.stack(), "test").to_json()
    args: Any = {"document": document, "namespace": "inference"}
    role = register(lambda: tenbin.Planner("planner", args)).one("Role::planner").inputs
    [scale] = [rule for rule in role["rules"] if rule["resources"] == ["deployments/scale"]]
    assert scale == {
        "apiGroups": ["apps"],
        "resources": ["deployments/scale"],
        "verbs": ["get", "update"],
        "resourceNames": ["chat-serve-l4", "chat-serve-l4-spot"],
    }


def test_rights_follow_from_the_kinds_that_are_scaled() -> None:
    plain = json.loads(document_of(stacks.stack(), "test").to_json())
    dynamo, groups = plain["workloads"]
    kind = "DynamoGraphDeploymentScalingAdapter"
    dynamo["target"] = {"api_version": "nvidia.com/v1alpha1", "kind": kind, "name": "chat-decode"}
    groups["target"] = {"api_version": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "chat"}
    args: Any = {"document": json.dumps(plain), "namespace": "inference"}
    role = register(lambda: tenbin.Planner("planner", args)).one("Role::planner").inputs
    known = ("", "coordination.k8s.io")
    assert [rule for rule in role["rules"] if rule["apiGroups"][0] not in known] == [
        _rule("leaderworkerset.x-k8s.io", "leaderworkersets", ["get"], "chat"),
        _rule("leaderworkerset.x-k8s.io", "leaderworkersets/scale", ["get", "update"], "chat"),
        _rule("nvidia.com", "dynamographdeploymentscalingadapters", ["get"], "chat-decode"),
        _rule("nvidia.com", "dynamographdeploymentscalingadapters/scale", ["get", "update"], "chat-decode"),
    ]


def _rule(group: str, resource: str, verbs: list[str], name: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": verbs, "resourceNames": [name]}


def test_no_role_has_wildcards_or_secrets_and_beyond_the_namespace_only_the_look_at_nodes() -> None:
    args: Any = stacks.plain_stack()
    found = register(lambda: tenbin.Platform("platform", args))
    roles = [item for item in found.resources if "Role" in item.type]
    [looks] = [item.inputs["rules"] for item in roles if item.type.endswith(":ClusterRole")]
    assert looks == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    for role in roles:
        for rule in role.inputs.get("rules", []):
            assert "*" not in json.dumps(rule)
            assert "secrets" not in rule["resources"]
            if {"update", "delete"} & set(rule["verbs"]):
                assert rule["resourceNames"], rule


def test_a_planner_starts_once_its_rights_and_its_document_are_there() -> None:
    args: Any = {"document": document_of(stacks.stack(), "test").to_json(), "namespace": "inference"}
    found = register(lambda: tenbin.Planner("planner", args))
    assert set(found.one("Deployment::planner").depends_on) == {
        "ClusterRole::planner",
        "ClusterRoleBinding::planner",
        "ConfigMap::planner-document",
        "Role::planner",
        "RoleBinding::planner",
        "ServiceAccount::planner",
    }


def test_a_planner_stops_before_its_successor_starts_since_only_the_leader_is_ready() -> None:
    args: Any = {"document": document_of(stacks.stack(), "test").to_json(), "namespace": "inference"}
    deployment = register(lambda: tenbin.Planner("planner", args)).one("Deployment::planner").inputs
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_a_gateway_of_several_replicas_has_a_disruption_budget(replicas: int, budgets: int) -> None:
    args: Any = {
        "gateway": {"replicas": replicas},
        "services": {"chat": SERVICE},
        "namespace": "inference",
        "picker_address": "10.0.0.2",
        "planner_address": "10.0.0.3",
    }
    found = register(lambda: tenbin.Gateway("gateway", args))
    assert len([item for item in found.resources if item.type.endswith("PodDisruptionBudget")]) == budgets


def test_a_gateway_drains_as_long_as_the_slowest_engine() -> None:
    slow = {**SERVICE, "engine": {**SERVICE["engine"], "drain_s": 300}}
    args: Any = {
        "services": {"chat": SERVICE, "slow": slow},
        "namespace": "inference",
        "picker_address": "10.0.0.2",
        "planner_address": "10.0.0.3",
    }
    pod = (
        register(lambda: tenbin.Gateway("gateway", args)).one("Deployment::gateway").inputs["spec"]["template"]["spec"]
    )
    assert pod["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 300}}
    assert pod["terminationGracePeriodSeconds"] > 300


def test_a_pool_that_is_to_be_made_needs_to_know_where() -> None:
    args: Any = {
        "pool": {"instance_type": "g6.xlarge", "nodes": {"max": 3}, "region": "eu-west-1", "efa": True},
        "cluster": amazon.plain_cluster(),
        "vpc_id": "vpc-1",
    }
    lines = refused(lambda: tenbin.AcceleratorPool("l4", args)).splitlines()
    missing = ("cluster_name", "node_role_arn", "node_role_name", "security_group_id", "subnet_ids")
    assert lines[0] == "AcceleratorPool l4 has 7 problems:"
    assert [line for line in lines if "pool." not in line][1:] == [
        f"  - {name}: is required and missing" for name in missing
    ]


def test_a_pool_that_is_no_mapping_is_named() -> None:
    args: Any = {"pool": 5, "cluster": "eks"}
    assert refused(lambda: tenbin.AcceleratorPool("l4", args)).splitlines() == [
        "AcceleratorPool l4 has 2 problems:",
        "  - cluster: 'eks' is not a mapping of keys to values",
        "  - pool: 5 is not a mapping of keys to values",
    ]


def test_a_pool_on_an_existing_cluster_is_made_by_somebody_else() -> None:
    args: Any = {
        "pool": {"instance_type": "g6.8xlarge", "nodes": {"max": 3}, "efa": True},
        "cluster": {"kind": "existing", "vpc": 1},
    }
    assert refused(lambda: tenbin.AcceleratorPool("l4", args)).splitlines() == [
        "AcceleratorPool l4 has 2 problems:",
        "  - cluster.vpc: unknown key. Allowed here: context, kind, namespace",
        ("  - pool.efa: says how nodes are made, which an existing cluster does itself. Allowed with cluster kind eks"),
    ]


def test_a_pool_on_an_existing_cluster_registers_its_contract_and_creates_nothing() -> None:
    args: Any = {"pool": {"instance_type": "g6.12xlarge", "nodes": {"max": 3}}}
    found = register(lambda: tenbin.AcceleratorPool("l4", args))
    assert [item.key for item in found.resources] == ["AcceleratorPool::l4"]
    assert found.resources[0].inputs == {
        "name": "l4",
        "pool": {
            "instance_type": "g6.12xlarge",
            "capacity_type": "on-demand",
            "nodes": {"min": 0, "max": 3},
            "region": "us-east-1",
            "zones": [],
            "backend": "managed",
            "efa": False,
            "placement": "none",
            "nvme": "raid0",
            "volume_gb": 200,
        },
        "accelerator": "L4",
        "node_hourly_usd": found.resources[0].inputs["node_hourly_usd"],
        "maximum_hourly_usd": found.outputs["AcceleratorPool::l4"]["maximum_hourly_usd"],
    }
    assert found.outputs["AcceleratorPool::l4"]["labels"] == {"tenbin.dev/pool": "l4"}
    assert found.outputs["AcceleratorPool::l4"]["accelerators_per_node"] == 4
    assert found.outputs["AcceleratorPool::l4"]["taints"] == [
        {"key": "tenbin.dev/pool", "value": "l4", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
    ]
