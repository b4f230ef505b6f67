"""Every resource type made, read, left unchanged, changed and deleted, without the engine."""

from __future__ import annotations

import importlib
import inspect
import json
import pathlib
from typing import Any

import pytest
from support import aws_account
from support.aws_account import Account
from tenbin_local.plugins import paths, properties
from tenbin_local.plugins.aws import kinds, problems

NOTHING = {
    ("aws:eks/cluster:Cluster", "computeConfig"),
    ("aws:eks/cluster:Cluster", "kubeApiServerConfig"),
    ("aws:eks/cluster:Cluster", "kubeControllerManagerConfig"),
    ("aws:eks/cluster:Cluster", "kubeSchedulerConfig"),
    ("aws:eks/cluster:Cluster", "remoteNetworkConfig"),
    ("aws:eks/cluster:Cluster", "storageConfig"),
    ("aws:eks/nodeGroup:NodeGroup", "warmPoolConfig"),
    ("aws:eks/addon:Addon", "namespaceConfig"),
    ("aws:s3/bucket:Bucket", "acl"),
    ("aws:s3/bucket:Bucket", "logging"),
    ("aws:s3/bucket:Bucket", "objectLockConfiguration"),
    ("aws:s3/bucket:Bucket", "replicationConfiguration"),
    ("aws:s3/bucket:Bucket", "website"),
}
"""Outputs that the SDK types as always there, and that AWS leaves out where nobody asked for them."""


def _always(token: str) -> set[str]:
    """The outputs that the SDK types as always there."""
    _, module, name = token.split(":")
    package: Any = importlib.import_module(f"pulumi_aws.{module.split('/', maxsplit=1)[0]}")
    found = set()
    for _, value in inspect.getmembers(getattr(package, name)):
        known = getattr(getattr(value, "fget", None), "_pulumi_name", None)
        if known is not None and "Optional" not in str(value.fget.__annotations__["return"]):
            found.add(known)
    return found


@pytest.fixture
def account(tmp_path: pathlib.Path) -> Account:
    return Account(tmp_path / "account")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """A whole account, for tests that only look."""
    made = Account(tmp_path_factory.mktemp("aws") / "account")
    made.build()
    return made


def _everything(account: Account) -> list[pathlib.Path]:
    return sorted(account.folder.rglob("*.json"))


def test_every_type_can_be_made_with_all_outputs_that_the_sdk_promises(built: Account) -> None:
    assert aws_account.missing() == set()
    lacking = {
        (built.tokens[name], key)
        for name, state in built.states.items()
        for key in _always(built.tokens[name])
        if state.get(key) is None
    }
    assert lacking - NOTHING == set()


def test_nothing_changes_where_nothing_was_changed(built: Account) -> None:
    for name, inputs in built.inputs.items():
        found = built.resources.diff(built.urn(name), inputs, inputs)
        assert found.changes == (), name
        read = built.resources.read(built.urn(name), built.ids[name], inputs)
        assert read is not None
        assert read.state == built.states[name]
        assert built.resources.diff(built.urn(name), read.inputs, inputs).changes == ()


def test_the_same_program_gives_the_same_account(account: Account, tmp_path: pathlib.Path) -> None:
    account.build()
    other = Account(tmp_path / "other")
    other.build()
    assert other.states == account.states
    assert [path.read_text() for path in _everything(other)] == [path.read_text() for path in _everything(account)]


def test_everything_can_be_deleted_in_reverse_and_leaves_nothing(account: Account) -> None:
    account.build()
    for name in reversed(list(account.ids)):
        account.remove(name)
        account.remove(name)  # what is gone already is deleted
    assert _everything(account) == []
    assert not any(path.is_file() for path in account.folder.rglob("*"))


@pytest.mark.parametrize(
    ("held", "doing", "operation", "answer"),
    [
        (
            "vpc", "deleting EC2 VPC", "EC2: DeleteVpc",
            "api error DependencyViolation: The vpc '{id}' has dependencies and cannot be deleted.",
        ),
        (
            "node", "deleting IAM Role", "IAM: DeleteRole",
            "DeleteConflict: Cannot delete entity, must detach all policies first.",
        ),
        (
            "cluster", "deleting EKS Cluster", "EKS: DeleteCluster",
            "ResourceInUseException: Cluster has nodegroups attached",
        ),
    ],
)  # fmt: skip
def test_what_is_in_use_stays(built: Account, held: str, doing: str, operation: str, answer: str) -> None:
    with pytest.raises(problems.AwsError) as caught:
        built.remove(held)
    request = str(caught.value).split("RequestID: ")[1].split(",")[0]
    identifier = built.ids[held]
    assert str(caught.value) == (
        f"{doing} ({identifier}): operation error {operation}, https response error StatusCode: 400, "
        f"RequestID: {request}, {answer.format(id=identifier)}"
    )


def test_a_protected_cluster_stays(account: Account) -> None:
    account.build("control")
    account.make("cluster", "eks/cluster:Cluster", {**aws_account.inputs_of("cluster"), "deletionProtection": True})
    with pytest.raises(problems.AwsError, match="Cannot delete cluster because deletion protection is enabled"):
        account.remove("cluster")


@pytest.mark.parametrize(
    ("name", "changed", "path", "replaces"),
    [
        ("vpc", {"cidrBlock": "10.1.0.0/16"}, "cidrBlock", True),
        ("vpc", {"enableDnsHostnames": False}, "enableDnsHostnames", False),
        ("vpc", {"tags": {"Name": "other"}}, "tags.Name", False),
        ("a", {"cidrBlock": "10.0.32.0/20"}, "cidrBlock", True),
        ("a", {"availabilityZone": "eu-west-1c"}, "availabilityZone", True),
        ("a", {"mapPublicIpOnLaunch": True}, "mapPublicIpOnLaunch", False),
        ("cluster", {"name": "other"}, "name", True),
        ("cluster", {"roleArn": "$node.arn"}, "roleArn", True),
        ("cluster", {"version": "1.36"}, "version", False),
        ("cluster", {"vpcConfig": {"subnetIds": ["$a", "$b"], "endpointPrivateAccess": True}},
         "vpcConfig.endpointPrivateAccess", False),
        ("nodes", {"subnetIds": ["$a"]}, "subnetIds[1]", True),
        ("nodes", {"amiType": "BOTTLEROCKET_x86_64_NVIDIA"}, "amiType", True),
        ("nodes", {"capacityType": "SPOT"}, "capacityType", True),
        ("nodes", {"instanceTypes": ["g6e.2xlarge"]}, "instanceTypes[0]", True),
        ("nodes", {"launchTemplate": {"id": "lt-2", "version": "1"}}, "launchTemplate.id", True),
        ("nodes", {"launchTemplate": {"id": "$template", "version": "2"}}, "launchTemplate.version", False),
        ("nodes", {"labels": {"pool": "l4"}}, "labels", False),
        ("template", {"metadataOptions": {"httpTokens": "optional"}}, "metadataOptions.httpTokens", False),
        ("control", {"path": "/tenbin/"}, "path", True),
        ("control", {"assumeRolePolicy": aws_account.trust("ec2.amazonaws.com")}, "assumeRolePolicy", False),
        ("entry", {"kubernetesGroups": ["viewers"]}, "kubernetesGroups", False),
        ("queue", {"messageRetentionSeconds": 600}, "messageRetentionSeconds", False),
        ("budget", {"limitAmount": "15000"}, "limitAmount", False),
        ("logs", {"logGroupClass": "INFREQUENT_ACCESS"}, "logGroupClass", True),
    ],
)  # fmt: skip
def test_a_change_replaces_where_aws_cannot_change_in_place(
    built: Account, name: str, changed: dict[str, Any], path: str, replaces: bool
) -> None:
    old = built.inputs[name]
    new = {**old, **built._resolved(changed)}
    found = built.resources.diff(built.urn(name), old, new)
    assert [(paths.render(one.path), one.replaces) for one in found.changes] == [(path, replaces)]


def test_encryption_can_be_added_and_not_taken_away(account: Account) -> None:
    account.build("control")
    urn = "urn:pulumi:test::project::aws:eks/cluster:Cluster::cluster"
    plain = {"name": "c", "roleArn": "r", "vpcConfig": {"subnetIds": ["a", "b"]}}
    sealed = {**plain, "encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": "k"}}}
    assert [one.replaces for one in account.resources.diff(urn, plain, sealed).changes] == [False]
    assert [one.replaces for one in account.resources.diff(urn, sealed, plain).changes] == [True]


def test_order_defaults_and_spelling_are_no_change(built: Account) -> None:
    nodes = built.inputs["nodes"]
    turned = {**nodes, "subnetIds": list(reversed(nodes["subnetIds"]))}
    assert built.resources.diff(built.urn("nodes"), nodes, turned).changes == ()
    vpc = built.inputs["vpc"]
    assert built.resources.diff(built.urn("vpc"), vpc, {**vpc, "enableDnsSupport": True}).changes == ()
    role = built.inputs["control"]
    spaced = {**role, "assumeRolePolicy": json.dumps(json.loads(role["assumeRolePolicy"]), indent=4)}
    assert built.resources.diff(built.urn("control"), role, spaced).changes == ()


def test_what_a_program_no_longer_says_stays_as_it_is_where_aws_keeps_it(account: Account) -> None:
    account.build("vpc")
    urn, inputs, state = account.urn("vpc"), account.inputs["vpc"], account.states["vpc"]
    silent = {key: value for key, value in inputs.items() if key != "enableDnsHostnames"}
    assert account.resources.diff(urn, inputs, silent).changes == ()
    changed = {**silent, "tags": {"Name": "other"}}
    for preview in (True, False):
        found = account.resources.update(urn, account.ids["vpc"], state, changed, preview=preview)
        assert (found["enableDnsHostnames"], found["tags"]) == (True, {"Name": "other"})
    untagged = {key: value for key, value in inputs.items() if key != "tags"}
    assert [one.path for one in account.resources.diff(urn, inputs, untagged).changes] == [("tags",)]


def test_a_replacement_has_an_id_and_a_name_of_its_own(account: Account) -> None:
    account.build("control")
    token, inputs = aws_account.token_of("control"), aws_account.inputs_of("control")
    first = account.states["control"]
    account.inputs.pop("control")  # the engine checks a replacement as if it were new
    second = account.make("control", token, {**inputs, "path": "/tenbin/"})
    account.inputs.pop("control")
    third = account.make("control", token, inputs)
    assert len({first["name"], second["name"], third["name"]}) == 3
    assert len({first["arn"], second["arn"], third["arn"]}) == 3


def test_a_name_that_is_taken_is_refused_as_aws_does(account: Account) -> None:
    inputs = {"name": "node", "assumeRolePolicy": aws_account.trust("ec2.amazonaws.com")}
    account.make("one", "iam/role:Role", inputs)
    with pytest.raises(problems.AwsError, match=r"EntityAlreadyExists: Role with name node already exists\."):
        account.make("two", "iam/role:Role", inputs)


def test_a_version_rises_with_every_update_of_a_launch_template(account: Account) -> None:
    account.build("template")
    urn, state = account.urn("template"), account.states["template"]
    changed = {**account.inputs["template"], "metadataOptions": {"httpTokens": "optional"}}
    foretold = account.resources.update(urn, account.ids["template"], state, changed, preview=True)
    assert (state["latestVersion"], foretold["latestVersion"]) == (1, properties.UNKNOWN)
    state = account.resources.update(urn, account.ids["template"], state, changed, preview=False)
    assert (state["latestVersion"], state["defaultVersion"]) == (2, 1)


def test_a_preview_leaves_unknown_what_only_aws_knows(account: Account) -> None:
    account.build("control")
    inputs = {**account._resolved(aws_account.inputs_of("cluster")), "roleArn": properties.UNKNOWN, "name": "c"}
    urn = "urn:pulumi:test::project::aws:eks/cluster:Cluster::cluster"
    identifier, state = account.resources.create(urn, inputs, preview=True)
    assert identifier == ""
    assert state["roleArn"] is properties.UNKNOWN
    assert state["vpcConfig"]["clusterSecurityGroupId"] is properties.UNKNOWN
    assert "endpoint" not in state
    assert state["vpcConfig"]["endpointPrivateAccess"] is False
    assert not [path for path in _everything(account) if "eks" in str(path)]


def test_secrets_stay_secret(account: Account) -> None:
    account.tokens["template"] = "aws:ec2/launchTemplate:LaunchTemplate"
    inputs = {"name": "t", "userData": properties.Secret("IyEvYmluL3NoCg==")}
    checked, found = account.resources.check(account.urn("template"), {}, inputs)
    assert (checked["userData"], found) == (inputs["userData"], [])
    _, state = account.resources.create(account.urn("template"), checked, preview=False)
    assert state["userData"] == inputs["userData"]


def test_a_refused_secret_is_not_shown(account: Account) -> None:
    inputs = {"name": "t", "userData": properties.Secret("#!hidden")}
    [problem] = account.check("template", "ec2/launchTemplate:LaunchTemplate", inputs)
    assert problem == "userData: AWS would refuse the value; it is secret, so the reason is not shown"


def test_default_tags_are_on_everything_that_carries_tags(tmp_path: pathlib.Path) -> None:
    account = Account(tmp_path)
    chosen = {"owner": "ml", "Name": "default"}
    settings = account.resources._settings
    object.__setattr__(settings, "default_tags", chosen)
    account.build("vpc")
    state = account.states["vpc"]
    assert (state["tags"], state["tagsAll"]) == ({"Name": "network"}, {"owner": "ml", "Name": "network"})


def test_an_unknown_type_or_input_is_refused_by_name(account: Account) -> None:
    with pytest.raises(ValueError, match="aws:rds/instance:Instance: this stand-in for the AWS provider does not know"):
        kinds.of("aws:rds/instance:Instance")
    [problem] = account.check("vpc", "ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "cidr": "10.0.0.0/16"})
    assert problem.startswith("cidr: aws:ec2/vpc:Vpc has no such input, or the stand-in does not know it; it knows ")
