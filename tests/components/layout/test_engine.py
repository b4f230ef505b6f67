"""Workloads of a service: where they run, how they start and how they end."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from support import stacks
from tenbin._layout import engine, lifetimes, pool, sizing
from tenbin_spec import engines
from tenbin_spec.placements import placements
from tenbin_spec.pools import Pool
from tenbin_spec.stack import Stack

VLLM = {"kind": "vllm", "image": "vllm/vllm-openai:v0.33.0", "max_model_len": 8192}


def rendered(stack: Stack, *, planned: bool = True, scrape: bool = True) -> dict[str, dict[str, Any]]:
    """Return the Deployments of the service `chat` by name."""
    service = stack.services["chat"]
    setting = engine.Setting(
        service=service, pools=stack.pools, stack="test", namespace="tenbin", planned=planned, scrape=scrape
    )
    found = [item for item in placements(stack) if item.service == "chat"]
    counts = engine.first_replicas(service, found, planned=planned)
    manifests = [engine.deployment(setting, item, replicas=counts[item.workload]) for item in found]
    return {manifest["metadata"]["name"]: manifest for manifest in manifests}


def pod(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = rendered(stack)["chat-serve-l4"]["spec"]["template"]["spec"]
    return found


def container(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = pod(stack)["containers"][0]
    return found


def flag(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def test_there_is_one_workload_for_each_pool_pinned_to_its_nodes() -> None:
    found = rendered(stacks.stack())
    assert sorted(found) == ["chat-serve-l4", "chat-serve-l4-spot"]
    spot = found["chat-serve-l4-spot"]["spec"]["template"]["spec"]
    assert spot["nodeSelector"] == {"tenbin.dev/pool": "l4-spot"}
    assert spot["tolerations"] == [
        {"key": "tenbin.dev/pool", "operator": "Equal", "value": "l4-spot", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
    ]


def test_without_a_planner_the_minimum_off_spot_stays_off_spot() -> None:
    floored = stacks.stack(services__chat__replicas={"min": 3, "max": 6, "on_demand_min": 2})
    found = {name: manifest["spec"]["replicas"] for name, manifest in rendered(floored, planned=False).items()}
    assert found == {"chat-serve-l4": 2, "chat-serve-l4-spot": 1}


def test_pods_tolerate_every_taint_of_their_nodes() -> None:
    contract = pool.contract_of("l4")
    for taint in contract.taints:
        assert any(
            tolerated["key"] == taint["key"]
            and tolerated["effect"] == taint["effect"]
            and (tolerated["operator"] == "Exists" or tolerated["value"] == taint["value"])
            for tolerated in contract.tolerations
        )
    assert contract.node_selector.items() <= contract.labels.items()


def test_selector_is_part_of_the_pods_labels_and_differs_between_workloads() -> None:
    selectors = []
    for manifest in rendered(stacks.stack()).values():
        selector = manifest["spec"]["selector"]["matchLabels"]
        assert selector.items() <= manifest["spec"]["template"]["metadata"]["labels"].items()
        selectors.append(selector)
    assert selectors[0] != selectors[1]


def test_workloads_start_empty_where_a_planner_owns_their_counts() -> None:
    assert [item["spec"]["replicas"] for item in rendered(stacks.stack()).values()] == [0, 0]


@pytest.mark.parametrize(
    ("minimum", "expected"),
    [
        (1, {"chat-serve-l4-spot": 1, "chat-serve-l4": 0}),
        (2, {"chat-serve-l4-spot": 2, "chat-serve-l4": 0}),
        (5, {"chat-serve-l4-spot": 2, "chat-serve-l4": 3}),
    ],
)
def test_without_a_planner_the_minimum_runs_on_the_cheapest_pools(minimum: int, expected: dict[str, int]) -> None:
    stack = stacks.stack(services__chat__replicas={"min": minimum, "max": 6})
    found = rendered(stack, planned=False)
    assert {name: item["spec"]["replicas"] for name, item in found.items()} == expected
    for item in found.values():
        assert item["metadata"]["annotations"]["pulumi.com/patchForce"] == "true"


def test_engines_are_never_awaited_and_only_forced_without_a_planner() -> None:
    for item in rendered(stacks.stack()).values():
        assert item["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_a_pool_of_one_replica_rolls_in_place_and_others_surge() -> None:
    small = stacks.stack(pools__l4__nodes={"max": 1})
    found = rendered(small)
    assert found["chat-serve-l4"]["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert found["chat-serve-l4-spot"]["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_flags_stand_only_where_the_agreement_sets_them() -> None:
    arguments = container(stacks.stack(services__chat__engine=VLLM))["args"]
    assert [item for item in arguments if item.startswith("--")] == [
        "--host",
        "--port",
        "--max-model-len",
        "--shutdown-timeout",
        "--custom-histogram-buckets",
    ]
    assert arguments[0] == "meta-llama/Llama-3.1-8B-Instruct"
    assert flag(arguments, "--host") == "$(POD_IP)"


def test_simulated_engine_gets_its_profile_and_scale() -> None:
    stack = stacks.stack(services__chat__engine__time_scale=0.5)
    simulated = container(stack)
    assert "command" not in simulated
    assert flag(simulated["args"], "--profile") == stacks.PROFILE
    assert flag(simulated["args"], "--time-scale") == "0.5"


@pytest.mark.parametrize(
    ("image", "drains", "has_buckets"),
    [
        ("vllm/vllm-openai:v0.17.1", False, False),
        ("vllm/vllm-openai:v0.18.0", True, False),
        ("vllm/vllm-openai:v0.30.1", True, True),
        ("vllm/vllm-openai@sha256:" + "a" * 64, True, True),
        ("registry:5000/vllm:latest", True, True),
    ],
)
def test_flags_that_an_old_engine_would_refuse_are_left_out(image: str, *, drains: bool, has_buckets: bool) -> None:
    arguments = container(stacks.stack(services__chat__engine={**VLLM, "image": image}))["args"]
    assert ("--shutdown-timeout" in arguments) is drains
    assert ("--custom-histogram-buckets" in arguments) is has_buckets


def test_histogram_buckets_have_an_edge_at_each_threshold() -> None:
    arguments = container(stacks.stack())["args"]
    edges = json.loads(flag(arguments, "--custom-histogram-buckets"))
    assert sorted(edges) == ["inter_token_latency", "request_latency", "time_to_first_token"]
    assert 1.0 in edges["time_to_first_token"]
    assert 0.06 in edges["inter_token_latency"]


def test_credentials_are_a_file_and_never_a_value() -> None:
    model = {"id": "meta-llama/Llama-3.1-8B-Instruct", "credentials": {"secret": "hf-token", "key": "token"}}
    spec = pod(stacks.stack(services__chat__model=model))
    [engine_container] = spec["containers"]
    variables = {item["name"]: item.get("value") for item in engine_container["env"]}
    assert variables["HF_TOKEN_PATH"] == "/var/run/secrets/tenbin/token"
    assert not [item for item in engine_container["env"] if "secretKeyRef" in item.get("valueFrom", {})]
    assert {"name": "credentials", "mountPath": "/var/run/secrets/tenbin", "readOnly": True} in engine_container[
        "volumeMounts"
    ]
    [volume] = [item for item in spec["volumes"] if item["name"] == "credentials"]
    assert volume["secret"]["secretName"] == "hf-token"


def test_every_path_that_the_engine_writes_to_lies_on_a_mounted_volume() -> None:
    spec = pod(stacks.stack())
    [found] = spec["containers"]
    mounts = [item["mountPath"] for item in found["volumeMounts"]]
    assert {item["name"] for item in found["volumeMounts"]} == {item["name"] for item in spec["volumes"]}
    for variable in found["env"]:
        if str(variable.get("value", "")).startswith("/"):
            assert any(variable["value"].startswith(mount) for mount in mounts), variable


def test_accelerators_are_equal_in_request_and_limit_and_to_the_parallelism() -> None:
    stack = stacks.stack(
        pools__l4={"instance_type": "g6.48xlarge", "nodes": {"max": 1}},
        services__chat__pools=["l4"],
        services__chat__engine={**VLLM, "tensor_parallel": 4},
    )
    found = container(stack)
    assert found["resources"]["requests"]["nvidia.com/gpu"] == "4"
    assert found["resources"]["limits"]["nvidia.com/gpu"] == "4"
    assert flag(found["args"], "--tensor-parallel-size") == "4"


def test_replicas_of_a_node_fit_on_it_together() -> None:
    whole = Pool.model_validate({"instance_type": "g6.48xlarge", "nodes": {"max": 1}})
    size = sizing.of(whole, 1)
    assert 8 * size.cpu_millis <= 192_000
    assert 8 * size.memory_mib <= 768 * 1024
    assert size.shared_memory_mib < size.memory_mib


def test_a_replica_leaves_the_endpoints_before_it_drains_and_is_killed_after() -> None:
    spec = pod(stacks.stack(services__chat__engine__drain_s=90))
    [found] = spec["containers"]
    pause = found["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert flag(found["args"], "--shutdown-timeout") == "90"
    assert spec["terminationGracePeriodSeconds"] >= pause + 90 + 5


@pytest.mark.parametrize(("lead_time_s", "least_s"), [(20, 600), (900, 2700)])
def test_a_start_may_take_three_lead_times_and_never_less_than_ten_minutes(lead_time_s: int, least_s: int) -> None:
    stack = stacks.stack(pools__l4__lead_time_s=lead_time_s, services__chat__engine=VLLM)
    deployment = rendered(stack)["chat-serve-l4"]
    [found] = deployment["spec"]["template"]["spec"]["containers"]
    probe = found["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == least_s
    variables = {item["name"]: item.get("value") for item in found["env"]}
    assert variables["VLLM_ENGINE_READY_TIMEOUT_S"] == str(least_s)
    assert deployment["spec"]["progressDeadlineSeconds"] > least_s


def test_an_overloaded_engine_is_not_killed_within_half_a_minute() -> None:
    probe = container(stacks.stack())["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 30
    assert probe["timeoutSeconds"] == probe["periodSeconds"]


def test_scrape_annotations_can_be_switched_off() -> None:
    metadata = rendered(stacks.stack(), scrape=False)["chat-serve-l4"]["spec"]["template"]["metadata"]
    assert "annotations" not in metadata


@hypothesis.given(st.data())
def test_names_and_labels_fit_into_kubernetes_for_all_names(data: st.DataObject) -> None:
    names = st.from_regex(r"[a-z]([a-z0-9-]{0,22}[a-z0-9])?", fullmatch=True)
    service, chosen = data.draw(names), data.draw(names)
    stack_name = data.draw(st.text(alphabet="abcXYZ019._-", min_size=1, max_size=100))
    base = stacks.plain_stack()
    stack = stacks.stack(
        pools={chosen: base["pools"]["l4"]}, services={service: {**base["services"]["chat"], "pools": [chosen]}}
    )
    [item] = placements(stack)
    setting = engine.Setting(
        service=stack.services[service],
        pools=stack.pools,
        stack=stack_name,
        namespace="tenbin",
        planned=True,
        scrape=True,
    )
    manifest = engine.deployment(setting, item, replicas=0)
    assert len(manifest["metadata"]["name"]) <= 63
    for value in manifest["metadata"]["labels"].values():
        assert len(value) <= 63
        assert value == "" or (value[0].isalnum() and value[-1].isalnum())


@hypothesis.given(st.integers(min_value=1, max_value=3600), st.integers(min_value=0, max_value=86_400))
def test_lifetimes_leave_room_for_what_happens_within(drain_s: int, lead_time_s: int) -> None:
    assert lifetimes.grace_s(drain_s) > lifetimes.ENDPOINT_REMOVAL_S + drain_s
    assert lifetimes.startup_budget_s(lead_time_s) >= lead_time_s


def test_versions_are_read_from_tags_only() -> None:
    assert engines.is_at_least("localhost:5000/vllm:0.33.0", (0, 30, 1))
    assert not engines.is_at_least("localhost:5000/vllm:0.9.2-cu128", (0, 18, 0))
