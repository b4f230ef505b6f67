"""Manifests against their recorded form."""

from __future__ import annotations

from typing import Any

import pytest
from support import amazon, engine_groups, golden, stacks
from tenbin._layout import engine, entrance, gateway, karpenter, namespace, network_policy, picker, planner
from tenbin._layout.tags import Tags
from tenbin_spec.clusters import EksCluster
from tenbin_spec.engine_metrics import EngineMetrics
from tenbin_spec.gateways import Gateway
from tenbin_spec.placements import placements
from tenbin_spec.pools import Backend, CapacityType, NodeRange, PlacementStrategy, Pool
from tenbin_spec.scale_target import ScaleTarget

NAMESPACE = "tenbin"
STACK = "test"
TARGETS = [ScaleTarget(name="chat-serve-l4"), ScaleTarget(name="chat-serve-l4-spot")]
OTHER_KINDS = [
    ScaleTarget(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="chat-serve-h200"),
    ScaleTarget(api_version="nvidia.com/v1alpha1", kind="DynamoGraphDeploymentScalingAdapter", name="chat-decode"),
]


def engine_manifests(stack: Any, *, planned: bool = True) -> list[dict[str, Any]]:
    service = stack.services["chat"]
    setting = engine.Setting(
        service=service, pools=stack.pools, stack=STACK, namespace=NAMESPACE, planned=planned, scrape=True
    )
    found = placements(stack)
    counts = engine.first_replicas(service, found, planned=planned)
    return [
        manifest
        for item in found
        for manifest in (
            engine.deployment(setting, item, replicas=counts[item.workload]),
            engine.disruption_budget(setting, item),
        )
    ]


def vllm_stack() -> Any:
    """Return a stack that sets everything an engine can be told."""
    return stacks.stack(
        services__chat__model={
            "id": "meta-llama/Llama-3.3-70B-Instruct",
            "revision": "6f6073b4",
            "credentials": {"secret": "hf-token", "key": "token"},
        },
        services__chat__engine={
            "kind": "vllm",
            "image": "vllm/vllm-openai:v0.33.0@sha256:" + "0" * 64,
            "tensor_parallel": 4,
            "max_model_len": 32768,
            "max_num_seqs": 256,
            "max_num_batched_tokens": 8192,
            "max_num_queued_reqs": 512,
            "gpu_memory_utilization": "0.95",
            "drain_s": 120,
        },
        services__chat__pools=["h100"],
        pools={"h100": {"instance_type": "p5.48xlarge", "nodes": {"max": 2}, "lead_time_s": 900}},
        services__chat__slo__classes={
            "interactive": {"target": "0.99", "ttft_ms": 800, "tpot_ms": 40},
            "batch": {"target": "0.9", "e2e_ms": 45_000},
        },
        services__chat__slo__default_class="interactive",
    )


def karpenter_pool(auto_mode: bool) -> karpenter.Setting:
    """Return a pool that sets everything that a NodePool and its class can be told."""
    pool = Pool(
        instance_type="g6.24xlarge",
        capacity_type=CapacityType.RESERVATION,
        capacity_reservation="cr-0123456789abcdef0",
        nodes=NodeRange(max=3),
        zones=("us-east-1b",),
        efa=True,
        backend=Backend.KARPENTER,
        placement=PlacementStrategy.EXISTING,
        placement_group="bought",
    )
    return karpenter.Setting(
        name="l4",
        pool=pool,
        stack=STACK,
        tags=Tags(stack=STACK, owner="ml-platform", part="pool", pool="l4"),
        auto_mode=auto_mode,
        role_name="node",
        instance_profile=None if auto_mode else "node-profile",
        subnet_ids=["subnet-b"],
        security_group_ids=["sg-cluster", "sg-efa"],
        placement_group="bought",
        nodes=2,
    )


CLUSTER = EksCluster.model_validate(amazon.plain_cluster())
WAYS_IN = [
    Gateway.model_validate(
        {
            "exposure": "internal",
            "certificate": {"secret": "gateway-tls"},
            "clients": {
                "api_keys": {"secret": "gateway-keys", "clients": ["team-a", "team-b"]},
                "authority_secret": "gateway-clients",
            },
        }
    ),
    Gateway.model_validate(
        {
            "exposure": "public",
            "certificate": {"acm": "arn:aws:acm:eu-west-1:111122223333:certificate/1234abcd"},
            "allowed_cidrs": ["203.0.113.0/24"],
            "clients": {"api_keys": {"secret": "gateway-keys", "clients": ["team-a"]}},
            "load_balancer_class": "service.k8s.aws/nlb",
        }
    ),
]
CASES: dict[str, list[dict[str, Any]]] = {
    "engine-simulated.yaml": engine_manifests(stacks.stack()),
    "engine-vllm.yaml": engine_manifests(vllm_stack()),
    "engine-groups.yaml": [engine_groups.rendered()],
    "gateway.yaml": [
        gateway.front(namespace=NAMESPACE, stack=STACK),
        gateway.deployment(
            gateway=Gateway(replicas=2),
            arguments=["--config-yaml", "{}"],
            drain_s=60,
            namespace=NAMESPACE,
            stack=STACK,
            scrape=True,
        ),
        gateway.disruption_budget(namespace=NAMESPACE, stack=STACK),
    ],
    "gateway-outside.yaml": [
        manifest
        for way_in in WAYS_IN
        for manifest in (
            entrance.load_balancer(way_in, CLUSTER, namespace=NAMESPACE, stack=STACK),
            gateway.deployment(
                gateway=way_in,
                arguments=["--config-yaml", "{}"],
                drain_s=60,
                namespace=NAMESPACE,
                stack=STACK,
                scrape=False,
            ),
            network_policy.gateway(namespace=NAMESPACE, scrape=False, outside=entrance.callers(way_in, CLUSTER)),
        )
    ],
    "karpenter.yaml": [
        manifest
        for auto_mode in (False, True)
        for manifest in (
            karpenter.node_class(karpenter_pool(auto_mode)),
            karpenter.node_pool(karpenter_pool(auto_mode)),
        )
    ],
    "namespace.yaml": [namespace.manifest(name=NAMESPACE, stack=STACK)],
    "network-policies.yaml": [
        network_policy.deny_all(namespace=NAMESPACE),
        network_policy.engine(service="chat", namespace=NAMESPACE, weights=True, scrape=True),
        network_policy.engine(service="wide", namespace=NAMESPACE, weights=True, scrape=True, groups=True),
        network_policy.gateway(namespace=NAMESPACE, scrape=True),
        network_policy.picker(namespace=NAMESPACE, scrape=True),
        network_policy.planner(namespace=NAMESPACE, scrape=True, metrics=EngineMetrics()),
    ],
    "picker.yaml": [
        *picker.account(namespace=NAMESPACE, stack=STACK),
        picker.front(namespace=NAMESPACE, stack=STACK),
        picker.deployment(image="tenbin/picker:0.1.0", namespace=NAMESPACE, stack=STACK, scrape=True),
    ],
    "planner-kinds.yaml": planner.account(targets=[*OTHER_KINDS, TARGETS[0]], namespace=NAMESPACE, stack=STACK),
    "planner.yaml": [
        *planner.account(targets=TARGETS, namespace=NAMESPACE, stack=STACK),
        planner.document(text="{}\n", namespace=NAMESPACE, stack=STACK),
        planner.front(namespace=NAMESPACE, stack=STACK),
        planner.deployment(image="tenbin/planner:0.1.0", enabled=True, namespace=NAMESPACE, stack=STACK, scrape=True),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_layout_renders_as_recorded(name: str) -> None:
    golden.check(name, golden.dump(CASES[name]))
