"""Faults of AWS that are asked for, each with AWS's own words."""

from __future__ import annotations

import pathlib

import pytest
from support import aws_account
from support.aws_account import Account
from tenbin_local.plugins import outcomes
from tenbin_local.plugins.aws import faults, problems


def account(folder: pathlib.Path, text: str) -> Account:
    return Account(folder, faults.parse({faults.VARIABLE: text}))


def test_a_node_group_without_capacity_fails_and_is_waited_for_again(tmp_path: pathlib.Path) -> None:
    made = account(tmp_path, "insufficient-capacity:nodes-*:2")
    made.build("template")
    with pytest.raises(outcomes.PartlyDoneError) as caught:
        made.make("nodes", aws_account.token_of("nodes"), aws_account.inputs_of("nodes"))
    message, state = str(caught.value), caught.value.state
    assert message.startswith(
        f"waiting for EKS Node Group ({caught.value.identifier}) create: unexpected state 'CREATE_FAILED', wanted "
        "target 'ACTIVE'. last error: eks-nodes-"
    )
    assert "InsufficientInstanceCapacity - We currently do not have sufficient g6e.xlarge capacity in the " in message
    assert "the Availability Zone you requested (eu-west-1a)" in message
    assert state["status"] == "CREATE_FAILED"
    again = {"identifier": caught.value.identifier, "old_state": state, "marked": made.inputs["nodes"]}
    with pytest.raises(outcomes.PartlyDoneError):
        made.resources.update(made.urn("nodes"), **again, preview=False)
    assert made.resources.update(made.urn("nodes"), **again, preview=False)["status"] == "ACTIVE"


def test_spot_capacity_is_told_in_other_words(tmp_path: pathlib.Path) -> None:
    made = account(tmp_path, "insufficient-capacity:*")
    made.build("template")
    spot = {**aws_account.inputs_of("nodes"), "capacityType": "SPOT"}
    with pytest.raises(outcomes.PartlyDoneError, match="UnfulfillableCapacity - Unable to fulfill capacity"):
        made.make("nodes", aws_account.token_of("nodes"), spot)


def test_an_empty_node_group_needs_no_capacity(tmp_path: pathlib.Path) -> None:
    made = account(tmp_path, "insufficient-capacity:*")
    made.build("template")
    empty = {**aws_account.inputs_of("nodes"), "scalingConfig": {"minSize": 0, "desiredSize": 0, "maxSize": 4}}
    assert made.make("nodes", aws_account.token_of("nodes"), empty)["status"] == "ACTIVE"


def test_what_was_just_made_is_not_there_yet_for_what_needs_it(tmp_path: pathlib.Path) -> None:
    made = account(tmp_path, "eventual-consistency:aws:ec2/vpc:Vpc")
    made.build("vpc")
    token, inputs = aws_account.token_of("a"), aws_account.inputs_of("a")
    with pytest.raises(problems.AwsError) as caught:
        made.make("a", token, inputs)
    assert f"api error InvalidVpcID.NotFound: The vpc ID '{made.ids['vpc']}' does not exist" in str(caught.value)
    assert made.make("a", token, inputs)["vpcId"] == made.ids["vpc"]


def test_what_was_just_made_is_not_there_yet_for_a_read(tmp_path: pathlib.Path) -> None:
    made = account(tmp_path, "eventual-consistency:aws:ec2/vpc:Vpc:2")
    made.build("vpc")
    asked = (made.urn("vpc"), made.ids["vpc"], made.inputs["vpc"])
    answers = [made.resources.read(*asked) is not None for _ in range(4)]
    assert answers == [False, False, True, True]


@pytest.mark.parametrize(
    ("operation", "name", "answer"),
    [
        (
            "CreateVpc",
            "vpc",
            (
                "creating EC2 VPC: exceeded maximum number of attempts, 25, operation error EC2: CreateVpc, https "
                "response error StatusCode: 503, RequestID: {request}, api error RequestLimitExceeded: "
                "Request limit exceeded."
            ),
        ),
        (
            "Create*",
            "control",
            (
                "creating IAM Role: exceeded maximum number of attempts, 25, operation error IAM: CreateRole, https "
                "response error StatusCode: 400, RequestID: {request}, ThrottlingException: Rate exceeded"
            ),
        ),
    ],
)
def test_requests_are_refused_as_often_as_asked_for(
    tmp_path: pathlib.Path, operation: str, name: str, answer: str
) -> None:
    made = account(tmp_path, f"throttling:{operation}:1")
    with pytest.raises(problems.AwsError) as caught:
        made.make(name, aws_account.token_of(name), aws_account.inputs_of(name))
    request = str(caught.value).split("RequestID: ")[1].split(",")[0]
    assert str(caught.value) == answer.format(request=request)
    # Another provider process of the same account goes on counting.
    other = account(tmp_path, f"throttling:{operation}:1")
    assert other.make(name, aws_account.token_of(name), aws_account.inputs_of(name))


def test_a_refused_deletion_leaves_the_resource(tmp_path: pathlib.Path) -> None:
    made = account(tmp_path, "throttling:DeleteVpc:1")
    made.build("vpc")
    with pytest.raises(problems.AwsError, match="deleting EC2 VPC"):
        made.remove("vpc")
    made.remove("vpc")


@pytest.mark.parametrize("text", ["", " , "])
def test_no_fault_is_asked_for(text: str) -> None:
    assert faults.parse({faults.VARIABLE: text}) == ()


def test_a_type_token_is_told_from_a_number() -> None:
    assert faults.parse({faults.VARIABLE: "eventual-consistency:aws:iam/role:Role:3, throttling:*"}) == (
        faults.Fault(name="eventual-consistency", pattern="aws:iam/role:Role", times=3),
        faults.Fault(name="throttling", pattern="*"),
    )


@pytest.mark.parametrize("entry", ["outage:*", "throttling", "throttling:", "THROTTLING:*"])
def test_what_is_no_fault_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no fault; write <fault>:<pattern> or <fault>:<pattern>:<times>") as caught:
        faults.parse({faults.VARIABLE: entry})
    assert str(caught.value).startswith(f"TENBIN_AWS_FAULTS: {entry!r} ")
