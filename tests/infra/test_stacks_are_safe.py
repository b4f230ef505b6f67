"""What holds of every resource of every committed stack on AWS: who owns it, who reaches it, what it may do.

The reference program runs on the stacks' own files, without an engine, so that policies are as AWS would get them.
"""

from __future__ import annotations

import functools
import json
import re
import runpy
from collections.abc import Iterator
from typing import Any

import pytest
from support import committed_stacks
from support.registered import Registered, Registrations, register
from tenbin_local.plugins.aws import kinds
from tenbin_spec import contract

PROGRAM = committed_stacks.ROOT / "infra" / "__main__.py"
METADATA = {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}
WILDCARDS: dict[str, str] = {}
"""Actions with a wildcard that a policy allows, each with the reason why AWS has none narrower. There is none."""
READS = re.compile(r"[a-z0-9-]+:(Describe|Get|List)\w*")
CREDENTIALS = re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|BEGIN [A-Z ]*PRIVATE KEY|\bhf_[A-Za-z]{30,}|\bnvapi-\w{20,}")
ANYWHERE = {"0.0.0.0/0", "::/0"}

each = pytest.mark.parametrize("stack", committed_stacks.ON_AWS)


@functools.cache
def made(stack: str) -> Registrations:
    """Return what the program registers with a committed stack's configuration."""
    config = committed_stacks.configuration(stack)
    values = {key: json.dumps(value, sort_keys=True) for key, value in config.items()}

    def program() -> None:
        runpy.run_path(str(PROGRAM), run_name="__main__")

    return register(program, configuration=values)


def of_kind(stack: str, *kinds_: str) -> list[Registered]:
    return [item for item in made(stack).resources if item.type.rpartition(":")[2] in kinds_]


def statements(stack: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every statement of every policy that says what somebody may do, with the resource that carries it."""
    for item in made(stack).resources:
        if item.type.startswith("aws:") and "policy" in item.inputs:
            for statement in json.loads(item.inputs["policy"])["Statement"]:
                yield item.key, statement


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(part)


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@each
def test_no_resource_lies_outside_a_component(stack: str) -> None:
    assert [item.key for item in made(stack).resources if not item.parent] == ["Platform::platform"]
    components = {item.key for item in made(stack).resources if item.type.startswith("tenbin:index:")}
    assert [item.key for item in made(stack).resources if item.parent and item.parent not in components] == []


@each
def test_every_resource_of_aws_says_stack_part_and_who_pays_and_those_of_a_pool_say_which(stack: str) -> None:
    pools = committed_stacks.configuration(stack)["tenbin:pools"]
    tagged = [item for item in made(stack).resources if item.type in kinds.ALL and kinds.of(item.type).taggable]
    assert len(tagged) > 20
    for item in tagged:
        tags = item.inputs.get("tags", {})
        wanted = {contract.LABEL_STACK, contract.TAG_PART, contract.TAG_OWNER}
        if item.parent.removeprefix("AcceleratorPool::platform-") in pools:
            wanted.add(contract.LABEL_POOL)
        assert wanted <= set(tags), item.key


@each
def test_what_is_launched_carries_the_tags_too(stack: str) -> None:
    wanted = {contract.LABEL_STACK, contract.TAG_PART, contract.TAG_OWNER}
    for item in of_kind(stack, "LaunchTemplate"):
        for one in item.inputs["tagSpecifications"]:
            assert wanted <= set(one["tags"]), item.key
    for item in of_kind(stack, "NodeClass", "EC2NodeClass"):
        assert {*wanted, contract.LABEL_POOL} <= set(item.inputs["spec"]["tags"]), item.key


@each
def test_every_object_of_kubernetes_says_who_made_it_and_those_of_a_service_say_which(stack: str) -> None:
    for item in made(stack).resources:
        if item.type.startswith("kubernetes:") and "metadata" in item.inputs:
            labels = item.inputs["metadata"].get("labels", {})
            assert labels.get(contract.LABEL_MANAGED_BY) == contract.MANAGED_BY, item.key
            if item.parent.startswith("ModelService::"):
                assert contract.LABEL_SERVICE in labels, item.key


@each
def test_there_are_no_static_credentials(stack: str) -> None:
    assert of_kind(stack, "AccessKey", "User", "Secret", "OpenIdConnectProvider") == []
    for item in made(stack).resources:
        assert [text for text in texts(item.inputs) if CREDENTIALS.search(text)] == [], item.key
    [provider] = [item for item in made(stack).resources if item.type == "pulumi:providers:kubernetes"]
    [user] = json.loads(provider.inputs["kubeconfig"])["users"]
    assert set(user["user"]) == {"exec"}


@each
def test_nothing_answers_to_the_internet(stack: str) -> None:
    [cluster] = [item for item in made(stack).resources if item.type == "aws:eks/cluster:Cluster"]
    access = cluster.inputs["vpcConfig"]
    assert (access["endpointPublicAccess"], access["endpointPrivateAccess"]) == (False, True)
    for item in of_kind(stack, "SecurityGroup", "SecurityGroupIngressRule", "SecurityGroupRule"):
        if item.inputs.get("type") != "egress":
            assert not ANYWHERE & set(texts(item.inputs)), item.key
    assert [item.key for item in of_kind(stack, "Subnet") if item.inputs["mapPublicIpOnLaunch"]] == []
    for item in of_kind(stack, "Service"):
        if item.inputs["spec"].get("type", "ClusterIP") != "ClusterIP":
            assert "internal" in item.inputs["metadata"]["annotations"].values(), item.key


@each
def test_no_policy_allows_a_wildcard_action(stack: str) -> None:
    found = list(statements(stack))
    assert found
    wildcards = {
        action
        for _, statement in found
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        if "*" in action
    }
    assert wildcards - set(WILDCARDS) == set()


@each
def test_who_may_act_on_any_resource_only_reads_or_is_held_by_a_condition(stack: str) -> None:
    for key, statement in statements(stack):
        if statement["Effect"] == "Allow" and "*" in listed(statement["Resource"]) and "Condition" not in statement:
            assert all(READS.fullmatch(action) for action in listed(statement["Action"])), key


@each
def test_nodes_have_version_two_of_the_metadata_service_one_hop_and_encrypted_volumes(stack: str) -> None:
    launched = [item.inputs for item in of_kind(stack, "LaunchTemplate")]
    launched += [item.inputs["spec"] for item in of_kind(stack, "EC2NodeClass")]
    # In Auto Mode the nodes are EKS's own, which has both and lets neither be changed.
    assert launched or of_kind(stack, "NodeClass")
    for one in launched:
        assert one["metadataOptions"] == METADATA
        assert one["blockDeviceMappings"]
        assert [device["ebs"]["encrypted"] for device in one["blockDeviceMappings"]] == [True] * len(
            one["blockDeviceMappings"]
        )


@each
def test_nothing_needs_a_cluster_to_be_previewed(stack: str) -> None:
    rendered = [
        item.key for item in made(stack).resources if item.type.startswith(("kubernetes:helm.sh/v4", "kubernetes:yaml"))
    ]
    assert rendered + of_kind(stack, "Chart") == []
