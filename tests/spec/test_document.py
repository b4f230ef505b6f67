"""The wire document: same content on both sides, refused when it is of another version."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from support.stacks import plain_stack, plain_stacks, stack
from tenbin_spec.document import DocumentVersionError, document_of, parse_document
from tenbin_spec.problems import ConfigurationError
from tenbin_spec.stack import Stack, parse_stack

SLOW = {"services__chat__engine__time_scale": 2.0}


@settings(max_examples=60, deadline=None)
@given(plain_stacks())
def test_document_survives_the_wire(plain: dict[str, Any]) -> None:
    document = document_of(parse_stack(plain), "dev")
    assert parse_document(document.to_json()) == document


@settings(max_examples=60, deadline=None)
@given(plain_stacks())
def test_configuration_survives_its_own_dump(plain: dict[str, Any]) -> None:
    parsed = parse_stack(plain)
    assert Stack.model_validate(json.loads(parsed.model_dump_json())) == parsed


def test_order_of_the_file_changes_nothing() -> None:
    plain = plain_stack()
    turned = dict(reversed(list(plain.items())))
    turned["pools"] = dict(reversed(list(plain["pools"].items())))
    turned["services"]["chat"]["pools"] = list(reversed(plain["services"]["chat"]["pools"]))
    assert document_of(parse_stack(turned), "dev").to_json() == document_of(parse_stack(plain), "dev").to_json()


def test_revision_follows_the_content() -> None:
    before, same, after = stack(), stack(), stack(cost__hourly_usd="5.00")
    assert document_of(before, "dev").revision == document_of(same, "dev").revision
    assert document_of(before, "dev").revision != document_of(after, "dev").revision


def test_workloads_are_named_priced_and_bounded() -> None:
    spot, on_demand = document_of(stack(), "dev").workloads
    assert (spot.name, str(spot.hourly_usd), spot.max_replicas) == ("chat-serve-l4-spot", "0.360000", 2)
    assert (on_demand.name, str(on_demand.hourly_usd), on_demand.max_replicas) == ("chat-serve-l4", "0.804800", 4)


def test_the_planner_knows_how_nodes_are_bought_and_how_many_replicas_stay_off_spot() -> None:
    document = document_of(stack(services__chat__replicas={"min": 2, "max": 6, "on_demand_min": 1}), "dev")
    assert {name: pool.capacity_type for name, pool in document.pools.items()} == {"l4": "on-demand", "l4-spot": "spot"}
    assert document.services["chat"].replicas.on_demand_min == 1


def test_a_document_from_before_these_keys_is_on_demand_without_a_floor() -> None:
    plain = json.loads(document_of(stack(), "dev").to_json())
    del plain["pools"]["l4"]["capacity_type"], plain["services"]["chat"]["replicas"]["on_demand_min"]
    assert parse_document(json.dumps(plain)) == document_of(stack(), "dev")


def test_the_planner_knows_the_priority_of_a_service_and_an_older_document_has_priority_1() -> None:
    assert document_of(stack(services__chat__priority=7), "dev").services["chat"].priority == 7
    plain = json.loads(document_of(stack(), "dev").to_json())
    assert plain["services"]["chat"].pop("priority") == 1
    assert parse_document(json.dumps(plain)) == document_of(stack(), "dev")


def test_engine_settings_narrow_the_profile() -> None:
    narrowed = stack(services__chat__engine__max_num_seqs=3, services__chat__engine__max_model_len=100)
    profile = document_of(narrowed, "dev").workloads[0].profile
    assert profile is not None
    assert (profile.limits.max_num_seqs, profile.limits.max_model_len) == (3, 100)


def test_a_time_scale_scales_what_the_planner_believes() -> None:
    (slow, _), (plain, _) = (document_of(item, "dev").workloads for item in (stack(**SLOW), stack()))
    assert slow.profile is not None
    assert plain.profile is not None
    assert slow.profile.forward == plain.profile.forward.scaled(2)
    assert slow.profile.api.per_request_ms == 2 * plain.profile.api.per_request_ms


def document_with(**changes: Any) -> str:
    return json.dumps({**json.loads(document_of(stack(), "dev").to_json()), **changes})


def test_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(DocumentVersionError) as caught:
        parse_document(document_with(version=2))
    assert str(caught.value) == (
        "wire document has 1 problem:\n  - version: 2 is not a version that this program reads. Allowed: 1"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: is not JSON: Expecting value"),
        ("[]", "[] is not a mapping of keys to values"),
        (document_with(surprise=1), "surprise: unknown key. Allowed here: cost, findings, namespace, planner, pools,"),
        (document_with(cost={"hourly_usd": "-1"}), "cost.hourly_usd: '-1' is not an amount of USD"),
    ],
    ids=["empty", "list", "unknown key", "negative money"],
)
def test_a_broken_document_is_refused(text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text)
    assert expected in str(caught.value)


def test_an_older_document_scales_deployments_named_like_its_workloads() -> None:
    plain = json.loads(document_of(stack(), "dev").to_json())
    for item in plain["workloads"]:
        del item["target"], item["pods"]
    found = parse_document(json.dumps(plain))
    assert found == document_of(stack(), "dev")
    assert [str(item.scaled) for item in found.workloads] == [
        "Deployment chat-serve-l4-spot",
        "Deployment chat-serve-l4",
    ]


def with_target(target: Any, **more: Any) -> str:
    plain = json.loads(document_of(stack(), "dev").to_json())
    plain["workloads"][1] |= {"target": target, **more}
    return json.dumps(plain)


def test_a_workload_may_be_any_object_with_a_scale() -> None:
    target = {"api_version": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "chat.h200"}
    pods = {"leaderworkerset.sigs.k8s.io/name": "chat.h200"}
    item = parse_document(with_target(target, pods=pods)).workloads[1]
    assert (item.scaled.group, item.scaled.version) == ("leaderworkerset.x-k8s.io", "v1")
    assert (item.scaled.plural, item.pods) == ("leaderworkersets", pods)
    irregular = {**target, "kind": "Policy", "resource": "policies"}
    assert parse_document(with_target(irregular)).workloads[1].scaled.plural == "policies"


def test_a_target_that_is_none_is_refused_with_all_that_is_wrong() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_document(with_target({"api_version": "v1", "kind": "pod", "name": "a/b", "resource": "Pods"}, pods={}))
    place = "workloads[1].target"
    assert [(item.path, item.message) for item in caught.value.problems] == [
        ("workloads[1].pods", "{}: dictionary should have at least 1 item after validation, not 0"),
        (f"{place}.api_version", "'v1' is not an API group and version, for example 'leaderworkerset.x-k8s.io/v1'"),
        (f"{place}.kind", "'pod' is not a kind of the Kubernetes API, for example 'LeaderWorkerSet'"),
        (f"{place}.name", "'a/b' is not the name of a Kubernetes object, for example 'chat-serve-l40s'"),
        (f"{place}.resource", "'Pods' is not the plural of a kind in lower case, for example 'leaderworkersets'"),
    ]


def test_two_workloads_cannot_scale_one_object() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_document(with_target({"name": "chat-serve-l4-spot"}))
    both = "workloads chat-serve-l4-spot and chat-serve-l4 both scale Deployment chat-serve-l4-spot"
    assert f"{both}: each needs an object of its own" in str(caught.value)
