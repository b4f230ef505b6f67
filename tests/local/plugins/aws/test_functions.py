"""Functions (data sources), settings and policy documents."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from tenbin_local.plugins.aws import functions, policy_documents, settings

CHOSEN = settings.Settings(region="eu-west-1", state=pathlib.Path("nowhere"))


def ask(token: str, region: str = "eu-west-1", **arguments: Any) -> Any:
    chosen = settings.Settings(region=region, state=pathlib.Path("nowhere"))
    module, name = token.split("/")
    return functions.call(f"aws:{module}/{name}:{name}", arguments, chosen)


def test_the_caller_is_of_the_account_that_the_documentation_of_aws_has() -> None:
    answer = ask("index/getCallerIdentity")
    assert (answer["accountId"], answer["arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/stand-in")


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_the_partition_follows_from_the_region(region: str, partition: str, suffix: str) -> None:
    answer = ask("index/getPartition", region)
    assert (answer["partition"], answer["dnsSuffix"]) == (partition, suffix)


@pytest.mark.parametrize(
    ("region", "ids"),
    [
        ("eu-west-1", ["euw1-az1", "euw1-az2", "euw1-az3"]),
        ("us-east-1", ["use1-az1", "use1-az2", "use1-az3"]),
        ("ap-northeast-1", ["apne1-az1", "apne1-az2", "apne1-az3"]),
    ],
)
def test_zones_have_names_and_ids(region: str, ids: list[str]) -> None:
    answer = ask("index/getAvailabilityZones", region)
    assert (answer["names"], answer["zoneIds"]) == ([f"{region}{letter}" for letter in "abc"], ids)
    assert ask("index/getAvailabilityZones", region, excludeZoneIds=ids[:1])["zoneIds"] == ids[1:]


def test_instance_types_are_those_of_the_catalogue() -> None:
    answer = ask("ec2/getInstanceType", instanceType="p5.48xlarge")
    assert (answer["defaultVcpus"], answer["efaMaximumInterfaces"], answer["gpuses"]) == (
        192, 32, [{"count": 8, "name": "H100"}],
    )  # fmt: skip
    assert ask("ec2/getInstanceType", instanceType="p5.huge") == functions.Failure(
        "instanceType", "'p5.huge': EC2 has no such instance type"
    )
    assert ask("ec2/getInstanceType", instanceType="m7i.large") == functions.Failure(
        "instanceType", "'m7i.large': the stand-in knows instance types with accelerators only"
    )


def test_public_parameters_name_images() -> None:
    path = "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/nvidia/recommended/image_id"
    answer = ask("ssm/getParameter", name=path)
    assert answer["value"].startswith("ami-0")
    assert ask("ssm/getParameter", name="/own") == functions.Failure(
        "name", "'/own': the stand-in knows public parameters below /aws/service/ only"
    )


def test_an_unknown_function_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="aws:rds/getInstance:getInstance: this stand-in for the AWS provider does no"):
        ask("rds/getInstance")


def test_a_function_without_region_says_how_to_give_one() -> None:
    assert ask("index/getRegion", region="") == functions.Failure("region", "no region: set aws:region or AWS_REGION")


def test_a_policy_document_is_written_as_the_official_provider_writes_it() -> None:
    text = policy_documents.render(
        {
            "statements": [
                {
                    "sid": "Read",
                    "actions": ["s3:GetObject", "s3:ListBucket"],
                    "resources": ["arn:aws:s3:::models"],
                    "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["true"]}],
                },
                {"effect": "Deny", "actions": ["*"], "resources": ["*"]},
            ]
        }
    )
    assert json.loads(text) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Read",
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": "arn:aws:s3:::models",
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            },
            {"Effect": "Deny", "Action": "*", "Resource": "*"},
        ],
    }
    assert text.startswith('{\n  "Version"')


def test_documents_join_and_statements_replace_by_sid() -> None:
    first = json.dumps({"Statement": [{"Sid": "A", "Effect": "Allow"}, {"Sid": "B", "Effect": "Allow"}]})
    second = json.dumps({"Statement": {"Sid": "A", "Effect": "Deny"}})
    text = policy_documents.render({"sourcePolicyDocuments": [first], "overridePolicyDocuments": [second]})
    assert [(one["Sid"], one["Effect"]) for one in json.loads(text)["Statement"]] == [("A", "Deny"), ("B", "Allow")]


@pytest.mark.parametrize(
    ("variables", "environment", "region"),
    [
        ({"aws:config:region": "eu-west-1"}, {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        ({}, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "us-east-1"),
        ({}, {"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({}, {}, ""),
    ],
)
def test_the_region_is_configured_or_in_the_environment(
    variables: dict[str, str], environment: dict[str, str], region: str
) -> None:
    assert settings.parse(variables, environment).region == region


def test_account_tags_and_folder_are_read() -> None:
    found = settings.parse(
        {
            "aws:config:allowedAccountIds": '["111122223333"]',
            "aws:config:defaultTags": '{"tags": {"owner": "ml"}}',
        },
        {"PULUMI_HOME": "/home/one/.pulumi"},
    )
    assert (found.account, found.default_tags) == ("111122223333", {"owner": "ml"})
    assert found.state == pathlib.Path("/home/one/.pulumi/tenbin-aws")
    assert settings.parse({}, {"TENBIN_AWS_STATE": "/account"}).state == pathlib.Path("/account")


def test_a_region_that_is_none_is_refused() -> None:
    assert settings.problems({"region": "europe"}) == {"region": "'europe' is no region; it is written like us-east-1"}
    assert settings.problems({"region": "us-gov-west-1"}) == {}
