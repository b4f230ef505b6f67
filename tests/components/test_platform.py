"""`Platform` without an engine: what it registers, what it refuses and what it only warns of."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pulumi
import pytest
import tenbin
from support import stacks
from support.registered import Registrations, register
from tenbin._layout import envoy
from tenbin_spec import cost
from tenbin_spec.document import document_of, parse_document
from tenbin_spec.stack import parse_stack


def platform(configuration: dict[str, Any] | None = None, **options: Any) -> Registrations:
    args: Any = configuration or stacks.plain_stack()
    return register(lambda: tenbin.Platform("platform", args), **options)


def test_it_builds_exactly_these_parts() -> None:
    assert platform().tree() == {
        "": ["Platform::platform"],
        "Platform::platform": [
            "AcceleratorPool::platform-l4",
            "AcceleratorPool::platform-l4-spot",
            "Gateway::platform-gateway",
            "ModelService::platform-chat",
            "Namespace::platform",
            "NetworkPolicy::platform",
            "Picker::platform-picker",
            "Planner::platform-planner",
            "kubernetes::platform",
        ],
        "Gateway::platform-gateway": [
            "Deployment::platform-gateway",
            "NetworkPolicy::platform-gateway",
            "Service::platform-gateway",
        ],
        "ModelService::platform-chat": [
            "Deployment::platform-chat-serve-l4",
            "Deployment::platform-chat-serve-l4-spot",
            "NetworkPolicy::platform-chat",
            "PodDisruptionBudget::platform-chat-serve-l4",
            "PodDisruptionBudget::platform-chat-serve-l4-spot",
        ],
        "Picker::platform-picker": [
            "Deployment::platform-picker",
            "NetworkPolicy::platform-picker",
            "Role::platform-picker",
            "RoleBinding::platform-picker",
            "Service::platform-picker",
            "ServiceAccount::platform-picker",
        ],
        "Planner::platform-planner": [
            "ClusterRole::platform-planner",
            "ClusterRoleBinding::platform-planner",
            "ConfigMap::platform-planner-document",
            "Deployment::platform-planner",
            "NetworkPolicy::platform-planner",
            "Role::platform-planner",
            "RoleBinding::platform-planner",
            "Service::platform-planner",
            "ServiceAccount::platform-planner",
        ],
    }


def test_component_types_are_these_for_ever() -> None:
    types = {item.type for item in platform().resources if item.type.startswith("tenbin:")}
    assert types == {
        "tenbin:index:AcceleratorPool",
        "tenbin:index:Gateway",
        "tenbin:index:ModelService",
        "tenbin:index:Picker",
        "tenbin:index:Planner",
        "tenbin:index:Platform",
    }


def test_every_object_goes_through_the_provider_that_changes_config_maps_in_place() -> None:
    found = platform()
    provider = found.one("kubernetes::platform")
    assert provider.inputs == {"enableConfigMapMutable": "true"}
    for item in found.resources:
        if item.type.startswith("kubernetes:"):
            assert item.provider == "kubernetes::platform", item.key


def test_a_named_context_is_the_providers() -> None:
    configuration = stacks.plain_stack(cluster={"kind": "existing", "context": "eks-prod"})
    assert platform(configuration).one("kubernetes::platform").inputs["context"] == "eks-prod"


def test_every_object_lies_in_the_namespace_and_waits_for_it() -> None:
    configuration = stacks.plain_stack(cluster={"kind": "existing", "namespace": "inference"})
    found = platform(configuration)
    assert found.one("Namespace::platform").inputs["metadata"]["name"] == "inference"
    for item in found.resources:
        if item.type.startswith("kubernetes:") and item.key != "Namespace::platform" and "ClusterRole" not in item.type:
            assert item.inputs["metadata"]["namespace"] == "inference", item.key
            assert "Namespace::platform" in item.depends_on, item.key


def test_replica_counts_are_ignored_on_engines_alone() -> None:
    ignoring = {item.key: item.ignore_changes for item in platform().resources if item.ignore_changes}
    assert ignoring == {
        "Deployment::platform-chat-serve-l4": ("spec.replicas",),
        "Deployment::platform-chat-serve-l4-spot": ("spec.replicas",),
    }


def test_engines_and_services_are_not_awaited_and_everything_else_is() -> None:
    skipping = {
        item.key
        for item in platform().resources
        if item.inputs.get("metadata", {}).get("annotations", {}).get("pulumi.com/skipAwait") == "true"
    }
    assert skipping == {
        "Deployment::platform-chat-serve-l4",
        "Deployment::platform-chat-serve-l4-spot",
        "Service::platform-gateway",
        "Service::platform-picker",
        "Service::platform-planner",
    }


def test_without_a_planner_the_minimum_is_declared_after_the_planner_has_stopped() -> None:
    found = platform(stacks.plain_stack(planner={"enabled": False}))
    assert found.one("Deployment::platform-planner").inputs["spec"]["replicas"] == 0
    for key, replicas in {"l4-spot": 1, "l4": 0}.items():
        item = found.one(f"Deployment::platform-chat-serve-{key}")
        assert item.inputs["spec"]["replicas"] == replicas
        assert item.ignore_changes == ()
        assert "Deployment::platform-planner" in item.depends_on


def test_the_wire_document_is_the_agreement() -> None:
    configuration = stacks.plain_stack()
    text = platform(configuration).one("ConfigMap::platform-planner-document").inputs["data"]["document.json"]
    assert parse_document(text) == document_of(parse_stack(configuration), "test")


def test_a_change_of_the_objective_reaches_the_document_and_restarts_nothing() -> None:
    changed = stacks.plain_stack(services__chat__slo__classes__interactive__ttft_ms=700)
    before = {item.key: item.inputs for item in platform().resources}
    after = {item.key: item.inputs for item in platform(changed).resources}
    assert {key for key in after if before[key] != after[key]} == {
        "ConfigMap::platform-planner-document",
        "ModelService::platform-chat",
        "Platform::platform",
    }


def test_policies_find_agreement_and_cost_as_plain_inputs() -> None:
    inputs = platform().one("Platform::platform").inputs
    assert inputs["agreement"]["services"]["chat"]["slo"]["classes"]["interactive"]["target"] == "0.99"
    assert inputs["cost"] == {
        "cap_usd": {"hourly_usd": "4.00"},
        "hourly_usd": {"minimum": "0.36", "maximum": "3.9392"},
        "services_hourly_usd": {"chat": {"minimum": "0.36", "maximum": "3.9392"}},
        "estimate": cost.of(parse_stack(stacks.plain_stack())).plain(),
    }
    assert inputs["findings"] == []
    assert parse_stack(inputs["agreement"]) == parse_stack(stacks.plain_stack())


def test_findings_are_warnings_inputs_and_outputs_and_stop_nothing() -> None:
    found = platform(stacks.plain_stack(cost={"hourly_usd": "0.10"}))
    text = (
        "tenbin:cost.hourly_usd: 0.10 is below the 0.36 USD per hour of the minimum replicas. "
        "Raise the cap or lower the services' minimum (cap-below-minimum)"
    )
    assert found.messages == [text]
    [finding] = found.outputs["Platform::platform"]["findings"]
    assert finding["id"] == "cap-below-minimum"
    assert found.one("Platform::platform").inputs["findings"] == [finding]
    document = found.one("ConfigMap::platform-planner-document").inputs["data"]["document.json"]
    assert json.loads(document)["findings"] == [text]
    assert len(found.resources) == len(platform().resources)


def test_an_unknown_price_is_unknown_and_never_nothing() -> None:
    configuration = stacks.plain_stack()
    del configuration["pools"]["l4-spot"]["hourly_usd"]
    found = platform(configuration)
    assert found.outputs["Platform::platform"]["hourly_usd"] == {"minimum": "0.8048", "maximum": "unknown"}
    assert found.one("AcceleratorPool::platform-l4-spot").inputs["maximum_hourly_usd"] == "unknown"
    estimate = found.outputs["Platform::platform"]["cost"]
    assert estimate["monthly_usd"] == {"minimum": "587.50", "expected": "587.50", "maximum": "unknown"}
    assert estimate["unknown"] == ["the price of g6.xlarge spot in us-east-1 (pool l4-spot)"]


def test_outputs_say_where_to_go_and_what_it_costs() -> None:
    outputs = platform().outputs["Platform::platform"]
    assert outputs.pop("cost") == cost.of(parse_stack(stacks.plain_stack())).plain()
    assert outputs == {
        "namespace": "tenbin",
        "gateway_url": "http://10.0.0.4:8080",
        "planner_url": "http://10.0.0.3:8081",
        "hourly_usd": {"minimum": "0.36", "maximum": "3.9392"},
        "slo": {
            "chat": "99 % of interactive requests: first token within 1 s, each further token within 60 ms\n"
            "counted over 30d"
        },
        "findings": [],
    }


def test_gateway_knows_picker_and_planner_by_address() -> None:
    [_, config, *_] = (
        platform().one("Deployment::platform-gateway").inputs["spec"]["template"]["spec"]["containers"][0]["args"]
    )
    clusters = {item["name"]: item for item in json.loads(config)["static_resources"]["clusters"]}
    for name, address, port in ((envoy.PICKER_CLUSTER, "10.0.0.2", 9002), (envoy.PLANNER_CLUSTER, "10.0.0.3", 9005)):
        [endpoint] = clusters[name]["load_assignment"]["endpoints"][0]["lb_endpoints"]
        assert endpoint["endpoint"]["address"]["socket_address"] == {"address": address, "port_value": port}


def test_the_preview_of_a_new_stack_has_no_addresses_and_still_shows_everything() -> None:
    found = platform(preview=True, assigns_addresses=False)
    assert sorted(item.key for item in found.resources) == sorted(item.key for item in platform().resources)
    assert found.outputs["Platform::platform"]["gateway_url"] == "http://pending:8080"


def test_order_of_the_configuration_changes_nothing() -> None:
    configuration = stacks.plain_stack()
    configuration["pools"] = dict(reversed(configuration["pools"].items()))
    configuration["services"]["chat"]["pools"].reverse()
    before = {item.key: item.inputs for item in platform().resources if item.type.startswith("kubernetes:")}
    after = {item.key: item.inputs for item in platform(configuration).resources if item.type.startswith("kubernetes:")}
    assert before == after


def priced(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> Registrations:
    """Build a platform in a project with a price file, or without the one that it names."""
    monkeypatch.setattr(pulumi, "get_root_directory", lambda: str(folder))
    if text is not None:
        (folder / "prices.json").write_text(text)
    return platform(stacks.plain_stack(prices={"file": "prices.json"}))


def test_the_project_s_own_prices_count(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = {"source": "AWS", "date": "2026-11-01", "region": "us-east-1", "capacity_type": "on-demand"}
    text = json.dumps({"lists": [{**newer, "hourly_usd": {"g6.xlarge": "0.9000"}}]})
    found = priced(tmp_path, monkeypatch, text)
    document = parse_document(found.one("ConfigMap::platform-planner-document").inputs["data"]["document.json"])
    prices = {item.pool: str(item.hourly_usd) for item in document.workloads}
    assert prices == {"l4": "0.90", "l4-spot": "0.36"}
    assert found.one("Platform::platform").inputs["agreement"]["pools"]["l4"]["priced_on"] == "2026-11-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, r"configuration of stack test has 1 problem:\n  - tenbin:prices.file: 'prices.json' cannot be read"),
        ("{", r"prices.json has 1 problem:\n  - line 1, column 2: is not JSON"),
    ],
)
def test_a_price_file_that_cannot_be_used_ends_the_program(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str | None, expected: str
) -> None:
    with pytest.raises(pulumi.RunError, match=expected):
        priced(tmp_path, monkeypatch, text)


def test_a_broken_configuration_ends_with_all_problems_and_registers_nothing() -> None:
    configuration = stacks.plain_stack(
        services__chat__slo__classes={"interactive": {"target": 0.99, "ttft_ms": 1000}},
        services__chat__pools=["l5"],
        extra=1,
    )
    with pytest.raises(pulumi.RunError) as caught:
        platform(configuration)
    lines = str(caught.value).splitlines()
    assert lines[0] == "configuration of stack test has 3 problems:"
    assert lines[1:] == [
        (
            "  - tenbin:extra: unknown key. Allowed here: cluster, cost, gateway, guard, images, "
            "observability, planner, pools, prices, review, services"
        ),
        "  - tenbin:services.chat.pools[0]: 'l5' is not a pool of this stack; did you mean 'l4'? Allowed: l4, l4-spot",
        (
            "  - tenbin:services.chat.slo.classes.interactive.target: 0.99 is a number where a string belongs: put it "
            'in quotes, for example "0.99" (a share above 0 and below 1 with at most 6 decimals)'
        ),
    ]


def test_numbers_of_other_languages_are_whole_again() -> None:
    floats: Any = json.loads(re.sub(r"(?<=: )(\d+)(?=[,}])", r"\1.0", json.dumps(stacks.plain_stack())))
    assert isinstance(floats["services"]["chat"]["replicas"]["max"], float)
    assert {item.key: item.inputs for item in platform(floats).resources} == {
        item.key: item.inputs for item in platform().resources
    }
