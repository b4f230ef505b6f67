"""`Platform` on a cluster that it builds: from configuration alone to network, cluster, nodes and what runs on them."""

from __future__ import annotations

import functools
import json
from typing import Any

import pulumi
import pytest
import tenbin
from support import amazon, stacks
from support.registered import Registrations, register

ZONES = ("eu-west-1a", "eu-west-1b", "eu-west-1c")


def configuration(*, cluster: dict[str, Any] | None = None, pool: dict[str, Any] | None = None) -> dict[str, Any]:
    plain = stacks.plain_stack(cluster=amazon.plain_cluster(**(cluster or {})))
    for item in plain["pools"].values():
        item |= {"region": "eu-west-1", "hourly_usd": "0.36", **(pool or {})}
    return plain


def platform(*, preview: bool = False, **parts: Any) -> Registrations:
    return _registered(json.dumps(configuration(**parts), sort_keys=True), preview)


@functools.cache
def _registered(text: str, preview: bool) -> Registrations:
    args: Any = json.loads(text)
    return register(lambda: tenbin.Platform("platform", args), preview=preview)


AUTO: dict[str, Any] = {"cluster": {"auto_mode": True}, "pool": {"backend": "karpenter"}}
KARPENTER: dict[str, Any] = {"cluster": {"karpenter": True}, "pool": {"backend": "karpenter"}}


def test_managed_groups_come_with_a_device_plugin_and_an_autoscaler() -> None:
    tree = platform().tree()
    assert tree["Platform::platform"] == [
        "AcceleratorPool::platform-l4",
        "AcceleratorPool::platform-l4-spot",
        "AcceleratorSupport::platform-accelerators",
        "Cluster::platform-cluster",
        "ClusterAutoscaler::platform-autoscaler",
        "Gateway::platform-gateway",
        "ModelService::platform-chat",
        "Namespace::platform",
        "Network::platform-network",
        "NetworkPolicy::platform",
        "Picker::platform-picker",
        "Planner::platform-planner",
        "aws::platform",
        "kubernetes::platform",
    ]
    assert tree["AcceleratorPool::platform-l4"] == ["LaunchTemplate::platform-l4", "NodeGroup::platform-l4"]
    assert tree["AcceleratorSupport::platform-accelerators"] == ["DaemonSet::platform-accelerators"]


def test_auto_mode_comes_with_its_own_and_a_second_device_plugin_would_be_a_mistake() -> None:
    tree = platform(**AUTO).tree()
    assert "AcceleratorSupport::platform-accelerators" not in tree["Platform::platform"]
    assert "ClusterAutoscaler::platform-autoscaler" not in tree["Platform::platform"]
    assert tree["AcceleratorPool::platform-l4"] == ["NodeClass::platform-l4-class", "NodePool::platform-l4"]


def test_a_karpenter_of_ones_own_comes_before_its_pools_and_with_what_their_nodes_lack() -> None:
    found = platform(**KARPENTER)
    tree = found.tree()
    parts = {"AcceleratorSupport::platform-accelerators", "Karpenter::platform-karpenter"}
    assert parts <= set(tree["Platform::platform"])
    assert tree["AcceleratorPool::platform-l4"] == ["EC2NodeClass::platform-l4-class", "NodePool::platform-l4"]
    for key in ("EC2NodeClass::platform-l4-class", "NodePool::platform-l4"):
        assert "Release::platform-karpenter" in found.one(key).depends_on
    spec = found.one("EC2NodeClass::platform-l4-class").inputs["spec"]
    assert spec["instanceProfile"].startswith("platform-karpenter-node")


def test_managed_pools_beside_karpenter_wait_for_nothing_of_it() -> None:
    found = platform(cluster={"karpenter": True})
    assert "Release::platform-karpenter" not in found.one("NodeGroup::platform-l4").depends_on


def spanning(**cluster: Any) -> dict[str, Any]:
    """Return a configuration with a service whose replicas span two nodes, beside one whose do not."""
    plain = configuration(cluster={"karpenter": True, **cluster})
    plain["pools"]["h100"] = {
        "instance_type": "p5.48xlarge",
        "backend": "managed" if not cluster else "karpenter",
        "region": "eu-west-1",
        "zones": ["eu-west-1a"],
        "nodes": {"max": 4},
        "hourly_usd": "0.50",
        "efa": True,
    }
    engine = {
        "kind": "vllm",
        "image": "vllm/vllm-openai:v0.24.0",
        "max_model_len": 8192,
        "tensor_parallel": 8,
        "pipeline_parallel": 2,
        "nodes_per_replica": 2,
    }
    plain["services"]["wide"] = {**plain["services"]["chat"], "engine": engine, "pools": ["h100"]}
    return plain


@functools.cache
def wide_platform(auto_mode: bool = False) -> Registrations:
    args: Any = spanning(**({"karpenter": False, "auto_mode": True} if auto_mode else {}))
    for pool in args["pools"].values():
        pool["backend"] = "karpenter" if auto_mode else pool.get("backend", "managed")
    return register(lambda: tenbin.Platform("platform", args))


@pytest.mark.parametrize("auto_mode", [False, True])
def test_replicas_that_span_nodes_are_groups_that_come_after_their_controller(auto_mode: bool) -> None:
    found = wide_platform(auto_mode)
    groups = found.one("LeaderWorkerSet::platform-wide-serve-h100")
    assert "Release::platform-groups" in groups.depends_on
    assert groups.ignore_changes == ("spec.replicas",)
    release = found.one("Release::platform-groups").inputs
    assert (release["chart"], release["version"]) == ("oci://registry.k8s.io/lws/charts/lws", "0.9.0")
    assert found.one("Deployment::platform-chat-serve-l4").inputs["metadata"]["name"] == "chat-serve-l4"
    assert "Release::platform-groups" not in found.one("Deployment::platform-chat-serve-l4").depends_on
    assert found.one("PodDisruptionBudget::platform-wide-serve-h100").inputs["spec"]["maxUnavailable"] == 1


def test_adapters_come_with_their_plugin_on_their_pool_alone_outside_auto_mode() -> None:
    assert wide_platform().outputs["AcceleratorSupport::platform-accelerators"]["efa"] == ["h100"]
    keys = [item.key for item in wide_platform(auto_mode=True).resources]
    assert not [key for key in keys if key.startswith("DaemonSet::")]


def test_the_planner_may_scale_the_groups_and_knows_them_from_its_document() -> None:
    found = wide_platform()
    rules = found.one("Role::platform-planner").inputs["rules"]
    [scale] = [rule for rule in rules if rule["resources"] == ["leaderworkersets/scale"]]
    assert (scale["resourceNames"], scale["verbs"]) == (["wide-serve-h100"], ["get", "update"])
    document = json.loads(found.one("ConfigMap::platform-planner-document").inputs["data"]["document.json"])
    [wide] = [item for item in document["workloads"] if item["name"] == "wide-serve-h100"]
    assert (wide["target"]["kind"], wide["hourly_usd"]) == ("LeaderWorkerSet", "1.00")


def test_without_such_a_service_there_is_no_controller_of_groups() -> None:
    assert "LeaderWorkerSetController::platform-groups" not in platform().tree()["Platform::platform"]


def test_auto_mode_is_told_to_enforce_network_policies() -> None:
    item = platform(**AUTO).one("ConfigMap::platform-network-policies").inputs
    assert (item["metadata"]["namespace"], item["metadata"]["name"]) == ("kube-system", "amazon-vpc-cni")
    assert item["data"] == {"enable-network-policy-controller": "true"}


def test_the_device_plugin_runs_on_the_pools_alone_and_tolerates_a_taint_of_any_value() -> None:
    spec = platform().one("DaemonSet::platform-accelerators").inputs["spec"]["template"]["spec"]
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    [expression] = terms[0]["matchExpressions"]
    assert expression == {"key": "tenbin.dev/pool", "operator": "In", "values": ["l4", "l4-spot"]}
    assert spec["tolerations"] == [
        {"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in ("tenbin.dev/pool", "nvidia.com/gpu")
    ]


@pytest.mark.parametrize("parts", [{}, AUTO, KARPENTER])
def test_everything_of_aws_goes_through_a_provider_of_the_clusters_region(parts: dict[str, Any]) -> None:
    found = platform(**parts)
    assert found.one("aws::platform").inputs["region"] == "eu-west-1"
    for item in found.resources:
        if item.type.startswith("aws:"):
            assert item.provider == "aws::platform", item.key


@pytest.mark.parametrize("parts", [{}, AUTO, KARPENTER])
def test_everything_of_kubernetes_goes_to_the_cluster_that_is_built(parts: dict[str, Any]) -> None:
    found = platform(**parts)
    provider = found.one("kubernetes::platform")
    assert provider.inputs["enableConfigMapMutable"] == "true"
    assert "get-token" in provider.inputs["kubeconfig"]
    objects = [item for item in found.resources if item.type.startswith("kubernetes:")]
    assert len(objects) > 20
    assert {item.provider for item in objects} == {"kubernetes::platform"}


def test_nobody_talks_to_the_cluster_before_it_is_whole() -> None:
    depends = platform().one("kubernetes::platform").depends_on
    administrator = "111122223333-role-platform-admin"
    assert f"AccessPolicyAssociation::platform-cluster-{administrator}" in depends
    assert "NodeGroup::platform-cluster-system" in depends


def test_nodes_start_when_there_is_a_way_out() -> None:
    depends = platform().one("NodeGroup::platform-cluster-system").depends_on
    assert {f"Route::platform-network-private-{zone}" for zone in ZONES} <= set(depends)


def test_pools_wait_for_the_network_plugin_that_their_nodes_need() -> None:
    found = platform()
    assert "Addon::platform-cluster-vpc-cni" in found.one("NodeGroup::platform-l4").depends_on
    own = platform(**AUTO)
    administrator = "111122223333-role-platform-admin"
    assert f"AccessPolicyAssociation::platform-cluster-{administrator}" in own.one("NodePool::platform-l4").depends_on


def test_the_control_plane_lies_in_subnets_without_a_way_out_and_nodes_in_private_ones() -> None:
    found = platform()
    [plane] = [item for item in found.resources if item.type == "aws:eks/cluster:Cluster"]
    assert plane.inputs["vpcConfig"]["subnetIds"] == [f"platform-network-intra-{zone}-id" for zone in ZONES]
    group = found.one("NodeGroup::platform-l4").inputs
    assert group["subnetIds"] == [f"platform-network-private-{zone}-id" for zone in ZONES]


def test_a_name_of_ones_own_is_the_clusters_and_where_karpenter_looks() -> None:
    found = platform(cluster={"name": "inference"})
    [plane] = [item for item in found.resources if item.type == "aws:eks/cluster:Cluster"]
    assert plane.inputs["name"] == "inference"
    subnet = found.one("Subnet::platform-network-private-eu-west-1a").inputs
    assert subnet["tags"]["karpenter.sh/discovery"] == "inference"


def test_limits_of_a_pool_follow_from_the_stacks_cap() -> None:
    limits = platform(**AUTO).one("NodePool::platform-l4").inputs["spec"]["limits"]
    assert limits["nvidia.com/gpu"] == "4"
    dear = {**AUTO, "pool": {**AUTO["pool"], "hourly_usd": "1.90"}}
    assert platform(**dear).one("NodePool::platform-l4").inputs["spec"]["limits"]["nvidia.com/gpu"] == "2"


def test_a_pool_that_alone_would_break_the_cap_is_a_finding() -> None:
    messages = platform(pool={"hourly_usd": "1.90"}).messages
    text = (
        "tenbin:pools.l4.nodes.max: 4 nodes cost 7.60 USD per hour, the cap is 4.00. Lower nodes.max or raise the cap "
        "(pool-beyond-cap)"
    )
    assert messages == [text]


@pytest.mark.parametrize("parts", [{}, AUTO, KARPENTER])
def test_no_resource_lies_outside_a_component(parts: dict[str, Any]) -> None:
    roots = [item.key for item in platform(**parts).resources if not item.parent]
    assert roots == ["Platform::platform"]


@pytest.mark.parametrize("parts", [{}, AUTO, KARPENTER])
def test_the_preview_of_a_new_stack_shows_all_of_it(parts: dict[str, Any]) -> None:
    shown, made = platform(preview=True, **parts), platform(**parts)
    assert sorted(item.key for item in shown.resources) == sorted(item.key for item in made.resources)


def test_all_that_cannot_be_built_is_named_by_its_key_in_the_stack_file() -> None:
    plain = configuration(cluster={"version": 1.35}, pool={"zones": ["eu-west-1d"], "backend": "karpenter"})
    plain["pools"]["l4"] |= {"instance_type": "g6.xlage", "efa": True}
    args: Any = plain
    with pytest.raises(pulumi.RunError) as caught:
        register(lambda: tenbin.Platform("platform", args))
    paths = [line.split(": ")[0].removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]
    assert paths == [
        "tenbin:cluster.version",
        "tenbin:pools.l4-spot.backend",
        "tenbin:pools.l4-spot.zones",
        "tenbin:pools.l4.backend",
        "tenbin:pools.l4.instance_type",
        "tenbin:pools.l4.zones",
    ]
